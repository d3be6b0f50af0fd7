import { expect, test } from 'vitest';

import type { Call } from '../../drill/record.ts';
import { servedAgainMs } from '../../drill/served-again.ts';

const TOOK_MS = 50;

/** Ten calls a second, from 0 to 10 s, answered where `answered` says so. */
function calls(answered: (at: number, number: number) => boolean): readonly Call[] {
  return Array.from({ length: 100 }, (_, number) => {
    const startedAt = number * 100;
    return { startedAt, endedAt: startedAt + TOOK_MS, answered: answered(startedAt, number) };
  });
}

const BACK_AT = 4_000;
const served = (answered: (at: number, number: number) => boolean): number | undefined =>
  servedAgainMs(calls(answered), BACK_AT, 10_000);

test('servedAgainMs() counts to the first answer, when all are answered from the start', () => {
  expect(served((at) => at >= BACK_AT)).toBe(TOOK_MS);
});

test('servedAgainMs() counts to the first answer, when refusals last a while longer', () => {
  expect(served((at) => at >= 6_000)).toBe(2_000 + TOOK_MS);
});

test('servedAgainMs() is not taken in by answers that do not last', () => {
  expect(served((at) => at < 5_500 || at >= 8_000)).toBe(4_000 + TOOK_MS);
});

test('servedAgainMs() looks over a failure now and then', () => {
  expect(served((_, number) => number % 2 === 0)).toBe(TOOK_MS);
});

test('servedAgainMs() asks for half of the calls', () => {
  expect(served((_, number) => number % 3 === 0)).toBeUndefined();
});

test.for([
  ['none is answered', () => false],
  ['they are not served at the end', (at: number) => at < 9_000],
  ['answers come with the last calls only', (at: number) => at >= 9_800],
] as const)('servedAgainMs() is undefined when %s', ([, answered]) => {
  expect(served(answered)).toBeUndefined();
});

test('servedAgainMs() is undefined when less than a second is left to tell', () => {
  expect(
    servedAgainMs(
      calls(() => true),
      9_500,
      10_000,
    ),
  ).toBeUndefined();
});

test('servedAgainMs() does not depend on the order in which calls ended', () => {
  const answered = (at: number): boolean => at >= 6_000;
  expect(servedAgainMs(calls(answered).toReversed(), BACK_AT, 10_000)).toBe(2_000 + TOOK_MS);
});
