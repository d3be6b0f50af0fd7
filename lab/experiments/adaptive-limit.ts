import { type Client, type Clock, createClient } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, exponential, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, type Finding, forEach } from '../experiment.ts';
import { aimd, gradient2, type Limiter, limitedFetch } from '../limits.ts';
import { type Point, Series } from '../series.ts';
import { Service, type ServiceOptions } from '../service.ts';
import { arrivals } from '../traffic.ts';

const INSTANCES = 10;
const WORKERS = 50;
const LEFT = 12;
const WORK_MS = 100;
const CAPACITY = (WORKERS / WORK_MS) * 1_000;
// Four seconds of work, where nobody waits longer than one.
const BACKLOG = 4 * CAPACITY;
const ATTEMPT_TIMEOUT_MS = 1_000;
const QUIET = 0.7 * CAPACITY;
const FROM = 10_000;
const UNTIL = 40_000;
const END = 50_000;
// How long it takes to find out is for the figure to show.
const COUNTED_FROM = FROM + 5_000;

/** Slots of each instance, or who finds out how many. */
const LIMITS = {
  'too few: 2 each': 2,
  'about right: 7 each': 7,
  'the default: 64 each': 64,
  AIMD: aimd,
  Gradient2: gradient2,
  adaptive: 'adaptive',
} as const satisfies Record<string, number | 'adaptive' | (() => Limiter)>;

type Name = keyof typeof LIMITS;
const NAMES = Object.keys(LIMITS) as Name[];

interface Scenario {
  readonly instances?: number;
  readonly workers?: (at: number) => number;
  readonly workMs?: (seed: number, clock: VirtualClock) => () => number;
  readonly perSecond: (at: number) => number;
  /** What can be answered of it while it counts. */
  readonly feasible: number;
  readonly attemptTimeoutMs?: number;
  /** When an instance is started. Default: at once. */
  readonly startsAt?: (nth: number) => number;
  /** By how much the date of an instance is wrong. */
  readonly isOffMs?: (nth: number) => number;
}

const isTrouble = (at: number): boolean => at >= FROM && at < UNTIL;
const overload = (times: number) => ({
  perSecond: (at: number) => (isTrouble(at) ? times * CAPACITY : QUIET),
  feasible: CAPACITY,
});

/** One instance and a service that could take any number at once, if only it is let. */
const ENDLESS = {
  instances: 1,
  workers: () => 10_000,
  perSecond: () => CAPACITY,
  feasible: CAPACITY,
  attemptTimeoutMs: 10_000,
} as const satisfies Scenario;

/** For all who find out, and who don't. */
const SCENARIOS = {
  '1.5 times what it can do': overload(1.5),
  '3 times': overload(3),
  'a quarter of its workers': {
    workers: (at) => (isTrouble(at) ? LEFT : WORKERS),
    perSecond: () => QUIET,
    feasible: (LEFT / WORK_MS) * 1_000,
  },
  'slow, but not for load': {
    ...ENDLESS,
    workMs: (seed, clock) => {
      const workMs = logNormal(chanceFor(seed, 'work'), 80, 0.7);
      return () => workMs() * (isTrouble(clock.now()) ? 4 : 1);
    },
  },
  'a long tail': { ...ENDLESS, workMs: (seed) => logNormal(chanceFor(seed, 'work'), 50, 1.8) },
} as const satisfies Record<string, Scenario>;

/** For the adaptive limit alone. */
const MORE = {
  'a good day': { perSecond: () => QUIET, feasible: QUIET },
  'one instance': { ...overload(1.5), instances: 1 },
  'half of the instances come later': { ...overload(1.5), startsAt: (nth) => (nth < INSTANCES / 2 ? 0 : COUNTED_FROM) },
  'clocks that differ': { ...overload(1.5), isOffMs: (nth) => nth * 3_777 },
} as const satisfies Record<string, Scenario>;

type Bounds = Pick<Finding, 'atLeast' | 'atMost'>;
type Story = keyof typeof SCENARIOS;
type Extra = keyof typeof MORE;
const STORIES = Object.keys(SCENARIOS) as Story[];
const EXTRAS = Object.keys(MORE) as Extra[];

interface Run {
  /** Calls answered while it counts, as a share of what could be. */
  readonly goodput: number;
  /** How long half of those took, in ms. */
  readonly medianMs: number;
  readonly failed: number;
  /** What the instance with the fewest answers had of them in the last ten seconds, as a share of the average. */
  readonly leastShare: number;
  /** What all instances together let run at once. */
  readonly slots: readonly Point[];
}

async function simulate(
  name: Name,
  scenario: Scenario,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const { instances = INSTANCES, startsAt = () => 0 } = scenario;
  const clock = new VirtualClock();
  const service = new Service(serviceOf(scenario, clock, seed));
  const clients = Array.from({ length: instances }, (_, nth) => clientOf(name, scenario, service, clock, nth, seed));
  const [all, counted] = [new Calls(clock), new Calls(clock)];
  const byInstance = clients.map(() => new Series(1_000));
  const whose = chanceFor(seed, 'whose');
  arrivals(clock, chanceFor(seed, 'users'), scenario.perSecond, END, () => {
    const now = clock.now();
    const there = clients.filter((_, nth) => startsAt(nth) <= now);
    const nth = Math.floor(whose() * there.length);
    const call = clients[nth]?.fetch('https://service.test/');
    if (call === undefined) return;
    void all.note(call);
    if (now >= COUNTED_FROM && now < UNTIL) void counted.note(call);
    call.then(
      ({ ok }) => byInstance[nth]?.add(clock.now(), ok ? 1 : 0),
      () => {},
    );
  });
  const slots: Point[] = [];
  for (let at = 0; at < END; at += 250) {
    clock.schedule(at, () =>
      slots.push({ second: at / 1_000, value: clients.reduce((sum, each) => sum + slotsOf(each), 0) }),
    );
  }
  await clock.run(END + 15_000, onProgress);
  const shares = byInstance.map((series) => series.between(UNTIL - 10_000, UNTIL));
  return {
    goodput: (all.answered.between(COUNTED_FROM, UNTIL) / (UNTIL - COUNTED_FROM) / scenario.feasible) * 1_000,
    medianMs: counted.latencyMs(0.5),
    failed: all.failed.between(0, END + 15_000),
    leastShare: (Math.min(...shares) * shares.length) / shares.reduce((sum, each) => sum + each, 0),
    slots,
  };
}

function serviceOf({ workers, workMs }: Scenario, clock: VirtualClock, seed: number): ServiceOptions {
  return {
    clock,
    get workers() {
      return workers === undefined ? WORKERS : workers(clock.now());
    },
    backlog: BACKLOG,
    workMs: workMs === undefined ? exponential(chanceFor(seed, 'work'), WORK_MS) : workMs(seed, clock),
  };
}

function clientOf(
  name: Name,
  { attemptTimeoutMs = ATTEMPT_TIMEOUT_MS, isOffMs }: Scenario,
  { fetch }: Service,
  clock: VirtualClock,
  nth: number,
  seed: number,
): Client {
  const limit = LIMITS[name];
  const isForeign = typeof limit === 'function';
  return createClient({
    // Nobody waits: what would be waited here is not what is to be found out.
    bulkhead: isForeign ? false : { maxConcurrent: limit, maxQueued: 0 },
    fetch: isForeign ? limitedFetch(clock, fetch, limit()) : fetch,
    retry: false,
    breaker: false,
    attemptTimeoutMs,
    clock: isOffMs === undefined ? clock : offBy(clock, isOffMs(nth)),
    random: chanceFor(seed, `client ${nth}`),
  });
}

function slotsOf(client: Client): number {
  const [only] = Object.values(client.snapshot().dependencies);
  return only?.maxConcurrent ?? 0;
}

/** The clock of a machine whose date is wrong. */
function offBy(clock: VirtualClock, ms: number): Clock {
  return {
    now: () => clock.now(),
    epochNow: () => clock.epochNow() + ms,
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
    timeoutSignal: (delayMs) => clock.timeoutSignal(delayMs),
  };
}

export const adaptiveLimit = experiment({
  name: 'adaptive-limit',
  title: 'An adaptive limit',
  hypothesis:
    'How many calls a service can take at once shows in how long they take. A limit that goes by that does as well as the number that nobody knows: with too many calls, with fewer workers, for one instance or ten; and it is not in the way where nothing is too much.',
  parameters: {
    instances: INSTANCES,
    'capacity, requests per second': CAPACITY,
    'requests that it works on at once': WORKERS,
    'requests that may wait there': BACKLOG,
    'attempt timeout, ms': ATTEMPT_TIMEOUT_MS,
    'calls per second on a good day': QUIET,
    'trouble, s': (UNTIL - FROM) / 1_000,
  },
  async run(seed, onProgress) {
    const parts = STORIES.length + 1;
    const stories: Partial<Record<Story, Record<Name, Run>>> = {};
    for (const [index, story] of STORIES.entries()) {
      stories[story] = await forEach(
        NAMES,
        (share) => onProgress((index + share) / parts),
        (name, tell) => simulate(name, SCENARIOS[story], seed, tell),
      );
    }
    const more = await forEach(
      EXTRAS,
      (share) => onProgress((parts - 1 + share) / parts),
      (extra, tell) => simulate('adaptive', MORE[extra], seed, tell),
    );
    return { stories: stories as Record<Story, Record<Name, Run>>, more };
  },
  findings: ({ stories, more }) => {
    const answered = (story: Story, of: Name, bounds: Bounds): Finding => {
      const claim = `${story}: answered, of what can be`;
      return { of, claim, value: stories[story][of].goodput, ...bounds };
    };
    const median = (of: Name, bounds: Bounds): Finding => {
      const story = '1.5 times what it can do';
      return { of, claim: `${story}: median latency`, value: stories[story][of].medianMs, unit: 'ms', ...bounds };
    };
    const alone = (extra: Extra, bounds: Bounds): Finding => {
      return { of: 'adaptive', claim: `${extra}: answered, of what can be`, value: more[extra].goodput, ...bounds };
    };
    return [
      answered('1.5 times what it can do', 'too few: 2 each', { atMost: 0.45 }),
      answered('1.5 times what it can do', 'the default: 64 each', { atMost: 0.05 }),
      answered('1.5 times what it can do', 'AIMD', { atLeast: 0.97 }),
      answered('1.5 times what it can do', 'adaptive', { atLeast: 0.97 }),
      median('about right: 7 each', { atMost: 100 }),
      median('AIMD', { atLeast: 550 }),
      median('adaptive', { atMost: 250 }),
      answered('3 times', 'adaptive', { atLeast: 0.95 }),
      answered('a quarter of its workers', 'adaptive', { atLeast: 0.9 }),
      answered('slow, but not for load', 'the default: 64 each', { atMost: 0.4 }),
      answered('slow, but not for load', 'AIMD', { atMost: 0.8 }),
      answered('slow, but not for load', 'Gradient2', { atMost: 0.1 }),
      answered('slow, but not for load', 'adaptive', { atLeast: 0.85 }),
      answered('a long tail', 'AIMD', { atMost: 0.85 }),
      answered('a long tail', 'Gradient2', { atMost: 0.3 }),
      answered('a long tail', 'adaptive', { atLeast: 0.95 }),
      {
        of: 'adaptive',
        claim: 'a good day: calls that failed, of 17,500',
        value: more['a good day'].failed,
        atMost: 10,
      },
      alone('one instance', { atLeast: 0.95 }),
      alone('half of the instances come later', { atLeast: 0.9 }),
      alone('clocks that differ', { atLeast: 0.9 }),
      {
        of: 'adaptive',
        claim: '3 times: the instance with the fewest answers in ten seconds, of the average',
        value: stories['3 times'].adaptive.leastShare,
        atLeast: 0.03,
      },
    ];
  },
  figures: ({ stories, more }) => [
    {
      name: 'adaptive-limit',
      svg: lineChart({
        title: `Slots of an adaptive limit, of a service that works on ${WORKERS} requests at once`,
        lines: {
          'one instance': more['one instance'].slots,
          'ten instances, all of them together': stories['1.5 times what it can do'].adaptive.slots,
        },
        y: 'calls that may run at once',
        bands: [{ fromSecond: FROM / 1_000, toSecond: UNTIL / 1_000, label: '1.5 times what it can do' }],
        rule: WORKERS,
      }),
    },
    {
      name: 'adaptive-limit-stories',
      svg: barChart({
        title: 'Calls answered, of 100 that can be',
        bars: Object.fromEntries(
          STORIES.map((story) => [
            story,
            Object.fromEntries(NAMES.map((name) => [name, stories[story][name].goodput * 100])),
          ]),
        ),
        y: 'answered of 100',
        rule: 100,
        format: (value) => value.toFixed(0),
      }),
    },
  ],
});
