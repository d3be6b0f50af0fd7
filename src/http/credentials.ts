import { Lru } from '../model/lru.ts';

// What headers say of the kind of answer, of the path of the request, and of the software that sends it. Every other one may
// tell who is asking: one that keeps apart what could be shared costs a request, one that does not shows one user's data to
// another. Pure: entries that ask for something else of this file (otel) leave it out.
const HARMLESS: ReadonlySet<string> = /* @__PURE__ */ new Set(
  /* @__PURE__ */ (
    'baggage b3 cache-control date device-memory dnt downlink dpr ect idempotency-key keep-alive origin pragma prefer ' +
    'priority purpose range referer rtt save-data sentry-trace te traceparent tracestate uber-trace-id user-agent via ' +
    'viewport-width width x-amzn-trace-id x-cloud-trace-context x-correlation-id x-envoy-expected-rq-timeout-ms ' +
    'x-request-id x-requested-with x-trace-id'
  ).split(' '),
);
const HARMLESS_FAMILY = /^(?:accept|content|if|sec|upgrade|x-b3|x-datadog)(?:-|$)/;

const SECRET =
  /auth|cookie|token|key|session|sessid|secret|signature|hmac|jwt|pass|pwd|otp|saml|assertion|ticket|verifier|dpop|oidc|credential|bearer|(?:^|access|device|login|reset|user|verification)[._-]?code$|(?:^|[._-])(?:sid|sig|pin|pw)$/;

/** Whether a header of this (lower-case) name may say who is asking. */
export function isCredential(name: string): boolean {
  return !HARMLESS.has(name) && (!HARMLESS_FAMILY.test(name) || isSecret(name));
}

/** Whether what goes by this (lower-case) name in a query is not to be seen. */
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
  of(text: string): string | undefined | Promise<string | undefined> {
    const known = this.#known.get(text);
    if (known !== undefined || typeof crypto === 'undefined' || crypto.subtle === undefined) return known;
    return this.#digest(text, crypto.subtle);
  }

  async #digest(text: string, subtle: SubtleCrypto): Promise<string> {
    const digest = new Uint8Array(await subtle.digest('SHA-256', new TextEncoder().encode(text)));
    const print = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    this.#known.set(text, print);
    return print;
  }
}
