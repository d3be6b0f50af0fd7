import { parseHttpDate } from './date.ts';

/**
 * Milliseconds a `Retry-After` header asks to wait: delta seconds, or a date measured against `epochNow`. A date in the
 * past, a negative number or anything else asks nothing. Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(header: string | null, epochNow: number): number | undefined {
  const value = header?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const at = parseHttpDate(value);
  return at !== undefined && at > epochNow ? at - epochNow : undefined;
}
