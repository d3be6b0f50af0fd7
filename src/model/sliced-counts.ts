/** Counts of several kinds over the last `SLICES × sliceMs`. Constant memory at any traffic; updated in place. */
export interface SlicedCounts {
  readonly sliceMs: number;
  readonly kinds: number;
  /** Slice by slice, and in each kind by kind; the totals of all slices after the last: one array, for there is one per dependency. */
  readonly counts: number[];
  /** Number of the slice that is being filled: `floor(now / sliceMs)`. */
  current: number;
}

// A tenth of the span leaves at a time: precise enough for a rate.
const SLICES = 10;

export function slicedCounts(spanMs: number, kinds: number, now: number): SlicedCounts {
  const sliceMs = spanMs / SLICES;
  const counts = new Array<number>((SLICES + 1) * kinds).fill(0);
  return { sliceMs, kinds, counts, current: Math.floor(now / sliceMs) };
}

/** Adds to a kind, in O(1). */
export function addCount(sliced: SlicedCounts, kind: number, now: number, amount = 1): void {
  dropOldSlices(sliced, now);
  add(sliced, slot(sliced.current), kind, amount);
  add(sliced, TOTALS, kind, amount);
}

/** How many of a kind are in the span at `now`. */
export function countOf(sliced: SlicedCounts, kind: number, now: number): number {
  dropOldSlices(sliced, now);
  return countIn(sliced, TOTALS, kind);
}

/**
 * Adds an amount in parts, to the oldest slices first, to each as much as there is room for.
 * @param roomIn How much that is, in a slice: {@link countIn} tells what it holds.
 */
export function addToOldest(
  sliced: SlicedCounts,
  kind: number,
  now: number,
  amount: number,
  roomIn: (slice: number) => number,
): void {
  dropOldSlices(sliced, now);
  let left = amount;
  for (let age = SLICES - 1; age >= 0 && left > 0; age -= 1) {
    const slice = slot(sliced.current - age);
    const part = Math.min(left, Math.max(0, roomIn(slice)));
    add(sliced, slice, kind, part);
    add(sliced, TOTALS, kind, part);
    left -= part;
  }
}

const TOTALS = SLICES;

export function countIn({ counts, kinds }: SlicedCounts, slice: number, kind: number): number {
  return counts[slice * kinds + kind] ?? 0;
}

function add(sliced: SlicedCounts, slice: number, kind: number, amount: number): void {
  sliced.counts[slice * sliced.kinds + kind] = countIn(sliced, slice, kind) + amount;
}

function slot(slice: number): number {
  return ((slice % SLICES) + SLICES) % SLICES;
}

function dropOldSlices(sliced: SlicedCounts, now: number): void {
  const current = Math.floor(now / sliced.sliceMs);
  // After a full turn every slice has left: an idle hour costs no more than an idle span.
  const passed = Math.min(current - sliced.current, SLICES);
  for (let step = 1; step <= passed; step += 1) {
    const old = slot(current - passed + step);
    for (let kind = 0; kind < sliced.kinds; kind += 1) {
      const left = countIn(sliced, old, kind);
      add(sliced, TOTALS, kind, -left);
      add(sliced, old, kind, -left);
    }
  }
  if (passed > 0) sliced.current = current;
}
