import { randomNormal } from 'd3-random';
import { createClient, type HttpRetryOptions } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, exponential, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, forEach } from '../experiment.ts';
import { type Point, Series } from '../series.ts';
import { Service } from '../service.ts';

const CLIENTS = 1_000;
const CRASH_AT = 1_000;
const RESTART_AT = 6_000;
const UNTIL = 400_000;
const SHOWN_FROM = 5_200;
const SHOWN_UNTIL = 20_000;
const WORKERS = 10;
const WORK_MS = 50;
const BACKLOG = 20;
const CAPACITY = (WORKERS * 1_000) / WORK_MS;
const TRIP_MS = 5;

// The library's own, with attempts enough to outlive the outage.
const DEFAULTS = { maxAttempts: 10_000, initialDelayMs: 100, maxDelayMs: 5_000, budget: false } as const;
const POLICIES = {
  fixed: { ...DEFAULTS, initialDelayMs: 1_000, multiplier: 1, jitter: 0 },
  exponential: { ...DEFAULTS, jitter: 0 },
  'equal jitter': { ...DEFAULTS, jitter: 0.5 },
  'full jitter': { ...DEFAULTS, jitter: 'full' },
  'decorrelated jitter': { ...DEFAULTS, jitter: 'decorrelated' },
} as const;
type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];

const SECONDS_TO_DRAIN: Record<Name, readonly [number, number]> = {
  fixed: [24, 28],
  exponential: [120, 140],
  'equal jitter': [8.8, 10],
  'full jitter': [7, 8.5],
  'decorrelated jitter': [7, 8.5],
};
const REQUESTS_EACH: Record<Name, readonly [number, number]> = {
  fixed: [17, 20],
  exponential: [18, 21],
  'equal jitter': [7.7, 8.2],
  'full jitter': [8.5, 9],
  'decorrelated jitter': [9, 9.7],
};

// M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The numbers are those of the simulator that its
// figures were made with (github.com/aws-samples/aws-arch-backoff-simulator): waits from 5 ms on, which only decorrelated
// jitter begins with, as the others are doubled once before the first; and up to 2 s.
const CONTENDERS = [10, 25, 50, 75, 100, 150, 200];
const RUNS = 10;
const CONTENDED_TRIP_MS = 10;
const CONTENDED_TRIP_SPREAD_MS = 2;
const ARTICLE = {
  maxAttempts: 10_000,
  initialDelayMs: 10,
  maxDelayMs: 2_000,
  budget: false,
  statusCodes: [412],
} as const;
const PUBLISHED = {
  'no backoff': { ...ARTICLE, initialDelayMs: 0 },
  exponential: { ...ARTICLE, jitter: 0 },
  'equal jitter': { ...ARTICLE, jitter: 0.5 },
  'full jitter': { ...ARTICLE, jitter: 'full' },
  'decorrelated jitter': { ...ARTICLE, initialDelayMs: 5, jitter: 'decorrelated' },
} as const;
type Published = keyof typeof PUBLISHED;
const PUBLISHED_NAMES = Object.keys(PUBLISHED) as Published[];

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** One of many, each in a process of its own: nothing but its retries is left of the layers. */
function clientOf(retry: HttpRetryOptions, fetch: Fetch, clock: VirtualClock, random: () => number) {
  const off = { breaker: false, bulkhead: false, deadlineMs: false, attemptTimeoutMs: false } as const;
  return createClient({ ...off, retry, fetch, clock, random });
}

interface Herd {
  readonly requests: readonly Point[];
  /** Requests per second in the worst tenth of a second since the restart. */
  readonly peak: number;
  /** All requests, those to the service that is gone included. */
  readonly total: number;
  /** From the restart until the last client had its answer. */
  readonly drainedMs: number;
  readonly medianMs: number;
}

/** All clients lose a service in the same moment, and want it back. */
async function herd(retry: HttpRetryOptions, seed: number, onProgress: (share: number) => void): Promise<Herd> {
  const clock = new VirtualClock();
  const workMs = exponential(chanceFor(seed, 'work'), WORK_MS);
  const service = new Service({ clock, workers: WORKERS, backlog: BACKLOG, workMs, networkMs: 0 });
  service.crash();
  const users = new Calls(clock);
  for (let nth = 0; nth < CLIENTS; nth += 1) {
    const tripMs = logNormal(chanceFor(seed, `network ${nth}`), TRIP_MS, 0.5);
    const far: Fetch = async (input, init) => {
      await clock.sleep(tripMs());
      return service.fetch(input, init);
    };
    const client = clientOf(retry, far, clock, chanceFor(seed, `client ${nth}`));
    clock.schedule(CRASH_AT, () => void users.note(client.fetch('https://shop.test/')));
  }
  clock.schedule(RESTART_AT, () => service.restart());
  await clock.run(UNTIL, onProgress);
  const rates = service.arrived.perSecond(RESTART_AT, UNTIL, 100);
  const answeredMs = Math.max(...users.latenciesMs) + CRASH_AT;
  return {
    requests: service.arrived.perSecond(SHOWN_FROM, SHOWN_UNTIL, 200),
    peak: Math.max(...rates.map(({ value }) => value)),
    total: service.arrived.between(0, UNTIL),
    drainedMs: users.latenciesMs.length < CLIENTS ? Infinity : answeredMs - RESTART_AT,
    medianMs: users.latencyMs(0.5) + CRASH_AT - RESTART_AT,
  };
}

/** For each number of clients. */
interface Contentions {
  readonly calls: readonly Point[];
  readonly ms: readonly Point[];
}

/** So many clients write the same row, each once: who has read it before somebody else wrote it has to start again. */
export async function contention(
  retry: HttpRetryOptions,
  clients: number,
  seed: number,
): Promise<{ calls: number; ms: number }> {
  const clock = new VirtualClock();
  const tripMs = randomNormal.source(chanceFor(seed, 'network'))(CONTENDED_TRIP_MS, CONTENDED_TRIP_SPREAD_MS);
  const writes = new Series();
  let version = 0;
  const row: Fetch = async () => {
    await clock.sleep(tripMs());
    const read = version;
    // What it has read comes back, and what it writes goes out.
    await clock.sleep(tripMs() + tripMs());
    writes.add(clock.now());
    const isCurrent = version === read;
    if (isCurrent) version += 1;
    await clock.sleep(tripMs());
    return new Response(null, { status: isCurrent ? 200 : 412 });
  };
  let ms = 0;
  for (let nth = 0; nth < clients; nth += 1) {
    const client = clientOf(retry, row, clock, chanceFor(seed, `client ${nth}`));
    void client.fetch('https://row.test/', { method: 'PUT' }).then(() => {
      ms = clock.now();
    });
  }
  await clock.run(UNTIL);
  return { calls: writes.between(0, UNTIL), ms };
}

/** The mean of so many runs for each, as in the article. */
async function contentionsOf(
  retry: HttpRetryOptions,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Contentions> {
  const calls: Point[] = [];
  const ms: Point[] = [];
  for (const [index, clients] of CONTENDERS.entries()) {
    const sum = { calls: 0, ms: 0 };
    for (let run = 0; run < RUNS; run += 1) {
      const one = await contention(retry, clients, seed * RUNS + run);
      sum.calls += one.calls;
      sum.ms += one.ms;
    }
    calls.push({ second: clients, value: sum.calls / RUNS });
    ms.push({ second: clients, value: sum.ms / RUNS });
    onProgress((index + 1) / CONTENDERS.length);
  }
  return { calls, ms };
}

function at(points: readonly Point[], clients: number): number {
  return points.find(({ second }) => second === clients)?.value ?? Number.NaN;
}

export const thunderingHerd = experiment({
  name: 'thundering-herd',
  title: 'Thundering herd',
  hypothesis:
    'A thousand clients that lose a service together come back together: without jitter all of them in the same tenth of a second, again and again, and the service idles in between. Full jitter asks for twice its capacity at most, and all have their answers in little more than the least time there is. It is not the variant with the fewest requests, as is often said: equal jitter waits longer, and makes a tenth less. Where clients contend for one row, the published curves come out again: jitter halves the calls of 100 clients and more, equal jitter takes longest, and full and decorrelated jitter are near each other, up to 100 clients; with more, decorrelated jitter has lost its lead in time, too.',
  parameters: {
    clients: CLIENTS,
    'down, s': (RESTART_AT - CRASH_AT) / 1_000,
    'capacity, requests per second': CAPACITY,
    'requests that may wait': BACKLOG,
    'trip to the service, ms (median)': TRIP_MS,
    'fixed wait, ms': POLICIES.fixed.initialDelayMs,
    'first wait, ms': DEFAULTS.initialDelayMs,
    'longest wait, ms': DEFAULTS.maxDelayMs,
    'row: clients': CONTENDERS.join(', '),
    'row: runs each': RUNS,
    'row: trip, ms (mean)': CONTENDED_TRIP_MS,
    'row: trip, ms (standard deviation)': CONTENDED_TRIP_SPREAD_MS,
    'row: first wait, ms': ARTICLE.initialDelayMs,
    'row: longest wait, ms': ARTICLE.maxDelayMs,
  },
  async run(seed, onProgress) {
    const herds = await forEach(
      NAMES,
      (share) => onProgress(share / 4),
      (name, tell) => herd(POLICIES[name], seed, tell),
    );
    const contentions = await forEach(
      PUBLISHED_NAMES,
      (share) => onProgress(0.25 + (share * 3) / 4),
      (name, tell) => contentionsOf(PUBLISHED[name], seed, tell),
    );
    return { herds, contentions };
  },
  findings: ({ herds, contentions }) => {
    const calls = (name: Published, clients: number): number => at(contentions[name].calls, clients);
    const time = (name: Published, clients: number): number => at(contentions[name].ms, clients);
    return [
      ...(['fixed', 'exponential'] as const).map((name) => ({
        of: name,
        claim: 'most requests per second after the restart, in a tenth of a second',
        value: herds[name].peak,
        atLeast: 9_000,
      })),
      {
        of: 'full jitter',
        claim: 'most requests per second after the restart, in a tenth of a second',
        value: herds['full jitter'].peak,
        atMost: 550,
      },
      {
        of: 'equal jitter',
        claim: 'its worst tenth of a second, against that of full jitter',
        value: herds['equal jitter'].peak / herds['full jitter'].peak,
        atLeast: 1.1,
      },
      {
        of: 'decorrelated jitter',
        claim: 'its worst tenth of a second, against that of full jitter',
        value: herds['decorrelated jitter'].peak / herds['full jitter'].peak,
        atLeast: 1.1,
      },
      ...NAMES.flatMap((name) => [
        {
          of: name,
          claim: 'from the restart until the last client has its answer',
          value: herds[name].drainedMs / 1_000,
          atLeast: SECONDS_TO_DRAIN[name][0],
          atMost: SECONDS_TO_DRAIN[name][1],
          unit: 's',
        },
        {
          of: name,
          claim: 'requests of each client',
          value: herds[name].total / CLIENTS,
          atLeast: REQUESTS_EACH[name][0],
          atMost: REQUESTS_EACH[name][1],
        },
      ]),
      {
        of: 'equal jitter',
        claim: 'requests, against full jitter',
        value: herds['equal jitter'].total / herds['full jitter'].total,
        atLeast: 0.88,
        atMost: 0.95,
      },
      {
        of: 'no backoff',
        claim: 'calls for 200 clients, against those for 100: work grows with the square',
        value: calls('no backoff', 200) / calls('no backoff', 100),
        atLeast: 3.4,
        atMost: 4,
      },
      {
        of: 'no backoff',
        claim: 'time for 200 clients, against that for 100: it grows in a line',
        value: time('no backoff', 200) / time('no backoff', 100),
        atLeast: 1.7,
        atMost: 2,
      },
      {
        of: 'exponential',
        claim: 'calls of 100 clients, against no backoff: helps a little',
        value: calls('exponential', 100) / calls('no backoff', 100),
        atLeast: 0.7,
        atMost: 0.85,
      },
      {
        of: 'full jitter',
        claim: 'calls of 100 clients, against exponential: less than half',
        value: calls('full jitter', 100) / calls('exponential', 100),
        atMost: 0.48,
      },
      {
        of: 'equal jitter',
        claim: 'calls of 100 clients, against full jitter: about the same',
        value: calls('equal jitter', 100) / calls('full jitter', 100),
        atLeast: 0.98,
        atMost: 1.06,
      },
      {
        of: 'decorrelated jitter',
        claim: 'calls of 100 clients, against full jitter: more',
        value: calls('decorrelated jitter', 100) / calls('full jitter', 100),
        atLeast: 1.2,
        atMost: 1.35,
      },
      {
        of: 'exponential',
        claim: 'time for 100 clients, against the slowest with jitter: far longer',
        value: time('exponential', 100) / time('equal jitter', 100),
        atLeast: 7,
      },
      {
        of: 'equal jitter',
        claim: 'time for 100 clients, against full jitter: much longer',
        value: time('equal jitter', 100) / time('full jitter', 100),
        atLeast: 1.2,
      },
      {
        of: 'decorrelated jitter',
        claim: 'time for 50 clients, against full jitter: less',
        value: time('decorrelated jitter', 50) / time('full jitter', 50),
        atMost: 0.92,
      },
      {
        of: 'decorrelated jitter',
        claim: 'time for 200 clients, against full jitter: no longer less',
        value: time('decorrelated jitter', 200) / time('full jitter', 200),
        atLeast: 0.96,
      },
      {
        of: 'no backoff',
        claim: 'time for 100 clients, against full jitter: least of all, as a call that loses costs the row nothing',
        value: time('no backoff', 100) / time('full jitter', 100),
        atMost: 0.5,
      },
    ];
  },
  figures: ({ herds, contentions }) => [
    {
      name: 'thundering-herd',
      svg: lineChart({
        title: `Requests per second of ${CLIENTS.toLocaleString('en')} clients at a service that can serve ${CAPACITY}`,
        lines: Object.fromEntries(NAMES.map((name) => [name, herds[name].requests])),
        y: 'requests per second',
        logarithmic: true,
        rule: CAPACITY,
        bands: [{ fromSecond: SHOWN_FROM / 1_000, toSecond: RESTART_AT / 1_000, label: 'down' }],
      }),
    },
    {
      name: 'thundering-herd-drained',
      svg: barChart({
        title: 'Seconds from the restart until clients have their answer',
        bars: {
          'half of them': Object.fromEntries(NAMES.map((name) => [name, herds[name].medianMs / 1_000])),
          'all of them': Object.fromEntries(NAMES.map((name) => [name, herds[name].drainedMs / 1_000])),
        },
        y: 'seconds',
        logarithmic: true,
        format: (value) => value.toLocaleString('en', { maximumSignificantDigits: 2 }),
      }),
    },
    {
      name: 'jitter-calls',
      svg: lineChart({
        title: 'Calls until each of so many clients has written the same row',
        lines: Object.fromEntries(PUBLISHED_NAMES.map((name) => [name, contentions[name].calls])),
        x: 'clients',
        y: 'calls',
        wide: ['equal jitter'],
      }),
    },
    {
      name: 'jitter-time',
      svg: lineChart({
        title: 'Milliseconds until each of so many clients has written the same row',
        lines: Object.fromEntries(PUBLISHED_NAMES.map((name) => [name, contentions[name].ms])),
        x: 'clients',
        y: 'milliseconds',
        logarithmic: true,
      }),
    },
  ],
});
