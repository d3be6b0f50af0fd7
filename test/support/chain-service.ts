// A service of a chain, as a process of its own: `node chain-service.ts <ms> <url of the next>`, or the last one, which hangs. It
// tells its parent where it listens, and when it has stopped working on a request.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { createServerAdapter } from '@whatwg-node/server';

import { createClient, incomingDeadline } from '../../src/index.ts';

const [ms, next] = process.argv.slice(2);
// Its own opinion is longer than its callers have time.
const ownMs = Number(ms);
const client = createClient({ deadlineMs: ownMs, attemptTimeoutMs: ownMs, retry: false, propagateDeadline: true });

const adapter = createServerAdapter(async (request: Request) => {
  const startedAt = performance.now();
  const told = request.headers.get('x-envoy-expected-rq-timeout-ms');
  const deadline = incomingDeadline(request, { maxMs: ownMs });
  let ended = 'answered';
  try {
    if (next !== undefined) return await client.fetch(next, { deadline });
    await new Promise((_, reject) => deadline.signal.addEventListener('abort', () => reject(deadline.signal.reason)));
    return new Response('never');
  } catch (error) {
    ended = (error as Error).name;
    return new Response(ended, { status: 504 });
  } finally {
    process.send?.({ told, ended, workedMs: performance.now() - startedAt });
  }
});
const server = createServer(adapter).listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
});
process.once('disconnect', () => process.exit());
