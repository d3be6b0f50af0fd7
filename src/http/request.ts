import { checkSignal, quote, show } from '../checks.ts';
import type { CallOptions, FetchInit } from '../client-options.ts';
import { isToken } from './token.ts';

type OwnInit = Readonly<{
  init: RequestInit;
  signal: AbortSignal | null | undefined;
  idempotent: CallOptions['idempotent'];
}>;

const NO_INIT: OwnInit = { init: {}, signal: undefined, idempotent: undefined };

/** A request as its caller made it: what the inner fetch is to get, and what the layers ask about it. */
export class PreparedRequest {
  /** See {@link Scope.kept}. */
  static readonly kept: PreparedRequest = /* @__PURE__ */ new PreparedRequest('', NO_INIT, undefined, 'unparsed');

  readonly input: string | URL | Request;
  /** The init without what is ours. */
  readonly init: RequestInit;
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
  readonly method: string;
  /** What the caller says about sending it twice. */
  readonly idempotent: boolean | undefined;
  #url: URL | undefined | 'unparsed';

  constructor(
    input: string | URL | Request,
    { init, signal, idempotent }: OwnInit,
    request: Request | undefined,
    url: URL | undefined | 'unparsed',
  ) {
    this.input = input;
    this.init = init;
    this.signal = signal === undefined ? request?.signal : (signal ?? undefined);
    this.method = methodIn(init, request).toUpperCase();
    this.idempotent = idempotent;
    this.#url = url;
  }

  /** `undefined` for a relative URL that only the fetch given by the user can resolve. */
  get url(): URL | undefined {
    if (this.#url === 'unparsed') this.#url = new URL(String(this.input));
    return this.#url;
  }

  /** What is to be fetched: as it was given, unless the page that it is relative to has become another since. */
  get target(): string | URL | Request {
    const { input } = this;
    if (typeof input !== 'string' || HAS_SCHEME.test(input) || this.url === undefined) return input;
    const { href } = this.url;
    try {
      return new Request(input).url === href ? input : href;
    } catch {
      // There is no page.
      return input;
    }
  }

  /** The same request, which does not end with its caller. */
  get withoutSignal(): PreparedRequest {
    const { input, init, idempotent } = this;
    return new PreparedRequest(input, { init, signal: null, idempotent }, requestOf(this), this.#url);
  }
}

/**
 * Takes a call's arguments apart, once for all its attempts. Nothing is read, cloned or teed.
 *
 * @param resolvesRelative Whether the inner fetch is the user's own, and may know what a relative URL is relative to.
 * @param isKnown Whether it begins with an origin that has been called: no path makes a bad URL of it, and nobody need parse it.
 * @throws TypeError the platform's own, for arguments it would refuse: they say nothing about the dependency.
 */
export function prepareRequest(
  given: string | URL | Request,
  givenInit: FetchInit | undefined,
  resolvesRelative: boolean,
  isKnown = false,
): PreparedRequest {
  if (isKnown && givenInit === undefined) return new PreparedRequest(given, NO_INIT, undefined, 'unparsed');
  // A page's own fetch would ask its server for "/undefined".
  if (typeof given !== 'string' && Object(given) !== given) {
    throw new TypeError(`input must be a URL or a Request, got ${show(given)}`);
  }
  // `fetch(url, request)`: a Request keeps its fields on the prototype, where a copy does not find them.
  const merged = givenInit instanceof Request;
  const input = merged ? new Request(given, givenInit) : asRequest(given) === undefined ? String(given) : given;
  // What does not say what its URL is. The text itself may be somebody's relative URL.
  if (input === '[object Object]' && given !== input) {
    throw new TypeError(`input must be a URL or a Request, got ${show(given)}`);
  }
  if (givenInit !== undefined && Object(givenInit) !== givenInit) {
    throw new TypeError(`init must be an object, got ${show(givenInit)}`);
  }
  const request = asRequest(input);
  const own = merged ? NO_INIT : withoutOurs(ownFields(givenInit ?? {}), request);
  const href = request === undefined ? String(input) : request.url;
  const url = isKnown && !merged ? 'unparsed' : parseUrl(href, resolvesRelative);
  refuseInvalid(request, url === 'unparsed' ? href : (url ?? urlOf(href)), own.init, own.signal);
  return new PreparedRequest(input, own, request, url);
}

/** What looks like the origin of a URL; whether it is one, written as the platform writes it, is for others to know. */
export function originIn(href: string): string | undefined {
  if (!href.startsWith('https://') && !href.startsWith('http://')) return undefined;
  const end = href.indexOf('/', 'https://'.length);
  return end < 0 ? undefined : href.slice(0, end);
}

/** Whether a text is an origin, as the platform writes it: whatever path comes after it, the URL is a good one. */
export function isOrigin(text: string): boolean {
  try {
    return new URL(text).origin === text;
  } catch {
    return false;
  }
}

/** Where it goes, without what is not sent. */
export function addressOf({ url, input }: PreparedRequest): string {
  const address = url?.href ?? String(input);
  return address.includes('#') ? address.slice(0, address.indexOf('#')) : address;
}

/** Whether the request may be sent more than once: its method or its caller allows it, and its body can be sent again. */
export function mayRepeat(request: PreparedRequest, methods: ReadonlySet<string>): boolean {
  const idempotent = request.idempotent ?? (methods.has(request.method) || hasIdempotencyKey(request));
  return idempotent && isReplayable(request);
}

/** The headers of a request; `undefined` if it was given none. */
export function headersOf({ input, init }: PreparedRequest): Headers | undefined {
  if (init.headers !== undefined && init.headers !== null) return new Headers(init.headers);
  return asRequest(input)?.headers;
}

/** The Request that the call was made with, if it was one. */
export function requestOf({ input }: PreparedRequest): Request | undefined {
  return asRequest(input);
}

/** A Request for those who are to judge by it; without the body, which stays the caller's. */
export function describeRequest({ input, init, method, url }: PreparedRequest): Request {
  const request = asRequest(input);
  const headers = init.headers ?? request?.headers;
  return new Request(url ?? urlOf(input), headers === undefined ? { method } : { method, headers });
}

/** What there is of a URL that only the user's own fetch can resolve: its path and its query, of nobody's host. */
export function urlOf(input: PreparedRequest['input']): URL {
  return new URL(String(input), NOWHERE);
}

/** What one attempt hands to the inner fetch; `added` are headers beside those of the caller. */
export function attemptInit(
  { input, init: given }: PreparedRequest,
  signal: AbortSignal,
  added?: Readonly<Record<string, string>>,
): RequestInit {
  const request = asRequest(input);
  const init = added === undefined ? given : { ...given, headers: joined(given.headers ?? request?.headers, added) };
  if (request === undefined) return init === NO_INIT.init ? { signal } : { ...init, signal };
  // An init beside a Request resets its referrer and referrer policy (Fetch standard, Request constructor, "if init is
  // not empty"), so both are passed again.
  const { referrer, referrerPolicy } = request;
  return {
    ...(referrer === undefined ? {} : { referrer }),
    ...(referrerPolicy === undefined ? {} : { referrerPolicy }),
    ...init,
    signal,
  };
}

function joined(headers: RequestInit['headers'], added: Readonly<Record<string, string>>): Headers {
  const all = new Headers(headers);
  // The two are a pair (W3C Trace Context): another one's state is not of this trace.
  if ('traceparent' in added) all.delete('tracestate');
  for (const [name, value] of Object.entries(added)) all.set(name, value);
  return all;
}

/** As it was written: also what is none, for the platform to refuse. */
function methodIn({ method }: RequestInit, request: Request | undefined): string {
  return method === undefined ? (request?.method ?? 'GET') : String(method);
}

function withoutOurs(given: FetchInit, request: Request | undefined): OwnInit {
  const {
    deadlineMs,
    deadline,
    attemptTimeoutMs,
    retry,
    hedge,
    fallback,
    idempotent,
    waitUntil,
    partition,
    signal,
    ...init
  } = given;
  return { init: asItIsNow(init, request), signal, idempotent };
}

/** Fields that an init inherits, or computes in getters of its class, count for fetch as well: it reads them by name. */
function ownFields(init: FetchInit): FetchInit {
  const prototype: unknown = Object.getPrototypeOf(init);
  if (prototype === null || prototype === Object.prototype) return init;
  const names = new Set([...FETCH_FIELDS, ...Object.keys(init)]);
  for (const name in init) names.add(name);
  const fields = init as Readonly<Record<string, unknown>>;
  return Object.fromEntries([...names].flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])));
}

// The members of RequestInit (Fetch standard, section 5.4).
const FETCH_FIELDS: readonly string[] = [
  'method',
  'headers',
  'body',
  'mode',
  'credentials',
  'cache',
  'redirect',
  'referrer',
  'referrerPolicy',
  'integrity',
  'keepalive',
  'signal',
  'duplex',
  'priority',
];

/**
 * The request that was asked for, whatever its caller does with the same objects while it waits for a slot or a retry:
 * fetch takes its copy when it is called, too. Headers that can be read only once are read here.
 */
function asItIsNow(init: RequestInit, request: Request | undefined): RequestInit {
  // A Request, too, may be used again, for somebody else, while this call still waits or refreshes what is stored.
  const { headers = request?.headers, body } = init;
  if (headers !== undefined && headers !== null) init.headers = copyHeaders(headers);
  if (body instanceof URLSearchParams) init.body = new URLSearchParams(body);
  else if (body instanceof FormData) {
    const form = new FormData();
    for (const [name, value] of body) form.append(name, value);
    init.body = form;
  }
  return init;
}

function copyHeaders(headers: NonNullable<RequestInit['headers']>): NonNullable<RequestInit['headers']> {
  // Left to the platform to refuse.
  if (typeof headers !== 'object') return headers;
  if (headers instanceof Headers) return new Headers(headers);
  if (typeof (headers as Partial<Iterable<unknown>>)[Symbol.iterator] !== 'function')
    return { ...headers } as Record<string, string>;
  return Array.from(headers as Iterable<[string, string]>, (pair) => [...pair]);
}

function asRequest(input: string | URL | Request): Request | undefined {
  // Options as other clients take them, { url, method }, are none.
  return typeof input === 'object' && input !== null && 'url' in input && 'clone' in input ? input : undefined;
}

// Stands in for the origin of a relative URL where only the user's own fetch knows it (RFC 2606: it is nobody's).
const NOWHERE = 'https://relative.invalid';

const HAS_SCHEME = /^[a-z][a-z\d+.-]*:/i;

function parseUrl(href: string, resolvesRelative: boolean): URL | undefined {
  // Any word passes for a scheme, and no platform's fetch knows one of these.
  const [host] = (!resolvesRelative && /^[\w.-]+:\d+(?![^/?#])/.exec(href)) || [];
  if (host !== undefined) throw new TypeError(`input must be a URL with a scheme, such as http://, got ${quote(host)}`);
  try {
    return new URL(href);
  } catch {
    try {
      // Relative to the page where there is one; elsewhere the platform's own error.
      return new URL(new Request(href).url);
    } catch (error) {
      // With a scheme it is no relative URL, but a broken one.
      if (!resolvesRelative || HAS_SCHEME.test(href)) throw error;
      // One that names its host is relative to nothing but the scheme.
      const url = new URL(href, NOWHERE);
      return url.origin === NOWHERE ? undefined : url;
    }
  }
}

/**
 * Lets the platform refuse what it would refuse anyway, before any layer counts it as the dependency's failure. The
 * body is left out: building a Request would consume it, and most calls need no Request at all.
 */
function refuseInvalid(
  request: Request | undefined,
  url: URL | string,
  init: RequestInit,
  signal: AbortSignal | null | undefined,
): void {
  const method = methodIn(init, request);
  const { body, ...rest } = init;
  const hasBody = body !== undefined && body !== null;
  if (request !== undefined && !hasBody) refuseUnusable(request, method);
  if (signal !== undefined && signal !== null) checkSignal('init.signal', signal);
  if (!hasCredentials(url) && isPlain(init, method)) return;
  new Request(url, { ...rest, method, ...(hasBody ? { body: standIn(body) } : {}) });
}

/** Whether it is sure that no platform refuses this: to have a Request made only to know it costs twice what all layers do. */
function isPlain(init: RequestInit, method: string): boolean {
  const takesBody = TAKE_A_BODY.includes(method);
  for (const name in init) {
    const value: unknown = init[name as keyof RequestInit];
    if (value === undefined) continue;
    if (name === 'method' && (takesBody || method === 'GET' || method === 'HEAD')) continue;
    if (name === 'body' && (value === null || (takesBody && !(value instanceof ReadableStream)))) continue;
    if (name === 'headers' && arePlain(init.headers)) continue;
    return false;
  }
  return true;
}

const TAKE_A_BODY: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

function arePlain(headers: RequestInit['headers']): boolean {
  if (headers instanceof Headers) return true;
  if (headers === null || typeof headers !== 'object' || Symbol.iterator in headers) return false;
  if (Object.getOwnPropertySymbols(headers).length > 0) return false;
  for (const name in headers) if (!isToken(name) || !isPlainValue(headers[name])) return false;
  return true;
}

function isPlainValue(value: unknown): boolean {
  return typeof value === 'string' && /^[\t\x20-\x7e]*$/.test(value);
}

/** Lets the platform refuse a Request whose body is gone, or has no place in a GET. Of any other, it would take the body. */
function refuseUnusable(request: Request, method: string): void {
  const { body, bodyUsed } = request;
  const allowsNone = isBodiless(method);
  if (bodyUsed || body?.locked === true) new Request(request, { method });
  // With a body of our own: workerd refuses a Request like that, but takes its body all the same.
  else if (allowsNone && body !== null && body !== undefined) new Request(request.url, { method, body: '' });
  // Firefox does not show the body of a Request: a copy is asked for.
  else if (allowsNone && body === undefined && !isBodiless(request.method)) new Request(request.clone(), { method });
}

/** A known origin has none before it. */
function hasCredentials(url: URL | string): boolean {
  return typeof url === 'object' && (url.username !== '' || url.password !== '');
}

function isBodiless(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

/** What the platform can judge in place of a body: whether there may be one, and whether a stream is asked for rightly. */
function standIn(body: NonNullable<RequestInit['body']>): NonNullable<RequestInit['body']> {
  if (!(body instanceof ReadableStream)) return '';
  return body.locked ? body : new ReadableStream();
}

function hasIdempotencyKey(request: PreparedRequest): boolean {
  return headersOf(request)?.has('idempotency-key') === true;
}

function isReplayable({ input, init, method }: PreparedRequest): boolean {
  const { body } = init;
  if (body !== undefined && body !== null) {
    return (
      typeof body === 'string' ||
      body instanceof ArrayBuffer ||
      ArrayBuffer.isView(body) ||
      body instanceof Blob ||
      body instanceof URLSearchParams ||
      body instanceof FormData
    );
  }
  const request = asRequest(input);
  if (request === undefined || method === 'GET' || method === 'HEAD') return true;
  // A Request's body is a stream: it goes out once. Where an engine does not show it, there may be one.
  return request.body === null;
}
