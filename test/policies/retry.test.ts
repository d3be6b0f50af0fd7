import { expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import {
  type BackoffOptions,
  CircuitBreaker,
  type Context,
  compose,
  RetryBudget,
  type RetryPolicyOptions,
  type RetryQuestion,
  retry,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import { CallContext, close, type Ending } from '../../src/layer.ts';
import { resolveRetry, resolveTools } from '../../src/options.ts';
import { Retry, type RetryHooks } from '../../src/policies/retry.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { around } from '../support/around.ts';
import { watch } from '../support/watch.ts';

/** An operation that ends at once as the script says, one entry per attempt, the last for all that follow: an Error is thrown. */
function scripted(clock: FakeClock, ...script: readonly unknown[]) {
  const startedAt = clock.now();
  const runs: { atMs: number; attempt: number; signal: AbortSignal }[] = [];
  const operation = ({ attempt, signal }: Context): unknown => {
    runs.push({ atMs: clock.now() - startedAt, attempt, signal });
    const ending = script[Math.min(runs.length, script.length) - 1];
    if (ending instanceof Error) throw ending;
    return ending;
  };
  return { operation, runs, times: () => runs.map(({ atMs }) => atMs) };
}

function newClock(): FakeClock {
  return new FakeClock({ now: 7_000 });
}

const always = { random: () => 0, budget: false } as const;

/** The layer as the client uses it: values can be worth a retry, and what is dropped is freed. */
function hooked(clock: FakeClock, hooks: Partial<RetryHooks> = {}, options: BackoffOptions = {}, budget?: RetryBudget) {
  const discard = vi.fn<(value: unknown) => void>();
  const onRetry = vi.fn<(attempt: number, delayMs: number, retryAfterMs: number | undefined) => void>();
  const policy = new Retry(resolveRetry(options), resolveTools({ clock, random: () => 0 }), {
    budgetFor: () => budget,
    shouldRetry: () => true,
    discard,
    onRetry: (attempt, delayMs, retryAfterMs) => onRetry(attempt, delayMs, retryAfterMs),
    ...hooks,
  });
  return { policy, discard, onRetry, discarded: () => discard.mock.calls.map(([value]) => value) };
}

const down = new Error('down');

// Attempts.

test('retry() makes 3 attempts by default, 100 and 200 ms apart, and rethrows the last error as it came', async () => {
  const clock = newClock();
  const last = new Error('third');
  const { operation, runs, times } = scripted(clock, new Error('first'), new Error('second'), last);
  const seen = watch(retry({ clock, random: () => 0 }).execute(operation));
  await clock.advance(299);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toBe(last);
  expect(times()).toEqual([0, 100, 300]);
  expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(clock.pending).toBe(0);
});

test('retry() resolves to the first value there is, the same object, and tries no more', async () => {
  const clock = newClock();
  const value = {};
  const { operation, times } = scripted(clock, down, value);
  const seen = watch(retry({ clock, random: () => 0 }).execute(operation));
  await clock.advance(10_000);
  expect(seen.value).toBe(value);
  expect(times()).toEqual([0, 100]);
});

test.for([undefined, null, false, 0, ''])('retry() takes the value %s for an answer', async (value) => {
  const clock = newClock();
  const { operation, runs } = scripted(clock, value);
  expect(await retry({ clock }).execute(operation)).toBe(value);
  expect(runs).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test('retry() takes an error that the operation resolves to for an answer', async () => {
  const clock = newClock();
  const operation = vi.fn(async () => down);
  expect(await retry({ clock }).execute(operation)).toBe(down);
  expect(operation).toHaveBeenCalledTimes(1);
});

const throwing = [
  {
    how: 'throws',
    operation: () => {
      throw undefined;
    },
  },
  { how: 'rejects with', operation: () => Promise.reject(undefined) },
];

test.for(throwing)('retry() tries again, when the operation $how undefined', async (row) => {
  const operation = vi.fn<() => Promise<never>>(row.operation);
  await expect(retry({ clock: newClock(), initialDelayMs: 0 }).execute(operation)).rejects.toBe(undefined);
  expect(operation).toHaveBeenCalledTimes(3);
});

test('retry() makes one attempt, with maxAttempts 1', async () => {
  const clock = newClock();
  const { operation, runs } = scripted(clock, down);
  await expect(retry({ clock, maxAttempts: 1 }).execute(operation)).rejects.toBe(down);
  expect(runs).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test('retry() begins an attempt when the one before has ended, and not sooner', async () => {
  const clock = newClock();
  const ends: (() => void)[] = [];
  const operation = (): Promise<never> => new Promise((_, reject) => ends.push(() => reject(down)));
  watch(retry({ clock, ...always }).execute(operation));
  await clock.advance(5_000);
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await clock.advance(99);
  expect(ends).toHaveLength(1);
  await clock.advance(1);
  expect(ends).toHaveLength(2);
});

test('retry() gives each attempt a signal of its own, and the caller aborts the one under way', async () => {
  const clock = newClock();
  const controller = new AbortController();
  const signals: AbortSignal[] = [];
  const call = retry({ clock, ...always, maxAttempts: 4 }).execute(
    ({ signal, attempt }) => {
      signals.push(signal);
      return attempt < 3 ? Promise.reject(down) : new Promise(() => {});
    },
    { signal: controller.signal },
  );
  const seen = watch(call);
  await clock.advance(300);
  expect(new Set(signals).size).toBe(3);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false]);
  controller.abort('the user left');
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect(signals[2]?.reason).toBe('the user left');
  expect(signals[1]?.aborted).toBe(false); // that attempt was over
  await clock.advance(10_000);
  expect(signals).toHaveLength(3);
});

test('retry() makes calls side by side, each with attempts and waits of its own', async () => {
  const clock = newClock();
  const policy = retry({ clock, ...always });
  const [first, second] = [scripted(clock, down, 'first'), scripted(clock, down, down, 'second')];
  const seen = [watch(policy.execute(first.operation)), watch(policy.execute(second.operation))];
  await clock.advance(300);
  expect(seen).toEqual([{ value: 'first' }, { value: 'second' }]);
  expect([first.times(), second.times()]).toEqual([
    [0, 100],
    [0, 100, 300],
  ]);
});

test('retry() numbers the attempts of each retry inside another from 1', async () => {
  const clock = newClock();
  const twice = retry({ clock, maxAttempts: 2, initialDelayMs: 0 });
  const { operation, runs } = scripted(clock, down);
  await expect(compose(twice, twice).execute(operation)).rejects.toBe(down);
  expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2]);
});

// Backoff.

const waits: { options: BackoffOptions; random: number; waits: number[] }[] = [
  { options: {}, random: 0, waits: [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] },
  { options: {}, random: 0.25, waits: [75, 150, 300] },
  { options: { jitter: 'full' }, random: 0.75, waits: [25, 50, 100] },
  { options: { jitter: 'decorrelated' }, random: 0.5, waits: [200, 350, 575] },
  { options: { jitter: 'decorrelated', maxDelayMs: 300 }, random: 0.5, waits: [200, 300, 300] },
  { options: { jitter: 0 }, random: 0.5, waits: [100, 200, 400] },
  { options: { jitter: 0.5 }, random: 0.5, waits: [75, 150, 300] },
  { options: { jitter: 1 }, random: 0.25, waits: [75, 150, 300] },
  { options: { jitter: 5 }, random: 0.25, waits: [75, 150, 300] },
  { options: { jitter: -1 }, random: 0.25, waits: [100, 200, 400] },
  { options: { maxDelayMs: 250 }, random: 0, waits: [100, 200, 250, 250] },
  { options: { initialDelayMs: 40, multiplier: 3 }, random: 0, waits: [40, 120, 360] },
  { options: { multiplier: 1 }, random: 0, waits: [100, 100, 100] },
  { options: { initialDelayMs: 0 }, random: 0, waits: [0, 0, 0] },
  { options: { maxDelayMs: 0 }, random: 0, waits: [0, 0, 0] },
];

test.for(waits)('retry() waits for $waits ms, with $options and random $random', async (row) => {
  const clock = newClock();
  const { operation, times } = scripted(clock, down);
  const maxAttempts = row.waits.length + 1;
  const seen = watch(
    retry({ clock, random: () => row.random, budget: false, maxAttempts, ...row.options }).execute(operation),
  );
  await clock.advance(row.waits.reduce((sum, wait) => sum + wait));
  let at = 0;
  expect(times()).toEqual([0, ...row.waits.map((wait) => (at += wait))]);
  expect(seen.error).toBe(down);
});

test('retry() spreads the waits by Math.random, when it is given no other', async () => {
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.25);
  try {
    const clock = newClock();
    const { operation, times } = scripted(clock, down);
    watch(retry({ clock }).execute(operation));
    await clock.advance(1_000);
    expect(times()).toEqual([0, 75, 225]);
  } finally {
    random.mockRestore();
  }
});

test('retry() sets no timer for a wait of nothing', async () => {
  const clock = newClock();
  const schedule = vi.spyOn(clock, 'schedule');
  const { operation, runs } = scripted(clock, down);
  await expect(retry({ clock, initialDelayMs: 0 }).execute(operation)).rejects.toBe(down);
  expect(runs).toHaveLength(3);
  expect(schedule).not.toHaveBeenCalled();
});

// The deadline around it.

const deadlines = [
  { deadlineMs: 50, attempts: 1 },
  { deadlineMs: 100, attempts: 1 },
  { deadlineMs: 101, attempts: 2 },
  { deadlineMs: 300, attempts: 2 },
  { deadlineMs: 301, attempts: 3 },
];

test.for(deadlines)(
  'retry() makes $attempts attempts inside a deadline of $deadlineMs ms, and answers when no further one can start',
  async ({ deadlineMs, attempts }) => {
    const clock = newClock();
    const policy = compose(withDeadline(deadlineMs, { clock }), retry({ clock, ...always }));
    const { operation, times } = scripted(clock, down);
    const seen = watch(policy.execute(operation));
    await clock.advance([0, 100, 300][attempts - 1] ?? 0);
    expect(seen.error).toBe(down);
    expect(times()).toEqual([0, 100, 300].slice(0, attempts));
    expect(clock.pending).toBe(0);
  },
);

test('retry() takes the time that attempts have taken off the deadline', async () => {
  const clock = newClock();
  const policy = compose(withDeadline(500, { clock }), retry({ clock, ...always }));
  let attempts = 0;
  const seen = watch(
    policy.execute(() => {
      attempts += 1;
      return new Promise((_, reject) => clock.schedule(400, () => reject(down)));
    }),
  );
  await clock.advance(400);
  expect(seen.error).toBe(down); // 100 ms more would be the deadline itself
  expect(attempts).toBe(1);
});

// Abort.

test('retry() rejects with the reason at once, when the caller aborts during a wait, and tries no more', async () => {
  const clock = newClock();
  const controller = new AbortController();
  const { operation, times } = scripted(clock, down);
  const seen = watch(retry({ clock, ...always }).execute(operation, { signal: controller.signal }));
  await clock.advance(50);
  expect(clock.pending).toBe(1);
  controller.abort('the user left');
  expect(clock.pending).toBe(0);
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  await clock.advance(10_000);
  expect(times()).toEqual([0]);
});

test('retry() is not ended by an abort after a wait that was over', async () => {
  const clock = newClock();
  const controller = new AbortController();
  const { operation } = scripted(clock, down, 'fine');
  const seen = watch(retry({ clock, ...always }).execute(operation, { signal: controller.signal }));
  await clock.advance(100);
  controller.abort('too late');
  await clock.advance(0);
  expect(seen).toEqual({ value: 'fine' });
});

test('retry() makes no attempt under a signal that has aborted', async () => {
  const clock = newClock();
  const { operation, runs } = scripted(clock, 'fine');
  const signal = AbortSignal.abort('before');
  await expect(retry({ clock }).execute(operation, { signal })).rejects.toBe('before');
  expect(runs).toEqual([]);
});

test('retry() does not ask shouldRetry, when the caller has aborted', async () => {
  const clock = newClock();
  const controller = new AbortController();
  const shouldRetry = vi.fn(() => true);
  const call = retry({ clock, shouldRetry, initialDelayMs: 0 }).execute(() => new Promise(() => {}), {
    signal: controller.signal,
  });
  controller.abort('the user left');
  await expect(call).rejects.toBe('the user left');
  expect(shouldRetry).not.toHaveBeenCalled();
  expect(clock.pending).toBe(0);
});

test('retry() ends a wait with the timeout around it', async () => {
  const clock = newClock();
  const { policy, discarded } = hooked(clock);
  const { operation, times } = scripted(clock, 'poor');
  const seen = watch(compose(withTimeout(150, { clock }), policy).execute(operation));
  await clock.advance(150);
  expect(seen.error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
  expect(times()).toEqual([0, 100]);
  expect(discarded()).toEqual(['poor', 'poor']);
  expect(clock.pending).toBe(0);
});

const askedOnTheWay = ['shouldRetry', 'retryAfterMsOf', 'mayGoOn', 'onRetry'] as const;

test.for(askedOnTheWay)('Retry does not begin to wait, when the caller aborts while %s is asked', async (hook) => {
  const clock = newClock();
  const controller = new AbortController();
  const answers = { shouldRetry: () => true, retryAfterMsOf: () => undefined, mayGoOn: () => true, onRetry() {} };
  const { policy, discarded } = hooked(clock, {
    ...answers,
    [hook]: () => {
      controller.abort('the user left');
      return answers[hook]();
    },
  });
  const { operation, runs } = scripted(clock, 'poor');
  const seen = watch(policy.execute(operation, { signal: controller.signal }));
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect(runs).toHaveLength(1);
  expect(discarded()).toEqual(['poor']);
  expect(clock.pending).toBe(0);
});

// shouldRetry.

test('retry() asks shouldRetry about each attempt that another one could follow, with what it came to', async () => {
  const clock = newClock();
  const shouldRetry = vi.fn<(question: RetryQuestion) => boolean>(() => true);
  const { operation } = scripted(clock, down, 'poor', undefined, 'last');
  const seen = watch(retry({ clock, ...always, maxAttempts: 4, shouldRetry }).execute(operation));
  await clock.advance(700);
  expect(seen).toEqual({ value: 'last' });
  expect(shouldRetry.mock.calls).toEqual([
    [{ error: down, attempt: 1 }],
    [{ value: 'poor', attempt: 2 }],
    [{ value: undefined, attempt: 3 }],
  ]);
  expect(shouldRetry.mock.calls.map(([question]) => 'error' in question)).toEqual([true, false, false]);
});

test('retry() stops where shouldRetry says so, and returns the value or rethrows the error it was asked about', async () => {
  const clock = newClock();
  const policy = retry({ clock, initialDelayMs: 0, shouldRetry: ({ value }) => value === 'poor' });
  expect(await policy.execute(scripted(clock, 'poor', 'good', 'unasked').operation)).toBe('good');
  await expect(policy.execute(scripted(clock, 'poor', down, 'unasked').operation)).rejects.toBe(down);
});

test('retry() returns the last value, when attempts run out', async () => {
  const clock = newClock();
  const policy = retry({ clock, initialDelayMs: 0, shouldRetry: () => true });
  const values = [{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }];
  expect(await policy.execute(scripted(clock, ...values).operation)).toBe(values[2]);
});

test('retry() rejects with what shouldRetry throws, and tries no more', async () => {
  const clock = newClock();
  const mistake = new Error('a mistake in shouldRetry');
  const { operation, runs } = scripted(clock, down);
  const policy = retry({
    clock,
    shouldRetry: () => {
      throw mistake;
    },
  });
  await expect(policy.execute(operation)).rejects.toBe(mistake);
  expect(runs).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

// The budget.

test('retry() has a budget of its own by default: 10 retries at once, and 10 a second', async () => {
  const clock = newClock();
  const policy = retry({ clock, maxAttempts: 100, initialDelayMs: 0 });
  const attempts = async (): Promise<number> => {
    const { operation, runs } = scripted(clock, down);
    await expect(policy.execute(operation)).rejects.toBe(down);
    return runs.length;
  };
  expect([await attempts(), await attempts()]).toEqual([1 + 10, 1]);
  await clock.advance(500);
  expect(await attempts()).toBe(1 + 5);
  const { operation, runs } = scripted(clock, down);
  await expect(retry({ clock, maxAttempts: 100, initialDelayMs: 0 }).execute(operation)).rejects.toBe(down);
  expect(runs).toHaveLength(1 + 10);
});

test('retry() makes its own budget from options', async () => {
  const clock = newClock();
  const policy = retry({ clock, maxAttempts: 100, initialDelayMs: 0, budget: { ratio: 1, minPerSecond: 2 } });
  const { operation, runs } = scripted(clock, down);
  await expect(policy.execute(operation)).rejects.toBe(down);
  expect(runs).toHaveLength(1 + 2 + 1);
});

test('retry() retries as often as attempts allow, with budget false', async () => {
  const clock = newClock();
  const { operation, runs } = scripted(clock, down);
  await expect(retry({ clock, maxAttempts: 100, initialDelayMs: 0, budget: false }).execute(operation)).rejects.toBe(
    down,
  );
  expect(runs).toHaveLength(100);
});

test('retry() answers at once, when the budget is empty', async () => {
  const clock = newClock();
  const budget = new RetryBudget({ clock, minPerSecond: 0 });
  const { operation, runs } = scripted(clock, down);
  await expect(retry({ clock, budget }).execute(operation)).rejects.toBe(down);
  expect(runs).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

test('retry() counts each call in the budget, also one that needs no retry', async () => {
  const clock = newClock();
  const budget = new RetryBudget({ clock });
  const policy = retry({ clock, budget });
  for (let call = 0; call < 3; call += 1) await policy.execute(() => 'fine');
  expect(budget.snapshot()).toEqual({ calls: 3, retries: 0, reserve: 10 });
});

const unpaid: { when: string; hooks?: Partial<RetryHooks>; options?: BackoffOptions; deadlineMs?: number }[] = [
  { when: 'it is the last attempt', options: { maxAttempts: 1 } },
  { when: 'shouldRetry says no', hooks: { shouldRetry: () => false } },
  { when: 'the server asks for too long a wait', hooks: { retryAfterMsOf: () => 30_001 } },
  { when: 'the deadline is too near', deadlineMs: 100 },
  { when: 'mayGoOn says no', hooks: { mayGoOn: () => false } },
];

test.for(unpaid)('Retry hands the answer out at once and pays nothing from the budget, when $when', async (row) => {
  const clock = newClock();
  const budget = new RetryBudget({ clock });
  const { policy, onRetry, discard } = hooked(clock, row.hooks, row.options, budget);
  const { operation, runs } = scripted(clock, 'poor');
  const whole = compose(withDeadline(row.deadlineMs ?? Infinity, { clock }), policy);
  expect(await whole.execute(operation)).toBe('poor');
  expect(runs).toHaveLength(1);
  expect(clock.pending).toBe(0);
  expect(onRetry).not.toHaveBeenCalled();
  expect(discard).not.toHaveBeenCalled();
  expect(budget.snapshot()).toEqual({ calls: 1, retries: 0, reserve: 10 });
});

// What the client hooks in.

const askedWaits = [
  { asked: undefined, waitMs: 100 },
  { asked: 0, waitMs: 100 },
  { asked: 99, waitMs: 100 },
  { asked: 101, waitMs: 101 },
  { asked: 20_000, waitMs: 20_000 },
  { asked: 30_000, waitMs: 30_000 },
];

test.for(askedWaits)('Retry waits for $waitMs ms, when the server asks for $asked', async ({ asked, waitMs }) => {
  const clock = newClock();
  const retryAfterMsOf = vi.fn<(result: unknown) => number | undefined>(() => asked);
  const { policy, onRetry } = hooked(clock, { retryAfterMsOf }, { maxAttempts: 2 });
  const { operation, times } = scripted(clock, 'poor');
  watch(policy.execute(operation));
  await clock.advance(60_000);
  expect(times()).toEqual([0, waitMs]);
  expect(retryAfterMsOf.mock.calls).toEqual([[{ value: 'poor' }]]);
  expect(onRetry.mock.calls).toEqual([[2, waitMs, asked]]);
});

const longestAsked = [
  { maxRetryAfterMs: 2_000, asked: 2_000, attempts: 2 },
  { maxRetryAfterMs: 2_000, asked: 2_001, attempts: 1 },
  { maxRetryAfterMs: 0, asked: 0, attempts: 2 },
  { maxRetryAfterMs: 0, asked: 1, attempts: 1 },
  { maxRetryAfterMs: Infinity, asked: 86_400_000, attempts: 2 },
];

test.for(longestAsked)(
  'Retry makes $attempts of 2 attempts, when the server asks for $asked ms and maxRetryAfterMs is $maxRetryAfterMs',
  async ({ maxRetryAfterMs, asked, attempts }) => {
    const clock = newClock();
    const { policy } = hooked(clock, { retryAfterMsOf: () => asked }, { maxAttempts: 2, maxRetryAfterMs });
    const { operation, runs } = scripted(clock, 'poor');
    const seen = watch(policy.execute(operation));
    await clock.advance(86_400_000);
    expect(seen).toEqual({ value: 'poor' });
    expect(runs).toHaveLength(attempts);
  },
);

test('Retry goes by its own backoff again, when the server does not ask for a wait any more', async () => {
  const clock = newClock();
  const { policy } = hooked(
    clock,
    { retryAfterMsOf: (result) => ('value' in result ? 20_000 : undefined) },
    { maxAttempts: 4, maxDelayMs: 1_000 },
  );
  const { operation, times } = scripted(clock, 'poor', down);
  watch(policy.execute(operation));
  await clock.advance(60_000);
  expect(times()).toEqual([0, 20_000, 20_200, 20_600]);
});

test('Retry makes no attempt past the deadline, when the server asks for a wait that goes beyond it', async () => {
  const clock = newClock();
  const { policy } = hooked(clock, { retryAfterMsOf: () => 2_000 });
  const { operation, runs } = scripted(clock, 'poor');
  expect(await compose(withDeadline(2_000, { clock }), policy).execute(operation)).toBe('poor');
  expect(runs).toHaveLength(1);
});

test('Retry tells of each retry before the wait for it: its number and how long it waits', async () => {
  const clock = newClock();
  const { policy, onRetry } = hooked(clock);
  watch(policy.execute(scripted(clock, down).operation));
  await clock.advance(0);
  expect(onRetry.mock.calls).toEqual([[2, 100, undefined]]);
  await clock.advance(300);
  expect(onRetry.mock.calls).toEqual([
    [2, 100, undefined],
    [3, 200, undefined],
  ]);
});

test('Retry asks shouldRetry with the context of the attempt', async () => {
  const clock = newClock();
  const shouldRetry = vi.fn<RetryHooks['shouldRetry']>(() => true);
  const { policy } = hooked(clock, { shouldRetry }, { initialDelayMs: 0 });
  const contexts: CallContext[] = [];
  const work = async (context: CallContext): Promise<string> => {
    contexts.push(context);
    return 'poor';
  };
  await around(policy, work, new CallContext(new Scope()));
  expect(shouldRetry.mock.calls).toEqual([
    [{ value: 'poor' }, 1, contexts[0]],
    [{ value: 'poor' }, 2, contexts[1]],
  ]);
  expect(shouldRetry.mock.calls.map(([, , context]) => context.attempt)).toEqual([1, 2]);
});

test('Retry frees each value that is not handed out, before the next attempt begins, and no other', async () => {
  const clock = newClock();
  const order: string[] = [];
  const { policy } = hooked(
    clock,
    { discard: (value) => order.push(`free ${String(value)}`) },
    { maxAttempts: 4, initialDelayMs: 0 },
  );
  const script = ['first', undefined, down, 'last'];
  const value = await policy.execute(({ attempt }) => {
    order.push(`attempt ${attempt}`);
    const ending = script[attempt - 1];
    return ending instanceof Error ? Promise.reject(ending) : ending;
  });
  expect(value).toBe('last');
  expect(order).toEqual(['attempt 1', 'free first', 'attempt 2', 'free undefined', 'attempt 3', 'attempt 4']);
});

test('Retry frees the value, when the caller aborts during the wait', async () => {
  const clock = newClock();
  const controller = new AbortController();
  const { policy, discarded } = hooked(clock);
  const seen = watch(policy.execute(scripted(clock, 'poor').operation, { signal: controller.signal }));
  await clock.advance(99);
  expect(discarded()).toEqual([]);
  controller.abort('the user left');
  await clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect(discarded()).toEqual(['poor']);
});

test('Retry frees the value, when shouldRetry throws', async () => {
  const mistake = new Error('a mistake in shouldRetry');
  const shouldRetry = (): never => {
    throw mistake;
  };
  const clock = newClock();
  const { policy, discarded } = hooked(clock, { shouldRetry });
  await expect(policy.execute(scripted(clock, 'poor').operation)).rejects.toBe(mistake);
  expect(discarded()).toEqual(['poor']);
});

test('Retry goes without the hooks that are not there', async () => {
  const clock = newClock();
  const policy = new Retry(resolveRetry({ initialDelayMs: 0 }), resolveTools({ clock }), {
    budgetFor: () => undefined,
    shouldRetry: () => true,
  });
  const { operation, runs } = scripted(clock, 'poor');
  expect(await policy.execute(operation)).toBe('poor');
  expect(runs).toHaveLength(3);
});

const endings = [
  { what: 'value', ending: 'poor', seen: { value: 'poor' } },
  { what: 'error', ending: down, seen: { error: down } },
];

test.for(endings)('Retry hands out the $what it has, when mayGoOn says no after the wait', async (row) => {
  const clock = newClock();
  const mayGoOn = vi.fn().mockReturnValueOnce(true).mockReturnValueOnce(false);
  const { policy, onRetry, discarded } = hooked(clock, { mayGoOn });
  const { operation, runs } = scripted(clock, row.ending);
  const seen = watch(policy.execute(operation));
  await clock.advance(99);
  expect(seen).toEqual({});
  expect(mayGoOn).toHaveBeenCalledTimes(1);
  await clock.advance(1);
  expect(seen).toEqual(row.seen);
  expect(mayGoOn).toHaveBeenCalledTimes(2);
  expect(onRetry).toHaveBeenCalledTimes(1);
  expect(runs).toHaveLength(1);
  expect(discarded()).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('Retry makes no further attempt, when other calls open the circuit during the wait', async () => {
  const clock = newClock();
  const breaker = new CircuitBreaker({ clock, failureThreshold: 3 });
  const { policy } = hooked(clock, { mayGoOn: () => breaker.closed });
  const { operation, runs } = scripted(clock, down);
  const seen = watch(compose(breaker, policy).execute(operation));
  await clock.advance(50);
  for (let call = 0; call < 3; call += 1) await breaker.execute(() => Promise.reject(down)).catch(() => {});
  await clock.advance(50);
  expect(seen.error).toBe(down);
  expect(runs).toHaveLength(1);
});

test('Retry keeps the signal of the last attempt while its value streams, and lets go of the others', async () => {
  const clock = newClock();
  const scopes: Scope[] = [];
  const closers: (() => void)[] = [];
  const lease = vi.fn(
    (value: unknown, ending: Ending) => value === 'streaming' && closers.push(() => close(ending)) > 0,
  );
  const policy = retry({ clock, initialDelayMs: 0 });
  const stream = async (root: Scope): Promise<unknown> => {
    if (!(policy instanceof Retry)) throw new Error('retry() is a Retry');
    const work = async ({ scope, attempt }: CallContext): Promise<string> => {
      scopes.push(scope);
      if (attempt < 3) throw down;
      return 'streaming';
    };
    return around(policy, work, new CallContext(root, { lease }));
  };
  const [left, read] = [new Scope(), new Scope()];
  expect([await stream(left), await stream(read)]).toEqual(['streaming', 'streaming']);
  expect(lease.mock.calls.map(([value]) => value)).toEqual(['streaming', 'streaming']);
  closers[1]?.(); // read to its end: there is nothing left to end
  left.abort('the user left');
  read.abort('later');
  // The first attempt may use the scope of the call.
  expect(scopes.slice(1, 3).map(({ reason }) => reason)).toEqual([undefined, 'the user left']);
  expect(scopes.slice(4, 6).map(({ reason }) => reason)).toEqual([undefined, undefined]);
});

test('Retry leaves no timer and no listener behind a wait, and behind an attempt', async () => {
  const clock = newClock();
  const { policy } = hooked(clock);
  const scope = new Scope();
  const added = vi.spyOn(scope, 'onAbort');
  const removed = vi.spyOn(scope, 'offAbort');
  watch(around(policy, () => Promise.reject(down), new CallContext(scope)));
  await clock.advance(300);
  expect(clock.pending).toBe(0);
  const listeners = (calls: readonly (readonly unknown[])[]): Set<unknown> =>
    new Set(calls.map(([listener]) => listener));
  expect(added).toHaveBeenCalledTimes(2 + 2); // two waits, and the two attempts after them
  expect(listeners(removed.mock.calls)).toEqual(listeners(added.mock.calls));
});

// Options.

const wrong = [
  { options: { maxAttempts: 0 }, error: new RangeError('retry.maxAttempts must be an integer of at least 1, got 0') },
  {
    options: { maxAttempts: 2.5 },
    error: new RangeError('retry.maxAttempts must be an integer of at least 1, got 2.5'),
  },
  {
    options: { initialDelayMs: -1 },
    error: new RangeError('retry.initialDelayMs must be a number of at least 0, got -1'),
  },
  { options: { multiplier: 0.5 }, error: new RangeError('retry.multiplier must be a number of at least 1, got 0.5') },
  { options: { jitter: Number.NaN }, error: new RangeError('retry.jitter must be a number in [0, 1], got NaN') },
  {
    options: { jitter: 'none' },
    error: new TypeError('retry.jitter must be "full", "decorrelated" or a number in [0, 1], got "none"'),
  },
  { options: { shouldRetry: true }, error: new TypeError('retry.shouldRetry must be a function, got true') },
  {
    options: { budget: { ratio: -1 } },
    error: new RangeError('retry.budget.ratio must be a number of at least 0, got -1'),
  },
  { options: { budget: true }, error: new TypeError('retry.budget must be an object or false, got true') },
  { options: { budget: null }, error: new TypeError('retry.budget must be an object or false, got null') },
  { options: { budget: 5 }, error: new TypeError('retry.budget must be an object or false, got 5') },
  { options: null, error: new TypeError('retry must be an object, got null') },
];

test.for(wrong)('retry() throws at once, for $options', ({ options, error }) => {
  // @ts-expect-error: options that make no sense, on purpose
  expect(() => retry(options)).toThrow(error);
});

test('retry() names the options there are, when one is misspelt', () => {
  const options: RetryPolicyOptions & { readonly attempts: number } = { attempts: 3 };
  expect(() => retry(options)).toThrow(
    new TypeError(
      'retry.attempts is not an option; there are maxAttempts, initialDelayMs, multiplier, maxDelayMs, jitter, ' +
        'maxRetryAfterMs, clock, random, name, shouldRetry, budget',
    ),
  );
});

test.for([
  { answer: Promise.resolve(false), shown: 'an object' },
  { answer: 'yes', shown: '"yes"' },
  { answer: undefined, shown: 'undefined' },
])(
  'retry() rejects with a TypeError, when shouldRetry answers $shown instead of yes or no',
  async ({ answer, shown }) => {
    const policy = retry({ clock: new FakeClock(), shouldRetry: () => answer as unknown as boolean });
    await expect(policy.execute(() => 'value')).rejects.toThrow(
      new TypeError(`retry.shouldRetry must return true or false, got ${shown}`),
    );
  },
);
