import { createClient, memoryStore } from 'steadfetch';

const client = createClient({
  retry: false,
  fetch: (input, { via, ...init }) => via(input, init),
  fallback: { store: memoryStore(), key: (request) => new URL(request.url).pathname },
});

export async function load({ fetch, cookies, url }) {
  const partition = url.searchParams.has('apart') ? { partition: cookies.get('user') } : {};
  const { value } = await client.json(`/api/me${url.search}`, { via: fetch, ...partition });
  return { user: value };
}
