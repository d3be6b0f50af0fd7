import type { Scope } from './abort.ts';
import type { Clock } from './clock.ts';
import type { Dependency } from './dependency.ts';
import { ClosedError } from './errors.ts';
import { type Link, LinkedList } from './model/linked-list.ts';
import { Unanswered, type Wait } from './model/unanswered.ts';

// How long drain() waits for calls that it has aborted: they settle within a few turns of the event loop, or never.
const FAREWELL_MS = 100;

/** One of them; what to leave by. */
export interface CallUnderWay {
  readonly scope: Scope;
  readonly dependency: Dependency;
  wait: Wait<Link<CallUnderWay>>;
}

/** The calls of a client that are under way: whom close() waits for, and who keeps a dependency from being idle. */
export class CallsUnderWay {
  readonly #clock: Clock;
  readonly #calls = new LinkedList<CallUnderWay>();
  readonly #unanswered = new Unanswered<Link<CallUnderWay>>();
  #onDrained: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  enter(scope: Scope, dependency: Dependency, deadlineAt: number, now: number): Link<CallUnderWay> {
    const call = this.#calls.add({ scope, dependency, wait: undefined });
    dependency.active += 1;
    call.value.wait = this.#unanswered.add(call, { deadlineAt });
    for (let lost = this.#unanswered.takeLost(now); lost !== undefined; lost = this.#unanswered.takeLost(now)) {
      this.leave(lost);
    }
    return call;
  }

  leave(call: Link<CallUnderWay>): void {
    if (!this.#calls.remove(call)) return;
    const { dependency, wait } = call.value;
    dependency.active -= 1;
    this.#unanswered.delete(wait);
    if (this.#calls.size === 0) this.#onDrained?.();
  }

  /** Resolves when none is left. Those that are after `drainMs` are aborted with {@link ClosedError}. */
  async drain(drainMs: number): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      let cancel = this.#clock.schedule(drainMs, () => {
        for (const { scope, dependency } of this.#calls.values())
          scope.abort(new ClosedError({ dependency: dependency.key }));
        // Whoever can still be told is gone in a moment; who can't be (see Unanswered) is not waited for.
        cancel = this.#clock.schedule(FAREWELL_MS, resolve);
      });
      this.#onDrained = () => {
        cancel();
        resolve();
      };
    });
  }
}
