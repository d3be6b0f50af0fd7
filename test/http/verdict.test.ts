import { expect, test } from 'vitest';

import { Scope } from '../../src/abort.ts';
import { type CallLimits, type HttpRetryLimits, resolveClient } from '../../src/client-options.ts';
import { Answer } from '../../src/http/answer.ts';
import { failureOf, httpResult, isDropped, outcomeOf, retryAfterMsOf, shouldRetry } from '../../src/http/verdict.ts';
import { AttemptTimeoutError, DeadlineExceededError, type HttpResult, type Outcome } from '../../src/index.ts';
import { CallContext } from '../../src/layer.ts';
import type { Settled } from '../../src/model/outcome.ts';
import { callTo } from '../support/call.ts';

const { limits } = resolveClient();
const networkError = new TypeError('fetch failed');

/** An attempt inside a deadline: `root` ends by the caller, `scope` by the deadline as well. */
function attempt(changes: Partial<CallLimits> = {}, method = 'GET') {
  const call = callTo('https://a.test/', { method }, 'none', changes);
  const root = new Scope();
  const scope = new Scope(root);
  return { call, root, scope, context: new CallContext(scope, { call }) };
}

function answered(status: number, headers: Record<string, string> = {}): Settled<unknown> {
  return { value: new Answer(new Response(null, { status, headers })) };
}

function retryLimits(changes: Partial<HttpRetryLimits> = {}): HttpRetryLimits {
  if (limits.retry === false) throw new Error('retry is on by default');
  return { ...limits.retry, ...changes };
}

// outcomeOf: what the breaker hears.

test.for([
  [200, 'success'],
  [404, 'success'],
  [429, 'ignored'],
  [503, 'failure'],
] as const)('outcomeOf() goes by the status: %d is %s', ([status, outcome]) => {
  expect(outcomeOf(answered(status), attempt().context)).toBe(outcome);
});

test('outcomeOf() is failure, for a network error and for an attempt timeout', () => {
  const { context } = attempt();
  expect(outcomeOf({ error: networkError }, context)).toBe('failure');
  expect(outcomeOf({ error: new AttemptTimeoutError(500) }, context)).toBe('failure');
});

test.for([
  { error: new DOMException('The operation was aborted.', 'AbortError') },
  { error: networkError },
  { error: undefined },
])('outcomeOf() is ignored after an abort by the caller, whatever the engine calls it: $error', ({ error }) => {
  const { root, context } = attempt({ attemptTimeoutMs: Infinity });
  root.abort('the user left');
  expect(outcomeOf({ error }, context)).toBe('ignored');
});

test('outcomeOf() goes by the answer, for one that came before the abort', () => {
  const { root, context } = attempt();
  root.abort('the user left');
  expect(outcomeOf(answered(503), context)).toBe('failure');
});

test.for([
  { attemptTimeoutMs: 500, outcome: 'ignored' },
  { attemptTimeoutMs: Infinity, outcome: 'failure' },
] as const)(
  'outcomeOf() after our deadline is $outcome, with an attempt timeout of $attemptTimeoutMs ms',
  ({ attemptTimeoutMs, outcome }) => {
    const { scope, context } = attempt({ attemptTimeoutMs });
    const error = new DeadlineExceededError(2_000);
    scope.abort(error);
    expect(outcomeOf({ error }, context)).toBe(outcome);
  },
);

test('outcomeOf() asks classify in place of the table, about the response or the error', () => {
  const asked: HttpResult[] = [];
  const classify = (result: HttpResult): Outcome => {
    asked.push(result);
    return result.response === undefined ? 'ignored' : 'success';
  };
  const { context } = attempt();
  expect(outcomeOf(answered(500), context, classify)).toBe('success');
  expect(outcomeOf({ error: networkError }, context, classify)).toBe('ignored');
  expect(asked).toMatchObject([{ response: { status: 500 } }, { error: networkError }]);
});

test('outcomeOf() does not ask classify about an abort by the caller', () => {
  const { root, context } = attempt();
  root.abort('the user left');
  const classify = (): Outcome => {
    throw new Error('asked');
  };
  expect(outcomeOf({ error: 'the user left' }, context, classify)).toBe('ignored');
});

test.for([undefined, 'fail', true, null])('outcomeOf() throws TypeError, if classify returns %j', (wrong) => {
  const classify = (): Outcome => wrong as unknown as Outcome;
  const got = typeof wrong === 'string' ? `"${wrong}"` : String(wrong);
  expect(() => outcomeOf(answered(200), attempt().context, classify)).toThrow(
    new TypeError(`breaker.classify must return "success", "failure" or "ignored", got ${got}`),
  );
});

// failureOf: what the events say.

test('failureOf() is status for an answer that is no success, and nothing for one that is', () => {
  const { context } = attempt();
  expect(failureOf(answered(200), 'success', context)).toBeUndefined();
  expect(failureOf(answered(503), 'failure', context)).toBe('status');
  expect(failureOf(answered(429), 'ignored', context)).toBe('status');
});

test('failureOf() is network before the headers have come, and body after', () => {
  const { call, context } = attempt();
  expect(failureOf({ error: networkError }, 'failure', context)).toBe('network');
  call.hasHeaders = true;
  expect(failureOf({ error: networkError }, 'failure', context)).toBe('body');
});

test.for([false, true])('failureOf() names who ended the attempt, with headers there: %s', (hasHeaders) => {
  const timedOut = attempt();
  timedOut.call.hasHeaders = hasHeaders;
  expect(failureOf({ error: new AttemptTimeoutError(500) }, 'failure', timedOut.context)).toBe('attempt-timeout');
  timedOut.scope.abort(new DeadlineExceededError(2_000));
  expect(failureOf({ error: new AttemptTimeoutError(500) }, 'ignored', timedOut.context)).toBe('deadline');
  timedOut.root.abort('the user left');
  expect(failureOf({ error: networkError }, 'ignored', timedOut.context)).toBe('aborted');
});

// shouldRetry: whether another attempt is worth it, and allowed.

test.for([
  [200, false],
  [304, false],
  [400, false],
  [401, false],
  [403, false],
  [404, false],
  [408, true],
  [409, false],
  [422, false],
  [425, true],
  [429, true],
  [500, true],
  [501, false],
  [502, true],
  [503, true],
  [504, true],
  [505, false],
] as const)('shouldRetry() goes by the status: %d is %s', ([status, expected]) => {
  expect(shouldRetry(answered(status), 1, attempt().context, retryLimits())).toBe(expected);
});

test('shouldRetry() goes by statusCodes, where given', () => {
  const own = retryLimits({ statusCodes: new Set([418]) });
  expect(shouldRetry(answered(418), 1, attempt().context, own)).toBe(true);
  expect(shouldRetry(answered(503), 1, attempt().context, own)).toBe(false);
  expect(shouldRetry({ error: networkError }, 1, attempt().context, own)).toBe(true);
});

test.for([
  ['GET', true],
  ['PUT', true],
  ['POST', false],
  ['PATCH', false],
] as const)('shouldRetry() asks whether the request may be sent twice: %s, %s', ([method, expected]) => {
  const { context } = attempt({}, method);
  expect(shouldRetry(answered(503), 1, context, retryLimits())).toBe(expected);
  expect(shouldRetry({ error: networkError }, 1, context, retryLimits())).toBe(expected);
});

test('shouldRetry() goes by methods, where given', () => {
  const own = retryLimits({ methods: new Set(['POST']) });
  expect(shouldRetry(answered(503), 1, attempt({}, 'POST').context, own)).toBe(true);
  expect(shouldRetry(answered(503), 1, attempt({}, 'GET').context, own)).toBe(false);
});

test('shouldRetry() asks the option of that name in place of statusCodes, about the attempt and how it ended', () => {
  const asked: unknown[] = [];
  const own = retryLimits({
    shouldRetry: (question) => {
      asked.push(question);
      return question.response?.status === 200;
    },
  });
  const { context } = attempt();
  expect(shouldRetry(answered(200), 1, context, own)).toBe(true);
  expect(shouldRetry(answered(503), 2, context, own)).toBe(false);
  expect(shouldRetry({ error: networkError }, 3, context, own)).toBe(false);
  expect(asked).toMatchObject([
    { attempt: 1, response: { status: 200 } },
    { attempt: 2, response: { status: 503 } },
    { attempt: 3, error: networkError },
  ]);
});

test('shouldRetry() does not ask the option of that name about a request that may not be sent twice', () => {
  let asked = 0;
  const own = retryLimits({
    shouldRetry: () => {
      asked += 1;
      return true;
    },
  });
  expect(shouldRetry(answered(503), 1, attempt({}, 'POST').context, own)).toBe(false);
  expect(asked).toBe(0);
});

// retryAfterMsOf: how long the server asks us to wait.

test.for([
  [200, undefined],
  [301, undefined],
  [399, undefined],
  [400, 2_000],
  [429, 2_000],
  [503, 2_000],
] as const)('retryAfterMsOf() listens to answers that mean "not now": %d, %s ms', ([status, waitMs]) => {
  expect(retryAfterMsOf(answered(status, { 'retry-after': '2' }), 0)).toBe(waitMs);
});

test('retryAfterMsOf() measures a date by the wall clock it is given', () => {
  const result = answered(503, { 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT' });
  expect(retryAfterMsOf(result, Date.UTC(1994, 10, 6, 8, 49, 30))).toBe(7_000);
});

test('retryAfterMsOf() is undefined, for an answer without the header and for an error', () => {
  expect(retryAfterMsOf(answered(503), 0)).toBeUndefined();
  expect(retryAfterMsOf({ error: networkError }, 0)).toBeUndefined();
});

test('httpResult() shows the response of a value, and an error as it is', () => {
  const response = new Response();
  expect(httpResult({ value: new Answer(response, { parsed: true }) })).toEqual({ response });
  expect(httpResult({ error: undefined })).toEqual({ error: undefined });
});

test.for([
  [429, 'ignored', 'status', true],
  [503, 'failure', 'status', true],
  [504, 'failure', 'status', true],
  [408, 'ignored', 'status', false],
  [500, 'failure', 'status', false],
  [502, 'failure', 'status', false],
  [undefined, 'failure', 'attempt-timeout', true],
  // The timer was late, for a reason on this side.
  [undefined, 'ignored', 'attempt-timeout', false],
  [undefined, 'failure', 'network', false],
  [undefined, 'failure', 'body', false],
  [undefined, 'ignored', 'aborted', false],
] as const)('isDropped() of status %s, %s, %s: %s', ([status, outcome, failure, expected]) => {
  expect(isDropped(status, outcome, failure)).toBe(expected);
});
