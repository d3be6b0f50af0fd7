import type { VirtualClock } from './clock.ts';

/** A way to find out how many calls may be under way: told of each that has ended. */
export interface Limiter {
  readonly limit: number;
  note(latencyMs: number, running: number, isDropped: boolean): void;
}

/** A fetch that refuses what is too much, by somebody else's limiter: the library's own has no need of it. */
export function limitedFetch(clock: VirtualClock, fetch: typeof globalThis.fetch, limiter: Limiter): typeof fetch {
  let running = 0;
  return async (input, init) => {
    if (running >= Math.floor(limiter.limit)) throw new TypeError('too many at once');
    running += 1;
    const startedAt = clock.now();
    let isDropped = true;
    try {
      const response = await fetch(input, init);
      isDropped = response.status === 503;
      return response;
    } finally {
      limiter.note(clock.now() - startedAt, running, isDropped);
      running -= 1;
    }
  };
}

const START = 20;
const MOST = 1_000;

/** A tenth less for each call that is dropped, one more for as many that are not (Chiu, Jain, 1989). */
export function aimd(): Limiter {
  let limit = START;
  return {
    get limit() {
      return limit;
    },
    note(_latencyMs, running, isDropped) {
      if (isDropped) limit = Math.max(1, limit * 0.9);
      else if (running * 2 >= limit) limit = Math.min(MOST, limit + 1 / limit);
    },
  };
}

// Its defaults.
const TOLERANCE = 1.5;
const QUEUE = 4;
const SMOOTHING = 0.2;
const LONG_WINDOW = 600;
const WINDOW = 10;

/** By how much longer calls take than in the long run: Gradient2Limit of Netflix's concurrency-limits. */
export function gradient2(): Limiter {
  let limit = START;
  let windows = 0;
  let longMs = 0;
  let sumMs = 0;
  let count = 0;
  let most = 0;
  return {
    get limit() {
      return limit;
    },
    note(latencyMs, running) {
      sumMs += latencyMs;
      count += 1;
      most = Math.max(most, running);
      if (count < WINDOW) return;
      const shortMs = sumMs / count;
      const isUsed = most * 2 >= limit;
      sumMs = count = most = 0;
      windows += 1;
      longMs += (shortMs - longMs) * (windows <= WINDOW ? 1 / windows : 2 / (LONG_WINDOW + 1));
      if (longMs > 2 * shortMs) longMs *= 0.95;
      if (!isUsed) return;
      const gradient = Math.max(0.5, Math.min(1, (TOLERANCE * longMs) / shortMs));
      limit = Math.max(1, Math.min(MOST, limit * (1 - SMOOTHING) + (limit * gradient + QUEUE) * SMOOTHING));
    },
  };
}
