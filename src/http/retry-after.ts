/**
 * Milliseconds a `Retry-After` header asks to wait: delta seconds, or a date measured against `epochNow`. A date in the
 * past, a negative number or anything else asks nothing. Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(header: string | null, epochNow: number): number | undefined {
  const value = header?.trim();
  if (value === undefined || value === '') return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  // Date.parse reads "-1" and "5.5" as dates, so only what begins like an HTTP date gets there: a weekday.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(value)) return undefined;
  const waitMs = Date.parse(value) - epochNow;
  return waitMs > 0 ? waitMs : undefined;
}
