import { expect, test } from 'vitest';

import { cancelBody, isCut, readBytes } from '../../src/http/bytes.ts';
import { source } from '../support/body-source.ts';

async function settled(): Promise<void> {
  for (let tick = 0; tick < 50; tick += 1) await null;
}

// cancelBody

test('cancelBody() cancels a body that nobody has read', async () => {
  const { stream, cancelled } = source('a');
  cancelBody(new Response(stream));
  await settled();
  expect(cancelled).toHaveBeenCalledTimes(1);
});

test('cancelBody() leaves a body alone that somebody is reading', async () => {
  const { stream, cancelled } = source('a', 'b');
  const response = new Response(stream);
  const text = response.text();
  cancelBody(response);
  expect(await text).toBe('ab');
  expect(cancelled).not.toHaveBeenCalled();
});

test('cancelBody() does nothing without a body, and for one that was read', async () => {
  cancelBody(new Response(null));
  const response = new Response('text');
  await response.text();
  cancelBody(response);
});

test('cancelBody() tells nobody that the body is broken, or does not let itself be cancelled', async () => {
  const broken = source('a');
  const response = new Response(broken.stream);
  broken.fail(new Error('connection lost'));
  cancelBody(response);
  const stubborn = new ReadableStream({
    cancel() {
      throw new Error('no');
    },
  });
  cancelBody(new Response(stubborn));
  await settled(); // a rejection that nobody handles fails the run
});

// readBytes

async function textIn(response: Response, maxBytes: number): Promise<string | undefined> {
  const read = await readBytes(response, maxBytes);
  return read && new TextDecoder().decode(read);
}

test('readBytes() gives the whole body, however it comes', async () => {
  expect(await textIn(new Response(source('a', 'bc', '', 'd').stream), 4)).toBe('abcd');
  expect(await textIn(new Response('äöü'), 6)).toBe('äöü');
  expect(await textIn(new Response(''), 0)).toBe('');
  expect(await textIn(new Response(null), 0)).toBe('');
});

test('readBytes() gives nothing of a body that is too long, and cancels it', async () => {
  const { stream, cancelled, pulled } = source('ab', 'cd', 'ef');
  expect(await readBytes(new Response(stream), 3)).toBeUndefined();
  expect(cancelled).toHaveBeenCalledTimes(1);
  expect(pulled).toHaveBeenCalledTimes(2);
});

test('readBytes() does not begin to read what says that it is too long', async () => {
  const { stream, cancelled, pulled } = source('ab');
  expect(await readBytes(new Response(stream, { headers: { 'content-length': '4' } }), 3)).toBeUndefined();
  await settled();
  expect(cancelled).toHaveBeenCalledTimes(1);
  expect(pulled).not.toHaveBeenCalled();
});

test('readBytes() rejects with what broke the body', async () => {
  const { stream, fail } = source('ab');
  fail(new RangeError('gone'));
  await expect(readBytes(new Response(stream), 9)).rejects.toThrow(new RangeError('gone'));
});

test('readBytes() rejects a body that ends before its length', async () => {
  const short = new Response('ab', { headers: { 'content-length': '3' } });
  await expect(readBytes(short, 9)).rejects.toThrow(new TypeError('Cannot read the body: it broke off'));
});

test.for([
  { length: '3', read: 2, cut: true },
  { length: '3', read: 3, cut: false },
  { length: '3', read: 4, cut: false },
  { length: undefined, read: 0, cut: false },
  { length: 'abc', read: 0, cut: false },
])('isCut() is $cut for $read bytes of $length', ({ length, read, cut }) => {
  const headers = length === undefined ? {} : { 'content-length': length };
  expect(isCut(read, new Response(null, { headers }))).toBe(cut);
});

test('isCut() can say nothing about a compressed body, or one from another origin', () => {
  const headers = { 'content-length': '3' };
  expect(isCut(2, new Response(null, { headers: { ...headers, 'content-encoding': 'gzip' } }))).toBe(false);
  const foreign = Object.defineProperty(new Response(null, { headers }), 'type', { value: 'cors' });
  expect(isCut(2, foreign)).toBe(false);
});
