import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { halfOpen, outage } from '../../lab/experiments/half-open.ts';
import { clientBench, errorOf, url } from '../client/bench.ts';
import { numberOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAbout, isAsSaid } from './why.ts';

const result = await halfOpen.run(1, () => {});
const { runs, warm, cold } = result;

test.for([...halfOpen.findings(result)])('halfOpen: $of: $claim', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('halfOpen: ten probes are ten times the load, a wait that grows a fifth of it, and a fleet sends next to none', () => {
  const { share } = runs['every 10 s'];
  expect(runs['ten probes, every 10 s'].share / share).toBeCloseTo(9.3, 0);
  expect(runs['growing to 120 s, jittered'].share / share).toBeCloseTo(0.2, 1);
  expect(runs['to 120 s, in a fleet'].share * 2_000 * 100).toBeLessThan(10);
});

test('halfOpen: jitter halves the worst second once the wait has grown', () => {
  const [plain, jittered] = [runs['growing to 120 s'], runs['growing to 120 s, jittered']];
  expect(jittered.mostPerSecond / plain.mostPerSecond).toBeLessThan(0.6);
});

test('halfOpen: probes every 10 s never let a cold service get up, waits that have grown do', () => {
  expect(runs['every 10 s, jittered'].backSeconds).toBe(Infinity);
  expect(runs['growing to 30 s, jittered'].backSeconds).toBeLessThan(70);
  expect(runs['growing to 120 s, jittered'].backSeconds).toBeLessThan(70);
  expect(cold['every 10 s, jittered'].knockedOver).toBeGreaterThan(cold['growing to 30 s, jittered'].knockedOver);
});

test('halfOpen: a wait of up to 120 s loses three times as many calls as one of up to 30 s', () => {
  const lost = (name: keyof typeof warm): number => warm[name].lostSeconds.reduce((sum, { value }) => sum + value, 0);
  expect(lost('growing to 120 s, jittered') / lost('growing to 30 s, jittered')).toBeGreaterThan(2.7);
});

test('halfOpen gives the same for the same seed, and something else for another', async () => {
  const world = { instances: 20, downMs: 60_000, coldSlower: 5 };
  const run = (seed: number) => outage({ breaker: {} }, world, seed, () => {});
  const [once, again, other] = [await run(1), await run(1), await run(2)];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});

const { parameters } = halfOpen;
const breaker = defaults.breaker || undefined;
const growing = ['growing to 120 s', 'growing to 120 s, jittered'] as const;

function meanLost(name: keyof typeof warm): number {
  const { lostSeconds } = warm[name];
  return lostSeconds.reduce((sum, { value }) => sum + value, 0) / lostSeconds.length;
}

holdsFor('5. Is it back?', halfOpen, result, [
  [
    /Two minutes without a service, a thousand instances, (two) calls a second each\./,
    (each) => {
      expect([parameters['down, s'], parameters['instances']]).toEqual([2 * 60, 1_000]);
      expect(parameters['calls per second each']).toBe(numberOf(each));
    },
  ],
  [
    /A circuit that lets (ten) probes through every (ten) seconds sends it nearly half of what it gets on a good day; with (one) probe it is (a twentieth), and with a wait that doubles (a hundredth)\./,
    (_probes, seconds, _one, twentieth, hundredth) => {
      expect(parameters['first wait, s']).toBe(numberOf(seconds));
      expect(runs['ten probes, every 10 s'].share).toSatisfy((share: number) => share > 0.4 && share < 0.5);
      isAbout(runs['every 10 s'].share, twentieth);
      for (const name of growing) isAbout(runs[name].share, hundredth);
    },
  ],
  [
    /in the worst second of the last minute, (277) of a thousand come without jitter, and (122) with it\./,
    (without, withIt) => {
      isAsSaid(runs['growing to 120 s'].mostPerSecond, without);
      isAsSaid(runs['growing to 120 s, jittered'].mostPerSecond, withIt);
    },
  ],
  [
    /Requests per second of a thousand instances to a service that is down, and cold when it is back/,
    () => expect(Number(parameters['times slower at the start'])).toBeGreaterThan(1),
  ],
  [
    /A long wait has its price: whoever has just begun to wait when the service comes back waits to the end\./,
    () => {
      // Up to a fifth longer than 30 s, and than 120 s.
      expect(warm['growing to 30 s, jittered'].longestBackSeconds).toBeGreaterThan(30);
      expect(warm['growing to 120 s, jittered'].longestBackSeconds).toBeGreaterThan(120);
    },
  ],
  [
    /With up to (120) s that costs (54) seconds of calls on average, and with up to (30) s (17), for half (a hundredth) more load\./,
    (_long, lostOfLong, _short, lostOfShort, share) => {
      isAsSaid(meanLost('growing to 120 s, jittered'), lostOfLong);
      isAsSaid(meanLost('growing to 30 s, jittered'), lostOfShort);
      isAbout(2 * (runs['growing to 30 s, jittered'].share - runs['growing to 120 s, jittered'].share), share);
    },
  ],
  [
    /And the return is a dangerous moment\. With probes every (10) s, a service that is cold is knocked over again after each of (ten) outages; with waits of up to (30) s after (four) of them, and with up to (120) s after one\./,
    (_every, all, _short, four) => {
      expect(warm['every 10 s, jittered'].lostSeconds).toHaveLength(numberOf(all));
      expect(cold['every 10 s, jittered'].knockedOver).toBe(numberOf(all));
      expect(cold['growing to 30 s, jittered'].knockedOver).toBe(numberOf(four));
      expect(cold['growing to 120 s, jittered'].knockedOver).toBe(1);
    },
  ],
  [
    /Seconds of calls that get no answer though the service is back, by how long it was down/,
    () =>
      expect(warm['every 10 s, jittered'].lostSeconds.map(({ second }) => second).join(', ')).toBe(
        parameters['outages of many lengths: s'],
      ),
  ],
  [
    /one probe at a time, `breaker\.resetTimeoutMs` (10) s that doubles up to `maxResetTimeoutMs` (120) s, `breaker\.resetJitter` (0\.2): they spare the dependency\./,
    async (first, most, jitter) => {
      expect(breaker).toMatchObject({
        resetTimeoutMs: Number(first) * 1_000,
        maxResetTimeoutMs: Number(most) * 1_000,
        resetJitter: Number(jitter),
      });
      const { client, clock } = clientBench([501, 'hang'], { breaker: { failureThreshold: 1 } });
      await client.fetch(url);
      await clock.advance(Number(first) * 1_000);
      void client.fetch(url).catch(() => {});
      expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
    },
  ],
  [
    /Who would rather spare the users sets (`maxResetTimeoutMs: 30_000`); who knows that the service needs to warm up, (`resetJitter: 1`)\./,
    () => {
      expect(meanLost('growing to 30 s, jittered')).toBeLessThan(meanLost('growing to 120 s, jittered') / 3);
      expect(cold['growing to 30 s, jitter of 1'].knockedOver).toBe(0);
    },
  ],
  [
    /\[A fleet\]\(fleet\.md\) probes once for all, and spares the dependency most; all its instances come back within (two) seconds, which the service has to be able to bear/,
    (seconds) => {
      const { share, mostPerSecond, requests } = runs['to 120 s, in a fleet'];
      expect(mostPerSecond).toBe(1);
      expect(share).toBe(Math.min(...Object.values(runs).map((run) => run.share)));
      // All of it: two calls a second of a thousand instances. The steps are of two seconds.
      const [back = 0, next = 0] = requests.flatMap(({ second, value }) => (second > 125 && value > 0 ? [value] : []));
      expect([back > 0, Math.round(next / 200)]).toEqual([true, (2 * 10) / numberOf(seconds)]);
      expect(cold['to 120 s, in a fleet'].knockedOver).toBeGreaterThan(0);
    },
  ],
]);
