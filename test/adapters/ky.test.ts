import ky, {
  type AfterResponseHook,
  type BeforeErrorHook,
  HTTPError,
  isNetworkError,
  type Options as KyOptions,
} from 'ky';
import { expect, test, vi } from 'vitest';

import { extendKy } from '../../src/adapters/ky.ts';
import { type Client, type ClientOptions, degradation, memoryStore } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, origin, url } from '../client/bench.ts';
import { stored } from '../client/fallback-bench.ts';

const soon = { retry: { initialDelayMs: 0 } };

function kyBench(
  script: readonly ScriptStep[],
  options: ClientOptions = {},
): Bench & { api: ReturnType<typeof extendKy> } {
  const bench = clientBench(script, { ...soon, ...options });
  return { ...bench, api: extendKy(ky, bench.client) };
}

/** Lets whatever needs no time come to its end. */
async function during<T>({ clock }: Bench, call: Promise<T>): Promise<T> {
  await clock.advance(1);
  await clock.advance(1);
  await clock.advance(1);
  return call;
}

const shortcuts = [
  { method: 'GET', call: (api: Api) => api.get(url) },
  { method: 'POST', call: (api: Api) => api.post(url, { json: { a: 1 } }) },
  { method: 'PUT', call: (api: Api) => api.put(url, { json: { a: 1 } }) },
  { method: 'PATCH', call: (api: Api) => api.patch(url, { json: { a: 1 } }) },
  { method: 'DELETE', call: (api: Api) => api.delete(url) },
  { method: 'HEAD', call: (api: Api) => api.head(url) },
  { method: 'GET', call: (api: Api) => api(url) },
];
type Api = ReturnType<typeof extendKy>;

test.for(shortcuts)('extendKy() calls through the client: $method', async ({ method, call }) => {
  const bench = kyBench([200]);
  expect((await call(bench.api)).status).toBe(200);
  expect(bench.upstream.requests.map((request) => [request.method, request.url])).toEqual([[method, url]]);
});

test('extendKy() keeps the ways to read a body', async () => {
  const { api } = kyBench([{ body: '{"a":1}' }]);
  expect(await api.get(url).json()).toEqual({ a: 1 });
  expect(await api.get(url).text()).toBe('{"a":1}');
  expect((await api.get(url).arrayBuffer()).byteLength).toBe(7);
  expect((await api.get(url).blob()).size).toBe(7);
  expect(await (await api.get(url)).json()).toEqual({ a: 1 });
});

test('extendKy() keeps prefixes, search parameters, headers and hooks', async () => {
  const bench = kyBench([200]);
  const seen: string[] = [];
  const own = bench.api.extend({
    prefix: origin,
    headers: { 'x-a': '1' },
    hooks: { beforeRequest: [() => void seen.push('before')], afterResponse: [() => void seen.push('after')] },
  });
  await own.get('u/2', { searchParams: { b: '2' } });
  expect(bench.upstream.requests[0]?.url).toBe(`${origin}/u/2?b=2`);
  expect(bench.upstream.requests[0]?.headers.get('x-a')).toBe('1');
  expect(seen).toEqual(['before', 'after']);
});

// An outage: the number of calls is the client's.

test.for([
  { what: 'by default', options: {}, extended: {} },
  { what: 'whatever a call asks for', options: { retry: 5, timeout: 1, totalTimeout: 1 }, extended: {} },
  { what: 'whatever an instance asks for', options: {}, extended: { retry: { limit: 5 } } },
])('extendKy() makes three calls in an outage, not nine, $what', async ({ options, extended }) => {
  const bench = kyBench([503]);
  const error = await during(bench, errorOf(bench.api.extend(extended).get(url, options)));
  expect(error).toBeInstanceOf(HTTPError);
  expect((error as HTTPError).response.status).toBe(503);
  expect(bench.upstream.calls).toBe(3);
});

test('extendKy() makes one call per call once the circuit is open, and it is none', async () => {
  const bench = kyBench([new TypeError('Failed to fetch')], { breaker: { failureThreshold: 2 } });
  const errors = [];
  for (let call = 0; call < 10; call += 1) errors.push(await during(bench, errorOf(bench.api.get(url))));
  expect(bench.upstream.calls).toBe(6);
  expect(isNetworkError(errors[0])).toBe(true);
  expect(errors[9]).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('extendKy() sends a text body again, where the method may be repeated', async () => {
  const bodies: string[] = [];
  const read: ScriptStep = async ({ body }) => {
    bodies.push(await new Response(body).text());
    return 503;
  };
  const bench = kyBench([read, read, read]);
  await during(bench, errorOf(bench.api.put(url, { json: { a: 'ä' } })));
  expect(bodies).toEqual(['{"a":"ä"}', '{"a":"ä"}', '{"a":"ä"}']);
  const post = kyBench([503]);
  await during(post, errorOf(post.api.post(url, { json: {} })));
  expect(post.upstream.calls).toBe(1);
  const keyed = kyBench([503]);
  await during(keyed, errorOf(keyed.api.post(url, { json: {}, headers: { 'idempotency-key': 'k' } })));
  expect(keyed.upstream.calls).toBe(3);
});

const form = new FormData();
form.set('a', '1');

test.for<{ readonly what: string; readonly body: NonNullable<RequestInit['body']>; readonly calls: number }>([
  { what: 'a text', body: 'a', calls: 3 },
  { what: 'a form in the format of a query', body: new URLSearchParams({ a: '1' }), calls: 3 },
  { what: 'a blob of text', body: new Blob(['a'], { type: 'text/csv' }), calls: 3 },
  { what: 'another blob', body: new Blob(['a'], { type: 'image/png' }), calls: 1 },
  { what: 'bytes', body: new Uint8Array(3), calls: 1 },
  { what: 'a FormData', body: form, calls: 1 },
])('extendKy() makes $calls requests of a PUT that may be repeated, with $what', async ({ body, calls }) => {
  const bench = kyBench([503]);
  await during(bench, errorOf(bench.api.put(url, { body })));
  expect(bench.upstream.calls).toBe(calls);
});

// Hooks that send a request again.

const resends: readonly { readonly how: string; readonly make: (api: () => Api) => AfterResponseHook }[] = [
  {
    how: 'ky.retry()',
    make:
      () =>
      ({ request, response }) =>
        response.status === 401
          ? ky.retry({ request: new Request(request, withToken(request)), code: 'TOKEN_REFRESHED', delay: 0 })
          : undefined,
  },
  {
    how: 'a call of its own',
    make:
      (api) =>
      async ({ request, response }) =>
        response.status === 401 ? api()(new Request(request, withToken(request))) : undefined,
  },
];

function withToken(request: Request): RequestInit {
  const headers = new Headers(request.headers);
  headers.set('authorization', 'token new');
  return { headers };
}

/** Reads as a server does: Firefox does not show the body of a Request. */
async function guarded(...given: Parameters<typeof fetch>): Promise<Response> {
  const request = new Request(...given);
  const isNew = request.headers.get('authorization') === 'token new';
  return isNew ? new Response(`got ${await request.text()}`) : new Response(null, { status: 401 });
}

test.for(
  resends.flatMap(({ how, make }) => [
    { how, make, method: 'GET', options: {}, answer: 'got ' },
    { how, make, method: 'POST', options: { json: { a: 1 } }, answer: 'got {"a":1}' },
    { how, make, method: 'PUT', options: { body: new Uint8Array([97]) }, answer: 'got a' },
  ]),
)('extendKy() lets an afterResponse hook send a $method again, by $how', async ({ make, method, options, answer }) => {
  const fetch = vi.fn(guarded);
  const own: Api = kyBench([200], { fetch }).api.extend({ hooks: { afterResponse: [make(() => own)] } }) as Api;
  expect(await own(url, { method, ...options }).text()).toBe(answer);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test.for([
  { retry: undefined, calls: 3 },
  { retry: 0, calls: 1 },
  { retry: 1, calls: 2 },
  { retry: { limit: 4, methods: ['get'] }, calls: 5 },
])('extendKy() lets a hook send a request again as often as ky’s retry says: $retry', async ({ retry, calls }) => {
  const bench = kyBench([401]);
  const afterResponse = [() => ky.retry({ delay: 0 })];
  const options = { hooks: { afterResponse }, ...(retry === undefined ? {} : { retry }) };
  expect(await errorOf(bench.api.get(url, options))).toMatchObject({ name: 'ForceRetryError' });
  expect(bench.upstream.calls).toBe(calls);
});

test('extendKy() lets a beforeError hook read what was sent', async () => {
  const seen: string[] = [];
  const beforeError: BeforeErrorHook = async ({ request, error }) => {
    seen.push(await request.text());
    return error;
  };
  const { api } = kyBench([400]);
  await errorOf(api.post(url, { json: { a: 1 }, hooks: { beforeError: [beforeError] } }));
  expect(seen).toEqual(['{"a":1}']);
});

test.for([
  { what: 'a status', script: [503], calls: 3 },
  { what: 'a network error', script: [new TypeError('Failed to fetch')], calls: 3 },
  { what: 'a status that the client does not repeat', script: [500], calls: 1 },
] as const)('extendKy() has ky repeat nothing by itself for the sake of a hook: $what', async ({ script, calls }) => {
  const bench = kyBench(script, { retry: { initialDelayMs: 0, statusCodes: [503] } });
  const shouldRetry = vi.fn(() => true);
  const options = { retry: { limit: 5, shouldRetry, retryOnTimeout: true }, hooks: { afterResponse: [() => {}] } };
  expect(await during(bench, errorOf(bench.api.get(url, options)))).toBeInstanceOf(Error);
  expect([bench.upstream.calls, shouldRetry.mock.calls.length]).toEqual([calls, 0]);
});

test.for([
  { what: 'no copy of a body, where no hook wants one', options: {}, copies: 0 },
  { what: 'no copy of a body, where ky is not to retry', options: { retry: 0, ...hooksThatLook() }, copies: 0 },
  { what: 'a copy of a body for a hook that may want it', options: hooksThatLook(), copies: 1 },
])('extendKy() has ky keep $what', async ({ options, copies }) => {
  const clone = vi.spyOn(Request.prototype, 'clone');
  const bench = kyBench([200]);
  await bench.api.put(url, { body: new Uint8Array(3), ...options });
  expect(clone).toHaveBeenCalledTimes(copies);
  clone.mockRestore();
});

function hooksThatLook(): KyOptions {
  return { hooks: { afterResponse: [() => {}] } };
}

// What the client adds.

test('extendKy() gives a Response that degradation() understands', async () => {
  const store = memoryStore();
  const bench = kyBench([{ body: '{"a":1}' }, 503], { retry: false, fallback: { store } });
  expect(await bench.api.get(url).json()).toEqual({ a: 1 });
  await stored({ ...bench, store }, url);
  await bench.clock.advance(60_000);
  const response = await bench.api.get(url);
  expect(degradation(response)).toEqual({ source: 'cache', reason: 'status-503', ageMs: 60_000 });
  expect(degradation(response.clone())).toEqual(degradation(response));
  expect(await response.json()).toEqual({ a: 1 });
});

test('extendKy() takes the options of a call, and keeps them from the network', async () => {
  const bench = kyBench(['hang'], { retry: false });
  const call = errorOf(bench.api.get(url, { deadlineMs: 100, partition: 'ann', waitUntil: () => {} }));
  await bench.clock.advance(100);
  expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('extendKy() passes the caller’s abort through', async () => {
  const bench = kyBench(['hang']);
  const controller = new AbortController();
  const reason = new Error('gone');
  const call = errorOf(bench.api.get(url, { signal: controller.signal }));
  await bench.clock.advance(1);
  controller.abort(reason);
  expect(await call).toBe(reason);
});

test('extendKy() leaves the instance that it extends as it is', async () => {
  const { client } = clientBench([200]);
  const base = ky.create({ fetch: async () => new Response('own'), retry: 2 });
  extendKy(base, client);
  expect(await base.get(url).text()).toBe('own');
});

test.for([undefined, null, {}])('extendKy() refuses %s for a client, when it is called', (client) => {
  expect(() => extendKy(ky, client as unknown as Client)).toThrow(/^client must be a steadfetch client, got /);
});
