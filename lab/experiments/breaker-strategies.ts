import { type Client, type ClientOptions, createClient, type TransitionEvent } from 'steadfetch';

import { percentile } from '../../drill/statistics.ts';
import { chanceFor, exponential, logNormal } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, type Finding, forEach } from '../experiment.ts';
import type { Point } from '../series.ts';
import { type Condition, Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

const WORK_MS = 20;
/** A day like others: some requests fail, some take long, some must not be sent twice. */
const DAY = { instances: 5, perSecond: 50, seconds: 60, failing: 0.03, writes: 0.2, spread: 1 };
/** Now and then nothing works for a moment: a process is replaced, a connection is lost. */
const BLIPS = { everyMs: 20_000, ms: 200 };
/** One of some servers is broken, and goes on failing its share of the requests. */
const PARTIAL = { ...DAY, instances: 10, perSecond: 10, seconds: 40 };
const PARTS = [0.1, 0.2, 0.3, 0.4, 0.5];
// A window is to be full by then: one of 10 s is.
const OUTAGE = { instances: 10, perSecond: 100, seconds: 10, fromMs: 11_000 };
const SLOW = { ...OUTAGE, instances: 5, fromMs: 2_000, condition: 'slow' } as const;
const HANG = { instances: 10, perSecond: 1, seconds: 60, fromMs: 1_000, condition: 'hangs' } as const;
const LENGTHS = [1, 2, 3, 5, 7, 9, 10, 12, 14, 17, 20, 25, 30, 37, 45];
const OF_LENGTHS = { instances: 10, perSecond: 10, fromMs: 1_000 };
export const RESETS = [100, 200, 300, 400, 1_000, 3_000];
const RATES = { '10 calls a second each': 10, '30 calls a second each': 30, '100 calls a second each': 100 } as const;
const OF_RATES = { instances: 20, fromMs: 1_000 };
/** More calls than it can take, and what it can't take it refuses at once. */
const OVERLOAD = { factor: 1.5, workers: 8, backlog: 8, workMs: 50, seconds: 30 };
const FLEETS = [5, 20, 100];

const TIMES_SLOWER = 100;
const SHORT_TIMEOUT: ClientOptions = { attemptTimeoutMs: 500 };
const SETTLED_AFTER = 10_000;
const LONGEST_RECOVERY_MS = 60_000;

/** What a breaker is to reach: percent of the load in an outage, ms until users are served after it, percent of capacity. */
const AIMS = { load: 5, recoveryMs: 500, goodput: 97 };

type Breaker = NonNullable<ClientOptions['breaker']>;

/** A reset timeout that is not lengthened by probes that fail. */
function always(resetTimeoutMs: number): { resetTimeoutMs: number; maxResetTimeoutMs: number } {
  return { resetTimeoutMs, maxResetTimeoutMs: resetTimeoutMs };
}

const STRATEGIES = {
  'no breaker': false,
  '5 calls (default)': {},
  '5 attempts': { counts: 'attempts' },
  'half of 100 calls': { window: { size: 100 } },
  'half of 10 s': { window: { durationMs: 10_000 } },
  'slow calls': { window: { size: 100, slowCallMs: 200 } },
  '5 calls, 1 to 10 s': { resetTimeoutMs: 1_000, maxResetTimeoutMs: 10_000 },
  '10 attempts, 0.3 s': { counts: 'attempts', failureThreshold: 10, ...always(300) },
} as const satisfies Record<string, Breaker>;

type Name = keyof typeof STRATEGIES;
const NAMES = Object.keys(STRATEGIES) as Name[];
// Where nothing is slow for long, the other two do what half of 100 calls does.
const DRAWN = NAMES.filter((name) => name !== 'half of 10 s' && name !== 'slow calls');
// Without one, all that comes gets what there is.
const OVERLOADING = DRAWN.filter((name) => name !== 'no breaker');

const WAITS = {
  '10 s, doubled up to 120 s (default)': {},
  '1 s, doubled up to 120 s': { resetTimeoutMs: 1_000 },
  '1 s, doubled up to 10 s': { resetTimeoutMs: 1_000, maxResetTimeoutMs: 10_000 },
  'always 0.3 s': always(300),
} as const satisfies Record<string, Breaker>;

type Wait = keyof typeof WAITS;
const DEFAULT_WAIT = '10 s, doubled up to 120 s (default)';
type Rate = keyof typeof RATES;

/** One of the processes that call a dependency, each with a circuit of its own. */
class Instance {
  readonly fetch: Client['fetch'];
  readonly transitions: (Pick<TransitionEvent, 'from' | 'to'> & { readonly at: number })[] = [];

  constructor(clock: VirtualClock, service: Service, options: ClientOptions, random: () => number) {
    const client = createClient({ ...options, fetch: service.fetch, clock, random });
    client.subscribe((event) => {
      if (event.type === 'transition') this.transitions.push({ from: event.from, to: event.to, at: clock.now() });
    });
    this.fetch = client.fetch;
  }

  /** When it was first opened by calls that failed. */
  get openedAt(): number | undefined {
    return this.transitions.find(({ to }) => to === 'open')?.at;
  }

  get timesOpened(): number {
    return this.transitions.filter(({ from }) => from === 'closed').length;
  }

  get isClosed(): boolean {
    return (this.transitions.at(-1)?.to ?? 'closed') === 'closed';
  }

  /** Milliseconds from then until it let all calls through, for good. */
  closedAfter(at: number): number {
    if (!this.isClosed) return Infinity;
    return Math.max(0, (this.transitions.findLast(({ to }) => to === 'closed')?.at ?? 0) - at);
  }
}

/** What became of calls. */
interface Tally {
  made: number;
  answered: number;
}

interface Bench {
  readonly clock: VirtualClock;
  readonly service: Service;
  readonly instances: readonly Instance[];
  readonly tally: Tally;
}

interface BenchOptions {
  readonly breaker: Breaker;
  /** The rest of the client. */
  readonly client?: ClientOptions;
  readonly serve: (clock: VirtualClock) => Service;
  readonly instances: number;
  /** Of each instance. */
  readonly perSecond: number;
  readonly untilMs: number;
  /** Share of the calls that are sent once. */
  readonly writes?: number;
  readonly seed: number;
}

/** Instances of a service whose users come to any of them. Two benches of one seed have the same calls. */
function bench(options: BenchOptions): Bench {
  const { breaker, client, serve, instances: count, perSecond, untilMs, writes = 0, seed } = options;
  const clock = new VirtualClock();
  const service = serve(clock);
  const instances = Array.from(
    { length: count },
    (_, index) => new Instance(clock, service, { ...client, breaker }, chanceFor(seed, `instance ${index}`)),
  );
  const tally: Tally = { made: 0, answered: 0 };
  const [which, kind] = [chanceFor(seed, 'which instance'), chanceFor(seed, 'reads and writes')];
  arrivals(clock, chanceFor(seed, 'users'), count * perSecond, untilMs, () => {
    tally.made += 1;
    const init = kind() < writes ? { method: 'POST' } : {};
    const instance = instances[Math.floor(which() * count)] as Instance;
    instance.fetch('https://stock.test/', init).then(
      ({ status }) => {
        if (status < 400) tally.answered += 1;
      },
      () => {},
    );
  });
  return { clock, service, instances, tally };
}

interface Mixed {
  readonly opensPer100k: number;
  /** Percent of the calls. */
  readonly failed: number;
}

interface MixedOptions {
  readonly instances: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** Share of the requests that fail, each by itself. */
  readonly failing: number;
  /** Share of the calls that are sent once. */
  readonly writes: number;
  readonly spread: number;
  readonly hasBlips?: boolean;
}

/** A dependency that fails some requests, is slow with others, and works on the whole. */
async function mixed(breaker: Breaker, options: MixedOptions, seed: number): Promise<Mixed> {
  const { instances: count, perSecond, seconds, failing, writes, spread, hasBlips = false } = options;
  const untilMs = seconds * 1_000;
  const [work, luck] = [chanceFor(seed, 'work'), chanceFor(seed, 'luck')];
  const status = (): number => (luck() < failing ? 503 : 200);
  const workMs = logNormal(work, WORK_MS, spread);
  const { clock, service, instances, tally } = bench({
    breaker,
    serve: (clock) => new Service({ clock, workers: Infinity, workMs, status }),
    instances: count,
    perSecond,
    untilMs,
    writes,
    seed,
  });
  for (let at = BLIPS.everyMs / 2; hasBlips && at < untilMs; at += BLIPS.everyMs) {
    change(clock, service, at, 503);
    change(clock, service, at + BLIPS.ms, 'up');
  }
  await clock.run(untilMs + 20_000);
  const opens = instances.reduce((sum, { timesOpened }) => sum + timesOpened, 0);
  return { opensPer100k: (opens / tally.made) * 100_000, failed: (1 - tally.answered / tally.made) * 100 };
}

function change(clock: VirtualClock, service: Service, at: number, condition: Condition): void {
  clock.schedule(at, () => {
    service.condition = condition;
  });
}

interface Outage {
  /** Percent of the instances whose circuit opened before it was over. */
  readonly opened: number;
  /** Until half of these had, in ms. */
  readonly openMs: number;
  /** Requests, in percent of those in as long a time in which all is well. */
  readonly load: number;
  /** From its end until all instances but one in twenty let calls through, in ms. */
  readonly recoveryMs: number;
}

interface OutageOptions {
  readonly instances: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** When it begins: until then, a window fills. */
  readonly fromMs: number;
  readonly condition?: Condition | 'slow';
  readonly client?: ClientOptions;
}

/** A dependency that is down for a while, until all have found out that it is back. */
async function outage(breaker: Breaker, options: OutageOptions, seed: number): Promise<Outage> {
  const { instances: count, perSecond, seconds, fromMs, condition = 503, client = {} } = options;
  const downUntil = fromMs + seconds * 1_000;
  const untilMs = downUntil + LONGEST_RECOVERY_MS;
  const workMs = exponential(chanceFor(seed, 'work'), WORK_MS);
  const isSlow = (now: number): boolean => condition === 'slow' && now >= fromMs && now < downUntil;
  const { clock, service, instances } = bench({
    breaker,
    client,
    serve: (clock) =>
      new Service({ clock, workers: Infinity, workMs, slowdown: () => (isSlow(clock.now()) ? TIMES_SLOWER : 1) }),
    instances: count,
    perSecond,
    untilMs,
    seed,
  });
  if (condition !== 'slow') change(clock, service, fromMs, condition);
  change(clock, service, downUntil, 'up');
  await clock.run(downUntil);
  const opened = instances.flatMap(({ openedAt }) => openedAt ?? []);
  while (clock.now() < untilMs && !instances.every(({ isClosed }) => isClosed)) await clock.run(clock.now() + 500);
  const after = instances.map((instance) => instance.closedAfter(downUntil));
  return {
    opened: (opened.length / count) * 100,
    openMs: (percentile(opened, 0.5) ?? Infinity) - fromMs,
    load: (service.arrived.between(fromMs, downUntil) / (count * perSecond * seconds)) * 100,
    recoveryMs: percentile(after, 0.95) ?? 0,
  };
}

/** Percent of its time that a service works for somebody, when more come than it can serve. */
async function goodput(breaker: Breaker, count: number, seed: number): Promise<number> {
  const { factor, workers, backlog, workMs, seconds } = OVERLOAD;
  const untilMs = seconds * 1_000;
  const work = exponential(chanceFor(seed, 'work'), workMs);
  const { clock, service } = bench({
    breaker,
    serve: (clock) => new Service({ clock, workers, backlog, workMs: work }),
    instances: count,
    perSecond: (factor * workers * 1_000) / workMs / count,
    untilMs,
    seed,
  });
  await clock.run(untilMs);
  const worked = service.workedMs.between(SETTLED_AFTER, untilMs) - service.wastedMs.between(SETTLED_AFTER, untilMs);
  return (worked / (workers * (untilMs - SETTLED_AFTER))) * 100;
}

async function points<X>(xs: readonly X[], pointOf: (x: X) => Promise<Point>): Promise<readonly Point[]> {
  const all: Point[] = [];
  for (const x of xs) all.push(await pointOf(x));
  return all;
}

/** What a breaker does on a day with moments in which nothing works. */
export function moments(name: Name, seed: number, seconds: number = DAY.seconds): Promise<Mixed> {
  return mixed(STRATEGIES[name], { ...DAY, seconds, hasBlips: true }, seed);
}

async function run(seed: number, onProgress: (share: number) => void) {
  const parts = 7;
  let done = 0;
  const each = async <K extends string, V>(names: readonly K[], work: (name: K) => Promise<V>) => {
    const told = async (name: K, tell: (share: number) => void): Promise<V> => {
      const result = await work(name);
      tell(1);
      return result;
    };
    const results = await forEach(names, (share) => onProgress((done + share) / parts), told);
    done += 1;
    return results;
  };
  const down = (breaker: Breaker, options: Partial<OutageOptions> = {}): Promise<Outage> =>
    outage(breaker, { ...OUTAGE, ...options }, seed);
  return {
    days: await each(NAMES, (name) => mixed(STRATEGIES[name], DAY, seed)),
    blips: await each(DRAWN, (name) => moments(name, seed)),
    /** Percent of the calls that are answered, by percent of the requests that fail. */
    partial: await each(DRAWN, (name) =>
      points(PARTS, async (failing) => {
        const { failed } = await mixed(STRATEGIES[name], { ...PARTIAL, failing }, seed);
        return { second: failing * 100, value: 100 - failed };
      }),
    ),
    outages: await each(NAMES, (name) => down(STRATEGIES[name])),
    slow: {
      byFailures: await down(STRATEGIES['5 calls (default)'], SLOW),
      bySlowCalls: await down(STRATEGIES['slow calls'], SLOW),
    },
    hang: {
      byCalls: await down(STRATEGIES['5 calls (default)'], HANG),
      byAttempts: await down(STRATEGIES['5 attempts'], HANG),
      shortTimeout: await down(STRATEGIES['5 calls (default)'], { ...HANG, client: SHORT_TIMEOUT }),
    },
    /** Seconds until users are served again, by how many the outage has lasted. */
    lengths: await each(Object.keys(WAITS) as Wait[], (wait) =>
      points(LENGTHS, async (seconds) => {
        const { recoveryMs } = await down(WAITS[wait], { ...OF_LENGTHS, seconds });
        return { second: seconds, value: recoveryMs / 1_000 };
      }),
    ),
    /** Milliseconds until users are served again, by percent of the load: a point for each reset timeout. */
    resets: await each(Object.keys(RATES) as Rate[], (rate) =>
      points(RESETS, async (resetTimeoutMs) => {
        const breaker = { counts: 'attempts', ...always(resetTimeoutMs) } as const;
        const { load, recoveryMs } = await down(breaker, { ...OF_RATES, perSecond: RATES[rate] });
        return { second: load, value: recoveryMs };
      }),
    ),
    /** Percent of the capacity, by how many instances call. */
    overload: await each(OVERLOADING, (name) =>
      points(FLEETS, async (count) => ({ second: count, value: await goodput(STRATEGIES[name], count, seed) })),
    ),
  };
}

function at(all: readonly Point[], second: number): number {
  return all.find((point) => point.second === second)?.value ?? NaN;
}

const read = ({ value }: Point): number => value;

function mean(all: readonly Point[]): number {
  return all.reduce((sum, { value }) => sum + value, 0) / all.length;
}

/** The soonest that users are served again with a reset timeout that keeps to the load; `Infinity` if none does. */
function soonest(resets: readonly Point[]): number {
  return Math.min(...resets.filter(({ second }) => second <= AIMS.load).map(({ value }) => value));
}

function between(claim: string, value: number, atLeast: number, atMost: number, unit: string): Finding {
  return { claim, value, atLeast, atMost, unit };
}

export const breakerStrategies = experiment({
  name: 'breaker-strategies',
  title: 'When a circuit is to open, and for how long',
  hypothesis:
    'Single errors open nothing. In an outage of 10 s, five failed calls in a row, the default, keep the load of busy clients at 4 % (aim: 5 %), and in an overload many clients leave a service all its work (aim: 97 %). The third aim, users served again within 0.5 s, the defaults miss: a circuit that waits 10 s, and then twice as long each time, comes back 2 to 45 s late, and makes 10 s of a moment of 0.2 s. To begin with 1 s helps in short outages; in long ones it is the longest wait that counts. Ten failed attempts in a row and a wait of always 0.3 s reach all three, but only with busy clients: of one with 10 calls a second, the probes alone are more than 5 %. If a dependency hangs, quiet clients open after their first five calls have ended by the deadline, half a minute later: only a shorter attempt timeout is sooner.',
  parameters: {
    'errors on a common day': DAY.failing,
    'writes, which are sent once': DAY.writes,
    'median time of a request, ms': WORK_MS,
    'calls per second and instance on a common day': DAY.perSecond,
    'moments in which nothing works: one each so many s': BLIPS.everyMs / 1_000,
    'and for so many ms': BLIPS.ms,
    'instances, in an outage': OUTAGE.instances,
    'calls per second and instance, in an outage': OUTAGE.perSecond,
    'an outage lasts, s': OUTAGE.seconds,
    'times slower, where it is only slow': TIMES_SLOWER,
    'calls per second and instance, to one that hangs': HANG.perSecond,
    'overload, times the capacity': OVERLOAD.factor,
    'overload: requests worked on at once': OVERLOAD.workers,
    'overload: requests that may wait': OVERLOAD.backlog,
  },
  run,
  findings: ({ days, blips, partial, outages, slow, hang, lengths, resets, overload }) => [
    {
      claim: 'single errors: times that any strategy opens, per 100,000 calls',
      value: Math.max(...NAMES.map((name) => days[name].opensPer100k)),
      atMost: 0,
    },
    between('moments of 0.2 s, no breaker: calls that fail', blips['no breaker'].failed, 0.8, 1.4, '%'),
    between('moments, 5 calls: opens per 100,000 calls', blips['5 calls (default)'].opensPer100k, 5, 90, ''),
    between('moments, 5 calls: calls that fail', blips['5 calls (default)'].failed, 4, 45, '%'),
    between('moments, 5 attempts: calls that fail', blips['5 attempts'].failed, 45, 65, '%'),
    between('moments, half of 100 calls: opens per 100,000', blips['half of 100 calls'].opensPer100k, 0, 0, ''),
    between('moments, 5 calls, 1 to 10 s: calls that fail', blips['5 calls, 1 to 10 s'].failed, 1.2, 8, '%'),
    between('moments, 10 attempts, 0.3 s: calls that fail', blips['10 attempts, 0.3 s'].failed, 1.5, 5, '%'),

    between('half of all requests fail, no breaker: calls answered', at(partial['no breaker'], 50), 77, 84, '%'),
    between('half fail, 5 calls: calls answered', at(partial['5 calls (default)'], 50), 62, 82, '%'),
    between('half fail, 5 attempts: calls answered', at(partial['5 attempts'], 50), 5, 25, '%'),
    between('half fail, 10 attempts, 0.3 s: calls answered', at(partial['10 attempts, 0.3 s'], 50), 75, 83, '%'),

    between('no breaker: load in an outage', outages['no breaker'].load, 140, 155, '%'),
    between('5 calls: time to open', outages['5 calls (default)'].openMs, 140, 230, 'ms'),
    between('5 calls: load in an outage', outages['5 calls (default)'].load, 2.5, AIMS.load, '%'),
    between('5 calls: recovery after 10 s', outages['5 calls (default)'].recoveryMs, 1_500, 2_500, 'ms'),
    between('5 attempts: time to open', outages['5 attempts'].openMs, 30, 65, 'ms'),
    between('5 attempts: load in an outage', outages['5 attempts'].load, 0.5, 1, '%'),
    between('half of 100 calls: time to open', outages['half of 100 calls'].openMs, 550, 800, 'ms'),
    between('half of 100 calls: load in an outage', outages['half of 100 calls'].load, 15, 20, '%'),
    between('half of 10 s: time to open', outages['half of 10 s'].openMs, 4_600, 5_200, 'ms'),
    between('half of 10 s: load in an outage', outages['half of 10 s'].load, 78, 86, '%'),
    between('5 calls, 1 to 10 s: load in an outage', outages['5 calls, 1 to 10 s'].load, 2.5, AIMS.load, '%'),
    between('10 attempts, 0.3 s: time to open', outages['10 attempts, 0.3 s'].openMs, 50, 120, 'ms'),
    between('10 attempts, 0.3 s: load in an outage', outages['10 attempts, 0.3 s'].load, 3, AIMS.load, '%'),
    between('10 attempts, 0.3 s: recovery', outages['10 attempts, 0.3 s'].recoveryMs, 100, AIMS.recoveryMs, 'ms'),

    between('100 times slower, 5 calls: instances that open', slow.byFailures.opened, 0, 0, '%'),
    between('100 times slower, slow calls: time to open', slow.bySlowCalls.openMs, 1_800, 2_700, 'ms'),

    // Three attempts of 10 s are more than the 30 s of a call, which then ends by its deadline: that counts for nothing.
    between('hangs for a minute, quiet clients, 5 calls: instances that open', hang.byCalls.opened, 95, 100, '%'),
    between('hangs, 5 calls: time to open', hang.byCalls.openMs / 1_000, 30, 45, 's'),
    between('hangs, 5 attempts: time to open', hang.byAttempts.openMs / 1_000, 10, 20, 's'),
    between('hangs, 5 calls, attempt timeout 0.5 s: time to open', hang.shortTimeout.openMs / 1_000, 4, 9, 's'),

    between('default: recovery after 1 s', at(lengths[DEFAULT_WAIT], 1), 10, 13, 's'),
    between('default: recovery after 14 s', at(lengths[DEFAULT_WAIT], 14), 19, 25, 's'),
    between('default: recovery after 45 s', at(lengths[DEFAULT_WAIT], 45), 30, 42, 's'),
    between('default: longest recovery of all lengths', Math.max(...lengths[DEFAULT_WAIT].map(read)), 38, 52, 's'),
    between('default: recovery on average of all lengths', mean(lengths[DEFAULT_WAIT]), 13, 17.5, 's'),
    between('1 s, doubled up to 120 s: after 10 s', at(lengths['1 s, doubled up to 120 s'], 10), 7, 11, 's'),
    between('1 s, doubled up to 120 s: on average', mean(lengths['1 s, doubled up to 120 s']), 9, 12.5, 's'),
    between('1 s, doubled up to 10 s: on average', mean(lengths['1 s, doubled up to 10 s']), 5, 7.5, 's'),
    between('always 0.3 s: on average', mean(lengths['always 0.3 s']), 0.3, 1, 's'),

    between(
      '10 calls a second: least load with a reset timeout up to 3 s',
      Math.min(...resets['10 calls a second each'].map(({ second }) => second)),
      6,
      9,
      '%',
    ),
    between(
      '30 calls a second: soonest recovery with a load of 5 % at most',
      soonest(resets['30 calls a second each']),
      AIMS.recoveryMs,
      1_400,
      'ms',
    ),
    between(
      '100 calls a second: soonest recovery with a load of 5 % at most',
      soonest(resets['100 calls a second each']),
      200,
      AIMS.recoveryMs,
      'ms',
    ),

    between(
      'overload, 5 calls, 100 instances: goodput',
      at(overload['5 calls (default)'], 100),
      AIMS.goodput,
      101,
      '%',
    ),
    between('overload, 5 calls, 20 instances: goodput', at(overload['5 calls (default)'], 20), 95, 101, '%'),
    // Of five instances, one that opens takes a fifth of all calls with it: how often one does is chance.
    between('overload, 5 calls, 5 instances: goodput', at(overload['5 calls (default)'], 5), 65, AIMS.goodput, '%'),
    between('overload, 5 attempts, 20 instances: goodput', at(overload['5 attempts'], 20), 65, 95, '%'),
    between('overload, half of 100 calls, 5 instances: goodput', at(overload['half of 100 calls'], 5), 88, 101, '%'),
    between('overload, 10 attempts, 0.3 s, 5 instances', at(overload['10 attempts, 0.3 s'], 5), AIMS.goodput, 101, '%'),
  ],
  figures: ({ blips, partial, lengths, resets, overload }) => [
    {
      name: 'breaker-strategies',
      svg: lineChart({
        title: 'Load in an outage of 10 s, and recovery after it, by the reset timeout: 0.1 s (right) to 3 s (left)',
        lines: resets,
        x: `requests in the outage, % of those when all is well (grey: up to ${AIMS.load} %)`,
        y: 'ms until users are served again',
        xLogarithmic: true,
        logarithmic: true,
        bands: [{ fromSecond: 0.8, toSecond: AIMS.load, label: '' }],
        rule: AIMS.recoveryMs,
      }),
    },
    {
      name: 'breaker-strategies-recovery',
      svg: lineChart({
        title: 'Until users are served again, by how long the outage has lasted and how long a circuit waits',
        lines: lengths,
        x: 'seconds that the outage lasts',
        y: 'seconds until users are served again',
        xLogarithmic: true,
      }),
    },
    {
      name: 'breaker-strategies-moments',
      svg: barChart({
        title: `Calls that fail where nothing works for ${BLIPS.ms / 1_000} s, once in ${BLIPS.everyMs / 1_000} s`,
        bars: { '': Object.fromEntries(DRAWN.map((name) => [name, blips[name].failed])) },
        y: '% of the calls',
        format: (value) => value.toFixed(1),
      }),
    },
    {
      name: 'breaker-strategies-errors',
      svg: lineChart({
        title: 'Calls that are answered where a share of the requests fails, for good',
        lines: partial,
        x: '% of the requests that fail',
        y: '% of the calls that are answered',
        most: 103,
      }),
    },
    {
      name: 'breaker-strategies-overload',
      svg: lineChart({
        title: 'Work that a service gets done when 1.5 times as much comes as it can do',
        lines: overload,
        x: 'instances that call it',
        y: '% of its capacity',
        xLogarithmic: true,
        rule: AIMS.goodput,
        most: 103,
      }),
    },
  ],
});
