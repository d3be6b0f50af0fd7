import type { Answer } from './http/answer.ts';
import type { BodyLeases } from './http/body.ts';
import { callOf } from './http/call.ts';
import { type CallContext, type Done, Layer, type Next } from './layer.ts';

/** Asks for the whole answer when a 304 confirms something else than what is kept (RFC 9111, section 4.3.4), in the same call. */
export class AskAgain extends Layer {
  readonly #leases: BodyLeases;

  constructor(leases: BodyLeases) {
    super();
    this.#leases = leases;
  }

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const call = callOf(context);
    const { headers, confirms } = call;
    if (headers === undefined || confirms === undefined) return next(context, done);
    return next(context, (result) => {
      if ('error' in result) return done(result);
      const { response } = result.value as Answer;
      if (response.status !== 304 || confirms(response)) return done(result);
      this.#leases.discard(result.value);
      // What it comes to is what counts, also if it is refused.
      const { attempts: attemptsBefore } = call;
      Object.assign(call, {
        headers: undefined,
        outcome: 'ignored',
        status: undefined,
        failure: undefined,
        hasFailed: false,
        wasDropped: false,
        hedges: 0,
        follows: false,
        joined: undefined,
        attemptsBefore,
      });
      return next(context.afresh(), done);
    });
  }
}
