import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { runCommand } from '../../tools/run-command.ts';

// A release, in a copy of what it changes.

const copy = mkdtempSync(join(tmpdir(), 'steadfetch-version-'));
const changesets = resolve('node_modules/@changesets/cli/bin.js');
const read = (path: string): string => readFileSync(join(copy, path), 'utf8');

beforeAll(async () => {
  const copied = ['package.json', 'package-lock.json', 'jsr.json', 'CHANGELOG.md', '.changeset'];
  for (const path of copied) cpSync(path, join(copy, path), { recursive: true });
  for (const path of readdirSync(join(copy, '.changeset'))) {
    if (path.endsWith('.md') && path !== 'README.md') rmSync(join(copy, '.changeset', path));
  }
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, '.gitignore'), 'node_modules\n');
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('add', '--all');
  await git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'now');
});

afterAll(() => rmSync(copy, { recursive: true }));

async function git(...args: readonly string[]): Promise<void> {
  const { ok, stderr } = await runCommand('git', args, copy);
  if (!ok) throw new Error(`git ${args.join(' ')}: ${stderr}`);
}

test('a changeset is of this package: the private workspaces have none, and it comes out where it is to be read', async () => {
  writeFileSync(join(copy, '.changeset/one.md'), "---\n'steadfetch': minor\n---\n\nOne thing more.\n");
  const before = JSON.parse(read('package.json'));
  const [major, minor] = before.version.split('.').map(Number);
  const next = `${major}.${minor + 1}.0`;

  const status = await runCommand(process.execPath, [changesets, 'status', '--verbose'], copy, { NO_COLOR: '1' });
  expect(status.stdout + status.stderr).toContain(`steadfetch -> ${next}`);
  expect(status.ok).toBe(true);

  const { ok, stderr } = await runCommand(process.execPath, [resolve('tools/version.ts')], copy);
  expect(stderr).toBe('');
  expect(ok).toBe(true);
  expect(JSON.parse(read('package.json'))).toEqual({ ...before, version: next });
  expect(JSON.parse(read('jsr.json'))).toEqual({ ...JSON.parse(readFileSync('jsr.json', 'utf8')), version: next });
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const packages = { ...lock.packages, '': { ...lock.packages[''], version: next } };
  expect(JSON.parse(read('package-lock.json'))).toEqual({ ...lock, version: next, packages });
  expect(read('CHANGELOG.md')).toMatch(
    new RegExp(`^# Changelog\n\n## ${next}\n\n### Minor Changes\n\n- (?:[0-9a-f]{7}: )?One thing more\\.\n`),
  );
  expect(readdirSync(join(copy, '.changeset')).sort()).toEqual(['README.md', 'config.json']);
});

test('the version of package.json is the newest of the changelog, or 0.0.0 before the first', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
  const [newest = '0.0.0'] = Array.from(
    readFileSync('CHANGELOG.md', 'utf8').matchAll(/^## (.+)$/gm),
    ([, name]) => name,
  );
  expect(version).toBe(newest);
});

test('a version that nothing asks for is none', async () => {
  const before = ['package.json', 'jsr.json', 'package-lock.json', 'CHANGELOG.md'].map(read);
  const { stdout, stderr } = await runCommand(process.execPath, [resolve('tools/version.ts')], copy);
  expect(stdout + stderr).toContain('No unreleased changesets found');
  expect(['package.json', 'jsr.json', 'package-lock.json', 'CHANGELOG.md'].map(read)).toEqual(before);
});
