import { expect, test, vi } from 'vitest';

import {
  Bulkhead,
  CircuitBreaker,
  type Context,
  compose,
  type FallbackPolicy,
  type Policy,
  retry,
  withDeadline,
  withFallback,
  withTimeout,
} from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const down = new Error('down');

function fails(): Promise<never> {
  return Promise.reject(down);
}

/** Work that settles when it is told to, and never looks at its signal. */
function deaf() {
  const contexts: Context[] = [];
  const ends = { succeed: (_: unknown): void => {}, fail: (_: unknown): void => {} };
  const work = (context?: unknown): Promise<string> => {
    contexts.push(context as Context);
    return new Promise<string>((resolve, reject) => {
      ends.succeed = resolve as (value: unknown) => void;
      ends.fail = reject;
    });
  };
  return { work, contexts, ends };
}

/** What a call has come to so far. */
function watch(call: Promise<unknown>) {
  const seen: { value?: unknown; error?: unknown } = {};
  call.then(
    (value) => {
      seen.value = value;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
}

const failures = [
  ['rejects', () => Promise.reject(down)],
  [
    'throws',
    () => {
      throw down;
    },
  ],
] as const;

const responses = [
  ['returns', () => 'second'],
  ['resolves', () => Promise.resolve('second')],
] as const;

const ways = failures.flatMap(([how, operation]) =>
  responses.map(([then, respond]) => ({ how, operation, then, respond })),
);

test.for(ways)('withFallback() gives what respond $then, when the operation $how', async ({ operation, respond }) => {
  const asked = vi.fn<(error: unknown) => string | Promise<string>>(respond);
  expect(await withFallback(asked).execute<string>(operation)).toBe('second');
  expect(asked.mock.calls).toEqual([[down]]);
});

const successes = [
  ['returns', () => 'first'],
  ['resolves', () => Promise.resolve('first')],
] as const;

test.for(successes)(
  'withFallback() leaves the value alone and asks nobody, when the operation %s',
  async ([, operation]) => {
    const respond = vi.fn(() => 'second');
    const shouldHandle = vi.fn(() => true);
    const policy = withFallback(respond, { shouldHandle });
    expect(await policy.execute<string>(operation)).toBe('first');
    expect(await policy.result<string>(operation)).toEqual({ value: 'first', degraded: false });
    expect([respond.mock.calls.length, shouldHandle.mock.calls.length]).toEqual([0, 0]);
  },
);

test.for([undefined, null, '', 0, false, { error: 'not one' }])(
  'withFallback() takes %j for a value, on either side',
  async (value) => {
    const policy = withFallback(() => value);
    expect(await policy.result(() => value)).toEqual({ value, degraded: false });
    expect(await policy.result(fails)).toMatchObject({ value, degraded: true });
  },
);

test.for([undefined, null, '', 0, false, 'text', {}])('withFallback() falls back from any error: %j', async (error) => {
  const respond = vi.fn((_: unknown) => 'second');
  expect(await withFallback(respond).execute<string>(() => Promise.reject(error))).toBe('second');
  expect(respond.mock.calls).toEqual([[error]]);
});

test('withFallback() runs the operation once, with the signal and the number of its attempt', async () => {
  const operation = vi.fn((_: Context) => fails());
  await withFallback(() => 'second').execute<string>(operation);
  expect(operation).toHaveBeenCalledTimes(1);
  expect(operation.mock.calls[0]?.[0].signal).toBeInstanceOf(AbortSignal);
  expect(operation.mock.calls[0]?.[0]).toMatchObject({ attempt: 1 });
});

test('withFallback() answers each call with its own, when two are under way', async () => {
  const clock = new FakeClock();
  const [one, other] = [deaf(), deaf()];
  const policy = withFallback((error) => `instead of ${String(error)}`);
  const calls = [watch(policy.execute<string>(one.work)), watch(policy.execute<string>(other.work))];
  other.ends.fail('b');
  one.ends.fail('a');
  await clock.advance(0);
  expect(calls).toEqual([{ value: 'instead of a' }, { value: 'instead of b' }]);
});

// result()

test('withFallback().result() says that the value is degraded, why, and since when: no time at all', async () => {
  expect(await withFallback(() => 'second').result(fails)).toEqual({
    value: 'second',
    degraded: true,
    degradation: { source: 'default', reason: 'error', ageMs: 0 },
  });
});

test('withFallback().result() names a refusal of ours by its code, and never the message of another error', async () => {
  const clock = new FakeClock();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: 0, clock });
  watch(bulkhead.execute(deaf().work));
  const reasons: unknown[] = [];
  const policy = withFallback(() => 'second');
  for (const operation of [
    () => bulkhead.execute(() => 'first'),
    () => Promise.reject(new TypeError('token=secret')),
    () => Promise.reject('token=secret'),
    () => Promise.reject({ code: 'token=secret', name: 'token=secret' }),
  ]) {
    reasons.push((await policy.result<string>(operation)).degradation?.reason);
  }
  expect(reasons).toEqual(['bulkhead-full', 'error', 'error', 'error']);
});

test('withFallback().result() rejects as execute() does, when there is nothing to fall back to', async () => {
  const mistake = new Error('a mistake in respond');
  const broken = withFallback(() => Promise.reject(mistake));
  await expect(broken.result(fails)).rejects.toBe(mistake);
  await expect(withFallback(() => 1, { shouldHandle: () => false }).result(fails)).rejects.toBe(down);
  const signal = AbortSignal.abort('before');
  await expect(withFallback(() => 1).result(fails, { signal })).rejects.toBe('before');
});

// shouldHandle

test('withFallback() falls back where shouldHandle says so, and rejects with the error itself where not', async () => {
  const shouldHandle = vi.fn((error: unknown) => error === down);
  const respond = vi.fn(() => 'second');
  const policy = withFallback(respond, { shouldHandle });
  expect(await policy.execute<string>(fails)).toBe('second');
  const other = new Error('other');
  await expect(policy.execute(() => Promise.reject(other))).rejects.toBe(other);
  await expect(policy.result(() => Promise.reject(undefined))).rejects.toBeUndefined();
  expect(shouldHandle.mock.calls).toEqual([[down], [other], [undefined]]);
  expect(respond).toHaveBeenCalledTimes(1);
});

test('withFallback() rejects with what shouldHandle throws, and does not respond', async () => {
  const mistake = new Error('a mistake in shouldHandle');
  const respond = vi.fn(() => 'second');
  const policy = withFallback(respond, {
    shouldHandle: () => {
      throw mistake;
    },
  });
  await expect(policy.execute(fails)).rejects.toBe(mistake);
  expect(respond).not.toHaveBeenCalled();
});

test.for([undefined, null, 1, 'yes', Promise.resolve(false)])(
  'withFallback() rejects with a TypeError, when shouldHandle answers %o instead of yes or no',
  async (answer) => {
    const policy = withFallback(() => 'second', { shouldHandle: () => answer as unknown as boolean });
    await expect(policy.execute(fails)).rejects.toThrow(TypeError);
    await expect(policy.execute(fails)).rejects.toThrow(/^withFallback\.shouldHandle must return true or false, got /);
  },
);

// respond

const mistakes = [
  [
    'throws',
    (error: unknown): never => {
      throw error;
    },
  ],
  ['rejects', (error: unknown): Promise<never> => Promise.reject(error)],
] as const;

test.for(mistakes)('withFallback() rejects with the own error of a respond that %s', async ([, fail]) => {
  const mistake = new Error('a mistake in respond');
  await expect(withFallback(() => fail(mistake)).execute(fails)).rejects.toBe(mistake);
  await expect(withFallback(() => fail(undefined)).execute(fails)).rejects.toBeUndefined();
  await expect(withFallback(() => fail(down)).execute(fails)).rejects.toBe(down);
});

test('withFallback() waits for respond, as long as it takes', async () => {
  const clock = new FakeClock();
  const { work, ends } = deaf();
  const seen = watch(withFallback(work).execute<string>(fails));
  await clock.advance(86_400_000);
  expect(seen).toStrictEqual({});
  ends.succeed('second');
  await clock.advance(0);
  expect(seen).toStrictEqual({ value: 'second' });
});

// The caller's abort is never answered.

function asks(policy: FallbackPolicy<string>) {
  return [
    ['execute()', (operation: () => Promise<string>, signal: AbortSignal) => policy.execute(operation, { signal })],
    ['result()', (operation: () => Promise<string>, signal: AbortSignal) => policy.result(operation, { signal })],
  ] as const;
}

test('withFallback() runs nothing and answers nothing, under a signal that has aborted', async () => {
  const respond = vi.fn(() => 'second');
  const operation = vi.fn(fails);
  for (const [, ask] of asks(withFallback(respond))) {
    await expect(ask(operation, AbortSignal.abort('before'))).rejects.toBe('before');
  }
  expect([operation.mock.calls.length, respond.mock.calls.length]).toEqual([0, 0]);
});

test('withFallback() rejects with the reason of the caller who aborts, and asks neither shouldHandle nor respond', async () => {
  const clock = new FakeClock();
  const respond = vi.fn(() => 'second');
  const shouldHandle = vi.fn(() => true);
  for (const [, ask] of asks(withFallback(respond, { shouldHandle }))) {
    const controller = new AbortController();
    const { work, ends } = deaf();
    const seen = watch(ask(work, controller.signal));
    controller.abort('the user left');
    await clock.advance(0);
    expect(seen).toStrictEqual({ error: 'the user left' });
    ends.fail(down);
    await clock.advance(0);
  }
  expect([shouldHandle.mock.calls.length, respond.mock.calls.length]).toEqual([0, 0]);
});

test('withFallback() does not answer an operation that fails in the moment in which its caller aborts', async () => {
  const respond = vi.fn(() => 'second');
  for (const [, ask] of asks(withFallback(respond))) {
    const controller = new AbortController();
    const operation = (): Promise<never> => {
      controller.abort('the user left');
      return fails();
    };
    await expect(ask(operation, controller.signal)).rejects.toBe('the user left');
  }
  expect(respond).not.toHaveBeenCalled();
});

test('withFallback() rejects at once, when the caller aborts while respond hangs', async () => {
  const clock = new FakeClock();
  for (const how of [0, 1]) {
    const { work, contexts, ends } = deaf();
    const controller = new AbortController();
    const ask = asks(withFallback(work))[how]?.[1];
    const seen = watch(ask?.(fails, controller.signal) ?? Promise.reject('no such way'));
    await clock.advance(1_000);
    expect([seen, contexts.length]).toStrictEqual([{}, 1]);
    controller.abort('the user left');
    await clock.advance(0);
    expect(seen).toStrictEqual({ error: 'the user left' });
    ends.succeed('second');
    await clock.advance(0);
    expect(seen).toStrictEqual({ error: 'the user left' });
  }
});

test('withFallback() rejects with the reason, when respond itself makes the caller abort', async () => {
  const controller = new AbortController();
  const policy = withFallback(() => {
    controller.abort('the user left');
    return 'second';
  });
  await expect(policy.execute<string>(fails, { signal: controller.signal })).rejects.toBe('the user left');
});

test('withFallback() keeps its answer, when the caller aborts after it', async () => {
  const controller = new AbortController();
  const call = withFallback(() => 'second').execute<string>(fails, { signal: controller.signal });
  expect(await call).toBe('second');
  controller.abort('later');
  expect(await call).toBe('second');
});

test('withFallback() falls back from an AbortError that is not its caller’s', async () => {
  const { signal } = new AbortController();
  const operation = (): Promise<never> => Promise.reject(new DOMException('aborted', 'AbortError'));
  expect(await withFallback(() => 'second').execute<string>(operation, { signal })).toBe('second');
});

test('withFallback() leaves no listener on the signal of its caller', async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  for (const [, ask] of asks(withFallback(() => 'second'))) await ask(fails, signal);
  expect(added.mock.calls.length).toBeGreaterThan(0);
  expect(removed.mock.calls.length).toBe(added.mock.calls.length);
});

// With other policies

test('withFallback() outside a retry answers once, after the last attempt', async () => {
  const clock = new FakeClock();
  const operation = vi.fn(fails);
  const respond = vi.fn((_: unknown) => 'second');
  const policy = compose(withFallback(respond), retry({ clock, random: () => 0, maxAttempts: 3, initialDelayMs: 100 }));
  const seen = watch(policy.execute<string>(operation));
  await clock.advance(100);
  expect([seen, operation.mock.calls.length]).toStrictEqual([{}, 2]);
  await clock.advance(10_000);
  expect([seen, operation.mock.calls.length]).toStrictEqual([{ value: 'second' }, 3]);
  expect(respond.mock.calls).toEqual([[down]]);
});

test('withFallback() inside a retry leaves nothing to be retried', async () => {
  const clock = new FakeClock();
  const operation = vi.fn(fails);
  const policy = compose(
    retry({ clock, maxAttempts: 3 }),
    withFallback(() => 'second'),
  );
  expect(await policy.execute<string>(operation)).toBe('second');
  expect([operation.mock.calls.length, clock.pending]).toEqual([1, 0]);
});

const refusals: readonly (readonly [code: string, refuse: (clock: FakeClock) => Policy])[] = [
  ['DEADLINE_EXCEEDED', (clock) => withDeadline(100, { clock })],
  ['ATTEMPT_TIMEOUT', (clock) => withTimeout(100, { clock })],
  [
    'CIRCUIT_OPEN',
    (clock) => {
      const breaker = new CircuitBreaker({ clock });
      breaker.isolate();
      return breaker;
    },
  ],
  [
    'BULKHEAD_FULL',
    (clock) => {
      const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: 0, clock });
      watch(bulkhead.execute(deaf().work));
      return bulkhead;
    },
  ],
];

test.for(refusals)('withFallback() answers a refusal of the layers inside, as %s', async ([code, refuse]) => {
  const clock = new FakeClock();
  const respond = vi.fn((error: unknown) => (error as { code: string }).code);
  const fallback = withFallback(respond);
  const inner = refuse(clock);
  const seen = watch(compose(fallback, inner).execute<string>(deaf().work));
  await clock.advance(100);
  expect(seen).toStrictEqual({ value: code });
  const told = watch(fallback.result((context) => inner.execute(() => deaf().work(), { signal: context.signal })));
  await clock.advance(100);
  expect(told.value).toMatchObject({ degradation: { reason: code.toLowerCase().replace('_', '-') } });
});

test('withFallback() inside a deadline does not answer what the deadline has ended', async () => {
  const clock = new FakeClock();
  const respond = vi.fn(() => 'second');
  const { work, ends } = deaf();
  const seen = watch(compose(withDeadline(100, { clock }), withFallback(respond)).execute<string>(work));
  await clock.advance(100);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  ends.fail(down);
  await clock.advance(1_000);
  expect([respond.mock.calls.length, clock.pending]).toEqual([0, 0]);
});

test('withFallback() inside a deadline has until then to respond', async () => {
  const clock = new FakeClock();
  const { work, contexts } = deaf();
  const seen = watch(compose(withDeadline(100, { clock }), withFallback(work)).execute<string>(fails));
  await clock.advance(99);
  expect([seen, contexts.length]).toStrictEqual([{}, 1]);
  await clock.advance(1);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test('withFallback() around another one is asked only if that has nothing either', async () => {
  const outer = vi.fn((_: unknown) => 'outer');
  const mistake = new Error('a mistake in respond');
  expect(
    await compose(
      withFallback(outer),
      withFallback(() => 'inner'),
    ).execute<string>(fails),
  ).toBe('inner');
  expect(outer).not.toHaveBeenCalled();
  const broken = withFallback(() => Promise.reject(mistake));
  expect(await compose(withFallback(outer), broken).execute<string>(fails)).toBe('outer');
  expect(outer.mock.calls).toEqual([[mistake]]);
});

test('withFallback() inside a breaker hides from it that the dependency fails', async () => {
  const clock = new FakeClock();
  const breaker = new CircuitBreaker({ clock, failureThreshold: 2 });
  const hidden = compose(
    breaker,
    withFallback(() => 'second'),
  );
  for (let call = 0; call < 5; call += 1) expect(await hidden.execute<string>(fails)).toBe('second');
  expect(breaker.state).toBe('closed');
  const seen = compose(
    withFallback(() => 'second'),
    breaker,
  );
  for (let call = 0; call < 5; call += 1) expect(await seen.execute<string>(fails)).toBe('second');
  expect(breaker.state).toBe('open');
});

test('withFallback() composed never answers the caller’s abort, wherever it is', async () => {
  const clock = new FakeClock();
  const respond = vi.fn(() => 'second');
  const again = retry({ clock, maxAttempts: 3 });
  const foreign: Policy = { execute: (operation, options) => again.execute(operation, options) };
  for (const policy of [
    compose(withFallback(respond), again, withDeadline(1_000, { clock })),
    compose(again, withFallback(respond), withTimeout(1_000, { clock })),
    compose(withDeadline(1_000, { clock }), again, withFallback(respond)),
    compose(foreign, withFallback(respond)),
    compose(withFallback(respond), foreign),
  ]) {
    const controller = new AbortController();
    const seen = watch(policy.execute(deaf().work, { signal: controller.signal }));
    await clock.advance(10);
    controller.abort('the user left');
    await clock.advance(0);
    expect([seen, clock.pending]).toStrictEqual([{ error: 'the user left' }, 0]);
  }
  expect(respond).not.toHaveBeenCalled();
});

// Arguments

test.for([
  [undefined, 'undefined'],
  [null, 'null'],
  ['second', '"second"'],
  [5, '5'],
  [{}, ''],
  [Promise.resolve('second'), ''],
] as const)('withFallback() refuses %o for respond', ([respond, shown]) => {
  const create = (): unknown => withFallback(respond as unknown as () => string);
  expect(create).toThrow(TypeError);
  expect(create).toThrow(`respond must be a function, got ${shown}`);
});

const mistaken: readonly (readonly [options: unknown, RegExp])[] = [
  [{ shouldHandle: 'always' }, /^withFallback\.shouldHandle must be a function, got "always"$/],
  [{ shouldHandle: true }, /^withFallback\.shouldHandle must be a function, got true$/],
  [{ shouldHandle: null }, /^withFallback\.shouldHandle must be a function, got null$/],
  [{ shouldhandle: () => true }, /^withFallback\.shouldhandle is not an option; there are shouldHandle$/],
  [null, /^withFallback must be an object, got null$/],
  [5, /^withFallback must be an object, got 5$/],
  [() => true, /^withFallback must be an object, got a function$/],
];

test.for(mistaken)(
  'withFallback() refuses wrong options with a TypeError that names them: %o',
  ([options, message]) => {
    expect(() => withFallback(() => 'second', options as object)).toThrow(TypeError);
    expect(() => withFallback(() => 'second', options as object)).toThrow(message);
  },
);

test('withFallback() takes a shouldHandle of undefined for none', async () => {
  expect(await withFallback(() => 'second', JSON.parse('{}') as object).execute<string>(fails)).toBe('second');
  const options = { shouldHandle: undefined } as unknown as object;
  expect(await withFallback(() => 'second', options).execute<string>(fails)).toBe('second');
});
