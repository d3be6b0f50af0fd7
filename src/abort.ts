interface Followers {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const followersOf = new WeakMap<AbortSignal, Followers>();

/**
 * Calls `callback` when `signal` aborts, and returns the function that stops it. However many follow one signal, it
 * carries a single listener, gone with the last follower: a signal that lives for days is not slowed down by the calls
 * made under it (an EventTarget searches its listeners on each add and remove), and no MaxListeners warning appears.
 */
export function follow(signal: AbortSignal, callback: () => void): () => void {
  let followers = followersOf.get(signal);
  if (followers === undefined) {
    const callbacks = new Set<() => void>();
    followers = {
      callbacks,
      listener: () => {
        followersOf.delete(signal);
        for (const each of callbacks) each();
        callbacks.clear();
      },
    };
    followersOf.set(signal, followers);
    signal.addEventListener('abort', followers.listener, { once: true });
  }
  const { callbacks, listener } = followers;
  callbacks.add(callback);
  return () => {
    if (callbacks.delete(callback) && callbacks.size === 0) {
      signal.removeEventListener('abort', listener);
      followersOf.delete(signal);
    }
  };
}

/**
 * The span in which work may go on: it ends early by `abort`, its own or its parent's. A chain of scopes costs plain
 * objects; a platform signal is made only where somebody asks for one, which is what makes six layers affordable.
 */
export class Scope {
  /** The outermost scope: aborted by the caller, never by a layer's timer. */
  readonly root: Scope;
  readonly #parent: Scope | undefined;
  #onParentAbort: (() => void) | undefined;
  #listeners: Set<() => void> | undefined;
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  constructor(parent?: Scope) {
    this.root = parent?.root ?? this;
    this.#parent = parent;
    if (parent === undefined) return;
    if (parent.#aborted) this.abort(parent.#reason);
    else {
      this.#onParentAbort = () => this.abort(parent.#reason);
      parent.onAbort(this.#onParentAbort);
    }
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
    if (this.#listeners !== undefined) for (const listener of this.#listeners) listener();
    this.#controller?.abort(reason);
  }

  /** Calls `listener` once on abort; it must not throw. */
  onAbort(listener: () => void): void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
  }

  offAbort(listener: () => void): void {
    this.#listeners?.delete(listener);
  }

  /** Stops following the parent: the work is done. */
  close(): void {
    if (this.#onParentAbort !== undefined) this.#parent?.offAbort(this.#onParentAbort);
  }
}
