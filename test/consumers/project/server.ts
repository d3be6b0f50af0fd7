// What a server on Node may write.
import { createServer } from 'node:http';

import { metrics, trace } from '@opentelemetry/api';
import ky from 'ky';
import { createClient as connect } from 'redis';
import { createClient, type Fleet, type Store } from 'steadfetch';
import { createHealth, dependsOn } from 'steadfetch/health';
import { extendKy, type SteadKy } from 'steadfetch/ky';
import { instrument } from 'steadfetch/otel';
import { redisFleet, redisStore } from 'steadfetch/redis';

import { isExactly } from './same.ts';

const redis = connect({ url: 'redis://localhost' });
const fleet = redisFleet({ client: redis, quorum: 2 });
isExactly<Fleet>()(fleet);
const store = redisStore({ client: redis, partition: (request) => request.headers.get('x-tenant') ?? undefined });
isExactly<Store>()(store);
// @ts-expect-error
redisStore({ client: redis });

const client = createClient({ breaker: { fleet }, fallback: { store } });
const asFetch: typeof fetch = client.fetch;
createClient({ fetch: asFetch });

isExactly<() => void>()(instrument(client, { recordQuery: ['page'], propagateTo: (url) => url.protocol === 'https:' }));
instrument(client, { meterProvider: false, tracer: trace.getTracer('own'), meter: metrics.getMeter('own') });
// @ts-expect-error: what is not a client has nothing to tell.
instrument({});

const api = extendKy(ky, client);
isExactly<SteadKy>()(api);
interface User {
  readonly id: number;
}
isExactly<Promise<User>>()(api.get<User>('https://users.test/1', { deadlineMs: 500, idempotent: true }).json());
// @ts-expect-error
api.get('https://users.test/1', { deadlineMs: '500' });

const health = createHealth({ readiness: { users: dependsOn(client) } });
createServer(async ({ url }, response) => {
  const answer = await health.handler(new Request(`http://localhost${url ?? '/'}`));
  response.writeHead(answer?.status ?? 404).end(await answer?.text());
});

export async function once(): Promise<Buffer> {
  await using own = createClient({ deadlineMs: 100 });
  const response = await own.fetch('https://files.test/', { method: 'POST', body: Buffer.from('text') });
  return Buffer.from(await response.arrayBuffer());
}
