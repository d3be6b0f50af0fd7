import fc from 'fast-check';
import { expect, test } from 'vitest';

import { parseHttpDate } from '../../src/http/date.ts';
import { RUNS } from '../properties/bench.ts';

/** The example of RFC 9110, section 5.6.7. */
const example = Date.UTC(1994, 10, 6, 8, 49, 37);

const dates: readonly (readonly [header: string, at: number])[] = [
  ['Sun, 06 Nov 1994 08:49:37 GMT', example],
  ['Sunday, 06-Nov-94 08:49:37 GMT', example],
  ['Sun Nov  6 08:49:37 1994', example],
  ['Sun Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
  ['  Sun, 06 Nov 1994 08:49:37 GMT\t', example],
  ['SUN, 06 NOV 1994 08:49:37 GMT', example],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Wed, 31 Dec 1969 23:59:59 GMT', -1_000],
  ['Thu, 29 Feb 2024 12:00:00 GMT', Date.UTC(2024, 1, 29, 12)],
  ['Tue, 19 Jan 2038 03:14:08 GMT', 2 ** 31 * 1_000],
  ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59)],
  ['Wednesday, 31-Dec-25 23:59:59 GMT', Date.UTC(2025, 11, 31, 23, 59, 59)],
  // A wrong name of the day is not the time's fault.
  ['Mon, 06 Nov 1994 08:49:37 GMT', example],
];

test.for(dates)('parseHttpDate() of "%s" is %d', ([header, at]) => {
  expect(parseHttpDate(header)).toBe(at);
});

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

test.for(months)('parseHttpDate() knows every month in each of the formats, for %s', (month) => {
  const at = Date.UTC(2026, months.indexOf(month), 15, 23, 0, 1);
  expect(parseHttpDate(`Mon, 15 ${month} 2026 23:00:01 GMT`)).toBe(at);
  expect(parseHttpDate(`Monday, 15-${month}-26 23:00:01 GMT`)).toBe(at);
  expect(parseHttpDate(`Mon ${month} 15 23:00:01 2026`)).toBe(at);
});

const garbage: readonly (string | null)[] = [
  null,
  '',
  ' ',
  '0',
  '-1',
  '784111777',
  'now',
  'never',
  // Dates, though none of HTTP's.
  '1994-11-06T08:49:37Z',
  '1994-11-06',
  'Nov 6 1994',
  '06 Nov 1994 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sun, 06-Nov-1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 8:49:37 GMT',
  'Sun, 06 Nov 1994 08:49 GMT',
  // Another zone than the one that there is.
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 CET',
  'Sun, 06 Nov 1994 08:49:37 +0100',
  'Sun, 06 Nov 1994 08:49:37 GMT+0100',
  'Sun Nov  6 08:49:37 1994 GMT',
  // The form of a date, and none.
  'Sun, 06 Xyz 1994 08:49:37 GMT',
  'Sun, 99 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 25:00:00 GMT',
  'Sun, 06 Nov 1994 08:61:00 GMT',
  // Two of them, as `Headers` puts two headers together.
  'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT; Sun',
  '\u0000Sun, 06 Nov 1994 08:49:37 GMT',
  'Sun, ٠٦ Nov 1994 08:49:37 GMT',
];

test.for(garbage)('parseHttpDate() is undefined for %j', (header) => {
  expect(parseHttpDate(header)).toBeUndefined();
});

test('parseHttpDate() reads what any clock writes, to the second', () => {
  // The years of four digits, which are those that the format has.
  const seconds = fc.integer({ min: Date.UTC(100, 0, 1) / 1_000, max: Date.UTC(9999, 11, 31) / 1_000 });
  fc.assert(
    fc.property(seconds, (second) => {
      expect(parseHttpDate(new Date(second * 1_000).toUTCString())).toBe(second * 1_000);
    }),
    RUNS,
  );
});

test('parseHttpDate() never throws and is a whole second or undefined, for any text', () => {
  const piece = fc.constantFrom(
    'Sun',
    'Sunday',
    ', ',
    ' ',
    '06',
    '-',
    'Nov',
    '94',
    '1994',
    '08:49:37',
    ':',
    'GMT',
    '0',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12, size: 'max' }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (header) => {
      const at = parseHttpDate(header);
      expect(at === undefined || Number.isInteger(at / 1_000)).toBe(true);
    }),
    RUNS,
  );
});
