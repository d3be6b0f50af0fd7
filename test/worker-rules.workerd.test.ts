import { expect, test } from 'vitest';

import { createClient, memoryStore } from '../src/index.ts';
import { scenario } from './support/scenario.ts';

// A Worker's request may have six connections open at once; a seventh waits until one of them is done.

test('client.fetch leaves no connection open for answers that it does not hand out, beyond six of them', async () => {
  const { url } = scenario(`${'huge;status=503,'.repeat(9)}ok`);
  const client = createClient({ retry: { maxAttempts: 10, initialDelayMs: 0 }, deadlineMs: 4_000 });
  const response = await client.fetch(url);
  expect(await response.json()).toEqual({ ok: true });
});

test('client.fetch leaves none open for answers in whose place it gives stored ones', async () => {
  const fallback = { store: memoryStore(), cacheControl: 'ignore' } as const;
  const client = createClient({ retry: false, breaker: false, deadlineMs: 4_000, fallback });
  const { url } = scenario('ok,huge;status=503');
  await (await client.fetch(url)).json();
  for (let call = 0; call < 9; call += 1) expect(await (await client.fetch(url)).json()).toEqual({ ok: true });
});

test('client.fetch leaves none open for refreshes whose answers are too long to be stored', async () => {
  const store = memoryStore();
  const fallback = { store, cacheControl: 'ignore', staleWhileRevalidateMs: 60_000 } as const;
  const client = createClient({ retry: false, deadlineMs: 4_000, fallback });
  const { url, arrived } = scenario(Array.from({ length: 9 }, () => 'ok,huge').join());
  for (let call = 0; call < 18; call += 1) {
    const work: Promise<unknown>[] = [];
    // Each answer that is too long takes what it was to replace out of the store.
    await (await client.fetch(url, { waitUntil: (each) => void work.push(each) })).json();
    await Promise.all(work);
  }
  expect(await arrived(18)).toHaveLength(18);
  expect(await (await fetch(scenario('ok').url)).json()).toEqual({ ok: true });
});

// Time stands still while a Worker computes, and goes on when it waits.

test('client.fetch works by a clock that stands still between I/O', async () => {
  const startedAt = performance.now();
  let sum = 0;
  for (let step = 0; step < 5_000_000; step += 1) sum += step;
  expect(sum).toBeGreaterThan(0);
  const durations: number[] = [];
  const client = createClient({
    retry: false,
    attemptTimeoutMs: 200,
    breaker: { window: { durationMs: 1_000, minimumCalls: 2 } },
  });
  client.subscribe((event) => {
    if (event.type === 'attempt') durations.push(event.durationMs);
  });
  const { url } = scenario('hang');
  for (let call = 0; call < 2; call += 1) {
    await expect(client.fetch(url)).rejects.toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
  }
  await expect(client.fetch(url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  for (const durationMs of durations) expect(durationMs).toBeGreaterThanOrEqual(199);
  expect(performance.now()).toBeGreaterThan(startedAt);
});

// A Response that is only passed through costs a Worker nothing, as long as nobody touches its stream.

test.for([
  { what: 'without a fallback', options: {} },
  { what: 'with one, for an answer that is not to be stored', options: { fallback: { store: memoryStore() } } },
])('client.fetch passes a Response through with its own stream, $what', async ({ options }) => {
  let made: { readonly response: Response; readonly body: Response['body'] } | undefined;
  const client = createClient({
    ...options,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      made = { response, body: response.body };
      return response;
    },
  });
  const response = await client.fetch(scenario('ok').url); // it says no-store
  expect(response).toBe(made?.response);
  expect(response.body).toBe(made?.body);
  expect(response.body?.locked).toBe(false);
  expect(await new Response(response.body, response).json()).toEqual({ ok: true });
});
