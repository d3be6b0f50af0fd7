/**
 * Milliseconds a `Retry-After` header asks to wait: delta seconds, or a date measured against `epochNow`. A date in the
 * past, a negative number or anything else asks nothing. Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(header: string | null, epochNow: number): number | undefined {
  const value = header?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  // Date.parse takes nearly anything for a date, so only what has the form of one gets there.
  if (!HTTP_DATES.some((form) => form.test(value))) return undefined;
  // asctime does not say that it means GMT.
  const waitMs = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`) - epochNow;
  return waitMs > 0 ? waitMs : undefined;
}

// RFC 9110, section 5.6.7: the preferred format, and the two obsolete ones that recipients must still read.
const HTTP_DATES: readonly RegExp[] = [
  /^[a-z]{3}, \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d GMT$/i,
  /^[a-z]{6,9}, \d\d-[a-z]{3}-\d\d \d\d:\d\d:\d\d GMT$/i,
  /^[a-z]{3} [a-z]{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/i,
];
