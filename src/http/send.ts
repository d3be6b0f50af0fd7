import type { ClientOptions } from '../client-options.ts';
import type { CallContext } from '../layer.ts';
import { Answer, readJson } from './answer.ts';
import { type BodyLeases, cancelBody } from './body.ts';
import { callOf } from './call.ts';
import { attemptInit } from './request.ts';

/** One trip to the network: the innermost operation. */
export function sender(given: ClientOptions['fetch'], leases: BodyLeases): (context: CallContext) => Promise<Answer> {
  return async (context) => {
    const call = callOf(context);
    const { request } = call;
    call.hasHeaders = false;
    // Retrying frees what it does not hand out; a hook of the user's that throws leaves an answer to nobody.
    if (call.answer !== undefined) leases.discard(call.answer);
    const response = await callFetch(given, request.input, attemptInit(request, context.signal));
    if (context.scope.aborted) {
      // Nobody waits for it any more: a fetch that ignores its signal answers late.
      cancelBody(response);
      throw context.scope.reason;
    }
    call.hasHeaders = true;
    call.answer = call.readsBody ? await readJson(response, request.method) : new Answer(response);
    return call.answer;
  };
}

async function callFetch(
  given: ClientOptions['fetch'],
  input: string | URL | Request,
  init: RequestInit,
): Promise<Response> {
  if (given !== undefined) return given(input, init);
  // Looked up at each call, since that is where mocking libraries put theirs, and called as a method of its own object:
  // browsers refuse it with any other `this`.
  try {
    return await globalThis.fetch(input, init);
  } catch (error) {
    // A network error is a TypeError (Fetch standard, "network error"); engines that throw something else are brought
    // in line, so that the caller sees the same everywhere.
    throw error instanceof TypeError ? error : new TypeError('Failed to fetch', { cause: error });
  }
}
