import { endpointCharts, resultTable } from './endpoint-frame.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import { CLIENT_OPTIONS } from './limits.ts';
import type { Paint } from './paint.ts';
import type { Call, CircuitMark } from './record.ts';
import { percentile } from './statistics.ts';
import { table } from './table.ts';
import { list, span, wrap } from './text.ts';
import { CIRCUIT_KEY } from './time-axis.ts';

/** What a run against the user's endpoint has found, after `tookMs`. */
export function endpointReport(record: EndpointRecord, tookMs: number, width: number, paint: Paint): readonly string[] {
  const { plan, track, requests, retries, refused, circuit } = record;
  return [
    `GET ${plan.url.href}: ${track.calls.length} calls in ${span(tookMs)}, ${plan.ratePerSecond} a second`,
    '',
    ...endpointCharts(record, tookMs, width, paint),
    ...wrap(`Every call's time (log scale), share answered, requests/s sent. Circuit: ${CIRCUIT_KEY}.`, width).map(
      (line) => paint('dim', line),
    ),
    '',
    ...resultTable(record),
    '',
    ...latencyTable(track.calls),
    '',
    `requests  ${requests} sent, ${retries} of them retries; ${refused} calls refused without one`,
    ...wrap(`circuit   ${circuitStory(circuit)}`, width),
    ...wrap(`client    ${clientStory()}`, width),
  ];
}

function latencyTable(calls: readonly Call[]): readonly string[] {
  const row = (name: string, answered: boolean): readonly string[] => {
    const spans = calls.filter((call) => call.answered === answered).map((call) => call.endedAt - call.startedAt);
    return [name, `${spans.length}`, ...[0.5, 0.9, 0.99, 1].map((share) => span(percentile(spans, share)))];
  };
  return table([
    ['latency', 'calls', 'p50', 'p90', 'p99', 'longest'],
    'rule',
    row('2xx, body read', true),
    row('anything else', false),
  ]);
}

const MOST_CHANGES = 12;

/** The circuit's states in order, with the seconds at which they began; of many, the last. */
export function circuitStory([first, ...changes]: readonly CircuitMark[]): string {
  if (changes.length === 0) return `${first?.state ?? 'closed'} throughout`;
  const told = changes.slice(-MOST_CHANGES).map(({ at, state }) => `${state} at ${(at / 1_000).toFixed(1)} s`);
  return changes.length > MOST_CHANGES ? `${changes.length} changes, at last ${list(told)}` : list(told);
}

function clientStory(): string {
  const { deadlineMs, attemptTimeoutMs, bulkhead, breaker, retry } = CLIENT_OPTIONS;
  return list([
    `${span(attemptTimeoutMs)} per request`,
    `${span(deadlineMs)} and up to ${retry.maxAttempts} requests per call`,
    `${bulkhead.maxConcurrent} calls at once`,
    `${bulkhead.maxQueued} waiting`,
    `${breaker.failureThreshold} failures in a row to open the circuit`,
  ]);
}
