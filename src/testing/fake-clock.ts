import { checkKeys, checkNumber, DELAY_MS, requireNumber } from '../checks.ts';
import type { Cancel, Clock } from '../clock.ts';

interface Timer {
  readonly at: number;
  readonly id: number;
  readonly callback: () => void;
}

// A clock may start, and jump, anywhere; what is to come before now comes now.
const READING = { above: -Infinity };

/** Where a {@link FakeClock} starts. */
export interface FakeClockOptions {
  /** First reading of the monotonic clock, in ms. Default 0. */
  readonly now?: number;
  /** First reading of the wall clock, in ms since the Unix epoch. Default 2026-01-01T00:00:00Z. */
  readonly epochNow?: number;
}

/** A clock that stands still until it is told to move: tests of time need not sleep, and are exact to the millisecond. */
export class FakeClock implements Clock {
  #now: number;
  #epochOffset: number;
  #nextId = 0;
  /** Soonest first; those due at the same time in the order they were scheduled. */
  readonly #timers: Timer[] = [];

  /** @throws TypeError or RangeError naming the option and the value. */
  constructor(options: FakeClockOptions = {}) {
    checkKeys('FakeClock', options, ['now', 'epochNow']);
    const now = checkNumber('FakeClock.now', options.now, 0, READING);
    const epochNow = checkNumber('FakeClock.epochNow', options.epochNow, Date.UTC(2026, 0, 1), READING);
    this.#now = now;
    this.#epochOffset = epochNow - now;
  }

  /** Callbacks that are scheduled: 0 when nothing leaks. */
  get pending(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  epochNow(): number {
    return this.#now + this.#epochOffset;
  }

  /**
   * Runs `callback` once after `delayMs`, at the next `advance` if that is none or less, never if it is `Infinity`. Returns
   * the function that cancels it.
   *
   * @throws TypeError or RangeError if `delayMs` is not a number.
   */
  schedule(delayMs: number, callback: () => void): Cancel {
    if (delayMs === Infinity) return () => {};
    // NaN is before and after nothing: the timers would be in no order any more, and none of them would come.
    requireNumber('FakeClock.schedule(delayMs)', delayMs, READING);
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), id: this.#nextId, callback };
    this.#nextId += 1;
    this.#timers.splice(this.#indexOf(timer), 0, timer);
    return () => {
      const index = this.#indexOf(timer);
      if (this.#timers[index] === timer) this.#timers.splice(index, 1);
    };
  }

  timeoutSignal(delayMs: number): AbortSignal {
    const controller = new AbortController();
    this.schedule(delayMs, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')));
    return controller.signal;
  }

  /**
   * Lets `ms` pass: runs what comes due, in order, each at its time, and lets promises settle before each and at the
   * end. `advance(0)` only lets promises settle.
   *
   * @throws RangeError if `ms` is not a number from 0 up: time does not run backwards.
   */
  async advance(ms: number): Promise<void> {
    requireNumber('FakeClock.advance(ms)', ms, DELAY_MS);
    const target = this.#now + ms;
    await settle();
    for (let next = this.#timers[0]; next !== undefined && next.at <= target; next = this.#timers[0]) {
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await settle();
    }
    this.#now = Math.max(this.#now, target);
  }

  /**
   * Sets the wall clock forward, or back, as an operator or NTP does. The monotonic clock and timers don't notice.
   * @throws TypeError or RangeError if `ms` is not a number.
   */
  jump(ms: number): void {
    requireNumber('FakeClock.jump(ms)', ms, READING);
    this.#epochOffset += ms;
  }

  #indexOf({ at, id }: Pick<Timer, 'at' | 'id'>): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const timer = this.#timers[middle];
      if (timer !== undefined && (timer.at < at || (timer.at === at && timer.id < id))) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

declare const setImmediate: ((callback: () => void) => void) | undefined;

// Browsers read bodies on threads of their own, and take more turns to hear of them, the more the busier they are.
const TURNS = typeof setImmediate === 'function' ? 2 : 10;

/** Lets everything that can go on without time passing go on: promise callbacks, and streams that take a task. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < TURNS; turns += 1) {
    for (let ticks = 0; ticks < 16; ticks += 1) await null;
    await task();
  }
}

function task(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else if (typeof MessageChannel === 'function') {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    } else setTimeout(resolve, 0);
  });
}
