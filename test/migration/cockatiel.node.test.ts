import * as cockatiel from 'cockatiel';
import { expect, onTestFinished, test, vi } from 'vitest';

import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitBreaker,
  CircuitOpenError,
  compose,
  createClient,
  DeadlineExceededError,
  degradation,
  retry,
  SteadfetchError,
  withFallback,
} from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptedFetch, type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { upstream } from '../recipes/upstream.ts';
import { codeIn, IN_WORDS, membersOf, mistakesIn, readSource, requiredOf, sentencesOf, snippets } from './guide.ts';
import {
  longestWaitOfASecond,
  refusals,
  requestsEachSecond,
  requestsOfAHundred,
  restoredIsOpen,
  sentAfterReset,
  waitKeepsAlive,
  waits,
} from './ours.ts';

interface Guide {
  load(url: string): Promise<unknown>;
}

const { bulkhead, circuitBreaker, ConsecutiveBreaker, CountBreaker, handleAll, SamplingBreaker, timeout, wrap } =
  cockatiel;
const { Aggressive } = cockatiel.TimeoutStrategy;

function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A fetch that throws what is not good, as cockatiel needs it. */
function throwing(script: readonly ScriptStep[]): {
  readonly fetch: ScriptedFetch;
  readonly once: (context: { signal?: AbortSignal }) => Promise<Response>;
} {
  const fetch = scriptedFetch(script);
  return {
    fetch,
    async once({ signal }) {
      const response = await fetch(url, signal === undefined ? {} : { signal });
      if (!response.ok) throw new Error(`Status ${response.status}`);
      return response;
    },
  };
}

function breakerOf(breaker: cockatiel.IBreaker, halfOpenAfter = 10_000): cockatiel.CircuitBreakerPolicy {
  return circuitBreaker(handleAll, { breaker, halfOpenAfter });
}

/** A circuit like cockatiel's: no doubling, no jitter, and one success closes it. */
const asTheirs = { successThreshold: 1, maxResetTimeoutMs: 10_000, resetJitter: 0 };

const optionsIn = [
  ['retry', 'RetryPolicy.d.ts', 'IRetryPolicyConfig'],
  ['circuitBreaker', 'CircuitBreakerPolicy.d.ts', 'ICircuitBreakerOptions'],
  ['halfOpenSampling', 'CircuitBreakerPolicy.d.ts', 'IHalfOpenSamplingOptions'],
  ['timeout', 'TimeoutPolicy.d.ts', 'ITimeoutOptions'],
  ['ExponentialBackoff', 'backoff/ExponentialBackoff.d.ts', 'IExponentialBackoffOptions'],
  ['SamplingBreaker', 'breaker/SamplingBreaker.d.ts', 'ISamplingBreakerOptions'],
  ['CountBreaker', 'breaker/CountBreaker.d.ts', 'ICountBreakerOptions'],
] as const;
const options = optionsIn.flatMap(([of, file, type]) =>
  membersOf(`cockatiel/dist/${file}`, type).map((key) => `${of}.${key}`),
);
const required = optionsIn
  .filter(([of]) => ['circuitBreaker', 'SamplingBreaker', 'CountBreaker'].includes(of))
  .flatMap(([of, file, type]) => requiredOf(`cockatiel/dist/${file}`, type).map((key) => [`${of}.${key}`, 'required']));
const members = ['Bulkhead', 'CircuitBreaker', 'Fallback', 'Retry', 'Timeout'].flatMap((name) => {
  const source = readSource(`cockatiel/dist/${name}Policy.d.ts`).replace(/\/\*.*?\*\//gs, '');
  const found = source.matchAll(
    /^ {4}(?:readonly |get )?(on\w+|state|lastFailure|\w+Slots|isolate|toJSON|\w+Unref)\b/gm,
  );
  return Array.from(found, ([, member = '']) => member);
});
// What the functions return, and what events are made of.
const exported = Object.keys(cockatiel).filter(
  (name) => !/^([A-Z]\w*)?Policy$|^Event|^CircuitState$|^TimeoutStrategy$/.test(name),
);
const parts = [
  'retry',
  'circuitBreaker',
  'SamplingBreaker',
  'CountBreaker',
  'ExponentialBackoff',
  'bulkhead',
  'timeout',
];
const all = {
  ...Object.fromEntries([...options, ...members, ...exported].map((key) => [key, undefined])),
  ...Object.fromEntries(required),
  'retry.maxAttempts': Reflect.get(privateOf(cockatiel.retry(handleAll, {}), 'options'), 'maxAttempts'),
  'retry.backoff': IN_WORDS,
  'retry.unref': false,
  'circuitBreaker.halfOpenSampling': IN_WORDS,
  ...prefixed('halfOpenSampling', privateOf(breakerOf(new ConsecutiveBreaker(1)), 'halfOpenSampling')),
  ConsecutiveBreaker: 'required',
  'SamplingBreaker.minimumRps': IN_WORDS,
  'CountBreaker.minimumNumberOfCalls': IN_WORDS,
  'bulkhead.limit': 'required',
  'timeout.duration': 'required',
  'timeout.strategy': 'required',
  'bulkhead.queue': privateOf(bulkhead(1), 'queueCapacity'),
  'timeout.abortOnReturn': true,
  ...prefixed('ExponentialBackoff', privateOf(new cockatiel.ExponentialBackoff(), 'options')),
  'ExponentialBackoff.generator': 'decorrelatedJitterGenerator',
};
const theirs = Object.fromEntries(Object.entries(all).filter(([key]) => !parts.includes(key)));
const page = sentencesOf('cockatiel', theirs);

/** What a policy has been made with. */
function privateOf(policy: object, name: string) {
  return Reflect.get(policy, name);
}

function prefixed(name: string, options: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [`${name}.${key}`, value]));
}

test('cockatiel: each option, function, event and error has a row, and defaults are as told', () => {
  expect(options).toHaveLength(3 + 4 + 2 + 2 + 4 + 3 + 3);
  expect(new Set(members).size).toBe(10 + 7);
  expect(required.map(([name]) => name)).toHaveLength(2 + 2 + 2);
  const functions = readSource('cockatiel/dist/Policy.d.ts');
  expect(functions).toContain('bulkhead(limit: number, queue?: number)');
  expect(functions).toContain('timeout(duration: number, strategyOrOpts: TimeoutStrategy | {');
  expect(mistakesIn('cockatiel', theirs)).toEqual([]);
  expect(parts.filter((name) => !codeIn('cockatiel').some((code) => code.startsWith(name)))).toEqual([]);
  expect(readSource('cockatiel/dist/breaker/ConsecutiveBreaker.d.ts')).toContain('constructor(threshold: number)');
});

test('cockatiel: all sides of the guide get over the same trouble, and give up after as many requests', async () => {
  page.says(/`retry\.maxAttempts`, which counts the first one too: theirs \+ 1/);
  page.says(/After, where it is a `fetch`:/);
  page.says(/After, where it is anything else:/);
  let sides = 0;
  for await (const { load } of snippets<Guide>('cockatiel')) {
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    await expect(load(`${at}/teas`)).rejects.toThrow('503');
    expect(requests).toHaveLength(6);
    sides += 1;
  }
  expect(sides).toBe(3);
});

const trips = [
  {
    how: 'in a row',
    theirs: () => new ConsecutiveBreaker(3),
    ours: { failureThreshold: 3 },
    script: [503, 503, 200, 503, 503, 503, 200],
    sent: [1, 2, 3, 4, 5, 6, 6, 6, 7, 8],
  },
  {
    how: 'of the last while',
    theirs: () => new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 0.5 }),
    ours: { window: { durationMs: 10_000, minimumCalls: 5, failureRate: 0.51 } },
    script: [200, 200, 503, 503, 503, 200],
    sent: [1, 2, 3, 4, 5, 5, 5, 5, 6, 7],
  },
  {
    how: 'of the last calls',
    theirs: () => new CountBreaker({ threshold: 0.5, size: 4 }),
    ours: { window: { size: 4, minimumCalls: 4, failureRate: 0.51 } },
    script: [503, 200, 200, 503, 503, 503, 200],
    sent: [1, 2, 3, 4, 5, 6, 6, 6, 7, 8],
  },
];

test.for(trips)(
  'with the options of the table, the same calls go out: $how',
  async ({ theirs, ours, script, sent }) => {
    page.says(/`breaker\.failureThreshold`, or `breaker\.window`/);
    stopTime();
    const { fetch, once } = throwing(script);
    const policy = breakerOf(theirs());
    const bench = clientBench(script, { retry: false, breaker: { ...asTheirs, ...ours } });
    const made: unknown[] = [];
    for (const waitMs of [0, 0, 0, 0, 0, 0, 0, 9_999, 1, 0]) {
      await vi.advanceTimersByTimeAsync(waitMs);
      await bench.clock.advance(waitMs);
      await policy.execute(once).catch(() => {});
      await bench.client.fetch(url).catch(() => {});
      made.push([fetch.calls, bench.upstream.calls]);
    }
    expect(made).toEqual(sent.map((count) => [count, count]));
  },
);

test("SamplingBreaker's minimumRps is 5 / threshold by default, CountBreaker's minimum its size; ours 10, or the size", async () => {
  page.says(/^5 \/ threshold$/m);
  page.says(/`breaker\.window\.minimumCalls`: in all of the window, not per second/);
  page.says(/`breaker\.window\.minimumCalls`; or the size, if that is smaller/);
  const until = async (breaker: cockatiel.IBreaker): Promise<number> => {
    const { fetch, once } = throwing([503]);
    const policy = breakerOf(breaker);
    for (let call = 0; call < 200; call += 1) await policy.execute(once).catch(() => {});
    return fetch.calls;
  };
  expect(await until(new SamplingBreaker({ threshold: 0.5, duration: 10_000 }))).toBe(100);
  expect(await until(new CountBreaker({ threshold: 0.5, size: 8 }))).toBe(8);
  const ours = async (window: object): Promise<number> => {
    const { client, upstream: inner } = clientBench([503], { retry: false, breaker: { window } });
    for (let call = 0; call < 50; call += 1) await client.fetch(url).catch(() => {});
    return inner.calls;
  };
  expect([await ours({ durationMs: 10_000 }), await ours({ size: 20 }), await ours({ size: 8 })]).toEqual([10, 10, 8]);
});

test.for([
  { name: 'SamplingBreaker', breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 0.1 }) },
  { name: 'CountBreaker', breaker: new CountBreaker({ threshold: 0.5, size: 2 }) },
])('cockatiel opens above its rate, with a $name, ours at it', async ({ breaker }) => {
  page.says(/`breaker\.window\.failureRate`, at which it opens; cockatiel opens above/);
  const { once } = throwing([200, 503]);
  const policy = breakerOf(breaker);
  await policy.execute(once);
  await policy.execute(once).catch(() => {});
  expect(policy.state).toBe(cockatiel.CircuitState.Closed);
  await policy.execute(once).catch(() => {});
  expect(policy.state).toBe(cockatiel.CircuitState.Open);
  const { client } = clientBench([200, 503], { retry: false, breaker: { window: { size: 2 } } });
  await client.fetch(url);
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('wrap(retry, breaker) counts attempts, and retries what the open circuit refuses; the client does neither', async () => {
  page.says(
    /With `wrap\(retry, breaker\)`, each attempt counts for the circuit, and with `handleAll` the retry goes on against a circuit that has opened: its `BrokenCircuitError` is an error like any other\./,
  );
  page.says(/In the client the breaker is outside: a call counts once, with its retries/);
  page.says(/`breaker: \{ counts: "attempts" \}` counts each\./);
  const { fetch, once } = throwing([503]);
  let asked = 0;
  const breaker = breakerOf(new ConsecutiveBreaker(2));
  const counting = cockatiel.retry(handleAll, { maxAttempts: 9 });
  counting.onRetry(() => {
    asked += 1;
  });
  expect(await errorOf(wrap(counting, breaker).execute(once))).toBeInstanceOf(cockatiel.BrokenCircuitError);
  expect([fetch.calls, asked]).toEqual([2, 9]);

  const made = async (counts: 'calls' | 'attempts'): Promise<unknown> => {
    const options = { retry: { maxAttempts: 10, initialDelayMs: 0 }, breaker: { failureThreshold: 2, counts } };
    const { client, upstream: ours } = clientBench([503], options);
    expect((await client.fetch(url)).status).toBe(503);
    return ours.calls;
  };
  expect(await made('calls')).toBe(10);
  expect(await made('attempts')).toBe(2);
});

test('a retry of the client ends when others have opened the circuit', async () => {
  page.says(/and a retry asks first whether the circuit is still closed\./);
  const { client, clock, upstream: ours } = clientBench([503], { breaker: { failureThreshold: 1 } });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  await client.fetch(url, { retry: false });
  await clock.advance(100);
  expect(call).toMatchObject({ state: 'resolved', value: { status: 503 } });
  expect(ours.calls).toBe(2);
});

test('a 503 that nobody throws is a success for cockatiel; ours looks at the status', async () => {
  page.says(/`handleAll` handles what is thrown, and `fetch` does not throw for a 503\./);
  page.says(/The client looks at the status: a 5xx fails, a 404 does not\./);
  const fetch = scriptedFetch([503]);
  const policy = breakerOf(new ConsecutiveBreaker(1));
  for (let call = 0; call < 10; call += 1) await policy.execute(() => fetch(url));
  expect(fetch.calls).toBe(10);
  for (const { status, calls } of [
    { status: 500, calls: 1 },
    { status: 503, calls: 1 },
    { status: 599, calls: 1 },
    { status: 404, calls: 10 },
  ]) {
    const { client, upstream: ours } = clientBench([status], { retry: false, breaker: { failureThreshold: 1 } });
    for (let call = 0; call < 10; call += 1) await client.fetch(url).catch(() => {});
    expect(ours.calls).toBe(calls);
  }
});

test("the caller's aborts open the circuit of cockatiel, and not ours", async () => {
  page.says(/With `handleAll`, the caller's aborts open the circuit\./);
  page.says(/In ours they count against nobody\./);
  const leaving = (): AbortSignal => {
    const caller = new AbortController();
    setImmediate(() => caller.abort());
    return caller.signal;
  };
  const { fetch, once } = throwing(['hang']);
  const policy = breakerOf(new ConsecutiveBreaker(2));
  for (let call = 0; call < 10; call += 1) await policy.execute(once, leaving()).catch(() => {});
  expect(fetch.calls).toBe(2);
  const { client, upstream: ours } = clientBench(['hang'], { breaker: { failureThreshold: 2 } });
  for (let call = 0; call < 10; call += 1) await client.fetch(url, { signal: leaving() }).catch(() => {});
  expect(ours.calls).toBe(10);
});

test('an abort is not heard by cockatiel during a wait; ours ends it at once', async () => {
  page.says(
    /While cockatiel waits for a retry, or for a slot of the bulkhead, an abort is not heard; ours ends the wait at once, with `signal\.reason`\./,
  );
  stopTime();
  const caller = new AbortController();
  const backoff = new cockatiel.ConstantBackoff(60_000);
  const waiting = watch(cockatiel.retry(handleAll, { backoff }).execute(throwing([503]).once, caller.signal));
  const full = bulkhead(1, 1);
  void full.execute(() => new Promise(() => {}));
  const queued = watch(full.execute(async () => {}, caller.signal));
  const { client, clock } = clientBench([503, 'hang'], { bulkhead: { maxConcurrent: 1 } });
  const ours = [client.fetch(url, { signal: caller.signal }), client.fetch(url, { signal: caller.signal })].map(watch);
  await clock.advance(0);
  await vi.advanceTimersByTimeAsync(0);
  caller.abort();
  await vi.advanceTimersByTimeAsync(59_999);
  expect([waiting.state, queued.state]).toEqual(['pending', 'pending']);
  await vi.advanceTimersByTimeAsync(1);
  expect(waiting.state).toBe('rejected');
  await clock.advance(0);
  expect(ours.map(({ error }) => error)).toEqual([caller.signal.reason, caller.signal.reason]);
});

test('half-open: the others wait in cockatiel, which closes after one success; ours refuses them until two', async () => {
  page.says(/cockatiel lets one call through, and has the others wait for what becomes of it; one success closes\./);
  page.says(/Ours refuses the others with `CircuitOpenError`, and two successes close\./);
  page.says(/^one call$/m);
  page.says(/`breaker\.successThreshold`, one after the other/);
  stopTime();
  const { fetch, once } = throwing([503, { delayMs: 10 }, 200]);
  const policy = breakerOf(new ConsecutiveBreaker(1));
  await policy.execute(once).catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  const calls = [1, 2, 3].map(() => watch(policy.execute(once)));
  await vi.advanceTimersByTimeAsync(9);
  expect(calls.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
  expect(fetch.calls).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(calls.map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);

  expect(await sentAfterReset(3)).toEqual([1, 1, 3]);
});

test('half-open: cockatiel may let more calls through, and some of them fail; in ours each of them closes or opens', async () => {
  page.says(/none: a probe that fails opens the circuit/);
  stopTime();
  const { once } = throwing([503, 200, 503, 200, 200]);
  const halfOpenSampling = { calls: 4, threshold: 0.5 };
  const policy = circuitBreaker(handleAll, {
    breaker: new ConsecutiveBreaker(1),
    halfOpenAfter: 10_000,
    halfOpenSampling,
  });
  await policy.execute(once).catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  for (let call = 0; call < 4; call += 1) await policy.execute(once).catch(() => {});
  expect(policy.state).toBe(cockatiel.CircuitState.Closed);
  const { client, clock } = clientBench([503, 200, 503], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  for (let call = 0; call < 2; call += 1) await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.breaker?.state).toBe('open');
});

test('open again: cockatiel waits as long as before; ours twice as long, unless it may not', async () => {
  page.says(/A `halfOpenAfter` that is a number stays the same\./);
  const [share = ''] = page.says(
    /`resetTimeoutMs` doubles with each failed probe, and each wait is up to (a fifth) longer\./,
  );
  page.says(/`maxResetTimeoutMs` of the same size and `resetJitter: 0` are as before\./);
  page.says(/`breaker\.resetTimeoutMs`; it doubles, up to `breaker\.maxResetTimeoutMs`/);
  stopTime();
  const { fetch, once } = throwing([503]);
  const policy = breakerOf(new ConsecutiveBreaker(1), 1_000);
  const sent: number[] = [];
  for (const _second of [0, 1, 2, 3, 4, 5, 6, 7]) {
    await policy.execute(once).catch(() => {});
    sent.push(fetch.calls);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(sent).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await requestsEachSecond(8, { maxResetTimeoutMs: 1_000, resetJitter: 0 })).toEqual(sent);
  expect(await requestsEachSecond(8)).toEqual([1, 2, 2, 3, 3, 3, 3, 4]);
  expect(await requestsEachSecond(8, { maxResetTimeoutMs: 2_000 })).toEqual([1, 2, 2, 3, 3, 4, 4, 5]);
  expect(await longestWaitOfASecond()).toBe(1_000 * (1 + shareOf(share)));
});

test('a late failure from before the outage opens a half-open circuit of cockatiel again; ours it does not touch', async () => {
  page.says(/In cockatiel, a call from before the outage that fails late opens a half-open circuit again\./);
  page.says(/In ours it changes nothing\./);
  stopTime();
  const slow = { status: 503, delayMs: 10_001 };
  const { fetch, once } = throwing([slow, 503, { delayMs: 10 }, 200]);
  const policy = breakerOf(new ConsecutiveBreaker(1));
  watch(policy.execute(once));
  await policy.execute(once).catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  watch(policy.execute(once));
  await vi.advanceTimersByTimeAsync(10);
  expect(policy.state).toBe(cockatiel.CircuitState.Open);
  expect(fetch.calls).toBe(3);

  const options = { deadlineMs: false, attemptTimeoutMs: false, retry: false } as const;
  const bench = clientBench([slow, 503, { delayMs: 10 }, 200], {
    ...options,
    breaker: { ...asTheirs, failureThreshold: 1 },
  });
  watch(bench.client.fetch(url));
  await bench.client.fetch(url);
  await bench.clock.advance(10_000);
  watch(bench.client.fetch(url));
  await bench.clock.advance(10);
  expect((await bench.client.fetch(url)).status).toBe(200);
});

test('retry() of cockatiel goes on for ever, without a wait; ours makes 3 attempts', async () => {
  page.says(/Without options, `retry` goes on for ever, without a wait\./);
  page.says(/^no wait$/m);
  const [ourAttempts = ''] = page.says(/Ours makes (\d) attempts\./);
  let attempts = 0;
  stopTime();
  const giving = errorOf(
    cockatiel
      .retry(
        cockatiel.handleWhen(() => attempts < 1_000),
        {},
      )
      .execute(async ({ attempt }) => {
        attempts = attempt;
        throw new Error('broken');
      }),
  );
  await vi.runAllTimersAsync();
  expect(await giving).toMatchObject({ message: 'broken' });
  expect(attempts).toBe(1_000);
  const { client, upstream: ours } = clientBench([503], { retry: { initialDelayMs: 0 } });
  await client.fetch(url);
  expect(ours.calls).toBe(numberOf(ourAttempts));
});

test('the first attempt is 0 in cockatiel, and 1 in ours', async () => {
  page.says(/that the operation is told begins with 0 in cockatiel, with 1 in ours\./);
  expect(await cockatiel.retry(handleAll, {}).execute(async ({ attempt }) => attempt)).toBe(0);
  expect(await compose(retry()).execute(async ({ attempt }) => attempt)).toBe(1);
});

test('a Response handed out through the timeout of cockatiel has no body to read, unless abortOnReturn is false', async () => {
  page.says(
    /cockatiel aborts its signal when the function returns: a Response that it hands out has a body that can't be read, unless `abortOnReturn` is `false`\./,
  );
  page.says(/Ours goes on to cover the body with the deadline\./);
  page.says(/none: the signal goes on to cover the body/);
  const { url: at } = await upstream(() => Response.json(['tea']));
  const get = ({ signal }: { signal: AbortSignal }): Promise<Response> => fetch(at, { signal });
  const response = await timeout(5_000, Aggressive).execute(get);
  await expect(response.json()).rejects.toMatchObject({ name: 'AbortError' });
  const whole = await timeout(5_000, { strategy: Aggressive, abortOnReturn: false }).execute(get);
  expect(await whole.json()).toEqual(['tea']);

  const { client, clock } = clientBench([{ body: '["tea"]' }, { body: '["te', after: 'hang' }], { deadlineMs: 1_000 });
  expect(await (await client.fetch(url)).json()).toEqual(['tea']);
  const cut = watch((await client.fetch(url)).json());
  await clock.advance(1_000);
  expect(cut.state).toBe('rejected');
});

test('an aggressive timeout waits for nobody, in both, and ours aborts; each says so in its own words', async () => {
  page.says(/none: it is aggressive, and aborts the request, too/);
  page.says(/`attemptTimeoutMs`; `deadlineMs` around everything/);
  page.says(/`AttemptTimeoutError`, `DeadlineExceededError`; the caller's abort is its reason/);
  page.says(/the event `attempt` tells of it/);
  stopTime();
  const late = watch(timeout(100, Aggressive).execute(() => new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(100);
  expect(late.error).toBeInstanceOf(cockatiel.TaskCancelledError);
  const signals: (AbortSignal | null | undefined)[] = [];
  const caller = new AbortController();
  const { client, clock, events } = clientBench([200], {
    attemptTimeoutMs: 100,
    deadlineMs: 150,
    retry: { maxAttempts: 2, initialDelayMs: 0 },
    fetch: (_input, init) => {
      signals.push(init?.signal);
      return new Promise(() => {});
    },
  });
  const calls = [
    client.fetch(url, { retry: false }),
    client.fetch(url),
    client.fetch(url, { signal: caller.signal }),
  ].map(watch);
  await clock.advance(50);
  caller.abort('left');
  await clock.advance(100);
  expect(calls.map(({ error }) => error)).toEqual([
    expect.any(AttemptTimeoutError),
    expect.any(DeadlineExceededError),
    'left',
  ]);
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true, true]);
  expect(events).toContainEqual(expect.objectContaining({ type: 'attempt', failure: 'attempt-timeout' }));
});

test('the exponent counts only with the decorrelated generator, which has a formula of its own; ours counts always', async () => {
  page.says(/counts only with `decorrelatedJitterGenerator`; the other generators double\./);
  page.says(/Ours counts always\./);
  page.says(/`retry\.jitter: "decorrelated"`, by another formula/);
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
  onTestFinished(() => void random.mockRestore());
  const grown = (generator: cockatiel.GeneratorFn<never>, exponent: number): readonly number[] => {
    const factory = new cockatiel.ExponentialBackoff({ generator, exponent, initialDelay: 100, maxDelay: 1e9 });
    let backoff = factory.next();
    return [1, 2, 3].map(() => {
      const { duration } = backoff;
      backoff = backoff.next(undefined);
      return duration;
    });
  };
  const { noJitterGenerator, fullJitterGenerator, halfJitterGenerator, decorrelatedJitterGenerator } = cockatiel;
  for (const exponent of [2, 10]) {
    expect(grown(noJitterGenerator as never, exponent)).toEqual([100, 200, 400]);
    expect(grown(fullJitterGenerator as never, exponent)).toEqual([50, 100, 200]);
    expect(grown(halfJitterGenerator as never, exponent)).toEqual([75, 150, 300]);
  }
  const decorrelated = grown(decorrelatedJitterGenerator as never, 2);
  expect(grown(decorrelatedJitterGenerator as never, 10)).not.toEqual(decorrelated);
  const retry = { initialDelayMs: 100, maxAttempts: 4, maxDelayMs: 1e9 };
  expect(await waits({ ...retry, jitter: 'decorrelated' }, 0.5)).not.toEqual(decorrelated.map(Math.round));
  expect(await waits({ ...retry, jitter: 0 })).toEqual([100, 200, 400]);
  expect(await waits({ ...retry, jitter: 'full' }, 0.5)).toEqual([50, 100, 200]);
  for (const jitter of [0, 'full'] as const) {
    expect(await waits({ ...retry, jitter, multiplier: 10 })).toEqual([100, 1_000, 10_000]);
  }
});

test('waits: the same each time, or growing up to a most; in ours, of no other kind', async () => {
  page.says(/`retry\.multiplier: 1` with `retry\.jitter: 0`/);
  page.says(/none: waits grow by a factor, up to `retry\.maxDelayMs`/);
  const backoff = new cockatiel.ConstantBackoff(100).next();
  expect([backoff.duration, backoff.next(undefined).duration]).toEqual([100, 100]);
  expect(await waits({ multiplier: 1, jitter: 0 }, 0.5)).toEqual([100, 100]);
  const iterable = new cockatiel.IterableBackoff([30, 10]).next(undefined as never);
  expect([iterable.duration, iterable.next(undefined as never).duration]).toEqual([30, 10]);
  expect(await waits({ maxAttempts: 5, maxDelayMs: 300, jitter: 0 })).toEqual([100, 200, 300, 300]);
});

test('a wait for a retry keeps the process alive, in ours always', async () => {
  page.says(/none: a wait for a retry keeps the process alive/);
  expect(await waitKeepsAlive()).toBe(true);
});

test('half jitter is from half of the wait to all of it, in both', async () => {
  const random = vi.spyOn(Math, 'random');
  onTestFinished(() => void random.mockRestore());
  const options = { generator: cockatiel.halfJitterGenerator, exponent: 2, initialDelay: 100, maxDelay: 1_000 };
  random.mockReturnValue(0);
  expect(cockatiel.halfJitterGenerator(undefined, options)[0]).toBe(50);
  random.mockReturnValue(0.999_999);
  expect(cockatiel.halfJitterGenerator(undefined, options)[0]).toBe(99);
  for (const { chance, waitMs } of [
    { chance: 0, waitMs: 100 },
    { chance: 1, waitMs: 50 },
  ]) {
    const { client, clock, events } = clientBench([503, 200], { random: () => chance, retry: { jitter: 0.5 } });
    const call = client.fetch(url);
    await clock.advance(waitMs);
    await call;
    expect(events).toContainEqual(expect.objectContaining({ type: 'retry', delayMs: waitMs }));
  }
});

test('the fallback of cockatiel is not told the error; ours is, and a 4xx is never replaced', async () => {
  page.says(/cockatiel's is not told the error\./);
  page.says(/Ours is, and gives a Response, which `degradation\(\)` tells from a real one; a 4xx is never replaced\./);
  page.says(/`fallback\.respond`; `withFallback` of the layers alone/);
  const told: unknown[] = [];
  const give = (...given: unknown[]): string => {
    told.push(...given);
    return 'none';
  };
  expect(await cockatiel.fallback(handleAll, give).execute(throwing([404]).once)).toBe('none');
  expect(told).toEqual([]);
  expect(
    await withFallback(give).execute(async () => {
      throw new Error('broken');
    }),
  ).toBe('none');
  expect(told[0]).toMatchObject({ message: 'broken' });

  const asked: unknown[] = [];
  const respond = (...given: unknown[]): Response => {
    asked.push(given[1]);
    return Response.json([]);
  };
  const { client } = clientBench([404, 503], { retry: false, fallback: { respond } });
  expect((await client.fetch(url)).status).toBe(404);
  expect(asked).toEqual([]);
  expect(degradation(await client.fetch(url))).toMatchObject({ source: 'default', reason: 'status-503' });
  expect(asked).toEqual([expect.objectContaining({ code: 'HTTP' })]);
});

test('a policy has one circuit and one bulkhead, the client one of each for an origin', async () => {
  page.says(/A policy has one of each, for all that goes through it\./);
  page.says(/The client has them for each origin\./);
  const { once } = throwing([503]);
  const policy = breakerOf(new ConsecutiveBreaker(1));
  await policy.execute(once).catch(() => {});
  expect(await errorOf(policy.execute(async () => 'of another service'))).toBeInstanceOf(cockatiel.BrokenCircuitError);
  const options = {
    retry: false,
    breaker: { failureThreshold: 1 },
    bulkhead: { maxConcurrent: 1, maxQueued: 0 },
  } as const;
  const { client, clock } = clientBench([503, 'hang'], options);
  await client.fetch('https://a.test/');
  const calls = ['https://b.test/', 'https://c.test/'].map((at) => watch(client.fetch(at)));
  await clock.advance(0);
  expect(calls.map(({ state }) => state)).toEqual(['pending', 'pending']);
  await clock.advance(30_000);
});

test('isolate() holds the circuit of the layer alone open, until reset()', async () => {
  page.says(/none for a client: `CircuitBreaker\.isolate\(\)` and `CircuitBreaker\.reset\(\)` of the layer alone/);
  for (const name of ['isolate', 'reset']) expect(name in createClient()).toBe(false);
  const theirs = breakerOf(new ConsecutiveBreaker(1));
  const held = theirs.isolate();
  expect(await errorOf(theirs.execute(async () => 1))).toBeInstanceOf(cockatiel.IsolatedCircuitError);
  held.dispose();
  expect(await theirs.execute(async () => 1)).toBe(1);
  const ours = new CircuitBreaker({ clock: new FakeClock() });
  ours.isolate();
  expect(await errorOf(ours.execute(async () => 1))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: Infinity });
  ours.reset();
  expect(await ours.execute(async () => 1)).toBe(1);
});

test('wrap() and compose() put the first one outermost; the client has an order of its own', async () => {
  page.says(/`compose`, outermost first too; the order of the client's layers is its own/);
  const broken = () => {
    throw new Error('broken');
  };
  const asked = async (made: (operation: () => never) => Promise<unknown>): Promise<number> => {
    const operation = vi.fn(broken);
    await errorOf(made(operation));
    return operation.mock.calls.length;
  };
  const theirRetry = cockatiel.retry(handleAll, { maxAttempts: 8 });
  const theirBreaker = () => breakerOf(new ConsecutiveBreaker(2));
  expect(await asked((operation) => wrap(theirRetry, theirBreaker()).execute(operation))).toBe(2);
  expect(await asked((operation) => wrap(theirBreaker(), theirRetry).execute(operation))).toBe(9);
  const ourRetry = retry({ maxAttempts: 9, initialDelayMs: 0, budget: false });
  const ourBreaker = () => new CircuitBreaker({ failureThreshold: 2 });
  expect(await asked((operation) => compose(ourRetry, ourBreaker()).execute(operation))).toBe(2);
  expect(await asked((operation) => compose(ourBreaker(), ourRetry).execute(operation))).toBe(9);
  // Whatever the order in which they are named.
  for (const options of [
    { retry: { initialDelayMs: 0 }, breaker: { failureThreshold: 1 } },
    { breaker: { failureThreshold: 1 }, retry: { initialDelayMs: 0 } },
  ]) {
    const { client, upstream: ours } = clientBench([503], options);
    await client.fetch(url);
    expect(ours.calls).toBe(3);
  }
});

test('what counts is for a policy to say in cockatiel, for two functions in ours, and a layer may be off in both', async () => {
  page.says(/`breaker\.classify` and `retry\.shouldRetry`/);
  page.says(/a layer that is switched off: `breaker: false`/);
  const tea = (response: unknown): boolean => (response as Response).headers.get('kettle') === 'cold';
  const cold = { headers: { kettle: 'cold' } };
  const theirs = scriptedFetch([cold, cold, 200]);
  const policy = cockatiel.retry(cockatiel.handleWhenResult(tea), { maxAttempts: 2 });
  expect(tea(await policy.execute(() => theirs(url)))).toBe(false);
  const { client, upstream: ours } = clientBench([cold, cold, 200, cold], {
    retry: { initialDelayMs: 0, shouldRetry: ({ response }) => tea(response) },
    breaker: { failureThreshold: 1, classify: ({ response }) => (tea(response) ? 'failure' : 'success') },
  });
  expect(tea(await client.fetch(url))).toBe(false);
  expect(ours.calls).toBe(3);
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });

  expect(await cockatiel.noop.execute(() => 1)).toBe(1);
  const off = clientBench([503], { retry: false, breaker: false });
  for (let call = 0; call < 9; call += 1) expect((await off.client.fetch(url)).status).toBe(503);
});

test('a circuit can be taken along: toJSON() and initialState of cockatiel, snapshot() and restore of ours', async () => {
  stopTime();
  const { once } = throwing([503]);
  const before = breakerOf(new ConsecutiveBreaker(1));
  await before.execute(once).catch(() => {});
  const initialState = JSON.parse(JSON.stringify(before.toJSON()));
  const after = circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(1), halfOpenAfter: 10_000, initialState });
  expect(await errorOf(after.execute(once))).toBeInstanceOf(cockatiel.BrokenCircuitError);
  expect(await restoredIsOpen()).toBe(true);
});

test('errors: ours have a class of their own, and a code each; an open circuit says for how long', async () => {
  page.says(/`CircuitOpenError`, which knows for how long/);
  page.says(/`SteadfetchError`, whose code tells them apart/);
  page.says(/the event `transition`; `CircuitBreaker\.subscribe\(\)`/);
  const [open, full, closed] = await refusals();
  expect([open, full]).toEqual([expect.any(CircuitOpenError), expect.any(BulkheadFullError)]);
  expect(open).toMatchObject({ retryAfterMs: 10_000 });
  for (const error of [open, full, closed]) expect(error).toBeInstanceOf(SteadfetchError);
  const codes = [open, full, closed].map((error) => Reflect.get(Object(error), 'code'));
  expect(codes).toEqual(['CIRCUIT_OPEN', 'BULKHEAD_FULL', 'CLOSED']);

  const layer = new CircuitBreaker({ failureThreshold: 1 });
  const told: unknown[] = [];
  layer.subscribe(({ from, to }) => told.push([from, to]));
  await errorOf(
    layer.execute(() => {
      throw new Error('broken');
    }),
  );
  expect(told).toEqual([['closed', 'open']]);
});

test('new with the client: a budget, which can be switched off', async () => {
  const [share = '', perSecond = ''] = page.says(
    /Retries may add (a fifth) to the load of a dependency, and (\d+) per second\./,
  );
  page.says(/`retry\.budget: false` is as before\./);
  expect(await requestsOfAHundred()).toBe(100 + numberOf(perSecond) + 100 * shareOf(share));
  expect(await requestsOfAHundred({ budget: false })).toBe(200);
});

test('cockatiel: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
