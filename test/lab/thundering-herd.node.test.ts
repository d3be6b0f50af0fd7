import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { contention, thunderingHerd } from '../../lab/experiments/thundering-herd.ts';

const result = await thunderingHerd.run(1, () => {});
const { herds, contentions } = result;

test.for([...thunderingHerd.findings(result)])('thunderingHerd: $of: $claim', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('thunderingHerd: without jitter all clients come in one tenth of a second, with full jitter at most twice the capacity', () => {
  expect(herds.fixed.peak).toBe(10_000);
  expect(herds.exponential.peak).toBe(10_000);
  expect(herds['full jitter'].peak).toBeLessThan(500);
  expect(herds['exponential'].drainedMs / herds['full jitter'].drainedMs).toBeGreaterThan(15);
});

test('thunderingHerd: equal jitter makes fewer requests than full jitter, and takes longer', () => {
  expect(herds['equal jitter'].total).toBeLessThan(herds['full jitter'].total);
  expect(herds['equal jitter'].drainedMs).toBeGreaterThan(herds['full jitter'].drainedMs);
});

test('thunderingHerd: of clients that contend for a row one wins each round, or with jitter nearly each second call', () => {
  expect(contentions['no backoff'].calls.map(({ second }) => second)).toEqual([10, 25, 50, 75, 100, 150, 200]);
  expect(contentions['full jitter'].calls.at(0)?.value).toBeLessThan(45);
  expect(contentions['full jitter'].calls.at(-1)?.value).toBeLessThan(2_000);
});

test('thunderingHerd gives the same for the same seed, and something else for another', async () => {
  const jittered = { maxAttempts: 100, jitter: 'full', budget: false, statusCodes: [412] } as const;
  const [once, again, other] = [
    await contention(jittered, 20, 1),
    await contention(jittered, 20, 1),
    await contention(jittered, 20, 2),
  ];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});
