/** A point of a scatter plot, both coordinates in [0, 1], `y` upwards. */
export interface Dot {
  readonly x: number;
  readonly y: number;
  readonly failed: boolean;
}

/** A character of a scatter plot, and whether most of its dots are failures. */
export interface Cell {
  readonly character: string;
  readonly failed: boolean;
}

// The eight dots of a braille character, from top to bottom, left and right (Unicode chapter 21.1).
const BRAILLE = 0x2800;
const DOT_BITS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const DOTS_ACROSS = 2;
const DOTS_DOWN = 4;

/** Draws dots into braille characters, two across and four down in each; the first row is the top one. */
export function scatter(dots: readonly Dot[], columns: number, rows: number): readonly (readonly Cell[])[] {
  const cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => ({ bits: 0, balance: 0 })));
  for (const { x, y, failed } of dots) {
    const across = nth(x, columns * DOTS_ACROSS);
    const down = nth(1 - y, rows * DOTS_DOWN);
    const cell = cells[Math.floor(down / DOTS_DOWN)]?.[Math.floor(across / DOTS_ACROSS)];
    if (cell === undefined) continue;
    cell.bits |= DOT_BITS[down % DOTS_DOWN]?.[across % DOTS_ACROSS] ?? 0;
    cell.balance += failed ? 1 : -1;
  }
  return cells.map((row) =>
    row.map(({ bits, balance }) => ({
      character: bits === 0 ? ' ' : String.fromCodePoint(BRAILLE + bits),
      failed: balance > 0,
    })),
  );
}

/** Which of `count` equal parts of [0, 1] the share falls in. */
function nth(share: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(share * count)));
}

/** Where a value stands between two bounds on a logarithmic scale, in [0, 1]. */
export function logShare(value: number, least: number, most: number): number {
  const share = Math.log(Math.max(value, least) / least) / Math.log(most / least);
  return Math.min(1, share);
}

const EIGHTHS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const NONE = '·';

/** Draws values as bars of up to `rows` characters, the top row first. A zero is a dot, the unknown a blank. */
export function bars(values: readonly (number | undefined)[], most: number, rows: number): readonly string[] {
  return Array.from({ length: rows }, (_, row) =>
    values.map((value) => barPart(value, most, rows, rows - 1 - row)).join(''),
  );
}

function barPart(value: number | undefined, most: number, rows: number, height: number): string {
  if (value === undefined) return ' ';
  if (value <= 0) return height === 0 ? NONE : ' ';
  // However small, what is there is seen.
  const eighths = Math.max(1, Math.round(Math.min(1, value / most) * rows * 8));
  return EIGHTHS[Math.min(8, Math.max(0, eighths - height * 8))] ?? ' ';
}
