import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Emitter } from '../src/events.ts';

const reported = vi.fn<(error: unknown) => void>();

beforeEach(() => {
  reported.mockReset();
  vi.stubGlobal('reportError', reported);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('emit() delivers each event to each listener, in the order in which they subscribed', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  for (const name of ['a', 'b', 'c']) emitter.subscribe((event) => seen.push(`${name}${event}`));
  emitter.emit(1);
  emitter.emit(2);
  expect(seen).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
});

test('emit() has delivered when it returns', () => {
  const emitter = new Emitter<string>();
  const listener = vi.fn();
  emitter.subscribe(listener);
  emitter.emit('now');
  expect(listener.mock.calls).toEqual([['now']]);
});

test('emit() delivers an event that a listener caused once all have had the current one', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  emitter.subscribe((event) => {
    seen.push(`a${event}`);
    if (event < 3) {
      emitter.emit(event + 1);
      seen.push(`a${event} has gone on`);
    }
  });
  emitter.subscribe((event) => seen.push(`b${event}`));
  emitter.emit(1);
  expect(seen).toEqual(['a1', 'a1 has gone on', 'b1', 'a2', 'a2 has gone on', 'b2', 'a3', 'b3']);
});

test('emit() keeps the order of several events that listeners caused', () => {
  const emitter = new Emitter<string>();
  const seen: string[] = [];
  emitter.subscribe((event) => {
    if (event === 'first') for (const next of ['second', 'third']) emitter.emit(next);
  });
  emitter.subscribe((event) => {
    if (event === 'first') emitter.emit('fourth');
    seen.push(event);
  });
  emitter.emit('first');
  expect(seen).toEqual(['first', 'second', 'third', 'fourth']);
});

test('emit() goes on when a listener throws, and goes on calling it, but reports it once', () => {
  const emitter = new Emitter<number>();
  const seen: number[] = [];
  const thrower = vi.fn((event: number) => {
    throw new Error(`no ${event}`);
  });
  emitter.subscribe(thrower);
  emitter.subscribe((event) => seen.push(event));
  for (const event of [1, 2, 3]) emitter.emit(event);
  expect(seen).toEqual([1, 2, 3]);
  expect(thrower).toHaveBeenCalledTimes(3);
  expect(reported.mock.calls).toEqual([[new Error('no 1')]]);
});

test('emit() reports each listener that throws, also when two subscriptions share a function', () => {
  const emitter = new Emitter<number>();
  const thrower = (): never => {
    throw new Error('no');
  };
  emitter.subscribe(thrower);
  emitter.subscribe(thrower);
  emitter.emit(1);
  emitter.emit(2);
  expect(reported).toHaveBeenCalledTimes(2);
});

test('emit() delivers what was caused before a listener threw', () => {
  const emitter = new Emitter<number>();
  const seen: number[] = [];
  emitter.subscribe((event) => {
    seen.push(event);
    if (event > 1) return;
    emitter.emit(2);
    throw new Error('no');
  });
  emitter.emit(1);
  emitter.emit(3);
  expect(seen).toEqual([1, 2, 3]);
});

test('emit() reports to the console, where there is no reportError', () => {
  vi.stubGlobal('reportError', undefined);
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
  const error = new Error('no');
  const emitter = new Emitter<number>();
  emitter.subscribe(() => {
    throw error;
  });
  emitter.emit(1);
  emitter.emit(2);
  expect(logged.mock.calls).toEqual([['steadfetch: an event listener threw', error]]);
});

test('emit() does not write to the console, where there is reportError', () => {
  const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
  const emitter = new Emitter<number>();
  emitter.subscribe(() => {
    throw new Error('no');
  });
  emitter.emit(1);
  expect(logged).not.toHaveBeenCalled();
});

test('emit() goes on delivering, when reporting fails too', () => {
  reported.mockImplementation(() => {
    throw new Error('a bug in reporting');
  });
  const emitter = new Emitter<number>();
  const seen: number[] = [];
  emitter.subscribe(() => {
    throw new Error('no');
  });
  emitter.subscribe((event) => seen.push(event));
  for (const event of [1, 2]) emitter.emit(event);
  expect(seen).toEqual([1, 2]);
});

test('emit() reports what a listener rejects with, by whatever kind of promise', async () => {
  const emitter = new Emitter<number>();
  const error = new Error('no');
  // biome-ignore lint/suspicious/noThenProperty: a promise of a library's own
  emitter.subscribe((() => ({ then: (_done: unknown, fail: (reason: unknown) => void) => fail(error) })) as () => void);
  emitter.emit(1);
  await vi.waitFor(() => expect(reported.mock.calls).toEqual([[error]]));
});

test('emit() is harmless without listeners, and nobody gets later what nobody listened to', () => {
  const emitter = new Emitter<number>();
  const listener = vi.fn();
  emitter.emit(1);
  emitter.subscribe(listener);
  emitter.emit(2);
  expect(listener.mock.calls).toEqual([[2]]);
});

test('subscribe() returns the function that ends this subscription alone, and may be called twice', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  const stopFirst = emitter.subscribe((event) => seen.push(`first ${event}`));
  emitter.subscribe((event) => seen.push(`second ${event}`));
  stopFirst();
  stopFirst();
  emitter.emit(1);
  expect(seen).toEqual(['second 1']);
});

test('subscribe() takes the same function twice, as two subscriptions', () => {
  const emitter = new Emitter<number>();
  const listener = vi.fn();
  const stopFirst = emitter.subscribe(listener);
  const stopSecond = emitter.subscribe(listener);
  emitter.emit(1);
  expect(listener).toHaveBeenCalledTimes(2);
  stopFirst();
  stopFirst();
  emitter.emit(2);
  expect(listener).toHaveBeenCalledTimes(3);
  stopSecond();
  emitter.emit(3);
  expect(listener).toHaveBeenCalledTimes(3);
});

test('subscribe() during a delivery begins with the next event', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  emitter.subscribe((event) => {
    seen.push(`old ${event}`);
    if (event === 1) emitter.subscribe((later) => seen.push(`new ${later}`));
  });
  emitter.emit(1);
  expect(seen).toEqual(['old 1']);
  emitter.emit(2);
  expect(seen).toEqual(['old 1', 'old 2', 'new 2']);
});

test('subscribe() lets a listener remove itself, and the others miss nothing', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  emitter.subscribe((event) => seen.push(`before ${event}`));
  const stop = emitter.subscribe((event) => {
    seen.push(`once ${event}`);
    stop();
  });
  emitter.subscribe((event) => seen.push(`after ${event}`));
  emitter.emit(1);
  emitter.emit(2);
  expect(seen).toEqual(['before 1', 'once 1', 'after 1', 'before 2', 'after 2']);
});

test('subscribe() spares a listener the rest of a delivery, when one before it has removed it', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  emitter.subscribe((event) => {
    if (event === 2) stopSecond();
  });
  const stopSecond = emitter.subscribe((event) => seen.push(`second ${event}`));
  emitter.subscribe((event) => seen.push(`third ${event}`));
  emitter.emit(1);
  emitter.emit(2);
  expect(seen).toEqual(['second 1', 'third 1', 'third 2']);
});

test('subscribe() spares a listener the events that are still to be delivered, when it has removed itself', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  const stop = emitter.subscribe((event) => {
    seen.push(`once ${event}`);
    stop();
    emitter.emit(event + 1);
  });
  emitter.subscribe((event) => seen.push(`always ${event}`));
  emitter.emit(1);
  expect(seen).toEqual(['once 1', 'always 1', 'always 2']);
});

const noFunctions = [
  { value: undefined, shown: 'undefined' },
  { value: null, shown: 'null' },
  { value: 'listener', shown: '"listener"' },
  { value: {}, shown: 'an object' },
];

test.for(noFunctions)('subscribe() throws TypeError, for $shown', ({ value, shown }) => {
  const emitter = new Emitter<number>();
  // @ts-expect-error: what is no function, on purpose
  expect(() => emitter.subscribe(value)).toThrow(new TypeError(`listener must be a function, got ${shown}`));
  expect(emitter.active).toBe(false);
});

test('active tells whether anybody listens', () => {
  const emitter = new Emitter<number>();
  expect(emitter.active).toBe(false);
  const stopFirst = emitter.subscribe(() => {});
  const stopSecond = emitter.subscribe(() => {});
  stopFirst();
  expect(emitter.active).toBe(true);
  stopSecond();
  expect(emitter.active).toBe(false);
});

test('emit() reports what a listener rejects with, once, and leaves no rejection to the process', async () => {
  const emitter = new Emitter<number>();
  emitter.subscribe(async (event) => {
    throw new Error(`listener ${event}`);
  });
  emitter.emit(1);
  emitter.emit(2);
  for (let turn = 0; turn < 5; turn += 1) await null;
  expect(reported.mock.calls).toEqual([[new Error('listener 1')]]);
});
