import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { retryAmplification } from '../../lab/experiments/retry-amplification.ts';
import { RetryBudget } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, origin, url } from '../client/bench.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAsSaid } from './why.ts';

const result = await retryAmplification.run(1, () => {});
const { single, deep } = result;

test.for(retryAmplification.findings(result))('In an outage: $claim, as expected', (finding) => {
  expect(finding.value).toBeGreaterThanOrEqual(0);
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('A naive client makes three requests of a call, four layers of them 81, and a budget 1.2', () => {
  expect(single['no retries'].amplification).toBeCloseTo(1, 1);
  expect(single['naive, 3 attempts'].amplification).toBeCloseTo(3, 1);
  expect(deep['naive, 3 attempts'].amplification).toBeGreaterThan(80);
  expect(single['with a budget'].amplification).toBeCloseTo(1.2, 2);
  // With a breaker, it is left alone until it is back.
  expect(deep['with a budget and a breaker'].amplification).toBeLessThan(0.05);
});

const { parameters } = retryAmplification;
const downMs = 1_000 * (Number(parameters['down, until s']) - Number(parameters['down, from s']));

function amplifications(runs: typeof single): readonly number[] {
  return Object.values(runs).map(({ amplification }) => amplification);
}

/** Requests per call between two seconds of the outage, of one layer with a budget. */
function loadBetween(from: number, to: number): number {
  const began = Number(parameters['down, from s']);
  const points = single['with a budget'].requests.filter(({ second }) => second >= began + from && second < began + to);
  const perSecond = points.reduce((sum, { value }) => sum + value, 0) / points.length;
  return perSecond / Number(parameters['calls per second']);
}

holdsFor('1. Retries multiply', retryAmplification, result, [
  [/A dependency is down for (half) a minute\./, (share) => expect(downMs).toBe(60_000 * shareOf(share))],
  [
    /Three attempts make (three) requests of each call, and where (four) services call each other and each of them retries, (81)\./,
    (three, _four, all) => {
      isAsSaid(single['naive, 3 attempts'].amplification, three);
      isAsSaid(deep['naive, 3 attempts'].amplification, all);
    },
  ],
  [
    /retries have a budget: (a fifth) of the calls of the last (ten) seconds\./,
    async (share, seconds) => {
      const clock = new FakeClock();
      const budget = new RetryBudget({ minPerSecond: 0, clock });
      for (let call = 0; call < 100; call += 1) budget.deposit();
      expect(budget.available).toBe(100 * shareOf(share));
      await clock.advance(numberOf(seconds) * 1_000 * 0.9);
      expect(budget.available).toBe(100 * shareOf(share));
      await clock.advance(numberOf(seconds) * 1_000 * 0.1);
      expect(budget.available).toBe(0);
    },
  ],
  [
    /saved up in good times is spent in the first (two) seconds, and from then on the load is (1\.2) times that of the calls, (2\.1) times through (four) layers\./,
    (seconds, ofOne, ofFour) => {
      expect(loadBetween(0, numberOf(seconds))).toBeGreaterThan(1.5 * Number(ofOne));
      isAsSaid(loadBetween(numberOf(seconds), downMs / 1_000), ofOne);
      isAsSaid(deep['with a budget'].amplification, ofFour);
    },
  ],
  [
    /A breaker around the retries stops nearly all of it\./,
    () => {
      for (const runs of [single, deep]) {
        expect(runs['with a budget and a breaker'].amplification).toBeLessThan(0.01);
      }
    },
  ],
  [
    /Requests per call .* down: (1), (3), (1\.2) and nearly (0) in one layer, (1), (81), (2\.1) and nearly (0) through (four)/,
    (...said) => {
      const found = [...amplifications(single), ...amplifications(deep)];
      for (const [index, value] of found.entries()) isAsSaid(value, said[index] ?? '');
    },
  ],
  [
    /`retry\.maxAttempts` (3), `retry\.budget` (0\.2), and retries \*inside\* the circuit breaker\./,
    async (attempts, ratio) => {
      expect(defaults.limits.retry).toMatchObject({ maxAttempts: Number(attempts) });
      expect(defaults.budget).toMatchObject({ ratio: Number(ratio) });
      // Inside: a call counts once, however often it is sent.
      const { client } = clientBench([503], { retry: { initialDelayMs: 0 } });
      await client.fetch(url);
      expect(client.snapshot().dependencies[origin]?.breaker?.consecutiveFailures).toBe(1);
    },
  ],
]);
