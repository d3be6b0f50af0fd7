import { expect, test } from 'vitest';

import { type BackoffLimits, backoffMs, type Jitter } from '../../src/model/backoff.ts';

const lowest = (): number => 0;
const middle = (): number => 0.5;
const highest = (): number => 1 - Number.EPSILON;

function limits(jitter: Jitter, changes: Partial<BackoffLimits> = {}): BackoffLimits {
  return { initialDelayMs: 100, multiplier: 2, maxDelayMs: 5_000, jitter, ...changes };
}

/** The waits after attempts 1, 2, 3, …, each told what the last one was. */
function waits(count: number, from: BackoffLimits, random: () => number): readonly number[] {
  const delays: number[] = [];
  for (let attempt = 1; attempt <= count; attempt += 1)
    delays.push(backoffMs(attempt, delays.at(-1) ?? 0, from, random));
  return delays;
}

const growth = [
  { how: 'doubles', changes: {}, expected: [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] },
  { how: 'triples', changes: { multiplier: 3 }, expected: [100, 300, 900, 2_700, 5_000] },
  { how: 'stays', changes: { multiplier: 1 }, expected: [100, 100, 100] },
  { how: 'is capped from the start', changes: { maxDelayMs: 60 }, expected: [60, 60, 60] },
  { how: 'may be nothing', changes: { initialDelayMs: 0 }, expected: [0, 0, 0] },
  { how: 'may be capped to nothing', changes: { maxDelayMs: 0 }, expected: [0, 0, 0] },
];

test.for(growth)('backoffMs() without jitter $how, given $changes', ({ changes, expected }) => {
  expect(waits(expected.length, limits(0, changes), middle)).toEqual(expected);
});

const spread = [
  { jitter: 'full', from: 0, half: 200, to: 400 },
  { jitter: 1, from: 0, half: 200, to: 400 },
  { jitter: 0.2, from: 320, half: 360, to: 400 },
  { jitter: 0.5, from: 200, half: 300, to: 400 },
  { jitter: 0, from: 400, half: 400, to: 400 },
] as const;

test.for(spread)('backoffMs() with jitter $jitter is between $from and $to ms, when the delay is 400', (row) => {
  // The share is taken off: chance can only make a wait shorter than what the limits allow.
  expect(backoffMs(3, 0, limits(row.jitter), lowest)).toBe(row.to);
  expect(backoffMs(3, 0, limits(row.jitter), middle)).toBe(row.half);
  expect(backoffMs(3, 0, limits(row.jitter), highest)).toBeCloseTo(row.from, 9);
});

test('backoffMs() with full jitter takes its share of the capped delay, so that waits at the cap are spread as well', () => {
  expect(backoffMs(20, 0, limits('full'), middle)).toBe(2_500);
});

test('backoffMs() does not look at the last wait, unless the jitter is decorrelated', () => {
  expect(backoffMs(2, 4_000, limits('full'), middle)).toBe(100);
});

const decorrelated = [
  { previousMs: 0, from: 100, half: 200, to: 300 },
  { previousMs: 50, from: 100, half: 200, to: 300 },
  { previousMs: 100, from: 100, half: 200, to: 300 },
  { previousMs: 200, from: 100, half: 350, to: 600 },
  { previousMs: 1_000, from: 100, half: 1_550, to: 3_000 },
  { previousMs: 5_000, from: 100, half: 5_000, to: 5_000 },
];

test.for(decorrelated)('backoffMs() decorrelated is between $from and $to ms, after a wait of $previousMs', (row) => {
  for (const attempt of [1, 2, 7]) {
    expect(backoffMs(attempt, row.previousMs, limits('decorrelated'), lowest)).toBe(row.from);
    expect(backoffMs(attempt, row.previousMs, limits('decorrelated'), middle)).toBe(row.half);
    expect(backoffMs(attempt, row.previousMs, limits('decorrelated'), highest)).toBeCloseTo(row.to, 9);
  }
});

test('backoffMs() decorrelated grows from wait to wait, up to the cap', () => {
  expect(waits(7, limits('decorrelated'), highest).map(Math.round)).toEqual([
    300, 900, 2_700, 5_000, 5_000, 5_000, 5_000,
  ]);
  expect(waits(4, limits('decorrelated'), middle)).toEqual([200, 350, 575, 912.5]);
});

test('backoffMs() decorrelated is capped, when the first delay is already longer', () => {
  expect(backoffMs(1, 0, limits('decorrelated', { maxDelayMs: 60 }), lowest)).toBe(60);
});

test('backoffMs() is in [0, maxDelayMs] for any attempt, jitter and chance', () => {
  const jitters: readonly Jitter[] = ['full', 'decorrelated', 0, 0.2, 1];
  const starts = [0, 1, 100, 5_000, 1e308];
  for (const jitter of jitters) {
    for (const initialDelayMs of starts) {
      for (const multiplier of [1, 2, 1e9]) {
        for (const attempt of [1, 2, 3, 100, 1_100, 1e9]) {
          for (const random of [lowest, middle, highest]) {
            for (const previousMs of [0, 100, 5_000]) {
              const delayMs = backoffMs(attempt, previousMs, limits(jitter, { initialDelayMs, multiplier }), random);
              expect(delayMs).toBeGreaterThanOrEqual(0);
              expect(delayMs).toBeLessThanOrEqual(5_000);
            }
          }
        }
      }
    }
  }
});
