import { keepAlive } from './exchange.ts';
import { Answer, parseJson } from './http/answer.ts';
import { withFacts } from './http/body.ts';
import { readBytes } from './http/bytes.ts';
import { Call, callOf } from './http/call.ts';
import { headersOf, requestOf } from './http/request.ts';
import { CallContext } from './layer.ts';
import type { CoalesceHooks } from './policies/coalesce.ts';

/** How identical GETs share one call: who shares with whom, and what each of them is given. */
export function sharedCalls(maxBodyBytes: number): CoalesceHooks<Answer> {
  return {
    keyOf: (context) => identityOf(callOf(context)),
    sharedContext(first, scope) {
      const { request, limits, reads, headers } = callOf(first);
      const call = new Call({ ...request, signal: undefined }, limits, reads);
      call.headers = headers;
      return new CallContext(scope, { ...first.caller, call }, 1, first.deadlineAt);
    },
    report(shared, own, leads) {
      const { outcome, status, failure, sentAt, attempts, answer } = callOf(shared);
      // What all of them have been told is counted once, and stored once.
      const call = Object.assign(callOf(own), { outcome, status, failure, sentAt, follows: !leads });
      if (!leads) return;
      call.attempts += attempts;
      call.answer = answer;
    },
    async divide({ response, bytes }) {
      if (bytes !== undefined) return () => new Answer(response, parseJson(bytes), bytes);
      const body = response.body === null ? null : await readBytes(response, maxBodyBytes);
      return body === undefined ? undefined : () => new Answer(copyOf(response, body));
    },
    keepAlive: (first, work) => keepAlive(callOf(first), work),
  };
}

/** What makes two calls the same; `undefined` if this one is like no other. */
function identityOf({ request, reads, headers, storage }: Call): string | undefined {
  const { method, url, input, init } = request;
  if (method !== 'GET') return undefined;
  const { headers: _headers, method: _method, ...rest } = init;
  if (Object.values(rest).some((value) => typeof value === 'object' && value !== null)) return undefined;
  const made = requestOf(request);
  const { mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive } = made ?? {};
  return JSON.stringify([
    url?.href ?? String(input),
    reads,
    [...(headersOf(request) ?? [])],
    headers,
    storage.partition,
    rest,
    made !== undefined && [mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive],
  ]);
}

function copyOf(response: Response, body: Uint8Array<ArrayBuffer> | null): Response {
  const { status, statusText, headers, url, redirected, type } = response;
  return withFacts(new Response(body, { status, statusText, headers }), { headers, url, redirected, type });
}
