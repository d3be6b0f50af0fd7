import { existsSync, globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { pages, type Snippet, snippetsOf } from './snippets.ts';
import { tableOf } from './tables.ts';

const recipes = globSync('docs/recipes/*.md').filter((path) => !path.endsWith('index.md'));

test.for(recipes)('%s is one snippet of at most 20 lines, and is run by a test', (path) => {
  // What exports nothing is a fragment.
  const snippets = snippetsOf(path).filter(({ code }) => /^export /m.test(code));
  expect(snippets).toHaveLength(1);
  expect(snippets[0]?.code.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  const name = path.replace(/^.*\/(.*)\.md$/, '$1');
  expect(existsSync(`test/recipes/${name}.node.test.ts`)).toBe(true);
});

test('the table of recipes has each of them, and what it says of it is in its page', () => {
  const { rows } = tableOf('docs/recipes/index.md', 'Recipes', 'Client');
  const told = rows.map((cells) => ({
    pages: Array.from(cells[0]?.matchAll(/\]\(\.\/([\w-]+\.md)\)/g) ?? [], ([, name]) => `docs/recipes/${name}`),
    codes: Array.from(
      cells
        .slice(1)
        .join(' ')
        .matchAll(/`([^`]+)`/g),
      ([, code = '']) => code.replace(/ ….*$/, ''),
    ),
  }));
  expect(told.flatMap(({ pages }) => pages).sort()).toEqual([...recipes].sort());
  const missing = told.flatMap(({ pages, codes }) => {
    const text = pages.map((page) => readFileSync(page, 'utf8')).join('\n');
    return codes.filter((code) => !text.includes(code)).map((code) => `${pages}: ${code}`);
  });
  expect(missing).toEqual([]);
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

test('what has a fallback ends its calls before the time of its callers, which no fallback outlasts', () => {
  const all = blocks.filter(({ code }) => /incomingDeadline\(/.test(code) && /\bfallback:/.test(code));
  expect(all.map(({ page }) => page)).toEqual(['docs/workers']);
  for (const { code } of all) {
    const [ours, theirs] = [/deadlineMs: ([\d_]+)/, /maxMs: ([\d_]+)/].map((ms) =>
      Number(ms.exec(code)?.[1]?.replaceAll('_', '')),
    );
    expect(ours).toBeLessThan(theirs ?? 0);
  }
});
