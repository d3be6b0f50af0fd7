import { afterEach, expect, test, vi } from 'vitest';

import type { Fleet, FleetSeat } from '../../src/fleet/fleet.ts';
import {
  type BreakerOptions,
  CircuitBreaker,
  CircuitOpenError,
  type CircuitSnapshot,
  type Context,
  compose,
  type Outcome,
  type Policy,
  retry,
  type Settled,
  SteadfetchError,
  type Transition,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import { resolveRetry, resolveTools } from '../../src/options.ts';
import type { BreakerHooks } from '../../src/policies/circuit-breaker.ts';
import { Retry } from '../../src/policies/retry.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';

const down = new Error('the dependency is down');

/** A call whose operation has not ended yet. */
interface Held {
  readonly call: Promise<unknown>;
  succeed(value?: unknown): void;
  fail(error?: unknown): void;
}

/** A breaker, and those who call through it. */
class Bench {
  readonly clock = new FakeClock();
  readonly breaker: CircuitBreaker;
  readonly transitions: Transition[] = [];
  /** Operations that have been run. */
  runs = 0;

  constructor(options: BreakerOptions = {}, hooks: BreakerHooks = {}) {
    this.breaker = new CircuitBreaker({ clock: this.clock, random: () => 0, name: 'users', ...options }, hooks);
    this.breaker.subscribe((transition) => this.transitions.push(transition));
  }

  get state(): string {
    return this.breaker.state;
  }

  /** `from → to`, of each event. */
  get changes(): string[] {
    return this.transitions.map(({ from, to }) => `${from} → ${to}`);
  }

  /** Calls one after another, which all have to be let through: `f` fails, `s` succeeds. */
  async run(calls: string): Promise<void> {
    for (const letter of calls) {
      const runs = this.runs + 1;
      const end = await this.breaker
        .execute(() => {
          this.runs += 1;
          if (letter === 'f') throw down;
          return 'fine';
        })
        .catch((error: unknown) => error);
      expect(end).toBe(letter === 'f' ? down : 'fine');
      expect(this.runs).toBe(runs);
    }
  }

  /** The error of a call that is refused, and whose operation must not run. */
  async refusal(): Promise<CircuitOpenError> {
    const { runs } = this;
    const error = await this.breaker
      .execute(() => {
        this.runs += 1;
      })
      .catch((thrown: unknown) => thrown);
    expect(this.runs).toBe(runs);
    if (error instanceof CircuitOpenError) return error;
    throw new Error(`not refused: ${error}`);
  }

  async refusalMs(): Promise<number> {
    return (await this.refusal()).retryAfterMs;
  }

  /** Begins a call, whose operation never looks at its signal. */
  hold(signal?: AbortSignal): Held {
    let settle: { succeed(value?: unknown): void; fail(error?: unknown): void } | undefined;
    const call = this.breaker.execute(
      () => {
        this.runs += 1;
        return new Promise<unknown>((succeed, fail) => {
          settle = { succeed, fail };
        });
      },
      { signal },
    );
    call.catch(() => {});
    return {
      call,
      succeed: (value = 'fine') => settle?.succeed(value),
      fail: (error = down) => settle?.fail(error),
    };
  }
}

/** Opened now, for `resetTimeoutMs`. */
async function openBench(options: BreakerOptions = {}, hooks?: BreakerHooks): Promise<Bench> {
  const bench = new Bench({ failureThreshold: 1, resetTimeoutMs: 10_000, ...options }, hooks);
  await bench.run('f');
  bench.transitions.length = 0;
  return bench;
}

/** Half-open now, with no probe under way. */
async function halfOpenBench(options: BreakerOptions = {}, hooks?: BreakerHooks): Promise<Bench> {
  const bench = await openBench(options, hooks);
  await bench.clock.advance(options.resetTimeoutMs ?? 10_000);
  expect(bench.state).toBe('half-open');
  bench.transitions.length = 0;
  return bench;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

// What passes through.

test('execute() hands through what the operation resolves to, and what it throws', async () => {
  const { breaker } = new Bench();
  const value = { any: 'object' };
  const error = new Error('no', { cause: 'its own' });
  expect(await breaker.execute(async () => value)).toBe(value);
  await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error);
  expect(error.cause).toBe('its own');
});

test('execute() runs any number of calls side by side, while the circuit is closed', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const held = Array.from({ length: 100 }, () => bench.hold());
  expect(bench.runs).toBe(100);
  for (const each of held) each.succeed();
  await Promise.all(held.map(({ call }) => call));
  expect(bench.state).toBe('closed');
});

// Open.

test('execute() opens at 5 failures in a row by default, and refuses without running the operation', async () => {
  const bench = new Bench();
  await bench.run('ffffsffff');
  expect(bench.state).toBe('closed');
  await bench.run('f');
  expect(bench.state).toBe('open');
  expect(await bench.refusalMs()).toBe(10_000);
  expect(bench.runs).toBe(10);
});

test('execute() refuses each call with an error of its own, which names the dependency', async () => {
  const bench = await openBench();
  await bench.clock.advance(3_000.5);
  const [first, second] = [await bench.refusal(), await bench.refusal()];
  expect(first).not.toBe(second);
  expect(first).toBeInstanceOf(SteadfetchError);
  expect(first).toMatchObject({
    name: 'CircuitOpenError',
    code: 'CIRCUIT_OPEN',
    retryAfterMs: 6_999.5,
    dependency: 'users',
    message: 'Cannot send the request to users: the circuit stays open for 7000 ms (resetTimeoutMs)',
  });
  // It is not about any one failure.
  expect(first).not.toHaveProperty('cause');
});

test('execute() refuses for no dependency in particular, when it was given no name', async () => {
  const breaker = new CircuitBreaker({ clock: new FakeClock(), random: () => 0, failureThreshold: 1 });
  await breaker.execute(() => Promise.reject(down)).catch(() => {});
  await expect(breaker.execute(() => {})).rejects.toMatchObject({
    dependency: undefined,
    message: 'Cannot send the request: the circuit stays open for 10000 ms (resetTimeoutMs)',
  });
});

test('execute() opens once, when ten calls under way fail one after another', async () => {
  const bench = new Bench();
  const held = Array.from({ length: 10 }, () => bench.hold());
  for (const each of held) {
    each.fail();
    await bench.clock.advance(100);
  }
  expect(bench.transitions).toEqual([{ from: 'closed', to: 'open', retryAfterMs: 10_000 }]);
  // Counted from the fifth failure, at 400 ms.
  expect(await bench.refusalMs()).toBe(400 + 10_000 - bench.clock.now());
});

test('execute() lengthens the wait by chance, by up to a fifth by default', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const breaker = new CircuitBreaker({ clock: bench.clock, random: () => 0.5, failureThreshold: 1 });
  await breaker.execute(() => Promise.reject(down)).catch(() => {});
  await expect(breaker.execute(() => {})).rejects.toMatchObject({ retryAfterMs: 11_000 });
});

// Half-open.

test('execute() lets one probe through at the end of the reset timeout, and refuses 99 at the same time', async () => {
  const bench = await openBench();
  await bench.clock.advance(9_999);
  expect([bench.state, await bench.refusalMs()]).toEqual(['open', 1]);
  await bench.clock.advance(1);
  const { runs } = bench;
  const held = Array.from({ length: 100 }, () => bench.hold());
  expect(bench.runs).toBe(runs + 1);
  const refused = await Promise.allSettled(held.slice(1).map(({ call }) => call));
  expect(refused).toHaveLength(99);
  for (const refusal of refused) {
    expect(refusal).toMatchObject({ status: 'rejected', reason: { code: 'CIRCUIT_OPEN', retryAfterMs: 10_000 } });
  }
  held[0]?.succeed('the probe');
  expect(await held[0]?.call).toBe('the probe');
});

test('execute() closes after the second probe by default, each let through alone', async () => {
  const bench = await openBench();
  await bench.clock.advance(10_000);
  const first = bench.hold();
  await bench.clock.advance(4_000);
  expect(await bench.refusalMs()).toBe(6_000);
  first.succeed();
  await first.call;
  expect(bench.state).toBe('half-open');

  const second = bench.hold();
  expect(await bench.refusalMs()).toBe(10_000);
  second.succeed();
  await second.call;
  expect(bench.state).toBe('closed');
  expect(bench.changes).toEqual(['open → half-open', 'half-open → closed']);
  const { runs } = bench;
  const held = [bench.hold(), bench.hold()];
  expect(bench.runs).toBe(runs + held.length);
});

test('execute() waits twice as long after each failed probe, up to a maximum, and starts again once closed', async () => {
  const bench = new Bench({ failureThreshold: 1, maxResetTimeoutMs: 60_000 });
  await bench.run('f');
  for (const waitMs of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    expect(await bench.refusalMs()).toBe(waitMs);
    await bench.clock.advance(waitMs);
    await bench.run('f');
  }
  await bench.clock.advance(60_000);
  await bench.run('ssf');
  expect(await bench.refusalMs()).toBe(10_000);
});

test('execute() frees the place of a probe whose caller aborts: the next call is the probe', async () => {
  const bench = await halfOpenBench({ successThreshold: 1 });
  const controller = new AbortController();
  const probe = bench.hold(controller.signal);
  expect(await bench.refusalMs()).toBe(10_000);
  controller.abort('the user left');
  await expect(probe.call).rejects.toBe('the user left');
  expect(bench.state).toBe('half-open');

  const next = bench.hold();
  // What the first one still has to say is heard by nobody.
  probe.fail();
  await bench.clock.advance(0);
  expect(await bench.refusalMs()).toBe(10_000);
  next.succeed();
  await next.call;
  expect(bench.changes).toEqual(['half-open → closed']);
});

test('execute() makes no probe of a call whose signal has aborted before', async () => {
  const bench = await halfOpenBench();
  await expect(bench.breaker.execute(() => {}, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
  await bench.run('s');
});

test('execute() counts a probe that throws synchronously as failed, and frees its place', async () => {
  const bench = await halfOpenBench();
  const thrown = bench.breaker.execute(() => {
    throw down;
  });
  await expect(thrown).rejects.toBe(down);
  expect(bench.transitions).toEqual([{ from: 'half-open', to: 'open', retryAfterMs: 20_000 }]);
  await bench.clock.advance(20_000);
  await bench.run('s');
});

test('execute() gives the place of a probe that never settles to another, after the reset timeout', async () => {
  const bench = await halfOpenBench({ successThreshold: 1 });
  const silent = bench.hold();
  await bench.clock.advance(9_999);
  expect(await bench.refusalMs()).toBe(1);
  await bench.clock.advance(1);
  const second = bench.hold();
  expect(await bench.refusalMs()).toBe(10_000);

  // The first one answers after all: its caller hears it, and the circuit does not.
  silent.fail();
  await expect(silent.call).rejects.toBe(down);
  expect(bench.state).toBe('half-open');
  second.succeed();
  await second.call;
  expect(bench.changes).toEqual(['half-open → closed']);
});

// Late results.

const lateEnds = ['succeed', 'fail'] as const;

test.for(lateEnds)(
  'execute() changes nothing, when a call from before the opening comes to %s, however late',
  async (end) => {
    const bench = new Bench({ failureThreshold: 1 });
    const [whileOpen, whileWaiting, whileProbing, whileClosed] = [
      bench.hold(),
      bench.hold(),
      bench.hold(),
      bench.hold(),
    ];
    const unchangedBy = async (late: Held): Promise<void> => {
      const before = bench.breaker.snapshot();
      const { length } = bench.transitions;
      late[end]();
      await late.call.catch(() => {});
      expect(bench.breaker.snapshot()).toEqual(before);
      expect(bench.transitions).toHaveLength(length);
    };
    await bench.run('f');
    await unchangedBy(whileOpen);
    await bench.clock.advance(10_000);
    expect(bench.state).toBe('half-open');
    await unchangedBy(whileWaiting);
    const probe = bench.hold();
    await unchangedBy(whileProbing);
    probe.succeed();
    await probe.call;
    await bench.run('s');
    expect(bench.state).toBe('closed');
    await unchangedBy(whileClosed);
  },
);

// What counts.

test('execute() ignores calls that their callers abort, be it 50 in a row', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  for (let call = 1; call <= 50; call += 1) {
    const controller = new AbortController();
    const { call } = bench.hold(controller.signal);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  }
  expect(bench.state).toBe('closed');
});

test('execute() takes an aborted call for neither success nor failure', async () => {
  const bench = new Bench({ failureThreshold: 2 });
  await bench.run('f');
  const controller = new AbortController();
  const { call } = bench.hold(controller.signal);
  controller.abort('the user left');
  await expect(call).rejects.toBe('the user left');
  expect(bench.state).toBe('closed');
  await bench.run('f');
  expect(bench.state).toBe('open');
});

test('execute() ignores what an operation makes of the abort of its caller', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const controller = new AbortController();
  const call = bench.breaker.execute(
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(down));
      }),
    { signal: controller.signal },
  );
  controller.abort('the user left');
  await expect(call).rejects.toBe('the user left');
  expect(bench.state).toBe('closed');
});

test('execute() counts attempt timeouts inside it as failures', async () => {
  const bench = new Bench();
  const policy = compose(bench.breaker, withTimeout(1_000, { clock: bench.clock }));
  for (let call = 1; call <= 5; call += 1) {
    expect(bench.state).toBe('closed');
    const timedOut = expect(policy.execute(() => new Promise(() => {}))).rejects.toMatchObject({
      code: 'ATTEMPT_TIMEOUT',
    });
    await bench.clock.advance(1_000);
    await timedOut;
  }
  expect(bench.state).toBe('open');
});

test('execute() counts a deadline around it as a failure, when nothing else would notice the hang', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const policy = compose(withDeadline(1_000, { clock: bench.clock }), bench.breaker);
  const late = expect(policy.execute(() => new Promise(() => {}))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await bench.clock.advance(1_000);
  await late;
  expect(bench.state).toBe('open');
});

test('execute() takes any value for a success, also one that looks like a failure', async () => {
  const bench = new Bench({ failureThreshold: 2 });
  await bench.run('f');
  for (const value of [undefined, null, false, down, { status: 503 }]) {
    expect(await bench.breaker.execute(() => value)).toBe(value);
  }
  await bench.run('f');
  expect(bench.state).toBe('closed');
});

test('execute() counts a rejection with undefined as a failure', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  await expect(bench.breaker.execute(() => Promise.reject())).rejects.toBeUndefined();
  expect(bench.state).toBe('open');
});

// classify.

test('classify is asked what a result was, and replaces what counts', async () => {
  const seen: Settled<unknown>[] = [];
  const byStatus = (result: Settled<unknown>): Outcome => {
    seen.push(result);
    if ('error' in result) return 'success';
    return result.value === 503 ? 'failure' : result.value === 429 ? 'ignored' : 'success';
  };
  const bench = new Bench({ failureThreshold: 2, classify: byStatus });
  const answer = (status: number): Promise<number> => bench.breaker.execute(() => status);
  expect([await answer(503), await answer(429)]).toEqual([503, 429]);
  expect(bench.breaker.snapshot().consecutiveFailures).toBe(1);
  await bench.run('f');
  expect(bench.breaker.snapshot().consecutiveFailures).toBe(0);
  await answer(503);
  await answer(503);
  expect(bench.state).toBe('open');
  expect(seen).toEqual([{ value: 503 }, { value: 429 }, { error: down }, { value: 503 }, { value: 503 }]);
});

test('classify frees the place of a probe it ignores', async () => {
  let outcome: Outcome = 'failure';
  const bench = await halfOpenBench({ classify: () => outcome });
  outcome = 'ignored';
  await bench.run('s');
  expect(bench.state).toBe('half-open');
  outcome = 'success';
  await bench.run('ss');
  expect(bench.state).toBe('closed');
});

test('classify is not asked about a call that its caller aborts: that counts against nobody', async () => {
  const classify = vi.fn((result: Settled<unknown>): Outcome => ('error' in result ? 'failure' : 'success'));
  const bench = new Bench({ failureThreshold: 1, classify });
  const controller = new AbortController();
  const { call } = bench.hold(controller.signal);
  controller.abort('the user left');
  await expect(call).rejects.toBe('the user left');
  expect(bench.state).toBe('closed');
  expect(classify).not.toHaveBeenCalled();
});

test('classify that throws rejects the call with its error, and counts as nothing', async () => {
  const error = new Error('cannot tell');
  const bench = new Bench({
    failureThreshold: 1,
    classify: () => {
      throw error;
    },
  });
  for (const operation of [() => 'fine', () => Promise.reject(down)]) {
    await expect(bench.breaker.execute<unknown>(operation)).rejects.toBe(error);
  }
  expect(bench.state).toBe('closed');
});

test('classify that answers nonsense rejects the call with a TypeError that tells it, and counts as nothing', async () => {
  const bench = new Bench({ failureThreshold: 1, classify: () => 'fail' as Outcome });
  await expect(bench.breaker.execute(() => 'fine')).rejects.toThrow(
    new TypeError('breaker.classify must return "success", "failure" or "ignored", got "fail"'),
  );
  expect(bench.breaker.state).toBe('closed');
});

test('classify that throws frees the place of the probe', async () => {
  let broken = false;
  const bench = await halfOpenBench({
    classify: (result) => {
      if (broken) throw new Error('cannot tell');
      return 'error' in result ? 'failure' : 'success';
    },
  });
  broken = true;
  await expect(bench.breaker.execute(() => 'fine')).rejects.toThrow('cannot tell');
  expect(bench.state).toBe('half-open');
  broken = false;
  await bench.run('ss');
  expect(bench.state).toBe('closed');
});

// What hooks know of the results.

test('CircuitBreaker reads results by its hook, with the context of the call, and by classify no more', async () => {
  const classify = vi.fn((): Outcome => 'failure');
  const seen: [Settled<unknown>, unknown][] = [];
  const bench = new Bench(
    { failureThreshold: 1, classify },
    {
      outcomeOf: (result, { signal }) => {
        seen.push([result, signal.reason]);
        return 'value' in result ? 'failure' : 'success';
      },
    },
  );
  await bench.run('f');
  expect(bench.state).toBe('closed');
  await bench.run('s');
  expect(bench.state).toBe('open');
  expect(seen).toEqual([
    [{ error: down }, undefined],
    [{ value: 'fine' }, undefined],
  ]);
  expect(classify).not.toHaveBeenCalled();
});

const asked = [
  { retryAfterMs: undefined, waitMs: 10_000 },
  { retryAfterMs: 9_999, waitMs: 10_000 },
  { retryAfterMs: 25_000, waitMs: 25_000 },
  { retryAfterMs: 999_999, waitMs: 120_000 },
];

test.for(asked)('CircuitBreaker stays open for $waitMs ms, when it is asked for $retryAfterMs', async (row) => {
  const retryAfterMsOf = vi.fn((_: Settled<unknown>) => row.retryAfterMs);
  const bench = new Bench({ failureThreshold: 1 }, { retryAfterMsOf });
  await bench.run('s');
  expect(retryAfterMsOf).not.toHaveBeenCalled();
  await bench.run('f');
  expect(retryAfterMsOf.mock.calls).toEqual([[{ error: down }]]);
  expect(bench.transitions).toEqual([{ from: 'closed', to: 'open', retryAfterMs: row.waitMs }]);
});

// Windows.

test('window opens by the share of failures among the last calls, and no more by failures in a row', async () => {
  const bench = new Bench({ failureThreshold: 1, window: { size: 20, failureRate: 0.5, minimumCalls: 10 } });
  await bench.run('fffffssss');
  expect(bench.state).toBe('closed');
  expect(bench.breaker.snapshot()).toMatchObject({
    consecutiveFailures: 0,
    window: { calls: 9, failures: 5, slow: 0 },
  });
  await bench.run('s');
  expect(bench.state).toBe('open');
});

test('window judges 10 calls by default, at half of them', async () => {
  const nine = new Bench({ window: { size: 20 } });
  await nine.run('fffffffff');
  expect(nine.state).toBe('closed');
  const fourOfTen = new Bench({ window: { size: 20 } });
  await fourOfTen.run('ffffssssss');
  expect(fourOfTen.state).toBe('closed');
  await fourOfTen.run('sff');
  expect(fourOfTen.state).toBe('closed'); // 6 of 13
  await fourOfTen.run('f');
  expect(fourOfTen.state).toBe('open'); // 7 of 14
});

test('window of a few calls judges as soon as it is full', async () => {
  const bench = new Bench({ window: { size: 3, failureRate: 1 } });
  await bench.run('ff');
  expect(bench.state).toBe('closed');
  await bench.run('f');
  expect(bench.state).toBe('open');
});

test('window of time forgets what is older, by the clock', async () => {
  const bench = new Bench({ window: { durationMs: 10_000, minimumCalls: 4 } });
  await bench.run('fff');
  await bench.clock.advance(10_000);
  await bench.run('fff');
  expect(bench.state).toBe('closed');
  await bench.clock.advance(3_600_000);
  expect(bench.breaker.snapshot().window).toEqual({ calls: 0, failures: 0, slow: 0 });
  await bench.run('fff');
  await bench.clock.advance(8_999);
  await bench.run('f');
  expect(bench.state).toBe('open');
});

test.for([
  { fastMs: 0, slowMs: 1_000, state: 'open' },
  { fastMs: 0, slowMs: 999, state: 'closed' },
  { fastMs: 1_000, slowMs: 1_000, state: 'open' },
])('window leaves the circuit $state, when 5 of 10 calls take $slowMs and the others $fastMs ms', async (row) => {
  const bench = new Bench({ window: { size: 10, slowCallMs: 1_000, slowCallRate: 0.5 } });
  for (let call = 1; call <= 10; call += 1) {
    const held = bench.hold();
    await bench.clock.advance(call % 2 === 0 ? row.slowMs : row.fastMs);
    held.succeed(200);
    expect(await held.call).toBe(200);
  }
  expect(bench.state).toBe(row.state);
});

test('window takes the duration of a call from its own beginning, also when calls overlap', async () => {
  const bench = new Bench({ window: { size: 2, slowCallMs: 1_000, slowCallRate: 1 } });
  const first = bench.hold();
  await bench.clock.advance(600);
  const second = bench.hold();
  await bench.clock.advance(600);
  first.succeed();
  second.succeed();
  await Promise.all([first.call, second.call]);
  expect(bench.breaker.snapshot().window).toEqual({ calls: 2, failures: 0, slow: 1 });
});

test('window takes a slow probe for a failed one', async () => {
  const bench = new Bench({ window: { size: 1, slowCallMs: 1_000 } });
  await bench.run('f');
  await bench.clock.advance(10_000);
  const probe = bench.hold();
  await bench.clock.advance(1_000);
  probe.succeed();
  await probe.call;
  expect([bench.state, await bench.refusalMs()]).toEqual(['open', 20_000]);
});

// Events.

test('subscribe() tells of each change once, after it is made', async () => {
  const bench = new Bench({ failureThreshold: 1, resetTimeoutMs: 10_000, successThreshold: 1 });
  const states: string[] = [];
  bench.breaker.subscribe(({ to }) => states.push(`${to}: ${bench.breaker.state}`));
  await bench.run('sf');
  await bench.clock.advance(10_000);
  await bench.run('f');
  await bench.clock.advance(20_000);
  await bench.run('ss');
  expect(bench.transitions).toEqual([
    { from: 'closed', to: 'open', retryAfterMs: 10_000 },
    { from: 'open', to: 'half-open', retryAfterMs: 0 },
    { from: 'half-open', to: 'open', retryAfterMs: 20_000 },
    { from: 'open', to: 'half-open', retryAfterMs: 0 },
    { from: 'half-open', to: 'closed', retryAfterMs: 0 },
  ]);
  expect(states).toEqual([
    'open: open',
    'half-open: half-open',
    'open: open',
    'half-open: half-open',
    'closed: closed',
  ]);
});

test('subscribe() tells of the end of the reset timeout when somebody asks, and only once', async () => {
  const bench = await openBench();
  await bench.clock.advance(60_000);
  expect(bench.transitions).toEqual([]);
  expect(bench.state).toBe('half-open');
  expect(bench.state).toBe('half-open');
  expect(bench.breaker.snapshot().state).toBe('half-open');
  expect(bench.changes).toEqual(['open → half-open']);

  const other = await openBench();
  await other.clock.advance(60_000);
  expect(other.breaker.snapshot().state).toBe('half-open');
  expect(other.changes).toEqual(['open → half-open']);
});

test('subscribe() tells before the call that made the change is answered', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const log: string[] = [];
  bench.breaker.subscribe(({ to }) => log.push(to));
  await bench.breaker.execute(() => Promise.reject(down)).catch(() => log.push('answered'));
  expect(log).toEqual(['open', 'answered']);
});

test('subscribe() returns the function that ends it', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const seen: string[] = [];
  const stop = bench.breaker.subscribe(({ to }) => seen.push(to));
  await bench.run('f');
  stop();
  bench.breaker.reset();
  expect(seen).toEqual(['open']);
  expect(bench.changes).toEqual(['closed → open', 'open → closed']);
});

test('subscribe() lets no listener that throws change a state, an answer or an event', async () => {
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  const breaker = new CircuitBreaker({ clock: new FakeClock(), random: () => 0, failureThreshold: 1 });
  const seen: string[] = [];
  breaker.subscribe(() => {
    throw new Error('a listener of the worst kind');
  });
  breaker.subscribe(({ to }) => seen.push(to));
  await expect(breaker.execute(() => Promise.reject(down))).rejects.toBe(down);
  expect(breaker.state).toBe('open');
  breaker.reset();
  expect(await breaker.execute(() => 'fine')).toBe('fine');
  expect(seen).toEqual(['open', 'closed']);
  expect(reported.mock.calls).toEqual([[new Error('a listener of the worst kind')]]);
});

test('subscribe() lets a listener call through the breaker, which stands where the event says', async () => {
  const bench = new Bench({ failureThreshold: 1, successThreshold: 1 });
  const answers: Promise<unknown>[] = [];
  bench.breaker.subscribe(({ to }) => {
    const call = bench.breaker.execute(() => `ran while ${to}`);
    answers.push(call.catch(({ code, retryAfterMs }) => `${code} while ${to}, for ${retryAfterMs} ms`));
  });
  await bench.run('f');
  await bench.clock.advance(10_000);
  await bench.run('s');
  expect(await Promise.all(answers)).toEqual([
    'CIRCUIT_OPEN while open, for 10000 ms',
    // The call that found the timeout over is the probe; the listener comes second.
    'CIRCUIT_OPEN while half-open, for 10000 ms',
    'ran while closed',
  ]);
  expect(bench.changes).toEqual(['closed → open', 'open → half-open', 'half-open → closed']);
});

test('subscribe() delivers in order, when a listener changes the state again', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const seen: string[] = [];
  bench.breaker.subscribe(({ from, to }) => {
    seen.push(`first: ${from} → ${to}`);
    if (to === 'open') bench.breaker.reset();
  });
  bench.breaker.subscribe(({ from, to, retryAfterMs }) => seen.push(`second: ${from} → ${to}, ${retryAfterMs}`));
  await bench.run('f');
  expect(bench.state).toBe('closed');
  expect(seen).toEqual([
    'first: closed → open',
    'second: closed → open, 10000',
    'first: open → closed',
    'second: open → closed, 0',
  ]);
  await bench.run('s');
});

test('subscribe() tells of changes one after another: each begins where the last one ended', async () => {
  const bench = new Bench({ failureThreshold: 1, successThreshold: 1 });
  let meddling = 0;
  bench.breaker.subscribe(({ to }) => {
    meddling += 1;
    if (meddling % 3 === 0) bench.breaker[to === 'open' ? 'reset' : 'isolate']();
  });
  for (let round = 0; round < 20; round += 1) {
    await bench.breaker.execute(() => (round % 4 === 0 ? 'fine' : Promise.reject(down))).catch(() => {});
    await bench.clock.advance(round % 3 === 0 ? 120_000 : 0);
    if (round % 7 === 6) bench.breaker.reset();
  }
  expect(bench.transitions.length).toBeGreaterThan(10);
  for (const [index, { from, to }] of bench.transitions.entries()) {
    expect(from).toBe(index === 0 ? 'closed' : bench.transitions[index - 1]?.to);
    expect(to).not.toBe(from);
  }
});

test('subscribe() lets a listener remove itself, and add another, which begins with the next event', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const seen: string[] = [];
  const stop = bench.breaker.subscribe(({ to }) => {
    seen.push(`once: ${to}`);
    stop();
    bench.breaker.subscribe((later) => seen.push(`added: ${later.to}`));
  });
  bench.breaker.subscribe(({ to }) => seen.push(`always: ${to}`));
  await bench.run('f');
  expect(seen).toEqual(['once: open', 'always: open']);
  bench.breaker.reset();
  expect(seen).toEqual(['once: open', 'always: open', 'always: closed', 'added: closed']);
});

test('subscribe() throws TypeError, for what is no function', () => {
  const { breaker } = new Bench();
  // @ts-expect-error: no listener, on purpose
  expect(() => breaker.subscribe('transition')).toThrow(TypeError);
});

// Time.

test.for([3_600_000, -3_600_000])('execute() does not notice, when the wall clock jumps by %d ms', async (jump) => {
  const bench = await openBench();
  await bench.clock.advance(4_000);
  bench.clock.jump(jump);
  expect([bench.state, await bench.refusalMs()]).toEqual(['open', 6_000]);
  await bench.clock.advance(5_999);
  expect(bench.state).toBe('open');
  await bench.clock.advance(1);
  const probe = bench.hold();
  bench.clock.jump(-2 * jump);
  expect(await bench.refusalMs()).toBe(10_000);
  probe.succeed();
  await probe.call;
  expect(bench.state).toBe('half-open');
});

test('CircuitBreaker sets no timer, in any state', async () => {
  const bench = await openBench();
  expect(bench.clock.pending).toBe(0);
  await bench.clock.advance(10_000);
  bench.hold();
  expect(bench.clock.pending).toBe(0);
  bench.breaker.isolate();
  expect(bench.clock.pending).toBe(0);
});

// By hand.

test('isolate() refuses until reset(), however long that is', async () => {
  const bench = new Bench();
  bench.breaker.isolate();
  await bench.clock.advance(1_000 * 86_400_000);
  expect(bench.state).toBe('open');
  expect(await bench.refusal()).toMatchObject({
    retryAfterMs: Infinity,
    message: 'Cannot send the request to users: the circuit is isolated until reset() is called',
  });
  bench.breaker.reset();
  expect(bench.state).toBe('closed');
  await bench.run('s');
  expect(bench.transitions).toEqual([
    { from: 'closed', to: 'open', retryAfterMs: Infinity },
    { from: 'open', to: 'closed', retryAfterMs: 0 },
  ]);
});

test('isolate() of an open circuit takes its end away, without an event', async () => {
  const bench = await openBench();
  bench.breaker.isolate();
  bench.breaker.isolate();
  await bench.clock.advance(120_000);
  expect(await bench.refusalMs()).toBe(Infinity);
  expect(bench.transitions).toEqual([]);
});

test.for(lateEnds)('isolate() is not changed by a probe under way that comes to %s', async (end) => {
  const bench = await halfOpenBench({ successThreshold: 1 });
  const probe = bench.hold();
  bench.breaker.isolate();
  probe[end]();
  await probe.call.catch(() => {});
  expect(await bench.refusalMs()).toBe(Infinity);
  expect(bench.changes).toEqual(['half-open → open']);
});

test('reset() holds nothing against the dependency', async () => {
  const bench = new Bench();
  await bench.run('ffff');
  bench.breaker.reset();
  await bench.run('ffff');
  expect(bench.state).toBe('closed');
  await bench.run('f');
  await bench.clock.advance(10_000);
  await bench.run('f');
  bench.breaker.reset();
  await bench.run('fffff');
  expect(await bench.refusalMs()).toBe(10_000);
});

test('reset() of a closed circuit is no event, and forgets the calls under way', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const late = bench.hold();
  bench.breaker.reset();
  late.fail();
  await expect(late.call).rejects.toBe(down);
  expect(bench.state).toBe('closed');
  expect(bench.transitions).toEqual([]);
});

test('reset() begins with an empty window', async () => {
  const bench = new Bench({ window: { durationMs: 10_000, minimumCalls: 2 } });
  await bench.clock.advance(123_456);
  await bench.run('f');
  bench.breaker.reset();
  expect(bench.breaker.snapshot().window).toEqual({ calls: 0, failures: 0, slow: 0 });
  await bench.run('f');
  expect(bench.state).toBe('closed');
  await bench.run('f');
  expect(bench.state).toBe('open');
});

test('closed is true only while calls are admitted freely', async () => {
  const bench = new Bench({ failureThreshold: 1, successThreshold: 1 });
  expect(bench.breaker.closed).toBe(true);
  await bench.run('f');
  expect(bench.breaker.closed).toBe(false);
  await bench.clock.advance(10_000);
  expect(bench.breaker.closed).toBe(false);
  const probe = bench.hold();
  expect(bench.breaker.closed).toBe(false);
  probe.succeed();
  await probe.call;
  expect(bench.breaker.closed).toBe(true);
  bench.breaker.isolate();
  expect(bench.breaker.closed).toBe(false);
});

// Snapshots.

const blank: CircuitSnapshot = {
  state: 'closed',
  retryAfterMs: 0,
  failedProbes: 0,
  successfulProbes: 0,
  consecutiveFailures: 0,
  window: null,
};

test('snapshot() is the state at this moment, as JSON', async () => {
  const bench = new Bench({ failureThreshold: 2 });
  const snapshots: CircuitSnapshot[] = [];
  const take = (): void => {
    const snapshot = bench.breaker.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    snapshots.push(snapshot);
  };
  await bench.run('f');
  take();
  await bench.run('f');
  await bench.clock.advance(4_000);
  take();
  await bench.clock.advance(6_000);
  await bench.run('f');
  await bench.clock.advance(20_000);
  await bench.run('s');
  take();
  bench.breaker.isolate();
  take();
  expect(snapshots).toEqual([
    { ...blank, consecutiveFailures: 1 },
    { ...blank, state: 'open', retryAfterMs: 6_000 },
    { ...blank, state: 'half-open', failedProbes: 1, successfulProbes: 1 },
    { ...blank, state: 'open', retryAfterMs: null },
  ]);
});

test('restore() goes on where another breaker left off, after the time that has passed since', async () => {
  const old = await openBench();
  await old.clock.advance(4_000);
  const bench = new Bench();
  bench.breaker.restore(old.breaker.snapshot(), 1_000);
  expect(await bench.refusalMs()).toBe(5_000);
  await bench.clock.advance(5_000);
  expect(bench.state).toBe('half-open');
  await bench.run('ss');
  expect(bench.state).toBe('closed');
});

test('restore() opens at the failure that was still missing', async () => {
  const bench = new Bench();
  bench.breaker.restore({ ...blank, consecutiveFailures: 4 }, 60_000);
  expect(bench.state).toBe('closed');
  await bench.run('f');
  expect(bench.state).toBe('open');
});

test('restore() of an isolated circuit refuses until reset()', async () => {
  const bench = new Bench();
  bench.breaker.restore({ ...blank, state: 'open', retryAfterMs: null }, 86_400_000);
  expect(await bench.refusalMs()).toBe(Infinity);
  bench.breaker.reset();
  await bench.run('s');
});

test('restore() takes the next call as the probe, of those that were still missing', async () => {
  const bench = new Bench();
  bench.breaker.restore({ ...blank, state: 'half-open', failedProbes: 2, successfulProbes: 1 }, 0);
  const probe = bench.hold();
  expect(await bench.refusalMs()).toBe(10_000);
  probe.succeed();
  await probe.call;
  expect(bench.state).toBe('closed');
});

test('restore() tells of a change of state, and of nothing else', () => {
  const bench = new Bench();
  bench.breaker.restore({ ...blank, consecutiveFailures: 4 }, 0);
  expect(bench.transitions).toEqual([]);
  bench.breaker.restore({ ...blank, state: 'open', retryAfterMs: 8_000 }, 3_000);
  expect(bench.transitions).toEqual([{ from: 'closed', to: 'open', retryAfterMs: 5_000 }]);
});

const closings = [
  { end: 'reset()', close: (breaker: CircuitBreaker) => breaker.reset() },
  { end: 'restore()', close: (breaker: CircuitBreaker) => breaker.restore(blank, 0) },
];

test.for(closings)('isolate() and then $end forgets the calls under way', async ({ close }) => {
  const bench = new Bench({ failureThreshold: 1 });
  const late = bench.hold();
  bench.breaker.isolate();
  close(bench.breaker);
  late.fail();
  await expect(late.call).rejects.toBe(down);
  expect(bench.state).toBe('closed');
});

test('restore() is not changed by a call that was under way before it', async () => {
  const bench = new Bench({ failureThreshold: 1 });
  const late = bench.hold();
  bench.breaker.restore(blank, 0);
  late.fail();
  await expect(late.call).rejects.toBe(down);
  expect(bench.state).toBe('closed');
});

// Attempts instead of calls.

/** A breaker around a retry, with the layer that counts attempts inside. */
function counting(counts: 'calls' | 'attempts', options: BreakerOptions = {}) {
  const bench = new Bench({ counts, ...options });
  const { breaker, clock } = bench;
  const limits = resolveRetry({ maxAttempts: 3, initialDelayMs: 0 });
  const again = new Retry(limits, resolveTools({ clock }), {
    budgetFor: () => undefined,
    shouldRetry: (result) => 'error' in result,
    mayGoOn: () => breaker.closed,
  });
  const policy = compose(breaker, again, counts === 'attempts' && breaker.attempts);
  /** A call whose attempts end one after another: `f` fails, `s` succeeds. Tells how many there were. */
  const send = async (ends: string): Promise<number> => {
    let attempts = 0;
    await policy
      .execute(({ attempt }) => {
        attempts = attempt;
        return ends[attempt - 1] === 's' ? 'fine' : Promise.reject(down);
      })
      .catch(() => {});
    return attempts;
  };
  return { bench, policy, send };
}

test('counts "calls", the default, takes a call and its retries for one', async () => {
  const { bench, send } = counting('calls', { failureThreshold: 2 });
  expect(await send('fff')).toBe(3);
  expect(bench.state).toBe('closed');
  await send('ffs');
  expect(bench.breaker.snapshot().consecutiveFailures).toBe(0);
  await send('fff');
  await send('fff');
  expect(bench.state).toBe('open');
});

test('counts "attempts" records each attempt as it ends, and the call itself not at all', async () => {
  const { bench, send } = counting('attempts');
  expect(await send('fff')).toBe(3);
  expect(bench.breaker.snapshot().consecutiveFailures).toBe(3);
  await send('fs');
  expect(bench.breaker.snapshot().consecutiveFailures).toBe(0);
  await send('fff');
  // The fifth failure in a row opens the circuit, in the middle of the call: there is no third attempt.
  expect(await send('fff')).toBe(2);
  expect(bench.transitions).toEqual([{ from: 'closed', to: 'open', retryAfterMs: 10_000 }]);
  expect(await send('sss')).toBe(0);
});

test('counts "attempts" probes with one attempt, and closes by those that succeed', async () => {
  const { bench, send } = counting('attempts', { failureThreshold: 1 });
  await send('f');
  await bench.clock.advance(10_000);
  expect(await send('fss')).toBe(1);
  expect([bench.state, await bench.refusalMs()]).toEqual(['open', 20_000]);
  await bench.clock.advance(20_000);
  expect(await send('s')).toBe(1);
  expect(bench.breaker.snapshot()).toMatchObject({ state: 'half-open', successfulProbes: 1 });
  expect(await send('s')).toBe(1);
  expect(bench.state).toBe('closed');
});

test('counts "attempts" lets one probe through at a time', async () => {
  const { bench, policy, send } = counting('attempts', { failureThreshold: 1, successThreshold: 1 });
  await send('f');
  await bench.clock.advance(10_000);
  let finish = (_: string): void => {};
  const probe = policy.execute(
    () =>
      new Promise<string>((resolve) => {
        finish = resolve;
      }),
  );
  expect(await send('s')).toBe(0);
  finish('fine');
  expect(await probe).toBe('fine');
  expect(bench.state).toBe('closed');
});

test('counts "attempts" frees the place of a probe that never came to an attempt', async () => {
  const { bench, send } = counting('attempts', { failureThreshold: 1 });
  await send('f');
  await bench.clock.advance(10_000);
  const refusing: Policy = { execute: () => Promise.reject(new Error('refused in between')) };
  const policy = compose(bench.breaker, refusing, bench.breaker.attempts);
  for (const _ of ['first', 'second']) await expect(policy.execute(() => {})).rejects.toThrow('refused in between');
  expect(bench.breaker.snapshot()).toMatchObject({ state: 'half-open', retryAfterMs: 0, failedProbes: 0 });
});

test('counts "attempts" frees the place of a probe whose caller aborts during the attempt', async () => {
  const { bench, policy, send } = counting('attempts', { failureThreshold: 1 });
  await send('f');
  await bench.clock.advance(10_000);
  const controller = new AbortController();
  const probe = policy.execute(() => new Promise(() => {}), { signal: controller.signal });
  controller.abort('the user left');
  await expect(probe).rejects.toBe('the user left');
  expect(bench.breaker.snapshot()).toMatchObject({ state: 'half-open', retryAfterMs: 0, failedProbes: 0 });
});

test('counts "attempts" changes nothing by attempts that begin after the circuit has opened', async () => {
  const bench = new Bench({ counts: 'attempts', failureThreshold: 2 });
  // A retry that does not ask whether the circuit is closed.
  const again = retry({ clock: bench.clock, maxAttempts: 4, initialDelayMs: 0, budget: false });
  const contexts: Context[] = [];
  const call = compose(bench.breaker, again, bench.breaker.attempts).execute((context) => {
    contexts.push(context);
    return context.attempt === 4 ? 'fine' : Promise.reject(down);
  });
  expect(await call).toBe('fine');
  expect(contexts).toHaveLength(4);
  expect(bench.transitions).toEqual([{ from: 'closed', to: 'open', retryAfterMs: 10_000 }]);
});

test('counts "attempts" measures each attempt by itself', async () => {
  const bench = new Bench({ counts: 'attempts', window: { size: 10, slowCallMs: 1_000 } });
  const again = retry({ clock: bench.clock, random: () => 0, initialDelayMs: 5_000 });
  const call = compose(bench.breaker, again, bench.breaker.attempts).execute(
    ({ attempt }) =>
      new Promise((resolve, reject) => {
        bench.clock.schedule(attempt * 400, () => (attempt === 3 ? resolve('fine') : reject(down)));
      }),
  );
  await bench.clock.advance(60_000);
  expect(await call).toBe('fine');
  expect(bench.breaker.snapshot().window).toEqual({ calls: 3, failures: 2, slow: 1 });
});

// Options.

test('CircuitBreaker checks its options on creation', () => {
  expect(() => new CircuitBreaker({ failureThreshold: 0 })).toThrow(
    new RangeError('breaker.failureThreshold must be an integer of at least 1, got 0'),
  );
  // @ts-expect-error: no clock, on purpose
  expect(() => new CircuitBreaker({ clock: {} })).toThrow(new TypeError('clock.now must be a function, got undefined'));
});

test('CircuitBreaker holds on to a reset timeout that is longer than the default maximum', async () => {
  const bench = await openBench({ resetTimeoutMs: 300_000 });
  expect(await bench.refusalMs()).toBe(300_000);
  await bench.clock.advance(300_000);
  await bench.run('f');
  expect(await bench.refusalMs()).toBe(300_000);
});

test.for([
  { snapshot: {}, says: 'snapshot.state' },
  { snapshot: { ...blank, consecutiveFailures: Number.NaN }, says: 'snapshot.consecutiveFailures' },
  { snapshot: null, says: 'snapshot must be an object' },
])('restore() refuses $snapshot, naming the part that makes no sense, and leaves the circuit as it is', async (row) => {
  const bench = new Bench({ failureThreshold: 1 });
  expect(() => bench.breaker.restore(row.snapshot as unknown as CircuitSnapshot, 0)).toThrow(row.says);
  expect(bench.breaker.state).toBe('closed');
  await bench.breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {});
  expect(bench.breaker.state).toBe('open');
});

test('restore() refuses an age that makes no sense', () => {
  const bench = new Bench();
  expect(() => bench.breaker.restore(blank, Number.NaN)).toThrow('elapsedMs');
});

test('CircuitBreaker tells the fleet what a call has found out, and not what a listener has made of the circuit', async () => {
  const told: unknown[] = [];
  const seat: FleetSeat = {
    probeWaitMs: () => 0,
    opened: (...facts) => told.push(facts),
    closed: () => told.push('closed'),
    leave() {},
  };
  const fleet: Fleet = { join: () => seat, close: async () => {} };
  const limits = { failureThreshold: 1, resetTimeoutMs: 1_000, resetJitter: 0 };
  const breaker = new CircuitBreaker({ ...limits, clock: new FakeClock(), name: 'users', fleet });
  breaker.subscribe(({ to }) => to === 'open' && breaker.isolate());
  await breaker.execute(() => Promise.reject(new TypeError('down'))).catch(() => {});
  expect(breaker.snapshot()).toMatchObject({ state: 'open', retryAfterMs: null });
  expect(told).toEqual([[1_000, false]]);
});
