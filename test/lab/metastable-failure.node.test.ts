import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { metastableFailure } from '../../lab/experiments/metastable-failure.ts';
import { numberOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAsSaid } from './why.ts';

const runs = await metastableFailure.run(1, () => {});

test.for(metastableFailure.findings(runs))('After a spike: $claim, as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('With naive retries the service stays down when the spike is over; with a breaker, or a budget for the fleet, it comes back', () => {
  expect(runs['naive, 3 attempts'].recoverySeconds).toBe(Infinity);
  expect(runs['naive, 3 attempts'].inTheEnd).toBe(0);
  expect(runs['budget: a fifth'].inTheEnd).toBeGreaterThan(0.99);
  expect(runs['breaker and budget (defaults)'].recoverySeconds).toBeLessThan(runs['no retries'].recoverySeconds);
});

test('The same seed gives the same numbers, and another seed others', async () => {
  const { findings, run } = metastableFailure;
  expect(findings(await run(1, () => {}))).toEqual(findings(runs));
  const other = await run(2, () => {});
  expect(other['no retries'].answered).not.toEqual(runs['no retries'].answered);
  expect(findings(other).every(holds)).toBe(true);
}, 300_000);

const { parameters } = metastableFailure;
const capacity = Number(parameters['capacity, requests per second']);

holdsFor('3. Down after the cause is gone', metastableFailure, runs, [
  [
    /Fifty instances call a service at (70) % of what it can serve\./,
    (percent) => {
      expect(parameters['instances']).toBe(50);
      isAsSaid((100 * Number(parameters['calls per second'])) / capacity, percent);
    },
  ],
  [
    /For (ten) seconds there is twice as much as it can serve; its queue has room for (four) seconds of work, and who waits in it gives up after one\./,
    (spike, queue) => {
      expect(parameters['spike, s']).toBe(numberOf(spike));
      expect(parameters['calls per second in the spike']).toBe(2 * capacity);
      expect(Number(parameters['requests that may wait']) / capacity).toBe(numberOf(queue));
      expect(parameters['attempt timeout, ms']).toBe(1_000);
    },
  ],
  [
    /With naive retries the spike never ends: (two) minutes later not one call is answered\./,
    (minutes) => {
      const { answered } = runs['naive, 3 attempts'];
      const spikeEnds = 30;
      expect(answered.at(-1)?.second).toBe(spikeEnds + 60 * numberOf(minutes) - 1);
      expect(answered.filter(({ second }) => second >= spikeEnds).every(({ value }) => value === 0)).toBe(true);
    },
  ],
  [
    /Without retries the service is back after (10) seconds, with a budget of a fifth after (19), and with the defaults after (4)\./,
    (none, budget, both) => {
      isAsSaid(runs['no retries'].recoverySeconds, none);
      isAsSaid(runs['budget: a fifth'].recoverySeconds, budget);
      isAsSaid(runs['breaker and budget (defaults)'].recoverySeconds, both);
    },
  ],
  [
    /spike of (ten) seconds\. With naive retries, and with a budget of (ten) a second for each instance, it stays at zero/,
    () => {
      for (const name of ['naive, 3 attempts', 'budget: a fifth, and 10 a second each'] as const) {
        expect(runs[name].inTheEnd).toBe(0);
      }
    },
  ],
  [
    /A budget has a part that is always allowed, so that a client with little traffic can retry at all: (10) a second\./,
    (perSecond) => expect(defaults.budget).toMatchObject({ minPerSecond: Number(perSecond) }),
  ],
  [
    /Fifty instances with (7) calls a second each may therefore retry all they like, and without breakers such a fleet stays down as if it had no budget\./,
    (each) => {
      expect(Number(parameters['calls per second']) / Number(parameters['instances'])).toBe(Number(each));
      const { answered, recoverySeconds } = runs['budget: a fifth, and 10 a second each'];
      expect([answered, recoverySeconds]).toEqual([runs['naive, 3 attempts'].answered, Infinity]);
    },
  ],
  [
    /breaker \*and\* budget\. With many instances of little traffic, set `retry\.budget\.minPerSecond` to (10) divided by their number\./,
    (ten) => {
      expect(runs['breaker and budget (defaults)'].inTheEnd).toBeGreaterThan(0.99);
      expect(defaults.budget).toMatchObject({ minPerSecond: Number(ten) });
      // With next to nothing of their own, they come back.
      expect(runs['budget: a fifth'].inTheEnd).toBeGreaterThan(0.99);
    },
  ],
]);
