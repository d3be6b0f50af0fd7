import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';

import { readSource } from './guide.ts';

const pages = globSync('docs/migration/*.md');
const guides = pages.filter((page) => !page.endsWith('index.md'));

test('the index has a row for each guide, and each guide a test', () => {
  expect(guides).toHaveLength(6);
  const index = readFileSync('docs/migration/index.md', 'utf8');
  const rows = Array.from(index.matchAll(/^\| \[[^\]]+\]\(([\w-]+\.md)\) \| [^|]+ \| [^|]+ \|$/gm), ([, page]) => page);
  expect(rows.toSorted()).toEqual(guides.map((page) => basename(page)).toSorted());
  expect(guides.filter((page) => !existsSync(`test/migration/${basename(page, '.md')}.node.test.ts`))).toEqual([]);
});

test.for(pages)('%s links to pages that there are', (page) => {
  const links = Array.from(readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, link = '']) => link);
  expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([]);
});

test.for(guides)('%s names the versions that it is checked against', (page) => {
  const checked = /^Checked against ([^\n.;]*\d\.\d+)[^\n]*$/m.exec(readFileSync(page, 'utf8'))?.[0] ?? '';
  const versions = Array.from(checked.matchAll(/([@\w/-]+) (\d+\.\d+)/g));
  expect(versions.length).toBeGreaterThan(0);
  for (const [, name, version] of versions) {
    const { version: installed } = JSON.parse(readSource(`${name}/package.json`)) as { version: string };
    expect(`${name} ${version}`).toBe(`${name} ${installed.split('.').slice(0, 2).join('.')}`);
  }
});
