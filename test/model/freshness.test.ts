import fc from 'fast-check';
import { expect, test } from 'vitest';

import { NOTHING_SAID } from '../../src/http/cache-control.ts';
import {
  type CacheDirectives,
  type Freshness,
  type FreshnessLimits,
  freshnessOf,
  type Lifetimes,
  lifetimesOf,
  mayStore,
} from '../../src/model/freshness.ts';
import { RUNS } from '../properties/bench.ts';

function said(changes: Partial<CacheDirectives>): CacheDirectives {
  return { ...NOTHING_SAID, ...changes };
}

// freshnessOf(), the table of DESIGN section 5.

const minute: Lifetimes = { freshMs: 60_000, refreshMs: 90_000, errorMs: 3_600_000 };

const ages: readonly (readonly [ageMs: number, freshness: Freshness])[] = [
  [0, 'fresh'],
  [1, 'fresh'],
  [59_999.5, 'fresh'],
  [60_000, 'fresh'],
  [60_000.5, 'refresh'],
  [60_001, 'refresh'],
  [90_000, 'refresh'],
  [90_000.5, 'stale'],
  [90_001, 'stale'],
  [3_600_000, 'stale'],
  [3_600_000.5, 'expired'],
  [3_600_001, 'expired'],
  [Number.MAX_VALUE, 'expired'],
];

test.for(ages)('freshnessOf() of an age of %d ms is "%s", when 60,000, 90,000 and 3,600,000 are allowed', (row) => {
  expect(freshnessOf(row[0], minute)).toBe(row[1]);
});

const nevers: readonly (readonly [ageMs: number, lifetimes: readonly [number, number, number], Freshness])[] = [
  // Nothing is ever of use.
  [0, [0, 0, 0], 'expired'],
  [1, [0, 0, 0], 'expired'],
  // Of the three, one is.
  [0, [10, 10, 0], 'fresh'],
  [10, [10, 10, 0], 'fresh'],
  [11, [10, 10, 0], 'expired'],
  [0, [0, 10, 0], 'refresh'],
  [10, [0, 10, 0], 'refresh'],
  [11, [0, 10, 0], 'expired'],
  [0, [0, 0, 10], 'stale'],
  [10, [0, 0, 10], 'stale'],
  [11, [0, 0, 10], 'expired'],
  // An age up to which it is of use on failure, though others go further.
  [5, [10, 20, 5], 'fresh'],
  [15, [10, 20, 5], 'refresh'],
  [21, [10, 20, 5], 'expired'],
];

test.for(nevers)(
  'freshnessOf() takes 0 for never: an age of %d ms with %j is "%s"',
  ([ageMs, lifetimes, freshness]) => {
    const [freshMs, refreshMs, errorMs] = lifetimes;
    expect(freshnessOf(ageMs, { freshMs, refreshMs, errorMs })).toBe(freshness);
  },
);

test.for([-1, -0.5, -86_400_000, Number.MIN_SAFE_INTEGER])(
  'freshnessOf() of %d ms, the clock having been set back, is of use on failure only',
  (ageMs) => {
    expect(freshnessOf(ageMs, minute)).toBe('stale');
    expect(freshnessOf(ageMs, { ...minute, errorMs: 1 })).toBe('stale');
    expect(freshnessOf(ageMs, { ...minute, errorMs: 0 })).toBe('expired');
  },
);

// mayStore()

const storing = [
  { directives: {}, shared: true, apart: true },
  { directives: { noStore: true }, shared: false, apart: false },
  { directives: { private: true }, shared: false, apart: true },
  { directives: { noStore: true, private: true }, shared: false, apart: false },
  // Stored, but to be asked about.
  { directives: { noCache: true }, shared: true, apart: true },
  { directives: { maxAgeMs: 0 }, shared: true, apart: true },
  { directives: { mustRevalidate: true, proxyRevalidate: true }, shared: true, apart: true },
];

test.for(storing)('mayStore() is $shared in a shared store and $apart in a private one, for $directives', (row) => {
  expect(mayStore(said(row.directives), true)).toBe(row.shared);
  expect(mayStore(said(row.directives), false)).toBe(row.apart);
});

// lifetimesOf()

const none: FreshnessLimits = { maxAgeMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
const own: FreshnessLimits = { maxAgeMs: 10, staleWhileRevalidateMs: 20, staleIfErrorMs: 300 };

type Row = {
  readonly directives: Partial<CacheDirectives>;
  /** What holds in a private store, as [fresh, refresh, error]. */
  readonly apart: readonly [number, number, number];
  /** What holds in a shared one, if that is something else. */
  readonly shared?: readonly [number, number, number];
};

const lifetimes: readonly Row[] = [
  // The caller's numbers: two ages and a span between them.
  { directives: {}, apart: [10, 30, 300] },
  // Each of the server's takes the place of its own of the caller's. RFC 5861 counts from when it is stale.
  { directives: { maxAgeMs: 1_000 }, apart: [1_000, 1_020, 300] },
  { directives: { maxAgeMs: 0 }, apart: [0, 20, 300] },
  { directives: { staleWhileRevalidateMs: 500 }, apart: [10, 510, 300] },
  { directives: { staleWhileRevalidateMs: 0 }, apart: [10, 10, 300] },
  { directives: { staleIfErrorMs: 7_000 }, apart: [10, 30, 7_010] },
  { directives: { staleIfErrorMs: 1 }, apart: [10, 30, 11] },
  { directives: { staleIfErrorMs: 0 }, apart: [10, 30, 0] },
  { directives: { maxAgeMs: 1_000, staleWhileRevalidateMs: 500, staleIfErrorMs: 7_000 }, apart: [1_000, 1_500, 8_000] },
  { directives: { maxAgeMs: 0, staleWhileRevalidateMs: 500, staleIfErrorMs: 7_000 }, apart: [0, 500, 7_000] },
  // s-maxage is for shared stores, and forbids stale answers there (RFC 9111, section 5.2.2.10) unless they are allowed.
  { directives: { sharedMaxAgeMs: 2_000 }, apart: [10, 30, 300], shared: [2_000, 2_000, 0] },
  { directives: { sharedMaxAgeMs: 0 }, apart: [10, 30, 300], shared: [0, 0, 0] },
  { directives: { maxAgeMs: 1_000, sharedMaxAgeMs: 2_000 }, apart: [1_000, 1_020, 300], shared: [2_000, 2_000, 0] },
  { directives: { maxAgeMs: 2_000, sharedMaxAgeMs: 0 }, apart: [2_000, 2_020, 300], shared: [0, 0, 0] },
  {
    directives: { sharedMaxAgeMs: 2_000, staleWhileRevalidateMs: 500 },
    apart: [10, 510, 300],
    shared: [2_000, 2_500, 0],
  },
  {
    directives: { sharedMaxAgeMs: 2_000, staleIfErrorMs: 7_000 },
    apart: [10, 30, 7_010],
    shared: [2_000, 2_000, 9_000],
  },
  // Stale is what these forbid (section 4.2.4), whatever the caller and the server say beside them.
  { directives: { mustRevalidate: true }, apart: [10, 10, 0] },
  { directives: { mustRevalidate: true, maxAgeMs: 1_000 }, apart: [1_000, 1_000, 0] },
  {
    directives: { mustRevalidate: true, maxAgeMs: 1_000, staleWhileRevalidateMs: 500, staleIfErrorMs: 7_000 },
    apart: [1_000, 1_000, 0],
  },
  { directives: { mustRevalidate: true, sharedMaxAgeMs: 2_000 }, apart: [10, 10, 0], shared: [2_000, 2_000, 0] },
  { directives: { proxyRevalidate: true }, apart: [10, 30, 300], shared: [10, 10, 0] },
  {
    directives: { proxyRevalidate: true, maxAgeMs: 1_000, staleIfErrorMs: 7_000 },
    apart: [1_000, 1_020, 8_000],
    shared: [1_000, 1_000, 0],
  },
  // no-cache: never without asking, whatever the ages are.
  { directives: { noCache: true }, apart: [0, 0, 0] },
  {
    directives: { noCache: true, maxAgeMs: 1_000, staleWhileRevalidateMs: 500, staleIfErrorMs: 7_000 },
    apart: [0, 0, 0],
  },
  { directives: { noCache: true, sharedMaxAgeMs: 2_000 }, apart: [0, 0, 0] },
  // These say whether it is stored, not for how long it is good.
  { directives: { private: true }, apart: [10, 30, 300] },
  { directives: { noStore: true }, apart: [10, 30, 300] },
];

test.for(lifetimes)('lifetimesOf() with limits of 10, 20 and 300 ms is $apart, for $directives', (row) => {
  const [freshMs, refreshMs, errorMs] = row.apart;
  expect(lifetimesOf(said(row.directives), own, false)).toEqual({ freshMs, refreshMs, errorMs });
});

test.for(lifetimes)('lifetimesOf() in a shared store is $shared, or as in a private one, for $directives', (row) => {
  const [freshMs, refreshMs, errorMs] = row.shared ?? row.apart;
  expect(lifetimesOf(said(row.directives), own, true)).toEqual({ freshMs, refreshMs, errorMs });
});

test.for([true, false])(
  'lifetimesOf() is never, when neither server nor caller allow anything, with shared %s',
  (at) => {
    expect(lifetimesOf(NOTHING_SAID, none, at)).toEqual({ freshMs: 0, refreshMs: 0, errorMs: 0 });
  },
);

test('lifetimesOf() allows no use on failure beyond the age the caller gave, when the server calls it fresh for longer', () => {
  const lifetimes = lifetimesOf(said({ maxAgeMs: 1_000, staleWhileRevalidateMs: 0 }), own, false);
  expect(freshnessOf(1_000, lifetimes)).toBe('fresh');
  expect(freshnessOf(1_001, lifetimes)).toBe('expired');
});

// Properties

const spanMs = fc.constantFrom(0, 1, 5, 10, 60_000, 2 ** 31 * 1_000);
const maybeMs = fc.option(spanMs, { nil: undefined });
const directives = fc.record<CacheDirectives>({
  noStore: fc.boolean(),
  noCache: fc.boolean(),
  private: fc.boolean(),
  mustRevalidate: fc.boolean(),
  proxyRevalidate: fc.boolean(),
  maxAgeMs: maybeMs,
  sharedMaxAgeMs: maybeMs,
  staleWhileRevalidateMs: maybeMs,
  staleIfErrorMs: maybeMs,
});
const limits = fc.record<FreshnessLimits>({ maxAgeMs: spanMs, staleWhileRevalidateMs: spanMs, staleIfErrorMs: spanMs });
const ageMs = fc.oneof(fc.constantFrom(-1, 0, 1, 5, 6, 10, 11, 15, 60_000, 60_001), fc.nat(2 ** 31));

test('lifetimesOf() lets nothing be used stale in any way, where its server forbids it', () => {
  fc.assert(
    fc.property(directives, limits, fc.boolean(), ageMs, (every, own, shared, age) => {
      const forbids = every.noCache || every.mustRevalidate || (shared && every.proxyRevalidate);
      const lifetimes = lifetimesOf({ ...every, mustRevalidate: every.mustRevalidate || !forbids }, own, shared);
      expect(['fresh', 'expired']).toContain(freshnessOf(age, lifetimes));
      expect(lifetimes.errorMs).toBe(0);
    }),
    RUNS,
  );
});

test('lifetimesOf() in a private store does not depend on what is said to shared ones', () => {
  fc.assert(
    fc.property(directives, limits, (every, own) => {
      const toPrivate = { ...every, sharedMaxAgeMs: undefined, proxyRevalidate: false, private: false };
      expect(lifetimesOf(every, own, false)).toEqual(lifetimesOf(toPrivate, own, false));
    }),
    RUNS,
  );
});

const worse: readonly Freshness[] = ['fresh', 'refresh', 'stale', 'expired'];

test('freshnessOf() never gets better with age', () => {
  fc.assert(
    fc.property(
      directives,
      limits,
      fc.boolean(),
      fc.array(fc.nat(200_000), { maxLength: 30, size: 'max' }),
      (every, own, shared, ages) => {
        const lifetimes = lifetimesOf(every, own, shared);
        const ranks = ages.sort((one, other) => one - other).map((age) => worse.indexOf(freshnessOf(age, lifetimes)));
        expect(ranks).toEqual([...ranks].sort());
      },
    ),
    RUNS,
  );
});
