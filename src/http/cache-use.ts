import { parseCacheControl } from './cache-control.ts';
import { headersOf, type PreparedRequest, requestOf } from './request.ts';

/** How a request wants stored answers used. */
export interface CacheUse {
  /** The oldest stored answer that it takes in place of the network's, in ms; below 0 it takes none. */
  readonly maxAgeMs: number;
  /** Whether one that is to be asked for again may be asked for on condition that it has changed. */
  readonly mayBeConfirmed: boolean;
  /** Whether it would have followed a redirect: if not, it is not given what came after one. */
  readonly follows: boolean;
}

const READS: readonly string[] = ['GET', 'HEAD'];
/** Methods that change nothing (RFC 9110, section 9.2.1; QUERY is a draft's). */
const SAFE: readonly string[] = [...READS, 'OPTIONS', 'TRACE', 'QUERY'];
// With one of these its caller keeps answers of its own, or wants a part (Fetch standard, "HTTP-network-or-cache fetch").
const CONDITIONS = ['if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range', 'range'];

export function isRead({ method }: PreparedRequest): boolean {
  return READS.includes(method);
}

export function isWrite({ method }: PreparedRequest): boolean {
  return !SAFE.includes(method);
}

/**
 * How a request wants stored answers used; `undefined` if it wants none, and none stored: being no GET or HEAD, by its
 * cache mode, its `Cache-Control` (RFC 9111, section 5.2.1), or because it asks for something else than the whole answer.
 */
export function cacheUseOf(request: PreparedRequest): CacheUse | undefined {
  if (!isRead(request)) return undefined;
  const { init } = request;
  const made = requestOf(request);
  const mode = init.cache ?? made?.cache;
  if (mode === 'no-store' || (init.integrity ?? made?.integrity ?? '') !== '') return undefined;
  const headers = headersOf(request);
  if (headers !== undefined && CONDITIONS.some((name) => headers.has(name))) return undefined;
  const { noStore, noCache, maxAgeMs } = parseCacheControl(headers?.get('cache-control') ?? null);
  if (noStore) return undefined;
  const follows = (init.redirect ?? made?.redirect ?? 'follow') === 'follow';
  const isFresh = noCache || mode === 'no-cache' || mode === 'reload';
  return { follows, mayBeConfirmed: mode !== 'reload', maxAgeMs: isFresh ? -1 : (maxAgeMs ?? Infinity) };
}
