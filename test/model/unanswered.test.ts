import { expect, test } from 'vitest';

import { Unanswered, UnansweredCalls } from '../../src/model/unanswered.ts';

class Call extends Unanswered<Call> {
  readonly name: string;

  constructor(name: string, deadlineAt: number) {
    super({ deadlineAt });
    this.name = name;
  }
}

function add(calls: UnansweredCalls<Call>, name: string, { deadlineAt }: { deadlineAt: number }): Call {
  const call = new Call(name, deadlineAt);
  calls.add(call);
  return call;
}

test('UnansweredCalls.takeLost() gives each call once, a second after its deadline', () => {
  const calls = new UnansweredCalls<Call>();
  add(calls, 'a', { deadlineAt: 5_000 });
  add(calls, 'b', { deadlineAt: 5_000 });
  expect(calls.takeLost(5_999)).toBeUndefined();
  expect([calls.takeLost(6_000)?.name, calls.takeLost(6_000)?.name, calls.takeLost(6_000)?.name]).toEqual([
    'a',
    'b',
    undefined,
  ]);
});

test('UnansweredCalls.takeLost() does not give a call that was answered', () => {
  const calls = new UnansweredCalls<Call>();
  const place = add(calls, 'a', { deadlineAt: 1_000 });
  add(calls, 'b', { deadlineAt: 1_000 });
  expect([calls.delete(place), calls.delete(place)]).toEqual([true, false]);
  expect([calls.takeLost(9_000)?.name, calls.takeLost(9_000)?.name]).toEqual(['b', undefined]);
});

test('UnansweredCalls.takeLost() looks no further than the oldest call', () => {
  const calls = new UnansweredCalls<Call>();
  add(calls, 'patient', { deadlineAt: 60_000 });
  add(calls, 'hasty', { deadlineAt: 1_000 });
  expect(calls.takeLost(2_000)).toBeUndefined();
  expect([calls.takeLost(61_000)?.name, calls.takeLost(61_000)?.name]).toEqual(['patient', 'hasty']);
});

test('UnansweredCalls.takeLost() is not held up by a call without a deadline', () => {
  const calls = new UnansweredCalls<Call>();
  add(calls, 'endless', { deadlineAt: Infinity });
  add(calls, 'a', { deadlineAt: 1_000 });
  expect([calls.takeLost(2_000)?.name, calls.takeLost(Number.MAX_VALUE)?.name]).toEqual(['a', undefined]);
});

test('UnansweredCalls knows all of them, with a deadline or without, until they leave', () => {
  const calls = new UnansweredCalls<Call>();
  const endless = add(calls, 'endless', { deadlineAt: Infinity });
  add(calls, 'a', { deadlineAt: 1_000 });
  expect(calls.values().map(({ name }) => name)).toEqual(['a', 'endless']);
  expect([calls.size, calls.delete(endless), calls.delete(endless), calls.size]).toEqual([2, true, false, 1]);
  calls.takeLost(9_000);
  expect([calls.size, calls.nextLostAt]).toEqual([0, Infinity]);
});
