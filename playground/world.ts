import { type Client, type ClientOptions, createClient } from 'steadfetch';
import { chanceFor } from '../lab/chance.ts';
import { VirtualClock } from '../lab/clock.ts';
import { arrivals } from '../lab/traffic.ts';
import { type Breakage, breakages } from './breakage.ts';
import { Load } from './load.ts';
import { Server } from './server.ts';
import { transitionInWords } from './story.ts';
import { REMEMBERED_MS, Tally } from './tally.ts';

/** Something that happened, in words. */
export interface Line {
  /** Number of the line, from 0. */
  readonly id: number;
  /** By the clock of the world. */
  readonly at: number;
  readonly text: string;
}

/** A while in which the servers were broken; without an end as long as they are. */
export interface Outage {
  readonly from: number;
  readonly to?: number;
}

export interface WorldOptions {
  /** Of all that is left to chance. Default 1. */
  readonly seed?: number;
  /** What the wall clock shows when it begins: milliseconds since the Unix epoch. */
  readonly epochStart?: number;
}

// Of these many pages, some are asked for more often than others.
const PAGES = 40;
const MOST_LINES = 8;

/**
 * Users of two servers that are alike, and break alike. Each user calls both at once: one over a client with the policy, the
 * other with a bare fetch. Time passes with each {@link step}.
 */
export class World {
  readonly clock: VirtualClock;
  /** What callers got over the client, and with a bare fetch. */
  readonly steadfetch: Tally;
  readonly bare: Tally;
  usersPerSecond = 10;
  readonly #now = (): number => this.clock.now();
  readonly #servers: readonly [ours: Server, theirs: Server];
  readonly #random: () => number;
  #client: Client;
  #load: Load;
  #breakage: Breakage | undefined;
  #outages: readonly Outage[] = [];
  #lines: readonly Line[] = [];
  #told = 0;

  /** @throws TypeError or RangeError naming the option of the policy and the value. */
  constructor(policy: ClientOptions, { seed = 1, epochStart }: WorldOptions = {}) {
    const clock = new VirtualClock(epochStart);
    this.clock = clock;
    this.steadfetch = new Tally(this.#now);
    this.bare = new Tally(this.#now);
    this.#load = new Load(this.#now);
    const [ours, theirs] = [new Server(clock, seed), new Server(clock, seed)];
    ours.onRequest = () => this.steadfetch.request();
    theirs.onRequest = () => this.bare.request();
    this.#servers = [ours, theirs];
    this.#random = chanceFor(seed, 'client');
    this.#client = this.#create(policy, this.#load);
    const page = chanceFor(seed, 'pages');
    const call = (): void => {
      const url = `https://users.internal/u/${1 + Math.floor(page() ** 2 * PAGES)}`;
      this.#load.call(visit(this.#client.fetch, url, this.steadfetch));
      visit(theirs.fetch, url, this.bare);
    };
    arrivals(clock, chanceFor(seed, 'users'), () => this.usersPerSecond, Infinity, call);
  }

  get client(): Client {
    return this.#client;
  }

  get breakage(): Breakage | undefined {
    return this.#breakage;
  }

  /** Those that can be seen in the last minute, oldest first; older ones may be among them. */
  get outages(): readonly Outage[] {
    return this.#outages;
  }

  /** What has happened, newest first. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** Why no time passes: the policy in use makes more of everything than a page can hold. Another one goes on. */
  get excess(): string | undefined {
    return this.#load.excess;
  }

  now(): number {
    return this.clock.now();
  }

  /** The next event, as of its clock; `false` too while there is an {@link excess}. */
  step(untilMs: number): boolean {
    return this.excess === undefined && this.clock.step(untilMs);
  }

  /**
   * Goes on with another policy, which begins with closed circuits and an empty store.
   * @throws TypeError or RangeError naming the option and the value: then the one before goes on.
   */
  apply(policy: ClientOptions): void {
    const before = this.#client;
    const load = new Load(this.#now);
    this.#client = this.#create(policy, load);
    this.#load = load;
    // At once: what it is at may be too much.
    void before.close({ drainMs: 0 });
    this.#tell('You applied a policy: a new client, which knows nothing yet.');
  }

  /** Breaks the servers in this way, and no other. */
  break(breakage: Breakage): void {
    if (this.#breakage === undefined) this.#begin();
    this.#breakage = breakage;
    for (const server of this.#servers) server.breakage = breakage;
    this.#tell(`You broke the server: it ${breakages[breakage].does}.`);
  }

  heal(): void {
    if (this.#breakage === undefined) return;
    this.#breakage = undefined;
    for (const server of this.#servers) server.breakage = undefined;
    const to = this.clock.now();
    this.#outages = this.#outages.map((outage) => ({ to, ...outage }));
    this.#tell('You healed the server.');
  }

  /** An outage. Those that are over for longer than calls are remembered are seen nowhere. */
  #begin(): void {
    const from = this.clock.now();
    const seen = this.#outages.filter(({ to = from }) => to > from - REMEMBERED_MS);
    this.#outages = [...seen, { from }];
  }

  #create(policy: ClientOptions, load: Load): Client {
    const fetch: typeof globalThis.fetch = (input, init) => {
      const answer = this.#servers[0].fetch(input, init);
      load.request(answer);
      return answer;
    };
    const client = createClient({ fetch, clock: this.clock, random: this.#random, ...policy });
    client.subscribe((event) => {
      if (event.type === 'transition' && client === this.#client) this.#tell(transitionInWords(event));
    });
    return client;
  }

  #tell(text: string): void {
    this.#lines = [{ id: this.#told, at: this.clock.now(), text }, ...this.#lines].slice(0, MOST_LINES);
    this.#told += 1;
  }
}

/** Makes a call and reads its answer to the end: only then does a bulkhead that waits for the body have its slot back. */
function visit(fetch: Client['fetch'], url: string, tally: Tally): Promise<Response> {
  const answer = fetch(url);
  void tally.note(answer);
  answer.then((response) => response.arrayBuffer()).catch(() => {});
  return answer;
}
