import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { runCommand } from '../../tools/run-command.ts';
import { snippetsOf, writeSnippets } from '../docs/snippets.ts';
import { type Trouble, type Upstream, upstream } from './upstream.ts';

const app = resolve('test/recipes/nextjs');
const next = resolve('node_modules/next/dist/bin/next');
let built = '';
let server: ChildProcess;
let origin = '';

/** Builds the app as its users do, around the recipe as it stands in its page, and starts it. */
beforeAll(async () => {
  const [recipe = ''] = writeSnippets('recipe-nextjs-app', snippetsOf('docs/recipes/nextjs.md'));
  rmSync(`${app}/.next`, { recursive: true, force: true });
  const env = {
    ...{ NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' },
    ...{ RECIPE: relative(app, recipe), LIBRARY: relative(app, 'dist/index.js') },
  };
  const { ok, stdout, stderr } = await runCommand(process.execPath, [next, 'build'], app, env);
  if (!ok) throw new Error(`Cannot build the app:\n${stdout}\n${stderr}`);
  built = stdout;
  server = spawn(process.execPath, [next, 'start', '--hostname', '127.0.0.1', '--port', '0'], {
    ...{ cwd: app, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
  });
  let told = '';
  server.stdout?.on('data', (text) => {
    told += text;
  });
  await vi.waitFor(() => expect(told).toContain('Ready'), 30_000);
  origin = /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0] ?? '';
}, 150_000);

afterAll(async () => {
  server.kill();
  await once(server, 'exit');
});

const ask = (path: string, { url }: Upstream, init?: RequestInit): Promise<Response> =>
  fetch(`${origin}${path}upstream=${encodeURIComponent(url)}`, init);

/** What is in the paragraphs of a page. */
async function page(path: string, shop: Upstream, headers: HeadersInit = {}): Promise<string> {
  const response = await ask(path, shop, { headers });
  const paragraphs = (await response.text()).matchAll(/<p>(.*?)<\/p>/g);
  return Array.from(paragraphs, ([, text = '']) => text).join(' ');
}

/** What a client in a route handler was told, and has counted. */
async function asked(by: string, shop: Upstream): Promise<unknown> {
  return (await ask(`/asked?by=${by}&`, shop)).json();
}

/** Counts its requests in its answers. */
async function counting(...trouble: Trouble[]): Promise<Upstream> {
  let count = 0;
  return upstream(
    () => {
      count += 1;
      return Response.json(count, { headers: { etag: '"1"' } });
    },
    ...trouble,
  );
}

test('nextjs: a read of a page survives what passes, and Next keeps the answer', async () => {
  const shop = await upstream(() => Response.json(['tea']), 503, 'reset');
  expect(await page('/products?', shop)).toBe('tea');
  expect(await page('/products?', shop)).toBe('tea');
  expect(shop.requests).toEqual(Array(3).fill('GET /products'));
});

test('nextjs: pages share what is known of a dependency, and route handlers have a client of their own', async () => {
  const shop = await upstream(() => new Response(null, { status: 503 }));
  for (let call = 1; call <= 5; call += 1) expect(await page('/products?', shop)).toBe('HTTP');
  expect(await page('/products?', shop)).toBe('CIRCUIT_OPEN');
  expect(await page('/orders?', shop)).toBe('CIRCUIT_OPEN');
  expect(shop.requests).toHaveLength(15);
  expect(await asked('recipe', shop)).toBe('HTTP');
});

test('nextjs: nothing of the visitor goes along by itself', async () => {
  const seen: (string | null)[][] = [];
  const shop = await upstream(({ headers }) => {
    seen.push([headers.get('cookie'), headers.get('x-visitor')]);
    return Response.json([]);
  });
  const visitor = { cookie: 'user=ann', 'x-visitor': 'ann' };
  await page('/products?', shop, visitor);
  await page('/orders?', shop, visitor);
  await page('/orders?', shop);
  expect(seen).toEqual([
    [null, null],
    ['user=ann', null],
    [null, null],
  ]);
});

test('nextjs: what Next has cached is a success of the dependency, and its refreshes pass no client', async () => {
  const shop = await counting();
  expect(await asked('plain', shop)).toMatchObject({ value: 1, counters: { attempts: 1, success: 1 } });
  expect(await asked('plain', shop)).toMatchObject({ value: 1, counters: { attempts: 2, success: 2 } });
  expect(shop.requests).toHaveLength(1);

  expect((await fetch(`${origin}/outdated`, { method: 'POST' })).status).toBe(200);
  expect(await asked('plain', shop)).toMatchObject({ value: 1, counters: { attempts: 3, success: 3 } });
  await expect.poll(() => shop.requests).toHaveLength(2);
  await expect.poll(() => asked('plain', shop)).toMatchObject({ value: 2 });
  expect(shop.requests).toHaveLength(2);
});

test('nextjs: the deadline that a retry tells is another request to Next', async () => {
  const plain = await counting(503);
  for (const _ of [1, 2]) expect(await asked('plain', plain)).toMatchObject({ value: 1 });
  const told = await counting(503);
  for (const value of [1, 2]) expect(await asked('deadline', told)).toMatchObject({ value });
});

test('nextjs: an If-None-Match of the client’s is another request to Next', async () => {
  const shop = await counting();
  for (const value of [1, 2]) expect(await asked('store', shop)).toMatchObject({ value });
});

test.for([
  ['fetch', 1],
  ['signal', 2],
  ['client', 2],
  ['cache', 1],
] as const)(
  'nextjs: two parts of a page that ask the same by %s make as many requests as %i',
  async ([by, requests]) => {
    const shop = await counting();
    expect(await page(`/merged?by=${by}&`, shop)).toBe(`${by} ${by}`);
    expect(shop.requests).toHaveLength(requests);
  },
);

test('nextjs: Next repeats no request', async () => {
  const shop = await counting(503);
  expect(await page('/merged?by=fetch&', shop)).toBe('fetch fetch');
  expect(shop.requests).toHaveLength(1);
});

test('nextjs: what steers the building of a page is tried again, counted, and comes through, unless Next knows before', () => {
  expect(built).toContain('built: DYNAMIC_SERVER_USAGE after 3 attempts, 1 failure');
  expect(built).not.toContain('announced: asks');
  expect(built).toContain('ƒ /announced');
  expect(built).toContain('ƒ /built');
});
