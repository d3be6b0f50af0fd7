import { expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import { AttemptTimeoutError, compose, retry, SteadfetchError, withTimeout } from '../../src/index.ts';
import { CallContext, close, type Ending } from '../../src/layer.ts';
import { resolveTools } from '../../src/options.ts';
import { AttemptTimeout } from '../../src/policies/attempt-timeout.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { around } from '../support/around.ts';
import { deaf, watch } from '../support/watch.ts';

test('withTimeout() rejects when the time is over and not before, though the operation ignores its signal', async () => {
  const clock = new FakeClock();
  const seen = watch(withTimeout(500, { clock, name: 'users' }).execute(deaf().operation));
  await clock.advance(499);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toBeInstanceOf(AttemptTimeoutError);
  expect(seen.error).toBeInstanceOf(SteadfetchError);
  expect(seen.error).toMatchObject({
    name: 'TimeoutError',
    code: 'ATTEMPT_TIMEOUT',
    dependency: 'users',
    message: 'Cannot finish the attempt to users: no answer within its timeout of 500 ms (attemptTimeoutMs)',
  });
  expect(clock.pending).toBe(0);
});

test('withTimeout() names no dependency, when it was given none', async () => {
  const clock = new FakeClock();
  const seen = watch(withTimeout(50, { clock }).execute(deaf().operation));
  await clock.advance(50);
  expect(seen.error).toMatchObject({
    dependency: undefined,
    message: 'Cannot finish the attempt: no answer within its timeout of 50 ms (attemptTimeoutMs)',
  });
});

test('withTimeout() rejects with its own error, and not with what the operation makes of the abort', async () => {
  const clock = new FakeClock();
  const seen = watch(
    withTimeout(500, { clock }).execute(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    ),
  );
  await clock.advance(500);
  expect(seen.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
  expect(clock.pending).toBe(0);
});

test('withTimeout() aborts the signal of the operation with the error it rejects with', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const seen = watch(withTimeout(500, { clock }).execute(operation));
  await clock.advance(499);
  expect(contexts[0]?.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(contexts[0]?.signal.reason).toBe(seen.error);
});

const endings = [
  { how: 'resolves', end: ({ ends }: ReturnType<typeof deaf>) => ends.succeed('late') },
  { how: 'rejects', end: ({ ends }: ReturnType<typeof deaf>) => ends.fail(new Error('late')) },
];

test.for(endings)('withTimeout() drops what comes late, when the operation $how after the timeout', async (row) => {
  const clock = new FakeClock();
  const work = deaf();
  const seen = watch(withTimeout(100, { clock }).execute(work.operation));
  await clock.advance(100);
  row.end(work);
  await clock.advance(100);
  expect(seen).toEqual({ error: expect.any(AttemptTimeoutError) });
});

const inTime = [
  { how: 'resolves', operation: () => Promise.resolve('fine'), end: { value: 'fine' } },
  { how: 'returns', operation: () => 'fine', end: { value: 'fine' } },
  { how: 'rejects', operation: () => Promise.reject('no'), end: { error: 'no' } },
  {
    how: 'throws',
    operation: () => {
      throw 'no';
    },
    end: { error: 'no' },
  },
];

test.for(inTime)('withTimeout() leaves no timer, and the signal as it was, when the operation $how', async (row) => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const seen = watch(
    withTimeout(100, { clock }).execute<unknown>(({ signal }) => {
      signals.push(signal);
      return row.operation();
    }),
  );
  await clock.advance(0);
  expect(seen).toEqual(row.end);
  expect(clock.pending).toBe(0);
  await clock.advance(1_000);
  expect(signals[0]?.aborted).toBe(false);
});

test('withTimeout() rejects with the reason of the caller who aborts first, and leaves no timer', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { operation, contexts } = deaf();
  const seen = watch(withTimeout(100, { clock }).execute(operation, { signal: controller.signal }));
  await clock.advance(99);
  controller.abort('the user left');
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect(contexts[0]?.signal.reason).toBe('the user left');
  expect(clock.pending).toBe(0);
});

test('withTimeout() runs nothing and sets no timer, under a signal that has aborted', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const signal = AbortSignal.abort('before');
  await expect(withTimeout(100, { clock }).execute(operation, { signal })).rejects.toBe('before');
  expect(contexts).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('withTimeout() gives each attempt inside a retry the whole of its time, and an error of its own', async () => {
  const clock = new FakeClock();
  const { operation, contexts } = deaf();
  const policy = compose(
    retry({ clock, random: () => 0, maxAttempts: 3, initialDelayMs: 100, multiplier: 1 }),
    withTimeout(500, { clock }),
  );
  const seen = watch(policy.execute(operation));
  await clock.advance(500 + 100 + 500 + 100 + 499);
  expect(seen).toEqual({});
  expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  await clock.advance(1);
  const reasons = contexts.map(({ signal }) => signal.reason);
  expect(reasons).toEqual(Array(3).fill(expect.any(AttemptTimeoutError)));
  expect(new Set(reasons).size).toBe(3);
  expect(seen.error).toBe(reasons[2]);
  expect(clock.pending).toBe(0);
});

test('withTimeout() drops a late answer of the first attempt, while the second is under way', async () => {
  const clock = new FakeClock();
  const works = [deaf(), deaf()];
  const policy = compose(retry({ clock, maxAttempts: 2, initialDelayMs: 0 }), withTimeout(500, { clock }));
  const seen = watch(policy.execute((context) => works[context.attempt - 1]?.operation(context)));
  await clock.advance(600);
  works[0]?.ends.succeed('first');
  await clock.advance(0);
  expect(seen).toEqual({});
  works[1]?.ends.succeed('second');
  await clock.advance(0);
  expect(seen).toEqual({ value: 'second' });
});

const nested = [
  { outer: 900, inner: 300 },
  { outer: 300, inner: 900 },
];

test.for(nested)(
  'withTimeout() ends after the shorter one, for $inner ms inside $outer ms',
  async ({ outer, inner }) => {
    const clock = new FakeClock();
    const policy = compose(withTimeout(outer, { clock }), withTimeout(inner, { clock }));
    const seen = watch(policy.execute(deaf().operation));
    await clock.advance(299);
    expect(seen).toEqual({});
    await clock.advance(1);
    expect(seen.error).toEqual(new AttemptTimeoutError(300));
    expect(clock.pending).toBe(0);
  },
);

const longest = [2 ** 31 - 1, 2 ** 31, 2 ** 40];

test.for(longest)('withTimeout() waits for all of %d ms', async (timeoutMs) => {
  const clock = new FakeClock();
  const seen = watch(withTimeout(timeoutMs, { clock }).execute(deaf().operation));
  await clock.advance(timeoutMs - 1);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toBeInstanceOf(AttemptTimeoutError);
});

test('withTimeout() sets no limit, for Infinity', async () => {
  const clock = new FakeClock();
  const work = deaf();
  const seen = watch(withTimeout(Infinity, { clock }).execute(work.operation));
  await clock.advance(Number.MAX_SAFE_INTEGER);
  expect(seen).toEqual({});
  expect(clock.pending).toBe(0);
  work.ends.succeed('at last');
  await clock.advance(0);
  expect(seen).toEqual({ value: 'at last' });
});

const wrong = [
  { timeoutMs: 0, type: RangeError, got: '0' },
  { timeoutMs: -1, type: RangeError, got: '-1' },
  { timeoutMs: Number.NaN, type: RangeError, got: 'NaN' },
  { timeoutMs: '100', type: TypeError, got: '"100"' },
  { timeoutMs: null, type: TypeError, got: 'null' },
  { timeoutMs: {}, type: TypeError, got: 'an object' },
];

test.for(wrong)('withTimeout() throws $type.name at once, for $timeoutMs', ({ timeoutMs, type, got }) => {
  // @ts-expect-error: what is no number of milliseconds, on purpose
  const make = (): unknown => withTimeout(timeoutMs);
  expect(make).toThrow(new type(`timeoutMs must be a number above 0 or Infinity, got ${got}`));
});

test('withTimeout() throws TypeError at once, for a name that is none', () => {
  // @ts-expect-error: no name, on purpose
  expect(() => withTimeout(100, { name: 7 })).toThrow(new TypeError('name must be a string, got 7'));
});

// With a value that goes on streaming after it was handed out.

test('AttemptTimeout ends with the answer: what still streams is under the caller alone', async () => {
  const clock = new FakeClock();
  const closers: (() => void)[] = [];
  const lease = vi.fn((_: unknown, ending: Ending) => closers.push(() => close(ending)) > 0);
  const scopes: Scope[] = [];
  const timeout = new AttemptTimeout(500, resolveTools({ clock }));
  const stream = async (root: Scope): Promise<string> =>
    around(
      timeout,
      async ({ scope }) => {
        scopes.push(scope);
        return 'streaming';
      },
      new CallContext(root, { lease }),
    );

  const [left, read] = [new Scope(), new Scope()];
  expect([await stream(left), await stream(read)]).toEqual(['streaming', 'streaming']);
  expect(lease.mock.calls.map(([value]) => value)).toEqual(['streaming', 'streaming']);
  expect(clock.pending).toBe(0);
  await clock.advance(10_000);
  expect(scopes.map(({ aborted }) => aborted)).toEqual([false, false]);

  left.abort('the user left');
  closers[1]?.(); // read to its end: there is nothing left to end
  read.abort('later');
  expect(scopes.map(({ reason }) => reason)).toEqual(['the user left', undefined]);
});

test('AttemptTimeout lets go of the caller at once, when the attempt fails', async () => {
  const clock = new FakeClock();
  const lease = vi.fn(() => false);
  const scopes: Scope[] = [];
  const root = new Scope();
  const work = ({ scope }: CallContext): Promise<never> => {
    scopes.push(scope);
    return Promise.reject(new Error('no'));
  };
  const call = around(new AttemptTimeout(500, resolveTools({ clock })), work, new CallContext(root, { lease }));
  await expect(call).rejects.toThrow('no');
  expect(lease).not.toHaveBeenCalled();
  root.abort('later');
  expect(scopes.map(({ aborted }) => aborted)).toEqual([false]);
});
