// `npm run bench:telemetry`: what it costs to be seen. Ratios within one run; times of a machine are of that machine.
import { Session } from 'node:inspector/promises';
import { parseArgs } from 'node:util';

import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { type Client, createClient } from 'steadfetch';
import { instrument } from 'steadfetch/otel';
import { createServerTiming } from 'steadfetch/server-timing';

const { values } = parseArgs({ options: { calls: { type: 'string', default: '20000' }, json: { type: 'boolean' } } });
const calls = Number(values.calls);

/** One way of being seen, and what it comes to per call. */
export interface Cost {
  readonly watched: string;
  /** Time per call, as a multiple of that of a client which nobody watches. */
  readonly time: number;
  /** Bytes allocated per call: in all, and by what makes and delivers events. */
  readonly bytes: number;
  readonly eventBytes: number;
}

class IdleReader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

const watchers: Readonly<Record<string, (client: Client) => void>> = {
  nobody() {},
  'a listener': (client) => void client.subscribe(() => {}),
  'Server-Timing': (client) => void createServerTiming(client),
  'OpenTelemetry metrics': (client) => {
    instrument(client, { meterProvider: new MeterProvider({ readers: [new IdleReader()] }), tracerProvider: false });
  },
  'OpenTelemetry traces': (client) => {
    instrument(client, { meterProvider: false, tracerProvider: new TracerProvider() });
  },
};

const session = new Session();
session.connect();

/** A client over a fetch that costs next to nothing, so that what is measured is ours. */
function clientSeenBy(watch: (client: Client) => void): () => Promise<unknown> {
  const [good, bad] = [204, 503].map((status) => new Response(null, { status }));
  let requests = 0;
  const client = createClient({
    // Every tenth fails, and is sent again at once.
    fetch: async () => (++requests % 10 === 0 ? bad : good) as Response,
    retry: { initialDelayMs: 0, budget: false },
  });
  watch(client);
  return () => client.fetch('https://users.test/u/1');
}

async function repeat(call: () => Promise<unknown>, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) await call();
}

interface ProfileNode {
  readonly callFrame: { readonly functionName: string };
  readonly selfSize: number;
  readonly children?: readonly ProfileNode[];
}

// Where events are made and sent on their way: the functions of call-log, attempt-log, telemetry and events.
const OF_EVENTS =
  /^(?:tell|emit|about|#note|#event|#deliver|#deliverAll|#guarded|#tell\w+|onRetry|onTransition|onQueued)$/;

/** Bytes that a call allocates, garbage included: what V8's sampling of allocations says of many. */
async function allocations(call: () => Promise<unknown>): Promise<Pick<Cost, 'bytes' | 'eventBytes'>> {
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await repeat(call, calls);
  const { profile } = await session.post('HeapProfiler.stopSampling');
  let bytes = 0;
  let eventBytes = 0;
  const walk = ({ callFrame, selfSize, children }: ProfileNode): void => {
    bytes += selfSize;
    if (OF_EVENTS.test(callFrame.functionName)) eventBytes += selfSize;
    for (const child of children ?? []) walk(child);
  };
  walk(profile.head);
  return { bytes: Math.round(bytes / calls), eventBytes: Math.round(eventBytes / calls) };
}

const ROUNDS = 21;

/** How long a call takes, in ms, for each: by turns, so that whatever else the machine does happens to all of them. */
async function times(all: readonly (() => Promise<unknown>)[]): Promise<readonly number[]> {
  const rounds: number[][] = all.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, call] of all.entries()) {
      const startedAt = performance.now();
      await repeat(call, calls / ROUNDS);
      rounds[index]?.push((performance.now() - startedAt) / (calls / ROUNDS));
    }
  }
  return rounds.map((each) => each.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0);
}

const names = Object.keys(watchers);
const clients = Object.values(watchers).map(clientSeenBy);
for (const call of clients) await repeat(call, calls);
const [base = 1, ...others] = await times(clients);
const costs: Cost[] = [];
for (const [index, call] of clients.entries()) {
  const time = Number(((others[index - 1] ?? base) / base).toFixed(2));
  costs.push({ watched: names[index] ?? '', time, ...(await allocations(call)) });
}

const manyDependencies = createClient({ fetch: async () => new Response(null, { status: 204 }) });
for (let dependency = 0; dependency < 1_000; dependency += 1) {
  await manyDependencies.fetch(`https://dependency-${dependency}.test/`);
}

/** The least time that `work` takes, in ms: whatever is above that is not its own. */
function least(work: () => unknown): number {
  let found = Infinity;
  for (let round = 0; round < 100; round += 1) {
    const startedAt = performance.now();
    work();
    found = Math.min(found, performance.now() - startedAt);
  }
  return found;
}

const taken = manyDependencies.snapshot();
/** A snapshot of 1,000 dependencies, as a multiple of what it costs to make a text of it. */
const snapshot = Number((least(manyDependencies.snapshot) / least(() => JSON.stringify(taken))).toFixed(2));

if (values.json === true) console.log(JSON.stringify({ costs, snapshot }));
else {
  console.log('\nA call over a fetch that answers at once, by who watches the client\n');
  console.table(Object.fromEntries(costs.map(({ watched, ...cost }) => [watched, cost])));
  console.log(`\nA snapshot of 1,000 dependencies takes ${snapshot} times as long as JSON.stringify() takes for it.`);
}
