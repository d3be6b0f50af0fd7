import { expect, test } from 'vitest';

import { answeredSeries, circuitSeries, seenPerSecond, seenSeries } from '../../drill/series.ts';

test('answeredSeries() tells the share by the column in which calls were made', () => {
  const call = (startedAt: number, answered: boolean) => ({ startedAt, endedAt: 9_999, answered });
  const calls = [call(0, true), call(499, false), call(500, true), call(1_999, false), call(2_500, true)];
  expect(answeredSeries(calls, 2_000, 4)).toEqual([0.5, 1, undefined, 0]);
});

test('seenSeries() turns a running total into requests per second, up to what is known', () => {
  const marks = [
    { at: 500, total: 10 },
    { at: 1_000, total: 10 },
    { at: 1_500, total: 40 },
  ];
  expect(seenSeries(marks, 2_000, 4)).toEqual([20, 0, 60, undefined]);
});

test('seenSeries() spreads requests evenly between marks that do not meet the columns', () => {
  expect(seenSeries([{ at: 1_000, total: 10 }], 1_000, 4)).toEqual([10, 10, 10, 10]);
});

test('seenPerSecond() counts what came between two instants', () => {
  const marks = [
    { at: 1_000, total: 30 },
    { at: 2_000, total: 120 },
    { at: 5_000, total: 150 },
  ];
  expect(seenPerSecond(marks, 1_000, 2_000)).toBe(90);
  expect(seenPerSecond(marks, 1_500, 2_000)).toBe(90);
  expect(seenPerSecond([], 0, 1_000)).toBe(0);
});

test('circuitSeries() shows each state where it held, a short visit too, and nothing of the future', () => {
  const marks = [
    { at: 0, state: 'closed' },
    { at: 1_000, state: 'open' },
    { at: 2_300, state: 'half-open' },
    { at: 2_400, state: 'open' },
    { at: 3_100, state: 'half-open' },
    { at: 3_500, state: 'closed' },
  ] as const;
  expect(circuitSeries(marks, 5_000, 6_000, 6)).toEqual(['open', 'open', 'half-open', 'half-open', 'closed', 'closed']);
  expect(circuitSeries(marks, 900, 6_000, 6).slice(1)).toEqual(Array(5).fill(undefined));
});
