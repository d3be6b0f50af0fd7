/**
 * Calls that wait for their answer. A call whose deadline is well past and that has none will never get one: on Workers,
 * what a request leaves unfinished when it ends is not cancelled but frozen, timers, `finally` and all.
 */
export class Unanswered<C> {
  readonly #limits = new Map<C, { readonly deadlineAt: number }>();

  /**
   * A call without a deadline (`Infinity`) can't be told from one that takes long: it is not kept. A deadline that is put
   * off later counts.
   */
  add(call: C, limit: { readonly deadlineAt: number }): void {
    if (limit.deadlineAt < Infinity) this.#limits.set(call, limit);
  }

  delete(call: C): void {
    this.#limits.delete(call);
  }

  /** When the oldest call will be lost, if it gets no answer; `Infinity` if there is none. */
  get nextLostAt(): number {
    for (const { deadlineAt } of this.#limits.values()) return deadlineAt + GRACE_MS;
    return Infinity;
  }

  /** Takes out the oldest call if it is lost. With one deadline for all, that is the order in which they get lost. */
  takeLost(now: number): C | undefined {
    for (const [call, { deadlineAt }] of this.#limits) {
      if (deadlineAt + GRACE_MS > now) return undefined;
      this.#limits.delete(call);
      return call;
    }
    return undefined;
  }
}

// Later than any timer that still works can be: only what is frozen gets this old.
const GRACE_MS = 1_000;
