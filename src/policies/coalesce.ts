import { Scope } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { AsyncLayer, type AsyncNext, type CallContext, type TimeLimit } from '../layer.ts';

/** How calls share one piece of work. */
export interface CoalesceHooks<V> {
  /** Calls of the same key share; `undefined`: this one shares with none. */
  keyOf(context: CallContext): string | undefined;
  /**
   * The context of the work, for whoever of its callers comes first; `callers` tells how many wait for it, `limit` until
   * when the last of them does.
   */
  sharedContext(first: CallContext, scope: Scope, limit: TimeLimit, callers: () => number): CallContext;
  /** Makes of the value what can be given to several, where that is possible. */
  gather(value: V, shared: CallContext): Promise<V>;
  /**
   * How each of several callers makes a value of its own of the one; `undefined` if only one can have it. It is made by the
   * caller: on Workers, what one request has made is not another's to use.
   */
  makerOf(value: V): (() => V) | undefined;
  /** Told of the work that `first` has begun for all: it must go on when `first` is done. */
  keepAlive(first: CallContext, work: Promise<unknown>): void;
  /** Told that whoever began the work has left, and who stands for it from now on. */
  passOn(shared: CallContext, to: CallContext): void;
  /** Tells a caller what has become of the work it shares; `leads` if it stands for all of them. */
  report(shared: CallContext, own: CallContext, leads: boolean): void;
}

interface Caller<V> {
  readonly context: CallContext;
  readonly resolve: (make: (() => V) | undefined) => void;
  readonly reject: (error: unknown) => void;
  readonly leave: () => void;
}

/** Work under way, and who waits for it, in the order in which they came. It ends when the last of them has left. */
interface Flight<V> {
  readonly shared: CallContext;
  readonly callers: Set<Caller<V>>;
  /** When the work has to be over: when the last of them has to. */
  readonly limit: { deadlineAt: number };
  /** Until when others may join: on Workers, what a request leaves unfinished never ends. */
  readonly joinableUntil: number;
}

const LONGEST_MS = 120_000;

/** One piece of work for all who ask for the same while it is under way. Each of them may leave, and gets a value of its own. */
export class Coalesce<V> extends AsyncLayer {
  readonly #hooks: CoalesceHooks<V>;
  readonly #clock: Clock;
  readonly #flights = new Map<string, Flight<V>>();

  constructor(hooks: CoalesceHooks<V>, clock: Clock) {
    super();
    this.#hooks = hooks;
    this.#clock = clock;
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    const key = this.#hooks.keyOf(context);
    if (key === undefined || context.scope.aborted) return next(context);
    // Whoever uses this layer has all of its calls give a V.
    const work = next as AsyncNext<unknown> as AsyncNext<V>;
    const make = await new Promise<(() => V) | undefined>((resolve, reject) => {
      const known = this.#joinable(key);
      const flight = known ?? this.#begin(key, context);
      const caller: Caller<V> = { context, resolve, reject, leave: () => this.#leave(key, flight, caller) };
      flight.callers.add(caller);
      flight.limit.deadlineAt = Math.max(flight.limit.deadlineAt, context.deadlineAt);
      context.scope.onAbort(caller.leave);
      if (known === undefined) this.#hooks.keepAlive(context, this.#fly(key, flight, work));
    });
    return (make === undefined ? await work(context) : make()) as unknown as T;
  }

  /** Lets nobody join any more what is under way, where `which` says so: who comes from now on is to get something newer. */
  part(which: (shared: CallContext) => boolean = () => true): void {
    for (const [key, { shared }] of this.#flights) if (which(shared)) this.#flights.delete(key);
  }

  #joinable(key: string): Flight<V> | undefined {
    const flight = this.#flights.get(key);
    return flight !== undefined && this.#clock.now() < flight.joinableUntil ? flight : undefined;
  }

  #begin(key: string, first: CallContext): Flight<V> {
    // Below a root of its own: who asks whether the caller gave up, or ran out of time, asks the root.
    const callers = new Set<Caller<V>>();
    const limit = { deadlineAt: first.deadlineAt };
    const shared = this.#hooks.sharedContext(first, new Scope(new Scope()), limit, () => callers.size);
    const joinableUntil = Math.min(first.deadlineAt, this.#clock.now() + LONGEST_MS);
    const flight: Flight<V> = { shared, callers, limit, joinableUntil };
    this.#flights.set(key, flight);
    return flight;
  }

  async #fly(key: string, flight: Flight<V>, work: AsyncNext<V>): Promise<void> {
    const { shared, callers } = flight;
    try {
      const first = await work(shared);
      // Who comes from now on is too late for a body that has begun.
      this.#end(key, flight);
      const value = callers.size > 1 ? await this.#hooks.gather(first, shared) : first;
      const make = callers.size > 1 ? this.#hooks.makerOf(value) : undefined;
      if (make === undefined) this.#giveToOne(flight, value);
      else this.#settleAll(flight, (caller) => caller.resolve(make));
    } catch (error) {
      this.#end(key, flight);
      this.#settleAll(flight, (caller) => caller.reject(error));
    }
  }

  /** The first of them has it, as it would alone; the others see for themselves. */
  #giveToOne({ shared, callers }: Flight<V>, value: V): void {
    const [one, ...others] = callers;
    if (one === undefined) return;
    this.#hooks.report(shared, one.context, true);
    // The work is this caller's alone from now on, and ends with it, also while the value is still streaming.
    for (const other of others) {
      other.context.scope.offAbort(other.leave);
      other.resolve(undefined);
    }
    one.context.scope.offAbort(one.leave);
    one.context.closeAfter({ value }, new Tie(one.context.scope, shared.scope));
    one.resolve(() => value);
  }

  #leave(key: string, flight: Flight<V>, caller: Caller<V>): void {
    const { shared, callers } = flight;
    const { scope } = caller.context;
    callers.delete(caller);
    this.#hooks.report(shared, caller.context, callers.size === 0);
    caller.reject(scope.reason);
    for (const { context } of callers) {
      this.#hooks.passOn(shared, context);
      return;
    }
    this.#end(key, flight);
    endWith(scope, shared.scope);
  }

  #settleAll({ shared, callers }: Flight<V>, settle: (caller: Caller<V>) => void): void {
    [...callers].forEach((caller, index) => {
      caller.context.scope.offAbort(caller.leave);
      this.#hooks.report(shared, caller.context, index === 0);
      settle(caller);
    });
  }

  #end(key: string, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

function endWith({ root, reason }: Scope, shared: Scope): void {
  // A caller's own wish reaches the root, as it would without sharing; a deadline of ours does not.
  (root.aborted ? shared.root : shared).abort(reason);
}

/**
 * Has shared work end with the scope of the one who has its value. It holds on to nothing else: what follows a scope lives as long
 * as the deadline, and a value that is dropped while it streams must not.
 */
class Tie {
  readonly #scope: Scope;
  readonly #shared: Scope;

  constructor(scope: Scope, shared: Scope) {
    this.#scope = scope;
    this.#shared = shared;
    scope.onAbort(this);
  }

  abort(): void {
    endWith(this.#scope, this.#shared);
  }

  close(): void {
    this.#scope.offAbort(this);
  }
}
