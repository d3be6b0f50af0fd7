import type { Clock } from '../../src/clock.ts';
import type { FleetEngine, FleetReport } from '../../src/fleet/fleet.ts';
import { EMPTY_RECORD, type FleetRecord, leased, reported, stateOf } from '../../src/model/fleet.ts';

/** What goes wrong between an instance and the memory. */
export interface EngineFaults {
  /** How long an answer, and a message, takes. */
  delayMs: number;
  /** Nothing is answered and nobody told. */
  hangs: boolean;
  /** Every request throws. */
  isDown: boolean;
  /** Those that would change something throw, as those of a replica do. */
  isReadOnly: boolean;
  /** In place of whatever is said, or a function that gives it. */
  garbage: unknown;
}

interface Listener {
  readonly onMessage: (message: unknown) => void;
  readonly onLost: (reason: string) => void;
  readonly onBack: (withinMs: number) => void;
}

/** The memory of a fleet, in this process: by the same rules as every engine. */
export class EngineMemory {
  readonly faults: EngineFaults = {
    delayMs: 0,
    hangs: false,
    isDown: false,
    isReadOnly: false,
    garbage: undefined,
  };
  readonly #clock: Clock;
  /** How far its clock is ahead of everybody's. */
  readonly #skewMs: number;
  readonly #records = new Map<string, FleetRecord>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly quorum: number;
  requests = 0;

  constructor(clock: Clock, { quorum = 1, skewMs = 0 } = {}) {
    this.#clock = clock;
    this.quorum = quorum;
    this.#skewMs = skewMs;
  }

  get now(): number {
    return this.#clock.epochNow() + this.#skewMs;
  }

  record(dependency: string): FleetRecord {
    return this.#records.get(dependency) ?? EMPTY_RECORD;
  }

  keep(dependency: string, record: FleetRecord): void {
    const before = this.record(dependency);
    this.#records.set(dependency, record);
    if (before.epoch === record.epoch) return;
    this.publish(dependency, stateOf(record, this.now));
  }

  publish(dependency: string, message: unknown): void {
    for (const { onMessage } of this.#listeners.get(dependency) ?? [])
      void this.later(() => onMessage(message)).catch(() => {});
  }

  /** As if the server had been flushed. */
  flush(): void {
    this.#records.clear();
  }

  /** As when the connection for messages breaks, once or many times over. */
  lose(reason: string): void {
    for (const all of this.#listeners.values()) for (const { onLost } of [...all]) onLost(reason);
  }

  back(withinMs: number): void {
    for (const all of this.#listeners.values()) for (const { onBack } of [...all]) onBack(withinMs);
  }

  listen(dependency: string, listener: Listener): () => void {
    const all = this.#listeners.get(dependency) ?? new Set<Listener>();
    this.#listeners.set(dependency, all.add(listener));
    return () => void all.delete(listener);
  }

  async later<T>(work: () => T): Promise<T> {
    const { delayMs, hangs, isDown } = this.faults;
    if (hangs) return new Promise(() => {});
    if (isDown) throw new TypeError('The engine is down');
    if (delayMs > 0) await new Promise<void>((resolve) => this.#clock.schedule(delayMs, resolve));
    return work();
  }
}

let instances = 0;

/** One instance's way to the memory. */
export function memoryEngine(memory: EngineMemory): FleetEngine {
  instances += 1;
  const id = `instance-${instances}`;
  const ask = (asked: 'report' | 'lease' | 'read', work: () => unknown): Promise<unknown> => {
    memory.requests += 1;
    return memory.later(() => {
      const { garbage, isReadOnly } = memory.faults;
      if (garbage !== undefined) return typeof garbage === 'function' ? garbage(asked) : garbage;
      if (isReadOnly && asked !== 'read') throw new TypeError('READONLY');
      return work();
    });
  };
  return {
    report: (dependency, report: FleetReport) =>
      ask('report', () => {
        memory.keep(dependency, reported(memory.record(dependency), id, report, memory.quorum, memory.now));
        return stateOf(memory.record(dependency), memory.now);
      }),
    lease: (dependency, leaseMs) =>
      ask('lease', () => {
        const { record, answer } = leased(memory.record(dependency), id, leaseMs, memory.now);
        memory.keep(dependency, record);
        return answer;
      }),
    read: (dependency) => ask('read', () => stateOf(memory.record(dependency), memory.now)),
    subscribe: (dependency, onMessage, onLost, onBack) => memory.listen(dependency, { onMessage, onLost, onBack }),
    close: async () => {},
  };
}
