import { stripVTControlCharacters } from 'node:util';

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const;

export type Colour = keyof typeof CODES;

/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

export const plain: Paint = (_, text) => text;

export const coloured: Paint = (colour, text) => (text === '' ? '' : `\x1b[${CODES[colour]}m${text}\x1b[0m`);

/** Cuts a painted line to `width` visible characters. */
export function clip(line: string, width: number): string {
  if (stripVTControlCharacters(line).length <= width) return line;
  const [start = '', ...painted] = line.split('\x1b');
  let clipped = start.slice(0, width);
  let left = width - clipped.length;
  for (const part of painted) {
    const textAt = part.indexOf('m') + 1;
    const text = part.slice(textAt, textAt + left);
    clipped += `\x1b${part.slice(0, textAt)}${text}`;
    left -= text.length;
  }
  return clipped;
}
