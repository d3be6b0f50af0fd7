import { expect, test } from 'vitest';

import { type Client, createClient, HttpError } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { stateOf } from '../support/encounter.ts';
import { scenario } from '../support/scenario.ts';

function oneSlot(clock: FakeClock): Client {
  return createClient({
    clock,
    isolateBy: () => 'dependency',
    bulkhead: { maxConcurrent: 1, maxQueued: 1 },
    breaker: false,
    retry: { initialDelayMs: 0 },
    attemptTimeoutMs: 1_000,
    deadlineMs: 2_500,
  });
}

/** What holds the only slot, and what makes it let go. */
const holders = [
  { fault: 'hang', end: 'the attempt timeouts' },
  { fault: 'body-stall', end: 'the attempt timeouts' },
  { fault: 'hang', end: 'an abort' },
  { fault: 'body-stall', end: 'an abort' },
];

test.for(holders)(
  'client.json hands the slot to the next call, when $end frees it from $fault',
  async ({ fault, end }) => {
    const clock = new FakeClock();
    const client = oneSlot(clock);
    const [held, next, refused] = [scenario(fault), scenario('ok'), scenario('ok')];
    const controller = new AbortController();

    const holding = client.json(held.url, { signal: controller.signal }).catch(() => 'freed');
    await held.arrived(1);
    const waiting = client.json(next.url, { deadlineMs: false });
    await expect(client.json(refused.url)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
    expect(stateOf(client)).toMatchObject({ running: 1, queued: 1 });
    expect([await next.seen(), await refused.seen()]).toEqual([[], []]);

    if (end === 'an abort') controller.abort();
    for (let arrivals = 2; end === 'the attempt timeouts' && arrivals <= 3; arrivals += 1) {
      await clock.advance(1_000);
      expect(await held.arrived(arrivals)).toHaveLength(arrivals);
    }
    if (end === 'the attempt timeouts') await clock.advance(500); // the deadline, in the third attempt

    expect(await holding).toBe('freed');
    expect((await waiting).value).toEqual({ ok: true });
    expect(stateOf(client)).toMatchObject({ running: 0, queued: 0 });
  },
);

const passing = ['503', '404', 'reset-chunked', 'nul-header', 'cut-body', 'gzip-corrupt', 'huge;status=503'];

test.for(passing)('client.json frees the slot at once, after %s', async (fault) => {
  const client = oneSlot(new FakeClock());
  const error = await client.json(scenario(fault).url).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  expect(stateOf(client)).toMatchObject({ running: 0, queued: 0 });
  expect((await client.json(scenario('ok').url)).value).toEqual({ ok: true });
  if (error instanceof HttpError) await error.response.body?.cancel();
});

test('client.fetch frees the slot with the headers, for a body that stalls', async () => {
  const client = oneSlot(new FakeClock());
  const response = await client.fetch(scenario('body-stall').url);
  expect(stateOf(client)).toMatchObject({ running: 0 });
  await response.body?.cancel();
});

test('client.fetch keeps the slot until the body ends, for slot "body"', async () => {
  const client = createClient({
    isolateBy: () => 'dependency',
    bulkhead: { maxConcurrent: 1, maxQueued: 0, slot: 'body' },
  });
  const response = await client.fetch(scenario('body-stall').url);
  await expect(client.fetch(scenario('ok').url)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
  await response.body?.cancel();
  expect((await client.fetch(scenario('ok').url)).status).toBe(200);
});
