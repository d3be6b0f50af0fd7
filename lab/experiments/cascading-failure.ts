import { bulkheadSize, type Client, type ClientOptions, createClient, incomingDeadline } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, type Finding, forEach } from '../experiment.ts';
import { type Point, Series } from '../series.ts';
import { Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

/** A asks B, B asks C, and so on; users ask A. The route of that name ends there: `/c` takes A, B and C. */
const SERVICES = ['a', 'b', 'c', 'd', 'e'] as const;
const CALLS_PER_SECOND_AND_ROUTE = 50;
const PATIENCE_MS = 2_000;

const WORKERS = 20;
const BACKLOG = 200;
const WORK_MEDIAN_MS = 8;
const WORK_SPREAD = 0.5;
/** What a bulkhead is sized for: what one call in a hundred that needs E exceeds on a good day. */
const GOOD_DAY_MS = 80;

const TROUBLE_FROM = 10_000;
const TROUBLE_UNTIL = 30_000;
const UNTIL = 52_000;
/** How many times longer E's work takes: its answers come after the timeout, or they come in time, and too few of them. */
const TROUBLES = { 'far too slow': 200, 'a little too slow': 60 } as const;

const BUDGET_MS = 1_000;
// Below the budget: a hang that only the deadline ends counts against nobody.
const ATTEMPT_MS = 900;
const LESS_PER_HOP_MS = 100;
const SLOTS = bulkheadSize({ requestsPerSecond: CALLS_PER_SECOND_AND_ROUTE, latencyMs: GOOD_DAY_MS, headroom: 1 });
/** Percent of the calls that have to be answered for all to be well. */
const WELL = 95;

interface Policy {
  readonly client: ClientOptions;
  /** Each hop waits that much shorter than its caller, and answers 424 for what the next one has failed. Default: neither. */
  readonly lessPerHopMs?: number;
}

const BARE = { retry: false, breaker: false, bulkhead: false, attemptTimeoutMs: false } as const;
const TIMEOUTS = { ...BARE, deadlineMs: BUDGET_MS, attemptTimeoutMs: ATTEMPT_MS } as const;
const BREAKERS = { ...TIMEOUTS, breaker: {} } as const;
const BY_ROUTE = { ...BREAKERS, isolateBy: ({ url }: Request) => routeOf(url) } as const;
const BULKHEADS = { ...BY_ROUTE, bulkhead: { maxConcurrent: SLOTS } } as const;
const DEADLINES = { ...BULKHEADS, propagateDeadline: true } as const;

const POLICIES = {
  bare: { client: { ...BARE, deadlineMs: 30_000 } },
  timeouts: { client: TIMEOUTS },
  'breakers by origin': { client: BREAKERS },
  'by route': { client: BY_ROUTE },
  'and bulkheads': { client: BULKHEADS },
  'and deadlines': { client: DEADLINES },
  'and no queue': { client: { ...DEADLINES, bulkhead: { maxConcurrent: SLOTS, maxQueued: 0 } } },
} satisfies Record<string, Policy>;

/** What else is tried when E is far too slow. */
const BESIDE = {
  'timeouts and deadlines': { client: { ...TIMEOUTS, propagateDeadline: true } },
  'breakers by origin, 424': { client: BREAKERS, lessPerHopMs: LESS_PER_HOP_MS },
} satisfies Record<string, Policy>;

type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];
const NAMES_BESIDE = Object.keys(BESIDE) as (keyof typeof BESIDE)[];

interface Run {
  /** Percent answered of the calls that don't need E, and of those that do: of those made during the trouble. */
  readonly others: number;
  readonly needing: number;
  /** Seconds from the end of the trouble until nearly all are answered again. */
  readonly othersWellAfter: number;
  readonly needingWellAfter: number;
  /** What one in a hundred of the calls that need E exceeds before the trouble, in ms. */
  readonly goodDayMs: number;
  /** Seconds of work that were done for users who had their answer, or error, already. */
  readonly wasted: number;
  /** Percent of the calls that don't need E. */
  readonly availability: readonly Point[];
}

/** Users of the chain, while its last service is that much slower for a while. */
export async function trouble(
  { client: options, lessPerHopMs = 0 }: Policy,
  slowness: number,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const clock = new VirtualClock();
  const wastedMs = new Series();
  /** When each user had an answer, or an error. */
  const endedAt: number[] = [];
  let isInTrouble = false;

  const serviceOf = (name: string | undefined, next: Client | undefined): Service => {
    const workMs = logNormal(chanceFor(seed, `work of ${name}`), WORK_MEDIAN_MS, WORK_SPREAD);
    return new Service({
      clock,
      workers: WORKERS,
      backlog: BACKLOG,
      workMs: () => workMs() * (isInTrouble && next === undefined ? slowness : 1),
      async ask({ url, startedAt, deadline }) {
        // Its own work is done.
        const now = clock.now();
        wastedMs.add(now, Math.max(0, now - Math.max(startedAt, endedAt[userOf(url)] ?? now)));
        if (next === undefined || routeOf(url) === name) return 200;
        const status = await statusOf(next.fetch(`https://next.test${pathOf(url)}`, deadline && { deadline }));
        return status >= 500 && lessPerHopMs > 0 ? 424 : status;
      },
      ...(options.propagateDeadline === true && { deadlineOf: (request) => incomingDeadline(request, { clock }) }),
    });
  };
  /** The client of the service with that number, and of all that comes behind it. */
  const clientOf = (index: number): Client => {
    const isLast = index === SERVICES.length - 1;
    const { fetch } = serviceOf(SERVICES[index], isLast ? undefined : clientOf(index + 1));
    const shorter = lessPerHopMs > 0 && { attemptTimeoutMs: ATTEMPT_MS - lessPerHopMs * (index - 1) };
    // Users have no policy, but they leave.
    const layers = index === 0 ? { ...BARE, deadlineMs: PATIENCE_MS, propagateDeadline: true } : options;
    return createClient({ ...layers, ...shorter, fetch, clock, random: chanceFor(seed, `client ${index}`) });
  };
  const users = clientOf(0);

  const [others, needing] = [new Calls(clock), new Calls(clock)];
  const choice = chanceFor(seed, 'routes');
  const callsPerSecond = CALLS_PER_SECOND_AND_ROUTE * SERVICES.length;
  arrivals(clock, chanceFor(seed, 'users'), callsPerSecond, UNTIL - PATIENCE_MS, (nth) => {
    const route = SERVICES[Math.floor(choice() * SERVICES.length)];
    const response = users.fetch(`https://shop.test/${route}/${nth}`);
    void (route === 'e' ? needing : others).note(response);
    void statusOf(response).then(() => {
      endedAt[nth] = clock.now();
    });
  });
  let goodDayMs = 0;
  clock.schedule(TROUBLE_FROM, () => {
    goodDayMs = needing.latencyMs(0.99);
    isInTrouble = true;
  });
  clock.schedule(TROUBLE_UNTIL, () => {
    isInTrouble = false;
  });
  await clock.run(UNTIL, onProgress);
  return {
    others: 100 * others.answeredShare(TROUBLE_FROM, TROUBLE_UNTIL),
    needing: 100 * needing.answeredShare(TROUBLE_FROM, TROUBLE_UNTIL),
    othersWellAfter: wellAfter(others),
    needingWellAfter: wellAfter(needing),
    goodDayMs,
    wasted: wastedMs.between(0, UNTIL) / 1_000,
    availability: availability(others),
  };
}

function statusOf(response: Promise<Response>): Promise<number> {
  return response.then(
    ({ status }) => status,
    () => 503,
  );
}

/** `/<route>/<user>`. */
function pathOf(url: string): string {
  return new URL(url).pathname;
}

function routeOf(url: string): string {
  return pathOf(url).split('/')[1] ?? '';
}

function userOf(url: string): number {
  return Number(pathOf(url).split('/')[2]);
}

function availability(calls: Calls): Point[] {
  const points: Point[] = [];
  for (let at = 0; at < UNTIL - PATIENCE_MS; at += 1_000) {
    points.push({ second: at / 1_000, value: 100 * calls.answeredShare(at, at + 1_000) });
  }
  return points;
}

/** Seconds after the trouble from which on enough are answered in each: as far as was looked, if they never are. */
function wellAfter(calls: Calls): number {
  const points = availability(calls).filter(({ second }) => second >= TROUBLE_UNTIL / 1_000);
  const last = points.findLast(({ value }) => value < WELL);
  return last === undefined ? 0 : last.second + 1 - TROUBLE_UNTIL / 1_000;
}

type Runs<N extends string = Name> = Readonly<Record<N, Run>>;

export const cascadingFailure = experiment({
  name: 'cascading-failure',
  title: 'Cascading failure',
  hypothesis:
    'One slow service at the end of a chain takes the whole chain down, also for calls that do not need it. Timeouts alone do not help while calls per second × timeout is more than there are workers. Breakers by origin do no better where services pass errors on: each takes the next for broken, all but the first service is cut off, and stays so when the trouble is over. By route, or where services answer 424 for what was not their fault and wait shorter than their callers, they leave other calls alone. No breaker opens for a service that is a little too slow: there, bulkheads by route keep workers free, but only with a short queue, since who waits in it holds a worker, too. Deadlines that are told nearly make up for a long one.',
  parameters: {
    'services in the chain': SERVICES.length,
    'calls per second and route': CALLS_PER_SECOND_AND_ROUTE,
    'users wait, ms': PATIENCE_MS,
    'workers of each service': WORKERS,
    'requests that may wait for one': BACKLOG,
    'work of each, median in ms': WORK_MEDIAN_MS,
    'in trouble, from s': TROUBLE_FROM / 1_000,
    'in trouble, until s': TROUBLE_UNTIL / 1_000,
    'times longer, far too slow': TROUBLES['far too slow'],
    'times longer, a little too slow': TROUBLES['a little too slow'],
    'deadline of each hop, ms': BUDGET_MS,
    'attempt timeout, ms': ATTEMPT_MS,
    'with 424: less for each hop, ms': LESS_PER_HOP_MS,
    'slots of a bulkhead by route': SLOTS,
    'calls that may wait for one': '64, the default, or none',
  },
  async run(seed, onProgress) {
    const tell = (from: number) => (share: number) => onProgress((from + share) / 3);
    const run = (slowness: number) => (name: Name, progress: (share: number) => void) =>
      trouble(POLICIES[name], slowness, seed, progress);
    const far: Runs = await forEach(NAMES, tell(0), run(TROUBLES['far too slow']));
    const little: Runs = await forEach(NAMES, tell(1), run(TROUBLES['a little too slow']));
    const beside: Runs<keyof typeof BESIDE> = await forEach(NAMES_BESIDE, tell(2), (name, progress) =>
      trouble(BESIDE[name], TROUBLES['far too slow'], seed, progress),
    );
    return { far, little, beside };
  },
  findings: ({ far, little, beside }) => [
    {
      of: 'a good day',
      claim: 'latency of calls that need E, 99th percentile',
      value: far.timeouts.goodDayMs,
      unit: 'ms',
      atLeast: GOOD_DAY_MS * 0.9,
      atMost: GOOD_DAY_MS * 1.1,
    },
    ...inTrouble('far too slow', [
      answered('bare', far.bare, { atMost: 10 }),
      answered('timeouts', far.timeouts, { atLeast: 15, atMost: 45 }),
      answered('timeouts and deadlines', beside['timeouts and deadlines'], { atLeast: 50, atMost: 70 }),
      answered('breakers by origin', far['breakers by origin'], { atMost: 45 }),
      answered('breakers by origin, 424', beside['breakers by origin, 424'], { atLeast: 99 }),
      answered('by route', far['by route'], { atLeast: 99 }),
      answered('and no queue', far['and no queue'], { atLeast: 99 }),
      wellAgain('breakers by origin', far['breakers by origin'].othersWellAfter, { atLeast: 12 }),
      answeredAgain('by route', far['by route'].needingWellAfter, { atLeast: 12 }),
      answeredAgain('breakers by origin, 424', beside['breakers by origin, 424'].needingWellAfter, { atMost: 18 }),
      inVain('timeouts', far.timeouts, { atLeast: 300 }),
      inVain('by route', far['by route'], { atMost: 50 }),
      inVain('and no queue', far['and no queue'], { atMost: 25 }),
    ]),
    ...inTrouble('a little too slow', [
      answered('timeouts', little.timeouts, { atLeast: 55, atMost: 75 }),
      answered('by route', little['by route'], { atLeast: 55, atMost: 75 }),
      answered('and bulkheads', little['and bulkheads'], { atMost: 25 }),
      answered('and deadlines', little['and deadlines'], { atLeast: 80 }),
      answered('and no queue', little['and no queue'], { atLeast: 99 }),
      answeredByE('and deadlines', little['and deadlines'], { atMost: 12 }),
      answeredByE('and no queue', little['and no queue'], { atLeast: 15 }),
      inVain('and bulkheads', little['and bulkheads'], { atLeast: 150 }),
      inVain('and no queue', little['and no queue'], { atMost: 15 }),
    ]),
  ],
  figures: ({ far, little }) => [
    {
      name: 'cascading-failure',
      // The lines of the others would lie on the last one.
      svg: availabilityChart(
        'Calls that do not need E, while it answers after the timeout',
        far,
        NAMES.slice(0, 4),
        [],
      ),
    },
    {
      name: 'cascading-failure-little',
      // No circuit opens, and so the lines of those with breakers lie on that of the timeouts.
      svg: availabilityChart('Calls that do not need E, while it does less than is asked of it', little, NAMES, [
        'timeouts',
      ]),
    },
    {
      name: 'cascading-failure-wasted',
      svg: barChart({
        title: 'Seconds of work for users who had their answer, or error, already',
        bars: { 'E answers after the timeout': wasted(far), 'E does less than is asked of it': wasted(little) },
        y: 'seconds of work',
        format: (value) => value.toFixed(0),
      }),
    },
  ],
});

type Bounds = Pick<Finding, 'atLeast' | 'atMost'>;

function inTrouble(which: keyof typeof TROUBLES, findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({ ...finding, of: `E ${which}: ${finding.of}` }));
}

function answered(of: string, { others: value }: Run, bounds: Bounds): Finding {
  return { of, claim: 'calls that do not need E, answered', value, unit: '%', ...bounds };
}

function answeredByE(of: string, { needing: value }: Run, bounds: Bounds): Finding {
  return { of, claim: 'calls that need E, answered', value, unit: '%', ...bounds };
}

function wellAgain(of: string, value: number, bounds: Bounds): Finding {
  return { of, claim: 'after it: until calls that do not need E are answered again', value, unit: 's', ...bounds };
}

function answeredAgain(of: string, value: number, bounds: Bounds): Finding {
  return { of, claim: 'after it: until calls that need E are answered again', value, unit: 's', ...bounds };
}

function inVain(of: string, { wasted: value }: Run, bounds: Bounds): Finding {
  return { of, claim: 'work for users who had left', value, unit: 's', ...bounds };
}

function availabilityChart(title: string, runs: Runs, names: readonly Name[], wide: readonly Name[]): string {
  return lineChart({
    title,
    lines: Object.fromEntries(names.map((name) => [name, runs[name].availability])),
    y: 'percent answered, by when they were made',
    // Room for the label.
    most: 112,
    wide,
    bands: [{ fromSecond: TROUBLE_FROM / 1_000, toSecond: TROUBLE_UNTIL / 1_000, label: 'E is slow' }],
  });
}

function wasted(runs: Runs): Record<string, number> {
  return Object.fromEntries(NAMES.map((name) => [name, runs[name].wasted]));
}
