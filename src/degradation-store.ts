import { checkMethods, requireFunction } from './checks.ts';
import { type Listener, reportThrown, type SteadEvent, subjectOf } from './events.ts';

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
  /** From when the oldest data is that was given since, in milliseconds since the Unix epoch; `undefined` if only defaults were. */
  readonly asOf: number | undefined;
}

/** What is degraded at a moment. The same object until something changes. */
export interface DegradationSnapshot {
  /** Whether any dependency is. */
  readonly degraded: boolean;
  /** In the order in which they became so; the last 1,000. */
  readonly dependencies: readonly DegradedDependency[];
}

/** What is degraded, as a frontend framework likes to be told. Its methods work unbound. */
export interface DegradationStore {
  /** Calls `listener` whenever the snapshot has changed, and returns the function that stops it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The state at this moment, as far as it was followed: nothing is known while nobody listens. */
  readonly getSnapshot: () => DegradationSnapshot;
}

// How long a URL that nobody asks for any more keeps its dependency degraded, when that answers otherwise.
const FORGOTTEN_MS = 60_000;
// URLs of a dependency, and dependencies: who chooses them must not choose how many are kept.
const MOST_REMEMBERED = 1_000;

const NOTHING: DegradationSnapshot = { degraded: false, dependencies: [] };

/**
 * What of a client's dependencies is degraded, why, and since when: for a banner that tells the truth. A dependency is
 * degraded from the first degraded answer until every URL that had one has succeeded, behind its callers too, or nobody has
 * asked for it in a minute.
 *
 * It listens to the client only while somebody listens to it.
 *
 * @throws TypeError if `client` is none.
 */
export function degradationStore(client: {
  readonly subscribe: (listener: Listener<SteadEvent>) => () => void;
}): DegradationStore {
  checkMethods('client', 'a steadfetch client', client, ['subscribe']);
  let snapshot = NOTHING;
  let unsubscribe: (() => void) | undefined;
  const listeners = new Set<() => void>();
  let troubled = new Troubled();

  function onEvent(event: SteadEvent): void {
    const next = following(snapshot, event, troubled);
    if (next === snapshot) return;
    snapshot = next;
    // Each by a copy: a listener may subscribe, or unsubscribe, others.
    for (const listener of [...listeners]) if (listeners.has(listener)) tell(listener);
  }

  return {
    subscribe(listener) {
      requireFunction('listener', listener);
      // A wrapper makes each subscription its own, also of the same function.
      const own = (): void => listener();
      listeners.add(own);
      unsubscribe ??= client.subscribe(onEvent);
      return () => {
        if (!listeners.delete(own) || listeners.size > 0) return;
        unsubscribe?.();
        unsubscribe = undefined;
        snapshot = NOTHING;
        troubled = new Troubled();
      };
    },
    getSnapshot: () => snapshot,
  };
}

/** One that throws must not keep the others from being told. */
function tell(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    reportThrown('a listener of degradationStore()', error);
  }
}

/** Which URLs of which dependency had a degraded answer last, and when. */
class Troubled {
  readonly #lastAt = new Map<string, Map<string, number>>();

  add({ dependency, at }: SteadEvent, subject: string): void {
    const subjects = this.#lastAt.get(dependency) ?? new Map<string, number>();
    subjects.delete(subject);
    makeRoom(subjects.set(subject, at));
    makeRoom(this.#lastAt.set(dependency, subjects));
  }

  /** Whether its dependency is well again, now that this one is. */
  isWell({ dependency, at }: SteadEvent, subject: string): boolean {
    const subjects = this.#lastAt.get(dependency);
    if (subjects === undefined) return true;
    subjects.delete(subject);
    // As far ahead as behind: the clock has been put back since.
    for (const [other, lastAt] of subjects) if (Math.abs(at - lastAt) > FORGOTTEN_MS) subjects.delete(other);
    if (subjects.size === 0) this.#lastAt.delete(dependency);
    return subjects.size === 0;
  }
}

function makeRoom(remembered: Map<string, unknown>): void {
  for (const oldest of remembered.keys()) {
    if (remembered.size <= MOST_REMEMBERED) return;
    remembered.delete(oldest);
  }
}

/** The state after an event; the very same if the event changes nothing. */
function following(snapshot: DegradationSnapshot, event: SteadEvent, troubled: Troubled): DegradationSnapshot {
  const { dependency } = event;
  const known = snapshot.dependencies.find((each) => each.dependency === dependency);
  const subject = subjectOf(event) ?? '';
  if (event.type === 'completed' && event.outcome === 'success') {
    if (!troubled.isWell(event, subject)) return snapshot;
    if (known === undefined) return snapshot;
    const others = snapshot.dependencies.filter((each) => each !== known);
    return { degraded: others.length > 0, dependencies: others };
  }
  if (event.type !== 'fallback' || event.reason === undefined) return snapshot;
  troubled.add(event, subject);
  const { source, reason, at, ageMs } = event;
  const dataAt = source === 'cache' ? at - ageMs : undefined;
  const asOf =
    known?.asOf === undefined || dataAt === undefined ? (dataAt ?? known?.asOf) : Math.min(known.asOf, dataAt);
  if (known?.source === source && known.reason === reason && known.asOf === asOf) return snapshot;
  const now = { dependency, source, reason, since: known?.since ?? at, asOf };
  const dependencies =
    known === undefined
      ? [...snapshot.dependencies, now].slice(-MOST_REMEMBERED)
      : snapshot.dependencies.map((each) => (each === known ? now : each));
  return { degraded: true, dependencies };
}
