import { BulkheadFullError, type BulkheadOptions, bulkheadSize, createClient } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, type Finding, forEach } from '../experiment.ts';
import type { Point } from '../series.ts';
import { Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

const CALLS_PER_SECOND = 200;
const MEAN_MS = 50;
const WORK_SPREAD = 0.5;
/** With more requests than that under way, the dependency takes longer for each: so many times as many, to that power. */
const KNEE = 25;
const POWER = 1.5;
const NEIGHBOUR_MEDIAN_MS = 10;
/** Requests that the process has memory and sockets for: it refuses one more. */
const ROOM = 120;
const BUDGET_MS = 3_000;
const ATTEMPT_MS = 2_900;

/** What comes one after the other, and until when. */
const SPANS = { good: 15_000, busy: 25_000, calm: 30_000, slow: 45_000, after: 60_000 } as const;
const UNTIL = SPANS.after;
const BUSY_PER_SECOND = 1.5 * CALLS_PER_SECOND;
const SLOWNESS = 10;
const SAMPLE_MS = 500;

// Little's law: 200 a second, each 50 ms, are 10 at once.
const RATES = { requestsPerSecond: CALLS_PER_SECOND, latencyMs: MEAN_MS } as const;
const VALUE = bulkheadSize(RATES);
const DOUBLE = bulkheadSize({ ...RATES, headroom: 1 });
const TEN_TIMES = bulkheadSize({ ...RATES, headroom: 9 });
// Unless it says otherwise, with the default queue: 64 may wait.
const BULKHEADS = {
  half: { maxConcurrent: VALUE / 2 },
  'the value': { maxConcurrent: VALUE },
  double: { maxConcurrent: DOUBLE },
  'double, as many wait': { maxConcurrent: DOUBLE, maxQueued: DOUBLE },
  'double, none waits': { maxConcurrent: DOUBLE, maxQueued: 0 },
  'ten times': { maxConcurrent: TEN_TIMES },
} satisfies Record<string, BulkheadOptions>;
/** Other sizes, for the picture. */
const BETWEEN = [7, 12, 14, 17, 28, 40, 50, 64, 160];

type Name = keyof typeof BULKHEADS;
const NAMES = Object.keys(BULKHEADS) as Name[];
type Span = keyof typeof SPANS;
const SPAN_NAMES = Object.keys(SPANS) as Span[];

/** What was seen of the calls that were made in a span. */
interface Seen {
  /** Percent answered. */
  readonly answered: number;
  /** How long the answers took, in ms. */
  readonly p50: number;
  readonly p99: number;
  /** Percent that the bulkhead refused. */
  readonly refused: number;
  /** Percent answered of the calls that need the neighbour. */
  readonly neighbour: number;
}

interface Run {
  readonly seen: Readonly<Record<Span, Seen>>;
  /** Calls of the dependency that the process had under way: over time, and the most at once. */
  readonly held: readonly Point[];
  readonly mostHeld: number;
}

/** Users of a process, half of whom need a dependency, and the others a neighbour of that. */
export async function day(bulkhead: BulkheadOptions, seed: number, onProgress: (share: number) => void): Promise<Run> {
  const clock = new VirtualClock();
  let slowness = 1;
  // The mean of such times is that much above their median.
  const workMs = logNormal(chanceFor(seed, 'work'), MEAN_MS / Math.exp(WORK_SPREAD ** 2 / 2), WORK_SPREAD);
  const dependency = new Service({
    clock,
    workers: 1_000,
    workMs: () => workMs() * slowness,
    slowdown: (busy) => Math.max(1, busy / KNEE) ** POWER,
    networkMs: 0,
  });
  const neighbourMs = logNormal(chanceFor(seed, 'work of the neighbour'), NEIGHBOUR_MEDIAN_MS, WORK_SPREAD);
  const neighbour = new Service({ clock, workers: 1_000, workMs: neighbourMs, networkMs: 0 });

  const policy = { retry: false, breaker: false, deadlineMs: BUDGET_MS, attemptTimeoutMs: ATTEMPT_MS, clock } as const;
  const client = createClient({ ...policy, bulkhead, fetch: dependency.fetch });
  const clientOfNeighbour = createClient({ ...policy, fetch: neighbour.fetch });
  const calls = new Calls(clock);
  const spans = bySpan(() => ({ users: new Calls(clock), others: new Calls(clock), refused: 0 }));
  const ask = (url: string): Promise<number> => {
    if (url.endsWith('/neighbour')) return statusOf(clientOfNeighbour.fetch('https://neighbour.test/'));
    const response = client.fetch('https://dependency.test/');
    void calls.note(response);
    response.catch((error) => {
      if (error instanceof BulkheadFullError) spans[spanAt(clock.now())].refused += 1;
    });
    return statusOf(response);
  };
  const here = new Service({ clock, workers: ROOM, workMs: () => 0, networkMs: 0, ask: ({ url }) => ask(url) });

  // Users have no policy, but they leave.
  const { fetch } = createClient({ ...policy, bulkhead: false, attemptTimeoutMs: false, fetch: here.fetch });
  const rateAt = (at: number): number => (spanAt(at) === 'busy' ? BUSY_PER_SECOND : CALLS_PER_SECOND);
  arrivals(clock, chanceFor(seed, 'users'), rateAt, UNTIL, () => {
    void spans[spanAt(clock.now())].users.note(fetch('https://here.test/dependency'));
  });
  arrivals(clock, chanceFor(seed, 'other users'), CALLS_PER_SECOND, UNTIL, () => {
    void spans[spanAt(clock.now())].others.note(fetch('https://here.test/neighbour'));
  });
  const held: Point[] = [];
  for (let at = 0; at < UNTIL; at += SAMPLE_MS) {
    clock.schedule(at, () => {
      held.push({ second: at / 1_000, value: calls.underWay });
    });
  }
  clock.schedule(SPANS.calm, () => {
    slowness = SLOWNESS;
  });
  clock.schedule(SPANS.slow, () => {
    slowness = 1;
  });
  await clock.run(UNTIL + BUDGET_MS, onProgress);

  const seen = bySpan((span) => {
    const { users, others, refused } = spans[span];
    return {
      answered: 100 * users.answeredShare(0, UNTIL),
      p50: users.latencyMs(0.5),
      p99: users.latencyMs(0.99),
      refused: (100 * refused) / users.made.between(0, UNTIL),
      neighbour: 100 * others.answeredShare(0, UNTIL),
    };
  });
  return { seen, held, mostHeld: calls.mostUnderWay };
}

function spanAt(at: number): Span {
  return SPAN_NAMES.find((span) => at < SPANS[span]) ?? 'after';
}

function bySpan<V>(make: (span: Span) => V): Record<Span, V> {
  return Object.fromEntries(SPAN_NAMES.map((span) => [span, make(span)])) as Record<Span, V>;
}

function statusOf(response: Promise<Response>): Promise<number> {
  return response.then(
    ({ status }) => status,
    () => 503,
  );
}

export const bulkheadSizing = experiment({
  name: 'bulkhead-sizing',
  title: 'How many slots a bulkhead needs',
  hypothesis:
    "Little's law gives the slots that are busy on average: calls per second × latency. A bulkhead of that size queues and refuses on a good day, one of half of it refuses half. Double is enough for half as many calls again, and costs nothing. Ten times is as good as none: when the dependency gets slow it is given more than it can work on, answers next to nothing, does not come back by itself, and the process has no room left for calls of others. What may wait counts, too: a queue longer than there are slots adds waiting and answers no more.",
  parameters: {
    'calls per second': CALLS_PER_SECOND,
    'calls per second, half as many again': BUSY_PER_SECOND,
    'latency, mean in ms': MEAN_MS,
    "Little's law, slots": VALUE,
    'times slower, for a while': SLOWNESS,
    'dependency: slower with more at once than': KNEE,
    'dependency: by their number to the power of': POWER,
    'calls per second of the neighbour': CALLS_PER_SECOND,
    'room of the process, requests': ROOM,
    'deadline, ms': BUDGET_MS,
    'attempt timeout, ms': ATTEMPT_MS,
    'calls that may wait': '64, the default, or as said',
  },
  async run(seed, onProgress) {
    const all = NAMES.length + BETWEEN.length;
    const tell = (share: number) => onProgress((share * NAMES.length) / all);
    const runs = await forEach(NAMES, tell, (name, progress) => day(BULKHEADS[name], seed, progress));
    const sweep = new Map<number, Run>();
    for (const name of ['half', 'the value', 'double', 'ten times'] as const) {
      sweep.set(BULKHEADS[name].maxConcurrent, runs[name]);
    }
    for (const [nth, maxConcurrent] of BETWEEN.entries()) {
      const progress = (share: number) => onProgress((NAMES.length + nth + share) / all);
      sweep.set(maxConcurrent, await day({ maxConcurrent }, seed, progress));
    }
    return { runs, sweep: [...sweep].toSorted(([a], [b]) => a - b) };
  },
  findings: ({ runs }) => {
    const of = (name: Name) => runs[name].seen;
    const [half, value, double, ten] = [of('half'), of('the value'), of('double'), of('ten times')];
    const [asMany, none] = [of('double, as many wait'), of('double, none waits')];
    const byP99 = bulkheadSize({ ...RATES, latencyMs: double.good.p99 });
    return [
      finding('half', 'good day: refused', half.good.refused, '%', { atLeast: 40 }),
      finding('the value', 'good day: p99', value.good.p99, 'ms', { atLeast: 2 * double.good.p99 }),
      finding('double', 'good day: p99', double.good.p99, 'ms', { atMost: 1.05 * ten.good.p99 }),
      finding('double', 'good day: refused', double.good.refused, '%', { atMost: 0.1 }),
      finding('the value', 'half as many calls again: refused', value.busy.refused, '%', { atLeast: 20 }),
      finding('double', 'half as many calls again: refused', double.busy.refused, '%', { atMost: 0.1 }),
      finding('double, none waits', 'half as many calls again: refused', none.busy.refused, '%', { atLeast: 2 }),
      finding("Little's law for the 99th percentile", 'slots', byP99, 'slots', { atLeast: DOUBLE, atMost: 2 * DOUBLE }),
      finding('the value', 'ten times slower: answered', value.slow.answered, '%', { atMost: 13 }),
      finding('double', 'ten times slower: answered', double.slow.answered, '%', { atLeast: 18 }),
      finding('ten times', 'ten times slower: answered', ten.slow.answered, '%', { atMost: 8 }),
      finding('double, as many wait', 'ten times slower: answered', asMany.slow.answered, '%', {
        atLeast: 0.9 * double.slow.answered,
      }),
      finding('double', 'ten times slower: p50', double.slow.p50, 'ms', { atLeast: 1_600 }),
      finding('double, as many wait', 'ten times slower: p50', asMany.slow.p50, 'ms', { atMost: 1_200 }),
      finding('double', 'calls under way, at most', runs.double.mostHeld, 'calls', { atMost: DOUBLE + 64 + 1 }),
      finding('double, as many wait', 'calls under way, at most', runs['double, as many wait'].mostHeld, 'calls', {
        atMost: 2 * DOUBLE + 1,
      }),
      finding('ten times', 'calls under way, at most', runs['ten times'].mostHeld, 'calls', { atLeast: ROOM }),
      finding('double', 'ten times slower: neighbour answered', double.slow.neighbour, '%', { atLeast: 99.9 }),
      finding('ten times', 'ten times slower: neighbour answered', ten.slow.neighbour, '%', { atMost: 35 }),
      finding('double', 'afterwards: answered', double.after.answered, '%', { atLeast: 97 }),
      finding('ten times', 'afterwards: answered', ten.after.answered, '%', { atMost: 40 }),
    ];
  },
  figures: ({ runs, sweep }) => {
    const line = (read: (run: Run) => number): Point[] =>
      sweep.map(([slots, run]) => ({ second: slots, value: read(run) }));
    return [
      {
        name: 'bulkhead-sizing',
        svg: lineChart({
          title: 'Calls answered, by the size of the bulkhead',
          lines: {
            'good day': line(({ seen }) => seen.good.answered),
            'half as many calls again': line(({ seen }) => seen.busy.answered),
            'ten times slower': line(({ seen }) => seen.slow.answered),
            'then, the neighbour': line(({ seen }) => seen.slow.neighbour),
            afterwards: line(({ seen }) => seen.after.answered),
          },
          x: 'slots',
          xLogarithmic: true,
          y: 'percent answered',
          most: 112,
          bands: [{ fromSecond: VALUE, toSecond: DOUBLE, label: "Little's law, to double" }],
        }),
      },
      {
        name: 'bulkhead-sizing-latency',
        svg: barChart({
          title: 'Latency of what is answered, in ms',
          bars: Object.fromEntries(
            NAMES.map((name) => {
              const { good, busy, slow } = runs[name].seen;
              return [
                name,
                {
                  'good day, p50': good.p50,
                  'good day, p99': good.p99,
                  'busy, p99': busy.p99,
                  'ten times slower, p50': slow.p50,
                },
              ];
            }),
          ),
          y: 'ms',
          logarithmic: true,
          least: 10,
          format: (value) => value.toFixed(0),
        }),
      },
      {
        name: 'bulkhead-sizing-held',
        svg: lineChart({
          title: 'Calls of the dependency that the process has under way, running and waiting',
          lines: Object.fromEntries(NAMES.map((name) => [name, runs[name].held])),
          y: 'calls under way',
          rule: ROOM,
          most: 135,
          bands: [
            { fromSecond: SPANS.good / 1_000, toSecond: SPANS.busy / 1_000, label: 'busy' },
            { fromSecond: SPANS.calm / 1_000, toSecond: SPANS.slow / 1_000, label: 'ten times slower' },
          ],
        }),
      },
    ];
  },
});

type Bounds = Pick<Finding, 'atLeast' | 'atMost'>;

function finding(of: string, claim: string, value: number, unit: string, bounds: Bounds): Finding {
  return { of, claim, value, unit, ...bounds };
}
