import { expect, test } from 'vitest';

import { outagesIn, stripOf } from '../../playground/strip.ts';

const none = { fresh: 0, degraded: 0, refused: 0, failed: 0, waiting: 0 };

test('stripOf() stacks the shares of each second, good answers at the bottom', () => {
  const seconds = [none, { ...none, fresh: 8 }, { ...none, fresh: 1, refused: 1, waiting: 2 }];
  expect(stripOf(seconds)).toEqual([
    { fate: 'fresh', d: 'M1 0h1v1h-1zM2 0.75h1v0.25h-1z' },
    { fate: 'refused', d: 'M2 0.5h1v0.25h-1z' },
    { fate: 'waiting', d: 'M2 0h1v0.5h-1z' },
  ]);
});

test('stripOf() draws nothing of nobody', () => {
  expect(stripOf([none, none])).toEqual([]);
});

test('outagesIn() places outages beside the seconds, as far as they can be seen', () => {
  const outages = [{ from: 1_000, to: 5_000 }, { from: 35_000, to: 45_500 }, { from: 98_000 }];
  // The last of 60 seconds is the one from 99,000 on.
  expect(outagesIn(outages, 99_500, 60)).toEqual([
    { x: 0, width: 5.5 },
    { x: 58, width: 1.5 },
  ]);
});
