import { incomingDeadline } from 'steadfetch';
import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { holds } from '../../lab/experiment.ts';
import { cascadingFailure, trouble } from '../../lab/experiments/cascading-failure.ts';
import { Service } from '../../lab/service.ts';
import { shareOf } from '../docs/figures.ts';
import { defaults, holdsFor, isAbout, isAsSaid } from './why.ts';

const result = await cascadingFailure.run(1, () => {});
const { far, little, beside } = result;

test.for(cascadingFailure.findings(result))('Cascading failure: $of: $claim, as expected', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('Timeouts keep a third of the other calls alive, breakers by origin less, and breakers by route all', () => {
  expect(far.bare.others).toBeLessThan(far.timeouts.others);
  expect(far['breakers by origin'].others).toBeLessThan(far.timeouts.others);
  expect(beside['timeouts and deadlines'].others).toBeGreaterThan(far.timeouts.others + 15);
  expect(far['by route'].others).toBeGreaterThan(99);
  expect(beside['breakers by origin, 424'].others).toBeGreaterThan(99);
});

test('With timeouts alone all is well at once when the trouble is over, with breakers by origin it is not for long', () => {
  expect(far.timeouts.othersWellAfter).toBeLessThanOrEqual(2);
  expect(far['breakers by origin'].othersWellAfter).toBeGreaterThan(10);
  expect(far['by route'].othersWellAfter).toBe(0);
});

test('A bulkhead with a long queue is worse than none for who is a little too slow, and one without saves the others', () => {
  expect(little['and bulkheads'].others).toBeLessThan(little.bare.others / 2);
  expect(little['and bulkheads'].wasted).toBeGreaterThan(3 * little.bare.wasted);
  expect(little['and no queue'].others).toBeGreaterThan(99);
  expect(little['and no queue'].needing).toBeGreaterThan(2 * little['and deadlines'].needing);
});

test('The same seed gives the same numbers, and another seed others', async () => {
  const policy = { client: { retry: false, bulkhead: false, attemptTimeoutMs: 900 } } as const;
  const first = await trouble(policy, 200, 1, () => {});
  expect(await trouble(policy, 200, 1, () => {})).toEqual(first);
  expect(await trouble(policy, 200, 2, () => {})).not.toEqual(first);
});

test('Service.deadlineOf has a request answered with 504, and not begun, whose time is over when a worker is free', async () => {
  const clock = new VirtualClock();
  const deadlineOf = ({ headers }: { readonly headers: Headers }) => incomingDeadline({ headers }, { clock });
  const service = new Service({ clock, workers: 1, backlog: 9, workMs: () => 20, networkMs: 0, deadlineOf });
  const ends: [number, number][] = [];
  for (const ms of ['100', '10', '30', '']) {
    const headers = { 'x-envoy-expected-rq-timeout-ms': ms };
    void service.fetch('https://a.test/', { headers }).then(({ status }) => ends.push([clock.now(), status]));
  }
  await clock.run(100);
  expect(ends).toEqual([
    [20, 200],
    [20, 504],
    [40, 200],
    [60, 200],
  ]);
  expect(service.workedMs.between(0, 100)).toBe(60);
});

const { parameters } = cascadingFailure;
const [attemptMs, workers] = [Number(parameters['attempt timeout, ms']), Number(parameters['workers of each service'])];

holdsFor('4. One of five is slow', cascadingFailure, result, [
  [
    /Five services call each other in a chain, and for twenty seconds the last one, E, answers after its caller's timeout\./,
    () => {
      expect(parameters['services in the chain']).toBe(5);
      expect(Number(parameters['in trouble, until s']) - Number(parameters['in trouble, from s'])).toBe(20);
      const takesMs =
        Number(parameters['work of each, median in ms']) * Number(parameters['times longer, far too slow']);
      expect(takesMs).toBeGreaterThan(attemptMs);
    },
  ],
  [
    /(Four calls in five) do not need E at all\./,
    (share) => expect(1 - 1 / Number(parameters['services in the chain'])).toBe(shareOf(share)),
  ],
  [/With bare clients (4) % of those are answered\./, (percent) => isAsSaid(far.bare.others, percent)],
  [
    /Timeouts raise that to (a third): (50) calls a second that wait (0\.9) s still want (45) workers, and there are (20)\./,
    (share, perSecond, seconds, wanted, there) => {
      isAbout(far.timeouts.others / 100, share);
      expect(parameters['calls per second and route']).toBe(Number(perSecond));
      expect(attemptMs).toBe(Number(seconds) * 1_000);
      expect(Number(perSecond) * Number(seconds)).toBe(Number(wanted));
      expect(workers).toBe(Number(there));
    },
  ],
  [
    /Breakers by origin do no better, for a (503) that is passed on looks like the fault of who passes it on; and (20) seconds after the trouble those calls are still not answered again\./,
    (_status, seconds) => {
      expect(far['breakers by origin'].others).toBeLessThan(far.timeouts.others);
      // Where it is told apart, they do.
      expect(beside['breakers by origin, 424'].others).toBeGreaterThan(99);
      expect(far['breakers by origin'].othersWellAfter).toBe(Number(seconds));
      const { value } = far['breakers by origin'].availability.at(-1) ?? {};
      expect(value).toBeLessThan(95);
    },
  ],
  [
    /Isolate by route, or answer (424) for what others have failed and wait shorter than your caller, and they notice nothing\./,
    () => {
      for (const run of [far['by route'], beside['breakers by origin, 424']]) {
        expect(run).toMatchObject({ others: 100, othersWellAfter: 0 });
      }
    },
  ],
  [
    /while it answers after the timeout: with circuits by route all are answered, by origin (a quarter)/,
    (share) => {
      expect(far['by route'].others).toBe(100);
      isAbout(far['breakers by origin'].others / 100, share);
    },
  ],
  [
    /In the second picture E is just a little too slow, and breakers change nothing: their line lies on that of the timeouts\./,
    () => {
      for (const name of ['breakers by origin', 'by route'] as const) expect(little[name]).toEqual(little.timeouts);
    },
  ],
  [
    /A bulkhead by route helps, but not with a long queue: with the default of (64), (11) % are answered, where it was (69) % without a bulkhead\./,
    (queue, long, none) => {
      expect(defaults.bulkhead).toMatchObject({ maxQueued: Number(queue) });
      isAsSaid(little['and bulkheads'].others, long);
      isAsSaid(little['by route'].others, none);
    },
  ],
  [
    /With deadlines that are handed on it is (91) %, and with no queue all of them\./,
    (percent) => {
      isAsSaid(little['and deadlines'].others, percent);
      expect(little['and no queue'].others).toBe(100);
    },
  ],
  [
    /The same while E is a little too slow: bulkheads with a queue of (64) are worse than none, without a queue all are answered/,
    () => {
      expect(little['and bulkheads'].others).toBeLessThan(little.bare.others);
      expect(little['and no queue'].others).toBe(100);
    },
  ],
  [
    /in a chain, set `isolateBy` to the route, answer (424) for the failures of others, give each hop a shorter timeout than its caller's, propagate the deadline, and keep `bulkhead\.maxQueued` small\./,
    () => {
      // 424 is among those beside, above; the rest of it leaves other calls alone, however slow E is.
      for (const runs of [far, little]) expect(runs['and no queue'].others).toBe(100);
    },
  ],
]);
