import { setTimeout as sleep } from 'node:timers/promises';

import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { Page } from 'playwright';
import { createClient, memoryStore } from 'steadfetch';
import { instrument } from 'steadfetch/otel';

import { freePort, startPrometheus } from '../prometheus.ts';

const HEALTHY_MS = 15_000;
const OUTAGE_MS = 25_000;

const graphs = [
  'max by (steadfetch_dependency) (steadfetch_circuit_outage_duration)',
  'sum by (steadfetch_dependency, error_type) (rate(http_client_request_duration_count{error_type!=""}[3s]))',
  'sum by (steadfetch_answer, steadfetch_degraded) (rate(steadfetch_call_duration_count{steadfetch_dependency="https://users.internal"}[3s]))',
];

/** Leaves of Prometheus' page the queries, the graphs, and what their lines mean. */
function strip(): void {
  for (const box of document.querySelectorAll('textarea')) {
    const text = document.createElement('code');
    text.textContent = box.value;
    box.closest('.graph_container, form')?.prepend(text);
  }
  const unwanted =
    'nav, select, input, i, textarea, button, label, .btn, .input-group, .nav-tabs, .query_stats, .eval_stats';
  for (const element of document.querySelectorAll<HTMLElement>(unwanted)) element.style.display = 'none';
  for (const link of document.querySelectorAll('a')) if (link.textContent === 'Remove Graph') link.remove();
  document.body.style.padding = '0';
}

/** An outage of one of two upstreams, as the graphs of a real Prometheus show it. */
export async function photographMetrics(page: Page, path: string): Promise<void> {
  let isDown = false;
  const client = createClient({
    name: 'shop',
    breaker: { resetTimeoutMs: 3_000, maxResetTimeoutMs: 3_000 },
    fallback: { store: memoryStore() },
    fetch: async (input) => new Response('', { status: isDown && String(input).includes('users') ? 503 : 200 }),
  });
  const port = await freePort();
  const reader = new PrometheusExporter({ host: '127.0.0.1', port });
  const stop = instrument(client, { meterProvider: new MeterProvider({ readers: [reader] }), tracerProvider: false });
  const prometheus = await startPrometheus(port, '');
  const traffic = setInterval(() => {
    for (const url of ['https://users.internal/u/1', 'https://search.internal/?q=a']) client.fetch(url).catch(() => {});
    // Some of them have never had an answer that could be stored.
    if (Math.random() < 0.3) client.fetch(`https://users.internal/u/${Math.random()}`).catch(() => {});
  }, 50);
  try {
    await sleep(HEALTHY_MS);
    isDown = true;
    await sleep(OUTAGE_MS);
    isDown = false;
    await sleep(HEALTHY_MS);
    const query = graphs.map((expr, i) => `g${i}.expr=${encodeURIComponent(expr)}&g${i}.tab=0&g${i}.range_input=55s`);
    await page.goto(`${prometheus.url}/graph?${query.join('&')}`);
    for (let index = 0; index < graphs.length; index += 1) {
      await page.locator('.rickshaw_graph').nth(index).locator('path').first().waitFor({ state: 'attached' });
    }
    await page.evaluate(strip);
    await page.screenshot({ path, fullPage: true });
  } finally {
    clearInterval(traffic);
    stop();
    await prometheus.stop();
    await reader.shutdown();
  }
}
