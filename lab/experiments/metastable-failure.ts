import { type ClientOptions, createClient } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, exponential } from '../chance.ts';
import { lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, forEach } from '../experiment.ts';
import type { Point } from '../series.ts';
import { Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

const INSTANCES = 50;
const WORKERS = 50;
const WORK_MS = 100;
const CAPACITY = (WORKERS / WORK_MS) * 1_000;
// Four seconds of work: longer than anybody waits.
const BACKLOG = 4 * CAPACITY;
const CALLS_PER_SECOND = 0.7 * CAPACITY;
const SPIKE_PER_SECOND = 2 * CAPACITY;
const SPIKE_FROM = 20_000;
const SPIKE_UNTIL = 30_000;
const UNTIL = 150_000;
const ATTEMPT_TIMEOUT_MS = 1_000;

const RETRY = { maxAttempts: 3 } as const;
const POLICIES = {
  'no retries': { retry: false, breaker: false },
  'naive, 3 attempts': { retry: { ...RETRY, budget: false }, breaker: false },
  'budget: a fifth, and 10 a second each': { retry: RETRY, breaker: false },
  'budget: a fifth': { retry: { ...RETRY, budget: { minPerSecond: 0 } }, breaker: false },
  'breaker and budget (defaults)': {},
} satisfies Record<string, ClientOptions>;

type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];

interface Run {
  /** Answered calls per second. */
  readonly answered: readonly Point[];
  /** Seconds after the spike until nearly all calls are answered, and stay so; `Infinity` if that never comes. */
  readonly recoverySeconds: number;
  /** Share of calls answered in the last half minute. */
  readonly inTheEnd: number;
}

async function spike(options: ClientOptions, seed: number, onProgress: (share: number) => void): Promise<Run> {
  const clock = new VirtualClock();
  const workMs = exponential(chanceFor(seed, 'work'), WORK_MS);
  const service = new Service({ clock, workers: WORKERS, backlog: BACKLOG, workMs });
  const clients = Array.from({ length: INSTANCES }, (_, nth) =>
    createClient({
      bulkhead: false,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      ...options,
      fetch: service.fetch,
      clock,
      random: chanceFor(seed, `client ${nth}`),
    }),
  );
  const users = new Calls(clock);
  const rate = (at: number): number => (at >= SPIKE_FROM && at < SPIKE_UNTIL ? SPIKE_PER_SECOND : CALLS_PER_SECOND);
  arrivals(clock, chanceFor(seed, 'users'), rate, UNTIL, (nth) => {
    const client = clients[nth % INSTANCES];
    if (client !== undefined) void users.note(client.fetch('https://service.test/'));
  });
  await clock.run(UNTIL + 60_000, onProgress);
  return {
    answered: users.answered.perSecond(0, UNTIL, 1_000),
    recoverySeconds: recoverySeconds(users),
    inTheEnd: users.answered.between(UNTIL - 30_000, UNTIL) / users.made.between(UNTIL - 30_000, UNTIL),
  };
}

function recoverySeconds({ answered }: Calls): number {
  const isWell = (at: number): boolean => answered.between(at, at + 5_000) >= 5 * CALLS_PER_SECOND * 0.9;
  let wellFrom = Infinity;
  for (let at = UNTIL - 5_000; at >= SPIKE_UNTIL && isWell(at); at -= 1_000) wellFrom = at;
  return (wellFrom - SPIKE_UNTIL) / 1_000;
}

export const metastableFailure = experiment({
  name: 'metastable-failure',
  title: 'A metastable failure',
  hypothesis:
    'A spike of ten seconds tips the service over. With naive retries it stays down when the spike is long gone: the retries are the load. With a budget that holds for the fleet, or a breaker, it comes back by itself.',
  parameters: {
    instances: INSTANCES,
    'capacity, requests per second': CAPACITY,
    'calls per second': CALLS_PER_SECOND,
    'calls per second in the spike': SPIKE_PER_SECOND,
    'spike, s': (SPIKE_UNTIL - SPIKE_FROM) / 1_000,
    'requests that may wait': BACKLOG,
    'attempt timeout, ms': ATTEMPT_TIMEOUT_MS,
  },
  run: (seed, onProgress) => forEach(NAMES, onProgress, (name, tell) => spike(POLICIES[name], seed, tell)),
  findings: (runs) => [
    {
      claim: 'naive retries: share answered two minutes later',
      value: runs['naive, 3 attempts'].inTheEnd,
      atMost: 0.05,
    },
    { claim: 'no retries: recovered after', value: runs['no retries'].recoverySeconds, atMost: 30, unit: 's' },
    {
      claim: 'budget of a fifth: recovered after',
      value: runs['budget: a fifth'].recoverySeconds,
      atMost: 60,
      unit: 's',
    },
    {
      claim: 'breaker and budget: recovered after',
      value: runs['breaker and budget (defaults)'].recoverySeconds,
      atMost: 30,
      unit: 's',
    },
    {
      claim: 'budget with 10 a second for each of 50 instances: share answered two minutes later',
      value: runs['budget: a fifth, and 10 a second each'].inTheEnd,
      atMost: 0.05,
    },
  ],
  figures: (runs) => [
    {
      name: 'metastable-failure',
      svg: lineChart({
        title: 'Calls answered per second, before and after a spike of ten seconds',
        lines: Object.fromEntries(NAMES.map((name) => [name, runs[name].answered])),
        y: 'answered per second',
        bands: [{ fromSecond: SPIKE_FROM / 1_000, toSecond: SPIKE_UNTIL / 1_000, label: 'twice its capacity' }],
      }),
    },
  ],
});
