import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

import { createClient, memoryStore } from '../src/index.ts';
import { scriptedFetch } from '../src/testing/scripted-fetch.ts';
import { scenario } from './support/scenario.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const bulkhead = { maxConcurrent: 1, maxQueued: 0, slot: 'body' } as const;

const fallbacks = [
  { given: 'no fallback', fallback: false },
  { given: 'coalesce', fallback: { coalesce: true } },
  { given: 'coalesce and a store', fallback: { store: memoryStore(), coalesce: true, maxBodyBytes: 1_000 } },
] as const;

test.for(fallbacks)(
  'client.fetch frees slot and connection of a Response that is dropped unread, for slot "body" and $given',
  async ({ fallback }) => {
    const client = createClient({ bulkhead, fallback });
    const { url, arrived, closed } = scenario('huge;bytes=1e9,ok');
    await (async () => {
      await client.fetch(url);
      await expect(client.fetch(url)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    })();
    expect(await arrived(1)).toHaveLength(1);
    const running = (): number | undefined => Object.values(client.snapshot().dependencies)[0]?.running;
    // Collection is the engine's to time: it gets a bounded number of chances.
    for (let chances = 0; chances < 100 && running() !== 0; chances += 1) {
      collectGarbage();
      await turn();
    }
    expect(running()).toBe(0);
    expect(await closed()).toMatchObject([{ connection: 'left by the client' }]);
    expect(await (await client.fetch(url)).json()).toEqual({ ok: true });
  },
);

test('client.json frees the slot with the call, also of an answer whose body stays unread, for slot "body"', async () => {
  const fetch = scriptedFetch([{ status: 404, body: 'unread' }, { body: '1' }]);
  const client = createClient({ fetch, bulkhead });
  await expect(client.json('https://a.test/')).rejects.toMatchObject({ code: 'HTTP' });
  expect((await client.json('https://a.test/')).value).toBe(1);
});
