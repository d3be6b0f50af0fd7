import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { describe, expect, test } from 'vitest';

function said(script: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

describe.for([
  ['web-example', '--api-port'],
  ['worker-example', '--upstream-port'],
] as const)('npm run %s', { timeout: 40_000 }, ([name, behind]) => {
  const script = `${name}/start.ts`;

  test('says what may be asked of it', () => {
    const { status, stdout } = said(script, '--help');
    expect(status).toBe(0);
    expect(stdout).toContain(`npm run ${name}`);
    expect(stdout).toContain(behind);
  });

  test.for([
    [['--bogus'], "Unknown option '--bogus'"],
    [['--port', 'abc'], '--port must be a whole number from 0 to 65535, got "abc"'],
    [['--port', ''], '--port must be a whole number from 0 to 65535, got ""'],
    [[behind, '65536'], `${behind} must be a whole number from 0 to 65535, got "65536"`],
  ] as const)('tells what is wrong with %j, and what may be said', ([args, message]) => {
    const { status, stdout, stderr } = said(script, ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^(?!.*at file:)/s);
    expect(stderr.startsWith(message)).toBe(true);
    expect(stderr).toContain(`npm run ${name}`);
  });

  test('a port that is taken is named, and how to take another', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { status, stderr } = said(script, '--port', '0', behind, String(port));
    taken.close();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^(?!.*at file:)/s);
    expect(stderr).toMatch(new RegExp(`address already in use 127\\.0\\.0\\.1:${port}\\n\\n.*${behind} N`, 's'));
  });
});
