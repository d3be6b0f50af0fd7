import { expect, test } from 'vitest';

import { Answer, readJson } from '../../src/http/answer.ts';

function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A body that gives `start`, and then breaks off. */
function broken(start: string, error: unknown): ReadableStream<Uint8Array> {
  const chunks = [new TextEncoder().encode(start)];
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.error(error);
      else controller.enqueue(chunk);
    },
  });
}

const values: readonly unknown[] = [{ a: [1, { b: null }] }, [], 'text', '', 0, 12.5, -1, true, false, null];

test.for(values)('readJson() gives the value of the body and the response it is from, for %j', async (value) => {
  const response = Response.json(value);
  const answer = await readJson(response, 'GET');
  expect(answer).toBeInstanceOf(Answer);
  expect(answer.value).toEqual(value);
  expect(answer.response).toBe(response);
  expect(response.bodyUsed).toBe(true);
});

test.for([200, 201, 206, 299])('readJson() reads the body, for status %d', async (status) => {
  const answer = await readJson(new Response('{"a":1}', { status }), 'POST');
  expect(answer.value).toEqual({ a: 1 });
});

test.for([300, 304, 400, 404, 429, 500, 503])('readJson() leaves the body unread, for status %d', async (status) => {
  const response = new Response(status === 304 ? null : '{"a":1}', { status });
  const answer = await readJson(response, 'GET');
  expect(answer.response).toBe(response);
  expect(answer.value).toBeUndefined();
  expect(response.bodyUsed).toBe(false);
});

test.for([204, 205])('readJson() gives undefined, for status %d, which has no body', async (status) => {
  const response = new Response(null, { status });
  expect(await readJson(response, 'GET')).toEqual(new Answer(response));
});

test('readJson() gives undefined, for the answer to a HEAD', async () => {
  const response = new Response(null, { headers: { 'content-length': '7' } });
  expect((await readJson(response, 'HEAD')).value).toBeUndefined();
});

test.for([
  '',
  ' ',
  '{"a":',
  '{"a":1',
  '[1,',
  '"te',
  'tru',
  'nul',
  '1.',
  '-',
  'undefined',
  '<html></html>',
  '{"a":1}{"a":2}',
])('readJson() rejects with TypeError that keeps the cause, for the body %j', async (text) => {
  const error = await thrownBy(readJson(new Response(text), 'GET'));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({
    message: 'Cannot read the body as JSON: it broke off, is empty or is malformed (fetch() gives it as it is)',
  });
  expect(error).toHaveProperty('cause', expect.any(SyntaxError));
});

// Engines put their own error in the place of the stream's: an AbortError, a TypeError, a plain Error.
test('readJson() rejects with TypeError that keeps the cause, for a body that breaks off', async () => {
  const error = await thrownBy(readJson(new Response(broken('{"a":', new Error('connection lost'))), 'GET'));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({
    message: 'Cannot read the body as JSON: it broke off, is empty or is malformed (fetch() gives it as it is)',
  });
  expect(error).toHaveProperty('cause', expect.any(Error));
});

test('readJson() rejects with TypeError, for a body that was read before', async () => {
  const response = new Response('{}');
  await response.text();
  expect(await thrownBy(readJson(response, 'GET'))).toBeInstanceOf(TypeError);
});

/** WebKit hands over what has come of a cut body as if it were all. */
const numbers = [
  { text: '12', headers: { 'content-length': '2' }, value: 12 },
  { text: '12', headers: {}, value: 12 },
  { text: '12', headers: { 'content-length': 'abc' }, value: 12 },
  { text: '12\n', headers: { 'content-length': '3' }, value: 12 },
  // The length is that of the encoded bytes, which says nothing of the text.
  { text: '12', headers: { 'content-length': '22', 'content-encoding': 'gzip' }, value: 12 },
];

test.for(numbers)('readJson() gives a number, for $text and $headers', async ({ text, headers, value }) => {
  const answer = await readJson(new Response(text, { headers: new Headers(Object.entries(headers)) }), 'GET');
  expect(answer.value).toBe(value);
});

test.for(['3', '1000'])('readJson() rejects half a number with TypeError, for 2 of %s bytes', async (length) => {
  const error = await thrownBy(readJson(new Response('12', { headers: { 'content-length': length } }), 'GET'));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({
    message: 'Cannot read the body as JSON: it broke off, is empty or is malformed (fetch() gives it as it is)',
    cause: { message: 'Cannot read the number: it was cut off' },
  });
});

test('readJson() looks at the length of numbers only: other JSON is cut or whole by itself', async () => {
  const response = new Response('"ä"', { headers: { 'content-length': '1000' } });
  expect((await readJson(response, 'GET')).value).toBe('ä');
});
