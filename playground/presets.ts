/** A policy to begin with. */
export interface Preset {
  readonly name: string;
  readonly text: string;
}

const FIRST: Preset = {
  name: 'README, with a store',
  text: `{
  name: 'user-service',
  deadlineMs: 2_000, // the whole call
  bulkhead: { maxConcurrent: 20, maxQueued: 20 },
  breaker: {
    failureThreshold: 5,
    successThreshold: 2,
    resetTimeoutMs: 10_000,
  },
  retry: {
    maxAttempts: 3,
    initialDelayMs: 100,
    maxDelayMs: 5_000,
  },
  attemptTimeoutMs: 500,
  // good answers are kept, for bad times
  fallback: { store: 'memory' },
}`,
};

export const presets: readonly [Preset, ...Preset[]] = [
  FIRST,
  {
    name: 'All defaults',
    text: `{
  // What is left out has its default:
  // 30 s for a call, 10 s for an attempt,
  // 3 attempts, 5 failures to open.
}`,
  },
  {
    name: 'No resilience',
    text: `{
  // All layers off: a bare fetch.
  deadlineMs: false,
  bulkhead: false,
  breaker: false,
  retry: false,
  attemptTimeoutMs: false,
}`,
  },
  {
    name: 'Retries alone',
    text: `{
  // What makes bad times worse: look at
  // the requests per call.
  deadlineMs: false,
  bulkhead: false,
  breaker: false,
  retry: { maxAttempts: 5, budget: false },
  attemptTimeoutMs: 1_000,
}`,
  },
  {
    name: 'Impatient',
    text: `{
  // Shorter than one answer in four takes:
  // a server that is well looks broken.
  deadlineMs: 400,
  attemptTimeoutMs: 120,
  retry: { maxAttempts: 2, initialDelayMs: 20 },
  breaker: { failureThreshold: 3, resetTimeoutMs: 2_000 },
}`,
  },
  {
    name: 'Adaptive bulkhead',
    text: `{
  // As many calls at once as the server can
  // take, found out by how long they take.
  bulkhead: { maxConcurrent: 'adaptive', maxQueued: 10 },
  deadlineMs: 2_000,
  attemptTimeoutMs: 1_000,
}`,
  },
  {
    name: 'Hedged',
    text: `{
  // The slowest twentieth is sent once more,
  // and the first answer counts.
  hedge: { percentile: 0.95 },
  deadlineMs: 2_000,
  attemptTimeoutMs: 1_000,
}`,
  },
];
