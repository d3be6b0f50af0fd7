// How long the main entry takes to be imported, in processes of their own, beside others. Run by main.ts.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';

import { median } from './rounds.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });

const names = ['steadfetch', 'cockatiel', 'opossum', 'ky'];
const found: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const name of names) {
    const code = `const since = performance.now(); await import('${name}'); console.log(performance.now() - since);`;
    const args = ['--input-type=module', '--eval', code];
    found[name]?.push(Number(execFileSync(process.execPath, args, { encoding: 'utf8' })));
  }
}
console.log(
  JSON.stringify({
    'importing, in ms': Object.fromEntries(names.map((name) => [name, Number(median(found[name] ?? []).toFixed(1))])),
  }),
);
