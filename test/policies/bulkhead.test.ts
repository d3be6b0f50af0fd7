import { expect, test, vi } from 'vitest';

import { Scope } from '../../src/abort.ts';
import {
  Bulkhead,
  BulkheadFullError,
  type BulkheadOptions,
  ClosedError,
  compose,
  QueueTimeoutError,
  retry,
  SteadfetchError,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import { CallContext } from '../../src/layer.ts';
import type { BulkheadHooks } from '../../src/policies/bulkhead.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { around } from '../support/around.ts';
import { bulkheadBench, load } from '../support/bulkhead-bench.ts';
import { engine } from '../support/engine.ts';
import { watch } from '../support/watch.ts';

// Running and waiting.

test('Bulkhead lets two of five calls run and two wait, and refuses the fifth at once', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench();
  const [first, second, third, fourth, fifth] = ['1', '2', '3', '4', '5'].map((name) => call(name));
  expect(load(bulkhead)).toEqual([2, 2]);
  await clock.advance(0);
  expect(started).toEqual(['1', '2']);
  expect([first, second, third, fourth].map((each) => each?.seen)).toEqual([{}, {}, {}, {}]);
  expect(fifth?.seen.error).toBeInstanceOf(BulkheadFullError);
  expect(fifth?.seen.error).toBeInstanceOf(SteadfetchError);
  expect(fifth?.seen.error).toMatchObject({
    name: 'BulkheadFullError',
    code: 'BULKHEAD_FULL',
    dependency: 'users',
    message: 'Cannot send the request to users: 2 calls are running (maxConcurrent) and 2 are waiting (maxQueued)',
  });
  expect(load(bulkhead)).toEqual([2, 2]);
  expect(clock.pending).toBe(2); // each that waits looks out for calls that are lost
});

test('Bulkhead refuses each call with an error of its own', async () => {
  const { bulkhead, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 0 });
  call('running');
  const errors = await Promise.all([1, 2].map(() => bulkhead.execute(() => 'ran').catch((error: unknown) => error)));
  expect(errors).toEqual([expect.any(BulkheadFullError), expect.any(BulkheadFullError)]);
  expect(errors[0]).not.toBe(errors[1]);
});

test('Bulkhead lets 64 calls run and 64 wait, by default', async () => {
  const bulkhead = new Bulkhead({ clock: new FakeClock() });
  const calls = Array.from({ length: 129 }, () => bulkhead.execute(() => new Promise(() => {})));
  expect(load(bulkhead)).toEqual([64, 64]);
  await expect(calls[128]).rejects.toMatchObject({ code: 'BULKHEAD_FULL', dependency: undefined });
});

test('Bulkhead lets any number run, and any number wait, for Infinity', () => {
  const running = bulkheadBench({ maxConcurrent: Infinity, maxQueued: 0 });
  const waiting = bulkheadBench({ maxConcurrent: 1, maxQueued: Infinity });
  for (let call = 0; call < 1_000; call += 1) {
    running.call('running');
    waiting.call('waiting');
  }
  expect(load(running.bulkhead)).toEqual([1_000, 0]);
  expect(load(waiting.bulkhead)).toEqual([1, 999]);
});

test('Bulkhead resolves to what the operation resolves to and rejects with what it throws, the same object', async () => {
  const { bulkhead } = bulkheadBench();
  const value = {};
  const error = new Error('down');
  expect(await bulkhead.execute(() => value)).toBe(value);
  await expect(bulkhead.execute(() => Promise.reject(error))).rejects.toBe(error);
  expect(load(bulkhead)).toEqual([0, 0]);
});

test('Bulkhead runs waiting calls first in, first out', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 3 });
  const calls = ['1', '2', '3', '4'].map((name) => call(name));
  for (const [index, each] of calls.entries()) {
    expect(load(bulkhead)).toEqual([1, 3 - index]);
    each.end();
    await clock.advance(0);
    expect(each.seen).toEqual({ value: String(index + 1) });
  }
  expect(started).toEqual(['1', '2', '3', '4']);
  expect(load(bulkhead)).toEqual([0, 0]);
});

test('Bulkhead keeps the order of those who wait, when others leave from among them', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 6 });
  const running = call('running');
  const controllers = Array.from({ length: 6 }, () => new AbortController());
  const waiting = controllers.map(({ signal }, index) => call(String(index), signal));
  for (const leaves of [2, 0, 5, 3]) controllers[leaves]?.abort(`${leaves} left`);
  expect(load(bulkhead)).toEqual([1, 2]);
  call('newcomer');
  running.end();
  await clock.advance(0);
  waiting[1]?.end();
  await clock.advance(0);
  waiting[4]?.end();
  await clock.advance(0);
  expect(started).toEqual(['running', '1', '4', 'newcomer']);
  expect(waiting.map(({ seen }) => seen.error ?? seen.value)).toEqual([
    '0 left',
    '1',
    '2 left',
    '3 left',
    '4',
    '5 left',
  ]);
});

test('Bulkhead takes out who aborts at once, and gives the place to another; who runs is not touched', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench();
  const controller = new AbortController();
  const running = [call('1'), call('2')];
  const leaving = call('3', controller.signal);
  call('4');
  controller.abort('the user left');
  expect(load(bulkhead)).toEqual([2, 1]);
  const another = call('5');
  expect(load(bulkhead)).toEqual([2, 2]);
  await clock.advance(0);
  expect(leaving.seen).toEqual({ error: 'the user left' });
  expect([...running, another].map(({ seen }) => seen)).toEqual([{}, {}, {}]);
  for (const each of running) each.end();
  await clock.advance(0);
  expect(started).toEqual(['1', '2', '4', '5']);
});

test('Bulkhead takes no slot and no place for a call whose signal has aborted', async () => {
  const { bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 1 });
  const aborted = AbortSignal.abort('before');
  await expect(call('free', aborted).answer).rejects.toBe('before');
  expect(load(bulkhead)).toEqual([0, 0]);
  call('running');
  await expect(call('busy', aborted).answer).rejects.toBe('before');
  expect(load(bulkhead)).toEqual([1, 0]);
  expect(started).toEqual(['running']);
});

test('Bulkhead runs nothing inside a scope that has aborted', async () => {
  const { bulkhead } = bulkheadBench();
  const scope = new Scope();
  scope.abort('before');
  const next = vi.fn();
  await expect(around(bulkhead, next, new CallContext(scope))).rejects.toBe('before');
  expect(next).not.toHaveBeenCalled();
  expect(load(bulkhead)).toEqual([0, 0]);
});

test('Bulkhead ends the wait with the deadline around it', async () => {
  const { clock, bulkhead, call } = bulkheadBench({ maxConcurrent: 1 });
  call('running');
  const operation = vi.fn();
  const seen = watch(compose(withDeadline(100, { clock }), bulkhead).execute(operation));
  await clock.advance(99);
  expect(seen).toEqual({});
  await clock.advance(1);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(load(bulkhead)).toEqual([1, 0]);
  expect(operation).not.toHaveBeenCalled();
  expect(clock.pending).toBe(0);
});

// Giving the slot back.

const failures = [
  {
    how: 'synchronously',
    fail: (): never => {
      throw new Error('down');
    },
  },
  { how: 'asynchronously', fail: (): Promise<never> => Promise.reject(new Error('down')) },
];

test.for(failures)('Bulkhead frees the slot of a call that throws $how', async ({ fail }) => {
  const { bulkhead } = bulkheadBench({ maxConcurrent: 1, maxQueued: 0 });
  for (let call = 0; call < 3; call += 1) await expect(bulkhead.execute<void>(fail)).rejects.toThrow('down');
  expect(load(bulkhead)).toEqual([0, 0]);
  expect(await bulkhead.execute(() => 'fine')).toBe('fine');
});

test.for(['succeeds', 'fails'])(
  'Bulkhead hands the slot of a call that %s to the next waiter, before a newcomer can take it',
  async (how) => {
    const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 1 });
    const running = call('running');
    const waiting = call('waiting');
    const newcomers: ReturnType<typeof call>[] = [];
    const loads: [number, number][] = [];
    const arrive = (): void => {
      loads.push(load(bulkhead));
      newcomers.push(call('newcomer'));
    };
    running.answer.then(arrive, arrive);
    if (how === 'succeeds') running.end();
    else running.fail(new Error('down'));
    await clock.advance(0);
    expect(loads).toEqual([[1, 0]]);
    expect(started).toEqual(['running', 'waiting']);
    expect(load(bulkhead)).toEqual([1, 1]);
    waiting.end();
    await clock.advance(0);
    expect(started).toEqual(['running', 'waiting', 'newcomer']);
    expect(waiting.seen).toEqual({ value: 'waiting' });
  },
);

test('Bulkhead hands on the slot of a waiter that throws synchronously once it runs', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1 });
  const running = call('running');
  const thrower = watch(
    bulkhead.execute(() => {
      throw new Error('thrown before there was a promise');
    }),
  );
  call('next');
  running.end();
  await clock.advance(0);
  expect(thrower.error).toEqual(new Error('thrown before there was a promise'));
  expect(started).toEqual(['running', 'next']);
  expect(load(bulkhead)).toEqual([1, 0]);
});

test.for(['succeeds', 'fails'])(
  'Bulkhead answers the caller who aborts at once, but keeps the slot until the call %s that took no notice',
  async (how) => {
    const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 1 });
    const controller = new AbortController();
    const running = call('running', controller.signal);
    call('waiting');
    controller.abort('the user left');
    await clock.advance(60_000);
    expect(running.seen).toEqual({ error: 'the user left' });
    expect(started).toEqual(['running']);
    expect(load(bulkhead)).toEqual([1, 1]);
    if (how === 'succeeds') running.end();
    else running.fail(new Error('late'));
    await clock.advance(0);
    expect(started).toEqual(['running', 'waiting']);
    expect(load(bulkhead)).toEqual([1, 0]);
    expect(running.seen).toEqual({ error: 'the user left' });
  },
);

test('Bulkhead keeps the slot for an attempt that was given up, though a later one has answered', async () => {
  const { clock, bulkhead } = bulkheadBench({ maxConcurrent: 1 });
  const policy = compose(bulkhead, retry({ clock, initialDelayMs: 0 }), withTimeout(100, { clock }));
  const attempts: (() => void)[] = [];
  const operation = (): Promise<string> => new Promise((resolve) => attempts.push(() => resolve('fine')));
  const seen = watch(policy.execute(operation));
  await clock.advance(200);
  expect(attempts).toHaveLength(3);
  attempts[2]?.();
  await clock.advance(0);
  expect(seen).toEqual({ value: 'fine' });
  for (const [index, stillRunning] of [1, 0].entries()) {
    expect(bulkhead.running).toBe(1);
    attempts[index]?.();
    await clock.advance(0);
    expect(bulkhead.running).toBe(stillRunning);
  }
});

test('Bulkhead around another keeps its slot too, for work that was given up', async () => {
  const outer = bulkheadBench({ maxConcurrent: 1 });
  const inner = bulkheadBench({ maxConcurrent: 1 });
  const controller = new AbortController();
  const ends: (() => void)[] = [];
  const seen = watch(
    compose(outer.bulkhead, inner.bulkhead).execute(() => new Promise<void>((resolve) => ends.push(resolve)), {
      signal: controller.signal,
    }),
  );
  controller.abort('the user left');
  await outer.clock.advance(0);
  expect(seen).toEqual({ error: 'the user left' });
  expect([outer.bulkhead.running, inner.bulkhead.running]).toEqual([1, 1]);
  ends[0]?.();
  await outer.clock.advance(0);
  expect([outer.bulkhead.running, inner.bulkhead.running]).toEqual([0, 0]);
});

test('Bulkhead keeps the slot of a call that ignores its deadline, however long ago that was', async () => {
  const { clock, bulkhead } = bulkheadBench({ maxConcurrent: 1, maxQueued: 0 });
  const policy = compose(withDeadline(100, { clock }), bulkhead);
  const ends: (() => void)[] = [];
  const seen = watch(policy.execute(() => new Promise<void>((resolve) => ends.push(resolve))));
  await clock.advance(86_400_000);
  expect(seen.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await expect(policy.execute(() => 'fine')).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
  ends[0]?.();
  await clock.advance(0);
  expect(await policy.execute(() => 'fine')).toBe('fine');
});

// Waiting no longer than allowed.

test('Bulkhead refuses who has waited for queueTimeoutMs, and not sooner', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, queueTimeoutMs: 500 });
  const running = call('running');
  const waiting = call('waiting');
  await clock.advance(499);
  expect(waiting.seen).toEqual({});
  await clock.advance(1);
  expect(waiting.seen.error).toBeInstanceOf(QueueTimeoutError);
  expect(waiting.seen.error).toBeInstanceOf(SteadfetchError);
  expect(waiting.seen.error).toMatchObject({
    name: 'QueueTimeoutError',
    code: 'QUEUE_TIMEOUT',
    dependency: 'users',
    message: 'Cannot send the request to users: no slot became free within 500 ms (queueTimeoutMs)',
  });
  expect(load(bulkhead)).toEqual([1, 0]);
  running.end();
  await clock.advance(0);
  expect(started).toEqual(['running']);
  expect(load(bulkhead)).toEqual([0, 0]);
});

test('Bulkhead lets a call run longer than queueTimeoutMs, whether or not it has waited', async () => {
  const { clock, call } = bulkheadBench({ maxConcurrent: 1, queueTimeoutMs: 500 });
  const [running, waiting] = [call('running'), call('waiting')];
  await clock.advance(400);
  running.end();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
  await clock.advance(10_000);
  expect(waiting.seen).toEqual({});
  waiting.end();
  await clock.advance(0);
  expect(waiting.seen).toEqual({ value: 'waiting' });
});

test('Bulkhead leaves no timer and no listener behind a wait, however it ends', async () => {
  const { clock, bulkhead, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 4, queueTimeoutMs: 500 });
  const running = call('running');
  const scopes = Array.from({ length: 4 }, () => new Scope());
  const listeners = scopes.map((scope) => ({
    added: vi.spyOn(scope, 'onAbort'),
    removed: vi.spyOn(scope, 'offAbort'),
  }));
  const [granted, , aborted] = scopes.map((scope) =>
    watch(around(bulkhead, async () => 'ran', new CallContext(scope))),
  );
  expect(clock.pending).toBe(8); // the limit of the wait, and the look-out for calls that are lost
  scopes[2]?.abort('left');
  await clock.advance(0);
  expect(clock.pending).toBe(6);
  running.end();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
  expect([granted, aborted]).toEqual([{ value: 'ran' }, { error: 'left' }]);
  for (const { added, removed } of listeners) {
    expect(added).toHaveBeenCalledTimes(1);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  }
});

// What comes due first at 500 ms is what was scheduled first.
const together = [
  { first: 'the slot', seen: { value: 'waiting' }, started: ['running', 'waiting'] },
  { first: 'the timeout', seen: { error: expect.any(QueueTimeoutError) }, started: ['running'] },
];

test.for(together)(
  'Bulkhead gives a waiter one answer, when slot and timeout come together, $first first',
  async (row) => {
    const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, queueTimeoutMs: 500 });
    const running = call('running');
    if (row.first === 'the slot') clock.schedule(500, running.end);
    const waiting = call('waiting');
    if (row.first === 'the timeout') clock.schedule(500, running.end);
    await clock.advance(500);
    expect(started).toEqual(row.started);
    waiting.end();
    await clock.advance(0);
    expect(waiting.seen).toEqual(row.seen);
    expect(load(bulkhead)).toEqual([0, 0]);
    expect(clock.pending).toBe(0);
  },
);

test.for(['the end', 'the abort'])(
  'Bulkhead loses no slot, when the running call ends and the waiter aborts in one tick, %s first',
  async (first) => {
    const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1 });
    const controller = new AbortController();
    const running = call('running');
    const waiting = call('waiting', controller.signal);
    const next = call('next');
    if (first === 'the end') running.end();
    controller.abort('the user left');
    if (first === 'the abort') running.end();
    await clock.advance(0);
    expect(waiting.seen).toEqual({ error: 'the user left' });
    expect(started).toEqual(['running', 'next']);
    next.end();
    await clock.advance(0);
    expect(load(bulkhead)).toEqual([0, 0]);
  },
);

test('Bulkhead empties a long queue, who abort from the middle out, and works on', {
  timeout: 60_000,
}, async () => {
  // Were it not the same for each of them, the long one would take for ever.
  const size = engine === 'node' ? 100_000 : 10_000;
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: size });
  const running = call('running');
  const controllers = Array.from({ length: size }, () => new AbortController());
  let left = 0;
  for (const { signal } of controllers) {
    bulkhead
      .execute(() => 'ran', { signal })
      .catch((reason: unknown) => {
        if (reason === 'left') left += 1;
      });
  }
  expect(load(bulkhead)).toEqual([1, size]);
  for (let step = 0; step < size; step += 1) {
    const distance = (step + 1) >>> 1;
    controllers[size / 2 + (step % 2 === 0 ? distance : -distance)]?.abort('left');
  }
  expect(load(bulkhead)).toEqual([1, 0]);
  const next = call('next');
  running.end();
  await clock.advance(0);
  expect(left).toBe(size);
  expect(started).toEqual(['running', 'next']);
  next.end();
  await clock.advance(0);
  expect(load(bulkhead)).toEqual([0, 0]);
});

// close().

test('close() refuses those who wait now, lets those who run come to their end, and resolves then', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ queueTimeoutMs: 60_000 });
  const [first, second, third, fourth] = [call('1'), call('2'), call('3'), call('4')];
  const closed = watch(bulkhead.close());
  expect(load(bulkhead)).toEqual([2, 0]);
  await clock.advance(0);
  expect([third.seen.error, fourth.seen.error]).toEqual([expect.any(ClosedError), expect.any(ClosedError)]);
  expect(third.seen.error).not.toBe(fourth.seen.error);
  expect(third.seen.error).toMatchObject({
    name: 'ClosedError',
    code: 'CLOSED',
    dependency: 'users',
    message:
      'Cannot send the request to users: close() was called, which is final; create a new client or bulkhead to go on',
  });
  expect(clock.pending).toBe(0);

  first.end();
  await clock.advance(0);
  expect(first.seen).toEqual({ value: '1' });
  expect(closed).not.toHaveProperty('value');
  second.fail('down');
  await clock.advance(0);
  expect(second.seen).toEqual({ error: 'down' });
  expect(closed).toHaveProperty('value');
  expect(started).toEqual(['1', '2']);
});

test('close() refuses those who wait in the order in which they came', async () => {
  const { clock, bulkhead, call } = bulkheadBench({ maxConcurrent: 1, maxQueued: 3 });
  call('running');
  const order: string[] = [];
  for (const name of ['1', '2', '3']) call(name).answer.catch(() => order.push(name));
  bulkhead.close();
  await clock.advance(0);
  expect(order).toEqual(['1', '2', '3']);
});

test('close() refuses later calls, while others still run and for ever after', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench();
  const running = call('running');
  const closed = bulkhead.close();
  await expect(call('later').answer).rejects.toMatchObject({ code: 'CLOSED', dependency: 'users' });
  running.end();
  await closed;
  await clock.advance(86_400_000);
  await expect(call('much later').answer).rejects.toMatchObject({ code: 'CLOSED' });
  expect(started).toEqual(['running']);
});

test('close() resolves at once, when nothing runs', async () => {
  const { bulkhead } = bulkheadBench();
  await expect(bulkhead.close()).resolves.toBe(undefined);
});

test('close() twice is one close: both resolve with the last call', async () => {
  const { clock, bulkhead, call } = bulkheadBench();
  const running = call('running');
  const order: string[] = [];
  bulkhead.close().then(() => order.push('first'));
  bulkhead.close().then(() => order.push('second'));
  await clock.advance(0);
  expect(order).toEqual([]);
  running.end();
  await clock.advance(0);
  expect(order).toEqual(['first', 'second']);
  await expect(bulkhead.close()).resolves.toBe(undefined);
});

test('close() waits for work whose caller has left', async () => {
  const { clock, bulkhead, call } = bulkheadBench();
  const controller = new AbortController();
  const running = call('running', controller.signal);
  controller.abort('the user left');
  const closed = watch(bulkhead.close());
  await clock.advance(0);
  expect(closed).not.toHaveProperty('value');
  running.end();
  await clock.advance(0);
  expect(closed).toHaveProperty('value');
});

test('close() lets a call run that has been handed a slot already', async () => {
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1 });
  const running = call('running');
  const waiting = call('waiting');
  const closed = watch(running.answer.then(() => bulkhead.close()));
  running.end();
  await clock.advance(0);
  expect(started).toEqual(['running', 'waiting']);
  expect(closed).not.toHaveProperty('value');
  waiting.end();
  await clock.advance(0);
  expect(waiting.seen).toEqual({ value: 'waiting' });
  expect(closed).toHaveProperty('value');
});

// What the client hooks in.

test('Bulkhead tells of each call that begins to wait: how many run and wait with it, and for how long it did', async () => {
  const onQueued = vi.fn<(running: number, queued: number) => void>();
  const onDequeued = vi.fn<(waitedMs: number) => void>();
  const hooks: BulkheadHooks = {
    onQueued: (running, queued) => onQueued(running, queued),
    onDequeued: (waitedMs) => onDequeued(waitedMs),
  };
  const { clock, call } = bulkheadBench({}, hooks);
  const running = call('1');
  call('2');
  expect(onQueued).not.toHaveBeenCalled();
  call('3');
  call('4');
  call('refused').answer.catch(() => {});
  await clock.advance(30);
  running.end();
  await clock.advance(0);
  expect(onQueued.mock.calls).toEqual([
    [2, 1],
    [2, 2],
  ]);
  expect(onDequeued.mock.calls).toEqual([[30]]);
});

test('Bulkhead lets a call leave the queue, when it aborts while it is told of', async () => {
  const controller = new AbortController();
  const { bulkhead, started, call } = bulkheadBench(
    { maxConcurrent: 1, queueTimeoutMs: 500 },
    { onQueued: () => controller.abort('rather not') },
  );
  call('running');
  await expect(call('waiting', controller.signal).answer).rejects.toBe('rather not');
  expect(load(bulkhead)).toEqual([1, 0]);
  expect(started).toEqual(['running']);
});

/** A hook that notes what it is given to hold, and what gives the slot back. */
function holding() {
  const held: unknown[] = [];
  const releases: (() => void)[] = [];
  const hooks: BulkheadHooks = {
    holdFor(value, release) {
      held.push(value);
      releases.push(release);
      return value;
    },
  };
  return { held, releases, hooks };
}

test('Bulkhead keeps the slot for as long as the value streams, for slot "body"', async () => {
  const { releases, hooks } = holding();
  const { clock, bulkhead, started, call } = bulkheadBench({ maxConcurrent: 1, slot: 'body' }, hooks);
  const streaming = call('streaming');
  const [waiting] = [call('waiting'), call('last')];
  streaming.end();
  await clock.advance(60_000);
  expect(streaming.seen).toEqual({ value: 'streaming' });
  expect(started).toEqual(['streaming']);
  expect(load(bulkhead)).toEqual([1, 2]);
  releases[0]?.();
  releases[0]?.(); // the end of a body may be told twice, and gives one slot back
  await clock.advance(0);
  expect(started).toEqual(['streaming', 'waiting']);
  expect(load(bulkhead)).toEqual([1, 1]);
  waiting.end();
  await clock.advance(0);
  expect(load(bulkhead)).toEqual([1, 1]);
});

test('Bulkhead hands out what the hook makes of the value, and tells it the context of the call', async () => {
  const [original, copy] = [{ copy: false }, { copy: true }];
  const contexts: CallContext[] = [];
  const { bulkhead } = bulkheadBench(
    { slot: 'body' },
    {
      holdFor<T>(value: T, release: () => void, context: CallContext): T {
        contexts.push(context);
        release();
        expect(value).toBe(original);
        return copy as T;
      },
    },
  );
  const context = new CallContext(new Scope());
  expect(await around(bulkhead, async () => original, context)).toBe(copy);
  expect(contexts).toEqual([context]);
  expect(contexts[0]).toBe(context);
  expect(bulkhead.running).toBe(0);
});

test('Bulkhead gives the slot of a call that fails back at once, for slot "body"', async () => {
  const { held, hooks } = holding();
  const { bulkhead } = bulkheadBench({ slot: 'body' }, hooks);
  await expect(bulkhead.execute(() => Promise.reject('down'))).rejects.toBe('down');
  expect(bulkhead.running).toBe(0);
  expect(held).toEqual([]);
});

test('Bulkhead keeps the slot for work that was given up, after the value has been read, for slot "body"', async () => {
  const { releases, hooks } = holding();
  const { clock, bulkhead } = bulkheadBench({ slot: 'body' }, hooks);
  const policy = compose(bulkhead, retry({ clock, initialDelayMs: 0 }), withTimeout(100, { clock }));
  const lost: (() => void)[] = [];
  const seen = watch(
    policy.execute(({ attempt }) =>
      attempt === 1 ? new Promise<string>((resolve) => lost.push(() => resolve('late'))) : 'streaming',
    ),
  );
  await clock.advance(100);
  expect(seen).toEqual({ value: 'streaming' });
  releases[0]?.();
  expect(bulkhead.running).toBe(1);
  lost[0]?.();
  await clock.advance(0);
  expect(bulkhead.running).toBe(0);
});

test('Bulkhead frees the slot, when the value cannot be held, for slot "body"', async () => {
  const holdFor = (): never => {
    throw new Error('cannot hold it');
  };
  const { bulkhead } = bulkheadBench({ slot: 'body' }, { holdFor });
  await expect(bulkhead.execute(() => 'value')).rejects.toThrow('cannot hold it');
  expect(bulkhead.running).toBe(0);
});

test('Bulkhead keeps the slot of what streams past its deadline, for slot "body"', async () => {
  const { releases, hooks } = holding();
  const { clock, bulkhead } = bulkheadBench({ maxConcurrent: 1, maxQueued: 0, slot: 'body' }, hooks);
  const policy = compose(withDeadline(100, { clock }), bulkhead);
  expect(await policy.execute(() => 'streaming')).toBe('streaming');
  await clock.advance(86_400_000);
  await expect(policy.execute(() => 'fine')).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
  releases[0]?.();
  expect(await policy.execute(() => 'fine')).toBe('fine');
});

const givingBack: { when: string; options: BulkheadOptions; hooked: boolean }[] = [
  { when: 'by default', options: {}, hooked: true },
  { when: 'for slot "headers"', options: { slot: 'headers' }, hooked: true },
  { when: 'for slot "body" with nobody to watch it', options: { slot: 'body' }, hooked: false },
];

test.for(givingBack)('Bulkhead gives the slot back with the value, $when', async ({ options, hooked }) => {
  const { held, hooks } = holding();
  const { bulkhead } = bulkheadBench(options, hooked ? hooks : {});
  expect(await bulkhead.execute(() => 'value')).toBe('value');
  expect(bulkhead.running).toBe(0);
  expect(held).toEqual([]);
});

// Options.

const wrong = [
  {
    options: { maxConcurrent: 0 },
    error: new RangeError('bulkhead.maxConcurrent must be an integer of at least 1 or Infinity, got 0'),
  },
  {
    options: { maxQueued: -1 },
    error: new RangeError('bulkhead.maxQueued must be an integer of at least 0 or Infinity, got -1'),
  },
  {
    options: { queueTimeoutMs: 0 },
    error: new RangeError('bulkhead.queueTimeoutMs must be a number above 0 or Infinity, got 0'),
  },
  { options: { slot: 'both' }, error: new TypeError('bulkhead.slot must be "headers" or "body", got "both"') },
  { options: { name: 7 }, error: new TypeError('name must be a string, got 7') },
];

test.for(wrong)('Bulkhead throws at once, for $options', ({ options, error }) => {
  // @ts-expect-error: options that make no sense, on purpose
  expect(() => new Bulkhead(options)).toThrow(error);
});

test('Bulkhead never asks for a sign, nor for the time a call takes, with a limit that is a number', async () => {
  const signOf = vi.fn(() => 'served' as const);
  const { clock, bulkhead, call } = bulkheadBench({ maxConcurrent: 2 }, { signOf });
  const now = vi.spyOn(clock, 'now');
  const { answer, end } = call('1');
  end();
  await answer;
  expect([signOf, now].map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
  expect(bulkhead.maxConcurrent).toBe(2);
});
