import { expect, test } from 'vitest';

import { createClient, memoryStore } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const origin = 'https://users.test';
const url = `${origin}/u/1`;

/** What a fetch of the user's gives in place of a Response. */
function imitation(fields: object = {}): Response {
  const bytes = new TextEncoder().encode('{"id":1}');
  const given = {
    ok: true,
    status: 200,
    headers: new Headers(),
    bodyUsed: false,
    arrayBuffer: async () => bytes.buffer,
  };
  return { ...given, ...fields } as unknown as Response;
}

function runningIn(client: ReturnType<typeof createClient>): number | undefined {
  return client.snapshot().dependencies[origin]?.running;
}

test('fetch() and json() take what imitates a Response and has no body, and give its slot back', async () => {
  const given = imitation();
  const client = createClient({
    clock: new FakeClock(),
    fetch: async () => given,
    bulkhead: { maxConcurrent: 1, maxQueued: 0 },
  });
  expect(await client.fetch(url)).toBe(given);
  expect((await client.json(url)).value).toEqual({ id: 1 });
  expect(runningIn(client)).toBe(0);
  expect(client.snapshot().dependencies[origin]?.counters.success).toBe(2);
});

const strange = [
  { what: 'nothing', late: undefined },
  { what: 'no body', late: imitation() },
  { what: 'a body that can not be cancelled', late: imitation({ body: {} }) },
  {
    what: 'a body that throws when it is cancelled',
    late: imitation({
      body: {
        cancel() {
          throw new Error('no');
        },
      },
    }),
  },
];

test.for(strange)(
  'fetch() rejects nothing that nobody hears of, when a fetch gives $what, and too late',
  async ({ late }) => {
    const clock = new FakeClock();
    const fetch = (): Promise<Response> =>
      new Promise((resolve) => void clock.schedule(500, () => resolve(late as Response)));
    const client = createClient({ clock, fetch, attemptTimeoutMs: 100, retry: false });
    const ended = client.fetch(url).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await ended).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
    await clock.advance(1_000);
    expect(runningIn(client)).toBe(0);
  },
);

test.for(strange)(
  'fetch() gives each slot back, when a fetch gives $what with a status to be retried',
  async ({ late }) => {
    const clock = new FakeClock();
    const given = late === undefined ? undefined : ({ ...late, status: 503 } as Response);
    const client = createClient({ clock, random: () => 0, fetch: async () => given as Response });
    const ended = client.fetch(url).catch(() => 'an error');
    await clock.advance(10_000);
    expect(await ended).toBe(given ?? 'an error');
    expect(runningIn(client)).toBe(0);
  },
);

test('fetch() gives the slot back, when a random of the user’s throws as the circuit opens', async () => {
  const random = (): number => {
    throw new Error('no dice');
  };
  const client = createClient({
    clock: new FakeClock(),
    random,
    fetch: () => Promise.reject(new TypeError('down')),
    breaker: { failureThreshold: 1 },
    retry: false,
  });
  await expect(client.fetch(url)).rejects.toThrow('no dice');
  expect(runningIn(client)).toBe(0);
});

test('fetch() counts a hang as a failure, also when the store was slow before', async () => {
  const clock = new FakeClock();
  const slow = {
    get: () => new Promise<undefined>((resolve) => void clock.schedule(2_000, () => resolve(undefined))),
    set: async () => {},
    delete: async () => {},
    clear: async () => {},
  };
  const client = createClient({
    clock,
    fetch: () => new Promise<never>(() => {}),
    attemptTimeoutMs: 500,
    retry: false,
    fallback: { store: slow, partition: 'public', storeTimeoutMs: 5_000 },
  });
  const ended = client.fetch(url).catch((error: unknown) => error);
  await clock.advance(2_499);
  expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ attempts: 1, failure: 0 });
  await clock.advance(10_000);
  expect(await ended).toMatchObject({ code: 'ATTEMPT_TIMEOUT', lateMs: 0 });
  expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ failure: 1, ignored: 0 });
});

/** A Response behind another object, whose `body` takes it away from all who read it otherwise: as SvelteKit's `load` is given. */
function standIn(response: Response, askedFor: string[]): Response {
  return new Proxy(response, {
    get(target, name) {
      askedFor.push(String(name));
      const value: unknown = name === 'body' ? target.body?.tee()[0] : Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('fetch() and json() leave the body of what stands before a Response to who reads it, and repeat and store it', async () => {
  const clock = new FakeClock();
  const askedFor: string[] = [];
  const statuses = [503, 200, 200];
  const client = createClient({
    clock,
    random: () => 0,
    fetch: async () => standIn(new Response('{"id":1}', { status: statuses.shift() ?? 503 }), askedFor),
    fallback: { store: memoryStore() },
  });
  const answer = client.fetch(url);
  await clock.advance(1_000);
  expect(await (await answer).json()).toEqual({ id: 1 });
  expect((await client.json(url)).value).toEqual({ id: 1 });
  expect(askedFor).toContain('status');
  expect(askedFor).not.toContain('body');
  await clock.advance(1_000);
  expect(statuses).toEqual([]);

  const stored = client.json(url);
  await clock.advance(10_000);
  expect(await stored).toMatchObject({ value: { id: 1 }, degraded: true });
});

test('fetch() has its deadline cut the body of what stands before a Response', async () => {
  const clock = new FakeClock();
  let signal: AbortSignal | null | undefined;
  const client = createClient({
    clock,
    deadlineMs: 1_000,
    fetch: async (_input, init) => {
      signal = init?.signal;
      return standIn(new Response('{"id":1}'), []);
    },
  });
  await client.fetch(url);
  await clock.advance(999);
  expect(signal?.aborted).toBe(false);
  await clock.advance(1);
  expect(signal?.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

/** A Response whose `body` is its own, in place of the platform's. */
class Owning extends Response {
  override readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null = new Response('hello').body;

  override clone(): Response {
    return new Response('hello');
  }
}

const facts = { url, redirected: false, type: 'basic', statusText: '' };
const readable = [
  { what: 'has no body, and can be read', give: () => imitation({ ...facts, clone: () => new Response('hello') }) },
  { what: 'has a body of its own', give: () => new Owning(null) },
];

test.for(readable)('fetch() stores the whole of what passes for a Response and $what', async ({ give }) => {
  const answers = [give, () => new TypeError('the network is down')];
  const client = createClient({
    fetch: async () => {
      const next = answers.shift()?.();
      if (next instanceof Response || !(next instanceof Error)) return next as Response;
      throw next;
    },
    retry: false,
    fallback: { store: memoryStore() },
  });
  const storing: Promise<unknown>[] = [];
  await client.fetch(url, { waitUntil: (work) => storing.push(work) });
  await Promise.all(storing);
  const stored = await client.fetch(url);
  expect([stored.status, await stored.text()]).toEqual([200, 'hello']);
});
