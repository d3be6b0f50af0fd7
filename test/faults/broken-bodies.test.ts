import { expect, test } from 'vitest';

import { broken, encounter, networkError } from '../support/encounter.ts';
import { type Engine, engine } from '../support/engine.ts';

const everyEngineButWorkerd: readonly Engine[] = ['node', 'happy-dom', 'chromium', 'firefox', 'webkit'];

/**
 * Bodies that break after a sound head. `unseenBy`: engines that take what has come for the whole body, so that
 * `response.text()` gives a part of it without an error. What is left is no JSON any more, and `client.json` sees that.
 */
const rows: readonly { fault: string; unseenBy?: readonly Engine[]; rest?: string }[] = [
  { fault: 'cut-body', unseenBy: ['webkit'], rest: '{"ok":' },
  { fault: 'cut-chunked', unseenBy: ['webkit'], rest: '{"ok":' },
  { fault: 'reset-body' },
  { fault: 'reset-chunked' },
  // WebKit hands out the compressed bytes.
  { fault: 'gzip-corrupt', unseenBy: ['webkit'], rest: expect.stringContaining('\u001f') },
  { fault: 'gzip-cut', unseenBy: everyEngineButWorkerd, rest: '{"ok' },
];

test.for(rows)('client.fetch hands out the response, success, for $fault', async ({ fault, unseenBy, rest }) => {
  const { given, outcome, attempts } = await encounter(fault);
  expect(given).toEqual({ status: 200, body: unseenBy?.includes(engine) ? rest : broken });
  expect({ outcome, attempts }).toEqual({ outcome: 'success', attempts: 1 });
});

test.for(rows)('client.json rejects after 3 requests, failure, for $fault', async ({ fault }) => {
  const { given, outcome, failure, seen } = await encounter(fault, { use: 'json' });
  expect(given).toEqual({ error: networkError });
  expect({ outcome, failure }).toEqual({ outcome: 'failure', failure: 'body' });
  expect(seen).toHaveLength(3);
});

test.for(rows)('client.json recovers at the second request, success, for $fault once', async ({ fault }) => {
  const { given, outcome, seen } = await encounter(`${fault},ok`, { use: 'json' });
  expect(given).toEqual({ value: { ok: true } });
  expect(outcome).toBe('success');
  expect(seen).toHaveLength(2);
});

test('client.json rejects with the same error on every engine, for a body that breaks', async () => {
  const { thrown } = await encounter('reset-body', { use: 'json' });
  expect(thrown).toBeInstanceOf(TypeError);
  expect(thrown).toMatchObject({ cause: expect.anything() });
});

// Half a number is a number: what is missing shows in the length alone.
const number = 'body=1234567890';

// WebKit takes a cut body for the whole one, and across origins its length may be that of the compressed body.
const unseen = engine === 'webkit';

test('client.json notices that half a number is missing, for cut-body where the engine or the length tells', async () => {
  const { given, outcome } = await encounter(`cut-body;${number}`, { use: 'json' });
  expect(given).toEqual(unseen ? { value: 12_345 } : { error: networkError });
  expect(outcome).toBe(unseen ? 'success' : 'failure');
});

// Without a length it cannot know at all: the last chunk is what it does not look for.

test('client.json cannot notice half a number, for cut-chunked where the engine hides the cut', async () => {
  const { given, outcome } = await encounter(`cut-chunked;${number}`, { use: 'json' });
  expect(given).toEqual(unseen ? { value: 12_345 } : { error: networkError });
  expect(outcome).toBe(unseen ? 'success' : 'failure');
});

test('client.json gives the value, for unended-chunked where the engine hides the missing end', async () => {
  const { given, outcome } = await encounter('unended-chunked', { use: 'json' });
  expect(given).toEqual(unseen ? { value: { ok: true } } : { error: networkError });
  expect(outcome).toBe(unseen ? 'success' : 'failure');
});

test('client.json rejects after 3 requests, failure, for a page that is not JSON', async () => {
  const { given, outcome, seen } = await encounter('200;body=<html>', { use: 'json' });
  expect(given).toEqual({ error: networkError });
  expect(outcome).toBe('failure');
  expect(seen).toHaveLength(3);
});

const whole = ['ok', 'gzip', 'slow-body;everyMs=1', 'slow-headers;everyMs=0'];

test.for(whole)('client.json gives the value after 1 request, success, for %s', async (fault) => {
  const { given, outcome, seen } = await encounter(fault, { use: 'json' });
  expect(given).toEqual({ value: { ok: true } });
  expect(outcome).toBe('success');
  expect(seen).toHaveLength(1);
});
