import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { createClient, memoryStore } from '../src/index.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

const requests = 100_000;
const keys = 50_000;
const maxEntries = 2_000;
const maxBytes = 4_000_000;

async function megabytesInUse(): Promise<number> {
  for (let round = 0; round < 5; round += 1) {
    gc();
    await turn();
    await turn();
  }
  return process.memoryUsage().heapUsed / 1e6;
}

test('a store keeps its bounds, and a client leaves nothing else behind, over 100,000 requests for 50,000 keys', {
  timeout: 120_000,
}, async () => {
  const clock = new FakeClock();
  const store = memoryStore({ maxEntries, maxBytes });
  let trips = 0;
  const fetch = async (): Promise<Response> => {
    trips += 1;
    // An outage for a tenth of the time, answers of 0 to 3 kB.
    if (trips % 1_000 < 100) return new Response(null, { status: 503 });
    return new Response(JSON.stringify('x'.repeat((trips * 7_919) % 3_000)));
  };
  const client = createClient({
    clock,
    fetch,
    retry: false,
    breaker: false,
    fallback: { store, maxAgeMs: 50, staleWhileRevalidateMs: 500 },
  });
  const run = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 50) {
      const batch = Array.from({ length: 50 }, (_, index) => {
        // Half of them for a few that everybody wants, the others for any.
        const number = index % 2 === 0 ? (done + index) % 200 : ((done + index) * 6_151) % keys;
        return client.json(`https://api.test/${number}`).catch(() => undefined);
      });
      await Promise.all(batch);
      await clock.advance(1);
    }
  };

  await run(10_000);
  const before = await megabytesInUse();
  await run(requests);
  expect((await megabytesInUse()) - before).toBeLessThan(8);

  expect(clock.pending).toBe(0);
  let entries = 0;
  let bytes = 0;
  for (let number = 0; number < keys; number += 1) {
    const entry = await store.get(`public GET https://api.test/${number}`);
    if (entry === undefined) continue;
    entries += 1;
    bytes += entry.variants[0]?.bodyBytes ?? 0;
  }
  expect(entries).toBeGreaterThan(1_000);
  expect(entries).toBeLessThanOrEqual(maxEntries);
  expect(bytes).toBeLessThanOrEqual(maxBytes);
});
