import { COUNT, checkKeys, checkMethods, checkNumber, SPAN_MS, show } from '../checks.ts';
import { platformClock } from '../clock.ts';
import { FLEET_VERSION } from '../model/fleet.ts';
import { EngineFleet } from './engine-fleet.ts';
import type { Fleet, FleetEngine, FleetReport } from './fleet.ts';
import { LONGEST_MS } from './record.ts';
import { FLEET_SCRIPT } from './redis-script.ts';

/** What of a client of `redis` (node-redis) is used, be it of one server, of a cluster or of sentinels. */
export interface RedisClient {
  /** `false` while it has no connection: then nothing is asked of it. */
  readonly isReady?: boolean;
  /** `false` once it is closed: then its duplicate looks for the server no longer. */
  readonly isOpen?: boolean;
  /** Runs a Lua script. */
  eval(script: string, options: { readonly keys: string[]; readonly arguments: string[] }): Promise<unknown>;
  /** Another connection like this one, for messages: it is opened, and closed, by the fleet. */
  duplicate(): RedisSubscriber;
  /** As its duplicates have it. */
  destroy(): void;
}

/** What of a duplicate is used. */
export interface RedisSubscriber {
  /** `false` while it has no connection. */
  readonly isReady?: boolean;
  /** Opens the connection. */
  connect(): Promise<unknown>;
  /** Tells of the connection: that it is there, or lost. */
  on(event: 'error' | 'ready' | 'terminated', listener: (error?: unknown) => void): unknown;
  /** Has a listener told of what is sent to a channel. */
  subscribe(channel: string, listener: RedisListener): Promise<unknown>;
  /** Takes the listener back. */
  unsubscribe(channel: string, listener: RedisListener): Promise<unknown>;
  /** Closes the connection. */
  destroy(): void;
  /** Lets the process end, though this is open. */
  unref?(): void;
}

/** Hears of messages. Bytes never come: but a listener of node-redis may be of either kind. */
export type RedisListener = (message: string | Uint8Array) => void;

/** The options of {@link redisFleet}. */
export interface RedisFleetOptions {
  /** A client of `redis` (node-redis). It stays yours, and need not be connected yet. */
  readonly client: RedisClient;
  /** What keys and channels begin with: fleets of one prefix have one opinion. Default `"steadfetch:fleet:"`. */
  readonly prefix?: string;
  /**
   * How many instances have to find a dependency down before all of them open. Default 1. With more, one whose own network is
   * broken can't take the others with it.
   */
  readonly quorum?: number;
  /**
   * How often an instance asks for news, in ms, while it has calls for the dependency: messages come at once, but may get lost.
   * Default 60,000; `Infinity`: it relies on messages.
   */
  readonly pollMs?: number;
}

const MOST_PREFIX = 64;
// How long a dependency is remembered that nobody calls any more.
const KEPT_MS = 86_400_000;
// How long a question counts: as long as its answer is waited for.
const COUNTS_MS = 1_000;
// A state has a hundred characters.
const MOST_MESSAGE = 1_000;
// How Redis begins a refusal, and the system its codes.
const WORD = /^[A-Z][A-Z_]{1,30}\b/;
// Over how long those who have lost it ask again when it is back.
const BACK_WITHIN_MS = 2_000;

/**
 * One opinion of each dependency, for all instances that share a Redis or Valkey: `createClient({ breaker: { fleet } })`. One
 * key and one channel per dependency, in one slot of a cluster; at most `quorum` + 9 fields. Nothing waits for it: when it is slow or gone,
 * circuits go on alone, say so (`fleet` events), and come back by themselves.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function redisFleet(options: RedisFleetOptions): Fleet {
  if (typeof Reflect.get(Object(options), 'duplicate') === 'function') {
    throw new TypeError('redisFleet must be given options, { client }, got a client');
  }
  checkKeys('redisFleet', options, ['client', 'prefix', 'quorum', 'pollMs']);
  const { client, prefix = 'steadfetch:fleet:' } = options;
  // Other libraries have some of these, and mean other things by them.
  checkMethods('redisFleet.client', 'a client of redis (node-redis)', client, ['eval', 'duplicate', 'destroy']);
  if (typeof prefix !== 'string' || prefix.length > MOST_PREFIX || /[{}]/.test(prefix)) {
    const rule = `a string of at most ${MOST_PREFIX} characters without braces`;
    throw new TypeError(`redisFleet.prefix must be ${rule}, got ${show(prefix)}`);
  }
  const quorum = checkNumber('redisFleet.quorum', options.quorum, 1, { ...COUNT, most: 1_000 });
  const pollMs = checkNumber('redisFleet.pollMs', options.pollMs, 60_000, SPAN_MS);
  return new EngineFleet(new RedisEngine(client, prefix, quorum, pollMs));
}

interface Subscription {
  readonly onMessage: (message: unknown) => void;
  readonly onLost: (reason: string) => void;
  readonly onBack: (withinMs: number) => void;
}

interface Connection {
  readonly subscriber: RedisSubscriber;
  readonly ready: Promise<unknown>;
  /** Channels that are subscribed to, or being so. */
  readonly heard: Map<string, { readonly deliver: RedisListener; readonly done: Promise<unknown> }>;
}

class RedisEngine implements FleetEngine {
  readonly pollMs: number;
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #quorum: number;
  readonly #id: string;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** How far the server's clock is ahead of this one, or a little more. */
  #aheadMs: number | undefined;
  #connection: Connection | undefined;
  #isClosed = false;

  constructor(client: RedisClient, prefix: string, quorum: number, pollMs: number, random = Math.random) {
    this.#client = client;
    this.#prefix = prefix;
    this.#quorum = quorum;
    this.pollMs = pollMs;
    this.#id = [random(), random()].map((part) => part.toString(36).slice(2)).join('');
  }

  get isReachable(): boolean {
    return this.#client.isReady !== false && this.#connection?.subscriber.isReady !== false;
  }

  async report(dependency: string, report: FleetReport): Promise<unknown> {
    const retryAfterMs = report.kind === 'recovered' ? 0 : report.retryAfterMs;
    const token = report.kind === 'down' ? '0' : String(report.token);
    return (await this.#ask(dependency, report.kind, retryAfterMs, token))['state'];
  }

  lease(dependency: string, leaseMs: number): Promise<unknown> {
    return this.#ask(dependency, 'lease', leaseMs, '0');
  }

  async read(dependency: string): Promise<unknown> {
    // One that waits for its connection would do it later, when nobody wants it any more.
    if (this.#client.isReady === false) throw new NotConnected();
    await this.#listen(this.#channel(dependency));
    return (await this.#ask(dependency, 'read', 0, '0'))['state'];
  }

  subscribe(
    dependency: string,
    onMessage: Subscription['onMessage'],
    onLost: Subscription['onLost'],
    onBack: Subscription['onBack'],
  ): () => void {
    const own: Subscription = { onMessage, onLost, onBack };
    const channel = this.#channel(dependency);
    const all = this.#subscriptions.get(channel) ?? new Set();
    this.#subscriptions.set(channel, all.add(own));
    return () => {
      all.delete(own);
      if (all.size > 0 || this.#subscriptions.get(channel) !== all) return;
      this.#subscriptions.delete(channel);
      const connection = this.#connection;
      const heard = connection?.heard.get(channel);
      connection?.heard.delete(channel);
      heard?.done.then(() => connection?.subscriber.unsubscribe(channel, heard.deliver)).catch(() => {});
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#subscriptions.clear();
    // Also one that still looks for its server.
    this.#connection?.subscriber.destroy();
  }

  async #ask(dependency: string, asked: string, spanMs: number, token: string): Promise<Record<string, unknown>> {
    if (this.#client.isReady === false) throw new NotConnected();
    const now = platformClock.now();
    const counts = this.#aheadMs === undefined ? 0 : now + this.#aheadMs + COUNTS_MS;
    const span = Math.min(spanMs, LONGEST_MS);
    const args = [asked, this.#id, this.#quorum, span, token, this.#channel(dependency), KEPT_MS, counts];
    const inText = args.map((each) => (typeof each === 'number' ? String(Math.ceil(each)) : each));
    try {
      const text = await this.#client.eval(FLEET_SCRIPT, { keys: [this.#key(dependency)], arguments: inText });
      const answer = Object(JSON.parse(String(text))) as Record<string, unknown>;
      this.#aheadMs = Number(answer['now']) - now;
      if (answer['isLate'] === true) throw new Late();
      return answer;
    } catch (error) {
      throw error instanceof Late ? error : new Refused(error);
    }
  }

  /** Whoever hears nothing has not joined: asked again with each read, until it is so. */
  async #listen(channel: string): Promise<void> {
    if (!this.#subscriptions.has(channel)) return;
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    const { subscriber, ready, heard } = connection;
    let own = heard.get(channel);
    if (own === undefined) {
      const deliver: RedisListener = (text) => this.#deliver(channel, text);
      own = { deliver, done: ready.then(() => subscriber.subscribe(channel, deliver)) };
      heard.set(channel, own);
    }
    try {
      await own.done;
    } catch (error) {
      if (heard.get(channel) === own) heard.delete(channel);
      if (heard.size === 0) this.#forget(connection, wordOf(error));
      throw new Refused(error);
    }
    if (subscriber.isReady === false) throw new NotConnected();
  }

  /** One connection for all channels. The client connects again by itself, and subscribes anew. */
  #connect(): Connection {
    const subscriber = this.#client.duplicate();
    subscriber.unref?.();
    const connection: Connection = {
      subscriber,
      heard: new Map(),
      ready: (async () => {
        await subscriber.connect();
        if (this.#isClosed) subscriber.destroy();
      })(),
    };
    connection.ready.catch(() => {});
    let wasReady = false;
    const isCurrent = (): boolean => this.#connection === connection;
    subscriber.on('error', (error) => {
      // The client that it belongs to has been closed. Between attempts to connect it waits by timers, which keep the process
      // alive whatever unref() says.
      if (this.#client.isOpen === false) this.#forget(connection, wordOf(error));
      else if (isCurrent()) this.#tellAll(({ onLost }) => onLost(wordOf(error)));
    });
    subscriber.on('ready', () => {
      // Also when it is there for the first time: but then there is nothing that was not heard.
      if (isCurrent() && wasReady) this.#tellAll(({ onBack }) => onBack(BACK_WITHIN_MS));
      wasReady = true;
    });
    // It has given up.
    subscriber.on('terminated', (error) => this.#forget(connection, wordOf(error)));
    return connection;
  }

  #forget(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    try {
      connection.subscriber.destroy();
    } catch {
      // It is gone already.
    }
    if (!this.#isClosed) this.#tellAll(({ onLost }) => onLost(reason));
  }

  #deliver(channel: string, text: string | Uint8Array): void {
    if (typeof text !== 'string' || text.length > MOST_MESSAGE) return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    for (const { onMessage } of this.#subscriptions.get(channel) ?? []) onMessage(message);
  }

  #tellAll(tell: (subscription: Subscription) => void): void {
    for (const all of this.#subscriptions.values()) for (const each of [...all]) tell(each);
  }

  // In braces: key and channel of a dependency are in one slot of a cluster.
  #key(dependency: string): string {
    return `${this.#prefix}${FLEET_VERSION}:{${dependency}}`;
  }

  #channel(dependency: string): string {
    return `${this.#key(dependency)}:changes`;
  }
}

class NotConnected extends Error {
  override readonly name = 'NotConnected';
  override readonly message = 'Cannot ask Redis: the client has no connection';
}

class Late extends Error {
  override readonly name = 'late';
  override readonly message = 'Cannot use the answer of Redis: it is late';
}

/** Has for its name what the server or the system calls it. */
class Refused extends Error {
  override readonly name: string;

  constructor(cause: unknown) {
    const name = wordOf(cause);
    super(`Cannot ask Redis: ${name}`, { cause });
    this.name = name;
  }
}

/** The one word that says most (`NOPERM`, `READONLY`, `ECONNREFUSED`): a message may tell more than others should know. */
function wordOf(error: unknown): string {
  const { code, message, name } = Object(error) as Partial<Record<'code' | 'message' | 'name', unknown>>;
  if (typeof code === 'string' && WORD.test(code)) return code;
  return WORD.exec(String(message))?.[0] ?? (typeof name === 'string' ? name : 'Error');
}
