import {
  type Attributes,
  type BatchObservableResult,
  createNoopMeter,
  diag,
  type Meter,
  type ObservableGauge,
} from '@opentelemetry/api';

import type { CircuitState } from '../model/circuit.ts';
import type { ClientSnapshot, DependencySnapshot } from '../snapshot.ts';
import { callAttributes } from './attributes.ts';

/** The value of `steadfetch.circuit.state`: the higher, the worse. */
const STATES: Readonly<Record<CircuitState, number>> = { closed: 0, 'half-open': 1, open: 2 };

/** What a gauge shows; `null` is not observed. */
type Value = number | null;

interface GaugeRule {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  /** What it shows of a dependency. */
  readonly read: (dependency: DependencySnapshot, at: number) => Value;
  /** What it shows of one that two clients call. */
  readonly join: (one: Value, other: Value) => Value;
  /** Whether it is 0 where nothing is wrong. */
  readonly rests?: true;
}

const GAUGES: readonly GaugeRule[] = [
  {
    name: 'steadfetch.circuit.state',
    description: 'State of the circuit: 0 closed, 1 half-open, 2 open.',
    unit: '',
    read: ({ breaker }) => breaker && STATES[breaker.state],
    join: worse,
    rests: true,
  },
  {
    name: 'steadfetch.circuit.outage.duration',
    description: 'For how long the circuit has not been closed; 0 while it is.',
    unit: 's',
    read: ({ breaker, outageSince }, at) => breaker && Math.max(0, at - (outageSince ?? at)) / 1_000,
    join: worse,
    rests: true,
  },
  {
    name: 'steadfetch.bulkhead.running',
    description: 'Calls that hold a slot.',
    unit: '{call}',
    read: ({ running }) => running,
    join: sum,
    rests: true,
  },
  {
    name: 'steadfetch.bulkhead.running.limit',
    description: 'Calls that may hold a slot.',
    unit: '{call}',
    read: ({ maxConcurrent }) => maxConcurrent,
    join: sum,
  },
  {
    name: 'steadfetch.bulkhead.queued',
    description: 'Calls that wait for a slot.',
    unit: '{call}',
    read: ({ queued }) => queued,
    join: sum,
    rests: true,
  },
  {
    name: 'steadfetch.bulkhead.queued.limit',
    description: 'Calls that may wait for a slot.',
    unit: '{call}',
    read: ({ maxQueued }) => maxQueued,
    join: sum,
  },
  {
    name: 'steadfetch.retry.available',
    description: 'Retries that the budget would grant now.',
    unit: '{request}',
    read: ({ retriesAvailable }) => retriesAvailable,
    join: sum,
  },
];

/** An outage of the one is not to be hidden by the other. */
function worse(one: Value, other: Value): Value {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** Where one has no limit, both together have none. */
function sum(one: Value, other: Value): Value {
  return one === null || other === null ? null : one + other;
}

const NOTHING: ClientSnapshot = { name: null, at: 0, dependencies: {} };

interface Series {
  readonly of: Attributes;
  /** What each of the gauges shows. */
  readonly values: readonly Value[];
}

interface GaugedClient {
  readonly snapshot: () => ClientSnapshot;
}

/** The gauges of a meter. Of a series it keeps what was observed last: so clients of the same name are observed together. */
class Gauges {
  readonly #meter: Meter;
  readonly #instruments: ObservableGauge[];
  readonly #clients = new Set<GaugedClient>();
  readonly #snapshots = new WeakMap<GaugedClient, ClientSnapshot>();
  /** The series that were observed last. */
  #known: ReadonlyMap<string, Series> = new Map();
  #isObserved = false;

  constructor(meter: Meter) {
    this.#meter = meter;
    this.#instruments = GAUGES.map(({ name, description, unit }) =>
      meter.createObservableGauge(name, { description, unit }),
    );
  }

  add(client: GaugedClient): () => void {
    // First: a meter may fail, and then nothing is to be left behind.
    if (!this.#isObserved) this.#meter.addBatchObservableCallback(this.#observe, this.#instruments);
    this.#isObserved = true;
    this.#clients.add(client);
    return () => {
      this.#clients.delete(client);
      this.#endIfIdle();
    };
  }

  readonly #observe = (result: BatchObservableResult): void => {
    const before = this.#known;
    const now = this.#look();
    for (const [key, { of }] of new Map([...before, ...now])) {
      for (const [index, gauge] of this.#instruments.entries()) {
        // What is not observed any more would stay as it was for good: what is forgotten, or was of a client that is measured
        // no more, is well, as far as we know.
        const isShown = (before.get(key)?.values[index] ?? null) !== null;
        const value = now.get(key)?.values[index] ?? (isShown && GAUGES[index]?.rests ? 0 : null);
        if (value !== null) result.observe(gauge, value, of);
      }
    }
    this.#known = now;
    // Not at once: a meter that is going through its callbacks would pass over the next one.
    if (this.#clients.size === 0) queueMicrotask(() => this.#endIfIdle());
  };

  /** What there is to show now, by series. */
  #look(): ReadonlyMap<string, Series> {
    const found = new Map<string, Series>();
    for (const client of this.#clients) {
      const { name, at, dependencies } = this.#snapshotOf(client);
      for (const [dependency, each] of Object.entries(dependencies)) {
        const key = JSON.stringify([name, dependency]);
        const others = found.get(key)?.values;
        const values = GAUGES.map(({ read, join }, index) => {
          const own = read(each, at);
          return others === undefined ? own : join(others[index] ?? null, own);
        });
        found.set(key, { of: callAttributes({ client: name ?? undefined, dependency }), values });
      }
    }
    return found;
  }

  /** Of one whose clock throws, the last that there was: the others are to be observed all the same. */
  #snapshotOf(client: GaugedClient): ClientSnapshot {
    try {
      const snapshot = client.snapshot();
      this.#snapshots.set(client, snapshot);
      return snapshot;
    } catch (error) {
      diag.error('steadfetch: a client does not tell how it is', error);
      return this.#snapshots.get(client) ?? NOTHING;
    }
  }

  /** Ends once nobody is left, and all that was of somebody has been observed to be at rest: of clients, nothing is kept. */
  #endIfIdle(): void {
    if (this.#clients.size > 0 || this.#known.size > 0 || !this.#isObserved) return;
    this.#isObserved = false;
    this.#meter.removeBatchObservableCallback(this.#observe, this.#instruments);
  }
}

const gaugesOf = new WeakMap<Meter, Gauges>();

/** Has the gauges of `meter` show how a client's dependencies are. Returns the function that ends it. */
export function gauge(client: GaugedClient, meter: Meter): () => void {
  // It stays for as long as the process does, and asks nobody: what it keeps would be kept for nothing.
  if (meter === createNoopMeter()) return () => {};
  const gauges = gaugesOf.get(meter) ?? new Gauges(meter);
  gaugesOf.set(meter, gauges);
  return gauges.add(client);
}
