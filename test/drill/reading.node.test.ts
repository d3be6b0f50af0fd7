import { expect, test } from 'vitest';

import { reading } from '../../drill/reading.ts';
import type { Summary } from '../../drill/statistics.ts';

/** A contender of two phases, answered in all of the first and `healed` of the second. */
function summary(name: string, healed: number, changes: Partial<Summary> = {}): Summary {
  return {
    name,
    calls: 100,
    answered: (1 + healed) / 2,
    toAnswer: { p50: 60, p99: 90 },
    toFailure: { p50: 1_000, p99: 1_000 },
    seenPerCall: 1,
    servedAgainMs: 100,
    phases: [
      { label: 'ok', answered: 1, seenPerCall: 1, seenPerSecond: 30 },
      { label: 'healed', answered: healed, seenPerCall: 1, seenPerSecond: 30 },
    ],
    ...changes,
  };
}

test('reading() names whoever got the most answers', () => {
  expect(reading([summary('bare fetch', 0.2), summary('steadfetch', 0.6)])).toContain(
    'steadfetch got the most answers: 80.0 % of its calls, against 60.0 % with bare fetch.',
  );
  expect(reading([summary('bare fetch', 0.7), summary('steadfetch', 0.6)])).toContain(
    'Bare fetch got the most answers: 85.0 % of its calls, against 80.0 % with steadfetch.',
  );
});

test('reading() names whoever asked the least, and where the most was asked', () => {
  const naive = summary('naive retry', 0, {
    seenPerCall: 2,
    phases: [
      { label: 'ok', answered: 1, seenPerCall: 1, seenPerSecond: 30 },
      { label: 'healed', answered: 0, seenPerCall: 3, seenPerSecond: 60 },
    ],
  });
  expect(reading([naive, summary('steadfetch', 1, { seenPerCall: 0.5 })])).toContain(
    'The upstream saw the fewest requests with steadfetch, 0.50 per call, against 2.00 with naive retry. ' +
      'The most was asked by naive retry in "healed": 3.00 per call.',
  );
});

test('reading() tells how soon failures were known, and when there were none', () => {
  const quick = summary('steadfetch', 0.5, { toFailure: { p50: 0.2, p99: 5 } });
  expect(reading([summary('bare fetch', 0.5), quick])).toContain(
    'half of the callers knew within 0.2 ms with steadfetch and 1.00 s with bare fetch.',
  );
  const none = { toFailure: { p50: undefined, p99: undefined } };
  expect(reading([summary('steadfetch', 1, none)])).toContain('No call failed.');
});

test('reading() orders who was served again by when, and says why one never was, if its load tells', () => {
  const never = (seenPerSecond: number): Summary =>
    summary('naive retry', 0, {
      servedAgainMs: undefined,
      phases: [{ label: 'healed', answered: 0, seenPerCall: 3, seenPerSecond }],
    });
  const others = [summary('bare fetch', 1, { servedAgainMs: 7_000 }), summary('steadfetch', 1)];
  expect(reading([...others, never(88)])).toContain(
    'callers were served again after 100 ms with steadfetch and 7.00 s with bare fetch. ' +
      'With naive retry they were not, for as long as the drill lasted: at the end it still asked for 88 requests/s of an upstream that can answer 66.',
  );
  expect(reading([...others, never(30)])).toContain('for as long as the drill lasted.');
  expect(reading([never(30)])).not.toContain('served again after');
});

test('reading() names the phases in which another did better than steadfetch, beyond noise', () => {
  expect(reading([summary('bare fetch', 0.9), summary('naive retry', 0.97), summary('steadfetch', 0.83)])).toContain(
    'Others got more answers than steadfetch in "healed" (naive retry 97 %, steadfetch 83 %).',
  );
  expect(reading([summary('bare fetch', 0.84), summary('steadfetch', 0.83)])).toContain(
    'In no phase did another get more answers than steadfetch.',
  );
});
