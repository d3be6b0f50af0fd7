import { checkKeys, checkMethods } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { checkPartition } from '../fallback-options.ts';
import { resolveTools } from '../options.ts';
import { decodeEntry, encodeEntry } from './codec.ts';
import type { Partition, Store, StoreEntry } from './store.ts';

/** What of a `Cache` is used. */
export interface CacheLike {
  /** What is kept under a URL. */
  match(url: string): Promise<Response | undefined>;
  /** Keeps an answer under a URL, for as long as its `Cache-Control` says. */
  put(url: string, response: Response): Promise<void>;
  /** Forgets it; `false` if there was none. */
  delete(url: string): Promise<boolean>;
}

/** The options of {@link cacheApiStore}. */
export interface CacheApiStoreOptions {
  /** The cache, or a function that gives it. Default: `caches.default`, that of the data centre a Worker runs in. */
  readonly cache?: CacheLike | (() => CacheLike | Promise<CacheLike>);
  /** Whose data an answer is, where the client's options do not say. */
  readonly partition?: Partition;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

declare const caches: { readonly default?: CacheLike } | undefined;

// Nobody's (RFC 2606): entries have URLs of their own, and are never taken for what a page may fetch.
const ORIGIN = 'https://steadfetch.invalid/';

/**
 * A store in the Cache API of Workers: fast and without charge, for one data centre, which forgets when it likes. It is
 * shared in the sense of RFC 9111.
 *
 * An operation rejects with what the cache throws, and `clear` always: what is in such a cache can't be listed. Where users
 * log out, use {@link kvStore}, or a partition with something in it that changes then.
 *
 * @throws TypeError naming the option and the value.
 */
export function cacheApiStore(options: CacheApiStoreOptions = {}): Store {
  checkKeys('cacheApiStore', options, ['cache', 'partition', 'clock']);
  const { cache } = options;
  if (cache !== undefined && typeof cache !== 'function') {
    checkMethods('cacheApiStore.cache', 'a Cache or a function', cache, ['match', 'put', 'delete']);
  }
  const partition = checkPartition('cacheApiStore.partition', options.partition);
  const { clock } = resolveTools({ clock: options.clock });
  const opened = async (): Promise<CacheLike> => (typeof cache === 'function' ? cache() : (cache ?? defaultCache()));
  const remove = async (key: string): Promise<void> => void (await (await opened()).delete(urlOf(key)));
  return {
    shared: true,
    ...(partition === undefined ? {} : { partition }),
    async get(key) {
      const found = await (await opened()).match(urlOf(key));
      return found === undefined ? undefined : (decodeEntry(await found.arrayBuffer()) as StoreEntry);
    },
    async set(key, entry) {
      const seconds = Math.ceil((entry.expiresAt - clock.epochNow()) / 1_000);
      // What is there is outdated in any case.
      if (!(seconds > 0)) return remove(key);
      const headers = { 'cache-control': `max-age=${seconds}`, 'content-type': 'application/octet-stream' };
      await (await opened()).put(urlOf(key), new Response(encodeEntry(entry), { headers }));
    },
    delete: remove,
    async clear() {
      throw new Error(
        'Cannot clear the Cache API: what is in it can not be listed; change the partition, or use kvStore',
      );
    },
  };
}

function urlOf(key: string): string {
  return ORIGIN + encodeURIComponent(key);
}

function defaultCache(): CacheLike {
  const cache = typeof caches === 'undefined' ? undefined : caches.default;
  if (cache !== undefined) return cache;
  throw new Error('Cannot use the Cache API: there is no caches.default here, and no cacheApiStore.cache was given');
}
