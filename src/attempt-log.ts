import type { ClientSettings } from './client-options.ts';
import type { Dependency } from './dependency.ts';
import { callOf } from './http/call.ts';
import { failureOf, httpResult, outcomeOf } from './http/verdict.ts';
import { type CallContext, Layer, type Next } from './layer.ts';
import { type Settled, unwrap } from './model/outcome.ts';
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
    const startedAt = clock.now();
    let result: Settled<T>;
    try {
      const sending =
        call.followers.length > 0 ? this.#telemetry.send(call, context.attempt, () => next(context)) : next(context);
      result = { value: await sending };
    } catch (error) {
      result = { error };
    }
    this.#note(result, context, clock.now() - startedAt);
    return unwrap(result);
  }

  #note(result: Settled<unknown>, context: CallContext, durationMs: number): void {
    const { breaker, tools } = this.#settings;
    const dependency = this.#dependency;
    const call = callOf(context);
    const outcome = outcomeOf(result, context, breaker === false ? undefined : breaker.classify);
    const failure = failureOf(result, outcome, context);
    const status = httpResult(result).response?.status;
    call.outcome = outcome;
    call.failure = failure;
    call.status = status;
    if (outcome === 'failure' && failure !== undefined) {
      dependency.lastFailure = { at: tools.clock.epochNow(), failure, status: status ?? null };
    }
    if (!this.#telemetry.hears(call)) return;
    this.#telemetry.tell(call, {
      type: 'attempt',
      call: call.id,
      dependency: dependency.key,
      at: tools.clock.epochNow(),
      attempt: context.attempt,
      outcome,
      durationMs,
      ...(status === undefined ? {} : { status }),
      ...(failure === undefined ? {} : { failure }),
    });
  }
}
