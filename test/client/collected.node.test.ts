import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';

import type { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, url } from './bench.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** All that was under way, once it is collected. */
async function isLetGo(clock: FakeClock): Promise<void> {
  await expect
    .poll(async () => {
      collectGarbage();
      await clock.advance(0);
      return clock.pending;
    })
    .toBe(0);
}

test('client.fetch lets go of the deadline and of the signal, once the bodies it handed out are collected', async () => {
  const { client, clock } = clientBench([{ body: 'text' }], { deadlineMs: 60_000 });
  const { signal } = new AbortController();
  let removed = 0;
  const removeEventListener = signal.removeEventListener.bind(signal);
  signal.removeEventListener = (...args: Parameters<AbortSignal['removeEventListener']>) => {
    removed += 1;
    removeEventListener(...args);
  };
  for (let call = 1; call <= 100; call += 1) await client.fetch(url, { signal });
  expect(clock.pending).toBe(100);
  expect(removed).toBe(0);
  await isLetGo(clock);
  expect(removed).toBe(1);
});

test('client.fetch keeps the deadline over a body that somebody still holds', async () => {
  const { client, clock } = clientBench([{ body: 'text' }], { deadlineMs: 60_000 });
  const response = await client.fetch(url);
  for (let round = 1; round <= 5; round += 1) {
    collectGarbage();
    await clock.advance(0);
  }
  expect(clock.pending).toBe(1);
  expect(await response.text()).toBe('text');
});

test('client.fetch lets go of the deadline once the bodies are collected that were to be shared, and were not', async () => {
  const fallback = { coalesce: true };
  const { client, clock } = clientBench([{ body: 'text' }], { deadlineMs: 60_000, fallback });
  for (let call = 1; call <= 100; call += 1) await client.fetch(url);
  expect(clock.pending).toBe(100);
  await isLetGo(clock);
});
