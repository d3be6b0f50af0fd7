import { Scope } from '../abort.ts';
import { DeadlineExceededError } from '../errors.ts';
import { type CallContext, type Done, Layer, type Next } from '../layer.ts';
import { checkTimeLimit, type LayerTools, resolveOnlyTools, type Tools } from '../options.ts';
import type { Policy } from '../policy.ts';
import { type Limit, type Timeouts, timeoutsOf } from '../timeouts.ts';

/**
 * Limits how long a call may take, everything inside included: then its signal aborts, and it rejects with
 * {@link DeadlineExceededError} whether or not the operation takes notice.
 *
 * @param deadlineMs Milliseconds above 0; `Infinity` sets no limit.
 * @throws TypeError or RangeError naming what makes no sense, and the value.
 */
export function withDeadline(deadlineMs: number, options?: LayerTools): Policy {
  return new Deadline(checkTimeLimit('deadlineMs', deadlineMs), resolveOnlyTools('withDeadline', options));
}

export class Deadline extends Layer implements Limit {
  readonly #deadlineMs: number;
  readonly #tools: Tools;
  readonly #timeouts: Timeouts;

  /** @param timeouts Of that length: those of many layers can share a timer. */
  constructor(deadlineMs: number, tools: Tools, timeouts: Timeouts = timeoutsOf(deadlineMs, tools.clock)) {
    super();
    this.#deadlineMs = deadlineMs;
    this.#tools = tools;
    this.#timeouts = timeouts;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const scope = new Scope(context.scope);
    const now = context.enteredAt(this.#tools.clock);
    const timeout = this.#timeouts.start(now, scope, this, context.caller.dependency);
    const limit = { deadlineAt: Math.min(context.deadlineAt, now + this.#deadlineMs) };
    return next(context.within(scope, limit), (result) => {
      const streams = context.closeAfter(result, timeout);
      // A body that still streams is under the deadline too, but need not keep the process alive for it.
      if (streams) timeout.unref();
      return done(result);
    });
  }

  reason(_dueAt: number, dependency: string | undefined = this.#tools.name): DeadlineExceededError {
    return new DeadlineExceededError(this.#deadlineMs, { dependency });
  }
}
