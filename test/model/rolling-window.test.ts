import { expect, test } from 'vitest';

import {
  countWindow,
  type RollingWindow,
  recordCall,
  timeWindow,
  type WindowTotals,
  windowTotals,
} from '../../src/model/rolling-window.ts';

// A call by its letter: ok, failed, slow, both.
const KINDS = {
  o: { failed: false, slow: false },
  f: { failed: true, slow: false },
  s: { failed: false, slow: true },
  b: { failed: true, slow: true },
} as const;

function record(window: RollingWindow, calls: string, now = 0): void {
  for (const letter of calls) {
    const { failed, slow } = KINDS[letter as keyof typeof KINDS];
    recordCall(window, failed, slow, now);
  }
}

function totals(calls: number, failures: number, slow: number): WindowTotals {
  return { calls, failures, slow };
}

const countRows = [
  { size: 4, calls: '', expected: totals(0, 0, 0) },
  { size: 4, calls: 'o', expected: totals(1, 0, 0) },
  { size: 4, calls: 'f', expected: totals(1, 1, 0) },
  { size: 4, calls: 's', expected: totals(1, 0, 1) },
  { size: 4, calls: 'b', expected: totals(1, 1, 1) },
  { size: 4, calls: 'ofsb', expected: totals(4, 2, 2) },
  { size: 4, calls: 'fooo', expected: totals(4, 1, 0) },
  { size: 4, calls: 'foooo', expected: totals(4, 0, 0) },
  { size: 4, calls: 'soooo', expected: totals(4, 0, 0) },
  { size: 4, calls: 'fffff', expected: totals(4, 4, 0) },
  { size: 4, calls: 'sssss', expected: totals(4, 0, 4) },
  { size: 4, calls: 'fssss', expected: totals(4, 0, 4) },
  { size: 4, calls: 'sffff', expected: totals(4, 4, 0) },
  { size: 4, calls: 'bbbboo', expected: totals(4, 2, 2) },
  { size: 4, calls: 'bbbboooo', expected: totals(4, 0, 0) },
  { size: 4, calls: 'oooobfso', expected: totals(4, 2, 2) },
  { size: 1, calls: 'fs', expected: totals(1, 0, 1) },
  { size: 1, calls: 'bo', expected: totals(1, 0, 0) },
  { size: 3, calls: 'fsofsofsof', expected: totals(3, 1, 1) },
];

test.for(countRows)('countWindow($size) holds the last $size calls, after "$calls"', ({ size, calls, expected }) => {
  const window = countWindow(size);
  record(window, calls);
  expect(windowTotals(window, 0)).toEqual(expected);
});

test('countWindow() is not moved on by the clock', () => {
  const window = countWindow(3);
  record(window, 'fb', 0);
  expect(windowTotals(window, 3_600_000)).toEqual(totals(2, 2, 1));
});

test('timeWindow() counts calls, failures and slow ones each by themselves', () => {
  const window = timeWindow(1_000, 0);
  record(window, 'ooofffffssbbb');
  expect(windowTotals(window, 0)).toEqual(totals(13, 8, 5));
});

test('timeWindow() lets calls leave when their tenth of the span is over, and is empty after an idle hour', () => {
  const window = timeWindow(1_000, 0);
  record(window, 'b', 0);
  record(window, 'f', 450);
  record(window, 's', 900);
  expect(windowTotals(window, 999)).toEqual(totals(3, 2, 2));
  expect(windowTotals(window, 1_000)).toEqual(totals(2, 1, 1));
  expect(windowTotals(window, 1_400)).toEqual(totals(1, 0, 1));
  record(window, 'o', 1_400);
  expect(windowTotals(window, 1_899)).toEqual(totals(2, 0, 1));
  expect(windowTotals(window, 3_600_000)).toEqual(totals(0, 0, 0));
});

test('timeWindow() holds any number of calls, where countWindow() holds its size', () => {
  const byTime = timeWindow(1_000, 0);
  const byCount = countWindow(5);
  for (const window of [byTime, byCount]) record(window, 'f'.repeat(1_000), 10);
  expect(windowTotals(byTime, 10)).toEqual(totals(1_000, 1_000, 0));
  expect(windowTotals(byCount, 10)).toEqual(totals(5, 5, 0));
});
