import type { EndpointRecord } from './endpoint-record.ts';
import type { Paint } from './paint.ts';
import type { ScreenSize } from './screen.ts';
import { table } from './table.ts';
import { percent, span } from './text.ts';
import { CIRCUIT_KEY, circuitLine, progressLine, secondsLine } from './time-axis.ts';
import { trackPlot } from './track-plot.ts';

/** The run at an instant, as lines for the screen. */
export function endpointFrame(
  record: EndpointRecord,
  nowMs: number,
  size: ScreenSize,
  paint: Paint,
): readonly string[] {
  const { url, lastsMs, ratePerSecond } = record.plan;
  const left = nowMs < lastsMs ? `${span(lastsMs - nowMs)} left` : 'waiting for the last calls';
  return [
    paint('bold', ` steadfetch   GET ${url.href}`),
    ` ${ratePerSecond} calls/s; ${left}; Ctrl-C ends it with the report`,
    '',
    progressLine(nowMs, lastsMs, size.columns, paint),
    ...endpointCharts(record, nowMs, size.columns, paint),
    paint('dim', ` ${CIRCUIT_KEY}`),
    '',
    ...resultTable(record).map((line) => ` ${line}`),
    '',
    ` ${record.requests} requests sent, ${record.retries} of them retries; ${record.refused} calls refused`,
  ];
}

export function endpointCharts(record: EndpointRecord, nowMs: number, width: number, paint: Paint): readonly string[] {
  const { lastsMs: spanMs, ratePerSecond } = record.plan;
  const page = { width, latencyRows: 5, loadRows: 2, spanMs, mostPerSecond: ratePerSecond * 2, paint };
  return [
    ...trackPlot(record.track, page),
    circuitLine(record.circuit, nowMs, spanMs, width, paint),
    secondsLine(spanMs, width),
  ];
}

/** Calls by what came of them, the most frequent first. */
export function resultTable({ results }: Pick<EndpointRecord, 'results'>): readonly string[] {
  const counts = [...results].toSorted(([, a], [, b]) => b - a);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return table([
    ['result', 'calls', 'share'],
    'rule',
    ...counts.map(([result, count]) => [result, `${count}`, percent(count / total, 1)]),
  ]);
}
