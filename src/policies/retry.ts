import type { Scope } from '../abort.ts';
import { checkFunction, checkKeys, checkYesNo, unlessFalse } from '../checks.ts';
import type { Clock } from '../clock.ts';
import { type CallContext, type Done, Layer, type Next } from '../layer.ts';
import { backoffMs } from '../model/backoff.ts';
import type { Settled } from '../model/outcome.ts';
import {
  BACKOFF_KEYS,
  type BackoffOptions,
  type LayerTools,
  type RetryBudgetOptions,
  type RetryLimits,
  resolveRetry,
  resolveRetryBudget,
  resolveTools,
  TOOL_KEYS,
  type Tools,
} from '../options.ts';
import type { Policy } from '../policy.ts';
import { RetryBudget } from './retry-budget.ts';

/** What {@link RetryPolicyOptions.shouldRetry} is asked about. */
export interface RetryQuestion {
  /** What the attempt threw, if it threw. */
  readonly error?: unknown;
  /** What the attempt resolved to, if it did. */
  readonly value?: unknown;
  /** Number of the attempt that has ended, from 1. */
  readonly attempt: number;
}

/** The options of {@link retry}. */
export interface RetryPolicyOptions extends BackoffOptions {
  /** Whether to try again. By default any error is retried and no value is. Never asked after an abort. */
  readonly shouldRetry?: (question: RetryQuestion) => boolean;
  /** Limits the load that retries add; share a {@link RetryBudget} per dependency. `false`: no limit. Default: one of its own. */
  readonly budget?: RetryBudget | RetryBudgetOptions | false;
}

type Budget = Pick<RetryBudget, 'deposit' | 'withdraw'>;

/** How a retry layer reads results and the world around it. */
export interface RetryHooks {
  shouldRetry(result: Settled<unknown>, attempt: number, context: CallContext): boolean;
  /** What limits the retries of this call, together with those of others. */
  budgetFor(context: CallContext): Budget | undefined;
  /** The least the dependency asked us to wait, in ms. */
  retryAfterMsOf?(result: Settled<unknown>): number | undefined;
  /** Asked before a wait and after it: `false` if another attempt can't help any more, as when the circuit has opened. */
  mayGoOn?(context: CallContext): boolean;
  onRetry?(attempt: number, delayMs: number, retryAfterMs: number | undefined, context: CallContext): void;
  /** Frees a value that is not handed out. */
  discard?(value: unknown): void;
}

/**
 * Tries again, with growing and randomly spread waits, as long as attempts, the deadline around it and the budget allow.
 * When they run out, the last value is returned, or the last error rethrown as it came.
 *
 * @throws TypeError or RangeError if an option makes no sense.
 */
export function retry(options: RetryPolicyOptions & LayerTools = {}): Policy {
  checkKeys('retry', options, [...BACKOFF_KEYS, ...TOOL_KEYS, 'shouldRetry', 'budget']);
  const tools = resolveTools(options);
  const shouldRetry = checkFunction('retry.shouldRetry', options.shouldRetry, undefined);
  const budget = budgetOf(options.budget, tools);
  return new Retry(resolveRetry(options), tools, {
    budgetFor: () => budget,
    shouldRetry:
      shouldRetry === undefined
        ? isError
        : (result, attempt) => checkYesNo('retry.shouldRetry', shouldRetry({ ...result, attempt })),
  });
}

function isError(result: Settled<unknown>): boolean {
  return 'error' in result;
}

function budgetOf(budget: RetryPolicyOptions['budget'] = {}, { clock }: Tools): Budget | undefined {
  // One that others share goes by a clock of its own, which need not be this policy's.
  if (budget instanceof RetryBudget) return { deposit: () => budget.deposit(), withdraw: () => budget.withdraw() };
  const limits = unlessFalse('retry.budget', budget, resolveRetryBudget);
  return limits === false ? undefined : new RetryBudget({ ...limits, clock });
}

export class Retry extends Layer {
  readonly #limits: RetryLimits;
  readonly #tools: Tools;
  readonly #hooks: RetryHooks;

  constructor(limits: RetryLimits, tools: Tools, hooks: RetryHooks) {
    super();
    this.#limits = limits;
    this.#tools = tools;
    this.#hooks = hooks;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    this.#hooks.budgetFor(context)?.deposit(context.enteredAt(this.#tools.clock));
    return this.#attempt(1, 0, next, context, done);
  }

  /** @param waitedMs What was waited for it, after the attempt before. */
  #attempt<T, R>(
    attempt: number,
    waitedMs: number,
    next: Next<T>,
    context: CallContext,
    done: Done<T, R>,
  ): R | Promise<R> {
    const inside = context.forAttempt(attempt);
    return next(inside, (result) => {
      if (inside.scope !== context.scope) inside.closeAfter(result, inside.scope);
      let delayMs: number | undefined;
      let thrown: Settled<never> | undefined;
      try {
        delayMs = this.#pauseAfter(result, attempt, waitedMs, inside);
      } catch (error) {
        this.#discard(result);
        thrown = { error };
      }
      if (delayMs === undefined) return done(thrown ?? result);
      return this.#goOn(result, attempt + 1, delayMs, next, context, done);
    });
  }

  #goOn<T, R>(
    result: Settled<T>,
    attempt: number,
    delayMs: number,
    next: Next<T>,
    context: CallContext,
    done: Done<T, R>,
  ): Promise<R> {
    return pause(this.#tools.clock, delayMs, context.scope).then(
      () => {
        if (this.#hooks.mayGoOn?.(context) === false) return done(result);
        this.#discard(result);
        return this.#attempt(attempt, delayMs, next, context, done);
      },
      (error: unknown) => {
        this.#discard(result);
        return done({ error });
      },
    );
  }

  /** Milliseconds to wait before the next attempt; `undefined` if this result is the last. */
  #pauseAfter(result: Settled<unknown>, attempt: number, previousMs: number, context: CallContext): number | undefined {
    const { maxAttempts, maxRetryAfterMs } = this.#limits;
    const { clock, random } = this.#tools;
    if (attempt >= maxAttempts || context.scope.aborted) return undefined;
    if (!this.#hooks.shouldRetry(result, attempt, context)) return undefined;
    const retryAfterMs = this.#hooks.retryAfterMsOf?.(result);
    if (retryAfterMs !== undefined && retryAfterMs > maxRetryAfterMs) return undefined;
    const delayMs = Math.max(backoffMs(attempt, previousMs, this.#limits, random), retryAfterMs ?? 0);
    // An attempt that could only start when time is up is no attempt: the answer we have is worth more.
    if (clock.now() + delayMs >= context.deadlineAt) return undefined;
    if (this.#hooks.mayGoOn?.(context) === false) return undefined;
    if (this.#hooks.budgetFor(context)?.withdraw() === false) return undefined;
    this.#hooks.onRetry?.(attempt + 1, delayMs, retryAfterMs, context);
    return delayMs;
  }

  #discard(result: Settled<unknown>): void {
    try {
      if ('value' in result) this.#hooks.discard?.(result.value);
    } catch {
      // It is nobody's any more, and the layers outside have to hear of what comes.
    }
  }
}

/** Waits, unless the scope is aborted first: then rejects with the reason, at once. */
async function pause(clock: Clock, delayMs: number, scope: Scope): Promise<void> {
  if (delayMs === 0) return;
  await new Promise<void>((resolve, reject) => {
    if (scope.aborted) {
      reject(scope.reason);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(scope.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      scope.offAbort(onAbort);
      resolve();
    });
    scope.onAbort(onAbort);
  });
}
