// `npm run bench`: what a call costs, beside others that do the same, and whether it costs the same at any size.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';

import type { Compared } from './compare.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    calls: { type: 'string', default: '5000' },
    retained: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '4000' },
    many: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '1000000' },
    json: { type: 'boolean' },
  },
});

type Table = Readonly<Record<string, Readonly<Record<string, number>>>>;
const tables: Record<string, Table> = {};

function show(title: string, table: Table): void {
  tables[title] = table;
  if (values.json === true) return;
  console.log(`\n${title}`);
  console.table(table);
}

/** What a script of its own finds out, in a process of its own. */
function foundBy<T>(script: string, ...args: readonly string[]): T {
  const text = execFileSync(process.execPath, ['--expose-gc', `bench/${script}`, ...args], { encoding: 'utf8' });
  return JSON.parse(text);
}

/** In lots: what some leave behind would be collected again and again while the others are measured. */
function compare(title: string, comparison: string, unit: string, ...lots: readonly (readonly string[])[]): void {
  const found = lots.map((names, lot) => {
    const calls = String(Math.ceil(Number(values.calls) / (lot === 0 ? 1 : FEWER)));
    const args = [comparison, ...names, '--unit', unit, '--rounds', values.rounds, '--calls', calls];
    return foundBy<Readonly<Record<string, Compared>>>('compare.ts', ...args);
  });
  const rows = found.flatMap((each) => Object.entries(each)).filter(([name], index) => index === 0 || name !== unit);
  const row = ({ added, inAll }: Compared): Table[string] => ({
    [`added, ${unit} = 1`]: added,
    'in all, bare = 1': inAll,
  });
  show(title, Object.fromEntries(rows.map(([name, each]) => [name, row(each)])));
}

// Timers, and listeners on the caller's signal, by the call: the more there are, the slower.
const FEWER = 10;
const pipelines = [
  ['steadfetch', 'by hand', 'opossum', 'ofetch'],
  ['ffetch', 'ky', 'p-limit + p-retry'],
];
compare('A call that succeeds, through all layers', 'a call', 'cockatiel', ...pipelines);
compare('The same, with headers', 'a call with headers', 'cockatiel', ...pipelines);
compare("The same, under a caller's signal that lives on", 'a call under a signal', 'cockatiel', ...pipelines);
compare('breaker alone', 'breaker', 'cockatiel', ['steadfetch']);
compare('retry alone', 'retry', 'cockatiel', ['steadfetch', 'without a budget']);
compare('bulkhead alone', 'bulkhead', 'cockatiel', ['steadfetch']);
compare('A call that is refused', 'refused', 'cockatiel, circuit open', [
  'steadfetch, circuit open',
  'steadfetch, bulkhead full',
  'cockatiel, bulkhead full',
]);

const retaining = ['steadfetch', 'by hand', 'cockatiel', 'ffetch', 'ky', 'p-limit + p-retry'];
show(
  'What calls under one signal leave behind, in bytes per call',
  Object.fromEntries(
    retaining.map((name) => [name, foundBy<Table[string]>('retention.ts', name, '--calls', values.retained)]),
  ),
);
show(
  'Real HTTP, 64 at a time, bare fetch = 1',
  foundBy<Table>('http.ts', '--rounds', String(Math.min(15, Number(values.rounds))), '--requests', values.requests),
);
show(
  'At any size',
  foundBy<Table>(
    'scale.ts',
    '--rounds',
    values.rounds,
    '--calls',
    values.calls,
    '--many',
    values.many,
    '--entries',
    values.entries,
  ),
);
show('Sizes', foundBy<Table>('sizes.ts'));
show('Start-up', foundBy<Table>('start-up.ts', '--rounds', values.rounds));

if (values.json === true) console.log(JSON.stringify(tables));
