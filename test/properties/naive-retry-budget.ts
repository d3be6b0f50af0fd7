import type { RetryBudgetSnapshot } from '../../src/index.ts';

export interface NaiveBudgetLimits {
  /** The ratio in per cent: whole numbers round nothing. */
  readonly percent: number;
  readonly minPerSecond: number;
}

/** A retry budget that remembers when each call and each retry was, and adds them up anew for each question. */
export class NaiveRetryBudget {
  readonly #limits: NaiveBudgetLimits;
  #now: number;
  #calls: readonly number[] = [];
  /** Retries paid from what calls have earned. */
  #paid: readonly number[] = [];
  /** Retries taken from the reserve. */
  #free: readonly number[] = [];
  /** The reserve at the beginning. */
  #start: { readonly at: number; readonly reserve: number };

  constructor(limits: NaiveBudgetLimits, now: number) {
    this.#limits = limits;
    this.#now = now;
    this.#start = { at: now, reserve: this.#full };
  }

  get available(): number {
    const earned = Math.floor((this.#recent(this.#calls).length * this.#limits.percent) / 100);
    return Math.floor(this.#reserve) + Math.max(0, earned - this.#recent(this.#paid).length);
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  deposit(): void {
    this.#calls = [...this.#calls, this.#now];
  }

  withdraw(): boolean {
    if (this.available < 1) return false;
    if (this.#reserve >= 1) this.#free = [...this.#free, this.#now];
    else this.#paid = [...this.#paid, this.#now];
    return true;
  }

  snapshot(): RetryBudgetSnapshot {
    return {
      calls: this.#recent(this.#calls).length,
      retries: this.#recent(this.#paid).length,
      reserve: this.#reserve,
    };
  }

  /** Forgets when things were, as a snapshot does: all of it is now. */
  blur(): void {
    this.#start = { at: this.#now, reserve: this.#reserve };
    this.#calls = this.#recent(this.#calls).map(() => this.#now);
    this.#paid = this.#recent(this.#paid).map(() => this.#now);
    this.#free = [];
  }

  /** What the reserve holds at most: a second's worth, and a whole retry where that is less than one. */
  get #full(): number {
    const { minPerSecond } = this.#limits;
    return minPerSecond > 0 && minPerSecond < 1 ? 1 : minPerSecond;
  }

  get #reserve(): number {
    let { at, reserve } = this.#start;
    const grow = (until: number): void => {
      reserve = Math.min(this.#full, reserve + ((until - at) * this.#limits.minPerSecond) / 1_000);
      at = until;
    };
    for (const taken of this.#free) {
      grow(taken);
      reserve -= 1;
    }
    grow(this.#now);
    return reserve;
  }

  /** Seconds leave as a whole. */
  #recent(times: readonly number[]): readonly number[] {
    const secondOf = (at: number): number => Math.floor(at / 1_000);
    return times.filter((at) => secondOf(this.#now) - secondOf(at) < 10);
  }
}
