import { expect, test } from 'vitest';

import { type HedgePace, newPace, noteRead, percentileMs, spendHedge } from '../../src/model/hedge-pace.ts';

function paceOf(tooksMs: readonly number[], share = 0.9, now = 0): HedgePace {
  const pace = newPace(now);
  for (const tookMs of tooksMs) noteRead(pace, tookMs, share, now);
  return pace;
}

const times = (count: number, tookMs: number): number[] => new Array<number>(count).fill(tookMs);

const least = [
  { share: 0.5, reads: 20 },
  { share: 0.9, reads: 20 },
  { share: 0.95, reads: 20 },
  { share: 0.96, reads: 25 },
  { share: 0.99, reads: 100 },
  { share: 0.999, reads: 1_000 },
];

test.for(least)('percentileMs() can tell $share from $reads reads, and not from one less', ({ share, reads }) => {
  expect(percentileMs(paceOf(times(reads - 1, 10)), share, 0)).toBeUndefined();
  expect(percentileMs(paceOf(times(reads, 10)), share, 0)).toBeCloseTo(10.37, 2);
});

const shares = [
  { share: 0.5, from: 8 },
  { share: 0.75, from: 8 },
  { share: 0.95, from: 64 },
  { share: 0.98, from: 64 },
  { share: 0.99, from: 1_024 },
];

test.for(shares)('percentileMs() of $share is what no more than the rest exceed: $from ms', ({ share, from }) => {
  // 80 % take 8 ms, 18 % 64 ms, 2 % 1,024 ms: powers of two are bounds of buckets.
  const pace = paceOf([...times(80, 8), ...times(18, 64), ...times(2, 1_024)]);
  expect(percentileMs(pace, share, 0)).toBe(from);
});

test('percentileMs() does not round what a share leaves: of 20, one may exceed 0.95, and of 100, one 0.99', () => {
  expect(percentileMs(paceOf([...times(19, 8), 64]), 0.95, 0)).toBe(8);
  expect(percentileMs(paceOf([...times(18, 8), 64, 64]), 0.95, 0)).toBe(64);
  expect(percentileMs(paceOf([...times(99, 8), 64]), 0.99, 0)).toBe(8);
  expect(percentileMs(paceOf([...times(98, 8), 64, 64]), 0.99, 0)).toBe(64);
});

test.for([
  { tookMs: 0, is: 1 },
  { tookMs: -5, is: 1 },
  { tookMs: Number.NaN, is: 1 },
  { tookMs: 1, is: 1 },
  { tookMs: 131_072, is: 131_072 },
  { tookMs: 1e9, is: 131_072 },
  { tookMs: Infinity, is: 131_072 },
])('percentileMs() takes $tookMs ms for $is: what a clock says may be anything', ({ tookMs, is }) => {
  expect(percentileMs(paceOf(times(20, tookMs)), 0.5, 0)).toBe(is);
});

test('percentileMs() looks back a minute', () => {
  const pace = paceOf(times(20, 8), 0.9, 1_000);
  expect(percentileMs(pace, 0.9, 54_999)).toBe(8);
  expect(percentileMs(pace, 0.9, 61_000)).toBeUndefined();
  for (const tookMs of times(20, 64)) noteRead(pace, tookMs, 0.9, 61_000);
  expect(percentileMs(pace, 0.9, 61_000)).toBe(64);
});

test('percentileMs() knows soon that reads get slower, and late that they get faster', () => {
  const slower = paceOf(times(100, 8));
  for (const tookMs of times(12, 64)) noteRead(slower, tookMs, 0.9, 100);
  expect(percentileMs(slower, 0.9, 100)).toBe(64);
  const faster = paceOf(times(100, 64));
  for (const tookMs of times(500, 8)) noteRead(faster, tookMs, 0.9, 100);
  expect(percentileMs(faster, 0.9, 100)).toBe(64);
});

test('spendHedge() grants as many as the rest of the reads, and no more than 10 at once', () => {
  const spent = (pace: HedgePace): number => {
    let count = 0;
    while (spendHedge(pace)) count += 1;
    return count;
  };
  expect(spent(newPace(0))).toBe(0);
  expect(spent(paceOf(times(19, 8), 0.95))).toBe(0);
  const pace = paceOf(times(20, 8), 0.95);
  expect(spent(pace)).toBe(1);
  expect(spent(pace)).toBe(0);
  expect(spent(paceOf(times(30, 8), 0.9))).toBe(3);
  expect(spent(paceOf(times(10_000, 8), 0.9))).toBe(10);
});
