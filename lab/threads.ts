import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import type { Outcome } from './outcome.ts';
import type { Plan } from './study.ts';

/** An experiment to be run: one of the lab's, or a study of a plan. */
export interface Job {
  readonly name: string;
  readonly seed: number;
  readonly plan?: Plan | undefined;
}

/** What a thread tells. */
export type Message = { readonly share: number } | { readonly outcome: Outcome };

/**
 * Runs the jobs, as many at once as there are processors, each in a thread of its own.
 * @param onProgress Told how far each is, from 0 to 1.
 * @throws what a job throws; the others are stopped.
 */
export async function inThreads(
  jobs: readonly Job[],
  onProgress: (name: string, share: number) => void,
): Promise<readonly Outcome[]> {
  const waiting = [...jobs.entries()];
  const outcomes: Outcome[] = [];
  const workers = new Set<Worker>();
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, job] = next;
      const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: job });
      workers.add(worker);
      outcomes[index] = await outcomeFrom(worker, (share) => onProgress(job.name, share));
      workers.delete(worker);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, lane));
  } finally {
    waiting.length = 0;
    await Promise.all([...workers].map((worker) => worker.terminate()));
  }
  return outcomes;
}

function outcomeFrom(worker: Worker, onShare: (share: number) => void): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: Message) => {
      if ('outcome' in message) resolve(message.outcome);
      else onShare(message.share);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`A thread of the lab ended with code ${code}`)));
  });
}
