import { expect, test } from 'vitest';

import { FakeClock } from '../../src/testing/index.ts';

/** A clock that notes what it calls, and when. */
function noting(clock = new FakeClock()) {
  const notes: string[] = [];
  const note = (name: string, delayMs: number) =>
    clock.schedule(delayMs, () => notes.push(`${name} at ${clock.now()}`));
  return { clock, notes, note };
}

// The readings.

test('FakeClock starts at 0 and at the beginning of 2026', () => {
  const clock = new FakeClock();
  expect(clock.now()).toBe(0);
  expect(clock.epochNow()).toBe(Date.UTC(2026, 0, 1));
  expect(clock.pending).toBe(0);
});

test('FakeClock starts where it is told', () => {
  const clock = new FakeClock({ now: 5_000, epochNow: 1_000 });
  expect(clock.now()).toBe(5_000);
  expect(clock.epochNow()).toBe(1_000);
  expect(new FakeClock({ now: 7 }).epochNow()).toBe(Date.UTC(2026, 0, 1));
});

test('FakeClock.advance() moves both clocks, and they stand still until then', async () => {
  const clock = new FakeClock({ now: 10, epochNow: 1_000 });
  await null;
  expect(clock.now()).toBe(10);
  await clock.advance(250);
  expect(clock.now()).toBe(260);
  expect(clock.epochNow()).toBe(1_250);
  await clock.advance(0.5);
  expect(clock.now()).toBe(260.5);
});

test('FakeClock.jump() sets the wall clock, forward and back, and nothing else', async () => {
  const { clock, notes, note } = noting(new FakeClock({ epochNow: 1_000_000 }));
  note('timer', 100);
  clock.jump(3_600_000);
  expect(clock.epochNow()).toBe(4_600_000);
  expect(clock.now()).toBe(0);
  await clock.advance(99);
  expect(notes).toEqual([]);
  clock.jump(-7_200_000);
  expect(clock.epochNow()).toBe(-2_600_000 + 99);
  await clock.advance(1);
  expect(notes).toEqual(['timer at 100']);
  expect(clock.epochNow()).toBe(-2_600_000 + 100);
});

// Timers.

test('FakeClock.schedule() calls back once, at its time and not before', async () => {
  const { clock, notes, note } = noting();
  note('timer', 100);
  expect(clock.pending).toBe(1);
  await clock.advance(99);
  expect(notes).toEqual([]);
  await clock.advance(1);
  expect(notes).toEqual(['timer at 100']);
  expect(clock.pending).toBe(0);
  await clock.advance(1_000);
  expect(notes).toHaveLength(1);
});

test('FakeClock.advance() calls back in the order of time, and among equals in the order of scheduling', async () => {
  const { clock, notes, note } = noting();
  note('late', 30);
  note('first of two', 20);
  note('early', 10);
  note('second of two', 20);
  await clock.advance(20);
  note('third of two', 0);
  await clock.advance(100);
  expect(notes).toEqual([
    'early at 10',
    'first of two at 20',
    'second of two at 20',
    'third of two at 20',
    'late at 30',
  ]);
  expect(clock.now()).toBe(120);
});

test('FakeClock.schedule() calls back at the next advance(), for a delay of none or less', async () => {
  const { clock, notes, note } = noting(new FakeClock({ now: 50 }));
  note('now', 0);
  note('overdue', -10);
  expect(notes).toEqual([]);
  await clock.advance(0);
  expect(notes).toEqual(['now at 50', 'overdue at 50']);
});

test('FakeClock.advance() also calls back what is scheduled meanwhile, if it comes due', async () => {
  const { clock, notes, note } = noting();
  clock.schedule(10, () => {
    notes.push(`outer at ${clock.now()}`);
    note('inner', 10);
    note('at once', 0);
    note('too late', 11);
  });
  note('between', 15);
  await clock.advance(20);
  expect(notes).toEqual(['outer at 10', 'at once at 10', 'between at 15', 'inner at 20']);
  expect(clock.pending).toBe(1);
});

test('FakeClock.schedule() returns what cancels the callback', async () => {
  const { clock, notes, note } = noting();
  const cancels = ['a', 'b', 'c', 'd'].map((name) => note(name, 10));
  cancels[1]?.();
  cancels[1]?.();
  expect(clock.pending).toBe(3);
  cancels[3]?.();
  await clock.advance(10);
  expect(notes).toEqual(['a at 10', 'c at 10']);
});

test('FakeClock.schedule() returns a cancel that is harmless once the callback has run', async () => {
  const { clock, notes, note } = noting();
  const cancel = note('gone', 10);
  await clock.advance(10);
  note('later', 0);
  cancel();
  expect(clock.pending).toBe(1);
  await clock.advance(0);
  expect(notes).toEqual(['gone at 10', 'later at 10']);
});

test('FakeClock.advance() does not call back what a callback due before has cancelled', async () => {
  const { clock, notes, note } = noting();
  clock.schedule(10, () => cancel());
  const cancel = note('cancelled', 10);
  await clock.advance(10);
  expect(notes).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('FakeClock.schedule() never calls back after Infinity, and counts no such timer', async () => {
  const { clock, notes, note } = noting();
  const cancel = note('never', Infinity);
  expect(clock.pending).toBe(0);
  await clock.advance(1e15);
  expect(notes).toEqual([]);
  cancel();
});

test.for<[delayMs: unknown, error: Error]>([
  [Number.NaN, new RangeError('FakeClock.schedule(delayMs) must be a number above -Infinity, got NaN')],
  [undefined, new TypeError('FakeClock.schedule(delayMs) must be a number above -Infinity, got undefined')],
])('FakeClock.schedule() throws, and keeps the timers that it has, for %s ms', async ([delayMs, error]) => {
  const { clock, notes, note } = noting();
  note('late', 20);
  expect(() => clock.schedule(delayMs as number, () => {})).toThrow(error);
  expect(() => clock.timeoutSignal(delayMs as number)).toThrow(error);
  note('early', 10);
  expect(clock.pending).toBe(2);
  await clock.advance(20);
  expect(notes).toEqual(['early at 10', 'late at 20']);
});

test('FakeClock.schedule() keeps its order and its time beyond the longest timer of the platform', async () => {
  const { clock, notes, note } = noting();
  note('long', 2 ** 31);
  note('shorter', 2 ** 31 - 1);
  await clock.advance(2 ** 31 - 1);
  expect(notes).toEqual([`shorter at ${2 ** 31 - 1}`]);
  await clock.advance(1);
  expect(notes).toHaveLength(2);
});

test('FakeClock keeps thousands of timers in order', async () => {
  const { clock } = noting();
  const times: number[] = [];
  const cancels = Array.from({ length: 2_000 }, (_, index) =>
    clock.schedule((index * 7_919) % 1_000, () => times.push(clock.now())),
  );
  for (const cancel of cancels.filter((_, index) => index % 10 !== 0)) cancel();
  expect(clock.pending).toBe(200);
  await clock.advance(1_000);
  expect(times).toHaveLength(200);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

// Promises.

test('FakeClock.advance(0) lets promises settle, and no time pass', async () => {
  const clock = new FakeClock();
  const notes: string[] = [];
  void (async () => {
    for (let step = 1; step <= 10; step += 1) {
      await null;
      notes.push(`step ${step}`);
    }
  })();
  await clock.advance(0);
  expect(notes).toHaveLength(10);
  expect(clock.now()).toBe(0);
});

test('FakeClock.advance() lets promises settle between two callbacks', async () => {
  const { clock, notes, note } = noting();
  clock.schedule(10, () => {
    void Promise.resolve()
      .then(() => {})
      .then(() => note('scheduled by a promise', 5));
  });
  note('later', 20);
  await clock.advance(20);
  expect(notes).toEqual(['scheduled by a promise at 15', 'later at 20']);
});

test('FakeClock.advance() lets promises settle before the first callback', async () => {
  const { clock, notes, note } = noting();
  void Promise.resolve().then(() => note('asked for before', 1));
  await clock.advance(1);
  expect(notes).toEqual(['asked for before at 1']);
});

test('FakeClock.advance() gives a turn to what takes a task, as streams do on some engines', async () => {
  const clock = new FakeClock();
  const { port1, port2 } = new MessageChannel();
  let received: unknown;
  port1.onmessage = ({ data }) => {
    received = data;
  };
  port2.postMessage('text');
  await clock.advance(0);
  port1.close();
  expect(received).toBe('text');
});

test('FakeClock.advance() rejects with what a callback throws', async () => {
  const clock = new FakeClock();
  clock.schedule(10, () => {
    throw new Error('from the callback');
  });
  await expect(clock.advance(10)).rejects.toThrow('from the callback');
  expect(clock.now()).toBe(10);
});

test('FakeClock never goes back, when a callback moves it on', async () => {
  const clock = new FakeClock();
  let inner: Promise<void> | undefined;
  clock.schedule(40, () => {
    inner = clock.advance(100);
  });
  await clock.advance(50);
  await inner;
  expect(clock.now()).toBe(140);
});

test.for([-1, Number.NaN, -Infinity])(
  'FakeClock.advance() rejects with RangeError and stands still, for %d ms',
  async (ms) => {
    const { clock, notes, note } = noting(new FakeClock({ now: 10 }));
    note('timer', 5);
    await expect(clock.advance(ms)).rejects.toThrow(RangeError);
    expect(clock.now()).toBe(10);
    await clock.advance(5);
    expect(notes).toEqual(['timer at 15']);
  },
);

// Signals.

test('FakeClock.timeoutSignal() aborts at its time with a TimeoutError, as AbortSignal.timeout does', async () => {
  const clock = new FakeClock();
  const signal = clock.timeoutSignal(100);
  expect(signal).toBeInstanceOf(AbortSignal);
  expect(clock.pending).toBe(1);
  await clock.advance(99);
  expect(signal.aborted).toBe(false);
  await clock.advance(1);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toBeInstanceOf(DOMException);
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  expect(clock.pending).toBe(0);
});

test('FakeClock.timeoutSignal() never aborts after Infinity', async () => {
  const clock = new FakeClock();
  const signal = clock.timeoutSignal(Infinity);
  await clock.advance(1e15);
  expect(signal.aborted).toBe(false);
});
