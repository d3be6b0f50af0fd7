import { type ClientOptions, createClient } from 'steadfetch';

import { Calls } from '../calls.ts';
import { chanceFor, exponential } from '../chance.ts';
import { barChart, lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, forEach } from '../experiment.ts';
import type { Point } from '../series.ts';
import { Service } from '../service.ts';
import { arrivals } from '../traffic.ts';

const CALLS_PER_SECOND = 400;
const DOWN_FROM = 10_000;
const DOWN_UNTIL = 40_000;
const UNTIL = 60_000;
const ATTEMPTS = 3;
// What a budget has saved up in good times is spent by then.
const SAVINGS_MS = 5_000;

const NAIVE = { maxAttempts: ATTEMPTS, initialDelayMs: 50, budget: false } as const;
const POLICIES = {
  'no retries': { retry: false, breaker: false },
  'naive, 3 attempts': { retry: NAIVE, breaker: false },
  'with a budget': { retry: { ...NAIVE, budget: { minPerSecond: 0 } }, breaker: false },
  'with a budget and a breaker': { retry: { ...NAIVE, budget: { minPerSecond: 0 } } },
} satisfies Record<string, ClientOptions>;

type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];

interface Run {
  /** Requests at the bottom for each call of a user during the outage. */
  readonly amplification: number;
  readonly requests: readonly Point[];
}

/** Calls through so many services, one behind the other, to one that is down for a while. */
async function outage(
  options: ClientOptions,
  layers: number,
  seed: number,
  onProgress: (share: number) => void,
): Promise<Run> {
  const clock = new VirtualClock();
  const bottom = new Service({ clock, workers: 1_000, workMs: exponential(chanceFor(seed, 'work'), 20) });
  const clientOf = (fetch: typeof globalThis.fetch, layer: number) =>
    createClient({ bulkhead: false, ...options, fetch, clock, random: chanceFor(seed, `client ${layer}`) });
  let client = clientOf(bottom.fetch, 1);
  for (let layer = 2; layer <= layers; layer += 1) {
    const below = client;
    const ask = async (): Promise<number> =>
      (await below.fetch('https://below.test/').catch(() => undefined))?.status ?? 503;
    client = clientOf(new Service({ clock, workers: 100_000, workMs: () => 1, ask }).fetch, layer);
  }
  const users = new Calls(clock);
  arrivals(clock, chanceFor(seed, 'users'), CALLS_PER_SECOND / layers, UNTIL, () => {
    void users.note(client.fetch('https://shop.test/'));
  });
  clock.schedule(DOWN_FROM, () => {
    bottom.condition = 503;
  });
  clock.schedule(DOWN_UNTIL, () => {
    bottom.condition = 'up';
  });
  await clock.run(UNTIL, onProgress);
  const [from, to] = [DOWN_FROM + SAVINGS_MS, DOWN_UNTIL];
  return {
    amplification: bottom.arrived.between(from, to) / users.made.between(from, to),
    requests: bottom.arrived.perSecond(0, UNTIL),
  };
}

export const retryAmplification = experiment({
  name: 'retry-amplification',
  title: 'Retry amplification',
  hypothesis:
    'Three attempts triple the load on a dependency that is down, and four layers of them make 81 requests of one call. A budget of 20 % holds each layer to 1.2; a breaker stops nearly all.',
  parameters: {
    'calls per second': CALLS_PER_SECOND,
    'down, from s': DOWN_FROM / 1_000,
    'down, until s': DOWN_UNTIL / 1_000,
    'attempts at most': ATTEMPTS,
    'share of calls that may be retried': 0.2,
  },
  async run(seed, onProgress) {
    const single = await forEach(
      NAMES,
      (share) => onProgress(share / 2),
      (name, tell) => outage(POLICIES[name], 1, seed, tell),
    );
    const deep = await forEach(
      NAMES,
      (share) => onProgress(0.5 + share / 2),
      (name, tell) => outage(POLICIES[name], 4, seed, tell),
    );
    return { single, deep };
  },
  findings: ({ single, deep }) => [
    {
      claim: 'naive retries: requests per call, in an outage',
      value: single['naive, 3 attempts'].amplification,
      atLeast: 2.9,
      atMost: 3.1,
    },
    {
      claim: 'naive retries in four layers: requests per call',
      value: deep['naive, 3 attempts'].amplification,
      atLeast: 75,
      atMost: 82,
    },
    { claim: 'with a budget: requests per call', value: single['with a budget'].amplification, atMost: 1.21 },
    {
      claim: 'with a budget in four layers: requests per call',
      value: deep['with a budget'].amplification,
      atMost: 1.21 ** 4,
    },
    {
      claim: 'with a breaker: requests per call',
      value: single['with a budget and a breaker'].amplification,
      atMost: 0.01,
    },
  ],
  figures: ({ single, deep }) => [
    {
      name: 'retry-amplification',
      svg: barChart({
        title: 'Requests that a dependency that is down gets for each call of a user',
        bars: {
          'one layer': Object.fromEntries(NAMES.map((name) => [name, single[name].amplification])),
          'four layers, each with the same policy': Object.fromEntries(
            NAMES.map((name) => [name, deep[name].amplification]),
          ),
        },
        y: 'requests per call',
        logarithmic: true,
        format: (value) => value.toPrecision(2),
      }),
    },
    {
      name: 'retry-amplification-over-time',
      svg: lineChart({
        title: `Requests per second at a dependency that is down for ${(DOWN_UNTIL - DOWN_FROM) / 1_000} seconds`,
        lines: Object.fromEntries(NAMES.map((name) => [name, single[name].requests])),
        y: 'requests per second',
        bands: [{ fromSecond: DOWN_FROM / 1_000, toSecond: DOWN_UNTIL / 1_000, label: 'down' }],
      }),
    },
  ],
});
