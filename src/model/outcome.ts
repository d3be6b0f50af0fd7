/** What a call or an attempt tells about the dependency. `ignored` says nothing: the caller gave up, or the dependency answered "not now". */
export type Outcome = 'success' | 'failure' | 'ignored';

/** How an operation ended, as data. */
export type Settled<T> = { readonly value: T } | { readonly error: unknown };

export function unwrap<T>(result: Settled<T>): T {
  if ('error' in result) throw result.error;
  return result.value;
}

/** The answer was "later": the dependency is alive and says so. */
const BACK_PRESSURE_STATUS: readonly number[] = [408, 425, 429];

/** Statuses worth another try of an idempotent request (DESIGN section 3). */
export const RETRYABLE_STATUS: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** What an HTTP status tells about the dependency. */
export function outcomeOfStatus(status: number): Outcome {
  if (status >= 500) return 'failure';
  return BACK_PRESSURE_STATUS.includes(status) ? 'ignored' : 'success';
}
