import { expect, test } from 'vitest';

import { parseRetryAfter } from '../../src/http/retry-after.ts';

/** The example of RFC 9110, section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT. */
const date = Date.UTC(1994, 10, 6, 8, 49, 37);
const tenYears = 10 * 365 * 24 * 3_600;

const seconds = [
  { header: '0', waitMs: 0 },
  { header: '1', waitMs: 1_000 },
  { header: '007', waitMs: 7_000 },
  { header: ' 120 ', waitMs: 120_000 },
  { header: '\t2\t', waitMs: 2_000 },
  { header: String(tenYears), waitMs: tenYears * 1_000 },
  { header: '9'.repeat(400), waitMs: Infinity },
];

test.for(seconds)('parseRetryAfter() gives $waitMs ms for the seconds "$header"', ({ header, waitMs }) => {
  expect(parseRetryAfter(header, date)).toBe(waitMs);
});

const formats = [
  { format: 'IMF-fixdate', header: 'Sun, 06 Nov 1994 08:49:37 GMT' },
  { format: 'RFC 850', header: 'Sunday, 06-Nov-94 08:49:37 GMT' },
  { format: 'asctime', header: 'Sun Nov  6 08:49:37 1994' },
  { format: 'IMF-fixdate between spaces', header: '  Sun, 06 Nov 1994 08:49:37 GMT ' },
];

test.for(formats)('parseRetryAfter() gives the time until a date, for $format', ({ header }) => {
  expect(parseRetryAfter(header, date - 3_000)).toBe(3_000);
  expect(parseRetryAfter(header, date - 1)).toBe(1);
});

test.for(formats)('parseRetryAfter() asks nothing for a date that is here or past, for $format', ({ header }) => {
  expect(parseRetryAfter(header, date)).toBeUndefined();
  expect(parseRetryAfter(header, date + 1)).toBeUndefined();
  expect(parseRetryAfter(header, date + 3_600_000)).toBeUndefined();
});

const weekdays = ['Sun, 02', 'Mon, 03', 'Tue, 04', 'Wed, 05', 'Thu, 06', 'Fri, 07', 'Sat, 08'];

test.for(weekdays)('parseRetryAfter() reads a date on any day of the week, for %s', (day) => {
  const midnight = Date.UTC(2026, 7, Number(day.slice(-2)));
  expect(parseRetryAfter(`${day} Aug 2026 00:00:00 GMT`, midnight - 500)).toBe(500);
});

test('parseRetryAfter() gives the time until a date in ten years', () => {
  expect(parseRetryAfter('Sat, 06 Nov 2004 08:49:37 GMT', date)).toBe(Date.UTC(2004, 10, 6, 8, 49, 37) - date);
});

const garbage: readonly (string | null)[] = [
  null,
  '',
  ' ',
  'soon',
  '-1',
  '-0',
  '+5',
  '5.5',
  '1e3',
  '0x10',
  '1_000',
  '1,000',
  '5s',
  '5 6',
  '120, 240',
  'Infinity',
  'NaN',
  '٣',
  '５',
  'Sunday',
  'Sun, 99 Xyz 1994 08:49:37 GMT',
  'sunk',
  // A date, though not one of HTTP's.
  '1994-11-06T08:49:37Z',
  'Nov 6 1994',
  '06 Nov 1994 08:49:37 GMT',
  // A weekday alone does not make a date of what follows it.
  'Sunday 2099',
  'Monday, maybe 5',
];

test.for(garbage)('parseRetryAfter() asks nothing for %j', (header) => {
  expect(parseRetryAfter(header, Date.UTC(1990, 0, 1))).toBeUndefined();
});
