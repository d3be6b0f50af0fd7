import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Client, type ClientOptions, createClient, HttpError, type SteadEvent } from '../../src/index.ts';
import { observe } from '../../src/telemetry.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { type Engine, engine } from '../support/engine.ts';
import { answerOf, pick, RUNS, ticks } from './bench.ts';

type Command =
  | { type: 'call'; use: 'fetch' | 'json'; method: 'GET' | 'POST'; aborted: boolean }
  | { type: 'abort'; which: number }
  | { type: 'pass'; ms: number }
  | { type: 'close'; drainMs: number };

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      type: fc.constant('call' as const),
      use: fc.constantFrom('fetch', 'json', 'json'),
      method: fc.constantFrom('GET', 'GET', 'GET', 'POST'),
      aborted: fc.constantFrom(...new Array<boolean>(15).fill(false), true),
    }),
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('abort' as const), which: fc.nat(20) }) },
  // Tens: what may come due together often does.
  { weight: 12, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(10, 20, 50, 100) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close' as const), drainMs: fc.constantFrom(0, 60) }) },
);

/** What the network does to one trip. */
const trip = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<ScriptStep>(200, 404, 429, 500, 503, 503) },
  { weight: 4, arbitrary: fc.constant<ScriptStep>({ body: '{"ok":true}' }) },
  { weight: 3, arbitrary: fc.constantFrom<ScriptStep>(new TypeError('Failed to fetch'), 'hang') },
  { weight: 2, arbitrary: fc.constantFrom<ScriptStep>({ status: 503, headers: { 'retry-after': '1' } }) },
  {
    weight: 6,
    arbitrary: fc.record({
      status: fc.constantFrom(200, 200, 503),
      body: fc.constant('{"ok":'),
      delayMs: fc.constantFrom(0, 10, 30, 60),
      after: fc.constantFrom('end', 'break', 'hang'),
    }),
  },
);

const deadlinesMs = [100, 250];

const options: fc.Arbitrary<ClientOptions> = fc.record({
  deadlineMs: fc.constantFrom(...deadlinesMs),
  attemptTimeoutMs: fc.constantFrom<false | number>(false, 40),
  bulkhead: fc.record({
    maxConcurrent: fc.integer({ min: 1, max: 3 }),
    maxQueued: fc.integer({ min: 0, max: 3 }),
    queueTimeoutMs: fc.constantFrom(Infinity, 30),
    slot: fc.constantFrom('headers', 'body'),
  }),
  breaker: fc.oneof(
    fc.constant<false>(false),
    fc.record({
      failureThreshold: fc.integer({ min: 1, max: 3 }),
      successThreshold: fc.integer({ min: 1, max: 2 }),
      resetTimeoutMs: fc.constant(50),
      counts: fc.constantFrom('calls', 'attempts'),
    }),
  ),
  retry: fc.oneof(
    fc.constant<false>(false),
    fc.record({
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      initialDelayMs: fc.constantFrom(0, 10),
      budget: fc.oneof(fc.constant<false>(false), fc.constant({ ratio: 0.5, minPerSecond: 1 })),
    }),
  ),
  hedge: fc.oneof(
    fc.constant<false>(false),
    fc.record({ afterMs: fc.constantFrom(10, 20), maxExtra: fc.integer({ min: 1, max: 2 }) }),
  ),
});

/** Requests that may be under way for one attempt. */
function sideBySide({ hedge }: ClientOptions): number {
  return hedge === undefined || hedge === false ? 1 : 1 + (hedge.maxExtra ?? 1);
}

interface Call {
  readonly id: number;
  readonly controller: AbortController;
  readonly mostTrips: number;
  trips: number;
  /** What the caller was told, its body read. */
  answer: string | undefined;
}

/** A client, its users, and the network behind it. */
class World {
  readonly clock = new FakeClock();
  readonly client: Client;
  readonly calls: Call[] = [];
  readonly events: SteadEvent[] = [];
  /** What an observer has seen: calls that have ended, and attempts that have not. */
  readonly followed = { ended: 0, attempts: 0 };
  readonly #mostTrips: number;
  /** The signals of trips under way, and the most there have been side by side. */
  #inFlight: readonly (AbortSignal | null | undefined)[] = [];
  peak = 0;
  closes = 0;
  closesDone = 0;
  /** Bodies handed out: what they hang on stays until they are collected, or their deadline is over. */
  bodies = 0;

  constructor(given: ClientOptions, trips: readonly ScriptStep[]) {
    this.#mostTrips = (given.retry === false ? 1 : (given.retry?.maxAttempts ?? 3)) * sideBySide(given);
    const network = scriptedFetch([({ number }) => pick(trips, number) ?? 200], { clock: this.clock });
    this.client = createClient({
      ...given,
      clock: this.clock,
      random: () => 0,
      isolateBy: () => 'dependency',
      fetch: async (input, init) => {
        const ends = init?.signal;
        this.#inFlight = [...this.#inFlight, ends];
        // One that has been told to stop is on its way out.
        this.peak = Math.max(this.peak, this.#inFlight.filter((signal) => signal?.aborted !== true).length);
        const call = this.calls[Number(new URL(String(input)).pathname.slice(1))];
        if (call !== undefined) call.trips += 1;
        try {
          return await network(input, init);
        } finally {
          this.#inFlight = this.#inFlight.filter((signal) => signal !== ends);
        }
      },
    });
    this.client.subscribe((event) => this.events.push(event));
    observe(this.client, () => ({
      onAttempt: () => {
        this.followed.attempts += 1;
        return { headers: {}, within: (send) => send() };
      },
      onEvent: ({ type }) => {
        if (type === 'attempt') this.followed.attempts -= 1;
      },
      onEnd: () => {
        this.followed.ended += 1;
      },
    }));
  }

  get unanswered(): readonly Call[] {
    return this.calls.filter(({ answer }) => answer === undefined);
  }

  get state() {
    return this.client.snapshot().dependencies['dependency'];
  }

  /** The events of one type. */
  told<T extends SteadEvent['type']>(type: T): readonly Extract<SteadEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SteadEvent, { type: T }> => event.type === type);
  }

  /** Lets all that needs no time come to its end: some engines take many turns to read a body. */
  async settle(): Promise<void> {
    await this.clock.advance(0);
    for (let turns = 0; turns < 1_000 && !this.#quiet; turns += 1) await this.clock.advance(0);
  }

  get #quiet(): boolean {
    const { unanswered, closes, closesDone, state } = this;
    return unanswered.length === 0 && closesDone === closes && (state?.running ?? 0) === 0;
  }

  play(step: Command): Promise<void> | undefined {
    if (step.type === 'pass') return this.clock.advance(step.ms);
    if (step.type === 'call') this.#call(step.use, step.method, step.aborted);
    else if (step.type === 'abort') pick(this.unanswered, step.which)?.controller.abort('gone');
    else {
      this.closes += 1;
      void this.client.close({ drainMs: step.drainMs }).then(() => {
        this.closesDone += 1;
      });
    }
    return undefined;
  }

  #call(use: 'fetch' | 'json', method: string, aborted: boolean): void {
    const mostTrips = aborted || this.closes > 0 ? 0 : method === 'POST' ? 1 : this.#mostTrips;
    const id = this.calls.length;
    const call: Call = { id, controller: new AbortController(), mostTrips, trips: 0, answer: undefined };
    this.calls.push(call);
    if (aborted) call.controller.abort('gone before');
    const init = { method, signal: call.controller.signal };
    void answerOf(this.#receive(use, `https://dependency.test/${id}`, init)).then((answer) => {
      call.answer = answer;
    });
  }

  async #receive(use: 'fetch' | 'json', url: string, init: RequestInit): Promise<string> {
    if (use === 'json') {
      try {
        return JSON.stringify((await this.client.json(url, init)).value);
      } catch (error) {
        if (error instanceof HttpError) this.bodies += 1;
        throw error;
      }
    }
    const response = await this.client.fetch(url, init);
    this.bodies += 1;
    return response.text();
  }
}

const refusals = ['CIRCUIT_OPEN', 'BULKHEAD_FULL', 'QUEUE_TIMEOUT', 'CLOSED'];

// Where a turn of the event loop takes a millisecond, a thousand runs would take a minute.
const slowness: Partial<Record<Engine, number>> = { workerd: 2 };
const runs = { ...RUNS, numRuns: RUNS.numRuns / (slowness[engine] ?? 1) };

test('createClient() answers each call once, and is as it was when all are answered, whatever happens in whatever order', {
  timeout: 60_000,
}, async () => {
  const steps = fc.array(fc.record({ command, turns: fc.constantFrom(0, 1, 3, 6, 40) }), {
    maxLength: 30,
    size: 'max',
  });
  const trips = fc.array(trip, { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(options, trips, steps, async (given, network, script) => {
      const world = new World(given, network);
      const most = sideBySide(given);
      const { maxConcurrent: limit = 0, maxQueued = 0 } = given.bulkhead === false ? {} : (given.bulkhead ?? {});
      const maxConcurrent = Number(limit);
      for (const { command, turns } of script) {
        await world.play(command);
        await ticks(turns);
        if (world.closes > 0) expect(world.state?.queued ?? 0).toBe(0);
        expect(world.peak).toBeLessThanOrEqual(maxConcurrent * most);
        expect(world.state?.running ?? 0).toBeLessThanOrEqual(maxConcurrent);
        expect(world.state?.queued ?? 0).toBeLessThanOrEqual(maxQueued);
      }
      await world.clock.advance(0);
      if (world.unanswered.length === 0 && world.bodies === 0) expect(world.clock.pending).toBe(0);

      await world.clock.advance(Math.max(...deadlinesMs));
      await world.settle();
      expect(world.unanswered).toEqual([]);
      expect(world.clock.pending).toBe(0);
      expect(world.peak).toBeLessThanOrEqual(maxConcurrent * most);
      expect(world.closesDone).toBe(world.closes);
      expect(world.calls.filter(({ trips, mostTrips }) => trips > mostTrips)).toEqual([]);

      const made = world.calls.filter(({ answer }) => answer !== 'thrown gone before');
      if (world.state === undefined) {
        expect(made).toEqual([]);
        return;
      }
      const { running, queued, counters } = world.state;
      const completed = world.told('completed');
      const outcomes = completed.map(({ outcome }) => outcome);
      expect({ running, queued }).toEqual({ running: 0, queued: 0 });
      expect(completed).toHaveLength(made.length);
      expect(counters).toEqual({
        calls: made.length,
        attempts: world.told('attempt').length,
        retries: world.told('attempt').filter(({ attempt, hedged }) => attempt > 1 && hedged !== true).length,
        hedges: world.told('attempt').filter(({ hedged }) => hedged === true).length,
        hedgesWon: expect.any(Number),
        success: outcomes.filter((outcome) => outcome === 'success').length,
        failure: outcomes.filter((outcome) => outcome === 'failure').length,
        ignored: outcomes.filter((outcome) => outcome === 'ignored').length,
        rejected: world.told('rejected').length,
        stored: 0,
        defaults: 0,
        degraded: 0,
      });
      expect(counters.hedgesWon).toBeLessThanOrEqual(counters.hedges);
      // Numbers count on, side by side and one after the other.
      const numbered = world.told('attempt').map(({ call, attempt }) => `${call} ${attempt}`);
      expect(new Set(numbered).size).toBe(numbered.length);
      // Whatever is told is told of a call that ends, once; and who follows it sees each attempt begin and end.
      const numbers = completed.map(({ call }) => call);
      expect(new Set(numbers).size).toBe(numbers.length);
      for (const { call } of world.told('attempt')) expect(numbers).toContain(call);
      expect(world.followed).toEqual({ ended: numbers.length, attempts: 0 });
      expect(completed.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(counters.attempts);
      expect(made.reduce((sum, { trips }) => sum + trips, 0)).toBe(counters.attempts);
      const refused = made.filter(
        ({ answer = '', trips }) => trips === 0 && refusals.some((code) => answer.startsWith(code)),
      );
      expect(counters.rejected).toBe(refused.length);
      const changes = world.told('transition');
      expect(changes.map(({ from }) => from)).toEqual(['closed', ...changes.map(({ to }) => to)].slice(0, -1));
    }),
    runs,
  );
});
