import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServerAdapter } from '@whatwg-node/server';
import { onTestFinished } from 'vitest';

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
