import type { Clock } from './clock.ts';
import { keepAlive } from './exchange.ts';
import { Answer, parseJson } from './http/answer.ts';
import { copyOf } from './http/body.ts';
import { Call, callOf } from './http/call.ts';
import { addressOf, headersOf, type PreparedRequest, requestOf } from './http/request.ts';
import { CallContext } from './layer.ts';
import type { CoalesceHooks } from './policies/coalesce.ts';
import { readAhead } from './shared-body.ts';

/** How identical GETs share one call: who shares with whom, and what each of them is given. */
export function sharedCalls(maxBodyBytes: number, clock: Clock): CoalesceHooks<Answer> {
  return {
    keyOf: (context) => identityOf(callOf(context)),
    sharedContext(first, scope, callers) {
      const { request, limits, reads, headers } = callOf(first);
      const call = new Call({ ...request, signal: undefined }, limits, reads);
      call.headers = headers;
      call.callers = callers;
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
    // A good one has been read by then, if it could be: see SharedBody.
    gather: async (answer) => (answer.response.ok ? answer : readAhead(answer, maxBodyBytes, clock)),
    makerOf({ response, value, bytes }) {
      if (bytes !== undefined && value !== undefined) return () => new Answer(response, parseJson(bytes), bytes);
      if (bytes === undefined && response.body !== null) return undefined;
      return () => new Answer(copyOf(response, bytes ?? null));
    },
    keepAlive: (first, work) => keepAlive(callOf(first), work),
  };
}

/** What makes two calls the same; `undefined` if this one is like no other. */
function identityOf({ request, reads, headers, storage }: Call): string | undefined {
  const { method, init } = request;
  if (method !== 'GET') return undefined;
  const { headers: _headers, method: _method, ...rest } = init;
  if (Object.values(rest).some((value) => typeof value === 'object' && value !== null)) return undefined;
  const made = requestOf(request);
  const { mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive } = made ?? {};
  return JSON.stringify([
    addressOf(request),
    reads,
    [...(headersOf(request) ?? [])],
    headers,
    storage.partition,
    rest,
    made !== undefined && [mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive],
  ]);
}

/** Whether a call is for what the request is for. */
export function isOfResource({ request }: Call, written: PreparedRequest): boolean {
  return addressOf(request) === addressOf(written);
}
