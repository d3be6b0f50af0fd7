// A process that closes its own connection to Redis, forgets the fleet, and has nothing else to do.
import { createClient as connect } from 'redis';

import { redisFleet } from '../../src/adapters/redis.ts';
import { createClient } from '../../src/index.ts';

const redis = connect({ url: process.argv[2] ?? '' });
await redis.connect();
const client = createClient({
  breaker: { fleet: redisFleet({ client: redis }) },
  fetch: async () => new Response('ok'),
});
await client.fetch('https://users.test');
while (((await redis.sendCommand(['PUBSUB', 'CHANNELS', '*'])) as unknown[]).length === 0);
await redis.close();
