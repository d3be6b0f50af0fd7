import { incomingDeadline } from 'steadfetch';
import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { holds } from '../../lab/experiment.ts';
import { cascadingFailure, trouble } from '../../lab/experiments/cascading-failure.ts';
import { Service } from '../../lab/service.ts';

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
