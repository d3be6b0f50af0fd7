import type { AttemptEvent, CompletedEvent, DependencySnapshot, FallbackEvent } from '../../../src/index.ts';

export const AT = Date.UTC(2026, 0, 1);
export const NAME = 'https://api.test';

export function attempted(at: number, more: Partial<AttemptEvent> = {}): AttemptEvent {
  return {
    type: 'attempt',
    dependency: NAME,
    call: 1,
    at,
    attempt: 1,
    outcome: 'success',
    durationMs: 20,
    status: 200,
    ...more,
  };
}

export function completed(call: number, at: number, more: Partial<CompletedEvent> = {}): CompletedEvent {
  const base = { type: 'completed', dependency: NAME, call, at, attempts: 1, durationMs: 20, queuedMs: 0 } as const;
  return { ...base, outcome: 'success', status: 200, ...more };
}

export function failed(call: number, at: number): CompletedEvent {
  const base = { type: 'completed', dependency: NAME, call, at, attempts: 1, durationMs: 20, queuedMs: 0 } as const;
  return { ...base, outcome: 'failure', failure: 'network' };
}

export function fellBack(call: number, at: number, more: Partial<FallbackEvent> = {}): FallbackEvent {
  return { type: 'fallback', dependency: NAME, call, at, source: 'cache', degraded: false, ageMs: 5_000, ...more };
}

/** A dependency that is well, unless told otherwise. */
export function dependency(more: Partial<DependencySnapshot> = {}): DependencySnapshot {
  return {
    breaker: circuit('closed'),
    lastTransition: null,
    outageSince: null,
    running: 0,
    maxConcurrent: 6,
    queued: 0,
    maxQueued: 20,
    budget: null,
    retriesAvailable: 10,
    hedgeAfterMs: null,
    counters: {
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
    },
    lastFailure: null,
    ...more,
  };
}

export function circuit(
  state: 'closed' | 'open' | 'half-open',
  more: Partial<NonNullable<DependencySnapshot['breaker']>> = {},
): NonNullable<DependencySnapshot['breaker']> {
  return {
    state,
    retryAfterMs: 0,
    failedProbes: 0,
    successfulProbes: 0,
    consecutiveFailures: 0,
    window: null,
    ...more,
  };
}
