interface Node<V> {
  readonly key: string;
  value: V;
  size: number;
  older: Node<V> | undefined;
  newer: Node<V> | undefined;
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
  readonly #nodes = new Map<string, Node<V>>();
  readonly #maxEntries: number;
  readonly #maxSize: number;
  #oldest: Node<V> | undefined;
  #newest: Node<V> | undefined;
  #size = 0;

  constructor({ maxEntries, maxSize = Infinity }: LruLimits) {
    this.#maxEntries = maxEntries;
    this.#maxSize = maxSize;
  }

  get entries(): number {
    return this.#nodes.size;
  }

  /** Sum of the sizes. */
  get size(): number {
    return this.#size;
  }

  /** The value under `key`, which counts as use. */
  get(key: string): V | undefined {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    if (node !== this.#newest) {
      this.#unlink(node);
      this.#append(node);
    }
    return node.value;
  }

  /** Keeps `value`, and forgets what was unused the longest. One that is larger than the bound is not kept. */
  set(key: string, value: V, size = 1): void {
    this.delete(key);
    if (size > this.#maxSize) return;
    const node: Node<V> = { key, value, size, older: undefined, newer: undefined };
    this.#nodes.set(key, node);
    this.#append(node);
    this.#size += size;
    while (this.#nodes.size > this.#maxEntries || this.#size > this.#maxSize) {
      if (this.#oldest === undefined) return;
      this.delete(this.#oldest.key);
    }
  }

  delete(key: string): void {
    const node = this.#nodes.get(key);
    if (node === undefined) return;
    this.#nodes.delete(key);
    this.#unlink(node);
    this.#size -= node.size;
  }

  keys(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  #append(node: Node<V>): void {
    node.older = this.#newest;
    node.newer = undefined;
    if (this.#newest === undefined) this.#oldest = node;
    else this.#newest.newer = node;
    this.#newest = node;
  }

  #unlink({ older, newer }: Node<V>): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
