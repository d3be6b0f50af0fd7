import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';

import { Scope } from '../src/abort.ts';
import { type Clock, platformClock } from '../src/clock.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { SharedTimeouts, type Timeout, timeoutsOf } from '../src/timeouts.ts';
import { engine } from './support/engine.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Timeouts of 100 ms, and the names of those that are over, with when. */
function bench(clock = new FakeClock()) {
  const timeouts = new SharedTimeouts(100, clock);
  const over: string[] = [];
  const start = (name: string, then = (): void => {}): Timeout => {
    const scope = new Scope();
    scope.onAbort(() => {
      over.push(`${name} at ${clock.now()}`);
      then();
    });
    return timeouts.start(clock.now(), scope, { reason: () => name });
  };
  return { clock, over, start };
}

test('SharedTimeouts ends each when its time is over', async () => {
  const { clock, over, start } = bench();
  start('a');
  await clock.advance(30);
  start('b');
  await clock.advance(30);
  start('c');
  await clock.advance(1_000);
  expect(over).toEqual(['a at 100', 'b at 130', 'c at 160']);
  expect(clock.pending).toBe(0);
});

test('SharedTimeouts does not end what was stopped, and does not mind who stops late, or twice', async () => {
  const { clock, over, start } = bench();
  const [a, b, c] = [start('a'), start('b'), start('c')];
  b?.stop();
  b?.stop();
  await clock.advance(100);
  a?.stop();
  c?.stop();
  expect(over).toEqual(['a at 100', 'c at 100']);
});

test('SharedTimeouts behaves as one timer for each, whatever starts and stops when', async () => {
  const step = fc.record({
    afterMs: fc.nat(70),
    kind: fc.constantFrom('start' as const, 'start' as const, 'stop' as const),
    which: fc.nat(10),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { clock, over, start } = bench();
      const naive: string[] = [];
      const running: { readonly shared: Timeout; readonly own: () => void }[] = [];
      for (const [index, { afterMs, kind, which }] of steps.entries()) {
        await clock.advance(afterMs);
        if (kind === 'start') {
          const own = clock.schedule(100, () => naive.push(`${index} at ${clock.now()}`));
          running.push({ shared: start(String(index)), own });
        } else {
          running[which]?.shared.stop();
          running[which]?.own();
        }
      }
      await clock.advance(200);
      expect(over).toEqual(naive);
      expect(clock.pending).toBe(0);
    }),
  );
});

test('SharedTimeouts takes one timer for all who run at once, and none when they are done', async () => {
  const { clock, start } = bench();
  const scheduled = vi.spyOn(clock, 'schedule');
  const all = Array.from({ length: 1_000 }, (_, number) => start(String(number)));
  expect([clock.pending, scheduled.mock.calls.length]).toEqual([1, 1]);
  for (const timeout of all) timeout.stop();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});

test('SharedTimeouts takes one timer for many calls, one after the other', async () => {
  const { clock, start } = bench();
  const scheduled = vi.spyOn(clock, 'schedule');
  for (let call = 0; call < 1_000; call += 1) {
    const timeout = start(String(call));
    await null;
    timeout.stop();
    await null;
  }
  expect(scheduled).toHaveBeenCalledTimes(1);
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});

test('SharedTimeouts lets one that is over start another, and stop those that are due as well', async () => {
  const { clock, over, start } = bench();
  const started: Timeout[] = [];
  start('a', () => {
    started[0]?.stop();
    start('c');
  });
  started.push(start('b'));
  await clock.advance(150);
  start('d');
  await clock.advance(500);
  expect(over).toEqual(['a at 100', 'c at 200', 'd at 250']);
  expect(clock.pending).toBe(0);
});

test('SharedTimeouts takes the word of a timer that is early by the clock', async () => {
  const { clock, over, start } = bench();
  start('a');
  vi.spyOn(clock, 'now').mockReturnValue(99.4);
  await clock.advance(100);
  expect(over).toEqual(['a at 99.4']);
});

test('SharedTimeouts does not rely on a timer that somebody has taken away', async () => {
  const clock = new FakeClock();
  const { over, start } = bench(clock);
  // As fake timers of a test do, which are put in place and taken away while a call is under way.
  const schedule = vi.spyOn(clock, 'schedule').mockReturnValue(() => {});
  start('a');
  schedule.mockRestore();
  await clock.advance(2_000);
  expect(over).toEqual([]);
  start('b');
  await clock.advance(0);
  expect(over).toEqual(['a at 2000']);
  await clock.advance(100);
  expect(over).toEqual(['a at 2000', 'b at 2100']);
});

test('SharedTimeouts keeps the process alive while one of them does', () => {
  const clock = new FakeClock();
  const alive = { is: true };
  const held: Clock = {
    now: () => clock.now(),
    epochNow: () => clock.epochNow(),
    timeoutSignal: (ms) => clock.timeoutSignal(ms),
    schedule: (ms, callback) => {
      alive.is = true;
      const keep = (is: boolean) => () => {
        alive.is = is;
      };
      return Object.assign(clock.schedule(ms, callback), { unref: keep(false), ref: keep(true) });
    },
  };
  const timeouts = new SharedTimeouts(100, held);
  const start = (): Timeout => timeouts.start(clock.now(), new Scope(), { reason() {} });
  const [a, b] = [start(), start()];
  a.unref();
  expect(alive.is).toBe(true);
  b.unref();
  b.unref();
  expect(alive.is).toBe(false);
  const c = start();
  expect(alive.is).toBe(true);
  c.stop();
  expect(alive.is).toBe(false);
});

test('SharedTimeouts does not keep the process alive for what is set anew, if nobody does', async () => {
  const clock = new FakeClock();
  const { start } = bench(clock);
  const first = start('a');
  await clock.advance(50);
  start('b').unref();
  const unref = vi.fn();
  const { schedule } = clock;
  vi.spyOn(clock, 'schedule').mockImplementation((ms, callback) =>
    Object.assign(schedule.call(clock, ms, callback), { unref }),
  );
  first.stop();
  await clock.advance(50);
  expect(unref).toHaveBeenCalledTimes(1);
});

test('timeoutsOf() shares a timer on the platform, but not on Workers, where it ends with the request it was made in', () => {
  expect(timeoutsOf(100, platformClock) instanceof SharedTimeouts).toBe(engine !== 'workerd');
  vi.stubGlobal('WebSocketPair', class {});
  expect(timeoutsOf(100, platformClock)).not.toBeInstanceOf(SharedTimeouts);
});

test('timeoutsOf() takes a timer for each from a clock of the user’s, and none for a time without end', async () => {
  const clock = new FakeClock();
  const timeouts = timeoutsOf(100, clock);
  const [a] = [0, 0].map((now) => timeouts.start(now, new Scope(), { reason() {} }));
  expect(clock.pending).toBe(2);
  a?.stop();
  expect(clock.pending).toBe(1);
  timeoutsOf(Infinity, clock).start(0, new Scope(), { reason() {} });
  expect(clock.pending).toBe(1);
});

test('SharedTimeouts says why, and when it was to be over', async () => {
  const clock = new FakeClock();
  const scope = new Scope();
  new SharedTimeouts(100, clock).start(0, scope, { reason: (dueAt) => `due at ${dueAt}` });
  await clock.advance(100);
  expect(scope.reason).toBe('due at 100');
});

test('SharedTimeouts keeps one timer, when it goes off late and who is told starts another', async () => {
  const clock = new FakeClock();
  const { over, start } = bench(clock);
  const now = vi.spyOn(clock, 'now').mockReturnValue(0);
  start('a', () => start('b'));
  now.mockReturnValue(5_000);
  await clock.advance(100);
  expect(over).toEqual(['a at 5000']);
  expect(clock.pending).toBe(1);
  await clock.advance(99);
  expect(over).toEqual(['a at 5000']);
  await clock.advance(1);
  expect(over).toEqual(['a at 5000', 'b at 5000']);
});
