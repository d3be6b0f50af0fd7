import type { Clock } from '../clock.ts';
import { type Checked, carryOut, type NamedCheck } from './check.ts';

// What a result may come late by before it is taken for lost: on Workers, what a request leaves unfinished never ends.
const GRACE_MS = 1_000;

/** The checks behind one endpoint: carried out side by side, once for all who ask, and not again for a while. */
export class Probe {
  readonly #checks: readonly NamedCheck[];
  readonly #cacheMs: number;
  readonly #clock: Clock;
  readonly #longestMs: number;
  #results: readonly Checked[] | undefined;
  #goodUntil = -Infinity;
  #underWay: Promise<readonly Checked[]> | undefined;
  #lostAt = -Infinity;

  constructor(checks: readonly NamedCheck[], cacheMs: number, clock: Clock) {
    this.#checks = checks;
    this.#cacheMs = cacheMs;
    this.#clock = clock;
    this.#longestMs = Math.max(0, ...checks.map(({ timeoutMs }) => timeoutMs)) + GRACE_MS;
  }

  /** What the checks have found; `undefined` if they are gone for good. */
  async results(): Promise<readonly Checked[] | undefined> {
    const now = this.#clock.now();
    if (this.#results !== undefined && now < this.#goodUntil) return this.#results;
    if (this.#underWay === undefined || now >= this.#lostAt) {
      this.#lostAt = now + this.#longestMs;
      // Not at once: a check may ask the very endpoint that it is behind.
      this.#underWay = Promise.resolve().then(() => this.#carryOut(now));
    }
    return this.#within(this.#lostAt - now, this.#underWay);
  }

  async #carryOut(startedAt: number): Promise<readonly Checked[]> {
    const results = await Promise.all(this.#checks.map((check) => carryOut(check, this.#clock)));
    // One that was lost and comes all the same does not replace what came after it.
    if (this.#lostAt === startedAt + this.#longestMs) {
      this.#results = results;
      this.#goodUntil = this.#clock.now() + this.#cacheMs;
      this.#underWay = undefined;
    }
    return results;
  }

  /** On a timer of the one who asks: that of another request may have stopped with it. */
  #within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(ms, () => resolve(undefined));
      cancel.unref?.();
      work.then((value) => {
        cancel();
        resolve(value);
      });
    });
  }
}
