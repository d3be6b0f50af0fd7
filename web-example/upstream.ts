// The shop's API, on loopback, with a switch: `/control?mode=hang&latencyMs=800&errorShare=0.5`.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong: nothing; no answer; a connection that drops; the recommendations alone are down. */
export const MODES = ['ok', 'down', 'hang', 'drop', 'no-recommendations'] as const;
export type Mode = (typeof MODES)[number];

export interface UpstreamState {
  readonly mode: Mode;
  readonly latencyMs: number;
  readonly errorShare: number;
}

const MOST_KEYS = 1_000;

export interface Upstream {
  readonly url: string;
  close(): Promise<void>;
}

const products = [
  { id: '1', name: 'Storm lantern', price: 49 },
  { id: '2', name: 'Oilskin coat', price: 129 },
  { id: '3', name: 'Brass compass', price: 79 },
  { id: '4', name: 'Wool blanket', price: 65 },
];

export async function startUpstream(port: number): Promise<Upstream> {
  let state: UpstreamState = { mode: 'ok', latencyMs: 40, errorShare: 0 };
  let orders = 0;
  /** Numbers of orders by their keys: one that is sent again is the same order. */
  const taken = new Map<string, number>();
  let owed = 0;

  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'content-type, idempotency-key');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method === 'OPTIONS') send(response, 204);
    else if (pathname === '/control') answerControl(response, searchParams);
    else setTimeout(() => serve(pathname, request, response), state.latencyMs);
  });

  function answerControl(response: ServerResponse, query: URLSearchParams): void {
    const mode = query.get('mode') ?? state.mode;
    const latencyMs = Number(query.get('latencyMs') ?? state.latencyMs);
    const errorShare = Number(query.get('errorShare') ?? state.errorShare);
    if (!isMode(mode) || !(latencyMs >= 0 && latencyMs <= 10_000) || !(errorShare >= 0 && errorShare <= 1)) {
      send(response, 400, { error: `mode is one of ${MODES.join(', ')}, latencyMs up to 10000, errorShare up to 1` });
      return;
    }
    state = { mode, latencyMs, errorShare };
    send(response, 200, state);
  }

  function serve(pathname: string, request: IncomingMessage, response: ServerResponse): void {
    const { mode, errorShare } = state;
    if (mode === 'hang') return;
    const isDown = mode === 'down' || (mode === 'no-recommendations' && pathname === '/recommendations');
    // Every so many, so that a share is a share and no run of luck.
    owed += errorShare;
    const isError = owed >= 1;
    if (isError) owed -= 1;
    if (mode === 'drop') request.socket.destroy();
    else if (isDown || isError) send(response, 503, { error: 'The shop is closed' });
    else if (pathname === '/products') send(response, 200, products);
    else if (pathname === '/recommendations') send(response, 200, products.slice(1, 3));
    else if (pathname === '/orders' && request.method === 'POST')
      takeOrder(String(request.headers['idempotency-key'] ?? ''), response);
    else send(response, 404, { error: 'There is nothing here' });
  }

  function takeOrder(key: string, response: ServerResponse): void {
    const number = taken.get(key) ?? orders + 1;
    orders = Math.max(orders, number);
    if (key !== '') taken.set(key, number);
    for (const oldest of taken.keys()) if (taken.size > MOST_KEYS) taken.delete(oldest);
    send(response, 201, { number });
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function isMode(text: string): text is Mode {
  return (MODES as readonly string[]).includes(text);
}
