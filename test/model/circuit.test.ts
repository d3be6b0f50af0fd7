import { expect, test } from 'vitest';

import {
  admit,
  advance,
  type Circuit,
  type CircuitLimits,
  closedCircuit,
  isolatedCircuit,
  type Report,
  refusalMs,
  settle,
  type Ticket,
  type WindowLimits,
} from '../../src/model/circuit.ts';
import { type RollingWindow, windowTotals } from '../../src/model/rolling-window.ts';

const defaults: CircuitLimits = {
  failureThreshold: 5,
  successThreshold: 2,
  resetTimeoutMs: 10_000,
  maxResetTimeoutMs: 120_000,
  resetJitter: 0,
};

/** A circuit and the time: the functions are pure, and somebody has to keep what they return. */
class Bench {
  circuit: Circuit;
  now: number;
  readonly limits: CircuitLimits;
  readonly random: () => number;

  constructor(changes: Partial<CircuitLimits> = {}, random: () => number = () => 0, now = 0) {
    this.limits = { ...defaults, ...changes };
    this.random = random;
    this.now = now;
    this.circuit = closedCircuit(0, now, this.limits);
  }

  /** A ticket, or the milliseconds for which the circuit refuses. */
  ask(): { ticket: Ticket } | { retryAfterMs: number } {
    const { circuit, ...answer } = admit(this.circuit, this.now, this.limits);
    this.circuit = circuit;
    return answer;
  }

  /** Admits a call that has to be admitted. */
  admit(): Ticket {
    const answer = this.ask();
    if ('ticket' in answer) return answer.ticket;
    throw new Error(`refused for ${answer.retryAfterMs} ms`);
  }

  settle(ticket: Ticket, outcome: Report['outcome'], facts: Partial<Report> = {}): void {
    const report = { outcome, durationMs: 0, retryAfterMs: 0, ...facts };
    this.circuit = settle(this.circuit, ticket, report, this.now, this.limits, this.random);
  }

  /** Calls one after another: `f` fails, `s` succeeds, `i` is ignored. */
  run(calls: string, facts: Partial<Report> = {}): void {
    for (const letter of calls) {
      this.settle(this.admit(), letter === 'f' ? 'failure' : letter === 's' ? 'success' : 'ignored', facts);
    }
  }

  get state(): Circuit['state'] {
    return this.circuit.state;
  }

  get refusalMs(): number {
    return refusalMs(this.circuit, this.now, this.limits);
  }
}

/** Opened at the bench's time. */
function openBench(changes: Partial<CircuitLimits> = {}, random?: () => number): Bench {
  const bench = new Bench(changes, random);
  bench.run('f'.repeat(bench.limits.failureThreshold));
  expect(bench.state).toBe('open');
  return bench;
}

/** Half-open, with the ticket of the probe under way. */
function probingBench(changes: Partial<CircuitLimits> = {}, random?: () => number): { bench: Bench; probe: Ticket } {
  const bench = openBench(changes, random);
  bench.now += bench.refusalMs;
  const probe = bench.admit();
  expect(bench.state).toBe('half-open');
  return { bench, probe };
}

// Failures in a row.

const rows = [
  { calls: '', state: 'closed' },
  { calls: 'ffff', state: 'closed' },
  { calls: 'fffff', state: 'open' },
  { calls: 'ffffsffff', state: 'closed' },
  { calls: 'ffffsfffff', state: 'open' },
  { calls: 'ffffif', state: 'open' },
  { calls: 'fffffi', state: 'refused' },
  { calls: 'i'.repeat(50), state: 'closed' },
  { calls: 's'.repeat(50), state: 'closed' },
  { calls: 'fs'.repeat(50), state: 'closed' },
];

test.for(rows)('settle() leaves the circuit $state, after "$calls"', ({ calls, state }) => {
  const bench = new Bench();
  if (state === 'refused') expect(() => bench.run(calls)).toThrow('refused for 10000 ms');
  else {
    bench.run(calls);
    expect(bench.state).toBe(state);
  }
});

test('settle() opens at the first failure, when the threshold is 1', () => {
  const bench = new Bench({ failureThreshold: 1 });
  bench.run('s');
  expect(bench.state).toBe('closed');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test('settle() makes no new circuit, when a success or an ignored call changes nothing', () => {
  const bench = new Bench();
  const { circuit } = bench;
  bench.run('si');
  expect(bench.circuit).toBe(circuit);
});

test('settle() does not look at the duration, without a window', () => {
  const bench = new Bench();
  bench.run('s'.repeat(50), { durationMs: Infinity });
  expect(bench.circuit).toEqual({ state: 'closed', generation: 0, failures: 0 });
});

test('closedCircuit() has no window, when none is asked for', () => {
  expect(closedCircuit(7, 0, defaults)).toEqual({ state: 'closed', generation: 7, failures: 0 });
});

// Open.

test('admit() refuses with what is left of the reset timeout, when the circuit is open', () => {
  const bench = openBench();
  for (const [now, left] of [
    [0, 10_000],
    [1, 9_999],
    [9_999, 1],
  ] as const) {
    bench.now = now;
    expect(bench.ask()).toEqual({ retryAfterMs: left });
    expect(bench.state).toBe('open');
  }
});

test('settle() opens once, when ten calls under way fail one after another', () => {
  const bench = new Bench();
  const tickets = Array.from({ length: 10 }, () => bench.admit());
  const seen: Circuit[] = [];
  for (const ticket of tickets) {
    bench.settle(ticket, 'failure');
    if (seen.at(-1) !== bench.circuit) seen.push(bench.circuit);
    bench.now += 100;
  }
  expect(seen.map(({ state }) => state)).toEqual(['closed', 'closed', 'closed', 'closed', 'open']);
  // Counted from the opening, at the fifth failure.
  expect(bench.circuit).toMatchObject({ state: 'open', retryAt: 400 + 10_000 });
});

test('advance() moves an open circuit on at the end of its reset timeout, and not before', () => {
  const bench = openBench();
  expect(advance(bench.circuit, 9_999)).toBe(bench.circuit);
  expect(advance(bench.circuit, 10_000)).toEqual({
    state: 'half-open',
    generation: bench.circuit.generation + 1,
    trips: 0,
    successes: 0,
    lost: 0,
  });
  expect(advance(bench.circuit, 3_600_000).state).toBe('half-open');
});

test('advance() leaves a closed and a half-open circuit as they are', () => {
  const { circuit } = new Bench();
  expect(advance(circuit, 1e9)).toBe(circuit);
  const { bench } = probingBench();
  expect(advance(bench.circuit, 1e9)).toBe(bench.circuit);
});

// Half-open.

test('admit() lets one probe through at the end of the reset timeout, and refuses 99 others', () => {
  const bench = openBench();
  bench.now = 10_000;
  const answers = Array.from({ length: 100 }, () => bench.ask());
  expect(answers.filter((answer) => 'ticket' in answer)).toHaveLength(1);
  expect(answers.slice(1)).toEqual(new Array(99).fill({ retryAfterMs: 10_000 }));
});

test('settle() closes the circuit after the second probe, each let through alone', () => {
  const { bench, probe } = probingBench();
  bench.now += 3_000;
  expect(bench.ask()).toEqual({ retryAfterMs: 7_000 });
  bench.settle(probe, 'success');
  expect(bench.state).toBe('half-open');
  const second = bench.admit();
  expect(bench.ask()).toEqual({ retryAfterMs: 10_000 });
  bench.settle(second, 'success');
  expect(bench.state).toBe('closed');
  expect([bench.ask(), bench.ask()]).toEqual([
    { ticket: bench.circuit.generation },
    { ticket: bench.circuit.generation },
  ]);
});

test('settle() closes at the first probe, when the success threshold is 1', () => {
  const { bench, probe } = probingBench({ successThreshold: 1 });
  bench.settle(probe, 'success');
  expect(bench.circuit).toMatchObject({ state: 'closed', failures: 0 });
});

test('settle() begins to count afresh, when the circuit has been closed by probes', () => {
  const bench = openBench();
  bench.now = 10_000;
  bench.run('ssffff');
  expect(bench.state).toBe('closed');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test('settle() wants the probes that close the circuit in a row', () => {
  const { bench, probe } = probingBench();
  bench.settle(probe, 'success');
  bench.run('f');
  expect(bench.state).toBe('open');
  bench.now += 20_000;
  bench.run('s');
  expect(bench.state).toBe('half-open');
  bench.run('s');
  expect(bench.state).toBe('closed');
});

test('settle() frees the place of a probe that is ignored, and forgets nothing', () => {
  const { bench, probe } = probingBench();
  bench.settle(probe, 'success');
  const second = bench.admit();
  bench.settle(second, 'ignored');
  expect(bench.circuit).toMatchObject({ state: 'half-open', successes: 1 });
  expect(bench.circuit).not.toHaveProperty('probeAt');
  const third = bench.admit();
  expect(bench.ask()).toEqual({ retryAfterMs: 10_000 });
  bench.settle(third, 'success');
  expect(bench.state).toBe('closed');
});

test('settle() remembers how often the probes failed, when one in between is ignored or succeeds', () => {
  const bench = openBench();
  bench.now = 10_000;
  bench.run('f');
  bench.now += 20_000;
  bench.run('isf');
  expect(bench.refusalMs).toBe(40_000);
});

test('admit() gives the place of a probe that never settles to another, after the reset timeout', () => {
  const { bench, probe } = probingBench();
  bench.now = 19_999;
  expect(bench.ask()).toEqual({ retryAfterMs: 1 });
  bench.now = 20_000;
  const second = bench.admit();
  expect(second).not.toBe(probe);
  expect(bench.ask()).toEqual({ retryAfterMs: 10_000 });
  bench.settle(second, 'success');
  expect(bench.circuit).toMatchObject({ state: 'half-open', successes: 1 });
});

test('admit() waits for a probe no longer than the first reset timeout, however often probes have failed', () => {
  const bench = openBench();
  for (const waitMs of [10_000, 20_000, 40_000]) {
    bench.now += waitMs;
    bench.run('f');
  }
  bench.now += 80_000;
  bench.admit();
  expect(bench.ask()).toEqual({ retryAfterMs: 10_000 });
});

// The reset timeout.

test('settle() doubles the reset timeout with each failed probe up to its maximum, and starts again once closed', () => {
  const bench = openBench();
  const waits: number[] = [];
  for (let trip = 0; trip < 7; trip += 1) {
    waits.push(bench.refusalMs);
    bench.now += bench.refusalMs;
    bench.run('f');
  }
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
  bench.now += bench.refusalMs;
  bench.run('ss');
  expect(bench.state).toBe('closed');
  bench.run('fffff');
  expect(bench.refusalMs).toBe(10_000);
});

test('settle() stays at the maximum, when probes have failed 2,000 times', () => {
  const bench = openBench();
  for (let trip = 0; trip < 2_000; trip += 1) {
    bench.now += bench.refusalMs;
    bench.run('f');
  }
  expect(bench.refusalMs).toBe(120_000);
});

const jitters = [
  { resetJitter: 0.2, random: 0, waits: [10_000, 20_000, 40_000, 80_000, 120_000] },
  { resetJitter: 0.2, random: 0.5, waits: [11_000, 22_000, 44_000, 88_000, 132_000] },
  { resetJitter: 1, random: 0.75, waits: [17_500, 35_000, 70_000, 140_000, 210_000] },
  { resetJitter: 0, random: 0.75, waits: [10_000, 20_000, 40_000, 80_000, 120_000] },
];

test.for(jitters)(
  'settle() lengthens each wait by $random of a jitter of $resetJitter',
  ({ resetJitter, random, waits }) => {
    const bench = openBench({ resetJitter }, () => random);
    const seen: number[] = [];
    for (const _ of waits) {
      seen.push(Math.round(bench.refusalMs));
      bench.now += bench.refusalMs;
      bench.run('f');
    }
    expect(seen).toEqual(waits);
  },
);

const asked = [
  { retryAfterMs: 0, waitMs: 10_000 },
  { retryAfterMs: 9_999, waitMs: 10_000 },
  { retryAfterMs: 30_000, waitMs: 30_000 },
  { retryAfterMs: 120_000, waitMs: 120_000 },
  { retryAfterMs: 120_001, waitMs: 120_000 },
  { retryAfterMs: 315_360_000_000, waitMs: 120_000 },
];

test.for(asked)('settle() opens for $waitMs ms, when the failure that does it asks for $retryAfterMs', (row) => {
  const bench = new Bench();
  bench.run('ffff', { retryAfterMs: 100_000 });
  bench.run('f', { retryAfterMs: row.retryAfterMs });
  expect(bench.refusalMs).toBe(row.waitMs);
});

test('settle() takes what the server asks for as a lower bound of the wait after a failed probe as well', () => {
  const { bench, probe } = probingBench({ resetJitter: 1 }, () => 0.5);
  bench.settle(probe, 'failure', { retryAfterMs: 70_000 });
  expect(bench.refusalMs).toBe(70_000);
  bench.now += 70_000;
  bench.run('f', { retryAfterMs: 5_000 });
  expect(bench.refusalMs).toBe(60_000);
});

test('admit() waits twice as long for each probe after the second that was lost, up to the longest reset timeout', () => {
  const { bench } = probingBench({ maxResetTimeoutMs: 35_000 });
  const waits = Array.from({ length: 5 }, () => {
    const wait = bench.refusalMs;
    bench.now += wait;
    bench.admit();
    return wait;
  });
  expect(waits).toEqual([10_000, 10_000, 20_000, 35_000, 35_000]);
});

test('admit() waits no longer than the reset timeout again, when a probe after lost ones was answered within it', () => {
  const { bench } = probingBench({ successThreshold: 3 });
  const lose = (): void => {
    bench.now += bench.refusalMs;
    bench.admit();
  };
  for (let lost = 0; lost < 4; lost += 1) lose();
  bench.now += bench.refusalMs;
  const slow = bench.admit();
  const patience = bench.refusalMs;
  bench.now += 10_000;
  bench.settle(slow, 'success');
  bench.admit();
  expect([patience, bench.refusalMs]).toEqual([120_000, 120_000]);
  bench.now += bench.refusalMs;
  const prompt = bench.admit();
  bench.now += 9_999;
  bench.settle(prompt, 'success');
  bench.admit();
  expect(bench.refusalMs).toBe(10_000);
});

test.for([5_000, 12_000, 50_000, 119_000])('a circuit closes again, when each answer takes %i ms', (tookMs) => {
  const { bench, probe } = probingBench();
  const underWay = [{ ticket: probe, dueAt: bench.now + tookMs }];
  // Somebody calls each second.
  for (const until = bench.now + 600_000; bench.state !== 'closed' && bench.now < until; bench.now += 1_000) {
    while (underWay[0] !== undefined && underWay[0].dueAt <= bench.now) {
      const [{ ticket } = { ticket: -1 }] = underWay.splice(0, 1);
      bench.settle(ticket, 'success');
    }
    if (bench.refusalMs === 0) underWay.push({ ticket: bench.admit(), dueAt: bench.now + tookMs });
  }
  expect(bench.state).toBe('closed');
});

// Late answers.

const outcomes = ['success', 'failure', 'ignored'] as const;

test.for(outcomes)('settle() changes nothing, when a call from before the opening ends late as %s', (outcome) => {
  const bench = new Bench();
  const old = bench.admit();
  bench.run('fffff');
  const open = bench.circuit;
  bench.settle(old, outcome);
  expect(bench.circuit).toBe(open);

  bench.now = 10_000;
  const probe = bench.admit();
  const probing = bench.circuit;
  bench.settle(old, outcome);
  expect(bench.circuit).toBe(probing);

  bench.settle(probe, 'success');
  const waiting = bench.circuit;
  bench.settle(old, outcome);
  expect(bench.circuit).toBe(waiting);

  bench.run('s');
  const closed = bench.circuit;
  expect(closed.state).toBe('closed');
  bench.settle(old, outcome);
  expect(bench.circuit).toBe(closed);
});

test.for(outcomes)('settle() changes nothing, when a probe that has lost its place ends late as %s', (outcome) => {
  const { bench, probe } = probingBench({ successThreshold: 1 });
  bench.now += 10_000;
  const second = bench.admit();
  const probing = bench.circuit;
  bench.settle(probe, outcome);
  expect(bench.circuit).toBe(probing);
  bench.settle(second, 'success');
  expect(bench.state).toBe('closed');
  const closed = bench.circuit;
  bench.settle(probe, outcome);
  expect(bench.circuit).toBe(closed);
});

test.for(outcomes)(
  'settle() changes nothing, when a probe that has given its place back ends again as %s',
  (outcome) => {
    const { bench, probe } = probingBench();
    bench.settle(probe, 'ignored');
    const waiting = bench.circuit;
    bench.settle(probe, outcome);
    expect(bench.circuit).toBe(waiting);
  },
);

test.for(outcomes)(
  'settle() changes nothing, when the ticket is that of an open circuit and the call ends as %s',
  (outcome) => {
    // No call is admitted by an open circuit; an attempt of an older call may begin during it.
    const bench = openBench();
    const open = bench.circuit;
    bench.settle(open.generation, outcome);
    expect(bench.circuit).toBe(open);
  },
);

test('admit() gives each probe a ticket of its own, never one that was given before', () => {
  const bench = new Bench({ failureThreshold: 1, successThreshold: 2 });
  const tickets: Ticket[] = [];
  for (let round = 0; round < 5; round += 1) {
    bench.now += bench.refusalMs;
    for (const outcome of ['success', 'ignored', 'failure'] as const) {
      if (bench.state === 'open') bench.now += bench.refusalMs;
      const ticket = bench.admit();
      tickets.push(ticket);
      bench.settle(ticket, outcome);
    }
  }
  const probes = tickets.slice(2);
  expect(new Set(probes).size).toBe(probes.length);
  expect([...probes].sort((a, b) => a - b)).toEqual(probes);
});

// By hand.

test('isolatedCircuit() refuses for ever, and never becomes half-open', () => {
  const bench = new Bench();
  bench.circuit = isolatedCircuit(3);
  for (const now of [0, 10_000, Number.MAX_SAFE_INTEGER]) {
    bench.now = now;
    expect(bench.ask()).toEqual({ retryAfterMs: Infinity });
  }
  expect(bench.circuit).toEqual({ state: 'open', generation: 3, retryAt: Infinity, trips: 0 });
});

test.for(outcomes)('isolatedCircuit() is not changed by a probe that was under way and ends as %s', (outcome) => {
  const { bench, probe } = probingBench();
  bench.circuit = isolatedCircuit(bench.circuit.generation + 1);
  const isolated = bench.circuit;
  bench.settle(probe, outcome);
  expect(bench.circuit).toBe(isolated);
});

// Refusal, as a number.

test('refusalMs() is 0, when the circuit would admit a call', () => {
  const bench = new Bench();
  expect(bench.refusalMs).toBe(0);
  bench.run('fffff');
  bench.now = 10_500;
  expect(bench.refusalMs).toBe(0);
  bench.run('s');
  expect(bench.state).toBe('half-open');
  expect(bench.refusalMs).toBe(0);
  bench.admit();
  bench.now += 10_001;
  expect(bench.refusalMs).toBe(0);
});

// By rate, over the last calls.

function window(changes: Partial<WindowLimits> = {}): { window: WindowLimits } {
  return {
    window: {
      span: { size: 20 },
      minimumCalls: 10,
      failureRate: 0.5,
      slowCallMs: Infinity,
      slowCallRate: 0.5,
      ...changes,
    },
  };
}

/** The window of a circuit that has one. */
function windowOf({ circuit }: Bench): RollingWindow {
  if (circuit.state === 'closed' && circuit.window !== undefined) return circuit.window;
  throw new Error(`no window while ${circuit.state}`);
}

const windowRows = [
  { calls: 'fffffffff', state: 'closed', because: 'nine calls are too few' },
  { calls: 'ffffffffff', state: 'open', because: 'ten are enough' },
  { calls: 'sssssfffff', state: 'open', because: '5 of 10 failed' },
  { calls: 'ssssssffff', state: 'closed', because: '4 of 10 failed' },
  { calls: 'fffffssss', state: 'closed', because: 'nine calls are too few' },
  { calls: 'fffffsssss', state: 'open', because: 'a success makes it ten, of which 5 failed' },
  { calls: 'ssssssssssffffffffff', state: 'open', because: '10 of 20 failed' },
  { calls: 'sssssssssssfffffffff', state: 'closed', because: '9 of 20 failed' },
  { calls: 'sssssssssssffffffffff', state: 'open', because: 'the 21st call pushes a success out' },
  { calls: 'fffsssssssssssffffff', state: 'closed', because: '9 of 20 failed' },
  { calls: 'fffsssssssssssfffffff', state: 'closed', because: 'the 21st call pushes a failure out' },
  { calls: 'fffffiiiiiiiiii', state: 'closed', because: 'ignored calls are not in the window' },
];

test.for(windowRows)(
  'settle() leaves the circuit $state with a window of 20 calls, after "$calls": $because',
  (row) => {
    const bench = new Bench(window());
    bench.run(row.calls);
    expect(bench.state).toBe(row.state);
  },
);

test('settle() does not count failures in a row, with a window', () => {
  const bench = new Bench(window({ minimumCalls: 20 }));
  bench.run('fffffff');
  expect(bench.circuit).toMatchObject({ state: 'closed', failures: 0 });
});

// Rates that are no binary fraction: 0.28 × 25 comes out above 7.
const exactRates = [
  { failureRate: 0.1, calls: 10, failures: 1 },
  { failureRate: 0.28, calls: 25, failures: 7 },
  { failureRate: 0.14, calls: 50, failures: 7 },
  { failureRate: 0.29, calls: 100, failures: 29 },
  { failureRate: 1, calls: 10, failures: 10 },
];

test.for(exactRates)('settle() opens at a failure rate of exactly $failureRate, as $failures of $calls', (row) => {
  const { calls, failures, failureRate } = row;
  const bench = new Bench(window({ span: { size: calls }, minimumCalls: calls, failureRate }));
  bench.run('s'.repeat(calls - failures) + 'f'.repeat(failures - 1));
  expect(bench.state).toBe('closed');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test.for(exactRates)('settle() opens at a slow call rate of exactly $failureRate, as $failures of $calls', (row) => {
  const { calls, failures, failureRate: slowCallRate } = row;
  const bench = new Bench(window({ span: { size: calls }, minimumCalls: calls, slowCallMs: 1_000, slowCallRate }));
  bench.run('s'.repeat(calls - failures));
  bench.run('s'.repeat(failures - 1), { durationMs: 1_000 });
  expect(bench.state).toBe('closed');
  bench.run('s', { durationMs: 1_000 });
  expect(bench.state).toBe('open');
});

const oneShort = [
  { failureRate: 0.28, calls: 25, failures: 6 },
  { failureRate: 0.5, calls: 11, failures: 5 },
  { failureRate: 1, calls: 10, failures: 9 },
];

test.for(oneShort)('settle() stays closed below a failure rate of $failureRate, at $failures of $calls', (row) => {
  const { calls, failures, failureRate } = row;
  const bench = new Bench(window({ span: { size: calls }, minimumCalls: calls, failureRate }));
  bench.run('f'.repeat(failures) + 's'.repeat(calls - failures));
  expect(bench.state).toBe('closed');
});

test('settle() judges a window that is smaller than 10 calls, when the minimum allows it', () => {
  const bench = new Bench(window({ span: { size: 2 }, minimumCalls: 2 }));
  bench.run('s');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test('settle() starts with an empty window, when the circuit has been closed by probes', () => {
  const bench = new Bench(window());
  bench.run('ffffffffff');
  bench.now += 10_000;
  bench.run('ss');
  expect(bench.state).toBe('closed');
  expect(windowTotals(windowOf(bench), bench.now)).toEqual({ calls: 0, failures: 0, slow: 0 });
  bench.run('fffffffff');
  expect(bench.state).toBe('closed');
});

test.for(outcomes)(
  'settle() writes nothing into the new window, when a call of the old one ends late as %s',
  (outcome) => {
    const bench = new Bench(window());
    const old = bench.admit();
    bench.run('ffffffffff');
    bench.now += 10_000;
    bench.run('ss');
    bench.settle(old, outcome);
    expect(windowTotals(windowOf(bench), bench.now)).toEqual({ calls: 0, failures: 0, slow: 0 });
  },
);

test('settle() takes the wait from how it opened, when a success completes the window', () => {
  const bench = new Bench(window());
  bench.run('fffffssss', { retryAfterMs: 60_000 });
  bench.run('s');
  expect(bench.refusalMs).toBe(10_000);
});

// By rate, over time.

const byTime = window({ span: { durationMs: 10_000 }, minimumCalls: 4 });

test('settle() opens by the calls of the last while, when the window is one of time', () => {
  const bench = new Bench(byTime);
  bench.run('ff');
  bench.now = 9_999;
  bench.run('s');
  expect(bench.state).toBe('closed');
  bench.run('s');
  expect(bench.state).toBe('open');
  expect(bench.refusalMs).toBe(10_000);
});

test('settle() forgets calls that are older than the window of time', () => {
  const bench = new Bench(byTime);
  bench.run('fff');
  bench.now = 10_000;
  bench.run('f');
  expect(bench.state).toBe('closed');
  bench.now = 3_600_000;
  bench.run('fff');
  expect(bench.state).toBe('closed');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test('settle() counts any number of calls, when the window is one of time', () => {
  const bench = new Bench(byTime);
  bench.run(`${'s'.repeat(1_000)}${'f'.repeat(999)}`);
  expect(bench.state).toBe('closed');
  bench.run('f');
  expect(bench.state).toBe('open');
});

test('closedCircuit() begins its window of time at the time it is closed', () => {
  const bench = new Bench(byTime, () => 0, 123_456_789);
  bench.run('fff');
  bench.now += 5_000;
  expect(windowTotals(windowOf(bench), bench.now)).toEqual({ calls: 3, failures: 3, slow: 0 });
  bench.run('f');
  expect(bench.state).toBe('open');
});

// Slow calls.

const slowWindow = window({ slowCallMs: 1_000, slowCallRate: 0.5 });

const slowRows = [
  { durationMs: 999, slow: 10, state: 'closed', because: 'none is slow' },
  { durationMs: 1_000, slow: 5, state: 'open', because: 'half of them are slow' },
  { durationMs: 5_000, slow: 5, state: 'open', because: 'half of them are slow' },
  { durationMs: 5_000, slow: 4, state: 'closed', because: 'fewer than half of them are slow' },
];

test.for(slowRows)(
  'settle() leaves the circuit $state, when $slow of 10 successes take $durationMs ms: $because',
  (row) => {
    const bench = new Bench(slowWindow);
    bench.run('s'.repeat(10 - row.slow), { durationMs: 20 });
    bench.run('s'.repeat(row.slow), { durationMs: row.durationMs });
    expect(bench.state).toBe(row.state);
  },
);

test('settle() does not add slow calls to failures', () => {
  const bench = new Bench(slowWindow);
  bench.run('s'.repeat(2), { durationMs: 20 });
  bench.run('s'.repeat(4), { durationMs: 1_000 });
  bench.run('f'.repeat(4), { durationMs: 20 });
  expect(bench.state).toBe('closed');
});

test('settle() never opens by slow calls, when slowCallMs is Infinity', () => {
  const bench = new Bench(window());
  bench.run('s'.repeat(20), { durationMs: Number.MAX_VALUE });
  expect(bench.state).toBe('closed');
  expect(windowTotals(windowOf(bench), 0)).toEqual({ calls: 20, failures: 0, slow: 0 });
});

test('settle() takes a slow probe for a failed one, with a limit for slow calls', () => {
  const bench = new Bench(slowWindow);
  bench.run('ffffffffff');
  bench.now += 10_000;
  bench.run('s', { durationMs: 999 });
  expect(bench.state).toBe('half-open');
  bench.run('s', { durationMs: 1_000 });
  expect(bench.state).toBe('open');
  expect(bench.refusalMs).toBe(20_000);
});

test('settle() only frees the place, when a slow probe is ignored', () => {
  const bench = new Bench(slowWindow);
  bench.run('ffffffffff');
  bench.now += 10_000;
  bench.run('i', { durationMs: 60_000 });
  expect(bench.circuit).toMatchObject({ state: 'half-open', successes: 0, trips: 0 });
});

test('settle() lets a probe take its time, without a window', () => {
  const { bench, probe } = probingBench();
  bench.settle(probe, 'success', { durationMs: 9_999_999 });
  expect(bench.circuit).toMatchObject({ state: 'half-open', successes: 1 });
});
