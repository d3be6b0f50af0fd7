import { PostgrestClient } from '@supabase/postgrest-js';
import { createClient as createSupabase } from '@supabase/supabase-js';
import { type Client, createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, onTestFinished, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  createApi(url: string): PostgrestClient;
}

const { createApi } = await recipe<Recipe>('supabase');

const products = () => Response.json([{ id: 1, name: 'tea' }]);

test('supabase: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(products, 503, 'reset');
  const { data } = await createApi(url).from('products').select();
  expect(data).toEqual([{ id: 1, name: 'tea' }]);
  expect(requests).toEqual(Array(3).fill('GET /products?select=*'));
});

test('supabase: where the trouble stays, there are as many requests as the client makes', async () => {
  const { url, requests } = await upstream(() => Response.json({ message: 'busy' }, { status: 503 }));
  const { error, status } = await createApi(url).from('products').select();
  expect({ error, status }).toEqual({ error: { message: 'busy' }, status: 503 });
  expect(requests).toHaveLength(3);
});

test('supabase: with its own retries it would be twelve', async () => {
  const { url, requests } = await upstream(() => new Response('', { status: 503, headers: { 'retry-after': '0' } }));
  await new PostgrestClient(url, { fetch: createClient().fetch }).from('products').select();
  expect(requests).toHaveLength(12);
});

test('supabase: with its own retries, an open circuit would be asked four times in seven seconds', async () => {
  const { url } = await upstream(products, 500);
  const client = createClient({ breaker: { failureThreshold: 1 } });
  await client.fetch(url, { method: 'POST' });
  const fetch = vi.fn(client.fetch);
  const settled = vi.fn();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  new PostgrestClient(url, { fetch }).from('products').select().then(settled);
  await vi.advanceTimersByTimeAsync(6_999);
  expect(settled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(settled).toHaveBeenCalledOnce();
  expect(fetch).toHaveBeenCalledTimes(4);
});

test('supabase: deleting and read-only functions are repeated', async () => {
  const { url, requests, trouble } = await upstream(() => Response.json(1), 503);
  const api = createApi(url);
  await api.from('products').delete().eq('id', 1);
  trouble.push(503);
  await api.rpc('count', {}, { get: true });
  expect(requests).toEqual([...Array(2).fill('DELETE /products?id=eq.1'), ...Array(2).fill('GET /rpc/count')]);
});

test('supabase: other writes are made once', async () => {
  const { url, requests } = await upstream(products, 503, 503, 503, 503);
  const api = createApi(url);
  const tea = { id: 1, name: 'tea' };
  const writes = [
    api.from('products').insert(tea),
    api.from('products').upsert(tea),
    api.from('products').update(tea).eq('id', 1),
    api.rpc('order', tea),
  ];
  for (const write of writes) expect((await write).status).toBe(503);
  expect(requests).toEqual(['POST /products', 'POST /products', 'PATCH /products?id=eq.1', 'POST /rpc/order']);
});

test('supabase: an upsert with a key is repeated, its body included', async () => {
  const bodies: unknown[] = [];
  const { url, requests } = await upstream(
    async (request) => {
      bodies.push(await request.json());
      return new Response(null, { status: 201 });
    },
    503,
    'reset',
  );
  const upsert = createApi(url).from('products').upsert({ id: 1, name: 'tea' });
  expect((await upsert.setHeader('Idempotency-Key', 'tea-1')).status).toBe(201);
  expect(requests).toHaveLength(3);
  expect(bodies).toEqual([{ id: 1, name: 'tea' }]);
});

test('supabase: an open circuit comes as an error by its name, and with its code where errors are thrown', async () => {
  const { url, requests } = await upstream(() => Response.json({}, { status: 500 }));
  const api = createApi(url);
  for (let call = 0; call < 5; call += 1) await api.from('products').insert({ name: 'tea' });
  const { error, status } = await api.from('products').select();
  expect({ status, code: error?.code }).toEqual({ status: 0, code: '' });
  expect(error?.message).toMatch(/^CircuitOpenError: /);
  await expect(api.from('products').select().throwOnError()).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(requests).toHaveLength(5);
});

test('supabase: a deadline comes as a TimeoutError, and a network error as a TypeError', async () => {
  const { url } = await upstream(products, 'hang', 'hang', 'reset', 'reset', 'reset');
  const { fetch } = createClient({ deadlineMs: 50 });
  const late = new PostgrestClient(url, { fetch, retry: false });
  expect((await late.from('products').select()).error?.message).toMatch(/^TimeoutError: /);
  await expect(late.from('products').select().throwOnError()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect((await createApi(url).from('products').select()).error?.message).toMatch(/^TypeError: /);
});

test('supabase: the deadline is that of the body, too', async () => {
  const { url } = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('[') })));
  const clock = new FakeClock();
  const client = createClient({ clock });
  const headers = Promise.withResolvers<void>();
  client.subscribe(({ type }) => type === 'completed' && headers.resolve());
  const call = new PostgrestClient(url, { fetch: client.fetch, retry: false }).from('products').select();
  const told = call.then(({ error }) => error?.message);
  await headers.promise;
  await clock.advance(30_000);
  expect(await told).toMatch(/^TimeoutError: /);
});

test('supabase: the caller’s abort ends the request, and its reason is thrown', async () => {
  const { url, requests } = await upstream(products, 'hang');
  const caller = new AbortController();
  const call = createApi(url).from('products').select().abortSignal(caller.signal).throwOnError();
  // The query is sent when somebody waits for it.
  const reason = new Error('the user left');
  const thrown = expect(call).rejects.toBe(reason);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  caller.abort(reason);
  await thrown;
});

test('supabase: a body that breaks off is an error, and is not asked for again', async () => {
  const { url, requests } = await upstream(products, 'cut');
  const { error } = await createApi(url).from('products').select();
  expect(error?.message).toMatch(/^TypeError: /);
  expect(requests).toHaveLength(1);
});

test('supabase: a timeout of its own is off by default, and what it ends counts against nobody', async () => {
  const { url, requests } = await upstream(products, 'hang', 'hang');
  const clock = new FakeClock();
  const client = createClient({ clock, breaker: { failureThreshold: 1 } });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const caller = new AbortController();
  const patient = new PostgrestClient(url, { fetch: client.fetch, retry: false }).from('products').select();
  const left = patient.abortSignal(caller.signal).then(({ error }) => error?.message);
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  expect(vi.getTimerCount()).toBe(0);
  caller.abort();
  await left;

  const hasty = new PostgrestClient(url, { fetch: client.fetch, retry: false, timeout: 1_000 });
  const ended = hasty
    .from('products')
    .select()
    .then(({ error }) => error?.message);
  await vi.waitFor(() => expect(requests).toHaveLength(2));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await ended).toMatch(/^AbortError: /);
  expect(client.snapshot().dependencies[url]).toMatchObject({
    breaker: { state: 'closed' },
    counters: { ignored: 2, failure: 0 },
  });
});

/** As the page has it, without what would go on behind the test. */
function supabase(url: string, { fetch }: Client, db: { retry?: boolean } = { retry: false }) {
  return createSupabase(url, 'key', {
    global: { fetch },
    db,
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

test('supabase: from() and rpc() of supabase-js are PostgREST’s; without its retries, the client alone repeats', async () => {
  const { url, requests, trouble } = await upstream(products, 503, 'reset');
  const api = supabase(url, createClient());
  expect((await api.from('products').select()).data).toEqual([{ id: 1, name: 'tea' }]);
  expect(requests).toEqual(Array(3).fill('GET /rest/v1/products?select=*'));
  trouble.push(503);
  await api.rpc('count', {}, { get: true });
  expect(requests.slice(3)).toEqual(Array(2).fill('GET /rest/v1/rpc/count'));
});

test('supabase: with its own retries, a read of supabase-js would be twelve requests', async () => {
  const { url, requests } = await upstream(() => new Response('', { status: 503, headers: { 'retry-after': '0' } }));
  await supabase(url, createClient(), {}).from('products').select();
  expect(requests).toHaveLength(12);
});

test('supabase: auth, storage and functions go through the same fetch, and are one dependency unless isolateBy tells them apart', async () => {
  const { url, requests } = await upstream(() => Response.json([]));
  const all = async (client: Client): Promise<readonly string[]> => {
    const api = supabase(url, client);
    await api.from('products').select();
    await api.storage.from('pictures').list();
    await api.functions.invoke('order');
    await api.auth.signInWithPassword({ email: 'ann@shop.test', password: 'tea' });
    return Object.keys(client.snapshot().dependencies);
  };
  expect(await all(createClient())).toEqual([url]);
  expect(await all(createClient({ isolateBy: ({ url }) => url.split('/')[3] ?? '' }))).toEqual([
    ...['rest', 'storage', 'functions', 'auth'],
  ]);
  expect(requests.map((request) => request.split('/')[1])).toEqual(
    Array(2).fill(['rest', 'storage', 'functions', 'auth']).flat(),
  );
});

test('supabase: auth repeats the refresh of a session, each time with one request', async () => {
  const { url, requests } = await upstream(() => Response.json({}), 503, 503);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const client = createClient();
  const refreshed = supabase(url, client).auth.refreshSession({ refresh_token: 'one' });
  await vi.waitFor(() => expect(client.snapshot().dependencies[url]?.counters.failure).toBe(1));
  expect(requests).toHaveLength(1);
  for (const count of [2, 3]) {
    await vi.advanceTimersByTimeAsync(200 * (count - 1));
    await vi.waitFor(() => expect(requests).toHaveLength(count));
  }
  await refreshed;
  expect(client.snapshot().dependencies[url]?.counters).toMatchObject({ calls: 3, attempts: 3 });
});
