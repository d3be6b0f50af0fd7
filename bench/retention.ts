// What calls leave behind: run in a process of its own for each contender, with --expose-gc, by main.ts.
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';

import { A_SIGNAL, pipelines } from './pipeline.ts';

/** Bytes of heap per call: at most while calls are made, and for good. */
export interface Retained {
  readonly peakBytes: number;
  readonly leftBytes: number;
  /** Of garbage, too: what the collector has to go through. */
  readonly allocatedBytes: number;
  /** Timers that are still there, referenced or not. */
  readonly timers: number;
}

const BATCH = 1_000;

async function retained(call: () => Promise<unknown>, calls: number): Promise<Retained> {
  const collect = async (): Promise<number> => {
    for (let turn = 0; turn < 5; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      globalThis.gc?.();
    }
    return process.memoryUsage().heapUsed;
  };
  for (let warm = 0; warm < BATCH; warm += 1) await call();
  const before = await collect();
  let peak = before;
  const allocated = (): number => getHeapStatistics().total_allocated_bytes ?? Number.NaN;
  const allocatedBefore = allocated();
  for (let done = 0; done < calls; done += 1) {
    await call();
    if (done % BATCH === 0) peak = Math.max(peak, process.memoryUsage().heapUsed);
  }
  const allocatedAfter = allocated();
  const after = await collect();
  const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const perCall = (bytes: number): number => Math.round(((bytes - before) / calls) * 10) / 10;
  const allocatedBytes = Math.round((allocatedAfter - allocatedBefore) / calls);
  return { peakBytes: perCall(peak), leftBytes: perCall(after), allocatedBytes, timers };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { calls: { type: 'string', default: '100000' } },
});
const [name = ''] = positionals;
const call = pipelines(A_SIGNAL)[name];
if (call === undefined) throw new TypeError(`There is no contender called ${JSON.stringify(name)}`);
console.log(JSON.stringify(await retained(call, Number(values.calls))));
process.exit();
