/** The one door to time. Every layer reads and waits through it, so that a test can hold the clock in its hand. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin: subtract readings, never store them. */
  now(): number;
  /** Milliseconds since the Unix epoch, for stored entries and HTTP dates; it may jump. */
  epochNow(): number;
  /**
   * Runs `callback` once after `delayMs`, and returns the function that cancels it. Any length is honoured: `Infinity`
   * never fires, and a delay beyond the platform's 2³¹−1 ms does not fire early.
   */
  schedule(delayMs: number, callback: () => void): Cancel;
  /** A signal that aborts with a TimeoutError after `delayMs`: `AbortSignal.timeout` on the platform, the fake clock's own in tests. */
  timeoutSignal(delayMs: number): AbortSignal;
}

/** Cancels a scheduled callback; harmless when it has fired. */
export interface Cancel {
  (): void;
  /** Lets the process end before the callback is due, on runtimes where a timer keeps it alive. */
  unref?(): void;
  /** Takes back {@link Cancel.unref}. */
  ref?(): void;
}

// setTimeout keeps its delay in 32 bits: one millisecond more and it fires at once.
const LONGEST_TIMER_MS = 2_147_483_647;

interface Timer {
  unref?(): void;
  ref?(): void;
}

// Node and Bun return an object with unref(); Deno returns a number, unless the code came from npm.
declare function setTimeout(callback: () => void, delayMs: number): number | Timer;
declare function clearTimeout(handle: number | Timer | undefined): void;
declare const Deno: { unrefTimer?(handle: number): void; refTimer?(handle: number): void } | undefined;

/** The platform's clock: `performance.now`, `Date.now`, `setTimeout` and `AbortSignal.timeout`. */
export const platformClock: Clock = {
  now: () => performance.now(),
  epochNow: () => Date.now(),
  schedule(delayMs, callback) {
    let handle: ReturnType<typeof setTimeout> | undefined;
    let background = false;
    const arm = (remainingMs: number): void => {
      if (remainingMs <= LONGEST_TIMER_MS) handle = setTimeout(callback, remainingMs);
      else handle = setTimeout(() => arm(remainingMs - LONGEST_TIMER_MS), LONGEST_TIMER_MS);
      if (background) hold(handle, 'unref');
    };
    if (delayMs < Infinity) arm(delayMs);
    const cancel: Cancel = () => clearTimeout(handle);
    cancel.unref = () => {
      background = true;
      hold(handle, 'unref');
    };
    cancel.ref = () => {
      background = false;
      hold(handle, 'ref');
    };
    return cancel;
  },
  timeoutSignal(delayMs) {
    // Whole milliseconds: Node refuses others.
    if (delayMs <= LONGEST_TIMER_MS) return AbortSignal.timeout(Math.ceil(delayMs));
    const controller = new AbortController();
    const expire = (): void => controller.abort(new DOMException('The operation timed out.', 'TimeoutError'));
    platformClock.schedule(delayMs, expire).unref?.();
    return controller.signal;
  },
};

/** Has a timer keep the process alive, or not. */
function hold(handle: ReturnType<typeof setTimeout> | undefined, how: 'ref' | 'unref'): void {
  if (typeof handle === 'object') handle[how]?.();
  else if (handle !== undefined && typeof Deno !== 'undefined') Deno[`${how}Timer`]?.(handle);
}

/** Whether calls can share a timer: on Workers it ends with the request that it was made in, and who brings a clock may count. */
export function timersOutliveCalls(clock: Clock): boolean {
  // Known by a global of its own: an older compatibility date has no navigator.
  return clock === platformClock && !('WebSocketPair' in globalThis);
}
