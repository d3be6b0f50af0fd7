import type { WriteStream } from 'node:tty';

import type { Paint } from './paint.ts';
import { type ScreenSize, showLive } from './screen.ts';

/** Shows a run while it goes on: `begin` hands over the record, which grows. */
export interface View<R> {
  begin(record: R, elapsedMs: () => number): void;
  /** Another phase has begun, if the run has phases. */
  enter?(phase: number): void;
  end(): void;
}

/** The record at an instant, as lines for the screen. */
export type Frame<R> = (record: R, nowMs: number, size: ScreenSize, paint: Paint) => readonly string[];

/** Shows frames on a terminal, redrawn in place. */
export function liveView<R>(frame: Frame<R>, terminal: WriteStream, paint: Paint): View<R> {
  let leave: (() => void) | undefined;
  return {
    begin(record, elapsedMs) {
      leave = showLive(terminal, (size) => frame(record, elapsedMs(), size, paint));
    },
    end() {
      leave?.();
    },
  };
}
