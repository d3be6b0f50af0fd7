import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { createClient as connect } from 'redis';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';

import { type RedisClient, redisFleet } from '../../src/adapters/redis.ts';
import { type Client, createClient, type Fleet, type SteadEvent } from '../../src/index.ts';
import { type Redis, RedisServer } from '../support/redis-server.ts';

const origin = 'https://users.test';
const patience = { timeout: 15_000, interval: 20 };

let server: RedisServer;
let fleets: Fleet[] = [];

interface Instance {
  readonly client: Client;
  readonly events: SteadEvent[];
  readonly state: () => string | undefined;
}

const upstream = { status: 200, requests: 0 };

beforeEach(async () => {
  server = await RedisServer.start();
  Object.assign(upstream, { status: 200, requests: 0 });
});

afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.close()));
  fleets = [];
  await server.end();
});

/** An instance with a connection of its own, as another process would have. */
async function instance(quorum = 1): Promise<Instance> {
  const fleet = redisFleet({ client: await server.client(), quorum });
  fleets.push(fleet);
  const events: SteadEvent[] = [];
  const client = createClient({
    retry: false,
    breaker: {
      failureThreshold: 3,
      successThreshold: 1,
      resetTimeoutMs: 300,
      maxResetTimeoutMs: 1_000,
      resetJitter: 0,
      fleet,
    },
    async fetch() {
      upstream.requests += 1;
      return new Response(null, { status: upstream.status });
    },
  });
  client.subscribe((event) => events.push(event));
  return { client, events, state: () => client.snapshot().dependencies[origin]?.breaker?.state };
}

const call = ({ client }: Instance): Promise<unknown> => client.fetch(origin).catch((error: unknown) => error);

async function fail(one: Instance | undefined): Promise<void> {
  upstream.status = 501;
  if (one !== undefined) for (let failure = 1; failure <= 3; failure += 1) await call(one);
}

/** Calls until a condition holds: circuits move on when they are asked. */
async function untilCalled(all: readonly Instance[], isSo: () => boolean): Promise<void> {
  await expect
    .poll(async () => {
      await Promise.all(all.map(call));
      return isSo();
    }, patience)
    .toBe(true);
}

test('what one instance finds down, the others leave alone; one of them finds it back, for all', {
  timeout: 60_000,
}, async () => {
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => instance()));
  await Promise.all(all.map(call));
  await expect.poll(() => all.every(({ state }) => state() === 'closed')).toBe(true);
  upstream.requests = 0;
  await fail(all[0]);
  await expect
    .poll(() => all.map(({ state }) => state()).filter((state) => state !== 'closed').length, patience)
    .toBe(5);
  expect(upstream.requests).toBe(3);
  upstream.status = 200;
  await untilCalled(all, () => all.every(({ state }) => state() === 'closed'));
  const probes = upstream.requests - 3;
  // One found out; whoever called after that, while the news was under way, called a circuit that had closed.
  const opened = all.map(
    ({ events }) => events.filter((event) => event.type === 'attempt' && event.outcome === 'failure').length,
  );
  expect(opened).toEqual([3, 0, 0, 0, 0]);
  expect(probes).toBeLessThanOrEqual(15);
});

test('an instance that comes later knows what the others know', { timeout: 60_000 }, async () => {
  const first = await instance();
  await call(first);
  await fail(first);
  const late = await instance();
  await expect
    .poll(async () => {
      const before = upstream.requests;
      await call(late);
      return [late.state() === 'closed', upstream.requests - before];
    }, patience)
    .toEqual([false, 0]);
});

test('instances go on alone while Redis is gone, say so, and come back to one that knows nothing', {
  timeout: 60_000,
}, async () => {
  const all = await Promise.all([instance(), instance()]);
  const [first, second] = all as [Instance, Instance];
  await Promise.all(all.map(call));
  await server.kill();
  const told = (one: Instance): string[] =>
    one.events.flatMap((event) => (event.type === 'fleet' ? [event.status] : []));
  await expect.poll(() => all.every((one) => told(one).at(-1) === 'alone'), patience).toBe(true);
  await fail(first);
  expect([first.state(), second.state()]).toEqual(['open', 'closed']);
  await expect(first.client.fetch(origin)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  await server.restart();
  await expect.poll(() => all.every((one) => told(one).at(-1) === 'joined'), patience).toBe(true);
  // What it has found out alone, the fleet is told: at once, or where that took too long, when it is looked at again.
  await expect
    .poll(async () => {
      await call(first);
      return second.state() !== 'closed';
    }, patience)
    .toBe(true);
  upstream.status = 200;
  await untilCalled(all, () => all.every(({ state }) => state() === 'closed'));
});

test('instances go on alone while Redis is frozen, and no call waits for it', { timeout: 60_000 }, async () => {
  const all = await Promise.all([instance(), instance()]);
  await Promise.all(all.map(call));
  server.freeze();
  try {
    await fail(all[0]);
    upstream.status = 200;
    const startedAt = performance.now();
    await untilCalled(all, () => all.every(({ state }) => state() === 'closed'));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  } finally {
    server.thaw();
  }
});

test('a flushed Redis, and whatever else is in its channel and under its key, takes nobody down', {
  timeout: 60_000,
}, async () => {
  const all = await Promise.all([instance(), instance()]);
  await Promise.all(all.map(call));
  const redis = await server.client();
  const key = `steadfetch:fleet:1:{${origin}}`;
  for (const message of [
    'garbage',
    '{}',
    '{"run":1e999}',
    '['.repeat(10_000_000),
    JSON.stringify({ run: 9e15, epoch: 9e15, state: 'open', retryAfterMs: 1e15, trips: 0 }),
  ]) {
    await redis.publish(`${key}:changes`, message);
  }
  await redis.flushAll();
  await redis.hSet(key, { epoch: 'many', state: 'ajar', retryAt: '-1', 'v:x': 'NaN' });
  await Promise.all(all.map(call));
  expect(all.map(({ state }) => state())).toEqual(['closed', 'closed']);
  await redis.del(key);
  await redis.set(key, 'a text');
  await fail(all[0]);
  expect(all[0]?.state()).toBe('open');
});

test('a quorum of two takes two', { timeout: 60_000 }, async () => {
  const all = await Promise.all([instance(2), instance(2), instance(2)]);
  await Promise.all(all.map(call));
  await fail(all[0]);
  await call(all[2] as Instance);
  expect(all.map(({ state }) => state())).toEqual(['open', 'closed', 'closed']);
  await fail(all[1]);
  await expect.poll(() => all[2]?.state() !== 'closed', patience).toBe(true);
});

test('redisFleet() lets go of what it has opened on close, twice over', async () => {
  const before = Number((await (await server.client()).sendCommand(['CLIENT', 'LIST'])).toString().split('\n').length);
  const one = await instance();
  await call(one);
  const [fleet] = fleets;
  await Promise.all([fleet?.close(), fleet?.close()]);
  const redis = await server.client();
  await expect
    .poll(async () => (await redis.sendCommand(['CLIENT', 'LIST'])).toString().split('\n').length - before, patience)
    .toBeLessThanOrEqual(2);
  const channels = await redis.sendCommand(['PUBSUB', 'CHANNELS', '*']);
  expect(channels).toEqual([]);
});

test('redisFleet() closes at once, also when there was never a Redis', async () => {
  const client = connect({ url: 'redis://127.0.0.1:1', socket: { reconnectStrategy: 50 } });
  client.on('error', () => {});
  client.connect().catch(() => {});
  const fleet = redisFleet({ client });
  const one = createClient({ breaker: { fleet }, fetch: async () => new Response('ok') });
  const told: unknown[] = [];
  one.subscribe((event) => void (event.type === 'fleet' && told.push(event.status)));
  expect((await one.fetch(origin)).status).toBe(200);
  await expect.poll(() => told, patience).toContain('alone');
  await fleet.close();
  client.destroy();
});

test('redisFleet() has not joined before it hears, and asks until it does', { timeout: 60_000 }, async () => {
  const client = await server.client();
  let fails = 2;
  const deaf = {
    get isReady() {
      return client.isReady;
    },
    eval: client.eval.bind(client),
    destroy() {},
    duplicate() {
      const subscriber = client.duplicate();
      const subscribe = subscriber.subscribe.bind(subscriber);
      fails -= 1;
      if (fails >= 0) Reflect.set(subscriber, 'subscribe', () => Promise.reject(new TypeError('not allowed')));
      else Reflect.set(subscriber, 'subscribe', subscribe);
      return subscriber;
    },
  };
  const fleet = redisFleet({ client: deaf as never });
  fleets.push(fleet);
  const events: SteadEvent[] = [];
  const late = createClient({ breaker: { fleet }, fetch: async () => new Response(null, { status: 200 }) });
  late.subscribe((event) => events.push(event));
  await late.fetch(origin);
  await expect
    .poll(() => events.some((event) => event.type === 'fleet' && event.status === 'joined'), patience)
    .toBe(true);
  const other = await instance();
  await call(other);
  await fail(other);
  await expect.poll(() => late.snapshot().dependencies[origin]?.breaker?.state !== 'closed', patience).toBe(true);
});

test('redisFleet() given a client in place of options says what it takes', async () => {
  expect(() => redisFleet(connect() as never)).toThrow('redisFleet must be given options, { client }, got a client');
});

test('a client that leaves while its dependency is being subscribed to leaves nobody deaf', {
  timeout: 60_000,
}, async () => {
  const other = await instance();
  for (const leavesAfterMs of [0, 20, 60]) {
    const redis = await server.client();
    const fleet = redisFleet({ client: slow(redis, 40), pollMs: Infinity });
    fleets.push(fleet);
    const dependency = `https://${leavesAfterMs}.test`;
    const join = (): Client => createClient({ breaker: { fleet }, fetch: async () => new Response('ok') });
    const [first, second] = [join(), join()];
    await first.fetch(dependency);
    await sleep(leavesAfterMs);
    await Promise.all([first.close(), second.fetch(dependency)]);
    await sleep(150);
    upstream.status = 501;
    for (let failure = 1; failure <= 3; failure += 1) await other.client.fetch(dependency);
    await expect.poll(() => second.snapshot().dependencies[dependency]?.breaker?.state, patience).toBe('open');
  }
});

/** A client to whose server it is a long way. */
function slow(redis: Redis, delayMs: number): RedisClient {
  return {
    eval: redis.eval.bind(redis),
    destroy() {},
    duplicate() {
      const subscriber = redis.duplicate();
      subscriber.on('error', () => {});
      const subscribe = subscriber.subscribe.bind(subscriber);
      Reflect.set(subscriber, 'subscribe', async (...args: Parameters<typeof subscribe>) => {
        await sleep(delayMs);
        await subscribe(...args);
      });
      return subscriber;
    },
  };
}

test('a subscriber that gives up is replaced', { timeout: 60_000 }, async () => {
  const redis = await server.client();
  const client = {
    eval: redis.eval.bind(redis),
    destroy() {},
    duplicate: () => redis.duplicate({ socket: { port: server.port, reconnectStrategy: false } }),
  };
  const fleet = redisFleet({ client, pollMs: Infinity });
  fleets.push(fleet);
  const one = createClient({ breaker: { fleet }, fetch: async () => new Response('ok') });
  await one.fetch(origin);
  const listeners = async (): Promise<unknown> => (await redis.sendCommand(['PUBSUB', 'CHANNELS', '*'])) as unknown[];
  await expect.poll(listeners, patience).toHaveLength(1);
  await redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
  await expect.poll(listeners, patience).toHaveLength(0);
  await expect.poll(listeners, patience).toHaveLength(1);
});

test('news that no message tells comes with a call, after pollMs', { timeout: 60_000 }, async () => {
  const redis = await server.client();
  const deaf = {
    connect: async () => {},
    on() {},
    subscribe: async () => {},
    unsubscribe: async () => {},
    destroy() {},
  };
  const fleet = redisFleet({
    client: { eval: redis.eval.bind(redis), destroy() {}, duplicate: () => deaf },
    pollMs: 100,
  });
  fleets.push(fleet);
  const one = createClient({ breaker: { fleet }, fetch: async () => new Response('ok') });
  await one.fetch(origin);
  const other = await instance();
  await fail(other);
  await expect
    .poll(async () => {
      await one.fetch(origin).catch(() => {});
      return one.snapshot().dependencies[origin]?.breaker?.state;
    }, patience)
    .not.toBe('closed');
});

test('what a frozen Redis was told takes nobody down when it thaws', { timeout: 60_000 }, async () => {
  const all = await Promise.all([instance(), instance()]);
  const [first, second] = all as [Instance, Instance];
  await Promise.all(all.map(call));
  const redis = await server.client();
  const answered = async (): Promise<number> =>
    Number(/cmdstat_eval:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
  await expect.poll(answered, patience).toBe(2);
  server.freeze();
  try {
    await fail(first);
    await sleep(3_000);
    upstream.status = 200;
    await untilCalled([first], () => first.state() === 'closed');
  } finally {
    server.thaw();
  }
  // All that was said to it is done by now.
  await redis.ping();
  await untilCalled(all, () =>
    all.every(({ events }) => events.filter(({ type }) => type === 'fleet').length % 2 === 0),
  );
  expect([first, second].map(({ events }) => events.filter(({ type }) => type === 'transition').length)).toEqual([
    3, 0,
  ]);
});

test.for(['is there', 'has gone'])(
  'redisFleet() lets the process end, when Redis %s',
  { timeout: 60_000 },
  async (how) => {
    const child = spawn(process.execPath, ['test/support/fleet-leaver.ts', server.url, how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill());
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
    await once(child.stdout, 'data');
    if (how === 'has gone') await server.kill();
    const [code] = await ended;
    expect(code).toBe(0);
  },
);

test('redisFleet() keeps nothing of a dependency to which nothing has happened, whoever chooses hosts', {
  timeout: 60_000,
}, async () => {
  const one = await instance();
  for (let host = 0; host < 200; host += 1) await one.client.fetch(`https://${host}.test/`);
  const redis = await server.client();
  await expect
    .poll(async () => (await redis.sendCommand(['PUBSUB', 'CHANNELS', '*'])) as unknown[], patience)
    .toHaveLength(200);
  expect(await redis.dbSize()).toBe(0);
});

const wrong = [
  {
    options: { client: undefined },
    message: /^redisFleet\.client must be a client of redis \(node-redis\), got undefined/,
  },
  // As ioredis is, which would open connections without end.
  { options: { client: { eval() {}, duplicate() {} } }, message: /, got an object without destroy$/ },
  { options: { pollMs: 0 }, message: /^redisFleet\.pollMs must be/ },
  { options: { prefix: '{x}' }, message: /^redisFleet\.prefix must be a string/ },
  { options: { prefix: 'x'.repeat(65) }, message: /^redisFleet\.prefix must be a string/ },
  { options: { quorum: 0 }, message: /^redisFleet\.quorum must be/ },
  { options: { quorum: '2' }, message: /^redisFleet\.quorum must be/ },
  { options: { quorums: 2 }, message: /^redisFleet\.quorums is not an option/ },
];

test.for(wrong)('redisFleet() throws an error that names the option: $message', async ({ options, message }) => {
  const client = await server.client();
  expect(() => redisFleet({ client, ...options } as never)).toThrow(message);
});
