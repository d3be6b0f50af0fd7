import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Clock, RetryBudget } from '../../src/index.ts';
import { RUNS } from './bench.ts';
import { type NaiveBudgetLimits, NaiveRetryBudget } from './naive-retry-budget.ts';

type Command =
  | { type: 'calls'; count: number }
  | { type: 'retries'; count: number }
  | { type: 'pass'; ms: number }
  /** A later process goes on where this one stops. */
  | { type: 'restart'; afterMs: number };

// Eighths of a second: with the rates below, a double holds all sums exactly.
const spanMs = fc.constantFrom(0, 125, 500, 875, 1_000, 2_000, 8_000, 9_875, 10_000, 11_000, 60_000);
const count = fc.constantFrom(1, 1, 2, 5, 20, 100);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('calls' as const), count }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('retries' as const), count }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: spanMs }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), afterMs: spanMs }) },
);

const limits = fc.record<NaiveBudgetLimits>({
  // 100 × 0.29 comes out below 29.
  percent: fc.constantFrom(0, 20, 29, 100, 150),
  minPerSecond: fc.constantFrom(0, 0.5, 1, 2, 10),
});

/** A budget, and the time: it asks what time it is, and nothing else. */
class Bench {
  now: number;
  readonly #limits: NaiveBudgetLimits;
  budget: RetryBudget;

  constructor(limits: NaiveBudgetLimits, now: number) {
    this.#limits = limits;
    this.now = now;
    this.budget = this.#create();
  }

  restart(afterMs: number): void {
    const snapshot = this.budget.snapshot();
    this.now += afterMs;
    this.budget = this.#create();
    this.budget.restore(snapshot, afterMs);
  }

  #create(): RetryBudget {
    const refuse = (): never => {
      throw new Error('A budget needs no timer');
    };
    const clock: Clock = { now: () => this.now, epochNow: refuse, schedule: refuse, timeoutSignal: refuse };
    return new RetryBudget({ ratio: this.#limits.percent / 100, minPerSecond: this.#limits.minPerSecond, clock });
  }
}

/** Does the same to both, and answers what each retry was told. */
function play(step: Command, bench: Bench, naive: NaiveRetryBudget): readonly [boolean, boolean][] {
  if (step.type === 'pass') {
    bench.now += step.ms;
    naive.pass(step.ms);
  } else if (step.type === 'restart') {
    bench.restart(step.afterMs);
    naive.blur();
    naive.pass(step.afterMs);
  } else if (step.type === 'calls') {
    for (let call = 0; call < step.count; call += 1) {
      bench.budget.deposit();
      naive.deposit();
    }
  } else {
    return Array.from({ length: step.count }, () => [bench.budget.withdraw(), naive.withdraw()]);
  }
  return [];
}

test('RetryBudget is where a naive one is, at each step of any sequence', () => {
  const start = fc.integer({ min: 0, max: 100 }).map((eighths) => eighths * 125);
  fc.assert(
    fc.property(limits, start, fc.array(command, { maxLength: 40, size: 'max' }), (within, now, script) => {
      const bench = new Bench(within, now);
      const naive = new NaiveRetryBudget(within, now);
      for (const step of script) {
        const told = play(step, bench, naive);
        const { budget } = bench;
        expect({ told: told.map(([real]) => real), available: budget.available, ...budget.snapshot() }).toEqual({
          told: told.map(([, expected]) => expected),
          available: naive.available,
          ...naive.snapshot(),
        });
      }
    }),
    RUNS,
  );
});

test('RetryBudget adds no more to the load than the ratio of all calls, what was in reserve and what came back since', () => {
  const turn = fc.record({ calls: fc.nat(20), retries: fc.nat(40), ms: fc.constantFrom(0, 125, 250, 1_000, 3_000) });
  fc.assert(
    fc.property(limits, fc.array(turn, { maxLength: 40, size: 'max' }), ({ percent, minPerSecond }, turns) => {
      const bench = new Bench({ percent, minPerSecond }, 0);
      const { budget } = bench;
      const reserve = minPerSecond === 0 ? 0 : Math.max(1, minPerSecond);
      let made = 0;
      let granted = 0;
      for (const { calls, retries, ms } of turns) {
        made += calls;
        for (let call = 0; call < calls; call += 1) budget.deposit();
        for (let retry = 0; retry < retries; retry += 1) granted += budget.withdraw() ? 1 : 0;
        expect(granted).toBeLessThanOrEqual((made * percent) / 100 + reserve + (bench.now / 1_000) * minPerSecond);
        bench.now += ms;
      }
    }),
    RUNS,
  );
});
