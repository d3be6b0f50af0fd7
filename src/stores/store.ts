/** One stored answer: plain data, which a structured clone or a serializer takes as it is. */
export interface StoredResponse {
  /** Where it came from, after redirects; empty if that is not known. */
  readonly url: string;
  /** As `Response.redirected` was. */
  readonly redirected: boolean;
  /** As `Response.type` was. */
  readonly type: string;
  /** As `Response.status` was. */
  readonly status: number;
  /** As `Response.statusText` was. */
  readonly statusText: string;
  /** Without `Set-Cookie`, and without what is about one connection or one encoding. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `null` for an answer that has none, as one to HEAD. */
  // Uint8Array<ArrayBuffer>, in words that compilers before 5.7 understand, too: to them, Uint8Array is not generic.
  readonly body: ReturnType<Uint8Array['slice']> | null;
  /** Length of the body when it was stored: one that has another length is not served. */
  readonly bodyBytes: number;
  /** When it was received, or last confirmed, in milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  /** How old it was then, in ms (RFC 9111, section 4.2.3). */
  readonly initialAgeMs: number;
  /** The request headers it depends on, as they were (`Vary`); those that carry credentials as their SHA-256. */
  readonly variesBy: readonly (readonly [name: string, value: string])[];
}

/** What a store keeps under one key: the answers to one request, one for each variant (RFC 9111, section 4.1). */
export interface StoreEntry {
  /** The key it is kept under: one that comes back under another key is not served. */
  readonly key: string;
  /** Newest first. */
  readonly variants: readonly StoredResponse[];
  /** From when on it is of no use any more, in milliseconds since the Unix epoch: a store may forget it then. */
  readonly expiresAt: number;
}

/**
 * Whose data an answer is: a function of the request, or `"public"` if it is everybody's. With `undefined`, nothing is
 * stored for the request, and nothing stored answers it.
 */
export type Partition = 'public' | ((request: Request) => string | undefined);

/**
 * Where answers are kept. It may throw, hang or forget: that never fails a call. Keys start with their partition and a
 * space; neither the partition nor the key is ever a credential.
 */
export interface Store {
  /** Whether it serves more than one user, in the sense of RFC 9111: then nothing `private` is stored. Default `true`. */
  readonly shared?: boolean;
  /** Whose data an answer is, where the client's options do not say. */
  readonly partition?: Partition;
  /** What is kept under a key; `undefined` if there is nothing. */
  get(key: string): Promise<StoreEntry | undefined>;
  /** Keeps an entry, in place of what was there. */
  set(key: string, entry: StoreEntry): Promise<void>;
  /** Forgets a key. */
  delete(key: string): Promise<void>;
  /**
   * Forgets the keys of one partition, or all. May take its time, if it says that it goes on: one that neither ends nor
   * calls `onProgress` for a minute (or `storeTimeoutMs`, if that is longer) is waited for no longer.
   */
  clear(partition?: string, onProgress?: () => void): Promise<void>;
}

/** What is kept under a key, without waiting. */
export type GetNow = (key: string) => StoreEntry | undefined;

// By the function that is asked otherwise: one that has been replaced, by a spy or in a copy of the store, is asked.
const inMemory = /* @__PURE__ */ new WeakMap<Store['get'], GetNow>();

/** Has who knows us ask `getNow` in place of the promise of `get`. */
export function inMemoryToo(get: Store['get'], getNow: GetNow): Store['get'] {
  inMemory.set(get, getNow);
  return get;
}

export function knownInMemory(store: Store): GetNow | undefined {
  try {
    return inMemory.get(store.get);
  } catch {
    // A getter that throws: who asks the store will hear of it.
    return undefined;
  }
}

// What the fields, names and the bookkeeping of an answer take beside its texts and its body; an estimate.
const OVERHEAD_BYTES = 256;

/** About how many bytes of memory an entry takes, key included. Never less than its bodies. */
export function bytesOf(entry: StoreEntry): number {
  let bytes = OVERHEAD_BYTES + 2 * entry.key.length;
  for (const { url, statusText, headers, variesBy, body } of entry.variants) {
    bytes += OVERHEAD_BYTES + 2 * (url.length + statusText.length) + (body?.byteLength ?? 0);
    for (const [name, value] of headers) bytes += 2 * (name.length + value.length);
    for (const [name, value] of variesBy) bytes += 2 * (name.length + value.length);
  }
  return bytes;
}
