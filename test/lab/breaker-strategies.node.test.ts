import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { breakerStrategies, moments } from '../../lab/experiments/breaker-strategies.ts';

const shares: number[] = [];
const result = await breakerStrategies.run(1, (share) => shares.push(share));

test.for(breakerStrategies.findings(result))('$claim', (finding) => {
  expect(finding).toSatisfy(holds);
});

test('the defaults keep the load and the goodput, and are late when an outage is over', () => {
  const { outages, overload, lengths } = result;
  expect(outages['5 calls (default)'].load).toBeLessThan(5);
  expect(overload['5 calls (default)'].at(-1)?.value).toBeGreaterThan(97);
  const waits = lengths['10 s, doubled up to 120 s (default)'].map(({ value }) => value);
  expect(Math.min(...waits)).toBeGreaterThan(0.5);
  expect(Math.max(...waits)).toBeGreaterThan(30);
});

test('ten attempts and a fixed 0.3 s reach all three aims, with busy clients', () => {
  const { load, recoveryMs } = result.outages['10 attempts, 0.3 s'];
  expect(load).toBeLessThan(5);
  expect(recoveryMs).toBeLessThan(500);
  for (const { value } of result.overload['10 attempts, 0.3 s']) expect(value).toBeGreaterThan(97);
});

test('the experiment tells how far it is', () => {
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});

test('the same seed gives the same moments, and another one gives others', async () => {
  const first = await moments('5 calls (default)', 1, 20);
  expect(await moments('5 calls (default)', 1, 20)).toEqual(first);
  expect(await moments('5 calls (default)', 2, 20)).not.toEqual(first);
});
