import { type ClientOptions, createClient, memoryStore } from 'steadfetch';

import { Calls } from './calls.ts';
import { chanceFor, logNormal } from './chance.ts';
import { lineChart } from './chart.ts';
import { VirtualClock } from './clock.ts';
import { type Experiment, experiment, type Finding, forEach } from './experiment.ts';
import type { Point } from './series.ts';
import { Service } from './service.ts';
import { arrivals } from './traffic.ts';

/** What `--policy` is given: a policy, and the world it is to stand in. */
export interface Plan {
  /** Options of `createClient`, as far as JSON holds them; `fallback` gets a store in memory. */
  readonly policy: ClientOptions;
  /** Processes that each have a client. */
  readonly instances: number;
  /** Calls of all of them together. */
  readonly callsPerSecond: number;
  /** Different URLs that are called. */
  readonly urls: number;
  /** How long the service takes for half of the requests, on a good day. */
  readonly medianMs: number;
  /** How long for the slowest in a hundred. */
  readonly p99Ms: number;
  /** Requests per second that the service can serve. */
  readonly capacityPerSecond: number;
  /** Requests that wait at the service before it refuses more. */
  readonly backlog: number;
}

/** What befalls the service, in a minute and a half that begin and end well. */
interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly hypothesis: string;
  /** What the pictures call it, if there is any. */
  readonly trouble?: string;
  /** How many times longer the service takes. */
  readonly slower?: (at: number) => number;
  /** How many times more calls there are. */
  readonly busier?: (at: number, plan: Plan) => number;
  readonly begin?: (service: Service) => void;
  readonly end?: (service: Service) => void;
}

const FROM = 20_000;
const UNTIL = 50_000;
const END = 110_000;
const PATIENCE_MS = 120_000;

const isTrouble = (at: number): boolean => at >= FROM && at < UNTIL;

const SCENARIOS: readonly Scenario[] = [
  { name: 'good-day', title: 'A good day', hypothesis: 'Nothing happens: a policy must not be in the way.' },
  {
    name: 'outage',
    title: 'An outage',
    hypothesis: 'The service refuses all connections for half a minute.',
    trouble: 'down',
    begin: (service) => service.crash(),
    end: (service) => service.restart(),
  },
  {
    name: 'slow',
    title: 'Ten times slower',
    hypothesis: 'The service takes ten times as long for half a minute, and serves a tenth.',
    trouble: 'ten times slower',
    slower: (at) => (isTrouble(at) ? 10 : 1),
  },
  {
    name: 'overload',
    title: 'Too many calls',
    hypothesis: 'Twice as many calls as the service can serve, for half a minute.',
    trouble: 'twice as much',
    busier: (at, { callsPerSecond, capacityPerSecond }) =>
      isTrouble(at) ? (2 * Math.max(capacityPerSecond, callsPerSecond)) / callsPerSecond : 1,
  },
  {
    name: 'cold-start',
    title: 'A crash and a cold start',
    hypothesis: 'The service is gone for half a minute, and takes five times as long for the ten seconds after it.',
    trouble: 'gone',
    begin: (service) => service.crash(),
    end: (service) => service.restart(),
    slower: (at) => (at >= UNTIL && at < UNTIL + 10_000 ? 5 : 1),
  },
];

const OFF = { deadlineMs: false, bulkhead: false, breaker: false, retry: false, attemptTimeoutMs: false } as const;

interface Run {
  readonly answered: readonly Point[];
  readonly requests: readonly Point[];
  readonly share: number;
  readonly perCall: number;
  readonly p50Ms: number;
  readonly longestMs: number;
  readonly mostUnderWay: number;
  readonly recoverySeconds: number;
}

/** The scenarios, each with the plan's policy, with the defaults, and with a bare fetch. */
export function studiesOf(plan: Plan): readonly Experiment[] {
  const policies: Readonly<Record<string, ClientOptions>> = {
    'your policy': plan.policy,
    'the defaults': {},
    'bare fetch': OFF,
  };
  const names = Object.keys(policies);
  return SCENARIOS.map((scenario) => {
    const { name, title, hypothesis } = scenario;
    return experiment<Readonly<Record<string, Run>>>({
      name,
      title,
      hypothesis,
      parameters: {},
      run: (seed, onProgress) =>
        forEach(names, onProgress, (policy, tell) => runOf(scenario, plan, policies[policy] ?? {}, seed, tell)),
      findings: (runs) => names.flatMap((policy) => findingsOf(policy, runs[policy])),
      figures: (runs) => figuresOf(scenario, names, runs),
    }) as Experiment;
  });
}

async function runOf(
  scenario: Scenario,
  plan: Plan,
  policy: ClientOptions,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const clock = new VirtualClock();
  // The 99th percentile of a log-normal is e^2.326σ of its median, its mean e^(σ²/2).
  const spread = Math.log(plan.p99Ms / plan.medianMs) / 2.326;
  const meanMs = plan.medianMs * Math.exp(spread ** 2 / 2);
  const workMs = logNormal(chanceFor(seed, 'work'), plan.medianMs, spread);
  const service = new Service({
    clock,
    workers: Math.max(1, Math.round((plan.capacityPerSecond * meanMs) / 1_000)),
    backlog: plan.backlog,
    workMs: () => workMs() * (scenario.slower?.(clock.now()) ?? 1),
  });
  const clients = Array.from({ length: plan.instances }, (_, nth) =>
    createClient({ ...withStore(policy), fetch: service.fetch, clock, random: chanceFor(seed, `client ${nth}`) }),
  );
  const users = new Calls(clock);
  const url = chanceFor(seed, 'urls');
  const rate = (at: number): number => plan.callsPerSecond * (scenario.busier?.(at, plan) ?? 1);
  arrivals(clock, chanceFor(seed, 'users'), rate, END, (nth) => {
    // Some are asked for more often than others.
    const which = Math.floor(url() ** 2 * plan.urls);
    const client = clients[nth % plan.instances];
    if (client !== undefined) void users.note(client.fetch(`https://service.test/${which}`));
  });
  clock.schedule(FROM, () => scenario.begin?.(service));
  clock.schedule(UNTIL, () => scenario.end?.(service));
  // Until the slowest have their answer, too.
  await clock.run(END + PATIENCE_MS, onProgress);
  return {
    answered: users.answered.perSecond(0, END - 1_000, 1_000),
    requests: service.arrived.perSecond(0, END - 1_000, 1_000),
    share: users.answeredShare(0, END),
    perCall: service.arrived.between(0, END + PATIENCE_MS) / users.made.between(0, END),
    p50Ms: users.latenciesMs.length === 0 ? Number.NaN : users.latencyMs(0.5),
    longestMs: users.waitMs(0.99),
    mostUnderWay: users.mostUnderWay,
    recoverySeconds: recoverySeconds(users),
  };
}

/**
 * Each client has a store of its own: one in memory is not shared.
 * @throws TypeError if the policy brings one.
 */
export function withStore(policy: ClientOptions): ClientOptions {
  const { fallback } = policy;
  // What is no object, the library refuses.
  if (Object(fallback) !== fallback || Array.isArray(fallback)) return policy;
  if (Object.hasOwn(fallback as object, 'store')) {
    throw new TypeError('fallback.store is no JSON: each instance gets a store in memory');
  }
  return { ...policy, fallback: { ...(fallback as object), store: memoryStore() } };
}

/** Seconds after the trouble until nearly all calls are answered, and stay so. */
function recoverySeconds(users: Calls): number {
  const isWell = (at: number): boolean => users.answeredShare(at, at + 5_000) >= 0.95;
  let wellFrom = Infinity;
  for (let at = END - 10_000; at >= UNTIL && isWell(at); at -= 500) wellFrom = at;
  return (wellFrom - UNTIL) / 1_000;
}

function findingsOf(of: string, run: Run | undefined): readonly Finding[] {
  if (run === undefined) return [];
  return [
    { of, claim: 'calls answered', value: run.share * 100, unit: '%' },
    { of, claim: 'requests per call', value: run.perCall },
    { of, claim: 'median latency', value: run.p50Ms, unit: 'ms' },
    { of, claim: '99 of 100 callers had an answer or an error after', value: run.longestMs, unit: 'ms' },
    { of, claim: 'calls under way, at most', value: run.mostUnderWay },
    { of, claim: 'well again after', value: run.recoverySeconds, unit: 's' },
  ];
}

function figuresOf({ name, title, trouble }: Scenario, names: readonly string[], runs: Readonly<Record<string, Run>>) {
  const bands = trouble === undefined ? [] : [{ fromSecond: FROM / 1_000, toSecond: UNTIL / 1_000, label: trouble }];
  const lines = (pick: (run: Run) => readonly Point[]): Record<string, readonly Point[]> =>
    Object.fromEntries(names.flatMap((policy) => (runs[policy] === undefined ? [] : [[policy, pick(runs[policy])]])));
  return [
    {
      name: `${name}-answered`,
      svg: lineChart({
        title: `${title}: calls answered per second`,
        lines: lines((run) => run.answered),
        y: 'calls',
        bands,
      }),
    },
    {
      name: `${name}-requests`,
      svg: lineChart({
        title: `${title}: requests per second at the service`,
        lines: lines((run) => run.requests),
        y: 'requests',
        bands,
      }),
    },
  ];
}
