import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { hedging } from '../../lab/experiments/hedging.ts';

const result = await hedging.run(1, () => {});

test.for(hedging.findings(result))('Hedged, $of: $claim, as expected', (finding) => {
  expect(finding.value).toBeGreaterThanOrEqual(-2);
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('Hedges after the 95th percentile cut the slowest hundredth by half, for a twentieth of load, and are no burden in a spike', () => {
  const { quiet, busy } = result;
  const hedged = quiet['after the 95th percentile'];
  expect(hedged.p99).toBeLessThan(quiet['no hedge'].p99 / 2);
  expect(hedged.p999).toBeLessThan(quiet['no hedge'].p999 / 3);
  expect(hedged.p50).toBeCloseTo(quiet['no hedge'].p50, 0);
  expect(hedged.extra).toBeGreaterThan(0.03);
  expect(hedged.extra).toBeLessThan(0.05);
  // Most of what is sent too early is sent for nothing, and what the budget grants is spent when it matters.
  expect(quiet['too early'].p999).toBeGreaterThan(3 * hedged.p999);
  expect(busy['too early, no budget'].recoverySeconds).toBe(Infinity);
  expect(busy['after the 95th percentile'].recoverySeconds).toBeLessThan(6);
});
