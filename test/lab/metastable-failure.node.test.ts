import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { metastableFailure } from '../../lab/experiments/metastable-failure.ts';

const runs = await metastableFailure.run(1, () => {});

test.for(metastableFailure.findings(runs))('After a spike: $claim, as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('With naive retries the service stays down when the spike is over; with a breaker, or a budget for the fleet, it comes back', () => {
  expect(runs['naive, 3 attempts'].recoverySeconds).toBe(Infinity);
  expect(runs['naive, 3 attempts'].inTheEnd).toBe(0);
  expect(runs['budget: a fifth'].inTheEnd).toBeGreaterThan(0.99);
  expect(runs['breaker and budget (defaults)'].recoverySeconds).toBeLessThan(runs['no retries'].recoverySeconds);
});

test('The same seed gives the same numbers, and another seed others', async () => {
  const { findings, run } = metastableFailure;
  expect(findings(await run(1, () => {}))).toEqual(findings(runs));
  const other = await run(2, () => {});
  expect(other['no retries'].answered).not.toEqual(runs['no retries'].answered);
  expect(findings(other).every(holds)).toBe(true);
}, 60_000);
