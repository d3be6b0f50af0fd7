import { expect, test } from 'vitest';

import { type ClientOptions, createClient, type HttpRetryOptions } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, errorOf, facts, origin, url, watch } from './bench.ts';

// Defaults, as they show.

test('createClient() has a deadline of 30 s', async () => {
  const { client, clock } = clientBench(['hang'], { attemptTimeoutMs: false });
  const call = watch(client.fetch(url));
  await clock.advance(29_999);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('createClient() has an attempt timeout of 10 s', async () => {
  const { client, clock } = clientBench(['hang'], { retry: false });
  const call = watch(client.fetch(url));
  await clock.advance(9_999);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
});

test('createClient() has a bulkhead of 64 that run and 64 that wait, without a limit on the wait', async () => {
  const { client, clock, upstream } = clientBench(['hang'], {
    retry: false,
    attemptTimeoutMs: false,
    deadlineMs: false,
  });
  const calls = Array.from({ length: 128 }, () => watch(client.fetch(url)));
  await clock.advance(0);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 64, queued: 64 });
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'BULKHEAD_FULL' });
  await clock.advance(3_600_000);
  expect(calls.every(({ state }) => state === 'pending')).toBe(true);
  expect(upstream.calls).toBe(64);
});

test('createClient() has a breaker that opens at 5 failures in a row, for 10 s, and closes at 2 probes', async () => {
  const { client, clock, events, upstream } = clientBench([501, 501, 501, 501, 501, 200]);
  const state = () => client.snapshot().dependencies[origin]?.breaker?.state;
  for (let call = 1; call <= 5; call += 1) {
    expect(state() ?? 'closed').toBe('closed');
    await client.fetch(url);
  }
  await clock.advance(9_999);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 1 });
  expect(upstream.calls).toBe(5);
  await clock.advance(1);
  await client.fetch(url);
  expect(state()).toBe('half-open');
  await client.fetch(url);
  expect(state()).toBe('closed');
  expect(facts(events, 'transition').map(({ to }) => to)).toEqual(['open', 'half-open', 'closed']);
});

test('createClient() lengthens each wait of the breaker by up to a fifth, and doubles it up to 120 s', async () => {
  const { client, clock, events } = clientBench([501], { random: () => 0.5 });
  for (let call = 1; call <= 5; call += 1) await client.fetch(url);
  for (const waitMs of [11_000, 22_000, 44_000, 88_000, 132_000, 132_000]) {
    const last = facts(events, 'transition').at(-1);
    expect(last).toMatchObject({ to: 'open', retryAfterMs: waitMs });
    await clock.advance(waitMs - 1);
    expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
    await clock.advance(1);
    await client.fetch(url);
  }
});

test('createClient() makes 3 attempts, 100 and 200 ms apart', async () => {
  const { client, clock, events, upstream } = clientBench([503]);
  const call = watch(client.fetch(url));
  await clock.advance(99);
  expect(upstream.calls).toBe(1);
  await clock.advance(1);
  expect(upstream.calls).toBe(2);
  await clock.advance(199);
  expect(upstream.calls).toBe(2);
  await clock.advance(1);
  expect(call.value?.status).toBe(503);
  expect(upstream.calls).toBe(3);
  expect(facts(events, 'retry')).toEqual([
    { attempt: 2, delayMs: 100 },
    { attempt: 3, delayMs: 200 },
  ]);
});

test('createClient() spreads waits by full jitter, doubles them, and waits no longer than 5 s', async () => {
  for (const [random, share] of [
    [0, 1],
    [0.75, 0.25],
  ] as const) {
    const { client, clock, events } = clientBench([503], { random: () => random, retry: { maxAttempts: 9 } });
    const call = watch(client.fetch(url));
    await clock.advance(29_000);
    expect(call.state).toBe('resolved');
    const waits = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map((delayMs) => delayMs * share);
    expect(facts(events, 'retry').map(({ delayMs }) => delayMs)).toEqual(waits);
  }
});

test.for([
  { asked: 30, attempts: 3 },
  { asked: 31, attempts: 1 },
])('createClient() makes $attempts attempts, when asked to wait $asked s', async ({ asked, attempts }) => {
  const { client, clock, upstream } = clientBench([{ status: 503, headers: { 'retry-after': String(asked) } }], {
    deadlineMs: false,
  });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  expect(call.state).toBe(attempts === 1 ? 'resolved' : 'pending');
  await clock.advance(60_000);
  expect(call.state).toBe('resolved');
  expect(upstream.calls).toBe(attempts);
});

test('createClient() has a retry budget of 10 at once and a fifth of the calls', async () => {
  const { client, clock, upstream } = clientBench([503], {
    bulkhead: false,
    breaker: false,
    retry: { maxAttempts: 2 },
  });
  const calls = Array.from({ length: 100 }, () => client.fetch(url));
  await clock.advance(100);
  await Promise.all(calls);
  expect(upstream.calls).toBe(100 + 10 + 20);
});

test('createClient() remembers 1,000 dependencies', async () => {
  const { client } = clientBench([204]);
  for (let host = 1; host <= 1_001; host += 1) {
    if (host <= 1_000) expect(Object.keys(client.snapshot().dependencies)).toHaveLength(host - 1);
    await client.fetch(`https://host-${host}.test/`);
  }
  expect(Object.keys(client.snapshot().dependencies)).toHaveLength(1_000);
});

test.for([2 ** 31, Infinity])('createClient() waits, for limits of %d ms', async (limitMs) => {
  const { client, clock } = clientBench(['hang'], { deadlineMs: limitMs, attemptTimeoutMs: limitMs });
  const call = watch(client.fetch(url));
  await clock.advance(2 ** 31 - 1);
  expect(call.state).toBe('pending');
});

// Wrong options.

type Wrong = readonly [options: unknown, error: typeof TypeError | typeof RangeError, message: RegExp];

const wrong: readonly Wrong[] = [
  [null, TypeError, /^options must be an object, got null$/],
  [[], TypeError, /^options must be an object, got an array$/],
  ['users', TypeError, /^options must be an object, got "users"$/],
  [{ timeout: 5 }, TypeError, /^options\.timeout is not an option/],
  [{ name: 5 }, TypeError, /^name must be a string, got 5$/],
  [{ deadlineMs: Number.NaN }, RangeError, /^deadlineMs must be .*, got NaN$/],
  [{ deadlineMs: 0 }, RangeError, /^deadlineMs must be .*, got 0$/],
  [{ deadlineMs: true }, TypeError, /^deadlineMs must be .*, got true$/],
  [{ attemptTimeoutMs: -1 }, RangeError, /^attemptTimeoutMs must be .*, got -1$/],
  [{ attemptTimeoutMs: '500' }, TypeError, /^attemptTimeoutMs must be .*, got "500"$/],
  [{ bulkhead: true }, TypeError, /^bulkhead must be an object or false, got true$/],
  [{ bulkhead: null }, TypeError, /^bulkhead must be an object or false, got null$/],
  [{ bulkhead: [20, 20] }, TypeError, /^bulkhead must be an object or false, got an array$/],
  [{ bulkhead: { maxConcurent: 5 } }, TypeError, /^bulkhead\.maxConcurent is not an option/],
  [{ bulkhead: { maxConcurrent: 0 } }, RangeError, /^bulkhead\.maxConcurrent must be .*, got 0$/],
  [{ bulkhead: { maxConcurrent: 'auto' } }, TypeError, /^bulkhead\.maxConcurrent must be .*"adaptive", got "auto"$/],
  [{ bulkhead: { maxQueued: 1.5 } }, RangeError, /^bulkhead\.maxQueued must be .*, got 1\.5$/],
  [{ bulkhead: { queueTimeoutMs: 0 } }, RangeError, /^bulkhead\.queueTimeoutMs must be .*, got 0$/],
  [{ bulkhead: { slot: 'trailers' } }, TypeError, /^bulkhead\.slot must be .*, got "trailers"$/],
  [{ breaker: 5 }, TypeError, /^breaker must be an object or false, got 5$/],
  [{ breaker: { threshold: 5 } }, TypeError, /^breaker\.threshold is not an option/],
  [{ breaker: { clock: new FakeClock() } }, TypeError, /^breaker\.clock is not an option/],
  [{ bulkhead: { random: Math.random } }, TypeError, /^bulkhead\.random is not an option/],
  [{ retry: { budget: { name: 'users' } } }, TypeError, /^retry\.budget\.name is not an option/],
  [{ breaker: { failureThreshold: 2.5 } }, RangeError, /^breaker\.failureThreshold must be .*, got 2\.5$/],
  [{ breaker: { successThreshold: 0 } }, RangeError, /^breaker\.successThreshold must be .*, got 0$/],
  [{ breaker: { resetTimeoutMs: Infinity } }, RangeError, /^breaker\.resetTimeoutMs must be .*, got Infinity$/],
  [
    { breaker: { resetTimeoutMs: 10, maxResetTimeoutMs: 9 } },
    RangeError,
    /^breaker\.maxResetTimeoutMs must be .* 10, got 9$/,
  ],
  [{ breaker: { resetJitter: 1.1 } }, RangeError, /^breaker\.resetJitter must be .*, got 1\.1$/],
  [{ breaker: { counts: 'probes' } }, TypeError, /^breaker\.counts must be .*, got "probes"$/],
  [{ breaker: { classify: 'failure' } }, TypeError, /^breaker\.classify must be a function, got "failure"$/],
  [{ breaker: { window: {} } }, TypeError, /^breaker\.window must have either size or durationMs/],
  [{ breaker: { window: { size: 0 } } }, RangeError, /^breaker\.window\.size must be .*, got 0$/],
  [
    { breaker: { window: { size: 5, failureRate: 0 } } },
    RangeError,
    /^breaker\.window\.failureRate must be .*, got 0$/,
  ],
  [{ retry: 3 }, TypeError, /^retry must be an object or false, got 3$/],
  [{ retry: { attempts: 3 } }, TypeError, /^retry\.attempts is not an option/],
  [{ retry: { maxAttempts: 0 } }, RangeError, /^retry\.maxAttempts must be .*, got 0$/],
  [{ retry: { initialDelayMs: -1 } }, RangeError, /^retry\.initialDelayMs must be .*, got -1$/],
  [{ retry: { multiplier: 0.9 } }, RangeError, /^retry\.multiplier must be .*, got 0\.9$/],
  [{ retry: { maxDelayMs: null } }, TypeError, /^retry\.maxDelayMs must be .*, got null$/],
  [{ retry: { jitter: Number.NaN } }, RangeError, /^retry\.jitter must be .*, got NaN$/],
  [{ retry: { jitter: 'none' } }, TypeError, /^retry\.jitter must be .*, got "none"$/],
  [{ retry: { maxRetryAfterMs: -1 } }, RangeError, /^retry\.maxRetryAfterMs must be .*, got -1$/],
  [{ retry: { methods: 'GET' } }, TypeError, /^retry\.methods must be an array of strings, got "GET"$/],
  [
    { retry: { statusCodes: [5] } },
    RangeError,
    /^retry\.statusCodes must be an integer of at least 100 and at most 999, got 5$/,
  ],
  [{ retry: { statusCodes: [503, Number.NaN] } }, RangeError, /^retry\.statusCodes must be .*, got NaN$/],
  [{ retry: { statusCodes: ['503'] } }, TypeError, /^retry\.statusCodes must be an array of numbers, got "503"$/],
  [{ retry: { shouldRetry: true } }, TypeError, /^retry\.shouldRetry must be a function, got true$/],
  [{ hedge: 50 }, TypeError, /^hedge must be an object or false, got 50$/],
  [{ hedge: true }, TypeError, /^hedge must be an object or false, got true$/],
  [{ hedge: null }, TypeError, /^hedge must be an object or false, got null$/],
  [{ hedge: { delayMs: 50 } }, TypeError, /^hedge\.delayMs is not an option; there are afterMs, percentile, maxExtra$/],
  [
    { hedge: {} },
    TypeError,
    /^hedge must have either afterMs or percentile, got afterMs undefined and percentile undefined$/,
  ],
  [
    { hedge: { afterMs: 50, percentile: 0.95 } },
    TypeError,
    /^hedge must have either afterMs or percentile, got afterMs 50 and percentile 0\.95$/,
  ],
  [{ hedge: { afterMs: 0 } }, RangeError, /^hedge\.afterMs must be a number above 0, got 0$/],
  [{ hedge: { afterMs: Infinity } }, RangeError, /^hedge\.afterMs must be a number above 0, got Infinity$/],
  [{ hedge: { afterMs: '50' } }, TypeError, /^hedge\.afterMs must be a number above 0, got "50"$/],
  [
    { hedge: { percentile: 95 } },
    RangeError,
    /^hedge\.percentile must be a number above 0 and at most 0\.999, got 95$/,
  ],
  [{ hedge: { percentile: 0 } }, RangeError, /^hedge\.percentile must be .*, got 0$/],
  [{ hedge: { percentile: 1 } }, RangeError, /^hedge\.percentile must be .*, got 1$/],
  [{ hedge: { percentile: Number.NaN } }, RangeError, /^hedge\.percentile must be .*, got NaN$/],
  [{ hedge: { afterMs: 50, maxExtra: 0 } }, RangeError, /^hedge\.maxExtra must be an integer of at least 1, got 0$/],
  [{ hedge: { afterMs: 50, maxExtra: 1.5 } }, RangeError, /^hedge\.maxExtra must be .*, got 1\.5$/],
  [{ retry: { budget: 0.2 } }, TypeError, /^retry\.budget must be an object or false, got 0\.2$/],
  [{ retry: { budget: { ratio: -1 } } }, RangeError, /^retry\.budget\.ratio must be .*, got -1$/],
  [{ retry: { budget: { minPerSecond: '1' } } }, TypeError, /^retry\.budget\.minPerSecond must be .*, got "1"$/],
  [
    { fallback: { coalesce: true, partition: null as unknown as 'public' } },
    TypeError,
    /^fallback\.partition must be a function or "public", got null$/,
  ],
  [
    { fallback: { coalesce: true, partition: 'ann' as 'public' } },
    TypeError,
    /^fallback\.partition must be a function or "public", got "ann"$/,
  ],
  [{ fallback: {} }, TypeError, /^fallback must have a store, respond\(\) or coalesce, got an object/],
  [{ isolateBy: 'origin' }, TypeError, /^isolateBy must be a function, got "origin"$/],
  [{ maxDependencies: 0 }, RangeError, /^maxDependencies must be .*, got 0$/],
  [{ fetch: null }, TypeError, /^fetch must be a function, got null$/],
  [{ clock: {} }, TypeError, /^clock\.now must be a function/],
  [{ random: 0.5 }, TypeError, /^random must be a function, got 0\.5$/],
];

test.for(wrong)('createClient() throws, for %j', ([options, error, message]) => {
  expect(() => createClient(options as ClientOptions)).toThrow(error);
  expect(() => createClient(options as ClientOptions)).toThrow(message);
});

// A random of 0.5 shows the share of the wait that is spread.
test.for([
  { jitter: 5, waitMs: 50 },
  { jitter: 1, waitMs: 50 },
  { jitter: 0.5, waitMs: 75 },
  { jitter: 0, waitMs: 100 },
  { jitter: -1, waitMs: 100 },
])('createClient() waits $waitMs of 100 ms, for a jitter of $jitter', async ({ jitter, waitMs }) => {
  const { client, clock, events } = clientBench([503, 200], { random: () => 0.5, retry: { jitter } });
  const call = watch(client.fetch(url));
  await clock.advance(waitMs);
  expect(call.value?.status).toBe(200);
  expect(facts(events, 'retry')).toEqual([{ attempt: 2, delayMs: waitMs }]);
});

// Whose objects they are.

/** Frozen to the bottom: a write would throw. */
function frozen<T extends object>(options: T): T {
  for (const value of Object.values(options)) if (typeof value === 'object' && value !== null) frozen(value);
  return Object.freeze(options);
}

test('createClient() takes options that cannot be written to', async () => {
  const client = createClient(
    frozen({
      fetch: async () => new Response(null, { status: 204 }),
      bulkhead: { maxConcurrent: 1 },
      breaker: { window: { size: 5 } },
      retry: { methods: ['GET'], statusCodes: [503], budget: { ratio: 1 } },
    }),
  );
  const init = frozen({ headers: { accept: '*/*' }, retry: { maxAttempts: 2 }, deadlineMs: 5 });
  expect((await client.fetch(url, init)).status).toBe(204);
});

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A dependency that was not called before the change, beside one that was. */
const later = 'https://later.test/';

test.for([url, later])('client.fetch goes by the breaker options as they were on creation, for %s', async (target) => {
  const breaker = { failureThreshold: 2, resetTimeoutMs: 1_000 };
  const { client } = clientBench([204, 501], { breaker });
  await client.fetch(url);
  breaker.failureThreshold = 1;
  breaker.resetTimeoutMs = 5;
  await client.fetch(target);
  await client.fetch(target);
  expect(await errorOf(client.fetch(target))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 1_000 });
});

test.for([url, later])('client.fetch goes by the window options as they were on creation, for %s', async (target) => {
  const window = { size: 2, minimumCalls: 2, failureRate: 1 };
  const { client } = clientBench([204, 501], { breaker: { window } });
  await client.fetch(url);
  window.minimumCalls = 1;
  window.failureRate = 0.1;
  await client.fetch(target);
  const state = () => client.snapshot().dependencies[new URL(target).origin]?.breaker?.state;
  expect(state()).toBe('closed');
  await client.fetch(target);
  expect(state()).toBe('open');
});

test.for([url, later])('client.fetch goes by the bulkhead options as they were on creation, for %s', async (target) => {
  const bulkhead = { maxConcurrent: 1, maxQueued: 0 };
  const { client, clock } = clientBench([204, 'hang'], { bulkhead });
  await client.fetch(url);
  bulkhead.maxConcurrent = 5;
  const calls = [watch(client.fetch(target)), watch(client.fetch(target))];
  await clock.advance(0);
  expect(calls.map(({ state }) => state)).toEqual(['pending', 'rejected']);
  expect(calls[1]?.error).toMatchObject({ code: 'BULKHEAD_FULL' });
});

const retryChanges: readonly { what: string; change: (retry: Mutable<HttpRetryOptions>, codes: number[]) => void }[] = [
  { what: 'attempts', change: (retry) => Object.assign(retry, { maxAttempts: 5 }) },
  { what: 'statuses', change: (_, codes) => codes.splice(0) },
  { what: 'new statuses', change: (retry) => Object.assign(retry, { statusCodes: [] }) },
  { what: 'budget', change: ({ budget }) => Object.assign(budget || {}, { minPerSecond: 0, ratio: 0 }) },
];

test.for(
  retryChanges.flatMap((row) => [
    { ...row, target: url, init: 'none', override: {} },
    { ...row, target: later, init: 'none', override: {} },
    // An override is laid over the options of the client.
    { ...row, target: url, init: 'init.retry', override: { retry: { initialDelayMs: 0 } } },
  ]),
)('client.fetch goes by the retry options as they were: $what, for $target, init $init', async (row) => {
  const statusCodes = [503];
  const budget = { minPerSecond: 10, ratio: 0.2 };
  const retry: Mutable<HttpRetryOptions> = { maxAttempts: 2, initialDelayMs: 0, statusCodes, budget };
  const { client, upstream } = clientBench([204, 503], { retry });
  await client.fetch(url);
  row.change(retry, statusCodes);
  await client.fetch(row.target, row.override);
  expect(upstream.calls).toBe(1 + 2);
});

test('client.fetch goes by the options as they were on creation, when one is replaced', async () => {
  const options: Mutable<ClientOptions> = { deadlineMs: 1_000, attemptTimeoutMs: false };
  const { client, clock } = clientBench(['hang'], options);
  options.deadlineMs = 5;
  const call = watch(client.fetch(url));
  await clock.advance(999);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});
