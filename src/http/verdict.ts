import { checkOutcome, checkYesNo } from '../checks.ts';
import type { HttpResult, HttpRetryLimits } from '../client-options.ts';
import { AttemptTimeoutError } from '../errors.ts';
import type { FailureKind } from '../events.ts';
import type { CallContext } from '../layer.ts';
import { type Outcome, outcomeOfStatus, type Settled } from '../model/outcome.ts';
import type { Answer } from './answer.ts';
import { callOf } from './call.ts';
import { isOffline } from './online.ts';
import { mayRepeat } from './request.ts';
import { parseRetryAfter } from './retry-after.ts';

/**
 * What a call or attempt tells about the dependency: the table of DESIGN section 3. Judged by the answer and by the
 * state of our own signals, since engines name the same fault differently.
 */
export function outcomeOf(
  result: Settled<unknown>,
  context: CallContext,
  classify?: (result: HttpResult) => Outcome,
): Outcome {
  // Whoever called gave up, or ran out of the time it was given; or another request was answered first.
  if ('error' in result && (context.scope.root.aborted || isOutrun(context))) return 'ignored';
  if (classify !== undefined) return checkOutcome('breaker.classify', classify(httpResult(result)));
  if ('value' in result) return outcomeOfStatus((result.value as Answer).status);
  // Our deadline: the budget was the caller's, but with no attempt timeout nothing else would notice a hang.
  if (context.scope.aborted) return callOf(context).limits.attemptTimeoutMs < Infinity ? 'ignored' : 'failure';
  return isOurOwn(result.error) ? 'ignored' : 'failure';
}

/**
 * The same of a whole call, retries and all. One that our deadline has ended after attempts that failed is no better for it:
 * else the circuit of who hangs would stay closed wherever three attempt timeouts are more than the deadline.
 */
export function callOutcomeOf(
  result: Settled<unknown>,
  context: CallContext,
  classify?: (result: HttpResult) => Outcome,
): Outcome {
  const { scope } = context;
  const isOverdue = 'error' in result && scope.aborted && !scope.root.aborted;
  return isOverdue && classify === undefined && callOf(context).hasFailed
    ? 'failure'
    : outcomeOf(result, context, classify);
}

/** Whether it was given up because another one, beside it, was answered. */
function isOutrun(context: CallContext): boolean {
  return context.scope.aborted && callOf(context).race?.isOutrun === true;
}

/** Too many requests; not now; somebody behind it took too long. */
const OVERLOAD_STATUS: readonly number[] = [429, 503, 504];

/** A timer that is later than this was held up with everything else here: a frozen tab, a stopped process. */
const LATE_MS = 1_000;

/** Whether the trouble is on this side of the network, and says nothing of the dependency. */
function isOurOwn(error: unknown): boolean {
  return isOffline() || (error instanceof AttemptTimeoutError && error.lateMs > LATE_MS);
}

/** In which way it went wrong; `undefined` if it did not. */
export function failureOf(result: Settled<unknown>, outcome: Outcome, context: CallContext): FailureKind | undefined {
  if ('value' in result) return outcome === 'success' ? undefined : 'status';
  if (isOutrun(context)) return 'outrun';
  const call = callOf(context);
  if (context.scope.root.aborted) return (call.race?.call ?? call).pastDue ? 'deadline' : 'aborted';
  if (context.scope.aborted) return 'deadline';
  if (result.error instanceof AttemptTimeoutError) return 'attempt-timeout';
  return call.hasHeaders ? 'body' : 'network';
}

/** Whether an attempt that was no success failed for load: it was turned away, or timed out. */
export function isDropped(status: number | undefined, outcome: Outcome, failure: FailureKind | undefined): boolean {
  if (status !== undefined) return OVERLOAD_STATUS.includes(status);
  return outcome === 'failure' && failure === 'attempt-timeout';
}

/** Whether the attempt is worth another one, and the request may be sent again. */
export function shouldRetry(
  result: Settled<unknown>,
  attempt: number,
  context: CallContext,
  limits: HttpRetryLimits,
): boolean {
  const status = statusOf(result);
  if (status !== undefined && !limits.statusCodes.has(status) && limits.shouldRetry === undefined) return false;
  // It would only be failed again, and by us.
  if (isOffline()) return false;
  if (!mayRepeat(callOf(context).request, limits.methods)) return false;
  if (limits.shouldRetry === undefined) return true;
  return checkYesNo('retry.shouldRetry', limits.shouldRetry({ ...httpResult(result), attempt }));
}

/** The least an answer asks us to wait, in ms. Only answers that mean "not now" are listened to. */
export function retryAfterMsOf(result: Settled<unknown>, epochNow: number): number | undefined {
  const { response } = httpResult(result);
  if (response === undefined || response.status < 400) return undefined;
  return parseRetryAfter(response.headers.get('retry-after'), epochNow);
}

/** The status of the answer, if there is one. */
export function statusOf(result: Settled<unknown>): number | undefined {
  return 'value' in result ? (result.value as Answer).status : undefined;
}

/** How it ended, in the words of HTTP. */
export function httpResult(result: Settled<unknown>): HttpResult {
  return 'error' in result ? result : { response: (result.value as Answer).response };
}
