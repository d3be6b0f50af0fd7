import { expect, test } from 'vitest';

import { type ClientOptions, ClosedError, type CloseOptions } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, facts, origin, unfinished, url, watch } from './bench.ts';

/** A client of two slots over an upstream that takes a second. */
function slowBench(script: readonly ScriptStep[] = [{ status: 204, delayMs: 1_000 }], options: ClientOptions = {}) {
  return clientBench(script, { bulkhead: { maxConcurrent: 2, maxQueued: 2 }, retry: false, ...options });
}

test('client.close() resolves at once and refuses later calls, when nothing is under way', async () => {
  const { client, clock, upstream } = slowBench();
  await client.close();
  const error = await errorOf(client.fetch(url));
  expect(error).toBeInstanceOf(ClosedError);
  expect(error).toMatchObject({ code: 'CLOSED', name: 'ClosedError', dependency: origin });
  expect(await errorOf(client.json(url))).toBeInstanceOf(ClosedError);
  expect(upstream.calls).toBe(0);
  expect(clock.pending).toBe(0);
});

test('client.close() refuses waiting and later calls at once, and lets running ones finish', async () => {
  const { client, clock, upstream } = slowBench();
  const running = [watch(client.fetch(url)), watch(client.fetch(url))];
  const waiting = [errorOf(client.fetch(url)), errorOf(client.fetch(url))];
  await clock.advance(500);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 2, queued: 2 });

  const closed = watch(client.close());
  // Without a step of the clock.
  for (const call of [...waiting, errorOf(client.fetch(url))]) expect(await call).toMatchObject({ code: 'CLOSED' });
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 2, queued: 0 });
  await clock.advance(499);
  expect([...running, closed].map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
  await clock.advance(1);
  expect([...running, closed].map(({ state }) => state)).toEqual(['resolved', 'resolved', 'resolved']);
  expect(upstream.calls).toBe(2);
  expect(clock.pending).toBe(0);
});

const drains = [
  { given: 'nothing', options: undefined, drainMs: 10_000 },
  { given: 'no drainMs', options: {}, drainMs: 10_000 },
  { given: 'drainMs 1', options: { drainMs: 1 }, drainMs: 1 },
  { given: 'drainMs 2500', options: { drainMs: 2_500 }, drainMs: 2_500 },
];

test.for(drains)(
  'client.close() aborts calls that run after $drainMs ms, given $given',
  async ({ options, drainMs }) => {
    const { client, clock, upstream } = slowBench(['hang'], { attemptTimeoutMs: false });
    const calls = [watch(client.fetch(url)), watch(client.fetch(url))];
    await clock.advance(0);
    const closed = watch(client.close(options));
    await clock.advance(drainMs - 1);
    expect([...calls, closed].map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
    await clock.advance(1);
    for (const { error } of calls) expect(error).toMatchObject({ code: 'CLOSED', dependency: origin });
    expect(calls[0]?.error).not.toBe(calls[1]?.error);
    expect(upstream.requests.map(({ signal }) => signal?.reason)).toEqual(calls.map(({ error }) => error));
    expect(closed.state).toBe('resolved');
    expect(clock.pending).toBe(0);
  },
);

test('client.close() gives running calls no time, with drainMs 0', async () => {
  const { client, clock } = slowBench(['hang']);
  const call = watch(client.fetch(url));
  await clock.advance(0);
  const closed = watch(client.close({ drainMs: 0 }));
  await clock.advance(0);
  expect(call.error).toMatchObject({ code: 'CLOSED' });
  expect(closed.state).toBe('resolved');
});

test('client.close() ends a call that its default keeps longer than its deadline, like any other', async () => {
  const respond = ({ url: asked }: Request): Promise<Response> | undefined =>
    asked === url ? new Promise<Response>(() => {}) : undefined;
  const { client, clock } = clientBench(['hang', 204], { retry: false, deadlineMs: 5_000, fallback: { respond } });
  const call = watch(client.fetch(url));
  await clock.advance(8_000);
  await client.fetch(`${url}/other`); // who comes looks for those who are lost
  const closed = watch(client.close({ drainMs: 1_000 }));
  await clock.advance(999);
  expect([call.state, closed.state]).toEqual(['pending', 'pending']);
  await clock.advance(1);
  expect(call).toMatchObject({ state: 'rejected', error: { code: 'CLOSED' } });
  expect(closed.state).toBe('resolved');
});

test('client.close() counts what it ends as ignored, whatever the attempt timeout', async () => {
  const { client, clock, events } = slowBench(['hang'], { attemptTimeoutMs: false, breaker: { failureThreshold: 1 } });
  const call = errorOf(client.fetch(url));
  await clock.advance(0);
  const closed = client.close({ drainMs: 5 });
  await clock.advance(5);
  await Promise.all([call, closed]);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: 'ignored', attempts: 1 }]);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ breaker: { state: 'closed' }, running: 0 });
});

test('client.close() waits for the calls to all dependencies', async () => {
  const { client, clock } = slowBench([
    { status: 204, delayMs: 100 },
    { status: 204, delayMs: 300 },
  ]);
  const calls = [client.fetch('https://a.test/'), client.fetch('https://b.test/')];
  await clock.advance(0);
  const closed = watch(client.close());
  await clock.advance(299);
  expect(closed.state).toBe('pending');
  await clock.advance(1);
  expect(closed.state).toBe('resolved');
  await Promise.all(calls);
});

test('client.close() is one close, called twice: the time to finish is that of the first', async () => {
  const { client, clock } = slowBench(['hang'], { attemptTimeoutMs: false });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  const closes = [watch(client.close({ drainMs: 1_000 }))];
  await clock.advance(500);
  closes.push(watch(client.close({ drainMs: 60_000 })), watch(client.close({ drainMs: 0 })));
  await clock.advance(499);
  expect([call, ...closes].map(({ state }) => state)).toEqual(Array(4).fill('pending'));
  await clock.advance(1);
  expect([call, ...closes].map(({ state }) => state)).toEqual(['rejected', ...Array(3).fill('resolved')]);
  await client.close();
  expect(clock.pending).toBe(0);
});

test('client.close() lets a call in its backoff make its next attempt', async () => {
  const { client, clock, upstream } = slowBench([503, 204], { retry: { initialDelayMs: 1_000 } });
  const call = watch(client.fetch(url));
  await clock.advance(500);
  const closed = watch(client.close());
  await clock.advance(499);
  expect(upstream.calls).toBe(1);
  await clock.advance(1);
  expect(call.value?.status).toBe(204);
  expect(closed.state).toBe('resolved');
});

test('client.close() ends a backoff, when the time to finish is over', async () => {
  const { client, clock, upstream } = slowBench([503, 204], { retry: { initialDelayMs: 1_000 } });
  const call = watch(client.fetch(url));
  await clock.advance(0);
  const closed = watch(client.close({ drainMs: 400 }));
  await clock.advance(400);
  expect(call.error).toMatchObject({ code: 'CLOSED' });
  expect(closed.state).toBe('resolved');
  expect(clock.pending).toBe(0);
  await clock.advance(10_000);
  expect(upstream.calls).toBe(1);
});

test('client.close() ends json in the middle of a body', async () => {
  const { client, clock } = slowBench([unfinished('{', 'hang')], { attemptTimeoutMs: false });
  const call = watch(client.json(url));
  await clock.advance(0);
  const closed = watch(client.close({ drainMs: 400 }));
  await clock.advance(400);
  expect(call.error).toMatchObject({ code: 'CLOSED' });
  expect(closed.state).toBe('resolved');
  expect(clock.pending).toBe(0);
});

test('client.close() waits for a body that is being read, for slot "body"', async () => {
  const { client, clock } = slowBench([{ body: 'here', delayMs: 100 }], { bulkhead: { slot: 'body' } });
  const call = client.fetch(url);
  await clock.advance(100);
  const response = await call;
  const closing = client.close();
  const closed = watch(closing);
  await clock.advance(5_000);
  expect(closed.state).toBe('pending');
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 1 });
  expect(await response.text()).toBe('here');
  await closing;
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 0 });
});

/** Its body is waited for while there is time to finish, and then cut off. */
async function isCutOff({ client, clock, upstream }: Bench, response: Response): Promise<void> {
  const reading = errorOf(response.text());
  const closing = client.close({ drainMs: 400 });
  const closed = watch(closing);
  await clock.advance(399);
  expect(closed.state).toBe('pending');
  await clock.advance(1);
  // What the reader gets is the engine's.
  expect(await reading).toBeInstanceOf(Error);
  expect(upstream.requests[0]?.signal?.reason).toMatchObject({ code: 'CLOSED', dependency: origin });
  await closing;
}

test.for([{ coalesce: false }, { coalesce: true }])(
  'client.close() ends a body that is being read when the time to finish is over, for slot "body", coalesce $coalesce',
  async (fallback) => {
    const options: ClientOptions = { bulkhead: { slot: 'body' }, fallback: fallback.coalesce && fallback };
    const bench = slowBench([unfinished('here', 'hang')], options);
    await isCutOff(bench, await bench.client.fetch(url));
  },
);

test('client.close() waits for a body that was too long for those who were to share it, for slot "body"', async () => {
  const fallback = { coalesce: true, maxBodyBytes: 4 };
  const script: ScriptStep[] = [{ status: 404, body: 'too long', after: 'hang' }, 204];
  const bench = slowBench(script, { bulkhead: { slot: 'body' }, fallback });
  const [response] = await Promise.all([bench.client.fetch(url), bench.client.fetch(url)]);
  await isCutOff(bench, response);
});

test.for(['a status that has no body', 'a body that is cancelled'])(
  'client.close() waits for nobody after %s, for slot "body"',
  async (given) => {
    const step = given === 'a body that is cancelled' ? unfinished('here', 'hang') : 204;
    const { client } = slowBench([step], { bulkhead: { slot: 'body' } });
    const response = await client.fetch(url);
    await response.body?.cancel();
    await client.close();
  },
);

test('client.close() does not wait for a body, for slot "headers": it can not see it end', async () => {
  const { client, upstream } = slowBench([unfinished('here', 'hang')]);
  const response = await client.fetch(url);
  await client.close();
  expect(upstream.requests[0]?.signal?.aborted).toBe(false);
  await response.body?.cancel();
});

test('client.close() resolves, when the caller aborts the last call itself', async () => {
  const { client, clock } = slowBench(['hang']);
  const controller = new AbortController();
  const call = watch(client.fetch(url, { signal: controller.signal }));
  await clock.advance(0);
  const closed = watch(client.close());
  controller.abort('the user left');
  await clock.advance(0);
  expect(call.error).toBe('the user left');
  expect(closed.state).toBe('resolved');
  expect(clock.pending).toBe(0);
});

test('client.close() refuses calls without a bulkhead too', async () => {
  const { client, clock } = slowBench(undefined, { bulkhead: false });
  const call = watch(client.fetch(url));
  const closed = watch(client.close());
  expect(await errorOf(client.fetch(url))).toBeInstanceOf(ClosedError);
  await clock.advance(1_000);
  expect([call.state, closed.state]).toEqual(['resolved', 'resolved']);
});

test('client.close() refuses calls with arguments that make no sense as ever', async () => {
  const { client } = slowBench();
  await client.close();
  expect(await errorOf(client.fetch(url, { deadlineMs: -1 }))).toBeInstanceOf(RangeError);
});

test('client.snapshot() and client.subscribe() work after client.close()', async () => {
  const { client, events } = slowBench();
  await client.close();
  await errorOf(client.fetch(url));
  expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ calls: 1, ignored: 1, rejected: 1 });
  expect(facts(events, 'rejected')).toEqual([{ code: 'CLOSED' }]);
});

test('the client is closed at the end of await using', async () => {
  const { client, clock } = slowBench();
  const call = watch(client.fetch(url));
  await clock.advance(0);
  const closed = watch(Promise.resolve(client[Symbol.asyncDispose]()));
  expect(await errorOf(client.fetch(url))).toBeInstanceOf(ClosedError);
  await clock.advance(1_000);
  expect([call.state, closed.state]).toEqual(['resolved', 'resolved']);
});

const wrong = [
  { options: { drainMs: -1 }, error: RangeError, message: /^close\.drainMs must be .*, got -1$/ },
  { options: { drainMs: Number.NaN }, error: RangeError, message: /^close\.drainMs must be .*, got NaN$/ },
  { options: { drainMs: Infinity }, error: RangeError, message: /^close\.drainMs must be .*, got Infinity$/ },
  { options: { drainMs: '5' }, error: TypeError, message: /^close\.drainMs must be .*, got "5"$/ },
  { options: { drainMs: null }, error: TypeError, message: /^close\.drainMs must be .*, got null$/ },
  { options: { drain: 5 }, error: TypeError, message: /^close\.drain is not an option/ },
  { options: 5, error: TypeError, message: /^close must be an object, got 5$/ },
  { options: null, error: TypeError, message: /^close must be an object, got null$/ },
];

test.for(wrong)('client.close() rejects and closes nothing, for $options', async ({ options, error, message }) => {
  const { client, clock } = slowBench();
  const thrown = await errorOf(client.close(options as CloseOptions));
  expect(thrown).toBeInstanceOf(error);
  expect((thrown as Error).message).toMatch(message);
  const call = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(call.state).toBe('resolved');
});
