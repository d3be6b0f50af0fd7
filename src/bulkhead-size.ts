import { COUNT, checkKeys, checkNumber, requireNumber } from './checks.ts';

/** What {@link bulkheadSize} works from. */
export interface BulkheadSizeOptions {
  /** Calls that all replicas together make of the dependency, per second, at the busiest. */
  readonly requestsPerSecond: number;
  /** How long one of them takes, in ms: take the 99th percentile of good days, not the mean. */
  readonly latencyMs: number;
  /** Processes that share these calls. Default 1. */
  readonly replicas?: number;
  /** Slots on top, as a share: 0.5 makes 15 of 10. Default 0. */
  readonly headroom?: number;
}

/**
 * How many calls of a dependency are under way at once in each replica, by Little's law (L = λW): what a bulkhead's
 * `maxConcurrent` has to allow. 200 a second at 50 ms over 10 replicas keep one slot each busy; at 500 ms, ten.
 *
 * @returns Slots, at least 1.
 * @throws TypeError or RangeError naming the option and the value.
 */
export function bulkheadSize(options: BulkheadSizeOptions): number {
  checkKeys('bulkheadSize', options, ['requestsPerSecond', 'latencyMs', 'replicas', 'headroom']);
  const perSecond = requireNumber('bulkheadSize.requestsPerSecond', options.requestsPerSecond, { above: 0 });
  const latencyMs = requireNumber('bulkheadSize.latencyMs', options.latencyMs, { above: 0 });
  const replicas = checkNumber('bulkheadSize.replicas', options.replicas, 1, COUNT);
  const headroom = checkNumber('bulkheadSize.headroom', options.headroom, 0, { least: 0 });
  const slots = ((perSecond * latencyMs) / 1_000 / replicas) * (1 + headroom);
  // 11.000000000000002 slots are 11.
  return Math.max(1, Math.ceil(Number(slots.toPrecision(12))));
}
