import { expect, test } from 'vitest';

import { FakeClock, type ScriptStep, scriptedFetch } from '../../src/testing/index.ts';

const url = 'https://a.test/';

/** What has become of a promise so far. */
function watch<T>(work: Promise<T>) {
  const state: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  work.then(
    (value) => Object.assign(state, { value, settled: true }),
    (error: unknown) => Object.assign(state, { error, settled: true }),
  );
  return state;
}

/** An answer whose body ends as `after` says. */
function bodyThat(after: 'end' | 'break' | 'hang', body?: string): ScriptStep {
  return { after, ...(body === undefined ? {} : { body }) };
}

// Steps.

test('scriptedFetch() answers with a status and an empty body, for a number', async () => {
  const response = await scriptedFetch([503])(url);
  expect(response).toBeInstanceOf(Response);
  expect(response.status).toBe(503);
  expect(await response.text()).toBe('');
  expect([...response.headers.keys()].filter((name) => name !== 'content-type')).toEqual([]);
});

test.for([204, 205, 304])('scriptedFetch() answers without a body, for %d', async (status) => {
  const response = await scriptedFetch([status])(url);
  expect(response.status).toBe(status);
  expect(response.body).toBeNull();
});

test('scriptedFetch() answers in detail: status, headers and body', async () => {
  const fetch = scriptedFetch([{ status: 429, headers: { 'retry-after': '2' }, body: 'later' }, { body: 'sure' }, {}]);
  const first = await fetch(url);
  expect(first.status).toBe(429);
  expect(first.headers.get('retry-after')).toBe('2');
  expect(await first.text()).toBe('later');
  const second = await fetch(url);
  expect(second.status).toBe(200);
  expect(await second.text()).toBe('sure');
  const third = await fetch(url);
  expect(third.status).toBe(200);
  expect(await third.text()).toBe('');
});

test('scriptedFetch() answers without a body, for a body of null', async () => {
  expect((await scriptedFetch([{ body: null }])(url)).body).toBeNull();
});

test('scriptedFetch() gives a fresh copy of a Response each time', async () => {
  const given = new Response('text', { status: 404, headers: { a: '1' } });
  const fetch = scriptedFetch([given]);
  for (const _ of [1, 2]) {
    const response = await fetch(url);
    expect(response).not.toBe(given);
    expect(response.status).toBe(404);
    expect(response.headers.get('a')).toBe('1');
    expect(await response.text()).toBe('text');
  }
  expect(given.bodyUsed).toBe(false);
});

test('scriptedFetch() rejects with the very error', async () => {
  const error = new TypeError('fetch failed');
  await expect(scriptedFetch([error])(url)).rejects.toBe(error);
});

test('scriptedFetch() asks a function about the request, and takes what it gives for the step', async () => {
  const fetch = scriptedFetch([({ number, method, url: asked }) => ({ body: `${number} ${method} ${asked}` })]);
  expect(await (await fetch(url)).text()).toBe(`1 GET ${url}`);
  expect(await (await fetch(`${url}b`, { method: 'put' })).text()).toBe(`2 PUT ${url}b`);
});

test('scriptedFetch() asks on, for a function that gives a function, or a promise', async () => {
  const step: ScriptStep = async () => () => Promise.resolve(418);
  expect((await scriptedFetch([step])(url)).status).toBe(418);
  const error = new Error('from the function');
  const thrower: ScriptStep = () => {
    throw error;
  };
  await expect(scriptedFetch([thrower])(url)).rejects.toBe(error);
});

test('scriptedFetch() takes one step per request, and repeats the last', async () => {
  const fetch = scriptedFetch([500, 502, 200]);
  const statuses = [];
  for (let request = 0; request < 5; request += 1) statuses.push((await fetch(url)).status);
  expect(statuses).toEqual([500, 502, 200, 200, 200]);
});

test('scriptedFetch() goes by when requests come, not by when they are answered', async () => {
  const clock = new FakeClock();
  const fetch = scriptedFetch([{ delayMs: 100, status: 201 }, 202], { clock });
  const [first, second] = [watch(fetch(url)), watch(fetch(url))];
  await clock.advance(0);
  expect(second.value?.status).toBe(202);
  expect(first.settled).toBe(false);
  await clock.advance(100);
  expect(first.value?.status).toBe(201);
});

test('scriptedFetch() throws TypeError, for no steps', () => {
  expect(() => scriptedFetch([])).toThrow(new TypeError('script must have at least one step, got none'));
});

test('scriptedFetch() throws TypeError that names the step and what is no part of an answer, for a step with it', () => {
  const misspelt = { stauts: 503 } as ScriptStep;
  expect(() => scriptedFetch([200, misspelt])).toThrow(
    new TypeError('script[1].stauts is not an option; there are status, headers, body, delayMs, after'),
  );
});

test('scriptedFetch() rejects in its turn, for a function that gives a step with what is no part of an answer', async () => {
  const misspelt = { status: 503, delay: 5 } as ScriptStep;
  const fetch = scriptedFetch([() => Promise.resolve(misspelt), () => () => misspelt, 204]);
  const message = (index: number) =>
    new TypeError(`script[${index}]().delay is not an option; there are status, headers, body, delayMs, after`);
  await expect(fetch(url)).rejects.toEqual(message(0));
  await expect(fetch(url)).rejects.toEqual(message(1));
  expect((await fetch(url)).status).toBe(204);
});

test('scriptedFetch() takes errors and Responses with more in them than the platform puts there', async () => {
  const error = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  const response = Object.assign(new Response('text', { status: 404 }), { note: 'of the user' });
  const fetch = scriptedFetch([error, response, () => error]);
  await expect(fetch(url)).rejects.toBe(error);
  expect((await fetch(url)).status).toBe(404);
  await expect(fetch(url)).rejects.toBe(error);
});

// Time.

test('scriptedFetch() answers after delayMs, by the clock', async () => {
  const clock = new FakeClock();
  const answer = watch(scriptedFetch([{ delayMs: 100 }], { clock })(url));
  await clock.advance(99);
  expect(answer.settled).toBe(false);
  await clock.advance(1);
  expect(answer.value?.status).toBe(200);
  expect(clock.pending).toBe(0);
});

test('scriptedFetch() waits for nothing without a delay', async () => {
  const clock = new FakeClock();
  await scriptedFetch([200, { delayMs: 0 }], { clock })(url);
  expect(clock.pending).toBe(0);
});

test('scriptedFetch() never answers, for "hang"', async () => {
  const clock = new FakeClock();
  const answer = watch(scriptedFetch(['hang'], { clock })(url));
  await clock.advance(1e12);
  expect(answer.settled).toBe(false);
  expect(clock.pending).toBe(0);
});

// Aborts.

const waiting: readonly { what: string; step: ScriptStep }[] = [
  { what: '"hang"', step: 'hang' },
  { what: 'a delay', step: { delayMs: 100 } },
  { what: 'a function that takes its time', step: () => new Promise(() => {}) },
];

test.for(waiting)('scriptedFetch() rejects with the reason on abort, during $what', async ({ step }) => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const answer = watch(scriptedFetch([step], { clock })(url, { signal: controller.signal }));
  await clock.advance(50);
  expect(answer.settled).toBe(false);
  controller.abort('the user left');
  await clock.advance(0);
  expect(answer).toMatchObject({ settled: true, error: 'the user left' });
  expect(clock.pending).toBe(0);
});

test('scriptedFetch() rejects with the reason, and has been called, for a signal that has aborted before', async () => {
  const fetch = scriptedFetch([200]);
  await expect(fetch(url, { signal: AbortSignal.abort('the user left') })).rejects.toBe('the user left');
  expect(fetch.calls).toBe(1);
});

test('scriptedFetch() follows the signal of a Request', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const answer = watch(scriptedFetch(['hang'], { clock })(new Request(url, { signal: controller.signal })));
  await clock.advance(0);
  controller.abort(new Error('the user left'));
  await clock.advance(0);
  expect(answer.settled).toBe(true);
  expect(answer.error).toBeInstanceOf(Error);
});

test('scriptedFetch() leaves no listener on the signal, once it has answered', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  let listeners = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    },
    removeEventListener: (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    },
  });
  const answer = watch(scriptedFetch([{ delayMs: 10 }], { clock })(url, { signal }));
  await clock.advance(0);
  expect(listeners).toBe(1);
  await clock.advance(10);
  expect(answer.settled).toBe(true);
  expect(listeners).toBe(0);
});

// What becomes of the body.

test('scriptedFetch() breaks the body off after what it gives, for then: "break"', async () => {
  const response = await scriptedFetch([bodyThat('break', '{"a":')])(url);
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('{"a":');
  await expect(reader?.read()).rejects.toThrow(TypeError);
});

test('scriptedFetch() breaks the body off at once, for then: "break" without a body', async () => {
  const response = await scriptedFetch([bodyThat('break')])(url);
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow();
});

test('scriptedFetch() never ends the body, for then: "hang", unless the signal does', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const fetch = scriptedFetch([bodyThat('hang', 'part')], { clock });
  const response = await fetch(url, { signal: controller.signal });
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('part');
  const rest = watch<unknown>(reader?.read() ?? Promise.resolve());
  await clock.advance(1e12);
  expect(rest.settled).toBe(false);
  controller.abort('the user left');
  await clock.advance(0);
  expect(rest).toMatchObject({ settled: true, error: 'the user left' });
});

test('scriptedFetch() lets a hanging body be cancelled', async () => {
  const clock = new FakeClock();
  const response = await scriptedFetch([bodyThat('hang', 'part')], { clock })(url);
  const cancelled = watch(response.body?.cancel() ?? Promise.reject());
  await clock.advance(0);
  expect(cancelled).toEqual({ settled: true, value: undefined });
});

test('scriptedFetch() ends the body, for then: "end"', async () => {
  expect(await (await scriptedFetch([bodyThat('end', 'whole')])(url)).text()).toBe('whole');
});

// What was asked.

test('scriptedFetch() remembers each request: URL, method, headers, body, signal and number', async () => {
  const { signal } = new AbortController();
  const fetch = scriptedFetch([200]);
  expect(fetch.calls).toBe(0);
  expect(fetch.requests).toEqual([]);
  await fetch(url);
  await fetch(new URL(`${url}b`), { method: 'post', headers: { a: '1' }, body: 'text', signal });
  expect(fetch.calls).toBe(2);
  expect(fetch.requests).toMatchObject([
    { url, method: 'GET', body: null, signal: undefined, number: 1 },
    { url: `${url}b`, method: 'POST', body: 'text', number: 2 },
  ]);
  expect(fetch.requests[1]?.signal).toBe(signal);
  expect(fetch.requests.map(({ headers }) => headers.get('a'))).toEqual([null, '1']);
});

test('scriptedFetch() remembers what a Request says, unless the init says otherwise', async () => {
  const input = new Request(url, { method: 'PUT', headers: { a: '1' } });
  const fetch = scriptedFetch([200]);
  await fetch(input);
  await fetch(input, { method: 'DELETE', headers: { b: '2' }, body: null });
  expect(fetch.requests).toMatchObject([
    { url, method: 'PUT' },
    { url, method: 'DELETE' },
  ]);
  expect(fetch.requests.map(({ headers }) => [...headers.keys()])).toEqual([['a'], ['b']]);
});

test('scriptedFetch() remembers headers as they were, whatever becomes of them later', async () => {
  const headers = new Headers({ a: '1' });
  const fetch = scriptedFetch([200]);
  await fetch(url, { headers });
  headers.set('a', '2');
  expect(fetch.requests[0]?.headers.get('a')).toBe('1');
});

test('scriptedFetch() goes by the signal of init, also where that is null', async () => {
  const request = new Request(url, { signal: AbortSignal.abort() });
  expect((await scriptedFetch([200])(request, { signal: null })).status).toBe(200);
});
