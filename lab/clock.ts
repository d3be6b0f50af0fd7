import type { Cancel, Clock } from 'steadfetch';
import TinyQueue from 'tinyqueue';

interface Timer {
  readonly at: number;
  readonly id: number;
  /** `undefined` once it is cancelled. */
  callback: (() => void) | undefined;
}

// One turn of the event loop for each is six times as dear as for a thousand together.
const BATCH = 1_000;

/**
 * Time as it passes in a simulation: at once, from one event to the next. Before each, whatever promises can go on without time
 * passing have gone on, as between the callbacks of a real event loop.
 */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #epochStart: number;
  #timers = 0;
  readonly #queue = new TinyQueue<Timer>([], (a, b) => a.at - b.at || a.id - b.id);

  /** @param epochStart What the wall clock shows when it begins: milliseconds since the Unix epoch. */
  constructor(epochStart: number = Date.UTC(2026, 0, 1)) {
    this.#epochStart = epochStart;
  }

  now(): number {
    return this.#now;
  }

  epochNow(): number {
    return this.#epochStart + this.#now;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    if (delayMs === Infinity) return () => {};
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), id: this.#timers, callback };
    this.#timers += 1;
    this.#queue.push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  timeoutSignal(delayMs: number): AbortSignal {
    const controller = new AbortController();
    this.schedule(delayMs, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')));
    return controller.signal;
  }

  /** Resolves after so many ms. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.schedule(delayMs, resolve);
    });
  }

  /**
   * Lets time pass until `untilMs`. What a callback throws, this throws.
   * @param onProgress Told now and then how far it is, from 0 to 1.
   */
  run(untilMs: number, onProgress: (share: number) => void = () => {}): Promise<void> {
    const from = this.#now;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = (): void => {
        if (isOver) return;
        try {
          isOver = !this.step(untilMs);
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      const batch = (): void => {
        if (isOver) {
          resolve();
          return;
        }
        onProgress((this.#now - from) / (untilMs - from));
        for (let steps = 0; steps < BATCH; steps += 1) setImmediate(step);
        setImmediate(batch);
      };
      batch();
    });
  }

  /** The next event; `false` if none is left before `untilMs`, which it is then. Promises must be given a turn between two. */
  step(untilMs: number): boolean {
    for (let next = this.#queue.peek(); next !== undefined && next.at <= untilMs; next = this.#queue.peek()) {
      this.#queue.pop();
      const { callback } = next;
      if (callback === undefined) continue;
      this.#now = next.at;
      callback();
      return true;
    }
    this.#now = untilMs;
    return false;
  }
}
