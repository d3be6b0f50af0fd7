import type { Scope } from './abort.ts';
import { show } from './checks.ts';
import type { Clock } from './clock.ts';
import { dependencyOf } from './dependency.ts';
import { about, Emitter, reportThrown, type SteadEvent } from './events.ts';
import type { Answer } from './http/answer.ts';
import type { Call } from './http/call.ts';
import { addressOf } from './http/request.ts';
import type { Settled } from './model/outcome.ts';
import type { Tools } from './options.ts';
import type { DependencySnapshot } from './snapshot.ts';

/** A call that has begun. */
export interface StartedCall {
  /** Its number, as in its events. */
  readonly call: number;
  /** The client's name, if it has one. */
  readonly client: string | undefined;
  readonly dependency: string;
  /** As the caller wrote it. */
  readonly method: string;
  /** `undefined` for a relative URL. */
  readonly url: URL | undefined;
  /** Whether nobody waits for it: it refreshes a stored answer. */
  readonly background: boolean;
  /** Whether what sends it is a fetch of the user's own. */
  readonly ownFetch: boolean;
  /** How its dependency is now. */
  readonly snapshot: () => DependencySnapshot;
}

/** Sees a client's calls from their start: what `steadfetch/otel` and `steadfetch/server-timing` are made of. */
export type Observer = (call: StartedCall) => CallObserver;

/** Follows one call, from inside it: what it throws is reported, and changes nothing. */
export interface CallObserver {
  /** An attempt is about to be sent. */
  onAttempt?(attempt: number): AttemptSetting | undefined;
  /** Its events, as they happen; attempts that others wait for may end after it. */
  onEvent(event: SteadEvent): void;
  /** It is over, with what its caller gets: nothing, if nobody waits for it. */
  onEnd(end: CallEnd): void;
}

export interface CallEnd {
  readonly result: Settled<Response | undefined>;
  readonly durationMs: number;
  /** Whether whoever made the call, or a limit of its own, has ended it. */
  readonly aborted: boolean;
}

/** An observer, and what it has follow one call. */
export interface Following {
  readonly observer: Observer;
  readonly follower: CallObserver;
  readonly since: number;
}

/** What goes with an attempt. */
export interface AttemptSetting {
  /** Headers that are sent with it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Runs what sends it. */
  within(send: () => unknown): void;
}

const telemetries = new WeakMap<object, Telemetry>();

/**
 * Has `observer` see each call that begins from now on. Returns the function that stops it.
 * @throws TypeError if it is no client of this copy of the library.
 */
export function observe(client: object, observer: Observer): () => void {
  return telemetryOf(client).observe(observer);
}

/** The name of a client. Unlike a snapshot, this begins nothing. */
export function nameOf(client: object): string | undefined {
  return telemetryOf(client).name;
}

function telemetryOf(client: object): Telemetry {
  const telemetry = telemetries.get(Object(client));
  if (telemetry !== undefined) return telemetry;
  throw new TypeError(`client must be what createClient() of this copy of steadfetch returned, got ${show(client)}`);
}

/** What a client tells of its calls: to its listeners, and to who sees them from inside. Nobody there, nothing done. */
export class Telemetry {
  readonly events: Emitter<SteadEvent> = new Emitter(true);
  readonly name: string | undefined;
  readonly #clock: Clock;
  readonly #ownFetch: boolean;
  readonly #reported = new WeakSet<Observer>();
  #observers: readonly Observer[] = [];
  #calls = 0;

  constructor({ name, clock }: Tools, ownFetch: boolean) {
    this.name = name;
    this.#clock = clock;
    this.#ownFetch = ownFetch;
  }

  /** Makes this the telemetry of `client`: see {@link observe}. */
  of<C extends object>(client: C): C {
    telemetries.set(client, this);
    return client;
  }

  observe(observer: Observer): () => void {
    // A wrapper makes each its own, also of the same function.
    const own: Observer = (call) => observer(call);
    this.#observers = [...this.#observers, own];
    return () => {
      this.#observers = this.#observers.filter((each) => each !== own);
    };
  }

  /** Gives a call its number, and those who follow it. */
  start(call: Call, background: boolean): void {
    this.#calls += 1;
    call.id = this.#calls;
    if (this.#observers.length === 0) return;
    const dependency = dependencyOf(call);
    const { input, init, url } = call.request;
    const started: StartedCall = {
      call: call.id,
      client: this.name,
      dependency: dependency.key,
      method: String(init.method ?? Reflect.get(Object(input), 'method') ?? 'GET'),
      url,
      background,
      ownFetch: this.#ownFetch,
      snapshot: () => dependency.snapshot(),
    };
    const since = this.#clock.now();
    const followers: Following[] = [];
    for (const observer of this.#observers) {
      this.#guarded(observer, () => followers.push({ observer, follower: observer(started), since }));
    }
    call.followers = followers;
  }

  /** Whether anybody is to hear of a call: if not, no event need be made. */
  hears(call: Call): boolean {
    return this.events.active || call.followers.length > 0;
  }

  /** @param followers Who is told beside the listeners: who follows the call, but for an attempt that others have seen begin. */
  tell(call: Call, event: SteadEvent, followers: Call['followers'] = call.followers): void {
    const { type } = event;
    if (this.events.active) {
      this.events.emit(type === 'completed' || type === 'fallback' ? about(event, addressOf(call.request)) : event);
    }
    for (const { observer, follower } of followers) this.#guarded(observer, () => follower.onEvent(event));
  }

  /** Sends an attempt as those who follow its call wish. */
  send<T>(call: Call, attempt: number, send: () => T): T {
    let sending = send;
    let headers: Record<string, string> | undefined;
    for (const { observer, follower } of call.followers) {
      this.#guarded(observer, () => {
        const setting = follower.onAttempt?.(attempt);
        if (setting === undefined) return;
        const inner = sending;
        sending = () => this.#within(observer, setting, inner);
        // What is no header throws here, and not in the fetch, where it would be held against the dependency.
        const names = [...new Headers(setting.headers).keys()];
        if (names.length > 0) headers = { ...headers, ...setting.headers };
      });
    }
    call.attached = headers;
    return sending();
  }

  #within<T>(observer: Observer, setting: AttemptSetting, send: () => T): T {
    let sent: { readonly value: T } | undefined;
    const once = (): T => {
      sent ??= { value: send() };
      return sent.value;
    };
    this.#guarded(observer, () => void setting.within(once));
    return once();
  }

  end(call: Call, given: Settled<Answer | undefined>, { aborted }: Scope): void {
    if (call.followers.length === 0) return;
    const now = this.#clock.now();
    const result = 'error' in given ? given : { value: given.value?.response };
    for (const { observer, follower, since } of call.followers) {
      this.#guarded(observer, () => follower.onEnd({ result, durationMs: now - since, aborted }));
    }
  }

  #guarded(observer: Observer, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#reported.has(observer)) return;
      this.#reported.add(observer);
      reportThrown('an observer', error);
    }
  }
}
