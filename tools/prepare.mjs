// What a fresh clone needs before anything else: run by whatever Node there is (22 or later), so without any dependency.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The Node that the project runs on: it comes with the other dependencies. */
export const projectNode = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** Installs and builds what is missing or older than its sources. Ends the process if that cannot be done. */
export function prepare() {
  process.chdir(root);
  if (!isInstalled()) step('Installing the dependencies that package-lock.json lists', 'npm ci');
  if (!existsSync(projectNode)) step('Fetching the Node that the project runs on', 'npm rebuild node');
  if (!isBuilt()) step('Building dist', 'npm run build');
}

function step(what, command) {
  console.log(`${what}: ${command}`);
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`\nThis did not work: ${what}.\nTo see why, and to go on from here, run:\n  cd ${root} && ${command}`);
  process.exit(1);
}

/** Whether node_modules holds the versions of the lock. npm leaves out optional packages that are for other platforms. */
function isInstalled() {
  const installed = readPackages('node_modules/.package-lock.json');
  return Object.entries(readPackages('package-lock.json')).every(
    ([path, { version, optional }]) =>
      !path.startsWith('node_modules/') || (installed[path] ? installed[path].version === version : optional),
  );
}

function readPackages(lockfile) {
  return existsSync(lockfile) ? JSON.parse(readFileSync(lockfile, 'utf8')).packages : {};
}

function isBuilt() {
  const lastWritten = 'dist/index.d.ts';
  if (!existsSync(lastWritten)) return false;
  const sources = readdirSync('src', { recursive: true }).map((name) => join('src', name));
  const builtAt = statSync(lastWritten).mtimeMs;
  return [...sources, 'package.json', 'rolldown.config.ts', 'tsconfig.json', 'tsconfig.build.json'].every(
    (source) => statSync(source).mtimeMs <= builtAt,
  );
}
