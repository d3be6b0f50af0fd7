import { type Link, LinkedList } from './linked-list.ts';

interface Waiting<C> {
  readonly call: C;
  readonly limit: { readonly deadlineAt: number };
}

/** A call's place among those that are unanswered; `undefined` for one that is not kept. */
export type Wait<C> = Link<Waiting<C>> | undefined;

/**
 * Calls that wait for their answer. A call whose deadline is well past and that has none will never get one: on Workers,
 * what a request leaves unfinished when it ends is not cancelled but frozen, timers, `finally` and all.
 */
export class Unanswered<C> {
  readonly #calls = new LinkedList<Waiting<C>>();

  /**
   * A call without a deadline (`Infinity`) can't be told from one that takes long: it is not kept. A deadline that is put
   * off later counts.
   */
  add(call: C, limit: { readonly deadlineAt: number }): Wait<C> {
    return limit.deadlineAt < Infinity ? this.#calls.add({ call, limit }) : undefined;
  }

  delete(wait: Wait<C>): void {
    if (wait !== undefined) this.#calls.remove(wait);
  }

  /** When the oldest call will be lost, if it gets no answer; `Infinity` if there is none. */
  get nextLostAt(): number {
    const { first } = this.#calls;
    return first === undefined ? Infinity : first.value.limit.deadlineAt + GRACE_MS;
  }

  /** Takes out the oldest call if it is lost. With one deadline for all, that is the order in which they get lost. */
  takeLost(now: number): C | undefined {
    const { first } = this.#calls;
    if (first === undefined || this.nextLostAt > now) return undefined;
    this.#calls.remove(first);
    return first.value.call;
  }
}

// Later than any timer that still works can be: only what is frozen gets this old.
const GRACE_MS = 1_000;
