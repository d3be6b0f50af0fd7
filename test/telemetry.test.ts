import { afterEach, expect, test, vi } from 'vitest';

import type { SteadEvent } from '../src/index.ts';
import { createClient, memoryStore } from '../src/index.ts';
import { type CallObserver, observe, type StartedCall } from '../src/telemetry.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { scriptedFetch } from '../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, fetchAndStore, origin, url } from './client/bench.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** What an observer has seen, call by call. */
function noting(client: object) {
  const started: StartedCall[] = [];
  const seen: string[] = [];
  const took: number[] = [];
  const stop = observe(client, (call) => {
    started.push(call);
    return {
      onAttempt(attempt) {
        seen.push(`${call.call} sends ${attempt}`);
        return { headers: { traceparent: `${call.call}-${attempt}` }, within: (send) => send() };
      },
      onEvent: ({ type }) => seen.push(`${call.call} ${type}`),
      onEnd({ result, durationMs }) {
        took.push(durationMs);
        seen.push(`${call.call} ends: ${'error' in result ? result.error : result.value?.status}`);
      },
    };
  });
  return { started, seen, took, stop };
}

test('observe() follows a call from its start to its end, in order', async () => {
  const { client, clock, upstream } = clientBench([503, 200], { name: 'users' });
  const { started, seen } = noting(client);
  const call = client.fetch(url, { headers: { traceparent: 'a stale one', accept: 'text/plain' } });
  await clock.advance(100);
  await call;
  expect(started.map(({ snapshot, ...rest }) => rest)).toEqual([
    {
      call: 1,
      client: 'users',
      dependency: origin,
      method: 'GET',
      url: new URL(url),
      background: false,
      ownFetch: true,
    },
  ]);
  expect(started[0]?.snapshot()).toEqual(client.snapshot().dependencies[origin]);
  expect(seen).toEqual([
    ...['1 sends 1', '1 attempt', '1 retry'],
    ...['1 sends 2', '1 attempt', '1 completed', '1 ends: 200'],
  ]);
  // Each attempt has its own, in place of what the caller sent.
  expect(upstream.requests.map(({ headers }) => [headers.get('traceparent'), headers.get('accept')])).toEqual([
    ['1-1', 'text/plain'],
    ['1-2', 'text/plain'],
  ]);
});

test('observe() tells calls side by side apart, each by its number in the events', async () => {
  const { client, clock, events } = clientBench([{ delayMs: 20 }, { delayMs: 10 }]);
  const { seen, took } = noting(client);
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(20);
  await Promise.all(calls);
  expect(seen.filter((line) => line.includes('ends:'))).toEqual(['2 ends: 200', '1 ends: 200']);
  expect(events.map((event) => 'call' in event && event.call)).toEqual([2, 2, 1, 1]);
  expect(took).toEqual([10, 20]);
});

test('observe() sees the end of a call that is refused, or answered without the network', async () => {
  const { client, clock } = clientBench([200, 501], {
    breaker: { failureThreshold: 1 },
    fallback: { store: memoryStore(), maxAgeMs: 1_000 },
  });
  const { seen } = noting(client);
  await fetchAndStore(client, url);
  await client.fetch(url);
  expect(seen.splice(0)).toEqual(['1 sends 1', '1 attempt', '1 completed', '1 ends: 200', '2 fallback', '2 ends: 200']);
  await client.fetch(`${origin}/other`);
  seen.length = 0;
  await errorOf(client.fetch(`${origin}/third`));
  expect(seen).toEqual(['4 rejected', '4 completed', expect.stringMatching(/^4 ends: CircuitOpenError/)]);
  await clock.advance(0);
});

test('observe() sees nothing of a call that is not made: of what has been seen to begin, the end is seen', async () => {
  const { client } = clientBench([200]);
  const { started } = noting(client);
  const deadline = { signal: new AbortController().signal, remainingMs: () => Number.NaN };
  await errorOf(client.fetch(url, { deadline }));
  await errorOf(client.fetch(url, { body: 'a GET has none' }));
  await errorOf(client.fetch(url, { signal: AbortSignal.abort() }));
  expect(started).toEqual([]);
});

test('observe() sees a refresh behind a caller as a call of its own, which nobody waits for', async () => {
  const { client, clock } = clientBench([200], {
    fallback: { store: memoryStore(), maxAgeMs: 1_000, staleWhileRevalidateMs: 60_000 },
  });
  await fetchAndStore(client, url);
  await clock.advance(2_000);
  const { started, seen } = noting(client);
  await client.fetch(url);
  await clock.advance(0);
  expect(started.map(({ call, background }) => [call, background])).toEqual([
    [2, false],
    [3, true],
  ]);
  const ofTheCaller = seen.filter((line) => line.startsWith('2'));
  expect(ofTheCaller).toEqual(['2 fallback', '2 ends: 200']);
  expect(seen.filter((line) => !ofTheCaller.includes(line))).toEqual([
    ...['3 sends 1', '3 attempt', '3 completed', '3 revalidated', '3 ends: undefined'],
  ]);
});

test('observe() has calls that share one seen as one attempt, of the call that began it', async () => {
  const { client, clock } = clientBench([{ delayMs: 10 }], { fallback: { coalesce: true } });
  const { seen } = noting(client);
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(10);
  await Promise.all(calls);
  expect(seen.slice().sort()).toEqual(
    ['1 sends 1', '1 attempt', '1 completed', '1 ends: 200', '2 completed', '2 ends: 200'].sort(),
  );
});

test('observe() runs what sends an attempt as each observer wishes, the last one outermost', async () => {
  const { client } = clientBench([204]);
  const order: string[] = [];
  for (const name of ['a', 'b']) {
    observe(client, () => ({
      onAttempt: () => ({
        headers: { [`x-${name}`]: name },
        within(send) {
          order.push(`into ${name}`);
          send();
          order.push(`out of ${name}`);
        },
      }),
      onEvent() {},
      onEnd() {},
    }));
  }
  await client.fetch(url);
  expect(order).toEqual(['into b', 'into a', 'out of a', 'out of b']);
});

test('observe() changes nothing of a call, whichever of its hooks throws: it is reported once', async () => {
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  const hooks: CallObserver = {
    onAttempt: () => ({ headers: {}, within: (send) => send() }),
    onEvent() {},
    onEnd() {},
  };
  for (const name of ['onAttempt', 'onEvent', 'onEnd', 'start'] as const) {
    const { client } = clientBench([204]);
    const bug = (): never => {
      throw new Error(name);
    };
    observe(client, () => (name === 'start' ? bug() : { ...hooks, [name]: bug }));
    const { seen } = noting(client);
    for (let call = 1; call <= 3; call += 1) expect((await client.fetch(url)).status).toBe(204);
    expect(seen.filter((line) => line.includes('ends:'))).toHaveLength(3);
  }
  expect(reported.mock.calls.map(([error]) => String(error))).toEqual([
    'Error: onAttempt',
    'Error: onEvent',
    'Error: onEnd',
    'Error: start',
  ]);
});

test('observe() sends an attempt once, whether what runs it throws before, after, or never runs it', async () => {
  vi.stubGlobal('reportError', vi.fn());
  const ways: ((send: () => unknown) => void)[] = [
    () => {
      throw new Error('before');
    },
    (send) => {
      send();
      throw new Error('after');
    },
    () => {},
    (send) => void [send(), send()],
  ];
  for (const within of ways) {
    const { client, upstream } = clientBench([204]);
    observe(client, () => ({ onAttempt: () => ({ headers: {}, within }), onEvent() {}, onEnd() {} }));
    expect((await client.fetch(url)).status).toBe(204);
    expect(upstream.calls).toBe(1);
  }
});

test('observe() returns the function that stops it: calls under way are followed to their end', async () => {
  const { client, clock } = clientBench([{ delayMs: 10 }]);
  const { seen, stop } = noting(client);
  const followed = client.fetch(url);
  stop();
  stop();
  const unseen = client.fetch(url);
  await clock.advance(10);
  await Promise.all([followed, unseen]);
  expect(seen).toEqual(['1 sends 1', '1 attempt', '1 completed', '1 ends: 200']);
});

test.for([undefined, null, 5, {}, 'client'])('observe() throws a TypeError, for %j in place of a client', (client) => {
  expect(() => observe(client as object, () => ({ onEvent() {}, onEnd() {} }))).toThrow(
    /^client must be what createClient/,
  );
});

// Nobody there, nothing done.

/** A clock that counts how often it is asked for the time by the wall, which each event carries. */
function countingBench() {
  const clock = new FakeClock();
  let asked = 0;
  const counting = {
    now: () => clock.now(),
    epochNow() {
      asked += 1;
      return clock.epochNow();
    },
    schedule: clock.schedule.bind(clock),
    timeoutSignal: clock.timeoutSignal.bind(clock),
  };
  const script = [503, 200, 501, 501];
  const client = createClient({
    clock: counting,
    fetch: scriptedFetch(script, { clock }),
    retry: { initialDelayMs: 0, jitter: 0 },
    breaker: { failureThreshold: 2 },
  });
  const use = async (): Promise<number> => {
    const before = asked;
    for (let call = 1; call <= 4; call += 1) await client.fetch(url).catch(() => {});
    return asked - before;
  };
  return { client, use };
}

test('the client makes no event, while nobody listens: the wall clock is asked for what it sends and keeps, alone', async () => {
  const silent = await countingBench().use();
  // Four attempts are sent, three of them fail, the circuit opens, and Retry-After is looked for in each answer.
  const { client, use } = countingBench();
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  const heard = await use();
  expect(events.map(({ type }) => type).sort()).toEqual(
    [
      ...['attempt', 'attempt', 'attempt', 'attempt', 'completed', 'completed', 'completed', 'completed'],
      ...['rejected', 'retry', 'transition'],
    ].sort(),
  );
  // Of those, the transition is kept for the snapshot also without listeners, and the refusal has its call's time.
  expect(heard - silent).toBe(events.length - 2);
});

test('the client tells in a turn of its own: not while a layer is at work, and before its caller goes on', async () => {
  const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
  const order: string[] = [];
  client.subscribe(({ type }) => order.push(type));
  client.subscribe(({ type }) => {
    // What is told is what the next call meets.
    if (type === 'transition') order.push(`is ${client.snapshot().dependencies[origin]?.breaker?.state}`);
  });
  await client.fetch(url);
  order.push('the caller');
  expect(order).toEqual(['attempt', 'transition', 'is open', 'completed', 'the caller']);
});

test('the client tells of an event those who listened when it was sent, and not those who have come since', async () => {
  const { client, clock } = clientBench([501], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  const [early, late, gone] = [vi.fn(), vi.fn(), vi.fn()];
  client.subscribe(early);
  const leave = client.subscribe(gone);
  // It is asked for the state now, which has changed.
  client.snapshot();
  client.subscribe(late);
  leave();
  expect(early).not.toHaveBeenCalled();
  await clock.advance(0);
  expect([early, late, gone].map(({ mock }) => mock.calls.length)).toEqual([1, 0, 0]);
});
