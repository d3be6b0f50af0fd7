import { follow, kept, Scope } from './abort.ts';
import { checkSignal, requireFunction } from './checks.ts';
import type { Clock } from './clock.ts';
import { type Settled, unwrap } from './model/outcome.ts';
import type { Context, ExecuteOptions, Operation, Policy } from './policy.ts';

/** What comes of a result: called once, when the work has ended. The outermost gives it to the caller: see {@link handOut}. */
export type Done<T, R> = (result: Settled<T>) => R | Promise<R>;

/**
 * The work inside a layer: the next layer's, and at last the operation. What goes wrong with it is a result for `done` as well,
 * whose outcome it returns.
 *
 * Callbacks, and promises only where there is something to wait for: one for each layer made half of what a call cost.
 */
export type Next<T> = <R>(context: CallContext, done: Done<T, R>) => R | Promise<R>;

/** {@link Next} for those who have something to wait for anyway. */
export type AsyncNext<T> = (context: CallContext) => Promise<T>;

/** What layers need to know of the call they are in, and its caller does not. */
export interface Caller {
  /** What the one who set up the call wants its hooks to find. */
  readonly call?: unknown;
  /** Who is called, as errors are to name it: layers may be shared by those who call many. */
  readonly dependency?: string;
  /** Takes over a value that is still streaming, and closes what hangs on it when it has ended; `false` if it has ended. */
  readonly lease?: (value: unknown, ending: Ending) => boolean;
}

/**
 * What is to be done at the end. While a body streams, that is kept: a function would keep all that it sees, which is the whole
 * call, and a scope or a timeout keeps little.
 */
export type Ending = (() => void) | { close(): void };

export function close(ending: Ending): void {
  if (typeof ending === 'function') ending();
  else ending.close();
}

/** When something has to be over, on the monotonic clock; `Infinity` without a deadline. */
export interface TimeLimit {
  readonly deadlineAt: number;
}

/** Who is told of work that goes on though nobody waits for it any more. */
export interface Watcher {
  onAbandon(work: Promise<unknown>): void;
}

const NOBODY: Caller = {};
const NO_LIMIT: TimeLimit = { deadlineAt: Infinity };

/** The context as layers hand it on: the operation sees `signal` and `attempt` of it. */
export class CallContext implements Context {
  /** See {@link Scope.kept}. */
  static readonly kept: CallContext = /* @__PURE__ */ kept(() => new CallContext(Scope.kept));

  readonly scope: Scope;
  readonly caller: Caller;
  readonly attempt: number;
  readonly limit: TimeLimit;
  readonly watcher: Watcher | undefined;
  #enteredAt: number | undefined;
  /** Layers that are put together by hand may have a clock each. */
  #enteredBy: Clock | undefined;
  #signal: AbortSignal | undefined;

  constructor(
    scope: Scope,
    caller: Caller = NOBODY,
    attempt = 1,
    limit: TimeLimit = NO_LIMIT,
    watcher?: Watcher,
    enteredAt?: number,
    enteredBy?: Clock,
  ) {
    this.scope = scope;
    this.caller = caller;
    this.attempt = attempt;
    this.limit = limit;
    this.watcher = watcher;
    this.#enteredAt = enteredAt;
    this.#enteredBy = enteredBy;
  }

  /** Its own where the scope is everybody's: a signal keeps the listeners that an operation leaves there. */
  get signal(): AbortSignal {
    if (!this.scope.isEndless) return this.scope.signal;
    this.#signal ??= new AbortController().signal;
    return this.#signal;
  }

  /** When the call has to be over: those who share a call may have put it off. */
  get deadlineAt(): number {
    return this.limit.deadlineAt;
  }

  /**
   * What the clock said when the call came to the layer that asks. Layers that let it pass at once share one reading: ten of
   * them were a fourth of what a call costs.
   */
  enteredAt(clock: Clock): number {
    if (this.#enteredAt === undefined || this.#enteredBy !== clock) {
      this.#enteredAt = clock.now();
      this.#enteredBy = clock;
    }
    return this.#enteredAt;
  }

  within(scope: Scope, limit: TimeLimit = this.limit): CallContext {
    return new CallContext(scope, this.caller, this.attempt, limit, this.watcher, this.#enteredAt, this.#enteredBy);
  }

  /** The context of another attempt. Each has a scope of its own; the first may use that of the call. */
  forAttempt(attempt: number): CallContext {
    if (attempt === 1 && this.attempt === 1) return this;
    const scope = attempt === 1 ? this.scope : new Scope(this.scope);
    return new CallContext(scope, this.caller, attempt, this.limit, this.watcher);
  }

  /** The same for who may have waited: what the clock said before is no longer so. */
  afresh(): CallContext {
    return new CallContext(this.scope, this.caller, this.attempt, this.limit, this.watcher);
  }

  /** The context of one of several attempts side by side. */
  beside(scope: Scope, caller: Caller, attempt: number): CallContext {
    return new CallContext(scope, caller, attempt, this.limit, this.watcher);
  }

  watchedBy(watcher: Watcher): CallContext {
    const { scope, caller, attempt, limit } = this;
    return new CallContext(scope, caller, attempt, limit, watcher, this.#enteredAt, this.#enteredBy);
  }

  /**
   * Closes it now that the work is done, or, if its result is still streaming, when that has ended.
   * @returns Whether it is.
   */
  closeAfter(result: Settled<unknown>, ending: Ending): boolean {
    let streams = false;
    try {
      streams = 'value' in result && this.caller.lease?.(result.value, ending) === true;
    } catch {
      // What imitates a Response is not held: the layers outside have to hear of the result.
    }
    if (!streams) close(ending);
    return streams;
  }
}

/** The shape our policies have: what they do around the next one. `execute` is derived from it. */
export abstract class Layer implements Policy {
  /** @internal */
  abstract around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R>;

  /**
   * This layer around what is always the same: made once, for many calls.
   * @internal
   */
  over<T>(next: Next<T>): Next<T> {
    return (context, done) => this.around(next, context, done);
  }

  execute<T>(operation: Operation<T>, options?: ExecuteOptions): Promise<T> {
    const signal = options?.signal;
    // As promised() does, by hand: its closure is a fifth of what a breaker alone costs.
    try {
      const next = raced(requireFunction('operation', operation));
      const outcome =
        signal === undefined
          ? this.around<T, T>(next, new CallContext(Scope.endless), handOut)
          : underSignal<T, T>(signal, handOut, (context, done) => this.around(next, context, done));
      return outcome instanceof Promise ? outcome : Promise.resolve(outcome);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** A layer that has something to wait for, in promises. */
export abstract class AsyncLayer extends Layer {
  abstract enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T>;

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const asked: AsyncNext<T> = (inside) => promising(next)(inside.afresh());
    return whenSettled(this.enclose(asked, context), done);
  }
}

/** As its caller gets it. A refusal is not thrown: to throw and to catch costs half of the error itself. */
export function handOut<T>(result: Settled<T>): T | Promise<T> {
  return 'error' in result ? Promise.reject(result.error) : result.value;
}

/** What `work` returns, as a promise: what it throws is a rejection. */
export function promised<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    // One of the platform's comes back as it is; what imitates one, a subclass too, is followed by one of the platform's.
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error);
  }
}

export function promising<T>(next: Next<T>): AsyncNext<T> {
  return (context) => promised(() => next(context, unwrap<T>));
}

export function whenSettled<T, R>(work: Promise<T>, done: Done<T, R>): Promise<R> {
  return work.then(
    (value) => done({ value }),
    (error: unknown) => done({ error }),
  );
}

/** Runs `work` in a context of its own, which ends when `signal` aborts. */
export function underSignal<T, R>(signal: AbortSignal | undefined, done: Done<T, R>, work: Next<T>): R | Promise<R> {
  if (signal === undefined) return work(new CallContext(Scope.endless), done);
  checkSignal('signal', signal);
  if (signal.aborted) return done({ error: signal.reason });
  const scope = new Scope();
  const unfollow = follow(signal, scope);
  return work(new CallContext(scope), (result) => {
    unfollow();
    return done(result);
  });
}

/** By what it can, and not by its class: where zone.js has put a class of its own in place, an async function returns none of it. */
function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === 'function';
}

/** `then` of what is there, or will be: at once if it is. Turns, and a timer, for each step were half of what a hit in memory cost. */
export function whenThere<T, R>(value: T | Promise<T>, then: (value: T) => R | Promise<R>): R | Promise<R> {
  return isPromise(value) ? value.then(then) : then(value);
}

/** What is there, or will be: throws the reason, or rejects with it, as soon as the scope is aborted. */
export function unlessAborted<T>(scope: Scope, value: T | Promise<T>): T | Promise<T> {
  if (isPromise(value)) return untilAborted(scope, value);
  if (scope.aborted) throw scope.reason;
  return value;
}

/** What `work` gives, or the reason as soon as the scope is aborted: `work` goes on, and nobody waits for it. */
export function untilAborted<T>(scope: Scope, work: PromiseLike<T> | T): Promise<T> {
  return promising(raced(() => work))(new CallContext(scope));
}

/**
 * The innermost step. It answers as soon as the scope is aborted, with the reason for it, whether or not the operation
 * notices: some operations never look at their signal, and some engines lose the reason.
 *
 * Who aborts the scope does not run what comes after: that goes on in a promise of the call's own, where its trace and its
 * AsyncLocalStorage are.
 *
 * @param heeds Whether the operation is known to stop on abort, as the platform's fetch is: then nothing goes on.
 * @param onLate Is given what comes when nobody waits for it any more.
 */
export function raced<T>(
  operation: (context: CallContext) => PromiseLike<T> | T,
  heeds = false,
  onLate?: (value: T) => void,
): Next<T> {
  return (context, done) => {
    const { scope } = context;
    if (scope.aborted) return done({ error: scope.reason });
    if (scope.isEndless) return whenSettled(started(operation, context), done);
    const race = new Promise<Settled<T>>((settle) => {
      const work = started(operation, context);
      const onAbort = (): void => {
        settle({ error: scope.reason });
        if (!heeds) context.watcher?.onAbandon(work);
      };
      work.then(
        (value) => {
          scope.offAbort(onAbort);
          settle({ value });
          if (scope.aborted) onLate?.(value);
        },
        (error: unknown) => {
          scope.offAbort(onAbort);
          settle({ error });
        },
      );
      if (scope.aborted) onAbort();
      else scope.onAbort(onAbort);
    });
    return race.then(done);
  };
}

/** {@link promised}, by hand: with its closure, 150 bytes of a call's 4,870. */
function started<T>(operation: (context: CallContext) => PromiseLike<T> | T, context: CallContext): Promise<T> {
  try {
    return Promise.resolve(operation(context));
  } catch (error) {
    return Promise.reject(error);
  }
}
