import { randomExponential, randomLogNormal } from 'd3-random';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Numbers in [0, 1), as `Math.random`, and the same ones each time. */
export type Chance = () => number;

/**
 * Chance for one part of a simulation. Each name has numbers of its own: what a policy draws for its jitter does not change who
 * calls when, and policies can be compared under the same traffic.
 */
export function chanceFor(seed: number, name: string): Chance {
  // FNV-1a, 32 bits: any spread of names over seeds will do.
  let hash = 0x811c9dc5 ^ seed;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  const generator = xoroshiro128plus(hash);
  return () => uniformFloat64(generator);
}

/** Times between events that know nothing of each other: a Poisson process. */
export function exponential(chance: Chance, mean: number): () => number {
  return randomExponential.source(chance)(1 / mean);
}

/**
 * What services take in practice: mostly little more than the median, and now and then much more. With a `spread` of 0.5, one
 * in a hundred takes 3.2 times the median; with 1, ten times.
 */
export function logNormal(chance: Chance, median: number, spread: number): () => number {
  return randomLogNormal.source(chance)(Math.log(median), spread);
}
