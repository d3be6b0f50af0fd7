import { buildSchema, graphql } from 'graphql';
import { ClientError, GraphQLClient } from 'graphql-request';
import { createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { ownOf, type Trouble, upstream } from './upstream.ts';

interface Recipe {
  createApi(url: string): GraphQLClient;
}

const { createApi } = await recipe<Recipe>('graphql-request');

const schema = buildSchema('type Query { products: [String!], broken: Int } type Mutation { order(tea: Int!): Int }');

const rootValue = {
  products: ['tea'],
  broken() {
    throw new Error('broken');
  },
  order: ({ tea }: { readonly tea: number }) => tea,
};

interface Operation {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
}

/** A GraphQL server: POST, GET and batches. */
function server(...trouble: Trouble[]) {
  return upstream(
    async (request) => {
      const run = ({ query: source, variables = {} }: Operation) =>
        graphql({ schema, rootValue, source, variableValues: variables });
      const query = new URL(request.url).searchParams.get('query');
      const sent: Operation | readonly Operation[] = query === null ? await request.json() : { query };
      return Response.json(await ('query' in sent ? run(sent) : Promise.all(sent.map(run))));
    },
    ...trouble,
  );
}

const ORDER = 'mutation ($tea: Int!) { order(tea: $tea) }';

test('graphql-request: a query survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await server(503, 'reset');
  expect(await createApi(url).request('{ products }')).toEqual({ products: ['tea'] });
  expect(requests).toEqual(['POST /', 'POST /', 'POST /']);
});

test('graphql-request: where the trouble stays, there are as many requests as the client makes, and it tells of it as ever', async () => {
  const { url, requests } = await server(503, 503, 503);
  const call = createApi(url).request('{ products }');
  await expect(call).rejects.toBeInstanceOf(ClientError);
  await expect(call).rejects.toMatchObject({ response: { status: 503 } });
  expect(requests).toHaveLength(3);
});

test('graphql-request: a mutation is made once, and again with a key', async () => {
  const { url, requests, trouble } = await server(503);
  const api = createApi(url);
  await expect(api.request(ORDER, { tea: 1 })).rejects.toMatchObject({ response: { status: 503 } });
  expect(requests).toHaveLength(1);

  trouble.push(503, 'reset');
  const requestHeaders = { 'Idempotency-Key': 'order-2' };
  expect(await api.request({ document: ORDER, variables: { tea: 2 }, requestHeaders })).toEqual({ order: 2 });
  expect(requests).toHaveLength(4);
});

test('graphql-request: of several operations, the one that is named decides', async () => {
  const { url, requests } = await server(503, 503);
  const document = `query products { products } ${ORDER.replace('mutation', 'mutation order')}`;
  // It names an operation only where there is one: a middleware has to.
  const named = (operationName: string) => {
    const api = createApi(url);
    api.requestConfig.requestMiddleware = (request) => ({
      ...request,
      body: JSON.stringify({ ...JSON.parse(String(request.body)), operationName }),
    });
    return api.request(document, { tea: 1 });
  };
  await expect(named('order')).rejects.toMatchObject({ response: { status: 503 } });
  expect(requests).toHaveLength(1);
  await named('products').catch(() => {});
  expect(requests).toHaveLength(3);
});

test('graphql-request: a batch of queries is repeated, and one with a mutation is not', async () => {
  const { url, requests, trouble } = await server(503);
  const api = createApi(url);
  const query = { document: '{ products }' };
  await api.batchRequests([query, query]);
  expect(requests).toHaveLength(2);
  trouble.push(503);
  await expect(api.batchRequests([query, { document: ORDER, variables: { tea: 1 } }])).rejects.toBeInstanceOf(
    ClientError,
  );
  expect(requests).toHaveLength(3);
});

test('graphql-request: as GETs, queries are repeated, and mutations stay POSTs', async () => {
  const { url, requests, trouble } = await server(503);
  const api = new GraphQLClient(url, { fetch: createClient().fetch, method: 'GET' });
  expect(await api.request('{products}')).toEqual({ products: ['tea'] });
  trouble.push(503);
  await expect(api.request(ORDER, { tea: 1 })).rejects.toBeInstanceOf(ClientError);
  expect(requests).toEqual([...Array(2).fill('GET /?query=%7Bproducts%7D'), 'POST /']);

  const blind = new GraphQLClient(url, { fetch: createClient().fetch, method: 'GET', excludeOperationName: true });
  await blind.request(ORDER, { tea: 1 }).catch(() => {});
  expect(requests.at(-1)).toMatch(/^GET /);
});

test('graphql-request: an open circuit is thrown as it is', async () => {
  const { url, requests } = await server(500, 500, 500, 500, 500);
  const api = createApi(url);
  for (let call = 0; call < 5; call += 1) await api.request(ORDER, { tea: 1 }).catch(() => {});
  await expect(api.request('{ products }')).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(requests).toHaveLength(5);
});

test('graphql-request: errors of an answer are answers', async () => {
  const { url, requests } = await server();
  const api = createApi(url);
  for (let call = 0; call < 6; call += 1) {
    await expect(api.request('{ broken }')).rejects.toMatchObject({ response: { status: 200 } });
  }
  expect(requests).toHaveLength(6);
});

test('graphql-request: a deadline and a network error are thrown as they are', async () => {
  const { url } = await server('hang', 'reset', 'reset', 'reset');
  const late = new GraphQLClient(url, { fetch: createClient({ deadlineMs: 50 }).fetch });
  await expect(late.request('{ products }')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await expect(createApi(url).request('{ products }')).rejects.toBeInstanceOf(TypeError);
});

test('graphql-request: the caller’s abort passes, and ends the request', async () => {
  const { url, requests } = await server('hang');
  const caller = new AbortController();
  const call = createApi(url).request({ document: '{ products }', signal: caller.signal });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const reason = new Error('the user left');
  caller.abort(reason);
  await expect(call).rejects.toBe(reason);
});

test('graphql-request: a body that breaks off is thrown, and is not asked for again', async () => {
  const { url, requests } = await server('cut');
  await expect(createApi(url).request('{ products }')).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(1);
});

test('graphql-request: the deadline is that of the body, too', async () => {
  const { url } = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('{') })));
  const clock = new FakeClock();
  const client = createClient({ clock });
  const headers = Promise.withResolvers<void>();
  client.subscribe(({ type }) => type === 'completed' && headers.resolve());
  const call = new GraphQLClient(url, { fetch: client.fetch }).request('{ products }');
  const late = expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await headers.promise;
  await clock.advance(30_000);
  await late;
});

test('graphql-request: it has no retries and no timeouts of its own', async () => {
  const request = (url: string, signal: AbortSignal) =>
    new GraphQLClient(url).request({ document: '{ products }', signal });
  expect(await ownOf(request)).toEqual({ requests: 1, timers: 0 });
});
