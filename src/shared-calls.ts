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
export function sharedCalls(maxBytes: number, clock: Clock, propagates: boolean): CoalesceHooks<Answer> {
  return {
    keyOf(context) {
      const call = callOf(context);
      // The next hop would be told the deadline of one of them.
      return propagates && call.storage.deadline !== undefined ? undefined : identityOf(call);
    },
    sharedContext(first, scope, limit, callers) {
      const { request, dependency, limits, reads, headers, owner, era, id, followers, attemptsBefore } = callOf(first);
      const call = new Call(request.withoutSignal, dependency, limits, reads);
      Object.assign(call, { headers, owner, era, id, followers, callers, attemptsBefore });
      return new CallContext(scope, { ...first.caller, call }, 1, limit);
    },
    passOn(shared, to) {
      const { id, followers } = callOf(to);
      Object.assign(callOf(shared), { id, followers });
    },
    report(shared, own, leads) {
      const { id, outcome, status, failure, hasFailed, sentAt, attempts, queuedMs, answer } = callOf(shared);
      // What all of them have been told is counted once, and stored once.
      const call = Object.assign(callOf(own), { outcome, status, failure, hasFailed, sentAt, follows: !leads });
      if (id !== call.id) call.joined = id;
      if (!leads) return;
      call.attempts += attempts;
      call.queuedMs += queuedMs;
      call.answer = answer;
    },
    // A good one has been read by then, if it could be: see SharedBody. Of others, the status counts more than the body.
    gather: async (answer, { scope }) =>
      answer.response.ok ? answer : readAhead(answer, scope, { maxBytes, clock, mayFail: false }),
    makerOf({ response, value, bytes }) {
      const { body, headers, type } = response;
      // What is for one only: a session, a body that is not known, and what can't be copied.
      if (headers.has('set-cookie') || type.startsWith('opaque')) return undefined;
      if (bytes === undefined && body !== null) return undefined;
      const copy = (content: typeof bytes | null = null): Response => copyOf(response, content, new Headers(headers));
      if (bytes === undefined || value === undefined) return () => new Answer(copy(bytes), undefined, bytes);
      return () => new Answer(copy(), parseJson(bytes), bytes);
    },
    keepAlive: (first, work) => keepAlive(callOf(first), work),
  };
}

/** What makes two calls the same; `undefined` if this one is like no other. */
function identityOf({ request, reads, headers, owner, era }: Call): string | undefined {
  const { method, init } = request;
  if (method !== 'GET' || owner === undefined) return undefined;
  const { headers: _headers, method: _method, ...rest } = init;
  if (Object.values(rest).some((value) => value !== null && !PLAIN.includes(typeof value))) return undefined;
  const made = requestOf(request);
  if (made !== undefined && saysMore(made)) return undefined;
  const { mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive } = made ?? {};
  return JSON.stringify([
    addressOf(request),
    reads,
    [...(headersOf(request) ?? [])],
    headers,
    owner,
    era,
    request.idempotent,
    rest,
    made !== undefined && [mode, credentials, cache, redirect, referrer, referrerPolicy, integrity, keepalive],
  ]);
}

/** Whether a Request may say more of how it is to be sent, which can't be compared: on Workers, or to a fetch of the user's. */
function saysMore(request: Request): boolean {
  // By their names: some engines keep all that is in a Request under symbols of their own.
  const isPlatforms =
    Object.getPrototypeOf(request) === Request.prototype && Object.getOwnPropertyNames(request).length === 0;
  return !isPlatforms || Reflect.get(request, 'cf') !== undefined;
}

const PLAIN = ['string', 'number', 'boolean', 'undefined'];

/** Whether a call is for what the request is for. */
export function isOfResource({ request }: Call, written: PreparedRequest): boolean {
  return addressOf(request) === addressOf(written);
}
