// node tools/run.mjs SCRIPT.ts [ARGUMENTS]: prepares the clone, then runs the script on the project's own Node.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';

import { prepare, projectNode } from './prepare.mjs';

prepare();

const child = spawn(projectNode, process.argv.slice(2), {
  stdio: 'inherit',
  // First in the path, so that what the script starts runs on the same Node.
  env: { ...process.env, PATH: `${dirname(projectNode)}${delimiter}${process.env.PATH}` },
});

// Whoever stops us means the script. A terminal has told it already: Ctrl-C goes to both.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
