import { readFileSync } from 'node:fs';

import { createDenyListAttributesProcessor, DataPointType } from '@opentelemetry/sdk-metrics';
import { expect, test } from 'vitest';

import { memoryStore, type SteadEvent } from '../../src/index.ts';
import { errorOf, fetchAndStore, origin, unfinished, url } from '../client/bench.ts';
import { collectorOf, type OtelBench, otelBench } from '../otel/bench.ts';
import { figuresIn, numberOf } from './figures.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/telemetry.md';
const page = readFileSync(PAGE, 'utf8');

const inCode = (cell = ''): string[] => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = '']) => code);

/** What each event says of its own: the compiler knows no other. */
type Fields = {
  readonly [T in SteadEvent['type']]: Readonly<
    Record<Exclude<keyof Extract<SteadEvent, { type: T }>, 'type' | 'dependency' | 'at' | 'call'>, true>
  >;
};
const fields: Fields = {
  attempt: { attempt: true, hedged: true, outcome: true, durationMs: true, status: true, failure: true },
  retry: { attempt: true, delayMs: true, retryAfterMs: true },
  transition: { from: true, to: true, retryAfterMs: true },
  queued: { running: true, queued: true },
  rejected: { code: true },
  completed: {
    outcome: true,
    attempts: true,
    durationMs: true,
    queuedMs: true,
    status: true,
    failure: true,
    joined: true,
  },
  fallback: { source: true, degraded: true, ageMs: true, reason: true },
  revalidated: { background: true, result: true, status: true },
  'store-error': { operation: true, reason: true },
  fleet: { status: true, reason: true },
};

test('docs/telemetry.md tells each event, and all that it says', () => {
  const { rows } = tableOf(PAGE, 'Events', '`type`');
  const told = rows.map(([type, , says]) => [inCode(type)[0], inCode(says)]);
  expect(told).toEqual(Object.entries(fields).map(([type, says]) => [type, Object.keys(says)]));
});

/** A client through all that is measured. */
async function busyDay(): Promise<OtelBench> {
  let isWell = true;
  const broken = { ...memoryStore(), get: () => Promise.reject(new Error('broken')) };
  const store = memoryStore();
  const bench = otelBench(
    [({ url: at }) => (at.includes('refused') ? new TypeError('refused') : isWell ? { delayMs: 10 } : 503)],
    {
      name: 'shop',
      bulkhead: { maxConcurrent: 1 },
      breaker: { failureThreshold: 2 },
      fallback: {
        maxAgeMs: 1_000,
        staleWhileRevalidateMs: 10_000,
        store: { ...store, get: (key) => (key.includes('broken') ? broken : store).get(key) },
      },
    },
  );
  const { client, clock } = bench;
  const ask = async (path: string): Promise<void> => {
    const call = client.fetch(`${origin}/${path}`).catch(() => {});
    await clock.advance(2_000);
    await call;
  };
  await Promise.all([ask('stored'), ask('broken')]);
  await ask('refused');
  await ask('stored');
  isWell = false;
  await ask('down');
  await clock.advance(60_000);
  isWell = true;
  await ask('refused');
  isWell = false;
  await ask('stored');
  await ask('down');
  return bench;
}

const KINDS: Readonly<Record<string, string>> = {
  'histogram, s': 'histogram s',
  'up-down counter': 'up-down',
  counter: 'counter',
  gauge: 'gauge',
  gauges: 'gauge',
  'gauge, s': 'gauge s',
};

test('docs/telemetry.md names all metrics that there are, their kinds, and what they are told apart by', async () => {
  const bench = await busyDay();
  const found = (await bench.collect()).map(({ descriptor, dataPointType, dataPoints, ...rest }) => {
    const isMonotonic = 'isMonotonic' in rest && rest.isMonotonic;
    const kind = { [DataPointType.HISTOGRAM]: 'histogram', [DataPointType.GAUGE]: 'gauge' }[dataPointType as number];
    const names = new Set(dataPoints.flatMap(({ attributes }) => Object.keys(attributes)));
    for (const common of ['steadfetch.dependency', 'steadfetch.client']) {
      expect(names.delete(common), `${descriptor.name}: ${common}`).toBe(true);
    }
    const unit = descriptor.unit === 's' ? ' s' : '';
    return [descriptor.name, `${kind ?? (isMonotonic ? 'counter' : 'up-down')}${unit}`, [...names].sort()];
  });

  const { rows } = tableOf(PAGE, 'Metrics', 'Name');
  const ofRequests = inCode(rows[0]?.[2]);
  const atItsEnd = ['http.response.status_code', 'error.type'];
  const told = rows.flatMap(([name, kind = '', says = '']) => {
    const [first = '', ...others] = inCode(name);
    const [family = ''] = /^steadfetch\.bulkhead/.exec(first) ?? [];
    const names = [
      first,
      ...[...others, ...inCode(says)].filter((each) => each.startsWith('.')).map((each) => family + each),
    ];
    const attributes = says.startsWith('the same')
      ? ofRequests.filter((each) => !atItsEnd.includes(each))
      : inCode(says).filter((each) => /^[a-z]+\.[a-z._]+$/.test(each));
    return names.map((each) => [each, KINDS[kind], attributes.toSorted()]);
  });
  expect(found.sort()).toEqual(told.sort());
  bench.stop();
});

test('docs/telemetry.md says which gauge value is which state', async () => {
  const states = figuresIn(
    'telemetry',
    /`steadfetch\.circuit\.state` \| gauge \| (\d) closed, (\d) half-open, (\d) open \|/,
  );
  const { client, clock, series, stop } = otelBench([501, 200], { breaker: { failureThreshold: 1 } });
  const state = async (): Promise<string> => String((await series('steadfetch.circuit.state'))[0]?.value);
  await client.fetch(url);
  const open = await state();
  await clock.advance(10_000);
  const halfOpen = await state();
  await client.fetch(url);
  await client.fetch(url);
  expect([await state(), halfOpen, open]).toEqual(states);
  stop();
});

test('docs/telemetry.md lists what error.type may be', async () => {
  const [from = '', words = ''] = figuresIn(
    'telemetry',
    /`error\.type` is the status from (\d+) up, or (.*?); of calls that end without an answer, also the code of the error\./,
  );
  let isBug = false;
  const { client, clock, series, stop } = otelBench(
    [
      Number(from) - 1,
      Number(from),
      new TypeError('secret'),
      unfinished('{', 'break'),
      'hang',
      'hang',
      'hang',
      'hang',
      { body: '1' },
      { body: '1' },
    ],
    {
      retry: false,
      breaker: {
        classify: () => {
          if (isBug) throw new Error('a bug');
          return 'success';
        },
      },
    },
  );
  const ask = async (ms: number, init: Parameters<typeof client.json>[1] = {}): Promise<void> => {
    const call = client.json(url, init).catch(() => {});
    await clock.advance(ms);
    await call;
  };
  for (let call = 0; call < 4; call += 1) await ask(0);
  await ask(10, { attemptTimeoutMs: 10 });
  await ask(10, { deadlineMs: 10 });
  const controller = new AbortController();
  clock.schedule(10, () => controller.abort());
  await ask(10, { signal: controller.signal });
  await ask(10, { hedge: { afterMs: 5 } });
  isBug = true;
  await ask(0);
  const typesOf = async (metric: string): Promise<unknown[]> =>
    (await series(metric)).map(({ attributes }) => attributes['error.type']);
  const ofAttempts = await typesOf('http.client.request.duration');
  const ofCalls = await typesOf('steadfetch.call.duration');
  const told = inCode(words);
  expect(told).toHaveLength(7);
  const seen = new Set([...ofAttempts, ...ofCalls].filter((type) => type !== undefined));
  const codes = ['ATTEMPT_TIMEOUT', 'DEADLINE_EXCEEDED'];
  expect([...seen].sort()).toEqual([...told, ...codes, from].sort());
  expect(ofAttempts.filter((type) => codes.includes(String(type)))).toEqual([]);
  stop();
});

test('docs/telemetry.md: what becomes of a body that is read later is seen by json alone', async () => {
  const { client, series, stop } = otelBench([{ body: 'a', after: 'break' }], { retry: false });
  await errorOf((await client.fetch(url)).text());
  await errorOf(client.json(url));
  const types = (await series('http.client.request.duration')).map(({ attributes }) => attributes['error.type']);
  expect(types).toEqual([undefined, 'body']);
  stop();
});

test('docs/telemetry.md says how many series of a metric an SDK keeps', async () => {
  const [many = ''] = figuresIn(
    'telemetry',
    /An SDK keeps (\S+) of each metric, unless told otherwise, and counts the rest as one/,
  );
  const { meterProvider, collect } = collectorOf();
  const counter = meterProvider.getMeter('test').createCounter('calls');
  for (let host = 0; host < numberOf(many) + 100; host += 1) counter.add(1, { host });
  const [metric] = await collect();
  const points = metric?.dataPoints ?? [];
  expect(points).toHaveLength(numberOf(many));
  // One of them is for all others.
  const [others] = points.filter(({ attributes }) => attributes['otel.metric.overflow'] === true);
  expect(others?.value).toBe(101);
});

test('docs/telemetry.md: names of isolateBy, and a View without servers, keep series few', async () => {
  const dropped = inCode(figuresIn('telemetry', /and drop (.*) in a View/)[0]);
  expect(dropped).toHaveLength(2);
  const { meterProvider, collect } = collectorOf([
    { instrumentName: 'http.*', attributesProcessors: [createDenyListAttributesProcessor(dropped)] },
  ]);
  const { client, stop } = otelBench([204], { isolateBy: () => 'hosts' }, { meterProvider, tracerProvider: false });
  for (let host = 0; host < 20; host += 1) await client.fetch(`https://host-${host}.test:${8_000 + host}/`);
  const counts = (await collect()).map(({ dataPoints }) => dataPoints.length);
  expect(counts.length).toBeGreaterThan(3);
  expect(new Set(counts)).toEqual(new Set([1]));
  stop();
});

test('docs/telemetry.md: the trace of the picture is that of two calls, of which the second finds the circuit open', async () => {
  expect(page).toContain(
    'A trace: a call with three attempts that failed with 503, a timeout and 503; and one that found the circuit open. Both were answered from the cache',
  );
  const { client, clock, spans, stop } = otelBench([200, 503, 'hang', 503], {
    attemptTimeoutMs: 150,
    breaker: { failureThreshold: 1 },
    fallback: { store: memoryStore() },
  });
  await fetchAndStore(client, url);
  for (let call = 0; call < 2; call += 1) {
    const answer = client.fetch(url);
    await clock.advance(1_000);
    await answer;
  }
  const [, ...failed] = spans().filter(({ name }) => name === 'GET');
  expect(failed.map(({ attributes }) => attributes['error.type'])).toEqual(['503', 'attempt-timeout', '503']);
  const [, ...calls] = spans().filter(({ name }) => name !== 'GET');
  expect(
    calls.map(({ attributes }) => [attributes['steadfetch.answer'], attributes['steadfetch.degraded.reason']]),
  ).toEqual([
    ['cache', 'status-503'],
    ['cache', 'circuit-open'],
  ]);
  stop();
});
