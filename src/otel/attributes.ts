import type { Attributes } from '@opentelemetry/api';

import { SteadfetchError } from '../errors.ts';
import type { AttemptEvent, CompletedEvent, FallbackEvent } from '../events.ts';
import { degradation } from '../http/cache-status.ts';
import { isSecret } from '../http/credentials.ts';
import type { Settled } from '../model/outcome.ts';
import type { StartedCall } from '../telemetry.ts';

// The methods that the conventions know; any other is somebody's invention, and there may be any number of those.
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE']);

/** The method, as metrics may have it. */
export function knownMethod(method: string): string {
  return METHODS.has(method) ? method : '_OTHER';
}

/** What all that is told of a call's attempts has in common (OpenTelemetry semantic conventions for HTTP clients). */
export function serverAttributes({ url, method }: StartedCall): Attributes {
  const attributes: Attributes = { 'http.request.method': knownMethod(method) };
  if (url === undefined) return attributes;
  const { hostname, protocol, port } = url;
  const scheme = protocol.slice(0, -1);
  return {
    ...attributes,
    'server.address': hostname,
    'server.port': port === '' ? (scheme === 'https' ? 443 : 80) : Number(port),
    'url.scheme': scheme,
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
  result: Settled<Response | undefined>,
  fallback: FallbackEvent | undefined,
  completed: CompletedEvent | undefined,
): Attributes {
  const response = 'value' in result ? result.value : undefined;
  const error = 'error' in result ? codeOf(result.error, completed) : errorOfStatus(response?.status);
  return {
    'steadfetch.answer': response === undefined ? 'none' : (fallback?.source ?? 'network'),
    'steadfetch.degraded': response !== undefined && degradation(response) !== undefined,
    ...(response === undefined ? {} : { 'http.response.status_code': response.status }),
    ...(error === undefined ? {} : { 'error.type': error }),
  };
}

function codeOf(error: unknown, completed: CompletedEvent | undefined): string {
  return error instanceof SteadfetchError ? error.code : (completed?.failure ?? 'aborted');
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
