import { show } from './checks.ts';
import type { Clock } from './clock.ts';
import type { FallbackRules, FallbackSettings } from './fallback-options.ts';
import type { GuardedStore, StoreErrorListener } from './guarded-store.ts';
import { directivesOf, initialAgeMs, NOTHING_SAID } from './http/cache-control.ts';
import { credentialsIn, Fingerprints, isCredential, isSecret } from './http/credentials.ts';
import { addressOf, describeRequest, headersOf, type PreparedRequest, urlOf } from './http/request.ts';
import { ageOf, MAX_VARIANTS, type Reception, validatorsOf, variesBy } from './http/stored-response.ts';
import { whenThere } from './layer.ts';
import { type CacheDirectives, type Lifetimes, lifetimesOf, mayStore } from './model/freshness.ts';
import { Lru } from './model/lru.ts';
import { Unanswered, UnansweredCalls } from './model/unanswered.ts';
import type { Partition, StoredResponse, StoreEntry } from './stores/store.ts';

/** Where the answers to a request are kept. */
export interface Place {
  readonly key: string;
  readonly partition: string;
  /** What the key is about, whoever asks and however. */
  readonly resource: string;
  readonly requestHeaders: Headers | undefined;
}

/** A stored answer, and what there is to know of it now. */
export interface Kept {
  readonly stored: StoredResponse;
  readonly ageMs: number;
  readonly lifetimes: Lifetimes;
}

/** How an answer was received. */
export interface Received extends Reception {
  readonly mayBeKept: boolean;
  /** Whether anybody could be given it later. */
  readonly isUseful: boolean;
  /** Whether it will answer other calls without the network, or before it. */
  readonly serves: boolean;
}

/** An answer on its way into the store, from the moment it is asked for. */
export class Writing extends Unanswered<Writing> {
  readonly place: Place;
  /** Whether what comes is outdated already: a write to its resource, a newer answer, or a `clear()` was faster. */
  outdated = false;
  /** Whether what was there when it was asked for is there no more: its server has told another call. */
  isGone = false;
  /** Once it is being stored: resolves when it is, or is not going to be. */
  done: Promise<void> | undefined;
  /** Whether it will then answer other calls without the network, or before it. */
  serves = false;

  constructor(place: Place, deadlineAt: number) {
    super({ deadlineAt });
    this.place = place;
  }
}

// Of how many written resources it is remembered when that was.
const REMEMBERED_WRITES = 1_000;
// Of how many answers that they came after a write though they are not dated so. The others are asked for again.
const REMEMBERED_ANSWERS = 10_000;
// When an answer counts as lost that has no deadline.
const LONGEST_MS = 120_000;
// Ten years, which stand for ever: some stores take no Infinity.
const LONGEST_LIFE_MS = 315_576_000_000;
// How long an answer is kept that nobody may use without asking its server first.
const UNCONFIRMED_MS = 86_400_000;

/** When a resource was written, by the wall clock. */
interface Written {
  readonly at: number;
}

/** An answer that came after a write, though by the wall clock it did not. */
interface After {
  readonly written: Written;
  readonly receivedAt: number;
}

/** The answers that a client has stored: where each belongs, whether it may be used, and what may be stored. */
export class StoredAnswers {
  readonly #store: GuardedStore;
  readonly #settings: FallbackSettings;
  readonly #clock: Clock;
  readonly #fingerprints = new Fingerprints();
  readonly #writings = new Map<string, Set<Writing>>();
  /** The last store operation under a key that reads and then writes: the next one waits for it. */
  readonly #updates = new Map<string, Promise<void>>();
  readonly #unanswered = new UnansweredCalls<Writing>();
  /** What servers have said in answers that a store gives out as they are, again and again. */
  readonly #read = new WeakMap<StoredResponse, CacheDirectives>();
  #era = 0;
  /** The last write to a resource: what another partition holds of it is older. */
  readonly #written = new Lru<Written>({ maxEntries: REMEMBERED_WRITES });
  readonly #after = new Lru<After>({ maxEntries: REMEMBERED_ANSWERS });

  constructor(store: GuardedStore, settings: FallbackSettings, clock: Clock) {
    this.#store = store;
    this.#settings = settings;
    this.#clock = clock;
  }

  get maxBodyBytes(): number {
    return this.#settings.maxBodyBytes;
  }

  /** Where the answers to a request are kept that are somebody's, by name; `undefined` if it can't be told. */
  placeOf(request: PreparedRequest, name: string | undefined): Place | undefined | Promise<Place | undefined> {
    if (name === undefined) return undefined;
    const requestHeaders = headersOf(request);
    return whenThere(this.#ownerOf(name, requestHeaders), (owner) => {
      if (owner === undefined) return undefined;
      return whenThere(this.#resourceOf(request), (resource) => {
        if (resource === undefined) return undefined;
        return { key: keyOf(owner, request.method, resource), partition: owner, resource, requestHeaders };
      });
    });
  }

  /** What is kept there for this request, by the rules of its call. */
  find(place: Place, rules: FallbackRules, onError: StoreErrorListener): Kept | undefined | Promise<Kept | undefined> {
    return whenThere(this.#store.get(place.key, onError), (entry) => {
      if (entry === undefined) return undefined;
      const [first] = entry.variants;
      // Mostly there is one, for everybody.
      const variant = first?.variesBy.length === 0 ? first : this.#variantFor(place, entry);
      return whenThere(variant, (stored) => {
        if (stored === undefined || this.#isBeforeWrite(place, stored)) return undefined;
        try {
          return this.judge(stored, rules);
        } catch {
          // Headers that are none.
          onError('get', 'invalid');
          return this.#store.delete(place.key, onError).then(() => undefined);
        }
      });
    });
  }

  /** How often something has been forgotten: what a call began with is not kept if it has been since. */
  get era(): number {
    return this.#era;
  }

  /**
   * Opens the way for an answer that is going to be asked for, and to be there by `deadlineAt`, by a call that began in
   * that era. Must be closed.
   */
  open(place: Place, deadlineAt: number, era: number): Writing {
    const now = this.#clock.now();
    const writing = new Writing(place, Math.min(deadlineAt, now + LONGEST_MS));
    writing.outdated = era !== this.#era;
    for (let lost = this.#unanswered.takeLost(now); lost !== undefined; lost = this.#unanswered.takeLost(now)) {
      // Nobody hears of it any more: if it comes after all, it may be too late.
      lost.outdated = true;
      this.close(lost);
    }
    this.#unanswered.add(writing);
    const others = this.#writings.get(place.resource);
    if (others === undefined) this.#writings.set(place.resource, new Set([writing]));
    else others.add(writing);
    return writing;
  }

  close(writing: Writing): void {
    this.#unanswered.delete(writing);
    const { resource } = writing.place;
    const all = this.#writings.get(resource);
    if (all?.delete(writing) === true && all.size === 0) this.#writings.delete(resource);
  }

  /** Waits for what is being stored there, or only for what will serve calls without the network; no longer than `ms`. */
  beStored({ key, resource }: Place, ms: number, which: 'all' | 'serving'): void | Promise<void> {
    const waitedFor: Promise<void>[] = [];
    for (const { place, done, serves } of this.#writings.get(resource) ?? []) {
      if (place.key === key && done !== undefined && (serves || which === 'all')) waitedFor.push(done);
    }
    return waitedFor.length === 0 ? undefined : this.#within(ms, Promise.all(waitedFor));
  }

  /** When and how the answer to a request was received, and whether its server lets it be kept. */
  async receive(place: Place, response: Response, sentAt: number, rules: FallbackRules): Promise<Received> {
    const receivedAt = this.#clock.epochNow();
    const { headers } = response;
    const names = variesBy(response);
    const values = names && (await this.#valuesOf(place, names));
    const said = rules.respectsServer ? directivesOf(headers, receivedAt) : NOTHING_SAID;
    const { shared } = this.#store;
    const lifetimes = lifetimesOf(said, rules.limits, shared);
    return {
      receivedAt,
      initialAgeMs: initialAgeMs(headers, sentAt, receivedAt),
      variesBy: values ?? [],
      mayBeKept: values !== undefined && mayStore(said, shared),
      isUseful: this.#usefulMs(said, rules, validatorsOf({ headers: [...headers], type: response.type })) > 0,
      serves: lifetimes.refreshMs > 0,
    };
  }

  /** Stores an answer in place of its predecessor, unless it is outdated by then. */
  async keep(
    writing: Writing,
    stored: StoredResponse,
    rules: FallbackRules,
    onError: StoreErrorListener,
  ): Promise<void> {
    const { key } = writing.place;
    const said = rules.respectsServer ? this.#saidIn(stored) : NOTHING_SAID;
    const lifeMs = this.#usefulMs(said, rules, validatorsOf(stored));
    // What it replaces is outdated all the same.
    if (lifeMs === 0) return this.drop(writing, stored.variesBy, onError);
    await this.#inTurn(key, async () => {
      if (writing.outdated) return;
      const entry = stored.variesBy.length === 0 ? undefined : await this.#store.get(key, onError);
      if (writing.outdated) return;
      const others = (entry?.variants ?? []).filter((other) => !sameValues(other.variesBy, stored.variesBy));
      const expiresAt = Math.max(
        stored.receivedAt - stored.initialAgeMs + Math.min(lifeMs, LONGEST_LIFE_MS),
        // Each of them is of use for as long as ever.
        others.length && (entry?.expiresAt ?? 0),
      );
      const variants = [stored, ...others].slice(0, MAX_VARIANTS);
      const isOutdated = this.#outdatedTest(writing);
      await this.#store.set(key, { key, variants, expiresAt }, onError, isOutdated);
      if (isOutdated()) return;
      const { place } = writing;
      const written = this.#written.get(place.resource);
      // It was asked for after the last write: if it is not dated so, no time has passed, or the wall clock was set back.
      const { receivedAt } = stored;
      if (written !== undefined && receivedAt <= written.at)
        this.#after.set(answerId(place, stored), { written, receivedAt });
      await this.#outdateOlder(writing, stored.variesBy);
    });
  }

  /** What a stored answer is good for now. @throws TypeError if its headers are none. */
  judge(stored: StoredResponse, rules: FallbackRules): Kept {
    // Also where the server's word does not count: what it throws for is refused by the platform, too.
    const said = this.#saidIn(stored);
    const lifetimes = lifetimesOf(rules.respectsServer ? said : NOTHING_SAID, rules.limits, this.#store.shared);
    return { stored, ageMs: ageOf(stored, this.#clock.epochNow()), lifetimes };
  }

  /**
   * Forgets what is kept there for this request, and what was asked for earlier: its server has it no more, or wants it kept no
   * more. An answer that varies says nothing of those to other requests.
   */
  async drop(writing: Writing, variesBy: StoredResponse['variesBy'], onError: StoreErrorListener): Promise<void> {
    const { place } = writing;
    const { key } = place;
    await this.#inTurn(key, async () => {
      const others = variesBy.length === 0 ? undefined : await this.#entryWithout(place, onError);
      // What came in between is newer.
      if (writing.outdated) return;
      if (others === undefined) await this.#store.delete(key, onError);
      else await this.#store.set(key, others, onError, this.#outdatedTest(writing));
      // Whoever is another, or asks otherwise, finds what is there still.
      for (const other of this.#writings.get(place.resource) ?? []) other.isGone = true;
      await this.#outdateOlder(writing, variesBy);
    });
  }

  /** After a write: forgets what is kept of its resource, and lets nothing in that was asked for before. */
  async forget(place: Place, onError: StoreErrorListener): Promise<void> {
    const { resource } = place;
    this.#written.set(resource, { at: this.#clock.epochNow() });
    for (const other of this.#writings.get(resource) ?? []) other.outdated = true;
    const owners = new Set([place.partition, PUBLIC]);
    const keys = [...owners].flatMap((owner) => ['GET', 'HEAD'].map((method) => keyOf(owner, method, resource)));
    await Promise.all(keys.map((key) => this.#store.delete(key, onError)));
  }

  /** Forgets one partition, or everything. @throws what the store throws. */
  async clear(partition: string | undefined): Promise<void> {
    // Nothing is kept under such a name.
    if (partition !== undefined && isHalved(partition)) return;
    const owner = partition === undefined ? undefined : encodeURIComponent(partition);
    this.#outdateAll(owner);
    // What is being stored would be back after it; what hangs is deleted when it arrives.
    const underWay = [...this.#updates.values()];
    if (underWay.length > 0) await this.#within(this.#settings.storeTimeoutMs, Promise.all(underWay));
    await this.#store.clear(owner);
    // What was asked for while it was being cleared may be from before.
    this.#outdateAll(owner);
  }

  /** How long an answer can be of use, to this call or to others; 0 if never. */
  #usefulMs(said: CacheDirectives, rules: FallbackRules, validators: ReturnType<typeof validatorsOf>): number {
    const { shared } = this.#store;
    const all = [rules, this.#settings.rules].flatMap(({ limits }) => Object.values(lifetimesOf(said, limits, shared)));
    return Math.max(...all) || (validators === undefined ? 0 : UNCONFIRMED_MS);
  }

  #outdateAll(owner: string | undefined): void {
    this.#era += 1;
    for (const writings of this.#writings.values()) {
      for (const writing of writings) writing.outdated ||= owner === undefined || writing.place.partition === owner;
    }
  }

  #isBeforeWrite(place: Place, stored: StoredResponse): boolean {
    const written = this.#written.get(place.resource);
    if (written === undefined || stored.receivedAt > written.at) return false;
    const after = this.#after.get(answerId(place, stored));
    return after?.written !== written || after.receivedAt !== stored.receivedAt;
  }

  #saidIn(stored: StoredResponse): CacheDirectives {
    const known = this.#read.get(stored);
    if (known !== undefined) return known;
    const said = directivesOf(new Headers(stored.headers as [string, string][]), stored.receivedAt);
    this.#read.set(stored, said);
    return said;
  }

  /** What was asked for earlier, by requests that this answer is for as well, is older, though it comes later. */
  async #outdateOlder(writing: Writing, variesBy: StoredResponse['variesBy']): Promise<void> {
    const { key, resource } = writing.place;
    for (const other of this.#writings.get(resource) ?? []) {
      // One that is outdated itself may have been closed meanwhile: then all that follows is newer.
      if (other === writing || writing.outdated) return;
      if (other.place.key === key && (await this.#isFor(other.place, { variesBy }))) other.outdated = true;
    }
  }

  /** For what may arrive when nobody waits for it any more, nor tells it that it is outdated. */
  #outdatedTest(writing: Writing): () => boolean {
    const era = this.#era;
    return () => writing.outdated || era !== this.#era;
  }

  #ownerOf(name: string, headers: Headers | undefined): string | undefined | Promise<string | undefined> {
    if (name !== PUBLIC) return encodeURIComponent(name);
    const credentials = credentialsIn(headers);
    if (credentials === undefined) return PUBLIC;
    // No name that anybody gives gets an @ into a key.
    return whenThere(this.#fingerprints.of(credentials), (print) => (print === undefined ? undefined : `@${print}`));
  }

  #resourceOf(request: PreparedRequest): string | undefined | Promise<string | undefined> {
    const { key } = this.#settings;
    if (key === undefined) {
      const whole = addressOf(request);
      const { input, url = urlOf(input) } = request;
      // Relative to something that only the user's fetch knows, and that may be another the next time.
      if (request.url === undefined && !whole.startsWith('/')) return undefined;
      if (!hasSecret(url)) return whole;
      // A secret is no more to be seen in a query than in a header.
      return whenThere(this.#fingerprints.of(url.search), (print) =>
        print === undefined ? undefined : `${whole.slice(0, whole.indexOf('?'))}?#${print}`,
      );
    }
    const given: unknown = key(describeRequest(request));
    if (typeof given !== 'string') throw new TypeError(`fallback.key must return a string, got ${show(given)}`);
    return given;
  }

  async #variantFor(place: Place, { variants }: StoreEntry): Promise<StoredResponse | undefined> {
    for (const stored of variants) if (await this.#isFor(place, stored)) return stored;
    return undefined;
  }

  async #isFor(place: Place, { variesBy }: Pick<StoredResponse, 'variesBy'>): Promise<boolean> {
    const values = await this.#valuesOf(
      place,
      variesBy.map(([name]) => name),
    );
    return values !== undefined && sameValues(values, variesBy);
  }

  /** What is kept there without that which is for this request; `undefined` if nothing is left. */
  async #entryWithout(place: Place, onError: StoreErrorListener): Promise<StoreEntry | undefined> {
    const entry = await this.#store.get(place.key, onError);
    const variants: StoredResponse[] = [];
    for (const stored of entry?.variants ?? []) if (!(await this.#isFor(place, stored))) variants.push(stored);
    return entry === undefined || variants.length === 0 ? undefined : { ...entry, variants };
  }

  /** What the request says in those headers; credentials as their fingerprint. */
  async #valuesOf(
    { requestHeaders }: Place,
    names: readonly string[],
  ): Promise<StoredResponse['variesBy'] | undefined> {
    const values: (readonly [string, string])[] = [];
    for (const name of names) {
      const value = requestHeaders?.get(name) ?? '';
      const shown = value !== '' && isCredential(name) ? await this.#fingerprints.of(value) : value;
      if (shown === undefined) return undefined;
      values.push([name, shown]);
    }
    return values;
  }

  /**
   * One after the other: what reads and then writes must not meet another that does. One that takes longer than the store
   * may is waited for no longer: on Workers, it may be frozen with its request.
   */
  async #inTurn(key: string, update: () => Promise<void>): Promise<void> {
    const before = this.#updates.get(key);
    const turn = before === undefined ? update() : this.#within(this.#settings.storeTimeoutMs, before).then(update);
    this.#updates.set(key, turn);
    await turn.finally(() => {
      if (this.#updates.get(key) === turn) this.#updates.delete(key);
    });
  }

  /** Waits for work that never rejects, but no longer than `ms`. */
  #within(ms: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(ms, resolve);
      work.then(() => {
        cancel();
        resolve();
      });
    });
  }
}

/** The name of a stored answer among all of a client's. */
export function answerId({ key }: Place, { variesBy }: Pick<StoredResponse, 'variesBy'>): string {
  return variesBy.length === 0 ? key : `${key} ${JSON.stringify(variesBy)}`;
}

function hasSecret({ search, searchParams }: URL): boolean {
  return search !== '' && [...searchParams.keys()].some((name) => isSecret(name.toLowerCase()));
}

/** The name of everybody's partition. */
export const PUBLIC = 'public';

/** Whose data the answer to a request is, by name: the call's word, or the client's; `undefined` if nobody can tell. */
export function ownerOf(
  request: PreparedRequest,
  given: string | undefined,
  partition: Partition | undefined,
): string | undefined {
  const name = given ?? (typeof partition === 'function' ? nameFrom(partition, request) : PUBLIC);
  return name === undefined || isHalved(name) ? undefined : name;
}

/** Whether half of a character is in it, which no key can hold: it would be the same as any other half. */
function isHalved(name: string): boolean {
  return /\p{Surrogate}/u.test(name);
}

function keyOf(owner: string, method: string, resource: string): string {
  return `${owner} ${method} ${resource}`;
}

function nameFrom(partition: (request: Request) => string | undefined, request: PreparedRequest): string | undefined {
  const name: unknown = partition(describeRequest(request));
  if (name === undefined || typeof name === 'string') return name;
  // What it would have come to is nobody's business any more.
  if (name instanceof Promise) name.catch(() => {});
  throw new TypeError(`fallback.partition must return a string or undefined, got ${show(name)}`);
}

function sameValues(some: StoredResponse['variesBy'], others: StoredResponse['variesBy']): boolean {
  return (
    some.length === others.length &&
    some.every(([name, value], index) => name === others[index]?.[0] && value === others[index]?.[1])
  );
}
