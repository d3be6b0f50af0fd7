import type { FailureKind, RejectedEvent } from '../events.ts';
import type { Outcome } from '../model/outcome.ts';

interface MarkBase {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** How many it stands for: those alike of one second, where there are many. */
  count: number;
}

/** One trip to the network. */
export interface AttemptMark extends MarkBase {
  readonly kind: 'attempt';
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly durationMs: number;
  readonly status: number | undefined;
  readonly failure: FailureKind | undefined;
}

/** A call that never left. */
export interface RefusedMark extends MarkBase {
  readonly kind: 'refused';
  readonly code: RejectedEvent['code'];
}

/** An answer without the network, or in its place. */
export interface InsteadMark extends MarkBase {
  readonly kind: 'stored' | 'default';
  readonly ageMs: number;
  /** Why it is second best; `undefined` if it is not. */
  readonly reason: string | undefined;
}

/** Something that happened to a dependency, as a picture can show it. */
export type Mark = AttemptMark | RefusedMark | InsteadMark;

/** What marks have to have in common for one to stand for the others: they would be drawn on top of each other. */
export function likeness(mark: Mark): string {
  if (mark.kind === 'refused') return mark.code;
  if (mark.kind !== 'attempt') return `${mark.kind} ${mark.reason ?? ''}`;
  const { attempt, outcome, durationMs, status, failure } = mark;
  // Ten to an order of magnitude: about three pixels.
  const size = Math.round(Math.log10(Math.max(1, durationMs)) * 10);
  return `${outcome} ${attempt > 1} ${status} ${failure} ${size}`;
}
