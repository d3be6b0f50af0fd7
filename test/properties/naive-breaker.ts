import type { CircuitSnapshot, CircuitState, Outcome, Transition } from '../../src/index.ts';

export interface NaiveLimits {
  readonly failureThreshold: number;
  readonly successThreshold: number;
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs: number;
  readonly resetJitter: number;
  readonly window?: NaiveWindow | undefined;
}

export interface NaiveWindow {
  readonly size?: number;
  readonly durationMs?: number;
  readonly minimumCalls: number;
  readonly failureRate: number;
  readonly slowCallMs: number;
  readonly slowCallRate: number;
}

interface NaiveCall {
  readonly id: number;
  readonly startedAt: number;
}

interface Ended {
  readonly at: number;
  readonly failed: boolean;
  readonly slow: boolean;
}

/**
 * A breaker that keeps the whole story since it was last closed, and counts it anew for each question. Calls are known by
 * their number, and it has no generations: a call counts as long as it is on the list of those that do.
 */
export class NaiveBreaker {
  readonly #limits: NaiveLimits;
  readonly #random: () => number;
  #word: CircuitState = 'closed';
  #now: number;
  /** Calls whose end will matter; whoever is not on it may end as it likes. */
  #awaited: readonly NaiveCall[] = [];
  #story: readonly Ended[] = [];
  #opensUpAt = 0;
  #failedProbes = 0;
  #goodProbes = 0;
  #lostProbes = 0;
  /** Calls that were let through, in order. */
  readonly started: number[] = [];
  /** What those who were not let through were told. */
  readonly refusals: (readonly [number, string])[] = [];
  readonly transitions: Transition[] = [];

  constructor(limits: NaiveLimits, now: number, random: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#random = random;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  arrive(id: number): void {
    this.#wakeUp();
    if (this.#word !== 'closed' && this.#refusalMs > 0) {
      this.refusals.push([id, `CIRCUIT_OPEN ${this.#refusalMs}`]);
      return;
    }
    if (this.#word === 'half-open') this.#lostProbes += this.#awaited.length;
    const call = { id, startedAt: this.#now };
    this.#awaited = this.#word === 'closed' ? [...this.#awaited, call] : [call];
    this.started.push(id);
  }

  end(id: number, outcome: Outcome, retryAfterMs = 0): void {
    const call = this.#awaited.find((each) => each.id === id);
    if (call === undefined) return;
    this.#awaited = this.#awaited.filter((each) => each !== call);
    if (outcome === 'ignored') return;
    const { window, successThreshold } = this.#limits;
    const slow = window !== undefined && this.#now - call.startedAt >= window.slowCallMs;
    const failed = outcome === 'failure';
    if (this.#word === 'half-open') {
      if (failed || slow) this.#open(this.#failedProbes + 1, retryAfterMs);
      else {
        this.#goodProbes += 1;
        if (this.#now - call.startedAt < this.#limits.resetTimeoutMs) this.#lostProbes = 0;
        if (this.#goodProbes === successThreshold) this.reset();
      }
      return;
    }
    this.#story = [...this.#story, { at: this.#now, failed, slow }];
    if (window === undefined ? this.#failuresInARow >= this.#limits.failureThreshold : this.#exceeds(window)) {
      this.#open(0, retryAfterMs);
    }
  }

  isolate(): void {
    this.#failedProbes = 0;
    this.#opensUpAt = Infinity;
    this.#turn('open');
  }

  reset(): void {
    this.#story = [];
    this.#turn('closed');
  }

  look(): CircuitSnapshot {
    this.#wakeUp();
    const closed = this.#word === 'closed';
    const { window } = this.#limits;
    return {
      state: this.#word,
      retryAfterMs: this.#refusalMs === Infinity ? null : this.#refusalMs,
      failedProbes: closed ? 0 : this.#failedProbes,
      successfulProbes: this.#word === 'half-open' ? this.#goodProbes : 0,
      consecutiveFailures: closed && window === undefined ? this.#failuresInARow : 0,
      window: closed && window !== undefined ? this.#totals(window) : null,
    };
  }

  get #refusalMs(): number {
    if (this.#word === 'open') return this.#opensUpAt - this.#now;
    const [probe] = this.#awaited;
    if (this.#word === 'closed' || probe === undefined) return 0;
    return Math.max(0, probe.startedAt + this.#grownMs(Math.max(0, this.#lostProbes - 1)) - this.#now);
  }

  get #failuresInARow(): number {
    const lastSuccess = this.#story.findLastIndex(({ failed }) => !failed);
    return this.#story.length - 1 - lastSuccess;
  }

  #exceeds(window: NaiveWindow): boolean {
    const { calls, failures, slow } = this.#totals(window);
    return (
      calls >= window.minimumCalls && (failures / calls >= window.failureRate || slow / calls >= window.slowCallRate)
    );
  }

  #totals({ size = Infinity, durationMs = Infinity }: NaiveWindow): { calls: number; failures: number; slow: number } {
    // Tenths of the span leave as a whole.
    const tenthOf = (at: number): number => Math.floor(at / (durationMs / 10));
    const recent = this.#story.filter(({ at }) => durationMs === Infinity || tenthOf(this.#now) - tenthOf(at) < 10);
    const seen = size === Infinity ? recent : recent.slice(-size);
    return {
      calls: seen.length,
      failures: seen.filter(({ failed }) => failed).length,
      slow: seen.filter(({ slow }) => slow).length,
    };
  }

  #open(failedProbes: number, retryAfterMs: number): void {
    const { maxResetTimeoutMs, resetJitter } = this.#limits;
    let waitMs = this.#grownMs(failedProbes);
    waitMs += waitMs * resetJitter * this.#random();
    this.#failedProbes = failedProbes;
    this.#opensUpAt = this.#now + Math.max(waitMs, Math.min(retryAfterMs, maxResetTimeoutMs));
    this.#turn('open');
  }

  #grownMs(probes: number): number {
    const { resetTimeoutMs, maxResetTimeoutMs } = this.#limits;
    let waitMs = resetTimeoutMs;
    for (let probe = 0; probe < probes; probe += 1) waitMs = Math.min(maxResetTimeoutMs, 2 * waitMs);
    return waitMs;
  }

  #wakeUp(): void {
    if (this.#word !== 'open' || this.#now < this.#opensUpAt) return;
    this.#goodProbes = 0;
    this.#lostProbes = 0;
    this.#turn('half-open');
  }

  #turn(word: CircuitState): void {
    const from = this.#word;
    this.#word = word;
    // What is under way was sent out in another time.
    this.#awaited = [];
    if (from !== word) this.transitions.push({ from, to: word, retryAfterMs: word === 'open' ? this.#refusalMs : 0 });
  }
}
