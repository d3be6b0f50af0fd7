import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServerAdapter } from '@whatwg-node/server';
import { expect, onTestFinished, vi } from 'vitest';

/** What an upstream does in place of an answer: a status without a body, a socket that is reset, a body that breaks off, or nothing at all. */
export type Trouble = number | 'reset' | 'cut' | 'hang';

export interface Upstream {
  readonly url: string;
  /** `GET /path?query` of each request, in order of arrival. */
  readonly requests: readonly string[];
  /** What the next requests get, one each. */
  readonly trouble: Trouble[];
}

/** A real HTTP server on loopback, until the test is over: trouble first, then what `answer` gives. */
export function upstream(
  answer: (request: Request) => Response | Promise<Response>,
  ...trouble: Trouble[]
): Promise<Upstream> {
  return serve(createServerAdapter(answer), trouble);
}

/** The same, around a listener of Node's. */
export async function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  trouble: Trouble[],
  onRequest?: (request: IncomingMessage) => void,
): Promise<Upstream> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    onRequest?.(request);
    const next = trouble.shift();
    if (next === undefined) listener(request, response);
    else if (next === 'reset') request.socket.resetAndDestroy();
    else if (next === 'cut') cut(request, response);
    else if (next !== 'hang') response.writeHead(next).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, trouble };
}

/** Ends the connection once the headers and a part of the body are on their way, so that nobody loses them. */
function cut(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
  response.write('["te', () => request.socket.end());
}

/** What a library does by itself, with the platform's fetch: its requests in place of one that fails, and its timers while it waits. */
export async function ownOf(
  call: (url: string, signal: AbortSignal) => Promise<unknown>,
): Promise<{ readonly requests: number; readonly timers: number }> {
  const caller = new AbortController();
  const fetch = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response(null, { status: 503 }));
  onTestFinished(() => fetch.mockRestore());
  await call('http://own.test', caller.signal).catch(() => {});
  const requests = fetch.mock.calls.length;

  fetch.mockImplementation((input, init) => {
    const { signal } = new Request(input, init);
    return new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason)));
  });
  // What tests before have left behind may set timers, too.
  const inCall = new AsyncLocalStorage<boolean>();
  const { setTimeout } = globalThis;
  let timers = 0;
  const schedule = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((callback: () => void, delayMs = 0) => {
    if (delayMs > 0 && inCall.getStore()) timers += 1;
    return setTimeout(callback, delayMs);
  }) as typeof setTimeout);
  const timeout = vi.spyOn(AbortSignal, 'timeout');
  const waiting = inCall.run(true, () => call('http://own.test', caller.signal)).catch(() => {});
  await vi.waitFor(() => expect(fetch.mock.calls.length).toBeGreaterThan(requests));
  timers += timeout.mock.calls.length;
  schedule.mockRestore();
  timeout.mockRestore();
  caller.abort();
  await waiting;
  return { requests, timers };
}
