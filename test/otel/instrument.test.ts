import { metrics, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, expect, test } from 'vitest';

import { instrument } from '../../src/otel/index.ts';
import { clientBench, url } from '../client/bench.ts';
import { collectorOf } from './bench.ts';

afterEach(() => {
  trace.disable();
  metrics.disable();
});

test('instrument() uses what is set up for all, when it is given nothing', async () => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  const { client } = clientBench([204]);
  instrument(client);
  await client.fetch(url);
  expect(exporter.getFinishedSpans()).toHaveLength(2);
});

test.for(['meterProvider', 'tracerProvider'] as const)(
  'instrument() switches one half off, with %s: false, whatever is set up for all',
  async (half) => {
    const exporter = new InMemorySpanExporter();
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
    const { meterProvider, collect } = collectorOf();
    metrics.setGlobalMeterProvider(meterProvider);
    const { client } = clientBench([204]);
    instrument(client, { [half]: false });
    await client.fetch(url);
    expect(exporter.getFinishedSpans().length > 0).toBe(half !== 'tracerProvider');
    expect((await collect()).length > 0).toBe(half !== 'meterProvider');
  },
);

test('instrument() traces by what is set up after it, but measures nothing', async () => {
  const exporter = new InMemorySpanExporter();
  const { meterProvider, collect } = collectorOf();
  const { client } = clientBench([204]);
  instrument(client);
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  metrics.setGlobalMeterProvider(meterProvider);
  await client.fetch(url);
  expect(exporter.getFinishedSpans()).toHaveLength(2);
  expect(await collect()).toEqual([]);
});

test('instrument() changes nothing, where nothing is set up', async () => {
  const { client, upstream } = clientBench([204]);
  instrument(client);
  expect((await client.fetch(url)).status).toBe(204);
  expect([...(upstream.requests[0]?.headers.keys() ?? [])]).toEqual([]);
});

test('instrument() takes a meter and a tracer in place of their providers', async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const { client } = clientBench([204]);
  instrument(client, { tracer: provider.getTracer('mine'), meter: metrics.getMeter('mine') });
  await client.fetch(url);
  expect(exporter.getFinishedSpans().map(({ instrumentationScope }) => instrumentationScope.name)).toEqual([
    'mine',
    'mine',
  ]);
});

test('instrument() refuses to see a client twice, until it has ended', () => {
  const { client } = clientBench([204]);
  const stop = instrument(client);
  expect(() => instrument(client)).toThrow(new TypeError('client is instrumented already: stop that first'));
  stop();
  instrument(client)();
});

test('instrument() is over once, however often it is ended', () => {
  const { client } = clientBench([204]);
  const first = instrument(client);
  first();
  const second = instrument(client);
  first();
  expect(() => instrument(client)).toThrow(TypeError);
  second();
});

test('instrument() leaves nothing behind, when a meter fails', async () => {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const { client } = clientBench([204]);
  const meter = { createCounter() {} } as never;
  expect(() => instrument(client, { meter, tracerProvider })).toThrow(TypeError);
  await client.fetch(url);
  expect(exporter.getFinishedSpans()).toEqual([]);
  instrument(client, { tracerProvider })();
});

const wrong = [
  { options: { meterProvider: {} }, message: 'instrument.meterProvider must have getMeter(), got an object' },
  { options: { tracerProvider: null }, message: 'instrument.tracerProvider must have getTracer(), got null' },
  { options: { meter: 'mine' }, message: 'instrument.meter must have createCounter(), got "mine"' },
  { options: { tracer: 5 }, message: 'instrument.tracer must have startSpan(), got 5' },
  {
    options: { recordQuery: 'page' },
    message: 'instrument.recordQuery must be true, false or an array of names, got "page"',
  },
  {
    options: { recordQuery: [5] },
    message: 'instrument.recordQuery must be true, false or an array of names, got an array',
  },
  { options: { propagateTo: [] }, message: 'instrument.propagateTo must be a function, got an array' },
  { options: { spans: true }, message: /^instrument\.spans is not an option; there are meterProvider/ },
];

test.for(wrong)('instrument() throws a TypeError that says what is wrong: $message', ({ options, message }) => {
  const { client } = clientBench([204]);
  const error = expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(message) });
  if (typeof message === 'string') {
    expect(() => instrument(client, options as object)).toThrow(new TypeError(message));
  } else expect(() => instrument(client, options as object)).toThrow(error);
});

test.for([undefined, null, {}, { fetch() {}, subscribe() {}, snapshot() {} }])(
  'instrument() throws a TypeError, for %j in place of a client',
  (client) => {
    expect(() => instrument(client as never)).toThrow(/^client must be what createClient\(\) of this copy/);
  },
);
