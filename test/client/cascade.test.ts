import { expect, test } from 'vitest';

import type { BulkheadOptions } from '../../src/index.ts';
import { clientBench, errorOf, facts, origin, unfinished, url, watch } from './bench.ts';

const failing = `${origin}/failing`;

// Retries and the breaker.

test('client.fetch counts a call with all its retries once, for the breaker', async () => {
  const { client, upstream } = clientBench([503], { breaker: { failureThreshold: 2 }, retry: { initialDelayMs: 0 } });
  const breaker = () => client.snapshot().dependencies[origin]?.breaker;
  await client.fetch(url);
  expect(upstream.calls).toBe(3);
  expect(breaker()).toMatchObject({ state: 'closed' });
  await client.fetch(url);
  expect(breaker()).toMatchObject({ state: 'open' });
  expect(upstream.calls).toBe(6);
});

test('client.fetch counts a call that was saved by a retry as a success', async () => {
  const { client } = clientBench([503, 503, 200], { breaker: { failureThreshold: 1 }, retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url)).status).toBe(200);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'closed' },
    counters: { calls: 1, attempts: 3, retries: 2, success: 1, failure: 0 },
  });
});

test('client.fetch stops retrying, when its own attempts open the circuit', async () => {
  const { client, upstream } = clientBench([503], {
    breaker: { failureThreshold: 2, counts: 'attempts' },
    retry: { initialDelayMs: 0 },
  });
  expect((await client.fetch(url)).status).toBe(503);
  expect(upstream.calls).toBe(2);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

/** A call in a backoff of a second, and others that can open the circuit meanwhile. */
function backoffBench() {
  return clientBench([({ url: target }) => (target === failing ? 501 : { status: 503, body: 'overloaded' })], {
    breaker: { failureThreshold: 5 },
    retry: { initialDelayMs: 1_000 },
  });
}

test('client.fetch makes no further attempt, when other calls open the circuit during its backoff', async () => {
  const { client, clock, upstream, events } = backoffBench();
  const call = watch(client.fetch(url));
  await clock.advance(500);
  for (let other = 1; other <= 5; other += 1) await client.fetch(failing);
  expect(call.state).toBe('pending');
  await clock.advance(500);
  // What it has is handed out, unread.
  expect(await call.value?.text()).toBe('overloaded');
  expect(upstream.calls).toBe(1 + 5);
  expect(facts(events, 'completed').at(-1)).toMatchObject({ outcome: 'failure', attempts: 1, status: 503 });
});

test('client.fetch makes the next attempt, when other calls only nearly open the circuit', async () => {
  const { client, clock, upstream } = backoffBench();
  void client.fetch(url);
  await clock.advance(500);
  for (let other = 1; other <= 4; other += 1) await client.fetch(failing);
  await clock.advance(500);
  expect(upstream.calls).toBe(2 + 4);
});

test('client.fetch does not begin a backoff, when the circuit has opened during its attempt', async () => {
  const { client, clock, upstream, events } = clientBench(
    [({ url: target }) => (target === failing ? 501 : { status: 503, delayMs: 500 })],
    { breaker: { failureThreshold: 5 }, retry: { initialDelayMs: 1_000 } },
  );
  const call = watch(client.fetch(url));
  await clock.advance(0);
  for (let other = 1; other <= 5; other += 1) await client.fetch(failing);
  await clock.advance(500);
  expect(call.value?.status).toBe(503);
  expect(upstream.calls).toBe(1 + 5);
  expect(facts(events, 'retry')).toEqual([]);
});

test('client.fetch makes a single attempt, as a probe', async () => {
  const { client, clock, upstream } = clientBench([501, 503], {
    breaker: { failureThreshold: 1, resetTimeoutMs: 1_000 },
    retry: { initialDelayMs: 0 },
  });
  await client.fetch(url);
  await clock.advance(1_000);
  expect((await client.fetch(url)).status).toBe(503);
  expect(upstream.calls).toBe(2);
});

test('client.fetch does not retry the refusal of an open circuit', async () => {
  const { client, clock, events } = clientBench([new Response(null, { status: 501 })], {
    breaker: { failureThreshold: 1 },
  });
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(facts(events, 'retry')).toEqual([]);
  expect(clock.pending).toBe(0);
});

// Hanging dependencies.

test.for([
  { use: 'fetch', step: 'hang' },
  { use: 'json', step: 'hang' },
  { use: 'json', step: unfinished('{', 'hang') },
] as const)('client.$use opens the circuit at 5 attempt timeouts, for $step', async ({ use, step }) => {
  const { client, clock, upstream, events } = clientBench([step], { attemptTimeoutMs: 500, retry: false });
  for (let call = 1; call <= 5; call += 1) {
    const error = errorOf(client[use](url));
    await clock.advance(500);
    expect(await error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
    expect(facts(events, 'transition')).toHaveLength(call === 5 ? 1 : 0);
  }
  // From now on nobody waits.
  expect(await errorOf(client[use](url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(upstream.calls).toBe(5);
  expect(clock.pending).toBe(0);
});

test('client.fetch ends the third of its attempts with the deadline', async () => {
  const { client, clock, upstream } = clientBench(['hang'], {
    deadlineMs: 2_000,
    attemptTimeoutMs: 900,
    retry: { initialDelayMs: 0 },
  });
  const call = watch(client.fetch(url));
  await clock.advance(1_999);
  expect(call.state).toBe('pending');
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([true, true, false]);
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(upstream.requests[2]?.signal?.reason).toBe(call.error);
  expect(clock.pending).toBe(0);
});

test('a dependency that hangs opens the circuit of a quiet client with the defaults: three attempt timeouts pass the deadline', async () => {
  const { client, clock, events } = clientBench(['hang'], { random: () => 0.5 });
  for (let call = 1; call <= 5; call += 1) {
    const error = errorOf(client.fetch(url));
    await clock.advance(30_000);
    expect(await error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  }
  expect(facts(events, 'completed')).toEqual(
    Array.from({ length: 5 }, () => expect.objectContaining({ outcome: 'failure', attempts: 3, failure: 'deadline' })),
  );
  // What the deadline cut says nothing; what came before it does.
  const attempts = facts(events, 'attempt').slice(0, 3);
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['failure', 'failure', 'ignored']);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ failure: 5, rejected: 1 });
});

test.for([
  { ends: 'our deadline', deadlineMs: 500, state: 'open' },
  { ends: 'the caller', signalAfterMs: 500, state: 'closed' },
  { ends: 'an inherited deadline', inheritedMs: 500, state: 'closed' },
] as const)('a call that $ends ends, after attempts that timed out, leaves the circuit $state', async (row) => {
  const { client, clock, events } = clientBench(['hang'], {
    breaker: { failureThreshold: 1 },
    deadlineMs: 'deadlineMs' in row ? row.deadlineMs : 5_000,
    attemptTimeoutMs: 200,
    retry: { initialDelayMs: 0 },
  });
  const caller = new AbortController();
  if ('signalAfterMs' in row) clock.schedule(row.signalAfterMs, () => caller.abort('enough'));
  const inheritedMs = 'inheritedMs' in row ? row.inheritedMs : Infinity;
  const deadline = { signal: new AbortController().signal, remainingMs: () => inheritedMs };
  const error = errorOf(client.fetch(url, { signal: caller.signal, deadline }));
  await clock.advance(500);
  await error;
  expect(client.snapshot().dependencies[origin]?.breaker?.state).toBe(row.state);
  const outcome = row.state === 'open' ? 'failure' : 'ignored';
  expect(facts(events, 'completed')).toMatchObject([{ outcome, attempts: 3 }]);
});

// The deadline covers all of it.

test('client.fetch is under one deadline, from the queue over the backoff to the body', async () => {
  const slow = `${origin}/slow`;
  const script = { [slow]: [{ status: 204, delayMs: 900 }], [url]: [503, unfinished('start', 'hang')] };
  const { client, clock, upstream } = clientBench(
    [({ url: target }) => (target === slow || target === url ? (script[target].shift() ?? 'hang') : 'hang')],
    { deadlineMs: 2_000, bulkhead: { maxConcurrent: 1 }, retry: { initialDelayMs: 500 } },
  );
  const first = watch(client.fetch(slow));
  const call = watch(client.fetch(url));
  await clock.advance(899);
  expect(upstream.calls).toBe(1); // in the queue
  await clock.advance(1);
  expect([first.state, call.state, upstream.calls]).toEqual(['resolved', 'pending', 2]); // in the backoff
  await clock.advance(500);
  expect([call.state, upstream.calls]).toEqual(['resolved', 3]);
  const body = watch(call.value?.text() ?? Promise.reject(new Error('There is no answer')));
  await clock.advance(599);
  expect(body.state).toBe('pending');
  await clock.advance(1);
  expect(body.state).toBe('rejected');
  expect(upstream.requests[2]?.signal?.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test('client.fetch ends with the deadline in the queue, which counts against nobody', async () => {
  const { client, clock, upstream, events } = clientBench(['hang'], {
    bulkhead: { maxConcurrent: 1 },
    breaker: { failureThreshold: 1 },
    attemptTimeoutMs: false,
  });
  const running = watch(client.fetch(url));
  const call = watch(client.fetch(url, { deadlineMs: 1_000 }));
  await clock.advance(999);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(running.state).toBe('pending');
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'ignored', attempts: 0, failure: 'deadline' }]);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'closed' },
    running: 1,
    queued: 0,
  });
});

test('client.fetch lets a body stream on after the attempt timeout', async () => {
  const { client, clock, upstream } = clientBench([unfinished('start', 'hang')], { attemptTimeoutMs: 500 });
  const response = await client.fetch(url);
  const body = watch(response.text());
  await clock.advance(29_999);
  expect(body.state).toBe('pending');
  expect(upstream.requests[0]?.signal?.aborted).toBe(false);
  await clock.advance(1);
  expect(body.state).toBe('rejected');
});

// The bulkhead and the rest.

const full: readonly { code: string; bulkhead: BulkheadOptions }[] = [
  { code: 'BULKHEAD_FULL', bulkhead: { maxConcurrent: 1, maxQueued: 0 } },
  { code: 'QUEUE_TIMEOUT', bulkhead: { maxConcurrent: 1, queueTimeoutMs: 100 } },
];

test.for(full)('client.fetch counts $code neither against the dependency nor as a retry', async (row) => {
  const { client, clock, upstream, events } = clientBench([{ status: 204, delayMs: 1_000 }], {
    bulkhead: row.bulkhead,
    breaker: { failureThreshold: 1 },
  });
  const running = watch(client.fetch(url));
  const refused = Array.from({ length: 10 }, () => errorOf(client.fetch(url)));
  await clock.advance(100);
  for (const error of refused) expect(await error).toMatchObject({ code: row.code, dependency: origin });
  await clock.advance(900);
  expect(running.state).toBe('resolved');
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'retry')).toEqual([]);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    breaker: { state: 'closed' },
    counters: { success: 1, failure: 0, ignored: 10, rejected: 10 },
  });
});

test('client.fetch refuses those who waited for a slot, when the one who ran opens the circuit', async () => {
  const { client, clock, upstream } = clientBench([{ status: 501, delayMs: 1_000 }], {
    bulkhead: { maxConcurrent: 1 },
    breaker: { failureThreshold: 1 },
  });
  const running = watch(client.fetch(url));
  const waiting = [watch(client.fetch(url)), watch(client.fetch(url)), watch(client.fetch(url))];
  await clock.advance(999);
  expect(waiting.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
  await clock.advance(1);
  expect(running.value?.status).toBe(501);
  for (const { error } of waiting) expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 10_000 });
  expect(upstream.calls).toBe(1);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 0, queued: 0 });
});

test('client.fetch keeps its slot during a backoff', async () => {
  const { client, clock } = clientBench([503, 204], {
    bulkhead: { maxConcurrent: 1, maxQueued: 0 },
    retry: { initialDelayMs: 1_000 },
  });
  const call = watch(client.fetch(url));
  await clock.advance(999);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'BULKHEAD_FULL' });
  await clock.advance(1);
  expect(call.value?.status).toBe(204);
  expect((await client.fetch(url)).status).toBe(204);
});
