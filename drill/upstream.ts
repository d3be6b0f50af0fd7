// The upstream, a process of its own: a real HTTP server with a few workers, told over IPC how to behave. Like most
// servers it does not notice that a caller has left: what it has taken on it works off, for nobody.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { type Conduct, MAX_QUEUED, WORKERS } from './script.ts';
import type { FromUpstream, ToUpstream } from './upstream-messages.ts';
import { WorkerPool } from './worker-pool.ts';

const HOST = '127.0.0.1';
const REPORT_EVERY_MS = 100;
// No two requests take exactly as long.
const SPREAD = 0.25;
const BODY = JSON.stringify({ items: Array.from({ length: 40 }, (_, id) => ({ id, name: `item ${id}` })) });

let conduct: Conduct = { kind: 'down' };
let phaseEndsAt = 0;
let port = 0;
let total = 0;
let served = 0;
const byPhase: number[] = [];

const pool = new WorkerPool<ServerResponse>(WORKERS, MAX_QUEUED, (response) => {
  const serviceMs = conduct.kind === 'serve' ? conduct.serviceMs : 0;
  setTimeout(
    () => {
      answer(response);
      pool.finished();
    },
    serviceMs * (1 + SPREAD * (2 * Math.random() - 1)),
  );
});

const server = createServer(receive).listen(0, HOST, () => {
  port = (server.address() as AddressInfo).port;
  tell({ type: 'listening', port });
});

function receive(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/ready') {
    response.end();
    return;
  }
  total += 1;
  const phase = Number(request.url?.split('phase=')[1] ?? 0);
  byPhase[phase] = (byPhase[phase] ?? 0) + 1;
  take(response);
}

/** Does with a request what the phase asks for. */
function take(response: ServerResponse): void {
  if (conduct.kind === 'down') response.destroy();
  else if (conduct.kind === 'refuse') response.writeHead(503, { 'retry-after': `${secondsLeft()}` }).end();
  else if (conduct.kind === 'serve' && !pool.offer(response)) response.writeHead(503).end();
}

function secondsLeft(): number {
  return Math.max(1, Math.ceil((phaseEndsAt - performance.now()) / 1_000));
}

function answer(response: ServerResponse): void {
  if (conduct.kind !== 'serve') {
    take(response);
    return;
  }
  served += 1;
  response.setHeader('content-type', 'application/json').setHeader('content-length', Buffer.byteLength(BODY));
  if (conduct.cutEvery === undefined || served % conduct.cutEvery !== 0) response.end(BODY);
  else response.write(BODY.slice(0, BODY.length / 2), () => response.destroy());
}

function behave(next: Extract<ToUpstream, { type: 'conduct' }>): void {
  const before = conduct;
  ({ conduct } = next);
  phaseEndsAt = performance.now() + next.lastsMs;
  served = 0;
  if (conduct.kind === 'down') server.close();
  // Whoever hangs is let go by force: no answer will come.
  if (conduct.kind === 'down' || before.kind === 'hang') server.closeAllConnections();
  if (conduct.kind !== 'serve') for (const waiting of pool.dismiss()) take(waiting);
  if (server.listening || conduct.kind === 'down') tell({ type: 'conducting', phase: next.phase });
  else server.listen(port, HOST, () => tell({ type: 'conducting', phase: next.phase }));
}

function report(final: boolean): void {
  tell({ type: 'seen', seen: { total, byPhase: Array.from(byPhase, (count = 0) => count) }, final });
}

function tell(message: FromUpstream): void {
  process.send?.(message);
}

process.on('message', (message: ToUpstream) => {
  if (message.type === 'conduct') behave(message);
  else report(true);
});
setInterval(() => report(false), REPORT_EVERY_MS);
// Ctrl-C reaches the whole process group: the drill decides when its upstreams end, and they never outlive it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
