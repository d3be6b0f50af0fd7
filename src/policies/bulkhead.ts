import { kept } from '../abort.ts';
import { type Cancel, timersOutliveCalls } from '../clock.ts';
import { BulkheadFullError, ClosedError, QueueTimeoutError } from '../errors.ts';
import { CallContext, type Done, Layer, type Next, type Watcher } from '../layer.ts';
import { ConcurrencyLimit, type Sign } from '../model/concurrency-limit.ts';
import { Link } from '../model/linked-list.ts';
import type { Settled } from '../model/outcome.ts';
import { joinQueue, letIn, noPermits, type Permits, passOn, queuedIn, takeSlot } from '../model/permits.ts';
import { Unanswered, UnansweredCalls } from '../model/unanswered.ts';
import {
  type BulkheadLimits,
  type BulkheadOptions,
  type LayerTools,
  resolveBulkhead,
  resolveTools,
  TOOL_KEYS,
  type Tools,
} from '../options.ts';
import { type Timed, type Timeouts, timeoutsOf } from '../timeouts.ts';

/** What a bulkhead tells about itself, and how it is to read results, where the default will not do. */
export interface BulkheadHooks {
  /** A call has begun to wait. */
  onQueued?(running: number, queued: number, context: CallContext): void;
  /** It waits no more: it has its slot, or has left without. */
  onDequeued?(waitedMs: number, context: CallContext): void;
  /** What a call that ends says of how many may run at once; `undefined`: nothing. Asked if that is found out. */
  signOf?(result: Settled<unknown>, context: CallContext): Sign | undefined;
  /** Keeps the slot for as long as `value` streams, and returns what to hand out in its place. */
  holdFor?<T>(value: T, release: () => void, context: CallContext): T;
}

/** Whose slots they are. */
interface SlotOwner {
  onFree(): void;
}

/** What a call holds while it runs: until it has settled, and whatever it has abandoned has settled too. */
class Slot extends Unanswered<Slot> implements Watcher {
  /** See {@link Scope.kept}. */
  static readonly kept: Slot = /* @__PURE__ */ kept(() => new Slot(CallContext.kept, { onFree() {} }));

  readonly #outside: Watcher | undefined;
  readonly #owner: SlotOwner;
  #holders = 1;

  constructor({ limit, watcher }: CallContext, owner: SlotOwner) {
    super(limit);
    this.#outside = watcher;
    this.#owner = owner;
  }

  onAbandon(work: Promise<unknown>): void {
    // What is lost, and found again, does not take back what was given back for it.
    if (this.#holders === 0) return;
    this.#holders += 1;
    const letGo = (): void => this.letGo();
    work.then(letGo, letGo);
    this.#outside?.onAbandon(work);
  }

  letGo(): void {
    // Already given back: a lost call was found after all.
    if (this.#holders === 0) return;
    this.#holders -= 1;
    if (this.#holders === 0) this.#owner.onFree();
  }

  /** Nobody will hold it any more. */
  lose(): void {
    this.#holders = 1;
    this.letGo();
  }
}

/** A call that waits for a slot: it is granted, or refused, once. */
class Waiter extends Link<Waiter> implements Timed {
  readonly slot: Slot;
  readonly granted: Promise<void>;
  grant: () => void = () => {};
  #refuse: (error: unknown) => void = () => {};

  constructor(slot: Slot) {
    super();
    this.slot = slot;
    this.granted = new Promise((grant, refuse) => {
      this.grant = grant;
      this.#refuse = refuse;
    });
  }

  /** Leaves the queue, if it is still there. */
  abort(error: unknown): void {
    if (this.list?.remove(this) === true) this.#refuse(error);
  }
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
  readonly #unanswered = new UnansweredCalls<Slot>();
  readonly #queueTimeouts: Timeouts | undefined;
  /** There if the limit is found out. */
  readonly #adaptive: ConcurrencyLimit | undefined;
  #maxConcurrent: number;
  /** Whom close() tells when no call is running. */
  #onIdle: (() => void)[] | undefined;
  #closed = false;

  /** @throws TypeError or RangeError if an option makes no sense. */
  constructor(options?: BulkheadOptions & LayerTools);
  /**
   * @internal
   * @param limits For who has them already: those of many can be the same. So can the tools.
   */
  constructor(options?: BulkheadOptions & LayerTools, hooks?: BulkheadHooks, limits?: BulkheadLimits, tools?: Tools);
  constructor(
    options: BulkheadOptions & LayerTools = {},
    hooks: BulkheadHooks = {},
    limits: BulkheadLimits = resolveBulkhead(options, ...TOOL_KEYS),
    tools: Tools = resolveTools(options),
  ) {
    super();
    this.#limits = limits;
    this.#tools = tools;
    this.#hooks = hooks;
    const { maxConcurrent, queueTimeoutMs } = limits;
    const limit = maxConcurrent === 'adaptive' ? new ConcurrencyLimit() : maxConcurrent;
    this.#adaptive = typeof limit === 'number' ? undefined : limit;
    this.#maxConcurrent = typeof limit === 'number' ? limit : limit.value;
    this.#queueTimeouts = queueTimeoutMs < Infinity ? timeoutsOf(queueTimeoutMs, tools.clock) : undefined;
  }

  /** How many calls may hold a slot: with `"adaptive"`, for now. */
  get maxConcurrent(): number {
    return this.#maxConcurrent;
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
    return queuedIn(this.#permits);
  }

  /** Refuses waiting and later calls with {@link ClosedError}; resolves when no call is running. Safe to call twice. */
  close(): Promise<void> {
    this.#closed = true;
    const waiting = this.#permits.queue?.values() ?? [];
    for (const waiter of waiting) waiter.abort(new ClosedError({ dependency: this.#tools.name }));
    if (this.#permits.running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle ??= [];
      this.#onIdle.push(resolve);
    });
  }

  /**
   * Why who has waited too long is refused.
   * @internal
   */
  reason(): QueueTimeoutError {
    return new QueueTimeoutError(this.#limits.queueTimeoutMs, { dependency: this.#tools.name });
  }

  /** @internal */
  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    if (this.#closed) return done({ error: new ClosedError({ dependency: this.#tools.name }) });
    if (context.scope.aborted) return done({ error: context.scope.reason });
    return this.#take() ? this.#run(this.#slotFor(context), next, context, done) : this.#join(next, context, done);
  }

  #run<T, R>(slot: Slot, next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const limit = this.#adaptive;
    const startedAt = limit === undefined ? 0 : context.enteredAt(this.#tools.clock);
    return next(context.watchedBy(slot), (settled) => {
      this.#unanswered.delete(slot);
      const result = limit === undefined ? settled : this.#learned(limit, settled, context, startedAt);
      return done(this.#letGo(slot, result, context));
    });
  }

  /** What is handed on: for a value that keeps its slot while it streams, what stands in its place. */
  #letGo<T>(slot: Slot, result: Settled<T>, context: CallContext): Settled<T> {
    if (this.#hooks.holdFor !== undefined && this.#limits.slot !== 'headers' && 'value' in result) {
      try {
        return { value: this.#hooks.holdFor(result.value, () => slot.letGo(), context) };
      } catch (error) {
        slot.letGo();
        return { error };
      }
    }
    slot.letGo();
    return result;
  }

  /** What is handed on: the result, or what a clock of the user's has thrown at it. */
  #learned<T>(limit: ConcurrencyLimit, result: Settled<T>, context: CallContext, startedAt: number): Settled<T> {
    const { clock } = this.#tools;
    try {
      const sign = this.#hooks.signOf === undefined ? signOf(result, context) : this.#hooks.signOf(result, context);
      if (sign === undefined) return result;
      const now = clock.now();
      const { running } = this.#permits;
      limit.note({ sign, latencyMs: now - startedAt, running, now, epochNow: clock.epochNow() });
    } catch (error) {
      return { error };
    }
    this.#maxConcurrent = limit.value;
    for (let next = this.#letIn(); next !== undefined; next = this.#letIn()) next.grant();
    return result;
  }

  /** Before anybody else can see that there is more room. */
  #letIn(): Waiter | undefined {
    const waiter = letIn(this.#permits, this.#maxConcurrent);
    if (waiter !== undefined) this.#keepInSight(waiter.slot);
    return waiter;
  }

  #slotFor(context: CallContext): Slot {
    const slot = new Slot(context, this);
    this.#keepInSight(slot);
    return slot;
  }

  /** Who has no deadline can't be told from who takes long. */
  #keepInSight(slot: Slot): void {
    if (slot.limit.deadlineAt < Infinity) this.#unanswered.add(slot);
  }

  #take(): boolean {
    if (takeSlot(this.#permits, this.#maxConcurrent)) return true;
    this.#takeBackLost();
    return takeSlot(this.#permits, this.#maxConcurrent);
  }

  #takeBackLost(): void {
    const now = this.#tools.clock.now();
    for (let lost = this.#unanswered.takeLost(now); lost !== undefined; lost = this.#unanswered.takeLost(now))
      lost.lose();
  }

  #join<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const { running, queued } = this;
    const { clock, name } = this.#tools;
    if (queued >= this.#limits.maxQueued) {
      return done({ error: new BulkheadFullError(running, queued, { dependency: name }) });
    }
    const waiter = new Waiter(new Slot(context, this));
    joinQueue(this.#permits, waiter);
    const { scope } = context;
    const since = clock.now();
    scope.onAbort(waiter);
    const timeout = this.#queueTimeouts?.start(since, waiter, this);
    const stopWatch = this.#watchForLost(waiter);
    this.#hooks.onQueued?.(running, queued + 1, context);
    /** What belongs to the wait is undone by the waiter, and not by who granted the slot: on Workers, that is another request. */
    const waited = (): void => {
      timeout?.stop();
      stopWatch?.();
      scope.offAbort(waiter);
      this.#hooks.onDequeued?.(clock.now() - since, context);
    };
    return waiter.granted.then(
      () => {
        waited();
        return this.#run(waiter.slot, next, context.afresh(), done);
      },
      (error: unknown) => {
        waited();
        return done({ error });
      },
    );
  }

  /** Takes back what is lost while somebody waits. Where calls can't get lost, nobody has to look. */
  #watchForLost(waiter: Waiter): Cancel | undefined {
    const { clock } = this.#tools;
    if (timersOutliveCalls(clock)) return undefined;
    let cancel: Cancel = () => {};
    const watch = (): void => {
      // Never without a timer: a Worker request that waits for nothing of its own is taken for hung, and killed.
      const delayMs = Math.min(this.#unanswered.nextLostAt - clock.now(), LONGEST_WATCH_MS);
      cancel = clock.schedule(delayMs, () => {
        this.#takeBackLost();
        if (waiter.list !== undefined) watch();
      });
      cancel.unref?.();
    };
    watch();
    return () => cancel();
  }

  /**
   * Hands a slot that has been given back to whoever is the next.
   * @internal
   */
  onFree(): void {
    const waiter = passOn(this.#permits, this.#maxConcurrent);
    if (waiter !== undefined) {
      this.#keepInSight(waiter.slot);
      waiter.grant();
    } else if (this.#permits.running === 0) {
      for (const done of this.#onIdle ?? []) done();
      this.#onIdle = undefined;
    }
  }
}

const LONGEST_WATCH_MS = 600_000;

/** Alone, it knows of timeouts. Other errors may come at once, or late, and say nothing of how much the service can take. */
function signOf(result: Settled<unknown>, { scope }: CallContext): Sign | undefined {
  if ('value' in result) return 'served';
  if (scope.root.aborted) return undefined;
  if (scope.aborted) return 'cut';
  return Reflect.get(Object(result.error), 'name') === 'TimeoutError' ? 'dropped' : undefined;
}
