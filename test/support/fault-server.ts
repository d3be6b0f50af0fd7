import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { answer, head, parseFault } from './faults.ts';
import { type HttpRequest, parseRequest } from './http-request.ts';
import type { SeenRequest } from './scenario.ts';

export interface FaultServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A request as long as its connection lives. */
type LiveRequest = { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] };

/** How long `/stats` waits for what it was asked to wait for, before it tells what it has. */
const patienceMs = 3_000;

/**
 * An HTTP server over raw sockets that does what the URL says, so that test files of six engines share it without sharing state:
 *
 * - `/<scenario>/<script>` plays the script's steps, one per request, the last one for ever: `/a1/reset,503;retry-after=2,ok`.
 *   The steps are in faults.ts. Requests are counted per scenario, CORS preflights are answered and not counted.
 * - `/stats/<scenario>` tells what that scenario has seen: a list of {@link SeenRequest}. With `?requests=2` it waits until that
 *   many have arrived, with `?closed` until no connection is open; after 3 seconds it answers all the same.
 * - `/preflights/<scenario>` tells how many CORS preflights came before them.
 * - `/refused` tells a URL whose port refuses connections.
 */
export async function startFaultServer(): Promise<FaultServer> {
  const scenarios = new Map<string, Scenario>();
  const sockets = new Set<Socket>();

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // a client that leaves, or our own reset: the 'close' event says so
    onRequest(socket, (request) => route(socket, request));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = urlOf(server.address() as AddressInfo);

  // A port that is in use, so nobody else gets it, by a socket that listens to nobody: connections to it are refused.
  const holder = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(holder, 'connect');
  const refusedUrl = urlOf(holder.address() as AddressInfo);

  function route(socket: Socket, request: HttpRequest): void {
    const { pathname, searchParams } = new URL(request.target, url);
    const [, first = '', second = ''] = pathname.split('/');
    if (isPreflight(request)) {
      scenarioOf(first).preflights += 1;
      answerPreflight(socket);
    } else if (first === 'preflights') answerJson(socket, request, scenarioOf(second).preflights);
    else if (first === 'stats') void answerStats(socket, request, scenarioOf(second), searchParams);
    else if (first === 'refused') answerJson(socket, request, refusedUrl);
    else void play(socket, request, scenarioOf(first), second.split(','));
  }

  function scenarioOf(id: string): Scenario {
    const scenario = scenarios.get(id) ?? new Scenario();
    scenarios.set(id, scenario);
    return scenario;
  }

  return {
    url,
    async close() {
      holder.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What one scenario has seen so far, and those who wait for more. */
class Scenario {
  readonly seen: LiveRequest[] = [];
  preflights = 0;
  readonly #watchers = new Set<() => void>();

  changed(): void {
    for (const watch of this.#watchers) watch();
  }

  /** Resolves when `isReached`, or when patience ends. */
  until(isReached: (seen: readonly SeenRequest[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        resolve();
      };
      const watch = (): void => {
        if (isReached(this.seen)) stop();
      };
      const timer = setTimeout(stop, patienceMs);
      this.#watchers.add(watch);
      watch();
    });
  }
}

async function answerStats(
  socket: Socket,
  request: HttpRequest,
  scenario: Scenario,
  wish: URLSearchParams,
): Promise<void> {
  const requests = Number(wish.get('requests') ?? 0);
  await scenario.until((seen) => seen.length >= requests && !(wish.has('closed') && seen.some(isOpen)));
  answerJson(socket, request, scenario.seen);
}

const isOpen = ({ connection }: SeenRequest): boolean => connection === 'open';

async function play(
  socket: Socket,
  request: HttpRequest,
  scenario: Scenario,
  script: readonly string[],
): Promise<void> {
  const step = script[Math.min(scenario.seen.length, script.length - 1)] ?? '';
  const fault = parseFault(step);
  if (!fault) return answer({ socket, request, parameters: { body: `No fault is called "${step}"` } }, 400);

  const seen: LiveRequest = { ...describe(request), fault: decodeURIComponent(step), connection: 'open', sentBytes: 0 };
  scenario.seen.push(seen);
  scenario.changed();

  const gone = new AbortController();
  socket.once('close', () => {
    if (seen.connection === 'open') seen.connection = 'left by the client';
    seen.sentBytes = socket.bytesWritten;
    scenario.changed();
    gone.abort();
  });

  try {
    await fault.play({ socket, request, parameters: fault.parameters, gone: gone.signal });
    if (seen.connection === 'open') seen.connection = 'ended';
    scenario.changed();
  } catch (error) {
    if (!socket.destroyed) throw error; // a mistake of ours, not a client that left: let it end the test run
  }
}

/** Calls back once per connection; what the client sends afterwards is read and dropped, or its FIN would go unnoticed. */
function onRequest(socket: Socket, listener: (request: HttpRequest) => void): void {
  let bytes = Buffer.alloc(0);
  socket.on('data', function receive(data: Buffer) {
    bytes = Buffer.concat([bytes, data]);
    const request = parseRequest(bytes);
    if (!request) return;
    socket.off('data', receive).resume();
    listener(request);
  });
}

function describe({ method, headers, body }: HttpRequest): Pick<SeenRequest, 'method' | 'headers' | 'body'> {
  const sha256 = createHash('sha256').update(body).digest('hex');
  return { method, headers, body: { bytes: body.length, sha256, text: body.toString('utf8', 0, 4_096) } };
}

function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && 'access-control-request-method' in headers;
}

function answerPreflight(socket: Socket): void {
  const allowed = {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY',
    'access-control-allow-headers': '*, authorization',
    'access-control-max-age': 600,
  };
  socket.end(head(204, allowed));
}

function answerJson(socket: Socket, request: HttpRequest, value: unknown): void {
  answer({ socket, request, parameters: { body: JSON.stringify(value) } }, 200);
}

function urlOf({ address, port }: AddressInfo): string {
  return `http://${address}:${port}`;
}
