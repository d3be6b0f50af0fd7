import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type BulkheadSizeOptions, bulkheadSize } from '../src/index.ts';

test.for<[options: BulkheadSizeOptions, slots: number]>([
  // The worked examples of the README.
  [{ requestsPerSecond: 200, latencyMs: 50, replicas: 10 }, 1],
  [{ requestsPerSecond: 200, latencyMs: 50, replicas: 10, headroom: 0.5 }, 2],
  [{ requestsPerSecond: 200, latencyMs: 500, replicas: 10 }, 10],
  [{ requestsPerSecond: 200, latencyMs: 500, replicas: 10, headroom: 0.5 }, 15],
  [{ requestsPerSecond: 200, latencyMs: 50 }, 10],
  [{ requestsPerSecond: 1, latencyMs: 1, replicas: 100 }, 1],
  // 1.1 × 10 is a little more than 11 in floating point.
  [{ requestsPerSecond: 100, latencyMs: 100, headroom: 0.1 }, 11],
  [{ requestsPerSecond: 101, latencyMs: 100 }, 11],
  [{ requestsPerSecond: 0.5, latencyMs: 10_000 }, 5],
])('bulkheadSize(%j) is %d', ([options, slots]) => {
  expect(bulkheadSize(options)).toBe(slots);
});

test('bulkheadSize() is enough, and less than one slot more than that', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      fc.integer({ min: 1, max: 1_000 }),
      (requestsPerSecond, latencyMs, replicas) => {
        const busy = (requestsPerSecond * latencyMs) / 1_000 / replicas;
        const slots = bulkheadSize({ requestsPerSecond, latencyMs, replicas });
        expect(slots).toBeGreaterThanOrEqual(Math.floor(busy));
        expect(slots - busy).toBeLessThan(1);
        expect(Number.isInteger(slots)).toBe(true);
      },
    ),
  );
});

test.for<[options: unknown, message: string]>([
  [{ latencyMs: 50 }, 'bulkheadSize.requestsPerSecond must be a number above 0, got undefined'],
  [{ requestsPerSecond: 200 }, 'bulkheadSize.latencyMs must be a number above 0, got undefined'],
  [{ requestsPerSecond: 0, latencyMs: 50 }, 'bulkheadSize.requestsPerSecond must be a number above 0, got 0'],
  [{ requestsPerSecond: '200', latencyMs: 50 }, 'bulkheadSize.requestsPerSecond must be a number above 0, got "200"'],
  [{ requestsPerSecond: 1, latencyMs: Infinity }, 'bulkheadSize.latencyMs must be a number above 0, got Infinity'],
  [
    { requestsPerSecond: 1, latencyMs: 1, replicas: 0.5 },
    'bulkheadSize.replicas must be an integer of at least 1, got 0.5',
  ],
  [
    { requestsPerSecond: 1, latencyMs: 1, headroom: -1 },
    'bulkheadSize.headroom must be a number of at least 0, got -1',
  ],
  [{ rps: 1 }, 'bulkheadSize.rps is not an option; there are requestsPerSecond, latencyMs, replicas, headroom'],
  [undefined, 'bulkheadSize must be an object, got undefined'],
])('bulkheadSize(%j) is refused', ([options, message]) => {
  expect(() => bulkheadSize(options as BulkheadSizeOptions)).toThrow(message);
});
