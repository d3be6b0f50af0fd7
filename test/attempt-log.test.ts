import { expect, test } from 'vitest';

import { createClient } from '../src/index.ts';
import { scriptedFetch } from '../src/testing/scripted-fetch.ts';

async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick += 1) await null;
}

/** A waits for an answer, B for the slot; `turns` of the event loop after the answer came, B's caller gives up. */
async function abortAfter(turns: number) {
  let answer: (response: Response) => void = () => {};
  const first = new Promise<Response>((resolve) => {
    answer = resolve;
  });
  const fetch = scriptedFetch([() => first, 200]);
  const client = createClient({ fetch, bulkhead: { maxConcurrent: 1 } });
  const controller = new AbortController();
  const running = client.fetch('https://a.test/');
  const waiting = client.fetch('https://a.test/', { signal: controller.signal }).catch((reason: unknown) => reason);
  await ticks(100);
  answer(new Response(null));
  await ticks(turns);
  controller.abort('gave up');
  await Promise.all([running, waiting]);
  return { sent: fetch.calls, counters: client.snapshot().dependencies['https://a.test']?.counters };
}

test('client.snapshot counts the attempts that were made, whenever between slot and network a caller gives up', async () => {
  const seen = new Set<number>();
  for (let turns = 0; turns <= 60; turns += 1) {
    const { sent, counters } = await abortAfter(turns);
    seen.add(sent);
    expect({ turns, attempts: counters?.attempts }).toEqual({ turns, attempts: sent });
  }
  expect([...seen].sort()).toEqual([1, 2]);
});
