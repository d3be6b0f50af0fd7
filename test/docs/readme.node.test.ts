import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import * as steadfetch from '../../src/index.ts';

const readme = readFileSync('README.md', 'utf8');
/** The names that an option object may have, as the error about one that it may not have lists them. */
function optionNames(options: object): readonly string[] {
  try {
    steadfetch.createClient(options);
  } catch (error) {
    return /there are (.*)$/.exec(String(error))?.[1]?.split(', ') ?? [];
  }
  return [];
}

const groups = [
  { group: '', options: { nonsense: 1 }, least: 10 },
  { group: 'bulkhead.', options: { bulkhead: { nonsense: 1 } }, least: 4 },
  { group: 'breaker.', options: { breaker: { nonsense: 1 } }, least: 8 },
  { group: 'breaker.window.', options: { breaker: { window: { nonsense: 1 } } }, least: 6 },
  { group: 'retry.', options: { retry: { nonsense: 1 } }, least: 10 },
  { group: 'fallback.', options: { fallback: { nonsense: 1 } }, least: 11 },
];

// Told in one go with the option they belong to, or the same in every group.
const toldElsewhere = ['bulkhead', 'breaker', 'retry', 'fallback', 'breaker.window.size', 'breaker.window.durationMs'];
const tools = ['clock', 'random', 'name'];

test.for(groups)('README tells every option of createClient({ $group })', ({ group, options, least }) => {
  const names = optionNames(options);
  expect(names.length).toBeGreaterThanOrEqual(least);
  const told = names
    .filter((name) => group === '' || !tools.includes(name))
    .map((name) => `${group}${name}`)
    .filter((path) => !toldElsewhere.includes(path));
  expect(told.filter((path) => !readme.includes(`\`${path}\``))).toEqual([]);
});

test('README tells every error class with its code', () => {
  const classes = Object.entries(steadfetch).filter(
    ([name, value]) => name.endsWith('Error') && value !== steadfetch.SteadfetchError,
  );
  expect(classes.length).toBe(7);
  expect(classes.map(([name]) => name).filter((name) => !readme.includes(`| \`${name}\` |`))).toEqual([]);
});
