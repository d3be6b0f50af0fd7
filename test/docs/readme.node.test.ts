import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { type ClientSettings, resolveClient } from '../../src/client-options.ts';
import * as steadfetch from '../../src/index.ts';
import { load, snippetsOf } from './snippets.ts';

const readme = readFileSync('README.md', 'utf8');
const optionsPage = readFileSync('docs/options.md', 'utf8');

test('README has at most 300 lines', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(300);
});

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

test.for(groups)('docs/options.md tells every option of createClient({ $group })', ({ group, options, least }) => {
  const names = optionNames(options);
  expect(names.length).toBeGreaterThanOrEqual(least);
  const told = names
    .filter((name) => group === '' || !tools.includes(name))
    .map((name) => `${group}${name}`)
    .filter((path) => !toldElsewhere.includes(path));
  expect(told.filter((path) => !optionsPage.includes(`\`${path}\``))).toEqual([]);
});

const [, defaults] = snippetsOf('README.md');

// Those of fallback are off, and told of in its page.
const shownGroups = groups.filter(({ group }) => group !== 'fallback.');

test.for(shownGroups)('README shows every option of createClient({ $group })', ({ group, options }) => {
  const names = optionNames(options).filter((name) => group === '' || !tools.includes(name));
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(sectionOf('Options')))).toEqual([]);
});

test('README shows the defaults as they are', async () => {
  const code = (defaults?.code ?? '').replace(/^import.*$/m, '').replace('createClient(', '(');
  const { client: shown } = await load<{ client: steadfetch.ClientOptions }>('README-options', { page: 'o', code });
  const settings = resolveClient(shown);
  expect(comparable(settings)).toEqual(comparable(resolveClient()));
  const request = new Request('https://users.test:8443/u/1?q');
  expect(settings.isolateBy?.(request)).toBe('https://users.test:8443');
});

function comparable({ isolateBy: _, ...settings }: ClientSettings): object {
  return settings;
}

function sectionOf(heading: string): string {
  return readme.split(/^## /m).find((section) => section.startsWith(heading)) ?? '';
}

test('README tells every error class with its code', () => {
  const classes = Object.entries(steadfetch).filter(
    ([name, value]) => name.endsWith('Error') && value !== steadfetch.SteadfetchError,
  );
  expect(classes.length).toBe(7);
  expect(classes.map(([name]) => name).filter((name) => !readme.includes(`| \`${name}\` |`))).toEqual([]);
});

test.for([
  { pages: 'recipes', says: /\[Recipes\]\(docs\/recipes\/index\.md\): (.*?) · / },
  { pages: 'migration', says: /\[migrating\]\(docs\/migration\/index\.md\) from (.*?) \|/ },
])('README names each of the pages in docs/$pages, and no others', ({ pages, says }) => {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z]/g, '');
  const names = says.exec(readme)?.[1]?.split(', ').map(plain) ?? [];
  const files = globSync(`docs/${pages}/*.md`).filter((path) => !path.endsWith('index.md'));
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => !files.some((path) => plain(path).includes(name)))).toEqual([]);
  expect(files).toHaveLength(names.length);
});

test.for(['README.md', 'CONTRIBUTING.md'])('a clone can be prepared by the oldest Node that %s takes', (page) => {
  const [, major] = /some Node \((\d+) or later\)/.exec(readFileSync(page, 'utf8')) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'steadfetch-prepare-'));
  try {
    // What is missing here is installed and built by those who run the tests.
    writeFileSync(join(folder, 'npm'), '#!/bin/sh\n', { mode: 0o755 });
    const node = `node_modules/node${major}-${process.platform}-${process.arch}/bin/node`;
    const script = `
      const { prepare, projectNode } = await import('./tools/prepare.mjs');
      prepare();
      console.log(projectNode);
    `;
    const options = { env: { PATH: folder }, encoding: 'utf8' } as const;
    expect(execFileSync(node, ['--input-type=module', '--eval', script], options)).toContain(
      'node_modules/node/bin/node',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('README tells the sizes that the build is held to', () => {
  const limits: readonly { name: string; limit: string }[] = JSON.parse(readFileSync('package.json', 'utf8'))[
    'size-limit'
  ];
  const [all = '', breaker = ''] = ['createClient', 'CircuitBreaker'].map((name) =>
    limits.find((each) => each.name === name)?.limit.replace(' kB', ''),
  );
  expect(readme).toContain(`\`createClient\` is ${all} kB (minified, brotli); a circuit breaker alone ${breaker}.`);
});
