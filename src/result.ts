import { SteadfetchError } from './errors.ts';

/** What an answer is that is not what was asked for, and why. */
export interface Degradation {
  /** A stored answer, or the default that the caller provided. */
  readonly source: 'cache' | 'default';
  /**
   * What stood in the way of a fresh one, in a word: `status-503`, `network`, `offline`, or the code of the error, as
   * `circuit-open`, `deadline-exceeded`.
   */
  readonly reason: string;
  /** Age of a stored answer in ms, to the second; 0 for a default. */
  readonly ageMs: number;
}

/** A value, and whether it is what was asked for or the next best thing. */
export interface Result<T> {
  /** The parsed body, or a stored or default one in its place. */
  readonly value: T;
  /** Whether it is not what was asked for, but second best. */
  readonly degraded: boolean;
  /** How and why, if it is degraded. */
  readonly degradation?: Degradation;
  /** The answer it was read from; its body is used. */
  readonly response: Response;
}

/** A {@link Result} of what is not HTTP. */
export type FallbackResult<T> = Omit<Result<T>, 'response'>;

/** The word for an error of ours, or else `other`. Never a message: it may carry what nobody else should see. */
export function reasonOf(error: unknown, other: string): string {
  return error instanceof SteadfetchError ? error.code.toLowerCase().replaceAll('_', '-') : other;
}
