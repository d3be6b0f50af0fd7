import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { contention, thunderingHerd } from '../../lab/experiments/thundering-herd.ts';
import { numberOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAbout, isAsSaid } from './why.ts';

const result = await thunderingHerd.run(1, () => {});
const { herds, contentions } = result;

test.for([...thunderingHerd.findings(result)])('thunderingHerd: $of: $claim', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('thunderingHerd: without jitter all clients come in one tenth of a second, with full jitter at most twice the capacity', () => {
  expect(herds.fixed.peak).toBe(10_000);
  expect(herds.exponential.peak).toBe(10_000);
  expect(herds['full jitter'].peak).toBeLessThan(500);
  expect(herds['exponential'].drainedMs / herds['full jitter'].drainedMs).toBeGreaterThan(15);
});

test('thunderingHerd: equal jitter makes fewer requests than full jitter, and takes longer', () => {
  expect(herds['equal jitter'].total).toBeLessThan(herds['full jitter'].total);
  expect(herds['equal jitter'].drainedMs).toBeGreaterThan(herds['full jitter'].drainedMs);
});

test('thunderingHerd: of clients that contend for a row one wins each round, or with jitter nearly each second call', () => {
  expect(contentions['no backoff'].calls.map(({ second }) => second)).toEqual([10, 25, 50, 75, 100, 150, 200]);
  expect(contentions['full jitter'].calls.at(0)?.value).toBeLessThan(45);
  expect(contentions['full jitter'].calls.at(-1)?.value).toBeLessThan(2_000);
});

test('thunderingHerd gives the same for the same seed, and something else for another', async () => {
  const jittered = { maxAttempts: 100, jitter: 'full', budget: false, statusCodes: [412] } as const;
  const [once, again, other] = [
    await contention(jittered, 20, 1),
    await contention(jittered, 20, 1),
    await contention(jittered, 20, 2),
  ];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});

const { parameters } = thunderingHerd;
const capacity = Number(parameters['capacity, requests per second']);
const jittered = ['equal jitter', 'full jitter', 'decorrelated jitter'] as const;

/** What another jitter needs for so many clients, against full jitter. */
function againstFull(what: 'calls' | 'ms', clients: number): number {
  const [other, full] = (['decorrelated jitter', 'full jitter'] as const).map(
    (name) => contentions[name][what].find(({ second }) => second === clients)?.value,
  );
  return Number(other) / Number(full);
}

holdsFor('2. A herd thunders', thunderingHerd, result, [
  [
    /A service is gone for (five) seconds, and a thousand clients want it back\./,
    (seconds) => {
      expect(parameters['down, s']).toBe(numberOf(seconds));
      expect(parameters['clients']).toBe(1_000);
    },
  ],
  [
    /Without jitter they all come in the same tenth of a second, and then nobody does until the next round: the service answers the few dozen that fit, refuses the rest, and idles\./,
    () => {
      for (const name of ['fixed', 'exponential'] as const) expect(herds[name].peak / 10).toBe(1_000);
      // A fifth of a second each: those that come, and none in the other four of a round.
      const back = herds.fixed.requests.filter(({ second }) => second >= 6);
      const rounds = back.filter((_, index) => index % 5 === 0).map(({ value }) => value / 5);
      expect(back.filter((_, index) => index % 5 > 0).every(({ value }) => value === 0)).toBe(true);
      const answered = rounds.slice(1).map((clients, index) => (rounds[index] ?? 0) - clients);
      for (const clients of answered) expect(clients).toSatisfy((few: number) => few >= 24 && few <= 60);
    },
  ],
  [
    /With a wait of always (1) s the last client has its answer after (26) s, and with one that grows to (5) s after (132) s, where (five) seconds of work would do\./,
    (fixed, afterFixed, longest, afterLongest, work) => {
      expect(parameters['fixed wait, ms']).toBe(Number(fixed) * 1_000);
      expect(parameters['longest wait, ms']).toBe(Number(longest) * 1_000);
      isAsSaid(herds.fixed.drainedMs / 1_000, afterFixed);
      isAsSaid(herds.exponential.drainedMs / 1_000, afterLongest);
      expect(Number(parameters['clients']) / capacity).toBe(numberOf(work));
    },
  ],
  [
    /Full jitter, the default, asks for about twice what the service can serve at its worst, and everybody is served after (8) s\./,
    (seconds) => {
      expect(defaults.limits.retry).toMatchObject({ jitter: 'full' });
      isAsSaid(herds['full jitter'].peak / capacity, 'two');
      isAsSaid(herds['full jitter'].drainedMs / 1_000, seconds);
    },
  ],
  [
    /Equal jitter makes (a tenth) fewer requests, but it is slower, and its peak is higher\./,
    (share) => {
      const [equal, full] = [herds['equal jitter'], herds['full jitter']];
      isAbout(1 - equal.total / full.total, share);
      expect(equal.drainedMs).toBeGreaterThan(full.drainedMs);
      expect(equal.peak).toBeGreaterThan(full.peak);
    },
  ],
  [
    /Requests per second of a thousand clients at a service that is back: spikes without jitter, a stream with it/,
    () => {
      const empty = (name: keyof typeof herds): number =>
        herds[name].requests.filter(({ second, value }) => second >= 6 && second < 10 && value === 0).length;
      for (const name of jittered) expect(empty(name)).toBe(0);
      for (const name of ['fixed', 'exponential'] as const) expect(empty(name)).toBeGreaterThan(15);
    },
  ],
  [
    /Seconds until half of the clients, and all of them, have their answer/,
    () => {
      for (const { medianMs, drainedMs } of Object.values(herds)) expect(medianMs).toBeLessThan(drainedMs / 2);
    },
  ],
  [
    // The findings hold the curves to those of the article.
    /we get the curves of the article .*?, (2015)\): jitter saves more than half of the calls of (100) clients\./,
    (_year, clients) => {
      const calls = (name: keyof typeof contentions): number | undefined =>
        contentions[name].calls.find(({ second }) => second === Number(clients))?.value;
      for (const name of jittered.slice(0, 2)) expect(calls(name)).toBeLessThan(Number(calls('exponential')) / 2);
    },
  ],
  [
    /Decorrelated jitter is faster there with up to (100) clients and no longer with (150) and more, and from (25) clients on it makes more calls\./,
    (few, many, from) => {
      for (const { second: clients } of contentions['full jitter'].ms) {
        expect(againstFull('ms', clients) < 0.97).toBe(clients <= Number(few));
        expect(againstFull('ms', clients) > 1).toBe(clients >= Number(many));
        expect(againstFull('calls', clients) > 1).toBe(clients >= Number(from));
      }
    },
  ],
  [
    /Calls until each of so many clients has written the same row: no backoff, exponential, decorrelated, equal, full/,
    () => {
      const calls = (name: keyof typeof contentions): number => contentions[name].calls.at(-1)?.value ?? 0;
      expect(calls('no backoff')).toBeGreaterThan(calls('exponential'));
      expect(calls('exponential')).toBeGreaterThan(calls('decorrelated jitter'));
      for (const name of ['equal jitter', 'full jitter'] as const) {
        expect(calls('decorrelated jitter')).toBeGreaterThan(calls(name));
      }
    },
  ],
  [/`retry\.jitter` `"full"`/, () => expect(defaults.limits.retry).toMatchObject({ jitter: 'full' })],
]);
