/** What a `Cache-Control` header says (RFC 9111, section 5.2; RFC 5861). What it does not say is `undefined` or `false`. */
export interface CacheDirectives {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly private: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly maxAgeMs: number | undefined;
  readonly sharedMaxAgeMs: number | undefined;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
}

/** How long an answer is of use, where its server does not say. All in ms; 0 is never. */
export interface FreshnessLimits {
  readonly maxAgeMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** Up to which age, in ms, a stored answer may be used, and how. */
export interface Lifetimes {
  /** In place of the network's. */
  readonly freshMs: number;
  /** In place of the network's, while a new one is fetched. */
  readonly refreshMs: number;
  /** When the network fails. */
  readonly errorMs: number;
}

/**
 * `fresh`: use it. `refresh`: use it, and fetch a new one behind it. `stale`: use it if the network fails. `expired`: of
 * no use.
 */
export type Freshness = 'fresh' | 'refresh' | 'stale' | 'expired';

/** Whether an answer may be stored at all: `shared` is the store's word (RFC 9111, section 3). */
export function mayStore(said: CacheDirectives, shared: boolean): boolean {
  return !said.noStore && !(shared && said.private);
}

/** Its server's word on an answer's lifetimes, and the caller's where the server has none. */
export function lifetimesOf(said: CacheDirectives, limits: FreshnessLimits, shared: boolean): Lifetimes {
  const sharedMaxAgeMs = shared ? said.sharedMaxAgeMs : undefined;
  const freshMs = said.noCache ? 0 : (sharedMaxAgeMs ?? said.maxAgeMs ?? limits.maxAgeMs);
  // Section 4.2.4: stale is what none of these may become.
  if (said.noCache || said.mustRevalidate || (shared && said.proxyRevalidate)) {
    return { freshMs, refreshMs: freshMs, errorMs: 0 };
  }
  // s-maxage forbids stale answers as proxy-revalidate does (section 5.2.2.10), unless the same server allows them.
  const own = sharedMaxAgeMs === undefined ? limits : NONE;
  const refreshMs = freshMs + (said.staleWhileRevalidateMs ?? own.staleWhileRevalidateMs);
  // RFC 5861 counts from when it is stale; the caller's number is an age.
  const errorMs = said.staleIfErrorMs === undefined ? own.staleIfErrorMs : freshMs + said.staleIfErrorMs;
  return { freshMs, refreshMs, errorMs: said.staleIfErrorMs === 0 ? 0 : errorMs };
}

const NONE: FreshnessLimits = { maxAgeMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };

/**
 * What an answer of that age is good for. A negative age is that of an answer from the future: the wall clock was set
 * back, and nobody knows how old it is. It is better than nothing, and nothing more.
 */
export function freshnessOf(ageMs: number, { freshMs, refreshMs, errorMs }: Lifetimes): Freshness {
  if (ageMs >= 0 && ageMs <= freshMs && freshMs > 0) return 'fresh';
  if (ageMs >= 0 && ageMs <= refreshMs && refreshMs > freshMs) return 'refresh';
  return ageMs <= errorMs && errorMs > 0 ? 'stale' : 'expired';
}
