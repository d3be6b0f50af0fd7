import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

import { entries } from '../../tools/entries.ts';

// Node loads its fetch when one of these is first named, which takes three times as long as to import all of this library.
const LAZY = ['fetch', 'Headers', 'Request', 'Response', 'FormData', 'WebSocket', 'EventSource', 'crypto'];

test.for(entries)('importing $name names nothing that makes Node load its fetch', ({ code: file }) => {
  const code = `
    const named = [];
    for (const name of ${JSON.stringify(LAZY)}) {
      Object.defineProperty(globalThis, name, { get: () => void named.push(name) });
    }
    await import('${pathToFileURL(file).href}');
    console.log(named.join());`;
  const args = ['--input-type=module', '--eval', code];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })).toBe('\n');
});
