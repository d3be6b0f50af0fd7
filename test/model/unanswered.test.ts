import { expect, test } from 'vitest';

import { Unanswered } from '../../src/model/unanswered.ts';

test('Unanswered.takeLost() gives each call once, a second after its deadline', () => {
  const calls = new Unanswered<string>();
  calls.add('a', { deadlineAt: 5_000 });
  calls.add('b', { deadlineAt: 5_000 });
  expect(calls.takeLost(5_999)).toBeUndefined();
  expect([calls.takeLost(6_000), calls.takeLost(6_000), calls.takeLost(6_000)]).toEqual(['a', 'b', undefined]);
});

test('Unanswered.takeLost() does not give a call that was answered', () => {
  const calls = new Unanswered<string>();
  const place = calls.add('a', { deadlineAt: 1_000 });
  calls.add('b', { deadlineAt: 1_000 });
  calls.delete(place);
  calls.delete(place);
  expect([calls.takeLost(9_000), calls.takeLost(9_000)]).toEqual(['b', undefined]);
});

test('Unanswered.takeLost() looks no further than the oldest call', () => {
  const calls = new Unanswered<string>();
  calls.add('patient', { deadlineAt: 60_000 });
  calls.add('hasty', { deadlineAt: 1_000 });
  expect(calls.takeLost(2_000)).toBeUndefined();
  expect([calls.takeLost(61_000), calls.takeLost(61_000)]).toEqual(['patient', 'hasty']);
});

test('Unanswered.takeLost() is not held up by a call without a deadline', () => {
  const calls = new Unanswered<string>();
  calls.add('endless', { deadlineAt: Infinity });
  calls.add('a', { deadlineAt: 1_000 });
  expect([calls.takeLost(2_000), calls.takeLost(Number.MAX_VALUE)]).toEqual(['a', undefined]);
});
