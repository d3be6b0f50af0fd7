import type { CompletedEvent, SteadEvent } from '../events.ts';
import type { ClientSnapshot } from '../snapshot.ts';
import type { Source } from './answers.ts';
import type { Mark } from './mark.ts';
import { Track } from './track.ts';

/** The longest span that can be looked at. */
export const LONGEST_SPAN_MS = 600_000;
/** Marks of all dependencies together, each about 100 bytes. */
export const MOST_MARKS_IN_ALL = 20_000;
/** Dependencies that are followed: as many as a client remembers by default, and as many that it has forgotten. */
export const MOST_TRACKS = 2_000;
// Calls whose answer may still turn out to be another one.
const MOST_RECENT = 2_000;

/** How a call was counted, for when it turns out otherwise. */
interface Recent {
  readonly track: Track;
  readonly source: Source;
  readonly at: number;
}

/**
 * What has happened to a client's dependencies lately: fed by its events and snapshots, without a clock of its own. However
 * many events and dependencies there are, it stays within a few megabytes.
 */
export class History {
  /** By name; who was heard of longest ago comes first. */
  readonly #tracks = new Map<string, Track>();
  readonly #recent = new Map<number, Recent>();
  #marks = 0;

  /** How many marks are kept. */
  get size(): number {
    return this.#marks;
  }

  get tracks(): ReadonlyMap<string, Track> {
    return this.#tracks;
  }

  note(event: SteadEvent): void {
    if (event.type === 'queued' || event.type === 'store-error' || event.type === 'fleet') return;
    const track = this.#trackOf(event.dependency);
    const { at } = event;
    switch (event.type) {
      case 'transition':
        track.turn(at, event.from, event.to);
        break;
      case 'retry':
        track.answers.add('retries', at);
        break;
      case 'attempt': {
        const { attempt, outcome, durationMs, status, failure } = event;
        this.#mark(track, { kind: 'attempt', at, count: 1, attempt, outcome, durationMs, status, failure });
        break;
      }
      case 'rejected':
        this.#mark(track, { kind: 'refused', at, count: 1, code: event.code });
        break;
      case 'fallback': {
        const { source, ageMs, reason, degraded } = event;
        const kind = source === 'cache' ? 'stored' : 'default';
        this.#mark(track, { kind, at, count: 1, ageMs, reason });
        // The call to the dependency was noted before: its caller has got something else.
        this.#takeBack(event.call);
        track.answers.add(kind === 'default' ? 'default' : degraded ? 'degraded' : 'stored', at);
        break;
      }
      case 'revalidated':
        // Nobody has got that one.
        if (event.background) this.#takeBack(event.call);
        break;
      case 'completed':
        // A caller that gave up has got nothing, and wanted nothing.
        if (event.failure !== 'aborted') this.#count(event.call, track, isAnswer(event) ? 'network' : 'failed', at);
        break;
    }
  }

  /** Takes up the dependencies that were there before anybody listened, and lets go of what is too old to be shown. */
  observe({ at, dependencies }: ClientSnapshot): void {
    for (const [name, dependency] of Object.entries(dependencies)) {
      // Who is in the snapshot is known; to be followed it has to have a circuit that says something, and not to cost
      // anybody a past: only what happens makes room.
      const isNew = dependency.breaker !== null && this.#tracks.size < MOST_TRACKS;
      if (isNew || this.#tracks.has(name)) this.#trackOf(name, false).begin(dependency, at);
    }
    for (const track of this.#tracks.values()) this.#marks -= track.forget(at - LONGEST_SPAN_MS);
  }

  #trackOf(name: string, isNews = true): Track {
    const known = this.#tracks.get(name);
    const track = known ?? new Track(LONGEST_SPAN_MS);
    if (known === undefined || isNews) {
      this.#tracks.delete(name);
      this.#tracks.set(name, track);
    }
    if (this.#tracks.size > MOST_TRACKS) this.#forgetOne();
    return track;
  }

  #forgetOne(): void {
    for (const [name, track] of this.#tracks) {
      this.#marks -= track.drop(Infinity);
      this.#tracks.delete(name);
      return;
    }
  }

  #mark(track: Track, mark: Mark): void {
    this.#marks += track.add(mark);
    if (this.#marks <= MOST_MARKS_IN_ALL) return;
    // Those that have more than others make room: a busy one must not cost a quiet one its past.
    const share = this.#marks / this.#tracks.size;
    for (const each of this.#tracks.values()) {
      const { length } = each.marks;
      if (length >= share) this.#marks -= each.drop(Math.ceil(length / 4));
    }
  }

  #count(call: number, track: Track, source: Source, at: number): void {
    track.answers.add(source, at);
    this.#recent.set(call, { track, source, at });
    if (this.#recent.size <= MOST_RECENT) return;
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest);
      return;
    }
  }

  #takeBack(call: number): void {
    const recent = this.#recent.get(call);
    if (recent === undefined) return;
    this.#recent.delete(call);
    recent.track.answers.add(recent.source, recent.at, -1);
  }
}

/** Whether whoever called got an answer of the dependency's that is none of its failures. */
function isAnswer({ outcome, status }: CompletedEvent): boolean {
  if (status === undefined || outcome === 'failure') return false;
  // Whoever shared a call says nothing of the dependency, and got the same.
  return outcome === 'success' || status < 500;
}
