import { expect, test } from 'vitest';

import { WorkerPool } from '../../drill/worker-pool.ts';

function poolOf(workers: number, maxQueued: number) {
  const begun: string[] = [];
  return { begun, pool: new WorkerPool<string>(workers, maxQueued, (job) => begun.push(job)) };
}

test('WorkerPool begins as many jobs as it has workers, and the others in the order they came', () => {
  const { begun, pool } = poolOf(2, 2);
  expect(['a', 'b', 'c', 'd'].map((job) => pool.offer(job))).toEqual([true, true, true, true]);
  expect(begun).toEqual(['a', 'b']);
  pool.finished();
  expect(begun).toEqual(['a', 'b', 'c']);
  pool.finished();
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
});

test('WorkerPool refuses a job when its line is full, and takes one again when a worker is done', () => {
  const { begun, pool } = poolOf(1, 1);
  expect(['a', 'b', 'c'].map((job) => pool.offer(job))).toEqual([true, true, false]);
  pool.finished();
  expect(pool.offer('d')).toBe(true);
  pool.finished();
  expect(begun).toEqual(['a', 'b', 'd']);
});

test('WorkerPool dismisses those who wait, and not those at work', () => {
  const { begun, pool } = poolOf(1, 5);
  for (const job of ['a', 'b', 'c']) pool.offer(job);
  expect(pool.dismiss()).toEqual(['b', 'c']);
  pool.finished();
  expect(begun).toEqual(['a']);
});
