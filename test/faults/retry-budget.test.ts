import { expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { scenario } from '../support/scenario.ts';

const faults = ['503', 'cut-body', 'nul-header'];

test.for(faults)('client.json adds at most the budgeted fifth to the load, when all calls meet %s', async (fault) => {
  const clock = new FakeClock(); // stands still: nothing is earned by waiting
  const budget = { ratio: 0.2, minPerSecond: 0 };
  const client = createClient({ clock, breaker: false, retry: { initialDelayMs: 0, budget } });
  const { url, seen } = scenario(fault);
  for (let call = 1; call <= 20; call += 1) await expect(client.json(url)).rejects.toThrow();
  expect(await seen()).toHaveLength(24);
});

test('client.fetch retries as often as minPerSecond allows, each second', async () => {
  const clock = new FakeClock();
  const client = createClient({
    clock,
    breaker: false,
    retry: { initialDelayMs: 0, budget: { ratio: 0, minPerSecond: 2 } },
  });
  const { url, seen } = scenario('503');
  const sendThree = async (): Promise<void> => {
    for (let call = 1; call <= 3; call += 1) await (await client.fetch(url)).body?.cancel();
  };
  await sendThree();
  expect(await seen()).toHaveLength(3 + 2);
  await clock.advance(1_000);
  await sendThree();
  expect(await seen()).toHaveLength(2 * (3 + 2));
});
