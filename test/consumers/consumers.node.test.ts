import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';

import { packInto } from '../../tools/pack.ts';
import { runCommand } from '../../tools/run-command.ts';

// The packed library, as projects compile it that use it: what is in project/ says what they may write, and what they may not.

const work = 'test/consumers/.work';

const workspace: unknown = JSON.parse(readFileSync('test/consumers/package.json', 'utf8'));
const compilers = [
  ...Object.keys((workspace as { devDependencies: object }).devDependencies).filter((name) =>
    /^typescript-/.test(name),
  ),
  'typescript',
];

interface Platform {
  readonly name: string;
  readonly files: readonly string[];
  readonly lib: readonly string[];
  readonly types: readonly string[];
}

const platforms: readonly Platform[] = [
  { name: 'a page', files: ['everywhere.ts', 'page.ts'], lib: ['es2022', 'dom'], types: [] },
  { name: 'Node', files: ['everywhere.ts', 'server.ts'], lib: ['es2022'], types: ['node'] },
  { name: 'Workers', files: ['everywhere.ts', 'worker.ts'], lib: ['es2022'], types: ['@cloudflare/workers-types'] },
];

const resolutions = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
] as const;
type Resolution = (typeof resolutions)[number];

beforeAll(async () => {
  rmSync(work, { recursive: true, force: true });
  cpSync('test/consumers/project', work, { recursive: true });
  writeFileSync(`${work}/package.json`, '{ "private": true, "type": "module" }');
  await packInto(work);
}, 60_000);

test('the compilers are those from 5.5 to the newest', async () => {
  const versions = compilers.map(
    (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version,
  );
  expect(versions.map((version) => /^\d+\.\d+/.exec(version)?.[0])).toEqual([
    ...['5.5', '5.6', '5.7', '5.8', '5.9', '6.0'],
    '7.0',
  ]);
});

test.for(compilers)(
  '%s compiles what projects write, on each platform, with either resolution',
  {
    timeout: 300_000,
  },
  async (compiler) => {
    const programs = platforms.flatMap((platform) => resolutions.map((resolution) => ({ platform, resolution })));
    const complaints: Record<string, string> = {};
    await twoAtATime(programs, async ({ platform, resolution }) => {
      const found = await complaintsOf(compiler, platform, resolution);
      if (found !== '') complaints[`${platform.name}, ${resolution.moduleResolution}`] = found;
    });
    expect(complaints).toEqual({});
  },
);

test.for(['typescript-5.5', 'typescript'])(
  '%s needs of the platform the types of fetch, and nothing else',
  { timeout: 60_000 },
  async (compiler) => {
    const bare = { name: 'nowhere', files: ['layers.ts'], lib: ['es2022'], types: [] };
    const [resolution] = resolutions;
    const missing = (await complaintsOf(compiler, bare, resolution)).matchAll(/error TS\d+: (.*)/g);
    expect([...new Set(Array.from(missing, ([, message]) => message))].sort()).toEqual(
      ['AbortSignal', 'Request', 'RequestInit', 'Response', 'URL'].map((name) => `Cannot find name '${name}'.`),
    );
    expect(await complaintsOf(compiler, bare, resolution, { skipLibCheck: true })).toBe('');
  },
);

test('Deno checks what projects write everywhere', { timeout: 60_000 }, async () => {
  const strictness = { strict: true, exactOptionalPropertyTypes: true };
  writeFileSync(`${work}/deno.json`, JSON.stringify({ nodeModulesDir: 'manual', compilerOptions: strictness }));
  const deno = resolve('node_modules/.bin/deno');
  const { ok, stderr } = await runCommand(deno, ['check', 'everywhere.ts'], work, {
    DENO_DIR: resolve(work, '.deno'),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
  });
  expect(stderr.trim()).toBe('Check everywhere.ts');
  expect(ok).toBe(true);
});

async function complaintsOf(
  compiler: string,
  { name, files, lib, types }: Platform,
  resolution: Resolution,
  options: { readonly skipLibCheck?: boolean } = {},
): Promise<string> {
  // The declarations of the library are checked, as those of all packages; those of the language are not, which takes long.
  const checked = { skipLibCheck: false, skipDefaultLibCheck: true, ...options };
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, ...checked },
    ...{ target: 'es2022', lib, types, ...resolution },
    ...{ noEmit: true, allowImportingTsExtensions: true, pretty: false },
  };
  const config = `tsconfig.${[compiler, name, resolution.moduleResolution].join('-').replaceAll(' ', '-')}.json`;
  writeFileSync(`${work}/${config}`, JSON.stringify({ compilerOptions, files }));
  const tsc = resolve('node_modules', compiler, 'bin/tsc');
  expect(existsSync(tsc)).toBe(true);
  const { ok, stdout, stderr } = await runCommand(process.execPath, [tsc, '--project', config], work);
  if (!ok && stdout === '') return `The compiler failed: ${stderr}`;
  return ours(stdout);
}

/**
 * What is said of the library and of those who use it. Types of other packages have mistakes of their own (those of Node, to
 * an old compiler), which are no business of ours, unless they can't be read at all: the compiler then looks no further.
 */
function ours(output: string): string {
  const complaints = output.split(/\n(?! |$)/);
  return complaints
    .filter((each) => each.trim() !== '' && (!each.startsWith('..') || /error TS1\d{3}:/.test(each)))
    .join('\n');
}

async function twoAtATime<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
