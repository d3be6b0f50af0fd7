import { expect, test } from 'vitest';

import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import type { FleetEngine, FleetState, FleetStatus } from '../../src/fleet/fleet.ts';
import { CircuitBreaker } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const record = (epoch: number, state: 'closed' | 'open', retryAfterMs = 0): FleetState => {
  return { run: 1, epoch, state, retryAfterMs, trips: 0 };
};

/** A circuit of a fleet whose engine says what the test wants it to. */
function bench(says: Partial<FleetEngine>, limits = {}) {
  const clock = new FakeClock();
  let onMessage: (message: unknown) => void = () => {};
  let leases = 0;
  const told: FleetStatus[] = [];
  const engine: FleetEngine = {
    get isReachable() {
      return says.isReachable ?? true;
    },
    isSilent: says.isSilent ?? false,
    ...(says.pollMs === undefined ? {} : { pollMs: says.pollMs }),
    read: async (dependency) => says.read?.(dependency),
    report: async (dependency, report) => says.report?.(dependency, report),
    async lease(dependency, leaseMs) {
      leases += 1;
      return says.lease?.(dependency, leaseMs);
    },
    subscribe: (_, listener) => {
      onMessage = listener;
      return () => {};
    },
    close: async () => {},
  };
  const breaker = new CircuitBreaker(
    {
      name: 'users',
      clock,
      random: () => 0,
      failureThreshold: 2,
      resetJitter: 0,
      successThreshold: 1,
      fleet: new EngineFleet(engine),
      ...limits,
    },
    { onFleet: (status) => told.push(status) },
  );
  let sent = 0;
  const call = async (fails = false): Promise<void> => {
    const ask = async (): Promise<void> => {
      sent += 1;
      if (fails) throw new TypeError('down');
    };
    await breaker.execute(ask).catch(() => {});
    await clock.advance(0);
  };
  return {
    clock,
    breaker,
    call,
    told,
    sent: () => sent,
    leases: () => leases,
    hear: (message: unknown) => onMessage(message),
  };
}

test('a lease that comes with news is one', async () => {
  // As with an engine that tells nothing by itself: the news comes with the answer.
  const { clock, call, leases, sent } = bench({
    isSilent: true,
    pollMs: 60_000,
    read: async () => record(1, 'closed'),
    report: async () => record(2, 'open'),
    lease: async () => ({ state: record(3, 'open'), token: 7, waitMs: 0 }),
  });
  for (let failure = 1; failure <= 2; failure += 1) await call(true);
  await clock.advance(10_000);
  for (let probe = 1; probe <= 2; probe += 1) await call(true);
  expect([leases(), sent()]).toEqual([1, 3]);
});

test('an answer that was overtaken by a newer one changes nothing, and what follows is no news', async () => {
  let overtaken: ((state: unknown) => void) | undefined;
  let reads = 0;
  const { clock, breaker, call } = bench({
    isSilent: true,
    pollMs: 1_000,
    read: () => {
      reads += 1;
      if (reads !== 2) return Promise.resolve(record(3, 'closed'));
      return new Promise((resolve) => {
        overtaken = resolve;
      });
    },
    report: async () => record(3, 'closed'),
    lease: async () => ({ state: record(3, 'closed'), token: undefined, waitMs: 0 }),
  });
  await call();
  await clock.advance(1_000);
  // The first asks for news behind it; the second opens, and is answered before that.
  for (let failure = 1; failure <= 2; failure += 1) await call(true);
  overtaken?.(record(2, 'open', 4_000));
  await clock.advance(1_000);
  for (let round = 1; round <= 2; round += 1) await call();
  expect([reads, breaker.state]).toEqual([3, 'open']);
});

test.for([
  { given: 'nothing is known yet', known: [] },
  { given: 'another memory is known', known: [{ ...record(3, 'closed'), run: 2 }] },
])('news that comes while the engine is being asked is asked about afterwards, when $given', async ({ known }) => {
  let reads = 0;
  let answer: (state: FleetState) => void = () => {};
  const { clock, breaker, call, hear } = bench({
    pollMs: 1_000,
    read: async () => {
      reads += 1;
      if (reads === known.length + 1) return new Promise((resolve) => (answer = resolve));
      return known[reads - 1] ?? record(2, 'open', 60_000);
    },
  });
  await clock.advance(1_000 * known.length);
  await call();
  hear(record(2, 'open', 60_000));
  // From before the news.
  answer(known[0] ?? record(1, 'closed'));
  await clock.advance(999);
  expect([reads, breaker.state]).toEqual([known.length + 1, 'closed']);
  await clock.advance(1);
  expect([reads, breaker.state]).toEqual([known.length + 2, 'open']);
});

test('an engine that has gone back, and has lost what was told last, is believed from there on', async () => {
  let now = record(9, 'closed');
  const { clock, breaker, call } = bench({ isSilent: true, pollMs: 1_000, read: async () => now });
  await call();
  now = record(7, 'closed');
  await clock.advance(1_000);
  await call();
  now = record(8, 'open', 5_000);
  await clock.advance(1_000);
  await call();
  expect(breaker.state).toBe('open');
});

test.for([
  { chance: 0, leaseMs: 1_000, mostMs: 10_000, looksAfterMs: 10_000 },
  { chance: 1, leaseMs: 1_000, mostMs: 10_000, looksAfterMs: 15_000 },
  { chance: 0, leaseMs: 9_000, mostMs: 10_000, looksAfterMs: 27_000 },
])(
  'a circuit that is told that others probe, and nothing else, looks for itself after $looksAfterMs ms: a lease is $leaseMs, a wait $mostMs at most, and chance says $chance',
  async ({ chance, leaseMs, mostMs, looksAfterMs }) => {
    const others = { state: record(2, 'open'), token: undefined, waitMs: 60_000 };
    const { clock, call, sent } = bench(
      { read: async () => record(1, 'closed'), report: async () => record(2, 'open'), lease: async () => others },
      { resetTimeoutMs: leaseMs, maxResetTimeoutMs: mostMs, random: () => chance },
    );
    for (let failure = 1; failure <= 2; failure += 1) await call(true);
    await clock.advance(leaseMs);
    await call();
    await clock.advance(looksAfterMs - 1);
    await call();
    expect(sent()).toBe(2);
    await clock.advance(1);
    await call();
    expect(sent()).toBe(3);
  },
);

test('a fleet that says so for 30 times its patience is not believed: the circuit looks for itself, and goes on alone', async () => {
  let epoch = 2;
  // As if others found it down every second, in an upstream that is well.
  const lie = (): FleetState => {
    epoch += 1;
    return record(epoch, 'open', 60_000);
  };
  const { clock, breaker, call, told, sent, hear } = bench(
    {
      read: async () => lie(),
      report: async () => lie(),
      lease: async () => ({ state: lie(), token: undefined, waitMs: 60_000 }),
    },
    { resetTimeoutMs: 1_000, maxResetTimeoutMs: 4_000 },
  );
  const liveFor = async (ms: number): Promise<void> => {
    for (let waitedMs = 0; waitedMs < ms; waitedMs += 1_000) {
      hear(lie());
      await call();
      await clock.advance(1_000);
    }
  };
  await clock.advance(0);
  await liveFor(119_000);
  expect([told, sent()]).toEqual([[], 0]);
  await liveFor(20_000);
  // It goes on asking, and says no more of it until it is told the same as it sees.
  expect([told, breaker.state]).toEqual([[{ status: 'alone', reason: 'contradicted' }], 'closed']);
  const before = sent();
  await liveFor(60_000);
  expect([told.length, sent() - before]).toEqual([1, 60]);
});

test('an engine that could not be reached for long is joined within a second, and not when a long wait is over', async () => {
  const reach = { isReachable: false };
  const { clock, call, told } = bench({
    get isReachable() {
      return reach.isReachable;
    },
    read: async () => {
      if (!reach.isReachable) throw new TypeError('not connected');
      return record(1, 'closed');
    },
  });
  await call();
  await clock.advance(600_000);
  expect(told).toEqual([{ status: 'alone', reason: 'TypeError' }]);
  reach.isReachable = true;
  await clock.advance(1_000);
  expect(told.at(-1)).toEqual({ status: 'joined' });
});

test('a fleet that is closed says so to those who are in it, and once', async () => {
  const clock = new FakeClock();
  const told: FleetStatus[] = [];
  const engine = {
    read: async () => record(1, 'closed'),
    lease: async () => undefined,
    report: async () => undefined,
    subscribe: () => () => {},
    close: async () => {},
  };
  const fleet = new EngineFleet(engine);
  const breaker = new CircuitBreaker({ name: 'users', clock, fleet }, { onFleet: (status) => told.push(status) });
  const gone = new CircuitBreaker({ name: 'gone', clock, fleet });
  gone.leave();
  await Promise.all([fleet.close(), fleet.close()]);
  expect([told, breaker.state]).toEqual([[{ status: 'alone', reason: 'closed' }], 'closed']);
});
