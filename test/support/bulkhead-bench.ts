import { Bulkhead, type BulkheadOptions } from '../../src/index.ts';
import type { BulkheadHooks } from '../../src/policies/bulkhead.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { watch } from './watch.ts';

/** Two run and two wait, unless said; calls never look at their signal, and end when they are told to. */
export function bulkheadBench(options: BulkheadOptions = {}, hooks: BulkheadHooks = {}) {
  const clock = new FakeClock();
  const bulkhead = new Bulkhead({ clock, name: 'users', maxConcurrent: 2, maxQueued: 2, ...options }, hooks);
  const started: string[] = [];
  const call = (name: string, signal?: AbortSignal) => {
    const ends = { ok: (): void => {}, down: (_: unknown): void => {} };
    const answer = bulkhead.execute(
      () => {
        started.push(name);
        return new Promise<string>((resolve, reject) => {
          ends.ok = () => resolve(name);
          ends.down = reject;
        });
      },
      { signal },
    );
    return { answer, seen: watch(answer), end: () => ends.ok(), fail: (error: unknown) => ends.down(error) };
  };
  return { clock, bulkhead, started, call };
}

/** Calls that run, and calls that wait. */
export const load = ({ running, queued }: Bulkhead): [number, number] => [running, queued];
