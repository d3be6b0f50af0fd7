// Runs in an empty project that has installed the packed library, under each runtime's own test runner.
import assert from 'node:assert/strict';
import process from 'node:process';
import test from 'node:test';
import ky from 'ky';
import { createClient, degradation, HttpError, memoryStore } from 'steadfetch';
import { SteadfetchDevtools } from 'steadfetch/devtools';
import { createHealth, dependsOn } from 'steadfetch/health';
import { idbStore } from 'steadfetch/idb';
import { extendKy } from 'steadfetch/ky';
import { instrument } from 'steadfetch/otel';
import { createServerTiming } from 'steadfetch/server-timing';
import { FakeClock, scriptedFetch } from 'steadfetch/testing';

const urlOf = (script) => `${process.env.FAULT_SERVER}/${crypto.randomUUID()}/${script}`;

const soon = { retry: { initialDelayMs: 0 } };

test('client.fetch gives a Response, and works unbound', async () => {
  const { fetch } = createClient();
  const response = await fetch(urlOf('200;body=hello'));
  assert.ok(response instanceof Response);
  assert.equal(await response.text(), 'hello');
});

test('client.json gives the value, not degraded', async () => {
  const { value, degraded } = await createClient().json(urlOf('ok'));
  assert.deepEqual(value, { ok: true });
  assert.equal(degraded, false);
});

test('client.fetch retries a 503', async () => {
  const client = createClient(soon);
  const attempts = [];
  client.subscribe((event) => event.type === 'attempt' && attempts.push(event.attempt));
  const response = await client.fetch(urlOf('503,503,ok'));
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { ok: true });
  assert.deepEqual(attempts, [1, 2, 3]);
});

test('client.json retries a body that breaks off', async () => {
  const { value } = await createClient(soon).json(urlOf('reset-body,ok'));
  assert.deepEqual(value, { ok: true });
});

test('client.json rejects a status that is no success, with the response', async () => {
  const error = await createClient()
    .json(urlOf('404;body=nobody'))
    .catch((thrown) => thrown);
  assert.ok(error instanceof HttpError);
  assert.equal(error.response.status, 404);
  assert.equal(await error.response.text(), 'nobody');
});

test('client.fetch ends at the deadline', async () => {
  const hanging = createClient({ deadlineMs: 100 }).fetch(urlOf('hang'));
  await assert.rejects(hanging, { code: 'DEADLINE_EXCEEDED', name: 'TimeoutError' });
});

test('client.fetch ends an attempt that hangs, and tries again', async () => {
  const response = await createClient({ ...soon, attemptTimeoutMs: 100 }).fetch(urlOf('hang,ok'));
  assert.deepEqual(await response.json(), { ok: true });
});

test('client.fetch rejects with the reason of an abort, untouched', async () => {
  const controller = new AbortController();
  const call = createClient().fetch(urlOf('hang'), { signal: controller.signal });
  const reason = { mine: true };
  controller.abort(reason);
  assert.equal(await call.catch((error) => error), reason);
});

test('client.fetch is refused while the circuit is open', async () => {
  const client = createClient({ retry: false, breaker: { failureThreshold: 1 } });
  const url = urlOf('500,ok');
  await (await client.fetch(url)).body?.cancel();
  await assert.rejects(client.fetch(url), { code: 'CIRCUIT_OPEN' });
});

test('client.close ends running calls and refuses new ones', async () => {
  const client = createClient();
  const running = assert.rejects(client.fetch(urlOf('hang')), { code: 'CLOSED' });
  await client.close({ drainMs: 0 });
  await running;
  await assert.rejects(client.fetch(urlOf('ok')), { code: 'CLOSED' });
});

test('FakeClock and scriptedFetch take the place of time and network', async () => {
  const clock = new FakeClock();
  const fetch = scriptedFetch([503, 200], { clock });
  const call = createClient({ clock, fetch, random: () => 1 }).fetch('https://api.example/');
  await clock.advance(100);
  assert.equal((await call).status, 200);
});

// The fault server wants nothing stored.
const kept = (store) => ({ retry: false, fallback: { store, cacheControl: 'ignore' } });

test('client.fetch gives the stored answer, degraded, while its server is down', async () => {
  const client = createClient(kept(memoryStore()));
  const url = urlOf('200;body=one,reset');
  assert.equal(await (await client.fetch(url, { headers: { authorization: 'me' } })).text(), 'one');
  const response = await client.fetch(url, { headers: { authorization: 'me' } });
  assert.deepEqual(degradation(response), { source: 'cache', reason: 'network', ageMs: 0 });
  assert.equal(await response.text(), 'one');
  await assert.rejects(client.fetch(url, { headers: { authorization: 'somebody else' } }));
});

test('extendKy() calls through the client, and gives what is degraded', async () => {
  const api = extendKy(ky, createClient(kept(memoryStore())));
  const url = urlOf('ok,503');
  assert.deepEqual(await api.get(url).json(), { ok: true });
  const response = await api.get(url);
  assert.equal(degradation(response)?.reason, 'status-503');
  assert.deepEqual(await response.json(), { ok: true });
});

test('idbStore() fails no call where there is no IndexedDB, and says so', async () => {
  const client = createClient(kept(idbStore({ partition: 'public' })));
  const operations = [];
  client.subscribe((event) => event.type === 'store-error' && operations.push(event.operation));
  assert.deepEqual((await client.json(urlOf('ok'))).value, { ok: true });
  assert.equal(operations[0], 'get');
});

test('coalesce has identical Requests share one call', async () => {
  const client = createClient({ fallback: { coalesce: true } });
  const url = urlOf('ok');
  await Promise.all([1, 2].map(async () => (await client.fetch(new Request(url))).json()));
  const [{ counters }] = Object.values(client.snapshot().dependencies);
  assert.equal(counters.attempts, 1);
});

test('createHealth answers probes by the state of a client', async () => {
  const client = createClient({ retry: false, breaker: { failureThreshold: 1 } });
  const health = createHealth({ readiness: { users: dependsOn(client) } });
  const ready = async () => (await health.handler(new Request('https://service.test/readyz'))).status;
  assert.equal(await ready(), 200);
  await client.fetch(urlOf('503'));
  const draining = createHealth();
  draining.draining = true;
  assert.equal((await draining.handler(new Request('https://service.test/readyz'))).status, 503);
  assert.equal(await health.handler(new Request('https://service.test/users')), undefined);
});

test('instrument() and createServerTiming() see a call, and change nothing of it', async () => {
  const client = createClient();
  const counted = [];
  const counter = (name) => ({ add: (value) => counted.push([name, value]), record: () => counted.push([name]) });
  const gauge = () => ({});
  const meter = {
    createCounter: counter,
    createUpDownCounter: counter,
    createHistogram: counter,
    createObservableGauge: gauge,
    addBatchObservableCallback() {},
    removeBatchObservableCallback() {},
  };
  const stop = instrument(client, { meter });
  const serverTiming = createServerTiming(client);
  const result = await client.json(urlOf('ok'));
  assert.deepEqual(result.value, { ok: true });
  assert.match(serverTiming(result), /^upstream;dur=[\d.]+;desc="network", upstream-attempt-1;dur=[\d.]+;desc="200"$/);
  assert.deepEqual(counted, [
    ['http.client.active_requests', 1],
    ['http.client.active_requests', -1],
    ['http.client.request.duration'],
    ['steadfetch.call.duration'],
  ]);
  stop();
});

test('steadfetch/devtools does no harm where there is nothing to draw on', () => {
  assert.equal(typeof SteadfetchDevtools, 'function');
  assert.equal(typeof globalThis.customElements, 'undefined');
});
