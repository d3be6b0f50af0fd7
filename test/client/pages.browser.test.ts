import { afterEach, expect, test, vi } from 'vitest';

import { createClient, memoryStore } from '../../src/index.ts';
import { errorOf, fetchAndStore } from './bench.ts';

const { href } = location;
afterEach(() => {
  history.replaceState(null, '', href);
  vi.unstubAllGlobals();
});

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

test.for(['of its own', 'of the page'])(
  'client.fetch asks the page that it was called in, also when that has become another: by a fetch %s',
  async (whose) => {
    const asked: unknown[] = [];
    const fetch = async (input: RequestInfo | URL): Promise<Response> => {
      const { url } = new Request(input);
      history.replaceState(null, '', '/bert/');
      return new Response(url, { status: asked.push(input) < 2 ? 503 : 200 });
    };
    if (whose === 'of the page') vi.stubGlobal('fetch', fetch);
    const own = whose === 'of its own' ? { fetch } : {};
    const client = createClient({ ...own, retry: { initialDelayMs: 0 }, fallback: { store: memoryStore() } });
    history.replaceState(null, '', '/anna/');
    expect(await (await client.fetch('api/me')).text()).toBe(`${location.origin}/anna/api/me`);
    expect(asked).toEqual(['api/me', `${location.origin}/anna/api/me`]);
  },
);
