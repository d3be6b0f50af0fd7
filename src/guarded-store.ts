import type { Cancel, Clock } from './clock.ts';
import type { StoreErrorEvent } from './events.ts';
import { parseEntry } from './http/stored-response.ts';
import { knownInMemory, type Store, type StoreEntry } from './stores/store.ts';
import { type Limit, type Timeouts, timeoutsOf } from './timeouts.ts';

// How many operations may be silent at once before no more are tried: each keeps what it was given.
const MOST_SILENT = 16;
// How long a store that fell silent is left alone before it is tried again.
const REST_MS = 10_000;
// How long a clear() may give no sign, at least: the store may have to look through all that it has.
const CLEAR_MS = 60_000;

// What is too late is told to who listens, and to nobody else.
const NO_REASON: Limit = { reason: () => undefined };

/** Told of what a store could not do. */
export type StoreErrorListener = (operation: StoreErrorEvent['operation'], reason: string) => void;

/**
 * A store that never throws and never hangs, whatever the one behind it does: what fails counts as no entry, and is told.
 * One that has fallen silent is not waited for again until it speaks, or has had a rest.
 */
export class GuardedStore {
  readonly shared: boolean;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #timeouts: Timeouts;
  readonly #clearMs: number;
  #silent = 0;
  /** How many clear() calls are waited for no longer, and have not ended. */
  #lateClears = 0;
  #restsUntil = -Infinity;

  constructor(store: Store, clock: Clock, timeoutMs: number) {
    this.shared = store.shared ?? true;
    this.#store = store;
    this.#clock = clock;
    this.#timeouts = timeoutsOf(timeoutMs, clock);
    this.#clearMs = Math.max(timeoutMs, CLEAR_MS);
  }

  /** What is kept under `key`. What came out and is no entry of ours is deleted, not trusted. */
  get(key: string, onError: StoreErrorListener): StoreEntry | undefined | Promise<StoreEntry | undefined> {
    const getNow = knownInMemory(this.#store);
    if (getNow !== undefined) return this.#checked(getNow(key), key, onError);
    return this.#attempt('get', () => this.#store.get(key), onError).then((found) =>
      this.#checked(found, key, onError),
    );
  }

  #checked(found: StoreEntry | null | undefined, key: string, onError: StoreErrorListener): StoreEntry | undefined {
    if (found === undefined || found === null) return undefined;
    const entry = entryIn(found, key);
    if (entry === undefined) {
      onError('get', 'invalid');
      void this.delete(key, onError);
    }
    return entry;
  }

  /** @param isOutdated Asked when the entry has arrived, however late: one that is outdated by then is deleted again. */
  async set(key: string, entry: StoreEntry, onError: StoreErrorListener, isOutdated: () => boolean): Promise<void> {
    const set = async (): Promise<void> => {
      await this.#store.set(key, entry);
      if (isOutdated()) await this.#store.delete(key);
    };
    await this.#attempt('set', set, onError);
  }

  async delete(key: string, onError: StoreErrorListener): Promise<void> {
    await this.#attempt('delete', () => this.#store.delete(key), onError);
  }

  /**
   * Takes as long as the store goes on with it, and says nothing of how soon others are answered. One that is left alone
   * is not asked.
   *
   * @throws what the store throws: who wants something forgotten has to know that it was not.
   */
  async clear(partition: string | undefined): Promise<void> {
    if (this.#isLeftAlone() || this.#lateClears >= MOST_SILENT) throw cannotClear('it has fallen silent');
    return new Promise((resolve, reject) => {
      let isLate = false;
      let cancel: Cancel;
      const giveUp = (): void => {
        isLate = true;
        this.#lateClears += 1;
        reject(cannotClear(`it gives no sign for ${this.#clearMs} ms`));
      };
      const wait = (): void => {
        cancel = this.#clock.schedule(this.#clearMs, giveUp);
        // A store that works at it has sockets of its own that keep the process alive.
        cancel.unref?.();
      };
      let onProgress = (): void => {
        cancel();
        if (!isLate) wait();
      };
      const settled = (): void => {
        cancel();
        if (isLate) this.#lateClears -= 1;
        onProgress = () => {};
      };
      wait();
      // In a promise of its own, as below.
      new Promise<void>((done) => done(this.#store.clear(partition, () => onProgress()))).finally(settled).then(
        () => resolve(),
        (error: unknown) => reject(error ?? cannotClear('it gives no reason')),
      );
    });
  }

  #isLeftAlone(): boolean {
    return this.#silent > 0 && (this.#clock.now() < this.#restsUntil || this.#silent >= MOST_SILENT);
  }

  /** Runs one operation; `undefined` if it fails, or takes too long. */
  async #attempt<R>(
    operation: StoreErrorEvent['operation'],
    run: () => Promise<R>,
    onError: StoreErrorListener,
  ): Promise<R | undefined> {
    if (this.#isLeftAlone()) return undefined;
    return new Promise((resolve) => {
      let timedOut = false;
      const abort = (): void => {
        timedOut = true;
        this.#silent += 1;
        this.#restsUntil = this.#clock.now() + REST_MS;
        onError(operation, 'timeout');
        resolve(undefined);
      };
      const timeout = this.#timeouts.start(this.#clock.now(), { abort }, NO_REASON);
      const settle = (): boolean => {
        timeout.stop();
        if (timedOut) this.#silent -= 1;
        return timedOut;
      };
      // In a promise of its own, so that a synchronous throw is a rejection like any other.
      new Promise<R>((done) => done(run())).then(
        (value) => {
          if (!settle()) resolve(value);
        },
        (error: unknown) => {
          if (settle()) return;
          onError(operation, nameOf(error));
          resolve(undefined);
        },
      );
    });
  }
}

function cannotClear(why: string): Error {
  return new Error(`Cannot clear the store: ${why}`);
}

function entryIn(found: unknown, key: string): StoreEntry | undefined {
  try {
    return parseEntry(found, key);
  } catch {
    // It throws on being looked at.
    return undefined;
  }
}

/** Never the message of an error: a store's may have the key in it. */
function nameOf(error: unknown): string {
  const name: unknown = error instanceof Error || error instanceof DOMException ? error.name : undefined;
  return typeof name === 'string' ? name.slice(0, 50) : 'Error';
}
