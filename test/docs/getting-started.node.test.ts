import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import { CircuitBreaker, type Client, type DegradationStore } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';

import { resolveClient } from '../../src/client-options.ts';
import { installPackage } from '../../tools/pack.ts';
import { runCommand } from '../../tools/run-command.ts';
import { load, snippetsOf, writeNamedFiles, writeSnippets } from './snippets.ts';

const page = readFileSync('docs/getting-started.md', 'utf8');
const [printed = ''] = /(?<=\n```\n)1\. .*?(?=```)/s.exec(page) ?? [];
const project = mkdtempSync(join(tmpdir(), 'steadfetch-start-'));

beforeAll(async () => {
  await installPackage(project);
  copyFileSync(
    join(writeNamedFiles('docs/getting-started.md', 'getting-started'), 'try.mjs'),
    join(project, 'try.mjs'),
  );
}, 120_000);
afterAll(() => rmSync(project, { recursive: true }));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const runtimes = [
  { name: 'Node', command: process.execPath, args: ['try.mjs'] },
  { name: 'Bun', command: resolve('node_modules/.bin/bun'), args: ['try.mjs'] },
  { name: 'Deno', command: resolve('node_modules/.bin/deno'), args: ['run', '--allow-net', 'try.mjs'] },
].filter(({ command }) => existsSync(command));

test.for(runtimes)('docs/getting-started.md: try.mjs prints what the page says, in $name', async (runtime) => {
  const { command, args } = runtime;
  const { stdout, stderr } = await runCommand(command, args, project, { NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' });
  expect(stderr).toBe('');
  expect(stdout).toBe(printed);
});

const snippets = snippetsOf('docs/getting-started.md');

/** What the snippet exports in which `text` occurs. */
function loadWith<Exports>(text: string): Promise<{ default: Exports }> {
  return load(
    `getting-started-${text.replaceAll(/\W/g, '')}`,
    snippets.find(({ code }) => code.includes(text)),
  );
}

test("docs/getting-started.md: Node's service answers, says that a dependency is down, and says so at once when it stays down", async () => {
  let status = 200;
  const upstream = vi.fn(async () => Response.json([{ name: 'tea' }], { status }));
  vi.stubGlobal('fetch', upstream);
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { default: app } = await loadWith<Hono>("from 'hono'");
  const answer = await app.request('/products');
  expect([answer.status, await answer.json()]).toEqual([200, [{ name: 'tea' }]]);
  // A status that is not retried, so that nothing waits.
  status = 501;
  const statuses: number[] = [];
  for (let call = 1; call <= 6; call += 1) statuses.push((await app.request('/products')).status);
  expect(statuses).toEqual([502, 502, 502, 502, 502, 503]);
  expect(upstream).toHaveBeenCalledTimes(6);
  expect(logged).toHaveBeenCalledTimes(6);
});

test("docs/getting-started.md: Node's service is served by what the page says", async () => {
  const { default: app } = await loadWith<Hono>('app.onError');
  expect(page).toContain("import { serve } from '@hono/node-server';\n\nserve({ fetch: app.fetch, port: 3000 });");
  const answered = vi.fn(async () => Response.json(['tea']));
  const { fetch } = globalThis;
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  vi.stubGlobal('fetch', answered);
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/products`);
  expect(await response.json()).toEqual(['tea']);
});

interface Worker {
  fetch(request: Request, env: unknown, context: { waitUntil(work: Promise<unknown>): void }): Promise<Response>;
}

test('docs/getting-started.md: the Worker answers with what its upstream says, within the time of its caller', async () => {
  vi.stubGlobal('fetch', async () => Response.json(['tea']));
  const { default: worker } = await loadWith<Worker>('export default {\n  fetch: (request: Request, _env');
  const call = (headers: HeadersInit) =>
    worker.fetch(new Request('https://worker.test/', { headers }), {}, { waitUntil: () => {} });
  expect(await (await call({})).json()).toEqual(['tea']);
  await expect(call({ 'x-envoy-expected-rq-timeout-ms': '0' })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('docs/getting-started.md: the page names the Node, the limits and the waits that are the defaults', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    readonly engines: { readonly node: string };
  };
  expect(page).toContain(`Node ${engines.node.replace('>=', '')} or later`);
  const { bulkhead, breaker, limits } = resolveClient();
  expect({ bulkhead, breaker, limits }).toMatchObject({
    bulkhead: { maxConcurrent: 64 },
    breaker: { failureThreshold: 5 },
    limits: { retry: { maxAttempts: 3 } },
  });
  expect(page).toContain(
    'at most 64 calls at once to each dependency, three attempts, a circuit that opens after five failed calls in a row',
  );
});

test.for([
  { random: 0, seconds: 10 },
  { random: 1 - Number.EPSILON, seconds: 12 },
])('docs/getting-started.md: after $seconds s, by chance $random, a call is let through', ({ random, seconds }) => {
  const clock = new FakeClock();
  const breaker = new CircuitBreaker({ failureThreshold: 1, clock, random: () => random });
  expect(page).toContain('After 10 to 12 s one call is let through');
  return breaker
    .execute(() => Promise.reject(new Error('down')))
    .catch(() =>
      expect(breaker.snapshot()).toMatchObject({ state: 'open', retryAfterMs: expect.closeTo(seconds * 1_000, 0) }),
    );
});

interface Shop {
  readonly api: Client;
  readonly degraded: DegradationStore;
}

test('docs/getting-started.md: what was shown last is shown, and said to be that', async () => {
  let isDown = false;
  vi.stubGlobal('fetch', async () => Response.json(['tea'], { status: isDown ? 501 : 200 }));
  const { api, degraded } = await load<Shop>(
    'getting-started-degraded',
    snippets.find(({ code }) => code.includes('degradationStore(')),
  );
  degraded.subscribe(() => {});
  const ask = () => api.json('https://api.test/products');
  expect(await ask()).toMatchObject({ value: ['tea'], degraded: false });
  isDown = true;
  await expect.poll(ask).toMatchObject({ value: ['tea'], degraded: true });
  expect(degraded.getSnapshot()).toMatchObject({ degraded: true, dependencies: [{ reason: 'status-501' }] });
});

/** Serves the Hono app of the page as a runtime does that takes a default export, and gives its address. */
const servers = [
  { name: 'Bun', command: resolve('node_modules/.bin/bun'), args: ['run'], env: { BUN_PORT: '0' } },
  {
    name: 'Deno',
    command: resolve('node_modules/.bin/deno'),
    args: ['serve', '--allow-net', '--allow-env', '--allow-read', '--no-check', '--host', '127.0.0.1', '--port', '0'],
    env: { DENO_NO_UPDATE_CHECK: '1' },
  },
].filter(({ command }) => existsSync(command));

test.for(servers)("docs/getting-started.md: $name takes Node's service as it is", async ({ command, args, env }) => {
  const [path = ''] = writeSnippets(
    `getting-started-served`,
    snippets.filter(({ code }) => code.includes('app.onError')),
  );
  const child = spawn(command, [...args, path], { env: { ...process.env, ...env, NO_COLOR: '1' } });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (told += text));
  try {
    await vi.waitFor(() => expect(told).toMatch(/https?:\/\/[\w.]+:\d+/), 20_000);
    const port = /https?:\/\/[\w.]+:(\d+)/.exec(told)?.[1];
    const response = await fetch(`http://127.0.0.1:${port}/nothing`);
    expect([response.status, await response.text()]).toEqual([404, '404 Not Found']);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});
