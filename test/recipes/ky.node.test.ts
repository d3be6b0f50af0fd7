import ky, { type AfterResponseHook, type Options } from 'ky';
import { createClient } from 'steadfetch';
import { extendKy, type SteadKy } from 'steadfetch/ky';
import { expect, test } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { type Trouble, upstream } from './upstream.ts';

interface Recipe {
  createApi(baseUrl: string): SteadKy;
}

const { createApi } = await recipe<Recipe>('ky');

test('ky: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
  expect(await createApi(url).get('products').json()).toEqual(['tea']);
  expect(requests).toEqual(['GET /products', 'GET /products', 'GET /products']);
});

test('ky: where the trouble stays, there are as many requests as the client makes, and ky tells of it as ever', async () => {
  const { url, requests } = await upstream(() => Response.json({ error: 'busy' }, { status: 503 }));
  await expect(createApi(url).get('products').json()).rejects.toMatchObject({ name: 'HTTPError' });
  expect(requests).toHaveLength(3);
});

test('ky: a write that may be repeated is, with its body', async () => {
  const bodies: unknown[] = [];
  const answer = async (request: Request): Promise<Response> => Response.json(bodies.push(await request.json()));
  const { url, requests } = await upstream(answer, 503, 503);
  expect(
    await createApi(url)
      .post('orders', { json: { tea: 1 }, idempotent: true })
      .json(),
  ).toBe(1);
  expect([requests, bodies]).toEqual([Array(3).fill('POST /orders'), [{ tea: 1 }]]);
});

test('ky: the open circuit comes as it is, a network error as ky’s, with ours as its cause', async () => {
  const { url } = await upstream(() => new Response(), ...Array<Trouble>(15).fill('reset'));
  const api = createApi(url);
  for (let call = 1; call <= 5; call += 1) {
    await expect(api.get('products').json()).rejects.toMatchObject({
      name: 'NetworkError',
      cause: expect.any(TypeError),
    });
  }
  await expect(api.get('products').json()).rejects.toMatchObject({ name: 'CircuitOpenError', code: 'CIRCUIT_OPEN' });
});

test('ky: a write is made once', async () => {
  const { url, requests } = await upstream(() => Response.json({}), 503);
  await expect(createApi(url).post('orders', { json: { tea: 1 } })).rejects.toMatchObject({ name: 'HTTPError' });
  expect(requests).toEqual(['POST /orders']);
});

test('ky: PUT and DELETE are repeated, PATCH is made once', async () => {
  const { url, requests, trouble } = await upstream(() => Response.json({}));
  const api = createApi(url);
  for (const method of ['put', 'delete', 'patch'] as const) {
    trouble.push(503);
    await api[method]('orders').catch(() => {});
    trouble.length = 0;
  }
  expect(requests).toEqual(['PUT', 'PUT', 'DELETE', 'DELETE', 'PATCH'].map((method) => `${method} /orders`));
});

test('ky: a timeout comes as it is', async () => {
  const { url } = await upstream(() => new Response(), 'hang');
  const late = extendKy(ky, createClient({ attemptTimeoutMs: 50, retry: false })).get(url);
  await expect(late).rejects.toMatchObject({ name: 'TimeoutError', code: 'ATTEMPT_TIMEOUT' });
});

const looks = { hooks: { afterResponse: [() => {}], beforeError: [({ error }: { error: Error }) => error] } };
const eager = { limit: 5, retryOnTimeout: true, shouldRetry: () => true };

test.for<{ readonly trouble: Trouble; readonly options: Options; readonly error: object }>([
  { trouble: 503, options: {}, error: { name: 'HTTPError' } },
  { trouble: 'reset', options: {}, error: { name: 'NetworkError' } },
  { trouble: 'hang', options: {}, error: { code: 'ATTEMPT_TIMEOUT' } },
  ...([503, 'reset', 'hang'] as const).map((trouble) => ({ trouble, options: { retry: eager }, error: {} })),
])('ky: hooks or not, the client alone repeats a read: $trouble, $options', async ({ trouble, options, error }) => {
  const { url, requests } = await upstream(() => new Response(), ...Array<Trouble>(20).fill(trouble));
  const client = createClient({ attemptTimeoutMs: 100, retry: { maxAttempts: 2, initialDelayMs: 1 } });
  await expect(extendKy(ky, client).get(url, { ...looks, ...options })).rejects.toMatchObject(error);
  expect(requests).toHaveLength(2);
});

test('ky: a hook gets a new token, and sends what was asked for again, with its body', async () => {
  const { url, requests } = await upstream(async (request) => {
    if (request.headers.get('authorization') !== 'token new') return new Response(null, { status: 401 });
    return new Response(`took ${await request.text()}`);
  });
  const refresh: AfterResponseHook = ({ request, response }) => {
    if (response.status !== 401) return;
    const headers = new Headers(request.headers);
    headers.set('authorization', 'token new');
    return ky.retry({ request: new Request(request, { headers }), code: 'TOKEN_REFRESHED', delay: 0 });
  };
  const api = createApi(url).extend({ hooks: { afterResponse: [refresh] } });
  expect(await api.post('orders', { json: { tea: 1 } }).text()).toBe('took {"tea":1}');
  const parts = new Blob(['a stream', ' in parts']).stream();
  expect(await api.post('orders', { body: parts, headers: { 'content-type': 'application/x-parts' } }).text()).toBe(
    'took a stream in parts',
  );
  expect(requests).toEqual(Array(4).fill('POST /orders'));
});

test.for([looks, {}])('ky: a stream goes out as it comes, with hooks or without', async (options) => {
  const { promise: firstCame, resolve } = Promise.withResolvers<void>();
  const { url } = await upstream(async ({ body }) => {
    let length = 0;
    for await (const chunk of body as ReadableStream<Uint8Array>) {
      length += chunk.length;
      resolve();
    }
    return Response.json(length);
  });
  let parts = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // The second is there when the first has arrived.
      if (parts > 0) await firstCame;
      if (parts < 10) controller.enqueue(new Uint8Array(10_000));
      else controller.close();
      parts += 1;
    },
  });
  expect(
    await createApi(url)
      .put('files', { body, ...options })
      .json(),
  ).toBe(100_000);
});
