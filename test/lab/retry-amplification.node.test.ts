import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { retryAmplification } from '../../lab/experiments/retry-amplification.ts';

const result = await retryAmplification.run(1, () => {});

test.for(retryAmplification.findings(result))('In an outage: $claim, as expected', (finding) => {
  expect(finding.value).toBeGreaterThanOrEqual(0);
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('A naive client makes three requests of a call, four layers of them 81, and a budget 1.2', () => {
  const { single, deep } = result;
  expect(single['no retries'].amplification).toBeCloseTo(1, 1);
  expect(single['naive, 3 attempts'].amplification).toBeCloseTo(3, 1);
  expect(deep['naive, 3 attempts'].amplification).toBeGreaterThan(80);
  expect(single['with a budget'].amplification).toBeCloseTo(1.2, 2);
  // With a breaker, it is left alone until it is back.
  expect(deep['with a budget and a breaker'].amplification).toBeLessThan(0.05);
});
