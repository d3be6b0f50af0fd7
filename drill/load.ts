import { setTimeout as pause } from 'node:timers/promises';

/** Calls `launch` at a steady rate, whether or not earlier calls have ended: callers don't wait for each other. */
export async function steadyLoad(
  ratePerSecond: number,
  lastsMs: number,
  elapsedMs: () => number,
  launch: (number: number, lateMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const everyMs = 1_000 / ratePerSecond;
  for (let number = 0; number * everyMs < lastsMs; number += 1) {
    const dueAt = number * everyMs;
    await until(dueAt, elapsedMs, signal);
    launch(number, elapsedMs() - dueAt);
  }
}

/** Waits until the clock shows `at`, if it does not yet. Rejects with the signal's reason when that aborts. */
export async function until(at: number, elapsedMs: () => number, signal: AbortSignal): Promise<void> {
  const waitMs = at - elapsedMs();
  if (waitMs > 0) await pause(waitMs, undefined, { signal }).catch(() => {});
  // With the reason itself, which the timer would hide in an error of its own.
  signal.throwIfAborted();
}
