import type { StoredResponse, StoreEntry } from '../stores/store.ts';
import { withFacts } from './body.ts';
import { isToken } from './token.ts';

/** How many answers to one request are kept side by side, one per variant: whoever varies a header can't have more. */
export const MAX_VARIANTS = 8;

// Whole, good answers; RFC 9111, section 3, allows others to be stored, but none of them is better than none.
const STORABLE: readonly number[] = [200, 203, 204];

// What belongs to one connection or one reader (RFC 9111, section 3.1), and the age, which is counted on.
const NOT_KEPT: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'set-cookie2',
  'age',
]);

// What fetch has decoded has another length. What has no body tells of one that it would have had, as a HEAD does.
const OF_THE_ENCODING: readonly string[] = ['content-encoding', 'content-length'];

// What a 304 does not change, being about a body that it does not have (RFC 9111, section 3.2).
const OF_THE_BODY: readonly string[] = ['content-type', 'content-range', ...OF_THE_ENCODING];

/** Whether an answer is whole, good and readable. What was opaque or redirected by hand has no status. */
export function isStorable({ status, type }: Response): boolean {
  return STORABLE.includes(status) && type !== 'opaque' && type !== 'error';
}

/**
 * The request headers that an answer depends on, in lower case; `undefined` if on more than headers (RFC 9110, section 12.5.5), or
 * on what is none.
 */
export function variesBy({ headers, type }: Response): readonly string[] | undefined {
  // Across origins `Vary` is not shown: what is negotiated without asking first may have been.
  const vary = headers.get('vary') ?? (type === 'cors' ? 'accept, accept-language' : '');
  const names = new Set(vary.split(',').map((name) => name.trim().toLowerCase()));
  names.delete('');
  return names.has('*') || ![...names].every(isToken) ? undefined : [...names].sort();
}

/** When an answer was received, how old it was by then, and what it depends on. */
export type Reception = Pick<StoredResponse, 'receivedAt' | 'initialAgeMs' | 'variesBy'>;

export function toStored(
  response: Response,
  body: Uint8Array<ArrayBuffer> | null,
  reception: Reception,
): StoredResponse {
  const { url, redirected, type, status, statusText, headers } = response;
  const bodyBytes = body?.byteLength ?? 0;
  return {
    url,
    redirected,
    type,
    status,
    statusText,
    headers: kept(headers, body === null),
    body,
    bodyBytes,
    ...reception,
  };
}

/** A stored answer that a 304 has confirmed: with the headers of the 304, and as young as that (RFC 9111, section 4.3.4). */
export function confirmed(stored: StoredResponse, { headers }: Response, reception: Reception): StoredResponse {
  const news = kept(headers, false).filter(([name]) => !OF_THE_BODY.includes(name));
  const renewed = new Set(news.map(([name]) => name));
  return { ...stored, ...reception, headers: [...stored.headers.filter(([name]) => !renewed.has(name)), ...news] };
}

/** A Response of its own from a stored one, of that age. The body is copied once, by the platform. */
export function toResponse(stored: StoredResponse, ageMs: number, cacheStatus: string): Response {
  const { status, statusText, body, url, redirected } = stored;
  const type = stored.type as Response['type'];
  const response = new Response(status === 204 ? null : body, { status, statusText });
  const { headers } = response;
  // Into the Headers that are there: to be given them, the platform makes a list, checks it, and copies it. What else may have
  // got into the store is not ours to hand out.
  for (const [name, value] of stored.headers)
    if (isKept(name.toLowerCase(), body === null)) headers.append(name, value);
  headers.append('age', String(Math.floor(Math.max(0, ageMs) / 1_000)));
  headers.append('cache-status', cacheStatus);
  if (body !== null && status !== 204) headers.append('content-length', String(body.byteLength));
  return withFacts(response, { url, redirected, type });
}

/**
 * The header fields with which a server is asked whether a stored answer still holds; `undefined` if it has given none.
 * Across origins none is sent: it would cause a CORS preflight, and the browser's own cache asks by itself.
 */
export function validatorsOf({
  headers,
  type,
}: Pick<StoredResponse, 'headers' | 'type'>): Readonly<Record<string, string>> | undefined {
  if (type === 'cors') return undefined;
  const etag = headers.find(([name]) => name === 'etag')?.[1];
  if (etag !== undefined) return { 'if-none-match': etag };
  const modified = headers.find(([name]) => name === 'last-modified')?.[1];
  return modified === undefined ? undefined : { 'if-modified-since': modified };
}

/** How old it is now, in ms; below 0 if nobody knows, because the wall clock was set back since. */
export function ageOf({ receivedAt, initialAgeMs }: StoredResponse, epochNow: number): number {
  return epochNow < receivedAt ? -1 : initialAgeMs + epochNow - receivedAt;
}

/**
 * A stored entry as it came out of a store, if it is one: under its own key, with whole answers. Nobody knows what has
 * become of it in between: another version may have written it, or half of it.
 */
export function parseEntry(value: unknown, key: string): StoreEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { variants, ...entry } = value as Partial<StoreEntry>;
  if (entry.key !== key || !Number.isFinite(entry.expiresAt) || !Array.isArray(variants)) return undefined;
  if (variants.length === 0 || variants.length > MAX_VARIANTS || !isListOf(variants, isStored)) return undefined;
  return value as StoreEntry;
}

function isStored(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { url, redirected, type, status, statusText, headers, body, bodyBytes, receivedAt, initialAgeMs, variesBy } =
    value as { readonly [Name in keyof StoredResponse]: unknown };
  return (
    typeof url === 'string' &&
    typeof redirected === 'boolean' &&
    typeof type === 'string' &&
    STORABLE.includes(status as number) &&
    typeof statusText === 'string' &&
    STATUS_TEXT.test(statusText) &&
    isListOfPairs(headers) &&
    isListOfPairs(variesBy) &&
    variesBy.every(([name]) => isToken(name)) &&
    (body === null ? bodyBytes === 0 : ArrayBuffer.isView(body) && body.byteLength === bodyBytes) &&
    Number.isFinite(receivedAt) &&
    Number.isFinite(initialAgeMs) &&
    (initialAgeMs as number) >= 0
  );
}

// What a Response takes (RFC 9110, section 15.1).
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;

function isListOfPairs(value: unknown): value is readonly [string, string][] {
  return Array.isArray(value) && isListOf(value, isPairOfTexts);
}

/** Holes, which a structured clone keeps, are none: every() would not see them. */
function isListOf(list: readonly unknown[], is: (value: unknown) => boolean): boolean {
  for (const value of list) if (!is(value)) return false;
  return true;
}

function isPairOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string';
}

function kept(headers: Headers, isBodiless: boolean): [name: string, value: string][] {
  const ofConnection = (headers.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase());
  return [...headers].filter(([name]) => isKept(name, isBodiless) && !ofConnection.includes(name));
}

function isKept(name: string, isBodiless: boolean): boolean {
  return !NOT_KEPT.has(name) && (isBodiless || !OF_THE_ENCODING.includes(name));
}
