import { expect, test } from 'vitest';

import { outcomeOfStatus, RETRYABLE_STATUS, unwrap } from '../../src/model/outcome.ts';

// DESIGN section 3, by status.
const statuses = [
  {
    outcome: 'success',
    codes: [200, 201, 204, 206, 301, 304, 400, 401, 403, 404, 407, 409, 410, 422, 424, 426, 428, 430, 499],
  },
  { outcome: 'ignored', codes: [408, 425, 429] },
  { outcome: 'failure', codes: [500, 501, 502, 503, 504, 505, 511, 529, 599] },
];

const rows = statuses.flatMap(({ outcome, codes }) => codes.map((status) => ({ status, outcome })));

test.for(rows)('outcomeOfStatus() calls a $status $outcome', ({ status, outcome }) => {
  expect(outcomeOfStatus(status)).toBe(outcome);
});

test('RETRYABLE_STATUS holds the answers that say "later" and the four 5xx that pass', () => {
  expect(RETRYABLE_STATUS).toEqual([408, 425, 429, 500, 502, 503, 504]);
});

test('unwrap() gives back the value, whatever it is', () => {
  const value = { error: 'a field of the value, not of the result' };
  expect(unwrap({ value })).toBe(value);
  expect(unwrap({ value: undefined })).toBeUndefined();
});

test.for([[new Error('boom')], ['a string'], [undefined]])(
  'unwrap() throws the error as it came, when it is %o',
  ([error]) => {
    let thrown: unknown = 'nothing';
    try {
      unwrap({ error });
    } catch (caught) {
      thrown = caught;
    }
    expect(thrown).toBe(error);
  },
);
