import type { Paint } from './paint.ts';
import type { CircuitMark } from './record.ts';
import type { TimedPhase } from './script.ts';
import { circuitSeries } from './series.ts';
import { gutter, plotColumns } from './track-plot.ts';

/** The phases by name, each above the columns in which it runs. */
export function phaseLine(phases: readonly TimedPhase[], width: number): string {
  const columns = plotColumns(width);
  const spanMs = phases.at(-1)?.endsAt ?? 1;
  const edge = (at: number): number => Math.round((at / spanMs) * columns);
  const names = phases.map(({ label, startsAt, endsAt }) => {
    const room = edge(endsAt) - edge(startsAt);
    return `│${label}`.slice(0, room).padEnd(room);
  });
  return gutter('phase') + names.join('');
}

/** How much of the run is over. */
export function progressLine(nowMs: number, spanMs: number, width: number, paint: Paint): string {
  const columns = plotColumns(width);
  const done = Math.min(columns, Math.floor((nowMs / spanMs) * columns));
  return gutter() + paint('green', '━'.repeat(done)) + paint('dim', '─'.repeat(columns - done));
}

const STATES = {
  closed: { mark: '─', colour: 'green' },
  'half-open': { mark: '▒', colour: 'yellow' },
  open: { mark: '█', colour: 'red' },
} as const;

/** The circuit's state over time. */
export function circuitLine(
  marks: readonly CircuitMark[],
  nowMs: number,
  spanMs: number,
  width: number,
  paint: Paint,
): string {
  const states = circuitSeries(marks, nowMs, spanMs, plotColumns(width));
  const strip = states.map((state) => (state === undefined ? ' ' : paint(STATES[state].colour, STATES[state].mark)));
  return gutter('its circuit') + strip.join('');
}

export const CIRCUIT_KEY: string = Object.entries(STATES)
  .map(([state, { mark }]) => `${mark} ${state}`)
  .join('  ');

/** The seconds, beneath their columns. */
export function secondsLine(spanMs: number, width: number): string {
  const columns = plotColumns(width);
  const everyMs =
    [1_000, 2_000, 5_000, 10_000, 20_000, 60_000].find((step) => (step / spanMs) * columns >= 8) ?? 120_000;
  let line = '';
  for (let at = 0; at < spanMs; at += everyMs) {
    const column = Math.floor((at / spanMs) * columns);
    const text = `${at / 1_000} s`;
    if (column + text.length <= columns) line = line.padEnd(column) + text;
  }
  return gutter('time') + line;
}
