import { expect, test } from 'vitest';

import { createClient } from '../src/index.ts';
import { scenario } from './support/scenario.ts';

declare const WebSocketPair: new () => { 0: WebSocket; 1: WebSocket };

type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

test('client.fetch rejects with a TypeError for a reset connection, where workerd has a plain Error', async () => {
  const client = createClient({ retry: false });
  const error = await client.fetch(scenario('reset').url).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ cause: { name: 'Error' } });
});

test('client.fetch hands `cf` on to the inner fetch, which is not an option of ours', async () => {
  const given: unknown[] = [];
  const inner: Fetch = async (_input, init) => {
    given.push(init);
    return new Response('ok');
  };
  const init = { method: 'GET', cf: { cacheTtl: 60 } };
  await createClient({ fetch: inner }).fetch('https://dependency.test/', init);
  expect(given).toMatchObject([{ cf: { cacheTtl: 60 } }]);
});

test.for(['headers', 'body'] as const)(
  'client.fetch hands out the very Response of a WebSocket, for slot %s, and gives the slot back',
  async (slot) => {
    const { 0: webSocket } = new WebSocketPair();
    const upgraded = new Response(null, { status: 101, ...{ webSocket } });
    const client = createClient({ fetch: async () => upgraded, bulkhead: { maxConcurrent: 1, maxQueued: 0, slot } });
    const response = await client.fetch('https://dependency.test/', { headers: { upgrade: 'websocket' } });
    expect(response).toBe(upgraded);
    expect(client.snapshot().dependencies['https://dependency.test']).toMatchObject({
      running: 0,
      counters: { success: 1 },
    });
  },
);
