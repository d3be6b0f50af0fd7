import type { ClientSettings } from './client-options.ts';
import { dependencyOf } from './dependency.ts';
import type { FailureKind, SteadEvent } from './events.ts';
import { type Call, callOf } from './http/call.ts';
import { failureOf, isDropped, outcomeOf, statusOf } from './http/verdict.ts';
import { type CallContext, type Done, Layer, type Next, promising, whenSettled } from './layer.ts';
import type { Outcome, Settled } from './model/outcome.ts';
import type { Telemetry } from './telemetry.ts';

/** What was known of an attempt when it began. */
interface Begun {
  readonly id: number;
  readonly followers: Call['followers'];
  readonly startedAt: number;
}

/** Notes each attempt: for the counters, the snapshot and who listens. It decides nothing. */
export class AttemptLog extends Layer {
  readonly #settings: ClientSettings;
  readonly #telemetry: Telemetry;

  constructor(settings: ClientSettings, telemetry: Telemetry) {
    super();
    this.#settings = settings;
    this.#telemetry = telemetry;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    // Given up between the slot, or the backoff, and the network: no attempt was made.
    if (context.scope.aborted) return done({ error: context.scope.reason });
    const call = callOf(context);
    const { counters } = dependencyOf(call);
    counters.attempts += 1;
    if (context.attempt > 1 && call.race?.isHedge !== true) counters.retries += 1;
    call.attempts += 1;
    // Who sees it begin sees it end: a call that is shared may have passed to another caller by then.
    const { id, followers } = call;
    const startedAt = context.enteredAt(this.#settings.tools.clock);
    const ended: Done<T, R> = (result) => done(this.#noted(result, context, call, { id, followers, startedAt }));
    if (followers.length === 0) return next(context, ended);
    // What comes after it is not to run as its followers wish: hence the promise.
    return whenSettled(
      this.#telemetry.send(call, numberOf(call, context), () => promising(next)(context)),
      ended,
    );
  }

  /** What is handed on: the result, or what a classify() of the user's has thrown at it. */
  #noted<T>(result: Settled<T>, context: CallContext, call: Call, { id, followers, startedAt }: Begun): Settled<T> {
    let outcome: Outcome = 'ignored';
    let failure: FailureKind | undefined;
    let thrown: Settled<never> | undefined;
    try {
      outcome = this.#outcomeOf(result, context);
      failure = failureOf(result, outcome, context);
    } catch (error) {
      thrown = { error };
    }
    this.#note(call, outcome, failure, statusOf(result));
    if (this.#telemetry.hears(call) || followers.length > 0) {
      const durationMs = this.#settings.tools.clock.now() - startedAt;
      this.#telemetry.tell(call, this.#event(call, id, numberOf(call, context), durationMs), followers);
    }
    return thrown ?? result;
  }

  #outcomeOf(result: Settled<unknown>, context: CallContext): Outcome {
    return outcomeOf(result, context, this.#settings.classify);
  }

  #note(call: Call, outcome: Outcome, failure: FailureKind | undefined, status: number | undefined): void {
    call.outcome = outcome;
    call.failure = failure;
    call.status = status;
    if (outcome === 'success') return;
    const whole = call.race?.call ?? call;
    if (isDropped(status, outcome, failure)) whole.wasDropped = true;
    if (outcome !== 'failure') return;
    whole.hasFailed = true;
    if (failure !== undefined) {
      const at = this.#settings.tools.clock.epochNow();
      dependencyOf(call).lastFailure = { at, failure, status: status ?? null };
    }
  }

  #event(
    { dependency, outcome, failure, status, race }: Call,
    call: number,
    attempt: number,
    durationMs: number,
  ): SteadEvent {
    return {
      type: 'attempt',
      call,
      dependency: dependency.key,
      at: this.#settings.tools.clock.epochNow(),
      attempt,
      ...(race?.isHedge === true ? { hedged: true } : {}),
      outcome,
      durationMs,
      ...(status === undefined ? {} : { status }),
      ...(failure === undefined ? {} : { failure }),
    };
  }
}

/** Which of the attempts of its call it is, from 1. */
function numberOf({ attemptsBefore }: Call, { attempt }: CallContext): number {
  return attempt + attemptsBefore;
}
