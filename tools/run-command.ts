import { execFile } from 'node:child_process';

export interface Outcome {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, which has to come within two minutes. One that fails is an outcome like another. */
export function runCommand(
  command: string,
  args: readonly string[],
  cwd = '.',
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const options = { cwd, timeout: 120_000, maxBuffer: 16 * 1024 * 1024, env: { ...process.env, ...environment } };
  return new Promise((done) => {
    execFile(command, args, options, (error, stdout, stderr) => done({ ok: !error, stdout, stderr }));
  });
}
