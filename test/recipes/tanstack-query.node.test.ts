import {
  CancelledError,
  environmentManager,
  MutationObserver,
  onlineManager,
  QueryClient,
  QueryObserver,
} from '@tanstack/query-core';
import { expect, onTestFinished, test, vi } from 'vitest';

import { createClient } from '../../src/index.ts';
import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  createQueryClient(baseUrl: string): QueryClient;
}

const { createQueryClient } = await recipe<Recipe>('tanstack-query');

// As in a browser: on a server, nothing is repeated by default.
environmentManager.setIsServer(() => false);

/** What an observer is given at last, as a component of a framework would be. */
function watched(
  queries: QueryClient,
  queryKey: readonly string[],
  options: object = {},
): Promise<{ data: unknown; error: unknown }> {
  const observer = new QueryObserver<unknown, unknown, unknown, unknown, readonly string[]>(queries, {
    queryKey,
    ...options,
  });
  return new Promise((resolve) => {
    const unsubscribe = observer.subscribe(({ data, error, isFetching }) => {
      if (isFetching) return;
      resolve({ data, error });
      unsubscribe();
      queries.clear();
    });
  });
}

test('tanstack-query: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
  expect(await watched(createQueryClient(url), ['products'])).toMatchObject({ data: ['tea'] });
  expect(requests).toEqual(Array(3).fill('GET /products'));
});

test('tanstack-query: where the trouble stays, there are three requests to a query, until the circuit opens; errors come as they are', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const queries = createQueryClient(url);
  for (let call = 1; call <= 5; call += 1) {
    expect((await watched(queries, ['products'])).error).toMatchObject({ name: 'HttpError', code: 'HTTP' });
    expect(requests).toHaveLength(3 * call);
  }
  expect((await watched(queries, ['products'])).error).toMatchObject({
    name: 'CircuitOpenError',
    code: 'CIRCUIT_OPEN',
  });
  await expect(queries.fetchQuery({ queryKey: ['products'] })).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  queries.clear();
  expect(requests).toHaveLength(15);
});

test('tanstack-query: with the retries of Query on, they would be twelve', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const client = createClient();
  const queryFn = async (): Promise<unknown> => (await client.json(`${url}/products`)).value;
  await watched(new QueryClient(), ['products'], { queryFn, retryDelay: 0 });
  expect(requests).toHaveLength(12);
});

test('tanstack-query: fetchQuery() and mutations do not repeat by default', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const client = createClient();
  const queries = new QueryClient();
  await expect(queries.fetchQuery({ queryKey: [], queryFn: () => client.json(url) })).rejects.toThrow();
  expect(requests).toHaveLength(3);
  const mutationFn = (): Promise<unknown> => client.json(url, { method: 'POST' });
  await expect(new MutationObserver(queries, { mutationFn }).mutate()).rejects.toThrow();
  queries.clear();
  expect(requests).toHaveLength(4);
});

test('tanstack-query: a write is made once', async () => {
  const { url, requests } = await upstream(() => Response.json({}), 503);
  const client = createClient();
  const queries = createQueryClient(url);
  const mutationFn = (): Promise<unknown> => client.json(`${url}/orders`, { method: 'POST', body: '{}' });
  await expect(new MutationObserver(queries, { mutationFn }).mutate()).rejects.toMatchObject({ code: 'HTTP' });
  queries.clear();
  expect(requests).toEqual(['POST /orders']);
});

test('tanstack-query: a query that is cancelled, or that nobody watches any more, ends its request', async () => {
  const { url, requests } = await upstream(() => Response.json([]), 'hang', 'hang');
  const ended: unknown[] = [];
  const client = createClient({
    fetch: (input, init) => {
      init?.signal?.addEventListener('abort', () => ended.push(input));
      return fetch(input, init);
    },
  });
  const queries = createQueryClient(url);
  const queryFn = ({ signal }: { signal: AbortSignal }): Promise<unknown> => client.json(url, { signal });
  const query = queries.fetchQuery({ queryKey: ['a'], queryFn });
  await expect.poll(() => requests).toHaveLength(1);
  await queries.cancelQueries();
  await expect(query).rejects.toBeInstanceOf(CancelledError);
  expect(ended).toHaveLength(1);

  const leave = new QueryObserver(queries, { queryKey: ['b'], queryFn }).subscribe(() => {});
  await expect.poll(() => requests).toHaveLength(2);
  leave();
  queries.clear();
  expect(ended).toHaveLength(2);
  await expect
    .poll(() => client.snapshot().dependencies[url]?.counters)
    .toMatchObject({ failure: 0, ignored: 2, success: 0 });
  expect(requests).toHaveLength(2);
});

test('tanstack-query: the recipe hands on the signal', async () => {
  const { url, requests } = await upstream(() => Response.json([]), 'hang');
  const queries = createQueryClient(url);
  const query = queries.fetchQuery({ queryKey: ['products'] });
  await expect.poll(() => requests).toHaveLength(1);
  await queries.cancelQueries();
  await expect(query).rejects.toBeInstanceOf(CancelledError);
  queries.clear();
});

test('tanstack-query: an offline device asks the client, which it would not by default', async () => {
  onlineManager.setOnline(false);
  onTestFinished(() => onlineManager.setOnline(true));
  const { url } = await upstream(() => Response.json(['tea']));
  expect(await watched(createQueryClient(url), ['products'])).toMatchObject({ data: ['tea'] });
  expect(await watched(new QueryClient(), ['products'], { queryFn: () => ['tea'] })).toMatchObject({ data: undefined });
});

test('tanstack-query: a write on an offline device asks the client, which it would not by default', async () => {
  onlineManager.setOnline(false);
  onTestFinished(() => onlineManager.setOnline(true));
  const { url, requests } = await upstream(() => Response.json({ order: 1 }));
  const queries = createQueryClient(url);
  const client = createClient();
  const mutationFn = async (): Promise<unknown> => (await client.json(url, { method: 'POST', body: '{}' })).value;
  onTestFinished(() => queries.clear());
  const order = new MutationObserver(queries, { mutationFn });
  void order.mutate();
  await expect.poll(() => order.getCurrentResult()).toMatchObject({ status: 'success', isPaused: false });
  expect(order.getCurrentResult().data).toEqual({ order: 1 });
  expect(requests).toEqual(['POST /']);

  const byDefault = new QueryClient();
  onTestFinished(() => byDefault.clear());
  const waiting = new MutationObserver(byDefault, { mutationFn });
  void waiting.mutate();
  await expect.poll(() => waiting.getCurrentResult()).toMatchObject({ status: 'pending', isPaused: true });
  expect(requests).toHaveLength(1);
});

test('tanstack-query: a write is made once, which one that may be repeated is not', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const queries = createQueryClient(url);
  onTestFinished(() => queries.clear());
  const { mutations } = queries.getDefaultOptions();
  expect(mutations).toMatchObject({ retry: false });
  const client = createClient();
  const mutationFn = (): Promise<unknown> => client.json(url, { method: 'POST', body: '{}' });
  const repeated = new QueryClient({ defaultOptions: { mutations: { retry: 1, retryDelay: 0 } } });
  onTestFinished(() => repeated.clear());
  await expect(new MutationObserver(repeated, { mutationFn, ...mutations }).mutate(undefined)).rejects.toThrow();
  expect(requests).toHaveLength(1);
  await expect(new MutationObserver(repeated, { mutationFn }).mutate()).rejects.toThrow();
  expect(requests).toHaveLength(3);
});

test('tanstack-query: an answer of 204 is null, since Query takes undefined for an error', async () => {
  const { url } = await upstream(() => new Response(null, { status: 204 }));
  expect(await watched(createQueryClient(url), ['products'])).toMatchObject({ data: null, error: null });
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => told.mockRestore());
  const { error } = await watched(new QueryClient(), ['products'], { queryFn: () => undefined, retry: false });
  expect(error).toBeInstanceOf(Error);
});

test('tanstack-query: what Query had, it goes on showing; what comes from the fallback is a success to it', async () => {
  const client = createClient({ retry: false });
  const second = createClient({ retry: false, fallback: { respond: () => Response.json(['default']) } });
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  onTestFinished(() => queries.clear());
  const { url } = await upstream(() => Response.json(['tea']), 503, 503);
  queries.setQueryData(['own'], ['older']);
  const observe = (key: string, { json }: typeof client) =>
    new QueryObserver(queries, { queryKey: [key], queryFn: async () => await json(url) }).refetch();
  expect(await observe('own', client)).toMatchObject({ status: 'error', data: ['older'] });
  expect(await observe('fallback', second)).toMatchObject({
    status: 'success',
    data: { value: ['default'], degraded: true },
  });
});
