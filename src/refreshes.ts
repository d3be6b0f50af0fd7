import { Lru } from './model/lru.ts';

// More than are ever under way or in trouble at once; beyond it, one may run twice, or a failure be forgotten.
const REMEMBERED = 1_000;

/** Which stored answers are being refreshed behind their callers, and which could not be when it was last tried. */
export class Refreshes {
  readonly #lostAt = new Lru<number>({ maxEntries: REMEMBERED });
  readonly #failures = new Lru<string>({ maxEntries: REMEMBERED });

  /**
   * Whether a refresh may start: one is under way at a time. One that has not ended by `lostAt` never will: on Workers it
   * is frozen with the request that it was started in.
   */
  start(id: string, now: number, lostAt: number): boolean {
    if (now < (this.#lostAt.get(id) ?? -Infinity)) return false;
    this.#lostAt.set(id, lostAt);
    return true;
  }

  /** One that ends when it has long been lost does not end the one that came after it. */
  end(id: string, lostAt: number): void {
    if (this.#lostAt.get(id) === lostAt) this.#lostAt.delete(id);
  }

  /** Why the last try failed; `undefined` if it did not. */
  failureOf(id: string): string | undefined {
    return this.#failures.get(id);
  }

  failed(id: string, reason: string): void {
    this.#failures.set(id, reason);
  }

  succeeded(id: string): void {
    this.#failures.delete(id);
  }
}
