import { checkKeys, quote, requireChoice, requireNumber } from './checks.ts';
import type { FailureKind } from './events.ts';
import type { CircuitState } from './model/circuit.ts';
import type { CircuitSnapshot } from './model/circuit-snapshot.ts';
import type { RetryBudgetSnapshot } from './model/retry-budget.ts';

/** What a client has counted for a dependency since it was created (or restored). */
export interface Counters {
  /** Calls to the dependency, those that refresh a stored answer too. */
  calls: number;
  /** Trips to the network. */
  attempts: number;
  /** Attempts that followed another, after a wait. */
  retries: number;
  /** Attempts that were sent beside another. */
  hedges: number;
  /** Of `hedges`, those that were answered first. */
  hedgesWon: number;
  /** Calls that succeeded. */
  success: number;
  /** Calls that failed. */
  failure: number;
  /** Calls that say nothing of the dependency, refused ones included. */
  ignored: number;
  /** Calls refused without touching the network. */
  rejected: number;
  /** Answers that callers were given from the store. */
  stored: number;
  /** Answers that callers were given by `respond`. */
  defaults: number;
  /** Those of `stored` and `defaults` that say that they are second best. */
  degraded: number;
}

/** The last attempt that counted as a failure. */
export interface LastFailure {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** In which way it went wrong. */
  readonly failure: FailureKind;
  /** The answer's status; `null` if there was no answer. */
  readonly status: number | null;
}

/** The last change of the circuit's state. */
export interface LastTransition {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** The state it was in. */
  readonly from: CircuitState;
  /** The state it is in since. */
  readonly to: CircuitState;
}

/** A dependency's state as plain JSON. A layer that is switched off is `null`. */
export interface DependencySnapshot {
  /** The circuit. */
  readonly breaker: CircuitSnapshot | null;
  /** Since when the circuit is in its state; `null` if it never was in another. */
  readonly lastTransition: LastTransition | null;
  /** Since when the circuit has not been closed, probes included: ms since the Unix epoch; `null` while it is. */
  readonly outageSince: number | null;
  /** Calls that hold a slot of the bulkhead. */
  readonly running: number;
  /** Slots; `null` without a limit. */
  readonly maxConcurrent: number | null;
  /** Calls that wait for a slot. */
  readonly queued: number;
  /** Places to wait; `null` without a limit. */
  readonly maxQueued: number | null;
  /** The retry budget. */
  readonly budget: RetryBudgetSnapshot | null;
  /** Retries that the budget would grant now. */
  readonly retriesAvailable: number | null;
  /** How long a read goes without an answer before it is sent once more, in ms; `null` without `hedge`, or not known yet. */
  readonly hedgeAfterMs: number | null;
  /** What has been counted. */
  readonly counters: Readonly<Counters>;
  /** `null` if none has been a failure yet. */
  readonly lastFailure: LastFailure | null;
}

/** A client's state as plain JSON, by dependency. Hand it to `createClient({ restore })` in a later process. */
export interface ClientSnapshot {
  /** The client's `name`; `null` if it has none. */
  readonly name: string | null;
  /** When it was taken: milliseconds since the Unix epoch. */
  readonly at: number;
  /** What is known, by dependency. */
  readonly dependencies: Readonly<Record<string, DependencySnapshot>>;
}

/**
 * Checks what is given as a snapshot: it comes from a store, and may be anything.
 * @throws TypeError or RangeError naming the part that is wrong, and its value.
 */
export function parseSnapshot(value: unknown): ClientSnapshot {
  const snapshot = record('restore', value, ['name', 'at', 'dependencies']);
  const dependencies = record('restore.dependencies', snapshot['dependencies']);
  return {
    name: typeof snapshot['name'] === 'string' ? snapshot['name'] : null,
    at: amount('restore.at', snapshot['at']),
    dependencies: Object.fromEntries(
      Object.entries(dependencies).map(([key, each]) => [
        key,
        parseDependency(`restore.dependencies[${quote(key)}]`, each),
      ]),
    ),
  };
}

function parseDependency(path: string, value: unknown): DependencySnapshot {
  const { breaker, budget, counters, lastFailure, ...rest } = record(path, value);
  // Snapshots of earlier versions have none of these.
  const {
    lastTransition = null,
    outageSince = null,
    maxConcurrent = null,
    maxQueued = null,
    retriesAvailable = null,
    hedgeAfterMs = null,
  } = rest;
  return {
    breaker: breaker === null ? null : parseCircuit(`${path}.breaker`, breaker),
    outageSince: outageSince === null ? null : instant(`${path}.outageSince`, outageSince),
    lastTransition: lastTransition === null ? null : parseLastTransition(`${path}.lastTransition`, lastTransition),
    // What ran and waited then has ended with its process.
    running: 0,
    maxConcurrent: limit(`${path}.maxConcurrent`, maxConcurrent),
    queued: 0,
    maxQueued: limit(`${path}.maxQueued`, maxQueued),
    budget: budget === null ? null : parseBudget(`${path}.budget`, budget),
    retriesAvailable: limit(`${path}.retriesAvailable`, retriesAvailable),
    hedgeAfterMs: limit(`${path}.hedgeAfterMs`, hedgeAfterMs),
    counters: parseCounters(`${path}.counters`, counters),
    lastFailure: lastFailure === null ? null : parseLastFailure(`${path}.lastFailure`, lastFailure),
  };
}

/** @throws TypeError or RangeError naming the part that is wrong, and its value. */
export function parseCircuit(path: string, value: unknown): CircuitSnapshot {
  const circuit = record(path, value);
  const { retryAfterMs, window } = circuit;
  const state = parseState(`${path}.state`, circuit['state']);
  const totals = window === null ? null : record(`${path}.window`, window);
  return {
    state,
    retryAfterMs: limit(`${path}.retryAfterMs`, retryAfterMs),
    failedProbes: amount(`${path}.failedProbes`, circuit['failedProbes']),
    successfulProbes: amount(`${path}.successfulProbes`, circuit['successfulProbes']),
    consecutiveFailures: amount(`${path}.consecutiveFailures`, circuit['consecutiveFailures']),
    window:
      totals === null
        ? null
        : {
            calls: amount(`${path}.window.calls`, totals['calls']),
            failures: amount(`${path}.window.failures`, totals['failures']),
            slow: amount(`${path}.window.slow`, totals['slow']),
          },
  };
}

function parseState(path: string, value: unknown): CircuitState {
  return requireChoice(path, value, ['closed', 'open', 'half-open']);
}

function parseLastTransition(path: string, value: unknown): LastTransition {
  const { at, from, to } = record(path, value);
  return { at: instant(`${path}.at`, at), from: parseState(`${path}.from`, from), to: parseState(`${path}.to`, to) };
}

/** @throws TypeError or RangeError naming the part that is wrong, and its value. */
export function parseBudget(path: string, value: unknown): RetryBudgetSnapshot {
  const { calls, retries, reserve } = record(path, value);
  return {
    calls: amount(`${path}.calls`, calls),
    retries: amount(`${path}.retries`, retries),
    reserve: amount(`${path}.reserve`, reserve),
  };
}

export function noCounters(): Counters {
  return {
    calls: 0,
    attempts: 0,
    retries: 0,
    hedges: 0,
    hedgesWon: 0,
    success: 0,
    failure: 0,
    ignored: 0,
    rejected: 0,
    stored: 0,
    defaults: 0,
    degraded: 0,
  };
}

// Missing in snapshots of earlier versions.
const NEW_COUNTERS: readonly string[] = ['stored', 'defaults', 'degraded', 'hedges', 'hedgesWon'];

function parseCounters(path: string, value: unknown): Counters {
  const given = record(path, value);
  const counters = noCounters();
  for (const name of Object.keys(counters) as (keyof Counters)[]) {
    const isNew = NEW_COUNTERS.includes(name);
    counters[name] = amount(`${path}.${name}`, isNew ? (given[name] ?? 0) : given[name]);
  }
  return counters;
}

const FAILURES: readonly FailureKind[] = [
  'status',
  'network',
  'body',
  'attempt-timeout',
  'deadline',
  'aborted',
  'refused',
];

function parseLastFailure(path: string, value: unknown): LastFailure {
  const { at, failure, status } = record(path, value);
  return {
    at: instant(`${path}.at`, at),
    failure: requireChoice(`${path}.failure`, failure, FAILURES),
    status: limit(`${path}.status`, status),
  };
}

function record(path: string, value: unknown, known?: readonly string[]): Record<string, unknown> {
  checkKeys(path, value, known ?? Object.keys(value ?? {}));
  return value as Record<string, unknown>;
}

// The last instant that a date can be (ECMAScript, "Time Values and Time Range").
const LAST_INSTANT = 8.64e15;

function instant(path: string, value: unknown): number {
  return Math.min(LAST_INSTANT, amount(path, value));
}

function limit(path: string, value: unknown): number | null {
  return value === null ? null : amount(path, value);
}

function amount(path: string, value: unknown): number {
  return requireNumber(path, value, { least: 0 });
}
