import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { buildSync } from 'esbuild';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { RedisServer } from '../support/redis-server.ts';

// Twenty processes of a service, one upstream that dies, with a fleet and without.
const COUNT = 20;
// One is busy, and finds out soon; the others are called now and then.
const BUSY_MS = 20;
const QUIET_MS = 500;
const patience = { timeout: 60_000, interval: 100 };

interface Instance {
  readonly process: ChildProcess;
  state: string | undefined;
  fleet: string | undefined;
}

// As one file: twenty processes that compile the library each would take longer to start than the test does.
const instanceFile = 'reports/fleet-instance.mjs';
buildSync({
  entryPoints: ['test/support/fleet-instance.ts'],
  outfile: instanceFile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
});

let instances: Instance[] = [];
let server: Server;
let redis: RedisServer;
let address = '';
/** How the upstream is, and who has asked it since it was looked at. */
const upstream = { isDown: false, requests: 0, askers: new Set<string>() };
let hanging: (() => void)[] = [];

beforeEach(async () => {
  Object.assign(upstream, { isDown: false, requests: 0 });
  redis = await RedisServer.start();
  server = createServer((request, response) => {
    upstream.requests += 1;
    upstream.askers.add(new URL(request.url ?? '/', 'http://upstream').searchParams.get('from') ?? '');
    response.writeHead(upstream.isDown ? 503 : 200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterEach(async () => {
  for (const { process: child } of instances) child.kill('SIGKILL');
  for (const end of hanging) end();
  hanging = [];
  instances = [];
  server.closeAllConnections();
  server.close();
  await redis.end();
});

async function start(redisUrl: string): Promise<void> {
  instances = Array.from({ length: COUNT }, (_, index) => {
    const args = [address, String(index === 0 ? BUSY_MS : QUIET_MS), redisUrl];
    const child = fork(instanceFile, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const instance: Instance = { process: child, state: undefined, fleet: undefined };
    child.on('message', (message) => Object.assign(instance, message));
    return instance;
  });
  await expect.poll(() => instances.filter(({ state }) => state === undefined).length, patience).toBe(0);
  upstream.askers.clear();
  await expect.poll(() => upstream.askers.size, patience).toBe(COUNT);
}

const inState = (...states: string[]): number => instances.filter(({ state }) => states.includes(state ?? '')).length;

/** Lets the upstream die. Answers how many requests it took until all knew. */
async function die(): Promise<number> {
  upstream.isDown = true;
  upstream.requests = 0;
  await expect.poll(() => inState('open', 'half-open'), patience).toBe(COUNT);
  return upstream.requests;
}

test('twenty processes have one opinion, whoever is frozen, and each its own when Redis is gone', {
  timeout: 240_000,
}, async () => {
  await start('');
  const alone = await die();
  for (const { process: child } of instances) child.kill('SIGKILL');
  upstream.isDown = false;
  await start(redis.url);
  const together = await die();
  console.log(`Requests until all ${COUNT} were open: ${alone} without a fleet, ${together} with one`);
  // Five failures each, fewer where a slow machine had failed one before; and with a fleet those of one, and what was under way.
  expect(alone).toBeGreaterThanOrEqual(COUNT * 3);
  expect(together).toBeLessThan(alone / 2);

  // Nobody is closed, so each request is a probe; the first of them is left hanging, and who sent it is frozen.
  let frozen: ChildProcess | undefined;
  const probes: string[] = [];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    const from = new URL(request.url ?? '/', 'http://upstream').searchParams.get('from') ?? '';
    probes.push(from);
    if (frozen === undefined) {
      frozen = instances.find(({ process: child }) => String(child.pid) === from)?.process;
      frozen?.kill('SIGSTOP');
      hanging.push(() => response.destroy());
      return;
    }
    response.writeHead(200).end();
  });
  await expect.poll(() => frozen !== undefined, patience).toBe(true);
  const others = instances.filter(({ process: child }) => child !== frozen);
  await expect.poll(() => others.filter(({ state }) => state === 'closed').length, patience).toBe(COUNT - 1);
  // The lease ran out, and one other found out for all: the second to ask, and the only one, was not closed yet.
  expect(new Set(probes.slice(0, 2)).size).toBe(2);
  // What the frozen one says when it comes to itself is too late to count.
  frozen?.kill('SIGCONT');
  await expect.poll(() => inState('closed'), patience).toBe(COUNT);

  await redis.kill();
  await expect.poll(() => instances.filter(({ fleet }) => fleet === 'alone').length, patience).toBe(COUNT);
  server.removeAllListeners('request');
  server.on('request', (_request, response) => response.writeHead(503).end());
  await expect.poll(() => inState('open', 'half-open'), patience).toBe(COUNT);
  await redis.restart();
  await expect.poll(() => instances.filter(({ fleet }) => fleet === 'joined').length, patience).toBe(COUNT);
  server.removeAllListeners('request');
  server.on('request', (_request, response) => response.writeHead(200).end());
  await expect.poll(() => inState('closed'), patience).toBe(COUNT);
});
