import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';

import { createClient, memoryStore } from '../../src/index.ts';
import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  products(baseUrl: string): Promise<string[]>;
  orders(baseUrl: string, cookie: string | null): Promise<string[]>;
}

const { products, orders } = await recipe<Recipe>('nextjs');

/** Done when what goes on behind the answers, as storing them, is. */
function behind(): { readonly waitUntil: (work: Promise<unknown>) => void; readonly done: () => Promise<unknown> } {
  const works: Promise<unknown>[] = [];
  return { waitUntil: (work) => void works.push(work), done: () => Promise.all(works) };
}

type Init = RequestInit & { readonly next?: unknown };

/** What the fetch was given that stands in for Next's, which takes the place of the global one after the client was created. */
let given: Init[] = [];

beforeEach(() => {
  given = [];
  const original = globalThis.fetch;
  const patched = vi.spyOn(globalThis, 'fetch').mockImplementation((input, init = {}) => {
    given.push(init);
    return original(input, init);
  });
  onTestFinished(() => patched.mockRestore());
});

test('nextjs: a read survives what passes, and each attempt has what is for Next, and nothing of ours', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
  expect(await products(url)).toEqual(['tea']);
  expect(requests).toEqual(Array(3).fill('GET /products'));
  for (const init of given) {
    // Without headers that differ from call to call, which would be part of Next's key, and with a signal.
    expect(Object.keys(init).sort()).toEqual(['next', 'signal']);
    expect(init.next).toEqual({ revalidate: 60, tags: ['products'] });
    expect(init.signal).toBeInstanceOf(AbortSignal);
  }
});

test('nextjs: cookies and cache modes are handed on', async () => {
  const cookies: (string | null)[] = [];
  const { url } = await upstream(({ headers }) => {
    cookies.push(headers.get('cookie'));
    return Response.json([]);
  });
  await orders(url, 'user=ann');
  await orders(url, null);
  expect(cookies).toEqual(['user=ann', null]);
  expect(given.map(({ cache }) => cache)).toEqual(['no-store', 'no-store']);
});

test('nextjs: where the trouble stays, there are three requests to a read, until the circuit opens', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  for (let call = 1; call <= 5; call += 1) {
    await expect(products(url)).rejects.toMatchObject({ code: 'HTTP' });
    expect(requests).toHaveLength(3 * call);
  }
  await expect(products(url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(given).toHaveLength(15);
});

test('nextjs: a write is made once, with its tags, and an abort passes through', async () => {
  const { url, requests } = await upstream(() => Response.json({}), 503, 'hang');
  const client = createClient();
  const init: Init = { method: 'POST', body: '{}', next: { tags: ['orders'] } };
  expect((await client.fetch(`${url}/orders`, init)).status).toBe(503);
  expect(requests).toEqual(['POST /orders']);
  expect(given).toMatchObject([{ method: 'POST', next: { tags: ['orders'] } }]);

  const controller = new AbortController();
  const left = client.fetch(url, { signal: controller.signal });
  await expect.poll(() => requests).toHaveLength(2);
  const reason = new Error('left');
  controller.abort(reason);
  await expect(left).rejects.toBe(reason);
});

test('nextjs: what the fetch of Next throws is tried again, and comes through as it is', async () => {
  const steering = Object.assign(new Error('Dynamic server usage'), { digest: 'DYNAMIC_SERVER_USAGE' });
  const thrower = vi.spyOn(globalThis, 'fetch').mockRejectedValue(steering);
  onTestFinished(() => thrower.mockRestore());
  await expect(orders('http://shop.test', null)).rejects.toBe(steering);
  expect(thrower).toHaveBeenCalledTimes(3);
  // Without a fetch of its own, a client makes a network error of it.
  await expect(createClient({ retry: false }).fetch('http://shop.test')).rejects.toMatchObject({ cause: steering });
});

test('nextjs: the cache of Next is out of the client’s sight, stored answers are kept apart by cookies, and calls with next share nothing', async () => {
  const { url, requests } = await upstream(({ headers }) => Response.json(headers.get('cookie')));
  const client = createClient({ retry: false, fallback: { store: memoryStore(), coalesce: true } });
  const next: Init = { next: { revalidate: 60 } };
  await Promise.all([client.fetch(url, next), client.fetch(url, next)]);
  expect(requests).toHaveLength(2);

  const { waitUntil, done } = behind();
  const read = async (cookie: string): Promise<unknown> =>
    (await client.json(url, { headers: { cookie }, waitUntil })).value;
  expect(await read('user=ann')).toBe('user=ann');
  await done();
  const down = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('down'));
  onTestFinished(() => down.mockRestore());
  expect(await read('user=ann')).toBe('user=ann');
  await expect(read('user=bob')).rejects.toThrow('down');

  const cached = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json('from the cache of Next'));
  onTestFinished(() => cached.mockRestore());
  const { success = 0 } = client.snapshot().dependencies[url]?.counters ?? {};
  await client.fetch(url, next);
  expect(client.snapshot().dependencies[url]?.counters.success).toBe(success + 1);
});

test('nextjs: a stored answer is asked about with If-None-Match, which is another request to Next', async () => {
  const { url } = await upstream(() => Response.json('tea', { headers: { etag: '"1"' } }));
  const client = createClient({ fallback: { store: memoryStore() } });
  const { waitUntil, done } = behind();
  await client.json(url, { waitUntil });
  await done();
  await client.json(url);
  expect(given.map(({ headers }) => new Headers(headers).get('if-none-match'))).toEqual([null, '"1"']);
});
