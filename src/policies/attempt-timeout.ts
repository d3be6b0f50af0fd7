import { Scope } from '../abort.ts';
import { AttemptTimeoutError } from '../errors.ts';
import { type CallContext, Layer, type Next } from '../layer.ts';
import { checkTimeLimit, type LayerTools, resolveTools, type Tools } from '../options.ts';
import type { Policy } from '../policy.ts';

/**
 * Limits how long one attempt may take: then its signal aborts, and it rejects with {@link AttemptTimeoutError} whether
 * or not the operation takes notice. Inside `retry()`, each attempt gets a fresh limit.
 *
 * @param timeoutMs Milliseconds above 0; `Infinity` sets no limit.
 * @throws RangeError if `timeoutMs` is not above 0.
 */
export function withTimeout(timeoutMs: number, options?: LayerTools): Policy {
  return new AttemptTimeout(checkTimeLimit('timeoutMs', timeoutMs), resolveTools(options));
}

export class AttemptTimeout extends Layer {
  readonly #timeoutMs: number;
  readonly #tools: Tools;

  constructor(timeoutMs: number, tools: Tools) {
    super();
    this.#timeoutMs = timeoutMs;
    this.#tools = tools;
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    const { clock, name } = this.#tools;
    const scope = new Scope(context.scope);
    const endsAt = clock.now() + this.#timeoutMs;
    const cancel = clock.schedule(this.#timeoutMs, () => {
      const lateMs = Math.max(0, clock.now() - endsAt);
      scope.abort(new AttemptTimeoutError(this.#timeoutMs, { dependency: name, lateMs }));
    });
    let result: unknown;
    try {
      const value = await next(context.within(scope));
      result = value;
      return value;
    } finally {
      // The limit ends with the attempt: what the answer still streams is under the deadline and the caller's signal.
      cancel();
      context.closeAfter(result, () => scope.close());
    }
  }
}
