import { expect, test } from 'vitest';

import { steadyLoad, until } from '../../drill/load.ts';

const { signal: never } = new AbortController();

test('steadyLoad() launches what is due, each call once, when its clock is ahead', async () => {
  const launched: number[][] = [];
  await steadyLoad(
    10,
    500,
    () => 1_000,
    (number, lateMs) => launched.push([number, lateMs]),
    never,
  );
  expect(launched).toEqual([
    [0, 1_000],
    [1, 900],
    [2, 800],
    [3, 700],
    [4, 600],
  ]);
});

test('steadyLoad() does not launch before its time', async () => {
  const stop = new AbortController();
  const launched: number[] = [];
  // The clock stands at 150 ms: the calls due at 0 and 100 ms leave, the one at 200 ms waits.
  const load = steadyLoad(
    10,
    500,
    () => 150,
    (number) => launched.push(number),
    stop.signal,
  );
  await Promise.resolve().then(() => {});
  stop.abort();
  await expect(load).rejects.toBe(stop.signal.reason);
  expect(launched).toEqual([0, 1]);
});

test('until() rejects with the reason itself, before a wait and during it', async () => {
  const stop = new AbortController();
  const waiting = until(60_000, () => 0, stop.signal);
  const reason = new Error('enough');
  stop.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(until(0, () => 1, stop.signal)).rejects.toBe(reason);
});
