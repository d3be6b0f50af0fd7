import { percentile } from '../drill/statistics.ts';
import type { VirtualClock } from './clock.ts';
import { Series } from './series.ts';

/** What users got. */
export class Calls {
  readonly made = new Series(100);
  readonly answered = new Series(100);
  readonly failed = new Series(100);
  /** Those that were answered in the end, at the time they were made. */
  readonly madeWell = new Series(100);
  /** Of those that were answered, in ms. */
  readonly latenciesMs: number[] = [];
  /** Until a caller had an answer or an error, in ms. */
  readonly waitsMs: number[] = [];
  /** Calls that have been made and have not ended, and the most there were. */
  underWay = 0;
  mostUnderWay = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Notes what becomes of a call: an answer below 400 is one. */
  async note(call: Promise<Response>): Promise<void> {
    const startedAt = this.#clock.now();
    this.made.add(startedAt);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const isAnswered = await call.then(
      ({ status }) => status < 400,
      () => false,
    );
    const now = this.#clock.now();
    this.underWay -= 1;
    this.waitsMs.push(now - startedAt);
    (isAnswered ? this.answered : this.failed).add(now);
    if (!isAnswered) return;
    this.madeWell.add(startedAt);
    this.latenciesMs.push(now - startedAt);
  }

  /** Which share of the calls that were made between these times was answered in the end. */
  answeredShare(fromMs: number, toMs: number): number {
    return this.madeWell.between(fromMs, toMs) / this.made.between(fromMs, toMs);
  }

  /** The latency, in ms, that such a share of the answers did not exceed. */
  latencyMs(share: number): number {
    return percentile(this.latenciesMs, share) ?? 0;
  }

  /** The time, in ms, after which such a share of the callers had an answer or an error. */
  waitMs(share: number): number {
    return percentile(this.waitsMs, share) ?? 0;
  }
}
