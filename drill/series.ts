import type { Call, CircuitMark, SeenMark } from './record.ts';

/** Values over a run of `spanMs`, one per column; `undefined` where nothing is known (yet). */
export type Series = readonly (number | undefined)[];

/** The share of calls answered, by the column in which they were made. */
export function answeredSeries(calls: readonly Call[], spanMs: number, columns: number): Series {
  const made = new Array<number>(columns).fill(0);
  const answered = new Array<number>(columns).fill(0);
  for (const call of calls) {
    const column = Math.floor((call.startedAt / spanMs) * columns);
    made[column] = (made[column] ?? 0) + 1;
    if (call.answered) answered[column] = (answered[column] ?? 0) + 1;
  }
  return made.slice(0, columns).map((count, column) => (count === 0 ? undefined : (answered[column] ?? 0) / count));
}

/** Requests per second that the upstream saw in each column. Between two marks, they came evenly. */
export function seenSeries(marks: readonly SeenMark[], spanMs: number, columns: number): Series {
  const knownUntil = marks.at(-1)?.at ?? 0;
  return Array.from({ length: columns }, (_, column) => {
    const to = ((column + 1) / columns) * spanMs;
    return to > knownUntil ? undefined : seenPerSecond(marks, to - spanMs / columns, to);
  });
}

/** Requests per second that the upstream saw between two instants. */
export function seenPerSecond(marks: readonly SeenMark[], from: number, to: number): number {
  return ((totalAt(marks, to) - totalAt(marks, from)) / (to - from)) * 1_000;
}

function totalAt(marks: readonly SeenMark[], at: number): number {
  const index = marks.findIndex((mark) => mark.at >= at);
  const after = marks[index];
  if (after === undefined) return marks.at(-1)?.total ?? 0;
  const before = marks[index - 1] ?? { at: 0, total: 0 };
  const share = after.at === before.at ? 1 : (at - before.at) / (after.at - before.at);
  return before.total + share * (after.total - before.total);
}

/** The circuit's states in each column, up to `nowMs`: a visit, however short, shows. */
export function circuitSeries(
  marks: readonly CircuitMark[],
  nowMs: number,
  spanMs: number,
  columns: number,
): readonly (CircuitMark['state'] | undefined)[] {
  const widthMs = spanMs / columns;
  return Array.from({ length: columns }, (_, column) => {
    const from = column * widthMs;
    if (from > nowMs) return undefined;
    const entered = marks.filter(({ at }) => from < at && at <= from + widthMs).map(({ state }) => state);
    const states = [marks.findLast(({ at }) => at <= from)?.state ?? 'closed', ...entered];
    return (['half-open', 'open', 'closed'] as const).find((state) => states.includes(state));
  });
}
