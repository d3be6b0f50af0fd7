import { Link, LinkedList } from './linked-list.ts';

/** A call that waits for its answer. */
export abstract class Unanswered<C extends Unanswered<C>> extends Link<C> {
  /** When it has to be over: that may be put off. */
  readonly limit: { readonly deadlineAt: number };

  constructor(limit: { readonly deadlineAt: number }) {
    super();
    this.limit = limit;
  }
}

/**
 * Calls that wait for their answer. A call whose deadline is well past and that has none will never get one: on Workers,
 * what a request leaves unfinished when it ends is not cancelled but frozen, timers, `finally` and all.
 */
export class UnansweredCalls<C extends Unanswered<C>> {
  readonly #calls = new LinkedList<C>();
  /** Those without a deadline: they can't be told from what takes long. Made for the first, for mostly there is none. */
  #endless: LinkedList<C> | undefined;

  get size(): number {
    return this.#calls.size + (this.#endless?.size ?? 0);
  }

  add(call: C): void {
    if (call.limit.deadlineAt < Infinity) {
      this.#calls.add(call);
      return;
    }
    this.#endless ??= new LinkedList();
    this.#endless.add(call);
  }

  /** `false` if it is not there any more. */
  delete(call: C): boolean {
    return this.#calls.remove(call) || this.#endless?.remove(call) === true;
  }

  /** When the oldest call will be lost, if it gets no answer; `Infinity` if there is none. */
  get nextLostAt(): number {
    const { first } = this.#calls;
    return first === undefined ? Infinity : first.limit.deadlineAt + GRACE_MS;
  }

  /** Takes out the oldest call if it is lost. With one deadline for all, that is the order in which they get lost. */
  takeLost(now: number): C | undefined {
    const { first } = this.#calls;
    if (first === undefined || this.nextLostAt > now) return undefined;
    this.#calls.remove(first);
    return first;
  }

  /** All of them. */
  values(): C[] {
    return [...this.#calls.values(), ...(this.#endless?.values() ?? [])];
  }
}

// Later than any timer that still works can be: only what is frozen gets this old.
const GRACE_MS = 1_000;
