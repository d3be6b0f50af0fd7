import { expect, test } from 'vitest';

import {
  type ClientOptions,
  createClient,
  degradation,
  memoryStore,
  type SteadEvent,
  type Store,
} from '../../src/index.ts';
import { refusedUrl, scenario } from '../support/scenario.ts';

/** A client with a store of its own, one attempt per call and, where the server does not answer, no patience. */
function clientWith(options: ClientOptions = {}, store: Store = memoryStore()) {
  // The fault server wants nothing stored: it is the only one here that decides.
  const fallback = { store, cacheControl: 'ignore', key: () => 'one' } as const;
  const client = createClient({ retry: false, attemptTimeoutMs: 300, fallback, ...options });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  return { client, store, events };
}

/** Resolves when the store has been written, or has been let alone. */
async function stored(store: Store): Promise<boolean> {
  return (await store.get('public GET one')) !== undefined;
}

const one = '200;body=one;content-type=text%2Fplain';

const outages = [
  { fault: 'reset', reason: 'network' },
  { fault: 'empty', reason: 'network' },
  { fault: 'not-http', reason: 'network' },
  { fault: 'hang', reason: 'attempt-timeout' },
  { fault: '500', reason: 'status-500' },
  { fault: '503', reason: 'status-503' },
];

test.for(outages)('client.fetch gives the stored answer, degraded, after $fault', async ({ fault, reason }) => {
  const { client } = clientWith();
  const { url } = scenario(`${one},${fault}`);
  expect(await (await client.fetch(url)).text()).toBe('one');
  const response = await client.fetch(url);
  expect(degradation(response)).toMatchObject({ source: 'cache', reason });
  expect(response.url).toBe(url);
  expect(await response.text()).toBe('one');
});

test('client.fetch gives the stored answer, when the port refuses, and while the circuit is open', async () => {
  const { client } = clientWith({
    breaker: { failureThreshold: 1 },
    isolateBy: (request) => new URL(request.url).host,
  });
  await (await client.fetch(scenario(one).url)).text();
  const refused = await refusedUrl();
  for (const reason of ['network', 'circuit-open']) {
    const response = await client.fetch(refused);
    expect(degradation(response)).toMatchObject({ source: 'cache', reason });
    expect(await response.text()).toBe('one');
  }
});

test.for(['reset-body', 'cut-body', 'cut-chunked', 'reset-chunked', 'body-stall'])(
  'client.json gives the stored value, degraded, after %s',
  async (fault) => {
    const { client } = clientWith();
    const { url } = scenario(`ok,${fault}`);
    expect(await client.json(url)).toMatchObject({ value: { ok: true }, degraded: false });
    expect(await client.json(url)).toMatchObject({ value: { ok: true }, degraded: true });
  },
);

// A cut body of JSON: where an engine takes it for a whole one, it is found out as no JSON.
test.for(['reset-body', 'cut-body', 'cut-chunked', 'reset-chunked', 'body-stall'])(
  'client.fetch keeps what it has, rather than a body that ends in %s',
  async (fault) => {
    const { client } = clientWith({ deadlineMs: 500 });
    const { url } = scenario(`ok,${fault},503`);
    expect(await (await client.fetch(url)).json()).toEqual({ ok: true });
    const broken = await client.fetch(url).catch(() => undefined);
    await broken?.text().catch(() => undefined);
    const response = await client.fetch(url);
    expect(degradation(response)).toMatchObject({ source: 'cache', reason: 'status-503' });
    expect(await response.json()).toEqual({ ok: true });
  },
);

test('client.fetch frees the connection of a 503 that it does not hand out', async () => {
  const { client } = clientWith();
  const { url, closed } = scenario(`${one},huge;status=503`);
  await (await client.fetch(url)).text();
  expect(await (await client.fetch(url)).text()).toBe('one');
  const [, large] = await closed();
  expect(large?.connection).toBe('left by the client');
  expect(large?.sentBytes).toBeLessThan(1e8);
});

test('client.fetch streams what is too long to be stored', async () => {
  const { client, store } = clientWith();
  const { url } = scenario('huge;bytes=3000000,503');
  const response = await client.fetch(url);
  expect((await response.arrayBuffer()).byteLength).toBe(3_000_000);
  expect(await stored(store)).toBe(false);
  expect((await client.fetch(url)).status).toBe(503);
});

test('client.fetch stores the decoded body of a compressed answer', async () => {
  const { client } = clientWith();
  const { url } = scenario('gzip,503');
  expect(await (await client.fetch(url)).json()).toEqual({ ok: true });
  const response = await client.fetch(url);
  expect(response.headers.has('content-encoding')).toBe(false);
  expect(await response.json()).toEqual({ ok: true });
});

test('client.fetch refreshes behind its caller, and is fresh again by itself after an outage', async () => {
  const { client, events } = clientWith({
    fallback: { store: memoryStore(), cacheControl: 'ignore', staleWhileRevalidateMs: 60_000 },
  });
  const { url } = scenario(`${one},503,${one.replace('one', 'two')}`);
  const refreshed = (count: number) =>
    expect.poll(() => events.filter(({ type }) => type === 'revalidated').length).toBe(count);
  expect(await (await client.fetch(url)).text()).toBe('one');
  const second = await client.fetch(url);
  expect(degradation(second)).toBeUndefined();
  await refreshed(1);
  const third = await client.fetch(url);
  expect(degradation(third)).toMatchObject({ reason: 'status-503' });
  expect(await third.text()).toBe('one');
  await refreshed(2);
  const healed = await client.fetch(url);
  expect(degradation(healed)).toBeUndefined();
  expect(await healed.text()).toBe('two');
  await refreshed(3);
});

test('client.fetch shares one call among identical ones, over a real connection', async () => {
  const { client } = clientWith({ fallback: { coalesce: true } });
  const { url, closed } = scenario('slow-body;everyMs=5');
  const responses = await Promise.all([1, 2, 3, 4].map(() => client.fetch(url)));
  for (const response of responses) expect(await response.json()).toEqual({ ok: true });
  expect(await closed()).toHaveLength(1);
});
