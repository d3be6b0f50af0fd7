import { percentile } from '../drill/statistics.ts';
import type { VirtualClock } from './clock.ts';
import { Series } from './series.ts';

/** What users got. */
export class Calls {
  readonly made = new Series(100);
  readonly answered = new Series(100);
  readonly failed = new Series(100);
  /** Of those that were answered, in ms. */
  readonly latenciesMs: number[] = [];
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Notes what becomes of a call: an answer below 400 is one. */
  async note(call: Promise<Response>): Promise<void> {
    const startedAt = this.#clock.now();
    this.made.add(startedAt);
    const isAnswered = await call.then(
      ({ status }) => status < 400,
      () => false,
    );
    const now = this.#clock.now();
    (isAnswered ? this.answered : this.failed).add(now);
    if (isAnswered) this.latenciesMs.push(now - startedAt);
  }

  /** The latency, in ms, that such a share of the answers did not exceed. */
  latencyMs(share: number): number {
    return percentile(this.latenciesMs, share) ?? 0;
  }
}
