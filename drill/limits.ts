import type { ClientOptions } from 'steadfetch';

/** How long all three contenders let one request take, in ms. */
export const ATTEMPT_TIMEOUT_MS = 1_000;

/** How often a call may ask, the first time included: steadfetch and naive retry alike. */
export const MAX_ATTEMPTS = 3;

/** How long naive retry waits between requests, in ms. */
export const NAIVE_PAUSE_MS = 100;

/** The steadfetch client of the drill and of `--url`. */
export const CLIENT_OPTIONS = {
  name: 'drill',
  deadlineMs: 2_000,
  attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
  // 30 calls/s of 60 ms are 2 in flight (Little's law): 8 leave room, and hold back the rest when answers get slow.
  bulkhead: { maxConcurrent: 8, maxQueued: 8 },
  // By attempts: five requests that hang are enough to know, without waiting for what their calls try next.
  breaker: {
    failureThreshold: 5,
    successThreshold: 2,
    resetTimeoutMs: 1_000,
    maxResetTimeoutMs: 2_000,
    counts: 'attempts',
  },
  retry: { maxAttempts: MAX_ATTEMPTS, initialDelayMs: 100, maxDelayMs: 1_000 },
} as const satisfies ClientOptions;
