import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { CircuitBreaker } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { EngineMemory, memoryEngine } from './memory-engine.ts';

/** An outage, as the upstream of many instances sees it. */
export interface Outage {
  /** Requests in each second. */
  readonly perSecond: readonly number[];
  /** Requests from when it died until nobody was closed any more. */
  readonly untilAllOpen: number;
  /** Requests from then until it came back. */
  readonly probes: number;
  /** How long it took until everybody was closed again, in ms. */
  readonly recoveredMs: number;
}

const STEP_MS = 100;
const HEALTHY_MS = 5_000;
const MOST_MS = 300_000;

/** The same chances each time. */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/**
 * Instances of a service that are called by chance, each about once in five seconds, on a clock that is nobody's: an upstream
 * works for five seconds, is down for `downMs`, and works again. The engine of the fleet takes 20 ms for each answer.
 */
export async function simulateOutage(count: number, hasFleet: boolean, downMs = 60_000): Promise<Outage> {
  const callsPerSecond = count / 5;
  const clock = new FakeClock();
  const random = chances(20_260_101);
  const memory = new EngineMemory(clock);
  memory.faults.delayMs = 20;
  const breakers = Array.from({ length: count }, () => {
    const fleet = hasFleet ? { fleet: new EngineFleet(memoryEngine(memory)) } : {};
    return new CircuitBreaker({ name: 'upstream', clock, random, successThreshold: 1, ...fleet });
  });
  const perSecond: number[] = [];
  let isDown = false;
  const ask = async (): Promise<void> => {
    const second = Math.floor(clock.now() / 1_000) - Math.floor(startedAt / 1_000);
    perSecond[second] = (perSecond[second] ?? 0) + 1;
    if (isDown) throw new Error('down');
  };
  const startedAt = clock.now();
  const total = (): number => perSecond.reduce((sum, each = 0) => sum + each, 0);
  const step = async (): Promise<void> => {
    for (let call = 0; call < (callsPerSecond * STEP_MS) / 1_000; call += 1) {
      breakers[Math.floor(random() * count)]?.execute(ask).catch(() => {});
    }
    await clock.advance(STEP_MS);
  };
  const are = (isSo: (breaker: CircuitBreaker) => boolean): boolean => breakers.every(isSo);

  while (clock.now() - startedAt < HEALTHY_MS) await step();
  isDown = true;
  const before = total();
  let untilAllOpen: number | undefined;
  while (clock.now() - startedAt < HEALTHY_MS + downMs) {
    await step();
    if (untilAllOpen === undefined && are(({ closed }) => !closed)) untilAllOpen = total() - before;
  }
  const probes = total() - before - (untilAllOpen ?? 0);
  isDown = false;
  const backAt = clock.now();
  while (!are(({ closed }) => closed) && clock.now() - backAt < MOST_MS) await step();
  for (const breaker of breakers) breaker.leave();
  return {
    perSecond: Array.from(perSecond, (each) => each ?? 0),
    untilAllOpen: untilAllOpen ?? Infinity,
    probes,
    recoveredMs: clock.now() - backAt,
  };
}
