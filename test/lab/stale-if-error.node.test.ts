import { expect, test } from 'vitest';

import { holds } from '../../lab/experiment.ts';
import { outages, percentAnswered, staleIfError } from '../../lab/experiments/stale-if-error.ts';

const result = await staleIfError.run(1, () => {});

test.for(staleIfError.findings(result))('$claim', (finding) => {
  expect(finding).toSatisfy(holds);
});

test('staleIfErrorMs is how long an outage may be, if the store has room', () => {
  expect(percentAnswered(result, '24 hours', 480)).toBeGreaterThan(99);
  expect(percentAnswered(result, '24 hours', 1_440)).toBeGreaterThan(90);
  expect(percentAnswered(result, '1 hour', 10)).toBeGreaterThan(percentAnswered(result, '1 hour', 60));
  expect(percentAnswered(result, '1 hour', 480)).toBeLessThan(10);
  expect(percentAnswered(result, '10 minutes', 60)).toBeLessThan(10);
});

test('a store that is too small is not helped by a longer staleIfErrorMs', () => {
  const [short, long] = [1, 1_440].map((minutes) => percentAnswered(result, '1,000 entries', minutes));
  expect(short).toBeLessThan(70);
  expect(long).toBeLessThan(70);
  expect(percentAnswered(result, '1,000 entries', 10)).toBeLessThan(percentAnswered(result, '1 hour', 10));
});

test('the same seed gives the same answers, and another one gives others', async () => {
  const small = (seed: number) => outages(seed, () => {}, { perSecond: 0.05, perStretch: 20 });
  const first = await small(1);
  expect(await small(1)).toEqual(first);
  expect(await small(2)).not.toEqual(first);
});
