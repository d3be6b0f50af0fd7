/** From where callers had their answers; `failed`: they had none, or one that is the dependency's failure. */
export type Source = 'network' | 'stored' | 'degraded' | 'default' | 'failed';

/** What is counted: answers, and the retries spent on them. */
export type Counted = Source | 'retries';

/** What users got, best first. */
export const SOURCES: readonly Source[] = ['network', 'stored', 'degraded', 'default', 'failed'];

export type Totals = Readonly<Record<Counted, number>>;

const KINDS: readonly Counted[] = [...SOURCES, 'retries'];

/** A span asked for begins with a whole slice: up to this much earlier. */
export const SLICE_MS = 5_000;

/** Counts over any span up to a longest one. Constant memory at any traffic, and none before there is some. */
export class Answers {
  readonly #length: number;
  /** Number of the slice that each place holds: `floor(at / SLICE_MS)`. */
  #numbers: Float64Array | undefined;
  #counts: Uint32Array | undefined;

  constructor(longestMs: number) {
    this.#length = Math.ceil(longestMs / SLICE_MS) + 1;
  }

  /** Adds one, or takes one back, unless that is older than the longest span. */
  add(kind: Counted, at: number, amount: 1 | -1 = 1): void {
    this.#numbers ??= new Float64Array(this.#length).fill(-1);
    this.#counts ??= new Uint32Array(this.#length * KINDS.length);
    const number = Math.floor(at / SLICE_MS);
    const place = number % this.#length;
    const held = this.#numbers[place] ?? -1;
    if (held !== number) {
      // What happens now is not old: where there is something of later, the clock has been put back.
      if (amount < 0) return;
      this.#numbers[place] = number;
      this.#counts.fill(0, place * KINDS.length, (place + 1) * KINDS.length);
    }
    const index = place * KINDS.length + KINDS.indexOf(kind);
    this.#counts[index] = Math.max(0, (this.#counts[index] ?? 0) + amount);
  }

  /** The counts from the slice that `from` is in to the one that `to` is in. */
  totals(from: number, to: number): Totals {
    const totals = { network: 0, stored: 0, degraded: 0, default: 0, failed: 0, retries: 0 };
    const first = Math.floor(from / SLICE_MS);
    const last = Math.floor(to / SLICE_MS);
    for (const [place, number] of (this.#numbers ?? []).entries()) {
      if (number < first || number > last) continue;
      for (const [kind, name] of KINDS.entries()) totals[name] += this.#counts?.[place * KINDS.length + kind] ?? 0;
    }
    return totals;
  }
}
