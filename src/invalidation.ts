import { dependencyOf } from './dependency.ts';
import { keepAlive } from './exchange.ts';
import type { Answer } from './http/answer.ts';
import { isWrite } from './http/cache-use.ts';
import { callOf } from './http/call.ts';
import { type FallbackHost, storeErrors } from './http-fallback.ts';
import { AsyncLayer, type AsyncNext, type CallContext, type Done, type Next, unlessAborted } from './layer.ts';
import type { Coalesce } from './policies/coalesce.ts';
import { isOfResource } from './shared-calls.ts';
import { ownerOf, PUBLIC } from './stored-answers.ts';

/**
 * After a write, nobody is given what was there before it: the answers stored for its URL (RFC 9111, section 4.4), and
 * those that were asked for while it was under way.
 */
export class Invalidation extends AsyncLayer {
  readonly #host: FallbackHost;
  readonly #coalesce: Coalesce<Answer> | undefined;

  constructor(host: FallbackHost, coalesce: Coalesce<Answer> | undefined) {
    super();
    this.#host = host;
    this.#coalesce = coalesce;
  }

  override around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    const concerns = isWrite(callOf(context).request) && !context.scope.aborted;
    return concerns ? super.around(next, context, done) : next(context, done);
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    const call = callOf(context);
    const { request, storage } = call;
    const { answers, settings } = this.#host;
    // Whoever writes: what is everybody's is outdated.
    const owner = ownerOf(request, storage.partition, settings.partition) ?? PUBLIC;
    const place = answers && (await unlessAborted(context.scope, answers.placeOf(request, owner)));
    try {
      const answer = await next(context);
      // One whose answer is hidden may have succeeded.
      if (place !== undefined && (answer as Answer).response.status < 400) {
        const forgotten = answers?.forget(place, storeErrors(dependencyOf(call), this.#host));
        keepAlive(call, Promise.resolve(forgotten));
      }
      return answer;
    } finally {
      // One that failed may have been done all the same.
      this.#coalesce?.part((shared) => isOfResource(callOf(shared), request));
    }
  }
}
