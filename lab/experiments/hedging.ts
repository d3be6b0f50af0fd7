import { type ClientOptions, createClient } from 'steadfetch';

import { Calls } from '../calls.ts';
import { type Chance, chanceFor, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, forEach } from '../experiment.ts';
import type { Point } from '../series.ts';
import { Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

const REPLICAS = 4;
const WORKERS = 8;
const INSTANCES = 4;
const MEDIAN_MS = 20;
const SPREAD = 0.5;
const SLOW_SHARE = 0.01;
// The mean of a log-normal, and of the factor of one in a hundred: (100 − 10) / ln(10).
const MEAN_MS = MEDIAN_MS * Math.exp(SPREAD ** 2 / 2) * (1 - SLOW_SHARE + SLOW_SHARE * (90 / Math.LN10));
const CAPACITY = ((REPLICAS * WORKERS) / MEAN_MS) * 1_000;
// Two seconds of work: longer than anybody waits.
const BACKLOG = (2 * CAPACITY) / REPLICAS;
const ATTEMPT_TIMEOUT_MS = 1_000;
const PAUSE_MS = 200;
const PAUSED_EVERY_MS = 10_000;
const TOO_EARLY_MS = 10;

const GOOD_DAY_PER_SECOND = 0.3 * CAPACITY;
const GOOD_DAY_UNTIL = 45_000;
// Until there are enough answers to know a percentile.
const WARM_UP_MS = 10_000;

const BUSY_PER_SECOND = 0.55 * CAPACITY;
const SPIKE_PER_SECOND = 1.5 * CAPACITY;
const SPIKE_FROM = 10_000;
const SPIKE_UNTIL = 14_000;
const BUSY_UNTIL = 28_000;

const ONCE = { maxAttempts: 1 } as const;
const POLICIES = {
  'no hedge': { retry: ONCE },
  'after the 95th percentile': { retry: ONCE, hedge: { percentile: 0.95 } },
  'too early': { retry: ONCE, hedge: { afterMs: TOO_EARLY_MS } },
  'too early, no budget': { retry: { ...ONCE, budget: false }, hedge: { afterMs: TOO_EARLY_MS } },
} satisfies Record<string, ClientOptions>;

type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];

/** What users got, and how many requests reached the service. */
interface Run {
  readonly users: Calls;
  readonly requestsIn: (fromMs: number, toMs: number) => number;
}

/** What one request takes: little, mostly, and one in a hundred ten to a hundred times that. */
function heavyTail(chance: Chance): () => number {
  const usual = logNormal(chance, MEDIAN_MS, SPREAD);
  return () => usual() * (chance() < SLOW_SHARE ? 10 ** (1 + chance()) : 1);
}

/** Reads of a service with some replicas, each of which stops now and then. */
async function reads(
  options: ClientOptions,
  perSecond: (at: number) => number,
  fromMs: number,
  untilMs: number,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const clock = new VirtualClock();
  const workMs = heavyTail(chanceFor(seed, 'work'));
  const replicas = Array.from(
    { length: REPLICAS },
    () => new Service({ clock, workers: WORKERS, backlog: BACKLOG, workMs }),
  );
  for (const [nth, replica] of replicas.entries()) {
    arrivals(clock, chanceFor(seed, `pauses ${nth}`), 1_000 / PAUSED_EVERY_MS, untilMs, () => replica.pause(PAUSE_MS));
  }
  const balance = chanceFor(seed, 'balance');
  const clients = Array.from({ length: INSTANCES }, (_, nth) =>
    createClient({
      // How much load hedges add is the question: nothing else is to hold it.
      bulkhead: false,
      breaker: false,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      ...options,
      fetch: (input, init) => (replicas[Math.floor(balance() * REPLICAS)] as Service).fetch(input, init),
      clock,
      random: chanceFor(seed, `client ${nth}`),
    }),
  );
  const users = new Calls(clock);
  const nobody = new Calls(clock);
  arrivals(clock, chanceFor(seed, 'users'), perSecond, untilMs, (nth) => {
    const client = clients[nth % INSTANCES];
    const calls = clock.now() < fromMs ? nobody : users;
    if (client !== undefined) void calls.note(client.fetch('https://service.test/'));
  });
  await clock.run(untilMs + 5_000, onProgress);
  return { users, requestsIn: (from, to) => replicas.reduce((sum, { arrived }) => sum + arrived.between(from, to), 0) };
}

interface GoodDay {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Requests for each call, beside the one that it needs. */
  readonly extra: number;
}

async function goodDay(options: ClientOptions, seed: number, onProgress: (share: number) => void): Promise<GoodDay> {
  const { users, requestsIn } = await reads(
    options,
    () => GOOD_DAY_PER_SECOND,
    WARM_UP_MS,
    GOOD_DAY_UNTIL,
    seed,
    onProgress,
  );
  return {
    p50: users.waitMs(0.5),
    p99: users.waitMs(0.99),
    p999: users.waitMs(0.999),
    extra: requestsIn(WARM_UP_MS, GOOD_DAY_UNTIL) / users.made.between(WARM_UP_MS, GOOD_DAY_UNTIL) - 1,
  };
}

interface Spike {
  /** Calls answered per second. */
  readonly answered: readonly Point[];
  /** Seconds after the spike until nearly all calls are answered, and stay so; `Infinity` if that never comes. */
  readonly recoverySeconds: number;
  /** Share of calls answered in the last five seconds. */
  readonly inTheEnd: number;
  /** Calls answered from the start of the spike until it has long passed. */
  readonly answeredInAll: number;
  /** Requests for each call while there is too much to do, beside the one that it needs. */
  readonly extra: number;
}

async function spike(options: ClientOptions, seed: number, onProgress: (share: number) => void): Promise<Spike> {
  const rate = (at: number): number => (at >= SPIKE_FROM && at < SPIKE_UNTIL ? SPIKE_PER_SECOND : BUSY_PER_SECOND);
  const { users, requestsIn } = await reads(options, rate, 0, BUSY_UNTIL, seed, onProgress);
  const isWell = (at: number): boolean => users.answered.between(at, at + 2_000) >= 2 * BUSY_PER_SECOND * 0.9;
  let wellFrom = Infinity;
  for (let at = BUSY_UNTIL - 2_000; at >= SPIKE_UNTIL && isWell(at); at -= 500) wellFrom = at;
  return {
    answered: users.answered.perSecond(0, BUSY_UNTIL),
    recoverySeconds: (wellFrom - SPIKE_UNTIL) / 1_000,
    inTheEnd:
      users.answered.between(BUSY_UNTIL - 5_000, BUSY_UNTIL) / users.made.between(BUSY_UNTIL - 5_000, BUSY_UNTIL),
    answeredInAll: users.answered.between(SPIKE_FROM, SPIKE_UNTIL + 10_000),
    extra: requestsIn(SPIKE_FROM, SPIKE_UNTIL) / users.made.between(SPIKE_FROM, SPIKE_UNTIL) - 1,
  };
}

export const hedging = experiment({
  name: 'hedging',
  title: 'Hedged requests',
  hypothesis:
    'Sent once more after the 95th percentile, reads lose most of their tail for 5 % more load. Sent too early, they cost more load and gain less. In an overload every answer is late, and hedges must not add to it.',
  parameters: {
    replicas: REPLICAS,
    'median, ms': MEDIAN_MS,
    'share of requests that take 10 to 100 times as long': SLOW_SHARE,
    'pause of a replica, ms': PAUSE_MS,
    'between its pauses, s': PAUSED_EVERY_MS / 1_000,
    'capacity, requests per second': Math.round(CAPACITY),
    'calls per second on a good day': Math.round(GOOD_DAY_PER_SECOND),
    'calls per second before and after the spike': Math.round(BUSY_PER_SECOND),
    'calls per second in the spike': Math.round(SPIKE_PER_SECOND),
    'too early, ms': TOO_EARLY_MS,
    'attempt timeout, ms': ATTEMPT_TIMEOUT_MS,
  },
  async run(seed, onProgress) {
    const quiet = await forEach(
      NAMES,
      (share) => onProgress(share / 3),
      (name, tell) => goodDay(POLICIES[name], seed, tell),
    );
    const busy = await forEach(
      NAMES,
      (share) => onProgress((1 + 2 * share) / 3),
      (name, tell) => spike(POLICIES[name], seed, tell),
    );
    return { quiet, busy };
  },
  findings: ({ quiet, busy }) => {
    const percentile = 'after the 95th percentile';
    return [
      { of: 'no hedge', claim: '99.9th percentile', value: quiet['no hedge'].p999, atLeast: 600, unit: 'ms' },
      { of: percentile, claim: '99.9th percentile', value: quiet[percentile].p999, atMost: 300, unit: 'ms' },
      { of: 'no hedge', claim: '99th percentile', value: quiet['no hedge'].p99, atLeast: 170, unit: 'ms' },
      { of: percentile, claim: '99th percentile', value: quiet[percentile].p99, atMost: 130, unit: 'ms' },
      { of: percentile, claim: 'requests beside those needed', value: quiet[percentile].extra, atMost: 0.05 },
      { of: 'too early', claim: '99.9th percentile', value: quiet['too early'].p999, atLeast: 600, unit: 'ms' },
      { of: 'too early', claim: 'requests beside those needed', value: quiet['too early'].extra, atMost: 0.34 },
      {
        of: 'too early, no budget',
        claim: 'requests beside those needed',
        value: quiet['too early, no budget'].extra,
        atLeast: 0.9,
      },
      { of: percentile, claim: 'the same in the spike', value: busy[percentile].extra, atMost: 0.05 },
      {
        of: percentile,
        claim: 'recovered from the spike later than without hedges',
        value: busy[percentile].recoverySeconds - busy['no hedge'].recoverySeconds,
        atMost: 2,
        unit: 's',
      },
      {
        of: percentile,
        claim: 'reads answered in and after the spike, for each without hedges',
        value: busy[percentile].answeredInAll / busy['no hedge'].answeredInAll,
        atLeast: 0.8,
      },
      {
        of: 'too early',
        claim: 'recovered from the spike after',
        value: busy['too early'].recoverySeconds,
        atMost: 10,
        unit: 's',
      },
      {
        of: 'too early, no budget',
        claim: 'share answered when the spike is long over',
        value: busy['too early, no budget'].inTheEnd,
        atMost: 0.6,
      },
    ];
  },
  figures: ({ quiet, busy }) => {
    const labelled = (name: Name): string => `${name} (+${Math.round(quiet[name].extra * 100)} % load)`;
    const bars = (value: (day: GoodDay) => number): Record<string, number> =>
      Object.fromEntries(NAMES.map((name) => [labelled(name), value(quiet[name])]));
    return [
      {
        name: 'hedging',
        svg: barChart({
          title: 'How long reads of a service with a heavy tail take',
          bars: {
            median: bars(({ p50 }) => p50),
            '99th percentile': bars(({ p99 }) => p99),
            '99.9th percentile': bars(({ p999 }) => p999),
          },
          y: 'ms',
          format: (value) => Math.round(value).toLocaleString('en'),
        }),
      },
      {
        name: 'hedging-in-overload',
        svg: lineChart({
          title: 'Reads answered per second, before and after a spike of four seconds',
          lines: Object.fromEntries(NAMES.map((name) => [name, busy[name].answered])),
          y: 'answered per second',
          most: 1_500,
          bands: [{ fromSecond: SPIKE_FROM / 1_000, toSecond: SPIKE_UNTIL / 1_000, label: '1.5 times its capacity' }],
        }),
      },
    ];
  },
});
