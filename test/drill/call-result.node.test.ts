import { expect, test } from 'vitest';

import { callResult, failureName } from '../../drill/call-result.ts';

const networkError = (cause: unknown): TypeError => new TypeError('fetch failed', { cause });

test.for([
  [200, { result: '200', answered: true }],
  [404, { result: '404', answered: false }],
  [503, { result: '503', answered: false }],
] as const)('callResult() counts an answer by its status, for %d', async ([status, expected]) => {
  expect(await callResult(async () => new Response('body', { status }))).toEqual(expected);
});

test('callResult() takes an answer without a body', async () => {
  expect(await callResult(async () => new Response(null, { status: 204 }))).toEqual({ result: '204', answered: true });
});

test('callResult() reads to the end: a body that breaks off is no answer', async () => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('half'));
      controller.error(networkError({ code: 'UND_ERR_SOCKET' }));
    },
  });
  expect(await callResult(async () => new Response(body))).toEqual({
    result: '200, then network error: UND_ERR_SOCKET',
    answered: false,
  });
});

test('callResult() counts a rejection by its name', async () => {
  expect(await callResult(() => Promise.reject({ code: 'CIRCUIT_OPEN' }))).toEqual({
    result: 'refused: circuit open',
    answered: false,
  });
});

test.for([
  [{ code: 'BULKHEAD_FULL' }, 'refused: bulkhead full'],
  [{ code: 'ATTEMPT_TIMEOUT' }, 'attempt timed out'],
  [{ code: 'DEADLINE_EXCEEDED' }, 'deadline exceeded'],
  [networkError({ code: 'ECONNREFUSED' }), 'network error: ECONNREFUSED'],
  [networkError(new Error('bad port')), 'network error: bad port'],
  [{ code: 'ECONNRESET' }, 'network error: ECONNRESET'],
  [new TypeError('terminated'), 'network error'],
  [undefined, 'network error'],
] as const)('failureName(%o) is "%s"', ([error, name]) => {
  expect(failureName(error)).toBe(name);
});
