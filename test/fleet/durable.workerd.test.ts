import { expect, test } from 'vitest';

import {
  type CircuitNamespace,
  CircuitObject,
  type CircuitObjectState,
  durableFleet,
} from '../../src/adapters/cloudflare.ts';
import { createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

/** The storage of an object, in memory. */
function storageOf(kept: Map<string, unknown>): CircuitObjectState & { readonly alarms: number[] } {
  const alarms: number[] = [];
  const storage = {
    get: async (key: string) => kept.get(key),
    put: async (key: string, value: unknown) => void kept.set(key, structuredClone(value)),
    deleteAll: async () => kept.clear(),
    setAlarm: async (at: number) => void alarms.push(at),
  };
  return { storage, alarms };
}

function objectBench() {
  const kept = new Map<string, unknown>();
  const state = storageOf(kept);
  const ask = async (object: CircuitObject, question: unknown): Promise<Record<string, unknown>> => {
    const body = typeof question === 'string' ? question : JSON.stringify(question);
    const response = await object.fetch(new Request('https://fleet/', { method: 'POST', body }));
    return { status: response.status, ...((await response.json()) as Record<string, unknown>) };
  };
  const start = (): CircuitObject => new CircuitObject(state, {});
  return { kept, state, ask, start };
}

const down = { ask: 'report', by: 'a', quorum: 1, report: { kind: 'down', retryAfterMs: 0 } };
const lease = (by: string) => ({ ask: 'lease', by, quorum: 1, leaseMs: 60_000 });
const read = { ask: 'read', by: 'a', quorum: 1 };

test('CircuitObject opens, gives one lease, and closes for whoever has it', async () => {
  const { ask, start } = objectBench();
  const object = start();
  expect(await ask(object, read)).toMatchObject({ status: 200, state: 'closed', epoch: 1 });
  expect(await ask(object, down)).toMatchObject({ state: 'open', epoch: 2, retryAfterMs: 0 });
  expect(await ask(object, lease('a'))).toMatchObject({ token: 1, waitMs: 0 });
  const refused = await ask(object, lease('b'));
  expect(refused['token']).toBeUndefined();
  expect(refused['waitMs']).toBeGreaterThan(50_000);
  const recovered = (token: number) => ({ ask: 'report', by: 'a', quorum: 1, report: { kind: 'recovered', token } });
  expect(await ask(object, recovered(2))).toMatchObject({ state: 'open' });
  expect(await ask(object, recovered(1))).toMatchObject({ state: 'closed', epoch: 3 });
});

test('CircuitObject goes on after a restart where it left off, lease included', async () => {
  const { ask, start } = objectBench();
  const before = start();
  await ask(before, down);
  const { token } = await ask(before, lease('a'));
  const { run } = await ask(before, read);
  const after = start();
  expect(await ask(after, read)).toMatchObject({ run, epoch: 2, state: 'open' });
  expect((await ask(after, lease('b')))['token']).toBeUndefined();
  expect((await ask(after, lease('a')))['token']).toBe(token);
});

test('CircuitObject writes when its record changes, and not when it is asked', async () => {
  const { ask, start, state } = objectBench();
  const object = start();
  for (let time = 1; time <= 10; time += 1) await ask(object, read);
  expect(state.alarms).toHaveLength(0);
  const longDown = { ...down, report: { kind: 'down', retryAfterMs: 60_000 } };
  await ask(object, longDown);
  await ask(object, longDown);
  expect(state.alarms).toHaveLength(1);
  expect(state.alarms[0]).toBeGreaterThan(Date.now() + 86_400_000);
});

test('CircuitObject lets go of a record when its alarm comes, and begins a new one', async () => {
  const { ask, start, kept } = objectBench();
  const object = start();
  await ask(object, down);
  await object.alarm();
  expect(kept.size).toBe(0);
  expect(await ask(object, read)).toMatchObject({ state: 'closed', epoch: 1 });
});

test('CircuitObject counts each voter once', async () => {
  const { ask, start } = objectBench();
  const object = start();
  const vote = (by: string) => ({ ...down, by, quorum: 2, report: { kind: 'down', retryAfterMs: 60_000 } });
  expect(await ask(object, vote('a'))).toMatchObject({ state: 'closed' });
  expect(await ask(object, vote('a'))).toMatchObject({ state: 'closed' });
  expect(await ask(object, vote('b'))).toMatchObject({ state: 'open' });
});

const senseless: readonly unknown[] = [
  '',
  'garbage',
  'null',
  '[]',
  { ...read, ask: 'forget' },
  { ...read, ask: '__proto__' },
  { ...read, by: '' },
  { ...read, by: '__proto__' },
  { ...read, by: 'x'.repeat(41) },
  { ...read, by: 5 },
  { ...read, quorum: 0 },
  { ...read, quorum: 1_001 },
  { ...read, quorum: 1.5 },
  { ...read, quorum: '1' },
  { ...lease('a'), leaseMs: -1 },
  { ...lease('a'), leaseMs: 86_400_001 },
  { ...lease('a'), leaseMs: null },
  { ...down, report: null },
  { ...down, report: { kind: 'up' } },
  { ...down, report: { kind: 'down' } },
  { ...down, report: { kind: 'down', retryAfterMs: 1e300 } },
  { ...down, report: { kind: 'failed', retryAfterMs: 1 } },
  { ...down, report: { kind: 'failed', token: 1, retryAfterMs: '1' } },
  { ...down, report: { kind: 'recovered', token: -1 } },
];

test('CircuitObject refuses what makes no sense, and keeps none of it', async () => {
  const { ask, start, kept } = objectBench();
  const object = start();
  for (const question of senseless)
    expect([question, (await ask(object, question))['status']]).toEqual([question, 400]);
  expect((await ask(object, `"${'x'.repeat(1_023)}"`))['status']).toBe(413);
  expect((await object.fetch(new Request('https://fleet/'))).status).toBe(405);
  expect(kept.size).toBe(0);
});

test('CircuitObject begins anew when what it has kept makes no sense, and mends it', async () => {
  const { ask, start, kept } = objectBench();
  await ask(start(), down);
  const [[key, good]] = [...kept] as [[string, object]];
  for (const stored of [null, 'garbage', {}, { ...good, votes: undefined }, { ...good, retryAt: Number.NaN }]) {
    kept.set(key, stored);
    const object = start();
    expect(await ask(object, read)).toMatchObject({ status: 200, state: 'closed', epoch: 1 });
    expect(await ask(object, down)).toMatchObject({ status: 200, state: 'open', epoch: 2 });
    expect(await ask(start(), read)).toMatchObject({ state: 'open', epoch: 2 });
  }
});

test('CircuitObject has not heard what it could not write', async () => {
  const { ask, start, state } = objectBench();
  const object = start();
  const { put } = state.storage;
  state.storage.put = async () => {
    throw new Error('SQLITE_FULL');
  };
  await expect(ask(object, down)).rejects.toThrow('SQLITE_FULL');
  expect(await ask(object, read)).toMatchObject({ state: 'closed' });
  state.storage.put = put;
  expect(await ask(object, down)).toMatchObject({ state: 'open' });
  expect(await ask(start(), read)).toMatchObject({ state: 'open' });
});

/** A client whose namespace is one object, in this isolate. */
function fleetBench({ pollMs = 5_000, frozen = false } = {}) {
  const clock = new FakeClock();
  // Of a request that is over: its timers never fire.
  if (frozen) clock.schedule = () => () => {};
  const { ask, start } = objectBench();
  const object = start();
  const faults = { hangs: false };
  let questions = 0;
  const namespace: CircuitNamespace = {
    idFromName: (name) => name,
    get: () => ({
      fetch: (url, { method, body }) => {
        questions += 1;
        return faults.hangs ? new Promise(() => {}) : object.fetch(new Request(url, { method, body }));
      },
    }),
  };
  const work: Promise<unknown>[] = [];
  const fleet = durableFleet({ namespace, waitUntil: (each) => void work.push(each), pollMs });
  const events: SteadEvent[] = [];
  const upstream = { status: 200 };
  const breaker = { failureThreshold: 1, successThreshold: 1, resetJitter: 0, fleet };
  const client = createClient({
    clock,
    retry: false,
    breaker,
    fetch: async () => new Response(null, { status: upstream.status }),
  });
  client.subscribe((event) => events.push(event));
  const call = async (): Promise<unknown> => {
    const result = await client.fetch('https://users.test/').then(
      ({ status }) => status,
      (error) => error.code,
    );
    if (!faults.hangs) await work.at(-1);
    await clock.advance(0);
    return result;
  };
  return { clock, faults, upstream, events, call, fleet, object, ask, questions: () => questions };
}

test('durableFleet() asks behind a call at most every pollMs, and nothing while nobody calls', async () => {
  const { clock, call, questions } = fleetBench();
  for (let time = 1; time <= 10; time += 1) await call();
  expect(questions()).toBe(1);
  await clock.advance(4_999);
  await call();
  expect(questions()).toBe(1);
  await clock.advance(1);
  await call();
  await call();
  expect(questions()).toBe(2);
  await clock.advance(3_600_000);
  expect(questions()).toBe(2);
});

test('durableFleet() with a pollMs of Infinity asks once, and then when it has found something out', async () => {
  const { clock, upstream, call, questions } = fleetBench({ pollMs: Infinity });
  await call();
  await clock.advance(1e9);
  await call();
  expect(questions()).toBe(1);
  upstream.status = 501;
  await call();
  expect(questions()).toBe(2);
});

test('durableFleet() opens by what another has found, and closes by it within a second of calls, though its lease is long', async () => {
  const { clock, call, object, ask } = fleetBench();
  await call();
  await ask(object, { ...down, by: 'other' });
  await clock.advance(5_000);
  expect(await call()).toBe(200);
  const { token } = await ask(object, lease('other'));
  expect(await call()).toBe('CIRCUIT_OPEN');
  await ask(object, { ask: 'report', by: 'other', quorum: 1, report: { kind: 'recovered', token } });
  await clock.advance(1_100);
  expect(await call()).toBe('CIRCUIT_OPEN');
  expect(await call()).toBe(200);
});

test('durableFleet() asks while a circuit is open, too, and closes it before its time when another has found it back', async () => {
  const { clock, call, object, ask, upstream } = fleetBench();
  await call();
  await ask(object, { ...down, by: 'other' });
  const { token } = await ask(object, lease('other'));
  upstream.status = 501;
  expect(await call()).toBe(501);
  await ask(object, { ask: 'report', by: 'other', quorum: 1, report: { kind: 'recovered', token } });
  upstream.status = 200;
  await clock.advance(4_999);
  expect([await call(), await call()]).toEqual(['CIRCUIT_OPEN', 'CIRCUIT_OPEN']);
  await clock.advance(1);
  expect([await call(), await call()]).toEqual(['CIRCUIT_OPEN', 200]);
});

test('durableFleet() is alone once an answer is late, and comes back when that is due, though the timers of a request stop with it', async () => {
  const { clock, call, faults, events, questions } = fleetBench({ frozen: true });
  const told = () => events.flatMap((event) => (event.type === 'fleet' ? [event.status] : []));
  faults.hangs = true;
  await call();
  await clock.advance(999);
  await call();
  expect(told()).toEqual([]);
  await clock.advance(1);
  await call();
  expect(told()).toEqual(['alone']);
  faults.hangs = false;
  await clock.advance(500);
  await call();
  await call();
  expect(told()).toEqual(['alone', 'joined']);
  expect(questions()).toBe(2);
});

test('durableFleet() asks less and less of an object that does not answer', async () => {
  const { clock, call, faults, questions } = fleetBench({ frozen: true });
  faults.hangs = true;
  for (let waitedMs = 0; waitedMs < 200_000; waitedMs += 500) {
    await call();
    await clock.advance(500);
  }
  expect(questions()).toBeGreaterThan(8);
  expect(questions()).toBeLessThan(30);
});

test('durableFleet() asks nothing any more once it is closed', async () => {
  const { clock, call, fleet, questions } = fleetBench();
  await call();
  await fleet.close();
  await clock.advance(60_000);
  await call();
  expect(questions()).toBe(1);
});

const namespace = { idFromName: () => 1, get: () => ({ fetch: () => Promise.reject(new Error()) }) };
const waitUntil = (): void => {};
const wrong = [
  { options: undefined, message: /^durableFleet must be an object, got undefined/ },
  { options: { waitUntil }, message: /^durableFleet\.namespace must be a namespace .* got undefined/ },
  {
    options: { namespace: { idFromName() {} }, waitUntil },
    message: /^durableFleet\.namespace must be .* got an object/,
  },
  { options: { namespace: 'CIRCUITS', waitUntil }, message: /^durableFleet\.namespace must be .* got "CIRCUITS"/ },
  { options: { namespace }, message: /^durableFleet\.waitUntil must be a function, got undefined/ },
  { options: { namespace, waitUntil, quorum: 0 }, message: /^durableFleet\.quorum must be .* got 0/ },
  { options: { namespace, waitUntil, quorum: 1_001 }, message: /^durableFleet\.quorum must be .* got 1001/ },
  { options: { namespace, waitUntil, pollMs: 0 }, message: /^durableFleet\.pollMs must be .* got 0/ },
  { options: { namespace, waitUntil, pollMs: '5s' }, message: /^durableFleet\.pollMs must be .* got "5s"/ },
  { options: { namespace, waitUntil, prefix: '' }, message: /^durableFleet\.prefix is not an option/ },
];

test.for(wrong)('durableFleet() throws an error that names the option: $message', ({ options, message }) => {
  expect(() => durableFleet(options as never)).toThrow(message);
});
