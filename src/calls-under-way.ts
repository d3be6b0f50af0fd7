import type { Scope } from './abort.ts';
import type { Clock } from './clock.ts';
import type { Dependency } from './dependency.ts';
import { ClosedError } from './errors.ts';
import { Unanswered } from './model/unanswered.ts';

// How long drain() waits for calls that it has aborted: they settle within a few turns of the event loop, or never.
const FAREWELL_MS = 100;

/** The calls of a client that are under way: whom close() waits for, and who keeps a dependency from being idle. */
export class CallsUnderWay {
  readonly #clock: Clock;
  readonly #calls = new Map<Scope, Dependency>();
  readonly #unanswered = new Unanswered<Scope>();
  #onDrained: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  enter(scope: Scope, dependency: Dependency, deadlineAt: number, now: number): void {
    this.#calls.set(scope, dependency);
    dependency.active += 1;
    this.#unanswered.add(scope, { deadlineAt });
    for (let lost = this.#unanswered.takeLost(now); lost !== undefined; lost = this.#unanswered.takeLost(now)) {
      this.leave(lost);
    }
  }

  leave(scope: Scope): void {
    const dependency = this.#calls.get(scope);
    if (dependency === undefined) return;
    dependency.active -= 1;
    this.#calls.delete(scope);
    this.#unanswered.delete(scope);
    if (this.#calls.size === 0) this.#onDrained?.();
  }

  /** Resolves when none is left. Those that are after `drainMs` are aborted with {@link ClosedError}. */
  async drain(drainMs: number): Promise<void> {
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      let cancel = this.#clock.schedule(drainMs, () => {
        for (const [scope, { key }] of this.#calls) scope.abort(new ClosedError({ dependency: key }));
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
