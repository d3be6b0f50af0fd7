import type { RetryBudgetSnapshot } from '../../src/index.ts';

export interface NaiveBudgetLimits {
  /** The ratio in per cent: whole numbers round nothing. */
  readonly percent: number;
  readonly minPerSecond: number;
}

/** A retry budget that remembers each call, and what of its earnings is spent: all in hundredths of a retry. */
export class NaiveRetryBudget {
  readonly #limits: NaiveBudgetLimits;
  #now: number;
  /** Oldest first. */
  #calls: readonly { readonly at: number; spent: number }[] = [];
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
    const unspent = this.#recent.reduce((sum, { spent }) => sum + this.#limits.percent - spent, 0);
    return Math.floor(this.#reserve) + Math.max(0, Math.floor(unspent / 100));
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  deposit(): void {
    this.#calls = [...this.#calls, { at: this.#now, spent: 0 }];
  }

  withdraw(): boolean {
    if (this.available < 1) return false;
    if (this.#reserve >= 1) this.#free = [...this.#free, this.#now];
    else this.#spend();
    return true;
  }

  #spend(): void {
    let left = 100;
    for (const call of this.#recent) {
      const part = Math.min(left, this.#limits.percent - call.spent);
      call.spent += part;
      left -= part;
    }
  }

  snapshot(): RetryBudgetSnapshot {
    return {
      calls: this.#recent.length,
      retries: this.#recent.reduce((sum, { spent }) => sum + spent, 0) / 100,
      reserve: this.#reserve,
    };
  }

  /** Forgets when things were, as a snapshot does: all of it is now. */
  blur(): void {
    this.#start = { at: this.#now, reserve: this.#reserve };
    this.#calls = this.#recent.map(({ spent }) => ({ at: this.#now, spent }));
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
  get #recent(): readonly { readonly at: number; spent: number }[] {
    const secondOf = (at: number): number => Math.floor(at / 1_000);
    return this.#calls.filter(({ at }) => secondOf(this.#now) - secondOf(at) < 10);
  }
}
