import { afterAll, beforeAll, expect, test } from 'vitest';

import { redisFleet, redisStore } from '../../src/adapters/redis.ts';
import { createClient, type SteadEvent } from '../../src/index.ts';
import { entryOf } from '../support/entries.ts';
import { RedisCluster } from '../support/redis-cluster.ts';

const patience = { timeout: 15_000, interval: 20 };

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await RedisCluster.start();
}, 60_000);
afterAll(() => cluster.end());

test('a fleet has one opinion of each dependency, whichever server of a cluster has it', {
  timeout: 60_000,
}, async () => {
  const hosts = Array.from({ length: 20 }, (_, host) => `https://${(host * 7_919).toString(36)}.test`);
  const join = async () => {
    const fleet = redisFleet({ client: await cluster.client() });
    const client = createClient({
      breaker: { failureThreshold: 1, fleet },
      retry: false,
      fetch: async () => new Response(null, { status: 501 }),
    });
    const events: SteadEvent[] = [];
    client.subscribe((event) => events.push(event));
    const states = (): unknown[] => hosts.map((host) => client.snapshot().dependencies[host]?.breaker?.state);
    return { fleet, client, events, states };
  };
  const [first, second] = await Promise.all([join(), join()]);
  // It opens where it is called, and so by news of the other where it was not.
  for (const [index, host] of hosts.entries()) await (index % 2 ? first : second).client.fetch(host);
  for (const { client } of [first, second]) for (const host of hosts) await client.fetch(host).catch(() => {});
  await expect.poll(() => [...first.states(), ...second.states()], patience).toEqual(Array(40).fill('open'));
  const masters = await Promise.all(cluster.servers.map((server) => server.client()));
  const sizes = await Promise.all(masters.map((master) => master.dbSize()));
  expect([Math.min(...sizes) > 0, sizes.reduce((sum, size) => sum + size)]).toEqual([true, 20]);
  expect([...first.events, ...second.events].filter(({ type }) => type === 'fleet')).toEqual([]);
  await Promise.all([first.fleet.close(), second.fleet.close()]);
});

test('redisStore() forgets one partition, or all, on every server of a cluster', async () => {
  const store = redisStore({ client: await cluster.client(), partition: 'public', prefix: 'answers:' });
  const keys = Array.from({ length: 30 }, (_, entry) => `${entry % 2 ? 'ann' : 'bob'} GET ${entry}`);
  const left = async (): Promise<number> => {
    const entries = await Promise.all(keys.map((key) => store.get(key)));
    return entries.filter((entry) => entry !== undefined).length;
  };
  for (const key of keys) await store.set(key, entryOf(key, 'text', { expiresAt: Date.now() + 60_000 }));
  expect(await left()).toBe(30);
  await store.clear('ann');
  expect(await left()).toBe(15);
  await store.clear();
  expect(await left()).toBe(0);
});
