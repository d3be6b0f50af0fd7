import { BOUND, checkKeys, checkNumber, show } from '../checks.ts';
import { Lru } from '../model/lru.ts';
import { bytesOf, type GetNow, inMemoryToo, type Store, type StoreEntry } from './store.ts';

/** The options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** Entries kept; those unused the longest make room. Default 10,000. */
  readonly maxEntries?: number;
  /** Bytes kept, bodies and all the rest. Default 33,554,432 (32 MiB). */
  readonly maxBytes?: number;
  /**
   * Whether more than one user is served from it (RFC 9111): then nothing marked `private` is kept. Default `true`, which
   * is right for a server; `false` is right where all of it is one user's, as in a page.
   */
  readonly shared?: boolean;
}

/**
 * A store in memory, gone with the process or the page. What was used last is kept; every operation is O(1).
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  checkKeys('memoryStore', options, ['maxEntries', 'maxBytes', 'shared']);
  const { shared = true } = options;
  if (typeof shared !== 'boolean') throw new TypeError(`memoryStore.shared must be true or false, got ${show(shared)}`);
  const kept = new Lru<StoreEntry>({
    maxEntries: checkNumber('memoryStore.maxEntries', options.maxEntries, 10_000, BOUND),
    maxSize: checkNumber('memoryStore.maxBytes', options.maxBytes, 33_554_432, BOUND),
  });
  const getNow: GetNow = (key) => kept.get(key);
  return {
    shared,
    get: inMemoryToo(async (key) => getNow(key), getNow),
    set: async (key, entry) => kept.set(key, entry, bytesOf(entry)),
    delete: async (key) => kept.delete(key),
    clear: async (partition) => {
      for (const key of [...kept.keys()]) {
        if (partition === undefined || key.startsWith(`${partition} `)) kept.delete(key);
      }
    },
  };
}
