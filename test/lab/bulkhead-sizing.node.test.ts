import { bulkheadSize } from 'steadfetch';
import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { bulkheadSizing, day } from '../../lab/experiments/bulkhead-sizing.ts';
import { defaults, holdsFor, isAbout, isAsSaid } from './why.ts';

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

const { parameters } = bulkheadSizing;
const { 'double, as many wait': asMany } = result.runs;

holdsFor('6. How many at once?', bulkheadSizing, result, [
  [
    /(200) calls a second of (50) ms each are (10) under way on average, says Little's law\./,
    (perSecond, ms, slots) => {
      expect(parameters['calls per second']).toBe(Number(perSecond));
      expect(parameters['latency, mean in ms']).toBe(Number(ms));
      const rates = { requestsPerSecond: Number(perSecond), latencyMs: Number(ms) };
      expect(bulkheadSize(rates)).toBe(Number(slots));
    },
  ],
  [
    /Ten slots are too few: traffic is not even, calls queue on a good day, and the 99th percentile is (407) ms\./,
    (ms) => {
      isAsSaid(value.seen.good.p99, ms);
      // As many as work, and more than those.
      expect(value.mostHeld).toBeGreaterThan(10);
    },
  ],
  [
    /Double makes it (142) ms, and takes half as many calls again without refusing one\./,
    (ms) => {
      isAsSaid(double.seen.good.p99, ms);
      expect(Number(parameters['calls per second, half as many again'])).toBe(
        1.5 * Number(parameters['calls per second']),
      );
      expect(double.seen.busy).toMatchObject({ refused: 0, answered: 100 });
    },
  ],
  [
    /A hundred make it no better\./,
    () => {
      expect(bulkheadSize({ requestsPerSecond: 200, latencyMs: 50, headroom: 9 })).toBe(100);
      expect(ten.seen.good.p99).toBe(double.seen.good.p99);
    },
  ],
  [
    /When the dependency gets (ten) times slower, (100) slots give it (four) times what it can work on at once: it answers (5) % instead of (22) %, and (23) % in the (15) seconds after that\./,
    (_times, _slots, _four, tenfold, doubled, after) => {
      expect(parameters['times slower, for a while']).toBe(10);
      expect(100 / Number(parameters['dependency: slower with more at once than'])).toBe(4);
      isAsSaid(ten.seen.slow.answered, tenfold);
      isAsSaid(double.seen.slow.answered, doubled);
      isAsSaid(ten.seen.after.answered, after);
    },
  ],
  [
    /Meanwhile its calls fill the process, and (three quarters) of the calls to a healthy neighbour get no answer\./,
    (share) => {
      expect(ten.mostHeld).toBe(parameters['room of the process, requests']);
      isAbout(1 - ten.seen.slow.neighbour / 100, share);
    },
  ],
  [
    /Calls answered and refused with (5), (10), (20) and (100) slots, on a good day and while the dependency is slow/,
    (...sizes) => expect(result.sweep.map(([slots]) => slots)).toEqual(expect.arrayContaining(sizes.map(Number))),
  ],
  [
    /`bulkheadSize\(\)` with (`headroom: 1`), and no more waiting than may run: a longer queue doubles the wait, and answers hardly more\./,
    () => {
      expect(bulkheadSize({ requestsPerSecond: 200, latencyMs: 50, headroom: 1 })).toBe(20);
      const [long, short] = [double.seen.slow, asMany.seen.slow];
      isAsSaid(long.p50 / short.p50, 'two');
      expect(long.answered - short.answered).toBeLessThan(2);
    },
  ],
  [
    /The default of (64) and (64) is for who has not measured yet\./,
    (running, waiting) =>
      expect(defaults.bulkhead).toMatchObject({ maxConcurrent: Number(running), maxQueued: Number(waiting) }),
  ],
]);
