import { expect, test } from 'vitest';

import { type Client, createClient, type SteadEvent } from '../../src/index.ts';
import { idbStore } from '../../src/stores/idb.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { scenario } from '../support/scenario.ts';

const url = 'https://shop.test/products';
const minute = 60_000;

interface Page {
  readonly client: Client;
  readonly clock: FakeClock;
  readonly events: readonly SteadEvent[];
}

/** A page as it is after each load: all in memory is new, and what is in the database is there. */
function load(name: string, at: number, script: readonly ScriptStep[], user = 'ann'): Page {
  const clock = new FakeClock({ epochNow: Date.UTC(2026, 0, 1) + at });
  const fallback = { store: idbStore({ name, partition: () => user }) };
  const client = createClient({ clock, fetch: scriptedFetch(script, { clock }), retry: false, fallback });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  return { client, clock, events };
}

/** What is stored is written behind the answer. */
async function written(name: string, user = 'ann'): Promise<void> {
  const store = idbStore({ name, partition: 'public' });
  await expect.poll(() => store.get(`${user} GET ${url}`)).toBeDefined();
}

test('a page keeps what it last had through an outage and a reload, says since when, and recovers by itself', async () => {
  const name = crypto.randomUUID();
  const up = load(name, 0, [{ body: '["shoe"]' }]);
  expect(await up.client.json(url)).toMatchObject({ value: ['shoe'], degraded: false });
  await written(name);

  const down = new TypeError('Failed to fetch');
  const reloaded = load(name, 3 * minute, [down, down, { body: '["boot"]' }]);
  expect(await reloaded.client.json(url)).toMatchObject({
    value: ['shoe'],
    degraded: true,
    degradation: { source: 'cache', reason: 'network', ageMs: 3 * minute },
  });
  await reloaded.clock.advance(minute);
  expect((await reloaded.client.json(url)).degradation).toMatchObject({ ageMs: 4 * minute });
  expect(await reloaded.client.json(url)).toMatchObject({ value: ['boot'], degraded: false });
  expect(reloaded.events.filter(({ type }) => type === 'store-error')).toEqual([]);
});

test('a page shows one user nothing of another, after a reload neither, and forgets on logout', async () => {
  const name = crypto.randomUUID();
  await load(name, 0, [{ body: '["of ann"]' }]).client.json(url);
  await written(name);

  const down = [new TypeError('Failed to fetch')];
  await expect(load(name, minute, down, 'bob').client.json(url)).rejects.toThrow('Failed to fetch');
  const again = load(name, minute, down);
  expect((await again.client.json(url)).value).toEqual(['of ann']);
  await again.client.clear({ partition: 'ann' });
  await expect(load(name, minute, down).client.json(url)).rejects.toThrow('Failed to fetch');
});

test('a page works when its database is somebody else’s, and says so', async () => {
  const name = crypto.randomUUID();
  const taken = indexedDB.open(name, 7);
  await new Promise((resolve) => {
    taken.onsuccess = resolve;
  });
  taken.result.close();
  const { client, events } = load(name, 0, [{ body: '[]' }, 503]);
  expect((await client.json(url)).value).toEqual([]);
  await expect(client.json(url)).rejects.toMatchObject({ code: 'HTTP' });
  expect(events.find(({ type }) => type === 'store-error')).toMatchObject({ operation: 'get', reason: 'VersionError' });
});

test('two tabs of a page share what is stored', async () => {
  const name = crypto.randomUUID();
  await load(name, 0, [{ body: '["shoe"]' }]).client.json(url);
  await written(name);
  expect(await load(name, minute, [503]).client.json(url)).toMatchObject({ value: ['shoe'], degraded: true });
});

test('a page without a network of its own is answered from the store, over real connections', async () => {
  const { url: real } = scenario('ok,reset');
  const fallback = {
    store: idbStore({ name: crypto.randomUUID(), partition: 'public' }),
    cacheControl: 'ignore',
  } as const;
  const client = createClient({ retry: false, fallback });
  expect(await client.json(real)).toMatchObject({ value: { ok: true }, degraded: false });
  expect(await client.json(real)).toMatchObject({ value: { ok: true }, degraded: true });
});
