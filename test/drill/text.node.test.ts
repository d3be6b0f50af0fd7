import { expect, test } from 'vitest';

import { clip, coloured, plain } from '../../drill/paint.ts';
import { table } from '../../drill/table.ts';
import { list, percent, ratio, span, wrap } from '../../drill/text.ts';

test.for([
  [undefined, '–'],
  [0.04, '0.0 ms'],
  [0.45, '0.5 ms'],
  [1, '1 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [1_254, '1.25 s'],
] as const)('span(%d) is %s', ([ms, text]) => {
  expect(span(ms)).toBe(text);
});

test.for([
  [undefined, 0, '–'],
  [0, 0, '0 %'],
  [0.0001, 0, '1 %'],
  [0.5, 1, '50.0 %'],
  [0.999, 0, '99 %'],
  [0.9999, 1, '99.9 %'],
  [1, 1, '100.0 %'],
] as const)('percent(%d, %d) is %s', ([share, decimals, text]) => {
  expect(percent(share, decimals)).toBe(text);
});

test('ratio() has two decimals', () => {
  expect([ratio(2), ratio(undefined)]).toEqual(['2.00', '–']);
});

test('wrap() fills lines up to the width, breaks no word, and keeps a number with its unit', () => {
  expect(wrap('one two three four', 9)).toEqual(['one two', 'three', 'four']);
  expect(wrap('incomprehensible is', 4)).toEqual(['incomprehensible', 'is']);
  expect(wrap('it took 99 % of 20 ms', 11)).toEqual(['it took', '99 % of', '20 ms']);
});

test.for([
  [[], ''],
  [['a'], 'a'],
  [['a', 'b'], 'a and b'],
  [['a', 'b', 'c'], 'a, b and c'],
] as const)('list(%j) is "%s"', ([items, text]) => {
  expect(list(items)).toBe(text);
});

test('table() aligns names left and figures right, under rules of its own width', () => {
  expect(table([['', 'calls'], 'rule', ['bare fetch', '7'], ['x', '1,234,567']])).toEqual([
    '                calls',
    '─────────────────────',
    'bare fetch          7',
    'x           1,234,567',
  ]);
});

test('clip() counts what is seen, and keeps the colours whole', () => {
  const line = `ab${coloured('red', 'cdef')}gh`;
  expect(clip(line, 8)).toBe(line);
  expect(clip(line, 4)).toBe('ab\x1b[31mcd\x1b[0m');
  expect(clip(line, 1)).toBe('a\x1b[31m\x1b[0m');
  expect(clip('plain text', 5)).toBe('plain');
});

test('plain leaves a text alone, coloured paints no nothing', () => {
  expect([plain('red', 'x'), coloured('red', ''), coloured('green', 'x')]).toEqual(['x', '', '\x1b[32mx\x1b[0m']);
});
