import { expect, test } from 'vitest';

import {
  joinQueue,
  leaveQueue,
  noPermits,
  type Permits,
  type Place,
  passOn,
  takeSlot,
} from '../../src/model/permits.ts';

/** Joins one waiter after another. */
function queueOf<W>(...waiters: readonly W[]): { permits: Permits<W>; places: readonly Place<W>[] } {
  const permits = noPermits<W>();
  const places = waiters.map((waiter) => {
    const place = joinQueue(permits, waiter, Infinity);
    if (place === undefined) throw new Error('an unbounded queue is never full');
    return place;
  });
  return { permits, places };
}

/** The waiters from first to last, read in both directions: a broken link shows. */
function waiting<W>({ first, last, queued }: Permits<W>): readonly W[] {
  const forward: W[] = [];
  for (let place = first; place !== undefined; place = place.next) forward.push(place.waiter);
  const backward: W[] = [];
  for (let place = last; place !== undefined; place = place.previous) backward.push(place.waiter);
  expect(backward.reverse()).toEqual(forward);
  expect(queued).toBe(forward.length);
  return forward;
}

/** All who are served, in order, when every slot is given back. */
function served<W>(permits: Permits<W>): readonly W[] {
  const order: W[] = [];
  for (let waiter = passOn(permits); waiter !== undefined; waiter = passOn(permits)) order.push(waiter);
  return order;
}

test('noPermits() has nobody running and nobody waiting', () => {
  expect(noPermits()).toEqual({ running: 0, queued: 0, first: undefined, last: undefined });
});

test('takeSlot() gives out as many slots as there are, and no more', () => {
  const permits = noPermits();
  expect([1, 2, 3, 4].map(() => takeSlot(permits, 2))).toEqual([true, true, false, false]);
  expect(permits.running).toBe(2);
});

test('takeSlot() never refuses, when there is no bound', () => {
  const permits = noPermits();
  for (let call = 0; call < 1_000; call += 1) expect(takeSlot(permits, Infinity)).toBe(true);
  expect(permits.running).toBe(1_000);
});

test('joinQueue() lets as many wait as may, and answers undefined to the next', () => {
  const permits = noPermits<string>();
  expect(joinQueue(permits, 'a', 2)).toMatchObject({ waiter: 'a', waiting: true });
  expect(joinQueue(permits, 'b', 2)).toMatchObject({ waiter: 'b', waiting: true });
  expect(joinQueue(permits, 'c', 2)).toBeUndefined();
  expect(waiting(permits)).toEqual(['a', 'b']);
});

test('joinQueue() lets nobody wait, when the queue has no places', () => {
  const permits = noPermits<string>();
  expect(joinQueue(permits, 'a', 0)).toBeUndefined();
  expect(waiting(permits)).toEqual([]);
});

test('passOn() frees the slot, when nobody waits', () => {
  const permits = noPermits<string>();
  takeSlot(permits, 1);
  expect(passOn(permits)).toBeUndefined();
  expect(permits.running).toBe(0);
  expect(takeSlot(permits, 1)).toBe(true);
});

test('passOn() hands the slot to the first waiter, and it is free to nobody in between', () => {
  const permits = noPermits<string>();
  takeSlot(permits, 1);
  const place = joinQueue(permits, 'a', 1);
  expect(passOn(permits)).toBe('a');
  expect(permits.running).toBe(1);
  expect(place?.waiting).toBe(false);
  expect(waiting(permits)).toEqual([]);
  expect(takeSlot(permits, 1)).toBe(false);
});

test('passOn() serves first in, first out', () => {
  const { permits } = queueOf('a', 'b', 'c');
  expect(passOn(permits)).toBe('a');
  expect(waiting(permits)).toEqual(['b', 'c']);
  joinQueue(permits, 'd', 3);
  expect(served(permits)).toEqual(['b', 'c', 'd']);
  expect(waiting(permits)).toEqual([]);
});

const leavers = [
  { who: 'the first', leave: [0], left: ['b', 'c', 'd'] },
  { who: 'one in the middle', leave: [1], left: ['a', 'c', 'd'] },
  { who: 'the last', leave: [3], left: ['a', 'b', 'c'] },
  { who: 'two neighbours', leave: [1, 2], left: ['a', 'd'] },
  { who: 'two neighbours, backwards', leave: [2, 1], left: ['a', 'd'] },
  { who: 'all but the last', leave: [0, 1, 2], left: ['d'] },
  { who: 'all but the first', leave: [3, 2, 1], left: ['a'] },
  { who: 'everybody', leave: [1, 3, 0, 2], left: [] },
];

test.for(leavers)('leaveQueue() keeps the order of those who stay, when $who leaves', ({ leave, left }) => {
  const { permits, places } = queueOf('a', 'b', 'c', 'd');
  const gone = places.filter((_, index) => leave.includes(index));
  for (const index of leave) {
    const place = places[index];
    expect(place !== undefined && leaveQueue(permits, place)).toBe(true);
  }
  // A place that has left holds on to nobody: a long queue would be kept alive by one late handle.
  for (const place of gone) expect(place).toMatchObject({ previous: undefined, next: undefined, waiting: false });
  expect(waiting(permits)).toEqual(left);
  joinQueue(permits, 'z', 5);
  expect(served(permits)).toEqual([...left, 'z']);
});

test('leaveQueue() frees the place for another', () => {
  const permits = noPermits<string>();
  const place = joinQueue(permits, 'a', 1);
  expect(place !== undefined && leaveQueue(permits, place)).toBe(true);
  expect(joinQueue(permits, 'b', 1)).toBeDefined();
  expect(waiting(permits)).toEqual(['b']);
});

test('leaveQueue() takes no slot and gives none back', () => {
  const { permits, places } = queueOf('a');
  takeSlot(permits, 1);
  for (const place of places) leaveQueue(permits, place);
  expect(permits.running).toBe(1);
});

test('leaveQueue() answers false and changes nothing, when the place has left before', () => {
  const { permits, places } = queueOf('a', 'b', 'c');
  const [, second] = places;
  if (second === undefined) throw new Error('there are three');
  expect(leaveQueue(permits, second)).toBe(true);
  expect(leaveQueue(permits, second)).toBe(false);
  expect(waiting(permits)).toEqual(['a', 'c']);
});

test('leaveQueue() answers false and changes nothing, when the place has been given a slot', () => {
  const { permits, places } = queueOf('a', 'b');
  const [first] = places;
  expect(passOn(permits)).toBe('a');
  expect(first !== undefined && leaveQueue(permits, first)).toBe(false);
  expect(waiting(permits)).toEqual(['b']);
});

test('leaveQueue() empties a queue of 100,000 from the middle out', () => {
  const { permits, places } = queueOf(...Array.from({ length: 100_000 }, (_, waiter) => waiter));
  const outwards = [...places.keys()].sort((a, b) => Math.abs(a - 50_000) - Math.abs(b - 50_000));
  for (const index of outwards) {
    const place = places[index];
    if (place !== undefined) leaveQueue(permits, place);
  }
  expect(waiting(permits)).toEqual([]);
});
