import { createClient, memoryStore } from 'steadfetch';
import { products } from '#recipe';

const clients = {
  plain: createClient(),
  deadline: createClient({ propagateDeadline: true, retry: { initialDelayMs: 10 } }),
  store: createClient({ fallback: { store: memoryStore() } }),
};

/** What a client makes of a request that Next may cache. */
export async function GET(request) {
  const { by, upstream } = Object.fromEntries(new URL(request.url).searchParams);
  if (by === 'recipe') return Response.json(await products(upstream).catch(({ code }) => code));
  const { value } = await clients[by].json(upstream, { next: { revalidate: 60, tags: ['products'] } });
  const [{ counters }] = Object.values(clients[by].snapshot().dependencies);
  return Response.json({ value, counters });
}
