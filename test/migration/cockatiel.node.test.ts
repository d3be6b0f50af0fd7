import * as cockatiel from 'cockatiel';
import { expect, onTestFinished, test, vi } from 'vitest';

import { CircuitBreaker, compose, degradation, retry, withFallback } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptedFetch, type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { codeIn, IN_WORDS, membersOf, mistakesIn, readSource, snippets } from './guide.ts';

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

test('cockatiel: each option, function, event and error has a row, and defaults are as told', () => {
  const options = [
    ['retry', 'RetryPolicy.d.ts', 'IRetryPolicyConfig'],
    ['circuitBreaker', 'CircuitBreakerPolicy.d.ts', 'ICircuitBreakerOptions'],
    ['halfOpenSampling', 'CircuitBreakerPolicy.d.ts', 'IHalfOpenSamplingOptions'],
    ['timeout', 'TimeoutPolicy.d.ts', 'ITimeoutOptions'],
    ['ExponentialBackoff', 'backoff/ExponentialBackoff.d.ts', 'IExponentialBackoffOptions'],
    ['SamplingBreaker', 'breaker/SamplingBreaker.d.ts', 'ISamplingBreakerOptions'],
    ['CountBreaker', 'breaker/CountBreaker.d.ts', 'ICountBreakerOptions'],
  ].flatMap(([of, file, type = '']) => membersOf(`cockatiel/dist/${file}`, type).map((key) => `${of}.${key}`));
  expect(options).toHaveLength(3 + 4 + 2 + 2 + 4 + 3 + 3);
  const policies = ['Bulkhead', 'CircuitBreaker', 'Fallback', 'Retry', 'Timeout'];
  const members = policies.flatMap((name) => {
    const source = readSource(`cockatiel/dist/${name}Policy.d.ts`).replace(/\/\*.*?\*\//gs, '');
    const found = source.matchAll(
      /^ {4}(?:readonly |get )?(on\w+|state|lastFailure|\w+Slots|isolate|toJSON|\w+Unref)\b/gm,
    );
    return Array.from(found, ([, member = '']) => member);
  });
  expect(new Set(members).size).toBe(10 + 7);
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
  const theirs = {
    ...Object.fromEntries([...options, ...members, ...exported].map((key) => [key, undefined])),
    'retry.maxAttempts': Infinity,
    'retry.backoff': IN_WORDS,
    'retry.unref': false,
    'circuitBreaker.breaker': 'required',
    'circuitBreaker.halfOpenAfter': 'required',
    'circuitBreaker.halfOpenSampling': IN_WORDS,
    'halfOpenSampling.calls': 1,
    'halfOpenSampling.threshold': 0,
    ConsecutiveBreaker: 'required',
    'SamplingBreaker.threshold': 'required',
    'SamplingBreaker.duration': 'required',
    'SamplingBreaker.minimumRps': IN_WORDS,
    'CountBreaker.threshold': 'required',
    'CountBreaker.size': 'required',
    'CountBreaker.minimumNumberOfCalls': IN_WORDS,
    'bulkhead.limit': 'required',
    'bulkhead.queue': 0,
    'timeout.duration': 'required',
    'timeout.strategy': 'required',
    'timeout.abortOnReturn': true,
    ...prefixed('ExponentialBackoff', Reflect.get(new cockatiel.ExponentialBackoff(), 'options')),
    'ExponentialBackoff.generator': 'decorrelatedJitterGenerator',
  };
  const rows = Object.fromEntries(Object.entries(theirs).filter(([key]) => !parts.includes(key)));
  expect(mistakesIn('cockatiel', rows)).toEqual([]);
  expect(parts.filter((name) => !codeIn('cockatiel').some((code) => code.startsWith(name)))).toEqual([]);
  expect(readSource('cockatiel/dist/Policy.js')).toContain('opts.backoff || new ConstantBackoff(0)');
  expect(readSource('cockatiel/dist/Policy.js')).toContain('bulkhead(limit, queue = 0)');
  expect(readSource('cockatiel/dist/CircuitBreakerPolicy.js')).toContain('options ?? { calls: 1, threshold: 0 }');
});

function prefixed(name: string, options: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [`${name}.${key}`, value]));
}

test('cockatiel: all sides of the guide get over the same trouble, and give up after as many requests', async () => {
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

test('cockatiel opens above its rate, ours at it', async () => {
  const { once } = throwing([200, 503]);
  const policy = breakerOf(new CountBreaker({ threshold: 0.5, size: 2 }));
  await policy.execute(once);
  await policy.execute(once).catch(() => {});
  expect(policy.state).toBe(cockatiel.CircuitState.Closed);
  const { client } = clientBench([200, 503], { retry: false, breaker: { window: { size: 2 } } });
  await client.fetch(url);
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('wrap(retry, breaker) counts attempts, and retries what the open circuit refuses; the client does neither', async () => {
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
  const { client, clock, upstream: ours } = clientBench([503], { breaker: { failureThreshold: 1 } });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  await client.fetch(url, { retry: false });
  await clock.advance(100);
  expect(call).toMatchObject({ state: 'resolved', value: { status: 503 } });
  expect(ours.calls).toBe(2);
});

test('a 503 that nobody throws is a success for cockatiel; ours looks at the status', async () => {
  const fetch = scriptedFetch([503]);
  const policy = breakerOf(new ConsecutiveBreaker(1));
  for (let call = 0; call < 10; call += 1) await policy.execute(() => fetch(url));
  expect(fetch.calls).toBe(10);
  for (const { status, calls } of [
    { status: 503, calls: 1 },
    { status: 404, calls: 10 },
  ]) {
    const { client, upstream: ours } = clientBench([status], { retry: false, breaker: { failureThreshold: 1 } });
    for (let call = 0; call < 10; call += 1) await client.fetch(url).catch(() => {});
    expect(ours.calls).toBe(calls);
  }
});

test("the caller's aborts open the circuit of cockatiel, and not ours", async () => {
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

  const { client, clock } = clientBench([503, 200], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  const rounds: unknown[] = [];
  for (const _round of [1, 2, 3]) {
    const round = [1, 2, 3].map(() => watch(client.fetch(url)));
    await clock.advance(0);
    rounds.push(round.map(({ error }) => Reflect.get(Object(error), 'code')));
  }
  const oneGoes = [undefined, 'CIRCUIT_OPEN', 'CIRCUIT_OPEN'];
  expect(rounds).toEqual([oneGoes, oneGoes, [undefined, undefined, undefined]]);
});

test('open again: cockatiel waits as long as before; ours twice as long, unless it may not', async () => {
  stopTime();
  const { fetch, once } = throwing([503]);
  const policy = breakerOf(new ConsecutiveBreaker(1), 1_000);
  const grown = { failureThreshold: 1, resetTimeoutMs: 1_000 };
  const ours = clientBench([503], { retry: false, breaker: grown });
  const flat = clientBench([503], { retry: false, breaker: { ...grown, maxResetTimeoutMs: 1_000, resetJitter: 0 } });
  const sent: unknown[] = [];
  for (const _second of [0, 1, 2, 3, 4, 5, 6, 7]) {
    await policy.execute(once).catch(() => {});
    for (const { client } of [ours, flat]) await client.fetch(url).catch(() => {});
    sent.push([fetch.calls, flat.upstream.calls, ours.upstream.calls]);
    await vi.advanceTimersByTimeAsync(1_000);
    for (const { clock } of [ours, flat]) await clock.advance(1_000);
  }
  expect(sent).toEqual([1, 2, 2, 3, 3, 3, 3, 4].map((count, second) => [second + 1, second + 1, count]));
  const jittery = clientBench([503], { retry: false, random: () => 1, breaker: grown });
  await jittery.client.fetch(url);
  expect(await errorOf(jittery.client.fetch(url))).toMatchObject({ retryAfterMs: 1_200 });
});

test('a late failure from before the outage opens a half-open circuit of cockatiel again; ours it does not touch', async () => {
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
  let attempts = 0;
  const error = await errorOf(
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
  expect(error).toMatchObject({ message: 'broken' });
  expect(attempts).toBe(1_000);
  const { client, upstream: ours } = clientBench([503], { retry: { initialDelayMs: 0 } });
  await client.fetch(url);
  expect(ours.calls).toBe(3);
});

test('the first attempt is 0 in cockatiel, and 1 in ours', async () => {
  expect(await cockatiel.retry(handleAll, {}).execute(async ({ attempt }) => attempt)).toBe(0);
  expect(await compose(retry()).execute(async ({ attempt }) => attempt)).toBe(1);
});

test('a Response handed out through the timeout of cockatiel has no body to read, unless abortOnReturn is false', async () => {
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

test('an aggressive timeout waits for nobody, in both', async () => {
  stopTime();
  const late = watch(timeout(100, Aggressive).execute(() => new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(100);
  expect(late.error).toBeInstanceOf(cockatiel.TaskCancelledError);
  const { client, clock } = clientBench([200], {
    attemptTimeoutMs: 100,
    retry: false,
    fetch: () => new Promise(() => {}),
  });
  const ours = watch(client.fetch(url));
  await clock.advance(100);
  expect(ours.error).toMatchObject({ name: 'TimeoutError', code: 'ATTEMPT_TIMEOUT' });
});

test('the exponent counts only with the decorrelated generator', () => {
  const options = { generator: cockatiel.noJitterGenerator, exponent: 10, initialDelay: 100, maxDelay: 1e9 };
  expect([0, 1, 2].map((state) => cockatiel.noJitterGenerator(state, options)[0])).toEqual([100, 200, 400]);
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

  const { client } = clientBench([404, 503], { retry: false, fallback: { respond: () => Response.json([]) } });
  expect((await client.fetch(url)).status).toBe(404);
  expect(degradation(await client.fetch(url))).toMatchObject({ source: 'default', reason: 'status-503' });
});

test('a policy has one circuit and one bulkhead, the client one of each for an origin', async () => {
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
