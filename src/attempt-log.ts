import type { ClientSettings } from './client-options.ts';
import type { Dependency } from './dependency.ts';
import type { FailureKind, SteadEvent } from './events.ts';
import { type Call, callOf } from './http/call.ts';
import { failureOf, httpResult, outcomeOf } from './http/verdict.ts';
import { type CallContext, Layer, type Next } from './layer.ts';
import { type Outcome, type Settled, unwrap } from './model/outcome.ts';
import type { Telemetry } from './telemetry.ts';

/** Notes each attempt: for the counters, the snapshot and who listens. It decides nothing. */
export class AttemptLog extends Layer {
  readonly #dependency: Dependency;
  readonly #settings: ClientSettings;
  readonly #telemetry: Telemetry;

  constructor(dependency: Dependency, settings: ClientSettings, telemetry: Telemetry) {
    super();
    this.#dependency = dependency;
    this.#settings = settings;
    this.#telemetry = telemetry;
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    // Given up between the slot, or the backoff, and the network: no attempt was made.
    if (context.scope.aborted) throw context.scope.reason;
    const { counters } = this.#dependency;
    const { clock } = this.#settings.tools;
    counters.attempts += 1;
    if (context.attempt > 1) counters.retries += 1;
    const call = callOf(context);
    call.attempts += 1;
    // Who sees it begin sees it end: a call that is shared may have passed to another caller by then.
    const { id, followers } = call;
    const startedAt = clock.now();
    let result: Settled<T>;
    try {
      const sending =
        followers.length > 0 ? this.#telemetry.send(call, context.attempt, () => next(context)) : next(context);
      result = { value: await sending };
    } catch (error) {
      result = { error };
    }
    const durationMs = clock.now() - startedAt;
    let outcome: Outcome = 'ignored';
    let failure: FailureKind | undefined;
    try {
      outcome = this.#outcomeOf(result, context);
      failure = failureOf(result, outcome, context);
    } finally {
      // Also when a classify() of the user's throws.
      this.#note(call, outcome, failure, httpResult(result).response?.status);
      if (this.#telemetry.hears(call) || followers.length > 0) {
        this.#telemetry.tell(call, this.#event(call, id, context.attempt, durationMs), followers);
      }
    }
    return unwrap(result);
  }

  #outcomeOf(result: Settled<unknown>, context: CallContext): Outcome {
    const { breaker } = this.#settings;
    return outcomeOf(result, context, breaker === false ? undefined : breaker.classify);
  }

  #note(call: Call, outcome: Outcome, failure: FailureKind | undefined, status: number | undefined): void {
    call.outcome = outcome;
    call.failure = failure;
    call.status = status;
    if (outcome === 'failure' && failure !== undefined) {
      const at = this.#settings.tools.clock.epochNow();
      this.#dependency.lastFailure = { at, failure, status: status ?? null };
    }
  }

  #event({ outcome, failure, status }: Call, call: number, attempt: number, durationMs: number): SteadEvent {
    return {
      type: 'attempt',
      call,
      dependency: this.#dependency.key,
      at: this.#settings.tools.clock.epochNow(),
      attempt,
      outcome,
      durationMs,
      ...(status === undefined ? {} : { status }),
      ...(failure === undefined ? {} : { failure }),
    };
  }
}
