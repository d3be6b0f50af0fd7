import { expect, test } from 'vitest';

import { encounter, networkError, uses } from '../support/encounter.ts';
import { engine } from '../support/engine.ts';

// Firefox itself sends a safe request again when the connection ends before a byte of the answer, up to ten times in all
// (its preference network.http.request.max-attempts). Nobody else does, on a connection that was not used before.
const silentTrips = engine === 'firefox' ? 10 : 1;

/** Faults that leave the caller without a response; `trips`: how often one attempt reaches the server. */
const faults = [
  { fault: 'reset', trips: silentTrips },
  { fault: 'empty', trips: silentTrips },
  { fault: 'refused', trips: 0 },
  { fault: 'not-http', trips: 1 },
  { fault: 'nul-header', trips: 1 },
  { fault: 'long-header', trips: 1 },
  // A loop: every engine follows 20 redirects (Fetch standard, HTTP-redirect fetch).
  { fault: 'redirect', trips: 21 },
];
const rows = faults.flatMap((row) => uses.map((use) => ({ ...row, use })));
const passing = rows.filter(({ fault }) => fault !== 'refused' && fault !== 'redirect');

test.for(rows)('client.$use rejects after 3 attempts, failure, for $fault', async ({ fault, use, trips }) => {
  const { given, outcome, attempts, failure, seen } = await encounter(fault, { use });
  expect(given).toEqual({ error: networkError });
  expect({ outcome, attempts, failure }).toEqual({ outcome: 'failure', attempts: 3, failure: 'network' });
  expect(seen).toHaveLength(3 * trips);
});

test.for(passing)(
  'client.$use recovers at the second request, success, for $fault once',
  async ({ fault, use, trips }) => {
    const { given, outcome, attempts, seen } = await encounter(`${fault},ok`, { use });
    expect(given).toEqual(use === 'json' ? { value: { ok: true } } : { status: 200, body: '{"ok":true}' });
    expect({ outcome, attempts }).toEqual({ outcome: 'success', attempts: trips === 1 ? 2 : 1 });
    expect(seen).toHaveLength(2);
  },
);

test('client.fetch follows a redirect within one attempt, for redirect once', async () => {
  const { given, outcome, attempts, seen } = await encounter('redirect,ok');
  expect(given).toMatchObject({ status: 200 });
  expect({ outcome, attempts }).toEqual({ outcome: 'success', attempts: 1 });
  expect(seen).toHaveLength(2);
});

test('client.fetch sends a POST once, for reset', async () => {
  const { given, outcome, attempts, seen } = await encounter('reset', { init: { method: 'POST', body: 'text' } });
  expect(given).toEqual({ error: networkError });
  expect({ outcome, attempts }).toEqual({ outcome: 'failure', attempts: 1 });
  expect(seen).toHaveLength(1);
});

// WebKit takes the answer: it does not compare the two lengths.
const unseen = engine === 'webkit';

test('client.fetch takes two lengths that differ for a network error, where the engine compares them', async () => {
  const { given, outcome, attempts } = await encounter('two-lengths');
  expect(given).toEqual(unseen ? { status: 200, body: '{"ok":true}' } : { error: networkError });
  expect({ outcome, attempts }).toEqual(
    unseen ? { outcome: 'success', attempts: 1 } : { outcome: 'failure', attempts: 3 },
  );
});
