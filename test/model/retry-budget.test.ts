import { expect, test } from 'vitest';

import {
  available,
  budgetSnapshot,
  deposit,
  fullBudget,
  type RetryBudgetLimits,
  type RetryBudgetState,
  restoredBudget,
  withdraw,
} from '../../src/model/retry-budget.ts';

const byRatio: RetryBudgetLimits = { ratio: 0.2, minPerSecond: 0 };
const byReserve: RetryBudgetLimits = { ratio: 0, minPerSecond: 10 };

function depositMany(state: RetryBudgetState, calls: number, now: number): void {
  for (let call = 0; call < calls; call += 1) deposit(state, now);
}

/** Retries granted at `now`, until one is refused. */
function granted(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): number {
  let retries = 0;
  while (retries < 100_000 && withdraw(state, now, limits)) retries += 1;
  return retries;
}

const ratios = [
  { ratio: 0.2, calls: 0, retries: 0 },
  { ratio: 0.2, calls: 4, retries: 0 },
  { ratio: 0.2, calls: 5, retries: 1 },
  { ratio: 0.2, calls: 9, retries: 1 },
  { ratio: 0.2, calls: 10, retries: 2 },
  { ratio: 0.2, calls: 1_000, retries: 200 },
  { ratio: 0.1, calls: 30, retries: 3 },
  // 0.07 × 100 and 0.29 × 100 are not 7 and 29 in floating point.
  { ratio: 0.07, calls: 100, retries: 7 },
  { ratio: 0.29, calls: 100, retries: 29 },
  { ratio: 1, calls: 3, retries: 3 },
  { ratio: 2.5, calls: 3, retries: 7 },
  { ratio: 0, calls: 1_000, retries: 0 },
];

test.for(ratios)(
  'withdraw() grants $retries retries for $calls calls, with a ratio of $ratio',
  ({ ratio, calls, retries }) => {
    const limits = { ratio, minPerSecond: 0 };
    const state = fullBudget(0, limits);
    depositMany(state, calls, 0);
    expect(available(state, 0, limits)).toBe(retries);
    expect(granted(state, 0, limits)).toBe(retries);
    expect(available(state, 0, limits)).toBe(0);
  },
);

test('withdraw() lets 1,000 calls that all fail make at most 1,200 requests, with a ratio of 0.2 and no minimum', () => {
  const state = fullBudget(0, byRatio);
  let requests = 0;
  for (let call = 0; call < 1_000; call += 1) {
    deposit(state, call * 10);
    requests += 1;
    for (let retry = 0; retry < 2 && withdraw(state, call * 10, byRatio); retry += 1) requests += 1;
  }
  expect(requests).toBe(1_200);
});

const reserves = [
  { minPerSecond: 10, full: 10 },
  { minPerSecond: 1, full: 1 },
  { minPerSecond: 2.5, full: 2 },
  // A whole retry, where less than one a second is allowed; otherwise none ever would be.
  { minPerSecond: 0.1, full: 1 },
  { minPerSecond: 0, full: 0 },
];

test.for(reserves)(
  'fullBudget() begins with $full retries, when $minPerSecond per second are always allowed',
  ({ minPerSecond, full }) => {
    const limits = { ratio: 0, minPerSecond };
    const state = fullBudget(0, limits);
    expect(available(state, 0, limits)).toBe(full);
    expect(granted(state, 0, limits)).toBe(full);
  },
);

const refills = [
  { minPerSecond: 10, afterMs: 99, retries: 0 },
  { minPerSecond: 10, afterMs: 100, retries: 1 },
  { minPerSecond: 10, afterMs: 550, retries: 5 },
  { minPerSecond: 10, afterMs: 1_000, retries: 10 },
  { minPerSecond: 10, afterMs: 60_000, retries: 10 },
  { minPerSecond: 0.5, afterMs: 1_999, retries: 0 },
  { minPerSecond: 0.5, afterMs: 2_000, retries: 1 },
  { minPerSecond: 0.5, afterMs: 60_000, retries: 1 },
];

test.for(refills)('withdraw() grants $retries more after $afterMs ms, of $minPerSecond a second', (row) => {
  const limits = { ratio: 0, minPerSecond: row.minPerSecond };
  const state = fullBudget(500, limits);
  granted(state, 500, limits);
  expect(available(state, 500 + row.afterMs, limits)).toBe(row.retries);
  expect(granted(state, 500 + row.afterMs, limits)).toBe(row.retries);
});

test('withdraw() keeps what has come back in part, however often it is asked', () => {
  const state = fullBudget(0, byReserve);
  granted(state, 0, byReserve);
  for (const now of [25, 50, 75]) expect(withdraw(state, now, byReserve)).toBe(false);
  expect(withdraw(state, 100, byReserve)).toBe(true);
  expect(withdraw(state, 100, byReserve)).toBe(false);
});

test('withdraw() takes the reserve first, and then what the calls have earned', () => {
  const limits = { ratio: 0.2, minPerSecond: 2 };
  const state = fullBudget(0, limits);
  depositMany(state, 10, 0);
  expect(available(state, 0, limits)).toBe(4);
  const seen = [1, 2, 3, 4, 5].map(() => {
    const one = withdraw(state, 0, limits);
    return { one, ...budgetSnapshot(state, 0, limits) };
  });
  expect(seen).toEqual([
    { one: true, calls: 10, retries: 0, reserve: 1 },
    { one: true, calls: 10, retries: 0, reserve: 0 },
    { one: true, calls: 10, retries: 1, reserve: 0 },
    { one: true, calls: 10, retries: 2, reserve: 0 },
    { one: false, calls: 10, retries: 2, reserve: 0 },
  ]);
});

test('withdraw() grants a steady stream of failures a steady stream of retries, after what was saved up is spent', () => {
  const state = fullBudget(0, byRatio);
  const perSecond = Array.from({ length: 60 }, () => 0);
  for (let call = 0; call < 6_000; call += 1) {
    const now = call * 10;
    deposit(state, now);
    // Down from the twentieth second on.
    if (call >= 2_000 && withdraw(state, now, byRatio))
      perSecond[Math.floor(now / 1_000)] = (perSecond[Math.floor(now / 1_000)] ?? 0) + 1;
  }
  expect(perSecond.slice(20, 22).reduce((sum, retries) => sum + retries)).toBe(200);
  // A fifth of 100 calls a second: ten seconds after the first ones they do not all come back at once.
  expect(perSecond.slice(25)).toEqual(perSecond.slice(25).map(() => 20));
});

test('withdraw() forgets calls, and what of them is spent, after ten seconds', () => {
  const state = fullBudget(0, byRatio);
  depositMany(state, 50, 0);
  expect(withdraw(state, 0, byRatio)).toBe(true);
  expect(available(state, 9_999, byRatio)).toBe(9);
  expect(available(state, 10_000, byRatio)).toBe(0);
  expect(withdraw(state, 10_000, byRatio)).toBe(false);
  depositMany(state, 5, 10_000);
  expect(granted(state, 10_000, byRatio)).toBe(1);
});

test('withdraw() takes from the calls that leave first, and from several where one has not enough', () => {
  const state = fullBudget(0, byRatio);
  for (const second of [0, 1, 2, 3]) depositMany(state, 3, second * 1_000);
  expect(granted(state, 5_000, byRatio)).toBe(2);
  expect(budgetSnapshot(state, 5_000, byRatio)).toEqual({ calls: 12, retries: 2, reserve: 0 });
  // 0.6 of the first second's, 0.6, 0.6, and 0.2 of the last one's.
  expect(budgetSnapshot(state, 10_000, byRatio)).toEqual({ calls: 9, retries: 1.4, reserve: 0 });
  expect(budgetSnapshot(state, 12_000, byRatio)).toEqual({ calls: 3, retries: 0.2, reserve: 0 });
  depositMany(state, 3, 12_000);
  expect(granted(state, 12_000, byRatio)).toBe(1);
});

test('available() is not below 0, for a snapshot that has spent more than its calls have earned', () => {
  const limits = { ratio: 0.2, minPerSecond: 1 };
  const state = restoredBudget({ calls: 10, retries: 4, reserve: 1 }, 0, 0, limits);
  expect(available(state, 0, limits)).toBe(1);
  expect(granted(state, 0, limits)).toBe(1);
  // The debt is worked off first: 25 calls earn 5, of which 4 were spent.
  depositMany(state, 15, 0);
  expect(granted(state, 0, limits)).toBe(1);
});

test('available() says what withdraw() would grant, when the reserve has a fraction', () => {
  const state = fullBudget(0, byReserve);
  granted(state, 0, byReserve);
  expect(available(state, 250, byReserve)).toBe(2);
  expect(granted(state, 250, byReserve)).toBe(2);
  expect(available(state, 299, byReserve)).toBe(0);
  expect(available(state, 300, byReserve)).toBe(1);
});

test('budgetSnapshot() tells calls and retries of the last ten seconds and the refilled reserve', () => {
  const limits = { ratio: 0.2, minPerSecond: 4 };
  const state = fullBudget(0, limits);
  depositMany(state, 10, 0);
  depositMany(state, 5, 5_000);
  expect(granted(state, 5_000, limits)).toBe(7);
  expect(budgetSnapshot(state, 5_500, limits)).toEqual({ calls: 15, retries: 3, reserve: 2 });
  expect(budgetSnapshot(state, 10_000, limits)).toEqual({ calls: 5, retries: 1, reserve: 4 });
});

test('restoredBudget() goes on where the snapshot was taken, when no time has passed', () => {
  const limits = { ratio: 0.2, minPerSecond: 4 };
  const state = fullBudget(0, limits);
  depositMany(state, 20, 700);
  for (let retry = 0; retry < 5; retry += 1) withdraw(state, 700, limits);
  const snapshot = budgetSnapshot(state, 700, limits);
  expect(snapshot).toEqual({ calls: 20, retries: 1, reserve: 0 });
  const restored = restoredBudget(JSON.parse(JSON.stringify(snapshot)), 0, 123_456, limits);
  expect(budgetSnapshot(restored, 123_456, limits)).toEqual(snapshot);
  expect(granted(restored, 123_456, limits)).toBe(3);
});

const elapsed = [
  { elapsedMs: 250, expected: { calls: 50, retries: 4, reserve: 1 } },
  { elapsedMs: 750, expected: { calls: 50, retries: 4, reserve: 3 } },
  { elapsedMs: 9_000, expected: { calls: 50, retries: 4, reserve: 4 } },
  { elapsedMs: 10_000, expected: { calls: 0, retries: 0, reserve: 4 } },
  { elapsedMs: 86_400_000, expected: { calls: 0, retries: 0, reserve: 4 } },
];

test.for(elapsed)('restoredBudget() counts the $elapsedMs ms in which nobody was there', ({ elapsedMs, expected }) => {
  const limits = { ratio: 0.2, minPerSecond: 4 };
  const snapshot = { calls: 50, retries: 4, reserve: 0 };
  // The monotonic clock of a new process starts near 0: what is restored began before it.
  expect(budgetSnapshot(restoredBudget(snapshot, elapsedMs, 0, limits), 0, limits)).toEqual(expected);
});

test('restoredBudget() has no larger reserve than the limits allow now', () => {
  const snapshot = { calls: 0, retries: 0, reserve: 1_000 };
  expect(granted(restoredBudget(snapshot, 0, 0, byReserve), 0, byReserve)).toBe(10);
  expect(granted(restoredBudget(snapshot, 0, 0, byRatio), 0, byRatio)).toBe(0);
});
