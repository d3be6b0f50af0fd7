// `npm run worker-example [-- --port 8787 --upstream-port 8788]`: the Worker in wrangler's local mode, and its upstreams.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { startOnPorts } from '../tools/example-ports.ts';
import { startUpstream } from './upstream.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..');

const USAGE = `npm run worker-example    the Worker in wrangler's local mode, and its upstreams

  --port N             where the Worker is, 0 for any free port          (default 8787)
  --upstream-port N    where its upstreams are, 0 for any free port      (default 8788)
  --help               this text`;

await startOnPorts(USAGE, { port: 8_787, 'upstream-port': 8_788 }, async (ports) => {
  const port = ports.port || (await freePort());
  const upstream = await startUpstream(ports['upstream-port']);
  const wrangler = startWrangler(port, upstream.url);

  let stopping = false;
  const stop = (): void => {
    stopping = true;
    wrangler.kill('SIGTERM');
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  wrangler.on('exit', (code) => {
    if (!stopping) console.error(`wrangler has ended with code ${code}: see what it wrote above`);
    void upstream.close().then(() => process.exit(stopping ? 0 : 1));
  });

  await answering(`http://127.0.0.1:${port}/livez`);
  console.log(`
The Worker answers at   http://127.0.0.1:${port}
Its upstreams are at    ${upstream.url}

Try, in another terminal:

  curl -i http://127.0.0.1:${port}/products            fresh from the catalogue; Cache-Status tells when it is not
  curl -i http://127.0.0.1:${port}/recommended/1       what else they bought
  curl -i -X POST http://127.0.0.1:${port}/orders      a write: never answered from the store
  curl -s http://127.0.0.1:${port}/readyz              what the Worker knows of its upstreams

  curl -s '${upstream.url}/?fault=503'       break both: 503, hang, drop or slow; none mends them
  curl -s '${upstream.url}/?fault=hang&of=recommender'   one of them
  curl -s ${upstream.url}/                   what they were asked

Ctrl-C ends it.`);
});

function startWrangler(workerPort: number, upstream: string): ChildProcess {
  const args = [
    join(root, 'node_modules/wrangler/bin/wrangler.js'),
    'dev',
    ...['--config', join(here, 'wrangler.jsonc'), '--local', '--ip', '127.0.0.1', '--port', String(workerPort)],
    ...['--inspector-port', '0', '--show-interactive-dev-session=false', '--log-level', 'warn'],
    ...['--var', `CATALOGUE:${upstream}/catalogue`, '--var', `RECOMMENDER:${upstream}/recommender`],
  ];
  const env = { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_SEND_METRICS: 'false' };
  return spawn(process.execPath, args, { cwd: here, env, stdio: ['ignore', 'inherit', 'inherit'] });
}

async function answering(url: string): Promise<void> {
  console.log('Starting the Worker in wrangler’s local mode …');
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
