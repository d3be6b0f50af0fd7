import { expect, test, vi } from 'vitest';

import { follow, Scope } from '../src/abort.ts';

/** A signal that counts the listeners it carries. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  vi.spyOn(signal, 'addEventListener').mockImplementation((...parameters: Parameters<typeof add>) => {
    listeners.add(parameters[1]);
    add(...parameters);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation((...parameters: Parameters<typeof remove>) => {
    if (parameters[0] === 'abort') listeners.delete(parameters[1]);
    remove(...parameters);
  });
  return { controller, signal, listeners };
}

test('follow() calls back on abort, once', () => {
  const controller = new AbortController();
  const callback = vi.fn();
  follow(controller.signal, callback);
  expect(callback).not.toHaveBeenCalled();
  controller.abort();
  controller.abort();
  expect(callback).toHaveBeenCalledTimes(1);
});

test('follow() calls back in the order in which they came', () => {
  const controller = new AbortController();
  const called: number[] = [];
  for (const number of [1, 2, 3]) follow(controller.signal, () => called.push(number));
  controller.abort();
  expect(called).toEqual([1, 2, 3]);
});

test('follow() does not call back who has stopped, and the others all the same', () => {
  const controller = new AbortController();
  const called: string[] = [];
  follow(controller.signal, () => called.push('first'));
  const stop = follow(controller.signal, () => called.push('second'));
  follow(controller.signal, () => called.push('third'));
  stop();
  stop();
  controller.abort();
  expect(called).toEqual(['first', 'third']);
});

test('follow() does not call back who is stopped by one called before', () => {
  const controller = new AbortController();
  const callback = vi.fn();
  follow(controller.signal, () => stop());
  const stop = follow(controller.signal, callback);
  controller.abort();
  expect(callback).not.toHaveBeenCalled();
});

test('follow() keeps one listener on the signal for any number of followers, and none after the last', () => {
  const { signal, listeners } = countedSignal();
  const stops = Array.from({ length: 1_000 }, () => follow(signal, () => {}));
  expect(listeners.size).toBe(1);
  expect(signal.addEventListener).toHaveBeenCalledTimes(1);
  const [last, ...others] = stops;
  for (const stop of others) stop();
  expect(listeners.size).toBe(1);
  last?.();
  expect(listeners.size).toBe(0);
});

test('follow() follows anew, when all who followed before have stopped', () => {
  const { controller, signal, listeners } = countedSignal();
  const stop = follow(signal, () => {});
  stop();
  const callback = vi.fn();
  follow(signal, callback);
  // Whoever has stopped before has no say over those who came later.
  stop();
  expect(listeners.size).toBe(1);
  controller.abort();
  expect(callback).toHaveBeenCalledTimes(1);
});

test('follow() lets each signal speak for itself', () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const called: string[] = [];
  follow(first.signal, () => called.push('first'));
  follow(second.signal, () => called.push('second'));
  second.abort();
  expect(called).toEqual(['second']);
});

test('follow() returns a function that is harmless after the abort', () => {
  const controller = new AbortController();
  const callback = vi.fn();
  const stop = follow(controller.signal, callback);
  controller.abort();
  stop();
  stop();
  expect(callback).toHaveBeenCalledTimes(1);
});

test('Scope begins unaborted, without a reason', () => {
  const scope = new Scope();
  expect({ aborted: scope.aborted, reason: scope.reason }).toEqual({ aborted: false, reason: undefined });
  expect(scope.root).toBe(scope);
});

test('Scope.abort() keeps the first reason, and calls each listener once, in order', () => {
  const scope = new Scope();
  const called: string[] = [];
  scope.onAbort(() => called.push(`first, ${scope.reason}`));
  scope.onAbort(() => called.push(`second, ${scope.reason}`));
  scope.abort('reason');
  scope.abort('another');
  expect({ aborted: scope.aborted, reason: scope.reason }).toEqual({ aborted: true, reason: 'reason' });
  expect(called).toEqual(['first, reason', 'second, reason']);
});

test('Scope.endless has no end, though what is under it has one', () => {
  const child = new Scope(Scope.endless);
  expect(child.root).toBe(Scope.endless);
  child.abort('reason');
  expect({ child: child.aborted, endless: Scope.endless.aborted }).toEqual({ child: true, endless: false });
});

test('Scope.offAbort() takes the listener away, and is harmless for one that is not there', () => {
  const scope = new Scope();
  const [kept, removed] = [vi.fn(), vi.fn()];
  scope.offAbort(removed);
  scope.onAbort(removed);
  scope.onAbort(kept);
  scope.offAbort(removed);
  scope.abort('reason');
  expect(removed).not.toHaveBeenCalled();
  expect(kept).toHaveBeenCalledTimes(1);
});

test('Scope aborts with its parent, for the same reason, through all generations', () => {
  const root = new Scope();
  const child = new Scope(root);
  const grandchild = new Scope(child);
  const reason = new Error('over');
  root.abort(reason);
  expect([child.aborted, grandchild.aborted]).toEqual([true, true]);
  expect(child.reason).toBe(reason);
  expect(grandchild.reason).toBe(reason);
});

test('Scope leaves its parent alone, when it is aborted itself', () => {
  const root = new Scope();
  const [child, sibling] = [new Scope(root), new Scope(root)];
  child.abort('own');
  expect([root.aborted, sibling.aborted]).toEqual([false, false]);
  root.abort('later');
  expect([child.reason, sibling.reason]).toEqual(['own', 'later']);
});

test('Scope is aborted from the start, under a parent that is', () => {
  const parent = new Scope();
  parent.abort('before');
  const child = new Scope(parent);
  expect({ aborted: child.aborted, reason: child.reason }).toEqual({ aborted: true, reason: 'before' });
});

test('Scope.root is the outermost one, in each generation', () => {
  const root = new Scope();
  const child = new Scope(root);
  expect(child.root).toBe(root);
  expect(new Scope(child).root).toBe(root);
});

test('Scope.close() stops following the parent, and nothing else', () => {
  const parent = new Scope();
  const [closed, open] = [new Scope(parent), new Scope(parent)];
  closed.close();
  closed.close();
  parent.abort('later');
  expect([closed.aborted, open.aborted]).toEqual([false, true]);
  closed.abort('own');
  expect(closed.reason).toBe('own');
});

test('Scope.close() is harmless without a parent, and under one that had aborted before', () => {
  const root = new Scope();
  root.close();
  root.abort('reason');
  const child = new Scope(root);
  child.close();
  expect([root.reason, child.reason]).toEqual(['reason', 'reason']);
});

test('Scope.signal is one platform signal, which aborts with the reason itself', () => {
  const scope = new Scope();
  const { signal } = scope;
  expect(signal).toBeInstanceOf(AbortSignal);
  expect(scope.signal).toBe(signal);
  expect(signal.aborted).toBe(false);
  const reason = { any: 'value' };
  scope.abort(reason);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toBe(reason);
});

test('Scope.signal is aborted, when it is asked for only after the abort', () => {
  const scope = new Scope();
  scope.abort('reason');
  expect({ aborted: scope.signal.aborted, reason: scope.signal.reason }).toEqual({ aborted: true, reason: 'reason' });
});

test('Scope.abort() tells our own listeners before those of the platform signal', () => {
  const scope = new Scope();
  const called: string[] = [];
  scope.signal.addEventListener('abort', () => called.push('the operation'));
  scope.onAbort(() => called.push('the layer'));
  scope.abort('reason');
  expect(called).toEqual(['the layer', 'the operation']);
});
