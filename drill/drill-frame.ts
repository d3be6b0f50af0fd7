import type { Paint } from './paint.ts';
import { type DrillRecord, endsAt } from './record.ts';
import type { ScreenSize } from './screen.ts';
import { phaseAt } from './script.ts';
import { CIRCUIT_KEY, circuitLine, phaseLine, progressLine, secondsLine } from './time-axis.ts';
import { type Page, trackPlot } from './track-plot.ts';

/** The drill at an instant, as lines for the screen. */
export function drillFrame(record: DrillRecord, nowMs: number, size: ScreenSize, paint: Paint): readonly string[] {
  const { phases } = record;
  const spanMs = endsAt(record);
  // Six lines around the plots; a contender has its latency, a line of answers, and its load.
  const perTrack = Math.floor((size.rows - 6) / record.tracks.length);
  const loadRows = perTrack >= 7 ? 2 : 1;
  const latencyRows = Math.min(8, Math.max(2, perTrack - 1 - loadRows));
  const phase = phases[phaseAt(phases, nowMs)];
  const seconds = (ms: number): string => (Math.max(0, ms) / 1_000).toFixed(1);
  const left =
    nowMs < spanMs ? `${seconds((phase?.endsAt ?? 0) - nowMs)} s left in this phase` : 'waiting for the last calls';
  return [
    paint('bold', ` steadfetch outage drill   ${seconds(Math.min(nowMs, spanMs))} of ${seconds(spanMs)} s; ${left}`),
    ` ${paint('bold', phase?.label ?? '')}: the upstream ${phase?.story}`,
    phaseLine(phases, size.columns),
    progressLine(nowMs, spanMs, size.columns, paint),
    ...charts(record, nowMs, pageOf(record, size.columns, latencyRows, loadRows, paint)),
    paint('dim', ` ${CIRCUIT_KEY}   Ctrl-C stops`),
  ];
}

/** The whole drill, for the closing report. */
export function closingCharts(record: DrillRecord, width: number, paint: Paint): readonly string[] {
  return [
    phaseLine(record.phases, width),
    ...charts(record, endsAt(record), pageOf(record, width, 4, 2, paint)),
    secondsLine(endsAt(record), width),
  ];
}

function charts(record: DrillRecord, nowMs: number, page: Page): readonly string[] {
  return [
    ...record.tracks.flatMap((track) => trackPlot(track, page)),
    circuitLine(record.circuit, nowMs, page.spanMs, page.width, page.paint),
  ];
}

function pageOf(record: DrillRecord, width: number, latencyRows: number, loadRows: number, paint: Paint): Page {
  return {
    width,
    latencyRows,
    loadRows,
    spanMs: endsAt(record),
    // Three times the load is what naive retry makes of it in the long run; bursts go beyond.
    mostPerSecond: record.ratePerSecond * 4,
    paint,
  };
}
