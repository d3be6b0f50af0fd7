import fc from 'fast-check';
import { expect, test } from 'vitest';

import { ConcurrencyLimit, type Sample, type Sign } from '../../src/model/concurrency-limit.ts';
import { RUNS } from './bench.ts';

/** So many calls that end alike, one after the other. */
interface Ended {
  readonly sign: Sign;
  readonly latencyMs: number;
  /** A share of what may run, or more, where there were more before. */
  readonly used: number;
  readonly afterMs: number;
  /** The wall clock may jump. */
  readonly jumpMs: number;
  readonly times: number;
}

const ended = fc.record<Ended>({
  sign: fc.constantFrom('served', 'served', 'served', 'dropped', 'cut' as const),
  latencyMs: fc.oneof(fc.constantFrom(0, 10, 100, 1_000), fc.double({ min: 0, max: 1e9, noNaN: true })),
  used: fc.constantFrom(0.1, 0.49, 0.5, 1, 1, 1, 3),
  afterMs: fc.oneof(fc.constantFrom(0, 1, 10, 200), fc.double({ min: 0, max: 1e7, noNaN: true })),
  jumpMs: fc.constantFrom(0, 0, 0, 3_600_000, -3_600_000),
  times: fc.constantFrom(1, 20, 50),
});

/** Plays what has ended, and gives each sample, and the limit before and after. */
function play(script: readonly Ended[]) {
  const limit = new ConcurrencyLimit();
  let now = 0;
  let epochNow = Date.UTC(2026, 0, 1);
  const steps: { sample: Sample; before: number; after: number }[] = [];
  for (const { sign, latencyMs, used, afterMs, jumpMs, times } of script) {
    epochNow += jumpMs;
    for (let time = 0; time < times; time += 1) {
      now += afterMs;
      epochNow += afterMs;
      const before = limit.value;
      const sample = { sign, latencyMs, running: Math.max(1, Math.floor(before * used)), now, epochNow };
      limit.note(sample);
      steps.push({ sample, before, after: limit.value });
    }
  }
  return steps;
}

const script = fc.array(ended, { maxLength: 60, size: 'max' });

test('ConcurrencyLimit is whole, from 1 to 1,000, after any calls', () => {
  fc.assert(
    fc.property(script, (given) => {
      for (const { after } of play(given)) {
        expect(Number.isInteger(after)).toBe(true);
        expect(after).toBeGreaterThanOrEqual(1);
        expect(after).toBeLessThanOrEqual(1_000);
      }
    }),
    RUNS,
  );
});

test('ConcurrencyLimit stays what it is, after any calls of which no more than a third ever ran at once', () => {
  const few = ended.map((each) => ({ ...each, used: 0.3 }));
  fc.assert(
    fc.property(fc.array(few, { maxLength: 60, size: 'max' }), (given) => {
      for (const { after } of play(given)) expect(after).toBe(20);
    }),
    RUNS,
  );
});

test('ConcurrencyLimit grows again where all is well, whatever there was before', () => {
  fc.assert(
    fc.property(script, (given) => {
      const well = { sign: 'served', latencyMs: 100, used: 1, afterMs: 10, jumpMs: 0, times: 1 } as const;
      const after = play([...given, ...Array.from({ length: 40_000 }, () => well)]).map((step) => step.after);
      expect(Math.max(...after.slice(-10_000))).toBeGreaterThan(20);
    }),
    { ...RUNS, numRuns: 20 },
  );
});
