import type { Call, Track } from './record.ts';
import type { TimedPhase } from './script.ts';
import { seenPerSecond } from './series.ts';
import { servedAgainMs } from './served-again.ts';

/** The value that `share` of the values do not exceed (nearest rank); `undefined` of nothing. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** What a list of waits comes to, in ms. */
export interface Waits {
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

export function waits(calls: readonly Call[]): Waits {
  const spans = calls.map(({ startedAt, endedAt }) => endedAt - startedAt);
  return { p50: percentile(spans, 0.5), p99: percentile(spans, 0.99) };
}

/** Share of the calls that were answered; `undefined` without calls. */
export function answeredShare(calls: readonly Call[]): number | undefined {
  if (calls.length === 0) return undefined;
  return calls.filter(({ answered }) => answered).length / calls.length;
}

export interface PhaseSummary {
  readonly label: string;
  readonly answered: number | undefined;
  /** Requests that the upstream saw of calls made in this phase, per call; `undefined` without calls. */
  readonly seenPerCall: number | undefined;
  /** Requests that came during this phase, retries of earlier calls included. */
  readonly seenPerSecond: number;
}

/** The closing figures of one contender. */
export interface Summary {
  readonly name: string;
  readonly calls: number;
  readonly answered: number | undefined;
  readonly toAnswer: Waits;
  readonly toFailure: Waits;
  readonly seenPerCall: number | undefined;
  readonly servedAgainMs: number | undefined;
  readonly phases: readonly PhaseSummary[];
}

export function summarise(track: Track, phases: readonly TimedPhase[], recoveredAt: number): Summary {
  const { name, calls, seenByPhase } = track;
  return {
    name,
    calls: calls.length,
    answered: answeredShare(calls),
    toAnswer: waits(calls.filter(({ answered }) => answered)),
    toFailure: waits(calls.filter(({ answered }) => !answered)),
    seenPerCall: perCall(sum(seenByPhase), calls.length),
    servedAgainMs: servedAgainMs(calls, recoveredAt, phases.at(-1)?.endsAt ?? 0),
    phases: phases.map((phase, index) => summarisePhase(phase, track, seenByPhase[index] ?? 0)),
  };
}

function summarisePhase(
  { label, startsAt, endsAt }: TimedPhase,
  { calls, seen }: Track,
  requests: number,
): PhaseSummary {
  const made = calls.filter((call) => startsAt <= call.startedAt && call.startedAt < endsAt);
  return {
    label,
    answered: answeredShare(made),
    seenPerCall: perCall(requests, made.length),
    seenPerSecond: seenPerSecond(seen, startsAt, endsAt),
  };
}

function perCall(requests: number, calls: number): number | undefined {
  return calls === 0 ? undefined : requests / calls;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
