import { createRequire } from 'node:module';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { directivesOf, initialAgeMs } from '../../src/http/cache-control.ts';
import { type FreshnessLimits, freshnessOf, lifetimesOf, mayStore } from '../../src/model/freshness.ts';
import { RUNS } from '../properties/bench.ts';

/** What we ask of `http-cache-semantics`, which has no types of its own: another reading of RFC 9111 than ours. */
interface Oracle {
  storable(): boolean;
  stale(): boolean;
  maxAge(): number;
  useStaleWhileRevalidate(): boolean;
}

interface OracleOptions {
  readonly shared: boolean;
  readonly cacheHeuristic: number;
  readonly immutableMinTimeToLive: number;
}

type Plain = Readonly<Record<string, string>>;

interface OracleClass {
  new (
    request: { readonly method: string; readonly url: string; readonly headers: Plain },
    response: { readonly status: number; readonly headers: Plain },
    options: OracleOptions,
  ): Oracle;
  readonly prototype: { now(): number };
}

const CachePolicy = createRequire(import.meta.url)('http-cache-semantics') as OracleClass;

/** The oracle with its time in our hands. */
class Policy extends CachePolicy {
  static nowMs = 0;
  now(): number {
    return Policy.nowMs;
  }
}

const receivedAt = Date.UTC(2026, 0, 1);
const none: FreshnessLimits = { maxAgeMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };

/** What both make of an answer to a plain GET, after some whole seconds. */
function compare(headers: Plain, shared: boolean, elapsedSeconds: number) {
  Policy.nowMs = receivedAt;
  const options = { shared, cacheHeuristic: 0, immutableMinTimeToLive: 0 };
  const request = { method: 'GET', url: '/', headers: { host: 'api.example' } };
  const oracle = new Policy(request, { status: 200, headers }, options);
  const now = receivedAt + elapsedSeconds * 1_000;
  Policy.nowMs = now;

  const given = new Headers(headers);
  const said = directivesOf(given, receivedAt);
  const lifetimes = lifetimesOf(said, none, shared);
  const ageMs = initialAgeMs(given, receivedAt, receivedAt) + now - receivedAt;
  return { oracle, said, lifetimes, ageMs, freshness: freshnessOf(ageMs, lifetimes), stores: mayStore(said, shared) };
}

// Whole seconds, of which many meet.
const seconds = fc.oneof(fc.constantFrom(0, 1, 10, 60, 3_600), fc.nat(120));
const flags = ['no-cache', 'no-store', 'private', 'public', 'must-revalidate'];

/** Those of one name that there may be; each at most once: a repeated one counts the first time here, and the last there (section 4.2.1 allows either). */
function maybe(arbitrary: fc.Arbitrary<string>): fc.Arbitrary<readonly string[]> {
  return fc.option(
    arbitrary.map((text) => [text]),
    { nil: [] },
  );
}

// Arguments are digits, quoted or not, and names in lower case: the oracle reads "5x" as 5 and knows no other case, though
// section 5.2 has names in any. proxy-revalidate is left out: it makes nothing fresh in a shared cache of the oracle's,
// though it is only about what is stale (section 5.2.2.8).
const quoted = fc.boolean();
const span = (name: string): fc.Arbitrary<readonly string[]> =>
  maybe(fc.tuple(seconds, quoted).map(([value, quotes]) => (quotes ? `${name}="${value}"` : `${name}=${value}`)));

const cacheControl = fc
  .tuple(
    fc.subarray(flags).map((some): readonly string[] => some),
    span('max-age'),
    span('s-maxage'),
    fc.constantFrom(', ', ','),
    fc.infiniteStream(fc.nat()),
  )
  .map(([some, maxAge, sharedMaxAge, comma, order]) =>
    [...some, ...maxAge, ...sharedMaxAge]
      .map((text) => ({ text, rank: order.next().value }))
      .sort((one, other) => one.rank - other.rank)
      .map(({ text }) => text)
      .join(comma),
  );

interface Generated {
  readonly cacheControl: string | undefined;
  readonly expiresIn: number | 'garbage' | '0' | '-1' | undefined;
  readonly age: number | undefined;
  /** How long before it was received the answer was made, by its Date; never more than its Age. */
  readonly sentBefore: number | undefined;
  readonly elapsed: number;
  readonly shared: boolean;
}

// The oracle counts an answer's age by its Age alone, and we by its Date if that says more (apparent_age, section 4.2.3):
// so here the Date never does. Neither knows how long the request took.
const generated: fc.Arbitrary<Generated> = fc
  .record({
    cacheControl: fc.option(cacheControl, { nil: undefined }),
    expiresIn: fc.oneof(
      fc.constant(undefined),
      seconds,
      seconds.map((value) => -value),
      fc.constantFrom('garbage' as const, '0' as const, '-1' as const),
    ),
    age: fc.option(seconds, { nil: undefined }),
    dated: fc.boolean(),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    // A server whose clock is ahead is one whose Date says less than Age, too.
    ahead: fc.constantFrom(0, 0, 0, 1, 30),
    elapsed: seconds,
    shared: fc.boolean(),
  })
  .map(({ dated, share, ahead, ...rest }) => ({
    ...rest,
    sentBefore: dated ? Math.floor((rest.age ?? 0) * share) - ahead : undefined,
  }));

function headersOf({ cacheControl, expiresIn, age, sentBefore }: Generated): Plain {
  const sentAt = receivedAt - (sentBefore ?? 0) * 1_000;
  return {
    ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
    ...(sentBefore === undefined ? {} : { date: new Date(sentAt).toUTCString() }),
    ...(age === undefined ? {} : { age: String(age) }),
    ...(expiresIn === undefined
      ? {}
      : { expires: typeof expiresIn === 'string' ? expiresIn : new Date(sentAt + expiresIn * 1_000).toUTCString() }),
  };
}

const thorough = { ...RUNS, numRuns: 20_000 };

test('mayStore() of a 200 to a plain GET is what http-cache-semantics says, for shared and private caches', () => {
  const seen = { stored: 0, not: 0 };
  fc.assert(
    fc.property(generated, (each) => {
      const { oracle, stores } = compare(headersOf(each), each.shared, 0);
      seen[stores ? 'stored' : 'not'] += 1;
      expect(stores).toBe(oracle.storable());
    }),
    thorough,
  );
  // Both answers were asked for, and often.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(1_000);
});

test('lifetimesOf() the fresh is the lifetime of http-cache-semantics, for shared and private caches', () => {
  fc.assert(
    fc.property(generated, (each) => {
      const { oracle, stores, lifetimes } = compare(headersOf(each), each.shared, 0);
      // It gives 0 for what is not stored, and we do not ask.
      fc.pre(stores);
      expect(lifetimes.freshMs).toBe(oracle.maxAge() * 1_000);
    }),
    thorough,
  );
});

test('freshnessOf() is "fresh" when http-cache-semantics says so, at any age, for shared and private caches', () => {
  const seen = { fresh: 0, not: 0 };
  fc.assert(
    fc.property(generated, (each) => {
      const { oracle, stores, lifetimes, ageMs, freshness } = compare(headersOf(each), each.shared, each.elapsed);
      fc.pre(stores);
      // At the age of the lifetime itself it is stale there (section 4.2: "freshness_lifetime > current_age"), and fresh
      // here: our table says "≤" (DESIGN, section 5).
      fc.pre(ageMs !== lifetimes.freshMs);
      seen[freshness === 'fresh' ? 'fresh' : 'not'] += 1;
      expect(freshness === 'fresh').toBe(!oracle.stale());
      // Nobody has allowed anything else.
      expect(['fresh', 'expired']).toContain(freshness);
    }),
    thorough,
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(1_000);
});

test('freshnessOf() is "refresh" when http-cache-semantics allows stale-while-revalidate, at any age', () => {
  const seen = { refresh: 0, not: 0 };
  fc.assert(
    fc.property(generated, seconds, (each, staleSeconds) => {
      const headers = headersOf(each);
      const said = [headers['cache-control'], `stale-while-revalidate=${staleSeconds}`].filter(Boolean).join(', ');
      const found = compare({ ...headers, 'cache-control': said }, each.shared, each.elapsed);
      fc.pre(found.stores);
      // These forbid anything stale (section 4.2.4), which the oracle looks at only when it evaluates a request.
      fc.pre(!found.said.noCache && !found.said.mustRevalidate);
      fc.pre(found.ageMs !== found.lifetimes.freshMs && found.ageMs !== found.lifetimes.refreshMs);
      seen[found.freshness === 'refresh' ? 'refresh' : 'not'] += 1;
      expect(found.freshness === 'refresh').toBe(found.oracle.stale() && found.oracle.useStaleWhileRevalidate());
    }),
    thorough,
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(1_000);
});
