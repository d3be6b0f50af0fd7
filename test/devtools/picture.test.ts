import { expect, test } from 'vitest';

import {
  CIRCUIT,
  GUTTER,
  HEIGHT,
  latencyY,
  outlinesOf,
  pictureOf,
  REFUSED_Y,
  timeX,
} from '../../src/devtools/picture.ts';
import { Track } from '../../src/devtools/track.ts';
import { AT } from './support/events.ts';

const SPAN_MS = 60_000;
const WIDTH = GUTTER + 600 + 10;
const attempt = {
  kind: 'attempt',
  count: 1,
  attempt: 1,
  outcome: 'success',
  durationMs: 100,
  status: 200,
  failure: undefined,
} as const;

test('timeX() goes from the gutter to now, and no further', () => {
  const x = (at: number): number => timeX(at, AT, SPAN_MS, WIDTH);
  expect([x(-Infinity), x(AT - SPAN_MS), x(AT - 30_000), x(AT), x(AT + 5)]).toEqual([
    GUTTER,
    GUTTER,
    GUTTER + 300,
    GUTTER + 600,
    GUTTER + 600,
  ]);
});

test('latencyY() rises by orders of magnitude, evenly, within the picture', () => {
  const steps = [1, 10, 100, 1_000, 10_000].map(latencyY);
  const rises = steps.slice(1).map((y, index) => Math.round((steps[index] ?? 0) - y));
  expect(new Set(rises)).toEqual(new Set([rises[0]]));
  expect(rises[0]).toBeGreaterThan(20);
  expect(latencyY(0)).toBe(latencyY(1));
  expect(latencyY(90_000)).toBe(latencyY(20_000));
  expect(latencyY(90_000)).toBeGreaterThan(CIRCUIT.top + CIRCUIT.height);
  expect(latencyY(0)).toBeLessThan(REFUSED_Y - 5);
  expect(REFUSED_Y).toBeLessThan(HEIGHT);
});

test('pictureOf() draws the circuit between the right times, a moment of it too', () => {
  const track = new Track(SPAN_MS);
  track.turn(AT - 30_000, 'closed', 'open');
  track.turn(AT - 15_000, 'open', 'half-open');
  track.turn(AT - 15_000, 'half-open', 'closed');
  expect(pictureOf(track, AT, SPAN_MS, WIDTH).bands).toEqual([
    { state: 'closed', x: GUTTER, width: 300 },
    { state: 'open', x: GUTTER + 300, width: 150 },
    { state: 'half-open', x: GUTTER + 450, width: 1 },
    { state: 'closed', x: GUTTER + 450, width: 150 },
  ]);
  // A picture of an earlier moment shows nothing of what came later.
  expect(pictureOf(track, AT - 20_000, SPAN_MS, WIDTH).bands.at(-1)).toEqual({
    state: 'open',
    x: GUTTER + 500,
    width: 100,
  });
});

test('pictureOf() places what is in the span, and says from when on it has all', () => {
  const track = new Track(SPAN_MS);
  track.add({ ...attempt, at: AT - 60_001 });
  track.add({ ...attempt, at: AT - 45_000 });
  track.add({ ...attempt, at: AT - 30_000, durationMs: 100 });
  track.add({ kind: 'refused', at: AT, count: 1, code: 'CIRCUIT_OPEN' });
  track.add({ ...attempt, at: AT + 1 });
  expect(pictureOf(track, AT, SPAN_MS, WIDTH).droppedUntil).toBeUndefined();
  track.drop(2);
  const { marks, droppedUntil } = pictureOf(track, AT, SPAN_MS, WIDTH);
  expect(marks.map(({ x, y }) => [x, y])).toEqual([
    [GUTTER + 300, latencyY(100)],
    [GUTTER + 600, REFUSED_Y],
  ]);
  expect(droppedUntil).toBe(GUTTER + 150);
});

test('outlinesOf() gives each kind its own shape', () => {
  const track = new Track(SPAN_MS);
  track.add({ ...attempt, at: AT });
  track.add({ ...attempt, at: AT, outcome: 'ignored', status: 429 });
  track.add({ ...attempt, at: AT, outcome: 'failure', attempt: 2, status: 503, failure: 'status' });
  track.add({ kind: 'stored', at: AT, count: 1, ageMs: 5, reason: undefined });
  track.add({ kind: 'stored', at: AT, count: 1, ageMs: 5, reason: 'network' });
  const outlines = outlinesOf(pictureOf(track, AT, SPAN_MS, WIDTH));
  const count = (d: string): number => d.match(/M/g)?.length ?? 0;
  expect(Object.fromEntries(Object.entries(outlines).map(([name, d]) => [name, count(d)]))).toEqual({
    closed: 0,
    'half-open': 0,
    open: 0,
    answered: 1,
    ignored: 1,
    failed: 1,
    retried: 1,
    refused: 0,
    stored: 1,
    degraded: 1,
    default: 0,
  });
});

test.for([
  [10_000, 700, ['now', '−5 s', '−10 s']],
  [60_000, 330, ['now', '−30 s', '−60 s']],
  [90_000, 600, ['now', '−15 s', '−30 s', '−45 s', '−60 s', '−75 s', '−90 s']],
  [300_000, 400, ['now', '−2 min', '−4 min']],
  [240_000, 700, ['now', '−0:30', '−1:00', '−1:30', '−2:00', '−2:30', '−3:00', '−3:30', '−4:00']],
  [600_000, 700, ['now', '−2 min', '−4 min', '−6 min', '−8 min', '−10 min']],
] as const)('pictureOf() labels as many times as there is room for: %d ms in %d pixels', ([spanMs, width, labels]) => {
  expect(pictureOf(undefined, AT, spanMs, width).times.map(({ text }) => text)).toEqual(labels);
});

test('pictureOf() says of nothing that it was not kept, where that is from before the clock was put back', () => {
  const track = new Track(600_000);
  track.add({ ...attempt, at: AT + 3_600_000 });
  track.drop(1);
  track.add({ ...attempt, at: AT });
  expect(pictureOf(track, AT, SPAN_MS, WIDTH).droppedUntil).toBeUndefined();
});
