import type { WriteStream } from 'node:tty';

import { clip } from './paint.ts';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const ENTER = '\x1b[?1049h\x1b[?25l'; // the alternate screen, no cursor
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const FRAME_EVERY_MS = 100;

/** Shows `frame` on the terminal, redrawn in place, until the function returned is called or the process ends. */
export function showLive(terminal: WriteStream, frame: (size: ScreenSize) => readonly string[]): () => void {
  const draw = (): void => {
    const size = { columns: terminal.columns, rows: terminal.rows };
    const lines = frame(size).slice(0, size.rows);
    // Cleared before it is written: after a line that is full, the cursor still stands on its last character.
    const drawn = lines.map((line, row) => {
      return (row === lines.length - 1 ? CLEAR_BELOW : CLEAR_LINE) + clip(line, size.columns);
    });
    terminal.write(HOME + drawn.join('\r\n'));
  };
  let shown = true;
  const leave = (): void => {
    if (shown) terminal.write(LEAVE);
    shown = false;
  };
  terminal.write(ENTER);
  draw();
  const timer = setInterval(draw, FRAME_EVERY_MS);
  // However the process ends, the user gets the screen and the cursor back.
  process.once('exit', leave);
  return () => {
    clearInterval(timer);
    process.off('exit', leave);
    leave();
  };
}
