import type { ClientSettings } from './client-options.ts';
import { dependencyOf } from './dependency.ts';
import { SteadfetchError } from './errors.ts';
import type { FailureKind, RejectedEvent } from './events.ts';
import { type Call, callOf } from './http/call.ts';
import { type CallContext, type Done, Layer, type Next } from './layer.ts';
import type { Outcome, Settled } from './model/outcome.ts';
import type { Telemetry } from './telemetry.ts';

/** Notes each call: for the counters, the snapshot and who listens. It decides nothing. */
export class CallLog extends Layer {
  readonly #settings: ClientSettings;
  readonly #telemetry: Telemetry;

  constructor(settings: ClientSettings, telemetry: Telemetry) {
    super();
    this.#settings = settings;
    this.#telemetry = telemetry;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const startedAt = context.enteredAt(this.#settings.tools.clock);
    dependencyOf(callOf(context)).counters.calls += 1;
    const ended: Done<T, R> = (result) => {
      this.#note(result, context, startedAt);
      return done(result);
    };
    // Over before it began: the client is closed, or an inherited deadline past due. No layer need be asked.
    return context.scope.aborted ? ended({ error: context.scope.reason }) : next(context, ended);
  }

  #note(result: Settled<unknown>, context: CallContext, startedAt: number): void {
    const call = callOf(context);
    const { counters, key: dependency } = dependencyOf(call);
    const attempts = call.attempts - call.attemptsBefore;
    const refusal = refusalIn(result, attempts);
    const silent = attempts === 0 || ('error' in result && context.scope.aborted);
    const outcome = silent ? 'ignored' : outcomeOf(call, this.#settings);
    counters[outcome] += 1;
    if (refusal !== undefined) counters.rejected += 1;
    const telemetry = this.#telemetry;
    if (!telemetry.hears(call)) return;
    const { clock } = this.#settings.tools;
    const at = clock.epochNow();
    if (refusal !== undefined) telemetry.tell(call, { type: 'rejected', call: call.id, dependency, at, code: refusal });
    const failure = failureOf(result, context, refusal);
    telemetry.tell(call, {
      type: 'completed',
      call: call.id,
      dependency,
      at,
      outcome,
      attempts: call.attempts,
      durationMs: clock.now() - startedAt,
      queuedMs: call.queuedMs,
      ...(call.joined === undefined ? {} : { joined: call.joined }),
      ...(call.status === undefined || 'error' in result ? {} : { status: call.status }),
      ...(failure === undefined ? {} : { failure }),
    });
  }
}

/** As for its circuit: see callOutcomeOf(). */
function outcomeOf({ outcome, failure, hasFailed, pastDue }: Call, { classify }: ClientSettings): Outcome {
  const isOverdue = outcome === 'ignored' && failure === 'deadline' && !pastDue && classify === undefined;
  return isOverdue && hasFailed ? 'failure' : outcome;
}

/** The code of a refusal of ours; an error of the same class that came from behind the network is none. */
function refusalIn(result: Settled<unknown>, attempts: number): RejectedEvent['code'] | undefined {
  if (!('error' in result) || attempts > 0 || !(result.error instanceof SteadfetchError)) return undefined;
  const { code } = result.error;
  const refused = code === 'CIRCUIT_OPEN' || code === 'BULKHEAD_FULL' || code === 'QUEUE_TIMEOUT' || code === 'CLOSED';
  return refused ? code : undefined;
}

function failureOf(
  result: Settled<unknown>,
  context: CallContext,
  refusal: RejectedEvent['code'] | undefined,
): FailureKind | undefined {
  const call = callOf(context);
  if ('value' in result) return call.failure;
  if (refusal !== undefined) return 'refused';
  if (context.scope.aborted) return call.pastDue ? 'deadline' : 'aborted';
  return call.attempts === call.attemptsBefore && !call.follows ? 'deadline' : call.failure;
}
