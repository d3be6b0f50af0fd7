import { expect, test } from 'vitest';

import { resolveClient } from '../src/client-options.ts';
import type { Dependency } from '../src/dependency.ts';
import type { ClientOptions, ClientSnapshot } from '../src/index.ts';
import { Registry } from '../src/registry.ts';
import { noCounters } from '../src/snapshot.ts';
import { Telemetry } from '../src/telemetry.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';

function registryOf(options: ClientOptions = {}): Registry {
  const settings = resolveClient({ clock: new FakeClock(), random: () => 0, ...options });
  return new Registry(settings, new Telemetry(settings.tools, true));
}

/** The names it knows, the one that would go first in front. */
function keysOf(registry: Registry): string[] {
  return [...registry].map(({ key }) => key);
}

function isolate({ breaker }: Dependency): void {
  breaker?.isolate();
}

function snapshotOf(
  keys: readonly string[],
  changes: Partial<ClientSnapshot['dependencies'][string]> = {},
): ClientSnapshot {
  const dependency = {
    breaker: null,
    lastTransition: null,
    outageSince: null,
    running: 0,
    maxConcurrent: null,
    queued: 0,
    maxQueued: null,
    budget: null,
    retriesAvailable: null,
    hedgeAfterMs: null,
    counters: { ...noCounters(), calls: 7 },
    lastFailure: null,
    ...changes,
  };
  return {
    name: null,
    at: new FakeClock().epochNow(),
    dependencies: Object.fromEntries(keys.map((key) => [key, dependency])),
  };
}

test('Registry.get() gives the same dependency for the same name, and another for another', () => {
  const registry = registryOf();
  const a = registry.get('a');
  expect(a.key).toBe('a');
  expect(registry.get('a')).toBe(a);
  expect(registry.get('b')).not.toBe(a);
  expect(keysOf(registry)).toEqual(['a', 'b']);
});

test('Registry.get() takes any name for what it is', () => {
  const registry = registryOf();
  const names = ['__proto__', 'constructor', '', 'toString'];
  const dependencies = names.map((name) => registry.get(name));
  expect(new Set(dependencies).size).toBe(4);
  expect(names.map((name) => registry.get(name))).toEqual(dependencies);
});

test('Registry.get() remembers as many as maxDependencies', () => {
  const registry = registryOf({ maxDependencies: 3 });
  const kept = ['a', 'b', 'c'].map((key) => registry.get(key));
  expect(['a', 'b', 'c'].map((key) => registry.get(key))).toEqual(kept);
  registry.get('d');
  expect([...registry]).toHaveLength(3);
});

test('Registry.get() forgets the oldest that was not called since it was last looked at, when it is full', () => {
  const registry = registryOf({ maxDependencies: 3 });
  for (const key of ['a', 'b', 'c', 'd']) registry.get(key);
  // All were new, and had their second chance; the first of them went.
  expect(keysOf(registry)).toEqual(['b', 'c', 'd']);
  registry.get('b');
  registry.get('e');
  expect(keysOf(registry)).toEqual(['d', 'b', 'e']);
});

test('Registry.get() forgets a dependency with all it knew', () => {
  const registry = registryOf({ maxDependencies: 1 });
  const first = registry.get('a');
  registry.get('b');
  expect(registry.get('a')).not.toBe(first);
  expect(keysOf(registry)).toEqual(['a']);
});

test.for<{ what: string; options: ClientOptions; occupy: (dependency: Dependency) => void }>([
  { what: 'a call under way', options: {}, occupy: (dependency) => (dependency.active = 1) },
  { what: 'an open circuit', options: {}, occupy: isolate },
  {
    what: 'a call under way and no breaker',
    options: { breaker: false },
    occupy: (dependency) => (dependency.active = 1),
  },
])('Registry.get() keeps a dependency with $what, however old', ({ options, occupy }) => {
  const registry = registryOf({ maxDependencies: 2, ...options });
  const busy = registry.get('busy');
  occupy(busy);
  for (const key of ['a', 'b', 'c', 'd']) registry.get(key);
  expect(registry.get('busy')).toBe(busy);
  expect(keysOf(registry).toSorted()).toEqual(['busy', 'd']);
});

test('Registry.get() forgets a dependency again, when it is idle and its circuit closed', () => {
  const registry = registryOf({ maxDependencies: 1 });
  const first = registry.get('a');
  isolate(first);
  first.active = 1;
  registry.get('b');
  first.active = 0;
  registry.get('b');
  expect(keysOf(registry)).toEqual(['a']);
  first.breaker?.reset();
  registry.get('b');
  expect(keysOf(registry)).toEqual(['b']);
});

test('Registry.get() gives a newcomer state of its own but does not remember it, when none can be forgotten', () => {
  const registry = registryOf({ maxDependencies: 2 });
  const busy = ['a', 'b'].map((key) => registry.get(key));
  busy.forEach(isolate);
  const newcomer = registry.get('c');
  expect(newcomer.key).toBe('c');
  expect(newcomer.breaker?.closed).toBe(true);
  expect(registry.get('c')).not.toBe(newcomer);
  expect(busy).toContain(registry.get('a'));
  expect(keysOf(registry).toSorted()).toEqual(['a', 'b']);
});

/** A full registry of 40, none of them called of late; the circuits of the first so many are open. */
function fullRegistry(open: number): Registry {
  const registry = registryOf({ maxDependencies: 40 });
  for (let index = 0; index < 40; index += 1) {
    const dependency = registry.get(`old-${index}`);
    if (index < open) isolate(dependency);
  }
  for (const dependency of registry) dependency.recent = false;
  return registry;
}

test.for([
  { open: 15, remembered: true },
  { open: 16, remembered: false },
])('Registry.get() looks at 16 to make room for one, with $open in front that must be kept', ({ open, remembered }) => {
  const registry = fullRegistry(open);
  registry.get('new');
  expect(keysOf(registry).includes('new')).toBe(remembered);
  expect(keysOf(registry)).toHaveLength(40);
});

test('Registry.get() goes on for the next where it has stopped looking', () => {
  const registry = fullRegistry(31);
  registry.get('new-1');
  expect(keysOf(registry)).not.toContain('new-1');
  registry.get('new-2');
  expect(keysOf(registry)).toContain('new-2');
  expect(keysOf(registry)).not.toContain('old-31');
  expect(keysOf(registry)).toHaveLength(40);
});

test('Registry stays bounded under a storm of names', () => {
  const registry = registryOf({ maxDependencies: 10 });
  for (let index = 0; index < 1_000; index += 1) registry.get(`storm-${index}`);
  expect(keysOf(registry)).toHaveLength(10);
  expect(keysOf(registry)).toContain('storm-999');
});

// What an earlier process left.

test('Registry restores each dependency of a snapshot', () => {
  const registry = registryOf({ restore: snapshotOf(['a', 'b']) });
  expect(keysOf(registry)).toEqual(['a', 'b']);
  expect([...registry].map(({ counters }) => counters.calls)).toEqual([7, 7]);
  expect(registry.get('c').counters.calls).toBe(0);
});

const open = {
  state: 'open',
  retryAfterMs: 10_000,
  failedProbes: 0,
  successfulProbes: 0,
  consecutiveFailures: 0,
  window: null,
} as const;

test.for([
  { elapsedMs: 0, waitMs: 10_000 },
  { elapsedMs: 4_000, waitMs: 6_000 },
  { elapsedMs: 9_999, waitMs: 1 },
  // A wall clock that was set back makes nothing older, and nothing wait longer.
  { elapsedMs: -3_600_000, waitMs: 10_000 },
])(
  'Registry restores a circuit that is open for $waitMs ms, $elapsedMs ms after the snapshot',
  ({ elapsedMs, waitMs }) => {
    const clock = new FakeClock();
    const restore = { ...snapshotOf(['a'], { breaker: open }), at: clock.epochNow() - elapsedMs };
    const registry = registryOf({ clock, restore });
    expect(registry.get('a').snapshot().breaker).toMatchObject({ state: 'open', retryAfterMs: waitMs });
  },
);

test('Registry restores no more than maxDependencies', () => {
  const keys = Array.from({ length: 100 }, (_, index) => `old-${index}`);
  const registry = registryOf({ maxDependencies: 10, restore: snapshotOf(keys) });
  expect([...registry]).toHaveLength(10);
  expect(registryOf({ maxDependencies: 10, restore: snapshotOf(keys, { breaker: open }) })).toHaveProperty('get');
});

test('Registry.findFor() knows a dependency by the origin that a URL begins with, and no other', () => {
  const registry = registryOf();
  const [users, orders] = ['https://users.test', 'https://orders.test:8443'].map((key) => registry.get(key));
  for (const path of ['/', '/u/1', '/?q=https://orders.test:8443/']) {
    expect(registry.findFor(`https://users.test${path}`)).toBe(users);
    expect(registry.findFor(`https://orders.test:8443${path}`)).toBe(orders);
  }
  const others = [
    'https://users.test',
    'https://users.test?a=/',
    'https://users.test:444/',
    'https://users.test.evil.test/',
    'https://users.test@evil.test/',
    'https://ada:secret@users.test/',
    'HTTPS://users.test/',
    ' https://users.test/',
    'http://users.test/',
    '/u/1',
  ];
  for (const other of others) {
    registry.findFor('https://users.test/');
    expect([other, registry.findFor(other)]).toEqual([other, undefined]);
  }
});

test('Registry.findFor() takes no name for an origin that is none, though a snapshot has it', () => {
  const names = ['https://ada:secret@users.test', 'https://Users.test', 'httpx://users.test', 'https://[bad'];
  const registry = registryOf({ restore: snapshotOf(names) });
  for (const name of names) expect([name, registry.findFor(`${name}/u/1`)]).toEqual([name, undefined]);
});

test('Registry.findFor() forgets whom it has let go', () => {
  const registry = registryOf({ maxDependencies: 1 });
  registry.get('https://users.test');
  expect(registry.findFor('https://users.test/')?.key).toBe('https://users.test');
  registry.get('https://orders.test').recent = false;
  registry.get('https://orders.test');
  expect(registry.findFor('https://users.test/')).toBeUndefined();
});
