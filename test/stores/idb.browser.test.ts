import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type IdbStoreOptions, idbStore } from '../../src/stores/idb.ts';
import { bytesOf, type Store, type StoreEntry } from '../../src/stores/store.ts';
import { engine } from '../support/engine.ts';
import { contentsOf, drop, edit, entryOf, openRaw, result } from './idb-bench.ts';

let name: string;

beforeEach(() => {
  name = `steadfetch ${crypto.randomUUID()}`;
});

// Hangs if a test, or the store, holds on to the database.
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  await drop(name);
});

function storeOf(options: Partial<IdbStoreOptions> = {}): Store {
  return idbStore({ name, partition: 'public', ...options });
}

async function fill(store: Store, ...keys: string[]): Promise<void> {
  for (const key of keys) await store.set(key, entryOf(key));
}

async function kept(): Promise<readonly string[]> {
  return (await contentsOf(name)).keys;
}

// Options.

test.for<[unknown, string]>([
  [undefined, 'idbStore must be an object, got undefined'],
  [{}, 'idbStore.partition must be a function or "public", got undefined'],
  [{ partition: 'private' }, 'idbStore.partition must be a function or "public", got "private"'],
  [{ partition: 'public', name: 1 }, 'idbStore.name must be a string, got 1'],
  [
    { partition: 'public', maxEntries: '1' },
    'idbStore.maxEntries must be an integer of at least 1 or Infinity, got "1"',
  ],
  [
    { partition: 'public', maxByte: 1 },
    'idbStore.maxByte is not an option; there are name, partition, maxEntries, maxBytes',
  ],
])('idbStore() throws a TypeError for an option that makes no sense: %o', ([options, message]) => {
  expect(() => idbStore(options as IdbStoreOptions)).toThrow(new TypeError(message));
});

test.for(['maxEntries', 'maxBytes'])('idbStore() throws a RangeError for %s of 0', (option) => {
  const create = (): Store => storeOf({ [option]: 0 });
  expect(create).toThrow(RangeError);
  expect(create).toThrow(`idbStore.${option} must be an integer of at least 1 or Infinity, got 0`);
});

test('idbStore() is private, has the partition it was given, and opens nothing before it is used', async () => {
  const open = vi.spyOn(IDBFactory.prototype, 'open');
  const partition = (): string => 'user';
  expect(storeOf({ partition })).toMatchObject({ shared: false, partition });
  expect(storeOf()).toMatchObject({ shared: false, partition: 'public' });
  expect(open).not.toHaveBeenCalled();
});

test('idbStore() uses the database "steadfetch" by default, and one connection for all that is asked at once', async () => {
  name = 'steadfetch';
  const open = vi.spyOn(IDBFactory.prototype, 'open');
  const store = idbStore({ partition: 'public' });
  await Promise.all([store.get('a'), store.set('a', entryOf('a')), store.get('b')]);
  expect(open.mock.calls).toEqual([['steadfetch', 1]]);
  expect(await kept()).toEqual(['a']);
});

// What a store does.

test('idbStore() gives back what was set, bodies and none, and undefined for what was not', async () => {
  const store = storeOf();
  const entries = [entryOf('a', 3), entryOf('b', 0), entryOf('c'), entryOf('p \ud800', 1, 'lone surrogate')];
  for (const entry of entries) await store.set(entry.key, entry);
  for (const entry of entries) expect(await store.get(entry.key)).toEqual(entry);
  expect((await store.get('a'))?.variants[0]?.body).toBeInstanceOf(Uint8Array);
  expect(await store.get('d')).toBeUndefined();
});

test('idbStore() keeps the last that was set under a key, and nothing that was deleted', async () => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  await store.set('a', entryOf('a', 10, 'second'));
  expect(await store.get('a')).toEqual(entryOf('a', 10, 'second'));
  await store.delete('a');
  await store.delete('never set');
  expect(await store.get('a')).toBeUndefined();
  expect(await kept()).toEqual(['b']);
});

test('idbStore() forgets one partition and no other: not one whose name goes on, nor one that sorts next to it', async () => {
  const store = storeOf();
  const others = ['ab 1', 'a', 'a!', 'a! 1', 'a\u001f 1', 'a\ud800 1', 'A 1', ' a 1'];
  await fill(store, 'a 1', ...others, 'a  2', 'a \uffff', 'a ');
  await store.clear('a');
  expect(await kept()).toEqual(others);
  await store.clear();
  expect(await kept()).toEqual([]);
  expect(await store.get('ab 1')).toBeUndefined();
});

test('idbStore() rejects an entry that cannot be cloned with the reason, and keeps what would have made room', async () => {
  const store = storeOf({ maxEntries: 1 });
  await fill(store, 'a');
  const entry = { ...entryOf('b'), more: () => {} };
  await expect(store.set('b', entry)).rejects.toMatchObject({ name: 'DataCloneError' });
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(await kept()).toEqual(['a']);
});

// Bounds.

test('idbStore() takes out the entry unused the longest beyond maxEntries, and a get counts as use', async () => {
  const store = storeOf({ maxEntries: 3 });
  await fill(store, 'a', 'b', 'c');
  await store.get('a');
  await store.get('not there');
  await fill(store, 'd');
  expect(await kept()).toEqual(['c', 'a', 'd']);
  await store.set('c', entryOf('c', 1));
  await fill(store, 'e');
  expect(await kept()).toEqual(['d', 'c', 'e']);
});

test('idbStore() takes out as many entries as maxBytes asks for, and none when one shrinks', async () => {
  const maxBytes = 3 * bytesOf(entryOf('a', 1_000));
  const store = storeOf({ maxBytes });
  for (const key of ['a', 'b', 'c']) await store.set(key, entryOf(key, 1_000));
  expect(await contentsOf(name)).toEqual({ keys: ['a', 'b', 'c'], bytes: maxBytes });
  await store.set('b', entryOf('b', 10));
  await store.set('d', entryOf('d', 900));
  expect(await kept()).toEqual(['c', 'b', 'd']);
  await store.set('e', entryOf('e', 3_000));
  expect((await contentsOf(name)).bytes).toBeLessThanOrEqual(maxBytes);
  expect(await kept()).toEqual(['e']);
});

test('idbStore() does not store what is larger than maxBytes, and forgets what it would have replaced', async () => {
  const store = storeOf({ maxBytes: 2_000 });
  await fill(store, 'a', 'b');
  await store.set('a', entryOf('a', 2_000));
  expect(await store.get('a')).toBeUndefined();
  expect(await kept()).toEqual(['b']);
  await store.set('a', entryOf('a', 2_000 - bytesOf(entryOf('a', 0))));
  expect(await contentsOf(name)).toEqual({ keys: ['a'], bytes: 2_000 });
});

test('idbStore() holds the bounds over two stores that write to one database at once, in different orders', async () => {
  const limits = { maxEntries: 5, maxBytes: 4 * bytesOf(entryOf('0', 600)) };
  const [one, other] = [storeOf(limits), storeOf(limits)];
  const keys = Array.from({ length: 12 }, (_, index) => index.toString(16));
  const inTurn = keys.flatMap((key, index) => [
    one.set(key, entryOf(key, 100 * (index % 7))),
    other.set(keys.at(-1 - index) ?? '', entryOf(keys.at(-1 - index) ?? '', 100 * (index % 5))),
    one.get(keys[index >> 1] ?? ''),
    other.delete(keys[(index * 5) % 12] ?? ''),
  ]);
  await Promise.all(inTurn);
  const { keys: left, bytes } = await contentsOf(name);
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThanOrEqual(limits.maxEntries);
  expect(bytes).toBeLessThanOrEqual(limits.maxBytes);
});

test('idbStore() knows what another tab has used: both see one order', async () => {
  const [one, other] = [storeOf({ maxEntries: 2 }), storeOf({ maxEntries: 2 })];
  await fill(one, 'a');
  await fill(other, 'b');
  expect(await one.get('a')).toBeDefined();
  await fill(other, 'c');
  expect(await kept()).toEqual(['a', 'c']);
});

// Reloads: a page in a frame, which goes when the frame goes.

interface Page {
  readonly store: Store;
  leave(): void;
}

async function visit(options: Partial<IdbStoreOptions> = {}): Promise<Page> {
  const frame = document.createElement('iframe');
  const module = new URL('../../src/stores/idb.ts', import.meta.url).href;
  frame.srcdoc = `<script type="module">import { idbStore } from '${module}'; window.idbStore = idbStore;</script>`;
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
  document.body.append(frame);
  await loaded;
  const page = frame.contentWindow as unknown as { idbStore: typeof idbStore };
  return { store: page.idbStore({ name, partition: 'public', ...options }), leave: () => frame.remove() };
}

test('idbStore() has what an earlier page left, and the order of use', async () => {
  const first = await visit();
  await first.store.set('a', entryOf('a', 3));
  await fill(first.store, 'b');
  await first.store.get('a');
  await fill(first.store, 'c');
  first.leave();
  const second = await visit({ maxEntries: 3 });
  await fill(second.store, 'd');
  expect(await second.store.get('b')).toBeUndefined();
  // From the frame's realm into ours: its objects are equal to none of our own.
  expect(structuredClone(await second.store.get('a'))).toEqual(entryOf('a', 3));
  second.leave();
  expect(await storeOf().get('c')).toEqual(entryOf('c'));
});

test('idbStore() keeps no half of what a page was writing when it was killed', async () => {
  const store = storeOf();
  await fill(store, 'before');
  for (let moment = 0; moment < 8; moment += 1) {
    const page = await visit();
    await page.store.get('before');
    page.store.set('big', entryOf('big', 2_000_000, String(moment))).catch(() => {});
    for (let turn = 0; turn < moment; turn += 1) await store.get('before');
    page.leave();
    await store.set('after', entryOf('after'));
    const { keys } = await contentsOf(name);
    expect(keys).toContain('before');
    expect(keys).toContain('after');
  }
});

// No database.

test.for<[string, unknown, unknown]>([
  ['there is no indexedDB', undefined, { message: 'Cannot open the database "pages": there is no IndexedDB here' }],
  ['indexedDB is null', null, { message: 'Cannot open the database "pages": there is no IndexedDB here' }],
  [
    'opening throws',
    {
      open() {
        throw new DOMException('The user denied permission to access the database.', 'SecurityError');
      },
    },
    { name: 'SecurityError' },
  ],
  [
    'opening fails',
    {
      open() {
        const request = { error: new DOMException('Not in private mode.', 'InvalidStateError'), onerror: () => {} };
        queueMicrotask(() => request.onerror());
        return request;
      },
    },
    { name: 'InvalidStateError', message: 'Not in private mode.' },
  ],
])('idbStore() rejects each operation where %s, and works once that is over', async ([, factory, reason]) => {
  const store = storeOf({ name: 'pages' });
  vi.stubGlobal('indexedDB', factory);
  const refused = expect.objectContaining(reason as object);
  for (let time = 0; time < 2; time += 1) {
    await expect(store.get('a')).rejects.toEqual(refused);
    await expect(store.set('a', entryOf('a'))).rejects.toEqual(refused);
    await expect(store.delete('a')).rejects.toEqual(refused);
    await expect(store.clear()).rejects.toEqual(refused);
  }
  vi.unstubAllGlobals();
  await store.set('a', entryOf('a'));
  expect(await store.get('a')).toEqual(entryOf('a'));
  await drop('pages');
});

test('idbStore() rejects for a database of a higher version, leaves it as it is, and works once it is gone', async () => {
  const theirs = await openRaw(name, 3, (db) => db.createObjectStore('responses'));
  const store = storeOf();
  await expect(store.get('a')).rejects.toMatchObject({ name: 'VersionError' });
  await expect(store.set('a', entryOf('a'))).rejects.toMatchObject({ name: 'VersionError' });
  const objects = theirs.transaction('responses').objectStore('responses');
  expect(await result(objects.getAllKeys())).toEqual([]);
  theirs.close();
  await drop(name);
  await fill(store, 'a');
  expect(await kept()).toEqual(['a']);
});

test("idbStore() rejects for somebody else's database, leaves it as it is, and is not in its owner's way", async () => {
  const theirs = await openRaw(name, 1, (db) => db.createObjectStore('keyval').put('their value', 'their key'));
  const store = storeOf();
  const refused = 'Cannot use the database "steadfetch ';
  await expect(store.get('a')).rejects.toThrow(refused);
  await expect(store.set('a', entryOf('a'))).rejects.toThrow(
    /it is somebody else's, with no object store responses; give idbStore another name$/,
  );
  await expect(store.clear()).rejects.toThrow(refused);
  const objects = theirs.transaction('keyval').objectStore('keyval');
  expect(await result(objects.get('their key'))).toBe('their value');
  theirs.close();
  (await openRaw(name, 2)).close();
});

// Connections.

test('idbStore() lets others upgrade and delete the database, and goes on with what they leave', async () => {
  const store = storeOf();
  await fill(store, 'a');
  await drop(name);
  expect(await store.get('a')).toBeUndefined();
  await fill(store, 'b');
  expect(await kept()).toEqual(['b']);
  const theirs = await openRaw(name, 2);
  await expect(store.get('b')).rejects.toMatchObject({ name: 'VersionError' });
  theirs.close();
});

test('idbStore() waits while others block each other, and goes on when they are done', async () => {
  const store = storeOf();
  await fill(store, 'a');
  const holder = await openRaw(name);
  const deletion = indexedDB.deleteDatabase(name);
  const deleted = result(deletion);
  await new Promise((resolve) => deletion.addEventListener('blocked', resolve));
  let answered = false;
  const waiting = Promise.all([store.get('a'), store.set('b', entryOf('b'))]).finally(() => {
    answered = true;
  });
  await drop(`${name} of others`);
  expect(answered).toBe(false);
  holder.close();
  await deleted;
  expect(await waiting).toEqual([undefined, undefined]);
  expect(await store.get('b')).toEqual(entryOf('b'));
});

/** Every connection that anybody begins a transaction on, the last one last. */
function watchConnections(): IDBDatabase[] {
  const seen: IDBDatabase[] = [];
  const begin = IDBDatabase.prototype.transaction;
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...given) {
    if (seen.at(-1) !== this) seen.push(this);
    return begin.apply(this, given);
  });
  return seen;
}

test('idbStore() opens the database again when its connection was closed under it, within the same operation', async () => {
  const store = storeOf();
  await fill(store, 'a');
  const connections = watchConnections();
  await store.get('a');
  connections[0]?.close();
  expect(await Promise.all([store.get('a'), store.get('a')])).toEqual([entryOf('a'), entryOf('a')]);
  expect(connections).toHaveLength(2);
});

test('idbStore() opens the database again after its connection has reported to be closed', async () => {
  const store = storeOf();
  const connections = watchConnections();
  await fill(store, 'a');
  connections[0]?.dispatchEvent(new Event('close'));
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(connections).toHaveLength(2);
  connections[0]?.dispatchEvent(new Event('close'));
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(connections).toHaveLength(2);
});

test('idbStore() takes a new connection after any failure: a lost one does not always say so', async () => {
  const store = storeOf();
  await fill(store, 'a');
  const connections = watchConnections();
  const begin = vi.mocked(IDBDatabase.prototype.transaction).getMockImplementation();
  const lost = await store.get('a').then(() => connections[0]);
  vi.mocked(IDBDatabase.prototype.transaction).mockImplementation(function (this: IDBDatabase, ...given) {
    const transaction = begin?.apply(this, given) as IDBTransaction;
    if (this === lost) transaction.abort();
    return transaction;
  });
  await expect(store.get('a')).rejects.toBeInstanceOf(Error);
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(connections).toHaveLength(2);
});

test('idbStore() does not bring back what is deleted while it is read', async () => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  const connections = watchConnections();
  const [read] = await Promise.all([store.get('a'), store.delete('a')]);
  expect(read).toEqual(entryOf('a'));
  expect(await kept()).toEqual(['b']);
  expect(await store.get('b')).toEqual(entryOf('b'));
  expect(connections.at(-1)).toBe(connections[0]);
});

test('idbStore() rejects when a new connection is closed at once too, and does not try for ever', async () => {
  const store = storeOf();
  const begin = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(() => {
    throw new DOMException('The database connection is closing.', 'InvalidStateError');
  });
  await expect(store.get('a')).rejects.toMatchObject({ name: 'InvalidStateError' });
  expect(begin).toHaveBeenCalledTimes(2);
  begin.mockRestore();
  expect(await store.get('a')).toBeUndefined();
});

// Transactions that fail.

/** Does something to the transaction of the next write of an entry, once the entry is on its way. */
function onNextWrite(then: (transaction: IDBTransaction, request: IDBRequest) => void, times = 1): void {
  const put = IDBObjectStore.prototype.put;
  let left = times;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, value, key) {
    const request = put.call(this, value, key);
    if (Array.isArray(key) && key[0] === 'entry' && left > 0) {
      left -= 1;
      then(this.transaction, request);
    }
    return request;
  });
}

const moments: readonly [string, (transaction: IDBTransaction, request: IDBRequest, abort: () => void) => void][] = [
  ['at once', (_transaction, _request, abort) => abort()],
  ['when the entry is written', (_transaction, request, abort) => request.addEventListener('success', abort)],
];

test.for(moments)('idbStore() keeps neither half of a write that is aborted %s, and says so', async ([, at]) => {
  const store = storeOf({ maxEntries: 2 });
  await fill(store, 'a', 'b');
  onNextWrite((transaction, request) => at(transaction, request, () => transaction.abort()));
  const error = await store.set('c', entryOf('c')).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  expect((error as Error).message).not.toBe('');
  expect(await kept()).toEqual(['a', 'b']);
  await fill(store, 'c');
  expect(await kept()).toEqual(['b', 'c']);
});

test('idbStore() rejects with an Error of its own where a transaction was aborted without a reason', async () => {
  const store = storeOf();
  const put = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, value, key) {
    const request = put.call(this, value, key);
    // The last request of a write: nothing is left that could tell.
    if (key === 'counter') request.addEventListener('success', () => this.transaction.abort());
    return request;
  });
  await expect(store.set('a', entryOf('a'))).rejects.toThrow('Cannot complete the transaction: it was aborted');
  expect(await store.get('a')).toBeUndefined();
});

test('idbStore() answers a get whose use cannot be noted', async () => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore) {
    this.transaction.abort();
    throw new DOMException('No.', 'UnknownError');
  });
  expect(await store.get('a')).toEqual(entryOf('a'));
  expect(await kept()).toEqual(['a', 'b']);
  expect(put).toHaveBeenCalledTimes(1);
});

test('idbStore() notes the use of what was used last without a write', async () => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  const put = vi.spyOn(IDBObjectStore.prototype, 'put');
  await store.get('b');
  await store.get('b');
  expect(await kept()).toEqual(['a', 'b']);
  expect(put).not.toHaveBeenCalled();
});

/** As an engine does it: the transaction is aborted, and knows why. */
function fillDisk(at: (typeof moments)[number][1], times: number): void {
  onNextWrite((transaction, request) => {
    at(transaction, request, () => {
      const error = new DOMException('The disk is full.', 'QuotaExceededError');
      Object.defineProperty(transaction, 'error', { value: error });
      transaction.abort();
    });
  }, times);
}

test.for(moments)('idbStore() makes room when the quota is exceeded %s, and stores the entry', async ([, at]) => {
  const store = storeOf();
  await fill(store, 'a', 'b', 'c', 'd', 'e');
  await store.get('a');
  fillDisk(at, 1);
  await store.set('f', entryOf('f', 9));
  expect(await kept()).toEqual(['e', 'a', 'f']);
  expect(await store.get('f')).toEqual(entryOf('f', 9));
});

test.for(moments)('idbStore() rejects when the quota is exceeded %s twice, and keeps the rest', async ([, at]) => {
  const store = storeOf();
  await fill(store, 'a', 'b', 'c', 'd', 'e');
  fillDisk(at, 2);
  await expect(store.set('b', entryOf('b', 9))).rejects.toMatchObject({ name: 'QuotaExceededError' });
  expect(await kept()).toEqual(['d', 'e']);
  await store.set('b', entryOf('b', 9));
  expect(await kept()).toEqual(['d', 'e', 'b']);
});

/** What does not compress. */
function noiseOf(key: string, size: number): StoreEntry {
  const entry = entryOf(key, size);
  const body = entry.variants[0]?.body ?? new Uint8Array();
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(body.subarray(at, at + 65_536));
  return entry;
}

function nameOf(error: Error): string {
  return error.name;
}

interface Buckets {
  open(name: string, options: { quota: number }): Promise<{ indexedDB: IDBFactory }>;
  delete(name: string): Promise<void>;
}

// Only Chromium has storage with a quota of its own. It notices a while later that there is room again, so that the second
// try may fail like the first.
if (engine === 'chromium') {
  test('idbStore() goes on when a real quota is exceeded again and again', async () => {
    const buckets = (navigator as unknown as { storageBuckets: Buckets }).storageBuckets;
    const { indexedDB } = await buckets.open('small', { quota: 8_000_000 });
    vi.stubGlobal('indexedDB', indexedDB);
    const store = storeOf();
    const stored: string[] = [];
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'too large']) {
      const error = await store.set(key, noiseOf(key, key === 'too large' ? 12_000_000 : 3_000_000)).catch(nameOf);
      expect([undefined, 'QuotaExceededError']).toContain(error);
      if (error === undefined) stored.push(key);
      // The newest of what was stored, and nothing that was not.
      const left = await kept();
      expect(left.length).toBeLessThanOrEqual(2);
      expect(stored.slice(stored.length - left.length)).toEqual(left);
    }
    expect(stored).toContain('a');
    expect(stored).not.toContain('too large');
    await fill(store, 'small');
    expect(await store.get('small')).toEqual(entryOf('small'));
    await buckets.delete('small');
  });
}

// Records that nobody should have written.

test.for<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'text'],
  ['an array', []],
  ['no size', { used: 2 }],
  ['no number', { bytes: 10 }],
  ['a size that is none', { bytes: Number.NaN, used: 2 }],
  ['a negative size', { bytes: -1_000_000, used: 2 }],
  ['a size without end', { bytes: Infinity, used: 2 }],
  ['a number that is a text', { bytes: 10, used: '2' }],
  ['a number too high to count', { bytes: 10, used: Number.MAX_VALUE }],
])('idbStore() does not trust an entry whose record is %s, and tidies it up', async ([, meta]) => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  await edit(name, (objects) => objects.put(meta, ['meta', 'a']));
  expect(await store.get('a')).toBeUndefined();
  await fill(store, 'c');
  expect(await kept()).toEqual(['b', 'c']);
  await fill(store, 'a');
  expect(await store.get('a')).toEqual(entryOf('a'));
});

test('idbStore() tidies up an entry without its record, and a record without its entry', async () => {
  const store = storeOf({ maxEntries: 3 });
  await fill(store, 'a', 'b', 'c');
  await edit(name, (objects) => {
    objects.delete(['meta', 'a']);
    objects.delete(['entry', 'b']);
  });
  expect(await store.get('a')).toBeUndefined();
  expect(await store.get('b')).toBeUndefined();
  await fill(store, 'd');
  expect(await kept()).toEqual(['c', 'd']);
});

test.for<[string, unknown]>([
  ['gone', undefined],
  ['a text', 'text'],
  ['set back', 0],
  ['negative', -5],
  ['at its end', Number.MAX_SAFE_INTEGER],
  ['beyond it', Infinity],
])('idbStore() heals when its counter is %s', async ([, counter]) => {
  const store = storeOf({ maxEntries: 3 });
  await fill(store, 'a', 'b', 'c');
  await edit(name, (objects) => {
    if (counter === undefined) objects.delete('counter');
    else objects.put(counter, 'counter');
  });
  expect(await store.get('a')).toEqual(entryOf('a'));
  await fill(store, 'd', 'e', 'f');
  await store.get('d');
  await fill(store, 'g');
  expect(await kept()).toEqual(['f', 'd', 'g']);
});

test('idbStore() starts over when a record says that there can be no later use', async () => {
  const store = storeOf();
  await fill(store, 'a', 'b');
  const bytes = bytesOf(entryOf('a'));
  await edit(name, (objects) => objects.put({ bytes, used: Number.MAX_SAFE_INTEGER }, ['meta', 'a']));
  expect(await store.get('a')).toEqual(entryOf('a'));
  await fill(store, 'c', 'd');
  expect(await kept()).toEqual(['c', 'd']);
});

test('idbStore() is not put off by keys that it would not have given', async () => {
  const store = storeOf({ maxEntries: 2 });
  await fill(store, 'a');
  await edit(name, (objects) => {
    for (const kind of ['entry', 'meta']) {
      for (const key of [new Uint8Array(2), [], ['a']]) objects.put({ bytes: 1, used: 1 }, [kind, key]);
      objects.put({ bytes: 1, used: 9 }, [kind, 'a', 'b']);
    }
  });
  await fill(store, 'b', 'c', 'd');
  for (const key of ['c', 'd']) expect(await store.get(key)).toEqual(entryOf(key));
  expect(await store.get('b')).toBeUndefined();
});

test('idbStore() leaves alone what else is in its object store, but for clear()', async () => {
  const store = storeOf();
  const theirs = ['entries', 7, ['other', 'a'], ['entry'], ['meta', 5], []];
  await fill(store, 'a');
  await edit(name, (objects) => {
    for (const key of theirs) objects.put('theirs', key);
  });
  await fill(store, 'b');
  expect(await store.get('a')).toEqual(entryOf('a'));
  const db = await openRaw(name);
  const read = (): Promise<unknown> => result(db.transaction('responses').objectStore('responses').getAll());
  expect(((await read()) as unknown[]).filter((value) => value === 'theirs')).toHaveLength(theirs.length);
  await store.clear();
  expect(await read()).toEqual([]);
  db.close();
});
