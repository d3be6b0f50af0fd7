import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { launchChromium } from './support/chromium.ts';

// The example as its users start it, in wrangler's local mode, with ports that are free.
let example: ChildProcess;
let worker = '';
let upstream = '';
let output = '';

beforeAll(async () => {
  const args = ['worker-example/start.ts', '--port', '0', '--upstream-port', '0'];
  example = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk;
      if (output.includes('Ctrl-C ends it')) resolve();
    };
    example.stdout?.on('data', onData);
    example.stderr?.on('data', onData);
    example.once('exit', (code) => reject(new Error(`The example ended with code ${code}:\n${output}`)));
  });
  worker = /Worker answers at\s+(\S+)/.exec(output)?.[1] ?? '';
  upstream = /upstreams are at\s+(\S+)/.exec(output)?.[1] ?? '';
}, 70_000);

afterAll(async () => {
  if (example.exitCode !== null) return;
  example.kill('SIGTERM');
  await once(example, 'exit');
}, 20_000);

interface Shown {
  readonly status: number;
  readonly degraded: string | undefined;
  readonly body: { readonly version?: number } | null;
  readonly tookMs: number;
}

async function ask(path: string, init: RequestInit = {}): Promise<Shown> {
  const startedAt = performance.now();
  const response = await fetch(worker + path, { ...init, signal: AbortSignal.timeout(10_000) });
  const body = (await response.json()) as Shown['body'];
  const degraded = /degraded: ([\w-]+)/.exec(response.headers.get('cache-status') ?? '')?.[1];
  return { status: response.status, degraded, body, tookMs: performance.now() - startedAt };
}

interface State {
  readonly requests: Readonly<Record<'catalogue' | 'recommender', number>>;
  readonly version: number;
}

async function breakUpstreams(fault: string): Promise<State> {
  return (await (await fetch(`${upstream}/?fault=${fault}`)).json()) as State;
}

async function state(): Promise<State> {
  return (await (await fetch(upstream)).json()) as State;
}

// What one test leaves broken is not for the next to suffer from.
afterEach(async () => {
  await breakUpstreams('none');
});

const many = (path: string): Promise<Shown[]> => Promise.all(Array.from({ length: 200 }, () => ask(path)));
const patience = { timeout: 15_000, interval: 100 };

test('the example answers 200 callers at once, fresh, with few requests to its upstream', {
  timeout: 30_000,
}, async () => {
  await ask('/products');
  const before = await state();
  const answers = await many('/products');
  expect(answers.filter(({ status, degraded }) => status !== 200 || degraded !== undefined)).toEqual([]);
  expect((await state()).requests.catalogue - before.requests.catalogue).toBeLessThanOrEqual(20);
});

test.for([
  { fault: '503', reasons: ['status-503', 'circuit-open'] },
  { fault: 'drop', reasons: ['network', 'circuit-open'] },
  { fault: 'hang', reasons: ['attempt-timeout', 'circuit-open'] },
  { fault: 'slow', reasons: ['attempt-timeout', 'circuit-open'] },
])(
  'the example answers 200 callers degraded while its upstream is in the state $fault, and fresh again after it',
  { timeout: 60_000 },
  async ({ fault, reasons }) => {
    await expect.poll(async () => (await ask('/products')).degraded, patience).toBeUndefined();
    await breakUpstreams(fault);
    // Not only degraded: of two hundred calls that all find it closed, a busy machine lets some take longer than the example allows.
    await expect.poll(async () => (await ask('/products')).degraded, patience).toBe('circuit-open');

    const before = await state();
    const answers = await many('/products');
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.filter(({ degraded }) => degraded === undefined || !reasons.includes(degraded))).toEqual([]);
    // Nobody waits for an upstream that is known to be down, and it is left alone: the breaker holds.
    expect((await state()).requests.catalogue - before.requests.catalogue).toBeLessThanOrEqual(10);

    const { version } = await breakUpstreams('none');
    await expect
      .poll(() => ask('/products'), patience)
      .toMatchObject({ status: 200, degraded: undefined, body: { version } });
  },
);

test('the example has no advice to give while its recommender is down, and says so; the products are whole', {
  timeout: 30_000,
}, async () => {
  await fetch(`${upstream}/?fault=503&of=recommender`);
  expect(await ask('/recommended/1')).toMatchObject({ status: 200, body: [], degraded: expect.any(String) });
  expect(await ask('/products/1')).toMatchObject({ status: 200, body: { id: '1' }, degraded: undefined });
  await breakUpstreams('none');
  await expect
    .poll(() => ask('/recommended/1'), patience)
    .toMatchObject({ degraded: undefined, body: [{ id: '1' }, { id: '2' }] });
});

test('the example tells a page of any origin what its call spent where', { timeout: 60_000 }, async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const timings = async (path: string): Promise<readonly { name: string; description: string }[]> => {
      await page.evaluate(async (url) => void (await (await fetch(url)).text()), worker + path);
      // The entry is made when the body has ended, and in its own time.
      await page.waitForFunction((url) => performance.getEntriesByName(url).length > 0, worker + path);
      return page.evaluate((url) => {
        const [entry] = performance.getEntriesByName(url) as PerformanceResourceTiming[];
        return (entry?.serverTiming ?? []).map(({ name, description }) => ({ name, description }));
      }, worker + path);
    };
    await breakUpstreams('none');
    await expect.poll(async () => (await ask('/recommended/1')).degraded, patience).toBeUndefined();
    expect(await timings('/recommended/2')).toEqual([
      { name: 'recommender', description: 'network' },
      { name: 'recommender-attempt-1', description: '200' },
    ]);
    await breakUpstreams('503');
    expect(await timings('/recommended/3')).toEqual([
      { name: 'recommender', description: 'default degraded' },
      { name: 'recommender-attempt-1', description: '503' },
    ]);
  } finally {
    await breakUpstreams('none');
    await browser.close();
  }
});

test('the example keeps the deadline of its callers, hands on what is left of it, and makes no call past it', {
  timeout: 30_000,
}, async () => {
  const post = (ms: string): Promise<Shown> =>
    ask('/orders', { method: 'POST', body: '{}', headers: { 'x-envoy-expected-rq-timeout-ms': ms } });
  const { status, body } = await post('700');
  expect(status).toBe(201);
  const left = Number((body as { readonly deadline?: string } | null)?.deadline);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(700);
  const before = await state();
  expect(await post('0')).toMatchObject({ status: 503, body: { error: 'DEADLINE_EXCEEDED' } });
  expect(await state()).toEqual(before);
});

test('the example never answers a write from its store', { timeout: 30_000 }, async () => {
  await breakUpstreams('503');
  expect(await ask('/orders', { method: 'POST', body: '{}' })).toMatchObject({ status: 503, degraded: undefined });
  await breakUpstreams('none');
});

test('the example shows pages of any origin whether an answer is degraded, and tells what it knows', {
  timeout: 30_000,
}, async () => {
  const response = await fetch(`${worker}/products`);
  await response.body?.cancel();
  expect(response.headers.get('access-control-expose-headers')).toBe('Cache-Status, Age');
  const ready = await fetch(`${worker}/readyz`);
  expect(ready.headers.get('content-type')).toBe('application/health+json');
  const report = (await ready.json()) as { readonly dependencies: Readonly<Record<string, unknown>> };
  expect(Object.keys(report.dependencies).sort()).toEqual(['catalogue', 'recommender']);
  expect(await (await fetch(`${worker}/livez`)).text()).toBe('ok');
  expect(await ask('/nothing')).toMatchObject({ status: 404 });
});

test('the example can be deployed: wrangler builds it, and finds nothing wrong', { timeout: 60_000 }, async () => {
  const wrangler = resolve('node_modules/wrangler/bin/wrangler.js');
  const out = mkdtempSync(join(tmpdir(), 'steadfetch-worker-'));
  try {
    const build = spawn(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', out], {
      cwd: 'worker-example',
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let told = '';
    for (const stream of [build.stdout, build.stderr]) {
      stream.on('data', (chunk) => {
        told += chunk;
      });
    }
    const [code] = await once(build, 'close');
    expect(told).toContain('env.ANSWERS');
    expect(code).toBe(0);
    expect(existsSync(join(out, 'worker.js'))).toBe(true);
  } finally {
    rmSync(out, { recursive: true });
  }
});
