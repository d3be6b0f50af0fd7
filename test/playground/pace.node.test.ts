import { expect, test } from 'vitest';

import { VirtualClock } from '../../lab/clock.ts';
import { Pace } from '../../playground/pace.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A page whose frames come when they are told to. */
function paceBench() {
  let callback: ((at: number) => void) | undefined;
  const clock = new VirtualClock();
  const drawn: number[] = [];
  let isClosed = false;
  const frames = {
    request: (next: (at: number) => void) => {
      callback = next;
      return 1;
    },
    cancel: () => {
      callback = undefined;
    },
    turn: nextTurn,
    close: () => {
      isClosed = true;
    },
  };
  const pace = new Pace(clock, (at) => drawn.push(at));
  pace.start(frames);
  const frame = async (at: number): Promise<void> => {
    const shown = callback;
    callback = undefined;
    shown?.(at);
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  };
  return { clock, pace, drawn, frame, isWaiting: () => callback !== undefined, isClosed: () => isClosed };
}

test('Pace lets a clock run beside the frames, as fast as it is told', async () => {
  const { clock, pace, drawn, frame } = paceBench();
  await frame(5_000);
  expect(clock.now()).toBe(0);
  await frame(5_016);
  expect(clock.now()).toBe(16);
  pace.speed = 10;
  await frame(5_036);
  expect(clock.now()).toBe(216);
  pace.speed = 0;
  await frame(5_056);
  expect(clock.now()).toBe(216);
  expect(drawn).toEqual([5_000, 5_016, 5_036, 5_056]);
});

test('Pace ends a frame in which too much happens, and says that the clock falls behind', async () => {
  const { clock, pace, drawn, frame } = paceBench();
  let events = 0;
  const again = (): void => {
    events += 1;
    clock.schedule(0, again);
  };
  clock.schedule(5, again);
  await frame(0);
  expect(pace.isLate).toBe(false);
  await frame(16);
  await expect.poll(() => drawn).toEqual([0, 16]);
  expect([events, clock.now(), pace.isLate]).toEqual([1_000, 5, true]);
});

test('Pace says that the clock is late for as long as one reads', async () => {
  const { clock, pace, drawn, frame } = paceBench();
  for (let nth = 0; nth < 1_000; nth += 1) clock.schedule(5, () => {});
  await frame(0);
  await frame(16);
  await expect.poll(() => drawn).toEqual([0, 16]);
  const late: boolean[] = [];
  for (const at of [116, 1_000, 1_015, 1_016]) {
    await frame(at);
    late.push(pace.isLate);
  }
  expect(late).toEqual([true, true, true, false]);
});

test('Pace lets promises go on between two events', async () => {
  const { clock, frame } = paceBench();
  const seen: number[] = [];
  const work = async (): Promise<void> => {
    await clock.sleep(1);
    for (let turn = 0; turn < 50; turn += 1) await null;
    seen.push(clock.now());
    await clock.sleep(1);
    seen.push(clock.now());
  };
  void work();
  await frame(0);
  await frame(20);
  expect(seen).toEqual([1, 2]);
});

test('Pace does not make up for the time in which nobody saw the page', async () => {
  const { clock, frame } = paceBench();
  await frame(0);
  await frame(3_600_000);
  expect(clock.now()).toBe(100);
});

test('Pace.stop() ends it, in the middle of a frame too', async () => {
  const { clock, pace, frame, drawn, isWaiting, isClosed } = paceBench();
  await frame(0);
  const seen: number[] = [];
  clock.schedule(1, () => {
    seen.push(1);
    pace.stop();
  });
  clock.schedule(2, () => seen.push(2));
  await frame(50);
  expect(seen).toEqual([1]);
  expect(drawn).toEqual([0]);
  expect([isWaiting(), isClosed()]).toEqual([false, true]);
});
