import { afterEach, expect, test, vi } from 'vitest';

import { type ClientOptions, createClient, type FetchInit } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { cancellable, clientBench, errorOf, facts, origin, pageOrigin, unfinished, url, watch } from './bench.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

type Sent = readonly [input: RequestInfo | URL, init: RequestInit | undefined];

/** A client whose inner fetch answers 200, and notes what it was handed. */
function noting(options: ClientOptions = {}) {
  const sent: Sent[] = [];
  const fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    sent.push([input, init]);
    return new Response('text');
  };
  return { ...clientBench([1], { fetch, ...options }), sent };
}

const allLayersOff = {
  deadlineMs: false,
  bulkhead: false,
  breaker: false,
  retry: false,
  attemptTimeoutMs: false,
} as const;
const layerings = [
  { layers: 'all layers on', options: {} },
  { layers: 'all layers off', options: allLayersOff },
];

// What comes back.

test.for(layerings)('client.fetch hands out the very Response of the inner fetch, unread, $layers', async (row) => {
  const response = new Response('text', { status: 201 });
  const { client } = clientBench([1], { ...row.options, fetch: async () => response });
  const given = await client.fetch(url);
  expect(given).toBe(response);
  expect(given.bodyUsed).toBe(false);
  expect(await given.text()).toBe('text');
});

const thrown = [
  { kind: 'a TypeError', error: new TypeError('Failed to fetch') },
  { kind: 'an error of its own class', error: new RangeError('too far') },
  { kind: 'a DOMException', error: new DOMException('gone', 'AbortError') },
  { kind: 'no Error at all', error: { code: 7 } },
  { kind: 'undefined', error: undefined },
];
const acrossLayers = layerings.flatMap((layering) => thrown.map((row) => ({ ...layering, ...row })));

test.for(acrossLayers)('client.fetch rejects with what the inner fetch threw, for $kind, $layers', async (row) => {
  const fetch = async (): Promise<Response> => {
    throw row.error;
  };
  const { client, clock } = clientBench([1], { ...row.options, fetch });
  const call = errorOf(client.fetch(url));
  await clock.advance(1_000);
  expect(await call).toBe(row.error);
});

test('client.fetch rejects with what the inner fetch threw, when it throws before it returns a promise', async () => {
  const error = new TypeError('not today');
  const fetch = (): Promise<Response> => {
    throw error;
  };
  const { client } = clientBench([1], { fetch, retry: false });
  expect(await errorOf(client.fetch(url))).toBe(error);
});

test('client.fetch rejects with the error of the last attempt, when each has one of its own', async () => {
  const errors = [new TypeError('first'), new TypeError('second'), new TypeError('third')];
  const { client } = clientBench(errors, { retry: { initialDelayMs: 0 } });
  expect(await errorOf(client.fetch(url))).toBe(errors[2]);
});

// The caller's abort.

const reasons = [
  { kind: 'a string', abort: (controller: AbortController) => controller.abort('the user left') },
  { kind: 'an Error', abort: (controller: AbortController) => controller.abort(new RangeError('enough')) },
  { kind: 'null', abort: (controller: AbortController) => controller.abort(null) },
  { kind: 'none', abort: (controller: AbortController) => controller.abort() },
];

test.for(reasons)(
  'client.fetch rejects without a request, under a signal aborted before, reason $kind',
  async (row) => {
    const { client, clock, upstream, events } = clientBench([200]);
    const controller = new AbortController();
    row.abort(controller);
    expect(await errorOf(client.fetch(url, { signal: controller.signal }))).toBe(controller.signal.reason);
    expect(upstream.calls).toBe(0);
    expect(events).toEqual([]);
    expect(clock.pending).toBe(0);
  },
);

const moments: readonly { moment: string; script: readonly ScriptStep[]; options: ClientOptions; calls: number }[] = [
  { moment: 'during an attempt', script: ['hang'], options: {}, calls: 1 },
  { moment: 'during an attempt, all layers off', script: ['hang'], options: allLayersOff, calls: 1 },
  { moment: 'in a backoff', script: [503], options: {}, calls: 1 },
  { moment: 'in a second attempt', script: [503, 'hang'], options: { retry: { initialDelayMs: 0 } }, calls: 2 },
];

test.for(moments.flatMap((row) => reasons.map((reason) => ({ ...row, ...reason }))))(
  'client.fetch rejects with the reason at once, aborted $moment, reason $kind',
  async ({ script, options, calls, abort }) => {
    const { client, clock, upstream } = clientBench(script, options);
    const controller = new AbortController();
    const call = errorOf(client.fetch(url, { signal: controller.signal }));
    await clock.advance(0);
    expect(upstream.calls).toBe(calls);
    abort(controller);
    // Without a step of the clock.
    expect(await call).toBe(controller.signal.reason);
    expect(clock.pending).toBe(0);
    await clock.advance(60_000);
    expect(upstream.calls).toBe(calls);
  },
);

test.for(reasons)('client.fetch rejects with the reason at once, aborted in the queue, reason $kind', async (row) => {
  const { client, clock, upstream } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 }, deadlineMs: false });
  const running = watch(client.fetch(url));
  const controller = new AbortController();
  const waiting = errorOf(client.fetch(url, { signal: controller.signal }));
  await clock.advance(0);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1, queued: 1 });
  row.abort(controller);
  expect(await waiting).toBe(controller.signal.reason);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1, queued: 0 });
  expect(upstream.calls).toBe(1);
  expect(running.state).toBe('pending');
});

test('client.fetch aborts the attempt under way, when the caller aborts', async () => {
  const { client, clock, upstream } = clientBench(['hang']);
  const controller = new AbortController();
  const call = errorOf(client.fetch(url, { signal: controller.signal }));
  await clock.advance(0);
  expect(upstream.requests[0]?.signal?.aborted).toBe(false);
  controller.abort('the user left');
  expect(upstream.requests[0]?.signal).toMatchObject({ aborted: true, reason: 'the user left' });
  await call;
});

test('client.fetch ends the reading of a body, aborted after the headers', async () => {
  const { client, clock, upstream } = clientBench([unfinished('te', 'hang')]);
  const controller = new AbortController();
  const response = await client.fetch(url, { signal: controller.signal });
  const text = watch(response.text());
  await clock.advance(0);
  expect(text.state).toBe('pending');
  controller.abort('the user left');
  // What the reader is told is up to the engine: not all pass the reason on to a body.
  expect(upstream.requests[0]?.signal?.reason).toBe('the user left');
  for (let turn = 0; turn < 1_000 && text.state === 'pending'; turn += 1) await clock.advance(0);
  expect(text.state).toBe('rejected');
});

// What goes in.

test('client.fetch and the other methods work unbound', async () => {
  const { client, upstream } = clientBench([{ body: '{"a":1}' }]);
  const { fetch, json, snapshot, subscribe, close } = client;
  const heard: string[] = [];
  const unsubscribe = subscribe(({ type }) => heard.push(type));
  expect(await (await fetch(url)).json()).toEqual({ a: 1 });
  expect((await json(url)).value).toEqual({ a: 1 });
  unsubscribe();
  expect(heard).toEqual(['attempt', 'completed', 'attempt', 'completed']);
  expect(Object.keys(snapshot().dependencies)).toEqual([origin]);
  await close();
  expect(upstream.calls).toBe(2);
});

const theirs = {
  method: 'PUT',
  headers: { 'x-header': 'value' },
  body: 'text',
  keepalive: true,
  redirect: 'manual',
  integrity: '',
  duplex: 'half',
  priority: 'high',
  cf: { cacheTtl: 60 },
  next: { revalidate: 60 },
  dispatcher: { some: 'agent' },
};

const ours: FetchInit = {
  deadlineMs: 1_000,
  deadline: { signal: new AbortController().signal, remainingMs: () => 1_000 },
  attemptTimeoutMs: 100,
  retry: { maxAttempts: 2 },
  fallback: false,
  idempotent: true,
  waitUntil: () => {},
  partition: 'one user',
};

test('client.fetch hands every field of init on as it is, but its own', async () => {
  const { client, sent } = noting();
  const init = { ...ours, ...theirs } as FetchInit;
  const before = { ...init };
  await client.fetch(url, init);
  const [input, given] = sent[0] ?? [];
  expect(input).toBe(url);
  expect(new Set(Object.keys(given ?? {}))).toEqual(new Set([...Object.keys(theirs), 'signal']));
  for (const [name, value] of Object.entries(theirs)) expect(given?.[name as keyof RequestInit]).toEqual(value);
  expect(init).toEqual(before);
});

test.for(Object.keys(ours))('client.fetch keeps %s to itself', async (name) => {
  const { client, sent } = noting();
  await client.fetch(url, { [name]: ours[name as keyof FetchInit] });
  expect(Object.keys(sent[0]?.[1] ?? {})).toEqual(['signal']);
});

test('client.fetch hands the inner fetch nothing but a signal, without an init', async () => {
  const { client, sent } = noting();
  await client.fetch(url);
  expect(sent).toEqual([[url, { signal: expect.any(AbortSignal) }]]);
});

test('client.fetch hands on what a URL object says, and reads its origin', async () => {
  const { client, sent } = noting();
  const input = new URL(url);
  await client.fetch(input);
  expect(sent[0]?.[0]).toBe(url);
  expect(Object.keys(client.snapshot().dependencies)).toEqual([origin]);
});

/** What the platform's fetch would make of what the inner fetch was handed. */
const requestOf = ([input, init]: Sent): Request => new Request(input, init);

test('client.fetch hands a Request on with all that it says', async () => {
  const { client, sent } = noting();
  const request = new Request(url, {
    method: 'PUT',
    headers: { 'x-header': 'value' },
    body: 'text',
    redirect: 'manual',
    referrer: '',
    referrerPolicy: 'origin',
  });
  await client.fetch(request);
  expect(sent[0]?.[0]).toBe(request);
  expect(request.bodyUsed).toBe(false);
  const { method, headers, redirect, referrer, referrerPolicy } = requestOf(sent[0] ?? ['', {}]);
  expect({ method, redirect, referrer, referrerPolicy }).toEqual({
    method: request.method,
    redirect: request.redirect,
    referrer: request.referrer,
    referrerPolicy: request.referrerPolicy,
  });
  expect(headers.get('x-header')).toBe('value');
});

test('client.fetch lets init have the last word, beside a Request', async () => {
  const { client, sent } = noting();
  const request = new Request(url, { method: 'DELETE', headers: { 'x-header': 'request' }, referrer: '' });
  await client.fetch(request, { method: 'PATCH', headers: { 'x-header': 'init' }, referrerPolicy: 'no-referrer' });
  expect(sent[0]?.[0]).toBe(request);
  const { method, headers, referrer } = requestOf(sent[0] ?? ['', {}]);
  expect({ method, header: headers.get('x-header'), referrer }).toEqual({
    method: 'PATCH',
    header: 'init',
    referrer: request.referrer,
  });
  expect(sent[0]?.[1]).toMatchObject({ referrerPolicy: 'no-referrer' });
});

test('client.fetch judges by the method of init, beside a Request', async () => {
  const { client, upstream } = clientBench([503], { retry: { initialDelayMs: 0 } });
  await client.fetch(new Request(url, { method: 'POST' }), { method: 'GET' });
  expect(upstream.calls).toBe(3);
  await client.fetch(new Request(url), { method: 'POST' });
  expect(upstream.calls).toBe(4);
});

test('client.fetch takes a Request for init, as fetch does', async () => {
  const { client, upstream } = clientBench([200]);
  const pattern = new Request('https://elsewhere.test/', { method: 'PUT', headers: { 'x-header': 'value' } });
  await client.fetch(url, pattern);
  expect(upstream.requests).toMatchObject([{ url, method: 'PUT' }]);
  expect(upstream.requests[0]?.headers.get('x-header')).toBe('value');
});

const signals = [
  { whose: "the Request's own signal", request: true, init: undefined, aborts: ['request'] },
  { whose: 'the signal of init in place of the Request', request: true, init: 'signal', aborts: ['init'] },
  { whose: 'no signal, when init says null', request: true, init: 'null', aborts: [] },
  { whose: 'the signal of init', request: false, init: 'signal', aborts: ['init'] },
] as const;

test.for(signals)('client.fetch follows $whose', async ({ request, init, aborts }) => {
  for (const source of ['request', 'init'] as const) {
    const controllers = { request: new AbortController(), init: new AbortController() };
    const { client, clock } = clientBench(['hang']);
    const input = request ? new Request(url, { signal: controllers.request.signal }) : url;
    const signal = init === 'signal' ? controllers.init.signal : null;
    const call = watch(client.fetch(input, init === undefined ? undefined : { signal }));
    await clock.advance(0);
    controllers[source].abort(source);
    await clock.advance(0);
    const followed = (aborts as readonly string[]).includes(source);
    expect(call).toMatchObject(followed ? { state: 'rejected', error: source } : { state: 'pending' });
  }
});

const spellings = ['/users?page=1', 'users', '?page=1', ''];

test.for(spellings)('client.fetch hands the relative URL "%s" to a fetch of the user', async (relative) => {
  const { client, upstream, events } = clientBench([503, 200], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(relative)).status).toBe(200);
  expect(upstream.requests).toMatchObject([{ url: relative }, { url: relative }]);
  // With the page, where there is one.
  const name = pageOrigin() ?? 'relative';
  expect(Object.keys(client.snapshot().dependencies)).toEqual([name]);
  expect(events.every(({ dependency }) => dependency === name)).toBe(true);
});

test('client.fetch knows the host that a URL without a scheme names, also for a fetch of the user', async () => {
  const { client, upstream } = clientBench([200]);
  await client.fetch('//third-party.test/x');
  expect(upstream.requests).toMatchObject([{ url: '//third-party.test/x' }]);
  expect(Object.keys(client.snapshot().dependencies)).toEqual([
    expect.stringMatching(/^https?:\/\/third-party\.test$/),
  ]);
});

test('client.fetch keeps the state of a relative URL with the page, where the platform has one', async () => {
  const fetch = vi.fn(async () => new Response());
  vi.stubGlobal('fetch', fetch);
  const client = createClient();
  const page = pageOrigin();
  if (page === undefined) expect(await errorOf(client.fetch('/users'))).toBeInstanceOf(TypeError);
  else expect((await client.fetch('/users')).status).toBe(200);
  expect(Object.keys(client.snapshot().dependencies)).toEqual(page === undefined ? [] : [page]);
  expect(fetch).toHaveBeenCalledTimes(page === undefined ? 0 : 1);
});

// The platform's fetch.

test('client.fetch looks globalThis.fetch up at each call', async () => {
  const client = createClient();
  for (const status of [201, 202]) {
    vi.stubGlobal('fetch', async () => new Response(null, { status }));
    expect((await client.fetch(url)).status).toBe(status);
  }
});

test('client.fetch calls globalThis.fetch as browsers demand, with no this but globalThis', async () => {
  vi.stubGlobal('fetch', async function (this: unknown) {
    if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation');
    return new Response(null, { status: 204 });
  });
  const { fetch } = createClient({ retry: false });
  expect((await fetch(url)).status).toBe(204);
});

test('client.fetch rejects with the very TypeError of globalThis.fetch', async () => {
  const error = new TypeError('Failed to fetch');
  vi.stubGlobal('fetch', async () => {
    throw error;
  });
  expect(await errorOf(createClient({ retry: false }).fetch(url))).toBe(error);
});

// workerd rejects with a plain Error, where the standard has a TypeError.
test('client.fetch rejects with a TypeError, when globalThis.fetch rejects with an error of another class', async () => {
  const cause = new Error('Network connection lost.');
  vi.stubGlobal('fetch', async () => {
    throw cause;
  });
  const error = await errorOf(createClient({ retry: false }).fetch(url));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ cause });
});

// What it costs.

test('client.fetch sets no timer and makes one request, all layers off', async () => {
  const { client, clock, upstream } = clientBench([503, 'hang'], allLayersOff);
  expect((await client.fetch(url)).status).toBe(503);
  const call = watch(client.fetch(url));
  await clock.advance(0);
  expect(upstream.calls).toBe(2);
  expect(clock.pending).toBe(0);
  await clock.advance(24 * 3_600_000);
  expect(call.state).toBe('pending');
  expect(client.snapshot().dependencies[origin]).toMatchObject({ breaker: null, running: 1, queued: 0 });
});

test('client.fetch makes no Request for a plain URL, and no more than one a call for an init', async () => {
  let made = 0;
  const { client, upstream } = clientBench([503], { retry: { initialDelayMs: 0 } });
  vi.stubGlobal(
    'Request',
    class extends Request {
      constructor(...args: ConstructorParameters<typeof Request>) {
        super(...args);
        made += 1;
      }
    },
  );
  await client.fetch(url);
  expect(made).toBe(0);
  await client.fetch(url, { method: 'PUT', body: 'text', headers: { 'x-header': 'value' } });
  expect(made).toBeLessThanOrEqual(1);
  expect(upstream.calls).toBe(6);
});

test('client.fetch clones and tees nothing', async () => {
  const clones = [
    vi.spyOn(Response.prototype, 'clone'),
    vi.spyOn(Request.prototype, 'clone'),
    vi.spyOn(ReadableStream.prototype, 'tee'),
  ];
  const answers = [new Response('first', { status: 503 }), new Response('second')];
  const { client } = clientBench([1], {
    fetch: async () => answers.shift() ?? new Response(),
    retry: { initialDelayMs: 0 },
  });
  expect(await (await client.fetch(new Request(url))).text()).toBe('second');
  for (const clone of clones) expect(clone).not.toHaveBeenCalled();
});

test('client.fetch cancels the bodies it does not hand out, and leaves the last one alone', async () => {
  const answers = [cancellable({ status: 503 }), cancellable({ status: 429 }), cancellable({ status: 503 })];
  const queue = answers.map(({ response }) => response);
  const { client, events } = clientBench([1], {
    fetch: async () => queue.shift() ?? new Response(),
    retry: { initialDelayMs: 0 },
  });
  const response = await client.fetch(url);
  expect(response).toBe(answers[2]?.response);
  expect(response.bodyUsed).toBe(false);
  expect(answers.map(({ cancelled }) => cancelled())).toEqual([true, true, false]);
  expect(facts(events, 'completed')).toMatchObject([{ attempts: 3 }]);
  await response.body?.cancel();
});

test('client.fetch cancels the body of the answer it holds, when the caller aborts in the backoff', async () => {
  const { response, cancelled } = cancellable({ status: 503 });
  const { client, clock } = clientBench([1], { fetch: async () => response });
  const controller = new AbortController();
  const call = errorOf(client.fetch(url, { signal: controller.signal }));
  await clock.advance(0);
  expect(cancelled()).toBe(false);
  controller.abort('the user left');
  expect(await call).toBe('the user left');
  expect(cancelled()).toBe(true);
  expect(clock.pending).toBe(0);
});
