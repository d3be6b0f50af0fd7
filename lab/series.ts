/** What there was at a time. */
export interface Point {
  /** Seconds since the start. */
  readonly second: number;
  readonly value: number;
}

/** Counts over time. */
export class Series {
  readonly bucketMs: number;
  readonly #counts: number[] = [];

  constructor(bucketMs = 1_000) {
    this.bucketMs = bucketMs;
  }

  add(at: number, amount = 1): void {
    const bucket = Math.floor(at / this.bucketMs);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + amount;
  }

  /** How much there was from one time to another, in whole buckets. */
  between(fromMs: number, toMs: number): number {
    let total = 0;
    for (let bucket = Math.floor(fromMs / this.bucketMs); bucket < Math.floor(toMs / this.bucketMs); bucket += 1) {
      total += this.#counts[bucket] ?? 0;
    }
    return total;
  }

  /** How much there was each second, over so many ms at a time. */
  perSecond(fromMs: number, toMs: number, stepMs = 500): Point[] {
    const points: Point[] = [];
    for (let at = fromMs; at < toMs; at += stepMs) {
      const value = (this.between(at, at + stepMs) / stepMs) * 1_000;
      points.push({ second: at / 1_000, value });
    }
    return points;
  }
}
