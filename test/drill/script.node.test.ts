import { expect, test } from 'vitest';

import {
  capacityPerSecond,
  lengthMs,
  OUTAGE,
  phaseAt,
  RATE_PER_SECOND,
  recoveredAt,
  timed,
} from '../../drill/script.ts';

test('OUTAGE goes through every failure mode in order and ends where it began', () => {
  expect(OUTAGE.map(({ label }) => label)).toEqual(['ok', 'slow', '503', 'cut', 'hang', 'down', 'recover', 'healed']);
  expect(OUTAGE.at(-1)?.conduct).toEqual(OUTAGE[0]?.conduct);
});

test('OUTAGE leaves time for the last calls within 40 seconds', () => {
  const longestCallMs = 3_500;
  expect(lengthMs(OUTAGE) + longestCallMs).toBeLessThanOrEqual(36_000);
});

test('OUTAGE offers more than a slow or recovering upstream can answer, and half of what a healthy one can', () => {
  const room = OUTAGE.map(({ conduct }) => (conduct.kind === 'serve' ? capacityPerSecond(conduct.serviceMs) : 0));
  expect(room).toEqual([66, 16, 0, 66, 0, 0, 20, 66]);
  expect(RATE_PER_SECOND).toBe(30);
});

test('timed() lays the phases end to end', () => {
  const phases = timed(OUTAGE);
  expect(phases[0]?.startsAt).toBe(0);
  for (const [index, phase] of phases.entries()) {
    expect(phase.endsAt - phase.startsAt).toBe(phase.lastsMs);
    expect(phases[index + 1]?.startsAt ?? phase.endsAt).toBe(phase.endsAt);
  }
  expect(phases.at(-1)?.endsAt).toBe(lengthMs(OUTAGE));
});

test('timed() squeezes the phases in proportion, and nothing else', () => {
  const half = timed(OUTAGE, lengthMs(OUTAGE) / 2);
  expect(half.map(({ lastsMs }) => lastsMs)).toEqual(OUTAGE.map(({ lastsMs }) => lastsMs / 2));
  expect(half.map(({ conduct }) => conduct)).toEqual(OUTAGE.map(({ conduct }) => conduct));
});

test.for([
  [-1, 0],
  [0, 0],
  [2_999, 0],
  [3_000, 1],
  [32_499, 7],
  [99_999, 7],
])('phaseAt() finds the phase, at %d ms', ([at = 0, index]) => {
  expect(phaseAt(timed(OUTAGE), at)).toBe(index);
});

test('recoveredAt() is when the first phase begins in which the upstream is back for good', () => {
  const phases = timed(OUTAGE);
  expect(recoveredAt(phases)).toBe(phases.find(({ label }) => label === 'recover')?.startsAt);
});
