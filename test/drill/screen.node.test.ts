import type { WriteStream } from 'node:tty';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { coloured } from '../../drill/paint.ts';
import { showLive } from '../../drill/screen.ts';

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A terminal that remembers what was written. */
function terminalOf(columns: number, rows: number) {
  const written: string[] = [];
  const terminal = { columns, rows, write: (text: string) => written.push(text) };
  return { written, terminal, stream: terminal as unknown as WriteStream };
}

test('showLive() takes the screen, redraws it in place ten times a second, and gives it back once', () => {
  const { written, stream } = terminalOf(20, 5);
  let frames = 0;
  const leave = showLive(stream, () => {
    frames += 1;
    return [`frame ${frames}`, 'line'];
  });
  vi.advanceTimersByTime(200);
  leave();
  vi.advanceTimersByTime(1_000);
  leave();
  const frame = (number: number): string => `\x1b[H\x1b[Kframe ${number}\r\n\x1b[Jline`;
  expect(written).toEqual([ENTER, frame(1), frame(2), frame(3), LEAVE]);
});

test('showLive() never writes beyond the screen, also after it was made smaller', () => {
  const { written, terminal, stream } = terminalOf(6, 3);
  const leave = showLive(stream, () => Array<string>(9).fill(coloured('red', 'wide text')));
  terminal.columns = 4;
  terminal.rows = 2;
  vi.advanceTimersByTime(100);
  leave();
  const red = (text: string): string => `\x1b[31m${text}\x1b[0m`;
  expect(written[1]).toBe(`\x1b[H\x1b[K${red('wide t')}\r\n\x1b[K${red('wide t')}\r\n\x1b[J${red('wide t')}`);
  expect(written[2]).toBe(`\x1b[H\x1b[K${red('wide')}\r\n\x1b[J${red('wide')}`);
});

test('showLive() gives the screen back when the process exits, and lets go of it when done', () => {
  const before = process.listeners('exit');
  const { written, stream } = terminalOf(20, 5);
  const leave = showLive(stream, () => []);
  const [onExit] = process.listeners('exit').filter((listener) => !before.includes(listener));
  onExit?.(0);
  expect(written.at(-1)).toBe(LEAVE);
  leave();
  expect(written.filter((text) => text === LEAVE)).toHaveLength(1);
  expect(process.listeners('exit')).toEqual(before);
});
