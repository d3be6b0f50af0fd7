import type { CircuitState } from '../model/circuit.ts';
import type { DependencySnapshot } from '../snapshot.ts';
import { SOURCES, type Source } from './answers.ts';
import type { Mark } from './mark.ts';
import type { CircuitSpan, Track } from './track.ts';
import { counted, failureInWords, grouped, lastSpanInWords, latencyInWords, spanInWords, timeOfDay } from './words.ts';

/** One dependency, as it is known at an instant. */
export interface Subject {
  readonly name: string;
  /** `undefined`: the client remembers nothing of it. */
  readonly dependency: DependencySnapshot | undefined;
  readonly track: Track | undefined;
}

/** An amount against its limit: `limit` is `null` where there is none. */
export interface Gauge {
  readonly amount: number;
  readonly limit: number | null;
  readonly text: string;
}

/** Everything that a panel says about a dependency: which, since when, why, and what users got. */
export interface View {
  readonly state: CircuitState | 'none';
  /** Since when: `for 12 s, since 14:03:22`. */
  readonly since: string;
  /** Why, in a line: `503, 4 s ago; next probe in 8 s`. */
  readonly why: string;
  /** Since when it has not been well, if that is longer than its circuit is in this state. */
  readonly trouble: string;
  readonly gotten: string;
  readonly sources: readonly { readonly source: Source; readonly count: number; readonly text: string }[];
  readonly running: Gauge;
  readonly queued: Gauge;
  readonly retries: string;
  readonly latency: string;
  readonly failures: string;
}

/** How urgently it wants to be looked at: 0 is first. */
export function urgency({ dependency }: Subject, now: number, spanMs: number): number {
  const state = dependency?.breaker?.state;
  if (state === 'open') return 0;
  if (state === 'half-open') return 1;
  // As far ahead as behind: the clock has been put back since.
  return Math.abs(now - (dependency?.lastFailure?.at ?? -Infinity)) <= spanMs ? 2 : 3;
}

/** Those in trouble first, and else in the order in which they came. */
export function byUrgency(subjects: readonly Subject[], now: number, spanMs: number): Subject[] {
  const ranks: Subject[][] = [[], [], [], []];
  for (const subject of subjects) ranks[urgency(subject, now, spanMs)]?.push(subject);
  return ranks.flat();
}

export function viewOf({ dependency, track }: Subject, now: number, spanMs: number): View {
  const from = now - spanMs;
  const current = track?.stateAt(now);
  const state = dependency?.breaker?.state ?? current?.state ?? 'none';
  const totals = track?.answers.totals(from, now);
  const sources = SOURCES.map((source) => ({ source, count: totals?.[source] ?? 0 }));
  const answers = sources.reduce((sum, { count }) => sum + count, 0);
  const marks = (track?.marks ?? []).filter(({ at }) => at >= from && at <= now);
  return {
    state,
    since: sinceInWords(state, current, now),
    why: whyInWords(dependency, now),
    trouble: troubleInWords(dependency, track, current, now),
    gotten:
      answers === 0
        ? `no answers in ${lastSpanInWords(spanMs)}`
        : `${counted(answers, 'answer')} in ${lastSpanInWords(spanMs)}`,
    sources: sources.map(({ source, count }) => ({ source, count, text: `${grouped(count)} ${SOURCE_WORDS[source]}` })),
    running: gauge(dependency?.running ?? 0, dependency?.maxConcurrent ?? null, 'running'),
    queued: gauge(dependency?.queued ?? 0, dependency?.maxQueued ?? null, 'waiting'),
    retries: retriesInWords(dependency, totals?.retries ?? 0),
    latency: latencyOf(marks),
    failures: failuresIn(marks),
  };
}

const SOURCE_WORDS: Readonly<Record<Source, string>> = {
  network: 'from the network',
  stored: 'from the store',
  degraded: 'degraded, from the store',
  default: 'answered by the default',
  failed: 'failed',
};

function sinceInWords(state: View['state'], current: CircuitSpan | undefined, now: number): string {
  if (state === 'none' || current === undefined || current.state !== state || current.from === -Infinity) return '';
  return `for ${spanInWords(now - current.from)}, since ${timeOfDay(current.from)}`;
}

function whyInWords(dependency: DependencySnapshot | undefined, now: number): string {
  const { breaker, lastFailure } = dependency ?? { breaker: null, lastFailure: null };
  const failure =
    lastFailure === null
      ? []
      : [`${failureInWords(lastFailure.failure, lastFailure.status)}, ${spanInWords(now - lastFailure.at)} ago`];
  return [...failure, ...outlook(breaker)].join('; ');
}

/** What comes next, if the circuit is not closed. */
function outlook(breaker: DependencySnapshot['breaker']): string[] {
  if (breaker?.state === 'half-open') return ['a probe decides'];
  if (breaker?.state !== 'open') return [];
  const { retryAfterMs } = breaker;
  if (retryAfterMs === null) return ['kept open by hand'];
  return [retryAfterMs > 0 ? `next probe in ${spanInWords(retryAfterMs + 999)}` : 'the next call is a probe'];
}

function troubleInWords(
  dependency: DependencySnapshot | undefined,
  track: Track | undefined,
  current: CircuitSpan | undefined,
  now: number,
): string {
  const trouble = track?.trouble;
  if (trouble === undefined || trouble.since > now || current === undefined || current.state === 'closed') return '';
  if (trouble.isExact && trouble.since === current.from) return '';
  const probes = dependency?.breaker?.failedProbes ?? 0;
  const failed = probes === 0 ? '' : `; ${counted(probes, 'probe')} failed since`;
  const or = trouble.isExact ? '' : ', or earlier';
  return `not well for ${spanInWords(now - trouble.since)}, since ${timeOfDay(trouble.since)}${or}${failed}`;
}

function gauge(amount: number, limit: number | null, what: string): Gauge {
  const of = limit === null ? '' : ` of ${grouped(limit)}`;
  return { amount, limit, text: `${grouped(amount)}${of} ${what}` };
}

function retriesInWords(dependency: DependencySnapshot | undefined, retries: number): string {
  const available = dependency?.retriesAvailable ?? null;
  const more = available === null ? 'no budget bounds them' : `${grouped(available)} more would be granted`;
  return `${counted(retries, 'retry', 'retries')}, ${more}`;
}

/** Of the attempts that were answered. */
function latencyOf(marks: readonly Mark[]): string {
  const answered = marks.flatMap((mark) => (mark.kind === 'attempt' && mark.status !== undefined ? [mark] : []));
  if (answered.length === 0) return 'no attempt was answered';
  const sorted = answered.sort((one, other) => one.durationMs - other.durationMs);
  const all = sorted.reduce((sum, { count }) => sum + count, 0);
  let seen = 0;
  const middle = sorted.find(({ count }) => {
    seen += count;
    return seen * 2 >= all;
  });
  const slowest = sorted.at(-1)?.durationMs ?? 0;
  return `median ${latencyInWords(middle?.durationMs ?? slowest)}, slowest ${latencyInWords(slowest)}`;
}

// The commonest; what is rare would only hide them.
const MOST_REASONS = 3;

function failuresIn(marks: readonly Mark[]): string {
  const reasons = new Map<string, number>();
  for (const mark of marks) {
    if (mark.kind !== 'attempt' || mark.outcome !== 'failure') continue;
    const reason = failureInWords(mark.failure, mark.status);
    reasons.set(reason, (reasons.get(reason) ?? 0) + mark.count);
  }
  const sorted = [...reasons].sort(([, one], [, other]) => other - one).slice(0, MOST_REASONS);
  if (sorted.length === 0) return 'no attempt failed';
  const more = reasons.size > MOST_REASONS ? ', and others' : '';
  return `${sorted.map(([reason, count]) => `${grouped(count)} × ${reason}`).join(', ')}${more}`;
}
