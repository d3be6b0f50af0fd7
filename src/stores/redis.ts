import { checkKeys, checkMethods } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { requirePartition } from '../fallback-options.ts';
import { resolveTools } from '../options.ts';
import { decodeEntry, encodeEntry } from './codec.ts';
import { BoundedNames, checkPrefix } from './names.ts';
import type { Partition, Store, StoreEntry } from './store.ts';

/** What of a client of Redis or Valkey is used: those of `redis` (node-redis) have it, of one server or of a cluster. */
export interface RedisStoreClient {
  /** `false` while it has no connection: then nothing is asked of it. */
  readonly isReady?: boolean;
  /** The text under a key; `null` if there is none. */
  get(key: string): Promise<unknown>;
  /** Keeps a text under a key for so many milliseconds. */
  set(
    key: string,
    value: string,
    options: { readonly expiration: { readonly type: 'PX'; readonly value: number } },
  ): Promise<unknown>;
  /** Forgets a key. */
  unlink(key: string): Promise<unknown>;
  /** The keys of a pattern, a page at a time. */
  scan?: RedisServer['scan'];
  /** Of a cluster, in place of `scan`. */
  readonly masters?: readonly unknown[];
  /** Of a cluster: a client of one of its `masters`. */
  nodeClient?(master: unknown): Promise<RedisServer>;
}

/** What of one server of a cluster is used. */
export interface RedisServer {
  /** The keys of a pattern, a page at a time. */
  scan(
    cursor: string,
    options: { readonly MATCH: string; readonly COUNT: number },
  ): Promise<{ readonly cursor: unknown; readonly keys: readonly unknown[] }>;
}

/** The options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** A client of `redis` (node-redis), connected; it stays yours. */
  readonly client: RedisStoreClient;
  /** Whose data an answer is. Required, because Redis serves everybody: a function of the request, or `"public"`. */
  readonly partition: Partition;
  /** What all keys begin with. Default `"steadfetch:answers"`. */
  readonly prefix?: string;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

const MOST_KEY_BYTES = 512;
const KEYS_PER_PAGE = 500;

/**
 * A store in Redis or Valkey, for all instances of a service: shared in the sense of RFC 9111. Entries expire with their use; how
 * much memory they may take is the server's `maxmemory`. An operation rejects with what the client throws, or at once while
 * it has no connection. `clear` looks through all keys of the server, however long that takes.
 *
 * @throws TypeError naming the option and the value.
 */
export function redisStore(options: RedisStoreOptions): Store {
  checkKeys('redisStore', options, ['client', 'partition', 'prefix', 'clock']);
  const { client, prefix = 'steadfetch:answers' } = options;
  const scans = client?.scan === undefined && client?.nodeClient !== undefined ? 'nodeClient' : 'scan';
  checkMethods('redisStore.client', 'a client of redis (node-redis)', client, ['get', 'set', 'unlink', scans]);
  const partition = requirePartition('redisStore.partition', options.partition);
  const { clock } = resolveTools({ clock: options.clock });
  const names = new BoundedNames(checkPrefix('redisStore.prefix', prefix), MOST_KEY_BYTES);

  function connected(): RedisStoreClient {
    // One that waits for its connection would answer when nobody waits any more.
    if (client.isReady === false) throw new NotConnectedError('Cannot ask Redis: redisStore.client has no connection');
    return client;
  }

  async function remove(key: string): Promise<void> {
    await connected().unlink(await names.of(key));
  }

  return {
    shared: true,
    partition,
    async get(key) {
      const value = await connected().get(await names.of(key));
      return value === null || value === undefined ? undefined : (decodeEntry(fromBase64(String(value))) as StoreEntry);
    },
    async set(key, entry) {
      const lifeMs = Math.ceil(entry.expiresAt - clock.epochNow());
      // What is there is outdated in any case.
      if (!(lifeMs > 0)) return remove(key);
      const expiration = { type: 'PX', value: lifeMs } as const;
      await connected().set(await names.of(key), toBase64(encodeEntry(entry)), { expiration });
    },
    delete: remove,
    async clear(partition, onProgress) {
      const start = await names.within(partition);
      const MATCH = `${start.replace(/[*?[\]\\]/g, '\\$&')}*`;
      for (const server of await serversOf(connected())) {
        let cursor = '0';
        do {
          const page = await server.scan(cursor, { MATCH, COUNT: KEYS_PER_PAGE });
          // One at a time: those of a cluster's server are not all in one slot.
          await Promise.all(page.keys.map((key) => connected().unlink(String(key))));
          cursor = String(page.cursor);
          onProgress?.();
        } while (cursor !== '0');
      }
    },
  };
}

/** Those that have the keys between them. */
async function serversOf(client: RedisStoreClient): Promise<RedisServer[]> {
  const { masters, nodeClient } = client;
  if (masters === undefined || nodeClient === undefined) return [client as RedisServer];
  return Promise.all(masters.map((master) => nodeClient.call(client, master)));
}

class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
}

interface Base64 {
  readonly Buffer?: {
    from(bytes: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'base64'): string };
    from(text: string, encoding: 'base64'): Uint8Array<ArrayBuffer>;
  };
  readonly Uint8Array: { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
}

// The platform's: a loop over a megabyte would hold up all other calls for a tenth of a second.
const platform = globalThis as unknown as Base64;

/** Texts are what every client takes and gives, whatever it makes of bytes. */
function toBase64(bytes: Uint8Array & { toBase64?(): string }): string {
  return (
    bytes.toBase64?.() ?? platform.Buffer?.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64') ?? ''
  );
}

function fromBase64(text: string): ArrayBuffer {
  const bytes = platform.Uint8Array.fromBase64?.(text) ?? platform.Buffer?.from(text, 'base64') ?? new Uint8Array();
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}
