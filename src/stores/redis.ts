import { checkKeys, show } from '../checks.ts';
import { type Clock, platformClock } from '../clock.ts';
import { requirePartition } from '../fallback-options.ts';
import { resolveTools } from '../options.ts';
import { decodeEntry, encodeEntry } from './codec.ts';
import { BoundedNames, bytesIn } from './names.ts';
import type { Partition, Store, StoreEntry } from './store.ts';

/** What of a client of Redis or Valkey is used: those of `redis` (node-redis) have it, of one server or of a cluster. */
export interface RedisStoreClient {
  /** `false` while it has no connection: then nothing is asked of it. */
  readonly isReady?: boolean;
  get(key: string): Promise<unknown>;
  set(
    key: string,
    value: string,
    options: { readonly expiration: { readonly type: 'PX'; readonly value: number } },
  ): Promise<unknown>;
  unlink(key: string): Promise<unknown>;
  scan?: ScannedServer['scan'];
  /** Of a cluster, in place of `scan`. */
  readonly masters?: readonly unknown[];
  nodeClient?(master: unknown): Promise<ScannedServer>;
}

interface ScannedServer {
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
  /** What all keys begin with. Default `"steadfetch:answers:"`. */
  readonly prefix?: string;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

const MOST_PREFIX_BYTES = 64;
const MOST_KEY_BYTES = 512;
const KEYS_PER_PAGE = 500;

/**
 * A store in Redis or Valkey, for all instances of a service: shared in the sense of RFC 9111. Entries expire with their use; how
 * much memory they may take is the server's `maxmemory`. An operation rejects with what the client throws, or at once while
 * it has no connection. `clear` looks through all keys of the server.
 *
 * @throws TypeError naming the option and the value.
 */
export function redisStore(options: RedisStoreOptions): Store {
  checkKeys('redisStore', options, ['client', 'partition', 'prefix', 'clock']);
  const { client, prefix = 'steadfetch:answers:' } = options;
  if (typeof client?.get !== 'function' || typeof (client.scan ?? client.nodeClient) !== 'function') {
    throw new TypeError(`redisStore.client must be a client of redis, got ${show(client)}`);
  }
  if (typeof prefix !== 'string' || bytesIn(prefix) > MOST_PREFIX_BYTES) {
    throw new TypeError(
      `redisStore.prefix must be a string of at most ${MOST_PREFIX_BYTES} bytes, got ${show(prefix)}`,
    );
  }
  const partition = requirePartition('redisStore.partition', options.partition);
  const { clock } = resolveTools({ clock: options.clock ?? platformClock });
  const names = new BoundedNames(prefix, MOST_KEY_BYTES);

  function connected(): RedisStoreClient {
    // One that waits for its connection would answer when nobody waits any more.
    if (client.isReady === false) throw new NotConnectedError('Cannot reach Redis: the client has no connection');
    return client;
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
      if (!(lifeMs > 0)) return;
      const expiration = { type: 'PX', value: lifeMs } as const;
      await connected().set(await names.of(key), toBase64(encodeEntry(entry)), { expiration });
    },
    async delete(key) {
      await connected().unlink(await names.of(key));
    },
    async clear(partition) {
      const start = await names.within(partition);
      const MATCH = `${start.replace(/[*?[\]\\]/g, '\\$&')}*`;
      for (const server of await serversOf(connected())) {
        let cursor = '0';
        do {
          const page = await server.scan(cursor, { MATCH, COUNT: KEYS_PER_PAGE });
          // One at a time: those of a cluster's server are not all in one slot.
          await Promise.all(page.keys.map((key) => connected().unlink(String(key))));
          cursor = String(page.cursor);
        } while (cursor !== '0');
      }
    },
  };
}

/** Those that have the keys between them. */
async function serversOf(client: RedisStoreClient): Promise<ScannedServer[]> {
  const { masters, nodeClient } = client;
  if (masters === undefined || nodeClient === undefined) return [client as ScannedServer];
  return Promise.all(masters.map((master) => nodeClient.call(client, master)));
}

class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
}

const CHUNK = 32_768;

/** Texts are what every client takes and gives, whatever it makes of bytes. */
function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

function fromBase64(text: string): ArrayBuffer {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes.buffer;
}
