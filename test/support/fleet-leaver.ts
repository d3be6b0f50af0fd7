// A process that closes its own connection to Redis, forgets the fleet, and has nothing else to do; or that does so when Redis has gone.
import { setTimeout as sleep } from 'node:timers/promises';

import { createClient as connect } from 'redis';

import { redisFleet } from '../../src/adapters/redis.ts';
import { createClient } from '../../src/index.ts';

const [url = '', redisIs] = process.argv.slice(2);
const redis = connect({ url });
redis.on('error', () => {});
await redis.connect();
const client = createClient({
  breaker: { fleet: redisFleet({ client: redis }) },
  fetch: async () => new Response('ok'),
});
await client.fetch('https://users.test');
while (((await redis.sendCommand(['PUBSUB', 'CHANNELS', '*'])) as unknown[]).length === 0);
console.log('subscribed');
if (redisIs === 'has gone') {
  while (redis.isReady) await sleep(10);
  // By now, both connections look for their server.
  await sleep(200);
  redis.destroy();
  await client.close();
} else await redis.close();
