import type { ClientSettings } from './client-options.ts';
import type { Clock } from './clock.ts';
import type { FleetStatus } from './fleet/fleet.ts';
import type { Answer } from './http/answer.ts';
import { withBodyEnd } from './http/body.ts';
import { type Call, callOf } from './http/call.ts';
import { isOrigin } from './http/request.ts';
import { callOutcomeOf, outcomeOf, retryAfterMsOf } from './http/verdict.ts';
import type { CallContext, Layer } from './layer.ts';
import type { CircuitState } from './model/circuit.ts';
import type { Sign } from './model/concurrency-limit.ts';
import { type HedgePace, newPace, noteRead, percentileMs, spendHedge } from './model/hedge-pace.ts';
import type { Outcome, Settled } from './model/outcome.ts';
import type { HedgeLimits, Tools } from './options.ts';
import { Bulkhead, type BulkheadHooks } from './policies/bulkhead.ts';
import { type BreakerHooks, CircuitBreaker } from './policies/circuit-breaker.ts';
import { RetryBudget } from './policies/retry-budget.ts';
import {
  type Counters,
  type DependencySnapshot,
  type LastFailure,
  type LastTransition,
  noCounters,
} from './snapshot.ts';
import type { Telemetry } from './telemetry.ts';

/**
 * What is known of one dependency, and the layers that hold it: nothing in it is shared with another. It is itself how these
 * read HTTP, whom they tell and where they have their tools from, for there may be many thousands.
 */
export class Dependency implements BulkheadHooks, BreakerHooks, Tools {
  readonly key: string;
  readonly breaker: CircuitBreaker | undefined;
  /** The breaker's layer inside the retries, where it has one. */
  readonly attempts: Layer | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly budget: RetryBudget | undefined;
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
  /** Made for who hedges by a percentile. */
  #pace: HedgePace | undefined;
  readonly #settings: ClientSettings;
  readonly #telemetry: Telemetry;

  constructor(key: string, settings: ClientSettings, telemetry: Telemetry) {
    this.key = key;
    this.isOrigin = isOrigin(key);
    this.#settings = settings;
    this.#telemetry = telemetry;
    const { bulkhead, breaker, budget } = settings;
    if (bulkhead !== false) this.bulkhead = new Bulkhead({}, this, bulkhead, this);
    if (breaker !== false) {
      this.breaker = new CircuitBreaker({}, this, breaker, this);
      if (breaker.counts === 'attempts') this.attempts = this.breaker.attempts;
    }
    if (budget !== false) this.budget = new RetryBudget({}, budget, this);
  }

  get name(): string {
    return this.key;
  }

  get clock(): Clock {
    return this.#settings.tools.clock;
  }

  get random(): () => number {
    return this.#settings.tools.random;
  }

  onQueued(running: number, queued: number, context: CallContext): void {
    const call = callOf(context);
    if (!this.#telemetry.hears(call)) return;
    const at = this.clock.epochNow();
    this.#telemetry.tell(call, { type: 'queued', call: call.id, dependency: this.key, at, running, queued });
  }

  onDequeued(waitedMs: number, context: CallContext): void {
    callOf(context).queuedMs += waitedMs;
  }

  /** A call that was sent more than once has waited in between: how long it took says nothing. */
  signOf(result: Settled<unknown>, context: CallContext): Sign | undefined {
    const { attempts, wasDropped, outcome } = callOf(context);
    if (attempts === 0 || context.scope.root.aborted) return undefined;
    if (wasDropped) return 'dropped';
    if (attempts > 1) return undefined;
    if (context.scope.aborted) return 'cut';
    return 'value' in result && outcome !== 'failure' ? 'served' : undefined;
  }

  /** Until the body handed out has ended. What `json` did not read (an answer that is not 2xx) is no longer its call. */
  holdFor<T>(value: T, release: () => void, context: CallContext): T {
    const call = callOf(context);
    const isRead = (value as Answer).bytes !== undefined;
    if (call.reads !== 'none' || isRead) {
      release();
      return value;
    }
    // Whoever can't hand it out is to let go of this: the body behind it is being read.
    call.answer = withBodyEnd(value as Answer, release, context.caller.lease);
    return call.answer as T;
  }

  outcomeOf(result: Settled<unknown>, context: CallContext): Outcome {
    const { breaker, classify } = this.#settings;
    const judge = breaker !== false && breaker.counts === 'attempts' ? outcomeOf : callOutcomeOf;
    return judge(result, context, classify);
  }

  retryAfterMsOf(result: Settled<unknown>): number | undefined {
    return retryAfterMsOf(result, this.clock.epochNow());
  }

  onTransition(from: CircuitState, to: CircuitState, retryAfterMs: number): void {
    const at = this.clock.epochNow();
    this.lastTransition = { at, from, to };
    this.outageSince = to === 'closed' ? null : (this.outageSince ?? at);
    const { events } = this.#telemetry;
    if (!events.active) return;
    const wait = to === 'open' ? { retryAfterMs } : {};
    events.emit({ type: 'transition', dependency: this.key, at, from, to, ...wait });
  }

  onFleet(status: FleetStatus): void {
    const { events } = this.#telemetry;
    if (!events.active) return;
    events.emit({ type: 'fleet', dependency: this.key, at: this.clock.epochNow(), ...status });
  }

  /** How long a read goes without an answer before it is sent once more, in ms; `undefined` if that can't be told yet. */
  hedgeAfterMs({ afterMs, percentile }: HedgeLimits, now: number): number | undefined {
    if (percentile === undefined) return afterMs;
    return this.#pace && percentileMs(this.#pace, percentile, now);
  }

  spendHedge({ percentile }: HedgeLimits): boolean {
    return percentile === undefined || this.#pace === undefined || spendHedge(this.#pace);
  }

  noteRead(tookMs: number, percentile: number, now: number): void {
    this.#pace ??= newPace(now);
    noteRead(this.#pace, tookMs, percentile, now);
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
    const { limits } = this.#settings;
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
      hedgeAfterMs: (limits.hedge && this.hedgeAfterMs(limits.hedge, this.clock.now())) || null,
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
    // Where there is no circuit, none will ever close.
    if (this.breaker !== undefined) this.outageSince = saved.outageSince ?? this.outageSince;
  }
}

/** Whom a call goes to. */
export function dependencyOf({ dependency }: Call): Dependency {
  return dependency as Dependency;
}

/** JSON has no Infinity. */
function finite(limit: number | undefined): number | null {
  return limit === undefined || limit === Infinity ? null : limit;
}
