import type { KyInstance } from 'ky';
import { expect, test } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  createApi(baseUrl: string): KyInstance;
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

test('ky: a write is made once', async () => {
  const { url, requests } = await upstream(() => Response.json({}), 503);
  await expect(createApi(url).post('orders', { json: { tea: 1 } })).rejects.toMatchObject({ name: 'HTTPError' });
  expect(requests).toEqual(['POST /orders']);
});
