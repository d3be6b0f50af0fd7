import ky from 'ky';
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
