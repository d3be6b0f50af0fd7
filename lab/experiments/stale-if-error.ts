import { type Client, createClient, degradation, memoryStore, type Store } from 'steadfetch';

import { type Chance, chanceFor } from '../chance.ts';
import { lineChart } from '../chart.ts';
import { VirtualClock } from '../clock.ts';
import { experiment, type Finding } from '../experiment.ts';
import type { Point } from '../series.ts';
import { arrivals } from '../traffic.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const PAGES = 4_000;
// The nth page is asked for n^-0.8 times as often as the first: the upper end of what Breslau et al. saw at web caches (1999).
const ZIPF = 0.8;
// After a day, what is stored is as after a year: nothing older may be given.
const DOWN_FROM = DAY;
// For a store that is soon full, the hours before: it has forgotten the rest by then.
const SOON_FULL = 4 * HOUR;
/** Lengths of an outage, in minutes. */
const LENGTHS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1_200, 1_440];

/** How many calls there are. */
export interface Traffic {
  /** While all is well: the more there are, the younger is what is stored. */
  readonly perSecond: number;
  /** In the outage, between each two lengths. Nothing is stored then, so it changes nothing how many look. */
  readonly perStretch: number;
}

const TRAFFIC: Traffic = { perSecond: 1, perStretch: 800 };

interface Policy {
  readonly staleIfErrorMs: number;
  readonly maxEntries: number;
}

const POLICIES = {
  'no fallback': { staleIfErrorMs: 0, maxEntries: PAGES },
  '1 minute': { staleIfErrorMs: MINUTE, maxEntries: PAGES },
  '10 minutes': { staleIfErrorMs: 10 * MINUTE, maxEntries: PAGES },
  '1 hour': { staleIfErrorMs: HOUR, maxEntries: PAGES },
  '24 hours': { staleIfErrorMs: DAY, maxEntries: PAGES },
  '1,000 entries': { staleIfErrorMs: DAY, maxEntries: 1_000 },
  '100 entries': { staleIfErrorMs: DAY, maxEntries: 100 },
} as const satisfies Record<string, Policy>;

type Name = keyof typeof POLICIES;
const NAMES = Object.keys(POLICIES) as Name[];
const WINDOWS = NAMES.filter((name) => POLICIES[name].maxEntries === PAGES);
const SIZES = [...new Set(NAMES.map((name) => POLICIES[name].maxEntries))];

/** What users get in an outage of such a length, from its beginning to its end. */
export interface Outage {
  readonly minutes: number;
  /** Share of the calls that are answered. */
  readonly answered: number;
  /** The same by arithmetic. */
  readonly expected: number;
  /** How old these answers are, in minutes; `undefined` if there are none. */
  readonly median: number | undefined;
  /** All but a twentieth are no older. */
  readonly percentile95: number | undefined;
}

type Outages = Readonly<Record<Name, readonly Outage[]>>;

/** What becomes of the calls between two lengths. */
interface Stretch {
  calls: number;
  readonly agesMs: number[];
}

/** The pages, and which one a user wants. */
class Catalogue {
  /** Of all calls, those for each page. */
  readonly shares: readonly number[];
  readonly #upTo: readonly number[];
  readonly #chance: Chance;

  constructor(chance: Chance) {
    const weights = Array.from({ length: PAGES }, (_, index) => (index + 1) ** -ZIPF);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.shares = weights.map((weight) => weight / total);
    let upTo = 0;
    this.#upTo = this.shares.map((share) => {
      upTo += share;
      return upTo;
    });
    this.#chance = chance;
  }

  next(): string {
    const at = this.#chance();
    let [low, high] = [0, PAGES - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] ?? 1) > at) high = middle;
      else low = middle + 1;
    }
    return `https://shop.test/${low}`;
  }
}

/** A day on which all is well, and one on which nothing is. All policies get the same calls. */
export async function outages(
  seed: number,
  onProgress: (share: number) => void,
  { perSecond, perStretch }: Traffic = TRAFFIC,
): Promise<Outages> {
  const clock = new VirtualClock();
  const catalogue = new Catalogue(chanceFor(seed, 'pages'));
  let isUp = true;
  const fetch = async (): Promise<Response> => {
    if (!isUp) throw new TypeError('fetch failed');
    return new Response(null, { status: 204 });
  };
  const clientOf = (name: string, store: Store, staleIfErrorMs: number): Client =>
    createClient({ fetch, clock, random: chanceFor(seed, name), fallback: { store, staleIfErrorMs } });

  // One client fills a store for all who read it: how long they may use an answer is asked when they do.
  const stores = SIZES.map((maxEntries) => ({ maxEntries, store: memoryStore({ maxEntries }) }));
  const fillers = stores.map(({ maxEntries, store }) => ({
    client: clientOf(`${maxEntries} entries`, store, DAY),
    fromMs: maxEntries < PAGES ? DOWN_FROM - SOON_FULL : 0,
  }));
  arrivals(clock, chanceFor(seed, 'users'), perSecond, DOWN_FROM, () => {
    const url = catalogue.next();
    for (const { client, fromMs } of fillers) if (clock.now() >= fromMs) void client.fetch(url);
  });
  await clock.run(DOWN_FROM, (share) => onProgress(share / 2));

  isUp = false;
  const sides = NAMES.map((name) => {
    const { staleIfErrorMs, maxEntries } = POLICIES[name];
    const store = stores.find((each) => each.maxEntries === maxEntries)?.store ?? memoryStore();
    const seen = LENGTHS.map((): Stretch => ({ calls: 0, agesMs: [] }));
    return { name, client: clientOf(name, store, staleIfErrorMs), seen };
  });
  const stretchAt = (at: number): number => LENGTHS.findIndex((minutes) => at - DOWN_FROM < minutes * MINUTE);
  const rateAt = (at: number): number => (perStretch / widthOf(stretchAt(at))) * (1_000 / MINUTE);
  arrivals(clock, chanceFor(seed, 'users in the outage'), rateAt, DOWN_FROM + DAY, () => {
    const url = catalogue.next();
    const index = stretchAt(clock.now());
    for (const { client, seen } of sides) void look(client, url, seen[index]);
  });
  await clock.run(DOWN_FROM + DAY, (share) => onProgress(0.5 + share / 2));

  const found = sides.map(({ name, seen }) => {
    const expected = expectedShares(POLICIES[name], catalogue.shares, perSecond);
    return [name, fromTheBeginning(seen, expected)];
  });
  return Object.fromEntries(found);
}

async function look(client: Client, url: string, seen: Stretch | undefined): Promise<void> {
  if (seen === undefined) return;
  seen.calls += 1;
  const response = await client.fetch(url).catch(() => undefined);
  const ageMs = response && degradation(response)?.ageMs;
  if (ageMs !== undefined) seen.agesMs.push(ageMs);
}

/** Minutes from one length to the next. */
function widthOf(stretch: number): number {
  return (LENGTHS[stretch] ?? 0) - (LENGTHS[stretch - 1] ?? 0);
}

/** Outages of all lengths: each is made of the stretches up to there, and each of those counts as much as it is long. */
function fromTheBeginning(seen: readonly Stretch[], expected: readonly number[]): readonly Outage[] {
  const ages = seen
    .flatMap(({ calls, agesMs }, stretch) =>
      agesMs.map((ageMs) => ({ stretch, minutes: ageMs / MINUTE, weight: widthOf(stretch) / calls })),
    )
    .sort((a, b) => a.minutes - b.minutes);
  let [answered, byArithmetic] = [0, 0];
  return LENGTHS.map((minutes, last) => {
    const { calls, agesMs } = seen[last] as Stretch;
    answered += (widthOf(last) * agesMs.length) / calls;
    byArithmetic += widthOf(last) * (expected[last] ?? 0);
    const ofThese = ages.filter(({ stretch }) => stretch <= last);
    const percentile = (share: number): number | undefined => {
      let left = share * answered;
      return ofThese.find(({ weight }) => {
        left -= weight;
        return left <= 0;
      })?.minutes;
    };
    return {
      minutes,
      answered: answered / minutes,
      expected: byArithmetic / minutes,
      median: percentile(0.5),
      percentile95: percentile(0.95),
    };
  });
}

// In how many steps the arithmetic goes from one length to the next.
const STEPS = 8;

/**
 * What is answered between each two lengths, by arithmetic. A page that is asked for r times a second has been asked for in the
 * last s seconds with a chance of 1 - e^(-r s): s is what is left of the window. A store that is full is a window, too: the time
 * in which so many pages are asked for (Che et al., 2002).
 */
function expectedShares(policy: Policy, shares: readonly number[], perSecond: number): readonly number[] {
  const { staleIfErrorMs, maxEntries } = policy;
  const inWindow = (ms: number, countOf: (share: number) => number): number =>
    shares.reduce((sum, share) => sum - countOf(share) * Math.expm1((-perSecond * share * ms) / 1_000), 0);
  let fullAfterMs = DAY;
  for (let step = DAY / 2; step > MINUTE / 60; step /= 2) {
    fullAfterMs += inWindow(fullAfterMs, () => 1) > maxEntries ? -step : step;
  }
  return LENGTHS.map((until, stretch) => {
    const stepMs = (widthOf(stretch) * MINUTE) / STEPS;
    const fromMs = until * MINUTE - STEPS * stepMs;
    let sum = 0;
    for (let step = 0; step < STEPS; step += 1) {
      const leftMs = staleIfErrorMs - fromMs - (step + 0.5) * stepMs;
      if (leftMs > 0) sum += inWindow(Math.min(leftMs, fullAfterMs), (share) => share);
    }
    return sum / STEPS;
  });
}

function outageOf(all: Outages, name: Name, minutes: number): Outage {
  const found = all[name].find((outage) => outage.minutes === minutes);
  if (found === undefined) throw new RangeError(`No outage of ${minutes} minutes was looked at`);
  return found;
}

/** Percent of the calls that are answered in an outage of such a length. */
export function percentAnswered(all: Outages, name: Name, minutes: number): number {
  return outageOf(all, name, minutes).answered * 100;
}

const answered = ({ answered }: Outage): number => answered * 100;
const median = ({ median }: Outage): number | undefined => median;
const percentile95 = ({ percentile95 }: Outage): number | undefined => percentile95;

function line(outages: readonly Outage[], read: (outage: Outage) => number | undefined): Point[] {
  return outages.flatMap((outage) => {
    const value = read(outage);
    return value === undefined ? [] : [{ second: outage.minutes, value }];
  });
}

export const staleIfError = experiment<Outages>({
  name: 'stale-if-error',
  title: 'Stale answers in an outage',
  hypothesis:
    'Stored answers carry users through an outage about as long as staleIfErrorMs, and hardly any further. With the default, a day, they hardly notice one of 8 hours, and one of a day costs them 1 call in 20; with an hour, one of an hour costs 4 in 10, and one of a day nearly all. The store must have room for all that is asked for: with room for 1,000 of 4,000 pages, 4 calls in 10 fail however old an answer may be. The price is age: of the answers in an outage of an hour, half are older than 54 minutes.',
  parameters: {
    pages: PAGES,
    'exponent of their popularity (Zipf)': ZIPF,
    'calls per second': TRAFFIC.perSecond,
    'hours in which all is well': DOWN_FROM / HOUR,
    'hours that the longest outage lasts': DAY / HOUR,
    'calls looked at between two lengths of an outage': TRAFFIC.perStretch,
  },
  run: (seed, onProgress) => outages(seed, onProgress),
  findings: (all) => [
    {
      claim: 'no fallback: calls answered in an outage of an hour',
      value: percentAnswered(all, 'no fallback', 60),
      unit: '%',
      atMost: 0,
    },
    {
      claim: 'up to a minute old: calls answered in an outage of a minute',
      value: percentAnswered(all, '1 minute', 1),
      unit: '%',
      atLeast: 3,
      atMost: 16,
    },
    {
      claim: 'up to 10 minutes old: in an outage of 10 minutes',
      value: percentAnswered(all, '10 minutes', 10),
      unit: '%',
      atLeast: 24,
      atMost: 37,
    },
    {
      claim: 'up to an hour old: in an outage of an hour',
      value: percentAnswered(all, '1 hour', 60),
      unit: '%',
      atLeast: 52,
      atMost: 60,
    },
    {
      claim: 'up to an hour old: in an outage of a day',
      value: percentAnswered(all, '1 hour', 1_440),
      unit: '%',
      atLeast: 2,
      atMost: 2.7,
    },
    {
      claim: 'up to a day old, the default: in an outage of 8 hours',
      value: percentAnswered(all, '24 hours', 480),
      unit: '%',
      atLeast: 99.5,
    },
    {
      claim: 'up to a day old: in an outage of a day',
      value: percentAnswered(all, '24 hours', 1_440),
      unit: '%',
      atLeast: 94,
      atMost: 97,
    },
    {
      claim: 'up to a day old, with room for a quarter of the pages: in an outage of an hour',
      value: percentAnswered(all, '1,000 entries', 60),
      unit: '%',
      atLeast: 56,
      atMost: 65,
    },
    {
      claim: 'up to a day old, with room for 100 pages: in an outage of an hour',
      value: percentAnswered(all, '100 entries', 60),
      unit: '%',
      atLeast: 15,
      atMost: 29,
    },
    {
      claim: 'most that a measured share is off what arithmetic says, in percentage points',
      value:
        Math.max(...NAMES.flatMap((name) => all[name].map((each) => Math.abs(each.answered - each.expected)))) * 100,
      atMost: 7,
    },
    ...ages('up to an hour old', all['1 hour'], 60, [33, 39], [56, 60]),
    ...ages('up to a day old', all['24 hours'], 10, [15, 28], [230, 420]),
    ...ages('up to a day old', all['24 hours'], 60, [48, 60], [270, 410]),
    ...ages('up to a day old', all['24 hours'], 1_440, [730, 775], [1_340, 1_390]),
    ...ages('with room for 1,000 pages', all['1,000 entries'], 10, [8, 13], [26, 36]),
  ],
  figures: (all) => [
    {
      name: 'stale-if-error',
      svg: lineChart({
        title: 'Calls that are answered in an outage, by how old an answer may be',
        lines: Object.fromEntries(WINDOWS.map((name) => [name, line(all[name], answered)])),
        x: 'minutes that the outage lasts',
        y: '% of the calls',
        xLogarithmic: true,
        most: 103,
      }),
    },
    {
      name: 'stale-if-error-store',
      svg: lineChart({
        title: `Calls that are answered in an outage, by how many of ${PAGES.toLocaleString('en')} pages there is room for`,
        lines: {
          'all pages': line(all['24 hours'], answered),
          '1,000 pages': line(all['1,000 entries'], answered),
          '100 pages': line(all['100 entries'], answered),
        },
        x: 'minutes that the outage lasts',
        y: '% of the calls',
        xLogarithmic: true,
        most: 103,
      }),
    },
    {
      name: 'stale-if-error-age',
      svg: lineChart({
        title: 'How old the answers get: half of them are no older than that, 95 % are no older than that',
        lines: {
          '24 hours, half': line(all['24 hours'], median),
          '24 hours, 95 %': line(all['24 hours'], percentile95),
          '1 hour, half': line(all['1 hour'], median),
          '1 hour, 95 %': line(all['1 hour'], percentile95),
          '24 hours, 1,000 pages, half': line(all['1,000 entries'], median),
          '24 hours, 1,000 pages, 95 %': line(all['1,000 entries'], percentile95),
        },
        x: 'minutes that the outage lasts',
        y: 'minutes old',
        xLogarithmic: true,
        logarithmic: true,
      }),
    },
  ],
});

type Bounds = readonly [atLeast: number, atMost: number];

function ages(name: string, all: readonly Outage[], minutes: number, half: Bounds, most: Bounds): readonly Finding[] {
  const outage = all.find((each) => each.minutes === minutes);
  const of = `${name}, in an outage of ${minutes} minutes`;
  return [
    { claim: `${of}: median age`, value: outage?.median ?? NaN, unit: 'min', atLeast: half[0], atMost: half[1] },
    {
      claim: `${of}: 95th percentile`,
      value: outage?.percentile95 ?? NaN,
      unit: 'min',
      atLeast: most[0],
      atMost: most[1],
    },
  ];
}
