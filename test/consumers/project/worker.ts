// What a Worker may write, with the types of its platform.
import { createClient, incomingDeadline, type Store } from 'steadfetch';
import { CircuitObject, cacheApiStore, durableFleet, kvStore } from 'steadfetch/cloudflare';

import { isExactly } from './same.ts';

// The class of the Durable Object is exported as it is.
export { CircuitObject };

interface Bindings {
  readonly ANSWERS: KVNamespace;
  readonly CIRCUITS: DurableObjectNamespace;
}

export function clientOf(env: Bindings, context: ExecutionContext): ReturnType<typeof createClient> {
  const store = kvStore({ namespace: env.ANSWERS, partition: 'public' });
  isExactly<Store>()(store);
  // @ts-expect-error: whose answers they are has to be said, where everybody is served.
  kvStore({ namespace: env.ANSWERS });
  cacheApiStore({ cache: caches.default });
  cacheApiStore({ cache: () => caches.open('answers') });
  return createClient({
    breaker: { fleet: durableFleet({ namespace: () => env.CIRCUITS, waitUntil: (work) => context.waitUntil(work) }) },
    fallback: { store, staleWhileRevalidateMs: 60_000 },
    fetch,
  });
}

export default {
  async fetch(request, env, context) {
    const client = clientOf(env, context);
    const asFetch: typeof fetch = client.fetch;
    const deadline = incomingDeadline(request, { maxMs: 1_000 });
    const init = { deadline, waitUntil: (work: Promise<unknown>) => context.waitUntil(work) };
    const response = await client.fetch('https://upstream.test/', { ...init, cf: { cacheTtl: 60 } });
    isExactly<Response>()(response);
    return request.method === 'GET' ? response : asFetch(request);
  },
} satisfies ExportedHandler<Bindings>;

export const durable: new (state: DurableObjectState, env: Bindings) => DurableObject = CircuitObject;
