import { expect, test } from 'vitest';

import { chanceFor, exponential, logNormal } from '../../lab/chance.ts';
import { VirtualClock } from '../../lab/clock.ts';
import { arrivals } from '../../lab/traffic.ts';

const many = (draw: () => number, count = 50_000): number[] => Array.from({ length: count }, draw);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test('chanceFor() gives the same numbers for the same seed and name, and others for others', () => {
  const first = many(chanceFor(1, 'users'), 100);
  expect(many(chanceFor(1, 'users'), 100)).toEqual(first);
  expect(many(chanceFor(2, 'users'), 100)).not.toEqual(first);
  expect(many(chanceFor(1, 'work'), 100)).not.toEqual(first);
  const numbers = many(chanceFor(3, 'any'));
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  expect(mean(numbers)).toBeCloseTo(0.5, 2);
});

test('exponential() and logNormal() have the mean and the median that they are asked for', () => {
  expect(mean(many(exponential(chanceFor(1, 'a'), 20))) / 20).toBeCloseTo(1, 1);
  const sorted = many(logNormal(chanceFor(1, 'b'), 30, 0.5)).toSorted((a, b) => a - b);
  expect((sorted[25_000] ?? 0) / 30).toBeCloseTo(1, 1);
  expect((sorted[49_500] ?? 0) / 30).toBeGreaterThan(3);
  expect((sorted[49_500] ?? 0) / 30).toBeLessThan(3.4);
});

test('arrivals() calls as often as asked, at any rate over time, and not after the end', async () => {
  const clock = new VirtualClock();
  const calls: number[] = [];
  arrivals(
    clock,
    chanceFor(1, 'users'),
    (at) => (at < 10_000 ? 100 : 500),
    20_000,
    () => calls.push(clock.now()),
  );
  await clock.run(60_000);
  const early = calls.filter((at) => at < 10_000).length;
  expect(early / 1_000).toBeCloseTo(1, 1);
  expect((calls.length - early) / 5_000).toBeCloseTo(1, 1);
  expect(calls.at(-1)).toBeLessThan(20_000);
});
