import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { fetch as undiciFetch } from 'undici';
import { expect, test } from 'vitest';

import { createHealth } from '../../src/health/index.ts';

test.for([
  { status: 503, found: [{ status: 'fail', output: 'status-503' }] },
  { status: 200, found: [{ status: 'pass' }] },
])('createHealth() knows a Response of undici for one, and does not keep its body, for $status', async (expected) => {
  let isClosed = false;
  // A body that goes on for as long as anybody listens.
  const server = createServer((_request, response) => {
    response.on('close', () => {
      isClosed = true;
    });
    response.writeHead(expected.status).write('x');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const { handler } = createHealth({
      readiness: {
        users: async (signal) => {
          const response = await undiciFetch(`http://127.0.0.1:${port}/`, { signal });
          expect(response).not.toBeInstanceOf(Response);
          return response;
        },
      },
    });
    const answer = await handler(new Request('https://service.test/readyz?verbose'));
    expect(await answer?.json()).toMatchObject({ checks: { users: expected.found } });
    await expect.poll(() => isClosed).toBe(true);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
