/**
 * A store in IndexedDB, for all tabs of one origin.
 * @module steadfetch/idb
 */

import { getMany, promisifyRequest, type UseStore } from 'idb-keyval';

import { BOUND, checkKeys, checkNumber, show } from '../checks.ts';
import { requirePartition } from '../fallback-options.ts';
import { bytesOf, type Partition, type Store, type StoreEntry } from './store.ts';

/** The options of {@link idbStore}. */
export interface IdbStoreOptions {
  /** The database, which has to be this store's alone. Default `"steadfetch"`. */
  readonly name?: string;
  /**
   * Whose data an answer is. Required, because a database outlives the page, and with it whoever was logged in: a
   * function of the request, or `"public"` if nothing in it is anybody's own.
   */
  readonly partition: Partition;
  /** Entries kept; those unused the longest make room. Default 500. A write takes time in proportion to it. */
  readonly maxEntries?: number;
  /** Bytes kept, bodies and all the rest, as estimated. Default 52,428,800 (50 MiB). */
  readonly maxBytes?: number;
}

/**
 * A store in IndexedDB, by idb-keyval: it survives a reload, and the tabs of one origin share it and its bounds. It can
 * be made where there is no IndexedDB, as on a server: the database is opened on first use.
 *
 * An operation rejects where IndexedDB refuses (private mode, a full disk, a database of somebody else's), with the
 * platform's error if there is one. A write is one transaction: whatever happens, no half of it is kept. After a failure
 * the next operation opens the database anew. When the quota is exceeded, the half unused the longest makes room.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function idbStore(options: IdbStoreOptions): Store {
  checkKeys('idbStore', options, ['name', 'partition', 'maxEntries', 'maxBytes']);
  const { name = 'steadfetch' } = options;
  const partition = requirePartition('idbStore.partition', options.partition);
  if (typeof name !== 'string') throw new TypeError(`idbStore.name must be a string, got ${show(name)}`);
  const limits: Limits = {
    maxEntries: checkNumber('idbStore.maxEntries', options.maxEntries, 500, BOUND),
    maxBytes: checkNumber('idbStore.maxBytes', options.maxBytes, 52_428_800, BOUND),
  };
  const { use } = new Connection(name);
  return {
    shared: false,
    partition,
    async get(key) {
      const [entry, meta, counter] = await getMany<unknown>([entryAt(key), metaAt(key), COUNTER], use);
      if (entry === undefined || !isMeta(meta)) return undefined;
      // Not waited for: whoever reads does not care whether it fails. What is asked of the database later comes later.
      if (meta.used !== counter) use('readwrite', (objects) => touch(objects, key)).catch(() => {});
      return entry as StoreEntry;
    },
    async set(key, entry) {
      const bytes = bytesOf(entry);
      // What is there under the key is outdated, and goes in any case.
      if (bytes > limits.maxBytes) return use('readwrite', (objects) => remove(objects, key));
      const write = (): Promise<void> => use('readwrite', (objects) => put(objects, key, entry, bytes, limits));
      try {
        await write();
      } catch (error) {
        if (!isQuotaExceeded(error)) throw error;
        await use('readwrite', (objects) => makeRoom(objects, key));
        await write();
      }
    },
    delete: (key) => use('readwrite', (objects) => remove(objects, key)),
    clear: (partition) => use('readwrite', (objects) => clear(objects, partition)),
  };
}

interface Limits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

// What is in the object store: the entries, a small record beside each, so that making room reads no body, and the
// number given last. Numbers tell the order of use: the clock may jump, and tabs may disagree about it.

interface Meta {
  readonly bytes: number;
  readonly used: number;
}

type Kind = 'entry' | 'meta';

const entryAt = (key: string): [Kind, string] => ['entry', key];
const metaAt = (key: string): [Kind, string] => ['meta', key];
const COUNTER = 'counter';

function isMeta(value: unknown): value is Meta {
  if (typeof value !== 'object' || value === null) return false;
  const { bytes, used } = value as Partial<Meta>;
  return isCount(bytes) && isCount(used);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isQuotaExceeded(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}

/** Keeps the entry as the one used last, and takes out what that leaves no room for. */
async function put(
  objects: IDBObjectStore,
  key: string,
  entry: StoreEntry,
  bytes: number,
  { maxEntries, maxBytes }: Limits,
): Promise<void> {
  const kept = (await tidied(objects)).filter((each) => each.key !== key);
  const last = kept.at(-1)?.used ?? 0;
  // Only garbage has counted that far, and nothing can be newer: start over.
  const countedOut = last === Number.MAX_SAFE_INTEGER;
  let entries = kept.length + 1;
  let total = kept.reduce((sum, each) => sum + each.bytes, bytes);
  for (const oldest of kept) {
    if (entries <= maxEntries && total <= maxBytes && !countedOut) break;
    remove(objects, oldest.key);
    entries -= 1;
    total -= oldest.bytes;
  }
  const used = countedOut ? 1 : last + 1;
  objects.put(entry, entryAt(key));
  record(objects, key, { bytes, used });
}

/** Makes the entry the one used last. One that is gone meanwhile stays gone. */
async function touch(objects: IDBObjectStore, key: string): Promise<void> {
  const [meta, counter]: unknown[] = await Promise.all([
    promisifyRequest(objects.get(metaAt(key))),
    promisifyRequest(objects.get(COUNTER)),
  ]);
  // Garbage is put right by the next put().
  if (!isMeta(meta) || !isCount(counter)) return;
  const used = Math.max(meta.used, counter) + 1;
  if (isCount(used)) record(objects, key, { bytes: meta.bytes, used });
}

function record(objects: IDBObjectStore, key: string, meta: Meta): void {
  objects.put(meta, metaAt(key));
  objects.put(meta.used, COUNTER);
}

function remove(objects: IDBObjectStore, key: string): void {
  objects.delete(entryAt(key));
  objects.delete(metaAt(key));
}

/** Takes out the half unused the longest, and what is under the key, which is outdated. */
async function makeRoom(objects: IDBObjectStore, key: string): Promise<void> {
  const kept = await tidied(objects);
  for (const old of kept.slice(0, Math.ceil(kept.length / 2))) remove(objects, old.key);
  remove(objects, key);
}

function clear(objects: IDBObjectStore, partition: string | undefined): void {
  if (partition === undefined) objects.clear();
  else for (const kind of KINDS) objects.delete(within(kind, partition));
}

/** What starts with the partition and a space: all before the partition and `!`, which is the character after the space. */
function within(kind: Kind, partition: string): IDBKeyRange {
  return IDBKeyRange.bound([kind, `${partition} `], [kind, `${partition}!`], false, true);
}

const KINDS: readonly Kind[] = ['entry', 'meta'];

interface Kept extends Meta {
  readonly key: string;
}

/** What is kept, the one unused the longest first. An entry and a record that do not make a pair are taken out. */
async function tidied(objects: IDBObjectStore): Promise<Kept[]> {
  const [entryKeys, metaKeys, metas] = await Promise.all([
    promisifyRequest(objects.getAllKeys(all('entry'))) as Promise<[Kind, string][]>,
    promisifyRequest(objects.getAllKeys(all('meta'))) as Promise<[Kind, string][]>,
    promisifyRequest<unknown[]>(objects.getAll(all('meta'))),
  ]);
  const unpaired = new Set(entryKeys.map(([, key]) => key));
  const kept: Kept[] = [];
  for (const [index, [, key]] of metaKeys.entries()) {
    const meta = metas[index];
    if (isMeta(meta) && unpaired.delete(key)) kept.push({ key, bytes: meta.bytes, used: meta.used });
    else unpaired.add(key);
  }
  for (const key of unpaired) remove(objects, key);
  return kept.sort((one, other) => one.used - other.used);
}

/** All keys that begin with the kind and a string: in the order of keys, strings come from `''` on, and before `[]`. */
function all(kind: Kind): IDBKeyRange {
  return IDBKeyRange.bound([kind, ''], [kind, []]);
}

const OBJECTS = 'responses';
const VERSION = 1;

/**
 * A way to a database that heals: opened on first use, let go of when anything fails or when somebody wants to upgrade or
 * delete the database, and opened anew on the next use. idb-keyval's own `createStore` keeps the connection it has, and
 * where the object store is missing nobody else can reach it to close it: the database's owner would be blocked.
 */
class Connection {
  readonly #name: string;
  #opening: Promise<IDBDatabase> | undefined;
  #db: IDBDatabase | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Does something in one transaction, and waits until that is completed; aborts it if `callback` fails. */
  readonly use: UseStore = async (mode, callback) => {
    const transaction = await this.#begin(mode);
    const completed = completion(transaction);
    try {
      const result = await callback(transaction.objectStore(OBJECTS));
      await completed;
      return result;
    } catch (error) {
      abort(transaction);
      // It may be the connection's fault, which does not always say so, and a new one costs little.
      this.#letGo(transaction.db);
      // The reason, if there is one: requests and listeners are told of an abort only.
      throw transaction.error ?? error;
    }
  };

  async #begin(mode: IDBTransactionMode): Promise<IDBTransaction> {
    const db = await this.#open();
    try {
      return db.transaction(OBJECTS, mode);
    } catch {
      // Closed under us. Nothing has been done yet, so there is no harm in trying again.
      this.#letGo(db);
      return (await this.#open()).transaction(OBJECTS, mode);
    }
  }

  #open(): Promise<IDBDatabase> {
    this.#opening ??= this.#connect();
    return this.#opening;
  }

  async #connect(): Promise<IDBDatabase> {
    try {
      const db = await openDatabase(this.#name);
      db.onclose = () => this.#letGo(db);
      db.onversionchange = () => this.#letGo(db);
      this.#db = db;
      return db;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** Transactions under way still complete. */
  #letGo(db: IDBDatabase): void {
    db.close();
    if (db !== this.#db) return;
    this.#db = undefined;
    this.#opening = undefined;
  }
}

async function openDatabase(name: string): Promise<IDBDatabase> {
  if (!globalThis.indexedDB) throw new Error(`Cannot open the database ${show(name)}: there is no IndexedDB here`);
  const request = indexedDB.open(name, VERSION);
  request.onupgradeneeded = () => request.result.createObjectStore(OBJECTS);
  const db = await promisifyRequest(request);
  if (db.objectStoreNames.contains(OBJECTS)) return db;
  db.close();
  throw new Error(
    `Cannot use the database ${show(name)}: it is somebody else's, with no object store ${OBJECTS}; give idbStore another name`,
  );
}

function completion(transaction: IDBTransaction): Promise<void> {
  const completed = new Promise<void>((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => {
      reject(new Error('Cannot complete the transaction: it was aborted, without a reason given'));
    });
  });
  // Nobody waits for it where something failed before.
  completed.catch(() => {});
  return completed;
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}
