import type { ClientSettings, HttpResult } from './client-options.ts';
import type { Clock } from './clock.ts';
import type { FleetStatus } from './fleet/fleet.ts';
import type { Answer } from './http/answer.ts';
import { withBodyEnd } from './http/body.ts';
import { callOf } from './http/call.ts';
import { isOrigin } from './http/request.ts';
import { outcomeOf, retryAfterMsOf } from './http/verdict.ts';
import type { CallContext, Next } from './layer.ts';
import type { CircuitState } from './model/circuit.ts';
import type { BreakerOptions, LayerTools } from './options.ts';
import { Bulkhead } from './policies/bulkhead.ts';
import { CircuitBreaker } from './policies/circuit-breaker.ts';
import { RetryBudget } from './policies/retry-budget.ts';
import {
  type Counters,
  type DependencySnapshot,
  type LastFailure,
  type LastTransition,
  noCounters,
} from './snapshot.ts';
import type { Telemetry } from './telemetry.ts';

/** What is known of one dependency, and the layers that hold it. Nothing in it is shared with another. */
export class Dependency {
  readonly key: string;
  readonly breaker: CircuitBreaker | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly budget: RetryBudget | undefined;
  /** The client's fetch, with its layers around this state: made on first use. */
  send: Next<Answer> | undefined;
  counters: Counters = noCounters();
  lastFailure: LastFailure | null = null;
  lastTransition: LastTransition | null = null;
  outageSince: number | null = null;
  /** Whether its name is the origin of its URLs. */
  readonly isOrigin: boolean;
  /** Calls under way. */
  active = 0;
  /** Whether it was called again since the registry last looked for an idle one. */
  recent = false;

  constructor(key: string, settings: ClientSettings, telemetry: Telemetry) {
    const { bulkhead, breaker, retry } = settings;
    const tools: LayerTools = { ...settings.tools, name: key };
    const { clock } = settings.tools;
    this.key = key;
    this.isOrigin = isOrigin(key);
    if (bulkhead !== false) {
      this.bulkhead = new Bulkhead(
        { ...bulkhead, ...tools },
        {
          holdFor,
          onQueued(running, queued, context) {
            const call = callOf(context);
            if (!telemetry.hears(call)) return;
            const at = clock.epochNow();
            telemetry.tell(call, { type: 'queued', call: call.id, dependency: key, at, running, queued });
          },
          onDequeued(waitedMs, context) {
            callOf(context).queuedMs = waitedMs;
          },
        },
      );
    }
    if (breaker !== false) {
      const onFleet = (status: FleetStatus): void => {
        if (!telemetry.events.active) return;
        telemetry.events.emit({ type: 'fleet', dependency: key, at: clock.epochNow(), ...status });
      };
      this.breaker = httpBreaker(breaker, tools, clock, onFleet, (from, to, retryAfterMs) => {
        const at = clock.epochNow();
        this.lastTransition = { at, from, to };
        this.outageSince = to === 'closed' ? null : (this.outageSince ?? at);
        if (!telemetry.events.active) return;
        const wait = to === 'open' ? { retryAfterMs } : {};
        telemetry.events.emit({ type: 'transition', dependency: key, at, from, to, ...wait });
      });
    }
    if (retry === false || retry.budget !== false) {
      this.budget = new RetryBudget({ ...(retry === false ? {} : retry.budget), ...tools });
    }
  }

  /**
   * Whether forgetting it loses little: no call under way, and none that would be refused. A circuit that has been open
   * and is due for a probe counts, or whoever knows a thousand dead hosts could keep every place taken.
   */
  get idle(): boolean {
    return this.active === 0 && (this.breaker === undefined || this.breaker.admits);
  }

  snapshot(): DependencySnapshot {
    const { bulkhead } = this;
    return {
      // First: it is asked for the state now, and that may be another.
      breaker: this.breaker?.snapshot() ?? null,
      lastTransition: this.lastTransition,
      outageSince: this.outageSince,
      running: bulkhead?.running ?? this.active,
      maxConcurrent: finite(bulkhead?.maxConcurrent),
      queued: bulkhead?.queued ?? 0,
      maxQueued: finite(bulkhead?.maxQueued),
      budget: this.budget?.snapshot() ?? null,
      retriesAvailable: this.budget?.available ?? null,
      counters: { ...this.counters },
      lastFailure: this.lastFailure,
    };
  }

  restore(saved: DependencySnapshot, elapsedMs: number): void {
    const { breaker, budget, counters, lastFailure } = saved;
    if (breaker !== null) this.breaker?.restore(breaker, elapsedMs);
    if (budget !== null) this.budget?.restore(budget, elapsedMs);
    this.counters = { ...counters };
    this.lastFailure = lastFailure;
    // An earlier version did not say.
    this.lastTransition = saved.lastTransition ?? this.lastTransition;
    this.outageSince = saved.outageSince ?? this.outageSince;
  }
}

/** JSON has no Infinity. */
function finite(limit: number | undefined): number | null {
  return limit === undefined || limit === Infinity ? null : limit;
}

/** Until the body handed out has ended. What `json` did not read (an answer that is not 2xx) is no longer its call. */
function holdFor<T>(value: T, release: () => void, context: CallContext): T {
  const isRead = (value as Answer).bytes !== undefined;
  if (callOf(context).reads === 'none' && !isRead) return withBodyEnd(value, release, context.caller.lease);
  release();
  return value;
}

function httpBreaker(
  options: BreakerOptions<HttpResult>,
  tools: LayerTools,
  clock: Clock,
  onFleet: (status: FleetStatus) => void,
  onTransition: (from: CircuitState, to: CircuitState, retryAfterMs: number) => void,
): CircuitBreaker {
  const { classify, ...rest } = options;
  return new CircuitBreaker(
    { ...rest, ...tools },
    {
      outcomeOf: (result, context) => outcomeOf(result, context, classify),
      retryAfterMsOf: (result) => retryAfterMsOf(result, clock.epochNow()),
      onTransition,
      onFleet,
    },
  );
}
