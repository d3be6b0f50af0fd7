/**
 * A fleet of the tabs of one origin.
 * @module steadfetch/tabs
 */

import { COUNT, checkKeys, checkNumber, show } from '../checks.ts';
import { type Cancel, type Clock, platformClock } from '../clock.ts';
import { EMPTY_RECORD, FLEET_VERSION, type FleetRecord, leased, reported, stateOf } from '../model/fleet.ts';
import { EngineFleet } from './engine-fleet.ts';
import type { Fleet, FleetEngine, FleetMember, FleetReport, FleetSeat } from './fleet.ts';
import { LONGEST_MS } from './record.ts';
import {
  isNewer,
  isOfThePast,
  LONGEST_DEPENDENCY,
  MOST_VOTES,
  parseTabRecord,
  startOf,
  type TabRecord,
  textOf,
} from './tab-record.ts';

/** The options of {@link tabFleet}. */
export interface TabFleetOptions {
  /** What its channel and its locks are called, in the main: tabs of one name have one opinion. Default `"steadfetch"`. */
  readonly name?: string;
  /** How many tabs have to find a dependency down before all of them open. Default 1, at most 16. */
  readonly quorum?: number;
}

const MOST_NAME = 64;

/**
 * One opinion of each dependency for all tabs (and workers) of an origin: `createClient({ breaker: { fleet } })`. It needs no
 * server: news goes over a BroadcastChannel, and who may change what is settled by Web Locks. Nothing waits for it, and a tab
 * that is frozen, blocked or gone holds up nobody. Where the platform has no BroadcastChannel or no Web Locks (a page without
 * HTTPS), circuits are alone, and a `fleet` event says `unsupported`.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function tabFleet(options: TabFleetOptions = {}): Fleet {
  checkKeys('tabFleet', options, ['name', 'quorum']);
  const { name = 'steadfetch' } = options;
  // Web Locks keep names with a dash in front for themselves.
  if (typeof name !== 'string' || name === '' || name.length > MOST_NAME || name.startsWith('-')) {
    const rule = `a string of 1 to ${MOST_NAME} characters without a dash in front`;
    throw new TypeError(`tabFleet.name must be ${rule}, got ${show(name)}`);
  }
  const quorum = checkNumber('tabFleet.quorum', options.quorum, 1, { ...COUNT, most: MOST_VOTES });
  const { BroadcastChannel, navigator } = globalThis as Platform;
  const locks = navigator?.locks;
  if (BroadcastChannel === undefined || typeof locks?.query !== 'function') return new Unsupported();
  const own = `${name}:${FLEET_VERSION}`;
  return new EngineFleet(new TabEngine(own, quorum, locks, () => new BroadcastChannel(own)));
}

/** What of the platform is used: types of the DOM are not there in every project. */
interface Platform {
  readonly BroadcastChannel?: new (name: string) => Channel;
  readonly navigator?: { readonly locks?: Locks };
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

interface Channel {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  postMessage(message: unknown): void;
  close(): void;
  /** In Node, where it would keep the process alive. */
  unref?(): void;
}

interface Locks {
  request(name: string, options: LockOptions, callback: () => Promise<void>): Promise<unknown>;
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>;
}

type LockOptions = { readonly mode: 'shared' } | { readonly signal: AbortSignal };

type Release = () => void;

interface Listener {
  readonly onMessage: (message: unknown) => void;
  readonly onBack: (withinMs: number) => void;
}

/** A dependency that this tab calls. */
interface Entry {
  readonly listeners: Set<Listener>;
  known: TabRecord | undefined;
  held: Promise<Release> | undefined;
  cancelForgetting: Cancel | undefined;
}

// How long the claim of another tab is respected. It comes twice, with time to spare, into what a seat allows for an answer.
const CLAIM_MS = 300;
// How long a tab may take from its claim to its change: well before another loses patience.
const CHANGE_MS = 150;
// The claims of stopped tabs that are passed over before it is given up for now.
const MOST_SKIPPED = 2;
// How long others can learn of what is over: a probe that nobody has sent, a dependency that is back.
const REMEMBERED_MS = 60_000;

/**
 * The memory of a fleet, in the tabs themselves. Each keeps the record of what it calls, and holds a shared lock that has the
 * record for its name. So the browser's own list of locks is what all of them know, also those that answer nobody: a newcomer
 * reads it there and waits for no tab, and it is put in order against the claims below, which messages are not.
 *
 * Whoever changes a record first claims its next version, by an exclusive lock. A lock for the dependency would do as well,
 * until a tab is frozen with it: `steal` then takes it from whoever has it by now, and two who steal at once both have it. A
 * claim on a version is passed over instead, by a claim on the version after: of those who lose patience, one gets that one.
 * The tab that was stopped finds on waking that it is late, and changes nothing; what it holds is in nobody's way.
 */
class TabEngine implements FleetEngine {
  readonly #name: string;
  readonly #quorum: number;
  readonly #locks: Locks;
  readonly #openChannel: () => Channel;
  readonly #clock: Clock;
  readonly #id: string;
  /** What this tab calls, and nothing else: what others say of more is not kept, so its bound is that of the clients here. */
  readonly #entries = new Map<string, Entry>();
  #channel: Channel | undefined;
  #isHidden = false;
  /** The list of locks that is being fetched, and the one that is fetched after it. */
  #listing: Promise<unknown> = Promise.resolve();
  #nextListing: Promise<readonly string[]> | undefined;

  constructor(
    name: string,
    quorum: number,
    locks: Locks,
    openChannel: () => Channel,
    clock: Clock = platformClock,
    random: () => number = Math.random,
  ) {
    this.#name = name;
    this.#quorum = quorum;
    this.#locks = locks;
    this.#openChannel = openChannel;
    this.#clock = clock;
    this.#id = random().toString(36).slice(2, 8);
  }

  report(dependency: string, given: FleetReport): Promise<unknown> {
    const report = 'retryAfterMs' in given ? { ...given, retryAfterMs: bounded(given.retryAfterMs) } : given;
    return this.#change(dependency, (record, now) => {
      const next = reported(record, this.#id, report, this.#quorum, now);
      return { record: next, answer: stateOf(next, now) };
    });
  }

  lease(dependency: string, leaseMs: number): Promise<unknown> {
    return this.#change(dependency, (record, now) => {
      return leased(record, this.#id, bounded(leaseMs), now);
    });
  }

  async read(dependency: string): Promise<unknown> {
    const { record } = await this.#latest(dependency);
    return stateOf(record, this.#clock.epochNow());
  }

  subscribe(
    dependency: string,
    onMessage: Listener['onMessage'],
    _onLost: (reason: string) => void,
    onBack: Listener['onBack'],
  ): () => void {
    const own: Listener = { onMessage, onBack };
    const entry = this.#entries.get(dependency) ?? newEntry();
    this.#entries.set(dependency, entry);
    entry.listeners.add(own);
    return () => {
      entry.listeners.delete(own);
      if (entry.listeners.size > 0 || this.#entries.get(dependency) !== entry) return;
      this.#entries.delete(dependency);
      forget(entry);
      if (this.#entries.size === 0) this.#shut();
    };
  }

  async close(): Promise<void> {
    for (const entry of this.#entries.values()) forget(entry);
    this.#entries.clear();
    this.#shut();
  }

  /** Claims the next version, and makes the change if nothing else has become of the record meanwhile. */
  async #change<A>(
    dependency: string,
    decide: (record: FleetRecord, now: number) => { readonly record: FleetRecord; readonly answer: A },
  ): Promise<A> {
    let known = await this.#latest(dependency);
    let skipped = 0;
    while (skipped <= MOST_SKIPPED) {
      const { record, answer } = decide(known.record, this.#clock.epochNow());
      if (record === known.record) return answer;
      const letGo = await this.#claim(known, skipped);
      const claimedAt = this.#clock.now();
      try {
        const latest = await this.#latest(dependency);
        if (isNewer(latest, known) || isNewer(known, latest)) {
          known = latest;
          skipped = 0;
        } else if (letGo === undefined) {
          skipped += 1;
        } else {
          // Time has passed in the queue: it is decided anew.
          const at = this.#clock.epochNow();
          const change = decide(known.record, at);
          if (this.#clock.now() - claimedAt > CHANGE_MS) throw new Unavailable('late');
          if (change.record !== known.record) {
            const version = known.version + 1 + skipped;
            await this.#publish({ dependency, version, at, record: change.record });
          }
          return change.answer;
        }
      } finally {
        letGo?.();
      }
    }
    throw new Unavailable('blocked');
  }

  /** The exclusive right to replace what is known; `undefined` if another tab has it, and does nothing with it. */
  async #claim({ dependency, version, record }: TabRecord, skipped: number): Promise<Release | undefined> {
    const name = `${this.#name}:claims:${JSON.stringify([dependency, record.run, version + 1 + skipped])}`;
    const signal = this.#clock.timeoutSignal(CLAIM_MS);
    try {
      return await this.#hold(name, { signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** What any tab knows, at this moment. */
  async #latest(dependency: string): Promise<TabRecord> {
    if (this.#isHidden || !this.#entries.has(dependency)) throw new Unavailable('hidden');
    if (startOf(dependency).length > LONGEST_DEPENDENCY) throw new Unavailable('name-too-long');
    this.#open();
    const held = await this.#list();
    const now = this.#clock.epochNow();
    const start = startOf(dependency);
    let latest = this.#known(dependency, now);
    for (const text of held) {
      const other = text.startsWith(start) ? parseTabRecord(text, now) : undefined;
      if (other !== undefined && isNewer(other, latest)) latest = other;
    }
    this.#learn(latest);
    return latest;
  }

  /**
   * What all tabs know, as it is after this call. The browser's list has all that all tabs hold: were it fetched once for each
   * question, a hundred dependencies that go down together would block the browser. Who asks while one is fetched shares the next.
   */
  #list(): Promise<readonly string[]> {
    this.#nextListing ??= this.#fetchList();
    return this.#nextListing;
  }

  async #fetchList(): Promise<readonly string[]> {
    await this.#listing.catch(() => {});
    this.#nextListing = undefined;
    const listing = this.#locks.query();
    this.#listing = listing;
    const { held = [] } = await listing;
    const prefix = `${this.#name}:knows:`;
    return held.flatMap(({ name = '' }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  }

  #known(dependency: string, now: number): TabRecord {
    const known = this.#entries.get(dependency)?.known;
    // Of a run that every other is newer than: what nobody knows, whoever does know is right about.
    return known !== undefined && isOfThePast(known, now)
      ? known
      : { dependency, version: 0, at: 0, record: EMPTY_RECORD };
  }

  async #publish(next: TabRecord): Promise<void> {
    const held = this.#remember(next);
    // From here on it is so, for whoever looks. The message is for those who don't.
    await held;
    if (!isNewer(next, this.#known(next.dependency, this.#clock.epochNow()))) {
      letGo(held);
      throw new Unavailable('late');
    }
    this.#keep(next, held);
    this.#channel?.postMessage(textOf(next));
  }

  #learn(other: TabRecord): void {
    const { dependency } = other;
    if (!this.#entries.has(dependency) || !isNewer(other, this.#known(dependency, this.#clock.epochNow()))) return;
    this.#keep(other, this.#remember(other));
  }

  #keep(next: TabRecord, held: Promise<Release>): void {
    held.catch(() => {});
    const entry = this.#entries.get(next.dependency);
    // Left meanwhile, or on its way out: a page that holds a lock is not kept for the way back.
    if (entry === undefined || this.#channel === undefined) {
      letGo(held);
      return;
    }
    const now = this.#clock.epochNow();
    const before = this.#known(next.dependency, now).record;
    const last = entry.held;
    entry.cancelForgetting?.();
    entry.known = next;
    entry.held = held;
    const { record, at } = next;
    const untilAt = Math.max(at, record.retryAt, record.lease?.until ?? 0, ...Object.values(record.votes));
    entry.cancelForgetting = this.#clock.schedule(untilAt + REMEMBERED_MS - now, () => letGo(held));
    entry.cancelForgetting.unref?.();
    // What others know must not be gone before what is newer is there.
    void held.then(
      () => letGo(last),
      () => letGo(last),
    );
    if (before.state === record.state && before.retryAt === record.retryAt) return;
    for (const { onMessage } of [...entry.listeners]) onMessage(stateOf(record, now));
  }

  #remember(known: TabRecord): Promise<Release> {
    return this.#hold(`${this.#name}:knows:${textOf(known)}`, { mode: 'shared' });
  }

  /** Has a lock, from when the promise is fulfilled until its value is called. */
  #hold(name: string, options: LockOptions): Promise<Release> {
    return new Promise((resolve, reject) => {
      const run = (): Promise<void> => new Promise<void>((release) => resolve(release));
      this.#locks.request(name, options, run).catch(reject);
    });
  }

  #open(): void {
    if (this.#channel !== undefined) return;
    const channel = this.#openChannel();
    this.#channel = channel;
    channel.unref?.();
    channel.addEventListener('message', ({ data }) => {
      const heard = this.#channel === channel ? parseTabRecord(data, this.#clock.epochNow()) : undefined;
      if (heard !== undefined) this.#learn(heard);
    });
    // The same listener twice is once.
    const { addEventListener: listen } = globalThis as Platform;
    listen?.('pagehide', this.#hide);
    listen?.('pageshow', this.#show);
  }

  #shut(): void {
    const { removeEventListener: unlisten } = globalThis as Platform;
    unlisten?.('pagehide', this.#hide);
    unlisten?.('pageshow', this.#show);
    this.#channel?.close();
    this.#channel = undefined;
    // Nobody will tell it that it is shown again.
    this.#isHidden = false;
  }

  /** A page that has a channel or a lock is not kept by the browser for the way back. */
  readonly #hide = (): void => {
    this.#isHidden = true;
    this.#channel?.close();
    this.#channel = undefined;
    for (const entry of this.#entries.values()) letGo(entry.held);
  };

  readonly #show = (): void => {
    // A page is also shown when it has just been loaded.
    if (!this.#isHidden) return;
    this.#isHidden = false;
    this.#open();
    for (const { known, listeners } of this.#entries.values()) {
      // What it knew it tells again, until it has heard what is newer.
      if (known !== undefined) this.#keep(known, this.#remember(known));
      for (const { onBack } of [...listeners]) onBack(0);
    }
  };
}

/** Its name is the reason that is told. */
class Unavailable extends Error {
  override readonly name: string;

  constructor(reason: 'late' | 'blocked' | 'hidden' | 'name-too-long') {
    super(`Cannot tell what the tabs know: ${reason}`);
    this.name = reason;
  }
}

/** In place of a fleet, where there can be none: nothing is tried again, and no timer runs. */
class Unsupported implements Fleet {
  join(member: FleetMember): FleetSeat {
    let isOver = false;
    void Promise.resolve().then(() => {
      if (!isOver) member.onStatus({ status: 'alone', reason: 'unsupported' });
    });
    const leave = (): void => {
      isOver = true;
    };
    return { probeWaitMs: () => 0, opened() {}, closed() {}, leave };
  }

  async close(): Promise<void> {}
}

function newEntry(): Entry {
  return { listeners: new Set(), known: undefined, held: undefined, cancelForgetting: undefined };
}

function forget({ held, cancelForgetting }: Entry): void {
  cancelForgetting?.();
  letGo(held);
}

function letGo(held: Promise<Release> | undefined): void {
  held?.then(
    (release) => release(),
    () => {},
  );
}

/** In whole milliseconds: a name of a lock has no room for more. */
function bounded(spanMs: number): number {
  return Math.ceil(Math.min(spanMs, LONGEST_MS));
}
