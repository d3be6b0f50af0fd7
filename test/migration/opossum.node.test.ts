import CircuitBreaker from 'opossum';
import { expect, onTestFinished, test, vi } from 'vitest';

import { type ClientOptions, createClient, degradation, memoryStore } from '../../src/index.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, fetchAndStore, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, snippets } from './guide.ts';

interface Guide {
  load(url: string): Promise<readonly string[]>;
}

type Action = (init?: RequestInit) => Promise<Response>;

/** opossum's defaults, in our words. */
const asTheirs: ClientOptions = {
  bulkhead: false,
  breaker: {
    window: { durationMs: 10_000, minimumCalls: 1, failureRate: 0.51 },
    successThreshold: 1,
    resetTimeoutMs: 30_000,
    maxResetTimeoutMs: 30_000,
    resetJitter: 0,
  },
  retry: false,
};

function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A breaker around a fetch that throws what is not good. */
function opossum(script: readonly ScriptStep[], options: CircuitBreaker.Options = {}) {
  const fetch = scriptedFetch(script);
  const action: Action = async (init) => {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`Status ${response.status}`);
    return response;
  };
  const breaker = new CircuitBreaker(action, options as CircuitBreaker.Options<[init?: RequestInit]>);
  onTestFinished(() => breaker.shutdown());
  return { breaker, fetch };
}

async function pass(ms: number, { clock }: Bench): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await clock.advance(ms);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('opossum: each option, method and event has a row, and defaults are as told', () => {
  const source = readSource('opossum/lib/circuit.js');
  const internal = ['coalesceCache', 'stats'];
  const used = new Set(Array.from(source.matchAll(/\boptions\.(\w+)/g), ([, key = '']) => key));
  const options = [...used].filter((key) => !internal.includes(key));
  expect(options).toHaveLength(29);
  expect(membersOf('@types/opossum/index.d.ts', 'Options').filter((key) => !used.has(key))).toEqual([]);
  const events = new Set(Array.from(source.matchAll(/@event CircuitBreaker#(\w+)/g), ([, name]) => `#${name}`));
  expect(events.size).toBe(16);
  const { breaker } = opossum([200]);
  const methods = [CircuitBreaker, CircuitBreaker.prototype]
    .flatMap((of) => Object.getOwnPropertyNames(of))
    .filter((name) => !/^_|^(length|name|group|status|prototype|constructor)$/.test(name));
  expect(methods.length).toBeGreaterThan(20);
  const {
    errorFilter: _errorFilter,
    cacheGetKey: _cacheGetKey,
    coalesceResetOn: _resetOn,
    ...set
  } = Reflect.get(breaker, 'options');
  const theirs = {
    ...Object.fromEntries([...options, ...methods, ...events].map((key) => [key, undefined])),
    ...set,
    volumeThreshold: breaker.volumeThreshold,
    allowWarmUp: breaker.warmUp,
    enabled: breaker.enabled,
    cache: false,
    fallback: undefined,
  };
  // The getter of this name stands in the second table.
  expect(mistakesIn('opossum', { ...theirs, volumeThreshold: IN_WORDS, enabled: IN_WORDS })).toEqual([]);
  expect(breaker.volumeThreshold).toBe(0);
  expect(breaker.enabled).toBe(true);
});

test('opossum: both sides of the guide do the same, in good days and in bad ones', async () => {
  const seen: unknown[] = [];
  for await (const { load } of snippets<Guide>('opossum')) {
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']));
    const answers = [await load(at)];
    trouble.push('hang', ...new Array(20).fill(503));
    for (let call = 0; call < 20; call += 1) answers.push(await load(at));
    seen.push([answers, requests.length]);
  }
  // The window is judged from 10 calls on, the good one too; then they are refused, and answered by the fallback.
  expect(seen).toEqual([
    [[['tea'], ...new Array(20).fill([])], 10],
    [[['tea'], ...new Array(20).fill([])], 10],
  ]);
});

test("with opossum's defaults in our words, the same calls go out", async () => {
  stopTime();
  const script = [200, 200, 503, 503, 503, 200, 200];
  const { breaker, fetch } = opossum(script);
  const ours = clientBench(script, asTheirs);
  const sent: unknown[] = [];
  for (const waitMs of [0, 0, 0, 0, 0, 0, 29_999, 1, 0]) {
    await pass(waitMs, ours);
    await breaker.fire().catch(() => {});
    await ours.client.fetch(url).catch(() => {});
    sent.push([fetch.calls, ours.upstream.calls]);
  }
  const both = (count: number): number[] => [count, count];
  expect(sent).toEqual([1, 2, 3, 4, 5, 5, 5, 6, 7].map(both));
});

test('the window forgets, in both', async () => {
  stopTime();
  const { breaker } = opossum([503], { volumeThreshold: 3 });
  const ours = clientBench([503], { ...asTheirs, breaker: { window: { durationMs: 10_000, minimumCalls: 3 } } });
  for (const waitMs of [0, 0, 11_000]) {
    await pass(waitMs, ours);
    await breaker.fire().catch(() => {});
    await ours.client.fetch(url);
  }
  expect(breaker.opened).toBe(false);
  expect((await ours.client.fetch(url)).status).toBe(503);
});

test('a 503 that nobody throws is a success for opossum; what counts is the status for us', async () => {
  const fetch = scriptedFetch([503]);
  const breaker = new CircuitBreaker(() => fetch(url));
  onTestFinished(() => breaker.shutdown());
  for (let call = 0; call < 10; call += 1) await breaker.fire();
  expect(breaker.stats).toMatchObject({ successes: 10, failures: 0 });
  const counted = async (status: number): Promise<number> => {
    const { client, upstream: ours } = clientBench([status], { retry: false });
    for (let call = 0; call < 10; call += 1) await client.fetch(url).catch(() => {});
    return ours.calls;
  };
  expect([await counted(503), await counted(404), await counted(408), await counted(425), await counted(429)]).toEqual([
    5, 10, 10, 10, 10,
  ]);
});

test('opossum opens at the first failure; ours after 5 in a row, or 10 calls of a window', async () => {
  const { breaker, fetch } = opossum([503]);
  for (let call = 0; call < 20; call += 1) await breaker.fire().catch(() => {});
  expect(fetch.calls).toBe(1);
  for (const { breaker: ours, calls } of [
    { breaker: {}, calls: 5 },
    { breaker: { window: { durationMs: 10_000 } }, calls: 10 },
  ]) {
    const bench = clientBench([503], { retry: false, breaker: ours });
    for (let call = 0; call < 20; call += 1) await bench.client.fetch(url).catch(() => {});
    expect(bench.upstream.calls).toBe(calls);
  }
});

test('opossum opens above its rate, ours at it', async () => {
  const { breaker } = opossum([200, 503], { volumeThreshold: 2 });
  await breaker.fire();
  await breaker.fire().catch(() => {});
  expect(breaker.opened).toBe(false);
  const window = { durationMs: 10_000, minimumCalls: 2 };
  const { client } = clientBench([200, 503], { retry: false, breaker: { window } });
  await client.fetch(url);
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('a burst beyond the capacity opens the circuit of opossum, and not ours', async () => {
  const { breaker } = opossum(['hang'], { timeout: false, capacity: 1 });
  const burst = [1, 2, 3].map(() => watch(breaker.fire()));
  await turn();
  expect(burst.map(({ state }) => state)).toEqual(['pending', 'rejected', 'rejected']);
  expect(breaker.opened).toBe(true);
  expect(await errorOf(breaker.fire())).toMatchObject({ code: 'EOPENBREAKER' });
  expect(breaker.stats).toMatchObject({ fires: 4, failures: 2, rejects: 1 });

  const { client, clock } = clientBench(['hang'], { ...asTheirs, bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const calls = [1, 2, 3].map(() => watch(client.fetch(url)));
  await clock.advance(0);
  expect(calls.map(({ error }) => Reflect.get(Object(error), 'code'))).toEqual([
    undefined,
    'BULKHEAD_FULL',
    'BULKHEAD_FULL',
  ]);
  expect(client.snapshot().dependencies['https://users.test']?.breaker?.state).toBe('closed');
});

test('a timeout: opossum lets the action run on, or aborts all of them for good; ours aborts the one', async () => {
  stopTime();
  const alone = opossum(['hang'], { timeout: 100, capacity: 1 });
  const signal = new AbortController().signal;
  const late = watch(alone.breaker.fire({ signal }));
  await vi.advanceTimersByTimeAsync(100);
  expect(late.error).toMatchObject({ code: 'ETIMEDOUT' });
  expect(signal.aborted).toBe(false);
  expect(Reflect.get(alone.breaker, 'semaphore').count).toBe(1);

  const abortController = new AbortController();
  const shared = opossum(['hang'], { timeout: 100, abortController });
  const mine = (): Promise<Response> => shared.breaker.fire({ signal: abortController.signal });
  const first = watch(mine());
  await vi.advanceTimersByTimeAsync(50);
  const second = watch(mine());
  await vi.advanceTimersByTimeAsync(50);
  expect([first.state, second.state]).toEqual(['rejected', 'rejected']);
  shared.breaker.close();
  expect(await errorOf(mine())).toMatchObject({ name: 'AbortError' });

  const ours = clientBench(['hang'], { ...asTheirs, attemptTimeoutMs: 100 });
  const one = watch(ours.client.fetch(url));
  await ours.clock.advance(50);
  const other = watch(ours.client.fetch(url));
  await ours.clock.advance(50);
  expect([one.state, other.state]).toEqual(['rejected', 'pending']);
  expect(ours.upstream.requests.map((request) => request.signal?.aborted)).toEqual([true, false]);
});

test('a late success from before the outage closes the circuit of opossum, and not ours', async () => {
  stopTime();
  const slow = { delayMs: 30_001 };
  const theirs = opossum([slow, 503, 503], { timeout: false });
  watch(theirs.breaker.fire());
  await theirs.breaker.fire().catch(() => {});
  await theirs.breaker.fire().catch(() => {});
  expect(theirs.breaker.opened).toBe(true);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(theirs.breaker.halfOpen).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(theirs.breaker.closed).toBe(true);

  const breaker = { failureThreshold: 1, resetTimeoutMs: 30_000, successThreshold: 1 };
  const off = { deadlineMs: false, attemptTimeoutMs: false } as const;
  const ours = clientBench([slow, 503, 'hang'], { ...off, retry: false, breaker });
  const late = watch(ours.client.fetch(url));
  await ours.client.fetch(url);
  await ours.clock.advance(30_000);
  watch(ours.client.fetch(url));
  await ours.clock.advance(1);
  expect(late.state).toBe('resolved');
  expect(await errorOf(ours.client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('half-open: opossum closes after one success, ours after two, one at a time', async () => {
  stopTime();
  const { breaker, fetch } = opossum([503, { delayMs: 10 }, 200], { resetTimeout: 10_000 });
  await breaker.fire().catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  const calls = [1, 2, 3].map(() => watch(breaker.fire()));
  await vi.advanceTimersByTimeAsync(10);
  expect(calls.map(({ state }) => state)).toEqual(['resolved', 'rejected', 'rejected']);
  expect(fetch.calls).toBe(2);
  expect(breaker.closed).toBe(true);

  const ours = clientBench([503, 200], { retry: false, breaker: { failureThreshold: 1 } });
  await ours.client.fetch(url);
  await ours.clock.advance(10_000);
  const rounds: number[] = [];
  for (const _round of [1, 2, 3]) {
    const round = [1, 2, 3].map(() => watch(ours.client.fetch(url)));
    await ours.clock.advance(0);
    rounds.push(round.filter(({ state }) => state === 'resolved').length);
  }
  expect(rounds).toEqual([1, 1, 3]);
});

test('open again: opossum waits as long as before; ours twice as long, and a random fifth', async () => {
  stopTime();
  const { breaker, fetch } = opossum([503], { resetTimeout: 1_000 });
  const ours = clientBench([503], { retry: false, breaker: { failureThreshold: 1, resetTimeoutMs: 1_000 } });
  const sent: unknown[] = [];
  for (const _second of [0, 1, 2, 3, 4, 5, 6, 7]) {
    await breaker.fire().catch(() => {});
    await ours.client.fetch(url).catch(() => {});
    sent.push([fetch.calls, ours.upstream.calls]);
    await pass(1_000, ours);
  }
  expect(sent.map((pair) => (pair as number[])[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(sent.map((pair) => (pair as number[])[1])).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
  const jittery = clientBench([503], { retry: false, random: () => 1, breaker: { failureThreshold: 1 } });
  await jittery.client.fetch(url);
  expect(await errorOf(jittery.client.fetch(url))).toMatchObject({ retryAfterMs: 12_000 });
});

test('opossum has timers, and is half-open by one; an idle client has none, and moves on when asked', async () => {
  stopTime();
  const { breaker } = opossum([503]);
  expect(vi.getTimerCount()).toBe(2);
  let halfOpen = 0;
  breaker.on('halfOpen', () => {
    halfOpen += 1;
  });
  await breaker.fire().catch(() => {});
  await vi.advanceTimersByTimeAsync(30_000);
  expect(halfOpen).toBe(1);
  breaker.shutdown();
  expect(vi.getTimerCount()).toBe(0);

  createClient();
  expect(vi.getTimerCount()).toBe(0);
  const { client, clock, events } = clientBench([503], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(60_000);
  const transitions = (): unknown[] => events.flatMap((event) => (event.type === 'transition' ? [event.to] : []));
  expect(transitions()).toEqual(['open']);
  expect(clock.pending).toBe(0);
  await client.fetch(url);
  await clock.advance(0);
  expect(transitions()).toEqual(['open', 'half-open', 'open']);
});

test('a filtered error closes a half-open circuit of opossum; one that is ignored does not close ours', async () => {
  stopTime();
  const { breaker } = opossum([503, 404], { errorFilter: (error: Error) => error.message.includes('404') });
  await breaker.fire().catch(() => {});
  await vi.advanceTimersByTimeAsync(30_000);
  await expect(breaker.fire()).rejects.toThrow('404');
  expect(breaker.closed).toBe(true);

  const ours = clientBench([503, 404], {
    retry: false,
    breaker: {
      failureThreshold: 1,
      successThreshold: 1,
      classify: ({ response }) => (response?.status === 404 ? 'ignored' : 'failure'),
    },
  });
  await ours.client.fetch(url);
  await ours.clock.advance(10_000);
  expect((await ours.client.fetch(url)).status).toBe(404);
  expect(ours.client.snapshot().dependencies['https://users.test']?.breaker?.state).toBe('half-open');
});

test('the fallback: opossum asks it whatever failed, a 404 too; ours gives a Response that is told, and none for a 4xx', async () => {
  const { breaker } = opossum([404]);
  breaker.fallback((init: RequestInit, error: Error) => [init.method, error.message]);
  expect(await breaker.fire({ method: 'GET' })).toEqual(['GET', 'Status 404']);

  const asked: unknown[] = [];
  const { client } = clientBench([404, 503], {
    retry: false,
    fallback: {
      respond: (request, error) => {
        asked.push([request.url, error]);
        return Response.json([]);
      },
    },
  });
  expect((await client.fetch(url)).status).toBe(404);
  expect(asked).toEqual([]);
  const response = await client.fetch(url);
  expect(degradation(response)).toMatchObject({ source: 'default', reason: 'status-503' });
  expect(asked).toEqual([[url, expect.objectContaining({ code: 'HTTP' })]]);
});

test("opossum's cache keeps the first answer for ever; ours goes by Cache-Control first", async () => {
  stopTime();
  const { breaker, fetch } = opossum([200], { cache: true });
  const first = await breaker.fire();
  vi.setSystemTime(Date.now() + 365 * 86_400_000);
  expect(await breaker.fire()).toBe(first);
  expect(fetch.calls).toBe(1);

  const headers = { 'Cache-Control': 'max-age=60' };
  const fallback = { store: memoryStore(), maxAgeMs: 3_600_000 };
  const ours = clientBench([{ headers }], { fallback });
  await fetchAndStore(ours.client, url);
  await ours.clock.advance(59_000);
  await fetchAndStore(ours.client, url);
  expect(ours.upstream.calls).toBe(1);
  await ours.clock.advance(2_000);
  await fetchAndStore(ours.client, url);
  expect(ours.upstream.calls).toBe(2);
});

test('opossum ignores maxFailures, and says so', async () => {
  const log = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => void log.mockRestore());
  const { breaker } = opossum([503], { maxFailures: 10 });
  expect(log).toHaveBeenCalledWith(expect.stringContaining('deprecated'));
  await breaker.fire().catch(() => {});
  expect(breaker.opened).toBe(true);
});

test('ours has a circuit for each origin, and retries by default', async () => {
  const { client, upstream: ours } = clientBench([503], {
    retry: { initialDelayMs: 0 },
    breaker: { failureThreshold: 1 },
  });
  await client.fetch('https://a.test/1');
  expect(ours.calls).toBe(3);
  expect(await errorOf(client.fetch('https://a.test/2'))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect((await client.fetch('https://b.test/')).status).toBe(503);
});
