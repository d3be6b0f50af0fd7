import { checkKeys, checkNumber, show } from './checks.ts';
import type { FailureKind } from './events.ts';
import type { CircuitSnapshot } from './model/circuit-snapshot.ts';
import type { RetryBudgetSnapshot } from './model/retry-budget.ts';

/** What a client has counted for a dependency since it was created (or restored). */
export interface Counters {
  calls: number;
  attempts: number;
  retries: number;
  /** Calls by outcome; a refused call is `ignored`, and `rejected` as well. */
  success: number;
  failure: number;
  ignored: number;
  rejected: number;
}

/** The last attempt that counted as a failure. */
export interface LastFailure {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly failure: FailureKind;
  readonly status: number | null;
}

/** A dependency's state as plain JSON. A layer that is switched off is `null`. */
export interface DependencySnapshot {
  readonly breaker: CircuitSnapshot | null;
  /** Calls that hold a slot of the bulkhead, and that wait for one. */
  readonly running: number;
  readonly queued: number;
  readonly budget: RetryBudgetSnapshot | null;
  readonly counters: Readonly<Counters>;
  readonly lastFailure: LastFailure | null;
}

/** A client's state as plain JSON, by dependency. Hand it to `createClient({ restore })` in a later process. */
export interface ClientSnapshot {
  readonly name: string | null;
  /** When it was taken: milliseconds since the Unix epoch. */
  readonly at: number;
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
        parseDependency(`restore.dependencies[${show(key)}]`, each),
      ]),
    ),
  };
}

function parseDependency(path: string, value: unknown): DependencySnapshot {
  const { breaker, budget, counters, lastFailure } = record(path, value);
  return {
    breaker: breaker === null ? null : parseCircuit(`${path}.breaker`, breaker),
    // What ran and waited then has ended with its process.
    running: 0,
    queued: 0,
    budget: budget === null ? null : parseBudget(`${path}.budget`, budget),
    counters: parseCounters(`${path}.counters`, counters),
    lastFailure: lastFailure === null ? null : parseLastFailure(`${path}.lastFailure`, lastFailure),
  };
}

/** @throws TypeError or RangeError naming the part that is wrong, and its value. */
export function parseCircuit(path: string, value: unknown): CircuitSnapshot {
  const circuit = record(path, value);
  const { state, retryAfterMs, window } = circuit;
  if (state !== 'closed' && state !== 'open' && state !== 'half-open') {
    throw new TypeError(`${path}.state must be "closed", "open" or "half-open", got ${show(state)}`);
  }
  const totals = window === null ? null : record(`${path}.window`, window);
  return {
    state,
    retryAfterMs: retryAfterMs === null ? null : amount(`${path}.retryAfterMs`, retryAfterMs),
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
  return { calls: 0, attempts: 0, retries: 0, success: 0, failure: 0, ignored: 0, rejected: 0 };
}

function parseCounters(path: string, value: unknown): Counters {
  const given = record(path, value);
  const counters = noCounters();
  for (const name of Object.keys(counters) as (keyof Counters)[]) {
    counters[name] = amount(`${path}.${name}`, given[name]);
  }
  return counters;
}

const FAILURES: readonly string[] = [
  'status',
  'network',
  'body',
  'attempt-timeout',
  'deadline',
  'aborted',
  'refused',
] satisfies FailureKind[];

function parseLastFailure(path: string, value: unknown): LastFailure {
  const { at, failure, status } = record(path, value);
  if (!FAILURES.includes(failure as string)) throw new TypeError(`${path}.failure is unknown: ${show(failure)}`);
  return {
    at: amount(`${path}.at`, at),
    failure: failure as FailureKind,
    status: status === null ? null : amount(`${path}.status`, status),
  };
}

function record(path: string, value: unknown, known?: readonly string[]): Record<string, unknown> {
  checkKeys(path, value, known ?? Object.keys(value ?? {}));
  return value as Record<string, unknown>;
}

// NaN stands for "missing" here, which no rule lets pass.
function amount(path: string, value: unknown): number {
  return checkNumber(path, value ?? null, Number.NaN, { least: 0 });
}
