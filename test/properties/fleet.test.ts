import fc from 'fast-check';
import { expect, test } from 'vitest';

import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { CircuitBreaker } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { EngineMemory, memoryEngine } from '../support/memory-engine.ts';
import { pick, RUNS } from './bench.ts';

let lies = 2;
/** What it could be: others find it down, again and again. */
const lie = (asked: 'report' | 'lease' | 'read'): unknown => {
  lies += 1;
  const state = { run: 1, epoch: lies, state: 'open', retryAfterMs: 5_000, trips: 1 };
  return asked === 'lease' ? { state, token: null, waitMs: 5_000 } : state;
};

const faults = [
  {},
  { isReadOnly: true },
  { garbage: lie },
  { isDown: true },
  { hangs: true },
  { delayMs: 300 },
  { garbage: 'garbage' },
  { garbage: { state: { run: 1, epoch: 9e15, state: 'open', retryAfterMs: 1e15, trips: 1e15 }, waitMs: 1e15 } },
] as const;

const step = fc.oneof(
  fc.record({ kind: fc.constant('call' as const), instance: fc.nat(9), times: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 500, 3_000, 10_000, 60_000) }),
  fc.record({ kind: fc.constant('upstream' as const), isDown: fc.boolean() }),
  fc.record({ kind: fc.constant('engine' as const), fault: fc.nat(faults.length - 1) }),
  fc.constant({ kind: 'flush' as const }),
  fc.record({ kind: fc.constant('leave' as const), instance: fc.nat(9) }),
);

const world = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  quorum: fc.integer({ min: 1, max: 3 }),
  successThreshold: fc.integer({ min: 1, max: 2 }),
  latencyMs: fc.constantFrom(0, 200, 7_000),
  everyMs: fc.constantFrom(500, 4_000, 15_000),
});

test('circuits of a fleet are all closed again, whatever has happened to upstream and engine, once both are well', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      world,
      fc.array(step, { maxLength: 40 }),
      async ({ count, quorum, successThreshold, latencyMs, everyMs }, steps) => {
        const clock = new FakeClock();
        const memory = new EngineMemory(clock, { quorum });
        let isDown = false;
        let random = 7;
        const chance = (): number => {
          random = (random * 1_664_525 + 1_013_904_223) % 4_294_967_296;
          return random / 4_294_967_296;
        };
        const breakers = Array.from({ length: count }, () => {
          const fleet = new EngineFleet(memoryEngine(memory));
          return new CircuitBreaker({
            name: 'upstream',
            clock,
            random: chance,
            failureThreshold: 2,
            successThreshold,
            fleet,
          });
        });
        const call = (breaker: CircuitBreaker | undefined): void => {
          const ask = async (): Promise<void> => {
            const fails = isDown;
            if (latencyMs > 0) await new Promise<void>((resolve) => clock.schedule(latencyMs, resolve));
            if (fails) throw new Error('down');
          };
          breaker?.execute(ask).catch(() => {});
        };
        const setFault = (fault: (typeof faults)[number]): void => {
          Object.assign(memory.faults, {
            isDown: false,
            isReadOnly: false,
            hangs: false,
            delayMs: 0,
            garbage: undefined,
            ...fault,
          });
        };
        for (const each of steps) {
          if (each.kind === 'call')
            for (let time = 0; time < each.times; time += 1) call(pick(breakers, each.instance));
          else if (each.kind === 'wait') await clock.advance(each.ms);
          else if (each.kind === 'upstream') isDown = each.isDown;
          else if (each.kind === 'engine') setFault(pick(faults, each.fault) ?? {});
          else if (each.kind === 'flush') memory.flush();
          else pick(breakers, each.instance)?.leave();
        }
        isDown = false;
        setFault({});
        // A wait of the longest kind, and then a few calls of each: patience is for liars, and nobody lies any more.
        await clock.advance(160_000);
        let leftMs = Math.max(8 * everyMs, 60_000);
        while (!breakers.every(({ closed }) => closed) && leftMs > 0) {
          for (const breaker of breakers) call(breaker);
          await clock.advance(everyMs);
          leftMs -= everyMs;
        }
        expect(breakers.map(({ state }) => state)).toEqual(breakers.map(() => 'closed'));
        for (const breaker of breakers) breaker.leave();
      },
    ),
    { ...RUNS, numRuns: RUNS.numRuns / 2 },
  );
});
