import { expect, test } from 'vitest';

import type { AttemptMark, Mark } from '../../src/devtools/mark.ts';
import {
  counted,
  failureInWords,
  grouped,
  lastSpanInWords,
  latencyInWords,
  markInWords,
  spanInWords,
  timeOfDay,
} from '../../src/devtools/words.ts';

const at = new Date(2026, 10, 14, 14, 3, 22, 120).getTime();
const attempt: AttemptMark = {
  kind: 'attempt',
  at,
  count: 1,
  attempt: 2,
  outcome: 'failure',
  durationMs: 120,
  status: 503,
  failure: 'status',
};

test.for([
  [-5, '0 s'],
  [999, '0 s'],
  [12_900, '12 s'],
  [60_000, '1 min'],
  [137_000, '2 min 17 s'],
  [3 * 3_600_000 + 5 * 60_000, '3 h 5 min'],
  [52 * 3_600_000, '2 d 4 h'],
] as const)('spanInWords(%d) is "%s"', ([ms, words]) => {
  expect(spanInWords(ms)).toBe(words);
});

test.for([
  [0.44, '0.4 ms'],
  [9.96, '10 ms'],
  [119.6, '120 ms'],
  [999.4, '999 ms'],
  [999.6, '1 s'],
  [1_240, '1.2 s'],
] as const)('latencyInWords(%d) is "%s"', ([ms, words]) => {
  expect(latencyInWords(ms)).toBe(words);
});

test('timeOfDay() is that of the reader, to the second or to the millisecond', () => {
  expect(timeOfDay(at)).toBe('14:03:22');
  expect(timeOfDay(at, 'milliseconds')).toBe('14:03:22.120');
  expect(timeOfDay(new Date(2026, 0, 1, 1, 2, 3, 4).getTime(), 'milliseconds')).toBe('01:02:03.004');
});

test('failureInWords() is the status, or what went wrong', () => {
  expect(failureInWords('status', 503)).toBe('503');
  expect(failureInWords('status', null)).toBe('an error status');
  expect(failureInWords('network', null)).toBe('connection lost');
  expect(failureInWords('attempt-timeout', undefined)).toBe('no answer within the attempt timeout');
  expect(failureInWords(undefined, undefined)).toBe('failed');
});

const marks: readonly (readonly [Mark, string])[] = [
  [attempt, 'attempt 2, failed with 503 after 120 ms'],
  [
    { ...attempt, attempt: 1, status: undefined, failure: 'network', durationMs: 3 },
    'attempt 1, connection lost after 3 ms',
  ],
  [
    { ...attempt, outcome: 'success', status: 200, failure: undefined, count: 7 },
    'attempt 2, answered with 200 after 120 ms, 7 alike in this second',
  ],
  [{ ...attempt, outcome: 'ignored', status: 429 }, 'attempt 2, answered with 429 after 120 ms'],
  [
    { ...attempt, outcome: 'ignored', status: undefined, failure: 'aborted' },
    'attempt 2, given up by its caller after 120 ms',
  ],
  [{ kind: 'refused', at, count: 1, code: 'CIRCUIT_OPEN' }, 'refused without an attempt: the circuit is open'],
  [
    { kind: 'stored', at, count: 1, ageMs: 61_000, reason: undefined },
    'answered from the store, with what is 1 min 1 s old',
  ],
  [
    { kind: 'stored', at, count: 1, ageMs: 5_000, reason: 'status-503' },
    'answered from the store, with what is 5 s old, degraded: status-503',
  ],
  [{ kind: 'default', at, count: 1, ageMs: 0, reason: 'network' }, 'answered with the default, degraded: network'],
];

test.for(marks)('markInWords() says when, what and how: %o', ([mark, words]) => {
  expect(markInWords(mark)).toBe(`14:03:22.120, ${words}`);
});

test('counted(), grouped() and lastSpanInWords() read as English', () => {
  expect([0, 1, 2].map((count) => counted(count, 'retry', 'retries'))).toEqual(['0 retries', '1 retry', '2 retries']);
  expect([999, 1_000, 1_234_567].map(grouped)).toEqual(['999', '1,000', '1,234,567']);
  expect([60_000, 90_000].map(lastSpanInWords)).toEqual(['the last minute', 'the last 1 min 30 s']);
});
