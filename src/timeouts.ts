import { kept, Scope } from './abort.ts';
import { type Cancel, type Clock, timersOutliveCalls } from './clock.ts';
import { Link, LinkedList } from './model/linked-list.ts';

/** Time limits of one length, for any number of calls. */
export interface Timeouts {
  /**
   * Aborts `timed` when that time has passed since `now`, which is what the clock says.
   * @param dependency Who is called, for the reason.
   */
  start(now: number, timed: Timed, limit: Limit, dependency?: string): Timeout;
}

/** What has so much time: a scope, or somebody who waits. */
export interface Timed {
  abort(reason: unknown): void;
  close?(): void;
}

/** Who sets the limit: knows why it aborts. */
export interface Limit {
  /** @param dueAt When it was to be over. */
  reason(dueAt: number, dependency: string | undefined): unknown;
}

/** One of them, which has begun. */
export interface Timeout {
  /** Harmless when it is over. */
  stop(): void;
  /** Stops, and closes what it was for. */
  close(): void;
  /** Lets the process end before, on runtimes where a timer keeps it alive. */
  unref(): void;
}

/** One timer for all calls, where a timer may outlive the call that it was made in. */
export function timeoutsOf(delayMs: number, clock: Clock): Timeouts {
  return delayMs < Infinity && timersOutliveCalls(clock)
    ? new SharedTimeouts(delayMs, clock)
    : new OwnTimeouts(delayMs, clock);
}

class OwnTimeouts implements Timeouts {
  readonly #delayMs: number;
  readonly #clock: Clock;

  constructor(delayMs: number, clock: Clock) {
    this.#delayMs = delayMs;
    this.#clock = clock;
  }

  start(now: number, timed: Timed, limit: Limit, dependency?: string): Timeout {
    const onDue = (): void => timed.abort(limit.reason(now + this.#delayMs, dependency));
    const cancel = this.#clock.schedule(this.#delayMs, onDue);
    const close = (): void => {
      cancel();
      timed.close?.();
    };
    return { stop: cancel, close, unref: () => cancel.unref?.() };
  }
}

// Turns of the microtask queue for which a timer stays set when nobody needs it any more: enough for who makes one call after
// the other. A timer for each of those was half of what a call cost.
const REST_TURNS = 8;
const NOW = Promise.resolve();
// A timer that late has been lost: somebody has replaced the platform's, and put them back.
const LOST_MS = 1_000;

/**
 * One timer, set for the first of them: of one length, they end in the order in which they began. Mostly it goes off too
 * early, for who it was set for has been stopped by then, and is set for who is the first now.
 */
export class SharedTimeouts implements Timeouts {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #running = new LinkedList<SharedTimeout>();
  #cancel: Cancel | undefined;
  /** What the timer is set for. */
  #dueAt = 0;
  /** How many of them keep the process alive, and whether the timer does. */
  #refs = 0;
  #isRef = true;
  /** Turns until the timer is cancelled, if nobody comes; 0 while somebody needs it. */
  #turns = 0;

  constructor(delayMs: number, clock: Clock) {
    this.#delayMs = delayMs;
    this.#clock = clock;
  }

  start(now: number, timed: Timed, limit: Limit, dependency?: string): Timeout {
    const timeout = new SharedTimeout(this, now + this.#delayMs, timed, limit, dependency);
    this.#running.add(timeout);
    this.#refs += 1;
    if (this.#cancel === undefined) this.#set(timeout.dueAt, this.#delayMs);
    else if (now > this.#dueAt + LOST_MS) this.#set(now, 0);
    else if (!this.#isRef) {
      this.#isRef = true;
      this.#cancel.ref?.();
    }
    return timeout;
  }

  stop(timeout: SharedTimeout): void {
    if (!this.#running.remove(timeout)) return;
    this.unref(timeout);
    if (this.#running.size > 0 || this.#turns > 0) return;
    this.#turns = REST_TURNS;
    NOW.then(this.#rest);
  }

  readonly #rest = (): void => {
    this.#turns = this.#running.size > 0 ? 0 : this.#turns - 1;
    if (this.#turns > 0) NOW.then(this.#rest);
    else if (this.#running.size === 0) {
      this.#cancel?.();
      this.#cancel = undefined;
    }
  };

  unref(timeout: SharedTimeout): void {
    if (!timeout.refs) return;
    timeout.refs = false;
    this.#refs -= 1;
    if (this.#refs === 0 && this.#running.size > 0) this.#unref();
  }

  #unref(): void {
    this.#isRef = false;
    this.#cancel?.unref?.();
  }

  #set(dueAt: number, delayMs: number): void {
    this.#cancel?.();
    this.#dueAt = dueAt;
    this.#cancel = this.#clock.schedule(delayMs, this.#onDue);
    this.#isRef = true;
    if (this.#refs === 0) this.#unref();
  }

  readonly #onDue = (): void => {
    // The timer's word counts: it may go off a little early, by the clock.
    const now = Math.max(this.#clock.now(), this.#dueAt);
    // Gone off: who is told may start another at once.
    this.#cancel = undefined;
    for (let first = this.#running.first; first !== undefined && first.dueAt <= now; first = this.#running.first) {
      this.stop(first);
      first.timed.abort(first.limit.reason(first.dueAt, first.dependency));
    }
    const { first } = this.#running;
    if (first !== undefined) this.#set(first.dueAt, first.dueAt - now);
  };
}

class SharedTimeout extends Link<SharedTimeout> implements Timeout {
  /** See {@link Scope.kept}. */
  static readonly kept: SharedTimeout = /* @__PURE__ */ kept(
    () => new SharedTimeout({ stop() {}, unref() {} }, 0.5, Scope.kept, { reason() {} }, undefined),
  );

  readonly dueAt: number;
  readonly timed: Timed;
  readonly limit: Limit;
  readonly dependency: string | undefined;
  /** Whether it keeps the process alive. */
  refs = true;
  readonly #all: Pick<SharedTimeouts, 'stop' | 'unref'>;

  constructor(
    all: Pick<SharedTimeouts, 'stop' | 'unref'>,
    dueAt: number,
    timed: Timed,
    limit: Limit,
    dependency: string | undefined,
  ) {
    super();
    this.#all = all;
    this.dueAt = dueAt;
    this.timed = timed;
    this.limit = limit;
    this.dependency = dependency;
  }

  stop(): void {
    this.#all.stop(this);
  }

  close(): void {
    this.stop();
    this.timed.close?.();
  }

  unref(): void {
    this.#all.unref(this);
  }
}
