import type { Experiment } from './experiment.ts';
import { metastableFailure } from './experiments/metastable-failure.ts';
import { retryAmplification } from './experiments/retry-amplification.ts';

/** All of them, in the order of docs/why.md. */
export const EXPERIMENTS: readonly Experiment[] = [retryAmplification, metastableFailure].map(
  (each) => each as Experiment,
);
