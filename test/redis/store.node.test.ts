import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import { redisStore } from '../../src/adapters/redis.ts';
import { createClient, degradation, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { entryOf, storedOf } from '../support/entries.ts';
import { type Redis, RedisServer } from '../support/redis-server.ts';

let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = await server.client();
});

afterEach(() => redis.flushAll());
afterAll(() => server.end());

const clock = new FakeClock();
const store = (options = {}) => redisStore({ client: redis, partition: 'public', clock, ...options });

test('redisStore() gives back what it was given, bytes and all, to another instance too', async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
  const variants = [storedOf('text'), { ...storedOf(null), body: bytes, bodyBytes: bytes.length }, storedOf(null)];
  const entry = entryOf('public GET https://api.test/ü', 'text', { variants });
  await store().set(entry.key, entry);
  const other = redisStore({ client: await server.client(), partition: 'public', clock });
  expect(await other.get(entry.key)).toEqual(entry);
  expect(await store().get('public GET https://api.test/none')).toBeUndefined();
});

test('redisStore() lets go of an entry when it is of no use any more, and keeps none that is so already', async () => {
  const key = 'public GET https://api.test/';
  await store().set(key, entryOf(key, 'text', { expiresAt: clock.epochNow() + 60_000 }));
  const [name = ''] = await redis.keys('*');
  expect(await redis.pTTL(name)).toBeGreaterThan(50_000);
  expect(await redis.pTTL(name)).toBeLessThanOrEqual(60_000);
  await store().set('public old', entryOf('public old', 'text', { expiresAt: clock.epochNow() }));
  expect(await redis.keys('*')).toEqual([name]);
  await store().set(key, entryOf(key, 'newer', { expiresAt: clock.epochNow() }));
  expect(await redis.keys('*')).toEqual([]);
});

test('redisStore() forgets one key, one partition, or all, and nothing of what is not its own', async () => {
  await redis.set('mine', 'a text');
  const keys = ['a* 1', 'a* 2', 'ab 1', 'b 1', `${'x'.repeat(300)} 1`];
  for (const key of keys) await store().set(key, entryOf(key));
  const left = async (): Promise<string[]> => {
    const found = await Promise.all(keys.map(async (key) => ((await store().get(key)) === undefined ? [] : [key])));
    return found.flat();
  };
  await store().delete('b 1');
  expect(await left()).toEqual(keys.filter((key) => key !== 'b 1'));
  // A partition is a text, and no pattern.
  await store().clear('a*');
  expect(await left()).toEqual(['ab 1', `${'x'.repeat(300)} 1`]);
  await store().clear();
  expect([await left(), await redis.get('mine')]).toEqual([[], 'a text']);
});

test('redisStore() forgets nothing of a store whose prefix begins as its own does', async () => {
  const ours = [store({ prefix: 'app' }), store({ prefix: 'app:' })] as const;
  const theirs = [store({ prefix: 'app:v2' }), store({ prefix: 'app:v2:' }), store({ prefix: 'app ' })] as const;
  const keys = ['public GET 1', ':v2 GET 1', 'v2:public GET 1', '%20 GET 1'];
  for (const their of theirs) for (const key of keys) await their.set(key, entryOf(key));
  for (const our of ours) {
    for (const key of keys) expect(await our.get(key)).toBeUndefined();
    for (const partition of [undefined, 'public', ':v2', 'v2:public', '']) await our.clear(partition);
  }
  for (const their of theirs) for (const key of keys) expect((await their.get(key))?.key).toBe(key);
});

test('redisStore() clears thousands of entries, and says after each page that it goes on', {
  timeout: 60_000,
}, async () => {
  const all = redis.multi();
  for (let entry = 0; entry < 5_000; entry += 1) all.set(`steadfetch:answers ann GET ${entry}`, 'x');
  await all.exec();
  const onProgress = vi.fn();
  await store().clear('ann', onProgress);
  expect(await redis.keys('*')).toEqual([]);
  expect(onProgress.mock.calls.length).toBeGreaterThan(5);
});

test('redisStore() keeps keys short, however long a URL is', async () => {
  const key = `public GET https://api.test/${'x'.repeat(10_000)}`;
  await store().set(key, entryOf(key));
  expect((await redis.keys('*')).map((name) => name.length < 600)).toEqual([true]);
  expect((await store().get(key))?.key).toBe(key);
});

test('a client answers from Redis while its dependency is down, and fails no call while Redis is gone', {
  timeout: 60_000,
}, async () => {
  const own = await RedisServer.start();
  try {
    const client = await own.client();
    const options = { retry: false, fallback: { store: redisStore({ client, partition: 'public', clock }) } } as const;
    const url = 'https://api.test/';
    const first = createClient({ ...options, clock, fetch: scriptedFetch([{ body: 'one' }], { clock }) });
    await (await first.fetch(url)).text();
    await expect.poll(async () => (await own.client()).dbSize()).toBe(1);
    const second = createClient({ ...options, clock, fetch: scriptedFetch([503], { clock }) });
    const answer = await second.fetch(url);
    expect([await answer.text(), degradation(answer)?.source]).toEqual(['one', 'cache']);

    await own.kill();
    await expect.poll(() => client.isReady, { timeout: 10_000 }).toBe(false);
    const events: SteadEvent[] = [];
    const third = createClient({ ...options, clock, fetch: scriptedFetch([200], { clock }) });
    third.subscribe((event) => events.push(event));
    await expect
      .poll(
        async () => {
          // Never refused, and never kept waiting.
          expect((await third.fetch(url)).status).toBe(200);
          return events.some((event) => event.type === 'store-error' && event.reason === 'NotConnectedError');
        },
        { timeout: 10_000 },
      )
      .toBe(true);
  } finally {
    await own.end();
  }
});

test('garbage under a key of the store is no entry', async () => {
  const client = createClient({
    clock,
    fetch: scriptedFetch([200, 503], { clock }),
    retry: false,
    fallback: { store: store() },
  });
  const url = 'https://api.test/';
  await client.fetch(url);
  await expect.poll(() => redis.dbSize()).toBe(1);
  const [name = ''] = await redis.keys('*');
  for (const garbage of ['', 'AAAA', '!', 'x'.repeat(1_000)]) {
    await redis.set(name, garbage);
    expect((await client.fetch(url)).status).not.toBe(500);
  }
});

const wrong = [
  {
    options: { client: {} },
    message:
      /^redisStore\.client must be a client of redis \(node-redis\), got an object without get, set, unlink and scan$/,
  },
  { options: { partition: undefined }, message: /^redisStore\.partition/ },
  { options: { prefix: 'x'.repeat(65) }, message: /^redisStore\.prefix must be a string of at most 64 bytes/ },
  { options: { clock: 1 }, message: /^clock must be an object, got 1/ },
  { options: { maxEntries: 5 }, message: /^redisStore\.maxEntries is not an option/ },
];

test.for(wrong)('redisStore() throws a TypeError that names the option: $message', ({ options, message }) => {
  expect(() => store(options)).toThrow(message);
});
