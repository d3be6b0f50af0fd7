import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { halfOpen, outage } from '../../lab/experiments/half-open.ts';

const result = await halfOpen.run(1, () => {});
const { runs, warm, cold } = result;

test.for([...halfOpen.findings(result)])('halfOpen: $of: $claim', (finding) => {
  expect(holds(finding), `${finding.value}`).toBe(true);
});

test('halfOpen: ten probes are ten times the load, a wait that grows a fifth of it, and a fleet sends next to none', () => {
  const { share } = runs['every 10 s'];
  expect(runs['ten probes, every 10 s'].share / share).toBeCloseTo(9.3, 0);
  expect(runs['growing to 120 s, jittered'].share / share).toBeCloseTo(0.2, 1);
  expect(runs['to 120 s, in a fleet'].share * 2_000 * 100).toBeLessThan(10);
});

test('halfOpen: jitter halves the worst second once the wait has grown', () => {
  const [plain, jittered] = [runs['growing to 120 s'], runs['growing to 120 s, jittered']];
  expect(jittered.mostPerSecond / plain.mostPerSecond).toBeLessThan(0.6);
});

test('halfOpen: probes every 10 s never let a cold service get up, waits that have grown do', () => {
  expect(runs['every 10 s, jittered'].backSeconds).toBe(Infinity);
  expect(runs['growing to 30 s, jittered'].backSeconds).toBeLessThan(70);
  expect(runs['growing to 120 s, jittered'].backSeconds).toBeLessThan(70);
  expect(cold['every 10 s, jittered'].knockedOver).toBeGreaterThan(cold['growing to 30 s, jittered'].knockedOver);
});

test('halfOpen: a wait of up to 120 s loses three times as many calls as one of up to 30 s', () => {
  const lost = (name: keyof typeof warm): number => warm[name].lostSeconds.reduce((sum, { value }) => sum + value, 0);
  expect(lost('growing to 120 s, jittered') / lost('growing to 30 s, jittered')).toBeGreaterThan(2.7);
});

test('halfOpen gives the same for the same seed, and something else for another', async () => {
  const world = { instances: 20, downMs: 60_000, coldSlower: 5 };
  const run = (seed: number) => outage({ breaker: {} }, world, seed, () => {});
  const [once, again, other] = [await run(1), await run(1), await run(2)];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});
