import { expect, test } from 'vitest';

import { redisFleet } from '../../src/adapters/redis.ts';
import { createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { notingRedis } from '../support/noting-redis.ts';

// What is asked of a client, and when; with a real Redis: test/redis.

const origins = ['https://a.test', 'https://b.test', 'https://c.test'];

function redisBench({
  random = () => 0,
  ...options
}: {
  random?: () => number;
  prefix?: string;
  pollMs?: number;
} = {}) {
  const clock = new FakeClock();
  const redis = notingRedis();
  const fleet = redisFleet({ client: redis, ...options });
  const client = createClient({ clock, random, breaker: { fleet }, fetch: async () => new Response('ok') });
  const callAll = async (): Promise<void> => {
    for (const origin of origins) await client.fetch(origin);
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
  };
  return { ...redis, clock, callAll };
}

test('redisFleet() has one key and one channel per dependency, in one slot, and one connection for all of them', async () => {
  const { asked, channels, connections, callAll } = redisBench();
  await callAll();
  expect(asked.map(({ key }) => key)).toEqual(origins.map((origin) => `steadfetch:fleet:1:{${origin}}`));
  expect(channels).toEqual(origins.map((origin) => `steadfetch:fleet:1:{${origin}}:changes`));
  expect(connections).toHaveLength(1);
});

test('redisFleet() has keys and channels begin with its prefix', async () => {
  const { asked, channels, callAll } = redisBench({ prefix: 'mine:' });
  await callAll();
  for (const name of [...asked.map(({ key }) => key), ...channels]) expect(name).toMatch(/^mine:1:\{/);
});

test('redisFleet() asks about a dependency that is well when it is first called, and once in a minute of calls', async () => {
  const { clock, asked, callAll } = redisBench();
  const asksSoFar = (): number => asked.length / origins.length;
  for (let call = 1; call <= 10; call += 1) await callAll();
  expect(asksSoFar()).toBe(1);
  await clock.advance(59_999);
  await callAll();
  expect(asksSoFar()).toBe(1);
  await clock.advance(1);
  for (let call = 1; call <= 10; call += 1) await callAll();
  expect(asksSoFar()).toBe(2);
  await clock.advance(3_600_000);
  expect(asksSoFar()).toBe(2);
  expect(new Set(asked.map(({ args }) => args[0]))).toEqual(new Set(['read']));
});

test('redisFleet() with a pollMs of Infinity asks about a dependency that is well once', async () => {
  const { clock, asked, callAll } = redisBench({ pollMs: Infinity });
  await callAll();
  await clock.advance(1e9);
  await callAll();
  expect(asked).toHaveLength(origins.length);
});

test('redisFleet() asks within two seconds when Redis is back, at a time that is drawn for each circuit', async () => {
  const chances = [0.999, 0.25, 0.5];
  let drawn = 0;
  const { clock, asked, connections, callAll } = redisBench({ random: () => chances[drawn++ % chances.length] ?? 0 });
  await callAll();
  connections[0]?.get('ready')?.();
  const before = asked.length;
  drawn = 0;
  connections[0]?.get('ready')?.();
  const times: number[] = [];
  for (let waitedMs = 0; waitedMs < 2_000; waitedMs += 1) {
    const at = asked.length;
    await clock.advance(1);
    if (asked.length > at) times.push(waitedMs + 1);
  }
  expect(asked.length - before).toBe(origins.length);
  expect(times).toEqual([500, 1_000, 1_998]);
});
