import { expect, test, vi } from 'vitest';

import { memoryStore } from '../../src/index.ts';
import { instrument } from '../../src/otel/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, errorOf, fetchAndStore, origin, url } from '../client/bench.ts';
import { collectorOf, otelBench, type Series, seriesOf } from './bench.ts';

const server = {
  'http.request.method': 'GET',
  'server.address': 'users.test',
  'server.port': 443,
  'url.scheme': 'https',
  'steadfetch.dependency': origin,
};

/** A histogram as its number of records, and their sum. */
function sums(series: readonly Series[]): readonly (readonly [Series['attributes'], number, number | undefined])[] {
  return series.map(({ attributes, value }) => {
    const { count, sum } = value as { readonly count: number; readonly sum?: number };
    return [attributes, count, sum];
  });
}

test('instrument() measures the duration of each attempt, in seconds, by how it ended', async () => {
  const { client, clock, series } = otelBench(
    [{ status: 503, delayMs: 100 }, new TypeError('Failed to fetch'), { status: 200, delayMs: 250 }, 404],
    { name: 'users', retry: { initialDelayMs: 0 } },
  );
  const call = client.fetch(url);
  await clock.advance(1_000);
  await call;
  await client.fetch(url);
  const of = { ...server, 'steadfetch.client': 'users' };
  expect(sums(await series('http.client.request.duration'))).toEqual([
    [{ ...of, 'http.response.status_code': 503, 'error.type': '503' }, 1, 0.1],
    [{ ...of, 'error.type': 'network' }, 1, 0],
    [{ ...of, 'http.response.status_code': 200 }, 1, 0.25],
    [{ ...of, 'http.response.status_code': 404, 'error.type': '404' }, 1, 0],
  ]);
  expect(await series('http.request.resend_count')).toEqual([{ attributes: of, value: 2 }]);
});

test('instrument() measures durations in the buckets that the conventions advise', async () => {
  const { client, series } = otelBench([204]);
  await client.fetch(url);
  const [one] = await series('http.client.request.duration');
  expect(one?.value).toMatchObject({
    buckets: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });
});

test('instrument() counts the attempts under way, by the same attributes up and down', async () => {
  const { client, clock, series } = otelBench([{ delayMs: 10 }, 'hang'], { attemptTimeoutMs: 100, retry: false });
  const calls = [client.fetch(url), client.fetch(url).catch(() => {})];
  expect(await series('http.client.active_requests')).toEqual([{ attributes: server, value: 2 }]);
  await clock.advance(10);
  expect(await series('http.client.active_requests')).toEqual([{ attributes: server, value: 1 }]);
  await clock.advance(90);
  await Promise.all(calls);
  expect(await series('http.client.active_requests')).toEqual([{ attributes: server, value: 0 }]);
});

test('instrument() measures requests side by side, each until it ended', async () => {
  const { client, clock, series } = otelBench(['hang', { delayMs: 10 }], { hedge: { afterMs: 50 } });
  const call = client.fetch(url);
  await clock.advance(50);
  expect(await series('http.client.active_requests')).toEqual([{ attributes: server, value: 2 }]);
  await clock.advance(10);
  await call;
  expect(await series('http.client.active_requests')).toEqual([{ attributes: server, value: 0 }]);
  const durations = await series('http.client.request.duration');
  expect(durations.map(({ attributes, value }) => [attributes, (value as { sum: number }).sum])).toEqual([
    [{ ...server, 'http.response.status_code': 200 }, 0.01],
    [{ ...server, 'error.type': 'outrun' }, 0.06],
  ]);
});

test('instrument() tells the state of each circuit, and for how long it is not closed', async () => {
  const { client, clock, series } = otelBench([501, 200], { breaker: { failureThreshold: 1, successThreshold: 1 } });
  const attributes = { 'steadfetch.dependency': origin };
  await clock.advance(4_000);
  await client.fetch(url);
  expect(await series('steadfetch.circuit.state')).toEqual([{ attributes, value: 2 }]);
  const outage = async (): Promise<unknown> => (await series('steadfetch.circuit.outage.duration'))[0]?.value;
  expect(await outage()).toBe(0);
  await clock.advance(10_000);
  expect((await series('steadfetch.circuit.state'))[0]?.value).toBe(1);
  // A probe is no end of it.
  expect(await outage()).toBe(10);
  await client.fetch(url);
  expect((await series('steadfetch.circuit.state'))[0]?.value).toBe(0);
  expect(await outage()).toBe(0);
  const transitions = await series('steadfetch.circuit.transitions');
  expect(transitions.map((each) => each.attributes)).toEqual([
    { ...attributes, 'steadfetch.circuit.from': 'closed', 'steadfetch.circuit.to': 'open' },
    { ...attributes, 'steadfetch.circuit.from': 'open', 'steadfetch.circuit.to': 'half-open' },
    { ...attributes, 'steadfetch.circuit.from': 'half-open', 'steadfetch.circuit.to': 'closed' },
  ]);
});

test('instrument() takes a dependency that the client has forgotten for well: it would stay as it was for good', async () => {
  const { client, clock, series } = otelBench([501], { breaker: { failureThreshold: 1 }, maxDependencies: 1 });
  await client.fetch(url);
  expect((await series('steadfetch.circuit.state')).map(({ value }) => value)).toEqual([2]);
  await clock.advance(10_000);
  await client.fetch('https://other.test/');
  expect((await series('steadfetch.circuit.state')).map(({ value }) => value)).toEqual([0, 2]);
  await clock.advance(1_000);
  expect((await series('steadfetch.circuit.outage.duration')).map(({ value }) => value)).toEqual([0, 1]);
});

test.for([
  { what: 'the one that is down first', isLast: false },
  { what: 'the one that is down last', isLast: true },
])('instrument() observes clients of no name together, $what: an outage of one is not hidden', async ({ isLast }) => {
  const breaker = { failureThreshold: 1, resetTimeoutMs: 60_000 };
  const down = clientBench([501], { breaker, bulkhead: { maxConcurrent: 2, maxQueued: 3 } });
  const well = clientBench(['hang'], { breaker, bulkhead: { maxConcurrent: 1, maxQueued: 5 } });
  const { meterProvider, collect } = collectorOf();
  for (const { client } of isLast ? [well, down] : [down, well]) instrument(client, { meterProvider });
  const values = async (name: string): Promise<unknown> =>
    seriesOf(await collect(), `steadfetch.${name}`).map(({ value }) => value);
  await down.client.fetch(url);
  for (let call = 1; call <= 3; call += 1) well.client.fetch(url).catch(() => {});
  await Promise.all([down, well].map(({ clock }) => clock.advance(10_000)));
  expect(await values('circuit.state')).toEqual([2]);
  expect(await values('circuit.outage.duration')).toEqual([10]);
  expect(await values('bulkhead.running')).toEqual([1]);
  expect(await values('bulkhead.running.limit')).toEqual([3]);
  expect(await values('bulkhead.queued')).toEqual([2]);
  expect(await values('bulkhead.queued.limit')).toEqual([8]);
  const [one, other] = [down, well].map(({ client }) => client.snapshot().dependencies[origin]?.retriesAvailable);
  expect(await values('retry.available')).toEqual([(one ?? 0) + (other ?? 0)]);
});

test('instrument() tells clients apart by their names', async () => {
  const { meterProvider, collect } = collectorOf();
  for (const [name, status] of [['shop', 501] as const, ['search', 200] as const]) {
    const { client } = clientBench([status], { name, breaker: { failureThreshold: 1 } });
    instrument(client, { meterProvider });
    await client.fetch(url);
  }
  const of = { 'steadfetch.dependency': origin };
  expect(seriesOf(await collect(), 'steadfetch.circuit.state')).toEqual([
    { attributes: { ...of, 'steadfetch.client': 'shop' }, value: 2 },
    { attributes: { ...of, 'steadfetch.client': 'search' }, value: 0 },
  ]);
});

test('instrument() observes the others, when a client does not tell how it is, and leaves that one as it was', async () => {
  const { meterProvider, collect } = collectorOf();
  const clock = new FakeClock();
  const down = clientBench([501], { name: 'down', clock, breaker: { failureThreshold: 1 } });
  const well = clientBench(['hang'], { name: 'well' });
  for (const { client } of [down, well]) instrument(client, { meterProvider });
  await down.client.fetch(url);
  const states = async (): Promise<unknown> =>
    seriesOf(await collect(), 'steadfetch.circuit.state').map(({ attributes, value }) => [
      attributes['steadfetch.client'],
      value,
    ]);
  expect(await states()).toEqual([['down', 2]]);
  vi.spyOn(clock, 'epochNow').mockImplementation(() => {
    throw new Error('The clock has stopped');
  });
  well.client.fetch(url).catch(() => {});
  expect(await states()).toEqual([
    ['down', 2],
    ['well', 0],
  ]);
});

test('instrument() takes what one client of a name has no limit of for unlimited, and its circuits from the others', async () => {
  const down = clientBench([501], { breaker: { failureThreshold: 1 }, maxDependencies: 1 });
  const plain = clientBench([200], { breaker: false, bulkhead: false });
  const { meterProvider, collect } = collectorOf();
  for (const { client } of [down, plain]) {
    instrument(client, { meterProvider });
    await client.fetch(url);
  }
  const state = async (): Promise<unknown> =>
    seriesOf(await collect(), 'steadfetch.circuit.state').map(({ attributes, value }) => [
      attributes['steadfetch.dependency'],
      value,
    ]);
  expect(await state()).toEqual([[origin, 2]]);
  expect(seriesOf(await collect(), 'steadfetch.bulkhead.running.limit')).toEqual([]);
  // Forgotten by the one that has circuits, and still called by the other.
  await down.clock.advance(60_000);
  await down.client.fetch('https://other.test/');
  expect(await state()).toEqual([
    [origin, 0],
    ['https://other.test', 2],
  ]);
});

test('instrument() counts refusals by their code, and what callers were given by where it is from', async () => {
  const { client, clock, series } = otelBench([200, 501, 501], {
    breaker: { failureThreshold: 2 },
    fallback: {
      store: memoryStore(),
      maxAgeMs: 1_000,
      respond: ({ url: asked }) => (asked.endsWith('/default') ? new Response('none') : undefined),
    },
  });
  await fetchAndStore(client, url);
  await client.fetch(url);
  await clock.advance(2_000);
  await client.fetch(url);
  await client.fetch(`${origin}/default`);
  await errorOf(client.fetch(`${origin}/gone`));
  const of = { 'steadfetch.dependency': origin };
  expect(await series('steadfetch.rejections')).toEqual([
    { attributes: { ...of, 'error.type': 'CIRCUIT_OPEN' }, value: 1 },
  ]);
  expect(await series('steadfetch.fallback.answers')).toEqual([
    { attributes: { ...of, 'steadfetch.answer': 'cache', 'steadfetch.degraded': false }, value: 1 },
    {
      attributes: { ...of, 'steadfetch.answer': 'cache', 'steadfetch.degraded': true, 'error.type': 'status-501' },
      value: 1,
    },
    {
      attributes: { ...of, 'steadfetch.answer': 'default', 'steadfetch.degraded': true, 'error.type': 'status-501' },
      value: 1,
    },
  ]);
  const given = sums(await series('steadfetch.call.duration')).map(([attributes, count]) => [
    attributes['steadfetch.answer'],
    attributes['steadfetch.degraded'],
    attributes['error.type'],
    count,
  ]);
  expect(given).toEqual([
    ['network', false, undefined, 1],
    ['cache', false, undefined, 1],
    ['cache', true, undefined, 1],
    ['default', true, undefined, 1],
    ['none', false, 'CIRCUIT_OPEN', 1],
  ]);
});

test('instrument() takes an answer that json() throws for an answer, and a caller who leaves for no failure', async () => {
  const { client, clock, series } = otelBench([404, 503, 'hang'], { retry: false, attemptTimeoutMs: false });
  await errorOf(client.json(url));
  await errorOf(client.json(url));
  const controller = new AbortController();
  const left = errorOf(client.fetch(url, { signal: controller.signal }));
  await clock.advance(10);
  controller.abort();
  await left;
  const given = (await series('steadfetch.call.duration')).map(({ attributes }) => [
    attributes['steadfetch.answer'],
    attributes['http.response.status_code'],
    attributes['error.type'],
  ]);
  expect(given).toEqual([
    ['network', 404, '404'],
    ['network', 503, '503'],
    ['none', undefined, 'aborted'],
  ]);
});

test('instrument() counts as sent again what was sent, and not what was meant to be', async () => {
  const { client, clock, series } = otelBench([503]);
  const controller = new AbortController();
  const call = errorOf(client.fetch(url, { signal: controller.signal, retry: { initialDelayMs: 5_000 } }));
  await clock.advance(10);
  controller.abort();
  await call;
  expect(await series('http.request.resend_count')).toEqual([]);
});

test('instrument() names what a hook of the user does wrong for what it is, and keeps count of attempts', async () => {
  const { client, series, spans } = otelBench([200], {
    retry: false,
    breaker: {
      classify() {
        throw new Error('a bug');
      },
    },
  });
  await errorOf(client.fetch(url));
  expect((await series('http.client.active_requests')).map(({ value }) => value)).toEqual([0]);
  expect((await series('steadfetch.call.duration')).map(({ attributes }) => attributes['error.type'])).toEqual([
    '_OTHER',
  ]);
  expect(spans()).toHaveLength(2);
});

test('instrument() takes no name that a store gives its errors for one of its own', async () => {
  const error = Object.assign(new Error('no'), { name: 'user 5' });
  const store = { ...memoryStore(), shared: false, get: () => Promise.reject(error) };
  const { client, series } = otelBench([200], { fallback: { store } });
  await client.fetch(url);
  expect((await series('steadfetch.store.errors')).map(({ attributes }) => attributes['error.type'])).toEqual([
    'Error',
  ]);
});

test('instrument() begins nothing: a restored client goes on from when it is first used', async () => {
  const before = otelBench([501], { breaker: { failureThreshold: 1 } });
  await before.client.fetch(url);
  const { clock } = before;
  // At module scope, the clocks of a Worker stand at 0.
  let isStarted = false;
  const lazy = {
    now: () => (isStarted ? clock.now() : 0),
    epochNow: () => (isStarted ? clock.epochNow() : 0),
    schedule: clock.schedule.bind(clock),
    timeoutSignal: clock.timeoutSignal.bind(clock),
  };
  const { client } = otelBench([200], { clock: lazy, restore: before.client.snapshot() });
  isStarted = true;
  expect(await errorOf(client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('instrument() measures how long calls waited for a slot, and how full the bulkhead is', async () => {
  const { client, clock, series } = otelBench([{ delayMs: 100 }], {
    bulkhead: { maxConcurrent: 1, maxQueued: 5 },
  });
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(0);
  const value = async (name: string): Promise<unknown> => (await series(`steadfetch.bulkhead.${name}`))[0]?.value;
  const names = ['running', 'running.limit', 'queued', 'queued.limit'];
  expect(await Promise.all(names.map(value))).toEqual([1, 1, 1, 5]);
  await clock.advance(200);
  await Promise.all(calls);
  expect(sums(await series('steadfetch.queue.duration'))).toEqual([[{ 'steadfetch.dependency': origin }, 1, 0.1]]);
  expect(sums(await series('steadfetch.call.duration'))[0]?.slice(1)).toEqual([2, expect.closeTo(0.3)]);
});

test('instrument() tells how many may run for now, of a limit that is found out', async () => {
  const { client, clock, series } = otelBench([{ delayMs: 50 }], { bulkhead: { maxConcurrent: 'adaptive' } });
  const limit = async (): Promise<unknown> => (await series('steadfetch.bulkhead.running.limit'))[0]?.value;
  const calls = Array.from({ length: 40 }, () => client.fetch(url));
  await clock.advance(0);
  expect(await limit()).toBe(20);
  await clock.advance(1_000);
  await Promise.all(calls);
  expect(await limit()).toBe(client.snapshot().dependencies[origin]?.maxConcurrent);
  expect(await limit()).toBeGreaterThan(20);
});

test('instrument() measures what is done behind callers as requests, and not as calls', async () => {
  const { client, clock, series } = otelBench([200, 500], {
    retry: false,
    fallback: { store: memoryStore(), maxAgeMs: 1_000, staleWhileRevalidateMs: 60_000 },
  });
  await fetchAndStore(client, url);
  await clock.advance(2_000);
  await client.fetch(url);
  await clock.advance(0);
  expect(sums(await series('http.client.request.duration')).map(([, count]) => count)).toEqual([1, 1]);
  expect(sums(await series('steadfetch.call.duration')).map(([, count]) => count)).toEqual([1, 1]);
  expect((await series('steadfetch.fallback.revalidations')).map(({ attributes }) => attributes)).toEqual([
    { 'steadfetch.dependency': origin, 'steadfetch.background': true, 'steadfetch.revalidation': 'failed' },
  ]);
});

test('instrument() counts what a store fails to do', async () => {
  const store = {
    shared: false,
    get: () => Promise.reject(new Error('secret')),
    set: () => Promise.reject(new Error('secret')),
    delete: () => Promise.resolve(),
    clear: () => Promise.resolve(),
  };
  const { client, clock, series } = otelBench([200], { fallback: { store } });
  await client.fetch(url);
  await clock.advance(0);
  const errors = await series('steadfetch.store.errors');
  expect(errors.map(({ attributes }) => attributes)).toContainEqual({
    'steadfetch.dependency': origin,
    'steadfetch.store.operation': 'get',
    'error.type': 'Error',
  });
  expect(JSON.stringify(errors)).not.toContain('secret');
});

test('instrument() names its metrics and their units', async () => {
  const { client, clock, metrics } = otelBench(['hang'], { bulkhead: { maxConcurrent: 1 } });
  for (let call = 1; call <= 2; call += 1) client.fetch(url).catch(() => {});
  await clock.advance(1);
  expect(await metrics()).toMatchObject({
    'http.client.active_requests': '{request}',
    'steadfetch.bulkhead.queued': '{call}',
    'steadfetch.circuit.state': '',
    'steadfetch.retry.available': '{request}',
  });
  await clock.advance(60_000);
  expect(await metrics()).toMatchObject({
    'http.client.request.duration': 's',
    'steadfetch.call.duration': 's',
    'steadfetch.queue.duration': 's',
  });
});

test('instrument() ends with the function that it returned: nothing is measured any more', async () => {
  const { client, stop, series } = otelBench([204]);
  await client.fetch(url);
  stop();
  stop();
  await client.fetch(url);
  expect(sums(await series('http.client.request.duration')).map(([, count]) => count)).toEqual([1]);
  expect(await series('steadfetch.circuit.state')).toEqual([]);
});

test('instrument() puts to rest what was shown of a client, when it ends: an outage would go on for good', async () => {
  const { client, clock, series, stop } = otelBench([501, 'hang'], {
    breaker: { failureThreshold: 1, resetTimeoutMs: 60_000 },
    bulkhead: { maxConcurrent: 1, maxQueued: 1 },
  });
  const names = ['circuit.state', 'circuit.outage.duration', 'bulkhead.running', 'bulkhead.queued'];
  const values = async (): Promise<unknown[]> => {
    const all = await Promise.all(names.map((name) => series(`steadfetch.${name}`)));
    return all.flatMap((each) => each.map(({ value }) => value));
  };
  await client.fetch(url);
  await clock.advance(60_000);
  client.fetch(url).catch(() => {});
  await clock.advance(0);
  expect(await values()).toEqual([1, 60, 1, 0]);
  stop();
  expect(await values()).toEqual([0, 0, 0, 0]);
  await clock.advance(300_000);
  expect(await values()).toEqual([0, 0, 0, 0]);
});

test('instrument() leaves to the others what was shown of a client, when it ends', async () => {
  const breaker = { failureThreshold: 1, resetTimeoutMs: 60_000 };
  const { meterProvider, collect } = collectorOf();
  const benches = [501, 501, 200].map((status, index) =>
    clientBench([status], { breaker, ...(index < 2 ? {} : { name: 'other' }) }),
  );
  const stops = benches.map(({ client }) => instrument(client, { meterProvider }));
  for (const { client } of benches) await client.fetch(url);
  await benches[0]?.client.fetch('https://own.test/');
  const states = async (): Promise<unknown[]> =>
    seriesOf(await collect(), 'steadfetch.circuit.state').map(({ value }) => value);
  expect(await states()).toEqual([2, 2, 0]);
  stops[0]?.();
  expect(await states()).toEqual([2, 0, 0]);
  stops[1]?.();
  stops[2]?.();
  expect(await states()).toEqual([0, 0, 0]);
});

test('instrument() goes on where a client is measured again before anybody has looked', async () => {
  const { meterProvider, collect } = collectorOf();
  const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
  const states = async (): Promise<unknown[]> =>
    seriesOf(await collect(), 'steadfetch.circuit.state').map(({ value }) => value);
  const stop = instrument(client, { meterProvider });
  await client.fetch(url);
  expect(await states()).toEqual([2]);
  stop();
  const stopAgain = instrument(client, { meterProvider });
  expect(await states()).toEqual([2]);
  stopAgain();
  expect(await states()).toEqual([0]);
  instrument(client, { meterProvider });
  expect(await states()).toEqual([2]);
});

test('instrument() takes its callback from the meter, once all is at rest, and keeps no other from its turn', async () => {
  const { meterProvider, collect } = collectorOf();
  const meter = meterProvider.getMeter('mine');
  const removed = vi.spyOn(meter, 'removeBatchObservableCallback');
  const { client } = clientBench([501]);
  const stop = instrument(client, { meter });
  const other = vi.fn();
  meter.addBatchObservableCallback(other, [meter.createObservableGauge('other')]);
  await client.fetch(url);
  await collect();
  stop();
  expect(removed).not.toHaveBeenCalled();
  await collect();
  expect(removed).toHaveBeenCalledOnce();
  expect(other).toHaveBeenCalledTimes(2);
  // Nobody has seen anything of it: there is nothing to put to rest.
  instrument(client, { meter })();
  expect(removed).toHaveBeenCalledTimes(2);
});
