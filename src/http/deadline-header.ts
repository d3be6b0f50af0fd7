/** Milliseconds that are left for a request, as service meshes read it: Envoy's name for it. */
export const DEADLINE_HEADER = 'x-envoy-expected-rq-timeout-ms';

/** The milliseconds that a deadline header allows; `undefined` if it is none, or garbage. Of several, the shortest. */
export function parseDeadline(header: string | null): number | undefined {
  const spans = (header ?? '').split(',').map((part) => part.trim());
  const valid = spans.filter((span) => /^\d{1,15}$/.test(span)).map(Number);
  return valid.length === 0 ? undefined : Math.min(...valid);
}

/** What is left of a deadline, for the next hop: whole milliseconds, never more than there are. */
export function formatDeadline(remainingMs: number): string {
  return String(Math.max(0, Math.floor(remainingMs)));
}
