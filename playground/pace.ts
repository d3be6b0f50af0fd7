import type { VirtualClock } from '../lab/clock.ts';

/** What a browser shows its frames by, and gives other tasks a turn by. */
export interface Frames {
  /** Calls back with the time, in ms, before the next frame; never while the page can't be seen. */
  readonly request: (callback: (at: number) => void) => number;
  readonly cancel: (handle: number) => void;
  /** Resolves in a task of its own. */
  readonly turn: () => Promise<void>;
  /** Lets go of what they need. */
  readonly close: () => void;
}

// After a longer gap the page was hidden, or its computer asleep: that time is not made up for.
const LONGEST_FRAME_MS = 100;

/** Lets a clock run beside real time, `speed` times as fast, while the page can be seen. */
export class Pace {
  /** 0 is a pause. */
  speed = 1;
  readonly #clock: VirtualClock;
  readonly #onFrame: (at: number) => void;
  #frames: Frames | undefined;
  #handle = 0;

  /** @param onFrame Called after each frame, with the real time. */
  constructor(clock: VirtualClock, onFrame: (at: number) => void) {
    this.#clock = clock;
    this.#onFrame = onFrame;
  }

  start(frames: Frames): void {
    this.#frames = frames;
    this.#handle = frames.request((at) => void this.#frame(frames, at, 0));
  }

  stop(): void {
    this.#frames?.cancel(this.#handle);
    this.#frames?.close();
    this.#frames = undefined;
  }

  async #frame(frames: Frames, at: number, sinceMs: number): Promise<void> {
    const until = this.#clock.now() + Math.min(sinceMs, LONGEST_FRAME_MS) * this.speed;
    while (this.#frames === frames && this.#clock.step(until)) await frames.turn();
    if (this.#frames !== frames) return;
    this.#onFrame(at);
    this.#handle = frames.request((next) => void this.#frame(frames, next, next - at));
  }
}
