import { checkMethods } from '../checks.ts';
import type { Degradation } from '../result.ts';

/**
 * What an answer is, if it is not what was asked for: stored while its dependency fails, or a default. It is read from the
 * standard headers (`Cache-Status`, RFC 9211, and `Age`), so it is the same for a clone, behind ky, and in a browser
 * whose Worker answered degraded. Between origins, those two must be in `Access-Control-Expose-Headers`.
 *
 * @returns `undefined` for an answer fresh from the network, or from the store while all is well.
 * @throws TypeError if it is no Response.
 */
export function degradation(response: Pick<Response, 'headers'>): Degradation | undefined {
  checkMethods('response.headers', 'those of a Response', response?.headers, ['get']);
  return degradationIn(response);
}

/** {@link degradation} for those who know that it is a Response. */
export function degradationIn({ headers }: Pick<Response, 'headers'>): Degradation | undefined {
  const header = headers.get('cache-status');
  if (header === null) return undefined;
  // The last one is the nearest (RFC 9211, section 2).
  for (const member of split(header, ',').reverse()) {
    const [cache = '', ...parameters] = split(member, ';').map((part) => part.trim());
    if (cache.toLowerCase() !== 'steadfetch') continue;
    const [reason] = parameters.flatMap(
      (parameter) => /^detail="degraded: ([^"\\]{1,99})"$/.exec(parameter)?.[1] ?? [],
    );
    if (reason === undefined) continue;
    if (!parameters.includes('hit')) return { source: 'default', reason, ageMs: 0 };
    return { source: 'cache', reason, ageMs: ageMsOf(headers) };
  }
  return undefined;
}

/** The parts between separators that are in no string, in one pass whatever the text is (RFC 9651, section 4.2). */
function split(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let start = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (character === '"') inString = !inString;
    else if (inString && character === '\\') index += 1;
    else if (!inString && character === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function ageMsOf(headers: Headers): number {
  const age = headers.get('age')?.trim() ?? '';
  return /^\d{1,12}$/.test(age) ? Number(age) * 1_000 : 0;
}

// The largest integer that a structured header can have (RFC 9651, section 3.3.1).
const MOST_SECONDS = 999_999_999_999_999;

/** The member of `Cache-Status` for a stored answer; `reason` if it is degraded. `ttlMs` is how long it is still fresh. */
export function storedStatus(ttlMs: number, reason: string | undefined): string {
  const ttl = Math.min(MOST_SECONDS, Math.floor(ttlMs / 1_000));
  return `steadfetch; hit; ttl=${ttl}${detail(reason)}`;
}

/** The member of `Cache-Status` for a default. */
export function defaultStatus(reason: string): string {
  return `steadfetch; fwd=miss${detail(reason)}`;
}

function detail(reason: string | undefined): string {
  return reason === undefined ? '' : `; detail="degraded: ${reason}"`;
}
