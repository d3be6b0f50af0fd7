import { expect, test } from 'vitest';

import { type ClientOptions, type ClientSnapshot, createClient, memoryStore } from '../../src/index.ts';
import { noCounters } from '../../src/snapshot.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, fetchAndStore, origin, url, watch } from './bench.ts';

const epochStart = Date.UTC(2026, 0, 1);

/** What would come back from a store. */
const stored = (snapshot: ClientSnapshot): ClientSnapshot => JSON.parse(JSON.stringify(snapshot)) as ClientSnapshot;

// What it says.

test('client.snapshot() of a client that was not used', () => {
  const { client } = clientBench([200]);
  expect(client.snapshot()).toEqual({ name: null, at: epochStart, dependencies: {} });
});

test('client.snapshot() carries the name of the client, and the time by the wall clock', async () => {
  const { client, clock } = clientBench([200], { name: 'user-service' });
  await clock.advance(5_000);
  clock.jump(3_600_000);
  expect(client.snapshot()).toMatchObject({ name: 'user-service', at: epochStart + 3_605_000 });
});

test('client.snapshot() tells the state of a dependency', async () => {
  const { client, clock } = clientBench([503, 200, 404, 501, 429], { retry: { initialDelayMs: 1_000 } });
  const first = client.fetch(url);
  await clock.advance(1_000);
  await first;
  await client.fetch(url);
  await client.fetch(url);
  await client.fetch(url, { retry: false });
  expect(client.snapshot().dependencies).toEqual({
    [origin]: {
      breaker: {
        state: 'closed',
        retryAfterMs: 0,
        failedProbes: 0,
        successfulProbes: 0,
        consecutiveFailures: 1,
        window: null,
      },
      lastTransition: null,
      outageSince: null,
      running: 0,
      maxConcurrent: 64,
      queued: 0,
      maxQueued: 64,
      // The retry was paid from the reserve, which is full again after a second.
      budget: { calls: 3, retries: 0, reserve: 10 },
      retriesAvailable: 10,
      hedgeAfterMs: null,
      counters: { ...noCounters(), calls: 4, attempts: 5, retries: 1, success: 2, failure: 1, ignored: 1 },
      lastFailure: { at: epochStart + 1_000, failure: 'status', status: 501 },
    },
  });
});

test('client.snapshot() is plain JSON, whatever the state', async () => {
  const { client, clock } = clientBench([501, 'hang'], {
    name: 'user-service',
    breaker: { window: { size: 10, minimumCalls: 10 } },
    bulkhead: { maxConcurrent: 1 },
  });
  await client.fetch(url);
  const running = watch(client.fetch(url));
  const waiting = watch(client.fetch(url));
  await clock.advance(1);
  const snapshot = client.snapshot();
  expect(stored(snapshot)).toEqual(snapshot);
  expect(snapshot.dependencies[origin]).toMatchObject({
    running: 1,
    queued: 1,
    breaker: { window: { calls: 1, failures: 1, slow: 0 } },
  });
  expect([running.state, waiting.state]).toEqual(['pending', 'pending']);
});

test('client.snapshot() counts a refused call as ignored and rejected', async () => {
  const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await errorOf(client.fetch(url));
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'open', retryAfterMs: 10_000 },
    counters: { calls: 2, attempts: 1, failure: 1, ignored: 1, rejected: 1 },
  });
});

test('client.snapshot() does not change when the client goes on', async () => {
  const { client } = clientBench([501]);
  await client.fetch(url);
  const snapshot = client.snapshot();
  const before = stored(snapshot);
  await client.fetch(url);
  expect(snapshot).toEqual(before);
});

test('client.snapshot() says null for a layer that is switched off', async () => {
  const { client } = clientBench([200], { breaker: false, bulkhead: false, retry: { budget: false } });
  await client.fetch(url);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ breaker: null, budget: null, running: 0, queued: 0 });
});

test('client.snapshot() counts running calls also without a bulkhead', async () => {
  const { client, clock } = clientBench(['hang'], { bulkhead: false, retry: false });
  const calls = [watch(client.fetch(url)), watch(client.fetch(url))];
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 2, queued: 0 });
  await clock.advance(10_000);
  expect(calls.map(({ state }) => state)).toEqual(['rejected', 'rejected']);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 0 });
});

const failures = [
  { failure: 'status', step: 501, status: 501 },
  { failure: 'network', step: new TypeError('Failed to fetch'), status: null },
  { failure: 'attempt-timeout', step: 'hang', status: null },
] as const;

test.for(failures)('client.snapshot() tells the last failure: $failure', async ({ failure, step, status }) => {
  const { client, clock } = clientBench([step], { retry: false, attemptTimeoutMs: 500 });
  const call = client.fetch(url).catch(() => {});
  await clock.advance(500);
  await call;
  const at = epochStart + (failure === 'attempt-timeout' ? 500 : 0);
  expect(client.snapshot().dependencies[origin]?.lastFailure).toEqual({ at, failure, status });
});

test('client.snapshot() keeps the last failure, also when later calls succeed or are ignored', async () => {
  const { client } = clientBench([501, 200, 404, 429], { retry: false });
  for (let call = 1; call <= 4; call += 1) await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.lastFailure).toMatchObject({ status: 501 });
});

// Going on from it.

/** A later process: its monotonic clock began anew, its wall clock has moved on. */
function later(snapshot: ClientSnapshot, elapsedMs: number, options: ClientOptions = {}) {
  const clock = new FakeClock({ now: 77, epochNow: snapshot.at + elapsedMs });
  const upstream = scriptedFetch([200], { clock });
  const client = createClient({ clock, random: () => 0, fetch: upstream, restore: stored(snapshot), ...options });
  return { client, clock, upstream };
}

/** A circuit that opened 4 s ago, for 10 s. */
async function openSnapshot(): Promise<ClientSnapshot> {
  const { client, clock } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(4_000);
  return client.snapshot();
}

const leftOpen = [
  { elapsedMs: 0, leftMs: 6_000 },
  { elapsedMs: 2_500, leftMs: 3_500 },
  { elapsedMs: 5_999, leftMs: 1 },
  // The wall clock went back: no time is known to have passed.
  { elapsedMs: -3_600_000, leftMs: 6_000 },
];

test.for(leftOpen)('createClient() keeps an open circuit open for $leftMs ms, $elapsedMs ms later', async (row) => {
  const { client, clock, upstream } = later(await openSnapshot(), row.elapsedMs);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: row.leftMs });
  await clock.advance(row.leftMs - 1);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  await clock.advance(1);
  expect((await client.fetch(url)).status).toBe(200);
  expect(upstream.calls).toBe(1);
});

test.for([6_000, 3_600_000])('createClient() finds an open circuit half-open, %d ms later', async (elapsedMs) => {
  const { client } = later(await openSnapshot(), elapsedMs);
  expect(client.snapshot().dependencies[origin]?.breaker).toMatchObject({ state: 'half-open', retryAfterMs: 0 });
  await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.breaker).toMatchObject({ state: 'half-open', successfulProbes: 1 });
  await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.breaker?.state).toBe('closed');
});

test('createClient() goes on with a half-open circuit, without the probe that was under way', async () => {
  const { client, clock } = clientBench([501, 200, 'hang'], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  await client.fetch(url);
  const probe = watch(client.fetch(url));
  await clock.advance(1);
  const snapshot = client.snapshot();
  expect(probe.state).toBe('pending');
  expect(snapshot.dependencies[origin]).toMatchObject({
    running: 1,
    breaker: { state: 'half-open', successfulProbes: 1 },
  });

  const restored = later(snapshot, 0);
  expect(restored.client.snapshot().dependencies[origin]).toMatchObject({ running: 0, queued: 0 });
  expect((await restored.client.fetch(url)).status).toBe(200);
  expect(restored.client.snapshot().dependencies[origin]?.breaker?.state).toBe('closed');
});

test('createClient() goes on counting failures in a row', async () => {
  const { client } = clientBench([501]);
  for (let call = 1; call <= 4; call += 1) await client.fetch(url);
  const restored = later(client.snapshot(), 1_000, { fetch: scriptedFetch([501]) });
  await restored.client.fetch(url);
  expect(restored.client.snapshot().dependencies[origin]?.breaker?.state).toBe('open');
});

test('createClient() goes on with the doubled reset timeout of failed probes', async () => {
  const { client, clock } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  await client.fetch(url);
  const restored = later(client.snapshot(), 20_000, { fetch: scriptedFetch([501]) });
  await restored.client.fetch(url);
  expect(restored.client.snapshot().dependencies[origin]?.breaker).toMatchObject({
    state: 'open',
    retryAfterMs: 40_000,
    failedProbes: 2,
  });
});

test('createClient() goes on with what is left of the retry budget', async () => {
  const retry = { initialDelayMs: 0, maxAttempts: 2, budget: { ratio: 0, minPerSecond: 2 } };
  const { client } = clientBench([503], { breaker: false, retry });
  await client.fetch(url);
  await client.fetch(url);
  const restored = later(client.snapshot(), 0, { breaker: false, retry, fetch: scriptedFetch([503]) });
  await restored.client.fetch(url);
  expect(restored.client.snapshot().dependencies[origin]?.counters).toMatchObject({
    calls: 3,
    attempts: 5,
    retries: 2,
  });
});

test('createClient() goes on with the counters and the last failure, and hands them on', async () => {
  const { client } = clientBench([501, 200, 429], { retry: false });
  for (let call = 1; call <= 3; call += 1) await client.fetch(url);
  const snapshot = client.snapshot();
  const restored = later(snapshot, 2_000);
  const { counters, lastFailure } = snapshot.dependencies[origin] ?? {};
  expect(restored.client.snapshot()).toMatchObject({
    at: epochStart + 2_000,
    dependencies: { [origin]: { counters, lastFailure } },
  });
  await restored.client.fetch(url);
  expect(restored.client.snapshot().dependencies[origin]?.counters).toMatchObject({ calls: 4, success: 2 });
});

test('createClient() takes no name from a snapshot', async () => {
  const { client } = clientBench([200], { name: 'before' });
  await client.fetch(url);
  expect(later(client.snapshot(), 0).client.snapshot().name).toBeNull();
  expect(later(client.snapshot(), 0, { name: 'after' }).client.snapshot().name).toBe('after');
});

test('createClient() restores what it has a layer for', async () => {
  const { client } = clientBench([501], { breaker: false, retry: { budget: false } });
  await client.fetch(url);
  const restored = later(client.snapshot(), 0);
  expect(restored.client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'closed', consecutiveFailures: 0 },
    budget: { reserve: 10 },
  });
  const without = later(await openSnapshot(), 0, { breaker: false });
  expect((await without.client.fetch(url)).status).toBe(200);
});

test('createClient() restores no outage where there is no circuit to end it', async () => {
  const before = clientBench([503], { retry: false, breaker: { failureThreshold: 1 } });
  await before.client.fetch(url);
  const restore = stored(before.client.snapshot());
  expect(restore.dependencies[origin]?.outageSince).toBe(epochStart);
  const { client } = clientBench([200], { breaker: false, restore });
  expect(client.snapshot().dependencies[origin]).toMatchObject({ breaker: null, outageSince: null });
});

test('createClient() restores dependencies by any key', async () => {
  const { client } = clientBench([501], { isolateBy: () => '__proto__', breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  const restored = later(client.snapshot(), 0, { isolateBy: () => '__proto__' });
  expect(await errorOf(restored.client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('createClient() restores no more than maxDependencies', async () => {
  const { client } = clientBench([200]);
  for (let number = 1; number <= 40; number += 1) await client.fetch(`https://${number}.test/`);
  const restored = later(client.snapshot(), 0, { maxDependencies: 10 });
  expect(Object.keys(restored.client.snapshot().dependencies)).toHaveLength(10);
});

test('createClient() does not hold on to the snapshot it was given', async () => {
  const snapshot = stored(await openSnapshot());
  const clock = new FakeClock({ epochNow: snapshot.at });
  const client = createClient({ clock, fetch: scriptedFetch([200]), restore: snapshot });
  await errorOf(client.fetch(url));
  expect(snapshot).toEqual(stored(await openSnapshot()));
});

// Garbage: it comes from a store, and may be anything.

type Json = Record<string, unknown>;

/** A sound snapshot with one part replaced, or left out. */
function damaged(path: readonly string[], value: unknown): unknown {
  const sound = {
    name: null,
    at: 0,
    dependencies: {
      key: {
        breaker: {
          state: 'closed',
          retryAfterMs: 0,
          failedProbes: 0,
          successfulProbes: 0,
          consecutiveFailures: 0,
          window: { calls: 0, failures: 0, slow: 0 },
        },
        running: 0,
        queued: 0,
        budget: { calls: 0, retries: 0, reserve: 0 },
        counters: { calls: 0, attempts: 0, retries: 0, success: 0, failure: 0, ignored: 0, rejected: 0 },
        lastFailure: { at: 0, failure: 'status', status: 503 },
      },
    },
  };
  let part: Json = { restore: sound };
  for (const name of path.slice(0, -1)) part = part[name] as Json;
  const last = path.at(-1) ?? '';
  if (value === absent) delete part[last];
  else part[last] = value;
  return last === 'restore' ? part['restore'] : sound;
}

const absent = Symbol('absent');
const key = ['restore', 'dependencies', 'key'];
const numbers = [
  ['restore', 'at'],
  [...key, 'breaker', 'retryAfterMs'],
  [...key, 'breaker', 'failedProbes'],
  [...key, 'breaker', 'successfulProbes'],
  [...key, 'breaker', 'consecutiveFailures'],
  [...key, 'breaker', 'window', 'calls'],
  [...key, 'breaker', 'window', 'failures'],
  [...key, 'breaker', 'window', 'slow'],
  [...key, 'budget', 'calls'],
  [...key, 'budget', 'retries'],
  [...key, 'budget', 'reserve'],
  ...['calls', 'attempts', 'retries', 'success', 'failure', 'ignored', 'rejected'].map((name) => [
    ...key,
    'counters',
    name,
  ]),
  [...key, 'lastFailure', 'at'],
  [...key, 'lastFailure', 'status'],
];
const wrongNumbers = [
  { value: -1, error: RangeError },
  { value: Number.NaN, error: RangeError },
  { value: Number.POSITIVE_INFINITY, error: RangeError },
  { value: '1', error: TypeError },
  { value: {}, error: TypeError },
  { value: absent, error: TypeError },
];
const objects = [
  ['restore'],
  ['restore', 'dependencies'],
  key,
  [...key, 'breaker'],
  [...key, 'breaker', 'window'],
  [...key, 'budget'],
  [...key, 'counters'],
  [...key, 'lastFailure'],
];
const nullable = ['breaker', 'window', 'budget', 'lastFailure'];
const wrongObjects = ['text', 7, true, []].map((value) => ({ value, error: TypeError }));
const shownPath = (path: readonly string[]): string =>
  path.join('.').replace('dependencies.key', 'dependencies["key"]');

const garbage = [
  ...numbers.flatMap((path) => wrongNumbers.map((row) => ({ path, ...row }))),
  ...objects.flatMap((path) => wrongObjects.map((row) => ({ path, ...row }))),
  ...objects
    .filter((path) => path.length > 1 && path !== key)
    .map((path) => ({ path, value: absent, error: TypeError })),
  ...objects
    .filter((path) => !nullable.includes(path.at(-1) ?? ''))
    .map((path) => ({ path, value: null, error: TypeError })),
  ...['ajar', null, 0, absent].map((value) => ({ path: [...key, 'breaker', 'state'], value, error: TypeError })),
  ...['fire', null, 0, absent].map((value) => ({ path: [...key, 'lastFailure', 'failure'], value, error: TypeError })),
  { path: ['restore', 'version'], value: 2, error: TypeError },
].map((row) => ({
  ...row,
  shown: shownPath(row.path),
  as: typeof row.value === 'symbol' ? 'absent' : String(row.value),
}));

test.for(garbage)(
  'createClient() refuses a snapshot, naming $shown when it is $as',
  ({ path, value, error, shown }) => {
    const restore = damaged(path, value) as ClientSnapshot;
    const create = (): unknown => createClient({ restore });
    expect(create).toThrow(error);
    expect(create).toThrow(new RegExp(`^${shown.replace(/[.[\]]/g, '\\$&')} `));
  },
);

const fine = [
  ...nullable.map((name) => (name === 'window' ? [...key, 'breaker', name] : [...key, name])),
  [...key, 'breaker', 'retryAfterMs'],
  [...key, 'lastFailure', 'status'],
].map((path) => ({ path, shown: shownPath(path) }));

test.for(fine)('createClient() takes a snapshot, when $shown is null', ({ path }) => {
  const restore = damaged(path, null) as ClientSnapshot;
  expect(Object.keys(createClient({ restore }).snapshot().dependencies)).toEqual(['key']);
});

test('createClient() keeps a circuit that was isolated by hand open', async () => {
  const restore = damaged([...key, 'breaker', 'retryAfterMs'], null) as ClientSnapshot;
  Object.assign(restore.dependencies['key']?.breaker ?? {}, { state: 'open' });
  const client = createClient({ clock: new FakeClock(), fetch: scriptedFetch([200]), restore, isolateBy: () => 'key' });
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: Infinity });
});

test('client.snapshot() tells since when a circuit is in its state, and a client goes on with that', async () => {
  const options = { breaker: { failureThreshold: 1 } };
  const { client, clock } = clientBench([501], options);
  await clock.advance(5_000);
  await client.fetch(url);
  const opened = { at: epochStart + 5_000, from: 'closed', to: 'open' };
  expect(client.snapshot().dependencies[origin]?.lastTransition).toEqual(opened);
  await clock.advance(1_000);
  const next = createClient({ ...options, clock, restore: stored(client.snapshot()) });
  expect(next.snapshot().dependencies[origin]?.lastTransition).toEqual(opened);
  await clock.advance(20_000);
  // It is asked for the state now.
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'half-open' },
    lastTransition: { at: epochStart + 26_000, from: 'open', to: 'half-open' },
  });
});

test('client.snapshot() tells since when a circuit has not been closed, however often it was probed since', async () => {
  const { client, clock } = clientBench([501, 501, 501, 501, 200], {
    breaker: { failureThreshold: 1, successThreshold: 1 },
  });
  const outage = (of = client): unknown => of.snapshot().dependencies[origin]?.outageSince;
  await client.fetch(url);
  for (let minute = 1; minute <= 3; minute += 1) {
    expect(outage()).toBe(epochStart);
    await clock.advance(120_000);
    await client.fetch(url);
  }
  expect(outage()).toBe(epochStart);
  const next = createClient({ clock, restore: stored(client.snapshot()) });
  expect(outage(next)).toBe(epochStart);
  await clock.advance(120_000);
  await client.fetch(url);
  expect(outage()).toBeNull();
});

test('createClient() dates an outage from when it was restored, where the snapshot does not say', async () => {
  const { client, clock } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(1_000);
  const old = stored(client.snapshot()) as unknown as { dependencies: Record<string, Record<string, unknown>> };
  for (const name of ['lastTransition', 'outageSince']) Reflect.deleteProperty(old.dependencies[origin] ?? {}, name);
  const next = createClient({ clock, restore: old as unknown as ClientSnapshot });
  expect(next.snapshot().dependencies[origin]).toMatchObject({
    outageSince: epochStart + 1_000,
    lastTransition: { from: 'closed', to: 'open' },
  });
});

test('client.snapshot() counts what callers were given in place of an answer', async () => {
  const { client, clock } = clientBench([200, 503], {
    retry: false,
    fallback: { store: memoryStore(), maxAgeMs: 1_000, respond: () => new Response('none') },
  });
  await fetchAndStore(client, url);
  await client.fetch(url);
  await clock.advance(2_000);
  await client.fetch(url);
  await client.fetch(`${origin}/other`);
  const { stored: fromStore, defaults, degraded } = client.snapshot().dependencies[origin]?.counters ?? noCounters();
  expect([fromStore, defaults, degraded]).toEqual([2, 1, 2]);
});

test('client.snapshot() has the same keys in the same order, whatever a dependency has been through', async () => {
  const { client } = clientBench([200, 501], { breaker: { failureThreshold: 1 } });
  const keysOf = (): unknown => {
    const dependency = client.snapshot().dependencies[origin];
    const { breaker, budget, counters } = dependency ?? {};
    return [dependency, breaker, budget, counters].map((part) => Object.keys(part ?? {}));
  };
  await client.fetch(url);
  const before = keysOf();
  await client.fetch(url);
  await errorOf(client.fetch(url));
  expect(keysOf()).toEqual(before);
  expect(before).toMatchObject([{ length: 12 }, { length: 6 }, { length: 3 }, { length: 12 }]);
});
