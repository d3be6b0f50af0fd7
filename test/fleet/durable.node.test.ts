import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { expect, test as plainTest } from 'vitest';

import type { FleetState } from '../../src/model/fleet.ts';

const patience = { timeout: 15_000, interval: 20 };

const [bundle] = buildSync({
  entryPoints: [fileURLToPath(new URL('../support/fleet-worker.ts', import.meta.url))],
  bundle: true,
  write: false,
  format: 'esm',
  target: 'es2022',
  external: ['cloudflare:workers'],
}).outputFiles;

/** An isolate of a Worker of its own. */
interface Isolate {
  call(): Promise<unknown>;
  /** Which namespace it asks from now on. */
  ask(namespace: 'circuits' | 'throws' | 'hangs' | 'slow' | 'lying'): Promise<unknown>;
  state(): Promise<unknown>;
  /** The `fleet` events so far: `joined`, or the reason why it is alone. */
  told(): Promise<unknown>;
  /** How often it has asked the fleet's memory. */
  questions(): Promise<number>;
}

interface Settings {
  readonly quorum: number;
  readonly resetTimeoutMs: number;
  readonly successThreshold: number;
}

/** Two Workers that share a namespace of objects, which one of them owns, and an upstream with a switch. */
interface Workers {
  readonly upstream: { status: number; requests: number };
  readonly owner: Isolate;
  readonly guest: Isolate;
  /** What the runtime had to say. */
  readonly complaints: readonly string[];
  /** What the object knows of the upstream. */
  known(): Promise<unknown>;
  /** Takes the object out of memory. */
  restart(): Promise<void>;
}

/** What of a namespace is used from Node. */
interface Objects {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(url: string, init: RequestInit): Promise<Response> };
}

const test = plainTest.extend<{ settings: Settings; workers: Workers }>({
  settings: { quorum: 1, resetTimeoutMs: 500, successThreshold: 1 },
  workers: async ({ settings }, use) => {
    const upstream = { status: 200, requests: 0 };
    const server = createServer((_request, response) => {
      upstream.requests += 1;
      response.writeHead(upstream.status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const complaints: string[] = [];
    const worker = (name: string) => {
      const object = (className: string) => ({ className, scriptName: 'owner', useSQLite: true });
      return {
        name,
        modules: true,
        script: bundle?.text ?? '',
        compatibilityDate: '2026-11-01',
        bindings: { SETTINGS: { ...settings } },
        durableObjects: { CIRCUITS: object('CircuitObject'), SLOW: object('SlowObject'), LYING: object('LyingObject') },
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      };
    };
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        cf: false,
        host: '127.0.0.1',
        handleStructuredLogs: ({ level, message }) => complaints.push(`${level}: ${message}`),
        workers: [worker('owner'), worker('guest')],
      }),
    );
    try {
      await miniflare.ready;
      const isolate = async (name: string): Promise<Isolate> =>
        isolateAt(await miniflare.unsafeGetDirectURL(name), url);
      const [owner, guest] = await Promise.all([isolate('owner'), isolate('guest')]);
      const object = `1:${new URL(url).origin}`;
      const known = async (): Promise<unknown> => {
        const objects = (await miniflare.getDurableObjectNamespace('CIRCUITS', 'owner')) as unknown as Objects;
        const body = JSON.stringify({ ask: 'read', by: 'test', quorum: 1 });
        const stub = objects.get(objects.idFromName(object));
        return (await stub.fetch('https://fleet/', { method: 'POST', body })).json();
      };
      const restart = () => miniflare.unsafeEvictDurableObject('owner', 'CircuitObject', { name: object });
      await use({ upstream, owner, guest, complaints, known, restart });
    } finally {
      await miniflare.dispose();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  },
});

function isolateAt(base: URL, url: string): Isolate {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(new URL(path, base), { signal: AbortSignal.timeout(8_000) });
    const text = await response.text();
    return response.ok ? JSON.parse(text) : `${response.status} ${text}`;
  };
  return {
    call: () => ask(`/call?${new URLSearchParams({ url })}`),
    ask: (namespace) => ask(`/ask?namespace=${namespace}`),
    state: () => ask('/state'),
    told: () => ask('/told'),
    questions: async () => Number(await ask('/questions')),
  };
}

/** Both have called, and have been answered by the upstream and by the object. */
async function warm({ owner, guest, upstream }: Workers): Promise<void> {
  expect(await owner.call()).toBe(200);
  expect(await guest.call()).toBe(200);
  upstream.requests = 0;
}

async function fail({ upstream }: Workers, isolate: Isolate): Promise<void> {
  upstream.status = 501;
  for (let failure = 1; failure <= 3; failure += 1) expect(await isolate.call()).toBe(501);
  expect(await isolate.state()).toBe('open');
}

const pairs = [
  { first: 'owner', second: 'guest' },
  { first: 'guest', second: 'owner' },
] as const;

test.for(pairs)(
  'what the $first of the namespace finds down, its $second leaves alone',
  async ({ first, second }, { workers }) => {
    await warm(workers);
    await fail(workers, workers[first]);
    // Answered by the upstream that is healthy again for it, so that nothing but the fleet can open it.
    workers.upstream.status = 200;
    await expect.poll(() => workers[second].call(), patience).toBe('CIRCUIT_OPEN');
    expect(await workers[second].state()).not.toBe('closed');
    expect(workers.complaints).toEqual([]);
  },
);

test('an isolate that comes later knows after a call, and one question is all that it takes', async ({ workers }) => {
  const { owner, guest } = workers;
  await owner.call();
  await fail(workers, owner);
  await expect.poll(() => owner.call(), patience).toBe('CIRCUIT_OPEN');
  expect(await guest.call()).toBe(501);
  await expect.poll(() => guest.state(), patience).not.toBe('closed');
  expect(await guest.questions()).toBe(1);
  expect(await guest.call()).toBe('CIRCUIT_OPEN');
  expect(workers.complaints).toEqual([]);
});

test('one probe at a time is sent for both, and what it finds out holds for both', async ({ workers }) => {
  const { owner, guest, upstream } = workers;
  await warm(workers);
  await fail(workers, owner);
  await expect.poll(() => guest.call(), patience).toBe('CIRCUIT_OPEN');
  // Those that got through before it had heard are its own.
  const before = upstream.requests;
  const both = () => Promise.all([owner.call(), guest.call()]);
  await expect.poll(async () => (await both()) && upstream.requests, patience).toBe(before + 1);
  // It failed, for both: neither probes until it is due again, in a second.
  expect(await both()).toEqual(['CIRCUIT_OPEN', 'CIRCUIT_OPEN']);
  expect(upstream.requests).toBe(before + 1);
  upstream.status = 200;
  await expect.poll(both, patience).toEqual([200, 200]);
  expect(await Promise.all([owner.state(), guest.state()])).toEqual(['closed', 'closed']);
  expect(await Promise.all([owner.told(), guest.told()])).toEqual([[], []]);
  expect(workers.complaints).toEqual([]);
});

test('nobody asks while nobody calls', async ({ workers }) => {
  const { owner, guest } = workers;
  await warm(workers);
  const asked = await owner.questions();
  await expect.poll(async () => (await guest.call()) && guest.questions(), patience).toBeGreaterThan(3);
  expect(await owner.questions()).toBe(asked);
});

const faults = [
  { namespace: 'throws', reason: 'TypeError' },
  { namespace: 'hangs', reason: 'timeout' },
  { namespace: 'slow', reason: 'timeout' },
  { namespace: 'lying', reason: 'invalid' },
] as const;

test.for(faults)(
  'an isolate whose namespace is one that $namespace goes on alone, says so, and comes back',
  {
    timeout: 60_000,
  },
  async ({ namespace, reason }, { workers }) => {
    const { owner, guest, upstream } = workers;
    await warm(workers);
    await guest.ask(namespace);
    await expect.poll(async () => (await guest.call()) && guest.told(), patience).toEqual([reason]);
    await fail(workers, owner);
    upstream.status = 200;
    // It knows of nothing, and no call waits.
    const startedAt = performance.now();
    for (let call = 1; call <= 20; call += 1) expect(await guest.call()).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await fail(workers, guest);
    upstream.status = 200;
    // Alone, it probes by itself.
    await expect.poll(() => guest.call(), patience).toBe(200);
    expect(await guest.state()).toBe('closed');
    await guest.ask('circuits');
    await expect
      .poll(async () => (await guest.call()) && guest.told(), { ...patience, timeout: 40_000 })
      .toContain('joined');
    await expect.poll(() => owner.call(), patience).toBe(200);
    await fail(workers, owner);
    await expect.poll(() => guest.call(), patience).toBe('CIRCUIT_OPEN');
    expect(workers.complaints).toEqual([]);
  },
);

test.describe('where it takes two probes', () => {
  test.override({ settings: { quorum: 1, resetTimeoutMs: 500, successThreshold: 2 } });

  test('what one finds back, the other need not probe', async ({ workers }) => {
    const { owner, guest, upstream } = workers;
    await warm(workers);
    await fail(workers, owner);
    await expect.poll(() => guest.call(), patience).toBe('CIRCUIT_OPEN');
    upstream.status = 200;
    await expect.poll(async () => (await owner.call()) && owner.state(), patience).toBe('closed');
    await expect.poll(() => guest.call(), patience).toBe(200);
    // One that had probed would be half-open after one success.
    expect(await guest.state()).toBe('closed');
    expect(workers.complaints).toEqual([]);
  });
});

test.describe('in the long wait for a probe', () => {
  test.override({ settings: { quorum: 1, resetTimeoutMs: 60_000, successThreshold: 1 } });

  test('a restart of the object loses nothing', async ({ workers }) => {
    const { owner, guest } = workers;
    await owner.call();
    await fail(workers, owner);
    await expect.poll(() => workers.known(), patience).toMatchObject({ state: 'open' });
    const { run, epoch } = (await workers.known()) as FleetState;
    await workers.restart();
    const after = (await workers.known()) as FleetState;
    expect(after).toMatchObject({ run, epoch, state: 'open' });
    expect(after.retryAfterMs).toBeGreaterThan(10_000);
    await guest.call();
    await expect.poll(() => guest.state(), patience).toBe('open');
    expect(workers.complaints).toEqual([]);
  });
});

test.describe('with a quorum of two', () => {
  test.override({ settings: { quorum: 2, resetTimeoutMs: 60_000, successThreshold: 1 } });

  test('one isolate that finds a dependency down does not take the other with it; two do', async ({ workers }) => {
    const { owner, guest, upstream } = workers;
    await warm(workers);
    await fail(workers, owner);
    upstream.status = 200;
    const asked = await guest.questions();
    await expect.poll(async () => (await guest.call()) && guest.questions(), patience).toBeGreaterThan(asked + 2);
    expect([await owner.state(), await guest.state()]).toEqual(['open', 'closed']);
    expect(await workers.known()).toMatchObject({ state: 'closed' });
    await fail(workers, guest);
    await expect.poll(() => workers.known(), patience).toMatchObject({ state: 'open' });
    expect(workers.complaints).toEqual([]);
  });
});
