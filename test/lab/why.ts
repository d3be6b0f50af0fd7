import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import type { Experiment } from '../../lab/experiment.ts';
import { resolveClient } from '../../src/client-options.ts';
import { numberOf, numbersIn, shareOf } from '../docs/figures.ts';
import { Sentences } from '../docs/sentences.ts';

const PAGE = 'docs/why.md';

/** What a client is that is told nothing. */
export const defaults = resolveClient();

/** Words of a section, with its figures as groups, and what has to be true of these. */
export type Claim = readonly [says: RegExp, holds: (...figures: string[]) => void | Promise<void>];

/** Has a section of docs/why.md hold of what the experiment has found, with the seed of the figures; and the pictures. */
export function holdsFor<R>(section: string, experiment: Experiment<R>, result: R, claims: readonly Claim[]): void {
  holdsIn(PAGE, section, claims);

  const figures = experiment.figures(result);
  test.for(figures)('why.md: the picture $name shows what has been found', ({ name, svg }) => {
    expect(readFileSync(`docs/figures/${name}.svg`, 'utf8')).toBe(svg);
  });
}

/** Has a section of a page hold: each of its sentences, and each figure in them. */
export function holdsIn(page: string, section: string, claims: readonly Claim[]): void {
  const sentences = new Sentences(page, section);

  test.for(claims.map(([says, holds]) => ({ says, holds })))(`${page} says, and it is so: $says`, ({ says, holds }) =>
    holds(...sentences.says(says)),
  );

  test(`${page}: "${section}" has no sentence, and no figure, that nothing is asked about`, () => {
    expect(sentences.unheld()).toEqual([]);
    expect(numbersIn(sentences.text).sort()).toEqual(sentences.figures.flatMap(numbersIn).sort());
  });
}

/** Has a value be what the page says, as exactly as it says it: `1.2` is 1.15 to 1.25. */
export function isAsSaid(value: number, said: string): void {
  const digits = /\.(\d+)$/.exec(said)?.[1]?.length ?? 0;
  expect(value.toFixed(digits)).toBe(numberOf(said).toFixed(digits));
}

/** Has a value be a share in words, give or take a tenth of it. */
export function isAbout(value: number, said: string): void {
  expect(Math.abs(value / shareOf(said) - 1)).toBeLessThan(0.1);
}
