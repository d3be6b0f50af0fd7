import { Scope } from '../abort.ts';
import { DeadlineExceededError } from '../errors.ts';
import { type CallContext, Layer, type Next } from '../layer.ts';
import { checkTimeLimit, type LayerTools, resolveTools, type Tools } from '../options.ts';
import type { Policy } from '../policy.ts';

/**
 * Limits how long a call may take, everything inside included: then its signal aborts, and it rejects with
 * {@link DeadlineExceededError} whether or not the operation takes notice.
 *
 * @param deadlineMs Milliseconds above 0; `Infinity` sets no limit.
 * @throws RangeError if `deadlineMs` is not above 0.
 */
export function withDeadline(deadlineMs: number, options?: LayerTools): Policy {
  return new Deadline(checkTimeLimit('deadlineMs', deadlineMs), resolveTools(options));
}

export class Deadline extends Layer {
  readonly #deadlineMs: number;
  readonly #tools: Tools;

  constructor(deadlineMs: number, tools: Tools) {
    super();
    this.#deadlineMs = deadlineMs;
    this.#tools = tools;
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    const deadlineMs = this.#deadlineMs;
    const { clock, name } = this.#tools;
    const scope = new Scope(context.scope);
    const cancel = clock.schedule(deadlineMs, () => {
      scope.abort(new DeadlineExceededError(deadlineMs, { dependency: name }));
    });
    const close = (): void => {
      cancel();
      scope.close();
    };
    let result: unknown;
    try {
      const deadlineAt = Math.min(context.deadlineAt, clock.now() + deadlineMs);
      const value = await next(context.within(scope, { deadlineAt }));
      result = value;
      return value;
    } finally {
      // A body that still streams is under the deadline too, but need not keep the process alive for it.
      context.closeAfter(result, close);
      cancel.unref?.();
    }
  }
}
