import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createSentinel } from 'redis';
import { expect, onTestFinished, test } from 'vitest';

import { redisFleet } from '../../src/adapters/redis.ts';
import { type Client, createClient } from '../../src/index.ts';
import { freePort } from '../../tools/prometheus.ts';
import { findServer } from '../../tools/servers.ts';
import { RedisServer } from '../support/redis-server.ts';

/** A sentinel of one server; answers its port. */
async function startSentinel(server: RedisServer): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'steadfetch-sentinel-'));
  const file = join(folder, 'sentinel.conf');
  const port = await freePort();
  writeFileSync(file, `port ${port}\nbind 127.0.0.1\nsentinel monitor users 127.0.0.1 ${server.port} 1\n`);
  const child = spawn(findServer('redis-server') ?? '', [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    rmSync(folder, { recursive: true });
  });
  for await (const chunk of child.stdout) if (String(chunk).includes('+monitor')) break;
  return port;
}

test('what one instance finds down, another leaves alone, over sentinels', { timeout: 60_000 }, async () => {
  const server = await RedisServer.start();
  onTestFinished(() => server.end());
  const port = await startSentinel(server);
  const url = 'https://users.test';
  const instance = async (status: number): Promise<Client> => {
    const client = createSentinel({ name: 'users', sentinelRootNodes: [{ host: '127.0.0.1', port }] });
    client.on('error', () => {});
    await client.connect();
    const fleet = redisFleet({ client, pollMs: Infinity });
    onTestFinished(async () => {
      await fleet.close();
      await client.destroy();
    });
    const breaker = { failureThreshold: 1, fleet };
    return createClient({ retry: false, breaker, fetch: async () => new Response(null, { status }) });
  };
  const [first, second] = await Promise.all([instance(501), instance(200)]);
  await second.fetch(url);
  await first.fetch(url);
  await expect
    .poll(() => second.snapshot().dependencies[url]?.breaker?.state, { timeout: 15_000, interval: 20 })
    .toBe('open');
});
