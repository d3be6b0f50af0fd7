import type { WriteStream } from 'node:tty';

import { coloured, type Paint, plain } from './paint.ts';

/** Where the drill writes to, and what can be done there. */
export interface Output {
  /** Set if it can be redrawn in place. */
  readonly terminal: WriteStream | undefined;
  readonly width: number;
  readonly paint: Paint;
  readonly print: (text: string) => void;
}

const PLAIN_WIDTH = 100;
const LEAST_WIDTH = 40;

export function output(): Output {
  const { stdout } = process;
  // Whoever read us has gone (`| head`): nobody is left to write for.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const terminal = stdout.isTTY && process.env['TERM'] !== 'dumb' ? stdout : undefined;
  return {
    terminal,
    width: terminal === undefined ? PLAIN_WIDTH : Math.max(LEAST_WIDTH, terminal.columns),
    // hasColors() knows NO_COLOR and FORCE_COLOR.
    paint: terminal?.hasColors() === true ? coloured : plain,
    print: (text) => console.log(text),
  };
}
