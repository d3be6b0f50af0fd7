// `npm run bench`: what a call costs, beside others that do the same, and whether it costs the same at any size.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';

import { layers } from './layers.ts';
import { pipelines } from './pipeline.ts';
import { refusals } from './refusals.ts';
import { type Contenders, inRounds, overRounds } from './rounds.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    calls: { type: 'string', default: '2000' },
    retained: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '2000' },
    many: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '1000000' },
    json: { type: 'boolean' },
  },
});
const pace = { rounds: Number(values.rounds), calls: Number(values.calls) };

type Table = Readonly<Record<string, Readonly<Record<string, number>>>>;
const tables: Record<string, Table> = {};

function show(title: string, table: Table): void {
  tables[title] = table;
  if (values.json === true) return;
  console.log(`\n${title}`);
  console.table(table);
}

/** What each adds to work that is done at once, as a multiple of what `unit` adds. */
async function compare(title: string, contenders: Contenders, unit: string, calls = pace.calls): Promise<void> {
  const rounds = await inRounds(contenders, { ...pace, calls });
  const rows = Object.keys(contenders).filter((name) => name !== 'bare');
  const of = (name: string, make: (time: number, bare: number, unit: number) => number): number =>
    Number(overRounds(rounds, (time) => make(time(name), time('bare'), time(unit))).toFixed(2));
  const row = (name: string): Record<string, number> => ({
    [`added, ${unit} = 1`]: of(name, (time, bare, other) => (time - bare) / (other - bare)),
    'in all, bare = 1': of(name, (time, bare) => time / bare),
  });
  show(title, Object.fromEntries(rows.map((name) => [name, row(name)])));
}

await compare('A call that succeeds, through all layers', pipelines(false), 'cockatiel');
// Fewer: one of them leaves a listener for each call, and takes the longer for it.
await compare("The same, under a caller's signal that lives on", pipelines(true), 'cockatiel', pace.calls / 4);
for (const [layer, contenders] of Object.entries(layers())) await compare(`${layer} alone`, contenders, 'cockatiel');
await compare('A call that is refused', await refusals(), 'cockatiel, circuit open');

/** What a script of its own finds out, in a process of its own. */
function foundBy<T>(script: string, ...args: readonly string[]): T {
  const text = execFileSync(process.execPath, ['--expose-gc', `bench/${script}`, ...args], { encoding: 'utf8' });
  return JSON.parse(text);
}

const retaining = ['steadfetch', 'by hand', 'cockatiel', 'ffetch', 'ky', 'p-limit + p-retry'];
show(
  'What calls under one signal leave behind, in bytes per call',
  Object.fromEntries(
    retaining.map((name) => [name, foundBy<Table[string]>('retention.ts', name, '--calls', values.retained)]),
  ),
);
show(
  'Real HTTP, 64 at a time, bare fetch = 1',
  foundBy<Table>('http.ts', '--rounds', String(Math.min(11, pace.rounds)), '--requests', values.requests),
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
show('Start-up', foundBy<Table>('start-up.ts', '--rounds', values.rounds));

if (values.json === true) console.log(JSON.stringify(tables));
// Circuits of others keep timers.
process.exit();
