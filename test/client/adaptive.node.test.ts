import { expect, test } from 'vitest';

import { type ClientOptions, createClient, type FetchInit } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { clientBench, origin, url } from './bench.ts';

/** Twenty users with one call each at a time, answered as the script says, over and over; and the limit when they are done. */
async function limitAfter(script: readonly ScriptStep[], options: ClientOptions = {}, init: FetchInit = {}) {
  const steps = Array.from({ length: 500 }, (_, nth) => script[nth % script.length] as ScriptStep);
  const bench = clientBench(steps, {
    bulkhead: { maxConcurrent: 'adaptive' },
    breaker: false,
    retry: false,
    ...options,
  });
  const { client, clock } = bench;
  const left = steps.map(() => 1);
  const user = async (): Promise<void> => {
    while (left.pop() !== undefined) {
      await client.fetch(url, init).catch(() => {});
      // Who is answered at once comes again a little later.
      await new Promise<void>((resolve) => clock.schedule(5, resolve));
    }
  };
  const users = Array.from({ length: 20 }, user);
  await clock.advance(3_600_000);
  await Promise.all(users);
  return client.snapshot().dependencies[origin]?.maxConcurrent ?? 0;
}

const ok: ScriptStep = { status: 200, delayMs: 50 };

test('A client with bulkhead.maxConcurrent "adaptive" begins with 20 for each dependency, and tells what it is now', async () => {
  const { client } = clientBench([200, 200], { bulkhead: { maxConcurrent: 'adaptive' } });
  await client.fetch(url);
  await client.fetch('https://b.test/');
  const { dependencies } = client.snapshot();
  expect(Object.values(dependencies).map(({ maxConcurrent }) => maxConcurrent)).toEqual([20, 20]);
  // As much as twenty users make use of.
  expect(await limitAfter([ok])).toBe(41);
});

test.for([
  { how: '503', step: { status: 503, delayMs: 50 }, falls: true },
  { how: '429', step: { status: 429, delayMs: 50 }, falls: true },
  { how: '504', step: { status: 504, delayMs: 50 }, falls: true },
  { how: 'no answer in time', step: 'hang' as const, falls: true },
  { how: '404', step: { status: 404, delayMs: 50 }, falls: false },
  { how: '408', step: { status: 408, delayMs: 50 }, falls: false },
  { how: '500', step: { status: 500, delayMs: 50 }, falls: false },
  { how: 'a network error', step: () => new TypeError('fetch failed'), falls: false },
])('An adaptive limit, of a dependency that answers with $how: falls $falls', async ({ step, falls }) => {
  const limit = await limitAfter([ok, step, step], { attemptTimeoutMs: 500 });
  if (falls) expect(limit).toBeLessThan(20);
  else expect(limit).toBeGreaterThanOrEqual(20);
});

test('An adaptive limit takes no wait for a slot for time that a call took', async () => {
  const { client, clock } = clientBench([ok], { bulkhead: { maxConcurrent: 'adaptive', maxQueued: 200 } });
  const burst = async (size: number): Promise<void> => {
    const calls = Array.from({ length: size }, () => client.fetch(url));
    await clock.advance(500);
    await Promise.all(calls);
  };
  // How long calls take is known before anybody waits.
  for (let time = 0; time < 10; time += 1) await burst(9);
  const limits: number[] = [];
  for (let time = 0; time < 4; time += 1) {
    await burst(200);
    limits.push(client.snapshot().dependencies[origin]?.maxConcurrent ?? 0);
  }
  expect(limits).toEqual(limits.toSorted((a, b) => a - b));
});

test('An adaptive limit learns as much from a 404 as from a 200, and nothing from a 500 or a network error', async () => {
  expect(await limitAfter([{ status: 404, delayMs: 50 }])).toBe(await limitAfter([ok]));
  expect(await limitAfter([{ status: 500, delayMs: 50 }])).toBe(20);
  expect(await limitAfter([() => new TypeError('fetch failed')])).toBe(20);
});

test('An adaptive limit takes no backoff for time that a call took, and what it is that failed before it for dropped', async () => {
  // Seconds in each call, of which the dependency has worked for none.
  const retry = { initialDelayMs: 3_000, jitter: 0, budget: false } as const;
  expect(await limitAfter([{ status: 500 }, { status: 500 }, ok], { retry })).toBeGreaterThanOrEqual(20);
  expect(await limitAfter([{ status: 503 }], { retry })).toBeLessThan(20);
});

test('An adaptive limit falls when deadlines end calls that are slower than usual', async () => {
  expect(
    await limitAfter([ok, { status: 200, delayMs: 5_000 }, { status: 200, delayMs: 5_000 }], { deadlineMs: 1_000 }),
  ).toBeLessThan(20);
});

test('An adaptive limit learns nothing from callers who leave, nor from an open circuit', async () => {
  const clock = new FakeClock();
  const client = createClient({
    clock,
    bulkhead: { maxConcurrent: 'adaptive' },
    retry: false,
    fetch: (_, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))),
  });
  const limit = (): number | null | undefined => client.snapshot().dependencies[origin]?.maxConcurrent;
  for (let round = 0; round < 20; round += 1) {
    const caller = new AbortController();
    const calls = Array.from({ length: 20 }, () => client.fetch(url, { signal: caller.signal }).catch(() => {}));
    await clock.advance(1_000);
    caller.abort('gone');
    await Promise.all(calls);
  }
  expect(limit()).toBe(20);
  const open = clientBench(
    Array<ScriptStep>(5).fill(() => new TypeError('fetch failed')),
    {
      bulkhead: { maxConcurrent: 'adaptive' },
      retry: false,
    },
  );
  for (let call = 0; call < 400; call += 1) {
    await open.client.fetch(url).catch(() => {});
    await open.clock.advance(5);
  }
  expect(open.upstream.calls).toBe(5);
  expect(open.client.snapshot().dependencies[origin]).toMatchObject({ maxConcurrent: 20, running: 0 });
});

test('A client that is restored finds out its adaptive limit anew', async () => {
  const first = clientBench(Array<ScriptStep>(100).fill(ok), { bulkhead: { maxConcurrent: 'adaptive' } });
  const calls = Array.from({ length: 40 }, () => first.client.fetch(url));
  await first.clock.advance(1_000);
  await Promise.all(calls);
  const snapshot = first.client.snapshot();
  expect(snapshot.dependencies[origin]?.maxConcurrent).toBeGreaterThan(20);
  const second = clientBench([200], { bulkhead: { maxConcurrent: 'adaptive' }, restore: snapshot });
  expect(second.client.snapshot().dependencies[origin]?.maxConcurrent).toBe(20);
});

test('An adaptive limit with slot "body" holds the slot until the body has ended, and counts the time to the headers', async () => {
  const { client, clock } = clientBench(Array<ScriptStep>(2).fill({ body: 'text', delayMs: 50 }), {
    bulkhead: { maxConcurrent: 'adaptive', slot: 'body' },
  });
  const call = client.fetch(url);
  await clock.advance(50);
  const response = await call;
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1, maxConcurrent: 20 });
  expect(await response.text()).toBe('text');
  expect(client.snapshot().dependencies[origin]?.running).toBe(0);
});
