import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { breakerStrategies, moments, RESETS } from '../../lab/experiments/breaker-strategies.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAbout, isAsSaid } from './why.ts';

const shares: number[] = [];
const result = await breakerStrategies.run(1, (share) => shares.push(share));

test.for(breakerStrategies.findings(result))('$claim', (finding) => {
  expect(finding).toSatisfy(holds);
});

test('the defaults keep the load and the goodput, and are late when an outage is over', () => {
  const { outages, overload, lengths } = result;
  expect(outages['5 calls (default)'].load).toBeLessThan(5);
  expect(overload['5 calls (default)'].at(-1)?.value).toBeGreaterThan(97);
  const waits = lengths['10 s, doubled up to 120 s (default)'].map(({ value }) => value);
  expect(Math.min(...waits)).toBeGreaterThan(0.5);
  expect(Math.max(...waits)).toBeGreaterThan(30);
});

test('ten attempts and a fixed 0.3 s reach all three aims, with busy clients', () => {
  const { load, recoveryMs } = result.outages['10 attempts, 0.3 s'];
  expect(load).toBeLessThan(5);
  expect(recoveryMs).toBeLessThan(500);
  for (const { value } of result.overload['10 attempts, 0.3 s']) expect(value).toBeGreaterThan(97);
});

test('the experiment tells how far it is', () => {
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});

test('the same seed gives the same moments, and another one gives others', async () => {
  const first = await moments('5 calls (default)', 1, 20);
  expect(await moments('5 calls (default)', 1, 20)).toEqual(first);
  expect(await moments('5 calls (default)', 2, 20)).not.toEqual(first);
});

const { parameters } = breakerStrategies;
const { days, blips, partial, outages, hang, lengths, resets, overload } = result;
const [byCalls, byAttempts] = [outages['5 calls (default)'], outages['5 attempts']];
const longWait = lengths['10 s, doubled up to 120 s (default)'];
const shortWait = lengths['1 s, doubled up to 10 s'];

/** Of a reset timeout in seconds: the load in percent, and the recovery in ms. */
function withWait(rate: keyof typeof resets, seconds: number): { load: number; recoveryMs: number } {
  const point = resets[rate][RESETS.indexOf(seconds * 1_000)];
  return { load: point?.second ?? Number.NaN, recoveryMs: point?.value ?? Number.NaN };
}

function soonest(rate: keyof typeof resets, load: number): number {
  return Math.min(...resets[rate].flatMap(({ second, value }) => (second <= load ? [value] : []))) / 1_000;
}

function mean(points: readonly { readonly value: number }[]): number {
  return points.reduce((sum, { value }) => sum + value, 0) / points.length;
}

function recoveryAfter(seconds: number): number {
  return longWait.find(({ second }) => second === seconds)?.value ?? Number.NaN;
}

holdsFor('8. When should a circuit open?', breakerStrategies, result, [
  [
    /Single errors must not open it: with (3) % of the requests failing, no strategy did\./,
    (percent) => {
      expect(parameters['errors on a common day']).toBe(Number(percent) / 100);
      for (const { opensPer100k } of Object.values(days)) expect(opensPer100k).toBe(0);
    },
  ],
  [
    /When everything fails, (five) failed calls in a row open a client with (100) calls a second in (0\.2) s, and the dependency gets (4) % of its usual load while it is down\./,
    (calls, perSecond, seconds, load) => {
      expect(defaults.breaker).toMatchObject({ failureThreshold: numberOf(calls) });
      expect(parameters['calls per second and instance, in an outage']).toBe(Number(perSecond));
      isAsSaid(byCalls.openMs / 1_000, seconds);
      isAsSaid(byCalls.load, load);
    },
  ],
  [
    /Five failed \*attempts\* open it (four) times sooner, but they also open it when a server is merely full: (20) such clients leave a service at (1\.5) times its load with about (84) % of its work done, where the default leaves it nearly all/,
    (times, clients, load, work) => {
      isAsSaid(byCalls.openMs / byAttempts.openMs, times);
      expect(parameters['overload, times the capacity']).toBe(Number(load));
      const of = (name: keyof typeof overload): number =>
        overload[name].find(({ second }) => second === Number(clients))?.value ?? Number.NaN;
      isAsSaid(of('5 attempts'), work);
      expect(of('5 calls (default)')).toBeGreaterThan(97);
    },
  ],
  [
    /That is why calls are counted, and not attempts\./,
    () => expect(defaults.breaker).toMatchObject({ counts: 'calls' }),
  ],
  [
    /a share of the requests fails for good: (five) attempts in a row refuse most of them, the others few/,
    () => {
      const answered = Object.entries(partial).map(([name, points]) => [name, points.at(-1)?.value ?? 0] as const);
      const most = answered.find(([name]) => name === 'no breaker')?.[1] ?? 0;
      for (const [name, percent] of answered) {
        if (name === '5 attempts') expect(percent).toBeLessThan(most / 2);
        else expect(percent).toBeGreaterThan(0.85 * most);
      }
    },
  ],
  [
    /How long a circuit waits is the other half\. With (10) s, doubled after each failed probe, users wait (12) s after an outage of one second, and (46) s after one of (37), which ends just when circuits have begun to wait again\./,
    (wait, short, long, length) => {
      expect(defaults.breaker).toMatchObject({ resetTimeoutMs: Number(wait) * 1_000 });
      isAsSaid(recoveryAfter(1), short);
      isAsSaid(recoveryAfter(Number(length)), long);
      // Seven seconds earlier it would have been over soon.
      expect(recoveryAfter(30)).toBeLessThan(10);
    },
  ],
  [
    /A fixed wait of (0\.3) s brings a client with (100) calls a second back in about that time, with probes that are (3\.5) % of its load; with (10) calls a second it takes (0\.9) s, and the probes are (27) %\./,
    (wait, _busy, ofBusy, _quiet, seconds, ofQuiet) => {
      const [busy, quiet] = [
        withWait('100 calls a second each', Number(wait)),
        withWait('10 calls a second each', Number(wait)),
      ];
      isAsSaid(busy.recoveryMs / 1_000, wait);
      isAsSaid(busy.load, ofBusy);
      isAsSaid(quiet.recoveryMs / 1_000, seconds);
      isAsSaid(quiet.load, ofQuiet);
    },
  ],
  [
    /Load in an outage of (10) s against recovery after it, for reset timeouts from (0\.1) to (3) s: at (5) % of the load a client with (100) calls a second is back in (0\.3) s, one with (30) in (1\.2) s/,
    (outage, least, most, load, _busy, ofBusy, _other, ofOther) => {
      expect(parameters['an outage lasts, s']).toBe(Number(outage));
      expect([RESETS[0], RESETS.at(-1)]).toEqual([Number(least) * 1_000, Number(most) * 1_000]);
      isAsSaid(soonest('100 calls a second each', Number(load)), ofBusy);
      isAsSaid(soonest('30 calls a second each', Number(load)), ofOther);
    },
  ],
  [
    /Seconds until users are served again, by how long the outage was/,
    () => expect(longWait.map(({ second }) => second)).toEqual(shortWait.map(({ second }) => second)),
  ],
  [
    /A long wait also turns a moment into an outage\. Where nothing works for (0\.2) s, once in (20) s, (a hundredth) of the calls fail without a breaker, and more than (a quarter) with the default one; with waits of (1) to (10) s, (one in fifty)\./,
    (moment, every, without, withOne, _least, _most, withShort) => {
      expect(parameters['and for so many ms']).toBe(Number(moment) * 1_000);
      expect(parameters['moments in which nothing works: one each so many s']).toBe(Number(every));
      isAbout(blips['no breaker'].failed / 100, without);
      expect(blips['5 calls (default)'].failed / 100).toBeGreaterThan(shareOf(withOne));
      isAbout(blips['5 calls, 1 to 10 s'].failed / 100, withShort);
    },
  ],
  [
    /Calls that fail where nothing works for (0\.2) s, once in (20) s/,
    () => expect(blips['5 calls (default)'].failed).toBeGreaterThan(blips['no breaker'].failed),
  ],
  [
    /With the defaults, (three) attempts of (10) s do not fit into a deadline of (30) s\./,
    (attempts, each, all) => {
      const { deadlineMs, attemptTimeoutMs, retry } = defaults.limits;
      expect([retry, attemptTimeoutMs, deadlineMs]).toMatchObject([
        { maxAttempts: numberOf(attempts) },
        Number(each) * 1_000,
        Number(all) * 1_000,
      ]);
    },
  ],
  [
    /A call that its deadline ends is a failure if one of its attempts was: with one call a second, a dependency that hangs opens the circuit after (33) s\. With an attempt timeout of (0\.5) s it does after (5) s\./,
    (seconds, _timeout, soon) => {
      expect(parameters['calls per second and instance, to one that hangs']).toBe(1);
      expect(hang.byCalls.opened).toBe(100);
      isAsSaid(hang.byCalls.openMs / 1_000, seconds);
      isAsSaid(hang.shortTimeout.openMs / 1_000, soon);
    },
  ],
  [
    /`breaker\.failureThreshold` (5), `breaker\.counts` `"calls"`, `breaker\.successThreshold` (2)\./,
    (failures, successes) =>
      expect(defaults.breaker).toMatchObject({
        failureThreshold: Number(failures),
        counts: 'calls',
        successThreshold: Number(successes),
      }),
  ],
  [
    /The waits are careful ones, for clients of which nothing is known\. With (`resetTimeoutMs: 1_000, maxResetTimeoutMs: 10_000`), users are back (6) s after these outages on average, and not after (16); with (100) calls a second each, (300) ms will do for both\./,
    (_options, short, long, _rate, wait) => {
      isAsSaid(mean(shortWait), short);
      isAsSaid(mean(longWait), long);
      expect(withWait('100 calls a second each', Number(wait) / 1_000).load).toBeLessThan(5);
    },
  ],
  [
    /Set `attemptTimeoutMs` to \[little more than the slowest good answer\]\(numbers\.md#timeouts\)\./,
    () => expect(hang.shortTimeout.openMs).toBeLessThan(hang.byCalls.openMs / 6),
  ],
]);
