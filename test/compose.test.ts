import { expect, test, vi } from 'vitest';

import { Scope } from '../src/abort.ts';
import { Bulkhead, type Context, compose, type Operation, type Policy, retry, withDeadline } from '../src/index.ts';
import { CallContext, Layer } from '../src/layer.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { around } from './support/around.ts';

/** A policy that knows only the public shape, and notes when it is entered and left. */
function foreign(name: string, log: string[]): Policy {
  return {
    async execute(operation, { signal = new AbortController().signal } = {}) {
      log.push(`into ${name}`);
      try {
        return await operation({ signal, attempt: 1 });
      } finally {
        log.push(`out of ${name}`);
      }
    },
  };
}

/** A policy that hands on a context of its own making. */
function handingOn(change: (context: Context) => Context): Policy {
  return {
    async execute(operation, { signal = new AbortController().signal } = {}) {
      return await operation(change({ signal, attempt: 1 }));
    },
  };
}

/** Never settles, whatever becomes of its signal. */
const deaf = (): Promise<never> => new Promise(() => {});

test('compose() puts the policies around the operation, outermost first', async () => {
  const log: string[] = [];
  const policy = compose(foreign('a', log), foreign('b', log), foreign('c', log));
  await policy.execute(() => log.push('operation'));
  expect(log).toEqual(['into a', 'into b', 'into c', 'operation', 'out of c', 'out of b', 'out of a']);
});

test('compose() keeps the order between policies of ours and from elsewhere', async () => {
  const log: string[] = [];
  const clock = new FakeClock();
  const twice = retry({ clock, initialDelayMs: 0, maxAttempts: 2 });
  const failing: Operation<string> = async ({ attempt }) => {
    log.push(`attempt ${attempt}`);
    throw new Error('no');
  };
  await expect(compose(foreign('outside', log), twice).execute(failing)).rejects.toThrow('no');
  expect(log).toEqual(['into outside', 'attempt 1', 'attempt 2', 'out of outside']);
  log.length = 0;
  await expect(compose(twice, foreign('inside', log)).execute(() => Promise.reject(new Error('no')))).rejects.toThrow();
  expect(log).toEqual(['into inside', 'out of inside', 'into inside', 'out of inside']);
});

test('compose() leaves out what is false or undefined', async () => {
  const log: string[] = [];
  const policy = compose(false, foreign('a', log), undefined, foreign('b', log), false);
  expect(await policy.execute(() => 'value')).toBe('value');
  expect(log).toEqual(['into a', 'into b', 'out of b', 'out of a']);
});

const empty = [
  { given: 'nothing', policy: compose() },
  { given: 'only what is left out', policy: compose(false, undefined) },
  { given: 'a compose() of nothing', policy: compose(compose()) },
];

test.for(empty)('compose() runs the operation bare, given $given', async ({ policy }) => {
  const value = { any: 'object' };
  const error = new Error('no');
  const operation = vi.fn(({ attempt }: Context) => ({ value, attempt }));
  expect(await policy.execute(operation)).toEqual({ value, attempt: 1 });
  await expect(policy.execute(() => Promise.reject(error))).rejects.toBe(error);
  await expect(policy.execute(operation, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
  expect(operation).toHaveBeenCalledTimes(1);
});

test('compose() takes what compose() makes, in its place', async () => {
  const log: string[] = [];
  const inner = compose(foreign('b', log), foreign('c', log));
  const policy = compose(foreign('a', log), inner, foreign('d', log));
  await policy.execute(() => log.push('operation'));
  expect(log.slice(0, 5)).toEqual(['into a', 'into b', 'into c', 'into d', 'operation']);
});

test('compose() of composed policies passes the deadline on to the retry inside', async () => {
  const clock = new FakeClock();
  const operation = vi.fn(() => Promise.reject(new Error('no')));
  const policy = compose(
    compose(withDeadline(500, { clock })),
    compose(retry({ clock, random: () => 0, initialDelayMs: 500 })),
  );
  await expect(policy.execute(operation)).rejects.toThrow('no');
  expect(operation).toHaveBeenCalledTimes(1);
  expect(clock.pending).toBe(0);
});

test('compose() makes a policy for any number of calls, which keep the state of its layers', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: 0 });
  const policy = compose(bulkhead);
  const controller = new AbortController();
  const held = policy.execute(deaf, { signal: controller.signal }).catch(() => 'aborted');
  await expect(policy.execute(() => 'no room')).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
  await expect(bulkhead.execute(() => 'the same bulkhead')).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
  controller.abort();
  expect(await held).toBe('aborted');
});

const noPolicies = [
  { value: null, shown: 'null' },
  { value: true, shown: 'true' },
  { value: 0, shown: '0' },
  { value: '', shown: '""' },
  { value: 'retry', shown: '"retry"' },
  { value: {}, shown: 'an object without execute' },
  { value: { execute: 'yes' }, shown: 'an object without execute' },
];

test.for(noPolicies)('compose() throws TypeError at once, for $value', ({ value, shown }) => {
  // @ts-expect-error: what is no policy, on purpose
  expect(() => compose(value)).toThrow(new TypeError(`policies[0] must be a policy, got ${shown}`));
  // @ts-expect-error: the same behind a policy, and one that is left out
  expect(() => compose(foreign('a', []), false, value)).toThrow(
    new TypeError(`policies[2] must be a policy, got ${shown}`),
  );
});

// Policies from elsewhere.

test('compose() calls execute() as a method, with the signal of the call', async () => {
  const policies: unknown[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const policy: Policy = {
    async execute(operation, options) {
      policies.push(this);
      signals.push(options?.signal);
      return await operation({ signal: options?.signal ?? new AbortController().signal, attempt: 1 });
    },
  };
  const controller = new AbortController();
  const call = compose(policy).execute(
    () => {
      controller.abort('the caller left');
      return deaf();
    },
    { signal: controller.signal },
  );
  await expect(call).rejects.toBe('the caller left');
  expect(policies).toEqual([policy]);
  expect(signals.map((signal) => signal?.reason)).toEqual(['the caller left']);
});

test('compose() rejects with what a policy from elsewhere throws, synchronously or not', async () => {
  const error = new Error('refused');
  const operation = vi.fn();
  const throwing: Policy = {
    execute() {
      throw error;
    },
  };
  await expect(compose(throwing).execute(operation)).rejects.toBe(error);
  await expect(compose({ execute: () => Promise.reject(error) }).execute(operation)).rejects.toBe(error);
  expect(operation).not.toHaveBeenCalled();
});

test('compose() frees the slot outside a policy from elsewhere that throws synchronously', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1 });
  const throwing: Policy = {
    execute() {
      throw new Error('refused');
    },
  };
  await expect(compose(bulkhead, throwing).execute(() => {})).rejects.toThrow('refused');
  expect(bulkhead.running).toBe(0);
});

test('compose() lets a policy from elsewhere answer in place of the operation', async () => {
  const answer = 'a default';
  const answering = {
    execute: async (operation: Operation<unknown>) => {
      try {
        return await operation({ signal: new AbortController().signal, attempt: 1 });
      } catch {
        return answer;
      }
    },
  } as Policy;
  expect(await compose(answering).execute(() => Promise.reject(new Error('no')))).toBe(answer);
});

test('compose() aborts the operation, when a policy from elsewhere aborts the signal it has put in place', async () => {
  const own = new AbortController();
  const contexts: Context[] = [];
  const call = compose(handingOn(({ attempt }) => ({ signal: own.signal, attempt }))).execute((context) => {
    contexts.push(context);
    return deaf();
  });
  await Promise.resolve();
  own.abort('the policy has had enough');
  await expect(call).rejects.toBe('the policy has had enough');
  expect(contexts.map(({ signal }) => signal.reason)).toEqual(['the policy has had enough']);
});

test('compose() aborts the operation with the caller, though a policy in between has put another signal in place', async () => {
  const controller = new AbortController();
  const contexts: Context[] = [];
  const other = new AbortController();
  const call = compose(handingOn(({ attempt }) => ({ signal: other.signal, attempt }))).execute(
    (context) => {
      contexts.push(context);
      return deaf();
    },
    { signal: controller.signal },
  );
  await Promise.resolve();
  controller.abort('the caller left');
  await expect(call).rejects.toBe('the caller left');
  expect(contexts.map(({ signal }) => signal.reason)).toEqual(['the caller left']);
});

test('compose() does not run the operation, when a policy from elsewhere hands on a signal that has aborted', async () => {
  const operation = vi.fn(() => 'ran');
  const policy = compose(handingOn(({ attempt }) => ({ signal: AbortSignal.abort('too late'), attempt })));
  await expect(policy.execute(operation)).rejects.toBe('too late');
  expect(operation).not.toHaveBeenCalled();
});

test('compose() leaves no listener on the signal that a policy from elsewhere has put in place', async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  const policy = compose(handingOn(({ attempt }) => ({ signal, attempt })));
  await policy.execute(() => 'fine');
  await policy.execute(() => Promise.reject(new Error('no'))).catch(() => {});
  expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([2, 2]);
});

test('compose() leaves no listener on the scope around a policy from elsewhere', async () => {
  const policy = compose(handingOn((context) => context));
  if (!(policy instanceof Layer)) throw new Error('compose() makes a layer');
  const scope = new Scope();
  const added = vi.spyOn(scope, 'onAbort');
  const removed = vi.spyOn(scope, 'offAbort');
  const context = new CallContext(scope);
  await around(policy, async () => 'fine', context);
  await around(policy, () => Promise.reject(new Error('no')), context).catch(() => {});
  expect(added).toHaveBeenCalledTimes(2);
  expect(removed.mock.calls).toEqual(added.mock.calls);
});

test('compose() ends a call that a policy from elsewhere has left behind, alone', async () => {
  const signals: AbortSignal[] = [];
  const hedging: Policy = {
    async execute(operation, { signal = new AbortController().signal } = {}) {
      const [first, second] = [new AbortController(), new AbortController()];
      signal.addEventListener('abort', () => [first, second].forEach((each) => void each.abort(signal.reason)));
      const left = Promise.resolve(operation({ signal: first.signal, attempt: 1 })).catch(() => {});
      const answer = await operation({ signal: second.signal, attempt: 1 });
      first.abort('answered by the other');
      await left;
      return answer;
    },
  };
  const answer = await compose(hedging).execute(({ signal }) => {
    signals.push(signal);
    return signals.length === 1 ? deaf() : 'second';
  });
  expect(answer).toBe('second');
  expect(signals.map(({ aborted, reason }) => ({ aborted, reason }))).toEqual([
    { aborted: true, reason: 'answered by the other' },
    { aborted: false, reason: undefined },
  ]);
});

test('compose() tells the operation the attempt that a policy from elsewhere counts', async () => {
  const contexts: Context[] = [];
  const thrice: Policy = {
    async execute(operation, { signal = new AbortController().signal } = {}) {
      await operation({ signal, attempt: 1 });
      await operation({ signal, attempt: 2 });
      return await operation({ signal, attempt: 3 });
    },
  };
  await compose(thrice).execute((context) => contexts.push(context));
  expect(contexts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(new Set(contexts.map(({ signal }) => signal)).size).toBe(3);
});

test('compose() passes the deadline on through a policy from elsewhere', async () => {
  const clock = new FakeClock();
  const operation = vi.fn(() => Promise.reject(new Error('no')));
  const policy = compose(
    withDeadline(500, { clock }),
    foreign('in between', []),
    retry({ clock, random: () => 0, initialDelayMs: 500 }),
  );
  await expect(policy.execute(operation)).rejects.toThrow('no');
  expect(operation).toHaveBeenCalledTimes(1);
});

test('compose() keeps the slot for abandoned work, behind a policy from elsewhere', async () => {
  const clock = new FakeClock();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, clock });
  const policy = compose(bulkhead, foreign('in between', []), withDeadline(100, { clock }));
  let finish = (): void => {};
  const call = policy
    .execute(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    )
    .catch((error: unknown) => error);
  await clock.advance(100);
  expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(bulkhead.running).toBe(1);
  finish();
  await clock.advance(0);
  expect(bulkhead.running).toBe(0);
});
