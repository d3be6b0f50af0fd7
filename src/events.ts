import { requireFunction } from './checks.ts';
import type { SteadfetchErrorCode } from './errors.ts';
import type { CircuitState } from './model/circuit.ts';
import type { Outcome } from './model/outcome.ts';

/**
 * In which way an attempt or a call went wrong. Never a message: those may carry URLs and what is in them. `outrun`: another
 * request of the same attempt was answered first, see {@link HedgeOptions}.
 */
export type FailureKind =
  | 'status'
  | 'network'
  | 'body'
  | 'attempt-timeout'
  | 'deadline'
  | 'aborted'
  | 'refused'
  | 'outrun';

interface EventBase {
  /** The dependency it is about: the URL's origin, unless `isolateBy` says otherwise. */
  readonly dependency: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

interface CallEventBase extends EventBase {
  /** Number of the call it is about, unique within the client: what calls side by side are told apart by. */
  readonly call: number;
}

/** An attempt ended: one trip to the network. */
export interface AttemptEvent extends CallEventBase {
  readonly type: 'attempt';
  /** Number of the attempt in its call, from 1. */
  readonly attempt: number;
  /** Whether it was sent beside another, which had no answer for a while. */
  readonly hedged?: true;
  /** What it says of the dependency. */
  readonly outcome: Outcome;
  /** From its beginning to its end, in ms. */
  readonly durationMs: number;
  /** The answer's status, if there was an answer. */
  readonly status?: number;
  /** How it went wrong, if it did. */
  readonly failure?: FailureKind;
}

/** Another attempt will follow after `delayMs`. */
export interface RetryEvent extends CallEventBase {
  readonly type: 'retry';
  /** Number of the attempt that will follow. */
  readonly attempt: number;
  /** The wait before it, in ms. */
  readonly delayMs: number;
  /** What the server asked for, if it did. */
  readonly retryAfterMs?: number;
}

/** The circuit changed its state. Each event's `from` is the `to` of the one before it. */
export interface TransitionEvent extends EventBase {
  readonly type: 'transition';
  /** The state it was in. */
  readonly from: CircuitState;
  /** The state it is in now. */
  readonly to: CircuitState;
  /** While open: milliseconds until a probe may go; `Infinity` when isolated by hand. */
  readonly retryAfterMs?: number;
}

/** A call was refused without touching the network. */
export interface RejectedEvent extends CallEventBase {
  readonly type: 'rejected';
  /** The code of the error that the call got. */
  readonly code: Extract<SteadfetchErrorCode, 'CIRCUIT_OPEN' | 'BULKHEAD_FULL' | 'QUEUE_TIMEOUT' | 'CLOSED'>;
}

/** A call has to wait for a slot. */
export interface QueuedEvent extends CallEventBase {
  readonly type: 'queued';
  /** Calls that hold a slot. */
  readonly running: number;
  /** Calls waiting, this one included. */
  readonly queued: number;
}

/** A call to the dependency ended, one that refreshes a stored answer too: with its response, or its error. */
export interface CompletedEvent extends CallEventBase {
  readonly type: 'completed';
  /** What the call says of the dependency. */
  readonly outcome: Outcome;
  /** Attempts made; 0 if the call was refused. */
  readonly attempts: number;
  /** From the call to its answer, waiting included. */
  readonly durationMs: number;
  /** How much of it was spent waiting for a slot; 0 if it had not to wait. */
  readonly queuedMs: number;
  /** The number of the call whose attempts it shared, in place of its own; see `fallback.coalesce`. */
  readonly joined?: number;
  /** The final answer's status, if there was an answer. */
  readonly status?: number;
  /** How the call went wrong, if it did. */
  readonly failure?: FailureKind;
}

/** A caller was answered without the network, or in its place. */
export interface FallbackEvent extends CallEventBase {
  readonly type: 'fallback';
  /** Stored, or the default that `respond` gave. */
  readonly source: 'cache' | 'default';
  /** Whether the answer tells its caller that it is second best. */
  readonly degraded: boolean;
  /** Age of a stored answer in ms; 0 for a default. */
  readonly ageMs: number;
  /** Why it is degraded: as in {@link Degradation.reason}. */
  readonly reason?: string;
}

/** A stored answer was renewed, or could not be. */
export interface RevalidatedEvent extends CallEventBase {
  readonly type: 'revalidated';
  /** Whether nobody waited for it. */
  readonly background: boolean;
  /** `confirmed` by a 304; `replaced` by a new answer; `dropped`: the server has none any more; `failed`: no answer. */
  readonly result: 'confirmed' | 'replaced' | 'dropped' | 'failed';
  /** The status of the server's answer, if there was one. */
  readonly status?: number;
}

/** A store failed; the call went on without it. */
export interface StoreErrorEvent extends EventBase {
  readonly type: 'store-error';
  /** What was asked of the store. */
  readonly operation: 'get' | 'set' | 'delete';
  /**
   * `timeout`: it gave no answer in time; `invalid`: what it gave was no entry of ours, and was deleted; else the name of
   * the error that it threw, such as `QuotaExceededError`.
   */
  readonly reason: string;
}

/** The fleet is there, or it is not: then the circuit decides by what it sees itself, as if it had none. */
export interface FleetEvent extends EventBase {
  readonly type: 'fleet';
  /** `joined`: the fleet is there; `alone`: it is not. */
  readonly status: 'joined' | 'alone';
  /**
   * Why it is alone: `timeout`, `invalid` (what the fleet's engine said made no sense), `contradicted` (it has seen the dependency
   * work, and the fleet says that it does not), `unsupported`, `closed`, or the word that says most of the engine's error.
   */
  readonly reason?: string;
}

/**
 * Everything a client tells about its work; tell them apart by `type`. An event is delivered in a turn of its own, once the
 * state it is about is committed: no layer is at work meanwhile, and whoever made the call goes on after it.
 */
export type SteadEvent =
  | AttemptEvent
  | RetryEvent
  | TransitionEvent
  | RejectedEvent
  | QueuedEvent
  | FallbackEvent
  | RevalidatedEvent
  | StoreErrorEvent
  | FleetEvent
  | CompletedEvent;

/** Is told of each event. One that throws is reported once, and goes on being told. */
export type Listener<E> = (event: E) => void;

/** An event on its way, and who was listening when it was sent. */
interface Delivery<E> {
  readonly event: E;
  readonly listeners: readonly Listener<E>[];
}

/**
 * Delivers events in order, to each listener, whatever a listener does: one that throws is reported once and goes on
 * being called; one that causes further events gets them after all have had the current one.
 */
export class Emitter<E> {
  #listeners: readonly Listener<E>[] = [];
  readonly #pending: Delivery<E>[] = [];
  readonly #reported = new WeakSet<Listener<E>>();
  readonly #defers: boolean;
  #delivering = false;

  /** @param defers Whether listeners are called in a microtask, and not before `emit` returns. */
  constructor(defers = false) {
    this.#defers = defers;
  }

  /** Whether anybody listens: if not, no event need be made. */
  get active(): boolean {
    return this.#listeners.length > 0;
  }

  /** Adds a listener, and returns the function that removes it. */
  subscribe(listener: Listener<E>): () => void {
    requireFunction('listener', listener);
    // A fresh array each time: an event on its way keeps the listeners it was sent to. The wrapper makes each
    // subscription its own, also of the same function.
    const own: Listener<E> = (event) => listener(event);
    this.#listeners = [...this.#listeners, own];
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== own);
    };
  }

  emit(event: E): void {
    this.#pending.push({ event, listeners: this.#listeners });
    if (this.#delivering) return;
    this.#delivering = true;
    if (this.#defers) queueMicrotask(() => this.#deliverAll());
    else this.#deliverAll();
  }

  #deliverAll(): void {
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
      for (const listener of next.listeners) this.#deliver(listener, next.event);
    }
    this.#delivering = false;
  }

  #deliver(listener: Listener<E>, event: E): void {
    // Unsubscribed since it was sent.
    if (!this.#listeners.includes(listener)) return;
    try {
      const returned: unknown = listener(event);
      // Not by its class: a promise may be of another realm, or of a library.
      if (typeof Reflect.get(Object(returned), 'then') === 'function') {
        Promise.resolve(returned).catch((error: unknown) => this.#report(listener, error));
      }
    } catch (error) {
      this.#report(listener, error);
    }
  }

  #report(listener: Listener<E>, error: unknown): void {
    if (this.#reported.has(listener)) return;
    this.#reported.add(listener);
    reportThrown('an event listener', error);
  }
}

const subjects = new WeakMap<SteadEvent, string>();

/** Notes what an event is about, for us alone: a URL may be personal, and is in no event. */
export function about(event: SteadEvent, subject: string): SteadEvent {
  subjects.set(event, subject);
  return event;
}

/** What an event is about; `undefined` if it is not known. */
export function subjectOf(event: SteadEvent): string | undefined {
  return subjects.get(event);
}

declare const reportError: ((error: unknown) => void) | undefined;

/** Tells of an error in a function of the user's that must not become the caller's: as the platform tells of any other. */
export function reportThrown(by: string, error: unknown): void {
  try {
    if (typeof reportError === 'function') reportError(error);
    else console.error(`steadfetch: ${by} threw`, error);
  } catch {
    // There is nobody left to tell.
  }
}
