import { expect, test } from 'vitest';

import { all, fleetBench, origin, url } from './fleet-bench.ts';

// Each of these takes the clock some thousand steps, for which a browser needs half a minute.

test('a flood of messages that nobody can have sent is one question a second', async () => {
  const { clock, memory, callAll } = fleetBench(1);
  await callAll();
  await clock.advance(10_000);
  const before = memory.requests;
  for (let message = 1; message <= 3_000; message += 1) {
    memory.publish(origin, { run: memory.now + message, epoch: message, state: 'open', retryAfterMs: 1e12, trips: 0 });
    await clock.advance(1);
  }
  expect(memory.requests - before).toBe(4);
});

/** Calls of each instance in turn, so many ms apart for each; until they are closed, or time is up. Answers how long it took. */
async function untilAllClosed(bench: ReturnType<typeof fleetBench>, everyMs: number, mostMs: number): Promise<number> {
  const { clock, instances, states } = bench;
  const stepMs = everyMs / instances.length;
  for (let tookMs = 0; ; ) {
    for (const { client } of instances) {
      client.fetch(url).catch(() => {});
      await clock.advance(stepMs);
      tookMs += stepMs;
    }
    if (states().every((state) => state === 'closed') || tookMs > mostMs) return tookMs;
  }
}

const quiet = [
  { count: 30, everyMs: 12_000, successThreshold: 1 },
  { count: 30, everyMs: 15_000, successThreshold: 2 },
  { count: 30, everyMs: 60_000, successThreshold: 1 },
  { count: 200, everyMs: 60_000, successThreshold: 2 },
  { count: 1, everyMs: 15_000, successThreshold: 2 },
];

test.for(quiet)(
  '$count instances that are called every $everyMs ms find it back: a lease that is not used in time is not lost',
  async ({ count, everyMs, successThreshold }) => {
    const bench = fleetBench(count, { successThreshold });
    const { clock, upstream, instances, callAll } = bench;
    await callAll();
    upstream.status = 501;
    for (let call = 1; call <= 3; call += 1) await instances[0]?.client.fetch(url);
    await clock.advance(1_000);
    upstream.status = 200;
    upstream.requests = 0;
    expect(await untilAllClosed(bench, everyMs, 600_000)).toBeLessThanOrEqual(10_000 + 4 * everyMs);
    // Those who found out; whoever called a circuit that had closed is none of them.
    const probed = instances.filter(({ events }) =>
      events.some((event) => event.type === 'transition' && event.to === 'half-open'),
    );
    expect(probed.length).toBeGreaterThan(0);
  },
);

test('probes that take longer than the lease close the circuit for all, and open nothing', async () => {
  const bench = fleetBench(20, { successThreshold: 2, latencyMs: 6_000 });
  const { clock, upstream, instances, callAll } = bench;
  await callAll();
  upstream.status = 501;
  const first = instances[0]?.client;
  const failing = [1, 2, 3].map(() => first?.fetch(url));
  await clock.advance(6_000);
  await Promise.all(failing);
  upstream.status = 200;
  expect(await untilAllClosed(bench, 5_000, 600_000)).toBeLessThanOrEqual(60_000);
  const reopened = instances.flatMap(({ events }) =>
    events.filter((event) => event.type === 'transition' && event.to === 'open'),
  );
  expect(reopened).toHaveLength(20);
});

test('with a quorum, one instance whose own network stays broken does not keep the others down', async () => {
  const bench = fleetBench(5, { quorum: 3 });
  const { clock, upstream, instances, callAll, states } = bench;
  await callAll();
  upstream.status = 501;
  for (const { client } of instances.slice(0, 3)) for (let call = 1; call <= 3; call += 1) await client.fetch(url);
  await clock.advance(0);
  expect(states()).toEqual(all(5, 'open'));
  upstream.status = 200;
  upstream.brokenFor = instances[0];
  for (let round = 0; round < 600; round += 1) {
    // It asks first, and most often.
    for (let call = 0; call < 3; call += 1) await instances[0]?.client.fetch(url).catch(() => {});
    await callAll();
    await clock.advance(200);
  }
  expect(states().slice(1)).toEqual(all(4, 'closed'));
});
