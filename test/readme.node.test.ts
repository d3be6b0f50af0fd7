import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

import * as steadfetch from '../src/index.ts';

const readme = readFileSync('README.md', 'utf8');
const pages = [readme, ...globSync('docs/**/*.md').map((path) => readFileSync(path, 'utf8'))];
const snippets = pages.flatMap((page) => [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => code));

test('README and docs have snippets that compile, each by itself, as strictly as the source', {
  timeout: 60_000,
}, () => {
  expect(snippets.length).toBeGreaterThanOrEqual(5);
  const directory = mkdtempSync(join(tmpdir(), 'steadfetch-readme-'));
  try {
    const compilerOptions = {
      paths: {
        steadfetch: [resolve('src/index.ts')],
        'steadfetch/cloudflare': [resolve('src/adapters/cloudflare.ts')],
        'steadfetch/devtools': [resolve('src/devtools/index.ts')],
        'steadfetch/health': [resolve('src/health/index.ts')],
        'steadfetch/idb': [resolve('src/stores/idb.ts')],
        'steadfetch/ky': [resolve('src/adapters/ky.ts')],
        'steadfetch/otel': [resolve('src/otel/index.ts')],
        'steadfetch/redis': [resolve('src/adapters/redis.ts')],
        redis: [resolve('node_modules/redis/dist/index.d.ts')],
        'steadfetch/server-timing': [resolve('src/server-timing.ts')],
        'steadfetch/tabs': [resolve('src/fleet/tabs.ts')],
        'steadfetch/testing': [resolve('src/testing/index.ts')],
        '@opentelemetry/api': [resolve('node_modules/@opentelemetry/api/dist/index.d.mts')],
        ky: [resolve('node_modules/ky/distribution/index.d.ts')],
      },
      isolatedDeclarations: false,
      declaration: false,
      noEmit: true,
      types: [],
    };
    const config = {
      extends: resolve('tsconfig.json'),
      compilerOptions,
      include: ['*.ts', resolve('worker-example/src/cloudflare.d.ts')],
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    for (const [index, code] of snippets.entries()) writeFileSync(join(directory, `snippet-${index + 1}.ts`), code);
    const tsc = resolve('node_modules/typescript/bin/tsc');
    const { stdout, status } = spawnSync(process.execPath, [tsc, '--project', directory], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
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
