import { expect, test, vi } from 'vitest';

import { type Client, type ClientOptions, createClient, memoryStore } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { cancellable, clientBench, errorOf, facts, origin, unfinished, url, watch } from './bench.ts';

/** Counts the listeners on a signal: now, at the most, and all that ever came and went. */
function countListeners(signal: AbortSignal): { now: () => number; most: () => number; added: () => number } {
  const listeners = new Set<unknown>();
  let most = 0;
  // What an abort has told is gone.
  signal.addEventListener('abort', () => listeners.clear());
  const addEventListener = signal.addEventListener.bind(signal);
  const removeEventListener = signal.removeEventListener.bind(signal);
  const add = vi.spyOn(signal, 'addEventListener').mockImplementation((type, listener, options) => {
    listeners.add(listener);
    most = Math.max(most, listeners.size);
    addEventListener(type, listener, options);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation((type, listener, options) => {
    listeners.delete(listener);
    removeEventListener(type, listener, options);
  });
  return { now: () => listeners.size, most: () => most, added: () => add.mock.calls.length };
}

/** Makes calls side by side, as a busy server does, one batch after the other. */
async function inBatches(count: number, call: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += 100) await Promise.all(Array.from({ length: 100 }, call));
}

const many: readonly { use: string; call: (client: Client, signal: AbortSignal) => Promise<unknown> }[] = [
  { use: 'client.json', call: (client, signal) => client.json(url, { signal }) },
  { use: 'client.fetch', call: (client, signal) => client.fetch(url, { method: 'HEAD', signal }) },
  {
    use: 'client.fetch under an inherited deadline',
    call: (client, signal) =>
      client.fetch(url, { method: 'HEAD', deadline: { signal, remainingMs: () => 60_000 }, retry: false }),
  },
];

test.for(many)(
  '$use leaves no timer and no listener, after 10,000 calls under one signal',
  { timeout: 60_000 },
  async ({ call }) => {
    const clock = new FakeClock();
    const client = createClient({
      clock,
      fetch: async (_, init) => new Response(init?.method === 'HEAD' ? null : '{}'),
    });
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    await inBatches(10_000, () => call(client, signal));
    expect(listeners.now()).toBe(0);
    expect(listeners.most()).toBe(1);
    expect(clock.pending).toBe(0);
    expect(Object.values(client.snapshot().dependencies)).toMatchObject([
      { running: 0, counters: { success: 10_000 } },
    ]);
  },
);

test('client.fetch leaves no timer and no listener, after 1,000 calls that hedges have won', async () => {
  const clock = new FakeClock();
  let hangs = true;
  const client = createClient({
    clock,
    hedge: { afterMs: 50 },
    bulkhead: false,
    retry: { budget: false },
    // The first request of each call heeds its signal, and nothing else.
    fetch: async (_, init) => {
      if (!hangs) return new Response(null);
      return new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      });
    },
  });
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  for (let batch = 0; batch < 10; batch += 1) {
    hangs = true;
    const calls = Array.from({ length: 100 }, () => client.fetch(url, { signal }));
    await clock.advance(49);
    hangs = false;
    await clock.advance(1);
    await Promise.all(calls);
  }
  expect(listeners.now()).toBe(0);
  expect(clock.pending).toBe(0);
  expect(Object.values(client.snapshot().dependencies)).toMatchObject([
    { running: 0, counters: { attempts: 2_000, hedges: 1_000, hedgesWon: 1_000, success: 1_000 } },
  ]);
});

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

interface Ending {
  readonly ending: string;
  readonly step: ScriptStep;
  readonly options?: ClientOptions;
  /** The code of what the last call rejects with; none for an error of another kind. */
  readonly code?: string;
  readonly aborts?: boolean;
}

const endings: readonly Ending[] = [
  { ending: 'a network error', step: new TypeError('Failed to fetch') },
  { ending: 'a status that is no success', step: new Response(null, { status: 404 }), code: 'HTTP' },
  { ending: 'retries that run out', step: new Response(null, { status: 503 }), code: 'HTTP' },
  { ending: 'a body that breaks', step: unfinished('{', 'break'), options: { retry: { initialDelayMs: 0 } } },
  { ending: 'a body that is not JSON', step: { body: '<html>' }, options: { retry: { initialDelayMs: 0 } } },
  { ending: 'attempt timeouts', step: 'hang', options: { attemptTimeoutMs: 500 }, code: 'ATTEMPT_TIMEOUT' },
  { ending: 'the deadline', step: 'hang', options: { deadlineMs: 500 }, code: 'DEADLINE_EXCEEDED' },
  {
    ending: 'the deadline in the body',
    step: unfinished('{', 'hang'),
    options: { deadlineMs: 500 },
    code: 'DEADLINE_EXCEEDED',
  },
  {
    ending: 'a queue that is full',
    step: { status: 204, delayMs: 500 },
    options: { bulkhead: { maxConcurrent: 1, maxQueued: 0 } },
    code: 'BULKHEAD_FULL',
  },
  {
    ending: 'a wait that is too long',
    step: { status: 204, delayMs: 500 },
    options: { bulkhead: { maxConcurrent: 1, queueTimeoutMs: 100 } },
    code: 'QUEUE_TIMEOUT',
  },
  { ending: "the caller's abort", step: 'hang', aborts: true },
  { ending: "the caller's abort in the body", step: unfinished('{', 'hang'), aborts: true },
  {
    ending: "the caller's abort in the backoff",
    step: 503,
    aborts: true,
    options: { retry: { initialDelayMs: 9_000 } },
  },
  {
    ending: "the caller's abort in the queue",
    step: 'hang',
    aborts: true,
    options: { bulkhead: { maxConcurrent: 1 } },
  },
];

test.for(endings)('client.json leaves no timer and no listener, after $ending', async (row) => {
  const { client, clock } = clientBench([row.step], { breaker: false, ...row.options });
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = countListeners(signal);
  const promises = [client.json(url, { signal }), client.json(url, { signal })];
  const calls = promises.map(watch);
  await clock.advance(1);
  if (row.aborts === true) {
    expect(listeners.now()).toBe(1);
    controller.abort('the user left');
  }
  await clock.advance(5_000);
  // Some engines take their own time to tell that a body has ended: no clock of ours is waited for then.
  await Promise.allSettled(promises);
  const last = calls[1];
  expect(last?.state).toBe('rejected');
  if (row.aborts === true) expect(last?.error).toBe('the user left');
  else expect(codeOf(last?.error)).toBe(row.code);
  expect(clock.pending).toBe(0);
  expect(listeners.now()).toBe(0);
  expect(listeners.added()).toBeGreaterThan(0);
});

test('client.fetch leaves no timer and no listener, after the refusal of an open circuit', async () => {
  const { client, clock } = clientBench([new Response(null, { status: 501 })], { breaker: { failureThreshold: 1 } });
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  await client.fetch(url, { signal });
  expect(await errorOf(client.fetch(url, { signal }))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect([clock.pending, listeners.now()]).toEqual([0, 0]);
});

test('client.fetch puts no listener on the signal, for arguments that it refuses', async () => {
  const { client, clock } = clientBench([200]);
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  await errorOf(client.fetch(url, { signal, body: 'a GET has none' }));
  await errorOf(client.fetch(url, { signal, deadlineMs: -1 }));
  expect([clock.pending, listeners.added()]).toEqual([0, 0]);
});

test('client.fetch puts no listener on a signal that has aborted, and sets no timer', async () => {
  const { client, clock, upstream } = clientBench([200]);
  const signal = AbortSignal.abort('gone before');
  const listeners = countListeners(signal);
  expect(await errorOf(client.fetch(url, { signal }))).toBe('gone before');
  expect([clock.pending, listeners.added(), upstream.calls]).toEqual([0, 0, 0]);
});

test('client.fetch keeps one timer for a body that is not read, until the deadline', async () => {
  const { client, clock, upstream } = clientBench([unfinished('start', 'hang')], { deadlineMs: 2_000 });
  const response = await client.fetch(url);
  expect(clock.pending).toBe(1);
  await clock.advance(2_000);
  expect(clock.pending).toBe(0);
  expect(upstream.requests[0]?.signal?.aborted).toBe(true);
  expect(response.bodyUsed).toBe(false);
});

test.for([
  { slot: 'headers', coalesce: false },
  { slot: 'headers', coalesce: true },
  { slot: 'body', coalesce: false },
  { slot: 'body', coalesce: true },
] as const)(
  'client.fetch cancels a failed answer that its caller no longer waits for, for slot "$slot", coalesce $coalesce',
  async ({ slot, coalesce }) => {
    const failed = cancellable({ status: 503 });
    const clock = new FakeClock();
    const upstream = scriptedFetch([unfinished('first', 'hang')], { clock });
    const { client } = clientBench([200], {
      clock,
      // The script would hand out a copy.
      fetch: (input, init) => (upstream.calls === 0 ? upstream(input, init) : Promise.resolve(failed.response)),
      retry: false,
      bulkhead: { slot },
      fallback: { store: memoryStore(), coalesce },
    });
    const first = await client.fetch(url);
    // It waits for what is being stored: that might do in place of the 503.
    const controller = new AbortController();
    const second = watch(client.fetch(url, { signal: controller.signal }));
    await clock.advance(100);
    expect(second.state).toBe('pending');
    controller.abort('the user left');
    await clock.advance(0);
    expect(second.error).toBe('the user left');
    expect(failed.cancelled()).toBe(true);
    expect(client.snapshot().dependencies[origin]).toMatchObject({ running: slot === 'body' ? 1 : 0 });
    first.body?.cancel().catch(() => {});
    await clock.advance(60_000);
  },
);

test('client.fetch drops a late answer of an attempt that timed out, and cancels its body', async () => {
  const late = cancellable();
  const clock = new FakeClock();
  const answers: ((response: Response) => void)[] = [];
  const { client, events } = clientBench([200], {
    clock,
    attemptTimeoutMs: 500,
    retry: { initialDelayMs: 0 },
    // Takes no notice of its signal.
    fetch: () => new Promise((resolve) => answers.push(resolve)),
  });
  const call = watch(client.fetch(url));
  await clock.advance(500);
  expect(answers).toHaveLength(2);
  answers[0]?.(late.response);
  await clock.advance(0);
  expect(late.cancelled()).toBe(true);
  expect(call.state).toBe('pending');
  const response = new Response(null, { status: 204 });
  answers[1]?.(response);
  await clock.advance(0);
  expect(call.value).toBe(response);
  expect(facts(events, 'attempt')).toMatchObject([
    { attempt: 1, failure: 'attempt-timeout' },
    { attempt: 2, outcome: 'success' },
  ]);
  expect(clock.pending).toBe(0);
});

test.for([{ clock: 'the fake clock' }, { clock: 'the clock of the platform' }])(
  'createClient() and its calls use neither AbortSignal.any nor AbortSignal.timeout, with $clock',
  async ({ clock }) => {
    const spies = [vi.spyOn(AbortSignal, 'any'), vi.spyOn(AbortSignal, 'timeout')];
    try {
      const client = createClient({
        ...(clock === 'the fake clock' ? { clock: new FakeClock() } : {}),
        fetch: async (_, init) => new Response(null, { status: init?.method === 'PUT' ? 503 : 204 }),
        retry: { initialDelayMs: 0 },
      });
      const { signal } = new AbortController();
      const deadline = { signal: new AbortController().signal, remainingMs: () => 1_000 };
      await client.fetch(url);
      await client.fetch(new Request(url, { signal }), { deadline, deadlineMs: 500, attemptTimeoutMs: 100 });
      await client.fetch(url, { method: 'PUT', signal });
      await client.json(url, { signal, deadline });
      await client.close();
      for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  },
);
