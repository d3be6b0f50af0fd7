import { Scope } from '../abort.ts';
import { AttemptTimeoutError } from '../errors.ts';
import { type CallContext, type Done, Layer, type Next } from '../layer.ts';
import { checkTimeLimit, type LayerTools, resolveOnlyTools, type Tools } from '../options.ts';
import type { Policy } from '../policy.ts';
import { type Limit, type Timeouts, timeoutsOf } from '../timeouts.ts';

/**
 * Limits how long one attempt may take: then its signal aborts, and it rejects with {@link AttemptTimeoutError} whether
 * or not the operation takes notice. Inside `retry()`, each attempt gets a fresh limit.
 *
 * @param timeoutMs Milliseconds above 0; `Infinity` sets no limit.
 * @throws TypeError or RangeError naming what makes no sense, and the value.
 */
export function withTimeout(timeoutMs: number, options?: LayerTools): Policy {
  return new AttemptTimeout(checkTimeLimit('timeoutMs', timeoutMs), resolveOnlyTools('withTimeout', options));
}

export class AttemptTimeout extends Layer implements Limit {
  readonly #timeoutMs: number;
  readonly #tools: Tools;
  readonly #timeouts: Timeouts;

  /** @param timeouts Of that length: those of many layers can share a timer. */
  constructor(timeoutMs: number, tools: Tools, timeouts: Timeouts = timeoutsOf(timeoutMs, tools.clock)) {
    super();
    this.#timeoutMs = timeoutMs;
    this.#tools = tools;
    this.#timeouts = timeouts;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const scope = new Scope(context.scope);
    const now = context.enteredAt(this.#tools.clock);
    const timeout = this.#timeouts.start(now, scope, this, context.caller.dependency);
    return next(context.within(scope), (result) => {
      // The limit ends with the attempt: what the answer still streams is under the deadline and the caller's signal.
      timeout.stop();
      context.closeAfter(result, scope);
      return done(result);
    });
  }

  reason(dueAt: number, dependency: string | undefined = this.#tools.name): AttemptTimeoutError {
    const lateMs = Math.max(0, this.#tools.clock.now() - dueAt);
    return new AttemptTimeoutError(this.#timeoutMs, { dependency, lateMs });
  }
}
