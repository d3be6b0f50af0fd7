import type { ClientOptions } from '../client-options.ts';
import type { Clock } from '../clock.ts';
import type { CallContext } from '../layer.ts';
import { Answer, readJson } from './answer.ts';
import type { BodyLeases } from './body.ts';
import { cancelBody, readBytes } from './bytes.ts';
import { type BodyReading, callOf } from './call.ts';
import { attemptInit } from './request.ts';

/** One trip to the network: the innermost operation. */
export function sender(
  given: ClientOptions['fetch'],
  leases: BodyLeases,
  clock: Clock,
): (context: CallContext) => Promise<Answer> {
  return async (context) => {
    const call = callOf(context);
    const { request } = call;
    call.hasHeaders = false;
    // Retrying frees what it does not hand out; a hook of the user's that throws leaves an answer to nobody.
    if (call.answer !== undefined) leases.discard(call.answer);
    call.sentAt = clock.epochNow();
    const response = await callFetch(given, request.input, attemptInit(request, context.signal, call.headers));
    if (context.scope.aborted) {
      // Nobody waits for it any more: a fetch that ignores its signal answers late.
      cancelBody(response);
      throw context.scope.reason;
    }
    call.hasHeaders = true;
    call.answer = await readAnswer(response, request.method, call.reads);
    return call.answer;
  };
}

async function readAnswer(response: Response, method: string, reads: BodyReading): Promise<Answer> {
  if (reads === 'json') return readJson(response, method);
  if (reads === 'none' || !response.ok || method === 'HEAD') return new Answer(response);
  return new Answer(response, undefined, await readBytes(response, reads));
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
