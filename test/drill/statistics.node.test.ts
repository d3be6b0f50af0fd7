import { expect, test } from 'vitest';

import type { Call, Track } from '../../drill/record.ts';
import { timed } from '../../drill/script.ts';
import { answeredShare, percentile, summarise, waits } from '../../drill/statistics.ts';

const call = (startedAt: number, tookMs: number, answered = true): Call => ({
  startedAt,
  endedAt: startedAt + tookMs,
  answered,
});

test.for([
  [[], 0.5, undefined],
  [[7], 0.5, 7],
  [[7], 0.99, 7],
  [[3, 1, 2], 0.5, 2],
  [[4, 3, 2, 1], 0.5, 2],
  [[10, 9], 0.99, 10],
  [Array.from({ length: 100 }, (_, index) => index + 1), 0.99, 99],
  [Array.from({ length: 101 }, (_, index) => index + 1), 0.99, 100],
] as const)('percentile() of %j at %d is %d (nearest rank)', ([values, share, expected]) => {
  expect(percentile(values, share)).toBe(expected);
});

test('percentile() leaves the values as they were', () => {
  const values = [3, 1, 2];
  percentile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
});

test('waits() looks at how long calls took, not at when', () => {
  expect(waits([call(1_000, 10), call(5, 30), call(70, 20)])).toEqual({ p50: 20, p99: 30 });
  expect(waits([])).toEqual({ p50: undefined, p99: undefined });
});

test('answeredShare() is unknown without calls', () => {
  expect(answeredShare([])).toBeUndefined();
  expect(answeredShare([call(0, 1), call(0, 1, false), call(0, 1), call(0, 1)])).toBe(0.75);
});

test('summarise() puts calls in the phase in which they were made, and keeps answers and failures apart', () => {
  const phases = timed([
    { label: 'a', story: '', lastsMs: 1_000, conduct: { kind: 'hang' } },
    { label: 'b', story: '', lastsMs: 2_000, conduct: { kind: 'serve', serviceMs: 1 } },
  ]);
  const track: Track = {
    name: 'x',
    calls: [call(999, 500, false), call(1_000, 40), call(1_500, 60), call(2_500, 100), call(2_999, 2, false)],
    seen: [
      { at: 1_000, total: 3 },
      { at: 3_000, total: 9 },
      { at: 4_000, total: 12 },
    ],
    seenByPhase: [3, 9],
  };
  expect(summarise(track, phases, 1_000)).toEqual({
    name: 'x',
    calls: 5,
    answered: 0.6,
    toAnswer: { p50: 60, p99: 100 },
    toFailure: { p50: 2, p99: 500 },
    seenPerCall: 2.4,
    servedAgainMs: 40,
    phases: [
      { label: 'a', answered: 0, seenPerCall: 3, seenPerSecond: 3 },
      { label: 'b', answered: 0.75, seenPerCall: 2.25, seenPerSecond: 3 },
    ],
  });
});

test('summarise() gives no figure for a phase without calls', () => {
  const phases = timed([{ label: 'a', story: '', lastsMs: 1_000, conduct: { kind: 'down' } }]);
  const summary = summarise({ name: 'x', calls: [], seen: [], seenByPhase: [0] }, phases, Infinity);
  expect(summary).toMatchObject({ answered: undefined, seenPerCall: undefined, servedAgainMs: undefined });
  expect(summary.phases).toEqual([{ label: 'a', answered: undefined, seenPerCall: undefined, seenPerSecond: 0 }]);
});
