import { degradation } from 'steadfetch';
import { api } from '#recipe';

// Where the upstream is, the test says: it is known once the app runs.
export async function load({ fetch, url }) {
  const upstream = url.searchParams.get('upstream') ?? '/api/products';
  const shop = api(fetch);
  if (url.searchParams.get('by') === 'json') return { products: (await shop.json(upstream)).value };
  const response = await shop.fetch(upstream);
  if (url.searchParams.has('degraded')) degradation(response);
  return { products: await response.json() };
}
