/** What an answer that did not come fresh from the network is, and why. */
export interface Degradation {
  /** A stored answer, or the default that the caller provided. */
  readonly source: 'cache' | 'default';
  /** What stood in the way of a fresh one. */
  readonly reason: string;
  /** Age of a stored answer in ms; 0 for a default. */
  readonly ageMs: number;
}

/** A value, and whether it is what was asked for or the next best thing. */
export interface Result<T> {
  readonly value: T;
  readonly degraded: boolean;
  readonly degradation?: Degradation;
  /** The answer it was read from; its body is used. */
  readonly response: Response;
}
