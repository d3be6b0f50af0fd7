// The two services behind the Worker, in one server on loopback. `/?fault=503` breaks both, `/?fault=hang&of=recommender` one.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong: nothing, an error status, silence, a connection that drops, or an answer that takes three seconds. */
const FAULTS = ['none', '503', 'hang', 'drop', 'slow'] as const;
type Fault = (typeof FAULTS)[number];

const SERVICES = ['catalogue', 'recommender'] as const;
type Service = (typeof SERVICES)[number];

const SLOW_MS = 3_000;

const products = [
  { id: '1', name: 'Storm lantern', price: 49 },
  { id: '2', name: 'Oilskin coat', price: 129 },
  { id: '3', name: 'Brass compass', price: 79 },
];

export interface Upstream {
  readonly url: string;
  close(): Promise<void>;
}

export async function startUpstream(port: number): Promise<Upstream> {
  const faults: Record<Service, Fault> = { catalogue: 'none', recommender: 'none' };
  const requests: Record<Service, number> = { catalogue: 0, recommender: 0 };
  let version = 1;

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
    const [, service = '', ...path] = pathname.split('/');
    if (pathname === '/') answerSwitch(response, searchParams);
    else if (isService(service)) serve(service, path, request, response);
    else sendJson(response, 404, { error: 'There is nothing here' });
  });

  function answerSwitch(response: ServerResponse, query: URLSearchParams): void {
    const fault = query.get('fault');
    const of = query.get('of');
    if (fault !== null) {
      if (!isFault(fault) || (of !== null && !isService(of))) {
        sendJson(response, 400, { error: `fault is one of ${FAULTS.join(', ')}; of is one of ${SERVICES.join(', ')}` });
        return;
      }
      for (const service of SERVICES) if (of === null || of === service) faults[service] = fault;
      // What comes after an outage can be told from what came before.
      version += 1;
    }
    sendJson(response, 200, { faults, requests, version });
  }

  function serve(service: Service, path: readonly string[], request: IncomingMessage, response: ServerResponse): void {
    requests[service] += 1;
    const fault = faults[service];
    if (fault === 'drop') request.socket.destroy();
    else if (fault === '503') sendJson(response, 503, { error: 'down' });
    else if (fault === 'slow') setTimeout(() => answer(service, path, request, response), SLOW_MS).unref();
    else if (fault === 'none') answer(service, path, request, response);
    // And 'hang' never answers.
  }

  function answer(service: Service, path: readonly string[], request: IncomingMessage, response: ServerResponse): void {
    const deadline = request.headers['x-envoy-expected-rq-timeout-ms'] ?? null;
    const [collection, id] = path;
    if (service === 'recommender') sendJson(response, 200, products.slice(0, 2));
    else if (collection === 'orders') sendJson(response, 201, { order: version, deadline });
    else if (id === undefined) sendJson(response, 200, { version, products, deadline });
    else {
      const product = products.find((each) => each.id === id);
      sendJson(response, product === undefined ? 404 : 200, product ?? { error: `There is no product ${id}` });
    }
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

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  // Fresh for a second, good for five more while it is refreshed, and for a day when there is nothing else.
  const cacheControl = status === 200 ? 'max-age=1, stale-while-revalidate=5, stale-if-error=86400' : 'no-store';
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': cacheControl });
  response.end(JSON.stringify(body));
}

function isFault(text: string): text is Fault {
  return (FAULTS as readonly string[]).includes(text);
}

function isService(text: string): text is Service {
  return (SERVICES as readonly string[]).includes(text);
}
