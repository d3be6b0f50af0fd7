import { createClient } from 'steadfetch';

const client = createClient({ propagateDeadline: true, fetch: (input, { via, ...init }) => via(input, init) });

export async function load({ fetch, url }) {
  return { products: (await client.json(url.searchParams.get('upstream'), { via: fetch })).value };
}
