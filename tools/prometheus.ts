import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { findServer } from './servers.ts';

/** One series of an answer, with its last value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus that scrapes one port of ours, many times a second. */
export interface Prometheus {
  readonly url: string;
  query(expression: string): Promise<readonly Sample[]>;
  /** Names of the alerts that fire, each with what it is about. */
  firing(): Promise<ReadonlyMap<string, readonly string[]>>;
  stop(): Promise<void>;
}

export async function startPrometheus(targetPort: number, rules: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'steadfetch-prometheus-'));
  const port = await freePort();
  writeFileSync(join(folder, 'rules.yml'), rules);
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 250ms, evaluation_interval: 250ms }
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    scrape_timeout: 250ms
    static_configs: [{ targets: ['127.0.0.1:${targetPort}'] }]
`,
  );
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const server = spawn(findServer('prometheus') ?? '', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(url, server, () => log);
  } catch (error) {
    await end(server, folder);
    throw error;
  }

  async function get(path: string): Promise<Record<string, unknown>> {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as Record<string, unknown>;
    if (answer['status'] !== 'success') throw new Error(`Prometheus says of ${path}: ${answer['error']}`);
    return answer['data'] as Record<string, unknown>;
  }

  return {
    url,
    async query(expression) {
      const { result } = await get(`query?query=${encodeURIComponent(expression)}`);
      return (result as { metric: Sample['labels']; value: readonly [number, string] }[]).map(({ metric, value }) => ({
        labels: metric,
        value: Number(value[1]),
      }));
    },
    async firing() {
      const { alerts } = await get('alerts');
      const firing = new Map<string, string[]>();
      for (const { labels, state } of alerts as { labels: Record<string, string>; state: string }[]) {
        const { alertname = '', steadfetch_dependency: about = '' } = labels;
        if (state === 'firing') firing.set(alertname, [...(firing.get(alertname) ?? []), about]);
      }
      return firing;
    },
    stop: () => end(server, folder),
  };
}

const PATIENCE_MS = 20_000;

async function untilReady(url: string, server: ChildProcess, log: () => string): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (ready?.ok) return;
    const ended = server.exitCode !== null || performance.now() - startedAt > PATIENCE_MS;
    if (ended) throw new Error(`Prometheus is not ready:\n${log()}`);
    await sleep(100);
  }
}

async function end(server: ChildProcess, folder: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
