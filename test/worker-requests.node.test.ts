import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { expect, test as plainTest } from 'vitest';

import type { ClientSnapshot } from '../src/index.ts';
import { noCounters } from '../src/snapshot.ts';
import { type Scenario, scenario } from './support/scenario.ts';

/** A Worker in a fresh isolate, as its users reach it. */
interface Worker {
  /** Sends a call through the Worker, and tells what came of it. */
  call(url: string, options?: CallOptions): Promise<unknown>;
  /** The same, by a user who resets the connection when told to. */
  callAndLeave(url: string, options: CallOptions): () => void;
  /** Resolves when a call holds the slot. */
  holds(): Promise<void>;
  /** Resolves when another waits for it. */
  queued(): Promise<void>;
  state(client?: string): Promise<unknown>;
  close(drainMs: number): Promise<unknown>;
  /** Aborts the shared signal, in a request of its own. */
  abort(): Promise<unknown>;
  /** What the runtime had to say. */
  readonly complaints: readonly string[];
}

interface CallOptions {
  readonly client?: string;
  readonly deadlineMs?: number;
  /** The request answers, and leaves the call behind. */
  readonly leave?: boolean;
  /** The call is made under the signal of the request, which aborts when its user leaves. */
  readonly tied?: boolean;
  /** The call is made under the one signal that all requests share. */
  readonly shared?: boolean;
}

const patienceMs = 8_000;

/** An isolate found the dependency down, a moment ago. */
const snapshot: ClientSnapshot = {
  name: null,
  at: Date.now(),
  dependencies: {
    dependency: {
      breaker: {
        state: 'open',
        retryAfterMs: 120_000,
        failedProbes: 5,
        successfulProbes: 0,
        consecutiveFailures: 0,
        window: null,
      },
      lastTransition: null,
      outageSince: null,
      running: 0,
      maxConcurrent: null,
      queued: 0,
      maxQueued: null,
      budget: null,
      retriesAvailable: null,
      hedgeAfterMs: null,
      counters: { ...noCounters(), calls: 5, attempts: 5, failure: 5 },
      lastFailure: null,
    },
  },
};

const [bundle] = buildSync({
  entryPoints: [fileURLToPath(new URL('support/queue-worker.ts', import.meta.url))],
  bundle: true,
  write: false,
  format: 'esm',
  target: 'es2022',
  define: { SNAPSHOT: JSON.stringify(snapshot) },
}).outputFiles;

const test = plainTest.extend<{ worker: Worker }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the names out of the pattern
  worker: async ({}, use) => {
    const complaints: string[] = [];
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        cf: false,
        host: '127.0.0.1',
        modules: true,
        script: bundle?.text ?? '',
        compatibilityDate: '2026-11-01',
        compatibilityFlags: ['enable_request_signal'],
        // Straight to the Worker: a proxy in front would keep its requests alive.
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        handleStructuredLogs: ({ level, message }) => complaints.push(`${level}: ${message}`),
      }),
    );
    await miniflare.ready;
    await use(workerAt(await miniflare.unsafeGetDirectURL(), complaints));
    await miniflare.dispose();
  },
});

function workerAt(base: URL, complaints: readonly string[]): Worker {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(new URL(path, base), { signal: AbortSignal.timeout(patienceMs) });
    const text = await response.text();
    return response.ok ? JSON.parse(text) : `${response.status} ${text}`;
  };
  const pathOf = (url: string, { client = 'patient', deadlineMs = patienceMs, ...flags }: CallOptions): string => {
    const query = new URLSearchParams({ url, deadlineMs: String(deadlineMs) });
    for (const flag of ['leave', 'tied', 'shared'] as const) if (flags[flag] === true) query.set(flag, '');
    return `/${client}/call?${query}`;
  };
  const state: Worker['state'] = (client = 'patient') => ask(`/${client}/snapshot`);
  return {
    complaints,
    state,
    call: (url, options = {}) => ask(pathOf(url, options)),
    callAndLeave(url, options) {
      const socket = connect(Number(base.port), base.hostname);
      socket.write(`GET ${pathOf(url, options)} HTTP/1.1\r\nhost: worker\r\n\r\n`);
      return () => void socket.resetAndDestroy();
    },
    holds: async () => {
      await expect.poll(() => state(), { interval: 10 }).toMatchObject({ running: 1 });
    },
    queued: async () => {
      await expect.poll(() => state(), { interval: 10 }).toMatchObject({ running: 1, queued: 1 });
    },
    abort: () => ask('/patient/abort'),
    close: (drainMs) => ask(`/patient/close?drainMs=${drainMs}`),
  };
}

const idle = { running: 0, queued: 0 };

test('createClient() at module scope is allowed, and serves a request', async ({ worker }) => {
  expect(await worker.call(scenario('ok').url)).toEqual({ ok: true });
  expect(await worker.state()).toMatchObject(idle);
  expect(worker.complaints).toEqual([]);
});

test('createClient({ restore }) at module scope keeps a circuit open, though the clocks stand still there', async ({
  worker,
}) => {
  const { url, seen } = scenario('ok');
  expect(await worker.call(url, { client: 'restored' })).toBe('CIRCUIT_OPEN');
  expect(await seen()).toEqual([]);
});

const endings = [
  { ending: 'is answered', script: 'slow-body;everyMs=150', deadlineMs: patienceMs, gives: { ok: true } },
  { ending: 'fails', script: 'slow-body;everyMs=150', deadlineMs: 1_000, gives: 'DEADLINE_EXCEEDED' },
];

test.for(endings)(
  'client hands the slot of a request that $ending to one that waits in another',
  { timeout: 20_000 },
  async ({ script, deadlineMs, gives }, { worker }) => {
    const held = scenario(script);
    const holding = worker.call(held.url, { deadlineMs });
    await held.arrived(1);
    const waiting = [worker.call(scenario('ok').url)];
    await worker.queued();
    waiting.push(worker.call(scenario('503').url));
    expect(await holding).toEqual(gives);
    expect(await Promise.all(waiting)).toEqual([{ ok: true }, 'HTTP']);
    expect(await worker.state()).toMatchObject(idle);
    expect(worker.complaints).toEqual([]);
  },
);

test('client keeps a request alive that waits for the slot of another, without a deadline', {
  timeout: 20_000,
}, async ({ worker }) => {
  const held = scenario('slow-body;everyMs=100');
  const holding = worker.call(held.url, { deadlineMs: Infinity });
  await held.arrived(1);
  const waiting = worker.call(scenario('ok').url, { deadlineMs: Infinity });
  await worker.queued();
  expect(await holding).toEqual({ ok: true });
  expect(await waiting).toEqual({ ok: true });
  expect(await worker.state()).toMatchObject(idle);
  expect(worker.complaints).toEqual([]);
});

const waits = [
  { wait: 'its deadline', client: 'patient', deadlineMs: 200, gives: 'DEADLINE_EXCEEDED' },
  { wait: 'queueTimeoutMs', client: 'hasty', deadlineMs: patienceMs, gives: 'QUEUE_TIMEOUT' },
];

test.for(waits)(
  'client lets a request go when $wait is over, while another holds the slot',
  { timeout: 20_000 },
  async ({ client, deadlineMs, gives }, { worker }) => {
    const held = scenario('hang');
    const holding = worker.call(held.url, { client, deadlineMs: 1_500 });
    await held.arrived(1);
    expect(await worker.call(scenario('ok').url, { client, deadlineMs })).toBe(gives);
    expect(await worker.state(client)).toMatchObject({ running: 1, queued: 0 });
    expect(await holding).toBe('DEADLINE_EXCEEDED');
    expect(await worker.call(scenario('ok').url, { client })).toEqual({ ok: true });
    expect(await worker.state(client)).toMatchObject(idle);
    expect(worker.complaints).toEqual([]);
  },
);

test('client.close() in one request ends those that wait and run in others', { timeout: 20_000 }, async ({
  worker,
}) => {
  const held = scenario('hang');
  const holding = worker.call(held.url);
  await held.arrived(1);
  const waiting = worker.call(scenario('ok').url);
  await worker.queued();
  const closing = worker.close(500);
  expect(await waiting).toBe('CLOSED');
  expect(await holding).toBe('CLOSED');
  expect(await closing).toBe('closed');
  expect(await worker.call(scenario('ok').url)).toBe('CLOSED');
  expect(await worker.state()).toMatchObject(idle);
  expect(worker.complaints).toEqual([]);
});

test('client.close() lets a request that runs in another finish', { timeout: 20_000 }, async ({ worker }) => {
  const held = scenario('slow-body;everyMs=100');
  const holding = worker.call(held.url);
  await held.arrived(1);
  expect(await worker.close(patienceMs)).toBe('closed');
  expect(await holding).toEqual({ ok: true });
  expect(worker.complaints).toEqual([]);
});

test('client ends the calls of all requests under a signal they share, and gives the slot back', {
  timeout: 20_000,
}, async ({ worker }) => {
  const held = scenario('hang');
  const holding = worker.call(held.url, { deadlineMs: 1_000, shared: true });
  await held.arrived(1);
  const waiting = worker.call(scenario('ok').url, { shared: true });
  await worker.queued();
  expect(await worker.abort()).toBe('aborted');
  expect(await Promise.all([holding, waiting])).toEqual(['shut down', 'shut down']);
  expect(await worker.call(scenario('ok').url)).toEqual({ ok: true });
  expect(await worker.state()).toMatchObject(idle);
});

/** How a request ends before its call does: the runtime then drops what it had begun, and no `finally` of it runs. */
const departures: readonly {
  departure: string;
  depart: (worker: Worker, held: Scenario) => Promise<() => Promise<unknown>>;
}[] = [
  {
    departure: 'whose user has left',
    depart: async (worker, held) => {
      const leave = worker.callAndLeave(held.url, { deadlineMs: 1_000 });
      return () => {
        leave();
        return held.closed();
      };
    },
  },
  {
    departure: 'whose signal said that its user left',
    depart: async (worker, held) => {
      const leave = worker.callAndLeave(held.url, { deadlineMs: 1_000, tied: true });
      return () => {
        leave();
        return held.closed();
      };
    },
  },
  {
    departure: 'that has answered without it',
    depart: async (worker, held) => {
      expect(await worker.call(held.url, { deadlineMs: 1_000, leave: true })).toBe('left');
      return async () => {};
    },
  },
];

test.for(departures)(
  'client takes the slot back from a request $departure, for the next request after its deadline',
  { timeout: 20_000 },
  async ({ depart }, { worker }) => {
    const leave = await depart(worker, scenario('hang'));
    await worker.holds();
    await leave();
    const next = (): Promise<unknown> => worker.call(scenario('ok').url, { deadlineMs: 200 });
    await expect.poll(next, { timeout: patienceMs }).toEqual({ ok: true });
    expect(await worker.state()).toMatchObject(idle);
  },
);

test.for(departures)(
  'client takes the slot back from a request $departure, for one that waits, though no other comes',
  { timeout: 20_000 },
  async ({ depart }, { worker }) => {
    const leave = await depart(worker, scenario('hang'));
    await worker.holds();
    const waiting = worker.call(scenario('ok').url);
    await worker.queued();
    await leave();
    expect(await waiting).toEqual({ ok: true });
    expect(await worker.state()).toMatchObject(idle);
  },
);

test.for(departures)(
  'client.close() does not wait for ever for a request $departure',
  { timeout: 20_000 },
  async ({ depart }, { worker }) => {
    const leave = await depart(worker, scenario('hang'));
    await worker.holds();
    await leave();
    expect(await worker.close(200)).toBe('closed');
  },
);

const probes = [
  { departure: 'whose user has left', tied: false },
  { departure: 'whose signal said that its user left', tied: true },
];

test.for(probes)(
  'client lets another request probe, when the one that did is one $departure',
  { timeout: 20_000 },
  async ({ tied }, { worker }) => {
    const { url, arrived } = scenario('500,hang,ok');
    expect(await worker.call(url, { client: 'fragile' })).toBe('HTTP');
    expect(await worker.call(url, { client: 'fragile' })).toBe('CIRCUIT_OPEN');
    const until = { timeout: patienceMs, interval: 20 };
    await expect.poll(() => worker.state('fragile'), until).toMatchObject({ breaker: { retryAfterMs: 0 } });
    const leave = worker.callAndLeave(url, { client: 'fragile', tied });
    await arrived(2);
    expect(await worker.call(url, { client: 'fragile' })).toBe('CIRCUIT_OPEN');
    leave();
    await expect.poll(() => worker.call(url, { client: 'fragile' }), until).toEqual({ ok: true });
    expect(await arrived(3)).toHaveLength(3);
  },
);
