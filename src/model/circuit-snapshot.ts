import {
  type Circuit,
  type CircuitLimits,
  type CircuitState,
  closedCircuit,
  isolatedCircuit,
  refusalMs,
} from './circuit.ts';
import { refillWindow, windowTotals } from './rolling-window.ts';

/** A circuit as JSON. Times are spans, since the monotonic clock means nothing to another process. */
export interface CircuitSnapshot {
  /** The state; an open circuit that is due for a probe is half-open. */
  readonly state: CircuitState;
  /** Milliseconds for which calls are refused; `null` while isolated by hand (JSON has no Infinity). */
  readonly retryAfterMs: number | null;
  /** Probes that failed in a row. */
  readonly failedProbes: number;
  /** Probes that succeeded in a row. */
  readonly successfulProbes: number;
  /** Failures in a row while closed. */
  readonly consecutiveFailures: number;
  /** What the rate is computed over, with a window. */
  readonly window: { readonly calls: number; readonly failures: number; readonly slow: number } | null;
}

export function circuitSnapshot(circuit: Circuit, now: number, limits: CircuitLimits): CircuitSnapshot {
  const waitMs = refusalMs(circuit, now, limits);
  const closed = circuit.state === 'closed';
  return {
    state: circuit.state,
    retryAfterMs: waitMs === Infinity ? null : waitMs,
    failedProbes: closed ? 0 : circuit.trips,
    successfulProbes: circuit.state === 'half-open' ? circuit.successes : 0,
    consecutiveFailures: closed ? circuit.failures : 0,
    window: closed && circuit.window !== undefined ? { ...windowTotals(circuit.window, now) } : null,
  };
}

/** The circuit that a snapshot taken `elapsedMs` ago describes. A probe that was under way then is nobody's now. */
export function restoredCircuit(
  snapshot: CircuitSnapshot,
  elapsedMs: number,
  now: number,
  limits: CircuitLimits,
): Circuit {
  if (snapshot.state === 'open') {
    if (snapshot.retryAfterMs === null) return isolatedCircuit(0);
    // Bounded: a snapshot is data from outside, and must not keep a dependency out of reach for ever.
    const longestMs = limits.maxResetTimeoutMs * (1 + limits.resetJitter);
    const waitMs = Math.min(longestMs, Math.max(0, snapshot.retryAfterMs - elapsedMs));
    return { state: 'open', generation: 0, retryAt: now + waitMs, trips: snapshot.failedProbes };
  }
  if (snapshot.state === 'half-open') {
    const successes = Math.min(snapshot.successfulProbes, limits.successThreshold - 1);
    return { state: 'half-open', generation: 0, trips: snapshot.failedProbes, successes, lost: 0 };
  }
  const closed = closedCircuit(0, now - elapsedMs, limits);
  if (closed.window !== undefined && snapshot.window !== null) {
    refillWindow(closed.window, snapshot.window, now - elapsedMs);
  }
  return { ...closed, failures: Math.min(snapshot.consecutiveFailures, limits.failureThreshold - 1) };
}
