import { afterEach, expect, test } from 'vitest';

import { createClient, memoryStore } from '../../src/index.ts';
import { errorOf, fetchAndStore } from './bench.ts';

const { href } = location;
afterEach(() => history.replaceState(null, '', href));

test('client.fetch gives a page nothing of what another stored for the same relative URL, whoever fetches', async () => {
  let isDown = false;
  const fetch = async (input: RequestInfo | URL): Promise<Response> => {
    if (isDown) throw new TypeError('Failed to fetch');
    return new Response(new Request(input).url);
  };
  const client = createClient({ fetch, retry: false, fallback: { store: memoryStore() } });
  history.replaceState(null, '', '/anna/');
  expect(await (await fetchAndStore(client, 'api/me')).text()).toBe(`${location.origin}/anna/api/me`);
  isDown = true;
  history.replaceState(null, '', '/bert/');
  expect(await errorOf(client.fetch('api/me'))).toMatchObject({ message: 'Failed to fetch' });
  history.replaceState(null, '', '/anna/');
  expect(await (await client.fetch('api/me')).text()).toBe(`${location.origin}/anna/api/me`);
});
