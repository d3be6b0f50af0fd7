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

/** What time passes in: a clock that is told to. */
export interface Passing {
  readonly now: () => number;
  /** The next event; `false` if none is left before `untilMs`. */
  readonly step: (untilMs: number) => boolean;
}

// So that a frame comes to its end, whatever happens in it. Ten times as fast, 50 users a second who ask an overloaded server
// five times each take 250.
const MOST_STEPS = 1_000;
// Long enough to be read.
const LATE_FOR_MS = 1_000;

/** Lets a clock run beside real time, `speed` times as fast, while the page can be seen. */
export class Pace {
  /** 0 is a pause. */
  speed = 1;
  readonly #clock: Passing;
  readonly #onFrame: (at: number) => void;
  #frames: Frames | undefined;
  #handle = 0;
  #at = 0;
  #cutAt = -Infinity;

  /** @param onFrame Called after each frame, with the real time. */
  constructor(clock: Passing, onFrame: (at: number) => void) {
    this.#clock = clock;
    this.#onFrame = onFrame;
  }

  /** Whether more has happened than it has time for, so that the clock has fallen behind. */
  get isLate(): boolean {
    return this.#at - this.#cutAt < LATE_FOR_MS;
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
    let steps = 0;
    while (this.#frames === frames && steps < MOST_STEPS && this.#clock.step(until)) {
      steps += 1;
      await frames.turn();
    }
    if (this.#frames !== frames) return;
    this.#at = at;
    if (steps === MOST_STEPS) this.#cutAt = at;
    this.#onFrame(at);
    this.#handle = frames.request((next) => void this.#frame(frames, next, next - at));
  }
}
