import { checkNumber, checkOutcome, DELAY_MS } from '../checks.ts';
import { CircuitOpenError } from '../errors.ts';
import { Emitter, type Listener } from '../events.ts';
import type { Fleet, FleetSeat, FleetStatus } from '../fleet/fleet.ts';
import { type CallContext, type Done, Layer, type Next } from '../layer.ts';
import {
  admit,
  advance,
  advised,
  type Circuit,
  type CircuitState,
  closedCircuit,
  isolatedCircuit,
  isUnmoved,
  refusalMs,
  settle,
  type Ticket,
} from '../model/circuit.ts';
import { type CircuitSnapshot, circuitSnapshot, restoredCircuit } from '../model/circuit-snapshot.ts';
import type { Outcome, Settled } from '../model/outcome.ts';
import {
  type BreakerLimits,
  type BreakerOptions,
  type LayerTools,
  resolveBreaker,
  resolveTools,
  TOOL_KEYS,
  type Tools,
} from '../options.ts';
import { parseCircuit } from '../snapshot.ts';

/** A circuit has changed its state. */
export interface Transition {
  /** The state it was in. */
  readonly from: CircuitState;
  /** The state it is in now. */
  readonly to: CircuitState;
  /** Milliseconds until a probe may go, when it is now open; `Infinity` when isolated by hand; 0 otherwise. */
  readonly retryAfterMs: number;
}

/** How a breaker is to read results, where the default will not do. */
export interface BreakerHooks {
  /** What a result tells about the dependency. */
  outcomeOf?(result: Settled<unknown>, context: CallContext): Outcome;
  /** The least the dependency asked us to wait, in ms. */
  retryAfterMsOf?(result: Settled<unknown>): number | undefined;
  /** The state has changed: as {@link Transition} tells it. */
  onTransition?(from: CircuitState, to: CircuitState, retryAfterMs: number): void;
  /** The fleet is there, or it is not. */
  onFleet?(status: FleetStatus): void;
}

/**
 * Stops calling a dependency that fails: closed, open, half-open. By default 5 failures in a row open it; after the
 * reset timeout one probe at a time is let through, and 2 that succeed close it. A refused call rejects with
 * {@link CircuitOpenError} without running. Source: M. Nygard, "Release It!", 2007.
 */
export class CircuitBreaker extends Layer {
  readonly #limits: BreakerLimits;
  readonly #tools: Tools;
  readonly #hooks: BreakerHooks;
  /** Made for who listens: in a client, nobody does. */
  #transitions: Emitter<Transition> | undefined;
  readonly #seat: FleetSeat | undefined;
  #circuit: Circuit;

  /** @throws TypeError or RangeError if an option makes no sense. */
  constructor(options?: BreakerOptions & LayerTools);
  /**
   * @internal
   * @param limits For who has them already: those of many can be the same. So can the tools.
   */
  constructor(options?: BreakerOptions & LayerTools, hooks?: BreakerHooks, limits?: BreakerLimits, tools?: Tools);
  constructor(
    options: BreakerOptions & LayerTools = {},
    hooks: BreakerHooks = {},
    limits: BreakerLimits = resolveBreaker(options, ...TOOL_KEYS),
    tools: Tools = resolveTools(options),
  ) {
    super();
    this.#limits = limits;
    this.#tools = tools;
    this.#hooks = hooks;
    this.#circuit = closedCircuit(0, this.#tools.clock.now(), this.#limits);
    this.#seat = this.#limits.fleet && this.#join(this.#limits.fleet);
  }

  /** The state now: an open circuit whose reset timeout has passed is half-open. */
  get state(): CircuitState {
    return this.#moveOn().state;
  }

  /** Tells of each change of state, after it is made and in order. Returns the function that stops it. */
  subscribe(listener: Listener<Transition>): () => void {
    this.#transitions ??= new Emitter();
    return this.#transitions.subscribe(listener);
  }

  /** Holds the circuit open until {@link CircuitBreaker.reset}. Calls under way change nothing any more. */
  isolate(): void {
    this.#commit(isolatedCircuit(this.#circuit.generation + 1));
  }

  /** Closes the circuit, with nothing held against the dependency. Calls under way change nothing any more. */
  reset(): void {
    this.#commit(closedCircuit(this.#circuit.generation + 1, this.#tools.clock.now(), this.#limits));
  }

  /** The state as JSON. */
  snapshot(): CircuitSnapshot {
    return circuitSnapshot(this.#moveOn(), this.#tools.clock.now(), this.#limits);
  }

  /**
   * Goes on where a snapshot taken `elapsedMs` ago left off.
   * @throws TypeError or RangeError naming the part of it that makes no sense.
   */
  restore(snapshot: CircuitSnapshot, elapsedMs: number = 0): void {
    const checked = parseCircuit('snapshot', snapshot);
    const agoMs = checkNumber('elapsedMs', elapsedMs, 0, DELAY_MS);
    const restored = restoredCircuit(checked, agoMs, this.#tools.clock.now(), this.#limits);
    // Calls under way change nothing any more.
    this.#commit({ ...restored, generation: this.#circuit.generation + 1 });
  }

  /** @internal */
  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const ticket = this.#admit();
    if (typeof ticket !== 'number') return done({ error: ticket });
    return this.#record(ticket, this.#limits.counts === 'calls', next, context, done);
  }

  /**
   * The layer that goes inside the retries with `counts: "attempts"`: it records each attempt as it ends, while the
   * breaker itself, outside, admits calls and counts none.
   * @internal
   */
  get attempts(): Layer {
    return new Attempts((next, context, done) => this.#record(this.#circuit.generation, true, next, context, done));
  }

  /** Leaves the fleet, if it is in one: from now on it decides by what it sees itself. */
  leave(): void {
    this.#seat?.leave();
  }

  /** Whether calls are admitted freely: what a retry asks before it adds to the load. */
  get closed(): boolean {
    return this.#circuit.state === 'closed';
  }

  /** Whether a call made now would be admitted. */
  get admits(): boolean {
    return refusalMs(this.#circuit, this.#tools.clock.now(), this.#limits) === 0;
  }

  #admit(): Ticket | CircuitOpenError {
    const circuit = this.#circuit;
    const seat = this.#seat;
    // Closed is where a call finds it nearly always: no clock, no object.
    if (circuit.state === 'closed') {
      seat?.onCall?.();
      return circuit.generation;
    }
    const admission = admit(circuit, this.#tools.clock.now(), this.#limits, seat && (() => seat.probeWaitMs()));
    this.#commit(admission.circuit);
    if ('ticket' in admission) return admission.ticket;
    if (admission.circuit.state === 'open') seat?.onCall?.();
    return new CircuitOpenError(admission.retryAfterMs, { dependency: this.#tools.name });
  }

  #record<T, R>(
    ticket: Ticket,
    counted: boolean,
    next: Next<T>,
    context: CallContext,
    done: Done<T, R>,
  ): R | Promise<R> {
    // Only a window asks how long it took.
    const startedAt = this.#limits.window === undefined ? undefined : context.enteredAt(this.#tools.clock);
    return next(context, (result) => done(this.#noted(result, ticket, counted, startedAt, context)));
  }

  /** What is handed on: the result, or what a classify() of the user's has thrown at it. */
  #noted<T>(
    result: Settled<T>,
    ticket: Ticket,
    counted: boolean,
    startedAt: number | undefined,
    context: CallContext,
  ): Settled<T> {
    let outcome: Outcome = 'ignored';
    let retryAfterMs = 0;
    let thrown: Settled<never> | undefined;
    try {
      if (counted) outcome = this.#outcomeOf(result, context);
      if (outcome === 'failure') retryAfterMs = this.#hooks.retryAfterMsOf?.(result) ?? 0;
    } catch (error) {
      // It says nothing, but a probe has to give its place back.
      thrown = { error };
    }
    try {
      this.#settle(ticket, outcome, retryAfterMs, startedAt);
    } catch (error) {
      // A clock of the user's, or its chance.
      thrown ??= { error };
    }
    return thrown ?? result;
  }

  #settle(ticket: Ticket, outcome: Outcome, retryAfterMs: number, startedAt: number | undefined): void {
    const { clock, random } = this.#tools;
    const before = this.#circuit;
    if (isUnmoved(before, ticket, outcome)) return;
    const now = clock.now();
    const report = { outcome, durationMs: now - (startedAt ?? now), retryAfterMs };
    const after = settle(before, ticket, report, now, this.#limits, random);
    this.#commit(after);
    this.#tellFleet(before, after, now);
  }

  /** What a call has found out, the others need not; what a listener has made of the circuit since is its own business. */
  #tellFleet(before: Circuit, after: Circuit, now: number): void {
    const seat = this.#seat;
    if (seat === undefined || after.state === before.state) return;
    if (after.state === 'open') seat.opened(refusalMs(after, now, this.#limits), before.state === 'half-open');
    else if (after.state === 'closed') seat.closed();
  }

  #join(fleet: Fleet): FleetSeat {
    const { name, clock, random } = this.#tools;
    if (name === undefined) throw new TypeError('name must be a string where there is a breaker.fleet, got undefined');
    const { resetTimeoutMs, maxResetTimeoutMs } = this.#limits;
    return fleet.join({
      dependency: name,
      clock,
      random,
      leaseMs: resetTimeoutMs,
      patienceMs: maxResetTimeoutMs,
      onState: (state) => {
        const now = clock.now();
        this.#commit(advised(advance(this.#circuit, now), state, now, this.#limits));
      },
      onStatus: (status) => this.#hooks.onFleet?.(status),
    });
  }

  #outcomeOf(result: Settled<unknown>, context: CallContext): Outcome {
    if (this.#hooks.outcomeOf !== undefined) return this.#hooks.outcomeOf(result, context);
    // Whoever called gave up, and that says nothing about the dependency.
    if ('error' in result && context.scope.root.aborted) return 'ignored';
    if (this.#limits.classify !== undefined) {
      return checkOutcome('breaker.classify', this.#limits.classify(result));
    }
    return 'value' in result ? 'success' : 'failure';
  }

  #moveOn(): Circuit {
    this.#commit(advance(this.#circuit, this.#tools.clock.now()));
    return this.#circuit;
  }

  #commit(after: Circuit): void {
    const before = this.#circuit;
    this.#circuit = after;
    if (after.state === before.state) return;
    const retryAfterMs = after.state === 'open' ? refusalMs(after, this.#tools.clock.now(), this.#limits) : 0;
    this.#hooks.onTransition?.(before.state, after.state, retryAfterMs);
    this.#transitions?.emit({ from: before.state, to: after.state, retryAfterMs });
  }
}

type Around = <T, R>(next: Next<T>, context: CallContext, done: Done<T, R>) => R | Promise<R>;

class Attempts extends Layer {
  readonly #record: Around;

  constructor(record: Around) {
    super();
    this.#record = record;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    return this.#record(next, context, done);
  }
}
