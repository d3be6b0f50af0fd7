import { engine } from '../support/engine.ts';

/**
 * The same runs every time. Node looks far, the others whether it is so there, too: rules don't depend on the engine, and what
 * does is seen soon. To look further, change the seed, or raise the number.
 */
export const RUNS = { seed: 20_260_101, numRuns: engine === 'node' ? 1_000 : 200 } as const;

/** Lets promises settle as far as they can without time passing: through a long chain of waiters too. */
export async function flush(): Promise<void> {
  await ticks(100);
}

/** Lets promises settle for a number of turns, and no further. */
export async function ticks(count: number): Promise<void> {
  for (let tick = 0; tick < count; tick += 1) await null;
}

/** One of many, by any number; `undefined` if there are none. */
export function pick<T>(many: readonly T[], number: number): T | undefined {
  return many[number % many.length];
}

/** How a call ended, as a word: equal words mean the same value, the same error, the same refusal. */
export async function answerOf(call: Promise<unknown>): Promise<string> {
  try {
    return `value ${String(await call)}`;
  } catch (error) {
    if (typeof error !== 'object' || error === null) return `thrown ${String(error)}`;
    if (!('code' in error) || typeof error.code !== 'string') return String(error);
    return 'retryAfterMs' in error ? `${error.code} ${String(error.retryAfterMs)}` : error.code;
  }
}
