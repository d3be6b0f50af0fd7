import { expect, test, vi } from 'vitest';

import { type Client, type ClientOptions, createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { engine } from '../support/engine.ts';
import { clientBench, errorOf, watch } from './bench.ts';

const keysOf = (client: Client): readonly string[] => Object.keys(client.snapshot().dependencies).sort();
const stateOf = (client: Client, key: string) => client.snapshot().dependencies[key]?.breaker?.state;

/** An upstream that answers by host: `down.test` with 501, `silent.test` never, all others with 204. */
const byHost: ScriptStep = ({ url }) => (url.includes('down') ? 501 : url.includes('silent') ? 'hang' : 204);

function hosts(options: ClientOptions = {}) {
  return clientBench([byHost], { breaker: { failureThreshold: 1, successThreshold: 1 }, retry: false, ...options });
}

// One dependency each.

test('client.fetch keeps state by origin: scheme, host and port', async () => {
  const { client, events } = hosts();
  const urls = [
    'https://users.test/u/1',
    'https://users.test/u/2?page=1#top',
    'https://users.test:443/',
    'https://USERS.test/',
    'http://users.test/',
    'https://users.test:8443/',
    'https://orders.users.test/',
  ];
  for (const url of urls) await client.fetch(url);
  expect(client.snapshot().dependencies).toMatchObject({
    'https://users.test': { counters: { calls: 4 } },
    'http://users.test': { counters: { calls: 1 } },
    'https://users.test:8443': { counters: { calls: 1 } },
    'https://orders.users.test': { counters: { calls: 1 } },
  });
  expect(keysOf(client)).toHaveLength(4);
  expect(new Set(events.map(({ dependency }) => dependency))).toEqual(new Set(keysOf(client)));
});

test("client.fetch is not kept from one dependency by another's open circuit", async () => {
  const { client } = hosts();
  await client.fetch('https://down.test/');
  expect(await errorOf(client.fetch('https://down.test/'))).toMatchObject({
    code: 'CIRCUIT_OPEN',
    dependency: 'https://down.test',
  });
  expect((await client.fetch('https://up.test/')).status).toBe(204);
  expect(stateOf(client, 'https://up.test')).toBe('closed');
});

test("client.fetch is not kept from one dependency by another's full bulkhead", async () => {
  const { client } = hosts({ bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const stuck = watch(client.fetch('https://silent.test/'));
  expect(await errorOf(client.fetch('https://silent.test/'))).toMatchObject({
    code: 'BULKHEAD_FULL',
    dependency: 'https://silent.test',
  });
  expect((await client.fetch('https://up.test/')).status).toBe(204);
  expect(stuck.state).toBe('pending');
});

test('client.fetch spends a retry budget for each dependency', async () => {
  const { client, upstream } = clientBench([503], {
    breaker: false,
    retry: { initialDelayMs: 0, maxAttempts: 2, budget: { ratio: 0, minPerSecond: 1 } },
  });
  for (const url of ['https://a.test/', 'https://a.test/', 'https://b.test/', 'https://b.test/'])
    await client.fetch(url);
  expect(upstream.requests.map(({ url }) => url)).toEqual([
    'https://a.test/',
    'https://a.test/',
    'https://a.test/',
    'https://b.test/',
    'https://b.test/',
    'https://b.test/',
  ]);
});

test('two clients share nothing', async () => {
  const first = hosts();
  const second = hosts();
  await first.client.fetch('https://down.test/');
  expect((await second.client.fetch('https://down.test/')).status).toBe(501);
});

// isolateBy.

test('isolateBy() says which dependency a request goes to, and errors and events name it', async () => {
  const { client, events } = hosts({ isolateBy: ({ url }) => new URL(url).pathname.split('/')[1] ?? '' });
  await client.fetch('https://gateway.test/down/1');
  expect(await errorOf(client.fetch('https://elsewhere.test/down/2'))).toMatchObject({
    code: 'CIRCUIT_OPEN',
    dependency: 'down',
  });
  expect((await client.fetch('https://gateway.test/users/1')).status).toBe(204);
  expect(keysOf(client)).toEqual(['down', 'users']);
  expect(events[0]).toMatchObject({ dependency: 'down' });
});

test('isolateBy() is given a Request with the method, URL and headers of the call', async () => {
  const seen: unknown[] = [];
  const { client } = hosts({
    isolateBy(request) {
      const { url, method, headers } = request;
      seen.push({ isRequest: request instanceof Request, url, method, tenant: headers.get('x-tenant') });
      return 'dependency';
    },
  });
  const url = 'https://users.test/u/1';
  await client.fetch(url);
  await client.fetch(new URL(url), { method: 'put', headers: { 'x-tenant': 'init' }, body: 'text' });
  const request = new Request(url, { method: 'DELETE', headers: { 'x-tenant': 'request' } });
  await client.fetch(request);
  await client.fetch(request, { headers: { 'x-tenant': 'init' } });
  expect(seen).toEqual([
    { isRequest: true, url, method: 'GET', tenant: null },
    { isRequest: true, url, method: 'PUT', tenant: 'init' },
    { isRequest: true, url, method: 'DELETE', tenant: 'request' },
    { isRequest: true, url, method: 'DELETE', tenant: 'init' },
  ]);
});

test('isolateBy() cannot use up the body of the call', async () => {
  const bodies: unknown[] = [];
  const { client } = clientBench([1], {
    fetch: async (input, init) => {
      bodies.push(await new Request(input, init).text());
      return new Response(null, { status: 204 });
    },
    isolateBy(request) {
      void request.text();
      return 'dependency';
    },
  });
  await client.fetch(new Request('https://users.test/', { method: 'PUT', body: 'of the request' }));
  await client.fetch('https://users.test/', { method: 'PUT', body: 'of init' });
  expect(bodies).toEqual(['of the request', 'of init']);
});

test('isolateBy() is asked once a call, not once an attempt', async () => {
  const isolateBy = vi.fn(() => 'dependency');
  const { client, upstream } = clientBench([503], { isolateBy, retry: { initialDelayMs: 0 } });
  await client.fetch('https://users.test/');
  expect(upstream.calls).toBe(3);
  expect(isolateBy).toHaveBeenCalledTimes(1);
});

test('isolateBy() is asked about a relative URL too, which a fetch of the user can resolve', async () => {
  const { client } = clientBench([200], { isolateBy: ({ method }) => method });
  expect((await client.fetch('/users')).status).toBe(200);
  expect(keysOf(client)).toEqual(['GET']);
});

test.for([
  { kind: 'undefined', answer: undefined, shown: 'undefined' },
  { kind: 'null', answer: null, shown: 'null' },
  { kind: 'a number', answer: 7, shown: '7' },
  { kind: 'a promise', answer: Promise.resolve('key'), shown: 'an object' },
])('client.fetch rejects with a TypeError before any layer, when isolateBy() returns $kind', async (row) => {
  const { client, upstream, events } = hosts({ isolateBy: () => row.answer as unknown as string });
  const error = await errorOf(client.fetch('https://users.test/'));
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ message: `isolateBy must return a string, got ${row.shown}` });
  expect(upstream.calls).toBe(0);
  expect(events).toEqual([]);
  expect(keysOf(client)).toEqual([]);
});

test('client.fetch rejects with what isolateBy() threw', async () => {
  const bug = new Error('isolateBy has a bug');
  const { client, upstream } = hosts({
    isolateBy() {
      throw bug;
    },
  });
  expect(await errorOf(client.fetch('https://users.test/'))).toBe(bug);
  expect(upstream.calls).toBe(0);
});

test.for(['', '__proto__', 'constructor', 'a b\n"'])('client.fetch keeps state under any key: %j', async (key) => {
  const { client } = hosts({ isolateBy: () => key });
  await client.fetch('https://down.test/');
  expect(await errorOf(client.fetch('https://up.test/'))).toMatchObject({ code: 'CIRCUIT_OPEN', dependency: key });
  expect(keysOf(client)).toEqual([key]);
});

// maxDependencies.

const at = (name: string): string => `https://${name}.test/`;
const origins = (...names: readonly string[]): readonly string[] => names.map((name) => `https://${name}.test`).sort();

test('client.fetch forgets the oldest idle dependency, when there is one more than maxDependencies', async () => {
  const { client } = hosts({ maxDependencies: 2 });
  for (const name of ['a', 'b']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('a', 'b'));
  await client.fetch(at('c'));
  expect(keysOf(client)).toEqual(origins('b', 'c'));
});

const registrySizes = [1, 16, 17, 100].flatMap((maxDependencies) => [
  { maxDependencies, rounds: 1, called: 'called once' },
  { maxDependencies, rounds: 2, called: 'called again and again' },
]);

test.for(registrySizes)(
  'client.fetch remembers a newcomer, when all $maxDependencies others are idle, $called',
  async ({ maxDependencies, rounds }) => {
    const { client } = hosts({ maxDependencies });
    for (let call = 0; call < rounds * maxDependencies; call += 1)
      await client.fetch(at(String(call % maxDependencies)));
    await client.fetch(at('down'));
    expect(keysOf(client)).toHaveLength(maxDependencies);
    expect(await errorOf(client.fetch(at('down')))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  },
);

test('client.fetch forgets nothing, for calls to dependencies it knows', async () => {
  const { client } = hosts({ maxDependencies: 2 });
  for (const name of ['a', 'b', 'a', 'b', 'a']) await client.fetch(at(name));
  expect(client.snapshot().dependencies).toMatchObject({
    'https://a.test': { counters: { calls: 3 } },
    'https://b.test': { counters: { calls: 2 } },
  });
});

test('client.fetch gives a dependency that was called meanwhile a second chance', async () => {
  const { client } = hosts({ maxDependencies: 3 });
  // With d, a is forgotten, and what b and c were called before does not count any more.
  for (const name of ['a', 'b', 'c', 'd']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('b', 'c', 'd'));
  await client.fetch(at('b'));
  await client.fetch(at('e'));
  expect(keysOf(client)).toEqual(origins('b', 'd', 'e'));
});

test('client.fetch starts anew with a dependency that was forgotten', async () => {
  const { client } = clientBench([501, 200, 501, 200], { maxDependencies: 1, breaker: { failureThreshold: 2 } });
  for (const name of ['a', 'b', 'a']) await client.fetch(at(name));
  expect(client.snapshot().dependencies['https://a.test']).toMatchObject({
    breaker: { state: 'closed', consecutiveFailures: 1 },
    counters: { calls: 1 },
  });
});

test('client.fetch does not forget a dependency with an open circuit', async () => {
  const { client } = hosts({ maxDependencies: 2 });
  await client.fetch(at('down'));
  for (const name of ['a', 'b', 'c', 'd']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('d', 'down'));
  expect(await errorOf(client.fetch(at('down')))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('client.fetch forgets a circuit that has been open and that nobody asks for any more', async () => {
  const { client, clock } = hosts({ maxDependencies: 2 });
  await client.fetch(at('down'));
  await clock.advance(9_999);
  for (const name of ['a', 'b']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('b', 'down'));
  await clock.advance(1);
  for (const name of ['c', 'd']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('c', 'd'));
});

test('client.fetch does not forget a half-open circuit with its probe under way', async () => {
  const { client, clock } = hosts({
    maxDependencies: 2,
    isolateBy: ({ url }) => new URL(url).host.replace('silent', 'down'),
  });
  await client.fetch(at('down'));
  await clock.advance(10_000);
  const controller = new AbortController();
  const probe = errorOf(client.fetch(at('silent'), { signal: controller.signal }));
  expect(stateOf(client, 'down.test')).toBe('half-open');
  for (const name of ['a', 'b', 'c']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(['c.test', 'down.test']);
  controller.abort();
  await probe;
});

test.for([
  { input: 'data:,hi', key: 'data:' },
  { input: 'app://shop/list', key: 'app:' },
])('client.fetch keeps what has no origin apart by its scheme, for $input', async ({ input, key }) => {
  const { client } = hosts();
  await client.fetch(input);
  expect(keysOf(client)).toEqual([key]);
});

test('client.fetch does not forget a dependency with a call under way, and does once it has ended', async () => {
  const { client } = hosts({ maxDependencies: 2 });
  const controller = new AbortController();
  const stuck = errorOf(client.fetch(at('silent'), { signal: controller.signal }));
  for (const name of ['a', 'b', 'c']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('c', 'silent'));
  controller.abort();
  await stuck;
  for (const name of ['d', 'e']) await client.fetch(at(name));
  expect(keysOf(client)).toEqual(origins('d', 'e'));
});

test('client.fetch forgets idle dependencies by activity alone, without a breaker', async () => {
  const { client } = hosts({ maxDependencies: 1, breaker: false });
  await client.fetch(at('down'));
  await client.fetch(at('a'));
  expect(keysOf(client)).toEqual(origins('a'));
});

test('client.fetch defends a newcomer that there is no room for, and does not remember it', async () => {
  const { client, clock, events } = hosts({ maxDependencies: 1, attemptTimeoutMs: 500, retry: { initialDelayMs: 0 } });
  await client.fetch(at('down'));
  const call = errorOf(client.fetch(at('silent')));
  await clock.advance(1_500);
  expect(await call).toMatchObject({ code: 'ATTEMPT_TIMEOUT', dependency: 'https://silent.test' });
  expect(events.at(-1)).toMatchObject({ type: 'completed', dependency: 'https://silent.test', attempts: 3 });
  expect(keysOf(client)).toEqual(origins('down'));
});

test('client.close() ends calls to newcomers that there was no room for', async () => {
  const { client, clock } = hosts({ maxDependencies: 1 });
  await client.fetch(at('down'));
  const call = errorOf(client.fetch(at('silent')));
  const closed = client.close({ drainMs: 100 });
  await clock.advance(100);
  expect(await call).toMatchObject({ code: 'CLOSED', dependency: 'https://silent.test' });
  await closed;
});

const hostile = [
  { kind: 'answer', status: 200, count: engine === 'node' ? 100_000 : 10_000 },
  { kind: 'open their circuits', status: 501, count: 10_000 },
];

test.for(hostile)(
  'client.fetch stays bounded, for $count hostile origins that $kind',
  { timeout: 120_000 },
  async ({ status, count }) => {
    const client = createClient({
      clock: new FakeClock(),
      fetch: async () => new Response(null, { status }),
      breaker: { failureThreshold: 1 },
      maxDependencies: 50,
    });
    for (let number = 1; number <= count; number += 1) await client.fetch(`https://${number}.test/`);
    expect(keysOf(client)).toHaveLength(50);
  },
);
