import { closingCharts } from './drill-frame.ts';
import { ATTEMPT_TIMEOUT_MS, CLIENT_OPTIONS, MAX_ATTEMPTS, NAIVE_PAUSE_MS } from './limits.ts';
import type { Paint } from './paint.ts';
import { reading } from './reading.ts';
import { type DrillRecord, endsAt } from './record.ts';
import { lengthMs, MAX_QUEUED, OUTAGE, recoveredAt, WORKERS } from './script.ts';
import { SERVED_SHARE } from './served-again.ts';
import { type Summary, summarise } from './statistics.ts';
import { table } from './table.ts';
import { percent, ratio, span, wrap } from './text.ts';
import { CIRCUIT_KEY } from './time-axis.ts';

/** Beyond this, a lag of the load says more about this machine than about the contenders, in ms. */
const BUSY_MS = 250;

/** Everything the drill has found, as lines of at most `width` characters. */
export function drillReport(record: DrillRecord, width: number, paint: Paint): readonly string[] {
  const summaries = record.tracks.map((track) => summarise(track, record.phases, recoveredAt(record.phases)));
  const calls = record.tracks[0]?.calls.length ?? 0;
  return [
    ...wrap(`The outage drill: ${calls} calls from each of three callers, ${record.ratePerSecond} a second.`, width),
    '',
    ...closingCharts(record, width, paint),
    ...chartKey(width).map((line) => paint('dim', line)),
    '',
    ...closingTable(summaries),
    '',
    ...phaseTable(summaries),
    '',
    ...definitions(record, width).map((line) => paint('dim', line)),
    '',
    ...caveats(record).flatMap((line) => wrap(line, width)),
    ...wrap(reading(summaries), width),
  ];
}

function chartKey(width: number): readonly string[] {
  const key = [
    'For each: how long every call took, by when it was made (log scale, failures included)',
    'the share of calls answered (· none)',
    'requests/s at its upstream',
    `the circuit: ${CIRCUIT_KEY}`,
  ];
  return wrap(`${key.join('; ')}.`, width);
}

export function closingTable(summaries: readonly Summary[]): readonly string[] {
  return table([
    ['', '', '', 'answer in', '', 'failure in', 'requests', 'served'],
    ['', 'answered', 'p50', 'p99', 'p50', 'p99', 'per call', 'again'],
    'rule',
    ...summaries.map((each) => [
      each.name,
      percent(each.answered, 1),
      span(each.toAnswer.p50),
      span(each.toAnswer.p99),
      span(each.toFailure.p50),
      span(each.toFailure.p99),
      ratio(each.seenPerCall),
      each.servedAgainMs === undefined ? 'never' : span(each.servedAgainMs),
    ]),
    'rule',
  ]);
}

export function phaseTable(summaries: readonly Summary[]): readonly string[] {
  const labels = summaries[0]?.phases.map(({ label }) => label) ?? [];
  return table([
    ['answered', ...labels],
    'rule',
    ...summaries.map(({ name, phases }) => [name, ...phases.map(({ answered }) => percent(answered))]),
    'rule',
    ['requests per call', ...labels],
    'rule',
    ...summaries.map(({ name, phases }) => [name, ...phases.map(({ seenPerCall }) => ratio(seenPerCall))]),
    'rule',
  ]);
}

function definitions({ phases }: DrillRecord, width: number): readonly string[] {
  const { deadlineMs, bulkhead, breaker } = CLIENT_OPTIONS;
  const open = `${span(breaker.resetTimeoutMs)} to ${span(breaker.maxResetTimeoutMs)}`;
  const ours = [
    `${span(deadlineMs)} in all`,
    `${bulkhead.maxConcurrent} at once and ${bulkhead.maxQueued} waiting`,
    `${breaker.failureThreshold} failures in a row open its circuit for ${open}`,
  ];
  const process = `a process for each, so that none disturbs another: ${WORKERS} workers, ${MAX_QUEUED} may wait`;
  const entries = [
    ['answered', 'calls whose caller got its data, of all calls made'],
    ['answer in', 'how long callers waited for their data: half of them (p50) and 99 % (p99) no longer'],
    ['failure in', 'how long callers waited to learn that there will be none'],
    ['requests', 'what the upstream saw, whatever became of it, per call made'],
    [
      'served again',
      `from its return ("recover") until ${percent(SERVED_SHARE)} of calls are answered each second, for good`,
    ],
    ['by phase', 'calls by when they were made, with all that came of them later'],
    ['bare fetch', `fetch with AbortSignal.timeout(${ATTEMPT_TIMEOUT_MS}); its status checked, its body read as JSON`],
    ['naive retry', `that, up to ${MAX_ATTEMPTS} times, ${NAIVE_PAUSE_MS} ms apart`],
    ['steadfetch', `client.json: as long per request and as often, ${ours.join(', ')}`],
    ['phases', phases.map(({ label, story }) => `${label}: ${story}`).join('; ')],
    ['upstream', `${process}; it does not notice when a caller gives up`],
  ];
  return entries.flatMap(([term = '', text = '']) => definition(term, text, width));
}

const TERM = 14;

/** A term, and its meaning flush beside it. */
function definition(term: string, text: string, width: number): readonly string[] {
  return wrap(text, width - TERM).map((line, index) => (index === 0 ? term : '').padEnd(TERM) + line);
}

const NO_COMPARISON = "These figures can't be compared with those of a full drill.";

/** What a reader has to know before believing the figures. */
function caveats(record: DrillRecord): readonly string[] {
  const notes: string[] = [];
  if (endsAt(record) < lengthMs(OUTAGE) - 1) {
    const lengths = `took ${span(endsAt(record))} instead of ${span(lengthMs(OUTAGE))}`;
    notes.push(`Shortened: the outage ${lengths}, while all timeouts stayed as they are. ${NO_COMPARISON}`, '');
  }
  if (record.latestMs > BUSY_MS) {
    const late = `some calls left up to ${span(record.latestMs)} late`;
    notes.push(`This machine was busy: ${late}, and latencies include its delays.`, '');
  }
  return notes;
}
