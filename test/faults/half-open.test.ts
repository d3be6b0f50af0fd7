import { expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { stateOf } from '../support/encounter.ts';
import { refusedUrl, scenario } from '../support/scenario.ts';

/** What a probe finds, and where the circuit is afterwards. */
const probes = [
  { fault: 'ok', leaves: 'closed' },
  { fault: '404', leaves: 'closed' },
  { fault: '429', leaves: 'half-open' },
  { fault: '503', leaves: 'open' },
  { fault: '501', leaves: 'open' },
  { fault: 'reset', leaves: 'open' },
  { fault: 'empty', leaves: 'open' },
  { fault: 'refused', leaves: 'open' },
  { fault: 'redirect', leaves: 'open' },
  { fault: 'cut-body', leaves: 'open' },
  { fault: 'reset-chunked', leaves: 'open' },
  { fault: 'gzip-corrupt', leaves: 'open' },
];

function openCircuit(clock: FakeClock) {
  return createClient({
    clock,
    random: () => 0,
    isolateBy: () => 'dependency',
    retry: false,
    attemptTimeoutMs: 1_000,
    breaker: { failureThreshold: 1, successThreshold: 1, resetTimeoutMs: 10_000 },
  });
}

test.for(probes)('client.json leaves the circuit $leaves, when the probe meets $fault', async ({ fault, leaves }) => {
  const clock = new FakeClock();
  const client = openCircuit(clock);
  await client.fetch(scenario('503').url);
  await expect(client.json(scenario('ok').url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });

  await clock.advance(10_000);
  await client.json(fault === 'refused' ? await refusedUrl() : scenario(fault).url).catch(() => {});
  expect(stateOf(client)?.breaker?.state).toBe(leaves);
});

const silentProbes = [
  { limit: 'the attempt timeout', end: (clock: FakeClock) => clock.advance(1_000), leaves: 'open' },
  { limit: 'an abort', end: (_: FakeClock, abort: () => void) => abort(), leaves: 'half-open' },
];

test.for(silentProbes)(
  'client.fetch leaves the circuit $leaves, when $limit ends a probe that hangs',
  async ({ end, leaves }) => {
    const clock = new FakeClock();
    const client = openCircuit(clock);
    await client.fetch(scenario('503').url);
    await clock.advance(10_000);

    const { url, arrived } = scenario('hang');
    const controller = new AbortController();
    const probe = client.fetch(url, { signal: controller.signal }).catch(() => {});
    await arrived(1);
    await expect(client.fetch(scenario('ok').url)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' }); // one probe at a time
    await end(clock, () => controller.abort());
    await probe;
    expect(stateOf(client)?.breaker?.state).toBe(leaves);
  },
);
