import type { Attributes } from '@opentelemetry/api';

import { HttpError, SteadfetchError } from '../errors.ts';
import type { AttemptEvent, CompletedEvent, FallbackEvent } from '../events.ts';
import { degradationIn } from '../http/cache-status.ts';
import { isSecret } from '../http/credentials.ts';
import type { CallEnd, StartedCall } from '../telemetry.ts';

// The methods that the conventions know; any other is somebody's invention, and there may be any number of those.
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE']);

/** The method, as metrics may have it. */
export function knownMethod(method: string): string {
  const known = method.toUpperCase();
  return METHODS.has(known) ? known : '_OTHER';
}

/** What all that is told of a call's attempts has in common (OpenTelemetry semantic conventions for HTTP clients). */
export function serverAttributes({ url, method }: StartedCall): Attributes {
  const attributes: Attributes = { 'http.request.method': knownMethod(method) };
  if (url === undefined) return attributes;
  const { hostname, protocol, port } = url;
  // A fetch of the user's own may take others: they have no servers that we know of.
  const usual = { 'https:': 443, 'http:': 80 }[protocol];
  if (usual === undefined) return attributes;
  return {
    ...attributes,
    'server.address': hostname.replace(/^\[(.*)\]$/, '$1'),
    'server.port': port === '' ? usual : Number(port),
    'url.scheme': protocol.slice(0, -1),
  };
}

/** Whose call it is, and to what. */
export function callAttributes({ client, dependency }: Pick<StartedCall, 'client' | 'dependency'>): Attributes {
  return {
    'steadfetch.dependency': dependency,
    ...(client === undefined ? {} : { 'steadfetch.client': client }),
  };
}

/** How an attempt ended: with a status, and with an error if it was none that is good. */
export function outcomeAttributes({ status, failure }: Pick<AttemptEvent, 'status' | 'failure'>): Attributes {
  const error = failure === undefined || failure === 'status' ? errorOfStatus(status) : failure;
  return {
    ...(status === undefined ? {} : { 'http.response.status_code': status }),
    ...(error === undefined ? {} : { 'error.type': error }),
  };
}

/** What a caller was given: an answer and where it is from, or an error, in a word and never its message. */
export function givenAttributes(
  { result, aborted }: CallEnd,
  fallback: FallbackEvent | undefined,
  completed: CompletedEvent | undefined,
): Attributes {
  // The dependency has answered, though its answer is thrown.
  const response =
    'value' in result ? result.value : result.error instanceof HttpError ? result.error.response : undefined;
  const status = response?.status;
  const error =
    response === undefined && 'error' in result ? codeOf(result.error, aborted, completed) : errorOfStatus(status);
  return {
    'steadfetch.answer': response === undefined ? 'none' : (fallback?.source ?? 'network'),
    'steadfetch.degraded': response !== undefined && degradationIn(response) !== undefined,
    ...(status === undefined ? {} : { 'http.response.status_code': status }),
    ...(error === undefined ? {} : { 'error.type': error }),
  };
}

function codeOf(error: unknown, aborted: boolean, completed: CompletedEvent | undefined): string {
  if (error instanceof SteadfetchError) return error.code;
  return completed?.failure ?? (aborted ? 'aborted' : '_OTHER');
}

// Reasons are words of ours; but a server may answer degraded by any text.
const REASON = /^[a-z][a-z0-9-]{0,40}$/;

/** Why an answer is degraded, as a span may have it. */
export function reasonAttribute(reason: string): string {
  return REASON.test(reason) ? reason : 'other';
}

// What the platform's errors are called, and what our own reasons are. A store may name its errors as it likes.
const STORE_ERRORS = new Set(
  (
    'timeout invalid Error TypeError RangeError SyntaxError AbortError TimeoutError QuotaExceededError NotFoundError ' +
    'InvalidStateError TransactionInactiveError DataError DataCloneError VersionError UnknownError NetworkError SecurityError'
  ).split(' '),
);

/** Why a store failed, as a metric may have it: of so many kinds, and no more. */
export function storeErrorAttribute(reason: string): string {
  return STORE_ERRORS.has(reason) ? reason : 'Error';
}

/** For a client, 4xx is an error, too. */
function errorOfStatus(status: number | undefined): string | undefined {
  return status !== undefined && status >= 400 ? String(status) : undefined;
}

/** Which parts of a query may be recorded: none, all, or those of these names. */
export type QueryRule = boolean | readonly string[];

/** The URL without who is asking, and without what may not be recorded of its query. */
export function recordableUrl(url: URL, query: QueryRule): string {
  const { origin, protocol, pathname, searchParams } = url;
  // Of file:, data: and the like, the path is all there is, and may be anything.
  if (protocol !== 'https:' && protocol !== 'http:') return protocol;
  const recorded = new URLSearchParams();
  if (query !== false) {
    for (const [name, value] of searchParams) {
      if (query !== true && !query.includes(name)) continue;
      recorded.append(name, isSecret(name.toLowerCase()) ? 'REDACTED' : value);
    }
  }
  const text = recorded.toString();
  return `${origin}${pathname}${text === '' ? '' : `?${text}`}`;
}
