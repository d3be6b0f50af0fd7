import { afterEach, expect, test, vi } from 'vitest';

import { createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, facts, origin, url, watch } from './bench.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const epochStart = Date.UTC(2026, 0, 1);
const typesOf = (events: readonly SteadEvent[]): readonly string[] => events.map(({ type }) => type);

// Every type, with all of its fields.

test('client tells of an attempt and of the call, that succeed', async () => {
  const { client, clock, events } = clientBench([{ status: 201, delayMs: 30 }]);
  const call = client.fetch(url);
  await clock.advance(30);
  await call;
  const about = { call: 1, dependency: origin, at: epochStart + 30, outcome: 'success', durationMs: 30, status: 201 };
  expect(events).toEqual([
    { type: 'attempt', attempt: 1, ...about },
    { type: 'completed', attempts: 1, queuedMs: 0, ...about },
  ]);
});

test('client tells of attempts and retries in their order, and of the call last', async () => {
  const { client, clock, events } = clientBench([
    { status: 503, delayMs: 10, headers: { 'retry-after': '2' } },
    new TypeError('Failed to fetch'),
    200,
  ]);
  const call = client.fetch(url);
  await clock.advance(5_000);
  await call;
  const times = { first: 10, second: 2_010, third: 2_210 };
  const at = (ms: number) => ({ call: 1, dependency: origin, at: epochStart + ms });
  expect(events).toEqual([
    {
      type: 'attempt',
      ...at(times.first),
      attempt: 1,
      outcome: 'failure',
      durationMs: 10,
      status: 503,
      failure: 'status',
    },
    { type: 'retry', ...at(times.first), attempt: 2, delayMs: 2_000, retryAfterMs: 2_000 },
    { type: 'attempt', ...at(times.second), attempt: 2, outcome: 'failure', durationMs: 0, failure: 'network' },
    { type: 'retry', ...at(times.second), attempt: 3, delayMs: 200 },
    { type: 'attempt', ...at(times.third), attempt: 3, outcome: 'success', durationMs: 0, status: 200 },
    {
      type: 'completed',
      ...at(times.third),
      outcome: 'success',
      attempts: 3,
      durationMs: times.third,
      queuedMs: 0,
      status: 200,
    },
  ]);
});

test('client tells of the last status in a call that fails, and in which way', async () => {
  const { client, events } = clientBench([503], { retry: { initialDelayMs: 0 } });
  await client.fetch(url);
  expect(events.at(-1)).toEqual({
    type: 'completed',
    call: 1,
    dependency: origin,
    at: epochStart,
    outcome: 'failure',
    attempts: 3,
    durationMs: 0,
    queuedMs: 0,
    status: 503,
    failure: 'status',
  });
});

test('client tells no status of a call that ends without an answer, though an attempt had one', async () => {
  const { client, clock, events } = clientBench([503]);
  const controller = new AbortController();
  const call = errorOf(client.fetch(url, { signal: controller.signal }));
  await clock.advance(10);
  controller.abort();
  await call;
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'ignored', attempts: 1, durationMs: 10, queuedMs: 0, failure: 'aborted' },
  ]);
});

test('client tells of each transition after the attempt that caused it, in a chain', async () => {
  const { client, clock, events } = clientBench([501, 501, 501, 200, 200], {
    breaker: { failureThreshold: 2 },
  });
  const send = (): Promise<unknown> => client.fetch(url).catch(() => {});
  await send();
  await send();
  await send();
  await clock.advance(10_000);
  await send();
  await clock.advance(20_000);
  await send();
  await send();
  expect(facts(events, 'transition')).toEqual([
    { from: 'closed', to: 'open', retryAfterMs: 10_000 },
    { from: 'open', to: 'half-open' },
    { from: 'half-open', to: 'open', retryAfterMs: 20_000 },
    { from: 'open', to: 'half-open' },
    { from: 'half-open', to: 'closed' },
  ]);
  expect(typesOf(events)).toEqual([
    ...['attempt', 'completed'],
    ...['attempt', 'transition', 'completed'],
    ...['rejected', 'completed'],
    ...['transition', 'attempt', 'transition', 'completed'],
    ...['transition', 'attempt', 'completed'],
    ...['attempt', 'transition', 'completed'],
  ]);
  expect(events.filter(({ type }) => type === 'transition')[0]).toMatchObject({ dependency: origin, at: epochStart });
});

test('client tells of a call that waits: how many run, and how many wait with it', async () => {
  const { client, clock, events } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  await clock.advance(7);
  const calls = [1, 2, 3].map(() => watch(client.fetch(url)));
  await clock.advance(0);
  expect(events).toEqual([
    { type: 'queued', call: 2, dependency: origin, at: epochStart + 7, running: 1, queued: 1 },
    { type: 'queued', call: 3, dependency: origin, at: epochStart + 7, running: 1, queued: 2 },
  ]);
  expect(calls.every(({ state }) => state === 'pending')).toBe(true);
});

test('client tells how long a call took with its wait for a slot', async () => {
  const { client, clock, events } = clientBench([{ status: 204, delayMs: 100 }], { bulkhead: { maxConcurrent: 1 } });
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(200);
  await Promise.all(calls);
  const completed = facts(events, 'completed');
  expect(completed.map(({ durationMs, queuedMs }) => [durationMs, queuedMs])).toEqual([
    [100, 0],
    [200, 100],
  ]);
  expect(facts(events, 'attempt').map(({ durationMs }) => durationMs)).toEqual([100, 100]);
});

const refusals = [
  { code: 'CIRCUIT_OPEN', options: { breaker: { failureThreshold: 1 } }, script: [501] },
  { code: 'BULKHEAD_FULL', options: { bulkhead: { maxConcurrent: 1, maxQueued: 0 } }, script: ['hang'] },
  { code: 'QUEUE_TIMEOUT', options: { bulkhead: { maxConcurrent: 1, queueTimeoutMs: 50 } }, script: ['hang'] },
] as const;

test.for(refusals)('client tells that a call was refused: $code', async ({ code, options, script }) => {
  const { client, clock, events, upstream } = clientBench(script, options);
  const first = watch(client.fetch(url));
  await clock.advance(0);
  const call = errorOf(client.fetch(url));
  await clock.advance(50);
  expect(await call).toMatchObject({ code, dependency: origin });
  const at = epochStart + 50;
  const waited = code === 'QUEUE_TIMEOUT' ? 50 : 0;
  expect(events.slice(-2)).toEqual([
    { type: 'rejected', call: 2, dependency: origin, at: waited === 0 ? epochStart : at, code },
    {
      type: 'completed',
      call: 2,
      dependency: origin,
      at: waited === 0 ? epochStart : at,
      outcome: 'ignored',
      attempts: 0,
      durationMs: waited,
      queuedMs: waited,
      failure: 'refused',
    },
  ]);
  expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ rejected: 1 });
  expect(upstream.calls).toBe(1);
  expect(first.state).toBe(code === 'CIRCUIT_OPEN' ? 'resolved' : 'pending');
});

test('client tells that calls were refused: CLOSED, those that waited and those that came', async () => {
  const { client, clock, events } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  const calls = [errorOf(client.fetch(url)), errorOf(client.fetch(url))];
  await clock.advance(0);
  const closed = client.close({ drainMs: 100 });
  await errorOf(client.fetch(url));
  await clock.advance(100);
  await Promise.all([closed, ...calls]);
  expect(facts(events, 'rejected')).toEqual([{ code: 'CLOSED' }, { code: 'CLOSED' }]);
  // The one that ran was not refused: it was sent.
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'ignored', attempts: 0, durationMs: 0, queuedMs: 0, failure: 'refused' },
    { outcome: 'ignored', attempts: 0, durationMs: 0, queuedMs: 0, failure: 'refused' },
    { outcome: 'ignored', attempts: 1, durationMs: 100, queuedMs: 0, failure: 'aborted' },
  ]);
});

test('client does not tell of a refusal, when the inner fetch is another client that refuses', async () => {
  const inner = clientBench([501], { breaker: { failureThreshold: 1 }, retry: false });
  await inner.client.fetch(url);
  const { client, events } = clientBench([1], { fetch: inner.client.fetch, retry: false });
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(facts(events, 'rejected')).toEqual([]);
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'failure', attempts: 1, durationMs: 0, queuedMs: 0, failure: 'network' },
  ]);
});

const unsent = [
  { end: "the caller's abort", failure: 'aborted' },
  { end: 'the deadline', failure: 'deadline' },
] as const;

test.for(unsent)('client tells of a call that $end ends in the queue, as not refused', async ({ failure }) => {
  const { client, clock, events } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 }, deadlineMs: 5_000 });
  const running = errorOf(client.fetch(url, { deadlineMs: false }));
  const controller = new AbortController();
  const waiting = errorOf(client.fetch(url, { signal: controller.signal }));
  const waitedMs = failure === 'aborted' ? 10 : 5_000;
  await clock.advance(waitedMs);
  controller.abort();
  await waiting;
  expect(facts(events, 'rejected')).toEqual([]);
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'ignored', attempts: 0, durationMs: waitedMs, queuedMs: waitedMs, failure },
  ]);
  await clock.advance(60_000);
  await running;
});

test('client tells of attempts and calls that overlap, each with its own numbers', async () => {
  const { client, clock, events } = clientBench([
    { status: 204, delayMs: 20 },
    { status: 204, delayMs: 10 },
  ]);
  const calls = [client.fetch('https://slow.test/'), client.fetch('https://fast.test/')];
  await clock.advance(20);
  await Promise.all(calls);
  expect(events.map(({ type, dependency }) => `${type} ${dependency}`)).toEqual([
    'attempt https://fast.test',
    'completed https://fast.test',
    'attempt https://slow.test',
    'completed https://slow.test',
  ]);
});

test('client numbers attempts from 1, and gives each a signal of its own', async () => {
  const { client, events, upstream } = clientBench([503], { retry: { initialDelayMs: 0 } });
  await client.fetch(url);
  expect(facts(events, 'attempt').map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(facts(events, 'retry').map(({ attempt }) => attempt)).toEqual([2, 3]);
  expect(new Set(upstream.requests.map(({ signal }) => signal)).size).toBe(3);
});

// What no event may carry.

test('no event and no snapshot carries anything of what was sent, received or thrown', async () => {
  const { client, clock, events } = clientBench(
    [
      { status: 503, body: 'secret', headers: { 'retry-after': '1', 'set-cookie': 'secret', 'x-secret': 'secret' } },
      new TypeError('secret'),
      { status: 501, body: 'secret' },
    ],
    { breaker: { failureThreshold: 1 }, bulkhead: { maxConcurrent: 1, maxQueued: 1 }, name: 'user-service' },
  );
  const controller = new AbortController();
  const init = {
    method: 'PUT',
    body: 'secret',
    headers: { authorization: 'Bearer secret', cookie: 'secret', 'x-secret': 'secret' },
    signal: controller.signal,
  };
  const secretUrl = `${origin}/secret?secret=secret#secret`;
  const calls = [1, 2, 3].map(() => client.fetch(secretUrl, init).catch(() => {}));
  await clock.advance(5_000);
  await Promise.all(calls);
  await clock.advance(10_000);
  const aborted = client.fetch(secretUrl, { ...init, retry: false }).catch(() => {});
  controller.abort(new Error('secret'));
  await aborted;
  expect(new Set(typesOf(events))).toEqual(
    new Set(['attempt', 'retry', 'transition', 'rejected', 'queued', 'completed']),
  );
  expect(JSON.stringify(events)).not.toContain('secret');
  expect(JSON.stringify(client.snapshot())).not.toContain('secret');
});

// Listeners.

function listenerBench() {
  const clock = new FakeClock();
  const client = createClient({ clock, fetch: scriptedFetch([204], { clock }), retry: false });
  return { client, clock };
}

test('client.subscribe() returns the function that stops the listener, safe to call twice', async () => {
  const { client } = listenerBench();
  const [stopped, kept] = [vi.fn(), vi.fn()];
  const unsubscribe = client.subscribe(stopped);
  client.subscribe(kept);
  await client.fetch(url);
  unsubscribe();
  unsubscribe();
  await client.fetch(url);
  expect(stopped).toHaveBeenCalledTimes(2);
  expect(kept).toHaveBeenCalledTimes(4);
});

test('client.subscribe() takes the same function twice, as two listeners', async () => {
  const { client } = listenerBench();
  const listener = vi.fn();
  const unsubscribe = client.subscribe(listener);
  client.subscribe(listener);
  await client.fetch(url);
  expect(listener).toHaveBeenCalledTimes(4);
  unsubscribe();
  await client.fetch(url);
  expect(listener).toHaveBeenCalledTimes(6);
});

test.for([undefined, null, 'listener', {}])('client.subscribe() throws a TypeError, for %j', (listener) => {
  const { client } = listenerBench();
  expect(() => client.subscribe(listener as unknown as () => void)).toThrow(TypeError);
});

test('client.fetch goes on as ever, when a listener throws: it is reported once, and others are told', async () => {
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  const { client } = listenerBench();
  const bug = new Error('the listener has a bug');
  const throwing = vi.fn(() => {
    throw bug;
  });
  const events: SteadEvent[] = [];
  client.subscribe(throwing);
  client.subscribe((event) => events.push(event));
  for (let call = 1; call <= 3; call += 1) expect((await client.fetch(url)).status).toBe(204);
  expect(typesOf(events)).toEqual(Array(3).fill(['attempt', 'completed']).flat());
  expect(throwing).toHaveBeenCalledTimes(6);
  expect(reported.mock.calls).toEqual([[bug]]);
});

test('client.fetch goes on as ever, when a listener makes a call: all are told in the same order', async () => {
  const { client } = listenerBench();
  const events: string[] = [];
  let inner: Promise<Response> | undefined;
  client.subscribe(() => {
    inner ??= client.fetch('https://inner.test/');
  });
  client.subscribe(({ type, dependency }) => events.push(`${type} ${dependency}`));
  await client.fetch(url);
  expect((await inner)?.status).toBe(204);
  expect(events.slice().sort()).toEqual([
    'attempt https://inner.test',
    `attempt ${origin}`,
    'completed https://inner.test',
    `completed ${origin}`,
  ]);
  expect(events.indexOf('attempt https://inner.test')).toBeLessThan(events.indexOf('completed https://inner.test'));
  expect(events[0]).toBe(`attempt ${origin}`);
});

test('client tells of the event under way before the one that a listener causes', async () => {
  const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
  const heard: string[] = [];
  let refused: Promise<unknown> | undefined;
  client.subscribe(({ type }) => {
    if (type === 'transition') refused = errorOf(client.fetch(url));
  });
  client.subscribe(({ type }) => heard.push(type));
  await client.fetch(url);
  expect(await refused).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(heard.slice(0, 2)).toEqual(['attempt', 'transition']);
  expect(heard.slice(2).sort()).toEqual(['completed', 'completed', 'rejected']);
});

test('client.snapshot() in a listener shows what the event is about, or what came after it', async () => {
  const { client, clock } = clientBench([501, 501, 200], {
    breaker: { failureThreshold: 2, successThreshold: 1 },
    bulkhead: { maxConcurrent: 1 },
  });
  const seen: string[] = [];
  client.subscribe((event) => {
    const { breaker, counters, queued } = client.snapshot().dependencies[origin] ?? {};
    if (event.type === 'transition') seen.push(`${event.to}: ${breaker?.state}`);
    if (event.type === 'queued') seen.push(`${event.queued} waiting: ${queued}`);
    if (event.type === 'completed') seen.push(`completed: ${counters?.failure} + ${counters?.success}`);
  });
  await Promise.all([client.fetch(url), client.fetch(url)]);
  await clock.advance(10_000);
  await client.fetch(url);
  expect(seen).toEqual([
    ...['1 waiting: 1', 'completed: 1 + 0', 'open: open', 'completed: 2 + 0'],
    ...['half-open: half-open', 'closed: closed', 'completed: 2 + 1'],
  ]);
});

test('client tells a listener nothing more, from when it stops itself', async () => {
  const { client } = listenerBench();
  const heard: string[] = [];
  const unsubscribe = client.subscribe(({ type }) => {
    heard.push(type);
    unsubscribe();
  });
  await client.fetch(url);
  expect(heard).toEqual(['attempt']);
});

test('client tells a listener that is added during an event of the next one', async () => {
  const { client } = listenerBench();
  const late: string[] = [];
  let added = false;
  client.subscribe(() => {
    if (!added) client.subscribe(({ type }) => late.push(type));
    added = true;
  });
  await client.fetch(url);
  expect(late).toEqual([]);
  await client.fetch(url);
  expect(late).toEqual(['attempt', 'completed']);
});

test('client tells of transitions that a snapshot brings about', async () => {
  const { client, clock, events } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  client.snapshot();
  await clock.advance(0);
  expect(events.at(-1)).toEqual({
    type: 'transition',
    dependency: origin,
    at: epochStart + 10_000,
    from: 'open',
    to: 'half-open',
  });
});
