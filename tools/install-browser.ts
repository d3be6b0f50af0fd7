import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { installCommand } from './browsers.ts';

/** Gets Chromium for a machine that has no browser at all: the tests need to see a page at least once. */
export function installABrowser(): void {
  for (const command of commands()) {
    console.log(`There is no browser here. Installing one: ${command.join(' ')}`);
    const [name = '', ...args] = command;
    spawnSync(name, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  }
}

function commands(): (readonly string[])[] {
  const isRoot = process.getuid?.() === 0;
  return isRoot && existsSync('/usr/bin/apt-get')
    ? [['apt-get', 'update'], installCommand('chromium')]
    : [['npx', 'playwright', 'install', 'chromium']];
}
