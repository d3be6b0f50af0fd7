import type { TimedPhase } from './script.ts';

/** One call, as its caller saw it. Instants are milliseconds since the drill began. */
export interface Call {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Whether the caller got its data. */
  readonly answered: boolean;
}

/** How many requests the upstream had seen at an instant. */
export interface SeenMark {
  readonly at: number;
  readonly total: number;
}

/** The circuit's state from an instant on. */
export interface CircuitMark {
  readonly at: number;
  readonly state: 'closed' | 'open' | 'half-open';
}

/** What one contender went through. Grows while the drill runs. */
export interface Track {
  readonly name: string;
  readonly calls: Call[];
  readonly seen: SeenMark[];
  /** Requests that its upstream saw, by phase. */
  seenByPhase: readonly number[];
}

/** All that is known of a drill; every picture and every figure is drawn from it. */
export interface DrillRecord {
  readonly phases: readonly TimedPhase[];
  readonly ratePerSecond: number;
  readonly tracks: readonly Track[];
  readonly circuit: CircuitMark[];
  /** The most by which a call left late, because this machine was busy. */
  latestMs: number;
}

export function endsAt({ phases }: Pick<DrillRecord, 'phases'>): number {
  return phases.at(-1)?.endsAt ?? 0;
}
