// `npm run lab`: the experiments, or a policy of the user's own.
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import open from 'open';

import { UsageError } from '../drill/options.ts';
import { output } from '../drill/output.ts';
import { holds } from './experiment.ts';
import { EXPERIMENTS } from './experiments.ts';
import type { Outcome } from './outcome.ts';
import { pageOf } from './page.ts';
import { readPlan } from './plan.ts';
import { Progress } from './progress.ts';
import { reportOf } from './report.ts';
import { studiesOf } from './study.ts';
import { inThreads, type Job } from './threads.ts';

const FIGURES = 'docs/figures';
const SEED = 1;
const HELP = `npm run lab                       all experiments; their figures go to ${FIGURES}
npm run lab -- NAME ...           only these: ${EXPERIMENTS.map(({ name }) => name).join(', ')}
npm run lab -- --policy FILE      your own numbers, as one page

  --policy FILE    JSON: {"policy": {…}, "callsPerSecond": 200, …}; see lab/README.md
  --page FILE      where the page goes                    (default lab-report.html)
  --no-open        don't open it
  --seed N         other chance, the same world; figures stay those of 1 (default 1)
  --help           this text`;

const OPTIONS = {
  policy: { type: 'string' },
  page: { type: 'string', default: 'lab-report.html' },
  open: { type: 'boolean', default: true },
  seed: { type: 'string', default: String(SEED) },
  help: { type: 'boolean', short: 'h' },
} as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parsed(args);
    if (values.help === true) {
      console.log(HELP);
      return 0;
    }
    const seed = seedOf(values.seed);
    if (values.policy === undefined) return await experiments(positionals, seed);
    if (positionals.length > 0)
      throw new UsageError(`With --policy there are no experiments, got ${positionals.join(' ')}`);
    return await study(values.policy, values.page, values.open, seed);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, allowNegative: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function seedOf(text: string): number {
  const seed = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(seed)) return seed;
  throw new UsageError(`--seed must be a whole number, got ${JSON.stringify(text)}`);
}

async function experiments(wanted: readonly string[], seed: number): Promise<number> {
  for (const name of wanted) {
    if (!EXPERIMENTS.some((each) => each.name === name))
      throw new UsageError(`There is no experiment ${JSON.stringify(name)}`);
  }
  const names = EXPERIMENTS.map(({ name }) => name).filter((name) => wanted.length === 0 || wanted.includes(name));
  const outcomes = await run(names.map((name) => ({ name, seed })));
  const { paint, print } = output();
  // Those that the documentation shows are of one seed.
  if (seed === SEED) draw(outcomes);
  for (const outcome of outcomes) print(reportOf(outcome, paint).join('\n'));
  const failed = outcomes.flatMap(({ findings }) => findings).filter((finding) => !holds(finding)).length;
  if (failed > 0) print(`\n${failed} of the findings are not as expected.`);
  if (seed !== SEED) print(`\nThe figures in ${FIGURES} are left as they are: they are of seed ${SEED}.`);
  return failed > 0 ? 1 : 0;
}

function draw(outcomes: readonly Outcome[]): void {
  mkdirSync(FIGURES, { recursive: true });
  for (const { figures } of outcomes) for (const { name, svg } of figures) writeFileSync(`${FIGURES}/${name}.svg`, svg);
}

async function study(path: string, page: string, opens: boolean, seed: number): Promise<number> {
  const plan = readPlan(path);
  // Found out now, and not when all is done.
  checkWritable(page);
  const outcomes = await run(studiesOf(plan).map(({ name }) => ({ name, seed, plan })));
  const { paint, print } = output();
  for (const outcome of outcomes) print(reportOf(outcome, paint).join('\n'));
  writeFileSync(page, pageOf(plan, outcomes));
  print(`\nThe page is ${page}`);
  if (opens) await open(page).catch(() => print('It could not be opened: open it by hand.'));
  return 0;
}

function checkWritable(page: string): void {
  try {
    closeSync(openSync(page, 'a'));
  } catch (error) {
    throw new UsageError(`--page ${page} can't be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function run(jobs: readonly Job[]) {
  const { terminal } = output();
  const progress = new Progress(
    jobs.map(({ name }) => name),
    terminal,
  );
  try {
    return await inThreads(jobs, (name, share) => progress.tell(name, share));
  } finally {
    progress.end();
  }
}
