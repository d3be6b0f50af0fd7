import type { Reporter, TestModule } from 'vitest/node';

/** How many tests ended which way: the one thing that every run, of whatever runner, comes down to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The line that closes a run: plain, for people and log readers alike. */
export function countsLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Vitest reporter. Tells the counts to the process that started this run, and to the terminal if nobody did. */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = modules.map(countModule).reduce(add, { ...noCounts, failed: errors.length });
    if (process.send) process.send(counts);
    else process.once('exit', () => console.log(countsLine(counts)));
  }
}

function countModule(module: TestModule): Counts {
  let counts: Counts = { ...noCounts, failed: module.errors().length };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    counts = add(counts, { ...noCounts, [state === 'passed' || state === 'failed' ? state : 'skipped']: 1 });
  }
  return counts;
}
