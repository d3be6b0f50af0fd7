import { expect, test, vi } from 'vitest';

import { createClient, type SteadEvent } from '../../src/index.ts';
import { type KvNamespace, type KvStoreOptions, kvStore } from '../../src/stores/kv.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { entryOf } from '../support/entries.ts';

const key = 'public GET https://api.test/';

/** A namespace that refuses what KV refuses, and shows what it was asked. */
function namespace() {
  const values = new Map<string, ArrayBuffer>();
  const asked: string[] = [];
  const expirations: number[] = [];
  const check = (name: string): void => {
    if (new TextEncoder().encode(name).byteLength > 512) throw new Error(`KV: 414 UTF-8 encoded length of ${name}`);
  };
  const kv: KvNamespace = {
    async get(name) {
      check(name);
      return values.get(name) ?? null;
    },
    async put(name, value, { expiration }) {
      check(name);
      asked.push(`put ${name}`);
      expirations.push(expiration);
      values.set(name, new Uint8Array(value.buffer as ArrayBuffer).slice().buffer);
    },
    async delete(name) {
      check(name);
      asked.push(`delete ${name}`);
      values.delete(name);
    },
    async list({ prefix, cursor }) {
      // Two to a page.
      const names = [...values.keys()].filter((name) => name.startsWith(prefix)).sort();
      const left = cursor === undefined ? names : names.filter((name) => name > cursor);
      const [first, second] = left;
      const keys = left.slice(0, 2).map((name) => ({ name }));
      if (left.length <= 2) return { keys, list_complete: true };
      return { keys, list_complete: false, cursor: second ?? first ?? '' };
    },
  };
  return { kv, values, asked, expirations };
}

function bench(options: Partial<KvStoreOptions> = {}) {
  const clock = new FakeClock();
  const space = namespace();
  return { clock, ...space, store: kvStore({ namespace: space.kv, partition: 'public', clock, ...options }) };
}

test('kvStore() gives back what was set, and undefined for what was not', async () => {
  const { store, values } = bench();
  await store.set(key, entryOf(key, 'äöü'));
  expect(await store.get(key)).toEqual(entryOf(key, 'äöü'));
  expect([...values.keys()]).toEqual([`steadfetch ${key}`]);
  expect(await store.get(`${key}2`)).toBeUndefined();
  await store.delete(key);
  expect(await store.get(key)).toBeUndefined();
});

test('kvStore() is shared, has the partition it was given, and asks for its namespace when it needs it', async () => {
  const { kv } = namespace();
  let asked = 0;
  const partition = (): string => 'ann';
  const store = kvStore({
    partition,
    namespace: () => {
      asked += 1;
      return kv;
    },
  });
  expect(store).toMatchObject({ shared: true, partition });
  expect(asked).toBe(0);
  await store.get(key);
  expect(asked).toBe(1);
});

test('kvStore() lets entries expire with their use, and not within a minute, which KV refuses', async () => {
  const { store, clock, expirations } = bench();
  const now = clock.epochNow() / 1_000;
  await store.set(key, entryOf(key, 'a', { expiresAt: clock.epochNow() + 3_600_500 }));
  await store.set(`${key}2`, entryOf(`${key}2`, 'a', { expiresAt: clock.epochNow() + 5_000 }));
  expect(expirations).toEqual([now + 3_601, now + 65]);
});

test('kvStore() writes a key once a second, and others meanwhile', async () => {
  const { store, clock, asked } = bench();
  await store.set(key, entryOf(key, 'one'));
  await store.set(key, entryOf(key, 'two'));
  await store.set(`${key}2`, entryOf(`${key}2`));
  await clock.advance(999);
  await store.set(key, entryOf(key, 'three'));
  expect(asked).toEqual([`put steadfetch ${key}`, `put steadfetch ${key}2`]);
  await clock.advance(1);
  await store.set(key, entryOf(key, 'four'));
  expect(await store.get(key)).toEqual(entryOf(key, 'four'));
});

test('kvStore() deletes at once, and does not write what it has deleted within the second', async () => {
  const { store, asked } = bench();
  await store.set(key, entryOf(key));
  await store.delete(key);
  await store.set(key, entryOf(key));
  expect(asked).toEqual([`put steadfetch ${key}`, `delete steadfetch ${key}`]);
});

test('kvStore() keeps keys that are too long for KV by their SHA-256, apart and in their partition', async () => {
  const { store, values } = bench();
  const long = `ann GET https://api.test/${'ä'.repeat(300)}`;
  const longer = `${long}1`;
  const ofMany = `${'p'.repeat(600)} GET https://api.test/`;
  for (const each of [long, longer, ofMany]) await store.set(each, entryOf(each, each.slice(0, 3)));
  for (const each of [long, longer, ofMany]) expect(await store.get(each)).toEqual(entryOf(each, each.slice(0, 3)));
  const names = [...values.keys()];
  expect(names.slice(0, 2).every((name) => /^steadfetch ann #[0-9a-f]{64}$/.test(name))).toBe(true);
  expect(names[2]).toMatch(/^steadfetch #[0-9a-f]{64} GET https:\/\/api\.test\/$/);
  await store.clear('ann');
  expect([...values.keys()]).toEqual(names.slice(2));
  await store.clear('p'.repeat(600));
  expect(values.size).toBe(0);
});

test('kvStore() forgets one partition over all pages, and no other; or all that is its own; and says that it goes on', async () => {
  const { store, values, kv } = bench();
  const keys = ['a', 'ab', 'a%20b'].flatMap((owner) =>
    [1, 2, 3].map((number) => `${owner} GET https://api.test/${number}`),
  );
  for (const each of keys) await store.set(each, entryOf(each));
  await kv.put('somebody else’s', new Uint8Array(1), { expiration: 0 });
  const onProgress = vi.fn();
  await store.clear('a', onProgress);
  expect(onProgress).toHaveBeenCalledTimes(2);
  expect([...values.keys()].filter((name) => name.startsWith('steadfetch a '))).toEqual([]);
  expect(values.size).toBe(7);
  await store.clear();
  expect([...values.keys()]).toEqual(['somebody else’s']);
});

test('kvStore() does not store more than KV takes, and forgets what it would have replaced', async () => {
  const { store, clock, values } = bench();
  await store.set(key, entryOf(key));
  await clock.advance(1_000);
  const body = new Uint8Array(26_214_400);
  const [stored] = entryOf(key).variants;
  const variants = stored === undefined ? [] : [{ ...stored, body, bodyBytes: body.byteLength }];
  await store.set(key, entryOf(key, null, { variants }));
  expect(values.size).toBe(0);
});

test('kvStore() keeps two stores with other prefixes apart in one namespace', async () => {
  const { kv } = namespace();
  const [one, two] = ['one:', 'two:'].map((prefix) => kvStore({ namespace: kv, partition: 'public', prefix }));
  await one?.set(key, entryOf(key, 'one'));
  expect(await two?.get(key)).toBeUndefined();
  await two?.clear();
  expect(await one?.get(key)).toEqual(entryOf(key, 'one'));
});

test.for<[unknown, string]>([
  [{}, 'kvStore.namespace must be a KV namespace or a function, got undefined'],
  [{ namespace: 'CACHE', partition: 'public' }, 'kvStore.namespace must be a KV namespace or a function, got "CACHE"'],
  [{ namespace: () => {} }, 'kvStore.partition must be a function or "public", got undefined'],
  [{ namespace: () => {}, partition: 'ann' }, 'kvStore.partition must be a function or "public", got "ann"'],
  [
    { namespace: () => {}, partition: 'public', prefix: 5 },
    'kvStore.prefix must be a string of at most 64 bytes, got 5',
  ],
  [
    { namespace: () => {}, partition: 'public', ttl: 5 },
    'kvStore.ttl is not an option; there are namespace, partition, prefix, clock',
  ],
  [undefined, 'kvStore must be an object, got undefined'],
])('kvStore() throws for %j', ([options, message]) => {
  expect(() => kvStore(options as KvStoreOptions)).toThrow(new TypeError(message));
});

test('kvStore() that fails, or gives garbage, fails no call', async () => {
  const { kv, values } = namespace();
  const clock = new FakeClock();
  const failing: KvNamespace = { ...kv, put: () => Promise.reject(new Error('KV PUT failed: 429 Too Many Requests')) };
  let current = failing;
  const client = createClient({
    clock,
    retry: false,
    fetch: scriptedFetch([{ body: 'one' }, { body: 'two' }, 503], { clock }),
    fallback: { store: kvStore({ namespace: () => current, partition: 'public', clock }) },
  });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  const url = 'https://api.test/';
  expect(await (await client.fetch(url)).text()).toBe('one');
  await clock.advance(1_000);
  expect(events.find(({ type }) => type === 'store-error')).toMatchObject({ operation: 'set', reason: 'Error' });
  current = kv;
  expect(await (await client.fetch(url)).text()).toBe('two');
  await clock.advance(1_000);
  const [name = ''] = values.keys();
  values.set(name, new ArrayBuffer(3));
  expect((await client.fetch(url)).status).toBe(503);
});
