// `npm run version`: turns the changesets into a version, the same in all that name it, and an entry of the changelog.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const changesets = fileURLToPath(new URL('../node_modules/@changesets/cli/bin.js', import.meta.url));
const { status } = spawnSync(process.execPath, [changesets, 'version'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
// Changesets knows package.json alone. The lock has the version twice: at its top, and in its first package, which is this one.
setVersions('jsr.json', 1);
setVersions('package-lock.json', 2);

/** Sets the first `count` versions in a file of JSON, and nothing else of it. */
function setVersions(path: string, count: number): void {
  let left = count;
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(/"version": "[^"]*"/g, (found) => (left-- > 0 ? `"version": "${version}"` : found));
  writeFileSync(path, changed);
}
