import type { CacheDirectives } from '../model/freshness.ts';
import { parseHttpDate } from './date.ts';

/** Nothing said: what an answer without `Cache-Control` says, or one whose word does not count. */
export const NOTHING_SAID: CacheDirectives = {
  noStore: false,
  noCache: false,
  private: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  maxAgeMs: undefined,
  sharedMaxAgeMs: undefined,
  staleWhileRevalidateMs: undefined,
  staleIfErrorMs: undefined,
};

/**
 * Reads a `Cache-Control` header of a request or an answer. A directive that is given twice counts the first time, one
 * with a list of fields (`private="x-user"`) as if it had none, and a number that is none as 0 (RFC 9111, section 4.2.1).
 */
export function parseCacheControl(header: string | null): CacheDirectives {
  if (header === null) return NOTHING_SAID;
  const said = new Map<string, string>();
  for (const [, name = '', quoted, token] of header.matchAll(DIRECTIVE)) {
    const directive = name.toLowerCase();
    if (!said.has(directive)) said.set(directive, quoted ?? token ?? '');
  }
  return {
    noStore: said.has('no-store'),
    noCache: said.has('no-cache'),
    private: said.has('private'),
    mustRevalidate: said.has('must-revalidate'),
    proxyRevalidate: said.has('proxy-revalidate'),
    maxAgeMs: parseSeconds(said.get('max-age')),
    sharedMaxAgeMs: parseSeconds(said.get('s-maxage')),
    staleWhileRevalidateMs: parseSeconds(said.get('stale-while-revalidate')),
    staleIfErrorMs: parseSeconds(said.get('stale-if-error')),
  };
}

/** What an answer received at `receivedAt` says of its use: `Cache-Control`, or else `Expires` (RFC 9111, section 4.2.1). */
export function directivesOf(headers: Headers, receivedAt: number): CacheDirectives {
  const said = parseCacheControl(headers.get('cache-control'));
  const expires = headers.get('expires');
  if (said.maxAgeMs !== undefined || expires === null) return said;
  // Anything that is no date is in the past: "0" above all (section 5.3).
  const expiresAt = parseHttpDate(expires) ?? 0;
  const sentAt = parseHttpDate(headers.get('date')) ?? receivedAt;
  return { ...said, maxAgeMs: Math.max(0, expiresAt - sentAt) };
}

/**
 * How old an answer is on arrival, in ms: by its own account (`Age`) and the time it took, or by the server's clock
 * (`Date`), whichever is more (RFC 9111, section 4.2.3).
 */
export function initialAgeMs(headers: Headers, requestedAt: number, receivedAt: number): number {
  // Of several, the first counts (section 5.1).
  const said = parseSeconds(headers.get('age')?.split(',')[0]) ?? 0;
  const sentAt = parseHttpDate(headers.get('date')) ?? receivedAt;
  return Math.max(0, receivedAt - sentAt, said + Math.max(0, receivedAt - requestedAt));
}

// A directive, with its argument if it has one (RFC 9111, section 5.2).
const DIRECTIVE = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?/g;

// 68 years, which stand for "for ever" (RFC 9111, section 1.2.2).
const LONGEST_SECONDS = 2 ** 31;

function parseSeconds(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  return /^\d+$/.test(value.trim()) ? Math.min(Number(value), LONGEST_SECONDS) * 1_000 : 0;
}
