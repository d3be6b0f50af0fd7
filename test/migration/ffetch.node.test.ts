import { createClient as createFfetch, type FFetch, type FFetchOptions } from '@fetchkit/ffetch';
import { expect, onTestFinished, test, vi } from 'vitest';

import { DeadlineExceededError } from '../../src/index.ts';
import type { ScriptedFetch, ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, sentencesOf, snippets } from './guide.ts';
import { newLayers, requestsEachSecond, sentAfterReset, sharedCalls } from './ours.ts';

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

const types = '@fetchkit/ffetch/dist/index.d.ts';
const options = membersOf(types, 'FFetchOptions');
const hooks = membersOf(types, 'Hooks');
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
const page = sentencesOf('ffetch', theirs);

test('ffetch: each option has a row, and defaults are as told', () => {
  expect(options).toHaveLength(12);
  expect(hooks).toHaveLength(11);
  expect(literals).toEqual({ timeout: 5_000, retries: 0, dedupe: false, dedupeSweepInterval: 5_000 });
  expect(Object.keys(theirs)).toHaveLength(12 + 11 + 2 + 3);
  expect(readSource(types)).toMatch(/circuit\?: \{\s*threshold: number;\s*reset: number;\s*\};/);
  expect(mistakesIn('ffetch', theirs)).toEqual([]);
});

function isOwn(name: string): boolean {
  return !['length', 'name', 'prototype'].includes(name);
}

test('ffetch: both sides of the guide get over the same trouble, and give up after as many requests', async () => {
  page.says(/`retry\.maxAttempts`, which counts the first one too: `retries` \+ 1/);
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

test('by default, ffetch does not retry, and with retries it waits 400 ms, doubled each time, and up to 100 more', async () => {
  page.says(/400 ms, doubled each time, and up to 100 more/);
  page.says(/`retry\.initialDelayMs`, with `retry\.multiplier` and `retry\.jitter`/);
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

test('503s never open the circuit of ffetch without retries, unless the first one does; they open ours', async () => {
  page.says(
    /In ffetch, an answer that is handed out sets the count of failures to 0, also if it is a 503: without retries, a service that answers 503 never reaches a threshold of 2\./,
  );
  page.says(/a 5xx is a failure as a network error is\./);
  const { api, theirs } = ffetch([503], { circuit: { threshold: 2, reset: 60_000 } });
  expect(await sent(10, () => api(url), theirs)).toBe(10);
  expect(api.circuitOpen).toBe(false);
  const first = ffetch([503], { circuit: { threshold: 1, reset: 60_000 } });
  expect(await sent(10, () => first.api(url), first.theirs)).toBe(1);
  const { client, upstream: ours } = clientBench([503], { retry: false, breaker: { failureThreshold: 2 } });
  expect(await sent(10, () => client.fetch(url), ours)).toBe(2);
});

test('a network error counts twice for ffetch, and once for us', async () => {
  page.says(/A network error counts twice, once as an attempt and once as the call\./);
  const { api, theirs } = ffetch([refused], { circuit: { threshold: 4, reset: 60_000 } });
  expect(await sent(10, () => api(url), theirs)).toBe(2);
  const { client, upstream: ours } = clientBench([refused], { retry: false, breaker: { failureThreshold: 4 } });
  expect(await sent(10, () => client.fetch(url), ours)).toBe(4);
});

test('our breaker counts a call by its last attempt', async () => {
  page.says(/Ours counts calls, by their last attempt/);
  const { client, upstream: ours } = clientBench([503, 503, 200], {
    retry: { initialDelayMs: 0 },
    breaker: { failureThreshold: 1 },
  });
  expect((await client.fetch(url)).status).toBe(200);
  expect((await client.fetch(url)).status).toBe(200);
  expect(ours.calls).toBe(4);
});

test("the caller's aborts open the circuit of ffetch, and not ours", async () => {
  page.says(/In ffetch, the caller's aborts count as failures/);
  page.says(/In ours, none of them does\./);
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
  page.says(/and with `throwOnHttpError` a 429 and a 404\./);
  const circuit = { threshold: sentByTheirs * (status === 429 ? 2 : 1), reset: 60_000 };
  const { api, theirs } = ffetch([status], { circuit, throwOnHttpError: true });
  expect(await sent(10, () => api(url), theirs)).toBe(sentByTheirs);
  const { client, upstream: ours } = clientBench([status], { retry: false, breaker: { failureThreshold: 2 } });
  expect(await sent(10, () => client.json(url), ours)).toBe(10);
});

test('ffetch has one circuit for all, ours is for each origin', async () => {
  page.says(/ffetch has one for the client, ours has one for each origin\./);
  const { api } = ffetch([refused, 200], { circuit: { threshold: 1, reset: 60_000 } });
  await api('https://a.test/').catch(() => {});
  expect(await errorOf(api('https://b.test/'))).toMatchObject({ name: 'CircuitOpenError' });
  const { client } = clientBench([refused, 200], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch('https://a.test/').catch(() => {});
  expect(await errorOf(client.fetch('https://a.test/'))).toMatchObject({ name: 'CircuitOpenError' });
  expect((await client.fetch('https://b.test/')).status).toBe(200);
});

test('after the reset, ffetch lets all calls through, ours one at a time until two have succeeded', async () => {
  page.says(/ffetch lets all calls through\./);
  page.says(/Ours lets one through at a time, until two have succeeded\./);
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { api, theirs } = ffetch([refused, 'hang'], { circuit: { threshold: 1, reset: 1_000 }, timeout: 0 });
  await api(url).catch(() => {});
  vi.setSystemTime(Date.now() + 1_000);
  for (let call = 0; call < 10; call += 1) watch(api(url));
  await turn();
  expect(theirs.calls).toBe(11);

  expect(await sentAfterReset(10)).toEqual([1, 1, 10]);
});

test('the reset of ffetch stays as it is; ours doubles with each failed probe', async () => {
  page.says(/`breaker\.resetTimeoutMs`; it doubles, up to `breaker\.maxResetTimeoutMs`/);
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { api, theirs } = ffetch([refused], { circuit: { threshold: 1, reset: 1_000 } });
  const sentSoFar: number[] = [];
  for (const _second of [0, 1, 2, 3]) {
    await api(url).catch(() => {});
    sentSoFar.push(theirs.calls);
    vi.setSystemTime(Date.now() + 1_000);
  }
  expect(sentSoFar).toEqual([1, 2, 3, 4]);
  expect(await requestsEachSecond(8)).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
  expect(await requestsEachSecond(8, { maxResetTimeoutMs: 2_000 })).toEqual([1, 2, 2, 3, 3, 4, 4, 5]);
});

test('ffetch repeats a POST without a body, and no request with one; the client what is idempotent', async () => {
  const bare = ffetch([503, 200], { retries: 2 });
  expect((await bare.api(url, { method: 'POST' })).status).toBe(200);
  page.says(/With `retries`, ffetch repeats a POST without a body\./);
  page.says(
    /A request with a body is never sent again: after a 503, and the waits, it gives the 503; after a network error it rejects, since the Request is used up\./,
  );
  page.says(/The client repeats what is idempotent, with a body that can be replayed\./);
  const full = ffetch([503, 200], { retries: 2 });
  expect((await full.api(url, { method: 'PUT', body: 'tea' })).status).toBe(503);
  expect(full.theirs.calls).toBe(1);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const slow = ffetch([503, 200], { retries: 2, retryDelay: 1_000, timeout: 0 });
  const waiting = watch(slow.api(url, { method: 'PUT', body: 'tea' }));
  await vi.advanceTimersByTimeAsync(1_999);
  expect(waiting.state).toBe('pending');
  await vi.advanceTimersByTimeAsync(1);
  expect(waiting).toMatchObject({ state: 'resolved', value: { status: 503 } });
  vi.useRealTimers();
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
  page.says(/A timeout is a `RetryLimitError` in ffetch without retries, and a `TimeoutError` with them\./);
  page.says(/Ours is a `DeadlineExceededError` \(`name` is `"TimeoutError"`\)\./);
  page.says(/`attemptTimeoutMs`, which ffetch has not, is retried\./);
  page.says(/`deadlineMs`; 0 is `deadlineMs: false`/);
  const once = ffetch(['hang'], { timeout: 10 });
  expect(await errorOf(once.api(url))).toMatchObject({ name: 'RetryLimitError' });
  const more = ffetch(['hang'], { timeout: 10, retries: 2 });
  expect(await errorOf(more.api(url))).toMatchObject({ name: 'TimeoutError' });
  expect(more.theirs.calls).toBe(1);

  const { client, clock } = clientBench(['hang'], { deadlineMs: 1_000 });
  const late = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(late.error).toBeInstanceOf(DeadlineExceededError);
  expect(late.error).toMatchObject({ name: 'TimeoutError', code: 'DEADLINE_EXCEEDED' });
  const never = clientBench(['hang'], { deadlineMs: false, attemptTimeoutMs: false });
  const [endless, forever] = [never.client.fetch(url), ffetch(['hang'], { timeout: 0 }).api(url)].map(watch);
  await never.clock.advance(86_400_000);
  expect([endless?.state, forever?.state]).toEqual(['pending', 'pending']);
  const bench = clientBench(['hang', 200], { attemptTimeoutMs: 100 });
  const call = bench.client.fetch(url);
  await bench.clock.advance(200);
  expect((await call).status).toBe(200);
});

test('an abort is not heard by ffetch while it waits for a retry; ours ends the wait at once', async () => {
  page.says(/In ffetch, an abort or a timeout is not heard while it waits for a retry/);
  page.says(/Ours ends the wait at once, with `signal\.reason`\./);
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
  page.says(/and an abort with a reason of its own is a `RetryLimitError`\./);
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
  page.says(/are a `RetryLimitError` or a `NetworkError` in ffetch\./);
  page.says(/In ours, they stay what `fetch` threw: a `TypeError`\./);
  expect(await errorOf(ffetch([refused]).api(url))).toMatchObject({ name: 'RetryLimitError' });
  const chromium = new TypeError('Failed to fetch');
  expect(await errorOf(ffetch([chromium]).api(url))).toMatchObject({ name: 'NetworkError' });
  expect(await errorOf(clientBench([refused], { retry: false }).client.fetch(url))).toBe(refused);
});

test('Retry-After: ffetch waits beyond its timeout, the client hands out the answer', async () => {
  page.says(/ffetch waits as long as it says, also beyond its `timeout`\./);
  page.says(/The client never waits beyond the deadline: it hands out the answer at once\./);
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
  page.says(
    /With `dedupe`, all callers are given the same Response, whose body one of them can read; two equal POSTs are sent once; and headers do not count, so that one user may be given what another asked for\./,
  );
  page.says(
    /With `coalesce`, each has a Response of its own, only GETs are shared, and `Authorization` tells callers apart\./,
  );
  page.says(/^method, URL and body$/m);
  page.says(/none: what is identical has the same URL and headers, and is a GET/);
  page.says(/none: a shared call ends with the deadline/);
  const as = (user: string): RequestInit => ({ headers: { Authorization: user } });
  const { api, theirs } = ffetch([{ body: '1', delayMs: 5 }], { dedupe: true });
  const [mine, yours] = await Promise.all([api(url, as('ann')), api(url, as('bob'))]);
  expect(yours).toBe(mine);
  await mine.text();
  await expect(yours.text()).rejects.toThrow(TypeError);
  await Promise.all([api(url, { method: 'POST', body: 'tea' }), api(url, { method: 'POST', body: 'tea' })]);
  expect(theirs.calls).toBe(2);
  const other = [
    { method: 'POST', body: 'tea' },
    { method: 'POST', body: 'coffee' },
    { method: 'PUT', body: 'tea' },
  ];
  await Promise.all([...other.map((init) => api(url, init)), api(`${url}/2`, other[0])]);
  expect(theirs.calls).toBe(6);

  expect(await sharedCalls()).toMatchObject({ before: ['pending', 'pending'], after: ['rejected', 'rejected'] });
  const { client, clock, upstream: ours } = clientBench([{ body: '1', delayMs: 5 }], { fallback: { coalesce: true } });
  const reads = [as('ann'), as('ann'), as('bob')].map(async (init) => (await client.fetch(url, init)).text());
  await clock.advance(5);
  expect(await Promise.all(reads)).toEqual(['1', '1', '1']);
  expect(ours.calls).toBe(2);
  const writes = [1, 2].map(() => client.fetch(url, { method: 'POST', body: 'tea' }));
  await clock.advance(5);
  await Promise.all(writes);
  expect(ours.calls).toBe(4);
  const different = [
    client.fetch(url, { headers: { Accept: 'text/plain' } }),
    client.fetch(url, { headers: { Accept: 'text/html' } }),
    client.fetch(`${url}/2`),
    client.fetch(url, { method: 'HEAD' }),
  ];
  await clock.advance(5);
  await Promise.all(different);
  expect(ours.calls).toBe(8);
});

test('abortAll() aborts nothing; close() does', async () => {
  const [version] = page.says(/aborts nothing in (\d+\.\d+)\./);
  expect(readSource('@fetchkit/ffetch/package.json')).toContain(`"version": "${version}.`);
  page.says(/`client\.close\(\{ drainMs: 0 \}\)` does\./);
  page.says(/`client\.close\(\{ drainMs: 0 \}\)`, for good; `init\.signal` for some calls/);
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
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CLOSED' });
});

test('what is retried: by ffetch 5xx, 429 and what throws, but an abort or a timeout; shouldRetry of ours is asked after methods', async () => {
  page.says(/5xx, 429 and what throws, but an abort or a timeout/);
  page.says(/`retry\.shouldRetry`, asked after `retry\.methods`/);
  const sentOf = async (step: ScriptStep, init: RequestInit = {}): Promise<number> => {
    const { api, theirs } = ffetch([step], { retries: 1, timeout: 20 });
    await api(url, init).catch(() => {});
    return theirs.calls;
  };
  for (const step of [500, 501, 503, 599, 429, refused]) expect(await sentOf(step)).toBe(2);
  for (const step of [200, 400, 404, 408, 425, 'hang'] as const) expect(await sentOf(step)).toBe(1);
  const caller = new AbortController();
  const left = sentOf('hang', { signal: caller.signal });
  setImmediate(() => caller.abort());
  expect(await left).toBe(1);

  const shouldRetry = vi.fn(() => false);
  const { client } = clientBench([503], { retry: { shouldRetry } });
  await client.fetch(url, { method: 'POST' });
  expect(shouldRetry).not.toHaveBeenCalled();
  await client.fetch(url, { method: 'PUT' });
  expect(shouldRetry).toHaveBeenCalledTimes(1);
});

test('client.json rejects for a status, client.fetch never does; a call has options of its own, but not its fetch', async () => {
  page.says(/`client\.json` always does; `client\.fetch` never/);
  page.says(/`client\.fetch` is a `fetch` as `api` is\./);
  page.says(/`fetch`: one for the client, and not per call/);
  page.says(/A call's own options stand in its `init` on both sides\./);
  page.says(/none: a function around `client\.fetch`/);
  const { client, upstream: ours } = clientBench([503]);
  const { api, theirs } = ffetch([503], { retries: 2 });
  const own = scriptedFetch([200]);
  for (const call of [
    api(url, { retries: 0 }),
    client.fetch(url, { retry: false }),
    client.fetch(url, { retry: false, fetch: own } as RequestInit),
  ]) {
    expect((await call).status).toBe(503);
  }
  expect([theirs.calls, ours.calls, own.calls]).toEqual([1, 2, 0]);
  expect((await api(url, { fetchHandler: own })).status).toBe(200);
  expect(await errorOf(client.json(url, { retry: false }))).toMatchObject({ name: 'HttpError' });
  const around: typeof fetch = async (input) => {
    const answer = await client.fetch(input, { headers: { Accept: 'text/tea' }, retry: false });
    return new Response(null, { status: answer.status - 1 });
  };
  expect((await around(url)).status).toBe(502);
  expect(ours.requests.at(-1)?.headers.get('accept')).toBe('text/tea');
});

test('what is under way, and whether a circuit is open, is in the snapshot', async () => {
  page.says(/`client\.snapshot\(\)`: `running` and `queued`/);
  page.says(/`client\.snapshot\(\)`: `breaker` of each dependency/);
  const { client, clock } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  const calls = [1, 2].map(() => watch(client.fetch(url)));
  await clock.advance(0);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1, queued: 1, breaker: { state: 'closed' } });
  void client.close({ drainMs: 0 });
  await clock.advance(1);
  expect(calls.map(({ state }) => state)).toEqual(['rejected', 'rejected']);
});

test('new with the client: a bulkhead and a budget, for each origin, and the breaker is on; all can be switched off', async () => {
  page.says(/\*\*New: a bulkhead and a budget\*\*, per origin\./);
  page.says(/`false` switches each off: `bulkhead`, `retry\.budget`\./);
  page.says(/`breaker`, which is on; `breaker: false` is off/);
  expect(await newLayers.bulkhead(129)).toEqual({ on: [1, 0], off: [0, 0] });
  expect(await newLayers.budget(100)).toEqual({ on: [30, 1], off: [100, 1] });
  expect(await newLayers.breaker()).toEqual({ on: [6, 501], off: [100, 501] });
});

test('ffetch: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
