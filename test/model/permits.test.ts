import { expect, test } from 'vitest';

import { Link } from '../../src/model/linked-list.ts';
import { joinQueue, letIn, noPermits, type Permits, passOn, queuedIn, takeSlot } from '../../src/model/permits.ts';

class Waiter extends Link<Waiter> {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

function permitsWith(...names: readonly string[]): Permits<Waiter> {
  const permits = noPermits<Waiter>();
  for (const name of names) joinQueue(permits, new Waiter(name));
  return permits;
}

function waiting({ queue }: Permits<Waiter>): readonly string[] {
  return queue?.values().map(({ name }) => name) ?? [];
}

test('noPermits() has nobody running and nobody waiting', () => {
  const permits = noPermits<Waiter>();
  expect([permits.running, queuedIn(permits)]).toEqual([0, 0]);
});

test('takeSlot() gives out as many slots as there are, and no more', () => {
  const permits = noPermits<Waiter>();
  expect([1, 2, 3, 4].map(() => takeSlot(permits, 2))).toEqual([true, true, false, false]);
  expect(permits.running).toBe(2);
});

test('takeSlot() never refuses, when there is no bound', () => {
  const permits = noPermits<Waiter>();
  for (let call = 0; call < 1_000; call += 1) expect(takeSlot(permits, Infinity)).toBe(true);
  expect(permits.running).toBe(1_000);
});

test('passOn() frees the slot, when nobody waits', () => {
  const permits = noPermits<Waiter>();
  takeSlot(permits, 1);
  expect(passOn(permits, 1)).toBeUndefined();
  expect(permits.running).toBe(0);
  expect(takeSlot(permits, 1)).toBe(true);
});

test('passOn() hands the slot to the first waiter, and it is free to nobody in between', () => {
  const permits = permitsWith('a');
  takeSlot(permits, 1);
  const passed = passOn(permits, 1);
  expect(passed).toMatchObject({ name: 'a', list: undefined });
  expect(permits.running).toBe(1);
  expect(waiting(permits)).toEqual([]);
  expect(takeSlot(permits, 1)).toBe(false);
});

test('passOn() serves first in, first out', () => {
  const permits = permitsWith('a', 'b', 'c');
  takeSlot(permits, 1);
  expect(passOn(permits, 1)?.name).toBe('a');
  expect(waiting(permits)).toEqual(['b', 'c']);
  joinQueue(permits, new Waiter('d'));
  expect(queuedIn(permits)).toBe(3);
  expect([1, 2, 3, 4].map(() => passOn(permits, 1)?.name)).toEqual(['b', 'c', 'd', undefined]);
});

test('passOn() passes over who has left', () => {
  const permits = permitsWith('a', 'b', 'c');
  const second = permits.queue?.values()[1];
  expect(second && permits.queue?.remove(second)).toBe(true);
  expect([passOn(permits, 1)?.name, passOn(permits, 1)?.name]).toEqual(['a', 'c']);
});

test('passOn() gives the slot to nobody while more run than may', () => {
  const permits = permitsWith('a');
  for (let call = 0; call < 3; call += 1) takeSlot(permits, 3);
  expect([passOn(permits, 1), passOn(permits, 1)]).toEqual([undefined, undefined]);
  expect(permits.running).toBe(1);
  expect(passOn(permits, 1)?.name).toBe('a');
  expect(permits.running).toBe(1);
});

test('letIn() lets waiters in, first in, first out, as long as there are slots', () => {
  const permits = permitsWith('a', 'b', 'c');
  takeSlot(permits, 1);
  expect(letIn(permits, 1)).toBeUndefined();
  expect([1, 2, 3].map(() => letIn(permits, 3)?.name)).toEqual(['a', 'b', undefined]);
  expect([permits.running, waiting(permits)]).toEqual([3, ['c']]);
  expect([1, 2].map(() => letIn(permits, 9)?.name)).toEqual(['c', undefined]);
  expect(permits.running).toBe(4);
});
