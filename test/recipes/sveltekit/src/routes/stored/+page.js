import { createClient, memoryStore } from 'steadfetch';

const client = createClient({
  fetch: (input, { via, ...init }) => via(input, init),
  fallback: { store: memoryStore() },
});

export async function load({ fetch, url }) {
  return { products: (await client.json(url.searchParams.get('upstream'), { via: fetch })).value };
}
