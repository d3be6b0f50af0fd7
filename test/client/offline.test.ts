import { afterEach, expect, test, vi } from 'vitest';

import { type ClientOptions, type Clock, degradation } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, errorOf, facts, url } from './bench.ts';
import { down, fallbackBench, good, shown, stored } from './fallback-bench.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

function goOffline(): void {
  vi.stubGlobal('navigator', { onLine: false });
}

// A device without a network.

test('client.fetch burns no retry while the device is offline, and blames nobody', async () => {
  goOffline();
  const { client, upstream, events } = clientBench([down], { breaker: { failureThreshold: 1 } });
  for (let call = 0; call < 3; call += 1)
    expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  expect(upstream.calls).toBe(3);
  expect(facts(events, 'completed').map(({ outcome }) => outcome)).toEqual(['ignored', 'ignored', 'ignored']);
  expect(facts(events, 'transition')).toEqual([]);
});

test('client.fetch sends no hedge while the device is offline', async () => {
  const { client, clock, upstream } = clientBench(['hang'], { hedge: { afterMs: 50 }, retry: false });
  const calls = [errorOf(client.fetch(url))];
  goOffline();
  await clock.advance(1_000);
  expect(upstream.calls).toBe(1);
  vi.unstubAllGlobals();
  calls.push(errorOf(client.fetch(url)));
  await clock.advance(1_000);
  expect(upstream.calls).toBe(3);
  await clock.advance(60_000);
  await Promise.all(calls);
});

test('client.fetch answers from the store at once while the device is offline, and from the network when it is back', async () => {
  const bench = fallbackBench([good('one'), good('two')], {}, { retry: { maxAttempts: 3 } });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await stored(bench, url);
  await clock.advance(60_000);
  goOffline();
  const response = await client.fetch(url);
  expect(degradation(response)).toEqual({ source: 'cache', reason: 'offline', ageMs: 60_000 });
  expect(await shown(response)).toBe('200 one');
  expect(upstream.calls).toBe(1);
  vi.unstubAllGlobals();
  const back = await client.fetch(url);
  expect(degradation(back)).toBeUndefined();
  expect(await shown(back)).toBe('200 two');
});

test('client.fetch tries the network while the device is offline, where nothing usable is stored', async () => {
  goOffline();
  const bench = fallbackBench([good('one'), good('two')], { staleIfErrorMs: 1_000 });
  expect(await shown(bench.client.fetch(url))).toBe('200 one');
  await bench.clock.advance(1_001);
  expect(await shown(bench.client.fetch(url))).toBe('200 two');
});

test('client.fetch gives a fresh stored answer as fresh, offline too', async () => {
  const { client } = fallbackBench([good('one')], { maxAgeMs: 60_000 });
  await shown(client.fetch(url));
  goOffline();
  expect(degradation(await client.fetch(url))).toBeUndefined();
});

test.for([{ onLine: true }, {}, undefined])(
  'client.fetch retries as ever with a navigator of %j',
  async (navigator) => {
    vi.stubGlobal('navigator', navigator);
    const { client, clock, upstream } = clientBench([down]);
    const call = errorOf(client.fetch(url));
    await clock.advance(1_000);
    await call;
    expect(upstream.calls).toBe(3);
  },
);

// A tab that was frozen, a process that was stopped: its timers come back late, all at once.

/** A clock whose timers can be held up. */
function holdable(): { clock: FakeClock; tab: Clock; sleep: (ms: number) => void } {
  const clock = new FakeClock();
  let sleptMs = 0;
  const tab: Clock = {
    now: () => clock.now() + sleptMs,
    epochNow: () => clock.epochNow() + sleptMs,
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    timeoutSignal: (delayMs) => clock.timeoutSignal(delayMs),
  };
  return {
    clock,
    tab,
    sleep: (ms) => {
      sleptMs += ms;
    },
  };
}

test.for([
  { sleptMs: 3 * 3_600_000, state: 'closed', outcome: 'ignored' },
  { sleptMs: 1_001, state: 'closed', outcome: 'ignored' },
  { sleptMs: 1_000, state: 'open', outcome: 'failure' },
  { sleptMs: 0, state: 'open', outcome: 'failure' },
])('an attempt timeout that fires $sleptMs ms late leaves the circuit $state', async ({ sleptMs, state, outcome }) => {
  const { clock, tab, sleep } = holdable();
  const options: ClientOptions = { clock: tab, retry: false, attemptTimeoutMs: 500, deadlineMs: false };
  const { client, events } = clientBench(['hang'], options);
  const calls = Array.from({ length: 5 }, () => errorOf(client.fetch(url)));
  await clock.advance(499);
  sleep(sleptMs);
  await clock.advance(1);
  for (const error of await Promise.all(calls))
    expect(error).toMatchObject({ code: 'ATTEMPT_TIMEOUT', lateMs: sleptMs });
  expect(facts(events, 'attempt').map((attempt) => attempt.outcome)).toEqual(Array.from({ length: 5 }, () => outcome));
  expect(client.snapshot().dependencies['https://users.test']?.breaker?.state).toBe(state);
});
