import { expect, test } from 'vitest';

import { type ClientOptions, ClosedError, memoryStore } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, cancellable, clientBench, errorOf, facts, origin, unfinished, url, watch } from './bench.ts';

function hedgeBench(script: readonly ScriptStep[], options: ClientOptions = {}): Bench {
  return clientBench(script, { hedge: { afterMs: 50 }, retry: { maxAttempts: 1 }, ...options });
}

const counters = ({ client }: Bench) => client.snapshot().dependencies[origin]?.counters;
const late = (delayMs: number, body = 'late', status = 200): ScriptStep => ({ delayMs, body, status });

// When, and how often.

test('hedge sends a read once more after so long without an answer, and takes the answer that comes first', async () => {
  const bench = hedgeBench([late(1_000, 'first'), late(20, 'second')]);
  const { client, clock, upstream, events } = bench;
  const call = watch(client.fetch(url));
  await clock.advance(49);
  expect(upstream.calls).toBe(1);
  await clock.advance(1);
  expect(upstream.calls).toBe(2);
  await clock.advance(19);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(await call.value?.text()).toBe('second');
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([true, false]);
  expect(upstream.requests[0]?.signal?.reason).toMatchObject({ name: 'AbortError' });
  expect(facts(events, 'attempt')).toEqual([
    { attempt: 2, hedged: true, outcome: 'success', durationMs: 20, status: 200 },
    { attempt: 1, outcome: 'ignored', durationMs: 70, failure: 'outrun' },
  ]);
  expect(facts(events, 'completed')).toEqual([
    { outcome: 'success', attempts: 2, durationMs: 70, queuedMs: 0, status: 200 },
  ]);
  expect(counters(bench)).toMatchObject({ calls: 1, attempts: 2, retries: 0, hedges: 1, hedgesWon: 1, success: 1 });
});

test('hedge lets the first request win, and aborts the other', async () => {
  const bench = hedgeBench([late(60, 'first'), late(1_000, 'second')]);
  const { client, clock, upstream, events } = bench;
  const call = client.fetch(url);
  await clock.advance(60);
  expect(await (await call).text()).toBe('first');
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([false, true]);
  expect(facts(events, 'attempt')).toEqual([
    { attempt: 1, outcome: 'success', durationMs: 60, status: 200 },
    { attempt: 2, hedged: true, outcome: 'ignored', durationMs: 10, failure: 'outrun' },
  ]);
  expect(counters(bench)).toMatchObject({ attempts: 2, hedges: 1, hedgesWon: 0, success: 1, ignored: 0 });
});

test('hedge sends nothing more when the answer is in time, and leaves no timer', async () => {
  const { client, clock, upstream } = hedgeBench([late(49)]);
  const call = client.fetch(url);
  await clock.advance(49);
  await (await call).text();
  await clock.advance(0);
  expect(upstream.calls).toBe(1);
  expect(clock.pending).toBe(1); // the deadline, until the body is collected
});

test('hedge is off by default', async () => {
  const { client, clock, upstream } = clientBench([late(5_000)]);
  const call = client.fetch(url);
  await clock.advance(5_000);
  await call;
  expect(upstream.calls).toBe(1);
  expect(client.snapshot().dependencies[origin]?.hedgeAfterMs).toBeNull();
});

test('hedge sends up to maxExtra requests, one after the other, each after as long a wait', async () => {
  const { client, clock, upstream, events } = hedgeBench(['hang', 'hang', 'hang', 200], {
    hedge: { afterMs: 50, maxExtra: 2 },
    attemptTimeoutMs: 500,
  });
  const call = watch(client.fetch(url));
  const sent: number[] = [];
  for (let ms = 0; ms < 10; ms += 1) {
    await clock.advance(25);
    sent.push(upstream.calls);
  }
  expect(sent).toEqual([1, 2, 2, 3, 3, 3, 3, 3, 3, 3]);
  await clock.advance(500);
  expect(call.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
  expect(
    facts(events, 'attempt').map(({ attempt, hedged, durationMs, failure }) => [attempt, hedged, durationMs, failure]),
  ).toEqual([
    [1, undefined, 500, 'attempt-timeout'],
    [2, true, 500, 'attempt-timeout'],
    [3, true, 500, 'attempt-timeout'],
  ]);
  expect(clock.pending).toBe(0);
});

const unhedged = [
  { what: 'a POST', init: { method: 'POST' } },
  { what: 'a PUT, which may be retried', init: { method: 'PUT', body: 'text' } },
  { what: 'a DELETE', init: { method: 'DELETE' } },
  { what: 'a GET that may not be sent twice', init: { idempotent: false } },
  { what: 'a call without', init: { hedge: false } },
  { what: 'a call that has to be over by then', init: { deadlineMs: 50 } },
] as const;

test.for(unhedged)('hedge leaves alone: $what', async ({ init }) => {
  const { client, clock, upstream } = hedgeBench(['hang']);
  const call = watch(client.fetch(url, init));
  await clock.advance(1_000);
  expect(upstream.calls).toBe(1);
  await clock.advance(60_000);
  expect(call.state).toBe('rejected');
  expect(clock.pending).toBe(0);
});

test('hedge sends a HEAD, and a Request, once more with the same headers', async () => {
  const { client, clock, upstream } = hedgeBench(['hang', 204]);
  const call = client.fetch(new Request(url, { method: 'HEAD', headers: { 'x-a': '1' } }));
  await clock.advance(50);
  await call;
  expect(upstream.requests.map(({ method, headers }) => [method, headers.get('x-a')])).toEqual([
    ['HEAD', '1'],
    ['HEAD', '1'],
  ]);
});

test('init.hedge takes the place of the client’s: on, off, later, and more', async () => {
  const sentWith = async (hedge: ClientOptions['hedge'], own: ClientOptions['hedge']): Promise<number> => {
    const { client, clock, upstream } = clientBench(['hang'], { hedge: hedge ?? false, retry: false });
    const call = watch(client.fetch(url, own === undefined ? {} : { hedge: own }));
    await clock.advance(100);
    const { calls } = upstream;
    await clock.advance(60_000);
    expect(call.state).toBe('rejected');
    expect(clock.pending).toBe(0);
    return calls;
  };
  expect(await sentWith(false, { afterMs: 100 })).toBe(2);
  expect(await sentWith({ afterMs: 50 }, undefined)).toBe(2);
  expect(await sentWith({ afterMs: 50 }, false)).toBe(1);
  expect(await sentWith({ afterMs: 50 }, { afterMs: 101 })).toBe(1);
  expect(await sentWith({ afterMs: 30 }, { maxExtra: 3 })).toBe(4);
  expect(await sentWith({ afterMs: 30, maxExtra: 3 }, { afterMs: 40 })).toBe(3);
  expect(await sentWith({ percentile: 0.95 }, { afterMs: 40 })).toBe(2);
  expect(await sentWith({ afterMs: 40 }, { percentile: 0.95 })).toBe(1);
});

test('init.hedge does not reach the inner fetch', async () => {
  const inits: unknown[] = [];
  const fetch = async (_: unknown, init: unknown) => {
    inits.push(Object.keys(init as object));
    return new Response();
  };
  await clientBench([200], { fetch }).client.fetch(url, { hedge: { afterMs: 1 }, redirect: 'manual' });
  expect(inits).toEqual([['redirect', 'signal']]);
});

// Who wins.

test('hedge waits for the other when the first answer is one that would be retried, and frees that', async () => {
  const { response, cancelled } = cancellable({ status: 503 });
  const { client, clock, events } = hedgeBench([200], {
    fetch: sequence([delayed(60, () => response), delayed(60, () => new Response('good'))]),
  });
  const call = watch(client.fetch(url));
  await clock.advance(60);
  expect(call.state).toBe('pending');
  // It would do, if the other fails as well.
  expect(cancelled()).toBe(false);
  await clock.advance(50);
  expect(cancelled()).toBe(true);
  expect(await call.value?.text()).toBe('good');
  expect(facts(events, 'attempt').map(({ attempt, outcome, status }) => [attempt, outcome, status])).toEqual([
    [1, 'failure', 503],
    [2, 'success', 200],
  ]);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'success', attempts: 2, status: 200 }]);

  function delayed(ms: number, make: () => Response): () => Promise<Response> {
    return () => new Promise((resolve) => void clock.schedule(ms, () => resolve(make())));
  }
});

function sequence(steps: readonly (() => Promise<Response>)[]): () => Promise<Response> {
  let calls = 0;
  return () => {
    calls += 1;
    return (steps[calls - 1] ?? (() => Promise.reject(new TypeError('no more'))))();
  };
}

test('hedge waits for the other when one fails, and takes a 404, which would not be retried', async () => {
  const { client, clock } = hedgeBench([rejectsAfter(60), late(60, 'none', 404)]);
  const call = watch(client.fetch(url));
  await clock.advance(109);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.value?.status).toBe(404);

  function rejectsAfter(ms: number): ScriptStep {
    return () => new Promise((resolve) => void clock.schedule(ms, () => resolve(new TypeError('Failed to fetch'))));
  }
});

test('hedge hands on the last result when all have failed, and the retry goes on from there', async () => {
  const bench = hedgeBench([late(60, '', 500), late(60, '', 503), 200], {
    retry: { maxAttempts: 2, initialDelayMs: 100 },
  });
  const { client, clock, events } = bench;
  const call = client.fetch(url);
  await clock.advance(1_000);
  expect((await call).status).toBe(200);
  expect(events.filter(({ type }) => type === 'attempt' || type === 'retry')).toMatchObject([
    { type: 'attempt', attempt: 1, status: 500 },
    { type: 'attempt', attempt: 2, status: 503, hedged: true },
    { type: 'retry', attempt: 3, delayMs: 100 },
    { type: 'attempt', attempt: 3, status: 200 },
  ]);
  expect(facts(events, 'completed')).toMatchObject([{ attempts: 3, status: 200, durationMs: 210 }]);
  expect(counters(bench)).toMatchObject({ calls: 1, attempts: 3, retries: 1, hedges: 1, hedgesWon: 1, success: 1 });
});

test('hedge sends nothing more once a request has failed: that is for the retry, after a wait', async () => {
  const { client, clock, upstream } = hedgeBench([503, 'hang', 200], {
    retry: { maxAttempts: 2, initialDelayMs: 500 },
  });
  const call = client.fetch(url);
  await clock.advance(499);
  expect(upstream.calls).toBe(1);
  await clock.advance(51);
  expect(upstream.calls).toBe(3);
  expect((await call).status).toBe(200);
});

test('hedge sends no third request when one of two has failed', async () => {
  const { client, clock, upstream } = hedgeBench([late(70, '', 503), 'hang'], { hedge: { afterMs: 50, maxExtra: 5 } });
  const call = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(upstream.calls).toBe(2);
  expect(call.state).toBe('pending');
  await clock.advance(10_000);
  expect(call.value?.status).toBe(503);
});

test.for([
  ['a network error', new TypeError('reset')],
  ['a hang, ended by its attempt timeout', 'hang'],
] as const)('hedge hands on the answer it has, and not what comes after it: %s', async ([, other]) => {
  const { client, clock, events } = hedgeBench([late(60, 'busy', 503), other], { retry: { maxAttempts: 1 } });
  const call = watch(client.fetch(url));
  await clock.advance(20_000);
  expect([call.value?.status, await call.value?.text()]).toEqual([503, 'busy']);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'failure', status: 503, attempts: 2 }]);
  // As for any body, the deadline's timer is there until then.
  await clock.advance(10_000);
  expect(clock.pending).toBe(0);
});

test.for([
  ['first', [{ 'retry-after': '60' }, {}]],
  ['second', [{}, { 'retry-after': '60' }]],
] as const)(
  'hedge hands on the answer that asks for the longer wait, when none is good: the %s',
  async ([, headers]) => {
    const steps = headers.map((each, nth) => ({ status: 503, headers: each, body: `${nth}`, delayMs: 60 }));
    const { client, clock, upstream } = hedgeBench(steps, { retry: { maxAttempts: 3 } });
    const call = watch(client.fetch(url));
    await clock.advance(110);
    // More than maxRetryAfterMs: no retry, and it is handed out.
    expect(call.value?.headers.get('retry-after')).toBe('60');
    expect(upstream.calls).toBe(2);
  },
);

test('hedge hands on the answer it has, and not the error that came before it', async () => {
  const { client, clock } = hedgeBench([() => failsAfter(60), late(60, 'busy', 503)]);
  const call = watch(client.fetch(url));
  await clock.advance(110);
  expect([call.value?.status, await call.value?.text()]).toEqual([503, 'busy']);

  function failsAfter(ms: number): Promise<TypeError> {
    return new Promise((resolve) => void clock.schedule(ms, () => resolve(new TypeError('reset'))));
  }
});

test('hedge learns nothing from refusals that come at once', async () => {
  const answer = (delayMs: number, status = 200) => ({ status, delayMs, body: null });
  const steps = [
    ...Array.from({ length: 30 }, () => answer(100)),
    ...Array.from({ length: 300 }, () => answer(1, 429)),
  ];
  const { client, clock } = hedgeBench(steps, { hedge: { percentile: 0.95 }, retry: { maxAttempts: 1 } });
  for (let read = 0; read < 330; read += 1) {
    const call = client.fetch(url);
    await clock.advance(100);
    await call;
  }
  expect(client.snapshot().dependencies[origin]?.hedgeAfterMs).toBeGreaterThanOrEqual(100);
});

test('hedge counts as retry.shouldRetry says what is good enough to win', async () => {
  const { client, clock } = hedgeBench([late(60, 'old'), late(60, 'new')], {
    retry: { maxAttempts: 1, shouldRetry: ({ response }) => response?.headers.get('x-old') !== 'no' },
    fetch: sequence([(): Promise<Response> => answerAfter(60, 'yes'), (): Promise<Response> => answerAfter(60, 'no')]),
  });
  const call = watch(client.fetch(url));
  await clock.advance(60);
  expect(call.state).toBe('pending');
  await clock.advance(50);
  expect(call.value?.headers.get('x-old')).toBe('no');

  function answerAfter(ms: number, old: string): Promise<Response> {
    return new Promise(
      (resolve) => void clock.schedule(ms, () => resolve(new Response('', { headers: { 'x-old': old } }))),
    );
  }
});

test('hedge asks retry.shouldRetry whether an answer is good, and the retry that gets it asks again', async () => {
  const asked: unknown[] = [];
  const { client, clock } = hedgeBench([late(60, '', 503), 'hang', 200], {
    attemptTimeoutMs: 100,
    retry: {
      maxAttempts: 2,
      shouldRetry: ({ response }) => {
        asked.push(response);
        return response?.status !== 200;
      },
    },
  });
  const call = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(call.value?.status).toBe(200);
  const [first] = asked;
  expect(first).toMatchObject({ status: 503 });
  expect(asked.filter((each) => each === first).length).toBeGreaterThan(1);
});

test('hedge hands on what retry.shouldRetry throws, and aborts the other', async () => {
  const { client, clock, upstream } = hedgeBench([late(60), 'hang'], {
    retry: {
      shouldRetry: () => {
        throw new Error('of the user');
      },
    },
  });
  const call = watch(client.fetch(url));
  await clock.advance(60);
  expect(call.error).toMatchObject({ message: 'of the user' });
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([false, true]);
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

test('hedge hands on what breaker.classify throws of one, and frees its answer', async () => {
  const { response, cancelled } = cancellable();
  const { client, clock, upstream } = hedgeBench([200], {
    breaker: {
      classify: () => {
        throw new Error('of the user');
      },
    },
    fetch: sequence([async () => response]),
  });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  expect(call.error).toMatchObject({ message: 'of the user' });
  expect(cancelled()).toBe(true);
  expect(upstream.calls).toBe(0);
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
});

test('hedge frees the answer that comes in the same turn as the winner’s', async () => {
  const { response, cancelled } = cancellable();
  const answers: ((response: Response) => void)[] = [];
  const bench = hedgeBench([200], { fetch: () => new Promise((resolve) => void answers.push(resolve)) });
  const { client, clock } = bench;
  const call = client.fetch(url);
  await clock.advance(50);
  answers[0]?.(new Response('first'));
  answers[1]?.(response);
  expect(await (await call).text()).toBe('first');
  await clock.advance(0);
  expect(cancelled()).toBe(true);
  expect(counters(bench)).toMatchObject({ success: 1, hedges: 1, hedgesWon: 0 });
});

test('hedge frees the answer that comes late, of a fetch that does not heed its signal', async () => {
  const { response, cancelled } = cancellable();
  const answers: ((response: Response) => void)[] = [];
  const bench = hedgeBench([200], { fetch: () => new Promise((resolve) => void answers.push(resolve)) });
  const { client, clock } = bench;
  const call = client.fetch(url);
  await clock.advance(50);
  answers[1]?.(new Response('second'));
  expect(await (await call).text()).toBe('second');
  // It keeps its slot until it ends, as any.
  expect(client.snapshot().dependencies[origin]?.running).toBe(1);
  answers[0]?.(response);
  await clock.advance(0);
  expect(cancelled()).toBe(true);
  expect(client.snapshot().dependencies[origin]?.running).toBe(0);
});

// Who ends it.

test('hedge: the caller’s abort ends all requests, with its reason', async () => {
  const bench = hedgeBench(['hang']);
  const { client, clock, upstream, events } = bench;
  const controller = new AbortController();
  const call = watch(client.fetch(url, { signal: controller.signal }));
  await clock.advance(70);
  const reason = new Error('enough');
  controller.abort(reason);
  await clock.advance(0);
  expect(call.error).toBe(reason);
  expect(upstream.requests.map(({ signal }) => signal?.reason)).toEqual([reason, reason]);
  expect(facts(events, 'attempt').map(({ attempt, outcome, failure }) => [attempt, outcome, failure])).toEqual([
    [1, 'ignored', 'aborted'],
    [2, 'ignored', 'aborted'],
  ]);
  expect(clock.pending).toBe(0);
  expect(counters(bench)).toMatchObject({ ignored: 1, success: 0, failure: 0 });
});

test('hedge: the caller’s abort before the hedge leaves none to be sent', async () => {
  const { client, clock, upstream } = hedgeBench(['hang']);
  const controller = new AbortController();
  const call = watch(client.fetch(url, { signal: controller.signal }));
  await clock.advance(49);
  controller.abort();
  await clock.advance(1_000);
  expect(call.state).toBe('rejected');
  expect(upstream.calls).toBe(1);
  expect(clock.pending).toBe(0);
});

test('hedge: the deadline ends all requests', async () => {
  const { client, clock, upstream, events } = hedgeBench(['hang'], { deadlineMs: 100 });
  const call = watch(client.fetch(url));
  await clock.advance(100);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([true, true]);
  expect(facts(events, 'attempt').map(({ failure }) => failure)).toEqual(['deadline', 'deadline']);
  expect(clock.pending).toBe(0);
});

test('hedge: an inherited deadline ends all requests, and they say so', async () => {
  const { client, clock, events } = hedgeBench(['hang']);
  const { signal } = new AbortController();
  const call = watch(client.fetch(url, { deadline: { signal, remainingMs: () => 100 } }));
  await clock.advance(100);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(facts(events, 'attempt').map(({ failure }) => failure)).toEqual(['deadline', 'deadline']);
});

test('hedge: close() ends all requests of a call', async () => {
  const { client, clock, upstream } = hedgeBench(['hang']);
  const call = watch(client.fetch(url));
  await clock.advance(60);
  const closed = client.close({ drainMs: 0 });
  await clock.advance(0);
  await closed;
  expect(call.error).toBeInstanceOf(ClosedError);
  expect(upstream.requests.map(({ signal }) => signal?.aborted)).toEqual([true, true]);
  expect(clock.pending).toBe(0);
});

test('hedge: the winner’s body goes on under the caller’s signal, and the deadline', async () => {
  const { client, clock } = hedgeBench(['hang', unfinished('start', 'hang')], { deadlineMs: 1_000 });
  const call = client.fetch(url);
  await clock.advance(50);
  const read = watch((await call).text());
  await clock.advance(949);
  expect(read.state).toBe('pending');
  await clock.advance(1);
  expect(read.state).toBe('rejected');
  expect(clock.pending).toBe(0);
});

test('hedge: one that has timed out does not end the other, which began later', async () => {
  const { client, clock, events } = hedgeBench(['hang', late(80, 'second')], { attemptTimeoutMs: 100 });
  const call = client.fetch(url);
  await clock.advance(130);
  expect(await (await call).text()).toBe('second');
  expect(facts(events, 'attempt').map(({ attempt, outcome, failure }) => [attempt, outcome, failure])).toEqual([
    [1, 'failure', 'attempt-timeout'],
    [2, 'success', undefined],
  ]);
});

test('hedge: without an attempt timeout, the loser says nothing of the dependency', async () => {
  const { client, clock, events } = hedgeBench(['hang', 200], {
    attemptTimeoutMs: false,
    breaker: { failureThreshold: 1, counts: 'attempts' },
  });
  const call = client.fetch(url);
  await clock.advance(50);
  await call;
  expect(facts(events, 'attempt').map(({ outcome }) => outcome)).toEqual(['success', 'ignored']);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    lastFailure: null,
    breaker: { state: 'closed', consecutiveFailures: 0 },
  });
});

test('hedge: breaker.classify is asked about each answer, and not about the loser', async () => {
  const asked: unknown[] = [];
  const { client, clock } = hedgeBench(['hang', 200], {
    breaker: {
      classify: ({ response, error }) => {
        asked.push(response?.status ?? error);
        return 'success';
      },
    },
  });
  const call = client.fetch(url);
  await clock.advance(50);
  await call;
  // Of the attempt, and of the call.
  expect(asked).toEqual([200, 200]);
});

// Manners.

test('hedge sends nothing more while the circuit is not closed: a probe is one request', async () => {
  const { client, clock, upstream } = hedgeBench([501, late(200), 'hang'], {
    breaker: { failureThreshold: 1, successThreshold: 2, resetTimeoutMs: 1_000 },
  });
  await client.fetch(url);
  await clock.advance(1_000);
  const probe = client.fetch(url);
  await clock.advance(200);
  await probe;
  expect(upstream.calls).toBe(2);
});

test('hedge sends nothing more when the circuit has opened meanwhile', async () => {
  const { client, clock, upstream } = hedgeBench(['hang', 501], { breaker: { failureThreshold: 1 } });
  const call = watch(client.fetch(url));
  await clock.advance(10);
  await client.fetch(url);
  await clock.advance(500);
  expect(upstream.calls).toBe(2);
  expect(call.state).toBe('pending');
});

test('hedge takes each request out of the retry budget, and sends none when that is empty', async () => {
  const { client, clock, upstream } = hedgeBench(['hang'], {
    retry: { maxAttempts: 1, budget: { ratio: 0.5, minPerSecond: 0 } },
  });
  const calls = [1, 2, 3, 4, 5].map(() => watch(client.fetch(url)));
  await clock.advance(50);
  expect(upstream.calls).toBe(7);
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    retriesAvailable: 0,
    budget: { calls: 5, retries: 2 },
  });
  await clock.advance(60_000);
  expect(calls.every(({ state }) => state === 'rejected')).toBe(true);
});

test('hedge is held by the budget without retries, too, and by none with budget: false', async () => {
  const sent = async (retry: ClientOptions['retry']): Promise<number> => {
    const { client, clock, upstream } = hedgeBench(['hang'], { retry: retry ?? {}, bulkhead: false });
    const calls = Array.from({ length: 100 }, () => watch(client.fetch(url)));
    await clock.advance(50);
    const count = upstream.calls - 100;
    await clock.advance(60_000);
    expect(calls.every(({ state }) => state === 'rejected')).toBe(true);
    return count;
  };
  // Ten in reserve, and a fifth of 100.
  expect(await sent(false)).toBe(30);
  expect(await sent({ maxAttempts: 1 })).toBe(30);
  expect(await sent({ maxAttempts: 1, budget: false })).toBe(100);
});

test('hedge sends nothing more while somebody waits for a slot', async () => {
  const { client, clock, upstream } = hedgeBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  const calls = [1, 2].map(() => watch(client.fetch(url, { deadlineMs: 200 })));
  await clock.advance(100);
  expect(upstream.calls).toBe(1);
  await clock.advance(200);
  expect(calls.map(({ state }) => state)).toEqual(['rejected', 'rejected']);
  expect(clock.pending).toBe(0);
});

test('hedge has up to 1 + maxExtra times as many requests under way as there are slots', async () => {
  const { client, clock, upstream } = hedgeBench(['hang'], {
    bulkhead: { maxConcurrent: 3, maxQueued: 0 },
    hedge: { afterMs: 50, maxExtra: 2 },
  });
  const calls = [1, 2, 3].map(() => watch(client.fetch(url)));
  await clock.advance(500);
  expect(upstream.requests.filter(({ signal }) => signal?.aborted === false)).toHaveLength(9);
  expect(client.snapshot().dependencies[origin]?.running).toBe(3);
  await clock.advance(60_000);
  expect(calls.every(({ state }) => state === 'rejected')).toBe(true);
});

test('hedge takes no slot of its own', async () => {
  const { client, clock, upstream } = hedgeBench(['hang', 200], { bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const call = client.fetch(url);
  await clock.advance(49);
  expect(client.snapshot().dependencies[origin]?.running).toBe(1);
  await clock.advance(1);
  expect((await call).status).toBe(200);
  expect(upstream.calls).toBe(2);
  expect(client.snapshot().dependencies[origin]?.running).toBe(0);
});

// By percentile.

async function answered({ client, clock }: Bench, count: number, afterMs: number): Promise<void> {
  for (let nth = 0; nth < count; nth += 1) {
    const call = client.fetch(url);
    await clock.advance(afterMs);
    await call;
  }
}

test('hedge by percentile waits as long as that share of the last minute’s reads took, once there are 20', async () => {
  let delayMs = 10;
  const bench = hedgeBench([() => late(delayMs)], { hedge: { percentile: 0.95 } });
  const { client, clock, upstream } = bench;
  const waitMs = () => client.snapshot().dependencies[origin]?.hedgeAfterMs;
  await answered(bench, 19, 10);
  expect(waitMs()).toBeNull();
  delayMs = 1_000;
  const early = client.fetch(url);
  await clock.advance(1_000);
  await early;
  expect(upstream.calls).toBe(20);
  // One of 20 took longer than this.
  expect(waitMs()).toBeGreaterThanOrEqual(10);
  expect(waitMs()).toBeLessThan(11);
  const slow = client.fetch(url);
  await clock.advance(11);
  expect(upstream.calls).toBe(22);
  await clock.advance(1_000);
  await slow;
  // A minute later, nothing is known any more.
  await clock.advance(60_000);
  expect(waitMs()).toBeNull();
});

test('hedge by percentile sends no more than the rest of the reads twice, though all get slow at once', async () => {
  let delayMs = 10;
  const bench = hedgeBench([() => late(delayMs)], { hedge: { percentile: 0.9 }, retry: { budget: false } });
  await answered(bench, 100, 10);
  delayMs = 500;
  await answered(bench, 100, 500);
  const { hedges = 0, calls = 0 } = counters(bench) ?? {};
  expect(calls).toBe(200);
  expect(hedges).toBeGreaterThan(5);
  expect(hedges).toBeLessThanOrEqual(20);
});

test('hedge by percentile does not take the loser’s end for an answer: the wait gets no shorter by it', async () => {
  let nth = 0;
  // One read in twelve takes long, a hedge never does.
  const bench = hedgeBench([() => late(nth++ % 13 === 11 ? 400 : 20)], { hedge: { percentile: 0.9 } });
  await answered(bench, 300, 500);
  const waitMs = bench.client.snapshot().dependencies[origin]?.hedgeAfterMs;
  expect(waitMs).toBeGreaterThanOrEqual(20);
  expect(waitMs).toBeLessThan(22);
});

test('hedge by percentile learns nothing from errors that come sooner, nor from what its caller gives up', async () => {
  const bench = hedgeBench([() => late(100)], { hedge: { percentile: 0.9 } });
  const { client, clock } = bench;
  await answered(bench, 20, 100);
  const before = client.snapshot().dependencies[origin]?.hedgeAfterMs;
  for (let nth = 0; nth < 100; nth += 1) {
    const controller = new AbortController();
    const call = watch(client.fetch(url, { signal: controller.signal }));
    await clock.advance(1);
    controller.abort();
    await clock.advance(0);
    expect(call.state).toBe('rejected');
  }
  expect(client.snapshot().dependencies[origin]?.hedgeAfterMs).toBe(before);
});

test('hedge by percentile knows each dependency by itself', async () => {
  const bench = hedgeBench([late(10)], { hedge: { percentile: 0.9 } });
  await answered(bench, 20, 10);
  const other = bench.client.fetch('https://other.test/');
  await bench.clock.advance(10);
  await other;
  const { dependencies } = bench.client.snapshot();
  expect(dependencies[origin]?.hedgeAfterMs).toBeGreaterThanOrEqual(10);
  expect(dependencies['https://other.test']?.hedgeAfterMs).toBeNull();
});

// With the other parts.

test('client.json: a hedge covers the body, too', async () => {
  const { client, clock, events } = hedgeBench([unfinished('{"a":', 'hang'), late(10, '{"a":1}')]);
  const call = client.json(url);
  await clock.advance(60);
  expect((await call).value).toEqual({ a: 1 });
  expect(facts(events, 'attempt')).toMatchObject([
    { attempt: 2, outcome: 'success' },
    { attempt: 1, outcome: 'ignored', failure: 'outrun' },
  ]);
});

test('client.json: a body that breaks off waits for the other', async () => {
  const { client, clock, events } = hedgeBench([{ body: '{"a":', after: 'break', delayMs: 60 }, late(60, '{"a":1}')]);
  const call = client.json(url);
  await clock.advance(110);
  expect((await call).value).toEqual({ a: 1 });
  expect(facts(events, 'attempt')).toMatchObject([
    { attempt: 1, outcome: 'failure', failure: 'body' },
    { attempt: 2, outcome: 'success' },
  ]);
});

test('hedge: what the winner gave is stored, and says when it was sent', async () => {
  const { client, clock, upstream } = hedgeBench(
    ['hang', { body: 'second', delayMs: 10, headers: { 'cache-control': 'max-age=60' } }],
    { fallback: { store: memoryStore() } },
  );
  const call = client.fetch(url);
  await clock.advance(60);
  expect(await (await call).text()).toBe('second');
  await clock.advance(0);
  const stored = await client.fetch(url);
  expect(await stored.text()).toBe('second');
  expect(upstream.calls).toBe(2);
});

test('hedge sends a refresh, which nobody waits for, once', async () => {
  const { client, clock, upstream } = hedgeBench([{ body: 'one' }, late(500, 'two')], {
    fallback: { store: memoryStore(), cacheControl: 'ignore', staleWhileRevalidateMs: 60_000 },
  });
  await (await client.fetch(url)).text();
  await clock.advance(1_000);
  expect(await (await client.fetch(url)).text()).toBe('one');
  await clock.advance(500);
  expect(upstream.calls).toBe(2);
});

test('hedge: callers who share a call share its hedge', async () => {
  const { client, clock, upstream, events } = hedgeBench(['hang', late(10, 'second')], {
    fallback: { coalesce: true },
  });
  const first = new AbortController();
  const calls = [
    watch(client.fetch(url, { signal: first.signal })),
    watch(client.fetch(url)),
    watch(client.fetch(url)),
  ];
  await clock.advance(55);
  // Whose call it was leaves: the others stay.
  first.abort();
  await clock.advance(5);
  expect(calls.map(({ state }) => state)).toEqual(['rejected', 'resolved', 'resolved']);
  expect(await calls[1]?.value?.text()).toBe('second');
  expect(await calls[2]?.value?.text()).toBe('second');
  expect(upstream.calls).toBe(2);
  expect(
    facts(events, 'completed')
      .map(({ attempts }) => attempts)
      .toSorted(),
  ).toEqual([0, 0, 2]);
});

test('hedge with slot "body" keeps the slot until the winner’s body has been read', async () => {
  const { client, clock } = hedgeBench(['hang', { body: 'second' }], { bulkhead: { slot: 'body' } });
  const call = client.fetch(url);
  await clock.advance(50);
  const response = await call;
  expect(client.snapshot().dependencies[origin]?.running).toBe(1);
  await response.text();
  await clock.advance(0);
  expect(client.snapshot().dependencies[origin]?.running).toBe(0);
});

test('hedge tells each request what is left of the deadline', async () => {
  const { client, clock, upstream } = hedgeBench(['hang', 200], { propagateDeadline: true, deadlineMs: 1_000 });
  const call = client.fetch(url);
  await clock.advance(50);
  await call;
  const told = upstream.requests.map(({ headers }) => headers.get('x-envoy-expected-rq-timeout-ms'));
  expect(told).toEqual(['1000', '950']);
});

test('hedge works with all other layers off', async () => {
  const off = { deadlineMs: false, attemptTimeoutMs: false, bulkhead: false, breaker: false, retry: false } as const;
  const { client, clock, upstream } = clientBench(['hang', { body: 'second' }], { ...off, hedge: { afterMs: 50 } });
  const call = client.fetch(url);
  await clock.advance(50);
  expect(await (await call).text()).toBe('second');
  expect(upstream.calls).toBe(2);
  expect(clock.pending).toBe(0);
});

test('client.snapshot() tells how long a read goes without an answer, and restore takes it', async () => {
  const bench = hedgeBench(['hang', 200]);
  const call = bench.client.fetch(url);
  await bench.clock.advance(50);
  await call;
  const snapshot = bench.client.snapshot();
  expect(snapshot.dependencies[origin]?.hedgeAfterMs).toBe(50);
  const { client } = clientBench([200], { restore: snapshot });
  expect(client.snapshot().dependencies[origin]).toMatchObject({
    hedgeAfterMs: null,
    counters: { hedges: 1, hedgesWon: 1, attempts: 2 },
  });
});

// Nothing is left behind.

const endings: readonly { ending: string; script: readonly ScriptStep[]; init?: { deadlineMs: number } }[] = [
  { ending: 'the first wins', script: [late(60, '{}'), 'hang'] },
  { ending: 'the second wins', script: ['hang', late(10, '{}')] },
  { ending: 'none is sent', script: [late(10, '{}')] },
  { ending: 'all fail', script: [{ status: 503, delayMs: 60, body: null }] },
  { ending: 'all time out', script: ['hang'] },
  { ending: 'the deadline ends it', script: ['hang'], init: { deadlineMs: 200 } },
];

test.for(endings)('hedge leaves no timer, no slot and no listener: $ending', async ({ script, init = {} }) => {
  const { client, clock, upstream } = hedgeBench(script, { attemptTimeoutMs: 300 });
  const { signal } = new AbortController();
  const call = errorOfOrValue(client.json(url, { signal, ...init }));
  await clock.advance(1_000);
  await call;
  expect(clock.pending).toBe(0);
  expect(client.snapshot().dependencies[origin]?.running).toBe(0);
  expect(upstream.calls).toBeGreaterThan(0);
  await client.close();
});

async function errorOfOrValue(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => error);
}

test('hedge: a call that fails on bad options makes no request', async () => {
  const { client, upstream } = hedgeBench([200]);
  expect(await errorOf(client.fetch(url, { hedge: { afterMs: 0 } }))).toBeInstanceOf(RangeError);
  expect(upstream.calls).toBe(0);
});
