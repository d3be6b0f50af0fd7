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

test('a thousand instances without a fleet pay for it one by one', { timeout: 120_000 }, async () => {
  const alone = await simulateOutage(1_000, false);
  const together = await simulateOutage(1_000, true);
  expect(alone.untilAllOpen + alone.probes).toBeGreaterThan(4_000);
  expect(together.untilAllOpen + together.probes).toBeLessThan((alone.untilAllOpen + alone.probes) / 4);
});
