import { expect, test, vi } from 'vitest';

import { Answer } from '../../src/http/answer.ts';
import { BodyLeases, withBodyEnd } from '../../src/http/body.ts';
import { close } from '../../src/layer.ts';
import { source } from '../support/body-source.ts';
import { scenario } from '../support/scenario.ts';

const textOf = (chunk: Uint8Array | undefined): string => new TextDecoder().decode(chunk);

/** A body whose next chunk never comes. */
function silence(): ReturnType<typeof source> {
  const cancelled = vi.fn();
  const pulled = vi.fn();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
    },
    pull: () => new Promise(pulled),
    cancel: cancelled,
  });
  return { stream, pulled, cancelled, fail: (error: unknown): void => controller?.error(error) };
}

function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no rejection',
    (error: unknown) => error,
  );
}

async function settled(): Promise<void> {
  for (let tick = 0; tick < 50; tick += 1) await null;
}

// BodyLeases

test('BodyLeases.hold() takes over what is to be closed, for a body still to come', async () => {
  const close = vi.fn();
  expect(new BodyLeases().hold(new Answer(new Response(source('a').stream)), close)).toBe(true);
  await settled();
  expect(close).not.toHaveBeenCalled();
});

test('BodyLeases.hold() declines without a body, after it was read, and without an answer', async () => {
  const leases = new BodyLeases();
  const close = vi.fn();
  const read = new Response('text');
  await read.text();
  expect(leases.hold(new Answer(new Response(null)), close)).toBe(false);
  expect(leases.hold(new Answer(read), close)).toBe(false);
  expect(leases.hold(undefined, close)).toBe(false);
  expect(close).not.toHaveBeenCalled();
});

test('BodyLeases.hold() is a function of its own, to be handed on', () => {
  const { hold } = new BodyLeases();
  expect(hold(new Answer(new Response('text')), () => {})).toBe(true);
});

test('BodyLeases.discard() cancels the body, and closes all that hung on it, once and in order', async () => {
  const leases = new BodyLeases();
  const { stream, cancelled } = source('a');
  const answer = new Answer(new Response(stream));
  const closed: string[] = [];
  const all = ['scope', 'timer', 'signal', 'slot'];
  for (const each of all) {
    const close = (): void => {
      closed.push(each);
      leases.discard(answer);
    };
    expect(leases.hold(answer, close)).toBe(true);
  }
  leases.discard(answer);
  expect(closed).toEqual(all);
  leases.discard(answer);
  await settled();
  expect(closed).toEqual(all);
  expect(cancelled).toHaveBeenCalledTimes(1);
});

test('BodyLeases.discard() closes nothing of another answer', () => {
  const leases = new BodyLeases();
  const close = vi.fn();
  leases.hold(new Answer(new Response('kept')), close);
  leases.discard(new Answer(new Response('dropped')));
  expect(close).not.toHaveBeenCalled();
});

test('BodyLeases.discard() cancels a body that nothing hung on, and takes an answer without one', async () => {
  const leases = new BodyLeases();
  const { stream, cancelled } = source('a');
  leases.discard(new Answer(new Response(stream)));
  leases.discard(new Answer(new Response(null)));
  await settled();
  expect(cancelled).toHaveBeenCalledTimes(1);
});

test('BodyLeases.discard() closes the rest, when one may not be touched any more, as a timer of a Worker request that is gone', () => {
  const leases = new BodyLeases();
  const answer = new Answer(new Response('text'));
  const close = vi.fn();
  leases.hold(answer, () => {
    throw new Error('Disallowed operation called within global scope');
  });
  leases.hold(answer, close);
  leases.discard(answer);
  expect(close).toHaveBeenCalledTimes(1);
});

test('BodyLeases.hold() keeps the lease until it is discarded, without FinalizationRegistry', () => {
  vi.stubGlobal('FinalizationRegistry', undefined);
  try {
    const leases = new BodyLeases();
    const close = vi.fn();
    const answer = new Answer(new Response('text'));
    expect(leases.hold(answer, close)).toBe(true);
    leases.discard(answer);
    expect(close).toHaveBeenCalledTimes(1);
  } finally {
    vi.unstubAllGlobals();
  }
});

// withBodyEnd

test('withBodyEnd() reports the end once, when the body has been read', async () => {
  const onEnd = vi.fn();
  const { response } = withBodyEnd(new Answer(new Response(source('a', 'b', 'c').stream)), onEnd);
  await settled();
  expect(onEnd).not.toHaveBeenCalled();
  expect(await response.text()).toBe('abc');
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() does not report an end before the last chunk was read', async () => {
  const onEnd = vi.fn();
  const { response } = withBodyEnd(new Answer(new Response(source('a', 'b').stream)), onEnd);
  const reader = response.body?.getReader();
  expect(textOf((await reader?.read())?.value)).toBe('a');
  expect(textOf((await reader?.read())?.value)).toBe('b');
  await settled();
  expect(onEnd).not.toHaveBeenCalled();
  expect(await reader?.read()).toEqual({ done: true, value: undefined });
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reports the end once, when the body is cancelled, and passes the reason on', async () => {
  const onEnd = vi.fn();
  const { stream, cancelled } = source('a', 'b');
  const { response } = withBodyEnd(new Answer(new Response(stream)), onEnd);
  await response.body?.cancel('enough');
  await settled();
  expect(cancelled.mock.calls.map(([reason]) => reason)).toEqual(['enough']); // Chromium passes more
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reports the end once, when the body is cancelled in the middle', async () => {
  const onEnd = vi.fn();
  const { stream, cancelled } = source('a', 'b');
  const { response } = withBodyEnd(new Answer(new Response(stream)), onEnd);
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel('enough');
  await settled();
  expect(cancelled).toHaveBeenCalledTimes(1);
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reports the end once, when the body breaks off, and passes the error on', async () => {
  const onEnd = vi.fn();
  const { stream, fail } = silence();
  const { response } = withBodyEnd(new Answer(new Response(stream)), onEnd);
  const reading = thrownBy(response.body?.getReader().read() ?? Promise.resolve());
  await settled();
  const error = new TypeError('terminated');
  fail(error);
  expect(await reading).toBe(error);
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reports the end once, when an abort breaks a body that nobody reads', async () => {
  const onEnd = vi.fn();
  const { stream, fail } = silence();
  const { response } = withBodyEnd(new Answer(new Response(stream)), onEnd);
  fail(new DOMException('The operation was aborted.', 'AbortError'));
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(await thrownBy(response.text())).not.toBe('no rejection');
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() takes out a lease on what it hands out, and ends the body when that is closed', async () => {
  const onEnd = vi.fn();
  const { stream, cancelled } = source('a');
  const held: unknown[] = [];
  let end = (): void => {};
  const answer = withBodyEnd(new Answer(new Response(stream)), onEnd, (value, own) => {
    held.push(value);
    end = () => close(own);
    return true;
  });
  expect(held).toEqual([answer]);
  expect(held[0]).toBe(answer);
  await settled();
  expect(onEnd).not.toHaveBeenCalled();
  end();
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(cancelled).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() tells nobody that a body broke, when the lease is closed after that', async () => {
  const onEnd = vi.fn();
  const { stream, fail } = silence();
  let end = (): void => {};
  withBodyEnd(new Answer(new Response(stream)), onEnd, (_value, own) => {
    end = () => close(own);
    return true;
  });
  fail(new TypeError('terminated'));
  await settled();
  end();
  await settled(); // a rejection that nobody handles fails the run
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reads nothing ahead', async () => {
  const { stream, pulled } = source('a', 'b', 'c');
  const { response } = withBodyEnd(new Answer(new Response(stream)), () => {});
  await settled();
  expect(pulled).not.toHaveBeenCalled();
  await response.body?.getReader().read();
  await settled();
  expect(pulled).toHaveBeenCalledTimes(1);
});

test('withBodyEnd() reports at once and hands out the answer as it is, without a body to come', async () => {
  const read = new Response('text');
  await read.text();
  for (const response of [new Response(null, { status: 204 }), read]) {
    const onEnd = vi.fn();
    const answer = new Answer(response, 'value');
    expect(withBodyEnd(answer, onEnd)).toBe(answer);
    expect(onEnd).toHaveBeenCalledTimes(1);
  }
});

test('withBodyEnd() reports at once and hands out the answer as it is, when its body is locked', async () => {
  const onEnd = vi.fn();
  const response = new Response(source('a').stream);
  const reader = response.body?.getReader();
  const answer = new Answer(response);
  // Whoever made the response reads it; nobody else can.
  expect(withBodyEnd(answer, onEnd)).toBe(answer);
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(textOf((await reader?.read())?.value)).toBe('a');
});

test('withBodyEnd() keeps the value, status and headers', () => {
  const headers = { 'content-type': 'text/x', etag: '"1"' };
  const original = new Response('text', { status: 404, statusText: 'Nope', headers });
  const copy = withBodyEnd(new Answer(original, { parsed: true }), () => {});
  expect(copy).toBeInstanceOf(Answer);
  expect(copy.value).toEqual({ parsed: true });
  expect(copy.response).not.toBe(original);
  expect(copy.response).toBeInstanceOf(Response);
  expect(copy.response).toMatchObject({ status: 404, statusText: 'Nope', ok: false, bodyUsed: false });
  expect(copy.response.headers).toBe(original.headers);
});

test('withBodyEnd() keeps what a Response of the network has and a constructed one lacks', async () => {
  const original = await fetch(scenario('ok').url);
  const { response } = withBodyEnd(new Answer(original), () => {});
  const { url, redirected, type } = original;
  expect(url).not.toBe('');
  expect(response).toMatchObject({ url, redirected, type });
  expect(await response.json()).toEqual({ ok: true });
});

test('withBodyEnd() keeps whether there was a redirect', () => {
  const original = Object.defineProperty(new Response('text'), 'redirected', { value: true });
  expect(withBodyEnd(new Answer(original), () => {}).response.redirected).toBe(true);
});

test('withBodyEnd() gives a Response that can be cloned, and ends when both have been read', async () => {
  const onEnd = vi.fn();
  const { response } = withBodyEnd(new Answer(new Response(source('a', 'b').stream)), onEnd);
  const clone = response.clone();
  expect(await Promise.all([response.text(), clone.text()])).toEqual(['ab', 'ab']);
  await settled();
  expect(onEnd).toHaveBeenCalledTimes(1);
});
