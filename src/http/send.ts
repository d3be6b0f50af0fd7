import { checkYesNo } from '../checks.ts';
import type { ClientOptions, ClientSettings } from '../client-options.ts';
import type { CallContext } from '../layer.ts';
import { Answer, readJson } from './answer.ts';
import type { BodyLeases } from './body.ts';
import { cancelBody, readBytes } from './bytes.ts';
import { type BodyReading, type Call, callOf } from './call.ts';
import { formatDeadline } from './deadline-header.ts';
import { attemptInit } from './request.ts';

/** One trip to the network: the innermost operation. */
export function sender(settings: ClientSettings, leases: BodyLeases): (context: CallContext) => Promise<Answer> {
  const { fetch: given, tools } = settings;
  return async (context) => {
    const call = callOf(context);
    const { request } = call;
    call.hasHeaders = false;
    // Retrying frees what it does not hand out; a hook of the user's that throws leaves an answer to nobody.
    if (call.answer !== undefined) leases.discard(call.answer);
    call.sentAt = tools.clock.epochNow();
    const response = await callFetch(
      given,
      request.input,
      attemptInit(request, context.signal, headersFor(context, call, settings)),
    );
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

/** The headers of this attempt beside those of the caller. */
function headersFor(
  { deadlineAt }: CallContext,
  { headers: own, attached, request: { url } }: Call,
  { propagateDeadline, tools: { clock } }: ClientSettings,
): Call['headers'] {
  const headers = attached === undefined ? own : { ...own, ...attached };
  if (propagateDeadline === false || deadlineAt === Infinity) return headers;
  const { header, format, to } = propagateDeadline;
  if (to !== undefined && (url === undefined || !checkYesNo('propagateDeadline.to', to(url)))) return headers;
  return { ...headers, [header]: formatDeadline(deadlineAt - clock.now(), format) };
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
