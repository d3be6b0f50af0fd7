import { Hono } from 'hono';
import { hc, parseResponse } from 'hono/client';
import { validator } from 'hono/validator';
import { createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { ownOf, type Trouble, upstream } from './upstream.ts';

const order = validator('json', ({ tea }: { readonly tea: number }) => ({ tea }));
const form = validator('form', ({ tea }) => ({ tea: String(tea) }));

const app = new Hono()
  .get('/products', (context) => context.json(['tea']))
  .post('/orders', order, (context) => context.json(context.req.valid('json')))
  .put('/orders', order, (context) => context.json(context.req.valid('json')))
  .patch('/orders', order, (context) => context.json(context.req.valid('json')))
  .delete('/orders', (context) => context.json({}))
  .put('/form', form, (context) => context.json(context.req.valid('form')))
  .get('/endless', (context) => context.body(new ReadableStream({ start: (body) => body.enqueue('[') })));

interface Recipe {
  createApi(baseUrl: string): ReturnType<typeof hc<typeof app>>;
}

const { createApi } = await recipe<Recipe>('hono');

function server(...trouble: Trouble[]) {
  return upstream((request) => app.fetch(request), ...trouble);
}

test('hono: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await server(503, 'reset');
  const response = await createApi(url).products.$get();
  expect(response).toBeInstanceOf(Response);
  expect(await response.json()).toEqual(['tea']);
  expect(requests).toEqual(['GET /products', 'GET /products', 'GET /products']);
});

test('hono: where the trouble stays, there are as many requests as the client makes, and it tells of it as ever', async () => {
  const { url, requests } = await server(503, 503, 503, 503, 503, 503);
  const { products } = createApi(url);
  expect((await products.$get()).status).toBe(503);
  expect(requests).toHaveLength(3);
  await expect(parseResponse(products.$get())).rejects.toMatchObject({ name: 'DetailedError', statusCode: 503 });
  expect(requests).toHaveLength(6);
});

test('hono: a POST and a PATCH are made once, and again with a key', async () => {
  const { url, requests, trouble } = await server(503, 503);
  const { orders } = createApi(url);
  const json = { tea: 1 };
  expect((await orders.$post({ json })).status).toBe(503);
  expect((await orders.$patch({ json })).status).toBe(503);
  expect(requests).toEqual(['POST /orders', 'PATCH /orders']);

  trouble.push(503, 'reset');
  const response = await orders.$post({ json }, { headers: { 'Idempotency-Key': 'order-1' } });
  expect(await response.json()).toEqual(json);
  expect(requests).toHaveLength(5);
});

test('hono: PUT and DELETE are repeated, JSON and forms included', async () => {
  const { url, requests, trouble } = await server('reset');
  const api = createApi(url);
  expect(await (await api.orders.$put({ json: { tea: 2 } })).json()).toEqual({ tea: 2 });
  trouble.push(503);
  expect(await (await api.form.$put({ form: { tea: '3' } })).json()).toEqual({ tea: '3' });
  trouble.push('reset');
  expect((await api.orders.$delete()).status).toBe(200);
  expect(requests).toEqual(
    ['/orders', '/orders', '/form', '/form'].map((path) => `PUT ${path}`).concat(Array(2).fill('DELETE /orders')),
  );
});

test('hono: an open circuit is thrown as it is, by parseResponse as well', async () => {
  const { url, requests } = await server(500, 500, 500, 500, 500);
  const api = createApi(url);
  for (let call = 0; call < 5; call += 1) await api.orders.$post({ json: { tea: 1 } });
  await expect(api.products.$get()).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  await expect(parseResponse(api.products.$get())).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(requests).toHaveLength(5);
});

test('hono: a network error is thrown as it is, and so is the deadline that a call has in its init', async () => {
  const { url } = await server('reset', 'reset', 'reset', 'hang');
  const { products } = createApi(url);
  await expect(products.$get()).rejects.toBeInstanceOf(TypeError);
  const late = products.$get({}, { init: { deadlineMs: 50 } as object });
  await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('hono: the caller’s abort passes, and ends the request', async () => {
  const { url, requests } = await server('hang');
  const caller = new AbortController();
  const call = createApi(url).products.$get({}, { init: { signal: caller.signal } });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const reason = new Error('the user left');
  caller.abort(reason);
  await expect(call).rejects.toBe(reason);
});

test('hono: a body that breaks off rejects, and is not asked for again', async () => {
  const { url, requests } = await server('cut');
  const response = await createApi(url).products.$get();
  await expect(response.json()).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(1);
});

test('hono: the deadline is that of the body, too', async () => {
  const { url } = await server();
  const clock = new FakeClock();
  const response = await hc<typeof app>(url, { fetch: createClient({ clock }).fetch }).endless.$get();
  const late = expect(response.text()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await clock.advance(30_000);
  await late;
});

test('hono: its client has no retries and no timeouts of its own', async () => {
  const get = (url: string, signal: AbortSignal) => hc<typeof app>(url).products.$get({}, { init: { signal } });
  expect(await ownOf(get)).toEqual({ requests: 1, timers: 0 });
});
