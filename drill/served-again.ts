import type { Call } from './record.ts';

const SECOND_MS = 1_000;

/** Share of a second's calls that must be answered for callers to be served: the upstream has room for more. */
export const SERVED_SHARE = 0.5;

/**
 * Milliseconds from the upstream's return to the first answer after which callers stay served: from there to the
 * end, at least half of the calls of every second are answered. `undefined` if they are not served at the end, or if
 * less than a second is left to tell.
 */
export function servedAgainMs(calls: readonly Call[], recoveredAt: number, endsAt: number): number | undefined {
  const later = calls.filter(({ startedAt }) => startedAt >= recoveredAt).toSorted((a, b) => a.startedAt - b.startedAt);
  const seconds = later.filter(({ startedAt }) => startedAt + SECOND_MS <= endsAt).map(({ startedAt }) => startedAt);
  const lastPoor = seconds.findLastIndex((from) => !isServed(later, from));
  // Poor to the end, or no whole second to judge: there is no second that good ones could begin with.
  const goodFrom = seconds[lastPoor + 1] ?? Infinity;
  const first = later.find(({ startedAt, answered }) => answered && startedAt >= goodFrom);
  return first === undefined ? undefined : first.endedAt - recoveredAt;
}

function isServed(calls: readonly Call[], from: number): boolean {
  const second = calls.filter(({ startedAt }) => from <= startedAt && startedAt < from + SECOND_MS);
  return second.filter(({ answered }) => answered).length >= SERVED_SHARE * second.length;
}
