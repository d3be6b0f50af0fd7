import { expect, test } from 'vitest';

import { HttpError } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { cancellable, clientBench, errorOf, facts, origin, unfinished, url } from './bench.ts';

interface User {
  readonly name: string;
}

test('client.json resolves to the value, not degraded, and the response of the inner fetch', async () => {
  const response = new Response('{"name":"Ada"}', { status: 201, headers: { 'x-header': 'value' } });
  const { client } = clientBench([1], { fetch: async () => response });
  const result = await client.json<User>(url);
  expect(result).toEqual({ value: { name: 'Ada' }, degraded: false, response });
  expect(result.response).toBe(response);
  expect(response.bodyUsed).toBe(true);
});

const values = ['{"a":[1,{}]}', '[]', '"text"', '12.5', '0', 'true', 'false', 'null', ' 7 ', '\n{}\n', '"grüße"'];

test.for(values)('client.json gives what JSON.parse gives, for %j', async (body) => {
  const { client } = clientBench([{ body, headers: { 'content-length': String(body.length) } }]);
  expect((await client.json(url)).value).toEqual(JSON.parse(body));
});

const withoutBody: readonly { kind: string; method: string; step: ScriptStep }[] = [
  { kind: '204', method: 'GET', step: 204 },
  { kind: '205', method: 'GET', step: 205 },
  { kind: 'a HEAD', method: 'HEAD', step: { status: 200, headers: { 'content-length': '9' }, body: null } },
  { kind: 'a DELETE with 204', method: 'DELETE', step: 204 },
];

test.for(withoutBody)('client.json gives undefined, for $kind', async ({ method, step }) => {
  const { client, clock, events, upstream } = clientBench([step]);
  expect(await client.json(url, { method })).toMatchObject({ value: undefined, degraded: false });
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'success' }]);
  expect(clock.pending).toBe(0);
});

const notOk = [300, 304, 400, 404, 418].map((status) => ({ status, attempts: 1 }));

test.for([...notOk, { status: 501, attempts: 1 }, { status: 503, attempts: 3 }, { status: 429, attempts: 3 }])(
  'client.json rejects with HttpError and the unread response after $attempts attempts, for $status',
  async ({ status, attempts }) => {
    const responses: Response[] = [];
    const fetch = async (): Promise<Response> => {
      const response = new Response(status === 304 ? null : '{"code":7}', { status, statusText: 'Some Reason' });
      responses.push(response);
      return response;
    };
    const { client } = clientBench([1], { fetch, retry: { initialDelayMs: 0 } });
    const error = await errorOf(client.json(url));
    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({ name: 'HttpError', code: 'HTTP', dependency: origin });
    expect((error as HttpError).message).toBe(
      `Cannot use the answer of ${origin}: its status is ${status} Some Reason (fetch() gives it as it is)`,
    );
    expect(responses).toHaveLength(attempts);
    expect((error as HttpError).response).toBe(responses.at(-1));
    expect(responses.at(-1)?.bodyUsed).toBe(false);
    if (status !== 304) expect(await (error as HttpError).response.json()).toEqual({ code: 7 });
  },
);

test('client.json counts what the status says, not the HttpError', async () => {
  const { client, events } = clientBench([404, 501]);
  await errorOf(client.json(url));
  await errorOf(client.json(url));
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'success', attempts: 1, durationMs: 0, queuedMs: 0, status: 404 },
    { outcome: 'failure', attempts: 1, durationMs: 0, queuedMs: 0, status: 501, failure: 'status' },
  ]);
});

const malformed = ['<html>', '{"a":', '{"a":1}}', "{'a':1}", '', ' ', 'undefined', 'NaN', '01'];

test.for(malformed)('client.json rejects with a TypeError, tried again and counted, for %j', async (body) => {
  const { client, clock, events, upstream } = clientBench([{ body }], { retry: { initialDelayMs: 0 } });
  const error = await errorOf(client.json(url));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({
    message: 'Cannot read the body as JSON: it broke off, is empty or is malformed (fetch() gives it as it is)',
    cause: expect.any(SyntaxError),
  });
  expect(upstream.calls).toBe(3);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'failure', attempts: 3, failure: 'body' }]);
  expect(clock.pending).toBe(0);
});

// Half a number is a number: only its length tells.

const numbers: readonly { body: string; headers: HeadersInit; cut: boolean }[] = [
  { body: '12345', headers: { 'content-length': '6' }, cut: true },
  { body: '12345', headers: { 'content-length': '10' }, cut: true },
  { body: '1', headers: { 'content-length': '2' }, cut: true },
  { body: '12345', headers: { 'content-length': '5' }, cut: false },
  { body: '12345', headers: { 'content-length': '4' }, cut: false },
  { body: '12345', headers: {}, cut: false },
  { body: '12345', headers: { 'content-length': 'many' }, cut: false },
  // The length of what was compressed.
  { body: '12345', headers: { 'content-length': '25', 'content-encoding': 'gzip' }, cut: false },
  { body: '{"a":12345}', headers: { 'content-length': '25' }, cut: false },
];

test.for(numbers)('client.json takes $body for cut: $cut, with $headers', async ({ body, headers, cut }) => {
  const { client, upstream } = clientBench([{ body, headers }], { retry: { initialDelayMs: 0 } });
  if (cut) expect(await errorOf(client.json(url))).toBeInstanceOf(TypeError);
  else expect((await client.json(url)).value).toEqual(JSON.parse(body));
  expect(upstream.calls).toBe(cut ? 3 : 1);
});

// The body is part of the attempt.

test('client.json tries again, for a body that breaks, and resolves to the next one', async () => {
  const { client, clock, events, upstream } = clientBench([
    unfinished('{"name":', 'break'),
    { body: '{"name":"Ada"}' },
  ]);
  const call = client.json<User>(url);
  // Some engines take several tasks to tell that a body has broken.
  for (let turn = 1; turn <= 5; turn += 1) await clock.advance(0);
  await clock.advance(100);
  expect((await call).value.name).toBe('Ada');
  expect(upstream.calls).toBe(2);
  expect(facts(events, 'attempt')).toEqual([
    { attempt: 1, outcome: 'failure', durationMs: 0, failure: 'body' },
    { attempt: 2, outcome: 'success', durationMs: 0, status: 200 },
  ]);
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'success', attempts: 2, durationMs: 100, queuedMs: 0, status: 200 },
  ]);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    lastFailure: { failure: 'body', status: null },
    counters: { calls: 1, attempts: 2, retries: 1, success: 1, failure: 0 },
  });
});

test('client.json opens the circuit, for bodies that break', async () => {
  const { client, upstream } = clientBench([unfinished('{', 'break')], { retry: false });
  for (let call = 1; call <= 5; call += 1) expect(await errorOf(client.json(url))).toBeInstanceOf(TypeError);
  expect(await errorOf(client.json(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(upstream.calls).toBe(5);
});

test('client.json ends a body that hangs with the attempt timeout, and tries again', async () => {
  const { client, clock, events } = clientBench([unfinished('{"name":', 'hang'), { body: '{"name":"Ada"}' }], {
    attemptTimeoutMs: 500,
    retry: { initialDelayMs: 0 },
  });
  const call = client.json<User>(url);
  await clock.advance(499);
  expect(events).toEqual([]);
  await clock.advance(1);
  expect((await call).value.name).toBe('Ada');
  expect(facts(events, 'attempt')).toMatchObject([
    { outcome: 'failure', durationMs: 500, failure: 'attempt-timeout' },
    { outcome: 'success' },
  ]);
  expect(clock.pending).toBe(0);
});

test('client.json ends a body that hangs with the deadline, when there is no attempt timeout', async () => {
  const { client, clock } = clientBench([unfinished('{"name":', 'hang')], { attemptTimeoutMs: false, deadlineMs: 500 });
  const call = errorOf(client.json(url));
  await clock.advance(500);
  expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test('client.json reads no body but that of the answer it uses', async () => {
  const first = cancellable({ status: 503 });
  const answers = [first.response, new Response('{}')];
  const { client } = clientBench([1], {
    fetch: async () => answers.shift() ?? new Response(),
    retry: { initialDelayMs: 0 },
  });
  expect((await client.json(url)).value).toEqual({});
  expect(first.cancelled()).toBe(true);
});

test('client.json keeps a slot until the body is read', async () => {
  const { client, clock } = clientBench([unfinished('{', 'hang')], { retry: false, attemptTimeoutMs: 1_000 });
  const call = errorOf(client.json(url));
  await clock.advance(999);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1 });
  await clock.advance(1);
  await call;
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 0 });
});
