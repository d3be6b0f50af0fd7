import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import type { Experiment } from '../../lab/experiment.ts';
import { resolveClient } from '../../src/client-options.ts';
import { numberOf, numbersIn } from '../docs/figures.ts';

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
  const text = textOf(page, section);
  const found = claims.map(([says]) => says.exec(text));

  const cases = claims.map(([says, holds], index) => ({ says, holds, match: found[index] }));
  test.for(cases)(`${page} says, and it is so: $says`, async ({ says, holds, match }) => {
    if (match == null) throw new Error(`"${section}" does not say ${says}`);
    await holds(...match.slice(1));
  });

  test(`${page}: "${section}" has no sentence, and no figure, that nothing is asked about`, () => {
    const isHeld = (from: number, to: number): boolean =>
      found.some((match) => match !== null && match.index < to && match.index + match[0].length > from);
    const sentences = Array.from(text.matchAll(/\S.*?(?:[.:)][*)]*(?= [A-Z(*!])|$)/gm));
    expect(sentences.length).toBeGreaterThan(2);
    const unheld = sentences.filter(({ index, 0: words }) => !isHeld(index, index + words.length));
    expect(unheld.map(([words]) => words)).toEqual([]);
    const held = found.flatMap((match) => match?.slice(1) ?? []).flatMap(numbersIn);
    expect(numbersIn(text).sort()).toEqual(held.sort());
  });
}

/** Has a value be what the page says, as exactly as it says it: `1.2` is 1.15 to 1.25. */
export function isAsSaid(value: number, said: string): void {
  const digits = /\.(\d+)$/.exec(said)?.[1]?.length ?? 0;
  expect(value.toFixed(digits)).toBe(numberOf(said).toFixed(digits));
}

const SHARES: Readonly<Record<string, number>> = {
  'a hundredth': 1 / 100,
  'one in fifty': 1 / 50,
  'a twentieth': 1 / 20,
  'one call in twenty': 1 / 20,
  'an eleventh': 1 / 11,
  'a tenth': 1 / 10,
  'a fifth': 1 / 5,
  'a quarter': 1 / 4,
  'a third': 1 / 3,
  'four calls in ten': 4 / 10,
  half: 1 / 2,
  'three quarters': 3 / 4,
  'four calls in five': 4 / 5,
  'nine tenths': 9 / 10,
};

/** What `a third` stands for. @throws Error if it is no share. */
export function shareOf(text: string): number {
  const share = SHARES[text.toLowerCase()];
  if (share === undefined) throw new Error(`"${text}" is no share`);
  return share;
}

/** Has a value be a share in words, give or take a tenth of it. */
export function isAbout(value: number, said: string): void {
  expect(Math.abs(value / shareOf(said) - 1)).toBeLessThan(0.1);
}

function textOf(page: string, section: string): string {
  const heading = `\n## ${section}\n`;
  const [, after = ''] = readFileSync(page, 'utf8').split(heading);
  const [text = ''] = after.split(/^## /m);
  if (text === '') throw new Error(`${page} has no section "${section}"`);
  // Lines in brackets only name more pictures.
  return text.replace(/^\(.*\)$/gm, '');
}
