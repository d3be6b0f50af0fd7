import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { tabFleet } from '../../src/fleet/tabs.ts';
import { createClient, type Fleet } from '../../src/index.ts';

// Over the real locks and the real channel, on a clock that stands still.

const url = 'https://users.test/';
const RESET_MS = 10_000;
const MINUTE_MS = 60_000;

let fleet: Fleet;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
  fleet = tabFleet({ name: 'timed' });
});

afterEach(async () => {
  await fleet.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function tabBench(ofFleet = fleet) {
  const upstream = { status: 200 };
  const client = createClient({
    retry: false,
    breaker: { failureThreshold: 1, successThreshold: 1, resetTimeoutMs: RESET_MS, resetJitter: 0, fleet: ofFleet },
    fetch: async () => new Response(null, { status: upstream.status }),
  });
  const call = async (status: number): Promise<void> => {
    upstream.status = status;
    await client.fetch(url).catch(() => {});
    for (let turns = 0; turns < 20; turns += 1) await turn();
  };
  const state = (): string | undefined => client.snapshot().dependencies['https://users.test']?.breaker?.state;
  return { call, state };
}

async function locks(): Promise<string[]> {
  for (let turns = 0; turns < 20; turns += 1) await turn();
  const { held = [] } = await navigator.locks.query();
  return held.flatMap(({ name = '' }) => (name.startsWith('timed:') ? [name] : []));
}

test('tabFleet() has no timer and no lock while all is well, and is not asked by calls', async () => {
  const { call } = tabBench();
  await call(200);
  const asked = [vi.spyOn(navigator.locks, 'query'), vi.spyOn(navigator.locks, 'request')];
  const told = vi.spyOn(BroadcastChannel.prototype, 'postMessage');
  for (let calls = 0; calls < 10; calls += 1) await call(200);
  for (const spy of [...asked, told]) expect(spy).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
  expect(await locks()).toEqual([]);
});

test('tabFleet() holds one lock for what is down, until a minute after its next probe is due', async () => {
  const { call } = tabBench();
  await call(501);
  expect(await locks()).toEqual([expect.stringMatching(/^timed:1:knows:/)]);
  await vi.advanceTimersByTimeAsync(RESET_MS + MINUTE_MS - 1);
  expect(await locks()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await locks()).toEqual([]);
});

test('tabFleet() holds one lock for a minute for what is back, and tells the other tabs of each change once', async () => {
  const told = vi.spyOn(BroadcastChannel.prototype, 'postMessage');
  const { call, state } = tabBench();
  await call(501);
  expect(told).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(RESET_MS);
  // The first of these asks for the lease, the second is the probe.
  await call(200);
  expect([told.mock.calls.length, await locks()]).toEqual([2, [expect.any(String)]]);
  await call(200);
  expect([state(), told.mock.calls.length]).toEqual(['closed', 3]);
  await vi.advanceTimersByTimeAsync(MINUTE_MS - 1);
  expect(await locks()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await locks()).toEqual([]);
});

test('tabFleet() has a tab hear of what is down after the clock has been put back, too', async () => {
  const otherFleet = tabFleet({ name: 'timed' });
  const [{ call }, other] = [tabBench(), tabBench(otherFleet)];
  await other.call(200);
  await call(501);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  expect(other.state()).toBe('open');
  await vi.advanceTimersByTimeAsync(RESET_MS);
  for (let calls = 0; calls < 2; calls += 1) await call(200);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  expect(other.state()).toBe('closed');
  vi.setSystemTime(Date.now() - 60 * MINUTE_MS);
  await call(501);
  for (let turns = 0; turns < 20; turns += 1) await turn();
  expect(other.state()).toBe('open');
  await otherFleet.close();
});
