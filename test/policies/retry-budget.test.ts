import { expect, test } from 'vitest';

import { RetryBudget, type RetryBudgetOptions, type RetryBudgetSnapshot, retry } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

function budgetBench(options: RetryBudgetOptions = {}) {
  const clock = new FakeClock({ now: 500 });
  return { clock, budget: new RetryBudget({ clock, ...options }) };
}

function deposit(budget: RetryBudget, calls: number): void {
  for (let call = 0; call < calls; call += 1) budget.deposit();
}

/** Retries that are granted, one after another, until one is not. */
function withdrawAll(budget: RetryBudget): number {
  let granted = 0;
  while (granted < 1_000 && budget.withdraw()) granted += 1;
  return granted;
}

test('RetryBudget grants 10 retries a second without any calls, by default', async () => {
  const { clock, budget } = budgetBench();
  expect(budget.available).toBe(10);
  expect(withdrawAll(budget)).toBe(10);
  expect(budget.available).toBe(0);
  await clock.advance(99);
  expect(budget.withdraw()).toBe(false);
  await clock.advance(1);
  expect(withdrawAll(budget)).toBe(1);
  await clock.advance(60_000);
  expect(withdrawAll(budget)).toBe(10);
});

test('RetryBudget grants a fifth of the calls of the last ten seconds on top, by default', async () => {
  const { clock, budget } = budgetBench();
  deposit(budget, 104);
  expect(budget.available).toBe(10 + 20);
  expect(withdrawAll(budget)).toBe(30);
  deposit(budget, 1);
  expect(withdrawAll(budget)).toBe(1);
  await clock.advance(10_000);
  expect(withdrawAll(budget)).toBe(10);
});

test('RetryBudget grants nothing but what calls have earned, with a minimum of 0', async () => {
  const { clock, budget } = budgetBench({ ratio: 0.5, minPerSecond: 0 });
  expect(budget.withdraw()).toBe(false);
  budget.deposit();
  expect(budget.withdraw()).toBe(false);
  budget.deposit();
  expect(withdrawAll(budget)).toBe(1);
  await clock.advance(3_600_000);
  expect(budget.withdraw()).toBe(false);
});

test('RetryBudget grants the minimum alone, with a ratio of 0', () => {
  const { budget } = budgetBench({ ratio: 0, minPerSecond: 3 });
  deposit(budget, 1_000);
  expect(withdrawAll(budget)).toBe(3);
});

test('RetryBudget takes no notice of the wall clock', () => {
  for (const hours of [-1, 1]) {
    const { clock, budget } = budgetBench();
    deposit(budget, 50);
    withdrawAll(budget);
    clock.jump(hours * 3_600_000);
    expect(budget.available).toBe(0);
    expect(budget.snapshot()).toEqual({ calls: 50, retries: 10, reserve: 0 });
  }
});

test('RetryBudget keeps no timer', () => {
  const { clock, budget } = budgetBench();
  deposit(budget, 10);
  withdrawAll(budget);
  expect(clock.pending).toBe(0);
});

test('snapshot(), restored elsewhere after a while, has what has come back since', async () => {
  const { clock, budget } = budgetBench();
  deposit(budget, 50);
  expect(withdrawAll(budget)).toBe(20);
  await clock.advance(250);
  const snapshot: RetryBudgetSnapshot = JSON.parse(JSON.stringify(budget.snapshot()));
  expect(snapshot).toEqual({ calls: 50, retries: 10, reserve: 2.5 });

  const other = budgetBench();
  await other.clock.advance(1_000_000);
  other.budget.restore(snapshot, 100);
  expect(other.budget.available).toBe(3);
  expect(withdrawAll(other.budget)).toBe(3);
  expect(other.budget.snapshot()).toMatchObject({ calls: 50, retries: 10 });
});

test('restore() drops calls that are older than ten seconds', () => {
  const { budget } = budgetBench({ minPerSecond: 0 });
  budget.restore({ calls: 100, retries: 0, reserve: 0 }, 8_000);
  expect(budget.available).toBe(20);
  budget.restore({ calls: 100, retries: 0, reserve: 0 }, 11_000);
  expect(budget.available).toBe(0);
});

// Under retry().

const down = (): Promise<never> => Promise.reject(new Error('down'));

test('RetryBudget is shared by two policies: what one spends, the other has not, and both earn', async () => {
  const { clock, budget } = budgetBench({ ratio: 0.5, minPerSecond: 0 });
  const options = { clock, budget, maxAttempts: 10, initialDelayMs: 0 };
  const [one, other] = [retry(options), retry(options)];
  for (let call = 0; call < 4; call += 1) await one.execute(() => 'fine');
  expect(budget.available).toBe(2);

  let requests = 0;
  const failing = (): Promise<never> => {
    requests += 1;
    return down();
  };
  await other.execute(failing).catch(() => {});
  expect(requests).toBe(1 + 2); // its own call has earned a half
  await one.execute(failing).catch(() => {});
  expect(requests).toBe(3 + 1 + 1); // the other half
  await other.execute(failing).catch(() => {});
  expect(requests).toBe(5 + 1);
});

test('RetryBudget counts a call once, however many attempts it takes', async () => {
  const { clock, budget } = budgetBench();
  const policy = retry({ clock, budget, maxAttempts: 4, initialDelayMs: 0 });
  await policy.execute(down).catch(() => {});
  expect(budget.snapshot()).toEqual({ calls: 1, retries: 0, reserve: 7 });
});

test('RetryBudget lets 1,000 calls that all fail make at most 1,200 requests', async () => {
  const { clock, budget } = budgetBench({ ratio: 0.2, minPerSecond: 0 });
  const policy = retry({ clock, budget, maxAttempts: 3, initialDelayMs: 0 });
  let requests = 0;
  for (let call = 0; call < 1_000; call += 1) {
    await policy
      .execute(() => {
        requests += 1;
        return down();
      })
      .catch(() => {});
  }
  expect(requests).toBe(1_200);
});

const wrong = [
  { options: { ratio: -0.1 }, error: new RangeError('retry.budget.ratio must be a number of at least 0, got -0.1') },
  { options: { ratio: '1' }, error: new TypeError('retry.budget.ratio must be a number of at least 0, got "1"') },
  {
    options: { minPerSecond: Infinity },
    error: new RangeError('retry.budget.minPerSecond must be a number of at least 0, got Infinity'),
  },
  { options: { clock: {} }, error: new TypeError('clock.now must be a function, got undefined') },
];

test.for(wrong)('RetryBudget throws at once, for $options', ({ options, error }) => {
  // @ts-expect-error: options that make no sense, on purpose
  expect(() => new RetryBudget(options)).toThrow(error);
});

test.for([
  { snapshot: {}, says: 'snapshot.calls' },
  { snapshot: { calls: 1, retries: -5, reserve: 0 }, says: 'snapshot.retries' },
  { snapshot: { calls: 1, retries: 0, reserve: Number.NaN }, says: 'snapshot.reserve' },
  { snapshot: null, says: 'snapshot must be an object' },
])('restore() refuses $snapshot, naming the part that makes no sense', ({ snapshot, says }) => {
  const budget = new RetryBudget({ clock: new FakeClock() });
  expect(() => budget.restore(snapshot as unknown as RetryBudgetSnapshot, 0)).toThrow(says);
  expect(budget.available).toBe(10);
});

test('restore() refuses an age that makes no sense, and takes a snapshot without one for fresh', () => {
  const budget = new RetryBudget({ clock: new FakeClock() });
  const snapshot = { calls: 0, retries: 0, reserve: 3 };
  expect(() => budget.restore(snapshot, -1)).toThrow('elapsedMs must be a number of at least 0, got -1');
  budget.restore(snapshot);
  expect(budget.available).toBe(3);
});

test('RetryBudget goes by its own clock, whatever that of the retry() is that it is given to', async () => {
  const clock = new FakeClock();
  const budget = new RetryBudget({ clock, minPerSecond: 0, ratio: 1 });
  const other = new FakeClock();
  await other.advance(86_400_000);
  const policy = retry({ clock: other, budget });
  for (let call = 1; call <= 50; call += 1) await policy.execute(() => 'done');
  expect(budget.available).toBe(50);
  await clock.advance(11_000);
  expect(budget.available).toBe(0);
});
