import { Bench } from 'tinybench';

/** What is measured, by name: each is run by turns with the others. */
export type Contenders<T = unknown> = Readonly<Record<string, () => Promise<T>>>;

/** Milliseconds per call of each contender, once for each round. */
export type Rounds = Readonly<Record<string, readonly number[]>>;

export interface Pace {
  readonly rounds: number;
  /** Of each contender in each round. */
  readonly calls: number;
}

/**
 * Measures contenders by turns, in rounds: whatever else the machine does meanwhile happens to all of them, so a ratio within
 * one round means something, and a time does not. Young garbage is collected in between, so that nobody pays for another's; not
 * all of it, as none does every few milliseconds: whoever comes first after that pays more, the more it allocates.
 */
export async function inRounds(contenders: Contenders, { rounds, calls }: Pace): Promise<Rounds> {
  const names = Object.keys(contenders);
  const found: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const bench = new Bench({ iterations: calls, time: 0, warmup: false, throws: true });
    for (const [name, call] of inAnyOrder(Object.entries(contenders)))
      bench.add(name, call, { beforeAll: () => globalThis.gc?.({ type: 'minor' }) });
    for (const { name, result } of await bench.run()) {
      if (round >= 0 && 'latency' in result) found[name]?.push(result.latency.mean);
    }
  }
  return found;
}

// Until the compiler has done what it will: some tens of thousands of calls.
const WARM_UP_ROUNDS = 10;

/** Another each time: whoever comes after one that leaves much behind pays for it, in the garbage collector. */
export function inAnyOrder<T>(all: readonly T[]): T[] {
  return all
    .map((each) => ({ each, place: Math.random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ each }) => each);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The median over rounds of what `of` makes of the times of one: ratios are taken there, and not of medians. */
export function overRounds(rounds: Rounds, of: (time: (name: string) => number) => number): number {
  const [first = []] = Object.values(rounds);
  return median(first.map((_, round) => of((name) => rounds[name]?.[round] ?? Number.NaN)));
}
