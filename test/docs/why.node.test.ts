import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { readPlan } from '../../lab/plan.ts';
import { studiesOf } from '../../lab/study.ts';
import { numberOf } from './figures.ts';
import { tableOf } from './tables.ts';

// What stands below its table is held by `test/lab`, section by section.
const PAGE = 'docs/why.md';
const text = readFileSync(PAGE, 'utf8');

test('docs/why.md: each failure of the table has its section, in this order', () => {
  const sections = Array.from(text.matchAll(/^## (\d)\. /gm), ([, number]) => number);
  const { rows } = tableOf(PAGE, 'Why these layers, and why these numbers', 'Failure');
  expect(rows.map(([, , , link]) => /^\[(\d)\]\(#\1-/.exec(link ?? '')?.[1])).toEqual(sections);
  expect(sections).toEqual(rows.map((_, index) => String(index + 1)));
});

test('docs/why.md: the lab tries the numbers of a user in as many scenarios as the page says', () => {
  const [, policy = '', scenarios = ''] =
    /`npm run lab -- --policy (\S+)` tries your own numbers in (\w+) scenarios/.exec(text) ?? [];
  const path = join(mkdtempSync(join(tmpdir(), 'steadfetch-why-')), policy);
  writeFileSync(path, '{}');
  expect(studiesOf(readPlan(path))).toHaveLength(numberOf(scenarios));
});
