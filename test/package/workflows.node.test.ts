import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';

import { runCommand } from '../../tools/run-command.ts';

// What can be known of the workflows without GitHub: what they may do, and what their scripts do.

interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
}

interface Job {
  readonly needs?: readonly string[];
  readonly if?: string;
  readonly uses?: string;
  readonly environment?: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const texts = ['ci', 'release'].map((name) => readFileSync(`.github/workflows/${name}.yml`, 'utf8'));
const [ci, release] = texts.map((text) => parse(text) as Workflow) as [Workflow, Workflow];
const jobs = Object.entries({ ...ci.jobs, ...release.jobs });
const steps = jobs.flatMap(([, job]) => job.steps ?? []);
const scripts = steps.flatMap(({ run }) => run ?? []);

test('workflows run commands that there are', () => {
  const { scripts: known } = JSON.parse(readFileSync('package.json', 'utf8'));
  const named = scripts.flatMap((script) =>
    Array.from(script.matchAll(/\bnpm run ([\w:-]+)/g), ([, name = '']) => name),
  );
  expect([...new Set(named)].sort()).toEqual(['changeset', 'check', 'version']);
  expect(named.filter((name) => !(name in known))).toEqual([]);
  expect(scripts).toContain('bash .ci/run');
  expect(existsSync('.ci/run')).toBe(true);
  expect(existsSync('node_modules/.bin/deno')).toBe(true);
});

test('their scripts are what a shell can read', async () => {
  for (const script of scripts)
    expect(await runCommand('bash', ['-n', '-c', script])).toMatchObject({ ok: true, stderr: '' });
});

test('jobs may do what they need, and nothing else', () => {
  expect([ci.permissions, release.permissions]).toEqual([{}, {}]);
  const rights = jobs.map(([name, { permissions }]) => [name, permissions]);
  expect(Object.fromEntries(rights)).toEqual({
    test: { contents: 'read' },
    changeset: { contents: 'read' },
    ci: { contents: 'read' },
    plan: { contents: 'read' },
    version: { contents: 'write', 'pull-requests': 'write' },
    npm: { contents: 'read', 'id-token': 'write' },
    jsr: { contents: 'read', 'id-token': 'write' },
    tag: { contents: 'write' },
  });
});

test('what is published has been tested, and who publishes says who it is', () => {
  const publishing = jobs.filter(([, job]) =>
    job.steps?.some(({ run }) => /\bpublish\b/.test(run?.split('\n')[0] ?? '')),
  );
  expect(publishing.map(([name]) => name)).toEqual(['npm', 'jsr']);
  for (const [, job] of publishing) {
    expect(job).toMatchObject({
      needs: ['ci', 'plan'],
      if: "needs.plan.outputs.next == 'publish'",
      environment: 'release',
      permissions: { 'id-token': 'write' },
    });
  }
  expect(release.jobs['ci']?.uses).toBe('./.github/workflows/ci.yml');
  expect(Object.keys(ci.on)).toContain('workflow_call');
  expect(release.on).toEqual({ push: { branches: ['main'] } });
  expect(release.jobs['npm']?.steps?.at(-1)?.run).toBe('npm publish --provenance --access public');
});

test('package.json says where the provenance is from', () => {
  const { repository, publishConfig } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(repository.url).toBe('git+https://github.com/steadfetch/steadfetch.git');
  expect(publishConfig).toEqual({ access: 'public', provenance: true });
});

test('actions are pinned to a commit, and say of which version it is', () => {
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => /\buses: [^.]/.test(line));
  expect(lines.length).toBe(steps.filter(({ uses }) => uses !== undefined).length);
  expect(lines.filter((line) => !/\buses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
});

test('nothing of GitHub gets into a script but by the environment, and there is no secret', () => {
  expect(scripts.filter((script) => script.includes('${{'))).toEqual([]);
  expect(texts.filter((text) => /secrets\b|\btoken: \$|\bset -x\b/i.test(text))).toEqual([]);
});

test('no job runs for ever', () => {
  const local = jobs.filter(([, { uses }]) => uses === undefined);
  expect(local.filter(([, job]) => !((job['timeout-minutes'] ?? Infinity) <= 60))).toEqual([]);
});

// The scripts, run: with npm and gh played by scripts that note what they are asked.

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadfetch-workflow-'));
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'work/.changeset'), { recursive: true });
  writeFileSync(join(folder, 'work/package.json'), '{ "version": "1.2.0" }');
  writeFileSync(join(folder, 'work/.changeset/README.md'), '');
});

afterEach(() => rmSync(folder, { recursive: true }));

function play(command: string, script: string): void {
  const path = join(folder, 'bin', command);
  writeFileSync(path, `#!/bin/sh\necho "$@" >> '${folder}/${command}.log'\n${script}\n`);
  chmodSync(path, 0o755);
}

const heard = (command: string): string => readFileSync(join(folder, `${command}.log`), 'utf8');

async function runStep(job: string, isIt: (step: Step) => boolean): Promise<void> {
  const step = release.jobs[job]?.steps?.find(isIt);
  const { ok, stderr } = await runCommand('bash', ['-e', '-c', step?.run ?? 'false'], join(folder, 'work'), {
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_SHA: 'abc',
    GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
  });
  expect({ ok, stderr: ok ? '' : stderr }).toEqual({ ok: true, stderr: '' });
}

test.for([
  { case: 'there are changesets', changesets: ['one.md'], published: true, next: 'version' },
  { case: 'the version is on npm', changesets: [], published: true, next: 'nothing' },
  { case: 'the version is not on npm', changesets: [], published: false, next: 'publish' },
])('next is: $next, when $case', async ({ changesets, published, next }) => {
  for (const name of changesets) writeFileSync(join(folder, 'work/.changeset', name), '');
  play('npm', published ? 'echo 1.2.0' : 'exit 1');
  await runStep('plan', ({ id }) => id === 'plan');
  expect(readFileSync(join(folder, 'output'), 'utf8')).toBe(`next=${next}\n`);
  if (changesets.length === 0) expect(heard('npm')).toBe('view steadfetch@1.2.0 version\n');
});

test.for([
  { open: '', asked: 'pr create --base main --head next-release --title Release 1.3.0 --body' },
  { open: '7', asked: 'pr edit 7 --title Release 1.3.0 --body' },
])('the pull request for a version is one: $asked', async ({ open, asked }) => {
  const work = join(folder, 'work');
  const git = async (...args: readonly string[]): Promise<string> => {
    const { ok, stdout, stderr } = await runCommand('git', args, work);
    expect({ args, ok, stderr: ok ? '' : stderr }).toEqual({ args, ok: true, stderr: '' });
    return stdout;
  };
  writeFileSync(join(work, '.changeset/one.md'), '');
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('add', '--all');
  await git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'now');
  await git('init', '--quiet', '--bare', join(folder, 'origin.git'));
  await git('remote', 'add', 'origin', join(folder, 'origin.git'));
  // What an earlier release has left there.
  await git('push', '--quiet', 'origin', 'main:next-release');
  // What `npm run version` does.
  writeFileSync(join(work, 'package.json'), '{ "version": "1.3.0" }');
  rmSync(join(work, '.changeset/one.md'));

  play('gh', `[ "$2" != list ] || echo '${open}'`);
  await runStep('version', ({ run }) => run?.includes('gh pr') === true);
  expect(heard('gh')).toContain(asked);
  expect(await git('log', '--format=%s', 'origin/next-release')).toBe('Release 1.3.0\nnow\n');
  expect(await git('show', '--format=', '--name-status', 'origin/next-release')).toBe(
    'D\t.changeset/one.md\nM\tpackage.json\n',
  );
});

test('the release has the entry of its version, whole and alone', async () => {
  const changelog = '# Changelog\n\n## 1.2.0\n\n### Minor Changes\n\n- One.\n\n## 1.1.0\n\n- Another.\n';
  writeFileSync(join(folder, 'work/CHANGELOG.md'), changelog);
  play('gh', `cp notes.md '${folder}'`);
  await runStep('tag', ({ run }) => run?.includes('gh release') === true);
  expect(readFileSync(join(folder, 'notes.md'), 'utf8').trim()).toBe('### Minor Changes\n\n- One.');
  expect(heard('gh')).toBe('release create v1.2.0 --target abc --title 1.2.0 --notes-file notes.md\n');
});
