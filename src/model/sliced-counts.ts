/** Counts of several kinds over the last `SLICES × sliceMs`. Constant memory at any traffic; updated in place. */
export interface SlicedCounts {
  readonly sliceMs: number;
  readonly slices: readonly number[][];
  readonly totals: number[];
  /** Number of the slice that is being filled: `floor(now / sliceMs)`. */
  current: number;
}

// A tenth of the span leaves at a time: precise enough for a rate.
const SLICES = 10;

export function slicedCounts(spanMs: number, kinds: number, now: number): SlicedCounts {
  const sliceMs = spanMs / SLICES;
  const zeros = (): number[] => new Array<number>(kinds).fill(0);
  return {
    sliceMs,
    slices: Array.from({ length: SLICES }, zeros),
    totals: zeros(),
    current: Math.floor(now / sliceMs),
  };
}

/** Adds to a kind, in O(1). */
export function addCount(counts: SlicedCounts, kind: number, now: number, amount = 1): void {
  dropOldSlices(counts, now);
  const slice = counts.slices[slot(counts.current)] ?? [];
  slice[kind] = (slice[kind] ?? 0) + amount;
  counts.totals[kind] = (counts.totals[kind] ?? 0) + amount;
}

/** How many of a kind are in the span at `now`. */
export function countOf(counts: SlicedCounts, kind: number, now: number): number {
  dropOldSlices(counts, now);
  return counts.totals[kind] ?? 0;
}

function slot(slice: number): number {
  return ((slice % SLICES) + SLICES) % SLICES;
}

function dropOldSlices(counts: SlicedCounts, now: number): void {
  const current = Math.floor(now / counts.sliceMs);
  // After a full turn every slice has left: an idle hour costs no more than an idle span.
  const passed = Math.min(current - counts.current, SLICES);
  for (let step = 1; step <= passed; step += 1) {
    const slice = counts.slices[slot(current - passed + step)] ?? [];
    for (let kind = 0; kind < slice.length; kind += 1) {
      counts.totals[kind] = (counts.totals[kind] ?? 0) - (slice[kind] ?? 0);
      slice[kind] = 0;
    }
  }
  if (passed > 0) counts.current = current;
}
