import { addCount, addToOldest, countIn, countOf, type SlicedCounts, slicedCounts } from './sliced-counts.ts';

/** How much load retries may add. */
export interface RetryBudgetLimits {
  /** Share of the calls of the last ten seconds that may be retried on top. */
  readonly ratio: number;
  /** Retries per second that are always allowed, so that a client with little traffic can retry at all. */
  readonly minPerSecond: number;
}

/** The calls of the last ten seconds, what of their earnings is spent, and the reserve of always allowed retries. Updated in place. */
export interface RetryBudgetState {
  readonly counts: SlicedCounts;
  reserve: number;
  reserveAt: number;
}

// Finagle's RetryBudget looks back ten seconds too: an hour of quiet traffic must not pay for a storm.
const SPAN_MS = 10_000;

// The kinds counted.
const CALLS = 0;
const SPENT = 1;
// 5 × 0.2 may come out as 0.9999…: rounding must not take a retry that was earned.
const ROUNDING = 1e-9;

export function fullBudget(now: number, limits: RetryBudgetLimits): RetryBudgetState {
  return { counts: slicedCounts(SPAN_MS, 2, now), reserve: fullReserve(limits), reserveAt: now };
}

/** Counts one call: the load that retries are measured against. */
export function deposit(state: RetryBudgetState, now: number): void {
  addCount(state.counts, CALLS, now);
}

/** Takes one retry out of the budget, or answers `false`. */
export function withdraw(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): boolean {
  refill(state, now, limits);
  if (state.reserve >= 1) {
    state.reserve -= 1;
    return true;
  }
  if (unspent(state, now, limits) < 1) return false;
  // What was earned first leaves first. Were they of the moment, all that was spent in one would come back at once ten seconds
  // later: a dependency that is down would be hit by everybody's retries every ten seconds.
  const { counts } = state;
  addToOldest(
    counts,
    SPENT,
    now,
    1,
    (slice) => countIn(counts, slice, CALLS) * limits.ratio - countIn(counts, slice, SPENT),
  );
  return true;
}

/** Retries that would be granted at `now` without further calls. */
export function available(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): number {
  refill(state, now, limits);
  return Math.floor(state.reserve) + Math.max(0, unspent(state, now, limits));
}

/** A budget as JSON. */
export interface RetryBudgetSnapshot {
  /** Calls of the last ten seconds. */
  readonly calls: number;
  /** What of the retries that these calls have earned is spent: in parts, if others paid for the rest. */
  readonly retries: number;
  /** What is left of the always allowed retries. */
  readonly reserve: number;
}

export function budgetSnapshot(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): RetryBudgetSnapshot {
  refill(state, now, limits);
  return {
    calls: countOf(state.counts, CALLS, now),
    // Without the dust that sums of parts leave.
    retries: Number(countOf(state.counts, SPENT, now).toFixed(6)),
    reserve: state.reserve,
  };
}

/** The budget that a snapshot taken `elapsedMs` ago describes. */
export function restoredBudget(
  snapshot: RetryBudgetSnapshot,
  elapsedMs: number,
  now: number,
  limits: RetryBudgetLimits,
): RetryBudgetState {
  const state = fullBudget(now - elapsedMs, limits);
  addCount(state.counts, CALLS, now - elapsedMs, snapshot.calls);
  addCount(state.counts, SPENT, now - elapsedMs, snapshot.retries);
  state.reserve = Math.min(fullReserve(limits), snapshot.reserve);
  return state;
}

function unspent(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): number {
  const earned = countOf(state.counts, CALLS, now) * limits.ratio;
  return Math.floor(earned - countOf(state.counts, SPENT, now) + ROUNDING);
}

function refill(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): void {
  const gained = (Math.max(0, now - state.reserveAt) / 1_000) * limits.minPerSecond;
  state.reserve = Math.min(fullReserve(limits), state.reserve + gained);
  state.reserveAt = now;
}

// One second's worth, and a whole retry where less than one a second is allowed.
function fullReserve({ minPerSecond }: RetryBudgetLimits): number {
  return minPerSecond === 0 ? 0 : Math.max(1, minPerSecond);
}
