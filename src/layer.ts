import { follow, Scope } from './abort.ts';
import type { Context, ExecuteOptions, Operation, Policy } from './policy.ts';

/** The work inside a layer: the next layer's, and at last the operation. */
export type Next<T> = (context: CallContext) => Promise<T>;

/** What layers need to know of the call they are in, and its caller does not. */
export interface Caller {
  /** What the one who set up the call wants its hooks to find. */
  readonly call?: unknown;
  /** Takes over a value that is still streaming, and calls `close` when it has ended; `false` if it has ended. */
  readonly lease?: (value: unknown, close: () => void) => boolean;
}

/** When something has to be over, on the monotonic clock; `Infinity` without a deadline. */
export interface TimeLimit {
  readonly deadlineAt: number;
}

const NO_LIMIT: TimeLimit = { deadlineAt: Infinity };

/** The context as layers hand it on: the operation sees `signal` and `attempt` of it. */
export class CallContext implements Context {
  readonly scope: Scope;
  readonly caller: Caller;
  readonly attempt: number;
  readonly limit: TimeLimit;
  /** Told of work that goes on though nobody waits for it any more. */
  readonly onAbandon: ((work: Promise<unknown>) => void) | undefined;

  constructor(
    scope: Scope,
    caller: Caller = {},
    attempt = 1,
    limit: TimeLimit = NO_LIMIT,
    onAbandon?: (work: Promise<unknown>) => void,
  ) {
    this.scope = scope;
    this.caller = caller;
    this.attempt = attempt;
    this.limit = limit;
    this.onAbandon = onAbandon;
  }

  get signal(): AbortSignal {
    return this.scope.signal;
  }

  /** When the call has to be over: those who share a call may have put it off. */
  get deadlineAt(): number {
    return this.limit.deadlineAt;
  }

  within(scope: Scope, limit: TimeLimit = this.limit): CallContext {
    return new CallContext(scope, this.caller, this.attempt, limit, this.onAbandon);
  }

  /** The context of another attempt. Each has a scope of its own; the first may use that of the call. */
  forAttempt(attempt: number): CallContext {
    if (attempt === 1 && this.attempt === 1) return this;
    const scope = attempt === 1 ? this.scope : new Scope(this.scope);
    return new CallContext(scope, this.caller, attempt, this.limit, this.onAbandon);
  }

  watching(onAbandon: (work: Promise<unknown>) => void): CallContext {
    return new CallContext(this.scope, this.caller, this.attempt, this.limit, onAbandon);
  }

  /** Calls `close` now that the work is done, or, if its result is still streaming, when that has ended. */
  closeAfter(result: unknown, close: () => void): void {
    if (this.caller.lease?.(result, close) !== true) close();
  }
}

/** The shape our policies have: what they do around the next one. `execute` is derived from it. */
export abstract class Layer implements Policy {
  abstract around<T>(next: Next<T>, context: CallContext): Promise<T>;

  /** This layer around what is always the same: made once, for many calls. */
  over<T>(next: Next<T>): Next<T> {
    return (context) => this.around(next, context);
  }

  execute<T>(operation: Operation<T>, options?: ExecuteOptions): Promise<T> {
    return underSignal(options?.signal, (context) => this.around(raced(operation), context));
  }
}

/** Runs `work` in a context of its own, which ends when `signal` aborts. */
export async function underSignal<T>(
  signal: AbortSignal | undefined,
  work: (context: CallContext) => Promise<T>,
): Promise<T> {
  const context = new CallContext(new Scope());
  if (signal === undefined) return work(context);
  signal.throwIfAborted();
  const unfollow = follow(signal, () => context.scope.abort(signal.reason));
  try {
    return await work(context);
  } finally {
    unfollow();
  }
}

/** What `work` gives, or the reason as soon as the scope is aborted: `work` goes on, and nobody waits for it. */
export function untilAborted<T>(scope: Scope, work: PromiseLike<T> | T): Promise<T> {
  return raced(() => work)(new CallContext(scope));
}

/**
 * The innermost step. It answers as soon as the scope is aborted, with the reason for it, whether or not the operation
 * notices: some operations never look at their signal, and some engines lose the reason.
 *
 * @param heeds Whether the operation is known to stop on abort, as the platform's fetch is: then nothing goes on.
 */
export function raced<T>(operation: (context: CallContext) => PromiseLike<T> | T, heeds = false): Next<T> {
  return (context) =>
    new Promise<T>((resolve, reject) => {
      const { scope } = context;
      if (scope.aborted) {
        reject(scope.reason);
        return;
      }
      const onAbort = (): void => {
        reject(scope.reason);
        if (!heeds) context.onAbandon?.(work);
      };
      // Started in a promise of its own, so that a synchronous throw is a rejection like any other.
      const work = new Promise<T>((done) => done(operation(context)));
      work.then(
        (value) => {
          scope.offAbort(onAbort);
          resolve(value);
        },
        (error: unknown) => {
          scope.offAbort(onAbort);
          reject(error);
        },
      );
      if (scope.aborted) onAbort();
      else scope.onAbort(onAbort);
    });
}
