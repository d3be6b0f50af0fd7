import type { Colour, Paint } from './paint.ts';
import { bars, type Cell, logShare, scatter } from './plot.ts';
import type { Track } from './record.ts';
import { answeredSeries, type Series, seenSeries } from './series.ts';
import { answeredShare, waits } from './statistics.ts';
import { percent, ratio, span } from './text.ts';

/** Latency is drawn on a logarithmic scale between these, in ms; what is quicker sits on the floor. */
const FLOOR_MS = 10;
const CEILING_MS = 4_000;

const GUTTER = 17;
const AXIS = 7;

/** What a line of a chart starts with: a text at the left, a mark of the scale at the plot. */
export function gutter(text = '', scale = ''): string {
  return ` ${text.padEnd(GUTTER - 1)}${scale.padStart(AXIS - 1)} `;
}

/** Characters left for a plot in lines of `width`. */
export function plotColumns(width: number): number {
  return Math.max(10, width - GUTTER - AXIS - 1);
}

/** What all charts on a page share. */
export interface Page {
  readonly width: number;
  readonly latencyRows: number;
  readonly loadRows: number;
  /** Milliseconds from the left edge of each plot to the right. */
  readonly spanMs: number;
  /** Requests per second that fill the load plot. */
  readonly mostPerSecond: number;
  readonly paint: Paint;
}

const COLOURS: Readonly<Record<string, Colour>> = { 'bare fetch': 'yellow', 'naive retry': 'magenta' };

/** One contender over time: what its callers waited, how many got their answer, how often its upstream was asked. */
export function trackPlot(track: Track, page: Page): readonly string[] {
  const columns = plotColumns(page.width);
  const colour = COLOURS[track.name] ?? 'cyan';
  return [
    ...latencyLines(track, colour, columns, page),
    answeredLine(track, columns, page),
    ...loadLines(track, colour, columns, page),
  ];
}

function latencyLines(track: Track, colour: Colour, columns: number, page: Page): readonly string[] {
  const { latencyRows, spanMs, paint } = page;
  const dots = track.calls.map(({ startedAt, endedAt, answered }) => ({
    x: startedAt / spanMs,
    y: logShare(endedAt - startedAt, FLOOR_MS, CEILING_MS),
    failed: !answered,
  }));
  const answered = waits(track.calls.filter((call) => call.answered));
  const texts = [track.name, `p50 ${span(answered.p50)}`, `p99 ${span(answered.p99)}`];
  return scatter(dots, columns, latencyRows).map((cells, row) => {
    const scale = row === 0 ? '4 s' : row === latencyRows - 1 ? '10 ms' : '';
    const start = gutter(texts[row], scale);
    return (row === 0 ? paint(colour, start) : start) + paintCells(cells, colour, paint);
  });
}

/** Runs of one colour are painted together. */
function paintCells(cells: readonly Cell[], colour: Colour, paint: Paint): string {
  let line = '';
  let run = '';
  let failing = false;
  for (const { character, failed } of cells) {
    if (failed !== failing && character !== ' ') {
      line += paint(failing ? 'red' : colour, run);
      run = '';
      failing = failed;
    }
    run += character;
  }
  return line + paint(failing ? 'red' : colour, run);
}

function answeredLine(track: Track, columns: number, { spanMs, paint }: Page): string {
  const series = answeredSeries(track.calls, spanMs, columns);
  const text = `answered ${percent(answeredShare(track.calls))}`;
  return gutter(text) + paintBars(series, paint);
}

function paintBars(series: Series, paint: Paint): string {
  return series
    .map((share) => {
      const colour: Colour = share === undefined || share >= 0.9 ? 'green' : share >= 0.5 ? 'yellow' : 'red';
      return paint(colour, bars([share], 1, 1)[0] ?? '');
    })
    .join('');
}

function loadLines(track: Track, colour: Colour, columns: number, page: Page): readonly string[] {
  const { loadRows, spanMs, mostPerSecond, paint } = page;
  const seen = track.seen.at(-1)?.total ?? 0;
  const perCall = track.calls.length === 0 ? undefined : seen / track.calls.length;
  return bars(seenSeries(track.seen, spanMs, columns), mostPerSecond, loadRows).map((line, row) => {
    const start = row === 0 ? gutter(`load ${ratio(perCall)}/call`, `${mostPerSecond}/s`) : gutter();
    return start + paint(colour, line);
  });
}
