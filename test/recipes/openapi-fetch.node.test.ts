import createApiClient, { type Client } from 'openapi-fetch';
import { createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { ownOf, upstream } from './upstream.ts';

interface Json<T> {
  readonly headers: Record<string, unknown>;
  readonly content: { readonly 'application/json': T };
}

interface Write {
  readonly parameters: { readonly header?: { readonly 'Idempotency-Key'?: string } };
  readonly requestBody: { readonly content: { readonly 'application/json': { readonly tea: number } } };
  readonly responses: { readonly 200: Json<{ readonly tea: number }> };
}

interface Paths {
  '/products': { readonly get: { readonly responses: { readonly 200: Json<string[]> } } };
  '/orders': { readonly post: Write };
  '/orders/1': {
    readonly put: Write;
    readonly patch: Write;
    readonly delete: { readonly responses: { readonly 200: Json<object> } };
  };
}

interface Recipe {
  createApi<Paths extends object>(baseUrl: string): Client<Paths>;
}

const { createApi } = await recipe<Recipe>('openapi-fetch');

/** Answers with what it was sent. */
const echo = async (request: Request): Promise<Response> =>
  new Response(await request.text(), { headers: { 'content-type': 'application/json' } });

test('openapi-fetch: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
  const { data } = await createApi<Paths>(url).GET('/products');
  expect(data).toEqual(['tea']);
  expect(requests).toEqual(['GET /products', 'GET /products', 'GET /products']);
});

test('openapi-fetch: where the trouble stays, there are as many requests as the client makes, and the status is an error as ever', async () => {
  const { url, requests } = await upstream(() => Response.json({ error: 'busy' }, { status: 503 }));
  const { error, response } = await createApi<Paths>(url).GET('/products');
  expect(error).toEqual({ error: 'busy' });
  expect(response.status).toBe(503);
  expect(requests).toHaveLength(3);
});

test('openapi-fetch: a POST and a PATCH are made once, and again with a key', async () => {
  const { url, requests, trouble } = await upstream(echo, 503);
  const api = createApi<Paths>(url);
  expect((await api.POST('/orders', { body: { tea: 1 } })).response.status).toBe(503);
  trouble.push(503);
  expect((await api.PATCH('/orders/1', { body: { tea: 1 } })).response.status).toBe(503);
  expect(requests).toEqual(['POST /orders', 'PATCH /orders/1']);

  trouble.push(503, 'reset');
  const { data } = await api.POST('/orders', { body: { tea: 2 }, headers: { 'Idempotency-Key': 'order-2' } });
  expect(data).toEqual({ tea: 2 });
  expect(requests).toHaveLength(5);
});

test('openapi-fetch: PUT and DELETE are repeated, bodies and their types included', async () => {
  const types: (string | null)[] = [];
  const { url, requests, trouble } = await upstream((request) => {
    types.push(request.headers.get('content-type'));
    return echo(request);
  }, 503);
  const api = createApi<Paths>(url);
  expect((await api.PUT('/orders/1', { body: { tea: 3 } })).data).toEqual({ tea: 3 });
  trouble.push('reset');
  expect((await api.DELETE('/orders/1', { parseAs: 'text' })).response.status).toBe(200);
  expect(requests).toEqual(['PUT /orders/1', 'PUT /orders/1', 'DELETE /orders/1', 'DELETE /orders/1']);
  expect(types).toEqual(['application/json', null]);
});

test('openapi-fetch: with client.fetch alone, a PUT is made once', async () => {
  const { url, requests } = await upstream(echo, 503);
  const api = createApiClient<Paths>({ baseUrl: url, fetch: createClient().fetch });
  expect((await api.PUT('/orders/1', { body: { tea: 3 } })).response.status).toBe(503);
  expect(requests).toEqual(['PUT /orders/1']);
});

test('openapi-fetch: an open circuit is thrown as it is, and a middleware is told', async () => {
  const { url, requests } = await upstream(() => Response.json({}, { status: 500 }));
  const api = createApi<Paths>(url);
  const onError = vi.fn();
  api.use({ onError: ({ error }) => onError(error) });
  for (let call = 0; call < 5; call += 1) await api.POST('/orders', { body: { tea: 1 } });
  await expect(api.GET('/products')).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(onError).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'CIRCUIT_OPEN' }));
  expect(requests).toHaveLength(5);
});

test('openapi-fetch: a call has its own deadline by a fetch of its own', async () => {
  const { url } = await upstream(() => Response.json([]), 'hang');
  const { fetch } = createClient();
  const call = createApi<Paths>(url).GET('/products', { fetch: (request) => fetch(request, { deadlineMs: 50 }) });
  await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('openapi-fetch: the deadline is that of a whole stream', async () => {
  const { url } = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('["tea",') })));
  const clock = new FakeClock();
  const { fetch } = createClient({ clock });
  const { data } = await createApi<Paths>(url).GET('/products', {
    parseAs: 'stream',
    fetch: (request) => fetch(request, { deadlineMs: 120_000 }),
  });
  const reader = data?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('["tea",');
  const rest = expect(reader?.read()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await clock.advance(120_000);
  await rest;
});

test('openapi-fetch: the caller’s abort passes, and ends the request', async () => {
  const { url, requests } = await upstream(() => Response.json([]), 'hang');
  const caller = new AbortController();
  const call = createApi<Paths>(url).GET('/products', { signal: caller.signal });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const reason = new Error('the user left');
  caller.abort(reason);
  await expect(call).rejects.toBe(reason);
});

test('openapi-fetch: a network error stays a TypeError, and a body that breaks off is not asked for again', async () => {
  const { url, requests } = await upstream(() => Response.json([]), 'reset', 'reset', 'reset', 'cut');
  const api = createApi<Paths>(url);
  await expect(api.GET('/products')).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(3);
  await expect(api.GET('/products')).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(4);
});

test('openapi-fetch: it has no retries and no timeouts of its own', async () => {
  const get = (url: string, signal: AbortSignal) =>
    createApiClient<Paths>({ baseUrl: url }).GET('/products', { signal });
  expect(await ownOf(get)).toEqual({ requests: 1, timers: 0 });
});
