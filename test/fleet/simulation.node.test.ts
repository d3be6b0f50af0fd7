import { expect, test } from 'vitest';

import { simulateOutage } from '../support/fleet-simulation.ts';

test('ten thousand instances leave a dead upstream alone: few failures, one probe at a time, and all back together', {
  timeout: 120_000,
}, async () => {
  const together = await simulateOutage(10_000, true);
  // At 2,000 calls a second, whoever has five failures first does not take long; then the news is under way for 20 ms.
  expect(together.untilAllOpen).toBeLessThan(10_000);
  // A minute of waits of 10, 20 and 40 seconds.
  expect(together.probes).toBeLessThanOrEqual(5);
  expect(together.recoveredMs).toBeLessThan(130_000);
});

test('a thousand instances leave an upstream alone that is down for half an hour: nobody loses patience', {
  timeout: 120_000,
}, async () => {
  const { probes } = await simulateOutage(1_000, true, 1_800_000);
  // Waits of 10, 20, 40, 80 and then 120 seconds, each a fifth longer at most.
  expect(probes).toBeGreaterThanOrEqual(13);
  expect(probes).toBeLessThanOrEqual(20);
});

test('a thousand instances without a fleet pay for it one by one', { timeout: 120_000 }, async () => {
  const alone = await simulateOutage(1_000, false);
  const together = await simulateOutage(1_000, true);
  expect(alone.untilAllOpen + alone.probes).toBeGreaterThan(4_000);
  expect(together.untilAllOpen + together.probes).toBeLessThan((alone.untilAllOpen + alone.probes) / 4);
});
