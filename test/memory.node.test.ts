import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { type Client, createClient } from '../src/index.ts';
import { instrument } from '../src/otel/index.ts';
import { collectorOf } from './otel/bench.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

const calls = 20_000;
// A timer or a listener that is left behind is some hundred bytes with what it holds.
const mostBytesPerCall = 50;

const url = 'https://dependency.test/';
const upstream = async (): Promise<Response> => new Response('{"ok":true}');

const uses: readonly { use: string; call: (client: Client, signal: AbortSignal) => Promise<unknown> }[] = [
  { use: 'client.json', call: (client, signal) => client.json(url, { signal }) },
  { use: 'client.fetch', call: async (client, signal) => (await client.fetch(url, { signal })).text() },
  {
    use: 'client.json with a hedge that need not be sent',
    call: (client, signal) => client.json(url, { signal, hedge: { afterMs: 1_000 } }),
  },
];

/** Bytes in use when all that is garbage has gone, and those who wait to hear of it have heard. */
async function bytesInUse(): Promise<number> {
  for (let round = 0; round < 5; round += 1) {
    gc();
    // Finalizers have turns of their own.
    await turn();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}

function activeTimers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

test('client.fetch lets go of the body of a request with its call', async () => {
  const client = createClient({ fetch: upstream });
  const send = async (): Promise<WeakRef<Uint8Array>> => {
    const body = new Uint8Array(1_000);
    await (await client.fetch(url, { method: 'PUT', body })).text();
    return new WeakRef(body);
  };
  const sent = await send();
  await bytesInUse();
  expect(sent.deref()).toBeUndefined();
});

test('instrument() holds no client for metrics that nobody has set up', async () => {
  const watched = (): WeakRef<Client> => {
    const client = createClient({ fetch: upstream });
    instrument(client);
    return new WeakRef(client);
  };
  const client = watched();
  await bytesInUse();
  expect(client.deref()).toBeUndefined();
});

test('instrument() lets go of a client when it ends, also where metrics are not collected any more', async () => {
  const { meterProvider, collect } = collectorOf();
  const watched = async (): Promise<WeakRef<Client>> => {
    const client = createClient({ fetch: upstream });
    const stop = instrument(client, { meterProvider });
    await (await client.fetch(url)).text();
    await collect();
    stop();
    return new WeakRef(client);
  };
  const client = await watched();
  await bytesInUse();
  expect(client.deref()).toBeUndefined();
});

test.for(uses)('$use leaves nothing behind, under a signal that outlives it', { timeout: 60_000 }, async ({ call }) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const client = createClient({ fetch: upstream });
  const { signal } = new AbortController();
  const run = async (count: number): Promise<void> => {
    // Side by side, as on a busy server: that is where listeners pile up.
    for (let done = 0; done < count; done += 50) {
      await Promise.all(Array.from({ length: 50 }, () => call(client, signal)));
    }
  };

  await run(2_000); // what is compiled, cached or grown once is not what a call leaves behind
  const timersBefore = activeTimers();
  const before = await bytesInUse();
  await run(calls);
  const perCall = ((await bytesInUse()) - before) / calls;
  process.off('warning', onWarning);

  expect(perCall).toBeLessThan(mostBytesPerCall);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  // The test runner has timers of its own, but not by the thousand.
  expect(activeTimers()).toBeLessThan(timersBefore + 10);
  expect(warnings).toEqual([]);
  expect(client.snapshot().dependencies['https://dependency.test']).toMatchObject({
    running: 0,
    counters: { calls: 2_000 + calls, success: 2_000 + calls },
  });
});
