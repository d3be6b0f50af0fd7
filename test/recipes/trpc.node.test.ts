import {
  createTRPCClient,
  createTRPCUntypedClient,
  createWSClient,
  httpBatchLink,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  retryLink,
  type TRPCClient,
  TRPCClientError,
  type TRPCLink,
  wsLink,
} from '@trpc/client';
import { type AnyRouter, initTRPC, TRPCError } from '@trpc/server';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import { expect, test } from 'vitest';

import { type Clock, createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { recipe } from '../docs/snippets.ts';
import { ownOf, type Trouble, type Upstream, upstream } from './upstream.ts';

interface Recipe {
  createApi<AppRouter extends AnyRouter>(baseUrl: string): TRPCClient<AppRouter>;
}

const { createApi } = await recipe<Recipe>('trpc');

const t = initTRPC.create();

function failing(code: 'INTERNAL_SERVER_ERROR' | 'BAD_REQUEST'): never {
  throw new TRPCError({ code });
}

const router = t.router({
  products: t.procedure.query(() => ['tea']),
  broken: t.procedure.query(() => failing('INTERNAL_SERVER_ERROR')),
  misused: t.procedure.query(() => failing('BAD_REQUEST')),
  order: t.procedure.mutation(() => 'ordered'),
});

type Shop = typeof router;

function shop(...trouble: Trouble[]): Promise<Upstream> {
  return upstream(
    async (request) => {
      const { url, method, headers } = request;
      // tRPC wants the platform's own Request.
      const body = method === 'GET' ? null : await request.text();
      const req = new Request(url, { method, headers: Object.fromEntries(headers), body });
      return fetchRequestHandler({ endpoint: '/trpc', router, req, allowMethodOverride: true });
    },
    ...trouble,
  );
}

/** What a call rejects with. */
function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'no error',
    (error: unknown) => error,
  );
}

const links = { httpLink, httpBatchStreamLink };

/** The recipe's, with another link. */
function apiBy(name: keyof typeof links, url: string, clock?: Clock): TRPCClient<Shop> {
  const client = createClient({ deadlineMs: 2_000, ...(clock && { clock }) });
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, init);
  return createTRPCClient<Shop>({
    links: [links[name]({ url: `${url}/trpc`, fetch: fetch as never }) as TRPCLink<Shop>],
  });
}

test('trpc: a query survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await shop(503, 'reset');
  expect(await createApi<Shop>(url).products.query()).toEqual(['tea']);
  expect(requests).toEqual(Array(3).fill('GET /trpc/products?batch=1&input=%7B%7D'));
});

test('trpc: a batch is one request, which is repeated as a whole', async () => {
  const { url, requests } = await shop(503);
  const api = createApi<Shop>(url);
  expect(await Promise.all([api.products.query(), api.products.query()])).toEqual([['tea'], ['tea']]);
  expect(requests).toEqual(Array(2).fill('GET /trpc/products,products?batch=1&input=%7B%7D'));
});

test.for(['httpLink', 'httpBatchStreamLink'] as const)('trpc: %s takes the same fetch', async (name) => {
  const { url, requests } = await shop(503, 'reset');
  expect(await apiBy(name, url).products.query()).toEqual(['tea']);
  expect(requests).toHaveLength(3);
});

test('trpc: a mutation is made once', async () => {
  const { url, requests } = await shop(503);
  const error = await errorOf(createApi<Shop>(url).order.mutate());
  expect(error).toBeInstanceOf(TRPCClientError);
  expect(error).toMatchObject({ cause: { name: 'SyntaxError' } });
  expect(requests).toEqual(['POST /trpc/order?batch=1']);
});

test('trpc: where the trouble stays, there are three requests to a query, until the circuit opens and says so as the cause', async () => {
  const { url, requests } = await shop();
  const api = createApi<Shop>(url);
  for (let call = 1; call <= 5; call += 1) {
    const error = await errorOf(api.broken.query());
    expect(error).toMatchObject({ name: 'TRPCClientError', data: { code: 'INTERNAL_SERVER_ERROR', httpStatus: 500 } });
    expect(requests).toHaveLength(3 * call);
  }
  expect(await errorOf(api.products.query())).toMatchObject({
    name: 'TRPCClientError',
    cause: { name: 'CircuitOpenError', code: 'CIRCUIT_OPEN' },
  });
  expect(requests).toHaveLength(15);
});

test('trpc: a query that is wrong is not repeated', async () => {
  const { url, requests } = await shop();
  expect(await errorOf(createApi<Shop>(url).misused.query())).toMatchObject({ data: { code: 'BAD_REQUEST' } });
  expect(requests).toHaveLength(1);
});

test('trpc: a batch that fails in part is not repeated, and a streamed one never is', async () => {
  const { url, requests } = await shop();
  const both = async (api: TRPCClient<Shop>): Promise<unknown> => {
    const [products, error] = await Promise.all([api.products.query(), errorOf(api.broken.query())]);
    expect(products).toEqual(['tea']);
    return error;
  };
  expect(await both(createApi<Shop>(url))).toMatchObject({ meta: { response: { status: 207 } } });
  expect(requests).toHaveLength(1);
  expect(await errorOf(apiBy('httpBatchStreamLink', url).broken.query())).toMatchObject({
    data: { httpStatus: 500 },
    meta: { response: { status: 200 } },
  });
  expect(requests).toHaveLength(2);
});

test('trpc: the deadline ends a query, and is the cause', async () => {
  const clock = new FakeClock();
  const { url, requests } = await shop('hang');
  const error = errorOf(apiBy('httpLink', url, clock).products.query());
  await expect.poll(() => requests).toHaveLength(1);
  await clock.advance(2_000);
  expect(await error).toMatchObject({
    name: 'TRPCClientError',
    cause: { name: 'TimeoutError', code: 'DEADLINE_EXCEEDED' },
  });
});

test('trpc: the caller’s abort ends a batch, once all who are in it have left', async () => {
  const { url, requests } = await shop('hang');
  const api = createApi<Shop>(url);
  const [one, other] = [new AbortController(), new AbortController()];
  const first = errorOf(api.products.query(undefined, { signal: one.signal }));
  const second = errorOf(api.products.query(undefined, { signal: other.signal }));
  await expect.poll(() => requests).toHaveLength(1);
  let isOver = false;
  void first.then(() => {
    isOver = true;
  });
  one.abort(new Error('left'));
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  other.abort(new Error('left'));
  for (const error of [await first, await second]) {
    expect(error).toMatchObject({ name: 'TRPCClientError', cause: { name: 'AbortError' } });
  }
  expect(requests).toHaveLength(1);
});

test('trpc: a retryLink that tries three times makes nine requests', async () => {
  const { url, requests } = await shop();
  const client = createClient();
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, init);
  const api = createTRPCClient<Shop>({
    links: [
      retryLink({ retry: ({ attempts }) => attempts < 3 }),
      httpLink({ url: `${url}/trpc`, fetch: fetch as never }),
    ],
  });
  await errorOf(api.broken.query());
  expect(requests).toHaveLength(9);
});

test('trpc: a query that goes by POST is repeated if its fetch says that it may be', async () => {
  const { url, requests } = await shop(503, 'reset');
  const client = createClient();
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, { ...init, idempotent: true });
  const link = httpLink({ url: `${url}/trpc`, methodOverride: 'POST', fetch: fetch as never });
  expect(await createTRPCClient<Shop>({ links: [link] }).products.query()).toEqual(['tea']);
  expect(requests).toEqual(Array(3).fill('POST /trpc/products'));
});

test('trpc: it repeats nothing by itself, and has no timeout', async () => {
  const query = (url: string, signal: AbortSignal) =>
    createTRPCClient<Shop>({ links: [httpBatchLink({ url })] }).products.query(undefined, { signal });
  expect(await ownOf(query)).toEqual({ requests: 1, timers: 0 });
});

test('trpc: a BAD_REQUEST is no failure, and a batch that fails in part is a success', async () => {
  const { url, requests } = await shop();
  const client = createClient({ breaker: { failureThreshold: 1 } });
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, init);
  const links = [httpBatchLink({ url: `${url}/trpc`, fetch: fetch as never })];
  const api = createTRPCClient<Shop>({ links });
  await errorOf(api.misused.query());
  await Promise.all([api.products.query(), errorOf(api.broken.query())]);
  expect(requests).toHaveLength(2);
  expect(client.snapshot().dependencies[url]?.counters).toMatchObject({ calls: 2, success: 2, failure: 0 });
});

test('trpc: subscriptions and WebSockets go past the client', async () => {
  const { url, requests } = await shop();
  const made: string[] = [];
  class Socket extends EventTarget {
    constructor(target: string | URL) {
      super();
      made.push(new URL(target).protocol);
    }
    close(): void {}
  }
  const links = [httpSubscriptionLink({ url, EventSource: Socket as never })];
  createTRPCUntypedClient<Shop>({ links })
    .subscription('ticks', undefined, { onData: () => {} })
    .unsubscribe();
  const sockets = createWSClient({ url: url.replace('http', 'ws'), WebSocket: Socket as never });
  expect(wsLink({ client: sockets })).toBeTypeOf('function');
  await expect.poll(() => made.sort()).toEqual(['http:', 'ws:']);
  expect(requests).toEqual([]);
});
