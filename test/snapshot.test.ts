import { expect, test } from 'vitest';

import { type ClientSnapshot, createClient, type DependencySnapshot } from '../src/index.ts';
import { noCounters, parseSnapshot } from '../src/snapshot.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { scriptedFetch } from '../src/testing/scripted-fetch.ts';

const key = 'https://a.test';
const at = 'restore.dependencies["https://a.test"]';

const dependency: DependencySnapshot = {
  breaker: {
    state: 'open',
    retryAfterMs: 8_000,
    failedProbes: 1,
    successfulProbes: 2,
    consecutiveFailures: 3,
    window: { calls: 40, failures: 30, slow: 20 },
  },
  lastTransition: { at: 900, from: 'half-open', to: 'open' },
  outageSince: 800,
  running: 0,
  maxConcurrent: 64,
  queued: 0,
  maxQueued: 32,
  budget: { calls: 10, retries: 2, reserve: 7.5 },
  retriesAvailable: 9,
  hedgeAfterMs: 12.5,
  counters: {
    ...{ calls: 7, attempts: 6, retries: 5, success: 4, failure: 3, ignored: 2, rejected: 1 },
    ...{ stored: 8, defaults: 9, degraded: 10, hedges: 11, hedgesWon: 12 },
  },
  lastFailure: { at: 1_000, failure: 'status', status: 503 },
};

const snapshot: ClientSnapshot = { name: 'users', at: 2_000, dependencies: { [key]: dependency } };

type Json = Record<string, unknown>;

/** The snapshot with the value at `path` replaced. */
function withValue(path: string, value: unknown): unknown {
  const copy = structuredClone(snapshot) as unknown as Json;
  const steps = path.split('.').map((step) => (step === '*' ? key : step));
  const last = steps.pop() ?? '';
  let parent = copy;
  for (const step of steps) parent = parent[step] as Json;
  parent[last] = value;
  return copy;
}

/** Where a part of the snapshot is, as an error says it. */
function shownPath(path: string): string {
  return `restore.${path}`.replace('restore.dependencies.*', at);
}

test('parseSnapshot() gives back a snapshot as it is, also after a trip through JSON', () => {
  expect(parseSnapshot(snapshot)).toEqual(snapshot);
  expect(parseSnapshot(JSON.parse(JSON.stringify(snapshot)))).toEqual(snapshot);
});

test('parseSnapshot() gives back what a client says of itself', async () => {
  const clock = new FakeClock();
  const client = createClient({ name: 'users', clock, random: () => 0, fetch: scriptedFetch([503, { body: '{}' }]) });
  const call = client.json(key);
  await clock.advance(100);
  await call;
  const own = client.snapshot();
  expect(own.dependencies[key]?.counters.attempts).toBe(2);
  expect(parseSnapshot(JSON.parse(JSON.stringify(own)))).toEqual(own);
});

test('parseSnapshot() gives a copy: the one it was given may change', () => {
  const given = structuredClone(snapshot) as unknown as {
    dependencies: Record<string, { counters: { calls: number } }>;
  };
  const parsed = parseSnapshot(given);
  const mine = given.dependencies[key];
  if (mine !== undefined) mine.counters.calls = 1e6;
  expect(parsed).toEqual(snapshot);
});

test('parseSnapshot() takes a snapshot without dependencies', () => {
  const empty = { name: null, at: 0, dependencies: {} };
  expect(parseSnapshot(empty)).toEqual(empty);
});

test.for([undefined, null, 5, {}])('parseSnapshot() has no name, for a name of %j', (name) => {
  expect(parseSnapshot({ ...snapshot, name }).name).toBeNull();
});

test('parseSnapshot() knows that calls which ran or waited have ended with their process', () => {
  const given = withValue('dependencies.*.running', 5) as Json;
  expect(parseSnapshot(given).dependencies[key]).toMatchObject({ running: 0, queued: 0 });
  for (const path of ['dependencies.*.running', 'dependencies.*.queued']) {
    for (const value of ['many', -1, undefined, 12]) {
      expect(parseSnapshot(withValue(path, value))).toEqual(snapshot);
    }
  }
});

test.for([
  'dependencies.*.breaker',
  'dependencies.*.budget',
  'dependencies.*.lastFailure',
  'dependencies.*.breaker.window',
  'dependencies.*.breaker.retryAfterMs',
  'dependencies.*.lastFailure.status',
  'dependencies.*.lastTransition',
  'dependencies.*.outageSince',
  'dependencies.*.maxConcurrent',
  'dependencies.*.maxQueued',
  'dependencies.*.retriesAvailable',
])('parseSnapshot() takes null for %s: there is none', (path) => {
  expect(parseSnapshot(withValue(path, null))).toEqual(withValue(path, null));
});

test.for(['closed', 'open', 'half-open'])('parseSnapshot() knows the circuit state "%s"', (state) => {
  const path = 'dependencies.*.breaker.state';
  expect(parseSnapshot(withValue(path, state))).toEqual(withValue(path, state));
});

test.for(['status', 'network', 'body', 'attempt-timeout', 'deadline', 'aborted', 'refused'])(
  'parseSnapshot() knows the failure "%s"',
  (failure) => {
    const path = 'dependencies.*.lastFailure.failure';
    expect(parseSnapshot(withValue(path, failure))).toEqual(withValue(path, failure));
  },
);

test('parseSnapshot() leaves out what later versions may have added to a dependency', () => {
  const given = structuredClone(snapshot) as unknown as { dependencies: Record<string, Json> };
  for (const part of [
    given.dependencies[key],
    given.dependencies[key]?.['breaker'],
    given.dependencies[key]?.['counters'],
  ]) {
    Object.assign(part as Json, { invented: 1 });
  }
  expect(parseSnapshot(given)).toEqual(snapshot);
});

test('parseSnapshot() takes snapshots of earlier versions, which say less', () => {
  const given = structuredClone(snapshot) as unknown as { dependencies: Record<string, Json> };
  const old = given.dependencies[key] as Json;
  for (const name of [
    'lastTransition',
    'outageSince',
    'maxConcurrent',
    'maxQueued',
    'retriesAvailable',
    'hedgeAfterMs',
  ])
    delete old[name];
  for (const name of ['stored', 'defaults', 'degraded', 'hedges', 'hedgesWon']) delete (old['counters'] as Json)[name];
  const none = {
    lastTransition: null,
    outageSince: null,
    maxConcurrent: null,
    maxQueued: null,
    retriesAvailable: null,
    hedgeAfterMs: null,
  };
  const counters = { ...dependency.counters, stored: 0, defaults: 0, degraded: 0, hedges: 0, hedgesWon: 0 };
  expect(parseSnapshot(given).dependencies[key]).toEqual({ ...dependency, ...none, counters });
});

test('parseSnapshot() throws TypeError for what is no part of a snapshot: it may be something else altogether', () => {
  expect(() => parseSnapshot({ ...snapshot, version: 2 })).toThrow(
    new TypeError('restore.version is not an option; there are name, at, dependencies'),
  );
});

// What it may be, coming from a store.

const objects = [
  '',
  'dependencies',
  'dependencies.*',
  'dependencies.*.breaker',
  'dependencies.*.breaker.window',
  'dependencies.*.budget',
  'dependencies.*.counters',
  'dependencies.*.lastFailure',
];
const noObjects = [
  { value: undefined, shown: 'undefined' },
  { value: 'text', shown: '"text"' },
  { value: 5, shown: '5' },
  { value: true, shown: 'true' },
  { value: [], shown: 'an array' },
  { value: ['text'], shown: 'an array' },
];

test.for(objects)('parseSnapshot() throws TypeError that says where, for what is no object at "%s"', (path) => {
  for (const { value, shown } of noObjects) {
    const given = path === '' ? value : withValue(path, value);
    const where = path === '' ? 'restore' : shownPath(path);
    expect(() => parseSnapshot(given)).toThrow(new TypeError(`${where} must be an object, got ${shown}`));
  }
});

test.for(['', 'dependencies', 'dependencies.*', 'dependencies.*.counters'])(
  'parseSnapshot() throws TypeError for null at "%s", which has to be there',
  (path) => {
    const where = path === '' ? 'restore' : shownPath(path);
    expect(() => parseSnapshot(path === '' ? null : withValue(path, null))).toThrow(
      new TypeError(`${where} must be an object, got null`),
    );
  },
);

const amounts = [
  'at',
  'dependencies.*.breaker.retryAfterMs',
  'dependencies.*.breaker.failedProbes',
  'dependencies.*.breaker.successfulProbes',
  'dependencies.*.breaker.consecutiveFailures',
  'dependencies.*.breaker.window.calls',
  'dependencies.*.breaker.window.failures',
  'dependencies.*.breaker.window.slow',
  'dependencies.*.budget.calls',
  'dependencies.*.budget.retries',
  'dependencies.*.budget.reserve',
  'dependencies.*.counters.calls',
  'dependencies.*.counters.attempts',
  'dependencies.*.counters.retries',
  'dependencies.*.counters.success',
  'dependencies.*.counters.failure',
  'dependencies.*.counters.ignored',
  'dependencies.*.counters.rejected',
  'dependencies.*.lastFailure.at',
  'dependencies.*.lastFailure.status',
  'dependencies.*.lastTransition.at',
];

test.for(amounts)('parseSnapshot() takes any amount from 0 up, for %s', (path) => {
  for (const value of [0, 12, 1e15]) expect(parseSnapshot(withValue(path, value))).toEqual(withValue(path, value));
});

test.for(amounts)(
  'parseSnapshot() throws RangeError that says where, for a number that makes no sense at %s',
  (path) => {
    for (const value of [-1, Number.NaN, Infinity, -Infinity]) {
      expect(() => parseSnapshot(withValue(path, value))).toThrow(
        new RangeError(`${shownPath(path)} must be a number of at least 0, got ${value}`),
      );
    }
  },
);

test.for(amounts)('parseSnapshot() throws TypeError that says where, for what is no number at %s', (path) => {
  const wrong = [
    { value: '5', shown: '"5"' },
    { value: true, shown: 'true' },
    { value: {}, shown: 'an object' },
    { value: [5], shown: 'an array' },
    { value: undefined, shown: 'undefined' },
  ];
  for (const { value, shown } of wrong) {
    expect(() => parseSnapshot(withValue(path, value))).toThrow(
      new TypeError(`${shownPath(path)} must be a number of at least 0, got ${shown}`),
    );
  }
});

test.for(['outageSince', 'maxConcurrent', 'maxQueued', 'retriesAvailable', 'hedgeAfterMs'])(
  'parseSnapshot() throws an error that says where, for a %s that makes no sense',
  (name) => {
    const where = `${at}.${name} must be a number of at least 0`;
    expect(() => parseSnapshot(withValue(`dependencies.*.${name}`, -1))).toThrow(new RangeError(`${where}, got -1`));
    expect(() => parseSnapshot(withValue(`dependencies.*.${name}`, '5'))).toThrow(new TypeError(`${where}, got "5"`));
  },
);

test.for(['lastFailure.at', 'lastTransition.at', 'outageSince'])(
  'parseSnapshot() takes what is no time any more for the last there is, at %s',
  (name) => {
    const path = `dependencies.*.${name}`;
    expect(parseSnapshot(withValue(path, 1e20))).toEqual(withValue(path, 8.64e15));
  },
);

test.for(['from', 'to'])('parseSnapshot() throws TypeError, for a circuit that went %s nowhere', (end) => {
  expect(() => parseSnapshot(withValue(`dependencies.*.lastTransition.${end}`, 'ajar'))).toThrow(
    new TypeError(`${at}.lastTransition.${end} must be "closed", "open" or "half-open", got "ajar"`),
  );
});

test.for(['Open', 'broken', '', null, 5, undefined, {}])(
  'parseSnapshot() throws TypeError, for the state %j',
  (state) => {
    const shown =
      typeof state === 'string' ? JSON.stringify(state) : typeof state === 'object' && state ? 'an object' : state;
    expect(() => parseSnapshot(withValue('dependencies.*.breaker.state', state))).toThrow(
      new TypeError(`${at}.breaker.state must be "closed", "open" or "half-open", got ${shown}`),
    );
  },
);

test.for(['Status', '', null, 5, undefined, ['status']])(
  'parseSnapshot() throws TypeError, for the failure %j',
  (failure) => {
    const shown = typeof failure === 'string' ? JSON.stringify(failure) : Array.isArray(failure) ? 'an array' : failure;
    const kinds = '"status", "network", "body", "attempt-timeout", "deadline", "aborted" or "refused"';
    expect(() => parseSnapshot(withValue('dependencies.*.lastFailure.failure', failure))).toThrow(
      new TypeError(`${at}.lastFailure.failure must be ${kinds}, got ${shown}`),
    );
  },
);

test('parseSnapshot() keeps a long key out of its messages', () => {
  const dependencies = { ['x'.repeat(1e6)]: null };
  const where = `restore.dependencies["${'x'.repeat(50)}…"]`;
  expect(() => parseSnapshot({ ...snapshot, dependencies })).toThrow(
    new TypeError(`${where} must be an object, got null`),
  );
});

test('parseSnapshot() takes a dependency of any name for what it is, and changes no prototype', () => {
  const names = ['__proto__', 'constructor', 'toString', ''];
  const dependencies = `{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(dependency)}`).join()}}`;
  const parsed = parseSnapshot(JSON.parse(`{"name":null,"at":0,"dependencies":${dependencies}}`));
  expect(Object.keys(parsed.dependencies)).toEqual(names);
  expect(Object.getPrototypeOf(parsed.dependencies)).toBe(Object.prototype);
  expect(Object.getOwnPropertyDescriptor(parsed.dependencies, '__proto__')?.value).toEqual(dependency);
});

test('parseSnapshot() reads own fields only, not those of a prototype that JSON smuggled in', () => {
  const smuggled = JSON.parse(`{"name":null,"at":0,"dependencies":{"a":{"__proto__":${JSON.stringify(dependency)}}}}`);
  expect(() => parseSnapshot(smuggled)).toThrow(TypeError);
});

test('noCounters() is a fresh set of zeros each time', () => {
  const counters = noCounters();
  counters.calls += 1;
  expect(noCounters()).toEqual({
    calls: 0,
    attempts: 0,
    retries: 0,
    hedges: 0,
    hedgesWon: 0,
    success: 0,
    failure: 0,
    ignored: 0,
    rejected: 0,
    stored: 0,
    defaults: 0,
    degraded: 0,
  });
});
