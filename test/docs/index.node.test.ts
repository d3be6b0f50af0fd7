import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';

import { load, snippetsOf } from './snippets.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly dependencies?: object;
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};

/** What a built file asks for that is not its own, and what those ask for that are. */
function importsOf(path: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  const code = readFileSync(path, 'utf8').replaceAll(/^\/\/.*$/gm, '');
  const names = Array.from(code.matchAll(/\b(?:from|import)\s*\(?["']([^"']+)["']/g), ([, name = '']) => name);
  return names.flatMap((name) =>
    name.startsWith('.') ? importsOf(posix.join(posix.dirname(path), name), seen) : [name],
  );
}

// First, since the library is loaded once.
test('docs/index.md: the library does no work at load', async () => {
  const work = [
    ...(['setTimeout', 'setInterval', 'fetch', 'queueMicrotask'] as const).map((name) => vi.spyOn(globalThis, name)),
    ...[vi.spyOn(EventTarget.prototype, 'addEventListener'), vi.spyOn(Date, 'now'), vi.spyOn(Math, 'random')],
  ];
  const { createClient } = await import('../../dist/index.js');
  const done = work.map((spy) => spy.mock.calls.length);
  vi.restoreAllMocks();
  expect(createClient).toBeTypeOf('function');
  expect(done).toEqual(work.map(() => 0));
});

test.for(['.', './devtools'])(
  'docs/index.md, docs/getting-started.md: %s needs no other package, so a page needs no bundler',
  (entry) => {
    expect(manifest.dependencies).toBeUndefined();
    expect(importsOf(manifest.exports[entry]?.default ?? '')).toEqual([]);
    expect(importsOf(manifest.exports['./idb']?.default ?? '')).toEqual(['idb-keyval']);
  },
);

test.for([
  { isDown: false, shown: ['Ann', false] },
  { isDown: true, shown: ['somebody', true] },
])('docs/index.md: its example shows $shown, down: $isDown', async ({ isDown, shown }) => {
  vi.stubGlobal('fetch', async () => Response.json({ name: 'Ann' }, { status: isDown ? 501 : 200 }));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
  await load(`index-${isDown}`, snippetsOf('docs/index.md')[0]);
  expect(log.mock.calls).toEqual([shown]);
});
