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
  readonly calls: SlicedCounts;
  /** In retries, as parts of slices. Made for the first retry that the reserve does not pay for: mostly there is none. */
  spent: SlicedCounts | undefined;
  reserve: number;
  reserveAt: number;
}

// Finagle's RetryBudget looks back ten seconds too: an hour of quiet traffic must not pay for a storm.
const SPAN_MS = 10_000;

// Each is counted for itself.
const ALL = 0;
// 5 × 0.2 may come out as 0.9999…: rounding must not take a retry that was earned.
const ROUNDING = 1e-9;

export function fullBudget(now: number, limits: RetryBudgetLimits): RetryBudgetState {
  return { calls: slicedCounts(SPAN_MS, 1, now), spent: undefined, reserve: fullReserve(limits), reserveAt: now };
}

/** Counts one call: the load that retries are measured against. */
export function deposit(state: RetryBudgetState, now: number): void {
  addCount(state.calls, ALL, now);
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
  const { calls, spent = slicedCounts(SPAN_MS, 1, now) } = state;
  state.spent = spent;
  addToOldest(spent, ALL, now, 1, (slice) => countIn(calls, slice, ALL) * limits.ratio - countIn(spent, slice, ALL));
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
    calls: countOf(state.calls, ALL, now),
    // Without the dust that sums of parts leave.
    retries: Number(spentAt(state, now).toFixed(6)),
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
  addCount(state.calls, ALL, now - elapsedMs, snapshot.calls);
  state.spent = slicedCounts(SPAN_MS, 1, now - elapsedMs);
  addCount(state.spent, ALL, now - elapsedMs, snapshot.retries);
  state.reserve = Math.min(fullReserve(limits), snapshot.reserve);
  return state;
}

function unspent(state: RetryBudgetState, now: number, limits: RetryBudgetLimits): number {
  const earned = countOf(state.calls, ALL, now) * limits.ratio;
  return Math.floor(earned - spentAt(state, now) + ROUNDING);
}

function spentAt({ spent }: RetryBudgetState, now: number): number {
  return spent === undefined ? 0 : countOf(spent, ALL, now);
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
