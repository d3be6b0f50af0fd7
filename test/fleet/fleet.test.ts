import { expect, test } from 'vitest';

import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { EngineMemory, memoryEngine } from '../support/memory-engine.ts';
import { all, fleetBench, origin, url } from './fleet-bench.ts';

test('what one instance finds down the others leave alone, without a failure of their own', async () => {
  const { clock, upstream, instances, callAll, states } = fleetBench(5);
  await callAll();
  upstream.status = 501;
  upstream.requests = 0;
  const [first] = instances;
  for (let call = 1; call <= 3; call += 1) await first?.client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(all(5, 'open'));
  await callAll();
  expect(upstream.requests).toBe(3);
});

test('one instance at a time sends a probe, and what it finds out the others need not', async () => {
  const { clock, upstream, instances, callAll, states } = fleetBench(20);
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(10_000);
  upstream.requests = 0;
  // The first call asks for the lease, and is refused; the next one finds it there.
  await callAll();
  expect(upstream.requests).toBe(0);
  await callAll();
  await callAll();
  expect(upstream.requests).toBe(1);
  expect(states()).toEqual(all(20, 'open'));
  upstream.status = 200;
  await clock.advance(20_000);
  await callAll();
  await callAll();
  expect(upstream.requests).toBe(2);
  await clock.advance(0);
  expect(states()).toEqual(all(20, 'closed'));
});

test('while a dependency is down, each instance asks once for each probe that is due', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(3);
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(5_000);
  const before = memory.requests;
  await callAll();
  expect(memory.requests - before).toBe(0);
  await clock.advance(5_000);
  for (let round = 1; round <= 10; round += 1) await callAll();
  // Three questions, and what the one who was given the lease has found.
  expect(memory.requests - before).toBe(4);
});

test('with a quorum, one instance whose own network is broken does not take the others with it', async () => {
  const { clock, upstream, instances, callAll, states } = fleetBench(4, { quorum: 2 });
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(['open', 'closed', 'closed', 'closed']);
  for (let call = 1; call <= 3; call += 1) await instances[1]?.client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(all(4, 'open'));
});

test.for([true, false])(
  'an instance that is alone in its opinion finds out by one probe whether it still holds: %s',
  async (isDown) => {
    const { clock, upstream, instances, callAll } = fleetBench(3, { quorum: 2 });
    await callAll();
    upstream.status = 501;
    const [broken] = instances;
    for (let call = 1; call <= 3; call += 1) await broken?.client.fetch(url);
    await clock.advance(10_000);
    if (!isDown) upstream.status = 200;
    upstream.requests = 0;
    await broken?.client.fetch(url).catch(() => {});
    await clock.advance(0);
    expect([broken?.state(), upstream.requests]).toEqual(['half-open', 0]);
    await broken?.client.fetch(url);
    await broken?.client.fetch(url).catch(() => {});
    expect([broken?.state(), upstream.requests]).toEqual(isDown ? ['open', 1] : ['closed', 2]);
  },
);

test('a prober that dies blocks the others for as long as its lease, and what it says later changes nothing', async () => {
  const { clock, upstream, instances, callAll, states } = fleetBench(3, { attemptTimeoutMs: false, deadlineMs: false });
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(10_000);
  upstream.hangs = true;
  const [dead, other] = instances;
  await dead?.client.fetch(url).catch(() => {});
  await clock.advance(0);
  const controller = new AbortController();
  const stuck = dead?.client.fetch(url, { signal: controller.signal }).catch(() => {});
  await clock.advance(1);
  upstream.hangs = false;
  upstream.status = 200;
  await other?.client.fetch(url).catch(() => {});
  await clock.advance(0);
  await expect(other?.client.fetch(url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  await clock.advance(12_000);
  await other?.client.fetch(url).catch(() => {});
  await clock.advance(0);
  expect((await other?.client.fetch(url))?.status).toBe(200);
  await clock.advance(0);
  expect(states().slice(1)).toEqual(all(2, 'closed'));
  controller.abort();
  await stuck;
});

test('an instance that opens before the engine has said anything stays open, though the others find nothing wrong', async () => {
  for (const quorum of [1, 2]) {
    const { clock, memory, upstream, instances } = fleetBench(1, { quorum });
    memory.faults.delayMs = 100;
    upstream.status = 501;
    const [only] = instances;
    const states: unknown[] = [];
    for (let call = 1; call <= 3; call += 1) await only?.client.fetch(url);
    for (let waitedMs = 0; waitedMs < 500; waitedMs += 50) {
      await clock.advance(50);
      states.push(only?.state());
    }
    expect(states).toEqual(all(10, 'open'));
  }
});

const gone = [
  { fault: 'is down', set: { isDown: true }, reason: 'TypeError' },
  { fault: 'hangs', set: { hangs: true }, reason: 'timeout' },
  { fault: 'says what makes no sense', set: { garbage: { state: 'ajar' } }, reason: 'invalid' },
  { fault: 'says nothing', set: { garbage: null }, reason: 'invalid' },
];

test.for(gone)(
  'circuits go on alone while the engine $fault, say so, and come back by themselves',
  async ({ set, reason }) => {
    const { clock, memory, upstream, instances, callAll, states } = fleetBench(2);
    await callAll();
    Object.assign(memory.faults, set);
    upstream.status = 501;
    for (let call = 1; call <= 3; call += 1) await callAll();
    await clock.advance(1_000);
    expect(states()).toEqual(all(2, 'open'));
    const alone = instances[0]?.events.filter(({ type }) => type === 'fleet') ?? [];
    expect(alone).toMatchObject([{ status: 'alone', reason, dependency: origin }]);
    await clock.advance(10_000);
    upstream.status = 200;
    await callAll();
    expect(states()).toEqual(all(2, 'closed'));
    Object.assign(memory.faults, { isDown: false, hangs: false, garbage: undefined });
    await clock.advance(60_000);
    expect(instances[0]?.events.findLast(({ type }) => type === 'fleet')).toMatchObject({ status: 'joined' });
  },
);

test('an engine that lost its memory is believed again, and one that jumps ahead is asked', async () => {
  const { clock, memory, upstream, instances, callAll, states } = fleetBench(3);
  await callAll();
  const open = async (): Promise<void> => {
    upstream.status = 501;
    for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url).catch(() => {});
    await clock.advance(0);
  };
  await open();
  await clock.advance(5_000);
  memory.flush();
  memory.publish(origin, { run: 1, epoch: 99_999, state: 'closed', retryAfterMs: 0, trips: 0 });
  memory.publish(origin, { run: memory.now + 1e9, epoch: 1, state: 'closed', retryAfterMs: 0, trips: 0 });
  memory.publish(origin, 'garbage');
  await clock.advance(0);
  upstream.status = 200;
  await clock.advance(30_000);
  for (let round = 1; round <= 5; round += 1) {
    await callAll();
    await clock.advance(0);
  }
  expect(states()).toEqual(all(3, 'closed'));
  await open();
  expect(states()).toEqual(all(3, 'open'));
});

test('an engine that has lost its memory closes nobody, for it knows nothing', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(2);
  await callAll();
  memory.faults.isDown = true;
  upstream.status = 501;
  const [first, second] = instances;
  for (let call = 1; call <= 3; call += 1) await first?.client.fetch(url);
  memory.flush();
  memory.faults.isDown = false;
  await clock.advance(5_000);
  // It has come back, and has told what it had found out alone.
  expect([first?.state(), second?.state()]).toEqual(['open', 'open']);
  expect(first?.events.filter(({ type }) => type === 'transition')).toHaveLength(1);
});

test('a clock that is minutes off changes nothing', async () => {
  for (const skewMs of [-600_000, 600_000]) {
    const { clock, upstream, instances, callAll, states } = fleetBench(3, { skewMs });
    await callAll();
    upstream.status = 501;
    for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
    await clock.advance(9_999);
    await callAll();
    expect(states()).toEqual(all(3, 'open'));
    upstream.status = 200;
    await clock.advance(1);
    for (let round = 1; round <= 2; round += 1) await callAll();
    await clock.advance(0);
    expect(states()).toEqual(all(3, 'closed'));
  }
});

test('no call waits for the engine, however slow it is', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(2);
  await callAll();
  memory.faults.delayMs = 900;
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) {
    const before = clock.now();
    await instances[0]?.client.fetch(url);
    expect(clock.now()).toBe(before);
  }
  await expect(instances[0]?.client.fetch(url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('a circuit that others keep from probing for ever looks for itself', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(1);
  await callAll();
  upstream.status = 501;
  const [only] = instances;
  for (let call = 1; call <= 3; call += 1) await only?.client.fetch(url);
  await clock.advance(10_000);
  memory.faults.garbage = {
    state: { run: memory.record(origin).run, epoch: 2, state: 'open', retryAfterMs: 0, trips: 0 },
    token: null,
    waitMs: 5_000,
  };
  upstream.status = 200;
  let waitedMs = 0;
  while (only?.state() !== 'closed' && waitedMs < 300_000) {
    await only?.client.fetch(url).catch(() => {});
    await clock.advance(1_000);
    waitedMs += 1_000;
  }
  expect(waitedMs).toBeLessThan(125_000);
});

test('an instance tells what it finds down, also when it had a lease that it never used', async () => {
  const { clock, upstream, instances, callAll, states } = fleetBench(3);
  await callAll();
  upstream.status = 501;
  const [first, second] = instances;
  for (let call = 1; call <= 3; call += 1) await first?.client.fetch(url);
  await clock.advance(10_000);
  await first?.client.fetch(url).catch(() => {});
  await clock.advance(11_000);
  upstream.status = 200;
  for (let call = 1; call <= 2; call += 1) await second?.client.fetch(url).catch(() => {});
  await clock.advance(0);
  expect(states()).toEqual(all(3, 'closed'));
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await first?.client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(all(3, 'open'));
});

test('what was found back while the engine was gone is told, and the next outage spreads again', async () => {
  const { clock, memory, upstream, instances, callAll, states } = fleetBench(4);
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(5_000);
  memory.faults.isDown = true;
  upstream.status = 200;
  await clock.advance(10_000);
  for (let round = 1; round <= 3; round += 1) {
    await callAll();
    await clock.advance(1_000);
  }
  expect(states()).toEqual(all(4, 'closed'));
  memory.faults.isDown = false;
  await clock.advance(60_000);
  expect(memory.record(origin).state).toBe('closed');
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(all(4, 'open'));
});

test('what was found out alone so long ago that it would be looked at again by now takes nobody down', async () => {
  const { clock, memory, upstream, instances, callAll, states } = fleetBench(3);
  await callAll();
  memory.faults.isDown = true;
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  upstream.status = 200;
  await clock.advance(600_000);
  memory.faults.isDown = false;
  await clock.advance(60_000);
  expect(states().slice(1)).toEqual(all(2, 'closed'));
});

test('a fleet that has forgotten is told again by one, and not every one looks for itself', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(50);
  await callAll();
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
  await clock.advance(5_000);
  memory.flush();
  await clock.advance(6_000);
  upstream.requests = 0;
  for (let round = 1; round <= 5; round += 1) {
    await callAll();
    await clock.advance(10);
  }
  expect(upstream.requests).toBeLessThanOrEqual(2);
});

test('a client that comes with what it knew long ago takes nobody down', async () => {
  const { clock, upstream, callAll, states, make } = fleetBench(3);
  await callAll();
  upstream.status = 501;
  const before = createClient({
    clock,
    breaker: { failureThreshold: 1 },
    retry: false,
    fetch: async () => new Response(null, { status: 501 }),
  });
  await before.fetch(url);
  upstream.status = 200;
  await clock.advance(3_600_000);
  const late = make({ restore: before.snapshot() });
  expect(late.state()).not.toBe('closed');
  for (let round = 1; round <= 3; round += 1) {
    await late.client.fetch(url).catch(() => {});
    await callAll();
    await clock.advance(0);
  }
  expect([late.state(), ...states()]).toEqual(all(4, 'closed'));
  expect(late.requests()).toBe(2);
});

test.for([501, 200])('two clients of one instance send one probe, whatever comes of it: %i', async (found) => {
  const clock = new FakeClock();
  const memory = new EngineMemory(clock);
  const fleet = new EngineFleet(memoryEngine(memory));
  let requests = 0;
  let status = 501;
  const clients = [1, 2, 3].map(() =>
    createClient({
      clock,
      random: () => 0,
      retry: false,
      breaker: { failureThreshold: 1, fleet },
      async fetch() {
        requests += 1;
        await new Promise<void>((resolve) => clock.schedule(100, resolve));
        return new Response(null, { status });
      },
    }),
  );
  const callAll = async (ms: number): Promise<void> => {
    const calls = clients.map((client) => client.fetch(url).catch(() => {}));
    await clock.advance(ms);
    await Promise.all(calls);
  };
  await callAll(200);
  status = found;
  requests = 0;
  memory.faults.delayMs = 20;
  await clock.advance(20_000);
  const calls: Promise<unknown>[] = [];
  for (let waitedMs = 0; waitedMs < (found === 200 ? 120 : 1_000); waitedMs += 10) {
    calls.push(...clients.map((client) => client.fetch(url).catch(() => {})));
    await clock.advance(10);
  }
  expect(requests).toBe(1);
  await clock.advance(1_000);
  await Promise.all(calls);
});

test('an engine that answers questions and refuses news is not joined again and again', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(1);
  await callAll();
  memory.faults.isReadOnly = true;
  upstream.status = 501;
  for (let call = 1; call <= 3; call += 1) await callAll();
  upstream.status = 200;
  await clock.advance(10_000);
  await callAll();
  const before = memory.requests;
  // It has closed: that is to be told, however long it takes.
  expect(instances[0]?.state()).toBe('closed');
  await clock.advance(600_000);
  const told = (): unknown[] =>
    instances[0]?.events.flatMap((event) => (event.type === 'fleet' ? [event.status] : [])) ?? [];
  expect(told()).toEqual(['alone']);
  // Two for each time that it tries, at most every 15 s by then.
  expect(memory.requests - before).toBeLessThan(100);
  memory.faults.isReadOnly = false;
  await clock.advance(60_000);
  expect(told()).toEqual(['alone', 'joined']);
});

test('a connection that breaks many times in a row is no more than one reason to wait', async () => {
  const { clock, memory, instances, callAll } = fleetBench(1);
  await callAll();
  for (let error = 1; error <= 20; error += 1) memory.lose('ECONNREFUSED');
  await clock.advance(500);
  expect(instances[0]?.events.filter(({ type }) => type === 'fleet')).toMatchObject([
    { status: 'alone', reason: 'ECONNREFUSED' },
    { status: 'joined' },
  ]);
});

test('an engine that is back is not asked by all at once', async () => {
  let seed = 0;
  // Evenly spread, as chance would have it.
  const random = (): number => (seed = (seed + 0.618_034) % 1);
  const { clock, memory, instances, callAll } = fleetBench(100, { random });
  await callAll();
  memory.faults.isDown = true;
  memory.lose('gone');
  await clock.advance(60_000);
  memory.faults.isDown = false;
  const before = memory.requests;
  memory.back(2_000);
  const asked: number[] = [];
  for (let waitedMs = 0; waitedMs < 2_000; waitedMs += 100) {
    const at = memory.requests;
    await clock.advance(100);
    asked.push(memory.requests - at);
  }
  expect(memory.requests - before).toBe(100);
  expect(Math.max(...asked)).toBeLessThanOrEqual(10);
  const joined = instances.filter(({ events }) =>
    events.some((event) => event.type === 'fleet' && event.status === 'joined'),
  );
  expect(joined).toHaveLength(100);
});

test('whoever comes when the fleet is closed goes on alone, and no call fails for it', async () => {
  const clock = new FakeClock();
  const fleet = new EngineFleet(memoryEngine(new EngineMemory(clock)));
  const client = createClient({ clock, breaker: { fleet }, fetch: async () => new Response('ok') });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  await fleet.close();
  expect((await client.fetch(url)).status).toBe(200);
  expect(events.filter(({ type }) => type === 'fleet')).toMatchObject([{ status: 'alone', reason: 'closed' }]);
});

test('a client that is closed, and a dependency that is forgotten, leave the fleet', async () => {
  const { clock, memory, upstream, instances, callAll } = fleetBench(2, { maxDependencies: 1 });
  await callAll();
  const [first, second] = instances;
  await first?.client.fetch('https://other.test/');
  await second?.client.close();
  const before = memory.requests;
  upstream.status = 501;
  memory.publish(origin, { ...memory.record(origin), epoch: 50, state: 'open', retryAfterMs: 1_000, trips: 0 });
  await clock.advance(60_000);
  expect(memory.requests).toBe(before);
  expect(second?.state()).toBe('closed');
});
