import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { expect, onTestFinished, test, vi } from 'vitest';

import { createClient } from '../../src/index.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { type Defaults, IN_WORDS, membersOf, mistakesIn, readSource, snippets } from './guide.ts';

interface Guide {
  load(url: string): Promise<unknown>;
}

/** Their clock stands still, too. */
function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

function ask(script: readonly ScriptStep[]) {
  const fetch = scriptedFetch(script);
  const once = async (init?: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`Status ${response.status}`);
    return response;
  };
  return { fetch, once };
}

const literals: Defaults = Object.fromEntries(
  Array.from(
    readSource('p-retry/index.js').matchAll(/options\.(\w+) \?\?= (\d+|Infinity|false);/g),
    ([, key, value]) => [key, value === 'false' ? false : Number(value)],
  ),
);

test('p-retry and p-limit: each option has a row, and defaults are as told', () => {
  const ofRetry = membersOf('p-retry/index.d.ts', 'Options');
  const ofLimit = membersOf('p-limit/index.d.ts', 'Options');
  expect(ofRetry).toHaveLength(11);
  expect(ofLimit).toEqual(['concurrency', 'rejectOnClear']);
  const limit = Object.getOwnPropertyNames(pLimit(1)).filter((name) => !['length', 'name', 'prototype'].includes(name));
  const theirs = {
    ...Object.fromEntries([...ofRetry, 'AbortError', 'makeRetriable'].map((key) => [key, undefined])),
    ...literals,
    unref: false,
    shouldRetry: IN_WORDS,
    shouldConsumeRetry: IN_WORDS,
    concurrency: 'required',
    rejectOnClear: false,
    limitFunction: undefined,
    ...Object.fromEntries(limit.map((name) => [`limit.${name}`, undefined])),
  };
  expect(Object.keys(literals)).toHaveLength(6);
  expect(mistakesIn('p-retry-p-limit', theirs)).toEqual([]);
});

test('p-retry and p-limit: both sides of the guide get over the same trouble', async () => {
  for await (const { load } of snippets<Guide>('p-retry-p-limit')) {
    const { url: at, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
  }
});

test('p-retry and p-limit: both sides of the guide ask once for what there is not', async () => {
  for await (const { load } of snippets<Guide>('p-retry-p-limit')) {
    const { url: at, requests } = await upstream(() => new Response(null, { status: 404 }));
    await expect(load(`${at}/teas`)).rejects.toThrow();
    expect(requests).toHaveLength(1);
  }
});

test('p-retry takes a 503 for an answer; the client does not', async () => {
  const theirs = scriptedFetch([503, 200]);
  expect((await pRetry(() => theirs(url))).status).toBe(503);
  const { client, clock, upstream: ours } = clientBench([503, 200]);
  const call = client.fetch(url);
  await clock.advance(100);
  expect((await call).status).toBe(200);
  expect(ours.calls).toBe(2);
});

test('the client hands out the last answer, and json() makes an HttpError of it', async () => {
  const { client } = clientBench([503], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url)).status).toBe(503);
  await expect(client.json(url)).rejects.toMatchObject({ code: 'HTTP', response: { status: 503 } });
});

test('p-retry repeats a POST; the client does not, unless it is told that it may', async () => {
  const { fetch, once } = ask([503, 200]);
  await pRetry(() => once({ method: 'POST' }), { minTimeout: 0 });
  expect(fetch.calls).toBe(2);
  const { client, upstream: ours } = clientBench([503, 503, 200, 503, 200], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url, { method: 'POST' })).status).toBe(503);
  expect(ours.calls).toBe(1);
  expect((await client.fetch(url, { method: 'POST', idempotent: true })).status).toBe(200);
  expect((await client.fetch(url, { method: 'PATCH', headers: { 'Idempotency-Key': '1' } })).status).toBe(200);
});

test('p-retry makes 11 attempts in 1,023 s by default; the client 3, with 300 ms of waits', async () => {
  stopTime();
  const { fetch, once } = ask([503]);
  const startedAt = performance.now();
  const theirs = watch(pRetry(() => once()));
  await vi.runAllTimersAsync();
  expect(theirs.state).toBe('rejected');
  expect(fetch.calls).toBe(11);
  expect(performance.now() - startedAt).toBe(1_023_000);

  const { client, clock, upstream: ours } = clientBench([503]);
  const call = watch(client.fetch(url));
  await clock.advance(299);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.state).toBe('resolved');
  expect(ours.calls).toBe(3);
});

test('randomize makes a wait up to twice as long; full jitter makes it shorter', async () => {
  stopTime();
  vi.spyOn(Math, 'random').mockReturnValue(0.999_999);
  onTestFinished(() => void vi.restoreAllMocks());
  const { once } = ask([503, 200]);
  const startedAt = performance.now();
  const theirs = pRetry(() => once(), { randomize: true });
  await vi.runAllTimersAsync();
  await theirs;
  expect(performance.now() - startedAt).toBe(2_000);
  const { client, clock } = clientBench([503, 200], { random: () => 0.999_999, retry: { initialDelayMs: 1_000 } });
  const call = watch(client.fetch(url));
  await clock.advance(1);
  expect(call.state).toBe('resolved');
});

test('the client waits as long as Retry-After says, and not at all where that is too long', async () => {
  const {
    client,
    clock,
    upstream: ours,
  } = clientBench([
    { status: 503, headers: { 'Retry-After': '3' } },
    { status: 503, headers: { 'Retry-After': '31' } },
  ]);
  const call = watch(client.fetch(url, { deadlineMs: 120_000 }));
  await clock.advance(2_999);
  expect(ours.calls).toBe(1);
  await clock.advance(1);
  expect(ours.calls).toBe(2);
  expect(call.state).toBe('resolved');
});

test('p-retry does not know Retry-After', async () => {
  stopTime();
  const { fetch, once } = ask([{ status: 503, headers: { 'Retry-After': '3' } }, 200]);
  const call = pRetry(() => once());
  await vi.advanceTimersByTimeAsync(1_000);
  await call;
  expect(fetch.calls).toBe(2);
});

test('maxRetryTime and a signal leave an attempt that hangs alone; the client aborts it', async () => {
  stopTime();
  const { once } = ask(['hang']);
  const caller = new AbortController();
  const theirs = watch(pRetry(() => once(), { maxRetryTime: 1_000, signal: caller.signal }));
  await vi.advanceTimersByTimeAsync(60_000);
  caller.abort(new Error('left'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(theirs.state).toBe('pending');

  const { client, clock, upstream: ours } = clientBench(['hang'], { deadlineMs: 1_000, attemptTimeoutMs: false });
  const late = watch(client.fetch(url));
  const aborted = watch(client.fetch(url, { signal: AbortSignal.abort(new Error('left')) }));
  await clock.advance(0);
  expect(aborted.error).toMatchObject({ message: 'left' });
  await clock.advance(1_000);
  expect(late.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(ours.requests[0]?.signal?.aborted).toBe(true);
});

test('p-limit runs what was aborted while it waited; the client takes it out of the queue at once', async () => {
  const limit = pLimit(1);
  const caller = new AbortController();
  let ran = false;
  let finish: () => void = () => {};
  void limit(() => new Promise<void>((resolve) => (finish = resolve)));
  const waiting = limit(async () => (ran = true));
  await new Promise(setImmediate);
  caller.abort();
  expect(limit.pendingCount).toBe(1);
  finish();
  await waiting;
  expect(ran).toBe(true);

  const { client, clock, upstream: ours } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  void client.fetch(url, { deadlineMs: 10 }).catch(() => {});
  const second = watch(client.fetch(url, { signal: caller.signal }));
  await clock.advance(0);
  expect(second.state).toBe('rejected');
  await clock.advance(10);
  expect(ours.calls).toBe(1);
});

test('p-limit queues without end; the client refuses the 65th that waits, unless it is told to', async () => {
  const limit = pLimit(1);
  for (let call = 0; call < 1_000; call += 1) void limit(() => new Promise(() => {}));
  await Promise.resolve();
  expect(limit.pendingCount).toBe(999);

  for (const { maxQueued, refused } of [
    { maxQueued: undefined, refused: 871 },
    { maxQueued: Infinity, refused: 0 },
  ]) {
    const bulkhead = maxQueued === undefined ? {} : { maxQueued };
    const { client, clock } = clientBench(['hang'], { bulkhead });
    const calls = Array.from({ length: 1_000 - 1 }, () => watch(client.fetch(url)));
    await clock.advance(0);
    expect(calls.filter((call) => call.state === 'rejected')).toHaveLength(refused);
    expect(client.snapshot().dependencies[origin]?.running).toBe(64);
    void client.close({ drainMs: 0 });
    await clock.advance(1);
  }
});

test('the client limits each origin by itself, or all as one', async () => {
  for (const { options, calls } of [
    { options: {}, calls: 2 },
    { options: { isolateBy: () => 'all' }, calls: 1 },
  ]) {
    const { client, clock, upstream: ours } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 }, ...options });
    watch(client.fetch('https://a.test/'));
    watch(client.fetch('https://b.test/'));
    await clock.advance(0);
    expect(ours.calls).toBe(calls);
    void client.close({ drainMs: 0 });
    await clock.advance(1);
  }
});

test('a slot of fetch() is free with the headers, one of json() with the body, and slot: "body" waits for it too', async () => {
  const running = async (options: object, how: 'fetch' | 'json'): Promise<number | undefined> => {
    const { client, clock } = clientBench([{ body: '{"a"', after: 'hang' }], options);
    watch<unknown>(client[how](url));
    await clock.advance(0);
    const { dependencies } = client.snapshot();
    void client.close({ drainMs: 0 });
    await clock.advance(1);
    return dependencies[origin]?.running;
  };
  expect(await running({}, 'fetch')).toBe(0);
  expect(await running({}, 'json')).toBe(1);
  expect(await running({ bulkhead: { slot: 'body' } }, 'fetch')).toBe(1);
});

test('clearQueue() leaves callers waiting, unless rejectOnClear is set; close() tells them', async () => {
  for (const { rejectOnClear, state } of [
    { rejectOnClear: false, state: 'pending' },
    { rejectOnClear: true, state: 'rejected' },
  ]) {
    const limit = pLimit({ concurrency: 1, rejectOnClear });
    void limit(() => new Promise(() => {}));
    const waiting = watch(limit(async () => {}));
    await new Promise(setImmediate);
    limit.clearQueue();
    await new Promise(setImmediate);
    expect(waiting.state).toBe(state);
  }
  const { client, clock } = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  watch(client.fetch(url));
  const waiting = watch(client.fetch(url));
  void client.close({ drainMs: 0 });
  await clock.advance(1);
  expect(waiting.error).toMatchObject({ code: 'CLOSED' });
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CLOSED' });
});

test('new with the client: a breaker, and a budget; both can be switched off', async () => {
  const refused = async (options: object): Promise<number> => {
    const { client } = clientBench([500], { retry: false, ...options });
    let refusals = 0;
    for (let call = 0; call < 8; call += 1) {
      await client.fetch(url).catch((error) => {
        expect(error).toMatchObject({ code: 'CIRCUIT_OPEN' });
        refusals += 1;
      });
    }
    return refusals;
  };
  expect(await refused({})).toBe(3);
  expect(await refused({ breaker: false })).toBe(0);

  const requests = async (budget: object): Promise<number> => {
    const retry = { initialDelayMs: 0, maxAttempts: 2, ...budget };
    const { client, upstream: ours } = clientBench([503], { breaker: false, retry });
    for (let call = 0; call < 100; call += 1) await client.fetch(url);
    return ours.calls;
  };
  expect(await requests({})).toBe(100 + 10 + 20);
  expect(await requests({ budget: false })).toBe(200);
});

test('a wait for a retry keeps the process alive', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const before = timers();
  const client = createClient({
    deadlineMs: false,
    attemptTimeoutMs: false,
    retry: { initialDelayMs: 5_000 },
    random: () => 0,
    fetch: scriptedFetch([503]),
  });
  const caller = new AbortController();
  const call = watch(client.fetch(url, { signal: caller.signal }));
  await new Promise(setImmediate);
  expect(timers()).toBe(before + 1);
  caller.abort();
  await new Promise(setImmediate);
  expect(call.state).toBe('rejected');
  expect(timers()).toBe(before);
});
