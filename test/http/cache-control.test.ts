import fc from 'fast-check';
import { expect, test } from 'vitest';

import { directivesOf, initialAgeMs, NOTHING_SAID, parseCacheControl } from '../../src/http/cache-control.ts';
import type { CacheDirectives } from '../../src/model/freshness.ts';
import { RUNS } from '../properties/bench.ts';

type Said = Partial<CacheDirectives>;

// parseCacheControl()

const headers: readonly (readonly [header: string | null, said: Said])[] = [
  [null, {}],
  ['', {}],
  [' , ,, ', {}],
  ['no-store', { noStore: true }],
  ['no-cache', { noCache: true }],
  ['private', { private: true }],
  ['must-revalidate', { mustRevalidate: true }],
  ['proxy-revalidate', { proxyRevalidate: true }],
  ['max-age=60', { maxAgeMs: 60_000 }],
  ['s-maxage=60', { sharedMaxAgeMs: 60_000 }],
  ['stale-while-revalidate=60', { staleWhileRevalidateMs: 60_000 }],
  ['stale-if-error=60', { staleIfErrorMs: 60_000 }],
  ['max-age=0', { maxAgeMs: 0 }],
  ['max-age=007', { maxAgeMs: 7_000 }],
  // The example of RFC 5861, and all at once.
  [
    'max-age=600, stale-while-revalidate=30, stale-if-error=1200',
    { maxAgeMs: 600_000, staleWhileRevalidateMs: 30_000, staleIfErrorMs: 1_200_000 },
  ],
  [
    'no-store,no-cache,private,must-revalidate,proxy-revalidate,max-age=1,s-maxage=2',
    {
      noStore: true,
      noCache: true,
      private: true,
      mustRevalidate: true,
      proxyRevalidate: true,
      maxAgeMs: 1_000,
      sharedMaxAgeMs: 2_000,
    },
  ],
  // Names are in any case, and there may be spaces, or commas without a directive.
  ['No-Store, MAX-AGE=5', { noStore: true, maxAgeMs: 5_000 }],
  [',, no-cache ,\tmax-age=5 ,', { noCache: true, maxAgeMs: 5_000 }],
  // Spaces around the equals sign are wrong, and there are servers that send them.
  ['max-age = 5', { maxAgeMs: 5_000 }],
  ['max-age=\t5', { maxAgeMs: 5_000 }],
  // Arguments may be quoted, also those that need not be.
  ['max-age="5"', { maxAgeMs: 5_000 }],
  ['max-age=" 5 "', { maxAgeMs: 5_000 }],
  ['s-maxage="5", max-age="6"', { sharedMaxAgeMs: 5_000, maxAgeMs: 6_000 }],
  // With a list of fields, it holds for the whole answer.
  ['private="x-user"', { private: true }],
  ['no-cache="set-cookie, x-user", max-age=5', { noCache: true, maxAgeMs: 5_000 }],
  ['no-store="5"', { noStore: true }],
  ['must-revalidate=1', { mustRevalidate: true }],
  // What is in a string is no directive, whatever it looks like.
  ['ext="no-store, max-age=9", max-age=5', { maxAgeMs: 5_000 }],
  ['ext="a \\" no-store, max-age=9", max-age=5', { maxAgeMs: 5_000 }],
  ['ext="\\\\", no-store', { noStore: true }],
  // Nor is the value of another, or a part of a name.
  ['ext=no-store', {}],
  ['x-no-store, no-storex, no_store, nostore', {}],
  ['x-max-age=9, max-age-x=9, max-agex=9', {}],
  ['public, immutable, only-if-cached, no-transform, community="UCI"', {}],
  // Given twice, the first counts.
  ['max-age=5, max-age=9', { maxAgeMs: 5_000 }],
  ['max-age=9, max-age=5', { maxAgeMs: 9_000 }],
  ['max-age=x, max-age=5', { maxAgeMs: 0 }],
  ['max-age, max-age=5', { maxAgeMs: 0 }],
  ['no-cache, no-cache="x"', { noCache: true }],
  // A string that never ends hides nothing.
  ['ext="oops, no-store', { noStore: true }],
  ['private="x-user, max-age=5', { private: true, maxAgeMs: 5_000 }],
  ['max-age="60, no-store', { maxAgeMs: 0, noStore: true }],
  // Separated by something else than commas.
  ['no-store; max-age=5', { noStore: true, maxAgeMs: 5_000 }],
  ['max-age=5 no-store', { maxAgeMs: 5_000, noStore: true }],
  ['max-age=5;no-store', { maxAgeMs: 5_000, noStore: true }],
];

test.for(headers)('parseCacheControl() of %j is %j', ([header, said]) => {
  expect(parseCacheControl(header)).toEqual({ ...NOTHING_SAID, ...said });
});

const noNumbers = [
  '',
  '-1',
  '-0',
  '+5',
  '5.5',
  '1e3',
  '0x10',
  '5s',
  'abc',
  '"',
  '""',
  '"5 6"',
  '"-5"',
  '٣',
  'Infinity',
];

test.for(noNumbers)(
  'parseCacheControl() takes a number that is none for 0, so that nothing is used: max-age=%s',
  (text) => {
    for (const name of ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']) {
      const { maxAgeMs, sharedMaxAgeMs, staleWhileRevalidateMs, staleIfErrorMs } = parseCacheControl(`${name}=${text}`);
      expect(
        [maxAgeMs, sharedMaxAgeMs, staleWhileRevalidateMs, staleIfErrorMs].filter((ms) => ms !== undefined),
      ).toEqual([0]);
    }
  },
);

const forEver: readonly (readonly [what: string, seconds: string])[] = [
  ['2³¹', '2147483648'],
  ['2³¹ + 1', '2147483649'],
  ['2⁵³', '9007199254740992'],
  ['400 digits', '9'.repeat(400)],
];

test.for(forEver)('parseCacheControl() takes huge numbers of seconds for 68 years: %s', ([, seconds]) => {
  // RFC 9111, section 1.2.2.
  expect(parseCacheControl(`max-age=${seconds}`).maxAgeMs).toBe(2 ** 31 * 1_000);
});

test('parseCacheControl() takes the number before the longest as it is', () => {
  expect(parseCacheControl(`max-age=${2 ** 31 - 1}`).maxAgeMs).toBe((2 ** 31 - 1) * 1_000);
});

const name = fc.constantFrom('max-age', 'MAX-AGE', 's-maxage', 'no-store', 'private', 'no-cache', 'x', 'x-no-store');
const argument = fc.constantFrom('', '=5', '="5"', '= 5', '=', '="no-store, max-age=7"', '="\\""', '=-5');
const directive = fc.tuple(name, argument).map((parts) => parts.join(''));

test('parseCacheControl() reads directives one by one: what is said beside one changes nothing of it', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(directive, { maxLength: 6, selector: (text) => /^[\w-]+/.exec(text)?.[0].toLowerCase() }),
      (all) => {
        const alone = all.map((each) => parseCacheControl(each));
        const said = Object.fromEntries(
          Object.entries(NOTHING_SAID).map(([key, nothing]) => {
            const own = alone.map((each) => each[key as keyof CacheDirectives]).find((value) => value !== nothing);
            return [key, own ?? nothing];
          }),
        );
        expect(parseCacheControl(all.join(', '))).toEqual(said);
      },
    ),
    RUNS,
  );
});

test('parseCacheControl() never throws, gives whole seconds and keeps the word of a no-store, whatever is before it', () => {
  const piece = fc.oneof(
    directive,
    fc.constantFrom('"', '\\', ',', '=', ';', ' ', '""', "'"),
    fc.string({ maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12, size: 'max' }), (pieces) => {
      const header = pieces.join('');
      for (const value of Object.values(parseCacheControl(header))) {
        expect(typeof value === 'boolean' || value === undefined || Number.isInteger(value / 1_000)).toBe(true);
      }
      // With an even number of quotes before it, and none escaped, it is in no string.
      const closed = header.replaceAll('\\', '').replaceAll(/"[^"]*$/g, '');
      expect(parseCacheControl(`${closed}, no-store`).noStore).toBe(true);
    }),
    RUNS,
  );
});

/** Milliseconds, at best: what else the machine does only ever adds. */
function costMs(header: string): number {
  const costs = Array.from({ length: 3 }, () => {
    const start = performance.now();
    parseCacheControl(header);
    return performance.now() - start;
  });
  return Math.min(...costs);
}

const hostile: readonly (readonly [what: string, unit: string, prefix?: string])[] = [
  ['one name', 'a'],
  ['one number', '9', 'max-age='],
  ['commas', ','],
  ['spaces', ' ', 'a'],
  ['spaces before nothing', ' ', 'max-age='],
  ['equals signs', 'a='],
  ['quotes', '"'],
  ['open strings', 'a="\\'],
  ['one open string', 'x', 'a="'],
  ['an open string of escapes', '\\"', 'a="'],
  ['a string of escapes between spaces', '= "\\" ', 'a'],
  ['directives', 'max-age=1,'],
  ['names between spaces', 'a '],
];

test.for(hostile)('parseCacheControl() takes time in proportion to the length, for %s', ([, unit, prefix = '']) => {
  const costs = new Map<number, number>();
  for (const length of [1_000, 10_000, 100_000]) {
    const cost = costMs(prefix + unit.repeat(length / unit.length));
    // Ten times as long as the one before; in the square of the length it would be a hundred times, and at last minutes.
    expect(cost).toBeLessThan(40 * Math.max(costs.get(length / 10) ?? Infinity, 2.5));
    costs.set(length, cost);
  }
});

// directivesOf()

const receivedAt = Date.UTC(2026, 0, 1);
const at = (seconds: number): string => new Date(receivedAt + seconds * 1_000).toUTCString();

const expiries: readonly (readonly [given: Readonly<Record<string, string>>, said: Said])[] = [
  [{}, {}],
  [{ date: at(0) }, {}],
  [{ expires: at(60), date: at(0) }, { maxAgeMs: 60_000 }],
  // It counts by the clock of its server, wherever that is.
  [{ expires: at(60), date: at(-3_600) }, { maxAgeMs: 3_660_000 }],
  [{ expires: at(3_660), date: at(3_600) }, { maxAgeMs: 60_000 }],
  // Without a Date it counts from when it was received; so it does with one that is none.
  [{ expires: at(60) }, { maxAgeMs: 60_000 }],
  [{ expires: at(60), date: 'garbage' }, { maxAgeMs: 60_000 }],
  [{ expires: at(60), date: '0' }, { maxAgeMs: 60_000 }],
  // Past.
  [{ expires: at(0), date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: at(-60), date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: at(-60) }, { maxAgeMs: 0 }],
  [{ expires: 'Thu, 01 Jan 1970 00:00:00 GMT', date: at(0) }, { maxAgeMs: 0 }],
  // No date is past, too (section 5.3).
  [{ expires: '0', date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: '-1', date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: '', date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: 'never', date: at(0) }, { maxAgeMs: 0 }],
  [{ expires: '2099-01-01T00:00:00Z', date: at(0) }, { maxAgeMs: 0 }],
  // A date before 1970 and Expires that is none: nothing is before the beginning.
  [{ expires: 'garbage', date: 'Wed, 31 Dec 1969 23:00:00 GMT' }, { maxAgeMs: 3_600_000 }],
  // max-age comes before it, whatever it is (section 5.3); nothing else does.
  [{ expires: at(60), date: at(0), 'cache-control': 'max-age=5' }, { maxAgeMs: 5_000 }],
  [{ expires: at(60), date: at(0), 'cache-control': 'max-age=0' }, { maxAgeMs: 0 }],
  [{ expires: at(60), date: at(0), 'cache-control': 'max-age=oops' }, { maxAgeMs: 0 }],
  [
    { expires: at(60), date: at(0), 'cache-control': 's-maxage=5' },
    { maxAgeMs: 60_000, sharedMaxAgeMs: 5_000 },
  ],
  [
    { expires: at(60), date: at(0), 'cache-control': 'private, must-revalidate' },
    { maxAgeMs: 60_000, private: true, mustRevalidate: true },
  ],
  [
    { expires: at(60), date: at(0), 'cache-control': 'no-store' },
    { maxAgeMs: 60_000, noStore: true },
  ],
  [{ 'cache-control': 'public' }, {}],
];

test.for(expiries)('directivesOf() of %j is %j', ([given, said]) => {
  expect(directivesOf(new Headers(given), receivedAt)).toEqual({ ...NOTHING_SAID, ...said });
});

test('directivesOf() reads several Cache-Control headers as one', () => {
  const both = new Headers();
  both.append('cache-control', 'max-age=5');
  both.append('cache-control', 'no-store, max-age=9');
  expect(directivesOf(both, receivedAt)).toMatchObject({ noStore: true, maxAgeMs: 5_000 });
});

test('directivesOf() takes several Expires headers for past', () => {
  const both = new Headers();
  both.append('expires', at(60));
  both.append('expires', at(60));
  expect(directivesOf(both, receivedAt).maxAgeMs).toBe(0);
});

// initialAgeMs(), RFC 9111, section 4.2.3.

const arrivals: readonly (readonly [given: Readonly<Record<string, string>>, tookMs: number, ageMs: number])[] = [
  [{}, 0, 0],
  [{}, 250, 250],
  [{ age: '10' }, 0, 10_000],
  [{ age: '10' }, 250, 10_250],
  [{ age: ' 10 ' }, 0, 10_000],
  [{ age: '0' }, 1, 1],
  [{ date: at(0) }, 0, 0],
  [{ date: at(-30) }, 0, 30_000],
  [{ date: at(-30) }, 250, 30_000],
  [{ date: at(-1) }, 2_500, 2_500],
  // The larger one of the two accounts, not their sum.
  [{ date: at(-30), age: '10' }, 250, 30_000],
  [{ date: at(-5), age: '10' }, 250, 10_250],
  [{ date: at(-10), age: '10' }, 0, 10_000],
  // A server whose clock is ahead.
  [{ date: at(3_600) }, 250, 250],
  [{ date: at(3_600), age: '10' }, 0, 10_000],
  [{ date: 'garbage', age: '10' }, 0, 10_000],
  // An Age that is none says nothing (section 5.1).
  [{ age: '-10' }, 0, 0],
  [{ age: '10.5' }, 0, 0],
  [{ age: '1e3' }, 0, 0],
  [{ age: '' }, 0, 0],
  [{ age: 'old', date: at(-30) }, 0, 30_000],
  [{ age: '99999999999999999999' }, 0, 2 ** 31 * 1_000],
  // The wall clock was set back between request and answer.
  [{ age: '10' }, -5_000, 10_000],
];

test.for(arrivals)('initialAgeMs() of %j that took %d ms is %d', ([given, tookMs, ageMs]) => {
  expect(initialAgeMs(new Headers(given), receivedAt - tookMs, receivedAt)).toBe(ageMs);
});

test('initialAgeMs() takes the first of several Age headers', () => {
  // RFC 9111, section 5.1: "a cache encountering a message with a list-based Age field value SHOULD use the first member".
  const both = new Headers();
  both.append('age', '600');
  both.append('age', '0');
  expect(initialAgeMs(both, receivedAt, receivedAt)).toBe(600_000);
});
