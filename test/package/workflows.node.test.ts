import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';

import { type Outcome, runCommand } from '../../tools/run-command.ts';

// What can be known of the workflows without GitHub: what they may do, and what their scripts do.

interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly needs?: readonly string[];
  readonly if?: string;
  readonly uses?: string;
  readonly environment?: string;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const texts = ['ci', 'release', 'docs'].map((name) => readFileSync(`.github/workflows/${name}.yml`, 'utf8'));
const [ci, release, docs] = texts.map((text) => parse(text) as Workflow) as [Workflow, Workflow, Workflow];
const jobs = Object.entries({ ...ci.jobs, ...release.jobs, ...docs.jobs });
const steps = jobs.flatMap(([, job]) => job.steps ?? []);
const scripts = steps.flatMap(({ run }) => run ?? []);

test('there are no other workflows than those read here', () => {
  expect(readdirSync('.github/workflows').sort()).toEqual(['ci.yml', 'docs.yml', 'release.yml']);
});

test('workflows run commands that there are', () => {
  const { scripts: known } = JSON.parse(readFileSync('package.json', 'utf8'));
  const named = scripts.flatMap((script) =>
    Array.from(script.matchAll(/\bnpm run ([\w:-]+)/g), ([, name = '']) => name),
  );
  expect([...new Set(named)].sort()).toEqual(['changeset', 'check', 'docs', 'version']);
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
  expect([ci.permissions, release.permissions, docs.permissions]).toEqual([{}, {}, {}]);
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
    build: { contents: 'read' },
    deploy: { pages: 'write', 'id-token': 'write' },
  });
});

test('what is published has been tested, and who publishes says who it is', () => {
  const publishing = jobs.filter(([, job]) => job.steps?.some(({ run }) => /\b(?:npm|deno) publish\b/.test(run ?? '')));
  expect(publishing.map(([name]) => name)).toEqual(['npm', 'jsr']);
  for (const [, job] of publishing)
    expect(job).toMatchObject({ environment: 'release', permissions: { 'id-token': 'write' } });
  // A job without a condition of its own runs if all that it needs have succeeded.
  const { version, npm, jsr, tag } = release.jobs;
  expect(version).toMatchObject({ needs: ['ci', 'plan'], if: "needs.plan.outputs.changesets == 'true'" });
  expect(npm).toMatchObject({ needs: ['ci', 'plan'], if: "needs.plan.outputs.release == 'true'" });
  expect([jsr?.needs, jsr?.if, tag?.needs, tag?.if]).toEqual([['npm'], undefined, ['npm', 'jsr'], undefined]);
  expect(release.jobs['ci']?.uses).toBe('./.github/workflows/ci.yml');
  expect(Object.keys(ci.on)).toContain('workflow_call');
  expect(release.on).toEqual({ push: { branches: ['main'] } });
});

const expression = (name: string): string => ['$', '{{ ', name, ' }}'].join('');

test('what is published to JSR is of the commit that npm has', () => {
  expect(release.jobs['npm']?.outputs).toEqual({ commit: expression('steps.publish.outputs.commit') });
  expect(release.jobs['jsr']?.steps?.[0]?.with).toMatchObject({ ref: expression('needs.npm.outputs.commit') });
  expect(release.jobs['tag']?.steps?.at(-1)?.env).toMatchObject({ COMMIT: expression('needs.npm.outputs.commit') });
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

test('an action has the same version wherever it is used', () => {
  const used = new Set(steps.flatMap(({ uses }) => uses ?? []));
  const names = Array.from(used, (action) => action.split('@')[0]);
  expect(names.sort()).toEqual([...new Set(names)]);
  const node = steps.filter(({ uses }) => uses?.startsWith('actions/setup-node@'));
  expect(new Set(node.map((step) => step.with?.['node-version']))).toEqual(new Set([24]));
});

test('nothing of GitHub gets into a script but by the environment, and there is no secret', () => {
  expect(scripts.filter((script) => script.includes('${{'))).toEqual([]);
  expect(texts.filter((text) => /secrets\b|\btoken: \$|\bset -x\b/i.test(text))).toEqual([]);
});

test('no job runs for ever', () => {
  const local = jobs.filter(([, { uses }]) => uses === undefined);
  expect(local.filter(([, job]) => !((job['timeout-minutes'] ?? Infinity) <= 60))).toEqual([]);
});

// The scripts, run: with npm, gh and curl played by scripts that note what they are asked.

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadfetch-workflow-'));
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'work/.changeset'), { recursive: true });
  writeFileSync(join(folder, 'work/package.json'), '{ "version": "1.2.0" }');
  writeFileSync(join(folder, 'work/.changeset/README.md'), '');
  writeFileSync(join(folder, 'work/CHANGELOG.md'), '# Changelog\n\n## 1.2.0\n\n- One.\n');
  cpSync('.github/published.sh', join(folder, 'work/.github/published.sh'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function play(command: string, script: string): void {
  const path = join(folder, 'bin', command);
  writeFileSync(path, `#!/bin/sh\necho "$@" >> '${folder}/${command}.log'\n${script}\n`);
  chmodSync(path, 0o755);
}

const heard = (command: string): string => readFileSync(join(folder, `${command}.log`), 'utf8');

async function runStep(job: string, isIt: (step: Step) => boolean): Promise<void> {
  const { ok, stderr } = await tryStep(job, isIt);
  expect({ ok, stderr: ok ? '' : stderr }).toEqual({ ok: true, stderr: '' });
}

function tryStep(job: string, isIt: (step: Step) => boolean): Promise<Outcome> {
  const step = release.jobs[job]?.steps?.find(isIt);
  return runCommand('bash', ['-e', '-c', step?.run ?? 'false'], join(folder, 'work'), {
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
    GITHUB_OUTPUT: join(folder, 'output'),
    GITHUB_REPOSITORY: 'steadfetch/steadfetch',
    GITHUB_SHA: 'abc',
    COMMIT: 'def',
    GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
  });
}

type Place = 'npm' | 'github';
type Answer = 'there' | 'missing' | 'unreachable' | 'broken';

// What npm 11 and gh 2 print.
const failures = {
  npm: {
    missing: 'npm error code E404\nnpm error 404 No match found for version 1.2.0',
    unreachable: 'npm error code ECONNREFUSED\nnpm error syscall connect',
    broken: 'npm error code E500\nnpm error 500 Internal Server Error',
  },
  github: {
    missing: 'gh: Not Found (HTTP 404)',
    unreachable: 'error connecting to api.github.com',
    broken: 'gh: Bad credentials (HTTP 401)',
  },
} as const;

const commands = { npm: 'npm', github: 'gh' } as const;
const asked = {
  npm: 'view steadfetch@1.2.0 version\n',
  github: 'api repos/steadfetch/steadfetch/releases/tags/v1.2.0\n',
} as const;

/** Plays a place's command: `asked` has the answer, and all else (publishing) the script. */
function playPlace(place: Place, answer: Answer, script = 'exit 3'): void {
  const failing = answer === 'there' ? 'exit 0' : `echo '${failures[place][answer]}' >&2; exit 1`;
  play(commands[place], `case "$*" in ${place === 'npm' ? '*" version"' : 'api*'}) ${failing} ;; esac\n${script}`);
}

const output = (): string => readFileSync(join(folder, 'output'), 'utf8');

const plan = ({ id }: Step): boolean => id === 'plan';
const publish = ({ id }: Step): boolean => id === 'publish';

test.for<{ at: readonly [Answer, Answer]; changesets: readonly string[]; says: readonly [boolean, boolean] }>([
  { at: ['missing', 'missing'], changesets: [], says: [false, true] },
  { at: ['there', 'missing'], changesets: [], says: [false, true] },
  { at: ['there', 'there'], changesets: [], says: [false, false] },
  { at: ['there', 'there'], changesets: ['one.md'], says: [true, false] },
  // Merged after the version, before it was out.
  { at: ['missing', 'missing'], changesets: ['one.md'], says: [true, true] },
  { at: ['there', 'missing'], changesets: ['one.md'], says: [true, true] },
])('with npm, GitHub $at and changesets $changesets: changesets, release are $says', async (row) => {
  for (const name of row.changesets) writeFileSync(join(folder, 'work/.changeset', name), '');
  const places = ['npm', 'github'] as const;
  for (const [index, place] of places.entries()) playPlace(place, row.at[index] ?? 'broken');
  await runStep('plan', plan);
  expect(output()).toBe(`changesets=${row.says[0]}\nrelease=${row.says[1]}\n`);
  expect(places.map((place) => heard(commands[place]))).toEqual(places.map((place) => asked[place]));
});

test.for<{ place: Place; answer: Answer }>(
  (['npm', 'github'] as const).flatMap((place) =>
    (['unreachable', 'broken'] as const).map((answer) => ({ place, answer })),
  ),
)('a $place that is $answer is not taken for one without the version: the job fails', async ({ place, answer }) => {
  for (const each of ['npm', 'github'] as const) playPlace(each, each === place ? answer : 'there');
  const { ok, stderr } = await tryStep('plan', plan);
  expect({ ok, stderr: stderr.trim() }).toEqual({ ok: false, stderr: failures[place][answer as 'broken'] });
  expect(existsSync(join(folder, 'output'))).toBe(false);
});

test('before the first release, nobody is asked for the number that was never made', async () => {
  writeFileSync(join(folder, 'work/CHANGELOG.md'), '# Changelog\n');
  writeFileSync(join(folder, 'work/.changeset/first-release.md'), '');
  for (const command of ['npm', 'gh']) play(command, 'exit 1');
  await runStep('plan', plan);
  expect(output()).toBe('changesets=true\nrelease=false\n');
  expect(existsSync(join(folder, 'npm.log'))).toBe(false);
});

test('npm gets what it lacks, and says of which commit it is', async () => {
  playPlace('npm', 'missing', 'exit 0');
  await runStep('npm', publish);
  expect(heard('npm')).toBe(`${asked.npm}publish --provenance --access public\n`);
  expect(output()).toBe('commit=abc\n');
});

test('npm is asked of which commit it has the version, where it has it', async () => {
  playPlace('npm', 'there', 'echo fed');
  await runStep('npm', publish);
  expect(heard('npm')).toBe(`${asked.npm}view steadfetch@1.2.0 gitHead\n`);
  expect(output()).toBe('commit=fed\n');
});

test.for<{ what: string; answer: Answer; script: string }>([
  { what: 'npm can not be reached', answer: 'unreachable', script: 'exit 0' },
  { what: 'publishing fails', answer: 'missing', script: 'exit 1' },
  { what: 'npm does not know the commit', answer: 'there', script: 'exit 0' },
])('no commit is told where $what', async ({ answer, script }) => {
  playPlace('npm', answer, script);
  expect((await tryStep('npm', publish)).ok).toBe(false);
  expect(existsSync(join(folder, 'output'))).toBe(false);
  if (answer === 'unreachable') expect(heard('npm')).toBe(asked.npm);
});

test.for([
  { open: '', wanted: 'pr create --base main --head next-release --title Release 1.3.0 --body' },
  { open: '7', wanted: 'pr edit 7 --title Release 1.3.0 --body' },
])('the pull request for a version is one: $wanted', async ({ open, wanted }) => {
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
  expect(heard('gh')).toContain(wanted);
  expect(await git('log', '--format=%s', 'origin/next-release')).toBe('Release 1.3.0\nnow\n');
  expect(await git('show', '--format=', '--name-status', 'origin/next-release')).toBe(
    'D\t.changeset/one.md\nM\tpackage.json\n',
  );
});

test('the release has the entry of its version, whole and alone', async () => {
  const changelog = '# Changelog\n\n## 1.2.0\n\n### Minor Changes\n\n- One.\n\n## 1.1.0\n\n- Another.\n';
  writeFileSync(join(folder, 'work/CHANGELOG.md'), changelog);
  playPlace('github', 'missing', `cp notes.md '${folder}'`);
  await runStep('tag', ({ run }) => run?.includes('gh release') === true);
  expect(readFileSync(join(folder, 'notes.md'), 'utf8').trim()).toBe('### Minor Changes\n\n- One.');
  expect(heard('gh')).toBe(`${asked.github}release create v1.2.0 --target def --title 1.2.0 --notes-file notes.md\n`);
});

test.for<{ answer: Answer; ok: boolean }>([
  { answer: 'there', ok: true },
  { answer: 'unreachable', ok: false },
])('no release is made where GitHub is $answer', async ({ answer, ok }) => {
  playPlace('github', answer);
  expect((await tryStep('tag', ({ run }) => run?.includes('gh release') === true)).ok).toBe(ok);
  expect(heard('gh')).toBe(asked.github);
});
