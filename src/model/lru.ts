import { Link, LinkedList } from './linked-list.ts';

class Entry<V> extends Link<Entry<V>> {
  readonly key: string;
  readonly value: V;
  readonly size: number;

  constructor(key: string, value: V, size: number) {
    super();
    this.key = key;
    this.value = value;
    this.size = size;
  }
}

/** How much is kept. */
export interface LruLimits {
  readonly maxEntries: number;
  /** Bound of the sum of all sizes. */
  readonly maxSize?: number;
}

/**
 * Keeps what was used last. Every operation is O(1), also with a million entries: a Map alone, which keeps its order of
 * insertion, walks over the holes of what was evicted to find the oldest.
 */
export class Lru<V> {
  readonly #entries = new Map<string, Entry<V>>();
  /** What was unused the longest first. */
  readonly #byUse = new LinkedList<Entry<V>>();
  readonly #maxEntries: number;
  readonly #maxSize: number;
  #size = 0;

  constructor({ maxEntries, maxSize = Infinity }: LruLimits) {
    this.#maxEntries = maxEntries;
    this.#maxSize = maxSize;
  }

  get entries(): number {
    return this.#entries.size;
  }

  /** Sum of the sizes. */
  get size(): number {
    return this.#size;
  }

  /** The value under `key`, which counts as use. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#byUse.remove(entry);
    this.#byUse.add(entry);
    return entry.value;
  }

  /** Keeps `value`, and forgets what was unused the longest. One that is larger than the bound is not kept. */
  set(key: string, value: V, size = 1): void {
    this.delete(key);
    if (size > this.#maxSize) return;
    const entry = new Entry(key, value, size);
    this.#entries.set(key, entry);
    this.#byUse.add(entry);
    this.#size += size;
    while (this.#entries.size > this.#maxEntries || this.#size > this.#maxSize) {
      const { first } = this.#byUse;
      if (first === undefined) return;
      this.delete(first.key);
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#byUse.remove(entry);
    this.#size -= entry.size;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }
}
