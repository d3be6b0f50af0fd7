import { expect, test, vi } from 'vitest';

import type { CallRetryOptions, ClientOptions, Deadline, FetchInit } from '../../src/index.ts';
import type { FakeClock } from '../../src/testing/fake-clock.ts';
import { type Bench, clientBench, errorOf, facts, origin, unfinished, url, watch } from './bench.ts';

/** Calls an upstream that never answers, and tells with what the call ends, and after how long. */
async function endOfHang({ client, clock }: Bench, init: FetchInit = {}): Promise<{ code: unknown; afterMs: number }> {
  const startedAt = clock.now();
  const call = watch(client.fetch(url, init));
  while (call.state === 'pending' && clock.now() - startedAt < 60_000) await clock.advance(100);
  return { code: (call.error as { code?: unknown } | undefined)?.code, afterMs: clock.now() - startedAt };
}

const never = { code: undefined, afterMs: 60_000 };
const noRetry = { deadlineMs: 2_000, attemptTimeoutMs: 500, retry: false } as const;

const limits: readonly { init: FetchInit; code: string | undefined; afterMs: number }[] = [
  { init: {}, code: 'ATTEMPT_TIMEOUT', afterMs: 500 },
  { init: { attemptTimeoutMs: 1_000 }, code: 'ATTEMPT_TIMEOUT', afterMs: 1_000 },
  { init: { attemptTimeoutMs: false }, code: 'DEADLINE_EXCEEDED', afterMs: 2_000 },
  { init: { attemptTimeoutMs: Infinity }, code: 'DEADLINE_EXCEEDED', afterMs: 2_000 },
  { init: { deadlineMs: 300 }, code: 'DEADLINE_EXCEEDED', afterMs: 300 },
  { init: { deadlineMs: 700, attemptTimeoutMs: false }, code: 'DEADLINE_EXCEEDED', afterMs: 700 },
  { init: { deadlineMs: false }, code: 'ATTEMPT_TIMEOUT', afterMs: 500 },
  { init: { deadlineMs: false, attemptTimeoutMs: false }, ...never },
  { init: { deadlineMs: Infinity, attemptTimeoutMs: Infinity }, ...never },
];

test.for(limits)('client.fetch ends with $code after $afterMs ms, for a hang and $init', async (row) => {
  const bench = clientBench(['hang'], noRetry);
  expect(await endOfHang(bench, row.init)).toEqual({ code: row.code, afterMs: row.afterMs });
});

test('client.fetch keeps the override of a call to that call', async () => {
  const bench = clientBench(['hang'], noRetry);
  const own = { code: 'ATTEMPT_TIMEOUT', afterMs: 500 };
  expect(await endOfHang(bench)).toEqual(own);
  expect(await endOfHang(bench, { attemptTimeoutMs: 1_000 })).toEqual({ ...own, afterMs: 1_000 });
  expect(await endOfHang(bench)).toEqual(own);
});

test('client.fetch keeps the overrides of calls under way apart', async () => {
  const { client, clock } = clientBench(['hang'], noRetry);
  const calls = [300, 100, 200].map((attemptTimeoutMs) => watch(client.fetch(url, { attemptTimeoutMs })));
  const own = watch(client.fetch(url));
  await clock.advance(100);
  expect(calls.map(({ state }) => state)).toEqual(['pending', 'rejected', 'pending']);
  await clock.advance(200);
  expect(calls.map(({ state }) => state)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(own.state).toBe('pending');
  await clock.advance(200);
  expect(own.state).toBe('rejected');
});

test('client.json takes the overrides too', async () => {
  const { client, clock } = clientBench([unfinished('{', 'hang')], noRetry);
  const call = watch(client.json(url, { attemptTimeoutMs: 200 }));
  await clock.advance(200);
  expect(call.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
});

// Retry.

const retries: readonly { kind: string; of?: ClientOptions['retry']; init: FetchInit; calls: number }[] = [
  { kind: 'no override', init: {}, calls: 3 },
  { kind: 'an empty one', init: { retry: {} }, calls: 3 },
  { kind: 'more attempts', init: { retry: { maxAttempts: 5 } }, calls: 5 },
  { kind: 'one attempt', init: { retry: { maxAttempts: 1 } }, calls: 1 },
  { kind: 'false', init: { retry: false }, calls: 1 },
  { kind: 'another status', init: { retry: { statusCodes: [504] } }, calls: 1 },
  { kind: 'a decision', init: { retry: { shouldRetry: ({ attempt }) => attempt < 2 } }, calls: 2 },
  { kind: 'other methods', init: { method: 'POST', retry: { methods: ['post'] } }, calls: 3 },
  { kind: 'idempotent true', init: { method: 'POST', idempotent: true }, calls: 3 },
  { kind: 'idempotent false', init: { idempotent: false }, calls: 1 },
  { kind: 'retries switched on for a call', of: false, init: { retry: { initialDelayMs: 0 } }, calls: 3 },
  { kind: 'retries off, idempotent', of: false, init: { idempotent: true }, calls: 1 },
];

test.for(retries)('client.fetch makes $calls requests, for 503 and $kind', async ({ of, init, calls }) => {
  const { client, upstream } = clientBench([503], { retry: of ?? { initialDelayMs: 0 } });
  expect((await client.fetch(url, init)).status).toBe(503);
  expect(upstream.calls).toBe(calls);
  const again = upstream.calls;
  await client.fetch(url);
  expect(upstream.calls - again).toBe(of === false ? 1 : 3);
});

test('client.fetch takes an option of init.retry that is undefined for one that is not named', async () => {
  const { client, upstream } = clientBench([503], { retry: { maxAttempts: 1 } });
  await client.fetch(url, { retry: { maxAttempts: undefined } as unknown as CallRetryOptions });
  expect(upstream.calls).toBe(1);
});

test("client.fetch changes of the client's retry options only what init.retry names", async () => {
  const { client, clock, events } = clientBench([503], {
    retry: { initialDelayMs: 50, multiplier: 3, maxAttempts: 4 },
  });
  const call = watch(client.fetch(url, { retry: { initialDelayMs: 10 } }));
  await clock.advance(1_000);
  expect(call.state).toBe('resolved');
  expect(facts(events, 'retry').map(({ delayMs }) => delayMs)).toEqual([10, 30, 90]);
});

test('client.fetch pays for all retries from one budget, whatever their options', async () => {
  const budget = { ratio: 0, minPerSecond: 2 };
  const { client, upstream } = clientBench([503], { breaker: false, retry: { initialDelayMs: 0, budget } });
  await client.fetch(url, { retry: { maxAttempts: 2 } });
  await client.fetch(url, { retry: { maxAttempts: 2 } });
  expect(upstream.calls).toBe(4);
  await client.fetch(url, { retry: { maxAttempts: 2 } });
  await client.fetch(url);
  expect(upstream.calls).toBe(6);
});

test('client.fetch pays from the default budget, for a call that switches retries on', async () => {
  const { client, upstream } = clientBench([503], { breaker: false, retry: false });
  for (let call = 1; call <= 4; call += 1) await client.fetch(url, { retry: { initialDelayMs: 0, maxAttempts: 5 } });
  expect(upstream.calls).toBe(4 + 10);
});

// A deadline that came from elsewhere.

function deadlineIn(clock: FakeClock, ms: number): Deadline & { end: (reason?: unknown) => void } {
  const controller = new AbortController();
  const endAt = clock.now() + ms;
  clock.schedule(ms, () => controller.abort('the incoming request is over'));
  return {
    signal: controller.signal,
    remainingMs: () => endAt - clock.now(),
    end: (reason) => controller.abort(reason),
  };
}

const whicheverFirst = [
  { own: 500, inherited: 501, afterMs: 500, outcome: 'failure', failure: 'deadline' },
  { own: 501, inherited: 500, afterMs: 500, outcome: 'ignored', failure: 'deadline' },
  { own: false, inherited: 500, afterMs: 500, outcome: 'ignored', failure: 'deadline' },
] as const;

test.for(whicheverFirst)('client.fetch ends with the deadline of $own or $inherited ms that is first', async (row) => {
  const { client, clock, events } = clientBench(['hang'], { attemptTimeoutMs: false });
  const deadline = deadlineIn(clock, row.inherited);
  const call = watch(client.fetch(url, { deadlineMs: row.own, deadline }));
  await clock.advance(row.afterMs - 1);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED', name: 'TimeoutError', dependency: origin });
  expect(facts(events, 'completed')).toMatchObject([{ outcome: row.outcome, failure: row.failure, attempts: 1 }]);
});

test('client.fetch tells the length and the cause of an inherited deadline', async () => {
  const { client, clock } = clientBench(['hang']);
  const call = errorOf(client.fetch(url, { deadline: deadlineIn(clock, 500) }));
  await clock.advance(500);
  expect(await call).toMatchObject({
    message: `Cannot finish the call to ${origin}: its deadline of 500 ms is over (init.deadline)`,
    cause: 'the incoming request is over',
  });
});

test('client.fetch aborts the attempt under way, at the end of an inherited deadline', async () => {
  const { client, clock, upstream } = clientBench(['hang']);
  const call = errorOf(client.fetch(url, { deadline: deadlineIn(clock, 500) }));
  await clock.advance(500);
  expect(upstream.requests[0]?.signal).toMatchObject({ aborted: true, reason: await call });
});

test('client.fetch goes by what remains, when the signal of an inherited deadline does not', async () => {
  const { client, clock } = clientBench(['hang']);
  const deadline = { signal: new AbortController().signal, remainingMs: () => 30 };
  const call = watch(client.fetch(url, { deadline }));
  await clock.advance(29);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test.for([Number.NaN, '30', undefined])(
  'client.fetch refuses an inherited deadline with %s remaining',
  async (value) => {
    const { client, upstream } = clientBench([200]);
    const deadline = { signal: new AbortController().signal, remainingMs: () => value as number };
    const error = await errorOf(client.fetch(url, { deadline }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      message: expect.stringContaining('init.deadline.remainingMs() must return a number'),
    });
    expect(upstream.calls).toBe(0);
  },
);

const pastDue: readonly { kind: string; deadline: (clock: FakeClock) => Deadline }[] = [
  { kind: 'no time left', deadline: () => ({ signal: new AbortController().signal, remainingMs: () => 0 }) },
  { kind: 'less than none', deadline: () => ({ signal: new AbortController().signal, remainingMs: () => -5 }) },
  {
    kind: 'its signal aborted',
    deadline: (clock) => {
      const deadline = deadlineIn(clock, 500);
      deadline.end('over');
      return deadline;
    },
  },
];

test.for(pastDue)('client.fetch makes no call, for an inherited deadline with $kind', async ({ deadline }) => {
  const { client, clock, upstream, events } = clientBench([200]);
  const given = deadline(clock);
  const timers = clock.pending;
  expect(await errorOf(client.fetch(url, { deadline: given }))).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(upstream.calls).toBe(0);
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'ignored', attempts: 0, durationMs: 0, queuedMs: 0, failure: 'deadline' },
  ]);
  expect(facts(events, 'rejected')).toEqual([]);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    running: 0,
    breaker: { consecutiveFailures: 0 },
    counters: { calls: 1, attempts: 0, ignored: 1, rejected: 0 },
  });
  expect(clock.pending).toBe(timers);
});

test('client.fetch does not sleep beyond an inherited deadline: the answer comes back now', async () => {
  const { client, clock, upstream } = clientBench([503], { retry: { initialDelayMs: 500 } });
  const { signal } = new AbortController();
  expect((await client.fetch(url, { deadline: { signal, remainingMs: () => 500 } })).status).toBe(503);
  expect(upstream.calls).toBe(1);
  const call = watch(client.fetch(url, { deadline: { signal, remainingMs: () => 501 } }));
  await clock.advance(500);
  expect(upstream.calls).toBe(3);
  expect(call.value?.status).toBe(503);
});

test('client.fetch covers the body with an inherited deadline', async () => {
  const { client, clock, upstream } = clientBench([unfinished('te', 'hang')]);
  const response = await client.fetch(url, { deadline: deadlineIn(clock, 500) });
  const text = watch(response.text());
  await clock.advance(499);
  expect(text.state).toBe('pending');
  await clock.advance(1);
  // What the reader is told is up to the engine: not all pass the reason on to a body.
  expect(upstream.requests[0]?.signal?.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(text.state).toBe('rejected');
});

test('client.fetch ends a wait for a slot with an inherited deadline', async () => {
  const { client, clock, upstream } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  const running = watch(client.fetch(url));
  const waiting = watch(client.fetch(url, { deadline: deadlineIn(clock, 500) }));
  await clock.advance(500);
  expect(waiting.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(running.state).toBe('pending');
  expect(upstream.calls).toBe(1);
});

test('client.fetch lets go of the signal, when remainingMs() of an inherited deadline throws', async () => {
  const { client, upstream } = clientBench([200]);
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  const bug = new Error('remainingMs has a bug');
  const remainingMs = (): number => {
    throw bug;
  };
  const deadline = { signal: new AbortController().signal, remainingMs };
  expect(await errorOf(client.fetch(url, { signal, deadline }))).toBe(bug);
  expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  expect(upstream.calls).toBe(0);
});

// What makes no sense.

const { signal } = new AbortController();
const wrong: readonly { path: string; init: object; error: typeof TypeError | typeof RangeError; shows: string }[] = [
  { path: 'init.deadlineMs', init: { deadlineMs: 0 }, error: RangeError, shows: '0' },
  { path: 'init.deadlineMs', init: { deadlineMs: -1 }, error: RangeError, shows: '-1' },
  { path: 'init.deadlineMs', init: { deadlineMs: Number.NaN }, error: RangeError, shows: 'NaN' },
  { path: 'init.deadlineMs', init: { deadlineMs: '500' }, error: TypeError, shows: '"500"' },
  { path: 'init.deadlineMs', init: { deadlineMs: null }, error: TypeError, shows: 'null' },
  { path: 'init.deadlineMs', init: { deadlineMs: true }, error: TypeError, shows: 'true' },
  { path: 'init.attemptTimeoutMs', init: { attemptTimeoutMs: 0 }, error: RangeError, shows: '0' },
  { path: 'init.attemptTimeoutMs', init: { attemptTimeoutMs: Number.NaN }, error: RangeError, shows: 'NaN' },
  { path: 'init.attemptTimeoutMs', init: { attemptTimeoutMs: '1s' }, error: TypeError, shows: '"1s"' },
  { path: 'init.hedge', init: { hedge: true }, error: TypeError, shows: 'true' },
  { path: 'init.hedge', init: { hedge: null }, error: TypeError, shows: 'null' },
  { path: 'init.hedge', init: { hedge: { maxExtra: 2 } }, error: TypeError, shows: 'undefined' },
  { path: 'init.hedge.afterMs', init: { hedge: { afterMs: -1 } }, error: RangeError, shows: '-1' },
  { path: 'init.hedge.percentile', init: { hedge: { percentile: 1 } }, error: RangeError, shows: '1' },
  { path: 'init.hedge.maxExtra', init: { hedge: { afterMs: 5, maxExtra: 0 } }, error: RangeError, shows: '0' },
  { path: 'init.idempotent', init: { idempotent: 'yes' }, error: TypeError, shows: '"yes"' },
  { path: 'init.idempotent', init: { idempotent: 1 }, error: TypeError, shows: '1' },
  { path: 'init.idempotent', init: { idempotent: null }, error: TypeError, shows: 'null' },
  { path: 'init.fallback', init: { fallback: [] }, error: TypeError, shows: 'an array' },
  { path: 'init.fallback', init: { fallback: true }, error: TypeError, shows: 'true' },
  { path: 'init.waitUntil', init: { waitUntil: 5 }, error: TypeError, shows: '5' },
  { path: 'init.deadline', init: { deadline: 500 }, error: TypeError, shows: '500' },
  { path: 'init.deadline', init: { deadline: null }, error: TypeError, shows: 'null' },
  { path: 'init.deadline', init: { deadline: { signal } }, error: TypeError, shows: 'an object' },
  { path: 'init.deadline', init: { deadline: { remainingMs: () => 5 } }, error: TypeError, shows: 'an object' },
  {
    path: 'init.deadline',
    init: { deadline: { signal: {}, remainingMs: () => 5 } },
    error: TypeError,
    shows: 'an object',
  },
  { path: 'init.retry', init: { retry: true }, error: TypeError, shows: 'true' },
  { path: 'init.retry', init: { retry: null }, error: TypeError, shows: 'null' },
  { path: 'init.retry', init: { retry: [] }, error: TypeError, shows: 'an array' },
  { path: 'init.retry.attempts', init: { retry: { attempts: 5 } }, error: TypeError, shows: 'maxAttempts' },
  { path: 'init.retry.budget', init: { retry: { budget: false } }, error: TypeError, shows: 'maxAttempts' },
  { path: 'init.retry.maxAttempts', init: { retry: { maxAttempts: 0 } }, error: RangeError, shows: '0' },
  { path: 'init.retry.initialDelayMs', init: { retry: { initialDelayMs: -1 } }, error: RangeError, shows: '-1' },
  { path: 'init.retry.jitter', init: { retry: { jitter: Number.NaN } }, error: RangeError, shows: 'NaN' },
  { path: 'init.retry.methods', init: { retry: { methods: 'GET' } }, error: TypeError, shows: '"GET"' },
  { path: 'init.retry.statusCodes', init: { retry: { statusCodes: ['503'] } }, error: TypeError, shows: '"503"' },
  { path: 'init.retry.shouldRetry', init: { retry: { shouldRetry: true } }, error: TypeError, shows: 'true' },
];

test.for(wrong)('client.fetch rejects before any layer, naming $path and $shows', async (row) => {
  const { client, clock, upstream, events } = clientBench([200]);
  const error = await errorOf(client.fetch(url, row.init as FetchInit));
  expect(error).toBeInstanceOf(row.error);
  expect((error as Error).message).toContain(`${row.path} `);
  expect((error as Error).message).toContain(row.shows);
  expect(upstream.calls).toBe(0);
  expect(events).toEqual([]);
  expect(client.snapshot().dependencies).toEqual({});
  expect(clock.pending).toBe(0);
});
