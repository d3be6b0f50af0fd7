import { afterEach, expect, test } from 'vitest';

import { platformClock } from '../../src/clock.ts';
import type { FleetState } from '../../src/fleet/fleet.ts';
import { tabFleet } from '../../src/fleet/tabs.ts';
import { type Client, createClient, type Fleet, type SteadEvent } from '../../src/index.ts';

// In one process, over the real channel and the real locks; with three tabs: test/tabs.node.test.ts.

const origin = 'https://users.test';
const patience = { timeout: 15_000, interval: 20 };
const { navigator } = globalThis as { navigator?: { locks?: LockManager } };
const isSupported = typeof navigator?.locks?.query === 'function' && 'BroadcastChannel' in globalThis;

interface Instance {
  readonly client: Client;
  readonly events: SteadEvent[];
  readonly state: () => string | undefined;
}

const upstream = { status: 200, requests: 0 };
let names = 0;
let name = '';
let fleets: Fleet[] = [];
let endings: (() => void)[] = [];

afterEach(async () => {
  for (const end of endings) end();
  await Promise.all(fleets.map((fleet) => fleet.close()));
  [fleets, endings] = [[], []];
});

function begin(): void {
  names += 1;
  name = `test-${names}-${Math.random()}`;
  Object.assign(upstream, { status: 200, requests: 0 });
}

function instance(quorum = 1, fleet = tabFleet({ name, quorum })): Instance {
  fleets.push(fleet);
  const events: SteadEvent[] = [];
  const client = createClient({
    retry: false,
    breaker: {
      failureThreshold: 3,
      successThreshold: 1,
      resetTimeoutMs: 300,
      maxResetTimeoutMs: 60_000,
      resetJitter: 0,
      fleet,
    },
    async fetch() {
      upstream.requests += 1;
      return new Response(null, { status: upstream.status });
    },
  });
  client.subscribe((event) => events.push(event));
  return { client, events, state: () => client.snapshot().dependencies[origin]?.breaker?.state };
}

const call = ({ client }: Instance): Promise<unknown> => client.fetch(origin).catch((error: unknown) => error);
const failures = ({ events }: Instance): number =>
  events.filter((event) => event.type === 'attempt' && event.outcome === 'failure').length;
const told = ({ events }: Instance): unknown[] => events.flatMap((event) => (event.type === 'fleet' ? [event] : []));

async function fail(one: Instance): Promise<void> {
  upstream.status = 501;
  for (let failure = 1; failure <= 3; failure += 1) await call(one);
}

/** What is written in the locks: what any tab would know. */
async function written(): Promise<{ version: number; record: Record<string, unknown> }[]> {
  const { held = [] } = (await navigator?.locks?.query()) ?? {};
  const prefix = `${name}:1:knows:`;
  const texts = new Set(
    held.flatMap((lock) => (lock.name?.startsWith(prefix) ? [lock.name.slice(prefix.length)] : [])),
  );
  return [...texts].map((text) => JSON.parse(text)).map(([, version, , record]) => ({ version, record }));
}

async function untilOpen(all: readonly Instance[]): Promise<void> {
  await expect.poll(() => all.every(({ state }) => state() !== 'closed'), patience).toBe(true);
}

async function untilClosed(all: readonly Instance[]): Promise<void> {
  await expect
    .poll(async () => {
      await Promise.all(all.map(call));
      return all.every(({ state }) => state() === 'closed');
    }, patience)
    .toBe(true);
}

const wrong = [
  { options: null, message: /^tabFleet must be an object, got null/ },
  { options: { name: '' }, message: /^tabFleet\.name must be a string of 1 to 64 characters.*got ""/ },
  { options: { name: '-x' }, message: /^tabFleet\.name must be/ },
  { options: { name: 'x'.repeat(65) }, message: /^tabFleet\.name must be/ },
  { options: { quorum: 0 }, message: /^tabFleet\.quorum must be an integer of at least 1 and at most 16, got 0/ },
  { options: { quorum: 17 }, message: /^tabFleet\.quorum must be/ },
  { options: { quorum: '2' }, message: /^tabFleet\.quorum must be/ },
  { options: { quorums: 2 }, message: /^tabFleet\.quorums is not an option/ },
];

test.for(wrong)('tabFleet() throws an error that names the option: $message', ({ options, message }) => {
  expect(() => tabFleet(options as never)).toThrow(message);
});

test.for(['BroadcastChannel', 'navigator'])('circuits are alone, and say why, without a %s', async (missing) => {
  begin();
  const before = Object.getOwnPropertyDescriptor(globalThis, missing);
  Object.defineProperty(globalThis, missing, { value: undefined, configurable: true });
  try {
    const one = instance();
    await fail(one);
    expect(told(one)).toMatchObject([{ status: 'alone', reason: 'unsupported', dependency: origin }]);
    upstream.status = 200;
    await untilClosed([one]);
    await fleets[0]?.close();
  } finally {
    Reflect.deleteProperty(globalThis, missing);
    if (before !== undefined) Object.defineProperty(globalThis, missing, before);
  }
});

// Elsewhere there is nothing to be seen but that circuits are alone, which is above.
const whereSupported: (title: string, run: () => Promise<void>) => void = isSupported ? test : () => {};

whereSupported('what one finds down, the others leave alone; one of them finds it back, for all', async () => {
  begin();
  const all = [instance(), instance(), instance()] as const;
  await Promise.all(all.map(call));
  await fail(all[0]);
  await untilOpen(all);
  upstream.status = 200;
  await untilClosed(all);
  expect(all.map(failures)).toEqual([3, 0, 0]);
  await expect.poll(async () => (await written()).map(({ record }) => record['state'])).toEqual(['closed']);
});

whereSupported(
  'a dependency whose name would not fit into that of a lock is alone, and one that just fits is not',
  async () => {
    begin();
    const names = ['x'.repeat(396), 'x'.repeat(397)];
    const heard = names.map((dependency) => {
      const fleet = tabFleet({ name: name.padEnd(64, 'x'), quorum: 16 });
      fleets.push(fleet);
      const statuses: unknown[] = [];
      const states: FleetState[] = [];
      const seat = fleet.join({
        dependency,
        clock: platformClock,
        random: Math.random,
        leaseMs: 300,
        patienceMs: 60_000,
        onState: (state) => states.push(state),
        onStatus: (status) => statuses.push(status),
      });
      seat.opened(60_000.123, false);
      return { statuses, states };
    });
    await expect.poll(() => heard[1]?.statuses, patience).toEqual([{ status: 'alone', reason: 'name-too-long' }]);
    // With every vote that there can be: the last one opens it.
    const others = Array.from({ length: 15 }, () => {
      const fleet = tabFleet({ name: name.padEnd(64, 'x'), quorum: 16 });
      fleets.push(fleet);
      return fleet.join({
        dependency: names[0] ?? '',
        clock: platformClock,
        random: Math.random,
        leaseMs: 300,
        patienceMs: 60_000,
        onState() {},
        onStatus() {},
      });
    });
    for (const seat of others) seat.opened(60_000.123, false);
    await expect.poll(() => heard[0]?.states.at(-1)?.state, patience).toBe('open');
    expect(heard[0]?.statuses).toEqual([]);
  },
);

whereSupported('of many who ask for the lease at once, one gets it', async () => {
  begin();
  const all = Array.from({ length: 10 }, () => instance());
  await Promise.all(all.map(call));
  await fail(all[0] as Instance);
  await untilOpen(all);
  upstream.requests = 0;
  // It fails again, so whoever probes gets a later retry for all.
  for (let round = 1; round <= 3; round += 1) {
    const before = upstream.requests;
    await expect
      .poll(async () => {
        await Promise.all(all.map(call));
        return upstream.requests - before;
      }, patience)
      .toBeGreaterThan(0);
    expect(upstream.requests - before).toBe(1);
  }
});

whereSupported('a quorum of two takes two', async () => {
  begin();
  const [first, second, third] = [instance(2), instance(2), instance(2)] as const;
  await Promise.all([first, second, third].map(call));
  // By now each has its answer to what it asked on joining: the locks tell one after the other.
  await written();
  await fail(first);
  await expect.poll(async () => (await written()).length, patience).toBe(1);
  expect([first, second, third].map(({ state }) => state())).toEqual(['open', 'closed', 'closed']);
  await fail(second);
  await untilOpen([third]);
  expect(failures(third)).toBe(0);
});

whereSupported('a newcomer knows at once what the others know, also when whoever found it out has left', async () => {
  begin();
  const [first, second] = [instance(), instance()] as const;
  await Promise.all([first, second].map(call));
  await fail(first);
  await untilOpen([second]);
  await fleets[0]?.close();
  const late = instance();
  upstream.requests = 0;
  // A snapshot is of what has been called: this one is made without a call that counts.
  upstream.status = 200;
  await call(late);
  await untilOpen([late]);
  expect(failures(late)).toBe(0);
});

whereSupported('a claim that nobody lets go of is passed over, and by one only', async () => {
  begin();
  const all = [instance(), instance(), instance()] as const;
  await Promise.all(all.map(call));
  await fail(all[0]);
  await untilOpen(all);
  const [{ version, record } = { version: 0, record: {} }] = await written();
  const claim = `${name}:1:claims:${JSON.stringify([origin, record['run'], version + 1])}`;
  await new Promise<void>((resolve) => {
    const run = (): Promise<void> => {
      resolve();
      return new Promise((release) => endings.push(release));
    };
    void navigator?.locks?.request(claim, run);
  });
  upstream.requests = 0;
  await expect
    .poll(async () => {
      await Promise.all(all.map(call));
      return upstream.requests;
    }, patience)
    .toBeGreaterThan(0);
  expect(upstream.requests).toBe(1);
  // Nobody has gone on alone for it.
  expect(all.flatMap(told)).toEqual([]);
});

whereSupported('garbage in the channel and in the locks changes nothing', async () => {
  begin();
  const all = [instance(), instance()] as const;
  await Promise.all(all.map(call));
  const now = Date.now();
  const open = {
    run: now - 1,
    epoch: 2,
    state: 'open',
    retryAt: now + 60_000,
    trips: 0,
    leases: 1,
    leasesBefore: 0,
    votes: {},
  };
  const text = (version: unknown, at: unknown, record: unknown): string =>
    JSON.stringify([origin, version, at, record]);
  const garbage: unknown[] = [
    'garbage',
    null,
    undefined,
    {},
    [origin, 1, now, open],
    '[]',
    'null',
    `["${origin}"]`,
    'x'.repeat(100_000),
    text(1, now, null),
    text(0, now, open),
    text(1.5, now, open),
    text('1', now, open),
    text(1e15, now, open),
    text(1, now + 60_000, open),
    text(1, -1, open),
    text(1, now, { ...open, run: now + 60_000 }),
    text(1, now, { ...open, run: 0 }),
    text(1, now, { ...open, epoch: 1 }),
    text(1, now, { ...open, epoch: 1e15 }),
    text(1, now, { ...open, state: 'ajar' }),
    text(1, now, { ...open, retryAt: now + 1e9 }),
    text(1, now, { ...open, retryAt: null }),
    text(1, now, { ...open, trips: -1 }),
    text(1, now, { ...open, leases: null }),
    text(1, now, { ...open, leasesBefore: '0' }),
    text(1, now, { ...open, votes: null }),
    text(1, now, { ...open, votes: { x: 'y' } }),
    text(1, now, { ...open, votes: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, now])) }),
    text(1, now, { ...open, lease: {} }),
    text(1, now, { ...open, lease: { holder: 'x', token: 2, until: now + 1e9 } }),
    text(1, now, { ...open, lease: { holder: 'x', token: '2', until: now } }),
    JSON.stringify(['https://other.test', 1, now, open]),
  ];
  const channel = new BroadcastChannel(`${name}:1`);
  (channel as { unref?(): void }).unref?.();
  endings.push(() => channel.close());
  for (const message of garbage) channel.postMessage(message);
  for (const message of garbage) {
    if (typeof message !== 'string' || message.length > 900) continue;
    void navigator?.locks?.request(`${name}:1:knows:${message}`, () => new Promise<void>((end) => endings.push(end)));
  }
  const late = instance();
  await call(late);
  await fail(all[0]);
  // What is right comes after what was wrong, and gets there.
  await untilOpen([...all, late]);
  const transitions = all[1].events.filter(({ type }) => type === 'transition');
  expect(transitions.length).toBe(1);
  expect([...all, late].map(failures)).toEqual([3, 0, 0]);
  expect([...all, late].flatMap(told)).toEqual([]);
  // This one is as the fleet writes it: the others above are not refused for want of something else.
  channel.postMessage(text(9, now, { ...open, run: Date.now(), epoch: 9 }));
  const waits = (): (number | null | undefined)[] =>
    all.map(({ client }) => client.snapshot().dependencies[origin]?.breaker?.retryAfterMs);
  await expect.poll(() => waits().every((waitMs) => Number(waitMs) > 500), patience).toBe(true);
});

whereSupported('a hundred dependencies that go down together are a few questions to the browser', async () => {
  begin();
  const all = [instance(), instance()] as const;
  const hosts = Array.from({ length: 100 }, (_, host) => `https://${host}.test/`);
  for (const { client } of all) await Promise.all(hosts.map((host) => client.fetch(host)));
  const locks = navigator?.locks as LockManager;
  const query = locks.query.bind(locks);
  let queries = 0;
  locks.query = () => {
    queries += 1;
    return query();
  };
  endings.push(() => Reflect.deleteProperty(locks, 'query'));
  upstream.status = 501;
  for (let failure = 1; failure <= 3; failure += 1) {
    await Promise.all(hosts.map((host) => all[0].client.fetch(host).catch(() => {})));
  }
  const open = (): number =>
    Object.values(all[1].client.snapshot().dependencies).filter(({ breaker }) => breaker?.state !== 'closed').length;
  await expect.poll(open, patience).toBe(100);
  // It was four for each of them, and each was as long as all that is held.
  expect(queries).toBeLessThan(200);
  expect(all.flatMap(told)).toEqual([]);
});

/** As when a page leaves for the browser's cache of pages, and comes back. */
const pageEvent = (type: 'pagehide' | 'pageshow'): unknown => {
  return (globalThis as { dispatchEvent?(event: Event): boolean }).dispatchEvent?.(new Event(type));
};
const whereShown = typeof document === 'object' ? whereSupported : () => {};

whereShown('a page that is back tells what it knew, to whoever comes then', async () => {
  begin();
  const one = instance();
  await call(one);
  await fail(one);
  await expect.poll(async () => (await written()).length, patience).toBe(1);
  pageEvent('pagehide');
  await expect.poll(written, patience).toEqual([]);
  pageEvent('pageshow');
  await expect.poll(async () => (await written()).length, patience).toBe(1);
});

whereShown('a client that is closed when its page is hidden leaves the fleet to the next one', async () => {
  begin();
  const first = instance();
  await call(first);
  pageEvent('pagehide');
  await first.client.close();
  pageEvent('pageshow');
  const next = instance(1, fleets[0]);
  await call(next);
  await fail(next);
  await expect.poll(async () => (await written()).length, patience).toBe(1);
  expect(told(next)).toEqual([]);
});

whereSupported('what was opened is closed on close, twice over', async () => {
  begin();
  const all = [instance(), instance()] as const;
  await Promise.all(all.map(call));
  await fail(all[0]);
  await untilOpen(all);
  await Promise.all(fleets.flatMap((fleet) => [fleet.close(), fleet.close()]));
  await expect.poll(written, patience).toEqual([]);
});

whereSupported('a dependency that is forgotten is held no more', async () => {
  begin();
  const one = instance();
  await call(one);
  await fail(one);
  await expect.poll(async () => (await written()).length, patience).toBe(1);
  await one.client.close();
  await expect.poll(written, patience).toEqual([]);
});
