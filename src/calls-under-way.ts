import { kept, Scope } from './abort.ts';
import type { Clock } from './clock.ts';
import type { Dependency } from './dependency.ts';
import { ClosedError } from './errors.ts';
import { Unanswered, UnansweredCalls } from './model/unanswered.ts';

// How long drain() waits for calls that it has aborted: they settle within a few turns of the event loop, or never.
const FAREWELL_MS = 100;

/** One of them; what to leave by. */
export class CallUnderWay extends Unanswered<CallUnderWay> {
  /** See {@link Scope.kept}. */
  static readonly kept: CallUnderWay = /* @__PURE__ */ kept(
    () => new CallUnderWay(Scope.kept, undefined as never, 0.5),
  );

  readonly scope: Scope;
  readonly dependency: Dependency;

  constructor(scope: Scope, dependency: Dependency, deadlineAt: number) {
    super({ deadlineAt });
    this.scope = scope;
    this.dependency = dependency;
  }
}

/** The calls of a client that are under way: whom close() waits for, and who keeps a dependency from being idle. */
export class CallsUnderWay {
  readonly #clock: Clock;
  readonly #calls = new UnansweredCalls<CallUnderWay>();
  #onDrained: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  enter(scope: Scope, dependency: Dependency, deadlineAt: number, now: number): CallUnderWay {
    const call = new CallUnderWay(scope, dependency, deadlineAt);
    this.#calls.add(call);
    dependency.active += 1;
    for (let lost = this.#calls.takeLost(now); lost !== undefined; lost = this.#calls.takeLost(now)) this.#gone(lost);
    return call;
  }

  /** Now, or when the body has ended that is watched. */
  leave(call: CallUnderWay, streamed?: Promise<void>): void {
    if (streamed !== undefined) streamed.then(() => this.leave(call));
    else if (this.#calls.delete(call)) this.#gone(call);
  }

  #gone({ dependency }: CallUnderWay): void {
    dependency.active -= 1;
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
