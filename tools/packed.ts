// The library as its users get it: a tarball, and npm.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Installs the packed library into an empty project, with packages that are installed here: as copies, not built anew. */
export async function installPackage(directory: string, packages: readonly string[] = []): Promise<void> {
  const tarball = await npm(resolve('.'), 'pack', '--silent', '--pack-destination', directory);
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
  const others = packages.map((name) => resolve('node_modules', name));
  await npm(directory, 'install', '--offline', '--install-links', '--ignore-scripts', `./${tarball.trim()}`, ...others);
}

async function npm(directory: string, ...args: readonly string[]): Promise<string> {
  const { ok, stdout, stderr } = await run('npm', args, directory);
  if (!ok) throw new Error(`Cannot install the packed library: npm ${args.join(' ')}\n${stderr}`);
  return stdout;
}

export interface Finished {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, for a minute at most. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const options = { cwd, timeout: 60_000, env: { ...process.env, ...environment } };
  return new Promise((done) => {
    execFile(command, args, options, (error, stdout, stderr) => done({ ok: !error, stdout, stderr }));
  });
}
