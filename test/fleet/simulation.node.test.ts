import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { numberOf } from '../docs/figures.ts';
import { type Outage, simulateOutage } from '../support/fleet-simulation.ts';

test('ten thousand instances leave a dead upstream alone: as many requests as docs/fleet.md says, and all back together', {
  timeout: 120_000,
}, async () => {
  const together = await simulateOutage(10_000, true);
  // At 2,000 calls a second, whoever has five failures first does not take long; then the news is under way for 20 ms.
  expect(together.untilAllOpen).toBeLessThan(10_000);
  // A minute of waits of 10, 20 and 40 seconds.
  expect(together.probes).toBeLessThanOrEqual(5);
  expect(together.recoveredMs).toBeLessThan(130_000);

  const alone = await simulateOutage(10_000, false);
  // What has not opened by then never does, for all at once.
  const askedWhileDown = ({ untilAllOpen, probes }: Outage): number =>
    probes + (Number.isFinite(untilAllOpen) ? untilAllOpen : 0);
  const page = readFileSync('docs/fleet.md', 'utf8');
  const told = (says: RegExp): number[] => says.exec(page)?.slice(1).map(numberOf) ?? [];
  expect(told(/gets (\S+) requests without a fleet, and (\S+) with one: (\S+) until .*, and (\w+) probes/)).toEqual([
    rounded(askedWhileDown(alone), 1_000),
    askedWhileDown(together),
    together.untilAllOpen,
    together.probes,
  ]);
  expect(told(/use it again (\d+) s after .*; without one, the last of them finds out after (\d+) s/)).toEqual([
    together.recoveredMs / 1_000,
    rounded(alone.recoveredMs / 1_000, 1),
  ]);
  // The second before it dies, and the last in which it is down.
  const [before = 0, last = 0] = [alone.perSecond[4], alone.perSecond[64]];
  expect(told(/without a fleet they fall from (\S+) to (\d+), /)).toEqual([before, rounded(last, 100)]);
});

const rounded = (value: number, to: number): number => Math.round(value / to) * to;

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
