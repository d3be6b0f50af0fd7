import { expect, test, vi } from 'vitest';

import { Scope } from '../src/abort.ts';
import { Bulkhead, CircuitBreaker, type Context } from '../src/index.ts';
import {
  AsyncLayer,
  type AsyncNext,
  CallContext,
  type Done,
  Layer,
  type Next,
  promising,
  raced,
} from '../src/layer.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { around } from './support/around.ts';

/** A layer that does nothing, and notes the contexts it is given. */
class Transparent extends Layer {
  readonly contexts: CallContext[] = [];

  around<T, R>(next: Next<T>, context: CallContext, done: Done<T, R>): R | Promise<R> {
    this.contexts.push(context);
    return next(context, done);
  }
}

/** A layer that refuses everything. */
class Refusing extends Layer {
  around<T, R>(_next: Next<T>, _context: CallContext, done: Done<T, R>): R | Promise<R> {
    return done({ error: new Error('refused') });
  }
}

/** Never settles, whatever becomes of its signal. */
const deaf = (): Promise<never> => new Promise(() => {});

/** A signal that counts the listeners it carries, and has been asked to carry. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const counts = { added: 0, removed: 0 };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  vi.spyOn(signal, 'addEventListener').mockImplementation((...parameters: Parameters<typeof add>) => {
    counts.added += 1;
    add(...parameters);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation((...parameters: Parameters<typeof remove>) => {
    counts.removed += 1;
    remove(...parameters);
  });
  return { controller, signal, counts };
}

// execute(), which every layer inherits.

test.for([{ signal: undefined }, { signal: new AbortController().signal }])(
  'execute() hears of a promise whose own then() throws, under the signal $signal',
  async ({ signal }) => {
    class Broken extends Promise<never> {
      // biome-ignore lint/suspicious/noThenProperty: that is what is broken.
      override then(): never {
        throw new Error('broken');
      }
    }
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: 0 });
    const options = signal === undefined ? {} : { signal };
    for (let call = 0; call < 2; call += 1)
      await expect(bulkhead.execute(() => new Broken(() => {}), options)).rejects.toThrow('broken');
    expect(bulkhead.running).toBe(0);
  },
);

test('execute() gives each operation a signal of its own, also where nobody is going to abort it', async () => {
  const signals: AbortSignal[] = [];
  const operation = ({ signal }: Context): void => void signals.push(signal, signal);
  const layer = new Transparent();
  await layer.execute(operation);
  await layer.execute(operation);
  expect(signals[0]).toBeInstanceOf(AbortSignal);
  expect(signals[1]).toBe(signals[0]);
  expect(signals[2]).not.toBe(signals[0]);
});

test('execute() resolves to what the operation resolves to, the same object', async () => {
  const value = { any: 'object' };
  expect(await new Transparent().execute(async () => value)).toBe(value);
});

test('execute() rejects with what the operation throws, the same object', async () => {
  const error = new Error('no');
  const operations = [
    () => Promise.reject(error),
    () => {
      throw error;
    },
  ];
  for (const operation of operations) await expect(new Transparent().execute(operation)).rejects.toBe(error);
});

test('execute() takes an operation that returns a plain value, or a thenable', async () => {
  const layer = new Transparent();
  expect(await layer.execute(() => 7)).toBe(7);
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
  const thenable: PromiseLike<string> = { then: (resolve) => Promise.resolve('later').then(resolve) };
  expect(await layer.execute(() => thenable)).toBe('later');
});

test('execute() starts the operation before it returns', () => {
  const operation = vi.fn();
  void new Transparent().execute(operation);
  expect(operation).toHaveBeenCalledTimes(1);
});

test('execute() tells the operation that it is attempt 1, and gives it a signal, without one of the caller', async () => {
  const contexts: Context[] = [];
  await new Transparent().execute((context) => contexts.push(context));
  expect(contexts).toHaveLength(1);
  expect(contexts[0]?.attempt).toBe(1);
  expect(contexts[0]?.signal).toBeInstanceOf(AbortSignal);
  expect(contexts[0]?.signal.aborted).toBe(false);
});

test('execute() aborts the signal of the operation with the reason of the caller', async () => {
  const controller = new AbortController();
  const signals: AbortSignal[] = [];
  const call = new Transparent().execute(
    ({ signal }) => {
      signals.push(signal);
      return deaf();
    },
    { signal: controller.signal },
  );
  const reason = { why: 'the user left' };
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(signals.map((signal) => signal.reason)).toEqual([reason]);
});

test('execute() rejects with the reason, and not with what the operation makes of the abort', async () => {
  const controller = new AbortController();
  const call = new Transparent().execute(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('the engine lost the reason')));
      }),
    { signal: controller.signal },
  );
  controller.abort('the reason');
  await expect(call).rejects.toBe('the reason');
});

test('execute() rejects with the reason, though the operation resolves on the abort', async () => {
  const controller = new AbortController();
  const call = new Transparent().execute(
    ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve('half an answer'));
      }),
    { signal: controller.signal },
  );
  controller.abort('the reason');
  await expect(call).rejects.toBe('the reason');
});

test('execute() runs neither layer nor operation under a signal that has aborted, and rejects with its reason', async () => {
  const layer = new Transparent();
  const operation = vi.fn();
  const reason = new Error('before');
  await expect(layer.execute(operation, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(operation).not.toHaveBeenCalled();
  expect(layer.contexts).toEqual([]);
});

test('execute() takes a signal that is undefined for none', async () => {
  expect(await new Transparent().execute(() => 'fine', { signal: undefined })).toBe('fine');
});

const endings = [
  { how: 'succeeds', layer: new Transparent(), operation: () => 'fine' },
  { how: 'fails', layer: new Transparent(), operation: () => Promise.reject(new Error('no')) },
  {
    how: 'throws',
    layer: new Transparent(),
    operation: () => {
      throw new Error('no');
    },
  },
  { how: 'is refused', layer: new Refusing(), operation: () => 'never run' },
];

test.for(endings)('execute() leaves no listener on a long-lived signal, when the call $how', async (row) => {
  const { signal, counts } = countedSignal();
  await row.layer.execute<unknown>(row.operation, { signal }).catch(() => {});
  expect(counts).toEqual({ added: 1, removed: 1 });
  for (let call = 0; call < 10; call += 1) await row.layer.execute<unknown>(row.operation, { signal }).catch(() => {});
  expect(counts).toEqual({ added: 11, removed: 11 });
});

test('execute() puts one listener on a long-lived signal for 1,000 calls at once, and removes it after the last', async () => {
  const { signal, counts } = countedSignal();
  const layer = new Transparent();
  let finish = (_: string): void => {};
  const ending = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const calls = Array.from({ length: 1_000 }, () => layer.execute(() => ending, { signal }));
  expect(counts).toEqual({ added: 1, removed: 0 });
  finish('all of them');
  await Promise.all(calls);
  expect(counts).toEqual({ added: 1, removed: 1 });
});

test('execute() ends all calls under one signal, when it aborts', async () => {
  const controller = new AbortController();
  const layer = new Transparent();
  const calls = Array.from({ length: 100 }, () => layer.execute(deaf, { signal: controller.signal }));
  const ends = Promise.allSettled(calls);
  controller.abort('over');
  expect(await ends).toEqual(calls.map(() => ({ status: 'rejected', reason: 'over' })));
});

test('execute() gives each call a context of its own', async () => {
  const layer = new Transparent();
  const [first, second] = [new AbortController(), new AbortController()];
  const ends = Promise.allSettled([
    layer.execute(deaf, { signal: first.signal }),
    layer.execute(({ signal }) => (signal.aborted ? 'aborted' : 'unharmed'), { signal: second.signal }),
  ]);
  first.abort('only the first');
  expect(await ends).toEqual([
    { status: 'rejected', reason: 'only the first' },
    { status: 'fulfilled', value: 'unharmed' },
  ]);
  expect(new Set(layer.contexts.map(({ scope }) => scope)).size).toBe(2);
});

test('execute() works inside the operation of another call, under its signal', async () => {
  const [outer, inner] = [new CircuitBreaker(), new CircuitBreaker()];
  const controller = new AbortController();
  const call = outer.execute(({ signal }) => inner.execute(deaf, { signal }), { signal: controller.signal });
  controller.abort('through both');
  await expect(call).rejects.toBe('through both');
});

// raced(), the innermost step.

test('raced() does not run the operation, when the scope has aborted before', async () => {
  const operation = vi.fn();
  const scope = new Scope();
  scope.abort('before');
  await expect(promising(raced(operation))(new CallContext(scope))).rejects.toBe('before');
  expect(operation).not.toHaveBeenCalled();
});

test('raced() answers at once with the reason, when the operation itself aborts the scope', async () => {
  const scope = new Scope();
  const abandoned: Promise<unknown>[] = [];
  const context = new CallContext(scope).watchedBy({ onAbandon: (work) => abandoned.push(work) });
  const call = promising(
    raced(() => {
      scope.abort('from inside');
      return deaf();
    }),
  )(context);
  await expect(call).rejects.toBe('from inside');
  expect(abandoned).toHaveLength(1);
});

test('raced() hands over the work that goes on, once, when the scope aborts', async () => {
  const scope = new Scope();
  const abandoned: Promise<unknown>[] = [];
  let finish = (_: string): void => {};
  const context = new CallContext(scope).watchedBy({ onAbandon: (work) => abandoned.push(work) });
  const call = promising(
    raced(
      () =>
        new Promise<string>((resolve) => {
          finish = resolve;
        }),
    ),
  )(context);
  expect(abandoned).toEqual([]);
  scope.abort('over');
  scope.abort('again');
  await expect(call).rejects.toBe('over');
  expect(abandoned).toHaveLength(1);
  finish('late');
  expect(await abandoned[0]).toBe('late');
});

test('raced() hands over nothing, when the work has settled before the scope aborts', async () => {
  const scope = new Scope();
  const onAbandon = vi.fn();
  const context = new CallContext(scope).watchedBy({ onAbandon });
  await promising(raced(() => 'fine'))(context);
  await promising(raced(() => Promise.reject(new Error('no'))))(context).catch(() => {});
  scope.abort('later');
  expect(onAbandon).not.toHaveBeenCalled();
});

test('raced() leaves no unhandled rejection, when the operation fails after the scope has aborted', async () => {
  const scope = new Scope();
  let fail = (_: Error): void => {};
  const call = promising(
    raced(
      () =>
        new Promise((_, reject) => {
          fail = reject;
        }),
    ),
  )(new CallContext(scope));
  scope.abort('over');
  await expect(call).rejects.toBe('over');
  fail(new Error('late, and heard by nobody'));
});

// What layers hand on.

test('CallContext.forAttempt() is the context itself for the first attempt, and one of its own for each other', () => {
  const context = new CallContext(new Scope(), { call: 'mine' }, 1, { deadlineAt: 5_000 }, { onAbandon() {} });
  expect(context.forAttempt(1)).toBe(context);
  const [second, third] = [context.forAttempt(2), context.forAttempt(3)];
  expect([second.attempt, third.attempt]).toEqual([2, 3]);
  expect(new Set([context.scope, second.scope, third.scope]).size).toBe(3);
  const { caller, deadlineAt, watcher } = context;
  expect(second).toMatchObject({ caller, deadlineAt, watcher });
  context.scope.abort('over');
  expect([second.scope.reason, third.scope.reason]).toEqual(['over', 'over']);
});

test('CallContext.forAttempt() counts afresh inside an attempt of somebody else', () => {
  const outer = new CallContext(new Scope()).forAttempt(4);
  const first = outer.forAttempt(1);
  expect(first.attempt).toBe(1);
  expect(first.scope).toBe(outer.scope);
});

test('CallContext.within() changes the scope, and the deadline where one is given', () => {
  const watcher = { onAbandon() {} };
  const context = new CallContext(new Scope(), { call: 'mine' }, 2, { deadlineAt: 5_000 }, watcher);
  const scope = new Scope(context.scope);
  const kept = { scope, attempt: 2, caller: context.caller, watcher };
  expect(context.within(scope)).toMatchObject({ ...kept, deadlineAt: 5_000 });
  expect(context.within(scope, { deadlineAt: 1_000 })).toMatchObject({ ...kept, deadlineAt: 1_000 });
});

test('CallContext.watchedBy() changes who is told of abandoned work, and nothing else', () => {
  const context = new CallContext(new Scope(), { call: 'mine' }, 2, { deadlineAt: 5_000 });
  const watcher = { onAbandon() {} };
  const { scope, caller, attempt, deadlineAt } = context;
  expect(context.watchedBy(watcher)).toMatchObject({ scope, caller, attempt, deadlineAt, watcher });
  expect(context.watcher).toBeUndefined();
});

const leases = [
  { lease: undefined, closes: 1, when: 'nobody takes leases' },
  { lease: () => false, closes: 1, when: 'the value has ended' },
  { lease: () => true, closes: 0, when: 'the value still streams' },
];

test.for(leases)('CallContext.closeAfter() closes $closes times at once, when $when', ({ lease, closes }) => {
  const context = new CallContext(new Scope(), lease === undefined ? {} : { lease });
  const close = vi.fn();
  const streams = context.closeAfter({ value: 'value' }, close);
  expect(streams).toBe(closes === 0);
  expect(close).toHaveBeenCalledTimes(closes);
});

test('CallContext.closeAfter() closes at once, when the call has failed', () => {
  const lease = vi.fn(() => true);
  const close = vi.fn();
  expect(new CallContext(new Scope(), { lease }).closeAfter({ error: new Error('no') }, close)).toBe(false);
  expect(close).toHaveBeenCalledTimes(1);
  expect(lease).not.toHaveBeenCalled();
});

test('CallContext.enteredAt() reads the clock once for all who let the call pass at once, and anew for another attempt', () => {
  const clock = new FakeClock({ now: 100 });
  const read = vi.spyOn(clock, 'now');
  const context = new CallContext(new Scope());
  expect([context.enteredAt(clock), context.within(new Scope()).enteredAt(clock)]).toEqual([100, 100]);
  expect(read).toHaveBeenCalledTimes(1);
  read.mockReturnValue(700);
  expect(context.watchedBy({ onAbandon() {} }).enteredAt(clock)).toBe(100);
  expect([context.afresh().enteredAt(clock), context.forAttempt(2).enteredAt(clock)]).toEqual([700, 700]);
  // Of a clock of its own, a layer knows nothing by another's.
  expect(context.enteredAt(new FakeClock({ now: 5 }))).toBe(5);
});

test('AsyncLayer has the clock read anew by who comes after what it waits for', async () => {
  const clock = new FakeClock({ now: 100 });
  class Waiting extends AsyncLayer {
    async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
      expect(context.enteredAt(clock)).toBe(100);
      await clock.advance(50);
      return next(context);
    }
  }
  const seen: number[] = [];
  const work = async (context: CallContext): Promise<void> => void seen.push(context.enteredAt(clock));
  await around(new Waiting(), work, new CallContext(new Scope()));
  expect(seen).toEqual([150]);
});

test('CallContext.closeAfter() hands the value and the closing on to who takes leases', () => {
  const lease = vi.fn(() => true);
  const close = (): void => {};
  new CallContext(new Scope(), { lease }).closeAfter({ value: 'value' }, close);
  expect(lease.mock.calls).toEqual([['value', close]]);
});
