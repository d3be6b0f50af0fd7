import { expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import { type AsyncNext, CallContext } from '../../src/layer.ts';
import { resolveTools } from '../../src/options.ts';
import { Hedge, type HedgeHooks } from '../../src/policies/hedge.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { around } from '../support/around.ts';
import { watch } from '../support/watch.ts';

/** The layer around `work`, with hooks that allow everything, and what they were told. */
function hedged<T>(work: AsyncNext<T>, changes: Partial<HedgeHooks> = {}, clock: FakeClock = new FakeClock()) {
  const outrun = vi.fn<(runner: CallContext) => void>();
  const discarded: unknown[] = [];
  const layer = new Hedge({ afterMs: 50, percentile: undefined, maxExtra: 1 }, resolveTools({ clock }), {
    waitMsFor: () => 50,
    mayHedge: () => true,
    begin: (context, scope, isHedge) => context.beside(scope, context.caller, isHedge ? 2 : 1),
    isGood: () => true,
    prefers: () => true,
    onFirst: () => {},
    onOutrun: outrun,
    onChosen: () => {},
    discard: (result) => discarded.push(result),
    ...changes,
  });
  const scope = new Scope();
  const seen = watch(around(layer, work, new CallContext(scope)));
  return { clock, scope, seen, outrun, discarded };
}

const never = (): Promise<never> => new Promise(() => {});
/** As work that heeds its scope does. */
const untilAborted = ({ scope }: CallContext): Promise<never> =>
  new Promise((_, reject) => {
    scope.onAbort(() => reject(scope.reason));
  });

test('Hedge gives the work a scope and a number of its own each time, and the caller’s scope to none', async () => {
  const contexts: CallContext[] = [];
  const { clock, scope, seen } = hedged((context) => {
    contexts.push(context);
    return contexts.length === 1 ? untilAborted(context) : Promise.resolve('second');
  });
  await clock.advance(50);
  expect(seen.value).toBe('second');
  expect(contexts.map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(new Set([scope, ...contexts.map((context) => context.scope)]).size).toBe(3);
  expect(contexts.map((context) => context.scope.aborted)).toEqual([true, false]);
  expect(scope.aborted).toBe(false);
});

test('Hedge lets a call that is not to be hedged pass, as it is', async () => {
  const contexts: CallContext[] = [];
  const { clock, scope, seen } = hedged(
    async (context) => {
      contexts.push(context);
      return 'only';
    },
    { waitMsFor: () => undefined },
  );
  await clock.advance(1_000);
  expect(seen.value).toBe('only');
  expect(contexts.map((context) => context.scope)).toEqual([scope]);
});

test('Hedge asks whether it may when the time has come, and once', async () => {
  const mayHedge = vi.fn(() => false);
  const { clock, seen } = hedged(untilAborted, { mayHedge });
  await clock.advance(49);
  expect(mayHedge).not.toHaveBeenCalled();
  await clock.advance(1_000);
  expect(mayHedge).toHaveBeenCalledTimes(1);
  expect(seen).toEqual({});
  expect(clock.pending).toBe(0);
});

test('Hedge takes a throw of the work for an error, also one before there is a promise', async () => {
  const error = new Error('at once');
  const { clock, seen } = hedged(() => {
    throw error;
  });
  await clock.advance(0);
  expect(seen.error).toBe(error);
  expect(clock.pending).toBe(0);
});

test('Hedge discards what comes when another has won, and what does not win', async () => {
  const late = { value: 'late' };
  let answer: (value: unknown) => void = () => {};
  let sent = 0;
  const { clock, seen, outrun, discarded } = hedged<unknown>(() => {
    sent += 1;
    if (sent > 1) return Promise.resolve('second');
    // Does not heed its scope.
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  await clock.advance(50);
  expect(outrun).toHaveBeenCalledTimes(1);
  expect(seen).toEqual({});
  answer(late.value);
  await clock.advance(0);
  expect(seen.value).toBe('second');
  expect(discarded).toEqual([late]);
});

test('Hedge hands on what a hook of its own throws, and aborts the others', async () => {
  const error = new Error('of a clock');
  const scopes: Scope[] = [];
  const clock = new FakeClock();
  const { seen } = hedged(
    (context) => {
      scopes.push(context.scope);
      return scopes.length === 1
        ? new Promise((resolve) => void clock.schedule(60, () => resolve('first')))
        : untilAborted(context);
    },
    {
      onFirst: () => {
        throw error;
      },
    },
    clock,
  );
  await clock.advance(60);
  expect(seen.error).toBe(error);
  expect(scopes.map(({ aborted }) => aborted)).toEqual([false, true]);
  expect(clock.pending).toBe(0);
});

test('Hedge aborts nobody a second time whom the caller has ended', async () => {
  const { clock, scope, seen, outrun } = hedged(untilAborted);
  await clock.advance(60);
  scope.abort(new Error('enough'));
  await clock.advance(0);
  expect(seen.error).toMatchObject({ message: 'enough' });
  expect(outrun).not.toHaveBeenCalled();
});

test('Hedge begins nothing in a scope that is aborted, but lets the work say so', async () => {
  const clock = new FakeClock();
  const waitMsFor = vi.fn(() => 50);
  const layer = new Hedge({ afterMs: 50, percentile: undefined, maxExtra: 1 }, resolveTools({ clock }), {
    waitMsFor,
  } as unknown as HedgeHooks);
  const scope = new Scope();
  scope.abort(new Error('before'));
  await expect(around(layer, async () => scope.reason, new CallContext(scope))).resolves.toBe(scope.reason);
  expect(waitMsFor).not.toHaveBeenCalled();
});

test('Hedge sends nothing more without time left, nor when the wait is not known', async () => {
  for (const waitMs of [Infinity, 50]) {
    const clock = new FakeClock();
    const limit = { deadlineAt: 50 };
    let sent = 0;
    const layer = new Hedge({ afterMs: 50, percentile: undefined, maxExtra: 1 }, resolveTools({ clock }), {
      waitMsFor: () => waitMs,
      begin: (context: CallContext, scope: Scope) => context.beside(scope, context.caller, 1),
    } as unknown as HedgeHooks);
    const work = (): Promise<never> => {
      sent += 1;
      return never();
    };
    void around(layer, work, new CallContext(new Scope(), undefined, 1, limit));
    await clock.advance(1_000);
    expect(sent).toBe(1);
    expect(clock.pending).toBe(0);
  }
});
