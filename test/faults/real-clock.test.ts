import { expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { scenario } from '../support/scenario.ts';

// The platform's own timers and signals against a real socket, with nothing faked. Only the outcome is looked at, never
// how long it took: however slow the machine, a server that says nothing loses.

const limits = [
  { limit: 'attempt timeout', options: { attemptTimeoutMs: 50, retry: false }, code: 'ATTEMPT_TIMEOUT' },
  { limit: 'deadline', options: { deadlineMs: 50 }, code: 'DEADLINE_EXCEEDED' },
] as const;

test.for(limits)('client.fetch rejects with $code, for a server that hangs and $limit', async ({ options, code }) => {
  const client = createClient(options);
  await expect(client.fetch(scenario('hang').url)).rejects.toMatchObject({ name: 'TimeoutError', code });
});

test.for(limits)('client.json rejects with $code, for a body that stalls and $limit', async ({ options, code }) => {
  const client = createClient(options);
  await expect(client.json(scenario('body-stall').url)).rejects.toMatchObject({ name: 'TimeoutError', code });
});

test('client.json backs off and recovers, for 503, reset-chunked and cut-body in a row', async () => {
  const client = createClient({ retry: { maxAttempts: 4, initialDelayMs: 1 } });
  const { url, seen } = scenario('503,reset-chunked,cut-body,ok');
  expect((await client.json(url)).value).toEqual({ ok: true });
  expect(await seen()).toHaveLength(4);
});
