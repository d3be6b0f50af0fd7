import { checkFunction, checkKeys, checkYesNo, requireFunction } from '../checks.ts';
import {
  AsyncLayer,
  type AsyncNext,
  type CallContext,
  handOut,
  promised,
  promising,
  raced,
  underSignal,
  whenSettled,
} from '../layer.ts';
import { type Settled, unwrap } from '../model/outcome.ts';
import type { ExecuteOptions, Operation, Policy } from '../policy.ts';
import { type Degradation, type FallbackResult, reasonOf } from '../result.ts';

/** The options of {@link withFallback}. */
export interface FallbackPolicyOptions {
  /** Whether an error is one to fall back from. By default any is. Never asked after the caller's abort. */
  readonly shouldHandle?: (error: unknown) => boolean;
}

/** A policy whose callers can be told that they got the next best thing. */
export interface FallbackPolicy<F> extends Policy {
  /** As `execute`, but says whether the value is degraded, and why. */
  result<T>(operation: Operation<T>, options?: ExecuteOptions): Promise<FallbackResult<T | F>>;
}

/**
 * Answers a call that fails with something else: an older value, a default. Any error counts, a refusal of the layers
 * inside too; the caller's own abort is never answered.
 *
 * @param respond Gives the value in place of the error; if it throws, the call rejects with what it threw.
 * @throws TypeError if `respond` or `shouldHandle` is not a function.
 */
export function withFallback<F>(
  respond: (error: unknown) => F | PromiseLike<F>,
  options: FallbackPolicyOptions = {},
): FallbackPolicy<F> {
  checkKeys('withFallback', options, ['shouldHandle']);
  return new Default(
    requireFunction('respond', respond),
    checkFunction('withFallback.shouldHandle', options.shouldHandle, () => true),
  );
}

class Default<F> extends AsyncLayer implements FallbackPolicy<F> {
  readonly #respond: (error: unknown) => F | PromiseLike<F>;
  readonly #shouldHandle: (error: unknown) => boolean;

  constructor(respond: (error: unknown) => F | PromiseLike<F>, shouldHandle: (error: unknown) => boolean) {
    super();
    this.#respond = respond;
    this.#shouldHandle = shouldHandle;
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    return (await this.#resultOf(next, context)).value as T;
  }

  result<T>(operation: Operation<T>, options?: ExecuteOptions): Promise<FallbackResult<T | F>> {
    return promised(() =>
      underSignal(options?.signal, handOut<FallbackResult<T | F>>, (context, done) =>
        whenSettled(this.#resultOf(promising(raced(requireFunction('operation', operation))), context), done),
      ),
    );
  }

  async #resultOf<T>(next: AsyncNext<T>, context: CallContext): Promise<FallbackResult<T | F>> {
    let degradation: Degradation | undefined;
    const value = await fallBack<T | F>(next, context, {
      isFailure: (result) =>
        'error' in result && checkYesNo('withFallback.shouldHandle', this.#shouldHandle(result.error)),
      recover: async (result) => {
        const error = 'error' in result ? result.error : undefined;
        const second = await promising(raced(() => this.#respond(error)))(context);
        degradation = { source: 'default', reason: reasonOf(error, 'error'), ageMs: 0 };
        return { value: second };
      },
    });
    return degradation === undefined ? { value, degraded: false } : { value, degraded: true, degradation };
  }
}

/** What counts as a failure, and what there is in its place. */
export interface FallbackHooks<V> {
  isFailure(result: Settled<V>): boolean;
  /** The next best thing; `undefined` if there is none: then the failure itself is handed out. */
  recover(result: Settled<V>): Promise<{ readonly value: V } | undefined>;
}

/** What `next` gives or, if that is a failure, the next best thing. */
export async function fallBack<V>(next: AsyncNext<V>, context: CallContext, hooks: FallbackHooks<V>): Promise<V> {
  let result: Settled<V>;
  try {
    result = { value: await next(context) };
  } catch (error) {
    result = { error };
  }
  // Whoever gave up does not wait for the next best thing either.
  if (context.scope.root.aborted || !hooks.isFailure(result)) return unwrap(result);
  const second = await hooks.recover(result);
  return second === undefined ? unwrap(result) : second.value;
}
