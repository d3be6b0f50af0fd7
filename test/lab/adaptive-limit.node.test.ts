import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { holds } from '../../lab/experiment.ts';
import { adaptiveLimit } from '../../lab/experiments/adaptive-limit.ts';
import { aimd, gradient2, limitedFetch } from '../../lab/limits.ts';
import type { Point } from '../../lab/series.ts';
import { msOf, numberOf, shareOf } from '../docs/figures.ts';
import { holdsFor, holdsIn, isAbout, isAsSaid } from './why.ts';

const result = await adaptiveLimit.run(1, () => {});

test.for(adaptiveLimit.findings(result))('With an adaptive limit: $claim ($of), as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('An adaptive limit does as well as the best of the others in each story, or nearly', () => {
  for (const runs of Object.values(result.stories)) {
    const best = Math.max(...Object.values(runs).map(({ goodput }) => goodput));
    expect(runs.adaptive.goodput).toBeGreaterThan(best * 0.9);
  }
});

test('limitedFetch() refuses what is too much, and tells the limiter what became of the others', async () => {
  const clock = new VirtualClock();
  const notes: [number, number, boolean][] = [];
  const limiter = { limit: 2.9, note: (...note: [number, number, boolean]) => void notes.push(note) };
  const statuses = [200, 503];
  const fetch = limitedFetch(
    clock,
    async () => {
      await clock.sleep(10);
      return new Response(null, { status: statuses.shift() ?? 0 });
    },
    limiter,
  );
  const calls = [1, 2, 3].map(() => fetch('https://a.test/').then(({ status }) => status, String));
  await clock.run(100);
  expect(await Promise.all(calls)).toEqual([200, 503, 'TypeError: too many at once']);
  expect(notes).toEqual([
    [10, 2, false],
    [10, 1, true],
  ]);
});

test('aimd() takes a tenth off for each call that is dropped, and adds one for as many as it lets run', () => {
  const limiter = aimd();
  limiter.note(100, 20, true);
  expect(limiter.limit).toBe(18);
  for (let call = 0; call < 18; call += 1) limiter.note(100, 18, false);
  expect(limiter.limit).toBeCloseTo(19, 1);
  for (let call = 0; call < 18; call += 1) limiter.note(100, 9, false);
  expect(limiter.limit).toBeCloseTo(19, 1);
});

test('gradient2() grows while calls take what they did in the long run, and falls when they take longer', () => {
  const limiter = gradient2();
  for (let call = 0; call < 200; call += 1) limiter.note(100, limiter.limit, false);
  const before = limiter.limit;
  expect(before).toBeGreaterThan(30);
  for (let call = 0; call < 200; call += 1) limiter.note(400, limiter.limit, false);
  expect(limiter.limit).toBeLessThan(before / 2);
});

const { stories, more } = result;
const over = stories['1.5 times what it can do'];

holdsFor('An adaptive limit', adaptiveLimit, result, [
  [
    /With (64) slots in each of (ten) instances, a service that is asked for half as much again as it can do answers nobody in time; with (two) it answers (a third)\./,
    (_slots, _instances, _two, share) => {
      expect(adaptiveLimit.parameters['instances']).toBe(10);
      expect(over['the default: 64 each'].goodput).toBe(0);
      isAbout(over['too few: 2 each'].goodput, share);
    },
  ],
  [
    /AIMD, which learns from calls that time out, answers nearly all, but half of them take longer than (588) ms\./,
    (ms) => {
      // Only what is dropped tells it anything, as above.
      expect(over.AIMD.goodput).toBeGreaterThan(0.97);
      expect(Math.floor(over.AIMD.medianMs)).toBe(Number(ms));
    },
  ],
  [
    /A gradient of latencies brings that down to (252) ms, and is wrong where latencies rise for other reasons: with a long tail, or a service (four) times slower that could take any number of calls, it answers (17) % and (5) % of what can be\./,
    (ms, _times, ofTail, ofSlow) => {
      isAsSaid(over.Gradient2.medianMs, ms);
      isAsSaid(100 * stories['a long tail'].Gradient2.goodput, ofTail);
      isAsSaid(100 * stories['slow, but not for load'].Gradient2.goodput, ofSlow);
    },
  ],
  [
    /With \[`maxConcurrent: "adaptive"`\]\(adaptive-limit\.md\) it is (175) ms, and (nine tenths) and more are answered in each of these stories; no call fails on a good day\./,
    (ms, share) => {
      isAsSaid(over.adaptive.medianMs, ms);
      for (const runs of Object.values(stories)) expect(runs.adaptive.goodput).toBeGreaterThan(shareOf(share));
      expect(more['a good day'].failed).toBe(0);
    },
  ],
  [
    /It costs a longer queue than the right number, with which it is (85) ms, and uneven shares: with (three) times the load, the instance with the fewest answers had a fourteenth of the average in (ten) seconds\./,
    (ms) => {
      isAsSaid(over['about right: 7 each'].medianMs, ms);
      isAsSaid(1 / stories['3 times'].adaptive.leastShare, '14');
    },
  ],
  [
    /Calls answered, as a share of what the service could answer, with (two), (seven) and (64) slots, AIMD, Gradient2 and adaptive/,
    (...slots) => {
      const names = Object.keys(over);
      expect(names.slice(0, 3).map((name) => /(\d+) each$/.exec(name)?.[1])).toEqual(
        slots.map((said) => String(numberOf(said))),
      );
      expect(names.slice(3)).toEqual(['AIMD', 'Gradient2', 'adaptive']);
    },
  ],
]);

const { parameters } = adaptiveLimit;
const CAPACITY = Number(parameters['capacity, requests per second']);
const TROUBLE_S = Number(parameters['trouble, s']);
const [FROM_S, UNTIL_S] = [15, 40];

/** Slots while there is too much to do, once that has been found out. */
const slotsOf = ({ slots }: { readonly slots: readonly Point[] }): readonly number[] =>
  slots.filter(({ second }) => second >= FROM_S && second < UNTIL_S).map(({ value }) => value);

/** The seconds from which on it was less than two thirds of what it was half a second before. */
const dipsOf = (slots: readonly number[]): number[] =>
  slots.flatMap((value, index) => (value < ((slots[index - 2] ?? 0) * 2) / 3 ? [Math.floor(FROM_S + index / 4)] : []));

const shareBetween = (values: readonly number[], from: number, to: number): number =>
  values.filter((value) => value >= from && value <= to).length / values.length;

holdsIn('docs/adaptive-limit.md', 'What it does, and does not', [
  [
    /The lab tries it \(`npm run lab -- adaptive-limit`\): (ten) instances, or (one), before a service that works on (50) requests at once, keeps (four seconds) of work waiting, and has callers who wait for (one)\./,
    (instances, _one, atOnce, backlog, patience) => {
      expect(parameters).toMatchObject({
        instances: numberOf(instances),
        'requests that it works on at once': numberOf(atOnce),
        'requests that may wait there': (msOf(backlog) / 1_000) * CAPACITY,
        'attempt timeout, ms': msOf(`${patience} second`),
      });
    },
  ],
  [/Calls answered, of (100) that can be, by limit and trouble/, (all) => expect(numberOf(all)).toBe(100)],
  [
    /Slots over time: one instance stays a little above (50); (ten) of them swing between (100) and (250), and dip together/,
    (atOnce, _instances, least, most) => {
      const [one, ten] = [more['one instance'], over.adaptive].map(slotsOf) as [number[], number[]];
      expect(shareBetween(one, numberOf(atOnce), 1.5 * numberOf(atOnce))).toBeGreaterThan(0.9);
      expect(shareBetween(ten, numberOf(least), numberOf(most))).toBeGreaterThan(0.9);
      expect(new Set(dipsOf(ten))).toEqual(new Set([20, 30]));
    },
  ],
  [
    /The right number does as well, where it is known, and with a shorter queue: half of the calls take (85) ms there, (91) ms with one adaptive instance, and (175) ms with (ten); with (three) times the load, (366) ms\./,
    (right, one, ten, _instances, _times, three) => {
      for (const { 'about right: 7 each': known, adaptive } of [over, stories['3 times']]) {
        expect(Math.abs(adaptive.goodput - known.goodput)).toBeLessThan(0.01);
      }
      isAsSaid(over['about right: 7 each'].medianMs, right);
      isAsSaid(more['one instance'].medianMs, one);
      isAsSaid(over.adaptive.medianMs, ten);
      isAsSaid(stories['3 times'].adaptive.medianMs, three);
    },
  ],
  [
    /(Ten) instances share unevenly\. With (three) times the load, the one with the fewest answers in (ten) seconds has (7) % of the average\./,
    (_instances, _times, _seconds, percent) => isAsSaid(100 * stories['3 times'].adaptive.leastShare, percent),
  ],
  [
    /Instances whose clocks differ by seconds don't dip together\. In half a minute of overload, that costs no answers\./,
    () => {
      expect(TROUBLE_S).toBe(30);
      const together = dipsOf(slotsOf(more['clocks that differ']));
      expect(together.filter((second) => second % 10 === 0)).toEqual([]);
      expect(more['clocks that differ'].goodput).toBeGreaterThanOrEqual(over.adaptive.goodput);
    },
  ],
  [
    /A dependency that gets slow for other reasons is held back for some seconds, until that is found out: (14) % of the calls of half a minute get no answer\./,
    (percent) => {
      const { failed } = stories['slow, but not for load'].adaptive;
      isAsSaid((100 * failed) / (CAPACITY * TROUBLE_S), percent);
    },
  ],
  [
    // How it learns: test/model/concurrency-limit.test.ts.
    /An instance that starts while the dependency is overloaded takes the queue for what is usual, until it has dipped some times\. Where half of (ten) instances do, half of the calls take (395) ms\./,
    (_instances, ms) => isAsSaid(more['half of the instances come later'].medianMs, ms),
  ],
  [
    /Dips cost answers while calls are held back: one instance gives (98) % of what can be\. On a good day there are none, and no call fails\./,
    (percent) => {
      isAsSaid(100 * more['one instance'].goodput, percent);
      expect(dipsOf(slotsOf(more['a good day']))).toEqual([]);
      expect(more['a good day'].failed).toBe(0);
    },
  ],
  [
    // Five calls are the fewest that it judges: test/docs/figures.node.test.ts.
    /Below some calls a second there is little to learn from, and it changes slowly\. There, a number will do\./,
    () => {},
  ],
]);
