import { checkKeys, checkMethods } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { requirePartition } from '../fallback-options.ts';
import { Lru } from '../model/lru.ts';
import { resolveTools } from '../options.ts';
import { decodeEntry, encodeEntry } from './codec.ts';
import { BoundedNames, checkPrefix } from './names.ts';
import type { Partition, Store, StoreEntry } from './store.ts';

/** What of a Workers KV namespace is used. */
export interface KvNamespace {
  /** The bytes under a key; `null` if there are none. */
  get(key: string, type: 'arrayBuffer'): Promise<ArrayBuffer | null>;
  /** Keeps bytes under a key, until `expiration`, in seconds since the Unix epoch. */
  put(key: string, value: ArrayBufferView, options: { readonly expiration: number }): Promise<void>;
  /** Forgets a key. */
  delete(key: string): Promise<void>;
  /** The keys that begin with `prefix`, a page at a time. */
  list(options: { readonly prefix: string; readonly cursor?: string }): Promise<KvList>;
}

/** A page of the names in a namespace. */
export interface KvList {
  /** The names of this page. */
  readonly keys: readonly { readonly name: string }[];
  /** Whether it is the last page. */
  readonly list_complete: boolean;
  /** What the next page is asked for with. */
  readonly cursor?: string;
}

/** The options of {@link kvStore}. */
export interface KvStoreOptions {
  /** The binding, or a function that gives it: bindings belong to requests where they are not imported. */
  readonly namespace: KvNamespace | (() => KvNamespace);
  /** Whose data an answer is. Required, because the namespace serves everybody: a function of the request, or `"public"`. */
  readonly partition: Partition;
  /** What all keys begin with, so that the namespace can hold other things too. Default `"steadfetch"`. */
  readonly prefix?: string;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

// Limits of Workers KV, 2026: https://developers.cloudflare.com/kv/platform/limits/
const MOST_KEY_BYTES = 512;
const MOST_VALUE_BYTES = 26_214_400;
const WRITE_INTERVAL_MS = 1_000;
// A minute, and some seconds for a clock of ours that is slow.
const LEAST_LIFE_MS = 65_000;

// Of how many keys an isolate remembers when it wrote them.
const REMEMBERED_WRITES = 1_000;

/**
 * A store in Workers KV, for all isolates everywhere: shared in the sense of RFC 9111. KV is eventually consistent, so an
 * answer that was stored, or forgotten, in one place may be missing, or still be there, in another for a minute or more.
 *
 * Entries expire with their use, but not within a minute. A key takes one write a second: what comes sooner from the same
 * isolate is not stored. An operation rejects with what KV throws.
 *
 * @throws TypeError naming the option and the value.
 */
export function kvStore(options: KvStoreOptions): Store {
  checkKeys('kvStore', options, ['namespace', 'partition', 'prefix', 'clock']);
  const { namespace, prefix = 'steadfetch' } = options;
  if (typeof namespace !== 'function') {
    const used = ['get', 'put', 'delete', 'list'];
    checkMethods('kvStore.namespace', 'a KV namespace or a function', namespace, used);
  }
  const partition = requirePartition('kvStore.partition', options.partition);
  const { clock } = resolveTools({ clock: options.clock });
  const names = new BoundedNames(checkPrefix('kvStore.prefix', prefix), MOST_KEY_BYTES);
  const writtenAt = new Lru<number>({ maxEntries: REMEMBERED_WRITES });
  const kv = (): KvNamespace => (typeof namespace === 'function' ? namespace() : namespace);

  async function remove(name: string): Promise<void> {
    writtenAt.set(name, clock.now());
    await kv().delete(name);
  }

  return {
    shared: true,
    partition,
    async get(key) {
      const value = await kv().get(await names.of(key), 'arrayBuffer');
      return value === null ? undefined : (decodeEntry(value) as StoreEntry);
    },
    async set(key, entry) {
      const name = await names.of(key);
      const now = clock.now();
      if (now - (writtenAt.get(name) ?? -Infinity) < WRITE_INTERVAL_MS) return;
      const value = encodeEntry(entry);
      // What is there is outdated in any case.
      if (value.byteLength > MOST_VALUE_BYTES) return remove(name);
      writtenAt.set(name, now);
      const expiresAt = Math.max(entry.expiresAt, clock.epochNow() + LEAST_LIFE_MS);
      await kv().put(name, value, { expiration: Math.ceil(expiresAt / 1_000) });
    },
    delete: async (key) => remove(await names.of(key)),
    async clear(partition, onProgress) {
      const wanted = await names.within(partition);
      let cursor: string | undefined;
      do {
        const page = await kv().list({ prefix: wanted, ...(cursor === undefined ? {} : { cursor }) });
        await Promise.all(page.keys.map(({ name }) => remove(name)));
        cursor = page.list_complete ? undefined : page.cursor;
        onProgress?.();
      } while (cursor !== undefined);
    },
  };
}
