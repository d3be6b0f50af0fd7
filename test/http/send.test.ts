import { afterEach, expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import { type ClientOptions, resolveClient } from '../../src/client-options.ts';
import type { Answer } from '../../src/http/answer.ts';
import { BodyLeases } from '../../src/http/body.ts';
import type { BodyReading } from '../../src/http/call.ts';
import { sender } from '../../src/http/send.ts';
import type { FetchInit } from '../../src/index.ts';
import { CallContext, promising } from '../../src/layer.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { callTo } from '../support/call.ts';

const url = 'https://a.test/';

afterEach(() => {
  vi.unstubAllGlobals();
});

function trip(given: ClientOptions['fetch'], init: FetchInit = {}, reads: BodyReading = 'none') {
  const call = callTo(url, init, reads);
  const scope = new Scope();
  const context = new CallContext(scope, { call });
  const settings = resolveClient({ clock: new FakeClock(), ...(given === undefined ? {} : { fetch: given }) });
  const send = sender(settings, new BodyLeases());
  return { call, scope, context, send: (): Promise<Answer> => promising(send)(context) };
}

function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no rejection',
    (error: unknown) => error,
  );
}

// What goes out, and what comes back.

test('sender() hands the request to the given fetch, with the signal of the attempt', async () => {
  const asked: unknown[] = [];
  const response = new Response('text');
  const { send, call, context } = trip(
    async (...args) => {
      asked.push(args);
      return response;
    },
    {
      method: 'PUT',
      body: 'b',
      headers: { a: '1' },
      signal: new AbortController().signal,
      deadlineMs: 5,
      retry: false,
    },
  );
  const answer = await send();
  expect(asked).toEqual([[url, { method: 'PUT', body: 'b', headers: { a: '1' }, signal: context.signal }]]);
  expect(answer.response).toBe(response);
  expect(answer.value).toBeUndefined();
  expect(response.bodyUsed).toBe(false);
  expect(call.hasHeaders).toBe(true);
});

test('sender() calls the platform fetch as a method of the global object, and looks it up at each call', async () => {
  const seen: unknown[] = [];
  const fetchNamed = (name: string) =>
    async function (this: unknown): Promise<Response> {
      seen.push(name, this);
      return new Response();
    };
  const { send } = trip(undefined);
  vi.stubGlobal('fetch', fetchNamed('first'));
  await send();
  vi.stubGlobal('fetch', fetchNamed('second'));
  await send();
  expect(seen).toEqual(['first', globalThis, 'second', globalThis]);
});

test('sender() leaves the platform fetch alone, when there is another', async () => {
  const platform = vi.fn();
  vi.stubGlobal('fetch', platform);
  await trip(async () => new Response()).send();
  expect(platform).not.toHaveBeenCalled();
});

test('sender() reads the body inside the attempt, when the call wants it', async () => {
  const { send, call } = trip(async () => Response.json({ a: 1 }), {}, 'json');
  expect((await send()).value).toEqual({ a: 1 });
  expect(call.hasHeaders).toBe(true);
});

test('sender() does not read the body of the answer to a HEAD', async () => {
  const { send } = trip(async () => new Response('not JSON'), { method: 'HEAD' }, 'json');
  const { response, value } = await send();
  expect(value).toBeUndefined();
  expect(response.bodyUsed).toBe(false);
});

test('sender() notes that the headers are there, when the body turns out to be broken', async () => {
  const { send, call } = trip(async () => new Response('{'), {}, 'json');
  expect(await rejectionOf(send())).toBeInstanceOf(TypeError);
  expect(call.hasHeaders).toBe(true);
});

test('sender() forgets the headers of an earlier attempt', async () => {
  const { send, call } = trip(async () => {
    throw new TypeError('fetch failed');
  });
  call.hasHeaders = true;
  await rejectionOf(send());
  expect(call.hasHeaders).toBe(false);
});

// Errors.

const foreign = [
  { what: 'a plain Error', thrown: new Error('Network connection lost.') },
  { what: 'a DOMException', thrown: new DOMException('The operation was aborted.', 'AbortError') },
  { what: 'a string', thrown: 'connection lost' },
  { what: 'undefined', thrown: undefined },
];

test.for(foreign)('sender() rejects with TypeError, when the platform fetch rejects with $what', async ({ thrown }) => {
  vi.stubGlobal('fetch', async () => {
    throw thrown;
  });
  const error = await rejectionOf(trip(undefined).send());
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ message: 'Failed to fetch', cause: thrown });
});

test('sender() leaves the TypeError of the platform fetch as it is', async () => {
  const thrown = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
  vi.stubGlobal('fetch', async () => {
    throw thrown;
  });
  expect(await rejectionOf(trip(undefined).send())).toBe(thrown);
});

test.for(foreign)('sender() leaves what the given fetch rejects with as it is, for $what', async ({ thrown }) => {
  const { send } = trip(async () => {
    throw thrown;
  });
  expect(await rejectionOf(send())).toBe(thrown);
});

test('sender() rejects with what the given fetch throws at once', async () => {
  const thrown = new RangeError('no');
  const { send } = trip(() => {
    throw thrown;
  });
  expect(await rejectionOf(send())).toBe(thrown);
});

// Late answers.

test.for(['none', 'json', 9] as const)(
  'sender() cancels the body of an answer that comes after the abort, to be read: %s',
  async (reads) => {
    let arrive: (response: Response) => void = () => {};
    const { send, call, scope } = trip(
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
      {},
      reads,
    );
    const sent = rejectionOf(send());
    scope.abort('the user left');
    const cancelled = vi.fn();
    arrive(new Response(new ReadableStream({ cancel: cancelled })));
    expect(await sent).toBe('the user left');
    expect(cancelled).toHaveBeenCalledTimes(1);
    expect(call.hasHeaders).toBe(false);
  },
);

test('sender() rejects with the reason, for a late answer without a body', async () => {
  const { send, scope } = trip(async () => {
    scope.abort('the user left');
    return new Response(null, { status: 204 });
  });
  expect(await rejectionOf(send())).toBe('the user left');
});
