import type { Listener, SteadEvent } from './events.ts';

/** A dependency in whose place something else answers. */
export interface DegradedDependency {
  /** The dependency: the URL's origin, unless `isolateBy` says otherwise. */
  readonly dependency: string;
  /** What was given last in its place: a stored answer, or a default. */
  readonly source: 'cache' | 'default';
  /** Why, in a word: as in {@link Degradation.reason}. */
  readonly reason: string;
  /** When it was first seen to be degraded, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** From when the oldest data is that was given since, in milliseconds since the Unix epoch; `undefined` for a default. */
  readonly asOf: number | undefined;
}

/** What is degraded at a moment. The same object until something changes. */
export interface DegradationSnapshot {
  readonly degraded: boolean;
  /** In the order in which they became so. */
  readonly dependencies: readonly DegradedDependency[];
}

/** What is degraded, as a frontend framework likes to be told. Its methods work unbound. */
export interface DegradationStore {
  /** Calls `listener` whenever the snapshot has changed, and returns the function that stops it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The state at this moment, as far as it was followed: nothing is known while nobody listens. */
  readonly getSnapshot: () => DegradationSnapshot;
}

const NOTHING: DegradationSnapshot = { degraded: false, dependencies: [] };

/**
 * What of a client's dependencies is degraded, why, and since when: for a banner that tells the truth. A dependency is
 * degraded from the first degraded answer to its next success, also one that nobody waited for.
 *
 * It listens to the client only while somebody listens to it.
 */
export function degradationStore(client: {
  readonly subscribe: (listener: Listener<SteadEvent>) => () => void;
}): DegradationStore {
  let snapshot = NOTHING;
  let unsubscribe: (() => void) | undefined;
  const listeners = new Set<() => void>();

  function onEvent(event: SteadEvent): void {
    const next = following(snapshot, event);
    if (next === snapshot) return;
    snapshot = next;
    // Each by a copy: a listener may subscribe, or unsubscribe, others.
    for (const listener of [...listeners]) listener();
  }

  return {
    subscribe(listener) {
      // A wrapper makes each subscription its own, also of the same function.
      const own = (): void => listener();
      listeners.add(own);
      unsubscribe ??= client.subscribe(onEvent);
      return () => {
        if (!listeners.delete(own) || listeners.size > 0) return;
        unsubscribe?.();
        unsubscribe = undefined;
        snapshot = NOTHING;
      };
    },
    getSnapshot: () => snapshot,
  };
}

/** The state after an event; the very same if the event changes nothing. */
function following(snapshot: DegradationSnapshot, event: SteadEvent): DegradationSnapshot {
  const { dependency } = event;
  const known = snapshot.dependencies.find((each) => each.dependency === dependency);
  const others = snapshot.dependencies.filter((each) => each !== known);
  if (event.type === 'completed' && event.outcome === 'success') {
    return known === undefined ? snapshot : { degraded: others.length > 0, dependencies: others };
  }
  if (event.type !== 'fallback' || event.reason === undefined) return snapshot;
  const { source, reason, at, ageMs } = event;
  const dataAt = source === 'cache' ? at - ageMs : undefined;
  const asOf =
    known?.asOf === undefined || dataAt === undefined ? (dataAt ?? known?.asOf) : Math.min(known.asOf, dataAt);
  if (known?.source === source && known.reason === reason && known.asOf === asOf) return snapshot;
  const now = { dependency, source, reason, since: known?.since ?? at, asOf };
  const dependencies =
    known === undefined ? [...others, now] : snapshot.dependencies.map((each) => (each === known ? now : each));
  return { degraded: true, dependencies };
}
