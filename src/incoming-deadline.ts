import { checkKeys, checkNumber, SPAN_MS, show } from './checks.ts';
import type { Deadline } from './client-options.ts';
import { type Clock, platformClock } from './clock.ts';
import { DEADLINE_HEADER, parseDeadline } from './http/deadline-header.ts';
import { resolveTools } from './options.ts';

/** The options of {@link incomingDeadline}. */
export interface IncomingDeadlineOptions {
  /** Most milliseconds that an incoming request gets, whatever it asks for. Default `Infinity`. */
  readonly maxMs?: number;
  /** The header that says how many are left. Default `x-envoy-expected-rq-timeout-ms`. */
  readonly header?: string;
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
}

/**
 * The deadline of an incoming request, from now on: what its header says is left, but no more than `maxMs`. Hand it to the
 * calls that are made for it, as `client.fetch(url, { deadline })`. A header that is missing or garbage says nothing.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function incomingDeadline(request: Pick<Request, 'headers'>, options: IncomingDeadlineOptions = {}): Deadline {
  checkKeys('incomingDeadline', options, ['maxMs', 'header', 'clock']);
  const { header = DEADLINE_HEADER } = options;
  if (typeof header !== 'string') throw new TypeError(`incomingDeadline.header must be a string, got ${show(header)}`);
  const maxMs = checkNumber('incomingDeadline.maxMs', options.maxMs, Infinity, SPAN_MS);
  const { clock } = resolveTools({ clock: options.clock ?? platformClock });
  const spanMs = Math.min(maxMs, parseDeadline(request.headers.get(header)) ?? Infinity);
  const endsAt = clock.now() + spanMs;
  return {
    signal: spanMs === Infinity ? new AbortController().signal : clock.timeoutSignal(spanMs),
    remainingMs: () => endsAt - clock.now(),
  };
}
