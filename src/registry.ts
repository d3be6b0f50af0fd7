import type { ClientSettings } from './client-options.ts';
import { Dependency } from './dependency.ts';
import { originIn } from './http/request.ts';
import type { ClientSnapshot } from './snapshot.ts';
import type { Telemetry } from './telemetry.ts';

// How many entries are looked at to make room for one: a storm of new names must not make each call walk the registry.
const LOOKS = 16;

/** The dependencies of a client, bounded: whoever can choose URLs can't grow it. */
export class Registry {
  readonly #entries = new Map<string, Dependency>();
  readonly #settings: ClientSettings;
  readonly #telemetry: Telemetry;
  /** Restored on first use: where a Worker creates its client, at module scope, the clocks stand at 0. */
  #saved: ClientSnapshot | undefined;
  #hasLeft = false;
  #last: Dependency | undefined;

  constructor(settings: ClientSettings, telemetry: Telemetry) {
    this.#settings = settings;
    this.#telemetry = telemetry;
    this.#saved = settings.restore;
  }

  /**
   * The dependency of that name. When the registry is full of ones in use or with an open circuit, a newcomer gets
   * state that lives only as long as its call: defended as any, but not remembered.
   */
  get(key: string): Dependency {
    const known = this.find(key);
    if (known !== undefined) return known;
    const hasRoom = this.#entries.size < this.#settings.maxDependencies || this.#evictOne();
    // One that is not remembered is nobody's to tell of.
    const joins = hasRoom && !this.#hasLeft;
    const created = new Dependency(key, joins ? this.#settings : withoutFleet(this.#settings), this.#telemetry);
    if (hasRoom) this.#entries.set(key, created);
    return created;
  }

  /** The dependency of that name, if it is known. */
  find(key: string): Dependency | undefined {
    this.#restoreOnce();
    const known = this.#entries.get(key);
    if (known !== undefined) known.recent = true;
    return known;
  }

  /** The dependency whose name is the origin that a URL begins with, if it is known. */
  findFor(href: string): Dependency | undefined {
    const last = this.#last;
    // Nearly always that of the URL before: no origin need be cut out and looked up.
    if (last !== undefined && href.startsWith(last.key) && href[last.key.length] === '/') {
      last.recent = true;
      return last;
    }
    const origin = originIn(href);
    const found = origin === undefined ? undefined : this.find(origin);
    // A snapshot may name a dependency as it likes.
    this.#last = found?.isOrigin === true ? found : undefined;
    return this.#last;
  }

  [Symbol.iterator](): IterableIterator<Dependency> {
    this.#restoreOnce();
    return this.#entries.values();
  }

  /**
   * Second chance: the oldest that is idle and was not called again since it was last looked at; if all of those looked
   * at were, the oldest of them that is idle.
   */
  #evictOne(): boolean {
    this.#last = undefined;
    const oldestFirst = this.#entries.values();
    let spared: Dependency | undefined;
    for (let looks = 0; looks < LOOKS; looks += 1) {
      const entry = oldestFirst.next().value;
      if (entry === undefined) break;
      this.#entries.delete(entry.key);
      if (entry.idle && !entry.recent) {
        entry.breaker?.leave();
        return true;
      }
      if (entry.idle) spared ??= entry;
      entry.recent = false;
      this.#entries.set(entry.key, entry);
    }
    spared?.breaker?.leave();
    return spared !== undefined && this.#entries.delete(spared.key);
  }

  /** Takes all of them out of the fleet, and whoever comes later does not join. */
  leaveFleet(): void {
    this.#hasLeft = true;
    for (const { breaker } of this.#entries.values()) breaker?.leave();
  }

  #restoreOnce(): void {
    const snapshot = this.#saved;
    if (snapshot === undefined) return;
    this.#saved = undefined;
    const elapsedMs = Math.max(0, this.#settings.tools.clock.epochNow() - snapshot.at);
    for (const [key, saved] of Object.entries(snapshot.dependencies)) this.get(key).restore(saved, elapsedMs);
  }
}

function withoutFleet(settings: ClientSettings): ClientSettings {
  const { breaker } = settings;
  if (breaker === false || breaker.fleet === undefined) return settings;
  return { ...settings, breaker: { ...breaker, fleet: undefined } };
}
