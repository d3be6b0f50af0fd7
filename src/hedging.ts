import type { CallLimits, ClientSettings, HttpRetryLimits } from './client-options.ts';
import { dependencyOf } from './dependency.ts';
import type { BodyLeases } from './http/body.ts';
import { type Call, callOf } from './http/call.ts';
import { isOffline } from './http/online.ts';
import { retryAfterMsOf, shouldRetry, statusOf } from './http/verdict.ts';
import type { CallContext } from './layer.ts';
import { RETRYABLE_STATUS, type Settled } from './model/outcome.ts';
import type { HedgeLimits } from './options.ts';
import type { HedgeHooks } from './policies/hedge.ts';

/** How the requests of a call go side by side: which calls may, when, and what becomes of each request. */
export function hedgingOf(
  { tools: { clock } }: ClientSettings,
  limits: HedgeLimits,
  retry: CallLimits['retry'],
  leases: BodyLeases,
): HedgeHooks {
  return {
    waitMsFor(context) {
      const call = callOf(context);
      const dependency = dependencyOf(call);
      const { breaker, budget } = dependency;
      // What earns it is counted by the retry layer, where there is one.
      if (retry === false) budget?.deposit(context.enteredAt(clock));
      // A probe is one request.
      if (!isRead(call) || breaker?.closed === false) return undefined;
      return dependency.hedgeAfterMs(limits, context.enteredAt(clock)) ?? Infinity;
    },
    mayHedge(context) {
      const dependency = dependencyOf(callOf(context));
      const { breaker, bulkhead, budget } = dependency;
      // Who waits for a slot has sent nothing yet: that is worth more than to send what is sent once more.
      if (breaker?.closed === false || (bulkhead !== undefined && bulkhead.queued > 0) || isOffline()) return false;
      return dependency.spendHedge(limits) && budget?.withdraw() !== false;
    },
    begin(context, scope, isHedge) {
      const whole = callOf(context);
      const call = whole.runner(isHedge);
      const { counters } = dependencyOf(whole);
      if (isHedge) counters.hedges += 1;
      return context.beside(scope, { ...context.caller, call }, context.attempt + (whole.hedges ?? 0));
    },
    isGood: (result, context) => !isWorthAnother(result, context, retry),
    // An answer is worth more than an error, and of two answers the one that asks for the longer wait.
    prefers(result, other) {
      if ('error' in result || 'error' in other) return 'error' in other;
      const [asks, asked] = [result, other].map((each) => retryAfterMsOf(each, clock.epochNow()) ?? 0);
      return Number(asks) >= Number(asked);
    },
    onFirst(result, tookMs, waitMs, context) {
      // An error, or a refusal, that came sooner says nothing of how long answers take.
      const isRefused = 'error' in result || isWorthAnother(result, context, retry);
      if (limits.percentile === undefined || (isRefused && tookMs < waitMs)) return;
      dependencyOf(callOf(context)).noteRead(tookMs, limits.percentile, clock.now());
    },
    onOutrun(runner) {
      const { race } = callOf(runner);
      if (race !== undefined) race.isOutrun = true;
    },
    onChosen(result, runner, context) {
      const call = callOf(context);
      const winner = callOf(runner);
      // Of the attempt before it: see sender().
      if (call.answer !== undefined) leases.discard(call.answer);
      call.takeOver(winner);
      if ('value' in result && winner.race?.isHedge === true) dependencyOf(call).counters.hedgesWon += 1;
    },
    discard(result, runner) {
      const { answer } = callOf(runner);
      if ('value' in result) leases.discard(result.value);
      // A hook of the user's threw.
      else if (answer !== undefined) leases.discard(answer);
    },
  };
}

/** Whether it reads, for somebody who waits, and its caller has nothing against sending it twice. */
function isRead({ request: { method, idempotent }, reads }: Call): boolean {
  // Of an answer that nobody waits for, bytes are read, up to a number.
  return (method === 'GET' || method === 'HEAD') && idempotent !== false && typeof reads !== 'number';
}

function isWorthAnother(result: Settled<unknown>, context: CallContext, retry: HttpRetryLimits | false): boolean {
  const status = statusOf(result) ?? 0;
  // Whether or not this request may be retried.
  if (retry === false || retry.shouldRetry === undefined) {
    return RETRYABLE_STATUS.includes(status) || (retry !== false && retry.statusCodes.has(status));
  }
  try {
    return shouldRetry(result, context.attempt, context, retry);
  } catch {
    // It is going to be asked once more, where that is heard.
    return false;
  }
}
