import * as fake from 'fake-indexeddb';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { idbStore } from '../../src/stores/idb.ts';
import { bytesOf, type Store, type StoreEntry } from '../../src/stores/store.ts';
import { RUNS } from '../properties/bench.ts';
import { contentsOf, drop, entryOf, openRaw } from './idb-bench.ts';

beforeEach(() => {
  vi.stubGlobal('indexedDB', new fake.IDBFactory());
  vi.stubGlobal('IDBKeyRange', fake.IDBKeyRange);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

test('idbStore() can be made where there is no IndexedDB, as on a server, and rejects there when used', async () => {
  vi.unstubAllGlobals();
  expect('indexedDB' in globalThis).toBe(false);
  const store = idbStore({ name: 'pages', partition: 'public' });
  const refused = 'Cannot open the database "pages": there is no IndexedDB here';
  await expect(store.get('a')).rejects.toThrow(refused);
  await expect(store.set('a', entryOf('a'))).rejects.toThrow(refused);
});

/** Every connection that is opened from now on. */
function watchConnections(): IDBDatabase[] {
  const opened: IDBDatabase[] = [];
  const open = indexedDB.open.bind(indexedDB);
  vi.spyOn(indexedDB, 'open').mockImplementation((...given) => {
    const request = open(...given);
    request.addEventListener('success', () => opened.push(request.result));
    return request;
  });
  return opened;
}

/** As when the user clears the site's data, or the process that holds the database is gone. */
function forceClose(db: IDBDatabase | undefined): void {
  fake.forceCloseDatabase(db as unknown as typeof fake.IDBDatabase);
}

test('idbStore() opens the database again after the browser has closed its connection by force', async () => {
  const opened = watchConnections();
  const store = idbStore({ partition: 'public' });
  await store.set('a', entryOf('a'));
  forceClose(opened[0]);
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(opened).toHaveLength(2);
});

test('idbStore() rejects what the browser has cut off by force, keeps no half of it, and goes on', async () => {
  const opened = watchConnections();
  const store = idbStore({ partition: 'public' });
  await store.set('a', entryOf('a'));
  const put = vi.spyOn(fake.IDBObjectStore.prototype, 'put').mockImplementationOnce(() => {
    forceClose(opened[0]);
    throw new DOMException('The connection is gone.', 'InvalidStateError');
  });
  await expect(store.set('b', entryOf('b'))).rejects.toBeInstanceOf(Error);
  put.mockRestore();
  await store.set('c', entryOf('c'));
  expect((await contentsOf('steadfetch')).keys).toEqual(['a', 'c']);
});

test('idbStore() heals after an open that was cut off in the middle', async () => {
  const create = fake.IDBDatabase.prototype.createObjectStore;
  const spy = vi.spyOn(fake.IDBDatabase.prototype, 'createObjectStore').mockImplementationOnce(function (
    this: IDBDatabase,
    ...given
  ) {
    const objects = create.apply(this, given);
    objects.transaction.abort();
    return objects;
  });
  const store = idbStore({ partition: 'public' });
  await expect(store.get('a')).rejects.toMatchObject({ name: 'AbortError' });
  spy.mockRestore();
  await store.set('a', entryOf('a'));
  expect(await store.get('a')).toEqual(entryOf('a'));
});

// Against a naive model.

type Command =
  | { type: 'set'; tab: number; key: string; size: number }
  | { type: 'get'; tab: number; key: string }
  | { type: 'delete'; tab: number; key: string }
  | { type: 'clear'; tab: number; partition: string | undefined };

const tab = fc.nat({ max: 1 });
const key = fc.constantFrom('a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'ab 1');
const size = fc.constantFrom(0, 100, 300, 500, 1_000, 2_500);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('set' as const), tab, key, size }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('get' as const), tab, key }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), tab, key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('clear' as const),
      tab,
      partition: fc.constantFrom('a', 'b', 'ab', undefined),
    }),
  },
);

const limits = fc.record({
  maxEntries: fc.constantFrom(1, 2, 3, 5),
  maxBytes: fc.constantFrom(1_000, 2_000, 3_333, 5_000, 1_000_000),
});

/** A list, the entry unused the longest first. */
class NaiveStore {
  entries: StoreEntry[] = [];
  readonly #limits: { maxEntries: number; maxBytes: number };

  constructor(limits: { maxEntries: number; maxBytes: number }) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  }

  get(key: string): StoreEntry | undefined {
    const found = this.entries.find((entry) => entry.key === key);
    if (found !== undefined) this.entries = [...this.entries.filter((entry) => entry !== found), found];
    return found;
  }

  set(entry: StoreEntry): void {
    this.delete(entry.key);
    if (bytesOf(entry) > this.#limits.maxBytes) return;
    this.entries.push(entry);
    while (this.entries.length > this.#limits.maxEntries || this.bytes > this.#limits.maxBytes) this.entries.shift();
  }

  delete(key: string): void {
    this.entries = this.entries.filter((entry) => entry.key !== key);
  }

  clear(partition: string | undefined): void {
    this.entries = this.entries.filter(({ key }) => partition !== undefined && key.split(' ')[0] !== partition);
  }
}

let databases = 0;

test('idbStore() is a naive LRU, under any use of two stores on one database', async () => {
  const property = fc.asyncProperty(limits, fc.array(command, { maxLength: 30 }), async (limits, commands) => {
    databases += 1;
    const name = `property ${databases}`;
    const tabs = [0, 1].map(() => idbStore({ name, partition: 'public', ...limits }));
    const naive = new NaiveStore(limits);
    for (const each of commands) {
      expect(await run(tabs[each.tab] as Store, each)).toEqual(runNaively(naive, each));
    }
    (await openRaw(name, 1, (db) => db.createObjectStore('responses'))).close();
    expect(await contentsOf(name)).toEqual({ keys: naive.entries.map(({ key }) => key), bytes: naive.bytes });
    await drop(name);
  });
  await fc.assert(property, RUNS);
}, 60_000);

test('idbStore() holds its bounds and keeps whole pairs, under any use of two stores at once', async () => {
  const property = fc.asyncProperty(limits, fc.array(command, { maxLength: 30 }), async (limits, commands) => {
    databases += 1;
    const name = `property ${databases}`;
    const tabs = [0, 1].map(() => idbStore({ name, partition: 'public', ...limits }));
    await Promise.all(commands.map((each) => run(tabs[each.tab] as Store, each)));
    (await openRaw(name, 1, (db) => db.createObjectStore('responses'))).close();
    const { keys, bytes } = await contentsOf(name);
    expect(keys.length).toBeLessThanOrEqual(limits.maxEntries);
    expect(bytes).toBeLessThanOrEqual(limits.maxBytes);
    await drop(name);
  });
  await fc.assert(property, RUNS);
}, 60_000);

function run(store: Store, command: Command): Promise<unknown> {
  switch (command.type) {
    case 'set':
      return store.set(command.key, entryOf(command.key, command.size));
    case 'get':
      return store.get(command.key);
    case 'delete':
      return store.delete(command.key);
    case 'clear':
      return store.clear(command.partition);
  }
}

function runNaively(store: NaiveStore, command: Command): StoreEntry | undefined {
  switch (command.type) {
    case 'set':
      store.set(entryOf(command.key, command.size));
      return undefined;
    case 'get':
      return store.get(command.key);
    case 'delete':
      store.delete(command.key);
      return undefined;
    case 'clear':
      store.clear(command.partition);
      return undefined;
  }
}
