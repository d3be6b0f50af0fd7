import { readFileSync } from 'node:fs';

import { createClient as connect } from 'redis';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { redisFleet, redisStore } from '../../src/adapters/redis.ts';
import { createClient, type SteadEvent } from '../../src/index.ts';
import { entryOf } from '../support/entries.ts';
import { type Redis, RedisServer } from '../support/redis-server.ts';

const origin = 'https://users.test';
const patience = { timeout: 15_000, interval: 20 };
const key = `steadfetch:fleet:1:{${origin}}`;

let server: RedisServer;
let replica: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start();
  replica = await RedisServer.start('--replicaof', `127.0.0.1 ${server.port}`, '--repl-diskless-sync-delay', '0');
}, 60_000);

afterAll(() => Promise.all([server.end(), replica.end()]));

const admin = (): Promise<Redis> => server.client();

async function userWith(...rules: string[]): Promise<Redis> {
  const redis = await admin();
  await redis.sendCommand(['ACL', 'SETUSER', 'limited', 'reset', 'on', '>secret', '~*', '&*', '+@all', ...rules]);
  return server.client({ username: 'limited', password: 'secret' });
}

const refusals: readonly {
  readonly reason: string | RegExp;
  readonly why: string;
  readonly client: () => Promise<Redis>;
}[] = [
  { reason: 'NOPERM', why: 'scripts', client: () => userWith('-eval') },
  { reason: 'NOPERM', why: 'subscriptions', client: () => userWith('-subscribe') },
  // Redis 7.0 tells it of a script as what it is of any other mistake.
  { reason: /^(ERR|NOPERM)$/, why: 'messages', client: () => userWith('-publish') },
  { reason: 'READONLY', why: 'changes, being a replica', client: () => replica.client() },
  {
    reason: 'WRONGTYPE',
    why: 'what is no hash',
    client: async () => {
      await (await admin()).set(key, 'a text');
      return server.client();
    },
  },
];

test.for(refusals)(
  'redisFleet() tells $reason when Redis refuses $why, and the circuit goes on alone',
  async ({ reason, client }) => {
    const redis = await admin();
    await redis.flushAll();
    const fleet = redisFleet({ client: await client() });
    const alone = createClient({
      breaker: { failureThreshold: 1, fleet },
      retry: false,
      fetch: async () => new Response(null, { status: 501 }),
    });
    const events: SteadEvent[] = [];
    alone.subscribe((event) => events.push(event));
    try {
      await alone.fetch(origin);
      await expect(alone.fetch(origin)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
      await expect
        .poll(() => events.find(({ type }) => type === 'fleet'), patience)
        .toMatchObject({ reason: expect.stringMatching(reason) });
    } finally {
      await fleet.close();
    }
  },
);

const page = readFileSync('docs/fleet.md', 'utf8');

/** A user who may do what the page says by these words, and nothing else. */
async function allowed(says: RegExp, keys: string): Promise<Redis> {
  const commands = Array.from(says.exec(page)?.[1]?.matchAll(/\+\w+/g) ?? [], ([command]) => command);
  expect(commands.length).toBeGreaterThanOrEqual(4);
  return userWith('-@all', 'resetkeys', 'resetchannels', `~${keys}`, `&${keys}`, ...commands);
}

test('redisFleet() needs the rights that docs/fleet.md lists, to its keys and its channels', async () => {
  await (await admin()).flushAll();
  const client = await allowed(/the fleet needs `([^`]+)`/, 'steadfetch:fleet:*');
  const fleet = redisFleet({ client });
  const one = createClient({
    breaker: { failureThreshold: 1, fleet },
    retry: false,
    fetch: async () => new Response(null, { status: 501 }),
  });
  const events: SteadEvent[] = [];
  one.subscribe((event) => events.push(event));
  try {
    await one.fetch(origin);
    await expect.poll(async () => (await admin()).hGet(key, 'state'), patience).toBe('open');
    expect(events.filter(({ type }) => type === 'fleet')).toEqual([]);
    await one.close();
    await expect.poll(async () => (await admin()).pubSubChannels(), patience).toEqual([]);
  } finally {
    await fleet.close();
  }
});

test('redisStore() needs the rights that docs/fleet.md lists', async () => {
  await (await admin()).flushAll();
  const client = await allowed(/It needs `(\+get [^`]+)`/, 'steadfetch:answers*');
  const store = redisStore({ client, partition: 'public' });
  const name = 'public GET https://api.test/';
  for (const forget of [() => store.delete(name), () => store.clear()]) {
    await store.set(name, entryOf(name, 'text', { expiresAt: Date.now() + 60_000 }));
    expect((await store.get(name))?.key).toBe(name);
    await forget();
    expect(await store.get(name)).toBeUndefined();
  }
});

test('redisFleet() tells that there is no Redis by the name that the system has for it', async () => {
  const redis = await server.client();
  const fleet = redisFleet({
    client: {
      eval: (script, options) => redis.eval(script, options),
      destroy() {},
      duplicate: () => {
        const nowhere = connect({ url: 'redis://127.0.0.1:1', socket: { reconnectStrategy: false } });
        return nowhere;
      },
    },
  });
  const one = createClient({ breaker: { fleet }, fetch: async () => new Response('ok') });
  const events: SteadEvent[] = [];
  one.subscribe((event) => events.push(event));
  await one.fetch(origin);
  await expect
    .poll(() => events.find(({ type }) => type === 'fleet'), patience)
    .toMatchObject({ reason: 'ECONNREFUSED' });
  await fleet.close();
});
