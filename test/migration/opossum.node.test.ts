import CircuitBreaker from 'opossum';
import { expect, onTestFinished, test, vi } from 'vitest';

import {
  Bulkhead,
  type ClientOptions,
  createClient,
  degradation,
  memoryStore,
  CircuitBreaker as OurBreaker,
  SteadfetchError,
} from '../../src/index.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, fetchAndStore, origin, url, watch } from '../client/bench.ts';
import { fallbackBench } from '../client/fallback-bench.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { upstream } from '../recipes/upstream.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, sentencesOf, snippets } from './guide.ts';
import {
  longestWaitOfASecond,
  refusals,
  requestsEachSecond,
  restoredIsOpen,
  sentAfterReset,
  sharedCalls,
} from './ours.ts';

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

/** Its types have no such method. */
function signalOf(breaker: object): AbortSignal {
  return Reflect.apply(Reflect.get(breaker, 'getSignal'), breaker, []);
}

async function pass(ms: number, { clock }: Bench): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await clock.advance(ms);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const source = readSource('opossum/lib/circuit.js');
const used = new Set(Array.from(source.matchAll(/\boptions\.(\w+)/g), ([, key = '']) => key));
const options = [...used].filter((key) => !['coalesceCache', 'stats'].includes(key));
const events = new Set(Array.from(source.matchAll(/@event CircuitBreaker#(\w+)/g), ([, name]) => `#${name}`));
const methods = [CircuitBreaker, CircuitBreaker.prototype]
  .flatMap((of) => Object.getOwnPropertyNames(of))
  .filter((name) => !/^_|^(length|name|group|status|prototype|constructor)$/.test(name));
const bare = new CircuitBreaker(async () => {});
bare.shutdown();
const {
  errorFilter: _errorFilter,
  cacheGetKey: _cacheGetKey,
  coalesceResetOn: _resetOn,
  ...set
} = Reflect.get(bare, 'options');
const theirs = {
  ...Object.fromEntries([...options, ...methods, ...events].map((key) => [key, undefined])),
  ...set,
  allowWarmUp: bare.warmUp,
  cache: false,
  fallback: undefined,
  // The getters of these names stand in the second table.
  volumeThreshold: IN_WORDS,
  enabled: IN_WORDS,
};
const page = sentencesOf('opossum', theirs);

test('opossum: each option, method and event has a row, and defaults are as told', () => {
  expect(options).toHaveLength(29);
  expect(membersOf('@types/opossum/index.d.ts', 'Options').filter((key) => !used.has(key))).toEqual([]);
  expect(events.size).toBe(16);
  expect(methods.length).toBeGreaterThan(20);
  expect(mistakesIn('opossum', theirs)).toEqual([]);
  const { breaker } = opossum([200]);
  expect(page.text).toMatch(/^`volumeThreshold`\n0$/m);
  expect(breaker.volumeThreshold).toBe(0);
  expect(page.text).toMatch(/^`enabled`\n`true`$/m);
  expect(breaker.enabled).toBe(true);
});

test('opossum: both sides of the guide do the same, in good days and in bad ones', async () => {
  page.says(/After, as near to it as can be:/);
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
  page.says(/`attemptTimeoutMs`; `deadlineMs` for the whole call/);
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
  page.says(/opossum's is what the action throws, and `fetch` does not throw for a 503\./);
  const [, ...silent] = page.says(
    /The client looks at the status: a 5xx fails, a (404) does not, and (\d+), (\d+) and (\d+) say nothing\./,
  );
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
  for (const status of [500, 503, 599]) expect(await counted(status)).toBe(5);
  for (const status of [404, ...silent.map(Number)]) expect(await counted(status)).toBe(10);
  // Nothing: a success would begin the count anew.
  const failures = async (status: number): Promise<number | undefined> => {
    const { client } = clientBench([503, status], { retry: false });
    for (let call = 0; call < 2; call += 1) await client.fetch(url);
    return client.snapshot().dependencies[origin]?.breaker?.consecutiveFailures;
  };
  expect(await failures(404)).toBe(0);
  for (const status of silent) expect(await failures(Number(status))).toBe(1);
});

test('opossum opens at the first failure; ours after 5 in a row, or 10 calls of a window', async () => {
  page.says(/With its defaults, opossum opens at the first failure of a quiet service: one of one is 100 %\./);
  const [inARow = '', ofAWindow = ''] = page.says(
    /By default, ours opens after (\d+) in a row; with a `window`, after (\d+) calls\./,
  );
  page.says(/`breaker\.window\.durationMs`; there is no window by default, but `breaker\.failureThreshold`/);
  const { breaker, fetch } = opossum([503]);
  for (let call = 0; call < 20; call += 1) await breaker.fire().catch(() => {});
  expect(fetch.calls).toBe(1);
  for (const { breaker: ours, calls } of [
    { breaker: {}, calls: numberOf(inARow) },
    { breaker: { window: { durationMs: 10_000 } }, calls: numberOf(ofAWindow) },
  ]) {
    const bench = clientBench([503], { retry: false, breaker: ours });
    for (let call = 0; call < 20; call += 1) await bench.client.fetch(url).catch(() => {});
    expect(bench.upstream.calls).toBe(calls);
  }
});

test('opossum opens above its rate, ours at it', async () => {
  page.says(/`breaker\.window\.failureRate`, a share, at which it opens; opossum opens above/);
  const { breaker } = opossum([200, 503], { volumeThreshold: 2 });
  await breaker.fire();
  await breaker.fire().catch(() => {});
  expect(breaker.opened).toBe(false);
  await breaker.fire().catch(() => {});
  expect(breaker.opened).toBe(true);
  const window = { durationMs: 10_000, minimumCalls: 2 };
  const { client } = clientBench([200, 503], { retry: false, breaker: { window } });
  await client.fetch(url);
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('a burst beyond the capacity opens the circuit of opossum, and not ours', async () => {
  page.says(
    /opossum counts calls that it refused among those it has made, and a call refused for `capacity` as a failure, so that a burst opens the circuit of a healthy service\./,
  );
  page.says(/In ours, the bulkhead is outside the breaker: what it refuses counts nowhere\./);
  page.says(/`bulkhead\.maxConcurrent`; with `bulkhead\.maxQueued: 0`, none waits/);
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
  const { breaker: circuit, counters } = client.snapshot().dependencies[origin] ?? {};
  expect(circuit).toMatchObject({ state: 'closed', consecutiveFailures: 0 });
  expect(counters).toMatchObject({ failure: 0 });
});

test('a timeout: opossum lets the action run on, or aborts all of them for good; ours aborts the one', async () => {
  stopTime();
  page.says(/opossum lets the action run on and frees its slot\./);
  page.says(
    /With an `abortController`, one timeout aborts all that use its signal, and later ones too, until it is renewed\./,
  );
  page.says(/Ours aborts the one request\./);
  page.says(/none: a request that times out is aborted, and no other/);
  page.says(/`init\.signal` is the caller's; that of an attempt goes to `fetch`/);
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
  const renewing = opossum(['hang', 200], { timeout: 100, autoRenewAbortController: true });
  const timedOut = watch(renewing.breaker.fire({ signal: signalOf(renewing.breaker) }));
  await vi.advanceTimersByTimeAsync(100);
  expect(timedOut.state).toBe('rejected');
  renewing.breaker.close();
  expect((await renewing.breaker.fire({ signal: signalOf(renewing.breaker) })).status).toBe(200);

  const ours = clientBench(['hang'], { ...asTheirs, attemptTimeoutMs: 100 });
  const caller = new AbortController();
  const one = watch(ours.client.fetch(url, { signal: caller.signal }));
  await ours.clock.advance(50);
  const other = watch(ours.client.fetch(url));
  await ours.clock.advance(50);
  expect([one.state, other.state]).toEqual(['rejected', 'pending']);
  expect(ours.upstream.requests.map((request) => request.signal?.aborted)).toEqual([true, false]);
  expect(caller.signal.aborted).toBe(false);
});

test('a late success from before the outage closes the circuit of opossum, and not ours', async () => {
  page.says(/So it does when a call from before the outage succeeds, however late\./);
  page.says(/and what was sent before the circuit opened changes nothing\./);
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
  page.says(/opossum lets one call through, and closes when it succeeds\./);
  page.says(/Ours lets one through at a time, until two have succeeded \(`breaker\.successThreshold`\)/);
  stopTime();
  const { breaker, fetch } = opossum([503, { delayMs: 10 }, 200], { resetTimeout: 10_000 });
  await breaker.fire().catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  const calls = [1, 2, 3].map(() => watch(breaker.fire()));
  await vi.advanceTimersByTimeAsync(10);
  expect(calls.map(({ state }) => state)).toEqual(['resolved', 'rejected', 'rejected']);
  expect(fetch.calls).toBe(2);
  expect(breaker.closed).toBe(true);

  expect(await sentAfterReset(3)).toEqual([1, 1, 3]);
});

test('open again: opossum waits as long as before; ours twice as long, and a random fifth', async () => {
  page.says(/`resetTimeout` stays the same\./);
  const [share = ''] = page.says(
    /`resetTimeoutMs` doubles with each failed probe up to `maxResetTimeoutMs`, and each wait is up to (a fifth) longer\./,
  );
  stopTime();
  const { breaker, fetch } = opossum([503], { resetTimeout: 1_000 });
  const sent: number[] = [];
  for (const _second of [0, 1, 2, 3, 4, 5, 6, 7]) {
    await breaker.fire().catch(() => {});
    sent.push(fetch.calls);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(sent).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await requestsEachSecond(8)).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
  expect(await requestsEachSecond(8, { maxResetTimeoutMs: 2_000 })).toEqual([1, 2, 2, 3, 3, 4, 4, 5]);
  expect(await longestWaitOfASecond()).toBe(1_000 * (1 + shareOf(share)));
});

test('opossum has timers, and is half-open by one; an idle client has none, and moves on when asked', async () => {
  page.says(/opossum becomes half-open by a timer, and turns its window by another until `shutdown\(\)`\./);
  page.says(
    /Ours moves on when it is asked: `transition` to half-open comes with the next call, and an idle client has no timer\./,
  );
  page.says(/none: a circuit opens, and probes, by calls alone/);
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
  const {
    client,
    clock,
    events,
    upstream: ours,
  } = clientBench([503], {
    retry: false,
    breaker: { failureThreshold: 1 },
  });
  await client.fetch(url);
  await clock.advance(60_000);
  expect(ours.calls).toBe(1);
  const transitions = (): unknown[] => events.flatMap((event) => (event.type === 'transition' ? [event.to] : []));
  expect(transitions()).toEqual(['open']);
  expect(clock.pending).toBe(0);
  await client.fetch(url);
  await clock.advance(0);
  expect(transitions()).toEqual(['open', 'half-open', 'open']);
});

test('a filtered error closes a half-open circuit of opossum; one that is ignored does not close ours', async () => {
  page.says(/With `errorFilter`, an error is a success, and closes a half-open circuit\./);
  page.says(/`classify` can also say `"ignored"`\./);
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
  page.says(
    /opossum's gets the arguments and the error, and gives a value; it is asked for whatever fails, a 404 that was thrown too\./,
  );
  page.says(
    /Ours gets the request and the error and gives a Response, which `degradation\(\)` tells from a real one; never for a 4xx\./,
  );
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
  page.says(/of opossum keeps the first good answer for ever, unless there is a `cacheTTL`\./);
  page.says(/Ours goes by `Cache-Control` first/);
  page.says(/`fallback\.store` with `fallback\.maxAgeMs`/);
  page.says(/`fallback\.maxAgeMs`; 0 is: none is given/);
  page.says(/`fallback\.store`, of four methods/);
  stopTime();
  const { breaker, fetch } = opossum([200], { cache: true });
  const first = await breaker.fire();
  vi.setSystemTime(Date.now() + 365 * 86_400_000);
  expect(await breaker.fire()).toBe(first);
  expect(fetch.calls).toBe(1);
  const brief = opossum([200], { cache: true, cacheTTL: 1_000 });
  await brief.breaker.fire();
  vi.setSystemTime(Date.now() + 1_001);
  await brief.breaker.fire();
  expect(brief.fetch.calls).toBe(2);

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
  // Where the server says nothing, it is the option; and that is 0.
  for (const { maxAgeMs, calls } of [{ maxAgeMs: 3_600_000, calls: 1 }, { maxAgeMs: 0, calls: 2 }, { calls: 2 }]) {
    const bench = fallbackBench([200], maxAgeMs === undefined ? {} : { maxAgeMs });
    for (const _call of [1, 2]) await fetchAndStore(bench.client, url);
    expect(bench.upstream.calls).toBe(calls);
  }
  const methods = Object.values(memoryStore()).filter((member) => typeof member === 'function');
  expect(methods).toHaveLength(numberOf('four'));
});

test('shared calls: opossum keeps them for a time, ours until they are answered, or the deadline is over', async () => {
  page.says(/none: a shared call ends with the deadline/);
  page.says(/none: calls are shared while they wait for their answer/);
  page.says(/the event `fallback`; `completed`, where a call is shared/);
  const { breaker, fetch } = opossum([200], { coalesce: true } as CircuitBreaker.Options);
  for (let call = 0; call < 3; call += 1) await breaker.fire();
  expect(fetch.calls).toBe(1);
  const { before, after, sent, shared } = await sharedCalls();
  expect([before, after]).toEqual([
    ['pending', 'pending'],
    ['rejected', 'rejected'],
  ]);
  expect(sent).toEqual([1, 2, 3]);
  expect(shared).toHaveLength(1);
});

test('opossum ignores maxFailures, and says so', async () => {
  page.says(/none: opossum itself ignores it; `breaker\.failureThreshold` counts failures in a row/);
  const log = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => void log.mockRestore());
  const { breaker } = opossum([503], { maxFailures: 10 });
  expect(log).toHaveBeenCalledWith(expect.stringContaining('deprecated'));
  await breaker.fire().catch(() => {});
  expect(breaker.opened).toBe(true);
});

test('opossum has a circuit for each function, ours for each origin, unless isolateBy names it', async () => {
  page.says(/opossum has one for each function\./);
  page.says(/Ours has one for each origin, whatever calls it\./);
  page.says(/`isolateBy` names dependencies; by default, the URL's origin/);
  const [one, other] = [opossum([503]), opossum([503])];
  await one.breaker.fire().catch(() => {});
  expect([one.breaker.opened, other.breaker.opened]).toEqual([true, false]);
  const breaker = { failureThreshold: 1 };
  const { client } = clientBench([503], { retry: false, breaker });
  await client.fetch('https://a.test/1');
  expect(await errorOf(client.fetch('https://a.test/2'))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect((await client.fetch('https://b.test/')).status).toBe(503);
  const named = clientBench([503], { retry: false, breaker, isolateBy: ({ url: at }) => new URL(at).pathname });
  await named.client.fetch('https://a.test/1');
  expect((await named.client.fetch('https://a.test/2')).status).toBe(503);
  expect(await errorOf(named.client.fetch('https://b.test/1'))).toMatchObject({ dependency: '/1' });
});

test('ours retries by default, what is idempotent, inside the breaker', async () => {
  const [attempts = ''] = page.says(
    /By default, the client makes up to (\d) attempts of what is idempotent, inside the breaker\./,
  );
  page.says(/`retry: false` is as before\./);
  const sent = async (method: string, retry: ClientOptions['retry']): Promise<unknown> => {
    const { client, upstream: ours } = clientBench([503], { retry: retry ?? {} });
    await client.fetch(url, { method });
    return [ours.calls, client.snapshot().dependencies[origin]?.breaker?.consecutiveFailures];
  };
  expect(await sent('GET', { initialDelayMs: 0 })).toEqual([Number(attempts), 1]);
  expect(await sent('POST', { initialDelayMs: 0 })).toEqual([1, 1]);
  expect(await sent('GET', false)).toEqual([1, 1]);
});

test('the layers work alone, around any action', async () => {
  page.says(
    /Where the action is no `fetch`, `CircuitBreaker` and `Bulkhead` work alone: `new CircuitBreaker\(options\)\.execute\(action\)`\./,
  );
  // Held by test/lab.
  page.says(/The defaults have their reasons/);
  const action = vi.fn(async () => 'tea');
  expect(await new OurBreaker({ failureThreshold: 1 }).execute(action)).toBe('tea');
  expect(await new Bulkhead({ maxConcurrent: 1 }).execute(action)).toBe('tea');
});

test('open() and close() are of the layer alone; what is known can be taken along, and errors are told apart', async () => {
  page.says(/none for a client: `CircuitBreaker\.isolate\(\)` and `CircuitBreaker\.reset\(\)` of the layer alone/);
  page.says(/`restore`, with a `client\.snapshot\(\)`/);
  page.says(/`SteadfetchError`, whose code tells them apart/);
  const { breaker } = opossum([200]);
  breaker.open();
  const refused = await errorOf(breaker.fire());
  expect(CircuitBreaker.isOurError(refused as Error)).toBe(true);
  const ours = new OurBreaker();
  ours.isolate();
  expect(ours.state).toBe('open');
  ours.reset();
  expect(ours.state).toBe('closed');
  for (const name of ['isolate', 'reset', 'open']) expect(name in createClient()).toBe(false);
  expect(await restoredIsOpen()).toBe(true);
  const errors = await refusals();
  for (const error of errors) expect(error).toBeInstanceOf(SteadfetchError);
  expect(new Set(errors.map((error) => Reflect.get(Object(error), 'code'))).size).toBe(errors.length);
});

test('opossum: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
