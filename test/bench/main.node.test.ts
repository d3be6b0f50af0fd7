import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

test('npm run bench compares calls, layers, refusals, what is left of them, real HTTP, sizes and start-up', {
  timeout: 300_000,
}, () => {
  const few = [
    '--rounds',
    '2',
    '--calls',
    '20',
    '--retained',
    '200',
    '--requests',
    '64',
    '--many',
    '1000',
    '--entries',
    '1000',
  ];
  const text = execFileSync(process.execPath, ['--expose-gc', 'bench/main.ts', '--json', ...few], { encoding: 'utf8' });
  const tables: Record<string, Record<string, Record<string, number>>> = JSON.parse(text);
  const [succeeds] = Object.values(tables);
  // Whoever throws has not been measured: tinybench throws then, and so does this.
  const names = ['cockatiel', 'steadfetch', 'by hand', 'opossum', 'ofetch', 'ffetch', 'ky', 'p-limit + p-retry'];
  expect(Object.keys(succeeds ?? {})).toEqual(names);
  expect(Object.keys(tables)).toHaveLength(12);
  for (const row of Object.values(tables).flatMap((table) => Object.values(table))) {
    for (const [column, value] of Object.entries(row)) expect([column, value]).toEqual([column, expect.any(Number)]);
  }
});
