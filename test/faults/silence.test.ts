import { expect, test } from 'vitest';

import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type EncounterOptions, encounter, type Use } from '../support/encounter.ts';

/** Faults that never end, met where they keep the caller waiting: before the headers, or with `json` also in the body. */
const silences: readonly { fault: string; use: Use }[] = [
  { fault: 'hang', use: 'fetch' },
  { fault: 'slow-headers;everyMs=60000', use: 'fetch' },
  { fault: 'hang', use: 'json' },
  { fault: 'slow-headers;everyMs=60000', use: 'json' },
  { fault: 'body-hang', use: 'json' },
  { fault: 'body-stall', use: 'json' },
  { fault: 'slow-body;everyMs=60000', use: 'json' },
];

/** What ends the wait, with 1,000 ms passing each time a request has arrived (DESIGN.md, section 3). */
const limits: readonly {
  limit: string;
  options: EncounterOptions;
  gives: string;
  attempts: number;
  outcome: string;
}[] = [
  {
    limit: 'attempt timeout',
    options: { attemptTimeoutMs: 1_000 },
    gives: 'ATTEMPT_TIMEOUT',
    attempts: 3,
    outcome: 'failure',
  },
  { limit: 'deadline', options: { deadlineMs: 1_000 }, gives: 'DEADLINE_EXCEEDED', attempts: 1, outcome: 'ignored' },
  {
    limit: 'deadline, no attempt timeout',
    options: { deadlineMs: 1_000, attemptTimeoutMs: false },
    gives: 'DEADLINE_EXCEEDED',
    attempts: 1,
    outcome: 'failure',
  },
  {
    limit: 'deadline in the second attempt',
    options: { deadlineMs: 2_000, attemptTimeoutMs: 1_500 },
    gives: 'DEADLINE_EXCEEDED',
    attempts: 2,
    // The first attempt has timed out by then.
    outcome: 'failure',
  },
];
const rows = silences.flatMap((silence) => limits.map((limit) => ({ ...silence, ...limit })));

test.for(rows)('client.$use gives $gives after $attempts requests, $outcome, for $fault and $limit', async (row) => {
  const clock = new FakeClock();
  const { given, outcome, attempts, seen } = await encounter(row.fault, {
    ...row.options,
    use: row.use,
    clock,
    onArrival: () => clock.advance(row.limit === 'deadline in the second attempt' ? 1_500 : 1_000),
  });
  expect(given).toEqual({ error: row.gives });
  expect({ outcome, attempts }).toEqual({ outcome: row.outcome, attempts: row.attempts });
  expect(seen.map(({ connection }) => connection)).toEqual(Array.from(seen, () => 'left by the client'));
  expect(seen).toHaveLength(row.attempts);
});

test.for(silences)(
  'client.$use gives the reason after 1 request, ignored, for $fault and an abort',
  async ({ fault, use }) => {
    const controller = new AbortController();
    const { given, outcome, seen } = await encounter(fault, {
      use,
      init: { signal: controller.signal },
      onArrival: () => controller.abort('the user left'),
    });
    expect(given).toEqual({ error: 'the user left' });
    expect(outcome).toBe('ignored');
    expect(seen.map(({ connection }) => connection)).toEqual(['left by the client']);
  },
);

test.for(silences)('client.$use recovers at the second request, success, for $fault once', async ({ fault, use }) => {
  const clock = new FakeClock();
  let arrivals = 0;
  const { given, outcome, attempts } = await encounter(`${fault},ok`, {
    use,
    clock,
    attemptTimeoutMs: 1_000,
    async onArrival() {
      arrivals += 1;
      if (arrivals === 1) await clock.advance(1_000);
    },
  });
  expect(given).toEqual(use === 'json' ? { value: { ok: true } } : { status: 200, body: '{"ok":true}' });
  expect({ outcome, attempts }).toEqual({ outcome: 'success', attempts: 2 });
});
