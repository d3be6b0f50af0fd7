import { expect, test } from 'vitest';

import { memoryStore, type Store, type StoreEntry } from '../../src/index.ts';
import { errorOf, facts, url, watch } from './bench.ts';
import { down, fallbackBench, good, idle, shown } from './fallback-bench.ts';

const failed = { message: 'Failed to fetch' };

function broken(change: Partial<Store>): Store {
  return { ...memoryStore(), ...change };
}

const quota = (): never => {
  throw new DOMException('The quota of s3cret was exceeded', 'QuotaExceededError');
};

test.for([
  { what: 'throws', get: quota, reason: 'QuotaExceededError' },
  { what: 'rejects', get: async () => quota(), reason: 'QuotaExceededError' },
  { what: 'rejects with no Error', get: () => Promise.reject('no'), reason: 'Error' },
])('client.fetch works without a store that $what, and says so', async ({ get, reason }) => {
  const bench = fallbackBench([good('one'), good('two'), down], { maxAgeMs: 60_000, store: broken({ get }) });
  const { client, events } = bench;
  expect(await shown(client.fetch(url))).toBe('200 one');
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(await errorOf(client.fetch(url))).toMatchObject(failed);
  expect(facts(events, 'store-error')[0]).toEqual({ operation: 'get', reason });
  expect(JSON.stringify(events)).not.toContain('s3cret');
});

test('client.fetch works without a store whose get is a getter that throws, and says so', async () => {
  const store = Object.defineProperty(memoryStore(), 'get', { get: () => quota });
  const bench = fallbackBench([good('one')], { store });
  Object.defineProperty(store, 'get', { get: quota });
  expect(await shown(bench.client.fetch(url))).toBe('200 one');
  expect(facts(bench.events, 'store-error')[0]).toEqual({ operation: 'get', reason: 'QuotaExceededError' });
});

test.for([
  { operation: 'set', script: [good('one'), good('two')], act: 'GET' },
  { operation: 'delete', script: [good('one'), 200, good('two')], act: 'PUT' },
] as const)('client.fetch works, and says so, when $operation throws', async ({ operation, script, act }) => {
  const bench = fallbackBench(script, { store: broken({ [operation]: quota }) });
  await shown(bench.client.fetch(url));
  if (act === 'PUT') await bench.client.fetch(url, { method: 'PUT' });
  await idle(bench);
  expect(await shown(bench.client.fetch(url))).toBe('200 two');
  expect(facts(bench.events, 'store-error')[0]).toEqual({ operation, reason: 'QuotaExceededError' });
});

test('client.fetch waits for a store that hangs once, and then goes on without it', async () => {
  let gets = 0;
  const get = (): Promise<undefined> => {
    gets += 1;
    return new Promise(() => {});
  };
  const bench = fallbackBench([good('one'), down], { store: broken({ get }), storeTimeoutMs: 200 });
  const { client, clock, events } = bench;
  const first = watch(client.fetch(url));
  await clock.advance(199);
  expect(first.state).toBe('pending');
  await clock.advance(1);
  expect(first.value && (await shown(first.value))).toBe('200 one');
  expect(facts(events, 'store-error')).toEqual([{ operation: 'get', reason: 'timeout' }]);
  for (let call = 0; call < 5; call += 1) expect(await errorOf(client.fetch(url))).toMatchObject(failed);
  expect(gets).toBe(1);
  await clock.advance(10_000); // a rest, and another try
  const again = errorOf(client.fetch(url));
  await clock.advance(200);
  expect(await again).toMatchObject(failed);
  expect(gets).toBe(2);
});

test('client.fetch uses a slow store again, once it has spoken', async () => {
  let answer: () => void = () => {};
  const slow = memoryStore();
  const get = (key: string): Promise<StoreEntry | undefined> =>
    new Promise((resolve) => {
      answer = () => resolve(slow.get(key));
    });
  const store = broken({ get, set: slow.set });
  const { client, clock } = fallbackBench([good('one'), good('two'), down], { store, storeTimeoutMs: 100 });
  const first = client.fetch(url);
  await clock.advance(100);
  await shown(first);
  answer();
  await clock.advance(0);
  const second = client.fetch(url); // it is asked again
  await clock.advance(0);
  answer();
  expect(await shown(second)).toBe('200 two');
  const third = client.fetch(url);
  await clock.advance(0);
  answer();
  await clock.advance(0);
  answer();
  expect(await shown(third)).toBe('200 two');
});

test('client.fetch waits for no store when it writes', async () => {
  const bench = fallbackBench([good('one'), 200], {
    store: broken({ set: () => new Promise(() => {}), delete: () => new Promise(() => {}) }),
  });
  expect(await shown(bench.client.fetch(url))).toBe('200 one');
  await idle(bench);
  expect((await bench.client.fetch(url, { method: 'POST' })).status).toBe(200);
  await bench.clock.advance(1_000);
  expect(facts(bench.events, 'store-error').map(({ operation, reason }) => `${operation} ${reason}`)).toContain(
    'set timeout',
  );
});

const poison: readonly { readonly what: string; readonly change: (entry: StoreEntry) => unknown }[] = [
  { what: 'a text', change: () => 'garbage' },
  { what: 'an empty object', change: () => ({}) },
  { what: 'an entry of another key', change: (entry) => ({ ...entry, key: 'public GET https://other.test/' }) },
  { what: 'kept until nobody knows when', change: (entry) => ({ ...entry, expiresAt: undefined }) },
  { what: 'no variant', change: (entry) => ({ ...entry, variants: [] }) },
  { what: 'a truncated body', change: spoil(({ body }) => ({ body: body?.slice(1) })) },
  { what: 'a body of text', change: spoil(() => ({ body: 'one' })) },
  { what: 'a status of 500', change: spoil(() => ({ status: 500 })) },
  { what: 'headers that are none', change: spoil(() => ({ headers: [['not a name', 'x']] })) },
  { what: 'a header that splits', change: spoil(() => ({ headers: [['x-a', 'x\r\nset-cookie: id=1']] })) },
  { what: 'no time', change: spoil(() => ({ receivedAt: Number.NaN })) },
];

function spoil(change: (stored: StoreEntry['variants'][number]) => object): (entry: StoreEntry) => unknown {
  return (entry) => ({ ...entry, variants: entry.variants.map((stored) => ({ ...stored, ...change(stored) })) });
}

test.for(poison)('client.fetch drops an entry that is $what, and says so', async ({ change }) => {
  const entries = new Map<string, unknown>();
  const store = broken({
    get: async (key) => entries.get(key) as StoreEntry | undefined,
    set: async (key, entry) => void entries.set(key, change(entry)),
    delete: async (key) => void entries.delete(key),
  });
  const bench = fallbackBench([good('one'), down], { store, maxAgeMs: 60_000 });
  await shown(bench.client.fetch(url));
  await idle(bench);
  expect(entries.size).toBe(1);
  expect(await errorOf(bench.client.fetch(url))).toMatchObject(failed);
  await idle(bench);
  expect(entries.size).toBe(0);
  expect(facts(bench.events, 'store-error')[0]).toEqual({ operation: 'get', reason: 'invalid' });
});

test('client.fetch hands out no cookie, whatever is in the store', async () => {
  const entries = new Map<string, StoreEntry>();
  const add = spoil(({ headers }) => ({ headers: [...headers, ['set-cookie', 'id=1']] }));
  const store = broken({
    get: async (key) => entries.get(key),
    set: async (key, entry) => void entries.set(key, add(entry) as StoreEntry),
  });
  const { client } = fallbackBench([good('one'), down], { store });
  await shown(client.fetch(url));
  expect((await client.fetch(url)).headers.getSetCookie()).toEqual([]);
});

test('client.fetch rejects with the caller’s reason at once, while the store hangs', async () => {
  const { client, clock, upstream } = fallbackBench([good('one')], {
    store: broken({ get: () => new Promise(() => {}) }),
  });
  const controller = new AbortController();
  const call = watch(client.fetch(url, { signal: controller.signal }));
  await clock.advance(10);
  controller.abort('gone');
  await clock.advance(0);
  expect(call).toMatchObject({ state: 'rejected', error: 'gone' });
  await clock.advance(5_000);
  expect(upstream.calls).toBe(0);
  expect(clock.pending).toBe(0);
});

test('client.fetch is not told twice of a store that is silent, and then throws', async () => {
  let fail: () => void = () => {};
  const get = (): Promise<never> =>
    new Promise((_resolve, reject) => {
      fail = () => reject(new Error('late'));
    });
  const bench = fallbackBench([good('one')], { store: broken({ get }), storeTimeoutMs: 1 });
  const call = bench.client.fetch(url);
  await bench.clock.advance(1);
  expect(await shown(call)).toBe('200 one');
  fail();
  await idle(bench);
  expect(facts(bench.events, 'store-error')).toEqual([{ operation: 'get', reason: 'timeout' }]);
});

test('client.fetch stores what was asked for after an answer that took too long to be taken out', async () => {
  const memory = memoryStore();
  let takeOut: () => void = () => {};
  const remove: Store['delete'] = (key) =>
    new Promise((resolve) => {
      takeOut = () => resolve(memory.delete(key));
    });
  const script = [404, { body: 'two', delayMs: 100 }, down];
  const store = broken({ delete: remove });
  const bench = fallbackBench(script, { store, storeTimeoutMs: 10_000 }, { deadlineMs: 1_000 });
  const { client, clock } = bench;
  await shown(client.fetch(url));
  await clock.advance(2_000); // its deadline, and a second: it counts as lost
  const second = client.fetch(url);
  takeOut();
  await clock.advance(100);
  expect(await shown(second)).toBe('200 two');
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
});
