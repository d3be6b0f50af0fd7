/** How the waits between attempts grow, and how they are spread. */
export interface BackoffLimits {
  readonly initialDelayMs: number;
  readonly multiplier: number;
  readonly maxDelayMs: number;
  readonly jitter: Jitter;
}

/**
 * `full`: uniform in [0, delay]. `decorrelated`: uniform in [initialDelayMs, 3 × the last wait]. A number is the share
 * of the delay that is random: 0 none, 0.2 uniform in [0.8 × delay, delay], 1 the same as `full`.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export type Jitter = 'full' | 'decorrelated' | number;

/** Milliseconds to wait after attempt number `attempt` (from 1), always in [0, maxDelayMs]. */
export function backoffMs(attempt: number, previousMs: number, limits: BackoffLimits, random: () => number): number {
  const { initialDelayMs, multiplier, maxDelayMs, jitter } = limits;
  if (jitter === 'decorrelated') {
    const lowest = Math.min(initialDelayMs, maxDelayMs);
    const highest = 3 * Math.max(previousMs, lowest);
    return Math.min(maxDelayMs, lowest + random() * (highest - lowest));
  }
  // 0 × Infinity is NaN, so a start of zero stays zero by itself.
  const grown = initialDelayMs === 0 ? 0 : Math.min(maxDelayMs, initialDelayMs * multiplier ** (attempt - 1));
  const share = jitter === 'full' ? 1 : jitter;
  return grown * (1 - share * random());
}
