import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { type Client, createClient, type FetchInit, memoryStore } from '../../src/index.ts';
import { instrument } from '../../src/otel/index.ts';
import { freePort, type Prometheus, type Sample, startPrometheus } from '../../tools/prometheus.ts';
import { launchChromium } from '../support/chromium.ts';

// A real Prometheus, this process as what it scrapes, and the alerts and queries of the docs as they stand there, but for
// their minutes, which are seconds here.

const alerts = readFileSync('docs/examples/alerts.yml', 'utf8');
const guide = readFileSync('docs/telemetry.md', 'utf8');

function inSeconds(text: string): string {
  return text
    .replace(/\bfor: \d+m/g, 'for: 0s')
    .replace(/\[\d+m\]/g, '[4s]')
    .replace('> 60', '> 0.5');
}

/** How each of the upstreams behaves, by its name: it is what its alerts are about. */
const upstreams: Readonly<Record<string, (count: number) => Promise<Response>>> = {
  healthy: async () => new Response('ok'),
  down: async (count) => new Response('', { status: count === 1 ? 200 : 503 }),
  slow: async () => {
    await sleep(1_200);
    return new Response('ok');
  },
  flaky: async (count) => new Response('', { status: count % 3 === 0 ? 503 : 200 }),
  full: async () => {
    await sleep(400);
    return new Response('ok');
  },
  failing: async (count) => new Response('', { status: count % 2 === 0 ? 501 : 404 }),
  left: () => new Promise(() => {}),
  flapping: async (count) => new Response('', { status: count % 2 === 0 ? 501 : 200 }),
};

/** What each alert has to be about, and nothing else. */
const expected: Readonly<Record<string, readonly string[]>> = {
  // Half of what the one answers is a 501, which opens no circuit; those who leave the other get nothing, and want nothing.
  UsersGetErrors: ['down', 'failing', 'full'],
  UsersGetDegradedAnswers: ['down'],
  DependencyDown: ['down'],
  DependencyFlaps: ['flapping'],
  DependencySlow: ['slow'],
  RetriesAddLoad: ['flaky'],
  BulkheadFull: ['full'],
  StoreFails: ['full', 'healthy'],
};

const counts = new Map<string, number>();
let prometheus: Prometheus;
let reader: PrometheusExporter;
let traffic: Promise<unknown>;
let isOver = false;

function upstreamFetch(input: string | URL | Request): Promise<Response> {
  const { hostname } = new URL(String(input));
  const [name = ''] = hostname.split('.');
  const count = (counts.get(name) ?? 0) + 1;
  counts.set(name, count);
  const answer = upstreams[name];
  if (answer === undefined) throw new Error(`There is no ${name}`);
  return answer(count);
}

/** Calls `path` of an upstream again and again, until it is over. */
async function use(client: Client, name: string, path: string, everyMs: number, init?: FetchInit): Promise<void> {
  const calls: Promise<unknown>[] = [];
  while (!isOver) {
    calls.push(client.fetch(`https://${name}.test/${path}`, init).catch(() => {}));
    await sleep(everyMs);
  }
  await Promise.all(calls);
}

/** Calls again and again, and never waits for the answer. */
async function leave(client: Client): Promise<void> {
  while (!isOver) {
    const controller = new AbortController();
    const call = client.fetch('https://left.test/', { signal: controller.signal }).catch(() => {});
    await sleep(50);
    controller.abort();
    await call;
  }
}

beforeAll(async () => {
  const port = await freePort();
  reader = new PrometheusExporter({ host: '127.0.0.1', port });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const shop = createClient({
    name: 'shop',
    isolateBy: ({ url }) => new URL(url).hostname.split('.')[0] ?? '',
    fetch: upstreamFetch,
    retry: { initialDelayMs: 1 },
    breaker: { resetTimeoutMs: 60_000 },
    fallback: { store: memoryStore() },
  });
  const brittle = createClient({
    name: 'brittle',
    isolateBy: ({ url }) => new URL(url).hostname.split('.')[0] ?? '',
    fetch: upstreamFetch,
    retry: false,
    bulkhead: { maxConcurrent: 1, maxQueued: 1 },
    breaker: { failureThreshold: 1, successThreshold: 1, resetTimeoutMs: 100 },
    fallback: {
      store: { ...memoryStore(), shared: false, get: () => Promise.reject(new TypeError('the store is broken')) },
    },
  });
  for (const client of [shop, brittle]) instrument(client, { meterProvider, tracerProvider: false });
  prometheus = await startPrometheus(port, inSeconds(alerts));
  // Before anything fails: a rate is the difference of two looks.
  traffic = Promise.all([
    use(shop, 'healthy', '', 100),
    use(shop, 'down', '', 100),
    use(shop, 'down', 'never-stored', 100),
    use(shop, 'slow', '', 200),
    use(shop, 'flaky', '', 100),
    use(shop, 'failing', '', 100, { fallback: false }),
    leave(shop),
    use(brittle, 'full', '', 100),
    use(brittle, 'flapping', '', 120),
    use(brittle, 'healthy', '', 200),
  ]);
}, 60_000);

afterAll(async () => {
  isOver = true;
  await traffic;
  await prometheus?.stop();
  await reader?.shutdown();
}, 30_000);

test('the alerts of the docs fire for what they are about, each of them', { timeout: 60_000 }, async () => {
  const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name ?? '');
  expect(names.sort()).toEqual(Object.keys(expected).sort());
  const seen: Record<string, Set<string>> = {};
  await expect
    .poll(
      async () => {
        for (const [name, about] of await prometheus.firing()) {
          seen[name] ??= new Set();
          for (const dependency of about) seen[name].add(dependency);
        }
        return names.filter((name) => !expected[name]?.every((dependency) => seen[name]?.has(dependency)));
      },
      { timeout: 50_000, interval: 500 },
    )
    .toEqual([]);
  // A circuit that flaps is open now and then, and whatever it refuses has no answer.
  for (const [name, about] of Object.entries(seen)) {
    const others = [...about].filter((dependency) => dependency !== 'flapping');
    expect([name, others.sort()]).toEqual([name, (expected[name] ?? []).filter((each) => each !== 'flapping')]);
  }
});

test('the queries of the docs say which dependency, since when, why, and what users got', {
  timeout: 60_000,
}, async () => {
  const queries = [...guide.matchAll(/```promql\n([\s\S]+?)```/g)].map(([, query]) => inSeconds(query ?? ''));
  expect(queries.length).toBeGreaterThanOrEqual(4);
  const [which = '', since = '', why = '', got = ''] = queries;
  const down = (samples: readonly Sample[]): readonly Sample[] =>
    samples.filter(({ labels }) => labels['steadfetch_dependency'] === 'down');
  for (const query of queries) await expect.poll(() => prometheus.query(query), { timeout: 20_000 }).not.toEqual([]);
  expect(down(await prometheus.query(which))).toHaveLength(1);
  const [sample] = down(await prometheus.query(since));
  const openFor = sample?.value ?? 0;
  expect(openFor).toBeGreaterThan(0);
  expect(openFor).toBeLessThan(120);
  expect(why).toContain('error_type');
  const answers = down(await prometheus.query(got)).map(({ labels }) => [
    labels['steadfetch_answer'],
    labels['steadfetch_degraded'],
  ]);
  expect(answers).toEqual(
    expect.arrayContaining([
      ['cache', 'true'],
      ['none', 'false'],
    ]),
  );
});

test('the graphs of Prometheus show it as a picture', { timeout: 60_000 }, async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1_000, height: 700 } });
    const graphs = [
      'steadfetch_circuit_state',
      'sum by (steadfetch_dependency, steadfetch_answer, steadfetch_degraded) (rate(steadfetch_call_duration_count{steadfetch_dependency="down"}[4s]))',
    ];
    const query = graphs.map(
      (expr, index) => `g${index}.expr=${encodeURIComponent(expr)}&g${index}.tab=0&g${index}.range_input=30s`,
    );
    await page.goto(`${prometheus.url}/graph?${query.join('&')}`);
    await expect.poll(() => page.locator('.rickshaw_graph path').count(), { timeout: 20_000 }).toBeGreaterThan(4);
    mkdirSync('reports/telemetry', { recursive: true });
    await page.screenshot({ path: 'reports/telemetry/metrics.png', fullPage: true });
  } finally {
    await browser.close();
  }
});

test('the service of the docs is scraped as it stands there', { timeout: 60_000 }, async () => {
  const upstream = createServer((_request, response) => response.end('the products')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const metricsPort = await freePort();
  const service = spawn(process.execPath, ['docs/examples/metrics.mjs'], {
    env: {
      ...process.env,
      UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`,
      PORT: '0',
      METRICS_PORT: String(metricsPort),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(service.stdout, 'data');
    const [, port] = /Listening on (\d+)/.exec(String(line)) ?? [];
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect([answer.status, answer.headers.get('x-degraded'), await answer.text()]).toEqual([
      200,
      'false',
      'the products',
    ]);
    const scraped = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(scraped).toMatch(/^steadfetch_call_duration_count\{.*steadfetch_answer="network".*\} 1$/m);
  } finally {
    service.kill('SIGKILL');
    await once(service, 'exit');
    upstream.closeAllConnections();
    upstream.close();
  }
});
