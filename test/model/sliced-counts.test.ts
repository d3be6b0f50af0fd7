import { expect, test } from 'vitest';

import { addCount, countOf, type SlicedCounts, slicedCounts } from '../../src/model/sliced-counts.ts';

const APPLES = 0;
const PEARS = 1;

function both(counts: SlicedCounts, now: number): readonly number[] {
  return [countOf(counts, APPLES, now), countOf(counts, PEARS, now)];
}

test('slicedCounts() starts at nothing, in every kind', () => {
  expect(both(slicedCounts(1_000, 2, 0), 0)).toEqual([0, 0]);
});

test('addCount() adds one, or the amount given, to its own kind alone', () => {
  const counts = slicedCounts(1_000, 2, 0);
  addCount(counts, APPLES, 0);
  addCount(counts, APPLES, 0);
  expect(both(counts, 0)).toEqual([2, 0]);
  addCount(counts, PEARS, 0, 5);
  expect(both(counts, 0)).toEqual([2, 5]);
});

test('countOf() answers 0 for a kind that is not counted', () => {
  expect(countOf(slicedCounts(1_000, 1, 0), PEARS, 0)).toBe(0);
});

// Ten slices of 100 ms: what came in a slice leaves when the eleventh begins.
const lifetimes = [
  { cameAt: 0, lastSeenAt: 999, goneAt: 1_000 },
  { cameAt: 99, lastSeenAt: 999, goneAt: 1_000 },
  { cameAt: 100, lastSeenAt: 1_099, goneAt: 1_100 },
  { cameAt: 950, lastSeenAt: 1_899, goneAt: 1_900 },
  { cameAt: 12_345, lastSeenAt: 13_299, goneAt: 13_300 },
  // Readings of a monotonic clock start anywhere, and a restored state begins before now.
  { cameAt: -1, lastSeenAt: 899, goneAt: 900 },
  { cameAt: -12_345, lastSeenAt: -11_401, goneAt: -11_400 },
];

test.for(lifetimes)('countOf() sees what came at $cameAt up to $lastSeenAt, and not at $goneAt', (row) => {
  const counts = slicedCounts(1_000, 2, row.cameAt);
  addCount(counts, PEARS, row.cameAt);
  expect(both(counts, row.lastSeenAt)).toEqual([0, 1]);
  expect(both(counts, row.goneAt)).toEqual([0, 0]);
});

test('countOf() drops a slice at a time as the clock passes, the oldest first', () => {
  const counts = slicedCounts(1_000, 2, 0);
  for (let slice = 0; slice < 10; slice += 1) {
    addCount(counts, APPLES, slice * 100, slice + 1);
    addCount(counts, PEARS, slice * 100 + 50);
  }
  expect(both(counts, 999)).toEqual([55, 10]);
  expect(both(counts, 1_000)).toEqual([54, 9]);
  expect(both(counts, 1_199)).toEqual([52, 8]);
  expect(both(counts, 1_599)).toEqual([34, 4]);
  addCount(counts, APPLES, 1_599, 100);
  expect(both(counts, 1_899)).toEqual([110, 1]);
  expect(both(counts, 1_900)).toEqual([100, 0]);
  expect(both(counts, 2_499)).toEqual([100, 0]);
  expect(both(counts, 2_500)).toEqual([0, 0]);
});

test('addCount() itself drops what is too old, when nobody has asked in between', () => {
  const counts = slicedCounts(1_000, 2, 0);
  addCount(counts, APPLES, 0, 7);
  addCount(counts, APPLES, 1_000);
  expect(countOf(counts, APPLES, 1_000)).toBe(1);
});

test.for([10, 11, 19, 20, 36_000, 1e12])('countOf() is empty, when %i slices have passed without traffic', (slices) => {
  const counts = slicedCounts(1_000, 2, 50);
  for (let at = 50; at < 1_050; at += 100) addCount(counts, APPLES, at);
  const now = 950 + slices * 100;
  expect(both(counts, now)).toEqual([0, 0]);
  addCount(counts, PEARS, now);
  expect(both(counts, now + 999 - 50)).toEqual([0, 1]);
  expect(both(counts, now + 1_000)).toEqual([0, 0]);
});

test('addCount() and countOf() take a reading from before the last one as if it were the last one', () => {
  const counts = slicedCounts(1_000, 1, 500);
  addCount(counts, APPLES, 500);
  addCount(counts, APPLES, 100);
  expect(countOf(counts, APPLES, 0)).toBe(2);
  expect(countOf(counts, APPLES, 1_499)).toBe(2);
  expect(countOf(counts, APPLES, 1_500)).toBe(0);
});

test('SlicedCounts keep their size, however long they run', () => {
  const counts = slicedCounts(1_000, 2, 0);
  for (let now = 0; now < 100_000; now += 70) addCount(counts, now % 3 === 0 ? APPLES : PEARS, now);
  expect(counts.counts).toHaveLength((10 + 1) * 2);
});
