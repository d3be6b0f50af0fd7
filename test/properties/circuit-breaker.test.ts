import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  CircuitBreaker,
  type CircuitSnapshot,
  type Clock,
  type Context,
  type Outcome,
  type Transition,
} from '../../src/index.ts';
import { answerOf, pick, RUNS, ticks } from './bench.ts';
import { NaiveBreaker, type NaiveLimits } from './naive-breaker.ts';

type Ending =
  | { readonly outcome: 'success' | 'ignored' }
  // What the dependency asks for along with a failure.
  | { readonly outcome: 'failure'; readonly retryAfterMs: number };

type Command =
  // A call that ends at once, by throwing before it returns, or one that ends when told to.
  | { type: 'arrive'; throws: boolean; polite: boolean }
  | { type: 'end'; which: number; ending: Ending }
  | { type: 'abort'; which: number }
  | { type: 'pass'; ms: number }
  | { type: 'look' }
  | { type: 'isolate' }
  | { type: 'reset' };

const failure = fc.record({
  outcome: fc.constant('failure' as const),
  retryAfterMs: fc.constantFrom(0, 0, 0, 0, 60, 1_000),
});
const ending = fc.oneof(
  { weight: 6, arbitrary: failure },
  { weight: 5, arbitrary: fc.record({ outcome: fc.constant('success' as const) }) },
  { weight: 1, arbitrary: fc.record({ outcome: fc.constant('ignored' as const) }) },
);

// Mostly the oldest and the newest: those that a change of state is about.
const which = fc.constantFrom(0, 0, 1, 2, 5, -1, -1);

const command = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      type: fc.constant('arrive' as const),
      throws: fc.constantFrom(false, false, false, false, true),
      polite: fc.boolean(),
    }),
  },
  { weight: 30, arbitrary: fc.record({ type: fc.constant('end' as const), which, ending }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('abort' as const), which }) },
  // Tens: so that much comes due together, and just before it.
  {
    weight: 20,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1, 9, 10, 20, 30, 50, 99, 100) }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('look' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('isolate' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reset' as const) }) },
);

// Numbers that a double holds exactly, so that both sides round nothing.
const draws = fc.array(fc.constantFrom(0, 0.25, 0.5, 0.75), { minLength: 1, maxLength: 5 });

const basics = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 3 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  resetTimeoutMs: fc.constantFrom(20, 50),
  maxResetTimeoutMs: fc.constantFrom(50, 90, 100, 800),
  resetJitter: fc.constantFrom(0, 0.5, 1),
});

const rates = fc.record({
  minimumCalls: fc.integer({ min: 1, max: 3 }),
  failureRate: fc.constantFrom(0.25, 0.5, 0.7, 1),
  slowCallMs: fc.constantFrom(Infinity, 10, 30),
  slowCallRate: fc.constantFrom(0.5, 1),
});

const strategies: Readonly<Record<string, fc.Arbitrary<NaiveLimits>>> = {
  'failures in a row': basics,
  'a window of calls': fc
    .record({ basics, rates, size: fc.integer({ min: 3, max: 6 }) })
    .map(({ basics, rates, size }) => ({ ...basics, window: { ...rates, size } })),
  'a window of time': fc
    .record({ basics, rates, durationMs: fc.constantFrom(50, 100) })
    .map(({ basics, rates, durationMs }) => ({ ...basics, window: { ...rates, durationMs } })),
};

class Failure extends Error {
  readonly retryAfterMs: number;

  constructor(id: number, retryAfterMs = 0) {
    super(String(id));
    this.retryAfterMs = retryAfterMs;
  }
}

interface Call {
  readonly id: number;
  startedAt: number;
  readonly controller: AbortController;
  /** Ends the operation; there while it runs. */
  finish: ((ending: Ending) => void) | undefined;
  /** What the caller was told. */
  answer: string | undefined;
}

/** A breaker and those who use it. */
class Users {
  now = 0;
  readonly breaker: CircuitBreaker;
  readonly calls: Call[] = [];
  readonly started: number[] = [];
  readonly transitions: Transition[] = [];
  readonly #resetTimeoutMs: number;
  /** How many had started when the state last changed. */
  #startedBefore = 0;

  constructor({ window, ...limits }: NaiveLimits, random: () => number) {
    this.#resetTimeoutMs = limits.resetTimeoutMs;
    this.breaker = new CircuitBreaker(
      {
        ...limits,
        ...(window === undefined ? {} : { window }),
        clock: this.#clock(),
        random,
        classify: (result): Outcome => {
          if ('value' in result) return result.value === 'ignored' ? 'ignored' : 'success';
          return result.error instanceof Failure ? 'failure' : 'ignored';
        },
      },
      {
        retryAfterMsOf: (result) =>
          'error' in result && result.error instanceof Failure ? result.error.retryAfterMs : undefined,
      },
    );
    this.breaker.subscribe((transition) => {
      this.transitions.push(transition);
      this.#startedBefore = this.started.length;
    });
  }

  /** Operations that run, whether or not somebody waits for them still. */
  get running(): readonly Call[] {
    return this.calls.filter(({ finish }) => finish !== undefined);
  }

  /** Those that run since the state last changed, are waited for, and have not had all their time. */
  get probes(): readonly Call[] {
    const probes = this.started.slice(this.#startedBefore);
    return this.running.filter(
      ({ id, controller, startedAt }) =>
        probes.includes(id) && !controller.signal.aborted && this.now - startedAt < this.#resetTimeoutMs,
    );
  }

  get refusals(): readonly (readonly [number, string])[] {
    return this.calls.flatMap(({ id, answer }) => (answer?.startsWith('CIRCUIT_OPEN') ? [[id, answer] as const] : []));
  }

  arrive(throws: boolean, polite: boolean): Call {
    const call: Call = {
      id: this.calls.length,
      startedAt: Infinity,
      controller: new AbortController(),
      finish: undefined,
      answer: undefined,
    };
    this.calls.push(call);
    const execution = this.breaker.execute((context) => this.#operate(call, throws, polite, context), {
      signal: call.controller.signal,
    });
    void answerOf(execution).then((answer) => {
      call.answer = answer;
    });
    return call;
  }

  #operate(call: Call, throws: boolean, polite: boolean, { signal }: Context): Promise<string> {
    this.started.push(call.id);
    call.startedAt = this.now;
    if (throws) throw new Failure(call.id);
    return new Promise((resolve, reject) => {
      call.finish = (ending) => {
        call.finish = undefined;
        if (ending.outcome === 'failure') reject(new Failure(call.id, ending.retryAfterMs));
        else resolve(ending.outcome);
      };
      if (!polite) return;
      signal.addEventListener('abort', () => {
        call.finish = undefined;
        reject(signal.reason);
      });
    });
  }

  /** The state moves on when asked: there is nothing for it to schedule, and nothing to wait for. */
  #clock(): Clock {
    const refuse = (): never => {
      throw new Error('A breaker needs no timer');
    };
    return { now: () => this.now, epochNow: refuse, schedule: refuse, timeoutSignal: refuse };
  }
}

function cycle(numbers: readonly number[]): () => number {
  let next = 0;
  return () => {
    next += 1;
    return pick(numbers, next) ?? 0;
  };
}

function pickFrom<T>(many: readonly T[], which: number): T | undefined {
  return which < 0 ? many.at(which) : pick(many, which);
}

/** Does the same to both. Answers what the naive one says to a question, if it was one. */
function play(step: Command, users: Users, naive?: NaiveBreaker): [CircuitSnapshot, CircuitSnapshot | undefined] | [] {
  const { breaker } = users;
  if (step.type === 'arrive') {
    const { id } = users.arrive(step.throws, step.polite);
    naive?.arrive(id);
    if (step.throws) naive?.end(id, 'failure');
  } else if (step.type === 'end') {
    const call = pickFrom(users.running, step.which);
    call?.finish?.(step.ending);
    if (call !== undefined) {
      naive?.end(call.id, step.ending.outcome, 'retryAfterMs' in step.ending ? step.ending.retryAfterMs : 0);
    }
  } else if (step.type === 'abort') {
    const call = pickFrom(users.running, step.which);
    call?.controller.abort('gone');
    if (call !== undefined) naive?.end(call.id, 'ignored');
  } else if (step.type === 'pass') {
    users.now += step.ms;
    naive?.pass(step.ms);
  } else if (step.type === 'look') return [breaker.snapshot(), naive?.look()];
  else {
    breaker[step.type]();
    naive?.[step.type]();
  }
  return [];
}

const script = fc.array(command, { maxLength: 60, size: 'max' });

test.for(Object.entries(strategies))(
  'CircuitBreaker is where a naive one is, at each step of any sequence, for %s',
  { timeout: 60_000 },
  async ([, limits]) => {
    await fc.assert(
      fc.asyncProperty(limits, draws, script, async (within, numbers, steps) => {
        const users = new Users(within, cycle(numbers));
        const naive = new NaiveBreaker(within, 0, cycle(numbers));
        for (const step of steps) {
          const [seen, expected] = play(step, users, naive);
          expect(seen).toEqual(expected);
          await ticks(10);
          const { started, refusals, transitions } = users;
          expect({ started, refusals, transitions }).toEqual({
            started: naive.started,
            refusals: naive.refusals,
            transitions: naive.transitions,
          });
        }
        expect(users.breaker.snapshot()).toEqual(naive.look());
      }),
      RUNS,
    );
  },
);

test.for(Object.entries(strategies))(
  'CircuitBreaker sends one probe at a time, at whatever turn of the event loop things happen, for %s',
  { timeout: 60_000 },
  async ([, limits]) => {
    const steps = fc.array(fc.record({ command, turns: fc.nat(8) }), { maxLength: 60, size: 'max' });
    await fc.assert(
      fc.asyncProperty(limits, draws, steps, async (within, numbers, script) => {
        const users = new Users(within, cycle(numbers));
        for (const { command, turns } of script) {
          const startedBefore = users.started.length;
          play(command, users);
          const state = users.transitions.at(-1)?.to ?? 'closed';
          if (state === 'open') expect(users.started).toHaveLength(startedBefore);
          if (state === 'half-open') expect(users.probes.length).toBeLessThanOrEqual(1);
          await ticks(turns);
        }
        await ticks(100);
        expect(users.transitions.map(({ from }) => from)).toEqual(
          ['closed', ...users.transitions.map(({ to }) => to)].slice(0, -1),
        );
        const running = new Set(users.running.map(({ id }) => id));
        const unanswered = users.calls.filter(({ id, answer }) => answer === undefined && !running.has(id));
        expect(unanswered).toEqual([]);
        expect(users.refusals.filter(([id]) => users.started.includes(id))).toEqual([]);
        expect(new Set(users.started).size).toBe(users.started.length);
      }),
      RUNS,
    );
  },
);
