// Numbers and spans as the pages write them, and back.

import { readFileSync } from 'node:fs';

const WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY_MS,
  year: 365.25 * DAY_MS,
};

const MIB = 1_048_576;

/** 10,000 */
export const count = (value: number): string => value.toLocaleString('en');

/** 32 MiB */
export const bytes = (value: number): string => `${value / MIB} MiB`;

/** Milliseconds, but for "a day". */
export const span = (value: number): string => (value === DAY_MS ? 'a day' : count(value));

/** eight */
export const word = (value: number): string => WORDS[value] ?? count(value);

/** What `10,000`, `eight` or `a` stand for. @throws Error if it is no number. */
export function numberOf(text: string): number {
  const value = /^an?$/.test(text) ? 1 : WORDS.includes(text) ? WORDS.indexOf(text) : Number(text.replaceAll(',', ''));
  if (Number.isNaN(value)) throw new Error(`"${text}" is no number`);
  return value;
}

/** The milliseconds of `two days` or `a second`. @throws Error if it is no span. */
export function msOf(text: string): number {
  const [number = '', unit = ''] = text.split(' ');
  const ms = UNITS[unit.replace(/s$/, '')];
  if (ms === undefined) throw new Error(`"${text}" is no span of time`);
  return numberOf(number) * ms;
}

/** The figures of a text, from two up, but for those in code, in links and in names such as SHA-256. */
export function numbersIn(markdown: string): string[] {
  const prose = markdown.replaceAll(/```.*?```|`[^`]*`|\]\([^)]*\)/gs, ' ');
  const words = WORDS.slice(2).join('|');
  return prose.match(new RegExp(`(?<![\\w-])(?:\\d[\\d,.]*\\d|\\d|${words})(?![\\w-])`, 'g')) ?? [];
}

/**
 * What a page of docs/, or one beside it as README, has in the place of the groups of `says`.
 *
 * @throws Error if it has nothing like it.
 */
export function figuresIn(page: string, says: RegExp): string[] {
  const path = /^[A-Z]+$/.test(page) ? `${page}.md` : `docs/${page}.md`;
  const found = says.exec(readFileSync(path, 'utf8'));
  if (found === null) throw new Error(`${path} has nothing like ${says}`);
  return found.slice(1);
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
