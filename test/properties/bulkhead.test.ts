import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Bulkhead, type BulkheadOptions, type Context } from '../../src/index.ts';
import type { BulkheadHooks } from '../../src/policies/bulkhead.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { answerOf, flush, pick, RUNS, ticks } from './bench.ts';
import { type Manner, NaiveBulkhead, type NaiveLimits } from './naive-bulkhead.ts';

type Command =
  // Under a signal of its own, under one that many calls share, under none, or under one that has aborted before.
  | { type: 'arrive'; manner: Manner; under: 'own' | 'shared' | 'none' | 'aborted' }
  | { type: 'end'; which: number; fails: boolean }
  | { type: 'abort'; which: number }
  | { type: 'pass'; ms: number }
  | { type: 'close' };

// Tens: what may come due together often does.
const spanMs = fc.integer({ min: 0, max: 6 }).map((tens) => tens * 10);

const manner = fc.record<Manner>({
  ends: fc.constantFrom('when told', 'when told', 'when told', 'in time', 'at once', 'by throwing'),
  takesMs: spanMs,
  polite: fc.boolean(),
});

const arrive = fc.record({
  type: fc.constant('arrive' as const),
  manner,
  under: fc.constantFrom('own', 'own', 'own', 'shared', 'shared', 'none', 'aborted'),
});
const end = fc.record({
  type: fc.constant('end' as const),
  which: fc.nat(20),
  fails: fc.boolean(),
});
const abort = fc.record({
  type: fc.constant('abort' as const),
  which: fc.nat(20),
});
const pass = fc.record({ type: fc.constant('pass' as const), ms: spanMs });
const close = fc.record({ type: fc.constant('close' as const) });

const command = fc.oneof(
  { weight: 40, arbitrary: arrive },
  { weight: 25, arbitrary: end },
  { weight: 12, arbitrary: abort },
  { weight: 8, arbitrary: pass },
  { weight: 1, arbitrary: close },
);

const limits = fc.record<NaiveLimits>({
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  maxQueued: fc.integer({ min: 0, max: 4 }),
  queueTimeoutMs: fc.constantFrom(Infinity, 20, 50),
});

interface Signal {
  readonly reason: string;
  readonly controller: AbortController;
}

interface Call {
  readonly id: number;
  readonly signal: Signal | undefined;
  /** Ends the operation; there while it runs. */
  finish: ((fails: boolean) => void) | undefined;
  /** What the caller was told. */
  answer: string | undefined;
}

/** A bulkhead and those who use it. */
class Users {
  readonly clock = new FakeClock();
  readonly bulkhead: Bulkhead;
  readonly calls: Call[] = [];
  readonly started: number[] = [];
  readonly queuedEvents: (readonly [number, number])[] = [];
  /** The most operations that have run side by side. */
  peak = 0;
  closes = 0;
  closesDone = 0;
  #shared = newSignal('shared 0');

  constructor(limits: BulkheadOptions, signOf?: NonNullable<BulkheadHooks['signOf']>) {
    this.bulkhead = new Bulkhead(
      { ...limits, clock: this.clock },
      {
        onQueued: (running, queued) => this.queuedEvents.push([running, queued]),
        ...(signOf === undefined ? {} : { signOf }),
      },
    );
  }

  /** Operations that run, whether or not somebody waits for them still. */
  get running(): readonly Call[] {
    return this.calls.filter(({ finish }) => finish !== undefined);
  }

  /** Signals that calls were made under, and that have not aborted. */
  get signals(): readonly Signal[] {
    const all = new Set(this.calls.flatMap(({ signal }) => signal ?? []));
    return [...all].filter(({ controller }) => !controller.signal.aborted);
  }

  arrive(manner: Manner, under: 'own' | 'shared' | 'none' | 'aborted'): Call {
    const id = this.calls.length;
    const signal = under === 'shared' ? this.#shared : under === 'none' ? undefined : newSignal(`own ${id}`);
    if (under === 'aborted') signal?.controller.abort(signal.reason);
    const call: Call = { id, signal, finish: undefined, answer: undefined };
    this.calls.push(call);
    const execution = this.bulkhead.execute((context) => this.#operate(call, manner, context), {
      signal: signal?.controller.signal,
    });
    void answerOf(execution).then((answer) => {
      call.answer = answer;
    });
    return call;
  }

  /** Aborts, and tells which calls were made under the signal. */
  abort(signal: Signal): readonly number[] {
    signal.controller.abort(signal.reason);
    if (signal === this.#shared) this.#shared = newSignal(`shared ${this.calls.length}`);
    return this.calls.filter((call) => call.signal === signal).map(({ id }) => id);
  }

  close(): void {
    this.closes += 1;
    void this.bulkhead.close().then(() => {
      this.closesDone += 1;
    });
  }

  #operate(call: Call, manner: Manner, { signal }: Context): Promise<number> | number {
    this.started.push(call.id);
    this.peak = Math.max(this.peak, this.running.length + 1);
    if (manner.ends === 'by throwing') throw new Error(String(call.id));
    if (manner.ends === 'at once') return call.id;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        call.finish = undefined;
        settle();
      };
      call.finish = (fails) => finish(() => (fails ? reject(new Error(String(call.id))) : resolve(call.id)));
      if (manner.ends === 'in time') this.clock.schedule(manner.takesMs, () => finish(() => resolve(call.id)));
      if (manner.polite) signal.addEventListener('abort', () => finish(() => reject(signal.reason)));
    });
  }
}

function newSignal(reason: string): Signal {
  return { reason, controller: new AbortController() };
}

/** Does the same to both. No promise settles meanwhile, unless time has to pass: then there is one to wait for. */
function play(step: Command, users: Users, naive?: NaiveBulkhead): Promise<void> | undefined {
  if (step.type === 'arrive') {
    const { signal } = users.arrive(step.manner, step.under);
    naive?.arrive(step.manner, step.under === 'aborted' ? `thrown ${signal?.reason}` : undefined);
  } else if (step.type === 'end') {
    const call = pick(users.running, step.which);
    if (call === undefined) return undefined;
    call.finish?.(step.fails);
    naive?.end(call.id, step.fails ? `Error: ${call.id}` : `value ${call.id}`);
  } else if (step.type === 'abort') {
    const signal = pick(users.signals, step.which);
    if (signal === undefined) return undefined;
    for (const id of users.abort(signal)) naive?.abort(id, `thrown ${signal.reason}`);
  } else if (step.type === 'pass') {
    return users.clock.advance(step.ms).then(() => naive?.pass(step.ms));
  } else {
    users.close();
    naive?.close();
  }
  return undefined;
}

async function settle(users: Users, naive: NaiveBulkhead): Promise<void> {
  await flush();
  naive.settle();
  expect({
    answers: users.calls.map(({ answer }) => answer),
    timers: users.clock.pending,
    closesDone: users.closesDone,
  }).toEqual({
    answers: naive.answers,
    timers: naive.timers,
    closesDone: naive.closedAndIdle ? users.closes : 0,
  });
}

test('Bulkhead is where a naive one is, at each step of any sequence', { timeout: 60_000 }, async () => {
  const steps = fc.array(fc.record({ command, together: fc.boolean() }), { maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(limits, steps, async (within, script) => {
      const users = new Users(within);
      const naive = new NaiveBulkhead(within);
      for (const { command, together } of script) {
        const passing = play(command, users, naive);
        if (passing !== undefined) await passing;
        // Together with the next: nothing settles in between.
        if (!together) await settle(users, naive);
        const { bulkhead, started, queuedEvents } = users;
        expect({ running: bulkhead.running, queued: bulkhead.queued, started, queuedEvents }).toEqual({
          running: naive.running,
          queued: naive.queued,
          started: naive.started,
          queuedEvents: naive.queuedEvents,
        });
        expect(users.peak).toBeLessThanOrEqual(within.maxConcurrent);
      }
      await settle(users, naive);
    }),
    RUNS,
  );
});

test('Bulkhead loses nobody and serves nobody twice, at whatever turn of the event loop things happen', {
  timeout: 60_000,
}, async () => {
  // 0 to 15 turns: a slot that is handed on is, for a few of them, neither here nor there.
  const steps = fc.array(fc.record({ command, turns: fc.nat(15) }), { maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(limits, steps, async (within, script) => {
      const users = new Users(within);
      const { bulkhead, clock } = users;
      for (const { command, turns } of script) {
        await play(command, users);
        await ticks(turns);
        expect(users.peak).toBeLessThanOrEqual(within.maxConcurrent);
        expect(bulkhead.running).toBeGreaterThanOrEqual(users.running.length);
        expect(bulkhead.running).toBeLessThanOrEqual(within.maxConcurrent);
        expect(bulkhead.queued).toBeLessThanOrEqual(within.maxQueued);
      }
      // Everybody who waits will have run when as many have finished as were there.
      for (const _ of users.calls) {
        await flush();
        for (const call of users.running) call.finish?.(false);
      }
      await clock.advance(1_000);
      expect({ running: bulkhead.running, queued: bulkhead.queued, timers: clock.pending }).toEqual({
        running: 0,
        queued: 0,
        timers: 0,
      });
      expect(users.peak).toBeLessThanOrEqual(within.maxConcurrent);
      expect(users.closesDone).toBe(users.closes);
      expect(new Set(users.started).size).toBe(users.started.length);
      const unanswered = users.calls.filter(({ answer }) => answer === undefined);
      expect(unanswered).toEqual([]);
      const servedUnrun = users.calls.filter(
        ({ id, answer }) => answer === `value ${id}` && !users.started.includes(id),
      );
      expect(servedUnrun).toEqual([]);
    }),
    RUNS,
  );
});

test('Bulkhead with a limit that is found out loses nobody, serves nobody twice, and keeps nobody waiting where there is room', {
  timeout: 60_000,
}, async () => {
  const steps = fc.array(fc.record({ command, turns: fc.nat(15) }), { maxLength: 60, size: 'max' });
  const signs = fc.infiniteStream(fc.constantFrom(undefined, 'served', 'served', 'dropped', 'cut' as const));
  const queueTimeoutMs = fc.constantFrom(Infinity, 20, 50);
  await fc.assert(
    fc.asyncProperty(steps, signs, queueTimeoutMs, async (script, told, queueTimeoutMs) => {
      const users = new Users({ maxConcurrent: 'adaptive', maxQueued: 40, queueTimeoutMs }, () => told.next().value);
      const { bulkhead, clock } = users;
      for (const { command, turns } of script) {
        // Enough of them to fill it.
        const times = command.type === 'arrive' ? 15 : 5;
        for (let time = 0; time < times; time += 1) await play(command, users);
        await ticks(turns);
        const { running, queued, maxConcurrent } = bulkhead;
        expect(maxConcurrent).toBeGreaterThanOrEqual(1);
        expect(Number.isInteger(maxConcurrent)).toBe(true);
        expect(running).toBeGreaterThanOrEqual(users.running.length);
        // Nobody waits where there is room.
        if (queued > 0) expect(running).toBeGreaterThanOrEqual(maxConcurrent);
      }
      for (const _ of users.calls) {
        await flush();
        for (const call of users.running) call.finish?.(false);
        if (bulkhead.running === 0) break;
      }
      await clock.advance(1_000);
      await flush();
      expect({ running: bulkhead.running, queued: bulkhead.queued, timers: clock.pending }).toEqual({
        running: 0,
        queued: 0,
        timers: 0,
      });
      expect(users.closesDone).toBe(users.closes);
      expect(new Set(users.started).size).toBe(users.started.length);
      expect(users.calls.filter(({ answer }) => answer === undefined)).toEqual([]);
    }),
    { ...RUNS, numRuns: RUNS.numRuns / 5 },
  );
});
