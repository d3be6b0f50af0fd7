import { expect, test } from 'vitest';

import { type CacheLike, cacheApiStore } from '../../src/stores/cache-api.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { entryOf } from '../support/entries.ts';

const key = 'public GET https://api.test/';

/** A cache that forgets nothing. */
function cacheOf(kept: Map<string, Response>): CacheLike {
  return {
    match: async (url) => kept.get(url)?.clone(),
    put: async (url, response) => void kept.set(url, response),
    delete: async (url) => kept.delete(url),
  };
}

test('cacheApiStore() keeps nothing in place of what is of no use any more, not what was there before either', async () => {
  const clock = new FakeClock();
  const store = cacheApiStore({ cache: cacheOf(new Map()), clock });
  await store.set(key, entryOf(key, 'older', { expiresAt: clock.epochNow() + 1_000 }));
  await store.set(key, entryOf(key, 'newer', { expiresAt: clock.epochNow() }));
  expect(await store.get(key)).toBeUndefined();
});
