import { expect, test, vi } from 'vitest';

import { degradation, memoryStore } from '../../src/index.ts';
import { errorOf, facts, fetchAndStore, url, watch } from './bench.ts';
import { down, fallbackBench, good, idle, shown, stored } from './fallback-bench.ts';

// The table, row by row.

test('client.fetch answers from the store without the network, up to maxAgeMs', async () => {
  const bench = fallbackBench([good('one'), good('two')], { maxAgeMs: 1_000 });
  const { client, clock, upstream, events } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_000);
  const response = await client.fetch(url);
  expect(degradation(response)).toBeUndefined();
  expect(response.headers.get('cache-status')).toBe('steadfetch; hit; ttl=0');
  expect(response.headers.get('age')).toBe('1');
  expect(await shown(response)).toBe('200 one');
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'fallback')).toEqual([{ source: 'cache', degraded: false, ageMs: 1_000 }]);
  // No call to the dependency has ended with it.
  expect(facts(events, 'completed')).toHaveLength(1);
  await clock.advance(1);
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(upstream.calls).toBe(2);
});

test('client.fetch answers at once and refreshes behind, up to staleWhileRevalidateMs more', async () => {
  const script = [good('one'), { body: 'two', delayMs: 300 }];
  const bench = fallbackBench(script, { maxAgeMs: 1_000, staleWhileRevalidateMs: 500 });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_200);
  const response = await client.fetch(url);
  expect(degradation(response)).toBeUndefined();
  expect(await shown(response)).toBe('200 one');
  await clock.advance(299);
  expect(await shown(client.fetch(url))).toBe('200 one');
  await clock.advance(1);
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(upstream.calls).toBe(2);
});

test('client.fetch asks the network beyond that, and hands out its very answer', async () => {
  const bench = fallbackBench([good('one'), good('two'), down], { maxAgeMs: 1_000, staleWhileRevalidateMs: 500 });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_501);
  const response = await client.fetch(url);
  expect(response.headers.has('cache-status')).toBe(false);
  expect(await shown(response)).toBe('200 two');
  await clock.advance(2_000);
  expect(await shown(client.fetch(url))).toBe('200 two'); // it was stored
  expect(upstream.calls).toBe(3);
});

test('client.fetch answers from the store, degraded, when the network fails, up to staleIfErrorMs', async () => {
  const bench = fallbackBench([good('one'), 503], { staleIfErrorMs: 3_600_000 });
  const { client, clock, events } = bench;
  await client.fetch(url); // nobody reads it: it is stored all the same
  await stored(bench, url);
  await clock.advance(60_000);
  const response = await client.fetch(url);
  expect(degradation(response)).toEqual({ source: 'cache', reason: 'status-503', ageMs: 60_000 });
  expect(await shown(response)).toBe('200 one');
  expect(facts(events, 'fallback')).toEqual([{ source: 'cache', degraded: true, ageMs: 60_000, reason: 'status-503' }]);
  await clock.advance(3_540_000);
  expect(await shown(client.fetch(url))).toBe('200 one');
  await clock.advance(1);
  expect((await client.fetch(url)).status).toBe(503);
});

test('client.fetch gives the answer of respond, degraded, when nothing usable is stored', async () => {
  const asked: unknown[] = [];
  const { client, events } = fallbackBench([down], {
    respond: (request, error) => {
      asked.push([request.method, request.url, request.headers.get('accept'), error]);
      return new Response('none', { status: 206, headers: { 'x-own': '1' } });
    },
  });
  const response = await client.fetch(url, { headers: { accept: 'text/plain' } });
  expect(degradation(response)).toEqual({ source: 'default', reason: 'network', ageMs: 0 });
  expect(response.headers.get('x-own')).toBe('1');
  expect(await shown(response)).toBe('206 none');
  expect(asked).toEqual([['GET', url, 'text/plain', new TypeError('Failed to fetch')]]);
  expect(facts(events, 'fallback')).toEqual([{ source: 'default', degraded: true, ageMs: 0, reason: 'network' }]);
});

test('client.fetch tells respond of an answer of 5xx as HttpError', async () => {
  const seen: unknown[] = [];
  const respond = (_request: Request, error: unknown): undefined => {
    seen.push(error);
  };
  const { client } = fallbackBench([{ status: 502, body: 'bad' }], { respond });
  expect(await shown(client.fetch(url))).toBe('502 bad'); // it had none
  expect(seen).toEqual([expect.objectContaining({ code: 'HTTP', dependency: 'https://users.test' })]);
});

test('client.fetch gives the failure itself, when there is neither a stored answer nor a default', async () => {
  const thrown = new TypeError('Failed to fetch');
  const { client } = fallbackBench([thrown, { status: 500, body: 'oops' }]);
  expect(await errorOf(client.fetch(url))).toBe(thrown);
  expect(await shown(client.fetch(url))).toBe('500 oops');
});

// What fails.

test.for([500, 501, 502, 503, 504, 599])('client.fetch takes a %i for a failure', async (status) => {
  const { client } = fallbackBench([good('one'), status]);
  await shown(client.fetch(url));
  expect(degradation(await client.fetch(url))).toEqual({ source: 'cache', reason: `status-${status}`, ageMs: 0 });
});

test.for([301, 400, 401, 403, 404, 408, 410, 418, 425, 429])('client.fetch hands out a %i as it is', async (status) => {
  const { client } = fallbackBench([good('one'), { status, body: 'no' }], { respond: () => new Response('default') });
  await shown(client.fetch(url));
  const response = await client.fetch(url);
  expect(degradation(response)).toBeUndefined();
  expect(await shown(response)).toBe(`${status} no`);
});

test('client.fetch takes its own refusals and timeouts for failures', async () => {
  const script = [good('one'), down, 'hang' as const];
  const breaker = { failureThreshold: 1, resetTimeoutMs: 1_000, resetJitter: 0 };
  const bench = fallbackBench(
    script,
    {},
    { breaker, attemptTimeoutMs: 100, deadlineMs: 150, bulkhead: { maxConcurrent: 1, maxQueued: 0 } },
  );
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  const reasonOf = async (): Promise<string | undefined> => degradation(await client.fetch(url))?.reason;
  expect(await reasonOf()).toBe('network');
  expect(await reasonOf()).toBe('circuit-open');
  expect(upstream.calls).toBe(2);
  await clock.advance(1_000);
  const hanging = reasonOf();
  await clock.advance(50);
  expect(await reasonOf()).toBe('bulkhead-full');
  await clock.advance(50);
  expect(await hanging).toBe('attempt-timeout');
});

test('client.fetch takes its deadline for a failure', async () => {
  const { client, clock } = fallbackBench([good('one'), 'hang'], {}, { attemptTimeoutMs: false, deadlineMs: 100 });
  await shown(client.fetch(url));
  const call = client.fetch(url);
  await clock.advance(100);
  expect(degradation(await call)).toEqual({ source: 'cache', reason: 'deadline-exceeded', ageMs: 0 });
});

test('client.fetch asks the network as often as its retries say, before it falls back', async () => {
  const bench = fallbackBench([good('one'), 503], {}, { retry: { maxAttempts: 3, initialDelayMs: 100 } });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  const call = client.fetch(url);
  await clock.advance(300);
  expect(await shown(call)).toBe('200 one');
  expect(upstream.calls).toBe(4);
});

test('client.fetch rejects with the caller’s reason, though an answer is stored', async () => {
  const { client, clock } = fallbackBench([good('one'), 'hang'], { respond: () => new Response('default') });
  await shown(client.fetch(url));
  const controller = new AbortController();
  const call = client.fetch(url, { signal: controller.signal });
  await clock.advance(10);
  controller.abort('gone');
  expect(await errorOf(call)).toBe('gone');
  expect(await errorOf(client.fetch(url, { signal: controller.signal }))).toBe('gone');
});

test('client.fetch rejects on an inherited deadline, and on close(), though an answer is stored', async () => {
  const { client, upstream } = fallbackBench([good('one')], { maxAgeMs: 60_000 });
  await shown(client.fetch(url));
  const { signal } = new AbortController();
  const deadline = { signal, remainingMs: (): number => 0 };
  expect(await errorOf(client.fetch(url, { deadline }))).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await client.close();
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CLOSED' });
  expect(upstream.calls).toBe(1);
});

test('client.fetch cancels the body of a 5xx that it does not hand out', async () => {
  let cancelled = 0;
  const cancel = (): void => {
    cancelled += 1;
  };
  const body = (): ReadableStream => new ReadableStream({ cancel });
  const failing = (): Response => new Response(body(), { status: 503 });
  const bench = fallbackBench(
    [1],
    {},
    {
      fetch: (() => {
        const answers = [() => new Response('one'), failing, failing];
        return async () => (answers.shift() ?? failing)();
      })(),
    },
  );
  await shown(bench.client.fetch(url));
  await bench.client.fetch(url);
  expect(cancelled).toBe(1);
  await bench.client.fetch(`${url}/other`); // handed out: it is the caller's
  expect(cancelled).toBe(1);
});

// Methods.

test('client.fetch answers a HEAD from a stored HEAD, and a GET from a stored GET', async () => {
  const { client } = fallbackBench([{ body: null, headers: { 'x-of': 'head' } }, good('one'), down]);
  await client.fetch(url, { method: 'HEAD' });
  await shown(client.fetch(url));
  const head = await client.fetch(url, { method: 'HEAD' });
  expect(head.headers.get('x-of')).toBe('head');
  expect(await head.text()).toBe('');
  expect(await shown(client.fetch(url))).toBe('200 one');
});

test.for(['POST', 'PUT', 'PATCH', 'DELETE'])(
  'client.fetch never answers a %s from the store, nor stores one',
  async (method) => {
    const { client, upstream } = fallbackBench([good('one'), down, good('written'), down], {
      respond: () => new Response('default'),
    });
    await shown(client.fetch(url));
    expect(await errorOf(client.fetch(url, { method }))).toMatchObject({ message: 'Failed to fetch' });
    expect(await shown(client.fetch(`${url}/2`, { method }))).toBe('200 written');
    expect(await shown(client.fetch(`${url}/2`))).toBe('200 default');
    expect(upstream.calls).toBe(4);
  },
);

test.for(['POST', 'PUT', 'PATCH', 'DELETE'])(
  'client.fetch forgets a URL after a successful %s to it',
  async (method) => {
    const script = [good('one'), 200, down];
    const { client } = fallbackBench(script, { maxAgeMs: 60_000 });
    await shown(client.fetch(url));
    await client.fetch(url, { method });
    expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  },
);

test.for([400, 404, 500])('client.fetch forgets nothing after a write that was answered %i', async (status) => {
  const { client } = fallbackBench([good('one'), status, down]);
  await shown(client.fetch(url));
  await client.fetch(url, { method: 'PUT' });
  expect(await shown(client.fetch(url))).toBe('200 one');
});

test('client.fetch forgets what other partitions hold of a URL, too, after a write', async () => {
  const { client, clock } = fallbackBench([good('of a'), good('of b'), 200, down], { maxAgeMs: 60_000 });
  await shown(client.fetch(url, { partition: 'a' }));
  await shown(client.fetch(url, { partition: 'b' }));
  await clock.advance(1);
  await client.fetch(url, { method: 'PUT', partition: 'a' });
  for (const partition of ['a', 'b']) {
    expect(await errorOf(client.fetch(url, { partition }))).toMatchObject({ message: 'Failed to fetch' });
  }
});

test('client.fetch does not store an answer that was asked for before a write', async () => {
  const script = [{ body: 'old', delayMs: 100 }, 200, down];
  const { client, clock } = fallbackBench(script, { maxAgeMs: 60_000 });
  const early = client.fetch(url);
  await clock.advance(50);
  await client.fetch(url, { method: 'POST' });
  await clock.advance(50);
  expect(await shown(early)).toBe('200 old');
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch keeps the answer that was asked for last, whichever comes first', async () => {
  const script = [{ body: 'first', delayMs: 100 }, { body: 'second', delayMs: 10 }, down];
  const { client, clock } = fallbackBench(script);
  const first = client.fetch(url);
  const second = client.fetch(url);
  await clock.advance(10);
  await shown(second);
  await clock.advance(90);
  await shown(first);
  expect(await shown(client.fetch(url))).toBe('200 second');
});

// The response that comes out of the store.

test('client.fetch gives a Response with status, headers, URL and body of its own for each caller', async () => {
  const { client } = fallbackBench([{ body: 'äö', status: 203, headers: { 'x-a': '1', 'content-type': 'text/x' } }], {
    maxAgeMs: 60_000,
  });
  const original = await client.fetch(url);
  await original.text();
  const [some, other] = [await client.fetch(`${url}#fragment`), await client.fetch(url)];
  expect(some.status).toBe(203);
  expect(some.headers.get('x-a')).toBe('1');
  expect(some.headers.get('content-type')).toBe('text/x');
  expect(some.url).toBe(original.url);
  new Uint8Array(await some.arrayBuffer()).fill(0);
  some.headers.set('x-a', '2');
  expect(await other.clone().text()).toBe('äö');
  expect(other.headers.get('x-a')).toBe('1');
  expect(await shown(client.fetch(url))).toBe('203 äö');
});

test('degradation() survives clone(), and a hop over the network', async () => {
  const { client, clock } = fallbackBench([good('one'), down]);
  await shown(client.fetch(url));
  await clock.advance(5_000);
  const response = await client.fetch(url);
  const degraded = { source: 'cache', reason: 'network', ageMs: 5_000 };
  expect(degradation(response.clone())).toEqual(degraded);
  const hop = fallbackBench([response], { maxAgeMs: 60_000 });
  const second = await hop.client.fetch(url);
  expect(degradation(second)).toEqual(degraded);
  await idle(hop);
  expect(
    await errorOf(
      Promise.resolve(await hop.store.get(`public GET ${url}`)).then((entry) => {
        if (entry === undefined) throw new Error('not stored');
      }),
    ),
  ).toMatchObject({ message: 'not stored' });
});

// JSON.

test('client.json gives the stored value, and says that it is degraded', async () => {
  const { client, clock } = fallbackBench([good('{"a":[1]}'), 503]);
  expect(await client.json(url)).toMatchObject({ value: { a: [1] }, degraded: false });
  await clock.advance(2_000);
  const result = await client.json<{ a: number[] }>(url);
  expect(result).toMatchObject({
    value: { a: [1] },
    degraded: true,
    degradation: { source: 'cache', reason: 'status-503', ageMs: 2_000 },
  });
  result.value.a.push(2);
  expect((await client.json(url)).value).toEqual({ a: [1] });
});

test('client.json tells what a hop has told', async () => {
  const headers = { 'cache-status': 'steadfetch; hit; ttl=-9; detail="degraded: circuit-open"', age: '70' };
  const { client } = fallbackBench([good('1', headers)]);
  expect(await client.json(url)).toMatchObject({
    value: 1,
    degraded: true,
    degradation: { source: 'cache', reason: 'circuit-open', ageMs: 70_000 },
  });
});

test('client.json and client.fetch answer each other’s calls', async () => {
  const { client } = fallbackBench([good('{"a":1}'), down]);
  await client.json(url);
  expect(await shown(client.fetch(url))).toBe('200 {"a":1}');
  const other = fallbackBench([good('{"b":1}'), down]);
  await shown(other.client.fetch(url));
  expect((await other.client.json(url)).value).toEqual({ b: 1 });
});

test('client.json does not use a stored answer that is no JSON', async () => {
  const { client, upstream } = fallbackBench([good('<html>'), good('{"a":1}'), good('<html>'), down], {
    maxAgeMs: 9_000,
  });
  await shown(client.fetch(url));
  expect((await client.json(url)).value).toEqual({ a: 1 });
  expect(upstream.calls).toBe(2);
});

test('client.json takes a body that is no JSON for a failure', async () => {
  const { client } = fallbackBench([good('{"a":1}'), good('<html>')]);
  await client.json(url);
  expect(await client.json(url)).toMatchObject({ value: { a: 1 }, degraded: true, degradation: { reason: 'network' } });
});

test('client.json gives the value of respond, and rejects a default that is no success', async () => {
  const answers = [Response.json({ none: true }), new Response('busy', { status: 503 })];
  const { client } = fallbackBench([down], { respond: () => answers.shift() });
  expect(await client.json(url)).toMatchObject({ value: { none: true }, degraded: true });
  expect(await errorOf(client.json(url))).toMatchObject({ code: 'HTTP', response: { status: 503 } });
});

test('client.json rejects a 404, and says nothing of what was stored', async () => {
  const { client } = fallbackBench([good('1'), 404]);
  await client.json(url);
  expect(await errorOf(client.json(url))).toMatchObject({ code: 'HTTP', response: { status: 404 } });
});

// Per call.

test('client.fetch changes the rules for one call', async () => {
  const { client, clock, upstream } = fallbackBench([good('one'), good('two'), down]);
  await shown(client.fetch(url));
  await clock.advance(1_000);
  expect(await shown(client.fetch(url, { fallback: { maxAgeMs: 1_000 } }))).toBe('200 one');
  expect(upstream.calls).toBe(1);
  expect(await shown(client.fetch(url, { fallback: false }))).toBe('200 two'); // not stored either
  expect(await errorOf(client.fetch(url, { fallback: false }))).toMatchObject({ message: 'Failed to fetch' });
  expect(await shown(client.fetch(url))).toBe('200 one');
  const options = { fallback: { staleIfErrorMs: 0, respond: (): Response => new Response('own') } };
  expect(await shown(client.fetch(url, options))).toBe('200 own');
});

test('client.fetch takes a default for one call from a client without a fallback', async () => {
  const { client } = fallbackBench([down], {}, { fallback: false });
  const response = await client.fetch(url, { fallback: { respond: () => new Response('own') } });
  expect(degradation(response)).toEqual({ source: 'default', reason: 'network', ageMs: 0 });
  expect(await shown(response)).toBe('200 own');
});

test('client.fetch hands the work behind an answer to waitUntil', async () => {
  const bench = fallbackBench([good('one'), good('two')], { maxAgeMs: 0, staleWhileRevalidateMs: 9_000 });
  const { client, store } = bench;
  const work: Promise<unknown>[] = [];
  const waitUntil = (promise: Promise<unknown>): void => void work.push(promise);
  await client.fetch(url, { waitUntil });
  await Promise.all(work.splice(0));
  expect((await store.get(`public GET ${url}`))?.variants).toHaveLength(1);
  await client.fetch(url, { waitUntil });
  await Promise.all(work);
  expect(new TextDecoder().decode((await store.get(`public GET ${url}`))?.variants[0]?.body ?? undefined)).toBe('two');
});

test('client.fetch is answered, though waitUntil throws', async () => {
  const { client } = fallbackBench([good('one'), down]);
  const waitUntil = (): never => {
    throw new Error('too late');
  };
  const reported: unknown[] = [];
  const global = globalThis as { reportError?: unknown };
  const { reportError } = global;
  global.reportError = (error: unknown): void => void reported.push(error);
  try {
    expect(await shown(client.fetch(url, { waitUntil }))).toBe('200 one');
    expect(await shown(client.fetch(url))).toBe('200 one');
  } finally {
    global.reportError = reportError;
  }
  expect(reported).toEqual([new Error('too late')]);
});

// respond.

test.for([
  {
    what: 'throws',
    respond: (): never => {
      throw new Error('broken');
    },
  },
  {
    what: 'rejects',
    respond: async (): Promise<never> => {
      throw new Error('broken');
    },
  },
  { what: 'gives no Response', respond: (): Response => 'text' as unknown as Response },
  { what: 'gives an opaque Response', respond: (): Response => Response.error() },
])('client.fetch gives the failure itself, and reports, when respond $what', async ({ respond }) => {
  const { client } = fallbackBench([down], { respond });
  const reported: unknown[] = [];
  const global = globalThis as { reportError?: unknown };
  const { reportError } = global;
  global.reportError = (error: unknown): void => void reported.push(error);
  try {
    expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  } finally {
    global.reportError = reportError;
  }
  expect(reported).toHaveLength(1);
});

test('client.fetch rejects with the caller’s reason, while respond hangs', async () => {
  const { client, clock } = fallbackBench([down], { respond: () => new Promise<Response>(() => {}) });
  const controller = new AbortController();
  const call = client.fetch(url, { signal: controller.signal });
  await clock.advance(10);
  controller.abort('gone');
  expect(await errorOf(call)).toBe('gone');
});

test('client.fetch works with respond alone, without a store', async () => {
  const { client } = fallbackBench([good('one'), down], {}, { fallback: { respond: () => new Response('default') } });
  expect(await shown(client.fetch(url))).toBe('200 one');
  expect(await shown(client.fetch(url))).toBe('200 default');
  expect(memoryStore().shared).toBe(true);
});

test('client.fetch lets respond answer with the failure’s own Response', async () => {
  const respond = (_request: Request, error: unknown): Response => (error as { response: Response }).response;
  const { client } = fallbackBench([{ status: 503, body: 'maintenance' }], { respond });
  const response = await client.fetch(url);
  expect(degradation(response)).toEqual({ source: 'default', reason: 'status-503', ageMs: 0 });
  expect(await shown(response)).toBe('503 maintenance');
});

test('client.fetch does not wait for what is being stored, when it will not be used without the network', async () => {
  const bench = fallbackBench([{ body: 'o', after: 'hang' }, good('two')], {}, { deadlineMs: 1_000 });
  await bench.client.fetch(url);
  expect(await shown(bench.client.fetch(url))).toBe('200 two'); // no time has passed
});

test('client.fetch waits a moment for what is being stored, when it may be used without the network', async () => {
  const bench = fallbackBench([{ body: 'o', after: 'hang' }, good('two')], { maxAgeMs: 9_000 }, { deadlineMs: 1_000 });
  await bench.client.fetch(url);
  const second = watch(bench.client.fetch(url));
  await bench.clock.advance(49);
  expect(second.state).toBe('pending');
  await bench.clock.advance(1);
  expect(second.value && (await shown(second.value))).toBe('200 two');
});

test('client.fetch lets respond give the same Response to all', async () => {
  const none = Response.json([]);
  const { client } = fallbackBench([down], { respond: () => none });
  for (let call = 0; call < 3; call += 1) expect((await client.json(url)).value).toEqual([]);
});

test('client.fetch keeps an answer for ever, if told so', async () => {
  const bench = fallbackBench([good('one'), down], { staleIfErrorMs: Infinity });
  const { client, clock } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect((await bench.store.get(`public GET ${url}`))?.expiresAt).toBeGreaterThan(clock.epochNow());
  await clock.advance(1e12);
  expect(await shown(client.fetch(url))).toBe('200 one');
  const fresh = fallbackBench([good('one')], { maxAgeMs: Infinity });
  await shown(fresh.client.fetch(url));
  expect((await fresh.client.fetch(url)).headers.get('cache-status')).toBe('steadfetch; hit; ttl=999999999999999');
});

test.for([
  { what: 'hangs', respond: (): Promise<Response> => new Promise(() => {}) },
  {
    what: 'gives a body that hangs',
    respond: (): Response => new Response(new ReadableStream({ pull: () => new Promise(() => {}) })),
  },
])(
  'client.json gives the failure itself, and reports, when respond $what for as long as a call may take',
  async ({ respond }) => {
    const { client, clock } = fallbackBench([down], { respond }, { deadlineMs: 1_000 });
    const reported: unknown[] = [];
    vi.stubGlobal('reportError', (error: unknown) => void reported.push(error));
    const call = watch(client.json(url));
    await clock.advance(999);
    expect(call.state).toBe('pending');
    await clock.advance(1);
    vi.unstubAllGlobals();
    expect(call.error).toMatchObject({ message: 'Failed to fetch' });
    expect(reported).toEqual([expect.objectContaining({ code: 'DEADLINE_EXCEEDED' })]);
  },
);

// A hit, which waits for nothing but its own turn

test.for(['fetch', 'json'] as const)(
  'client.%s gives no stored answer to who gives up right after asking',
  async (method) => {
    const bench = fallbackBench([good('[1]')], { maxAgeMs: 60_000 });
    await fetchAndStore(bench.client, url);
    const controller = new AbortController();
    const call = errorOf(bench.client[method](url, { signal: controller.signal }));
    controller.abort('gone');
    expect(await call).toBe('gone');
    expect(bench.upstream.calls).toBe(1);
  },
);

test('client.fetch gives no stored answer to who gives up while it is asked for its key', async () => {
  const controller = new AbortController();
  let asked = 0;
  const key = (): string => {
    asked += 1;
    if (asked > 1) controller.abort('gone');
    return 'one';
  };
  const { client, upstream } = fallbackBench([good('one')], { maxAgeMs: 60_000, key });
  await fetchAndStore(client, url);
  expect(await errorOf(client.fetch(url, { signal: controller.signal }))).toBe('gone');
  expect([asked, upstream.calls]).toStrictEqual([2, 1]);
});

test('client.fetch gives no stored answer to who is asked after close(), and none that clear() has just forgotten', async () => {
  const { client, upstream } = fallbackBench([good('one'), good('two')], { maxAgeMs: 60_000 });
  await fetchAndStore(client, url);
  const cleared = client.fetch(url);
  await client.clear();
  expect(await shown(cleared)).toBe('200 two');
  const closed = errorOf(client.fetch(url));
  await client.close({ drainMs: 0 });
  expect(await closed).toMatchObject({ code: 'CLOSED' });
  expect(upstream.calls).toBe(2);
});

test('client.fetch tells who listens from right after a call of the stored answer that it gets', async () => {
  const bench = fallbackBench([good('one')], { maxAgeMs: 60_000 });
  await fetchAndStore(bench.client, url);
  const seen: string[] = [];
  const call = bench.client.fetch(url);
  bench.client.subscribe(({ type }) => seen.push(type));
  await call;
  await idle(bench);
  expect(seen).toContain('fallback');
});

test('client.fetch lets nobody be overtaken: a read that is asked for after a write is sent after it', async () => {
  const sent: string[] = [];
  const step = ({ method }: { readonly method: string }): number => {
    sent.push(method);
    return 200;
  };
  const { client } = fallbackBench([step, step]);
  await Promise.all([client.fetch(url, { method: 'POST' }), client.fetch(url)]);
  expect(sent).toStrictEqual(['POST', 'GET']);
});
