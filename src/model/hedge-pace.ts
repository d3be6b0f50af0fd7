import { addCount, countOf, type SlicedCounts, slicedCounts } from './sliced-counts.ts';

/**
 * When reads that are slower than a percentile are sent once more. Constant memory at any traffic; updated in place.
 */
export interface HedgePace {
  /** How long answers took in the last minute, in buckets, each a eleventh wider than the one before. */
  readonly latencies: SlicedCounts;
  /** Hedges that have been earned and not sent. */
  credit: number;
}

// Long enough for who reads every three seconds. That answers get slower is seen as soon as few of a minute's are; that they get
// faster again is seen later, and then fewer are hedged meanwhile.
const SPAN_MS = 60_000;

// From one ms to two minutes.
const PER_DOUBLING = 8;
const BUCKETS = 17 * PER_DOUBLING + 1;
/** The kind in which all of them are counted. */
const ALL = BUCKETS;

const LEAST_SAMPLES = 20;

// When all gets slow at once, more than a few hedges would come before the percentile knows.
const MOST_CREDIT = 10;

// 1 − 0.95 is more than a twentieth, and 1 − 0.9 less than a tenth.
const ROUNDING = 1e-9;

export function newPace(now: number): HedgePace {
  return { latencies: slicedCounts(SPAN_MS, BUCKETS + 1, now), credit: 0 };
}

/** Notes how long a read went without an answer, in O(1): of so many reads, as many as are slower than that share may be hedged. */
export function noteRead(pace: HedgePace, tookMs: number, share: number, now: number): void {
  addCount(pace.latencies, bucketOf(tookMs), now);
  addCount(pace.latencies, ALL, now);
  pace.credit = Math.min(MOST_CREDIT, pace.credit + 1 - share);
}

/** Takes one hedge of what has been earned; `false` if there is none. */
export function spendHedge(pace: HedgePace): boolean {
  if (pace.credit < 1 - ROUNDING) return false;
  pace.credit -= 1;
  return true;
}

/**
 * The latency, in ms, that such a share of the reads did not exceed: at most a eleventh above it, so that no more than the others
 * do. `undefined` while they are too few to tell.
 */
export function percentileMs({ latencies }: HedgePace, share: number, now: number): number | undefined {
  const all = countOf(latencies, ALL, now);
  const mayExceed = all * (1 - share) + ROUNDING;
  if (all < LEAST_SAMPLES || mayExceed < 1) return undefined;
  // From above: what is slow is less than what is fast.
  let slower = 0;
  for (let bucket = BUCKETS - 1; bucket > 0; bucket -= 1) {
    slower += countOf(latencies, bucket, now);
    if (slower > mayExceed) return mostIn(bucket);
  }
  return mostIn(0);
}

function bucketOf(ms: number): number {
  return ms > 1 ? Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms) * PER_DOUBLING)) : 0;
}

function mostIn(bucket: number): number {
  return 2 ** (bucket / PER_DOUBLING);
}
