import type { Experiment } from './experiment.ts';
import { adaptiveLimit } from './experiments/adaptive-limit.ts';
import { breakerStrategies } from './experiments/breaker-strategies.ts';
import { bulkheadSizing } from './experiments/bulkhead-sizing.ts';
import { cascadingFailure } from './experiments/cascading-failure.ts';
import { halfOpen } from './experiments/half-open.ts';
import { hedging } from './experiments/hedging.ts';
import { metastableFailure } from './experiments/metastable-failure.ts';
import { retryAmplification } from './experiments/retry-amplification.ts';
import { staleIfError } from './experiments/stale-if-error.ts';
import { thunderingHerd } from './experiments/thundering-herd.ts';

/** All of them, in the order of docs/why.md. */
export const EXPERIMENTS: readonly Experiment[] = [
  retryAmplification,
  thunderingHerd,
  metastableFailure,
  cascadingFailure,
  halfOpen,
  bulkheadSizing,
  staleIfError,
  breakerStrategies,
  adaptiveLimit,
  hedging,
].map((each) => each as Experiment);
