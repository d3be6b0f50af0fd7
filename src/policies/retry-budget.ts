import { checkNumber, DELAY_MS } from '../checks.ts';
import {
  available,
  budgetSnapshot,
  deposit,
  fullBudget,
  type RetryBudgetLimits,
  type RetryBudgetSnapshot,
  type RetryBudgetState,
  restoredBudget,
  withdraw,
} from '../model/retry-budget.ts';
import {
  type LayerTools,
  type RetryBudgetOptions,
  resolveRetryBudget,
  resolveTools,
  TOOL_KEYS,
  type Tools,
} from '../options.ts';
import { parseBudget } from '../snapshot.ts';

/**
 * Limits the load that retries add: by default to 20 % of the calls of the last ten seconds, with 10 retries per second
 * always allowed. Share one between all `retry()` policies that call the same dependency.
 * Source: retry budgets in Finagle; Google SRE Book, "Handling Overload".
 */
export class RetryBudget {
  readonly #limits: RetryBudgetLimits;
  readonly #tools: Tools;
  #state: RetryBudgetState;

  /** @throws TypeError or RangeError if an option makes no sense. */
  constructor(options?: RetryBudgetOptions & LayerTools);
  /**
   * @internal
   * @param limits For who has them already: those of many can be the same. So can the tools.
   */
  constructor(options?: RetryBudgetOptions & LayerTools, limits?: RetryBudgetLimits, tools?: Tools);
  constructor(
    options: RetryBudgetOptions & LayerTools = {},
    limits: RetryBudgetLimits = resolveRetryBudget(options, ...TOOL_KEYS),
    tools: Tools = resolveTools(options),
  ) {
    this.#limits = limits;
    this.#tools = tools;
    this.#state = fullBudget(this.#tools.clock.now(), this.#limits);
  }

  /** Retries that would be granted now. */
  get available(): number {
    return available(this.#state, this.#tools.clock.now(), this.#limits);
  }

  /**
   * Counts a call: the load that retries are measured against.
   * @param now What the clock says, for who has just read it.
   */
  deposit(now: number = this.#tools.clock.now()): void {
    deposit(this.#state, now);
  }

  /** Takes one retry out of the budget; `false` if there is none left, and the retry must not be made. */
  withdraw(): boolean {
    return withdraw(this.#state, this.#tools.clock.now(), this.#limits);
  }

  /** The state as JSON. */
  snapshot(): RetryBudgetSnapshot {
    return budgetSnapshot(this.#state, this.#tools.clock.now(), this.#limits);
  }

  /**
   * Goes on where a snapshot taken `elapsedMs` ago left off.
   * @throws TypeError or RangeError naming the part of it that makes no sense.
   */
  restore(snapshot: RetryBudgetSnapshot, elapsedMs: number = 0): void {
    const checked = parseBudget('snapshot', snapshot);
    const agoMs = checkNumber('elapsedMs', elapsedMs, 0, DELAY_MS);
    this.#state = restoredBudget(checked, agoMs, this.#tools.clock.now(), this.#limits);
  }
}
