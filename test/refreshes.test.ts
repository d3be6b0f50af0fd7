import { expect, test } from 'vitest';

import { Refreshes } from '../src/refreshes.ts';
import type { Place } from '../src/stored-answers.ts';
import { answerId } from '../src/stored-answers.ts';

test('Refreshes.start() lets one be under way at a time, for each answer', () => {
  const refreshes = new Refreshes();
  expect(refreshes.start('a', 0, 1_000)).toBe(true);
  expect(refreshes.start('a', 0, 1_000)).toBe(false);
  expect(refreshes.start('a', 999, 5_000)).toBe(false);
  expect(refreshes.start('b', 0, 1_000)).toBe(true);
});

test('Refreshes.start() lets the next one go, when the last has ended', () => {
  const refreshes = new Refreshes();
  refreshes.start('a', 0, 1_000);
  refreshes.start('b', 0, 1_000);
  refreshes.end('a', 1_000);
  expect(refreshes.start('b', 1, 1_000)).toBe(false);
  expect(refreshes.start('a', 1, 1_001)).toBe(true);
  expect(refreshes.start('a', 1, 1_001)).toBe(false);
});

test('Refreshes.start() takes one that has not ended in its time for lost, and no sooner', () => {
  const refreshes = new Refreshes();
  refreshes.start('a', 0, 1_000);
  expect(refreshes.start('a', 999.9, 2_000)).toBe(false);
  expect(refreshes.start('a', 1_000, 2_000)).toBe(true);
  // The time of the one that is refused changes nothing of that of the one under way.
  expect(refreshes.start('a', 1_500, 9_000)).toBe(false);
  expect(refreshes.start('a', 2_000, 3_000)).toBe(true);
});

test('Refreshes.start() refuses all but one, of ten in one moment', () => {
  const refreshes = new Refreshes();
  expect(Array.from({ length: 10 }, () => refreshes.start('a', 5, 1_000)).filter(Boolean)).toHaveLength(1);
});

test('Refreshes.end() does nothing for one that never began', () => {
  const refreshes = new Refreshes();
  refreshes.end('a', 1_000);
  expect(refreshes.start('a', 0, 1_000)).toBe(true);
});

test('Refreshes.failureOf() is why the last try failed, and undefined if it did not', () => {
  const refreshes = new Refreshes();
  expect(refreshes.failureOf('a')).toBeUndefined();
  refreshes.failed('a', 'status-503');
  expect([refreshes.failureOf('a'), refreshes.failureOf('b')]).toEqual(['status-503', undefined]);
  refreshes.failed('a', 'network');
  expect(refreshes.failureOf('a')).toBe('network');
  refreshes.succeeded('b');
  expect(refreshes.failureOf('a')).toBe('network');
  refreshes.succeeded('a');
  expect(refreshes.failureOf('a')).toBeUndefined();
});

test('Refreshes keeps a failure while the next try is under way', () => {
  const refreshes = new Refreshes();
  refreshes.start('a', 0, 1_000);
  refreshes.failed('a', 'network');
  refreshes.end('a', 1_000);
  refreshes.start('a', 2_000, 3_000);
  expect(refreshes.failureOf('a')).toBe('network');
  refreshes.end('a', 3_000);
  expect(refreshes.failureOf('a')).toBe('network');
});

test('Refreshes remembers the last 1,000 under way: beyond that, one may run twice', () => {
  const refreshes = new Refreshes();
  for (let index = 0; index < 1_000; index += 1) refreshes.start(`k${index}`, 0, 1_000);
  // Asked for just now, and so not the one unused the longest.
  expect(refreshes.start('k0', 0, 1_000)).toBe(false);
  expect(refreshes.start('k1000', 0, 1_000)).toBe(true);
  expect(refreshes.start('k0', 0, 1_000)).toBe(false);
  expect(refreshes.start('k2', 0, 1_000)).toBe(false);
  expect(refreshes.start('k1', 0, 1_000)).toBe(true);
});

test('Refreshes remembers the last 1,000 failures: beyond that, one is forgotten', () => {
  const refreshes = new Refreshes();
  for (let index = 0; index <= 1_000; index += 1) refreshes.failed(`k${index}`, `status-${index}`);
  expect(refreshes.failureOf('k0')).toBeUndefined();
  expect([refreshes.failureOf('k1'), refreshes.failureOf('k1000')]).toEqual(['status-1', 'status-1000']);
});

// answerId()

function placeOf(key: string): Place {
  return { key, partition: 'public', resource: key, requestHeaders: undefined };
}

test('answerId() is the key, for an answer that does not vary', () => {
  expect(answerId(placeOf('public GET https://api.example/'), { variesBy: [] })).toBe(
    'public GET https://api.example/',
  );
});

test('answerId() tells the variants of an answer apart, and answers from each other', () => {
  const ids = [
    answerId(placeOf('k'), { variesBy: [] }),
    answerId(placeOf('l'), { variesBy: [] }),
    answerId(placeOf('k'), { variesBy: [['accept', '']] }),
    answerId(placeOf('k'), { variesBy: [['accept', 'a']] }),
    answerId(placeOf('k'), { variesBy: [['accept', 'b']] }),
    answerId(placeOf('l'), { variesBy: [['accept', 'a']] }),
    answerId(placeOf('k'), { variesBy: [['accept-language', 'a']] }),
    answerId(placeOf('k'), {
      variesBy: [
        ['accept', 'a'],
        ['accept-language', 'b'],
      ],
    }),
    answerId(placeOf('k'), { variesBy: [['accept', 'a"],["accept-language","b']] }),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  expect(answerId(placeOf('k'), { variesBy: [['accept', 'a']] })).toBe(ids[3]);
});

test('Refreshes.end() of one that was lost does not end the one that came after it', () => {
  const refreshes = new Refreshes();
  refreshes.start('a', 0, 1_000);
  refreshes.start('a', 1_000, 2_000);
  refreshes.end('a', 1_000);
  expect(refreshes.start('a', 1_500, 2_500)).toBe(false);
  refreshes.end('a', 2_000);
  expect(refreshes.start('a', 1_500, 2_500)).toBe(true);
});
