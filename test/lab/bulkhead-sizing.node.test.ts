import { bulkheadSize } from 'steadfetch';
import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { bulkheadSizing, day } from '../../lab/experiments/bulkhead-sizing.ts';

const result = await bulkheadSizing.run(1, () => {});
const { half, 'the value': value, double, 'ten times': ten } = result.runs;

test.for(bulkheadSizing.findings(result))('The size of a bulkhead: $of: $claim, as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test("A bulkhead of what Little's law gives queues on a good day, one of double does not", () => {
  expect(bulkheadSize({ requestsPerSecond: 200, latencyMs: 50 })).toBe(10);
  expect(half.seen.good.answered).toBeLessThan(60);
  expect(value.seen.good.p99).toBeGreaterThan(300);
  expect(double.seen.good.p99).toBeLessThan(180);
  expect(double.seen.busy.answered).toBeGreaterThan(99.9);
});

test('Ten times as many slots give a slow dependency more than it can do, and leave its neighbour no room', () => {
  expect(ten.seen.good).toEqual({ ...double.seen.good, p50: ten.seen.good.p50, p99: ten.seen.good.p99 });
  expect(ten.seen.slow.answered).toBeLessThan(double.seen.slow.answered / 2);
  expect(ten.mostHeld).toBe(120);
  expect(ten.seen.slow.neighbour).toBeLessThan(35);
  expect(double.seen.slow.neighbour).toBe(100);
  expect(ten.seen.after.answered).toBeLessThan(double.seen.after.answered / 2);
});

test('The same seed gives the same numbers, and another seed others', async () => {
  const bulkhead = { maxConcurrent: 20 };
  expect(await day(bulkhead, 1, () => {})).toEqual(double);
  expect(await day(bulkhead, 2, () => {})).not.toEqual(double);
});
