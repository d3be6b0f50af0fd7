import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { runCommand } from './run-command.ts';

/** Makes the tarball that npm would publish, and returns its path. */
export async function pack(directory: string): Promise<string> {
  const tarball = await npm(resolve('.'), 'pack', '--silent', '--pack-destination', directory);
  return join(directory, tarball.trim());
}

/** Puts the packed library into a folder as npm would, for those who need nothing else of an installation. */
export async function packInto(directory: string): Promise<void> {
  const to = resolve(directory, 'node_modules/steadfetch');
  mkdirSync(to, { recursive: true });
  const { ok, stderr } = await runCommand('tar', [
    '-xzf',
    await pack(resolve(directory)),
    '-C',
    to,
    '--strip-components',
    '1',
  ]);
  if (!ok) throw new Error(`Cannot unpack the packed library: ${stderr}`);
}

/** Installs the packed library into an empty project, with packages that are installed here: as copies, not built anew. */
export async function installPackage(directory: string, packages: readonly string[] = []): Promise<void> {
  const tarball = await pack(directory);
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
  const others = packages.map((name) => resolve('node_modules', name));
  await npm(directory, 'install', '--offline', '--install-links', '--ignore-scripts', tarball, ...others);
}

export async function npm(directory: string, ...args: readonly string[]): Promise<string> {
  const { ok, stdout, stderr } = await runCommand('npm', args, directory);
  if (!ok) throw new Error(`Cannot run npm ${args.join(' ')}\n${stderr}`);
  return stdout;
}
