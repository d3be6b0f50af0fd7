import { spawnSync } from 'node:child_process';
import { existsSync, globSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

import { pages, snippetsOf, writeSnippets } from './snippets.ts';

test('README and docs have snippets that compile, each by itself, as strictly as the source', {
  timeout: 60_000,
}, () => {
  const snippets = pages.flatMap((page) => snippetsOf(page));
  expect(snippets.length).toBeGreaterThanOrEqual(20);
  writeSnippets('compiled', snippets);
  const config = {
    extends: '../../../../tsconfig.json',
    compilerOptions: { isolatedDeclarations: false, declaration: false },
    include: ['*.ts', resolve('worker-example/src/cloudflare.d.ts')],
  };
  writeFileSync('test/docs/.work/compiled/tsconfig.json', JSON.stringify(config));
  const tsc = 'node_modules/typescript/bin/tsc';
  const { stdout, status } = spawnSync(process.execPath, [tsc, '--project', 'test/docs/.work/compiled'], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

const recipes = globSync('docs/recipes/*.md').filter((path) => !path.endsWith('index.md'));

test.for(recipes)('%s is one snippet of at most 20 lines, and is run by a test', (path) => {
  const snippets = snippetsOf(path);
  expect(snippets).toHaveLength(1);
  expect(snippets[0]?.code.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  const name = path.replace(/^.*\/(.*)\.md$/, '$1');
  expect(existsSync(`test/recipes/${name}.node.test.ts`)).toBe(true);
});
