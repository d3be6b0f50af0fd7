// One instance of a service: it calls its upstream again and again, and tells whoever started it what its circuit does.
import { createClient as connect } from 'redis';

import { redisFleet } from '../../src/adapters/redis.ts';
import { createClient } from '../../src/index.ts';

const [upstream = '', everyMs = '', redisUrl = ''] = process.argv.slice(2);

async function join() {
  if (redisUrl === '') return {};
  const redis = connect({ url: redisUrl, socket: { reconnectStrategy: 100 } });
  redis.on('error', () => {});
  await redis.connect();
  return { fleet: redisFleet({ client: redis }) };
}

const client = createClient({
  isolateBy: () => 'upstream',
  retry: false,
  attemptTimeoutMs: 500,
  breaker: {
    failureThreshold: 5,
    successThreshold: 1,
    resetTimeoutMs: 1_000,
    maxResetTimeoutMs: 2_000,
    ...(await join()),
  },
});

client.subscribe((event) => {
  if (event.type === 'transition') process.send?.({ state: event.to });
  if (event.type === 'fleet') process.send?.({ fleet: event.status });
});

setInterval(() => {
  client.fetch(`${upstream}?from=${process.pid}`).then(
    (response) => response.body?.cancel(),
    () => {},
  );
}, Number(everyMs));
process.on('disconnect', () => process.exit());
process.send?.({ state: 'closed' });
