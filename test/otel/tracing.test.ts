import { propagation, SpanKind, SpanStatusCode, type TextMapPropagator } from '@opentelemetry/api';
import { AlwaysOffSampler, type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, expect, test, vi } from 'vitest';

import { memoryStore } from '../../src/index.ts';
import { errorOf, fetchAndStore, origin, url } from '../client/bench.ts';
import { engine } from '../support/engine.ts';
import { otelBench } from './bench.ts';

afterEach(() => {
  propagation.disable();
  vi.unstubAllGlobals();
});

// Wherever the test runs, `location` may be that of its page.
const everywhere = { propagateTo: () => true };

function named(spans: readonly ReadableSpan[], name: string): readonly ReadableSpan[] {
  return spans.filter((span) => span.name === name);
}

const hex = (length: number) => new RegExp(`^[0-9a-f]{${length}}$`);

test('instrument() traces a call as one span, with one in it for each attempt', async () => {
  const { client, clock, spans } = otelBench([503, new TypeError('Failed to fetch'), 200], { name: 'users' });
  const call = client.fetch(url, { method: 'PUT' });
  await clock.advance(1_000);
  await call;
  const [whole, ...others] = named(spans(), `PUT ${origin}`);
  const attempts = named(spans(), 'PUT');
  expect([others.length, attempts.length, spans().length]).toEqual([0, 3, 4]);
  expect(whole).toMatchObject({
    kind: SpanKind.INTERNAL,
    parentSpanContext: undefined,
    status: { code: SpanStatusCode.UNSET },
    attributes: {
      'steadfetch.client': 'users',
      'steadfetch.dependency': origin,
      'http.request.method': 'PUT',
      'http.response.status_code': 200,
      'steadfetch.answer': 'network',
      'steadfetch.degraded': false,
      'steadfetch.attempts': 3,
      'steadfetch.queued_ms': 0,
    },
  });
  for (const span of attempts) {
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.parentSpanContext?.spanId).toBe(whole?.spanContext().spanId);
    expect(span.spanContext().traceId).toBe(whole?.spanContext().traceId);
  }
  const of = {
    'http.request.method': 'PUT',
    'server.address': 'users.test',
    'server.port': 443,
    'url.scheme': 'https',
    'url.full': url,
  };
  expect(attempts.map(({ attributes }) => attributes)).toEqual([
    { ...of, 'http.response.status_code': 503, 'error.type': '503', 'steadfetch.outcome': 'failure' },
    { ...of, 'http.request.resend_count': 1, 'error.type': 'network', 'steadfetch.outcome': 'failure' },
    { ...of, 'http.request.resend_count': 2, 'http.response.status_code': 200, 'steadfetch.outcome': 'success' },
  ]);
  expect(attempts.map(({ status }) => status.code)).toEqual([
    SpanStatusCode.ERROR,
    SpanStatusCode.ERROR,
    SpanStatusCode.UNSET,
  ]);
  expect(whole?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['retry', { 'steadfetch.attempt': 2, 'steadfetch.delay_ms': 100 }],
    ['retry', { 'steadfetch.attempt': 3, 'steadfetch.delay_ms': 200 }],
  ]);
});

test('instrument() traces requests side by side as one span each, and takes none that was outrun for an error', async () => {
  const { client, clock, spans, upstream } = otelBench(
    ['hang', { body: 'second', delayMs: 10 }],
    { hedge: { afterMs: 50 } },
    everywhere,
  );
  const call = client.fetch(url);
  await clock.advance(60);
  await call;
  const [whole] = named(spans(), `GET ${origin}`);
  const attempts = named(spans(), 'GET');
  expect(spans()).toHaveLength(3);
  expect(spans().at(-1)).toBe(whole);
  expect(whole?.attributes).toMatchObject({ 'steadfetch.attempts': 2, 'http.response.status_code': 200 });
  expect(attempts.map(({ attributes, status }) => [attributes, status.code])).toMatchObject([
    [
      {
        'http.request.resend_count': 1,
        'http.response.status_code': 200,
        'steadfetch.outcome': 'success',
        'steadfetch.hedged': true,
      },
      SpanStatusCode.UNSET,
    ],
    [{ 'error.type': 'outrun', 'steadfetch.outcome': 'ignored' }, SpanStatusCode.UNSET],
  ]);
  // Each told the next hop of its own span.
  const sent = upstream.requests.map(({ headers }) => headers.get('traceparent')?.split('-')[2]);
  expect(sent.toReversed()).toEqual(attempts.map((span) => span.spanContext().spanId));
});

test('instrument() sends traceparent with each attempt, of that attempt', async () => {
  const { client, clock, spans, upstream } = otelBench([503, 200], {}, everywhere);
  const call = client.fetch(url, { headers: { traceparent: 'what the caller got from elsewhere' } });
  await clock.advance(1_000);
  await call;
  const sent = upstream.requests.map(({ headers }) => headers.get('traceparent'));
  const expected = named(spans(), 'GET').map((span) => {
    const { traceId, spanId } = span.spanContext();
    expect(traceId).toMatch(hex(32));
    expect(spanId).toMatch(hex(16));
    return `00-${traceId}-${spanId}-01`;
  });
  expect(sent).toEqual(expected);
  expect(new Set(sent).size).toBe(2);
});

test('instrument() tells the next hop of the trace by the propagator that is set for all, alone', async () => {
  const propagator: TextMapPropagator = {
    inject: (_context, carrier, setter) => setter.set(carrier, 'x-b3-traceid', 'b3'),
    extract: (given) => given,
    fields: () => ['x-b3-traceid'],
  };
  propagation.setGlobalPropagator(propagator);
  const { client, upstream } = otelBench([200], {}, everywhere);
  await client.fetch(url);
  const [request] = upstream.requests;
  expect([request?.headers.get('x-b3-traceid'), request?.headers.has('traceparent')]).toEqual(['b3', false]);
});

test('instrument() tells nobody of a trace, where propagateTo says no', async () => {
  const asked: string[] = [];
  const propagateTo = (to: URL): boolean => {
    asked.push(to.origin);
    return to.origin === origin;
  };
  const bench = otelBench([200], {}, { propagateTo });
  await bench.client.fetch(url);
  await bench.client.fetch('https://third-party.test/');
  expect(bench.upstream.requests.map(({ headers }) => headers.has('traceparent'))).toEqual([true, false]);
  expect(asked).toEqual([origin, 'https://third-party.test']);
});

test('instrument() tells the next hop of a trace that is not sampled, as one that is not', async () => {
  const tracerProvider = new TracerProvider({ sampler: new AlwaysOffSampler() });
  const { client, upstream } = otelBench([200], {}, { ...everywhere, tracerProvider });
  await client.fetch(url);
  expect(upstream.requests[0]?.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
});

test('instrument() sends no headers, where there is no tracing', async () => {
  const { client, upstream } = otelBench([200], {}, { tracerProvider: false });
  await client.fetch(url);
  expect([...(upstream.requests[0]?.headers.keys() ?? [])]).toEqual([]);
});

test('a trace tells alone which dependency is down, since when, why, and what its caller got', async () => {
  const { client, clock, spans } = otelBench([200, 501], {
    breaker: { failureThreshold: 1 },
    fallback: { store: memoryStore() },
  });
  await fetchAndStore(client, url);
  await clock.advance(60_000);
  await client.fetch(url);
  await clock.advance(2_000);
  await client.fetch(url);
  const refused = named(spans(), `GET ${origin}`).at(-1);
  expect(refused?.attributes).toMatchObject({
    'steadfetch.dependency': origin,
    'steadfetch.circuit.state': 'open',
    'steadfetch.circuit.outage.since': '2026-01-01T00:01:00.000Z',
    'steadfetch.last_failure': '501',
    'steadfetch.last_failure.at': '2026-01-01T00:01:00.000Z',
    'steadfetch.answer': 'cache',
    'steadfetch.answer.age_ms': 62_000,
    'steadfetch.degraded': true,
    'steadfetch.degraded.reason': 'circuit-open',
    'steadfetch.attempts': 0,
  });
  expect(refused?.status.code).toBe(SpanStatusCode.UNSET);
  expect(refused?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['rejected', { 'error.type': 'CIRCUIT_OPEN' }],
  ]);
});

test('instrument() notes on the span of a call that it had to wait for a slot, and that it was refused', async () => {
  const { client, clock, spans } = otelBench([{ delayMs: 100 }], { bulkhead: { maxConcurrent: 1, maxQueued: 1 } });
  const calls = [client.fetch(url), client.fetch(url), errorOf(client.fetch(url))];
  await clock.advance(200);
  await Promise.all(calls);
  const noted = named(spans(), `GET ${origin}`).map(({ attributes, events }) => [
    attributes['steadfetch.queued_ms'],
    events.map(({ name, attributes: said }) => [name, said]),
  ]);
  expect(noted).toEqual([
    [0, [['rejected', { 'error.type': 'BULKHEAD_FULL' }]]],
    [0, []],
    [100, [['queued', { 'steadfetch.running': 1, 'steadfetch.queued': 1 }]]],
  ]);
});

const failures = [
  { end: 'a status', script: [404], error: '404' },
  { end: 'an open circuit', script: [501], warmUps: 1, error: 'CIRCUIT_OPEN' },
  { end: 'an attempt timeout', script: ['hang'], error: 'ATTEMPT_TIMEOUT' },
  { end: "the caller's abort", script: ['hang'], aborts: true, error: 'aborted' },
  { end: 'a network error', script: [new TypeError('secret')], error: 'network' },
] as const;

test.for(failures)('instrument() has a call that ends with $end end in error, by that name', async (row) => {
  const { client, clock, spans } = otelBench(row.script, {
    retry: false,
    attemptTimeoutMs: 100,
    breaker: { failureThreshold: 1 },
  });
  if ('warmUps' in row) await client.fetch(url);
  const controller = new AbortController();
  const call = client.fetch(url, { signal: controller.signal }).catch(() => {});
  await clock.advance(50);
  if ('aborts' in row) controller.abort(new Error('secret'));
  await clock.advance(50);
  await call;
  const span = named(spans(), `GET ${origin}`).at(-1);
  expect([span?.status.code, span?.attributes['error.type']]).toEqual([SpanStatusCode.ERROR, row.error]);
  expect(spans()).toHaveLength(row.error === 'CIRCUIT_OPEN' ? 3 : 2);
});

const urls = [
  { recordQuery: undefined, shown: 'https://users.test/u/1' },
  { recordQuery: false, shown: 'https://users.test/u/1' },
  { recordQuery: ['page'], shown: 'https://users.test/u/1?page=2&page=3' },
  { recordQuery: ['page', 'token'], shown: 'https://users.test/u/1?page=2&page=3&token=REDACTED' },
  { recordQuery: true, shown: 'https://users.test/u/1?page=2&page=3&token=REDACTED&q=a+b&X-Amz-Signature=REDACTED' },
];

test.for(urls)(
  'instrument() records of a URL $shown, with recordQuery: $recordQuery',
  async ({ recordQuery, shown }) => {
    const { client, spans } = otelBench([200], {}, recordQuery === undefined ? {} : { recordQuery });
    await client.fetch(`${url}?page=2&page=3&token=secret&q=a+b&X-Amz-Signature=secret#secret`);
    expect(named(spans(), 'GET').map(({ attributes }) => attributes['url.full'])).toEqual([shown]);
    const everything = spans().map(({ name, attributes, events }) => ({ name, attributes, events }));
    expect(JSON.stringify(everything)).not.toContain('secret');
  },
);

test('instrument() traces what is done behind a caller as a call of its own', async () => {
  const { client, clock, spans } = otelBench([200, 501], {
    fallback: { store: memoryStore(), maxAgeMs: 1_000, staleWhileRevalidateMs: 60_000 },
  });
  await fetchAndStore(client, url);
  await clock.advance(2_000);
  await client.fetch(url);
  await clock.advance(0);
  const [, served, refresh] = named(spans(), `GET ${origin}`);
  expect(served?.attributes).toMatchObject({ 'steadfetch.answer': 'cache', 'steadfetch.degraded': false });
  expect(refresh?.attributes).toMatchObject({ 'steadfetch.background': true, 'error.type': '501' });
  expect(refresh?.events[0]?.attributes).toEqual({
    'steadfetch.revalidation': 'failed',
    'http.response.status_code': 501,
  });
  expect(refresh?.status.code).toBe(SpanStatusCode.ERROR);
});

test('instrument() says of a call that shares the attempts of another that it does, and of which', async () => {
  const { client, clock, spans } = otelBench([{ delayMs: 10 }], { fallback: { coalesce: true } });
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(10);
  await Promise.all(calls);
  const [first, second] = named(spans(), `GET ${origin}`);
  expect(first?.attributes['steadfetch.coalesced']).toBeUndefined();
  expect(second?.attributes['steadfetch.coalesced']).toBe(true);
  expect(second?.links.map((link) => link.context.spanId)).toEqual([first?.spanContext().spanId]);
});

test('instrument() has attempts belong to the call that waits for them, when who began them leaves', async () => {
  const { client, clock, spans, events } = otelBench([{ status: 503, delayMs: 50 }, 200], {
    fallback: { coalesce: true },
  });
  const controller = new AbortController();
  const first = errorOf(client.fetch(url, { signal: controller.signal }));
  const second = client.fetch(url);
  await clock.advance(10);
  controller.abort();
  await first;
  await clock.advance(1_000);
  expect((await second).status).toBe(200);
  expect(events.map((event) => 'call' in event && `${event.type} ${event.call}`)).toEqual([
    ...['completed 1', 'attempt 1', 'retry 2', 'attempt 2', 'completed 2'],
  ]);
  const [left, stayed] = named(spans(), `GET ${origin}`);
  const parents = named(spans(), 'GET').map(({ parentSpanContext }) => parentSpanContext?.spanId);
  expect(parents).toEqual([left, stayed].map((span) => span?.spanContext().spanId));
  expect(stayed?.events.map(({ name }) => name)).toEqual(['retry']);
});

test('instrument() records no text of a server for a reason', async () => {
  const headers = { 'cache-status': 'steadfetch; hit; detail="degraded: ann@users.test token 123"', age: '5' };
  const { client, spans } = otelBench([{ headers }]);
  await client.fetch(url);
  expect(named(spans(), `GET ${origin}`)[0]?.attributes).toMatchObject({
    'steadfetch.answer': 'network',
    'steadfetch.degraded': true,
    'steadfetch.degraded.reason': 'other',
  });
});

test('instrument() changes nothing of what the inner fetch is given, where there is nothing to send along', async () => {
  const given: unknown[] = [];
  const fetch = async (_input: unknown, init?: RequestInit): Promise<Response> => {
    given.push(init?.headers);
    return new Response('ok');
  };
  const { client } = otelBench([200], { fetch }, { propagateTo: () => false });
  const headers = { accept: 'text/plain' };
  await client.fetch(url, { headers });
  expect(given).toEqual([headers]);
});

test('instrument() sends no state of another trace along', async () => {
  const { client, upstream } = otelBench([200], {}, everywhere);
  await client.fetch(url, { headers: { traceparent: 'theirs', tracestate: 'theirs=1' } });
  expect(upstream.requests[0]?.headers.get('tracestate')).toBeNull();
});

test('instrument() breaks no call, and opens no circuit, by what a propagator writes that is no header', async () => {
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  propagation.setGlobalPropagator({
    inject: (_context, carrier, setter) => setter.set(carrier, 'x-user', 'Ωmega'),
    extract: (given) => given,
    fields: () => ['x-user'],
  });
  const { client, upstream, spans } = otelBench([200], {}, everywhere);
  for (let call = 1; call <= 6; call += 1) expect((await client.fetch(url)).status).toBe(200);
  // Workers take any text for a header.
  const takesIt = engine === 'workerd';
  expect([...(upstream.requests[0]?.headers.keys() ?? [])]).toEqual(takesIt ? ['x-user'] : []);
  expect(spans()).toHaveLength(12);
  expect(reported).toHaveBeenCalledTimes(takesIt ? 0 : 1);
});

test('instrument() ends a span, also when the SDK fails at it', async () => {
  vi.stubGlobal('reportError', vi.fn());
  const open = new Set<unknown>();
  const processor = {
    onStart(span: ReadableSpan) {
      open.add(span);
      Reflect.set(span, 'setAttributes', () => {
        throw new Error('a bug');
      });
    },
    onEnd: (span: ReadableSpan) => void open.delete(span),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const { client } = otelBench([200], {}, { tracerProvider: new TracerProvider({ spanProcessors: [processor] }) });
  await client.fetch(url);
  expect(open.size).toBe(0);
});

test('instrument() ends every span that it has begun, whatever becomes of a call', async () => {
  const started: string[] = [];
  const ended: string[] = [];
  const processor = {
    onStart: (span: ReadableSpan) => void started.push(span.name),
    onEnd: (span: ReadableSpan) => void ended.push(span.name),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const tracerProvider = new TracerProvider({ spanProcessors: [processor] });
  const { client, clock } = otelBench(
    [503, 'hang', new TypeError('no'), { body: 'a', after: 'break' }, 200],
    { bulkhead: { maxConcurrent: 1, maxQueued: 2 }, attemptTimeoutMs: 50, fallback: { coalesce: true } },
    { tracerProvider },
  );
  const controllers: AbortController[] = [];
  for (let call = 0; call < 30; call += 1) {
    const controller = new AbortController();
    controllers.push(controller);
    const target = call % 3 === 0 ? `${origin}/same` : `${origin}/${call}`;
    (call % 2 === 0 ? client.json(target, controller) : client.fetch(target, controller)).catch(() => {});
    if (call % 4 === 0) controllers[call / 2]?.abort();
    await clock.advance(20);
  }
  await clock.advance(60_000);
  await errorOf(client.close().then(() => client.fetch(url)));
  expect(started.length).toBeGreaterThan(40);
  expect(ended.slice().sort()).toEqual(started.slice().sort());
});
