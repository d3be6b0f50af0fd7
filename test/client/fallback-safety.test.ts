import { afterEach, expect, test, vi } from 'vitest';

import { degradation, type FetchInit, memoryStore, type Store, type StoreEntry } from '../../src/index.ts';
import type { ScriptedRequest, ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { engine } from '../support/engine.ts';
import { type Bench, errorOf, url, watch } from './bench.ts';
import { down, fallbackBench, good, idle, shown } from './fallback-bench.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

const failed = { message: 'Failed to fetch' };
/** Tells each asker who they are. */
const personal = (request: ScriptedRequest) =>
  good(`for ${request.headers.get('authorization') ?? request.headers.get('x-api-key') ?? 'nobody'}`);

/** A store that shows what is in it. */
function openStore(): Store & { readonly entries: Map<string, StoreEntry> } {
  const entries = new Map<string, StoreEntry>();
  return {
    entries,
    get: async (key) => entries.get(key),
    set: async (key, entry) => void entries.set(key, entry),
    delete: async (key) => void entries.delete(key),
    clear: async (partition) => {
      for (const key of [...entries.keys()])
        if (partition === undefined || key.startsWith(`${partition} `)) entries.delete(key);
    },
  };
}

/** A store whose sets arrive when they are told to. */
function landingStore() {
  const store = openStore();
  let arrive = (): void => {};
  const slow: Store = {
    ...store,
    set: (key, entry) =>
      new Promise((resolve) => {
        arrive = () => resolve(void store.entries.set(key, entry));
      }),
  };
  return { store, slow, land: () => arrive() };
}

test.for<{ readonly by: string; readonly a: FetchInit; readonly b: FetchInit }>([
  { by: 'Authorization', a: { headers: { authorization: 'Bearer a' } }, b: { headers: { authorization: 'Bearer b' } } },
  { by: 'an API key', a: { headers: { 'x-api-key': 'a' } }, b: { headers: { 'x-api-key': 'b' } } },
  { by: 'partition', a: { partition: 'a' }, b: { partition: 'b' } },
])('client.fetch never answers one user with what another was given, told apart by $by', async ({ a, b }) => {
  const { client, upstream } = fallbackBench([personal, down], { maxAgeMs: 60_000 });
  const mine = await shown(client.fetch(url, a));
  expect(await errorOf(client.fetch(url, b))).toMatchObject(failed);
  expect(await errorOf(client.fetch(url))).toMatchObject(failed);
  expect(await shown(client.fetch(url, a))).toBe(mine);
  expect(upstream.calls).toBe(3);
});

test('client.fetch does not answer a user with what nobody was given', async () => {
  const { client } = fallbackBench([personal, down], { maxAgeMs: 60_000 });
  expect(await shown(client.fetch(url))).toBe('200 for nobody');
  expect(await errorOf(client.fetch(url, { headers: { authorization: 'a' } }))).toMatchObject(failed);
});

test('client.fetch gives each user of one Request what is theirs, and keeps it for them', async () => {
  const answer: ScriptStep = ({ headers }) => ({ body: `for ${headers.get('authorization')}` });
  const bench = fallbackBench([answer], { maxAgeMs: 60_000, cacheControl: 'ignore' });
  const { client } = bench;
  const request = new Request(url);
  const calls = ['ann', 'bob'].map((user) => {
    request.headers.set('authorization', user);
    return shown(client.fetch(request));
  });
  expect(await Promise.all(calls)).toEqual(['200 for ann', '200 for bob']);
  await idle(bench);
  for (const user of ['ann', 'bob']) {
    expect(await shown(client.fetch(url, { headers: { authorization: user } }))).toBe(`200 for ${user}`);
  }
});

test('client.fetch puts no credential into a key, nor into an entry', async () => {
  const store = openStore();
  const bench = fallbackBench([good('one', { vary: 'authorization, x-session-token, cookie' }), down], { store });
  const headers = { authorization: 'Bearer s3cret', 'x-session-token': 's3cret-too' };
  await shown(bench.client.fetch(url, { headers }));
  await idle(bench);
  const [[key, entry] = []] = store.entries;
  expect(key).toMatch(/^@[0-9a-f]{64} GET https:\/\/users\.test\/u\/1$/);
  expect(`${key}${JSON.stringify(entry)}`).not.toContain('s3cret');
  expect(await shown(bench.client.fetch(url, { headers }))).toBe('200 one');
  const other = { ...headers, 'x-session-token': 'another' };
  expect(await errorOf(bench.client.fetch(url, { headers: other }))).toMatchObject(failed);
  expect(JSON.stringify(bench.events)).not.toContain('s3cret');
});

test('client.fetch stores nothing for a user, where there is no SHA-256 to tell who it is', async () => {
  vi.stubGlobal('crypto', {});
  const { client } = fallbackBench([personal, personal, down], { maxAgeMs: 60_000 });
  const headers = { authorization: 'a' };
  expect(await shown(client.fetch(url, { headers }))).toBe('200 for a');
  expect(await shown(client.fetch(url))).toBe('200 for nobody');
  expect(await errorOf(client.fetch(url, { headers }))).toMatchObject(failed);
  expect(await shown(client.fetch(url))).toBe('200 for nobody');
});

test('client.fetch goes by the partition of the client, also when the token changes', async () => {
  let user: string | undefined = 'ann';
  const { client } = fallbackBench([personal, down], { partition: () => user });
  await shown(client.fetch(url, { headers: { authorization: 'old' } }));
  expect(await shown(client.fetch(url, { headers: { authorization: 'new' } }))).toBe('200 for old');
  user = 'bob';
  expect(await errorOf(client.fetch(url, { headers: { authorization: 'old' } }))).toMatchObject(failed);
  user = undefined; // nobody is logged in: nothing is stored, and nothing answers
  expect(await errorOf(client.fetch(url))).toMatchObject(failed);
});

test('client.fetch gives credentials a partition of their own, where the partition is "public"', async () => {
  const { client } = fallbackBench([personal, personal, down], { partition: 'public' });
  await shown(client.fetch(url, { headers: { authorization: 'a' } }));
  await shown(client.fetch(url));
  expect(await shown(client.fetch(url))).toBe('200 for nobody');
  expect(await shown(client.fetch(url, { headers: { authorization: 'a' } }))).toBe('200 for a');
  expect(await errorOf(client.fetch(url, { headers: { authorization: 'b' } }))).toMatchObject(failed);
});

test('client.fetch takes the partition of the store, where the client says nothing', async () => {
  const store = {
    ...openStore(),
    partition: (request: Request) => new URL(request.url).searchParams.get('user') ?? 'x',
  };
  const bench = fallbackBench([good('one')], { store });
  await shown(bench.client.fetch(`${url}?user=ann`));
  await idle(bench);
  expect([...store.entries.keys()]).toEqual([`ann GET ${url}?user=ann`]);
});

test('client.fetch rejects with what is wrong, when partition returns no string', async () => {
  const { client, upstream } = fallbackBench([good('one')], { partition: () => 5 as unknown as string });
  expect(await errorOf(client.fetch(url))).toEqual(
    new TypeError('fallback.partition must return a string or undefined, got 5'),
  );
  expect(upstream.calls).toBe(0);
});

test('client.fetch keeps partitions apart, whatever their names are', async () => {
  const echo = (request: ScriptedRequest) => good(request.headers.get('x-n') ?? '');
  const names = ['', ' ', 'a', 'a b', 'a%20b', '@', 'public ', 'ä', 'a\n', '@0 GET'];
  const script = [...names.map(() => echo), down];
  const { client } = fallbackBench(script);
  for (const [index, partition] of names.entries())
    await shown(client.fetch(url, { partition, headers: { 'x-n': String(index) } }));
  for (const [index, partition] of names.entries()) {
    expect(await shown(client.fetch(url, { partition }))).toBe(`200 ${index}`);
  }
});

test('client.fetch stores nothing for who has half a character in the name, and answers all the same', async () => {
  const store = openStore();
  const bench = fallbackBench([good('everybody’s'), good('one'), 200, down], { store });
  const { client } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url, { partition: '\ud800' }))).toBe('200 one');
  await idle(bench);
  expect([...store.entries.keys()]).toEqual([`public GET ${url}`]);
  await client.clear({ partition: '\ud800' });
  expect(store.entries.size).toBe(1);
  // What is everybody's is outdated, whoever writes.
  await client.fetch(url, { method: 'PUT', partition: '\ud800' });
  await idle(bench);
  expect(store.entries.size).toBe(0);
});

test('client.clear forgets one partition, and leaves the others', async () => {
  const { client } = fallbackBench([good('a'), good('ab'), good('nobody'), down]);
  for (const partition of ['a', 'ab', undefined])
    await shown(client.fetch(url, partition === undefined ? {} : { partition }));
  await client.clear({ partition: 'a' });
  expect(await errorOf(client.fetch(url, { partition: 'a' }))).toMatchObject(failed);
  expect(await shown(client.fetch(url, { partition: 'ab' }))).toBe('200 ab');
  await client.clear();
  expect(await errorOf(client.fetch(url, { partition: 'ab' }))).toMatchObject(failed);
  expect(await errorOf(client.fetch(url))).toMatchObject(failed);
});

test('client.clear lets nothing in that was asked for before, a refresh neither', async () => {
  const script = [good('one'), { body: 'refreshed', delayMs: 100 }, { body: 'late', delayMs: 100 }, down];
  const bench = fallbackBench(script, { staleWhileRevalidateMs: 60_000 });
  const { client, clock } = bench;
  await shown(client.fetch(url, { partition: 'a' }));
  await clock.advance(1);
  await shown(client.fetch(url, { partition: 'a' })); // starts the refresh
  const late = client.fetch(`${url}/2`, { partition: 'a' });
  await clock.advance(50);
  await client.clear({ partition: 'a' });
  await clock.advance(50);
  await shown(late);
  await idle(bench);
  for (const at of [url, `${url}/2`]) expect(await errorOf(client.fetch(at, { partition: 'a' }))).toMatchObject(failed);
});

test('client.clear lets nothing in of a call that had not even asked the store', async () => {
  for (const options of [{}, { partition: 'ann' }]) {
    const store = openStore();
    const bench = fallbackBench([good('of a')], { store });
    const call = bench.client.fetch(url, { headers: { authorization: 'ann' }, ...options });
    await bench.client.clear(options);
    expect(await shown(call)).toBe('200 of a');
    await idle(bench);
    expect([...store.entries]).toEqual([]);
  }
});

test('client.clear lets a refresh of what it has forgotten store nothing, nor a 304', async () => {
  for (const limits of [{ staleWhileRevalidateMs: 60_000 }, {}]) {
    const store = openStore();
    let isSlow = false;
    const bench = fallbackBench([good('one', { etag: '"1"' }), { status: 304, delayMs: 10 }], {
      ...limits,
      store: {
        ...store,
        get: async (key) => {
          const entry = store.entries.get(key);
          if (isSlow) await new Promise<void>((resolve) => void bench.clock.schedule(50, resolve));
          return entry;
        },
      },
    });
    await shown(bench.client.fetch(url));
    await bench.clock.advance(1);
    isSlow = true;
    const call = bench.client.fetch(url);
    await bench.clock.advance(10);
    await bench.client.clear();
    await bench.clock.advance(200);
    await shown(call);
    await idle(bench);
    expect([...store.entries]).toEqual([]);
  }
});

test('client.clear resolves, and what was given up as lost before it stays out', async () => {
  const { store, slow, land } = landingStore();
  const { client, clock } = fallbackBench([good('of a'), down], { store: slow });
  await shown(client.fetch(url));
  await clock.advance(12_000);
  await client.clear();
  land();
  await clock.advance(0);
  expect(store.entries.size).toBe(0);
});

test('client.fetch forgets what is everybody’s after a write of somebody without a partition, and passes over the rest', async () => {
  const store = openStore();
  const partition = (request: Request) => request.headers.get('x-user') ?? undefined;
  const bench = fallbackBench([good('old'), 204, good('new')], { store, partition, maxAgeMs: 60_000 });
  const ann = { headers: { 'x-user': 'ann' } };
  expect(await shown(bench.client.fetch(url, ann))).toBe('200 old');
  await idle(bench);
  await bench.client.fetch(url, { method: 'POST' });
  expect(await shown(bench.client.fetch(url, ann))).toBe('200 new');
});

test('client.fetch keeps what two names of a host are given apart', async () => {
  const fetch = async (_input: unknown, init?: RequestInit) =>
    new Response(`of ${new Headers(init?.headers).get('host')}`);
  const { client } = fallbackBench([200], { maxAgeMs: 60_000 }, { fetch });
  // A browser takes the header away, and then there is nothing to tell them by.
  if (!new Headers(new Request(url, { headers: { host: 'a' } }).headers).has('host')) return;
  expect(await shown(client.fetch(url, { headers: { host: 'a' } }))).toBe('200 of a');
  expect(await shown(client.fetch(url, { headers: { host: 'b' } }))).toBe('200 of b');
});

test('client.clear resolves when nothing that was being stored can come back', async () => {
  const { store, slow, land } = landingStore();
  const { client, clock } = fallbackBench([good('of a'), down], { store: slow });
  await shown(client.fetch(url));
  await clock.advance(0);
  const clearing = watch(client.clear());
  await clock.advance(999);
  expect(clearing.state).toBe('pending');
  land();
  await clock.advance(0);
  expect(clearing.state).toBe('resolved');
  expect(store.entries.size).toBe(0);
});

test('client.clear does not wait for ever for what is being stored, which is deleted when it comes', async () => {
  const { store, slow, land } = landingStore();
  const { client, clock } = fallbackBench([good('of a'), down], { store: slow });
  await shown(client.fetch(url));
  await clock.advance(0);
  const clearing = watch(client.clear());
  await clock.advance(2_000);
  expect(clearing.state).not.toBe('pending');
  land();
  await clock.advance(0);
  expect(store.entries.size).toBe(0);
});

test.for(['a write', 'a clear()'])(
  'client.fetch deletes what is left of an entry, when %s was faster',
  async (what) => {
    const { store, slow, land } = landingStore();
    const answer = (control: string): ScriptStep => good('one', { vary: 'accept', 'cache-control': control });
    const bench = fallbackBench([answer(''), answer(''), answer('no-store'), 204], { store: slow });
    const { client, clock } = bench;
    for (const accept of ['a', 'b', 'a']) {
      land();
      await shown(client.fetch(url, { headers: { accept } }));
      await idle(bench);
    }
    if (what === 'a write') await client.fetch(url, { method: 'POST' });
    else {
      const clearing = watch(client.clear());
      await clock.advance(2_000);
      expect(clearing.state).not.toBe('pending');
    }
    land(); // that of b, without that of a
    await idle(bench);
    expect(store.entries.size).toBe(0);
  },
);

test('client.clear rejects with what the store throws: who logs out must know', async () => {
  const error = new Error('disk full');
  const store = { ...openStore(), clear: () => Promise.reject(error) };
  expect(await errorOf(fallbackBench([200], { store }).client.clear())).toBe(error);
  const hanging = fallbackBench([200], { store: { ...openStore(), clear: () => new Promise<void>(() => {}) } });
  const clearing = errorOf(hanging.client.clear());
  await hanging.clock.advance(60_000);
  expect(await clearing).toEqual(new Error('Cannot clear the store: it gives no sign for 60000 ms'));
});

test.for([
  { what: 'takes five seconds', takesMs: 5_000, state: 'resolved' },
  { what: 'never ends', takesMs: Infinity, state: 'rejected' },
])('client.clear() that $what takes the store from nobody else', async ({ takesMs, state }) => {
  const { promise: cleared, resolve } = Promise.withResolvers<void>();
  const store = { ...openStore(), clear: () => cleared };
  const { client, clock, events } = fallbackBench([good('of b'), down], { store });
  clock.schedule(takesMs, resolve);
  const asB = { partition: 'b' };
  await shown(client.fetch(url, asB));
  await clock.advance(0);
  const clearing = watch(client.clear({ partition: 'a' }));
  for (let second = 0; second < 60; second += 1) {
    await clock.advance(1_000);
    expect(await shown(client.fetch(url, asB))).toBe('200 of b');
  }
  expect(clearing.state).toBe(state);
  expect(events.filter(({ type }) => type === 'store-error')).toEqual([]);
});

test('client.clear resolves without a store, and refuses what is no partition', async () => {
  const { client } = fallbackBench([200], {}, { fallback: false });
  await client.clear();
  await client.clear({ partition: 'a' });
  expect(await errorOf(client.clear({ partition: 5 as unknown as string }))).toEqual(
    new TypeError('clear.partition must be a string, got 5'),
  );
  expect(await errorOf(client.clear({ partitions: 'a' } as object))).toBeInstanceOf(TypeError);
});

// The wall clock.

test('client.fetch does not take an answer from the future for fresh, after the clock was set back', async () => {
  const bench = fallbackBench([good('one'), down, good('two')], { maxAgeMs: 60_000 });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  clock.jump(-3_600_000);
  expect(degradation(await client.fetch(url))).toEqual({ source: 'cache', reason: 'network', ageMs: 0 });
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(await shown(client.fetch(url))).toBe('200 two'); // stored anew, by today's clock
  expect(upstream.calls).toBe(3);
});

test('client.fetch goes on storing what was written, after the clock was set back', async () => {
  const bench = fallbackBench([good('one'), 204, good('two'), down]);
  const { client, clock } = bench;
  await shown(client.fetch(url));
  await client.fetch(url, { method: 'PUT' });
  clock.jump(-3_600_000);
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
});

/** What a user is given, once it has been stored, too. */
async function storedTextFor(partition: string, bench: Bench): Promise<string> {
  const text = await shown(bench.client.fetch(url, { partition }));
  await idle(bench);
  return text;
}

test.for([
  { when: 'within the same millisecond', waitMs: 0, jumpMs: 0 },
  { when: 'with the clock set back', waitMs: 400, jumpMs: -500 },
])('client.fetch gives nobody what was there before a write of another, $when', async ({ waitMs, jumpMs }) => {
  const script = [good('old'), 204, good('new'), good('new')];
  const bench = fallbackBench(script, { maxAgeMs: 60_000 });
  const { client, clock, upstream } = bench;
  const textFor = (partition: string): Promise<string> => storedTextFor(partition, bench);
  await textFor('bob');
  await clock.advance(waitMs / 2);
  await client.fetch(url, { partition: 'ann', method: 'POST' });
  clock.jump(jumpMs);
  expect(await textFor('ann')).toBe('200 new');
  await clock.advance(waitMs);
  expect(await textFor('bob')).toBe('200 new');
  // Both have it now.
  expect([await textFor('ann'), await textFor('bob'), upstream.calls]).toEqual(['200 new', '200 new', 4]);
});

test('client.fetch gives nobody what was there before a write, when what came after it could not be stored', async () => {
  const inner = memoryStore();
  let isFull = false;
  const set: typeof inner.set = async (key, entry) => {
    if (isFull) throw new Error('full');
    await inner.set(key, entry);
  };
  const bench = fallbackBench([good('old'), 204, good('new')], { store: { ...inner, set }, maxAgeMs: 60_000 });
  const { client, clock, upstream } = bench;
  const textFor = (partition: string): Promise<string> => storedTextFor(partition, bench);
  await textFor('bob');
  await clock.advance(1_000);
  await client.fetch(url, { partition: 'ann', method: 'POST' });
  isFull = true;
  expect([await textFor('bob'), await textFor('bob')]).toEqual(['200 new', '200 new']);
  expect(upstream.calls).toBe(4);
});

test('client.fetch remembers of many users what came after a write, with the clock set back', async () => {
  let isDown = false;
  const bench = fallbackBench([() => (isDown ? new TypeError('Failed to fetch') : { body: 'new' })]);
  const { client, clock } = bench;
  const users = Array.from({ length: 300 }, (_, user) => `user-${user}`);
  await client.fetch(url, { partition: 'ann', method: 'POST' });
  clock.jump(-60_000);
  for (const partition of users) await shown(client.fetch(url, { partition }));
  await idle(bench);
  isDown = true;
  for (const partition of users) expect(await shown(client.fetch(url, { partition }))).toBe('200 new');
});

test('client.fetch takes what it has for old, after the clock was set forward', async () => {
  const { client, clock, upstream } = fallbackBench([good('one'), good('two')], { maxAgeMs: 60_000 });
  await shown(client.fetch(url));
  clock.jump(60_001);
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(upstream.calls).toBe(2);
});

test('a store of somebody else’s with nothing but a Map is enough', async () => {
  const store = openStore();
  expect(memoryStore()).toMatchObject({ shared: true });
  const { client } = fallbackBench([good('one'), down], { store });
  await shown(client.fetch(url));
  expect(await shown(client.fetch(url))).toBe('200 one');
});

test.for(['x-user-id', 'dpop', 'from', 'x-amzn-oidc-data', 'x-forwarded-for', 'x-identity', 'sid', 'x-whatever'])(
  'client.fetch takes %s for a word on who is asking',
  async (name) => {
    const { client } = fallbackBench([good('for a'), down]);
    await shown(client.fetch(url, { headers: { [name]: 'a' } }));
    expect(await errorOf(client.fetch(url, { headers: { [name]: 'b' } }))).toMatchObject(failed);
    expect(await errorOf(client.fetch(url))).toMatchObject(failed);
    expect(await shown(client.fetch(url, { headers: { [name]: 'a' } }))).toBe('200 for a');
  },
);

test.for(['accept', 'accept-language', 'x-request-id', 'traceparent', 'x-requested-with'])(
  'client.fetch takes %s for no word on who is asking',
  async (name) => {
    const { client } = fallbackBench([good('for all'), down]);
    await shown(client.fetch(url, { headers: { [name]: 'a' } }));
    expect(await shown(client.fetch(url, { headers: { [name]: 'b' } }))).toBe('200 for all');
  },
);

test('client.fetch puts no credential of a query into a key, and keeps such answers apart', async () => {
  const store = openStore();
  const bench = fallbackBench([good('for a'), good('page 2'), down], { store });
  await shown(bench.client.fetch(`${url}?access_token=s3cret&page=1#x`));
  await shown(bench.client.fetch(`${url}?page=2`));
  await idle(bench);
  const [hidden, plain] = [...store.entries.keys()];
  expect(hidden).toMatch(/^public GET https:\/\/users\.test\/u\/1\?#[0-9a-f]{64}$/);
  expect(plain).toBe(`public GET ${url}?page=2`);
  expect(await shown(bench.client.fetch(`${url}?access_token=s3cret&page=1`))).toBe('200 for a');
  expect(await errorOf(bench.client.fetch(`${url}?access_token=other&page=1`))).toMatchObject(failed);
});

test('client.fetch rejects once, when partition returns a promise that rejects', async () => {
  const partition = (() => Promise.reject(new Error('later'))) as unknown as () => string;
  const { client } = fallbackBench([good('one')], { partition });
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: expect.stringContaining('must return a string') });
  await Promise.resolve(); // a rejection that nobody handles fails the run
});

// workerd knows no "error".
const redirectModes = engine === 'workerd' ? (['manual'] as const) : (['error', 'manual'] as const);

test.for(redirectModes)('client.fetch with redirect "%s" is not given what came after a redirect', async (redirect) => {
  let calls = 0;
  const fetch = async (): Promise<Response> => {
    calls += 1;
    if (calls > 2) throw new TypeError('Failed to fetch');
    return Object.defineProperty(new Response('moved'), 'redirected', { value: calls === 1 });
  };
  const { client } = fallbackBench([200], { maxAgeMs: 60_000 }, { fetch });
  await shown(client.fetch(url));
  expect(await shown(client.fetch(url))).toBe('200 moved');
  expect(calls).toBe(1);
  await shown(client.fetch(url, { redirect })); // asks, and keeps what came without one
  expect(calls).toBe(2);
  expect(await shown(client.fetch(url, { redirect }))).toBe('200 moved');
  expect(calls).toBe(2);
});

test('client.fetch tells users apart where another class is in place of Promise, as with zone.js', async () => {
  vi.stubGlobal('Promise', class extends Promise<unknown> {});
  expect((async () => {})()).not.toBeInstanceOf(globalThis.Promise);
  const { client, upstream } = fallbackBench([personal, personal, personal], { maxAgeMs: 60_000 });
  for (const name of ['alice', 'bob', 'carol', 'alice']) {
    const answer = client.fetch(url, { headers: { authorization: name } });
    expect(await shown(answer)).toBe(`200 for ${name}`);
  }
  expect(upstream.calls).toBe(3);
});
