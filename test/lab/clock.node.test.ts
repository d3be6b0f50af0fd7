import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';

test('VirtualClock.run() runs what comes due in order, each at its time, and stands where it was told to', async () => {
  const clock = new VirtualClock();
  const seen: [string, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.now()]);
  clock.schedule(30, note('c'));
  clock.schedule(10, note('a'));
  clock.schedule(10, note('b'));
  clock.schedule(20, note('cancelled'))();
  clock.schedule(Infinity, note('never'));
  clock.schedule(101, note('later'));
  const epoch = clock.epochNow();
  await clock.run(100);
  expect(seen).toEqual([
    ['a', 10],
    ['b', 10],
    ['c', 30],
  ]);
  expect([clock.now(), clock.epochNow() - epoch]).toEqual([100, 100]);
  await clock.run(200);
  expect(seen.at(-1)).toEqual(['later', 101]);
});

test('VirtualClock.run() lets promises go on before time does, however many there are one behind the other', async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const work = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn += 1) await null;
    seen.push(clock.now());
    await clock.sleep(1);
    seen.push(clock.now());
  };
  clock.schedule(5, () => void work());
  clock.schedule(5.5, () => seen.push(clock.now()));
  await clock.run(10);
  expect(seen).toEqual([5, 5.5, 6]);
});

test('VirtualClock.run() throws what a callback throws, and tells how far it is', async () => {
  const clock = new VirtualClock();
  const shares: number[] = [];
  for (let at = 0; at < 5_000; at += 1) clock.schedule(at, () => {});
  await clock.run(5_000, (share) => shares.push(share));
  expect(shares.length).toBeGreaterThan(4);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeLessThanOrEqual(1);
  clock.schedule(1, () => {
    throw new Error('broken');
  });
  await expect(clock.run(6_000)).rejects.toThrow('broken');
});

test('VirtualClock.timeoutSignal() aborts when the time has passed', async () => {
  const clock = new VirtualClock();
  const signal = clock.timeoutSignal(50);
  await clock.run(49);
  expect(signal.aborted).toBe(false);
  await clock.run(50);
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
});

test('VirtualClock.step() runs one event, and stands where it was told to when none is left before', () => {
  const clock = new VirtualClock(1_000);
  const seen: number[] = [];
  clock.schedule(10, () => seen.push(clock.epochNow()));
  clock.schedule(20, () => seen.push(clock.epochNow()));
  expect([clock.step(15), clock.now(), clock.step(15), clock.now()]).toEqual([true, 10, false, 15]);
  expect(seen).toEqual([1_010]);
});
