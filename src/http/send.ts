import { checkYesNo, show } from '../checks.ts';
import type { ClientSettings } from '../client-options.ts';
import { type CallContext, type Next, raced } from '../layer.ts';
import type { Settled } from '../model/outcome.ts';
import { Answer, readJson } from './answer.ts';
import type { BodyLeases } from './body.ts';
import { cancelBody, readBytes } from './bytes.ts';
import { type Call, callOf } from './call.ts';
import { formatDeadline } from './deadline-header.ts';
import { attemptInit } from './request.ts';

/** One trip to the network: the innermost step. */
export function sender(settings: ClientSettings, leases: BodyLeases): Next<Answer> {
  const { fetch: given, tools, fallback } = settings;
  const ask = raced(
    (context): Promise<Response | Answer> => {
      const call = callOf(context);
      const { request } = call;
      call.hasHeaders = false;
      // Retrying frees what it does not hand out; a hook of the user's that throws leaves an answer to nobody.
      if (call.answer !== undefined) leases.discard(call.answer);
      // Asked for only where answers are stored.
      if (fallback !== false) call.sentAt = tools.clock.epochNow();
      const init = attemptInit(request, context.signal, headersFor(context, call, settings));
      const { target } = request;
      const response = given === undefined ? platformFetch(target, init) : Promise.resolve(given(target, init));
      return call.reads === 'none' ? response : response.then((received) => readAnswer(received, context));
    },
    given === undefined,
    // Of a fetch that ignores its signal.
    (late) => cancelBody(late instanceof Answer ? late.response : late),
  );
  return (context, done) =>
    ask(context, (result) => done('error' in result ? result : answered(result.value, callOf(context))));
}

function answered(value: Response | Answer, call: Call): Settled<Answer> {
  call.hasHeaders = true;
  try {
    call.answer = value instanceof Answer ? value : new Answer(checkResponse(value));
    return { value: call.answer };
  } catch (error) {
    // It is none, or throws on being looked at.
    return { error };
  }
}

/** @throws TypeError if it can't be used as a Response: a fetch of the user's may give anything. */
function checkResponse(given: Response): Response {
  const missing = missingIn(Object(given));
  if (missing === undefined) return given;
  const without = Object(given) === given ? ` without ${missing}` : '';
  throw new TypeError(`fetch must return a Response, got ${show(given)}${without}`);
}

/** What a mock lacks to be used: they are mostly made for json(), which is never asked, since the body is read as bytes. */
function missingIn({ arrayBuffer, headers }: Partial<Response>): string | undefined {
  if (typeof arrayBuffer !== 'function') return 'arrayBuffer()';
  return typeof headers?.get === 'function' ? undefined : 'headers.get()';
}

/** The headers of this attempt beside those of the caller. */
function headersFor(
  { deadlineAt }: CallContext,
  { headers: own, attached, request }: Call,
  { propagateDeadline, tools: { clock } }: ClientSettings,
): Call['headers'] {
  const headers = attached === undefined ? own : { ...own, ...attached };
  if (propagateDeadline === false || deadlineAt === Infinity) return headers;
  const { header, format, to } = propagateDeadline;
  if (to !== undefined) {
    const { url } = request;
    if (url === undefined || !checkYesNo('propagateDeadline.to', to(url))) return headers;
  }
  return { ...headers, [header]: formatDeadline(deadlineAt - clock.now(), format) };
}

/** With what is to be read of its body. */
async function readAnswer(response: Response, context: CallContext): Promise<Answer> {
  const call = callOf(context);
  checkResponse(response);
  if (context.scope.aborted) {
    cancelBody(response);
    throw context.scope.reason;
  }
  call.hasHeaders = true;
  const { method } = call.request;
  if (call.reads === 'json') return readJson(response, method);
  if (call.reads === 'none' || !response.ok || method === 'HEAD') return new Answer(response);
  return new Answer(response, undefined, await readBytes(response, call.reads));
}

async function platformFetch(input: string | URL | Request, init: RequestInit): Promise<Response> {
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
