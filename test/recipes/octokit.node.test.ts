import { Octokit } from '@octokit/core';
import { Octokit as FullOctokit } from 'octokit';
import { createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, onTestFinished, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { ownOf, upstream } from './upstream.ts';

interface Recipe {
  createApi(baseUrl: string, auth: string): Octokit;
}

const { createApi } = await recipe<Recipe>('octokit');

const zen = () => Response.json(['tea']);

test('octokit: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(zen, 503, 'reset');
  const api = createApi(url, 'token');
  expect((await api.request('GET /zen')).data).toEqual(['tea']);
  expect(requests).toEqual(['GET /zen', 'GET /zen', 'GET /zen']);
});

test('octokit: a body that breaks off is asked for again', async () => {
  const { url, requests } = await upstream(zen, 'cut', 'cut');
  const answer = await createApi(url, 'token').request('GET /zen');
  expect(answer).toMatchObject({ data: ['tea'], url: `${url}/zen`, status: 200 });
  expect(requests).toHaveLength(3);
});

test('octokit: without the recipe’s fetch, it would be an empty answer', async () => {
  const { url, requests } = await upstream(zen, 'cut');
  const api = new Octokit({ baseUrl: url, request: { fetch: createClient().fetch } });
  expect(await api.request('GET /zen')).toMatchObject({ data: '', status: 200 });
  expect(requests).toHaveLength(1);
});

test('octokit: without the recipe’s fetch, a deadline in the body would be an empty answer, too', async () => {
  const { url } = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('[') })));
  const clock = new FakeClock();
  const client = createClient({ clock });
  const headers = Promise.withResolvers<void>();
  client.subscribe(({ type }) => type === 'completed' && headers.resolve());
  const call = new Octokit({ baseUrl: url, request: { fetch: client.fetch } }).request('GET /zen');
  await headers.promise;
  await clock.advance(30_000);
  expect(await call).toMatchObject({ data: '', status: 200 });
});

test('octokit: where the trouble stays, there are as many requests as the client makes, and it tells of it as ever', async () => {
  const { url, requests } = await upstream(() => Response.json({ message: 'busy' }, { status: 503 }));
  const call = createApi(url, 'token').request('GET /zen');
  await expect(call).rejects.toMatchObject({ name: 'HttpError', status: 503, message: 'busy', response: {} });
  expect(requests).toHaveLength(3);
});

test('octokit: PUT and DELETE are repeated, POST and PATCH are made once', async () => {
  const { url, requests, trouble } = await upstream(() => new Response(null, { status: 204 }));
  const api = createApi(url, 'token');
  for (const method of ['PUT', 'DELETE', 'POST', 'PATCH']) {
    trouble.push(503);
    await api.request(`${method} /orders`, { tea: 1 }).catch(() => {});
    trouble.length = 0;
  }
  expect(requests).toEqual(['PUT', 'PUT', 'DELETE', 'DELETE', 'POST', 'PATCH'].map((method) => `${method} /orders`));
});

test('octokit: a GraphQL query is made once, and again with a fetch that says that it may', async () => {
  const { url, requests, trouble } = await upstream(() => Response.json({ data: { viewer: { login: 'ann' } } }), 503);
  const client = createClient();
  const api = createApi(url, 'token');
  const query = '{ viewer { login } }';
  await expect(api.graphql(query)).rejects.toMatchObject({ status: 503 });
  expect(requests).toEqual(['POST /graphql']);

  trouble.push(503, 'reset');
  const repeatable: typeof fetch = (input, init) => client.fetch(input, { ...init, idempotent: true } as RequestInit);
  expect(await api.graphql(query, { request: { fetch: repeatable } })).toEqual({ viewer: { login: 'ann' } });
  expect(requests).toHaveLength(4);
});

test('octokit: an open circuit is the cause of its error', async () => {
  const { url, requests } = await upstream(() => Response.json({}, { status: 500 }));
  const api = createApi(url, 'token');
  for (let call = 0; call < 5; call += 1) await api.request('POST /orders').catch(() => {});
  const refused = api.request('GET /zen');
  await expect(refused).rejects.toMatchObject({ name: 'HttpError', status: 500, cause: { code: 'CIRCUIT_OPEN' } });
  await expect(refused).rejects.toHaveProperty('response', undefined);
  expect(requests).toHaveLength(5);
});

test('octokit: so are a deadline and a network error', async () => {
  const { url } = await upstream(zen, 'hang', 'reset', 'reset', 'reset');
  const late = new Octokit({ baseUrl: url, request: { fetch: createClient({ deadlineMs: 50 }).fetch } });
  await expect(late.request('GET /zen')).rejects.toMatchObject({ status: 500, cause: { code: 'DEADLINE_EXCEEDED' } });
  const lost = createApi(url, 'token').request('GET /zen');
  await expect(lost).rejects.toMatchObject({ status: 500, cause: { name: 'TypeError' } });
});

test('octokit: the caller’s abort passes, and ends the request', async () => {
  const { url, requests } = await upstream(zen, 'hang', 'hang');
  const api = createApi(url, 'token');
  const caller = new AbortController();
  const call = api.request('GET /zen', { request: { signal: caller.signal } });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  caller.abort();
  await expect(call).rejects.toBe(caller.signal.reason);

  const other = new AbortController();
  const wrapped = api.request('GET /zen', { request: { signal: other.signal } });
  await vi.waitFor(() => expect(requests).toHaveLength(2));
  const reason = new Error('the user left');
  other.abort(reason);
  await expect(wrapped).rejects.toMatchObject({ name: 'HttpError', cause: reason });
});

test('octokit: with the recipe’s fetch, the circuit counts a body that breaks off, and a timeout is that of the body, too', async () => {
  const { url, requests, trouble } = await upstream(zen, ...Array<'cut'>(5).fill('cut'));
  const api = createApi(url, 'token');
  for (let call = 0; call < 5; call += 1) {
    await expect(api.request('POST /orders')).rejects.toMatchObject({ cause: { name: 'TypeError' } });
  }
  await expect(api.request('GET /zen')).rejects.toMatchObject({ cause: { code: 'CIRCUIT_OPEN' } });
  expect([requests.length, trouble.length]).toEqual([5, 0]);

  const hanging = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('[') })));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const late = expect(createApi(hanging.url, 'token').request('POST /orders')).rejects.toMatchObject({
    cause: { code: 'ATTEMPT_TIMEOUT' },
  });
  await vi.waitFor(() => expect(hanging.requests).toHaveLength(1));
  await vi.advanceTimersByTimeAsync(3_000);
  await late;
});

test('octokit: there are no retries and no timeouts in @octokit/core', async () => {
  const get = (baseUrl: string, signal: AbortSignal) =>
    new Octokit({ baseUrl }).request('GET /zen', { request: { signal } });
  expect(await ownOf(get)).toEqual({ requests: 1, timers: 0 });
});

/** That of `octokit`, which says nothing on the console; its retries don't wait. */
function full(baseUrl: string, { fetch }: ReturnType<typeof createClient>, options: object = {}): FullOctokit {
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return new FullOctokit({ baseUrl, request: { fetch }, log: silent, retry: { retryAfterBaseValue: 0 }, ...options });
}

test('octokit: the retries of `octokit` repeat POSTs and what the client refuses, unless they are off', async () => {
  const { url, requests } = await upstream(() => Response.json({}, { status: 503 }));
  const client = createClient({ breaker: { failureThreshold: 4 } });
  const throttle = { enabled: false };
  await expect(full(url, client, { throttle }).request('POST /orders')).rejects.toMatchObject({ status: 503 });
  expect(requests).toHaveLength(4);
  const { counters: before } = client.snapshot().dependencies[url] ?? {};
  await expect(full(url, client, { throttle }).request('GET /zen')).rejects.toMatchObject({
    cause: { code: 'CIRCUIT_OPEN' },
  });
  expect(client.snapshot().dependencies[url]?.counters.rejected).toBe((before?.rejected ?? 0) + 4);

  const off = { throttle, retry: { enabled: false } };
  await expect(full(url, createClient(), off).request('POST /orders')).rejects.toMatchObject({ status: 503 });
  expect(requests).toHaveLength(5);
});

test('octokit: the throttling of `octokit` repeats a 429, as the client does, unless its handlers return nothing', async () => {
  const limits = { 'retry-after': '0', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '0' };
  const { url, requests } = await upstream(() => Response.json({}, { status: 429, headers: limits }));
  const retry = { enabled: false };
  const both = full(url, createClient({ retry: { initialDelayMs: 0 } }), { retry });
  await expect(both.request('GET /zen')).rejects.toMatchObject({ status: 429 });
  expect(requests).toHaveLength(6);
  const throttle = { onRateLimit: () => {}, onSecondaryRateLimit: () => {} };
  const client = full(url, createClient({ retry: { initialDelayMs: 0 } }), { retry, throttle });
  await expect(client.request('GET /zen')).rejects.toMatchObject({ status: 429 });
  expect(requests).toHaveLength(9);
});

test('octokit: the throttling of `octokit` lets a second pass between writes', async () => {
  const times: number[] = [];
  const client = createClient({ fetch: async () => Response.json(times.push(Date.now())) });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const throttle = { id: 'spaced', onRateLimit: () => {}, onSecondaryRateLimit: () => {} };
  const api = full('https://api.test', client, { throttle, retry: { enabled: false } });
  const writes = Promise.all([api.request('POST /orders'), api.request('POST /orders')]);
  await vi.advanceTimersByTimeAsync(5_000);
  await writes;
  const [first = 0, second = 0] = times;
  // The first begins some turns late.
  expect(second - first).toBeGreaterThan(990);
});
