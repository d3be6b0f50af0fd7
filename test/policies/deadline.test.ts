import { expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import type { Clock } from '../../src/clock.ts';
import {
  Bulkhead,
  type Context,
  compose,
  DeadlineExceededError,
  retry,
  SteadfetchError,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import { CallContext, close, type Ending } from '../../src/layer.ts';
import { resolveTools } from '../../src/options.ts';
import { Deadline } from '../../src/policies/deadline.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { around } from '../support/around.ts';
import { deaf, watch } from '../support/watch.ts';

/** An operation that goes on until its signal aborts, and then rejects in its own words. */
function attentive({ signal }: Context): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')));
  });
}

test('withDeadline() rejects when the time is over and not before, though the operation ignores its signal', async () => {
  const clock = new FakeClock();
  const seen = watch(withDeadline(2_000, { clock, name: 'users' }).execute(deaf().operation));
  await clock.advance(1_999);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toBeInstanceOf(DeadlineExceededError);
  expect(seen.error).toBeInstanceOf(SteadfetchError);
  expect(seen.error).toMatchObject({
    name: 'TimeoutError',
    code: 'DEADLINE_EXCEEDED',
    dependency: 'users',
    message: 'Cannot finish the call to users: its deadline of 2000 ms is over (deadlineMs)',
  });
  expect(clock.pending).toBe(0);
});

test('withDeadline() names no dependency, when it was given none', async () => {
  const clock = new FakeClock();
  const seen = watch(withDeadline(50, { clock }).execute(deaf().operation));
  await clock.advance(50);
  expect(seen.error).toMatchObject({
    dependency: undefined,
    message: 'Cannot finish the call: its deadline of 50 ms is over (deadlineMs)',
  });
});

test('withDeadline() rejects with its own error, and not with what the operation makes of the abort', async () => {
  const clock = new FakeClock();
  const seen = watch(withDeadline(2_000, { clock }).execute(attentive));
  await clock.advance(2_000);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test('withDeadline() aborts the signal of the operation with the error it rejects with', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const seen = watch(withDeadline(2_000, { clock }).execute(operation));
  await clock.advance(1_999);
  expect(contexts[0]?.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(contexts[0]?.signal.reason).toBe(seen.error);
});

test('withDeadline() rejects each call with an error of its own', async () => {
  const clock = new FakeClock();
  const policy = withDeadline(100, { clock });
  const [first, second] = [watch(policy.execute(deaf().operation)), watch(policy.execute(deaf().operation))];
  await clock.advance(100);
  expect(first.error).toBeInstanceOf(DeadlineExceededError);
  expect(second.error).toBeInstanceOf(DeadlineExceededError);
  expect(second.error).not.toBe(first.error);
});

test('withDeadline() gives each call its own time', async () => {
  const clock = new FakeClock();
  const policy = withDeadline(100, { clock });
  const first = watch(policy.execute(deaf().operation));
  await clock.advance(60);
  const second = watch(policy.execute(deaf().operation));
  await clock.advance(40);
  expect([first.error, second.error]).toEqual([expect.any(DeadlineExceededError), undefined]);
  await clock.advance(60);
  expect(second.error).toBeInstanceOf(DeadlineExceededError);
});

const endings = [
  { how: 'resolves', end: ({ ends }: ReturnType<typeof deaf>) => ends.succeed('late') },
  { how: 'rejects', end: ({ ends }: ReturnType<typeof deaf>) => ends.fail(new Error('late')) },
];

test.for(endings)('withDeadline() drops what comes late, when the operation $how after the deadline', async (row) => {
  const clock = new FakeClock();
  const work = deaf();
  const seen = watch(withDeadline(100, { clock }).execute(work.operation));
  await clock.advance(100);
  row.end(work);
  await clock.advance(100);
  expect(seen).toEqual({ error: expect.any(DeadlineExceededError) });
});

const inTime = [
  { how: 'resolves', operation: () => Promise.resolve('fine') },
  { how: 'returns', operation: () => 'fine' },
  { how: 'rejects', operation: () => Promise.reject('no') },
  {
    how: 'throws',
    operation: () => {
      throw 'no';
    },
  },
];

test.for(inTime)('withDeadline() leaves no timer, and the signal as it was, when the operation $how', async (row) => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const seen = watch(
    withDeadline(100, { clock }).execute<unknown>(({ signal }) => {
      signals.push(signal);
      return row.operation();
    }),
  );
  await clock.advance(0);
  expect(Object.values(seen)).toEqual([row.how === 'resolves' || row.how === 'returns' ? 'fine' : 'no']);
  expect(clock.pending).toBe(0);
  await clock.advance(1_000);
  expect(signals[0]?.aborted).toBe(false);
});

test('withDeadline() rejects with the reason of the caller who aborts first, and leaves no timer', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { operation, contexts } = deaf();
  const seen = watch(withDeadline(100, { clock }).execute(operation, { signal: controller.signal }));
  await clock.advance(99);
  controller.abort('the user left');
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect(contexts[0]?.signal.reason).toBe('the user left');
  expect(clock.pending).toBe(0);
});

test('withDeadline() keeps its error, when the caller aborts after it', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { operation, contexts } = deaf();
  const seen = watch(withDeadline(100, { clock }).execute(operation, { signal: controller.signal }));
  await clock.advance(100);
  controller.abort('the user left');
  await clock.advance(0);
  expect(seen.error).toBeInstanceOf(DeadlineExceededError);
  expect(contexts[0]?.signal.reason).toBe(seen.error);
});

test('withDeadline() runs nothing and sets no timer, under a signal that has aborted', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const signal = AbortSignal.abort('before');
  await expect(withDeadline(100, { clock }).execute(operation, { signal })).rejects.toBe('before');
  expect(contexts).toEqual([]);
  expect(clock.pending).toBe(0);
});

const longest = [2 ** 31 - 1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER];

test.for(longest)('withDeadline() waits for all of %d ms', async (deadlineMs) => {
  const clock = new FakeClock();
  const seen = watch(withDeadline(deadlineMs, { clock }).execute(deaf().operation));
  await clock.advance(deadlineMs - 1);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toBeInstanceOf(DeadlineExceededError);
});

test('withDeadline() sets no limit, for Infinity', async () => {
  const clock = new FakeClock();
  const work = deaf();
  const seen = watch(withDeadline(Infinity, { clock }).execute(work.operation));
  await clock.advance(Number.MAX_SAFE_INTEGER);
  expect(seen).toEqual({});
  expect(clock.pending).toBe(0);
  work.ends.succeed('at last');
  await clock.advance(0);
  expect(seen).toEqual({ value: 'at last' });
});

const wrong = [
  { deadlineMs: 0, type: RangeError, got: '0' },
  { deadlineMs: -1, type: RangeError, got: '-1' },
  { deadlineMs: Number.NaN, type: RangeError, got: 'NaN' },
  { deadlineMs: -Infinity, type: RangeError, got: '-Infinity' },
  { deadlineMs: '100', type: TypeError, got: '"100"' },
  { deadlineMs: null, type: TypeError, got: 'null' },
  { deadlineMs: false, type: TypeError, got: 'false' },
  { deadlineMs: 100n, type: TypeError, got: '100n' },
];

test.for(wrong)('withDeadline() throws $type.name at once, for $deadlineMs', ({ deadlineMs, type, got }) => {
  // @ts-expect-error: what is no number of milliseconds, on purpose
  const make = (): unknown => withDeadline(deadlineMs);
  expect(make).toThrow(new type(`deadlineMs must be a number above 0 or Infinity, got ${got}`));
});

test('withDeadline() throws TypeError at once, for no limit and for a clock that is none', () => {
  // @ts-expect-error: nothing at all, on purpose
  expect(() => withDeadline()).toThrow(TypeError);
  // @ts-expect-error: no clock, on purpose
  expect(() => withDeadline(100, { clock: {} })).toThrow(new TypeError('clock.now must be a function, got undefined'));
});

test('withDeadline() takes a fraction of a millisecond', async () => {
  const clock = new FakeClock();
  const seen = watch(withDeadline(0.5, { clock }).execute(deaf().operation));
  await clock.advance(0.5);
  expect(seen.error).toBeInstanceOf(DeadlineExceededError);
});

// With others.

const nested = [
  { outer: 2_000, inner: 500, endsAt: 500 },
  { outer: 500, inner: 2_000, endsAt: 500 },
];

test.for(nested)(
  'withDeadline() ends at $endsAt ms, for $inner ms inside $outer ms',
  async ({ outer, inner, endsAt }) => {
    const clock = new FakeClock();
    const { operation, contexts } = deaf();
    const policy = compose(
      withDeadline(outer, { clock, name: 'outer' }),
      withDeadline(inner, { clock, name: 'inner' }),
    );
    const seen = watch(policy.execute(operation));
    await clock.advance(endsAt - 1);
    expect(seen).toEqual({});
    await clock.advance(1);
    expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED', dependency: inner < outer ? 'inner' : 'outer' });
    expect(contexts[0]?.signal.reason).toBe(seen.error);
    expect(clock.pending).toBe(0);
  },
);

test.for(nested)(
  'withDeadline() tells a retry inside of the shorter time, for $inner ms inside $outer ms',
  async ({ outer, inner, endsAt }) => {
    for (const { initialDelayMs, attempts } of [
      { initialDelayMs: endsAt - 1, attempts: 2 },
      { initialDelayMs: endsAt, attempts: 1 },
    ]) {
      const clock = new FakeClock();
      const operation = vi.fn(() => Promise.reject(new Error('no')));
      const again = retry({ clock, random: () => 0, initialDelayMs, maxAttempts: 2 });
      const seen = watch(
        compose(withDeadline(outer, { clock }), withDeadline(inner, { clock }), again).execute(operation),
      );
      await clock.advance(endsAt);
      expect(operation).toHaveBeenCalledTimes(attempts);
      expect(seen.error).toEqual(new Error('no'));
    }
  },
);

test('withDeadline() ends the third of three attempts that hang', async () => {
  const clock = new FakeClock();
  const contexts: Context[] = [];
  const policy = compose(
    withDeadline(2_000, { clock }),
    retry({ clock, maxAttempts: 3, initialDelayMs: 0 }),
    withTimeout(900, { clock }),
  );
  const seen = watch(
    policy.execute((context) => {
      contexts.push(context);
      return deaf().operation(context);
    }),
  );
  await clock.advance(1_999);
  expect(contexts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(contexts.map(({ signal }) => signal.reason.code)).toEqual([
    'ATTEMPT_TIMEOUT',
    'ATTEMPT_TIMEOUT',
    'DEADLINE_EXCEEDED',
  ]);
  expect(clock.pending).toBe(0);
});

test('withDeadline() counts the wait for a slot, and takes the call out of the queue', async () => {
  const clock = new FakeClock();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, clock });
  const holder = deaf();
  const held = watch(bulkhead.execute(holder.operation));
  const operation = vi.fn();
  const seen = watch(compose(withDeadline(100, { clock }), bulkhead).execute(operation));
  await clock.advance(99);
  expect([seen, bulkhead.queued]).toEqual([{}, 1]);
  await clock.advance(1);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(bulkhead.queued).toBe(0);
  holder.ends.succeed('done');
  await clock.advance(0);
  expect(held).toEqual({ value: 'done' });
  expect(operation).not.toHaveBeenCalled();
});

test('withDeadline() inside a retry limits each attempt, and is retried like any error', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const policy = compose(
    retry({ clock, random: () => 0, maxAttempts: 2, initialDelayMs: 1_000 }),
    withDeadline(100, { clock }),
  );
  const seen = watch(policy.execute(operation));
  await clock.advance(1_199);
  expect(contexts).toHaveLength(2);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

// With a value that goes on streaming after it was handed out.

/** A deadline, and a value under it whose end is still to come. */
async function streaming(clock: Clock) {
  const closers: (() => void)[] = [];
  const root = new Scope();
  const lease = (_: unknown, ending: Ending): boolean => closers.push(() => close(ending)) > 0;
  const scopes: Scope[] = [];
  const deadline = new Deadline(2_000, resolveTools({ clock }));
  const work = async ({ scope }: CallContext): Promise<string> => {
    scopes.push(scope);
    return 'streaming';
  };
  const value = await around(deadline, work, new CallContext(root, { lease }));
  const [scope] = scopes;
  if (scope === undefined) throw new Error('the deadline has not called what is inside');
  return { root, scope, value, close: () => closers.splice(0).map((each) => each()) };
}

test('Deadline ends what still streams, when its time is over', async () => {
  const clock = new FakeClock();
  const { scope, value } = await streaming(clock);
  expect(value).toBe('streaming');
  await clock.advance(1_999);
  expect(scope.aborted).toBe(false);
  await clock.advance(1);
  expect(scope.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('Deadline ends what still streams with the caller', async () => {
  const { root, scope } = await streaming(new FakeClock());
  root.abort('the user left');
  expect(scope.reason).toBe('the user left');
});

test('Deadline lets go of timer and caller, when the stream has ended', async () => {
  const clock = new FakeClock();
  const { root, scope, close } = await streaming(clock);
  expect(clock.pending).toBe(1);
  close();
  expect(clock.pending).toBe(0);
  root.abort('later');
  expect(scope.aborted).toBe(false);
});

test('Deadline lets go of timer and caller at once, when the call fails', async () => {
  const clock = new FakeClock();
  const lease = vi.fn(() => false);
  const scopes: Scope[] = [];
  const root = new Scope();
  const work = ({ scope }: CallContext): Promise<never> => {
    scopes.push(scope);
    return Promise.reject(new Error('no'));
  };
  const call = around(new Deadline(2_000, resolveTools({ clock })), work, new CallContext(root, { lease }));
  await expect(call).rejects.toThrow('no');
  expect(lease).not.toHaveBeenCalled();
  expect(clock.pending).toBe(0);
  root.abort('later');
  expect(scopes.map(({ aborted }) => aborted)).toEqual([false]);
});

test('Deadline does not keep the process alive for what still streams, but for a call under way', async () => {
  const clock = new FakeClock();
  const unref = vi.fn();
  const held: Clock = {
    now: () => clock.now(),
    epochNow: () => clock.epochNow(),
    timeoutSignal: (delayMs) => clock.timeoutSignal(delayMs),
    schedule: (delayMs, callback) => Object.assign(clock.schedule(delayMs, callback), { unref }),
  };
  const work = deaf();
  const seen = watch(withDeadline(100, { clock: held }).execute(work.operation));
  expect(unref).not.toHaveBeenCalled();
  work.ends.succeed('done');
  await clock.advance(0);
  expect(seen).toEqual({ value: 'done' });

  unref.mockReset();
  await streaming(held);
  expect(unref).toHaveBeenCalledTimes(1);
  expect(clock.pending).toBe(1);
});
