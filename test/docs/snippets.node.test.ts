import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { transform } from 'esbuild';
import { expect, test } from 'vitest';

import { pages, type Snippet, snippetsOf, writeSnippets } from './snippets.ts';

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

// What is only a fragment, or takes what the page can't declare.
const fragments = pages.flatMap((path) => snippetsOf(path, 'js|tsx').map((snippet, index) => ({ index, ...snippet })));

test.for(fragments)('the JavaScript of $page ($index) is JavaScript', async ({ code }) => {
  await expect(transform(code, { loader: 'tsx' })).resolves.toMatchObject({ warnings: [] });
});

const recipes = globSync('docs/recipes/*.md').filter((path) => !path.endsWith('index.md'));

test.for(recipes)('%s is one snippet of at most 20 lines, and is run by a test', (path) => {
  const snippets = snippetsOf(path);
  expect(snippets).toHaveLength(1);
  expect(snippets[0]?.code.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  const name = path.replace(/^.*\/(.*)\.md$/, '$1');
  expect(existsSync(`test/recipes/${name}.node.test.ts`)).toBe(true);
});

/** The options of each client that a page makes, and the longest that a caller of it waits, with the default where it says nothing. */
function clientsIn(code: string): readonly { readonly attemptMs: number; readonly callMs: number }[] {
  const ms = (name: string, text: string, otherwise: number): number => {
    const [, given] = new RegExp(`\\b${name}: ([\\d_]+)`).exec(text) ?? [];
    return given === undefined ? otherwise : Number(given.replaceAll('_', ''));
  };
  return code
    .split('createClient(')
    .slice(1)
    .filter((text) => !/\b(?:deadlineMs|attemptTimeoutMs): false/.test(text))
    .map((text) => ({
      attemptMs: ms('attemptTimeoutMs', text, 10_000),
      callMs: Math.min(ms('deadlineMs', text, 30_000), ms('maxMs', text, Infinity)),
    }));
}

const blocks: readonly Snippet[] = [
  ...pages.flatMap((path) => snippetsOf(path, 'ts|js|tsx')),
  ...globSync('docs/examples/*.mjs').map((page) => ({ page, code: readFileSync(page, 'utf8') })),
];

test('no page shows a client whose attempts last as long as its calls: hangs would never open its circuit', () => {
  const all = blocks.flatMap(({ page, code }) => clientsIn(code).map((client) => ({ page, ...client })));
  expect(all.length).toBeGreaterThan(40);
  expect(all.filter(({ attemptMs, callMs }) => attemptMs >= callMs)).toEqual([]);
});
