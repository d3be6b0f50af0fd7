/**
 * Calls that wait for their answer. A call whose deadline is well past and that has none will never get one: on Workers,
 * what a request leaves unfinished when it ends is not cancelled but frozen, timers, `finally` and all.
 */
export class Unanswered<C> {
  readonly #lostAt = new Map<C, number>();

  /** A call without a deadline (`Infinity`) can't be told from one that takes long: it is not kept. */
  add(call: C, deadlineAt: number): void {
    if (deadlineAt < Infinity) this.#lostAt.set(call, deadlineAt + GRACE_MS);
  }

  delete(call: C): void {
    this.#lostAt.delete(call);
  }

  /** When the oldest call will be lost, if it gets no answer; `Infinity` if there is none. */
  get nextLostAt(): number {
    for (const lostAt of this.#lostAt.values()) return lostAt;
    return Infinity;
  }

  /** Takes out the oldest call if it is lost. With one deadline for all, that is the order in which they get lost. */
  takeLost(now: number): C | undefined {
    for (const [call, lostAt] of this.#lostAt) {
      if (lostAt > now) return undefined;
      this.#lostAt.delete(call);
      return call;
    }
    return undefined;
  }
}

// Later than any timer that still works can be: only what is frozen gets this old.
const GRACE_MS = 1_000;
