import { COUNT, checkKeys, checkNumber, show } from '../checks.ts';
import { FLEET_VERSION } from '../model/fleet.ts';
import { EngineFleet } from './engine-fleet.ts';
import type { Fleet, FleetEngine, FleetReport } from './fleet.ts';
import { FLEET_SCRIPT } from './redis-script.ts';

/** What of a client of Redis or Valkey is used: that of `redis` (node-redis) has it. */
export interface RedisClient {
  /** `false` while it has no connection: then nothing is asked of it. */
  readonly isReady?: boolean;
  eval(script: string, options: { readonly keys: string[]; readonly arguments: string[] }): Promise<unknown>;
  /** Another connection like this one, for messages: it is opened, and closed, by the fleet. */
  duplicate(): RedisSubscriber;
}

export interface RedisSubscriber {
  readonly isReady?: boolean;
  connect(): Promise<unknown>;
  on(event: 'error' | 'ready' | 'end', listener: (error?: unknown) => void): unknown;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  destroy(): void;
}

/** The options of {@link redisFleet}. */
export interface RedisFleetOptions {
  /** A client of `redis` (node-redis), connected; it stays yours. */
  readonly client: RedisClient;
  /** What keys and channels begin with: fleets of one prefix have one opinion. Default `"steadfetch:fleet:"`. */
  readonly prefix?: string;
  /**
   * How many instances have to find a dependency down before all of them open. Default 1. With more, one whose own network is
   * broken can't take the others with it.
   */
  readonly quorum?: number;
}

const MOST_PREFIX = 64;
// How long a dependency is remembered that nobody calls any more.
const KEPT_MS = 86_400_000;
// How Redis begins a refusal, and the system its codes.
const WORD = /^[A-Z][A-Z_]{1,30}\b/;
// Over how long those who have lost it ask again when it is back.
const BACK_WITHIN_MS = 2_000;

/**
 * One opinion of each dependency, for all instances that share a Redis or Valkey: `createClient({ breaker: { fleet } })`. One
 * key and one channel per dependency, in one slot of a cluster; at most `quorum` + 8 fields. Nothing waits for it: when it is slow or gone,
 * circuits go on alone, say so (`fleet` events), and come back by themselves.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function redisFleet(options: RedisFleetOptions): Fleet {
  checkKeys('redisFleet', options, ['client', 'prefix', 'quorum']);
  const { client, prefix = 'steadfetch:fleet:' } = options;
  if (typeof client?.eval !== 'function' || typeof client.duplicate !== 'function') {
    throw new TypeError(`redisFleet.client must be a client of redis, got ${show(client)}`);
  }
  if (typeof prefix !== 'string' || prefix.length > MOST_PREFIX || /[{}]/.test(prefix)) {
    const rule = `a string of at most ${MOST_PREFIX} characters without braces`;
    throw new TypeError(`redisFleet.prefix must be ${rule}, got ${show(prefix)}`);
  }
  const quorum = checkNumber('redisFleet.quorum', options.quorum, 1, { ...COUNT, most: 1_000 });
  return new EngineFleet(new RedisEngine(client, prefix, quorum));
}

interface Subscription {
  readonly onMessage: (message: unknown) => void;
  readonly onLost: (reason: string) => void;
  readonly onBack: (withinMs: number) => void;
}

interface Connection {
  readonly subscriber: RedisSubscriber;
  readonly ready: Promise<RedisSubscriber>;
}

class RedisEngine implements FleetEngine {
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #quorum: number;
  readonly #id: string;
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** Channels that are subscribed to. */
  readonly #heard = new Set<string>();
  #connection: Connection | undefined;
  #isClosed = false;

  constructor(client: RedisClient, prefix: string, quorum: number, random: () => number = Math.random) {
    this.#client = client;
    this.#prefix = prefix;
    this.#quorum = quorum;
    this.#id = [random(), random()].map((part) => part.toString(36).slice(2)).join('');
  }

  async report(dependency: string, report: FleetReport): Promise<unknown> {
    const retryAfterMs = report.kind === 'recovered' ? 0 : report.retryAfterMs;
    const token = report.kind === 'down' ? '0' : String(report.token);
    return stateIn(await this.#ask(dependency, report.kind, retryAfterMs, token));
  }

  lease(dependency: string, leaseMs: number): Promise<unknown> {
    return this.#ask(dependency, 'lease', leaseMs, '0');
  }

  async read(dependency: string): Promise<unknown> {
    // One that waits for its connection would do it later, when nobody wants it any more.
    if (this.#client.isReady === false) throw new NotConnected();
    await this.#listen(this.#channel(dependency));
    return stateIn(await this.#ask(dependency, 'read', 0, '0'));
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
      this.#heard.delete(channel);
      this.#connection?.ready.then((subscriber) => subscriber.unsubscribe(channel)).catch(() => {});
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#subscriptions.clear();
    // Also one that still looks for its server.
    this.#connection?.subscriber.destroy();
  }

  async #ask(dependency: string, asked: string, spanMs: number, token: string): Promise<unknown> {
    // One that waits for its connection would do it later, when nobody wants it any more.
    if (this.#client.isReady === false) throw new NotConnected();
    const args = [asked, this.#id, this.#quorum, Math.ceil(spanMs), token, this.#channel(dependency), KEPT_MS];
    try {
      const keys = [this.#key(dependency)];
      return JSON.parse(String(await this.#client.eval(FLEET_SCRIPT, { keys, arguments: args.map(String) })));
    } catch (error) {
      throw new Refused(error);
    }
  }

  /** Whoever hears nothing has not joined: asked again with each read, until it is so. */
  async #listen(channel: string): Promise<void> {
    if (!this.#subscriptions.has(channel)) return;
    this.#connection ??= this.#connect();
    const connection = this.#connection;
    if (this.#heard.has(channel)) {
      if (connection.subscriber.isReady === false) throw new NotConnected();
      return;
    }
    try {
      const subscriber = await connection.ready;
      await subscriber.subscribe(channel, (text) => this.#deliver(channel, text));
      this.#heard.add(channel);
    } catch (error) {
      if (this.#connection === connection && !this.#heard.size) this.#forget(connection, wordOf(error));
      throw new Refused(error);
    }
  }

  /** One connection for all channels. The client connects again by itself, and subscribes anew. */
  #connect(): Connection {
    const subscriber = this.#client.duplicate();
    const connection: Connection = {
      subscriber,
      ready: (async () => {
        await subscriber.connect();
        if (this.#isClosed) subscriber.destroy();
        return subscriber;
      })(),
    };
    connection.ready.catch(() => {});
    subscriber.on('error', (error) => this.#tellAll(({ onLost }) => onLost(wordOf(error))));
    // Also when it is there for the first time: but then nobody hears anything yet.
    subscriber.on('ready', () => this.#heard.size > 0 && this.#tellAll(({ onBack }) => onBack(BACK_WITHIN_MS)));
    // It has given up.
    subscriber.on('end', () => this.#forget(connection, 'NotConnected'));
    return connection;
  }

  #forget(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#heard.clear();
    try {
      connection.subscriber.destroy();
    } catch {
      // It is gone already.
    }
    if (!this.#isClosed) this.#tellAll(({ onLost }) => onLost(reason));
  }

  #deliver(channel: string, text: string): void {
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
}

function stateIn(answer: unknown): unknown {
  return Reflect.get(Object(answer), 'state');
}

/** Has for its name what the server or the system calls it. */
class Refused extends Error {
  override readonly name: string;

  constructor(cause: unknown) {
    const name = wordOf(cause);
    super(`Redis: ${name}`, { cause });
    this.name = name;
  }
}

/** The one word that says most (`NOPERM`, `READONLY`, `ECONNREFUSED`): a message may tell more than others should know. */
function wordOf(error: unknown): string {
  const { code, message, name } = Object(error) as Partial<Record<'code' | 'message' | 'name', unknown>>;
  if (typeof code === 'string' && WORD.test(code)) return code;
  return WORD.exec(String(message))?.[0] ?? (typeof name === 'string' ? name : 'Error');
}
