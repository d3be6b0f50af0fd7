// Contenders by turns, in a process of its own: run by main.ts.
import { parseArgs } from 'node:util';

import { layers } from './layers.ts';
import { A_SIGNAL, HEADERS, NOTHING, pipelines } from './pipeline.ts';
import { refusals } from './refusals.ts';
import { type Contenders, inRounds, overRounds } from './rounds.ts';

/** What a contender adds to work that is done at once, as a multiple of what the unit adds, and what it comes to. */
export interface Compared {
  readonly added: number;
  readonly inAll: number;
}

const comparisons: Readonly<Record<string, () => Contenders | Promise<Contenders>>> = {
  'a call': () => pipelines(NOTHING),
  'a call with headers': () => pipelines(HEADERS),
  'a call under a signal': () => pipelines(A_SIGNAL),
  breaker: () => layers().breaker,
  retry: () => layers().retry,
  bulkhead: () => layers().bulkhead,
  refused: refusals,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { unit: { type: 'string' }, rounds: { type: 'string' }, calls: { type: 'string' } },
});
const [comparison = '', ...names] = positionals;
const { unit = '' } = values;
const all = await comparisons[comparison]?.();
if (all === undefined) throw new TypeError(`There is no comparison called ${JSON.stringify(comparison)}`);
const chosen = Object.entries(all).filter(([name]) => name === 'bare' || name === unit || names.includes(name));
const rounds = await inRounds(Object.fromEntries(chosen), {
  rounds: Number(values.rounds),
  calls: Number(values.calls),
});
const row = (name: string): Compared => {
  const of = (make: (time: number, bare: number, unit: number) => number): number =>
    Number(overRounds(rounds, (time) => make(time(name), time('bare'), time(unit))).toFixed(2));
  return { added: of((time, bare, other) => (time - bare) / (other - bare)), inAll: of((time, bare) => time / bare) };
};
console.log(JSON.stringify(Object.fromEntries([unit, ...names].map((name) => [name, row(name)]))));
// Circuits of others keep timers.
process.exit();
