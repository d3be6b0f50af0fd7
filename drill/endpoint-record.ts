import type { CircuitMark, Track } from './record.ts';

export interface EndpointPlan {
  readonly url: URL;
  readonly ratePerSecond: number;
  readonly lastsMs: number;
}

/** All that is known of a run against the user's endpoint. Grows while it runs. */
export interface EndpointRecord {
  readonly plan: EndpointPlan;
  readonly track: Track;
  readonly circuit: CircuitMark[];
  /** Calls by what came of them. */
  readonly results: Map<string, number>;
  /** Requests sent, retries included. */
  requests: number;
  retries: number;
  /** Calls that never left. */
  refused: number;
}
