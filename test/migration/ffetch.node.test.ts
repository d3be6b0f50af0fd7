import { createClient as createFfetch, type FFetch, type FFetchOptions } from '@fetchkit/ffetch';
import { expect, onTestFinished, test, vi } from 'vitest';

import type { ScriptedFetch, ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, snippets } from './guide.ts';

interface Guide {
  load(url: string): Promise<unknown>;
}

const refused = new TypeError('fetch failed');

function ffetch(script: readonly ScriptStep[], options: FFetchOptions = {}): { api: FFetch; theirs: ScriptedFetch } {
  const theirs = scriptedFetch(script);
  return { api: createFfetch({ fetchHandler: theirs, retryDelay: 0, ...options }), theirs };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Makes a number of calls, one after the other, and tells how many of them went out. */
async function sent(count: number, call: () => Promise<unknown>, inner: ScriptedFetch): Promise<number> {
  for (let made = 0; made < count; made += 1) await call().catch(() => {});
  return inner.calls;
}

const literals = Object.fromEntries(
  Array.from(
    readSource('@fetchkit/ffetch/dist/index.js').matchAll(/^ {4}(\w+)(?:: \w+)? = (\d+(?:e\d+)?|false),?$/gm),
    ([, key, value]) => [key, value === 'false' ? false : Number(value)],
  ),
);

test('ffetch: each option has a row, and defaults are as told', () => {
  const types = '@fetchkit/ffetch/dist/index.d.ts';
  const options = membersOf(types, 'FFetchOptions');
  expect(options).toHaveLength(12);
  const hooks = membersOf(types, 'Hooks');
  expect(hooks).toHaveLength(11);
  expect(literals).toEqual({ timeout: 5_000, retries: 0, dedupe: false, dedupeSweepInterval: 5_000 });
  const theirs = {
    ...Object.fromEntries([...options, ...hooks.map((key) => `hooks.${key}`)].map((key) => [key, undefined])),
    ...literals,
    throwOnHttpError: false,
    retryDelay: IN_WORDS,
    shouldRetry: IN_WORDS,
    dedupeHashFn: IN_WORDS,
    'circuit.threshold': 'required',
    'circuit.reset': 'required',
    ...Object.fromEntries(
      Object.getOwnPropertyNames(createFfetch())
        .filter(isOwn)
        .map((key) => [`api.${key}`, undefined]),
    ),
  };
  expect(Object.keys(theirs)).toHaveLength(12 + 11 + 2 + 3);
  expect(mistakesIn('ffetch', theirs)).toEqual([]);
});

function isOwn(name: string): boolean {
  return !['length', 'name', 'prototype'].includes(name);
}

test('ffetch: both sides of the guide get over the same trouble, and give up after as many requests', async () => {
  let sides = 0;
  for await (const { load } of snippets<Guide>('ffetch')) {
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    await expect(load(`${at}/teas`)).rejects.toMatchObject({ name: 'HttpError' });
    expect(requests).toHaveLength(6);
    sides += 1;
  }
  expect(sides).toBe(2);
});

test('by default, ffetch does not retry, and with retries it waits 400 to 500 ms, doubled each time', async () => {
  const once = ffetch([503]);
  expect((await once.api(url)).status).toBe(503);
  expect(once.theirs.calls).toBe(1);

  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const random = vi.spyOn(Math, 'random').mockReturnValue(0);
  onTestFinished(() => {
    vi.useRealTimers();
    random.mockRestore();
  });
  const theirs = scriptedFetch([503]);
  const call = watch(createFfetch({ fetchHandler: theirs, retries: 2 })(url));
  await vi.advanceTimersByTimeAsync(399);
  expect(theirs.calls).toBe(1);
  random.mockReturnValue(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(theirs.calls).toBe(2);
  await vi.advanceTimersByTimeAsync(899);
  expect(theirs.calls).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(theirs.calls).toBe(3);
  expect(call.state).toBe('resolved');
});

test('503s never open the circuit of ffetch without retries; they open ours', async () => {
  const { api, theirs } = ffetch([503], { circuit: { threshold: 2, reset: 60_000 } });
  expect(await sent(10, () => api(url), theirs)).toBe(10);
  expect(api.circuitOpen).toBe(false);
  const { client, upstream: ours } = clientBench([503], { retry: false, breaker: { failureThreshold: 2 } });
  expect(await sent(10, () => client.fetch(url), ours)).toBe(2);
});

test('a network error counts twice for ffetch, and once for us', async () => {
  const { api, theirs } = ffetch([refused], { circuit: { threshold: 4, reset: 60_000 } });
  expect(await sent(10, () => api(url), theirs)).toBe(2);
  const { client, upstream: ours } = clientBench([refused], { retry: false, breaker: { failureThreshold: 4 } });
  expect(await sent(10, () => client.fetch(url), ours)).toBe(4);
});

test('our breaker counts a call by its last attempt', async () => {
  const { client, upstream: ours } = clientBench([503, 503, 200], {
    retry: { initialDelayMs: 0 },
    breaker: { failureThreshold: 1 },
  });
  expect((await client.fetch(url)).status).toBe(200);
  expect((await client.fetch(url)).status).toBe(200);
  expect(ours.calls).toBe(4);
});

test("the caller's aborts open the circuit of ffetch, and not ours", async () => {
  const abort = (): AbortSignal => {
    const caller = new AbortController();
    setImmediate(() => caller.abort());
    return caller.signal;
  };
  const { api, theirs } = ffetch(['hang'], { circuit: { threshold: 4, reset: 60_000 } });
  expect(await sent(10, () => api(url, { signal: abort() }), theirs)).toBe(2);
  const { client, upstream: ours } = clientBench(['hang'], { breaker: { failureThreshold: 2 } });
  expect(await sent(10, () => client.fetch(url, { signal: abort() }), ours)).toBe(10);
});

test.for([
  { status: 429, sentByTheirs: 2 },
  { status: 404, sentByTheirs: 2 },
])('a $status opens the circuit of ffetch with throwOnHttpError, and not ours', async ({ status, sentByTheirs }) => {
  const circuit = { threshold: sentByTheirs * (status === 429 ? 2 : 1), reset: 60_000 };
  const { api, theirs } = ffetch([status], { circuit, throwOnHttpError: true });
  expect(await sent(10, () => api(url), theirs)).toBe(sentByTheirs);
  const { client, upstream: ours } = clientBench([status], { retry: false, breaker: { failureThreshold: 2 } });
  expect(await sent(10, () => client.json(url), ours)).toBe(10);
});

test('ffetch has one circuit for all, ours is for each origin', async () => {
  const { api } = ffetch([refused, 200], { circuit: { threshold: 1, reset: 60_000 } });
  await api('https://a.test/').catch(() => {});
  expect(await errorOf(api('https://b.test/'))).toMatchObject({ name: 'CircuitOpenError' });
  const { client } = clientBench([refused, 200], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch('https://a.test/').catch(() => {});
  expect(await errorOf(client.fetch('https://a.test/'))).toMatchObject({ name: 'CircuitOpenError' });
  expect((await client.fetch('https://b.test/')).status).toBe(200);
});

test('after the reset, ffetch lets all calls through, ours one at a time until two have succeeded', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { api, theirs } = ffetch([refused, 'hang'], { circuit: { threshold: 1, reset: 1_000 }, timeout: 0 });
  await api(url).catch(() => {});
  vi.setSystemTime(Date.now() + 1_000);
  for (let call = 0; call < 10; call += 1) watch(api(url));
  await turn();
  expect(theirs.calls).toBe(11);

  const breaker = { failureThreshold: 1, resetTimeoutMs: 1_000 };
  const { client, clock, upstream: ours } = clientBench([refused, 200], { retry: false, breaker });
  await client.fetch(url).catch(() => {});
  await clock.advance(1_000);
  const states = [];
  for (const _round of [1, 2, 3]) {
    const calls = Array.from({ length: 10 }, () => watch(client.fetch(url)));
    await clock.advance(0);
    states.push(calls.filter(({ state }) => state === 'resolved').length);
  }
  expect(states).toEqual([1, 1, 10]);
  expect(ours.calls).toBe(13);
});

test('the reset of ffetch stays as it is; ours doubles with each failed probe', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { api, theirs } = ffetch([refused], { circuit: { threshold: 1, reset: 1_000 } });
  const breaker = { failureThreshold: 1, resetTimeoutMs: 1_000 };
  const { client, clock, upstream: ours } = clientBench([refused], { retry: false, breaker });
  const sentSoFar: unknown[] = [];
  for (const _second of [0, 1, 2, 3]) {
    await api(url).catch(() => {});
    await client.fetch(url).catch(() => {});
    sentSoFar.push([theirs.calls, ours.calls]);
    vi.setSystemTime(Date.now() + 1_000);
    await clock.advance(1_000);
  }
  expect(sentSoFar).toEqual([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
  ]);
});

test('ffetch repeats a POST without a body, and no request with one; the client what is idempotent', async () => {
  const bare = ffetch([503, 200], { retries: 2 });
  expect((await bare.api(url, { method: 'POST' })).status).toBe(200);
  const full = ffetch([503, 200], { retries: 2 });
  expect((await full.api(url, { method: 'PUT', body: 'tea' })).status).toBe(503);
  // A fetch reads the body of its Request, which the script does not.
  const broken = await upstream(() => Response.json([]), 'reset');
  const error = await errorOf(createFfetch({ retries: 2, retryDelay: 0 })(broken.url, { method: 'PUT', body: 'tea' }));
  expect(error).toMatchObject({ name: 'RetryLimitError', message: expect.stringContaining('already been used') });
  expect(broken.requests).toHaveLength(1);

  const { client, upstream: ours } = clientBench([503, 503, 200, refused, 200], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url, { method: 'POST' })).status).toBe(503);
  expect((await client.fetch(url, { method: 'PUT', body: 'tea' })).status).toBe(200);
  expect((await client.fetch(url, { method: 'PUT', body: 'tea' })).status).toBe(200);
  expect(ours.calls).toBe(5);
});

test('a timeout: two names in ffetch, one in ours; that of an attempt is retried', async () => {
  const once = ffetch(['hang'], { timeout: 10 });
  expect(await errorOf(once.api(url))).toMatchObject({ name: 'RetryLimitError' });
  const more = ffetch(['hang'], { timeout: 10, retries: 2 });
  expect(await errorOf(more.api(url))).toMatchObject({ name: 'TimeoutError' });
  expect(more.theirs.calls).toBe(1);

  const { client, clock } = clientBench(['hang'], { deadlineMs: 1_000 });
  const late = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(late.error).toMatchObject({ name: 'TimeoutError', code: 'DEADLINE_EXCEEDED' });
  const bench = clientBench(['hang', 200], { attemptTimeoutMs: 100 });
  const call = bench.client.fetch(url);
  await bench.clock.advance(200);
  expect((await call).status).toBe(200);
});

test('an abort is not heard by ffetch while it waits for a retry; ours ends the wait at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { api } = ffetch([503, 200], { retries: 1, retryDelay: 60_000, timeout: 0 });
  const caller = new AbortController();
  const theirs = watch(api(url, { signal: caller.signal }));
  const { client, clock } = clientBench([503, 200], { retry: { initialDelayMs: 5_000 } });
  const ours = watch(client.fetch(url, { signal: caller.signal }));
  await vi.advanceTimersByTimeAsync(0);
  await clock.advance(0);
  caller.abort(new Error('left'));
  await vi.advanceTimersByTimeAsync(59_999);
  expect(theirs.state).toBe('pending');
  await vi.advanceTimersByTimeAsync(1);
  expect(theirs.state).toBe('resolved');
  await clock.advance(0);
  expect(ours.error).toBe(caller.signal.reason);
});

test("an abort with a reason of the caller's: ffetch makes a RetryLimitError of it, ours is the reason", async () => {
  const reason = new Error('left');
  const caller = new AbortController();
  const theirs = watch(ffetch(['hang']).api(url, { signal: caller.signal }));
  const ours = watch(clientBench(['hang']).client.fetch(url, { signal: caller.signal }));
  await turn();
  caller.abort(reason);
  await turn();
  expect(theirs.error).toMatchObject({ name: 'RetryLimitError', message: 'left' });
  expect(ours.error).toBe(reason);
});

test('a network error has names of its own in ffetch, and stays a TypeError in ours', async () => {
  expect(await errorOf(ffetch([refused]).api(url))).toMatchObject({ name: 'RetryLimitError' });
  const chromium = new TypeError('Failed to fetch');
  expect(await errorOf(ffetch([chromium]).api(url))).toMatchObject({ name: 'NetworkError' });
  expect(await errorOf(clientBench([refused], { retry: false }).client.fetch(url))).toBe(refused);
});

test('Retry-After: ffetch waits beyond its timeout, the client hands out the answer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const late = { status: 503, headers: { 'Retry-After': '20' } };
  const theirs = scriptedFetch([late, 200]);
  const call = watch(createFfetch({ fetchHandler: theirs, retries: 1, timeout: 10 })(url));
  await turn();
  while (theirs.requests[0]?.signal?.aborted !== true) await turn();
  await vi.advanceTimersByTimeAsync(19_999);
  expect(call.state).toBe('pending');
  await vi.advanceTimersByTimeAsync(1);
  expect(call).toMatchObject({ state: 'resolved', value: { status: 503 } });

  const { client, upstream: ours } = clientBench([late, 200], { deadlineMs: 10_000 });
  expect((await client.fetch(url)).status).toBe(503);
  expect(ours.calls).toBe(1);
});

test('shared calls: ffetch gives all the same Response, whoever they are, for a POST too; ours does not', async () => {
  const as = (user: string): RequestInit => ({ headers: { Authorization: user } });
  const { api, theirs } = ffetch([{ body: '1', delayMs: 5 }], { dedupe: true });
  const [mine, yours] = await Promise.all([api(url, as('ann')), api(url, as('bob'))]);
  expect(yours).toBe(mine);
  await mine.text();
  await expect(yours.text()).rejects.toThrow(TypeError);
  await Promise.all([api(url, { method: 'POST', body: 'tea' }), api(url, { method: 'POST', body: 'tea' })]);
  expect(theirs.calls).toBe(2);

  const { client, clock, upstream: ours } = clientBench([{ body: '1', delayMs: 5 }], { fallback: { coalesce: true } });
  const reads = [as('ann'), as('ann'), as('bob')].map(async (init) => (await client.fetch(url, init)).text());
  await clock.advance(5);
  expect(await Promise.all(reads)).toEqual(['1', '1', '1']);
  expect(ours.calls).toBe(2);
  const writes = [1, 2].map(() => client.fetch(url, { method: 'POST', body: 'tea' }));
  await clock.advance(5);
  await Promise.all(writes);
  expect(ours.calls).toBe(4);
});

test('abortAll() aborts nothing; close() does', async () => {
  const { api, theirs } = ffetch(['hang']);
  watch(api(url));
  await turn();
  expect(api.pendingRequests).toHaveLength(1);
  api.abortAll();
  await turn();
  expect(theirs.requests[0]?.signal?.aborted).toBe(false);
  expect(api.pendingRequests).toHaveLength(1);

  const { client, clock, upstream: ours } = clientBench(['hang']);
  const call = watch(client.fetch(url));
  await clock.advance(0);
  void client.close({ drainMs: 0 });
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'CLOSED' });
  expect(ours.requests[0]?.signal?.aborted).toBe(true);
});
