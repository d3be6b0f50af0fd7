import pLimit, { limitFunction } from 'p-limit';
import pRetry, { AbortError, makeRetriable } from 'p-retry';
import { expect, onTestFinished, test, vi } from 'vitest';

import { Bulkhead, compose, retry } from '../../src/index.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { upstream } from '../recipes/upstream.ts';
import { type Defaults, IN_WORDS, membersOf, mistakesIn, readSource, sentencesOf, snippets } from './guide.ts';
import { requestsOfAHundred, waitKeepsAlive, waits } from './ours.ts';

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

const ofRetry = membersOf('p-retry/index.d.ts', 'Options');
const ofLimit = membersOf('p-limit/index.d.ts', 'Options');
const limitMembers = Object.getOwnPropertyNames(pLimit(1)).filter(
  (name) => !['length', 'name', 'prototype'].includes(name),
);
const theirs: Defaults = {
  ...Object.fromEntries([...ofRetry, 'AbortError', 'makeRetriable'].map((key) => [key, undefined])),
  ...literals,
  unref: false,
  shouldRetry: IN_WORDS,
  shouldConsumeRetry: IN_WORDS,
  concurrency: IN_WORDS,
  rejectOnClear: false,
  limitFunction: undefined,
  ...Object.fromEntries(limitMembers.map((name) => [`limit.${name}`, undefined])),
};
const page = sentencesOf('p-retry-p-limit', theirs);

test('p-retry and p-limit: each option has a row, and defaults are as told', () => {
  expect(ofRetry).toHaveLength(11);
  expect(ofLimit).toEqual(['concurrency', 'rejectOnClear']);
  expect(Object.keys(literals)).toHaveLength(6);
  expect(mistakesIn('p-retry-p-limit', theirs)).toEqual([]);
  page.says(/^required$/m);
  expect(() => Reflect.apply(pLimit, undefined, [])).toThrow('concurrency');
});

test('p-retry and p-limit: both sides of the guide get over the same trouble', async () => {
  page.says(/`retry\.maxAttempts`, which counts the first one too: `retries` \+ 1/);
  let sides = 0;
  for await (const { load } of snippets<Guide>('p-retry-p-limit')) {
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    await expect(load(`${at}/teas`)).rejects.toThrow('503');
    expect(requests).toHaveLength(6);
    sides += 1;
  }
  expect(sides).toBe(2);
});

test('p-retry and p-limit: both sides of the guide ask once for what there is not', async () => {
  const errors: unknown[] = [];
  for await (const { load } of snippets<Guide>('p-retry-p-limit')) {
    const { url: at, requests } = await upstream(() => new Response(null, { status: 404 }));
    errors.push(await errorOf(load(`${at}/teas`)));
    expect(requests).toHaveLength(1);
  }
  // As the comment of the second one has it.
  expect(errors).toMatchObject([{ message: 'There is none' }, { name: 'HttpError' }]);
});

test('what p-retry retries: any error but a TypeError that is not one of the network; each counts, unless told otherwise', async () => {
  page.says(/any error, but a `TypeError` that is none of the network/);
  page.says(/^each does$/m);
  page.says(/none: each retry counts/);
  const made = async (error: Error, options = {}): Promise<number> => {
    let attempts = 0;
    const call = pRetry(
      () => {
        attempts += 1;
        throw attempts > 9 ? new AbortError('enough') : error;
      },
      { retries: 2, minTimeout: 0, ...options },
    );
    await call.catch(() => {});
    return attempts;
  };
  expect(await made(new Error('broken'))).toBe(3);
  expect(await made(new TypeError('fetch failed'))).toBe(3);
  expect(await made(new TypeError('undefined is not a function'))).toBe(1);
  expect(await made(new Error('broken'), { shouldConsumeRetry: () => false })).toBe(10);

  const { client, upstream: ours } = clientBench([503, new TypeError('odd'), 503], { retry: { initialDelayMs: 0 } });
  await client.fetch(url).catch(() => {});
  expect(ours.calls).toBe(3);
});

test('AbortError ends the retries of p-retry; the client does not retry a 4xx but three, nor what shouldRetry does not want', async () => {
  const [, ...retried] = page.says(
    /`retry\.shouldRetry`; a (4)xx other than (\d+), (\d+) and (\d+) is not retried anyway/,
  );
  const sent = async (status: number, options = {}): Promise<number> => {
    const { client, upstream: ours } = clientBench([status], { retry: { initialDelayMs: 0, ...options } });
    await client.fetch(url);
    return ours.calls;
  };
  for (let status = 400; status < 500; status += 1) {
    expect(await sent(status)).toBe(retried.includes(String(status)) ? 3 : 1);
  }
  expect(await sent(503, { shouldRetry: () => false })).toBe(1);
});

test('makeRetriable() and limitFunction() make a function of a function; client.fetch is one', async () => {
  page.says(/`client\.fetch` is a function that does it/);
  page.says(/`client\.fetch` is a function that is limited/);
  const theirs = ask([503, 200]);
  expect((await makeRetriable(theirs.once, { minTimeout: 0 })()).status).toBe(200);
  const { client, clock } = clientBench([503, 200, 'hang'], {
    retry: { initialDelayMs: 0 },
    bulkhead: { maxConcurrent: 1 },
  });
  const { fetch } = client;
  expect((await fetch(url)).status).toBe(200);
  const limited = limitFunction(() => new Promise(() => {}), { concurrency: 1 });
  void limited();
  const waiting = [limited(), fetch(url), fetch(url)].map(watch);
  await clock.advance(0);
  expect(waiting.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1, queued: 1 });
  void client.close({ drainMs: 0 });
  await clock.advance(1);
});

test('a limit of p-limit can be changed, and maps; ours is for good, or adaptive', async () => {
  page.says(/none: a limit is for good; `bulkhead\.maxConcurrent: "adaptive"` finds its own/);
  page.says(/none: `Promise\.all` over calls/);
  const limit = pLimit(1);
  limit.concurrency = 2;
  expect(limit.concurrency).toBe(2);
  const double = async (value: number): Promise<number> => value * 2;
  expect(await limit.map([1, 2, 3], double)).toEqual(await Promise.all([1, 2, 3].map(double)));
  const ours = new Bulkhead({ maxConcurrent: 1 });
  Reflect.set(ours, 'maxConcurrent', 2);
  expect(ours.maxConcurrent).toBe(1);
  const { client } = clientBench([200], { bulkhead: { maxConcurrent: 'adaptive' } });
  await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.maxConcurrent).toBe(20);
});

test('the layers alone have an execute(operation), as the page has them', async () => {
  page.says(
    /the layers work alone: `compose\(new Bulkhead\(\{ maxConcurrent: 20 \}\), retry\(\{ maxAttempts: 3 \}\)\)` has an `execute\(operation\)`\./,
  );
  const policy = compose(new Bulkhead({ maxConcurrent: 20 }), retry({ maxAttempts: 3 }));
  vi.spyOn(Math, 'random').mockReturnValue(1);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(
    await policy.execute(async ({ attempt }) => {
      if (attempt < 3) throw new Error('broken');
      return attempt;
    }),
  ).toBe(3);
});

test('p-retry takes a 503 for an answer; the client does not', async () => {
  page.says(
    /p-retry retries what throws, and `fetch` does not throw for a 503: that takes an `if \(!response\.ok\) throw`\./,
  );
  page.says(/The client looks at the status\./);
  const theirs = scriptedFetch([503, 200]);
  expect((await pRetry(() => theirs(url))).status).toBe(503);
  const { client, clock, upstream: ours } = clientBench([503, 200]);
  const call = client.fetch(url);
  await clock.advance(100);
  expect((await call).status).toBe(200);
  expect(ours.calls).toBe(2);
});

test('the client hands out the last answer, and json() makes an HttpError of it', async () => {
  page.says(
    /When attempts run out, `client\.fetch` gives the last Response, and `client\.json` rejects with `HttpError`\./,
  );
  const { client } = clientBench([503], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url)).status).toBe(503);
  await expect(client.json(url)).rejects.toMatchObject({ code: 'HTTP', response: { status: 503 } });
});

test('p-retry repeats a POST; the client does not, unless it is told that it may', async () => {
  page.says(/p-retry repeats whatever it is given, a POST too\./);
  page.says(/repeats a POST or a PATCH only with an `Idempotency-Key` header or `idempotent: true`\./);
  const { fetch, once } = ask([503, 200]);
  await pRetry(() => once({ method: 'POST' }), { minTimeout: 0 });
  expect(fetch.calls).toBe(2);
  const { client, upstream: ours } = clientBench([503, 503, 200, 503, 200], { retry: { initialDelayMs: 0 } });
  expect((await client.fetch(url, { method: 'POST' })).status).toBe(503);
  expect(ours.calls).toBe(1);
  expect((await client.fetch(url, { method: 'POST', idempotent: true })).status).toBe(200);
  expect((await client.fetch(url, { method: 'PATCH', headers: { 'Idempotency-Key': '1' } })).status).toBe(200);
  expect(ours.calls).toBe(5);
});

test('p-retry makes so many attempts in so long a time by default, the client 3, with 300 ms of waits, within its deadline', async () => {
  const [theirAttempts = '', theirSeconds = ''] = page.says(
    /By default, p-retry makes (\d+) attempts and waits ([\d,]+) s between them\./,
  );
  const [attempts = '', waitMs = ''] = page.says(
    /The client makes (\d+), waits (\d+) ms at most, and ends the call at its deadline\./,
  );
  stopTime();
  const { fetch, once } = ask([503]);
  const startedAt = performance.now();
  const theirs = watch(pRetry(() => once()));
  await vi.runAllTimersAsync();
  expect(theirs.state).toBe('rejected');
  expect(fetch.calls).toBe(numberOf(theirAttempts));
  expect(performance.now() - startedAt).toBe(numberOf(theirSeconds) * 1_000);

  const { client, clock, upstream: ours } = clientBench([503]);
  const call = watch(client.fetch(url));
  await clock.advance(numberOf(waitMs) - 1);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.state).toBe('resolved');
  expect(ours.calls).toBe(numberOf(attempts));
});

test('randomize makes a wait up to twice as long; full jitter makes it shorter, and a jitter of 0 leaves it as it is', async () => {
  page.says(/`randomize` makes waits up to twice as long\./);
  page.says(/`"full"` makes them shorter: anything from 0 to the wait\./);
  page.says(/`retry\.jitter`; `0` is none/);
  stopTime();
  vi.spyOn(Math, 'random').mockReturnValue(0.999_999);
  onTestFinished(() => void vi.restoreAllMocks());
  const { once } = ask([503, 200]);
  const startedAt = performance.now();
  const theirs = pRetry(() => once(), { randomize: true });
  await vi.runAllTimersAsync();
  await theirs;
  expect(performance.now() - startedAt).toBe(2_000);
  const retry = { initialDelayMs: 1_000, maxAttempts: 2 };
  expect([await waits(retry), await waits(retry, 0.5), await waits(retry, 0.999_999)]).toEqual([[1_000], [500], [0]]);
  for (const chance of [0, 0.999_999]) expect(await waits({ ...retry, jitter: 0 }, chance)).toEqual([1_000]);
});

test('the client waits as long as Retry-After says, and not at all where that is too long', async () => {
  page.says(/waits at least so long; if that is above `retry\.maxRetryAfterMs`, it hands out the answer at once\./);
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
  page.says(/p-retry does not know it\./);
  stopTime();
  const { fetch, once } = ask([{ status: 503, headers: { 'Retry-After': '3' } }, 200]);
  const call = pRetry(() => once());
  await vi.advanceTimersByTimeAsync(1_000);
  await call;
  expect(fetch.calls).toBe(2);
});

test('maxRetryTime and a signal leave an attempt that hangs alone; the client aborts it', async () => {
  page.says(/`maxRetryTime` lets an attempt that hangs hang on\./);
  page.says(/`attemptTimeoutMs` and `deadlineMs` abort the request\./);
  stopTime();
  const { once } = ask(['hang']);
  const caller = new AbortController();
  const theirs = watch(pRetry(() => once(), { maxRetryTime: 1_000, signal: caller.signal }));
  await vi.advanceTimersByTimeAsync(60_000);
  caller.abort(new Error('left'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(theirs.state).toBe('pending');

  for (const { options, code } of [
    { options: { deadlineMs: 1_000, attemptTimeoutMs: false }, code: 'DEADLINE_EXCEEDED' },
    { options: { attemptTimeoutMs: 1_000, retry: false }, code: 'ATTEMPT_TIMEOUT' },
  ] as const) {
    const { client, clock, upstream: ours } = clientBench(['hang'], options);
    const late = watch(client.fetch(url));
    await clock.advance(1_000);
    expect(late.error).toMatchObject({ code });
    expect(ours.requests[0]?.signal?.aborted).toBe(true);
  }
});

test('an abort: p-retry rejects once the attempt has settled, the client at once, whatever it waits for', async () => {
  page.says(
    /p-retry rejects once the attempt under way has settled, and p-limit runs what was aborted while it waited\./,
  );
  page.says(/The client rejects at once with `signal\.reason`, waiting or not\./);
  const caller = new AbortController();
  let settle: (response: Response) => void = () => {};
  const attempt = new Promise<Response>((resolve) => {
    settle = resolve;
  });
  const theirs = watch(pRetry(() => attempt, { signal: caller.signal }));
  // An answer, a wait for a retry, and a wait for a slot.
  const answer = clientBench(['hang'], {});
  const wait = clientBench([503], {});
  const slot = clientBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  watch(slot.client.fetch(url));
  const ours = [answer, wait, slot].map(({ client }) => watch(client.fetch(url, { signal: caller.signal })));
  for (const { clock } of [answer, wait, slot]) await clock.advance(0);
  expect(wait.events.some(({ type }) => type === 'retry')).toBe(true);
  caller.abort(new Error('left'));
  for (const { clock } of [answer, wait, slot]) await clock.advance(0);
  expect(ours.map(({ error }) => error)).toEqual(new Array(3).fill(caller.signal.reason));
  expect(theirs.state).toBe('pending');
  settle(new Response());
  await new Promise(setImmediate);
  expect(theirs.error).toBe(caller.signal.reason);
  void slot.client.close({ drainMs: 0 });
  await slot.clock.advance(1);
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

test('p-limit queues without end; the client refuses one more than it has places, unless it is told to', async () => {
  page.says(/p-limit's has no end\./);
  const [places = ''] = page.says(
    /Ours has (\d+) places, and one call more rejects with `BulkheadFullError`, unless `maxQueued` is `Infinity`\./,
  );
  page.says(/`client\.snapshot\(\)`: `running` and `queued` of each dependency/);
  const limit = pLimit(1);
  for (let call = 0; call < 1_000; call += 1) void limit(() => new Promise(() => {}));
  await Promise.resolve();
  expect(limit.pendingCount).toBe(999);

  for (const { maxQueued, refused } of [
    { maxQueued: undefined, refused: 1_000 - 64 - numberOf(places) },
    { maxQueued: Infinity, refused: 0 },
  ]) {
    const bulkhead = maxQueued === undefined ? {} : { maxQueued };
    const { client, clock } = clientBench(['hang'], { bulkhead });
    const calls = Array.from({ length: 1_000 }, () => watch(client.fetch(url)));
    await clock.advance(0);
    const rejected = calls.filter((call) => call.state === 'rejected');
    expect(rejected).toHaveLength(refused);
    for (const { error } of rejected) expect(error).toMatchObject({ name: 'BulkheadFullError' });
    expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 64, queued: 1_000 - 64 - refused });
    void client.close({ drainMs: 0 });
    await clock.advance(1);
  }
});

test('p-limit limits all that goes through it, the client each origin by itself, or all as one', async () => {
  page.says(/p-limit's is for all that goes through it\./);
  page.says(/Ours is for each origin; `isolateBy: \(\) => 'all'` makes it one\./);
  const limit = pLimit(1);
  for (const at of ['https://a.test/', 'https://b.test/']) void limit(() => new Promise(() => at));
  await new Promise(setImmediate);
  expect([limit.activeCount, limit.pendingCount]).toEqual([1, 1]);
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
  page.says(
    /p-limit's, when the function is done; that of `client\.fetch`, when the headers are there, that of `client\.json`, when the body is read\./,
  );
  page.says(/`bulkhead\.slot: "body"` waits for the body with `client\.fetch` too\./);
  const limit = pLimit(1);
  let finish: () => void = () => {};
  const done = limit(() => new Promise<void>((resolve) => (finish = resolve)));
  await new Promise(setImmediate);
  expect(limit.activeCount).toBe(1);
  finish();
  await done;
  await new Promise(setImmediate);
  expect(limit.activeCount).toBe(0);
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
  page.says(/`clearQueue\(\)` leaves callers waiting for ever, unless `rejectOnClear` is set\./);
  page.says(/`client\.close\(\)` rejects with `ClosedError`, and takes no new calls\./);
  page.says(/`client\.close\(\)`: who waits is always told/);
  for (const { limit, state } of [
    { limit: pLimit(1), state: 'pending' },
    { limit: pLimit({ concurrency: 1, rejectOnClear: true }), state: 'rejected' },
  ]) {
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
  const [failures = ''] = page.says(
    /After (\d+) failed calls in a row the client refuses calls for a while, with `CircuitOpenError`\./,
  );
  page.says(/`breaker: false` is as before\./);
  const [share = '', perSecond = ''] = page.says(
    /Retries may add (a fifth) to the load of a dependency, and (\d+) per second\./,
  );
  page.says(/`retry\.budget: false` is as before\./);
  const refused = async (options: object): Promise<number> => {
    const { client } = clientBench([500], { retry: false, ...options });
    let refusals = 0;
    for (let call = 0; call < 8; call += 1) {
      await client.fetch(url).catch((error) => {
        expect(error).toMatchObject({ name: 'CircuitOpenError' });
        refusals += 1;
      });
    }
    return refusals;
  };
  expect(await refused({})).toBe(8 - numberOf(failures));
  expect(await refused({ breaker: false })).toBe(0);

  expect(await requestsOfAHundred()).toBe(100 + numberOf(perSecond) + 100 * shareOf(share));
  expect(await requestsOfAHundred({ budget: false })).toBe(200);
});

test('a wait for a retry keeps the process alive', async () => {
  page.says(/none: a wait for a retry keeps the process alive/);
  expect(await waitKeepsAlive()).toBe(true);
});

test('p-retry and p-limit: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
