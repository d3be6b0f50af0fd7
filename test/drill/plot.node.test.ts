import { expect, test } from 'vitest';

import { bars, logShare, scatter } from '../../drill/plot.ts';

const drawn = (dots: Parameters<typeof scatter>[0], columns: number, rows: number): readonly string[] =>
  scatter(dots, columns, rows).map((row) => row.map(({ character }) => character).join(''));

test.for([
  ['bottom left', 0, 0, '⡀'],
  ['top left', 0, 1, '⠁'],
  ['bottom right', 0.99, 0, '⢀'],
  ['top right', 0.99, 0.99, '⠈'],
  ['just below the middle', 0, 0.5, '⠄'],
  ['beyond the edges', 2, 7, '⠈'],
  ['before the edges', -2, -7, '⡀'],
] as const)('scatter() draws a dot at the %s', ([, x, y, character]) => {
  expect(drawn([{ x, y, failed: false }], 1, 1)).toEqual([character]);
});

test('scatter() adds up the dots of a character and finds the right one', () => {
  const dots = [
    { x: 0, y: 0, failed: false },
    { x: 0.3, y: 0, failed: false },
    { x: 0.9, y: 0.9, failed: false },
  ];
  expect(drawn(dots, 2, 2)).toEqual([' ⠈', '⣀ ']);
});

test('scatter() calls a character failed when most of its dots are', () => {
  const at = (x: number, failed: boolean) => ({ x, y: 0, failed });
  const [row = []] = scatter([at(0, true), at(0, true), at(0, false), at(0.5, true), at(0.5, false)], 2, 1);
  expect(row.map(({ failed }) => failed)).toEqual([true, false]);
});

test('bars() rises by eighths', () => {
  expect(bars([1, 2, 4, 8, 7], 8, 1)).toEqual(['▁▂▄█▇']);
});

test('bars() goes on in the row above', () => {
  expect(bars([4, 8, 12, 16], 16, 2)).toEqual(['  ▄█', '▄███']);
});

test('bars() cuts at the top, shows however little there is, and tells nothing from unknown', () => {
  expect(bars([1_000, 0.001, 0, undefined], 10, 1)).toEqual(['█▁· ']);
  expect(bars([0, undefined], 10, 2)).toEqual(['  ', '· ']);
});

test.for([
  [10, 0],
  [100, 0.5],
  [1_000, 1],
  [0, 0],
  [5_000, 1],
] as const)('logShare() of %d between 10 and 1,000 is %d', ([value, share]) => {
  expect(logShare(value, 10, 1_000)).toBeCloseTo(share, 12);
});
