import type { Cancel } from '../clock.ts';
import { BulkheadFullError, ClosedError, QueueTimeoutError } from '../errors.ts';
import { type CallContext, Layer, type Next, type TimeLimit } from '../layer.ts';
import { joinQueue, leaveQueue, noPermits, type Permits, type Place, passOn, takeSlot } from '../model/permits.ts';
import { Unanswered, type Wait } from '../model/unanswered.ts';
import {
  type BulkheadLimits,
  type BulkheadOptions,
  type LayerTools,
  resolveBulkhead,
  resolveTools,
  type Tools,
} from '../options.ts';

/** What a bulkhead tells about itself. */
export interface BulkheadHooks {
  /** A call has begun to wait. */
  onQueued?(running: number, queued: number, context: CallContext): void;
  /** It waits no more: it has its slot, or has left without. */
  onDequeued?(waitedMs: number, context: CallContext): void;
  /** Keeps the slot for as long as `value` streams, and returns what to hand out in its place. */
  holdFor?<T>(value: T, release: () => void, context: CallContext): T;
}

/** What a call holds while it runs. */
interface Slot {
  readonly limit: TimeLimit;
  /** The call itself, and what it has abandoned; 0 once the slot is given back. */
  holders: number;
  wait: Wait<Slot>;
}

/** A call that waits for a slot: exactly one of the two is called, once. */
interface Waiter {
  readonly slot: Slot;
  grant(): void;
  refuse(error: unknown): void;
}

/**
 * Limits how many calls run at once, and how many wait for a slot, first in, first out: one bad dependency can't eat a
 * shared pool. A call that finds the queue full rejects with {@link BulkheadFullError} at once; one whose signal aborts
 * leaves the queue at once. A call that ignores its signal keeps its slot until it settles, though its caller is answered.
 */
export class Bulkhead extends Layer {
  readonly #limits: BulkheadLimits;
  readonly #tools: Tools;
  readonly #hooks: BulkheadHooks;
  readonly #permits: Permits<Waiter> = noPermits();
  readonly #unanswered = new Unanswered<Slot>();
  readonly #idle: (() => void)[] = [];
  #closed = false;

  /** @throws TypeError or RangeError if an option makes no sense. */
  constructor(options: BulkheadOptions & LayerTools = {}, hooks: BulkheadHooks = {}) {
    super();
    this.#limits = resolveBulkhead(options);
    this.#tools = resolveTools(options);
    this.#hooks = hooks;
  }

  /** How many calls may hold a slot. */
  get maxConcurrent(): number {
    return this.#limits.maxConcurrent;
  }

  /** How many may wait for one. */
  get maxQueued(): number {
    return this.#limits.maxQueued;
  }

  /** Calls that hold a slot. */
  get running(): number {
    return this.#permits.running;
  }

  /** Calls that wait for one. */
  get queued(): number {
    return this.#permits.queued;
  }

  /** Refuses waiting and later calls with {@link ClosedError}; resolves when no call is running. Safe to call twice. */
  close(): Promise<void> {
    this.#closed = true;
    const permits = this.#permits;
    for (let place = permits.first; place !== undefined; place = permits.first) {
      leaveQueue(permits, place);
      place.waiter.refuse(new ClosedError({ dependency: this.#tools.name }));
    }
    if (permits.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    if (this.#closed) throw new ClosedError({ dependency: this.#tools.name });
    if (context.scope.aborted) throw context.scope.reason;
    const slot: Slot = { limit: context.limit, holders: 1, wait: undefined };
    if (this.#take()) slot.wait = this.#unanswered.add(slot, slot.limit);
    else await this.#waitForSlot(this.#join(slot), context);
    // The slot goes back when the call has settled, and whatever it has abandoned has settled too.
    const letGo = (): void => this.#letGo(slot);
    const watched = context.watching((work) => {
      // What is lost, and found again, does not take back what was given back for it.
      if (slot.holders === 0) return;
      slot.holders += 1;
      work.then(letGo, letGo);
      context.onAbandon?.(work);
    });
    let held = false;
    try {
      const value = await next(watched);
      if (this.#limits.slot === 'headers' || this.#hooks.holdFor === undefined) return value;
      const kept = this.#hooks.holdFor(value, letGo, context);
      held = true;
      return kept;
    } finally {
      this.#unanswered.delete(slot.wait);
      if (!held) letGo();
    }
  }

  #take(): boolean {
    const { maxConcurrent } = this.#limits;
    if (takeSlot(this.#permits, maxConcurrent)) return true;
    this.#takeBackLost();
    return takeSlot(this.#permits, maxConcurrent);
  }

  #takeBackLost(): void {
    const now = this.#tools.clock.now();
    for (let lost = this.#unanswered.takeLost(now); lost !== undefined; lost = this.#unanswered.takeLost(now)) {
      lost.holders = 1;
      this.#letGo(lost);
    }
  }

  /** @throws BulkheadFullError, at once: out of an async function, a refusal costs 3.1 bare rejections in place of 2.5. */
  #join(slot: Slot): readonly [place: Place<Waiter>, granted: Promise<void>] {
    const permits = this.#permits;
    let waiter: Waiter | undefined;
    const granted = new Promise<void>((grant, refuse) => {
      waiter = { slot, grant, refuse };
    });
    const place = joinQueue(permits, waiter as Waiter, this.#limits.maxQueued);
    if (place !== undefined) return [place, granted];
    throw new BulkheadFullError(permits.running, permits.queued, { dependency: this.#tools.name });
  }

  async #waitForSlot([place, granted]: readonly [Place<Waiter>, Promise<void>], context: CallContext): Promise<void> {
    const { scope } = context;
    const permits = this.#permits;
    const { queueTimeoutMs } = this.#limits;
    const { clock, name } = this.#tools;
    const leave = (error: unknown): void => {
      if (leaveQueue(permits, place)) place.waiter.refuse(error);
    };
    const onAbort = (): void => leave(scope.reason);
    scope.onAbort(onAbort);
    const cancel = clock.schedule(queueTimeoutMs, () =>
      leave(new QueueTimeoutError(queueTimeoutMs, { dependency: name })),
    );
    let stopWatch: Cancel = () => {};
    const watchForLost = (): void => {
      // Never without a timer: a Worker request that waits for nothing of its own is taken for hung, and killed.
      const delayMs = Math.min(this.#unanswered.nextLostAt - clock.now(), LONGEST_WATCH_MS);
      stopWatch = clock.schedule(delayMs, () => {
        this.#takeBackLost();
        if (place.waiting) watchForLost();
      });
      stopWatch.unref?.();
    };
    watchForLost();
    const since = clock.now();
    this.#hooks.onQueued?.(permits.running, permits.queued, context);
    try {
      await granted;
    } finally {
      // Undone by the waiter itself and not by who granted the slot: on Workers that may be another request, which
      // must not touch this one's timers.
      cancel();
      stopWatch();
      scope.offAbort(onAbort);
      this.#hooks.onDequeued?.(clock.now() - since, context);
    }
  }

  #letGo(slot: Slot): void {
    // Already given back: a lost call was found after all.
    if (slot.holders === 0) return;
    slot.holders -= 1;
    if (slot.holders > 0) return;
    const waiter = passOn(this.#permits);
    if (waiter !== undefined) {
      waiter.slot.wait = this.#unanswered.add(waiter.slot, waiter.slot.limit);
      waiter.grant();
    } else if (this.#permits.running === 0) for (const done of this.#idle.splice(0)) done();
  }
}

const LONGEST_WATCH_MS = 600_000;
