import { afterEach, expect, test, vi } from 'vitest';

import { platformClock } from '../src/clock.ts';

const longestMs = 2 ** 31 - 1;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

interface Timer {
  readonly delayMs: number;
  readonly callback: () => void;
  state: 'armed' | 'fired' | 'cleared';
  background: boolean;
}

/** The platform's timers in the test's hand. `handles` says what setTimeout returns: it differs. */
function stubTimers(handles: 'objects' | 'numbers' | 'bare objects' = 'objects') {
  const timers: Timer[] = [];
  const byHandle = new Map<unknown, Timer>();
  vi.stubGlobal('setTimeout', (callback: () => void, delayMs: number) => {
    const timer: Timer = { delayMs, callback, state: 'armed', background: false };
    timers.push(timer);
    const unref = (): void => {
      timer.background = true;
    };
    const handle = handles === 'numbers' ? timers.length : handles === 'objects' ? { unref } : {};
    byHandle.set(handle, timer);
    return handle;
  });
  vi.stubGlobal('clearTimeout', (handle: unknown) => {
    const timer = byHandle.get(handle);
    if (timer?.state === 'armed') timer.state = 'cleared';
  });
  return {
    timers,
    byHandle,
    armed: () => timers.filter(({ state }) => state === 'armed'),
    /** Lets the one timer that is armed come due. */
    fire: (): void => {
      const [timer] = timers.filter(({ state }) => state === 'armed');
      if (timer === undefined) throw new Error('no timer is armed');
      timer.state = 'fired';
      timer.callback();
    },
  };
}

// The readings.

test('platformClock reads performance.now and Date.now, each time anew', () => {
  const now = vi.spyOn(performance, 'now').mockReturnValueOnce(12.5).mockReturnValueOnce(13);
  const epochNow = vi.spyOn(Date, 'now').mockReturnValueOnce(1_000).mockReturnValueOnce(900);
  expect([platformClock.now(), platformClock.now()]).toEqual([12.5, 13]);
  expect([platformClock.epochNow(), platformClock.epochNow()]).toEqual([1_000, 900]);
  expect(now).toHaveBeenCalledTimes(2);
  expect(epochNow).toHaveBeenCalledTimes(2);
});

// Timers.

test.for([0, 1, 1_500, longestMs])('platformClock.schedule() sets one timer, for %d ms', (delayMs) => {
  const { timers, fire, armed } = stubTimers();
  const callback = vi.fn();
  platformClock.schedule(delayMs, callback);
  expect(timers).toMatchObject([{ delayMs, background: false }]);
  expect(callback).not.toHaveBeenCalled();
  fire();
  expect(callback).toHaveBeenCalledTimes(1);
  expect(armed()).toEqual([]);
});

test.for([
  { delayMs: longestMs + 1, parts: [longestMs, 1] },
  { delayMs: 2 * longestMs, parts: [longestMs, longestMs] },
  { delayMs: 2 * longestMs + 5, parts: [longestMs, longestMs, 5] },
])(
  'platformClock.schedule() sets timers one after another that the platform can hold, for $delayMs ms',
  ({ delayMs, parts }) => {
    const { timers, fire, armed } = stubTimers();
    const callback = vi.fn();
    platformClock.schedule(delayMs, callback);
    for (const _ of parts) {
      expect(callback).not.toHaveBeenCalled();
      expect(armed()).toHaveLength(1);
      fire();
    }
    expect(callback).toHaveBeenCalledTimes(1);
    expect(timers.map((timer) => timer.delayMs)).toEqual(parts);
  },
);

test('platformClock.schedule() sets no timer, for Infinity', () => {
  const { timers } = stubTimers();
  const cancel = platformClock.schedule(Infinity, () => {});
  cancel.unref?.();
  cancel();
  expect(timers).toEqual([]);
});

test('platformClock.schedule() returns what cancels the callback, more than once as well', () => {
  const { timers, armed } = stubTimers();
  const cancel = platformClock.schedule(100, () => {});
  platformClock.schedule(100, () => {});
  cancel();
  cancel();
  expect(armed()).toHaveLength(1);
  expect(timers.map(({ state }) => state)).toEqual(['cleared', 'armed']);
});

test('platformClock.schedule() returns what cancels a long delay in each of its parts', () => {
  const { armed, fire } = stubTimers();
  const cancel = platformClock.schedule(longestMs + 5, () => {});
  fire();
  expect(armed()).toMatchObject([{ delayMs: 5 }]);
  cancel();
  expect(armed()).toEqual([]);
});

test('platformClock.schedule() returns a cancel that is harmless once the callback has run', () => {
  const { fire, armed } = stubTimers();
  const cancel = platformClock.schedule(100, () => {});
  fire();
  platformClock.schedule(100, () => {});
  cancel();
  cancel.unref?.();
  expect(armed()).toHaveLength(1);
});

// Letting the process go.

test('platformClock.schedule() returns what lets the process end before', () => {
  const { timers } = stubTimers();
  const cancel = platformClock.schedule(100, () => {});
  expect(timers[0]?.background).toBe(false);
  cancel.unref?.();
  expect(timers[0]?.background).toBe(true);
});

test('platformClock.schedule() lets the process end in each part of a long delay', () => {
  const { timers, fire } = stubTimers();
  platformClock.schedule(2 * longestMs + 5, () => {}).unref?.();
  fire();
  fire();
  expect(timers.map(({ background }) => background)).toEqual([true, true, true]);
});

test('platformClock.schedule() keeps the process in the parts of a long delay that nobody let go', () => {
  const { timers, fire } = stubTimers();
  const cancel = platformClock.schedule(2 * longestMs + 5, () => {});
  fire();
  cancel.unref?.();
  fire();
  expect(timers.map(({ background }) => background)).toEqual([false, true, true]);
});

test('platformClock.schedule() asks Deno, where timers are numbers', () => {
  const { byHandle } = stubTimers('numbers');
  const unrefTimer = vi.fn();
  vi.stubGlobal('Deno', { unrefTimer });
  platformClock.schedule(100, () => {}).unref?.();
  expect(unrefTimer.mock.calls).toEqual([[[...byHandle.keys()][0]]]);
});

test.for([
  { where: 'timers are numbers and there is no Deno', handles: 'numbers', deno: undefined },
  { where: 'Deno cannot let go', handles: 'numbers', deno: {} },
  { where: 'timers are objects that cannot be let go', handles: 'bare objects', deno: undefined },
] as const)('platformClock.schedule() takes unref() calmly, where $where', ({ handles, deno }) => {
  const { armed } = stubTimers(handles);
  vi.stubGlobal('Deno', deno);
  const cancel = platformClock.schedule(100, () => {});
  expect(() => cancel.unref?.()).not.toThrow();
  expect(armed()).toHaveLength(1);
});

// Signals.

test.for([0, 1_500, longestMs])('platformClock.timeoutSignal() is AbortSignal.timeout, for %d ms', (delayMs) => {
  const { signal } = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(signal);
  expect(platformClock.timeoutSignal(delayMs)).toBe(signal);
  expect(timeout.mock.calls).toEqual([[delayMs]]);
});

test('platformClock.timeoutSignal() keeps time by itself beyond what the platform can, and lets the process end', () => {
  const { timers, fire } = stubTimers();
  const timeout = vi.spyOn(AbortSignal, 'timeout');
  const signal = platformClock.timeoutSignal(longestMs + 1);
  expect(timeout).not.toHaveBeenCalled();
  fire();
  expect(signal.aborted).toBe(false);
  fire();
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toBeInstanceOf(DOMException);
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  expect(timers.map(({ background }) => background)).toEqual([true, true]);
});

test('platformClock.timeoutSignal() never aborts and sets no timer, for Infinity', () => {
  const { timers } = stubTimers();
  expect(platformClock.timeoutSignal(Infinity).aborted).toBe(false);
  expect(timers).toEqual([]);
});

// Node takes whole milliseconds only; what is left of a budget seldom is whole.
test('platformClock.timeoutSignal() takes a fraction of a millisecond, on every platform', () => {
  expect(platformClock.timeoutSignal(60_000.5).aborted).toBe(false);
});
