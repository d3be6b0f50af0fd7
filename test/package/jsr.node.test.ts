import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

import { entries } from '../../tools/entries.ts';
import { runCommand } from '../../tools/run-command.ts';

// JSR takes the sources as they are, and its own description of them: here it is held to that of npm.

const npm = JSON.parse(readFileSync('package.json', 'utf8'));
const jsr = JSON.parse(readFileSync('jsr.json', 'utf8'));
const published = globSync('src/**/*.ts').filter((path) => !jsr.publish.exclude.includes(path));

test('jsr.json has the version, the licence and the entries of package.json, as sources', () => {
  expect(jsr.name).toBe('@steadfetch/steadfetch');
  expect([jsr.version, jsr.license]).toEqual([npm.version, npm.license]);
  const sources = entries.map(({ key, code }) => [key, code.replace('./dist/', './src/').replace(/\.js$/, '.ts')]);
  expect(jsr.exports).toEqual(Object.fromEntries(sources));
});

test('jsr.json takes what the sources import from npm, in the versions that package.json asks for', () => {
  const imported = published.flatMap((path) =>
    Array.from(
      readFileSync(path, 'utf8').matchAll(/^(?:import|export)\b[^;']*?from '([^.'][^']*)'/gm),
      ([, name]) => name,
    ),
  );
  const wanted = [...new Set(imported)].map((name = '') => [name, `npm:${name}@${npm.peerDependencies[name]}`]);
  expect(wanted.length).toBeGreaterThan(0);
  expect(jsr.imports).toEqual(Object.fromEntries(wanted));
});

test('deno publish would take it, with types that need no inference', { timeout: 120_000 }, async () => {
  const cache = mkdtempSync(join(tmpdir(), 'steadfetch-deno-'));
  try {
    const { ok, stderr } = await runCommand(
      resolve('node_modules/.bin/deno'),
      ['publish', '--dry-run', '--allow-dirty'],
      '.',
      // Nothing is fetched: what it needs is installed.
      { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', NPM_CONFIG_REGISTRY: 'http://127.0.0.1:9' },
    );
    expect(stderr).toContain('Success Dry run complete');
    expect(stderr).not.toMatch(/warning|error\[/);
    expect(ok).toBe(true);
    const root = `${pathToFileURL(resolve('.'))}/`;
    const files = stderr.split(/\s+/).filter((word) => word.startsWith(root));
    const expected = [...published, 'CHANGELOG.md', 'LICENSE', 'README.md', 'jsr.json'];
    expect(files.map((url) => url.slice(root.length)).sort()).toEqual(expected.sort());
  } finally {
    rmSync(cache, { recursive: true });
  }
});
