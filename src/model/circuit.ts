import type { Outcome } from './outcome.ts';
import { countWindow, type RollingWindow, recordCall, timeWindow, windowTotals } from './rolling-window.ts';

/** The circuit's state as callers see it. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/**
 * A circuit. `generation` grows with each change of state and each probe, so that an answer can tell whether it still
 * concerns the circuit: the ticket handed out on admission is the generation it was admitted in.
 */
export type Circuit = Closed | Open | HalfOpen;

export interface Closed {
  readonly state: 'closed';
  readonly generation: number;
  /** Failures in a row. */
  readonly failures: number;
  /** What a rate is computed over; updated in place. */
  readonly window?: RollingWindow;
}

export interface Open {
  readonly state: 'open';
  readonly generation: number;
  /** When a probe may go; `Infinity` while isolated by hand. */
  readonly retryAt: number;
  /** Probes that failed in a row since the circuit was last closed. */
  readonly trips: number;
}

export interface HalfOpen {
  readonly state: 'half-open';
  readonly generation: number;
  readonly trips: number;
  readonly successes: number;
  /** Probes that have lost their place, for they got no answer. */
  readonly lost: number;
  /** When the one probe under way left, if there is one. */
  readonly probeAt?: number;
}

export type Ticket = number;

/** When a circuit opens by rate instead of by consecutive failures. */
export interface WindowLimits {
  readonly span: { readonly size: number } | { readonly durationMs: number };
  readonly minimumCalls: number;
  readonly failureRate: number;
  readonly slowCallMs: number;
  readonly slowCallRate: number;
}

export interface CircuitLimits {
  readonly failureThreshold: number;
  readonly successThreshold: number;
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs: number;
  readonly resetJitter: number;
  readonly window?: WindowLimits;
}

/** How an admitted call ended. */
export interface Report {
  readonly outcome: Outcome;
  readonly durationMs: number;
  /** The least the dependency asked us to wait, in ms; 0 if it asked nothing. */
  readonly retryAfterMs: number;
}

export type Admission =
  | { readonly circuit: Circuit; readonly ticket: Ticket }
  | { readonly circuit: Circuit; readonly retryAfterMs: number };

export function closedCircuit(generation: number, now: number, limits: CircuitLimits): Closed {
  if (limits.window === undefined) return generation === 0 ? NEW : { state: 'closed', generation, failures: 0 };
  const { span } = limits.window;
  const window = 'size' in span ? countWindow(span.size) : timeWindow(span.durationMs, now);
  return { state: 'closed', generation, failures: 0, window };
}

/** Held open by hand, until closed by hand. */
export function isolatedCircuit(generation: number): Open {
  return { state: 'open', generation, retryAt: Infinity, trips: 0 };
}

/** Moves on what is due: an open circuit whose reset timeout has passed is half-open. */
export function advance(circuit: Circuit, now: number): Circuit {
  if (circuit.state !== 'open' || now < circuit.retryAt) return circuit;
  return { state: 'half-open', generation: circuit.generation + 1, trips: circuit.trips, successes: 0, lost: 0 };
}

// One for all: there may be thousands, and most of them never change.
const NEW: Closed = { state: 'closed', generation: 0, failures: 0 };
const NO_WAIT = (): number => 0;

/**
 * Admits a call, or says how long the circuit refuses. Half-open admits one probe at a time, and asks before each for how long
 * that is up to others.
 */
export function admit(
  circuit: Circuit,
  now: number,
  limits: CircuitLimits,
  probeWaitMs: () => number = NO_WAIT,
): Admission {
  const current = advance(circuit, now);
  if (current.state === 'closed') return { circuit: current, ticket: current.generation };
  const waitMs = refusalMs(current, now, limits);
  if (current.state === 'open' || waitMs > 0) return { circuit: current, retryAfterMs: waitMs };
  const othersMs = probeWaitMs();
  if (othersMs > 0) return { circuit: current, retryAfterMs: othersMs };
  const lost = current.lost + (current.probeAt === undefined ? 0 : 1);
  // Its own generation: whatever a probe that lost its place still has to say, it is not about this one.
  const probed: HalfOpen = { ...current, generation: current.generation + 1, lost, probeAt: now };
  return { circuit: probed, ticket: probed.generation };
}

/** Milliseconds for which calls are refused: until the reset, or until the probe under way loses its place. */
export function refusalMs(circuit: Circuit, now: number, limits: CircuitLimits): number {
  if (circuit.state === 'open') return Math.max(0, circuit.retryAt - now);
  if (circuit.state === 'closed' || circuit.probeAt === undefined) return 0;
  // One may be lost for good, as on Workers with its request. If the next is, too, answers may take longer than that, and none
  // would be in time to close the circuit: each after it has twice as long.
  return Math.max(0, circuit.probeAt + grownMs(Math.max(0, circuit.lost - 1), limits) - now);
}

/** What others have found out about the dependency, as {@link advised} takes it. */
export interface Advice {
  readonly state: 'closed' | 'open';
  readonly retryAfterMs: number;
  /** Probes that failed in a row. */
  readonly trips: number;
}

// By then the wait has been the longest for long.
const MOST_TRIPS = 64;

/**
 * The circuit after what others have found out. What is held open by hand stays so, a probe under way is not disturbed, and
 * nobody can close a dependency off for longer than it could itself.
 */
export function advised(circuit: Circuit, advice: Advice, now: number, limits: CircuitLimits): Circuit {
  const generation = circuit.generation + 1;
  if (circuit.state === 'open' && circuit.retryAt === Infinity) return circuit;
  if (circuit.state === 'half-open' && circuit.probeAt !== undefined) return circuit;
  if (advice.state === 'closed') return circuit.state === 'closed' ? circuit : closedCircuit(generation, now, limits);
  const longestMs = limits.maxResetTimeoutMs * (1 + limits.resetJitter);
  const retryAt = now + Math.min(advice.retryAfterMs, longestMs);
  const trips = Math.min(Math.floor(advice.trips), MOST_TRIPS);
  if (circuit.state === 'closed') return { state: 'open', generation, retryAt, trips };
  // It is due already: whoever finds out is being looked for.
  if (advice.retryAfterMs === 0) return circuit;
  return { state: 'open', generation, retryAt, trips };
}

/** Whether {@link settle} would change nothing, whatever the time: so it is for nearly every call, and no clock need be read. */
export function isUnmoved(circuit: Circuit, ticket: Ticket, outcome: Outcome): boolean {
  if (ticket !== circuit.generation) return true;
  if (circuit.state !== 'closed') return false;
  return outcome === 'ignored' || (outcome === 'success' && circuit.failures === 0 && circuit.window === undefined);
}

/** Records how an admitted call ended. A ticket from an earlier generation changes nothing. */
export function settle(
  circuit: Circuit,
  ticket: Ticket,
  report: Report,
  now: number,
  limits: CircuitLimits,
  random: () => number,
): Circuit {
  if (ticket !== circuit.generation) return circuit;
  if (circuit.state === 'closed') return settleClosed(circuit, report, now, limits, random);
  if (circuit.state === 'half-open' && circuit.probeAt !== undefined) {
    return settleProbe(circuit, report, now, limits, random);
  }
  return circuit;
}

function settleClosed(
  circuit: Closed,
  report: Report,
  now: number,
  limits: CircuitLimits,
  random: () => number,
): Circuit {
  if (report.outcome === 'ignored') return circuit;
  const failed = report.outcome === 'failure';
  if (circuit.window !== undefined && limits.window !== undefined) {
    recordCall(circuit.window, failed, report.durationMs >= limits.window.slowCallMs, now);
    return exceedsRates(circuit.window, now, limits.window) ? opened(circuit, 0, report, now, limits, random) : circuit;
  }
  if (!failed) return circuit.failures === 0 ? circuit : { ...circuit, failures: 0 };
  const failures = circuit.failures + 1;
  return failures >= limits.failureThreshold
    ? opened(circuit, 0, report, now, limits, random)
    : { ...circuit, failures };
}

function settleProbe(
  circuit: HalfOpen,
  report: Report,
  now: number,
  limits: CircuitLimits,
  random: () => number,
): Circuit {
  const { state, generation, trips, probeAt = now } = circuit;
  // Leaving `probeAt` out frees the place.
  if (report.outcome === 'ignored') {
    return { state, generation, trips, successes: circuit.successes, lost: circuit.lost };
  }
  const slow = limits.window !== undefined && report.durationMs >= limits.window.slowCallMs;
  if (report.outcome === 'failure' || slow) return opened(circuit, trips + 1, report, now, limits, random);
  const successes = circuit.successes + 1;
  // An answer in time: those before it were lost, and not slow.
  const lost = now - probeAt < limits.resetTimeoutMs ? 0 : circuit.lost;
  return successes >= limits.successThreshold
    ? closedCircuit(generation + 1, now, limits)
    : { state, generation, trips, successes, lost };
}

function exceedsRates(window: RollingWindow, now: number, limits: WindowLimits): boolean {
  const { calls, failures, slow } = windowTotals(window, now);
  if (calls < limits.minimumCalls) return false;
  // Divided, not multiplied: 7 / 25 is the same number as 0.28, while 0.28 × 25 comes out above 7.
  return (
    failures / calls >= limits.failureRate || (limits.slowCallMs < Infinity && slow / calls >= limits.slowCallRate)
  );
}

function opened(
  circuit: Circuit,
  trips: number,
  report: Report,
  now: number,
  limits: CircuitLimits,
  random: () => number,
): Open {
  const { maxResetTimeoutMs, resetJitter } = limits;
  const ownMs = grownMs(trips, limits) * (1 + random() * resetJitter);
  // What the server asks for is a lower bound, but a server can't close itself off for years.
  const waitMs = Math.max(ownMs, Math.min(report.retryAfterMs, maxResetTimeoutMs));
  return { state: 'open', generation: circuit.generation + 1, retryAt: now + waitMs, trips };
}

/** The reset timeout, doubled so often. */
function grownMs(times: number, { resetTimeoutMs, maxResetTimeoutMs }: CircuitLimits): number {
  return Math.min(maxResetTimeoutMs, resetTimeoutMs * 2 ** times);
}
