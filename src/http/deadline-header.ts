/**
 * How a header says what is left of a deadline: whole milliseconds, or as gRPC does (`1500m`, `2S`).
 * @inline
 */
export type DeadlineFormat = 'ms' | 'grpc';

/** The header that says it: Envoy's, which service meshes read, and gRPC's. */
export const DEADLINE_HEADERS: Readonly<Record<DeadlineFormat, string>> = {
  ms: 'x-envoy-expected-rq-timeout-ms',
  grpc: 'grpc-timeout',
};

// In ms (gRPC over HTTP/2, "Timeout").
const GRPC_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const MOST_GRPC = 99_999_999;

/** The milliseconds that a deadline header allows; `undefined` if it is none, or garbage. Of several, the shortest. */
export function parseDeadline(header: string | null, format: DeadlineFormat): number | undefined {
  const spans = (header ?? '').split(',').map((part) => parseSpan(part.trim(), format));
  const valid = spans.filter((span) => span !== undefined);
  return valid.length === 0 ? undefined : Math.min(...valid);
}

/** What is left of a deadline, for the next hop: never more than there is. */
export function formatDeadline(remainingMs: number, format: DeadlineFormat): string {
  const ms = Math.max(0, Math.floor(remainingMs));
  // As many digits as are read.
  if (format === 'ms') return String(Math.min(ms, 999_999_999_999_999));
  const unit = ['m', 'S', 'M'].find((each) => ms / Number(GRPC_UNITS[each]) <= MOST_GRPC) ?? 'H';
  return `${Math.min(MOST_GRPC, Math.floor(ms / Number(GRPC_UNITS[unit])))}${unit}`;
}

function parseSpan(text: string, format: DeadlineFormat): number | undefined {
  if (format === 'ms') return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  const [, value, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return value === undefined ? undefined : Number(value) * Number(GRPC_UNITS[unit]);
}
