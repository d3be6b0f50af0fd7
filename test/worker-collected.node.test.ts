import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';

import { buildSync } from 'esbuild';
import { expect, test } from 'vitest';

import { scenario } from './support/scenario.ts';

// Miniflare can't pass V8 a flag, so workerd itself is started: it collects garbage outside of any request.
const config = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  v8Flags = ["--expose-gc"],
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-10-01")),
    (name = "internet", network = (allow = ["local", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);`;

interface Workerd {
  readonly ask: (path: string) => Promise<unknown>;
  /** Ends it, and tells what it had to say. */
  readonly stop: () => Promise<string>;
}

async function startWorkerd(): Promise<Workerd> {
  const directory = mkdtempSync(join(tmpdir(), 'steadfetch-workerd-'));
  const outfile = join(directory, 'worker.js');
  buildSync({ entryPoints: [resolve('test/support/dropping-worker.ts')], bundle: true, format: 'esm', outfile });
  writeFileSync(join(directory, 'config.capnp'), config);
  const controlFd = 3;
  const child = spawn(
    resolve('node_modules/.bin/workerd'),
    ['serve', join(directory, 'config.capnp'), `--control-fd=${controlFd}`],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
  );
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const [listening] = await once(child.stdio[controlFd] as Readable, 'data');
  const { port } = JSON.parse(String(listening).split('\n')[0] ?? '') as { port: number };
  return {
    ask: async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).json(),
    async stop() {
      const closed = once(child, 'close');
      child.kill();
      await closed;
      rmSync(directory, { recursive: true });
      return complaints;
    },
  };
}

test('client.fetch leaves no error in the log of a Worker that drops Responses, and frees their slots', {
  timeout: 30_000,
}, async () => {
  const { ask, stop } = await startWorkerd();
  const { url, arrived } = scenario('body-stall');
  const query = `?url=${encodeURIComponent(url)}`;
  expect(await ask(`/headers/drop${query}`)).toBe(0);
  expect(await ask(`/body/drop${query}`)).toBe(1);
  expect(await arrived(2)).toHaveLength(2);
  await expect.poll(() => ask('/headers/collect'), { interval: 20 }).toBe(0);
  await expect.poll(() => ask('/body/collect'), { interval: 20 }).toBe(0);
  expect(await stop()).not.toContain('Uncaught');
});
