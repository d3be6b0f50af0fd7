import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';

import { type CacheLike, cacheApiStore, type KvNamespace, kvStore } from '../../src/adapters/cloudflare.ts';
import { createClient, degradation, type Store } from '../../src/index.ts';
import { entryOf } from '../support/entries.ts';
import { scenario } from '../support/scenario.ts';

const ANSWERS = env['ANSWERS'] as KvNamespace;
const inADay = { expiresAt: Date.now() + 86_400_000 };

const stores: readonly { readonly what: string; readonly make: () => Store }[] = [
  {
    what: 'kvStore()',
    make: () => kvStore({ namespace: ANSWERS, partition: 'public', prefix: `${crypto.randomUUID()} ` }),
  },
  { what: 'cacheApiStore()', make: () => cacheApiStore() },
];

test.for(stores)('$what keeps an entry in the real thing, and forgets it', async ({ make }) => {
  const store = make();
  const key = `public GET https://api.test/${crypto.randomUUID()}?ä=1&b= c`;
  expect(await store.get(key)).toBeUndefined();
  await store.set(key, entryOf(key, 'äöü', inADay));
  expect(await store.get(key)).toEqual(entryOf(key, 'äöü', inADay));
  await store.delete(key);
  expect(await store.get(key)).toBeUndefined();
});

test.for(stores)('$what answers while the upstream is down', async ({ make }) => {
  const store = make();
  const fallback = { store, cacheControl: 'ignore' } as const;
  const client = createClient({ retry: false, fallback });
  const { url } = scenario('ok,503');
  const work: Promise<unknown>[] = [];
  expect(await client.json(url, { waitUntil: (each) => void work.push(each) })).toMatchObject({ degraded: false });
  await Promise.all(work);
  const response = await client.fetch(url);
  expect(degradation(response)).toMatchObject({ source: 'cache', reason: 'status-503' });
  expect(await response.json()).toEqual({ ok: true });
});

test('kvStore() forgets one partition of the real thing, over more than one page', async () => {
  const store = kvStore({ namespace: ANSWERS, partition: 'public', prefix: 'pages ' });
  const keys = Array.from({ length: 1_100 }, (_, number) => `ann GET https://api.test/${number}`);
  await Promise.all(keys.map((key) => store.set(key, entryOf(key, 'x', inADay))));
  const other = 'bob GET https://api.test/';
  await store.set(other, entryOf(other, 'x', inADay));
  await store.clear('ann');
  expect(await store.get(keys[0] ?? '')).toBeUndefined();
  expect(await store.get(keys[1_050] ?? '')).toBeUndefined();
  expect(await store.get(other)).toBeDefined();
});

test('kvStore() takes keys that are longer than those of the real thing', async () => {
  const store = kvStore({ namespace: ANSWERS, partition: 'public' });
  const key = `public GET https://api.test/${'ä'.repeat(2_000)}`;
  await store.set(key, entryOf(key, 'x', inADay));
  expect(await store.get(key)).toBeDefined();
});

test('cacheApiStore() takes a cache of its own, or a function that opens one', async () => {
  const key = `public GET https://api.test/${crypto.randomUUID()}`;
  const named = cacheApiStore({ cache: () => caches.open('answers') as unknown as Promise<CacheLike> });
  await named.set(key, entryOf(key, 'x', inADay));
  expect(await named.get(key)).toBeDefined();
  expect(await cacheApiStore().get(key)).toBeUndefined();
});

test('cacheApiStore() stores nothing that is of no use any more, and can not be cleared', async () => {
  const store = cacheApiStore();
  const key = `public GET https://api.test/${crypto.randomUUID()}`;
  await store.set(key, entryOf(key, 'x', { expiresAt: Date.now() - 1 }));
  expect(await store.get(key)).toBeUndefined();
  const message = 'Cannot clear the Cache API: what is in it can not be listed';
  await expect(store.clear()).rejects.toThrow(message);
  await expect(createClient({ fallback: { store } }).clear()).rejects.toThrow(message);
});

test('cacheApiStore() throws for what is no cache', () => {
  expect(() => cacheApiStore({ cache: 5 as unknown as CacheLike })).toThrow(
    new TypeError('cacheApiStore.cache must be a Cache or a function, got 5'),
  );
  expect(() => cacheApiStore({ partition: 'ann' as 'public' })).toThrow(
    new TypeError('cacheApiStore.partition must be a function or "public", got "ann"'),
  );
});
