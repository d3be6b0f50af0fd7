import { Lru } from '../model/lru.ts';

// By the names that carry them in practice: a header too many keeps apart what could be shared, one too few shows one
// user's data to another.
const SECRET = /auth|cookie|token|key|session|secret|signature|hmac|jwt|passw|dpop|oidc/;
const IDENTITY = /user(?!-agent)|account|tenant|customer|member|login|^from$/;

/** Whether a header of this (lower-case) name says who is asking. */
export function isCredential(name: string): boolean {
  return isSecret(name) || IDENTITY.test(name);
}

/** Whether what goes by this (lower-case) name is not to be seen. */
export function isSecret(name: string): boolean {
  return SECRET.test(name);
}

/** What the headers say of who is asking, as a text of its own; `undefined` if they say nothing. */
export function credentialsIn(headers: Headers | undefined): string | undefined {
  if (headers === undefined) return undefined;
  const found = [...headers].filter(([name]) => isCredential(name));
  return found.length === 0 ? undefined : JSON.stringify(found);
}

declare const crypto: { readonly subtle?: SubtleCrypto } | undefined;

/** Texts that must not be seen, as their SHA-256 in hex. The last ones are remembered: a digest costs more than a hit. */
export class Fingerprints {
  readonly #known = new Lru<string>({ maxEntries: 64 });

  /** `undefined` where there is no SHA-256: in a page that did not come over HTTPS. */
  async of(text: string): Promise<string | undefined> {
    const known = this.#known.get(text);
    if (known !== undefined || typeof crypto === 'undefined' || crypto.subtle === undefined) return known;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
    const print = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    this.#known.set(text, print);
    return print;
  }
}
