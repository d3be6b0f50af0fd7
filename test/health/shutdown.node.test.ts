import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

// docs/examples/shutdown.mjs, as it stands there, under load and SIGTERM.

interface Answer {
  readonly path: string;
  readonly sentAt: number;
  readonly endedAt: number;
  /** Its status, or the code of the error. */
  readonly ended: number | string;
  readonly body: string;
}

const NOTICE_MS = 600;
/** Has the service say what it takes, as it stands. */
const TELLING = `import { subscribe } from 'node:diagnostics_channel';
subscribe('http.server.request.start', ({ request }) => process.send(request.url));`;
let upstreamMs = 300;

let upstream: Server;
let service: ChildProcess;
let port = 0;
/** The paths of the requests that the service has taken. */
let taken: Set<unknown>;
const agent = new Agent({ keepAlive: true, maxSockets: 400 });

beforeEach(async () => {
  upstream = createServer((_request, response) => void setTimeout(() => response.end('the users'), upstreamMs));
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port: upstreamPort } = upstream.address() as AddressInfo;
  const telling = `data:text/javascript,${encodeURIComponent(TELLING)}`;
  service = spawn(process.execPath, ['--import', telling, 'docs/examples/shutdown.mjs'], {
    env: {
      ...process.env,
      PORT: '0',
      USERS: `http://127.0.0.1:${upstreamPort}`,
      NOTICE_MS: `${NOTICE_MS}`,
      DRAIN_MS: '5000',
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  taken = new Set();
  service.on('message', (path) => taken.add(path));
  const [line] = await once(service.stdout as NodeJS.ReadableStream, 'data');
  port = Number(/listening on (\d+)/.exec(String(line))?.[1]);
}, 30_000);

afterEach(async () => {
  if (service.exitCode === null && service.signalCode === null) service.kill('SIGKILL');
  agent.destroy();
  upstream.closeAllConnections();
  upstream.close();
  await once(upstream, 'close');
});

/** Until so many requests have come through to the upstream. */
async function asked(count: number): Promise<void> {
  for (let come = 0; come < count; come += 1) await once(upstream, 'request');
}

function ask(path: string): Promise<Answer> {
  const sentAt = performance.now();
  return new Promise((resolve) => {
    let body = '';
    const end = (ended: number | string): void => resolve({ path, sentAt, endedAt: performance.now(), ended, body });
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => end(response.complete ? (response.statusCode ?? 0) : 'cut'));
      response.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
    }).on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
  });
}

test('a service under load and SIGTERM is not ready first, then takes nothing new, and loses nothing that it took', {
  timeout: 60_000,
}, async () => {
  expect((await ask('/readyz')).ended).toBe(200);
  const exited = once(service, 'exit');
  const hasTold = once(service, 'disconnect');
  const answers: Promise<Answer>[] = [];
  const readiness: Promise<Answer>[] = [];
  let isOver = false;
  // More than the slots: some calls wait for one when it is closed.
  const load = (async () => {
    while (!isOver) {
      answers.push(ask(`/users?${answers.length}`));
      if (answers.length % 10 === 0) readiness.push(ask('/readyz'));
      await sleep(5);
    }
  })();
  // Twice as many as there are slots.
  await asked(40);
  service.kill('SIGTERM');
  const signalledAt = performance.now();
  const [code] = await exited;
  const exitedAt = performance.now();
  isOver = true;
  await load;
  await hasTold;

  const all = await Promise.all(answers);
  const ready = await Promise.all(readiness);
  const refusedAt = Math.min(...all.filter(({ ended }) => ended === 'ECONNREFUSED').map(({ sentAt }) => sentAt));
  const notReadyAt = Math.min(...ready.filter(({ ended }) => ended === 503).map(({ endedAt }) => endedAt));
  expect(code).toBe(0);
  // 1. It says that it is not ready while it still takes what comes.
  expect(notReadyAt).toBeLessThan(refusedAt);
  expect(refusedAt - signalledAt).toBeGreaterThan(NOTICE_MS - 50);
  // 2. What it had taken is answered, whole: with the users, or, where the call still waited for a slot, with "try again".
  // A connection that the system had ready when the door was shut, or one kept alive that nobody was using, was not taken: it
  // is reset at that very moment, whatever its client was just about to send.
  const answered = all.filter(({ path }) => taken.has(path));
  const counts = Object.groupBy(answered, ({ ended }) => `${ended}`);
  expect(Object.keys(counts).sort()).toEqual(['200', '503']);
  for (const { body } of counts['200'] ?? []) expect(body).toBe('the users');
  for (const { body } of counts['503'] ?? []) expect(body).toBe('Try again');
  // 3. Those that ran when it stopped taking new ones got their time.
  expect(answered.filter(({ endedAt, ended }) => ended === 200 && endedAt > refusedAt).length).toBeGreaterThan(0);
  // 4. It ends by itself, soon after the last answer.
  expect(exitedAt - Math.max(...answered.map(({ endedAt }) => endedAt))).toBeLessThan(2_000);
});

test('a service ends with its last answer, also where a connection is kept alive', { timeout: 60_000 }, async () => {
  const exited = once(service, 'exit');
  upstreamMs = 3 * NOTICE_MS;
  // Under way from before SIGTERM to after the door is shut.
  const answer = ask('/users');
  await asked(1);
  service.kill('SIGTERM');
  const { ended, endedAt } = await answer;
  await exited;
  expect(ended).toBe(200);
  expect(performance.now() - endedAt).toBeLessThan(3_000);
});
