import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { memoryStore } from '../../src/index.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { origin, url } from '../client/bench.ts';
import { otelBench } from './bench.ts';

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});

afterEach(() => {
  context.disable();
  vi.unstubAllGlobals();
});

test('instrument() puts calls below the span that is active when they are made', async () => {
  const { client, spans } = otelBench([200], { fallback: { store: memoryStore() } });
  const parent = trace.wrapSpanContext({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
  });
  await context.with(trace.setSpan(context.active(), parent), async () => {
    await Promise.resolve();
    await client.fetch(url);
  });
  await client.fetch(url);
  const calls = spans().filter(({ name }) => name === `GET ${origin}`);
  expect(calls.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(['b7ad6b7169203331', undefined]);
  expect(calls[0]?.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
});

test("instrument() has the inner fetch run in the attempt's context: what it logs or traces is part of it", async () => {
  const upstream = scriptedFetch([503, 200]);
  const active: (string | undefined)[] = [];
  const { client, clock, spans } = otelBench([200], {
    async fetch(input, init) {
      await Promise.resolve();
      active.push(trace.getActiveSpan()?.spanContext().spanId);
      return upstream(input, init);
    },
  });
  const call = client.fetch(url);
  await clock.advance(100);
  await call;
  const attempts = spans().filter(({ name }) => name === 'GET');
  expect(active).toEqual(attempts.map((span) => span.spanContext().spanId));
  expect(active).toHaveLength(2);
});

test('instrument() tells only its own origin of a trace, in a page', async () => {
  vi.stubGlobal('location', { origin });
  const { client, upstream } = otelBench([200]);
  await client.fetch(url);
  await client.fetch('https://third-party.test/');
  expect(upstream.requests.map(({ headers }) => headers.has('traceparent'))).toEqual([true, false]);
});

// Workers know no other methods than the standard ones.

test('instrument() names spans by methods that are known, however many are made up', async () => {
  const { client, spans } = otelBench([200]);
  await client.fetch(url, { method: 'x'.repeat(1_000) });
  expect(spans().map(({ name }) => name)).toEqual(['HTTP', `HTTP ${origin}`]);
  expect(spans()[0]?.attributes).toMatchObject({
    'http.request.method': '_OTHER',
    'http.request.method_original': 'x'.repeat(32),
  });
});

test('instrument() takes methods that nobody knows for one', async () => {
  const { client, series } = otelBench([200]);
  for (const method of ['BREW', 'WHEN', 'x'.repeat(1_000)]) await client.fetch(url, { method });
  const durations = await series('http.client.request.duration');
  expect(durations.map(({ attributes }) => attributes['http.request.method'])).toEqual(['_OTHER']);
});
