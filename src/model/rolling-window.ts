import { addCount, countOf, type SlicedCounts, slicedCounts } from './sliced-counts.ts';

/** How many calls are in the window, and how many of them failed or were slow. */
export interface WindowTotals {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

/** The last `size` calls, or the calls of the last `durationMs`. Updated in place: a copy per call would cost O(size). */
export type RollingWindow = CountWindow | TimeWindow;

interface CountWindow {
  readonly kind: 'count';
  /** One byte a call, the oldest overwritten first. */
  readonly ring: Uint8Array;
  next: number;
  calls: number;
  failures: number;
  slow: number;
}

interface TimeWindow {
  readonly kind: 'time';
  readonly counts: SlicedCounts;
}

const FAILED = 1;
const SLOW = 2;

// The kinds counted in a time window.
const CALLS = 0;
const FAILURES = 1;
const SLOW_CALLS = 2;

export function countWindow(size: number): RollingWindow {
  return { kind: 'count', ring: new Uint8Array(size), next: 0, calls: 0, failures: 0, slow: 0 };
}

export function timeWindow(durationMs: number, now: number): RollingWindow {
  return { kind: 'time', counts: slicedCounts(durationMs, 3, now) };
}

/** Adds one call, in O(1). */
export function recordCall(window: RollingWindow, failed: boolean, slow: boolean, now: number): void {
  if (window.kind === 'time') {
    addCount(window.counts, CALLS, now);
    if (failed) addCount(window.counts, FAILURES, now);
    if (slow) addCount(window.counts, SLOW_CALLS, now);
    return;
  }
  const { ring, next } = window;
  const pushedOut = ring[next] ?? 0;
  window.calls = Math.min(window.calls + 1, ring.length);
  window.failures += (failed ? 1 : 0) - (pushedOut & FAILED ? 1 : 0);
  window.slow += (slow ? 1 : 0) - (pushedOut & SLOW ? 1 : 0);
  ring[next] = (failed ? FAILED : 0) | (slow ? SLOW : 0);
  window.next = (next + 1) % ring.length;
}

/** Puts into an empty window what `totals` tell, as of `at`. More calls than it holds are scaled down: the rates stay. */
export function refillWindow(window: RollingWindow, totals: WindowTotals, at: number): void {
  if (window.kind === 'time') {
    addCount(window.counts, CALLS, at, totals.calls);
    addCount(window.counts, FAILURES, at, totals.failures);
    addCount(window.counts, SLOW_CALLS, at, totals.slow);
    return;
  }
  const scale = Math.min(1, window.ring.length / totals.calls);
  for (let call = 0; call < Math.round(totals.calls * scale); call += 1) {
    recordCall(window, call < Math.round(totals.failures * scale), call < Math.round(totals.slow * scale), at);
  }
}

/** What is in the window at `now`. */
export function windowTotals(window: RollingWindow, now: number): WindowTotals {
  if (window.kind === 'count') return { calls: window.calls, failures: window.failures, slow: window.slow };
  const { counts } = window;
  return {
    calls: countOf(counts, CALLS, now),
    failures: countOf(counts, FAILURES, now),
    slow: countOf(counts, SLOW_CALLS, now),
  };
}
