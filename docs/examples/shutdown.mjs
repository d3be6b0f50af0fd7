import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServerAdapter } from '@whatwg-node/server'; // npm install @whatwg-node/server
import { createClient, incomingDeadline } from 'steadfetch';
import { createHealth, dependsOn } from 'steadfetch/health';

const { PORT = '3000', USERS = 'http://127.0.0.1:4000', NOTICE_MS = '5000', DRAIN_MS = '10000' } = process.env;
const users = createClient({ attemptTimeoutMs: 4_000, bulkhead: { maxConcurrent: 20, maxQueued: 100 } });
const health = createHealth({ readiness: { users: dependsOn(users) } });

async function answer(request) {
  const deadline = incomingDeadline(request, { maxMs: 5_000 });
  const call = users.fetch(new URL('/users', USERS), { deadline, signal: request.signal });
  return call.catch(() => new Response('Try again', { status: 503, headers: { 'retry-after': '1' } }));
}

const adapter = createServerAdapter(async (request) => (await health.handler(request)) ?? answer(request));
const server = createServer((request, response) => {
  if (health.draining) response.setHeader('connection', 'close'); // clients go elsewhere, one by one
  return adapter(request, response);
}).listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));

process.once('SIGTERM', async () => {
  health.draining = true; //                    1. not ready: the load balancer sends nothing new,
  server.keepAliveTimeout = 1; //                  connections end with their answers,
  await sleep(Number(NOTICE_MS)); //               until it has looked
  const closed = new Promise((done) => server.close(done)); // 2. no new connections
  await users.close({ drainMs: Number(DRAIN_MS) }); // 3. who waits for a slot is told; what runs may finish
  await closed; //                              4. the last answers are out: the process ends by itself
});
