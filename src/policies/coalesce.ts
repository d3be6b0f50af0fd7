import { Scope } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { type CallContext, Layer, type Next } from '../layer.ts';

/** How calls share one piece of work. */
export interface CoalesceHooks<V> {
  /** Calls of the same key share; `undefined`: this one shares with none. */
  keyOf(context: CallContext): string | undefined;
  /** The context of the work, for whoever of its callers comes first. */
  sharedContext(first: CallContext, scope: Scope): CallContext;
  /**
   * How each of several callers makes a value of its own of the one; `undefined` if they have to see for themselves. It is
   * made by the caller: on Workers, what one request has made is not another's to use.
   */
  divide(value: V): Promise<(() => V) | undefined>;
  /** Told of the work that `first` has begun for all: it must go on when `first` is done. */
  keepAlive(first: CallContext, work: Promise<unknown>): void;
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
  /** Until when others may join: on Workers, what a request leaves unfinished never ends. */
  readonly joinableUntil: number;
}

const LONGEST_MS = 120_000;

/** One piece of work for all who ask for the same while it is under way. Each of them may leave, and gets a value of its own. */
export class Coalesce<V> extends Layer {
  readonly #hooks: CoalesceHooks<V>;
  readonly #clock: Clock;
  readonly #flights = new Map<string, Flight<V>>();

  constructor(hooks: CoalesceHooks<V>, clock: Clock) {
    super();
    this.#hooks = hooks;
    this.#clock = clock;
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    const key = this.#hooks.keyOf(context);
    if (key === undefined || context.scope.aborted) return next(context);
    // Whoever uses this layer has all of its calls give a V.
    const work = next as Next<unknown> as Next<V>;
    const make = await new Promise<(() => V) | undefined>((resolve, reject) => {
      const known = this.#joinable(key);
      const flight = known ?? this.#begin(key, context);
      const caller: Caller<V> = { context, resolve, reject, leave: () => this.#leave(key, flight, caller) };
      flight.callers.add(caller);
      context.scope.onAbort(caller.leave);
      if (known === undefined) this.#hooks.keepAlive(context, this.#fly(key, flight, work));
    });
    return (make === undefined ? await work(context) : make()) as unknown as T;
  }

  #joinable(key: string): Flight<V> | undefined {
    const flight = this.#flights.get(key);
    return flight !== undefined && this.#clock.now() < flight.joinableUntil ? flight : undefined;
  }

  #begin(key: string, first: CallContext): Flight<V> {
    // Below a root of its own: who asks whether the caller gave up, or ran out of time, asks the root.
    const shared = this.#hooks.sharedContext(first, new Scope(new Scope()));
    const joinableUntil = Math.min(first.deadlineAt, this.#clock.now() + LONGEST_MS);
    const flight: Flight<V> = { shared, callers: new Set(), joinableUntil };
    this.#flights.set(key, flight);
    return flight;
  }

  async #fly(key: string, flight: Flight<V>, work: Next<V>): Promise<void> {
    const { shared, callers } = flight;
    try {
      const value = await work(shared);
      // Who comes from now on is too late for a body that has begun.
      this.#end(key, flight);
      const [only, ...others] = callers;
      if (only === undefined) return;
      if (others.length === 0) {
        this.#hooks.report(shared, only.context, true);
        // The work is this caller's alone, and ends with it, also while the value is still streaming.
        only.context.closeAfter(value, () => only.context.scope.offAbort(only.leave));
        only.resolve(() => value);
        return;
      }
      const make = await this.#hooks.divide(value);
      [...callers].forEach((caller, index) => {
        this.#settle(flight, caller, index === 0);
        caller.resolve(make);
      });
    } catch (error) {
      this.#end(key, flight);
      [...callers].forEach((caller, index) => {
        this.#settle(flight, caller, index === 0);
        caller.reject(error);
      });
    }
  }

  #leave(key: string, flight: Flight<V>, caller: Caller<V>): void {
    const { shared, callers } = flight;
    const { scope } = caller.context;
    callers.delete(caller);
    this.#hooks.report(shared, caller.context, callers.size === 0);
    caller.reject(scope.reason);
    if (callers.size > 0) return;
    this.#end(key, flight);
    // A caller's own wish reaches the root, as it would without sharing; a deadline of ours does not.
    (scope.root.aborted ? shared.scope.root : shared.scope).abort(scope.reason);
  }

  #settle(flight: Flight<V>, { context, leave }: Caller<V>, leads: boolean): void {
    context.scope.offAbort(leave);
    this.#hooks.report(flight.shared, context, leads);
  }

  #end(key: string, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
