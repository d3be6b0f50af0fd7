import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import type { MeterProvider } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { instrument } from '../../src/otel/index.ts';
import { collectorOf } from './bench.ts';

// Node's own fetch, instrumented as the auto-instrumentations do it.
const undici = new UndiciInstrumentation();
const exporter = new InMemorySpanExporter();
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });

/** What a propagator that writes W3C's header would do, in the context of whoever asks for it. */
const sent: string[] = [];

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  undici.setTracerProvider(tracerProvider);
  undici.enable();
  exporter.reset();
  sent.length = 0;
});

afterEach(() => {
  undici.disable();
  context.disable();
  propagation.disable();
});

async function ask(
  options: Parameters<typeof createClient>[0] = {},
  meterProvider: MeterProvider | false = false,
): Promise<readonly string[]> {
  const server = createServer(({ rawHeaders }, response) => {
    for (const [index, name] of rawHeaders.entries()) {
      if (index % 2 === 0 && name.toLowerCase() === 'traceparent') sent.push(rawHeaders[index + 1] ?? '');
    }
    response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const client = createClient(options);
    instrument(client, { tracerProvider, meterProvider });
    const response = await client.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await response.text();
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
  return exporter.getFinishedSpans().map(({ instrumentationScope, name }) => `${instrumentationScope.name}: ${name}`);
}

test("instrument() keeps the platform's fetch, instrumented as well, from a second span and a second traceparent", async () => {
  const spans = await ask();
  expect(spans).toEqual(['steadfetch: GET', expect.stringMatching(/^steadfetch: GET http:/)]);
  const { traceId, spanId } = exporter.getFinishedSpans()[0]?.spanContext() ?? {};
  expect(sent).toEqual([`00-${traceId}-${spanId}-01`]);
});

test("instrument() lets a fetch of the user's own be traced as it is", async () => {
  const spans = await ask({ fetch: (input, init) => fetch(input, init) });
  expect(spans).toEqual([
    expect.stringMatching(/^@opentelemetry\/instrumentation-undici: GET/),
    'steadfetch: GET',
    expect.stringMatching(/^steadfetch: GET http:/),
  ]);
});

test.for([true, false])(
  'the metric of requests is of both instrumentations, unless one is told not to: %s',
  async (both) => {
    const { meterProvider, collect } = collectorOf();
    undici.setMeterProvider(meterProvider);
    await ask({}, both && meterProvider);
    const requests = (await collect()).filter(({ descriptor }) => descriptor.name === 'http.client.request.duration');
    const counts = requests.flatMap(({ dataPoints }) =>
      dataPoints.map(({ value }) => (value as { count: number }).count),
    );
    expect(counts).toEqual(both ? [1, 1] : [1]);
  },
);
