import type { CircuitState } from '../model/circuit.ts';
import type { DependencySnapshot } from '../snapshot.ts';
import { Answers } from './answers.ts';
import { likeness, type Mark } from './mark.ts';

/** A state of the circuit, and its part of the time. */
export interface CircuitSpan {
  readonly state: CircuitState;
  /** Milliseconds since the Unix epoch; `-Infinity`: it has never been in another. */
  readonly from: number;
  readonly to: number;
}

/** Since when a circuit is not closed: or earlier, if that was before anybody looked. */
export interface Trouble {
  readonly since: number;
  readonly isExact: boolean;
}

/** Marks of one dependency: a chart shows no more. */
export const MOST_MARKS = 2_000;
const MOST_STATES = 200;
const SECOND_MS = 1_000;
// Up to here each mark of a second is kept; beyond, one stands for those that are drawn at its place.
const APART = 20;

/** What has happened to one dependency lately. Bounded; time comes in with what is noted. */
export class Track {
  readonly answers: Answers;
  trouble: Trouble | undefined;
  /** Before this, marks were dropped to make room: milliseconds since the Unix epoch, or `-Infinity`. */
  droppedUntil: number = -Infinity;
  #marks: Mark[] = [];
  readonly #states: { readonly at: number; readonly state: CircuitState }[] = [];
  #second = -Infinity;
  #inSecond = 0;
  readonly #alike = new Map<string, Mark>();

  constructor(longestMs: number) {
    this.answers = new Answers(longestMs);
  }

  /** Oldest first. */
  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** Adds a mark, or lets one that looks the same stand for it. Answers by how many there are more, or fewer. */
  add(mark: Mark): number {
    const before = this.#marks.length;
    const second = Math.floor(mark.at / SECOND_MS);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
      this.#alike.clear();
    }
    this.#inSecond += 1;
    if (this.#inSecond > APART) {
      const kind = likeness(mark);
      const alike = this.#alike.get(kind);
      if (alike !== undefined) {
        alike.count += 1;
        return 0;
      }
      this.#alike.set(kind, mark);
    }
    this.#marks.push(mark);
    if (this.#marks.length > MOST_MARKS) this.drop(MOST_MARKS >> 2);
    return this.#marks.length - before;
  }

  /** Drops the oldest marks to make room. Answers how many. */
  drop(count: number): number {
    const dropped = this.#marks.splice(0, count);
    this.droppedUntil = Math.max(this.droppedUntil, dropped.at(-1)?.at ?? -Infinity);
    return dropped.length;
  }

  /** Lets go of what is older than `at`. Answers how many marks that were. */
  forget(at: number): number {
    // Found by halving it would be quicker; but mostly the first one is young enough.
    const first = this.#marks.findIndex((mark) => mark.at >= at);
    const old = first === -1 ? this.#marks.length : first;
    if (old > 0) this.#marks.splice(0, old);
    return old;
  }

  /** What a snapshot tells of a circuit that was not watched so far. */
  begin(
    { breaker, lastTransition, outageSince }: Pick<DependencySnapshot, 'breaker' | 'lastTransition' | 'outageSince'>,
    now: number,
  ): void {
    if (breaker === null || this.#states.length > 0) return;
    const { state } = breaker;
    const isKnown = lastTransition !== null && lastTransition.to === state;
    this.#states.push({ at: isKnown ? lastTransition.at : -Infinity, state });
    if (state === 'closed') return;
    this.trouble = { since: outageSince ?? now, isExact: outageSince !== null };
  }

  turn(at: number, from: CircuitState, to: CircuitState): void {
    if (this.#states.length === 0) this.#states.push({ at: -Infinity, state: from });
    this.#states.push({ at, state: to });
    if (this.#states.length > MOST_STATES) this.#states.shift();
    if (to === 'closed') this.trouble = undefined;
    else if (from === 'closed') this.trouble = { since: at, isExact: true };
    else this.trouble ??= { since: at, isExact: false };
  }

  /** The circuit's states between two instants, oldest first; what is not known is left out. */
  states(from: number, to: number): CircuitSpan[] {
    return this.#states.flatMap(({ at, state }, index) => {
      const until = this.#states[index + 1]?.at ?? Infinity;
      return until <= from || at > to ? [] : [{ state, from: at, to: Math.min(until, to) }];
    });
  }

  /** The state at an instant, if it is known. */
  stateAt(at: number): CircuitSpan | undefined {
    return this.states(at, at).at(-1);
  }
}
