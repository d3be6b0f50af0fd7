import { Scope } from '../abort.ts';
import type { Cancel, Clock } from '../clock.ts';
import { type CallContext, type Done, Layer, type Next, promised } from '../layer.ts';
import type { Settled } from '../model/outcome.ts';
import type { HedgeLimits, Tools } from '../options.ts';

/** How a hedge layer reads results and the world around it. */
export interface HedgeHooks {
  /**
   * How long a request may go without an answer before another is sent, in ms; `Infinity` if that is not known yet, and
   * `undefined` for a call that must not be sent twice.
   */
  waitMsFor(context: CallContext): number | undefined;
  /** Asked before another is sent, which it pays for: `false` if that would only be more load. */
  mayHedge(context: CallContext): boolean;
  /** The context of one of the requests, in a scope of its own. */
  begin(context: CallContext, scope: Scope, isHedge: boolean): CallContext;
  /** Whether a value wins while other requests are under way. */
  isGood(result: Settled<unknown>, context: CallContext): boolean;
  /** Whether this is the one to hand on, when none is good; the other one came before it. */
  prefers(result: Settled<unknown>, other: Settled<unknown>): boolean;
  /** How long the first request took until its answer, its end, or until another's answer. */
  onFirst(result: Settled<unknown>, tookMs: number, waitMs: number, context: CallContext): void;
  /** It is about to be aborted: another was answered. */
  onOutrun(runner: CallContext): void;
  /** What it gave is what comes of all of them. */
  onChosen(result: Settled<unknown>, runner: CallContext, context: CallContext): void;
  /** Frees what it gave: nobody gets it. */
  discard(result: Settled<unknown>, runner: CallContext): void;
}

/**
 * Sends a request once more when it has had no answer for a while, and takes the answer that comes first; the other request is
 * aborted. For reads only. Source: J. Dean, L. A. Barroso, "The Tail at Scale", CACM 2013.
 */
export class Hedge extends Layer {
  readonly #limits: HedgeLimits;
  readonly #tools: Tools;
  readonly #hooks: HedgeHooks;

  constructor(limits: HedgeLimits, tools: Tools, hooks: HedgeHooks) {
    super();
    this.#limits = limits;
    this.#tools = tools;
    this.#hooks = hooks;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const waitMs = context.scope.aborted ? undefined : this.#hooks.waitMsFor(context);
    if (waitMs === undefined) return next(context, done);
    // What comes after goes on in a promise of the call's own, whoever ends the race.
    return race(next, context, waitMs, this.#limits.maxExtra, this.#tools.clock, this.#hooks).then(done);
  }
}

/** The requests of one attempt, side by side. It is over when all of them have ended: nothing of it outlives it. */
function race<T>(
  next: Next<T>,
  context: CallContext,
  waitMs: number,
  maxExtra: number,
  clock: Clock,
  hooks: HedgeHooks,
): Promise<Settled<T>> {
  return new Promise((resolve) => {
    const startedAt = context.enteredAt(clock);
    const underWay = new Set<CallContext>();
    let chosen: Settled<T> | undefined;
    /** What is handed on if no good answer comes. */
    let best: { readonly result: Settled<T>; readonly runner: CallContext } | undefined;
    let extra = 0;
    let cancel: Cancel | undefined;

    /** The first good answer does. */
    const wins = (result: Settled<T>): boolean =>
      context.scope.aborted || ('value' in result && hooks.isGood(result, context));

    const take = (result: Settled<T>, runner: CallContext): void => {
      if (best !== undefined && best.runner !== runner) hooks.discard(best.result, best.runner);
      best = undefined;
      hooks.onChosen(result, runner, context);
      choose(result);
    };

    const keep = (result: Settled<T>, runner: CallContext): void => {
      if (best !== undefined && !hooks.prefers(result, best.result)) {
        hooks.discard(result, runner);
        return;
      }
      if (best !== undefined) hooks.discard(best.result, best.runner);
      best = { result, runner };
    };

    const choose = (result: Settled<T>): void => {
      chosen = result;
      for (const other of underWay) {
        // By whoever has ended the call: nobody was faster.
        if (other.scope.aborted) continue;
        hooks.onOutrun(other);
        other.scope.abort(new DOMException('Another request was answered first', 'AbortError'));
      }
    };

    const end = (runner: CallContext, isHedge: boolean, result: Settled<T>): void => {
      if (!underWay.delete(runner)) return;
      // One that fails is no reason to send another: that is for the retry, which waits before it does.
      cancel?.();
      try {
        runner.closeAfter(result, runner.scope);
        if (!isHedge) hooks.onFirst(result, clock.now() - startedAt, waitMs, context);
        if (chosen !== undefined) hooks.discard(result, runner);
        else if (wins(result)) take(result, runner);
        else {
          keep(result, runner);
          if (underWay.size === 0 && best !== undefined) take(best.result, best.runner);
        }
      } catch (error) {
        // A clock of the user's: the layers outside have to hear of it.
        if (chosen === undefined) choose({ error });
      }
      if (underWay.size === 0 && chosen !== undefined) resolve(chosen);
    };

    const send = (isHedge: boolean): void => {
      const runner = hooks.begin(context, new Scope(context.scope), isHedge);
      underWay.add(runner);
      const ended = (result: Settled<T>): void => end(runner, isHedge, result);
      promised(() => next(runner, ended)).catch((error: unknown) => ended({ error }));
      const isLast = extra >= maxExtra || waitMs === Infinity || underWay.size === 0;
      // Nor one for which there is no time left.
      if (isLast || clock.now() + waitMs >= context.deadlineAt) return;
      cancel = clock.schedule(waitMs, () => {
        if (!hooks.mayHedge(context)) return;
        extra += 1;
        send(true);
      });
    };

    send(false);
  });
}
