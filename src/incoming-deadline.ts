import { checkChoice, checkKeys, checkMethods, checkNumber, SPAN_MS, show } from './checks.ts';
import type { Deadline } from './client-options.ts';
import type { Clock } from './clock.ts';
import { DEADLINE_HEADERS, type DeadlineFormat, parseDeadline } from './http/deadline-header.ts';
import { isToken } from './http/token.ts';
import { resolveTools } from './options.ts';

/** The options of {@link incomingDeadline}. */
export interface IncomingDeadlineOptions {
  /** Most milliseconds that an incoming request gets, whatever it asks for. Default `Infinity`. */
  readonly maxMs?: number;
  /** How the header says it: `"ms"` (default), whole milliseconds, or `"grpc"`, as gRPC does (`1500m`, `2S`). */
  readonly format?: DeadlineFormat;
  /** The header that says how many are left. Default `x-envoy-expected-rq-timeout-ms`; with `"grpc"`, `grpc-timeout`. */
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
  // The headers of Node's own requests are a plain object.
  checkMethods('request.headers', 'those of a Request', request?.headers, ['get']);
  checkKeys('incomingDeadline', options, ['maxMs', 'format', 'header', 'clock']);
  const format = checkChoice('incomingDeadline.format', options.format, ['ms', 'grpc']);
  const { header = DEADLINE_HEADERS[format] } = options;
  if (typeof header !== 'string' || !isToken(header)) {
    throw new TypeError(`incomingDeadline.header must be the name of a header, got ${show(header)}`);
  }
  const maxMs = checkNumber('incomingDeadline.maxMs', options.maxMs, Infinity, SPAN_MS);
  const { clock } = resolveTools({ clock: options.clock });
  const spanMs = Math.min(maxMs, parseDeadline(request.headers.get(header), format) ?? Infinity);
  const endsAt = clock.now() + spanMs;
  return {
    signal: signalAfter(spanMs, clock),
    remainingMs: () => endsAt - clock.now(),
  };
}

// Whoever asks for more has no deadline: a timer that long would only be kept, one for each request.
const LONGEST_MS = 86_400_000;

function signalAfter(spanMs: number, clock: Clock): AbortSignal {
  if (spanMs > LONGEST_MS) return new AbortController().signal;
  // There is nothing left to wait for.
  if (spanMs <= 0)
    return AbortSignal.abort(new DOMException('The deadline of the request was over when it came', 'TimeoutError'));
  return clock.timeoutSignal(spanMs);
}
