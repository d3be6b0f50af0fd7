/** What hears of an abort: a function, or what is to be aborted as well, which costs no function. */
export type AbortListener = (() => void) | { abort(reason: unknown): void };

function tell(listener: AbortListener, reason: unknown): void {
  if (typeof listener === 'function') listener();
  else listener.abort(reason);
}

/** Who is to hear of an abort, in the order in which they came: nearly always one, for whom a Set would cost more than all the rest. */
abstract class Listeners {
  #first: AbortListener | undefined;
  #others: Set<AbortListener> | undefined;

  protected get hasListeners(): boolean {
    return this.#first !== undefined || (this.#others !== undefined && this.#others.size > 0);
  }

  /** Calls `listener` once on abort; it must not throw. */
  onAbort(listener: AbortListener): void {
    if (!this.hasListeners) this.#first = listener;
    else {
      this.#others ??= new Set();
      this.#others.add(listener);
    }
  }

  offAbort(listener: AbortListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }

  protected tellAll(reason: unknown): void {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) tell(first, reason);
    if (this.#others === undefined) return;
    for (const listener of this.#others) tell(listener, reason);
    this.#others.clear();
  }
}

/** Those who follow one signal: it is kept for as long as the signal is, with a listener there only while there are any. */
class Followers extends Listeners {
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    super();
    this.#signal = signal;
  }

  override onAbort(listener: AbortListener): void {
    if (!this.hasListeners) this.#signal.addEventListener('abort', this.#onAbort);
    super.onAbort(listener);
  }

  override offAbort(listener: AbortListener): void {
    super.offAbort(listener);
    if (!this.hasListeners) this.#stop();
  }

  readonly #onAbort = (): void => {
    this.#stop();
    this.tellAll(this.#signal.reason);
  };

  #stop(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}

const followersOf = new WeakMap<AbortSignal, Followers>();

/**
 * Tells `listener` when `signal` aborts, and returns the function that stops it. However many follow one signal, it
 * carries a single listener, gone with the last follower: a signal that lives for days is not slowed down by the calls
 * made under it (an EventTarget searches its listeners on each add and remove), and no MaxListeners warning appears.
 */
export function follow(signal: AbortSignal, listener: AbortListener): () => void {
  let followers = followersOf.get(signal);
  if (followers === undefined) {
    followers = new Followers(signal);
    followersOf.set(signal, followers);
  }
  followers.onAbort(listener);
  return () => followers.offAbort(listener);
}

/** For a bundler: of whom nobody uses the class, nobody need make the one that is kept. */
export function kept<T>(make: () => T): T {
  return make();
}

/**
 * The span in which work may go on: it ends early by `abort`, its own or its parent's. A chain of scopes costs plain
 * objects; a platform signal is made only where somebody asks for one, which is what makes six layers affordable.
 */
export class Scope extends Listeners {
  /**
   * One that is kept for good, as of the other classes of which each call makes some. V8 throws away the code compiled for a
   * class of which a full garbage collection finds no instance: the calls after it would cost three times as much.
   */
  static readonly kept: Scope = /* @__PURE__ */ new Scope(/* @__PURE__ */ new Scope());

  /** What nobody is going to abort. It is one for all, and has no signal and no listeners. */
  static readonly endless: Scope = /* @__PURE__ */ new Scope(undefined, true);

  /** The outermost scope: aborted by the caller, never by a layer's timer. */
  readonly root: Scope;
  /** Whether it is {@link Scope.endless}. */
  readonly isEndless: boolean;
  readonly #parent: Scope | undefined;
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  constructor(parent?: Scope, isEndless = false) {
    super();
    this.root = parent?.root ?? this;
    this.isEndless = isEndless;
    this.#parent = parent;
    if (parent === undefined) return;
    if (parent.#aborted) this.abort(parent.#reason);
    else parent.onAbort(this);
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** The platform's view of this scope. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Ends the work under this scope, once: a later reason changes nothing. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.tellAll(reason);
    this.#controller?.abort(reason);
  }

  override onAbort(listener: AbortListener): void {
    if (!this.isEndless) super.onAbort(listener);
  }

  /** Stops following the parent: the work is done. */
  close(): void {
    this.#parent?.offAbort(this);
  }
}
