import ky from 'ky';
import { expect, test } from 'vitest';

import { extendKy } from '../src/adapters/ky.ts';
import { createClient, degradation, memoryStore } from '../src/index.ts';
import { scenario } from './support/scenario.ts';

// The fault server has another origin than the page: each of its answers is one that CORS lets through.

const validators = 'etag=%221%22;last-modified=Thu%2C%2001%20Jan%202026%2000:00:00%20GMT';

test('client.fetch causes no preflight by itself: with retries, a deadline, and a store that has validators', async () => {
  const { url, seen, preflights } = scenario(`200;${validators},503,200;${validators}`);
  const fallback = { store: memoryStore(), cacheControl: 'ignore', coalesce: true } as const;
  const client = createClient({ retry: { initialDelayMs: 0 }, fallback });
  for (let call = 0; call < 3; call += 1) {
    expect(await (await client.fetch(url)).json()).toEqual({ ok: true });
    expect((await client.json(url)).value).toEqual({ ok: true });
  }
  expect(await (await extendKy(ky, client).get(url)).json()).toEqual({ ok: true });
  const requests = await seen();
  expect(requests.length).toBeGreaterThan(6);
  for (const { headers } of requests) {
    expect(headers['if-none-match']).toBeUndefined();
    expect(headers['if-modified-since']).toBeUndefined();
  }
  expect(await preflights()).toBe(0);
});

test('client.fetch causes a preflight when it is told to hand on its deadline', async () => {
  const { url, seen, preflights } = scenario('ok');
  await (await createClient({ propagateDeadline: true }).fetch(url)).json();
  expect(Number((await seen())[0]?.headers['x-envoy-expected-rq-timeout-ms'])).toBeGreaterThan(0);
  expect(await preflights()).toBe(1);
  const other = scenario('ok');
  await (
    await createClient({ propagateDeadline: { to: ({ hostname }) => hostname !== '127.0.0.1' } }).fetch(other.url)
  ).json();
  expect(await other.preflights()).toBe(0);
});

test('client.fetch hands out an opaque answer, and stores none', async () => {
  const store = memoryStore();
  const { url } = scenario('ok');
  const client = createClient({ fallback: { store, cacheControl: 'ignore' } });
  const response = await client.fetch(url, { mode: 'no-cors' });
  expect(response.type).toBe('opaque');
  await client.close();
  expect(await store.get(`public GET ${url}`)).toBeUndefined();
});

test('client.fetch takes an answer that CORS hides for a network error, and gives the stored one', async () => {
  const fallback = { store: memoryStore(), cacheControl: 'ignore' } as const;
  const client = createClient({ retry: false, fallback });
  const { url } = scenario('ok,200;access-control-allow-origin=https:%2F%2Fother.test');
  await (await client.fetch(url)).json();
  const response = await client.fetch(url);
  expect(degradation(response)).toMatchObject({ source: 'cache', reason: 'network' });
  expect(await response.json()).toEqual({ ok: true });
});

test('client.fetch sends a request that is to outlive its page, keepalive and all', async () => {
  const { url, seen } = scenario('ok');
  const response = await createClient().fetch(url, { method: 'POST', body: 'bye', keepalive: true, idempotent: true });
  expect(response.status).toBe(200);
  expect((await seen())[0]?.body.text).toBe('bye');
});
