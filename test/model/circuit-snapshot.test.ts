import { expect, test } from 'vitest';

import {
  admit,
  type Circuit,
  type CircuitLimits,
  closedCircuit,
  isolatedCircuit,
  settle,
} from '../../src/model/circuit.ts';
import { type CircuitSnapshot, circuitSnapshot, restoredCircuit } from '../../src/model/circuit-snapshot.ts';

const limits: CircuitLimits = {
  failureThreshold: 5,
  successThreshold: 3,
  resetTimeoutMs: 10_000,
  maxResetTimeoutMs: 120_000,
  resetJitter: 0.5,
};

const window = { minimumCalls: 10, failureRate: 0.5, slowCallMs: 1_000, slowCallRate: 0.5 };
const byCount: CircuitLimits = { ...limits, window: { ...window, span: { size: 20 } } };
const byTime: CircuitLimits = { ...limits, window: { ...window, span: { durationMs: 10_000 } } };

const untroubled: CircuitSnapshot = {
  state: 'closed',
  retryAfterMs: 0,
  failedProbes: 0,
  successfulProbes: 0,
  consecutiveFailures: 0,
  window: null,
};

/** Runs calls, each at once: `f` fails, `s` succeeds, `l` succeeds late. */
function after(calls: string, circuit: Circuit, now: number, within: CircuitLimits): Circuit {
  let current = circuit;
  for (const letter of calls) {
    const admission = admit(current, now, within);
    if (!('ticket' in admission)) throw new Error('refused');
    const report = {
      outcome: letter === 'f' ? ('failure' as const) : ('success' as const),
      durationMs: letter === 'l' ? 1_000 : 0,
      retryAfterMs: 0,
    };
    current = settle(admission.circuit, admission.ticket, report, now, within, () => 0);
  }
  return current;
}

function through(snapshot: CircuitSnapshot): CircuitSnapshot {
  return JSON.parse(JSON.stringify(snapshot));
}

// What a snapshot says.

test('circuitSnapshot() of a closed circuit tells the failures in a row', () => {
  const circuit = closedCircuit(0, 0, limits);
  expect(circuitSnapshot(circuit, 0, limits)).toEqual(untroubled);
  expect(circuitSnapshot(after('sffff', circuit, 0, limits), 0, limits)).toEqual({
    ...untroubled,
    consecutiveFailures: 4,
  });
});

test('circuitSnapshot() of a closed circuit with a window tells what is in it at that time', () => {
  const circuit = after('flsfl', closedCircuit(0, 500, byTime), 500, byTime);
  expect(circuitSnapshot(circuit, 500, byTime)).toEqual({ ...untroubled, window: { calls: 5, failures: 2, slow: 2 } });
  expect(circuitSnapshot(circuit, 10_500, byTime)).toEqual({
    ...untroubled,
    window: { calls: 0, failures: 0, slow: 0 },
  });
});

test('circuitSnapshot() is a copy: what happens later does not show in it', () => {
  const circuit = after('ff', closedCircuit(0, 0, byCount), 0, byCount);
  const snapshot = circuitSnapshot(circuit, 0, byCount);
  after('fff', circuit, 0, byCount);
  expect(snapshot.window).toEqual({ calls: 2, failures: 2, slow: 0 });
});

test('circuitSnapshot() of an open circuit tells what is left of the wait, and how many probes failed', () => {
  const circuit: Circuit = { state: 'open', generation: 9, retryAt: 30_000, trips: 3 };
  expect(circuitSnapshot(circuit, 10_000, limits)).toEqual({
    ...untroubled,
    state: 'open',
    retryAfterMs: 20_000,
    failedProbes: 3,
  });
});

test('circuitSnapshot() of a half-open circuit tells the probes that succeeded, and how long the one under way may take', () => {
  const circuit: Circuit = { state: 'half-open', generation: 9, trips: 3, successes: 2, lost: 0 };
  const expected = { ...untroubled, state: 'half-open', failedProbes: 3, successfulProbes: 2 };
  expect(circuitSnapshot(circuit, 10_000, limits)).toEqual(expected);
  expect(circuitSnapshot({ ...circuit, probeAt: 9_000 }, 10_000, limits)).toEqual({ ...expected, retryAfterMs: 9_000 });
});

test('circuitSnapshot() of an isolated circuit has null for the wait without end, which JSON can carry', () => {
  const snapshot = circuitSnapshot(isolatedCircuit(4), 0, limits);
  expect(snapshot).toEqual({ ...untroubled, state: 'open', retryAfterMs: null });
  expect(through(snapshot)).toEqual(snapshot);
});

// There and back.

const circuits: readonly { what: string; circuit: Circuit; within: CircuitLimits }[] = [
  { what: 'closed', circuit: closedCircuit(0, 0, limits), within: limits },
  { what: 'closed after failures', circuit: after('ffff', closedCircuit(0, 0, limits), 0, limits), within: limits },
  { what: 'closed, by count', circuit: after('ffllsss', closedCircuit(0, 0, byCount), 0, byCount), within: byCount },
  { what: 'closed, by time', circuit: after('fllsss', closedCircuit(0, 0, byTime), 0, byTime), within: byTime },
  { what: 'open', circuit: { state: 'open', generation: 5, retryAt: 8_000, trips: 2 }, within: limits },
  { what: 'isolated', circuit: isolatedCircuit(5), within: limits },
  {
    what: 'half-open',
    circuit: { state: 'half-open', generation: 5, trips: 2, successes: 1, lost: 0 },
    within: limits,
  },
];

test.for(circuits)(
  'restoredCircuit() is the circuit the snapshot was taken of, when it is $what and no time has passed',
  (row) => {
    const snapshot = through(circuitSnapshot(row.circuit, 0, row.within));
    for (const now of [0, 777_777]) {
      const restored = restoredCircuit(snapshot, 0, now, row.within);
      expect(circuitSnapshot(restored, now, row.within)).toEqual(snapshot);
    }
  },
);

test('restoredCircuit() opens at the failure that was still missing', () => {
  const restored = restoredCircuit({ ...untroubled, consecutiveFailures: 3 }, 60_000, 0, limits);
  const further = after('f', restored, 0, limits);
  expect(further.state).toBe('closed');
  expect(after('f', further, 0, limits).state).toBe('open');
});

test('restoredCircuit() is closed, whatever number of failures the snapshot claims', () => {
  const restored = restoredCircuit({ ...untroubled, consecutiveFailures: 1e6 }, 0, 0, limits);
  expect(restored).toMatchObject({ state: 'closed', failures: 4 });
  expect(after('f', restored, 0, limits).state).toBe('open');
});

// Time that passes in between.

const waits = [
  { retryAfterMs: 10_000, elapsedMs: 0, waitMs: 10_000 },
  { retryAfterMs: 10_000, elapsedMs: 4_000, waitMs: 6_000 },
  { retryAfterMs: 10_000, elapsedMs: 10_000, waitMs: 0 },
  { retryAfterMs: 10_000, elapsedMs: 86_400_000, waitMs: 0 },
  // The longest wait of our own is maxResetTimeoutMs with all of its jitter.
  { retryAfterMs: 180_000, elapsedMs: 0, waitMs: 180_000 },
  { retryAfterMs: 180_001, elapsedMs: 0, waitMs: 180_000 },
  { retryAfterMs: 315_360_000_000, elapsedMs: 60_000, waitMs: 180_000 },
];

test.for(waits)('restoredCircuit() refuses for $waitMs ms, when $retryAfterMs were left $elapsedMs ms ago', (row) => {
  const snapshot: CircuitSnapshot = { ...untroubled, state: 'open', retryAfterMs: row.retryAfterMs, failedProbes: 2 };
  expect(restoredCircuit(snapshot, row.elapsedMs, 5_000, limits)).toEqual({
    state: 'open',
    generation: 0,
    retryAt: 5_000 + row.waitMs,
    trips: 2,
  });
});

test('restoredCircuit() remains isolated, however long ago that was', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, state: 'open', retryAfterMs: null };
  expect(restoredCircuit(snapshot, 86_400_000, 0, limits)).toEqual(isolatedCircuit(0));
});

test('restoredCircuit() takes the next call as the probe, though another was under way when the snapshot was taken', () => {
  const probing: Circuit = { state: 'half-open', generation: 5, trips: 2, successes: 1, lost: 1, probeAt: 0 };
  const restored = restoredCircuit(through(circuitSnapshot(probing, 0, limits)), 0, 0, limits);
  expect(restored).toEqual({ state: 'half-open', generation: 0, trips: 2, successes: 1, lost: 0 });
  expect(admit(restored, 0, limits)).toHaveProperty('ticket');
});

test('restoredCircuit() still wants a probe, whatever number of them the snapshot claims', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, state: 'half-open', successfulProbes: 1e6 };
  const restored = restoredCircuit(snapshot, 0, 0, limits);
  expect(restored).toMatchObject({ state: 'half-open', successes: 2 });
  expect(after('s', restored, 0, limits).state).toBe('closed');
});

test.for([
  { elapsedMs: 0, calls: 8 },
  { elapsedMs: 8_999, calls: 8 },
  { elapsedMs: 10_000, calls: 0 },
  { elapsedMs: 86_400_000, calls: 0 },
])(
  'restoredCircuit() has $calls of 8 calls in a window of 10 s, when they are $elapsedMs ms old',
  ({ elapsedMs, calls }) => {
    const snapshot: CircuitSnapshot = { ...untroubled, window: { calls: 8, failures: 4, slow: 2 } };
    // The monotonic clock of a new process starts near 0: what is restored began before it.
    for (const now of [0, 500_000]) {
      const restored = restoredCircuit(snapshot, elapsedMs, now, byTime);
      const expected = calls === 0 ? { calls: 0, failures: 0, slow: 0 } : snapshot.window;
      expect(circuitSnapshot(restored, now, byTime).window).toEqual(expected);
    }
  },
);

test('restoredCircuit() keeps the calls of a window by count, however old they are', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, window: { calls: 8, failures: 4, slow: 2 } };
  const restored = restoredCircuit(snapshot, 86_400_000, 0, byCount);
  expect(circuitSnapshot(restored, 0, byCount).window).toEqual(snapshot.window);
});

// Snapshots that other options have made, or nobody.

test('restoredCircuit() starts with an empty window, when the snapshot has none', () => {
  const restored = restoredCircuit({ ...untroubled, consecutiveFailures: 3 }, 0, 0, byCount);
  expect(circuitSnapshot(restored, 0, byCount).window).toEqual({ calls: 0, failures: 0, slow: 0 });
});

test('restoredCircuit() has no window, when only the snapshot has one', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, window: { calls: 8, failures: 4, slow: 2 } };
  expect(restoredCircuit(snapshot, 0, 0, limits)).toEqual(closedCircuit(0, 0, limits));
});

test('restoredCircuit() stays below the size of the window, when the snapshot has more calls', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, window: { calls: 1_000, failures: 0, slow: 0 } };
  const restored = restoredCircuit(snapshot, 0, 0, byCount);
  expect(circuitSnapshot(restored, 0, byCount).window).toEqual({ calls: 20, failures: 0, slow: 0 });
});

test('restoredCircuit() keeps the rates, when the window has become smaller', () => {
  const snapshot: CircuitSnapshot = { ...untroubled, window: { calls: 100, failures: 20, slow: 10 } };
  const restored = restoredCircuit(snapshot, 0, 0, byCount);
  expect(circuitSnapshot(restored, 0, byCount).window).toEqual({ calls: 20, failures: 4, slow: 2 });
  expect(after('s', restored, 0, byCount).state).toBe('closed');
});

test('restoredCircuit() takes no longer, the more calls the snapshot claims', { timeout: 2_000 }, () => {
  const window = { calls: 500_000_000, failures: 100, slow: 10 };
  const restored = restoredCircuit({ ...untroubled, window }, 0, 0, byTime);
  expect(circuitSnapshot(restored, 0, byTime).window).toEqual(window);
});
