import { afterEach, expect, test, vi } from 'vitest';

import { credentialsIn, Fingerprints, isCredential, isSecret } from '../../src/http/credentials.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

const credentials = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-api-key',
  'apikey',
  'x-auth',
  'x-auth-token',
  'x-access-token',
  'x-amz-security-token',
  'x-csrf-token',
  'x-session-id',
  'x-client-secret',
  'x-jwt-assertion',
  'x-password',
  'ocp-apim-subscription-key',
  'x-goog-authenticated-user-email',
  // Of no name that would give it away.
  'x-identity',
  'x-client-cert',
  'x-credential',
  'x-ms-client-principal',
  'x-sid',
  'sid',
  'bearer',
  'x-remote-addr',
  'x-forwarded-for',
  'from',
  'x-id',
  'x-anything-else',
  'sec-token',
  '',
];
const others = [
  'accept',
  'accept-language',
  'user-agent',
  'content-type',
  'cache-control',
  'origin',
  'keep-alive',
  'if-none-match',
  'sec-fetch-mode',
  'traceparent',
  'baggage',
  'x-b3-traceid',
  'x-request-id',
  'x-requested-with',
  'x-envoy-expected-rq-timeout-ms',
  'idempotency-key',
  'save-data',
  'upgrade-insecure-requests',
];

test.for(credentials)('isCredential() is true for "%s"', (name) => {
  expect(isCredential(name)).toBe(true);
});

test.for(others)('isCredential() is false for "%s"', (name) => {
  expect(isCredential(name)).toBe(false);
});

// credentialsIn()

test('credentialsIn() is undefined without headers, and for headers that say nothing of who is asking', () => {
  expect(credentialsIn(undefined)).toBeUndefined();
  expect(credentialsIn(new Headers())).toBeUndefined();
  expect(credentialsIn(new Headers({ accept: 'text/plain', 'user-agent': 'x' }))).toBeUndefined();
});

test('credentialsIn() is the same text for the same credentials, whatever the order, the case and the other headers', () => {
  const one = new Headers([
    ['Authorization', 'Bearer a'],
    ['X-Api-Key', 'k'],
  ]);
  const other = new Headers([
    ['x-api-key', 'k'],
    ['accept', 'text/plain'],
    ['authorization', 'Bearer a'],
  ]);
  expect(credentialsIn(one)).toBeTypeOf('string');
  expect(credentialsIn(other)).toBe(credentialsIn(one));
});

const users: readonly Readonly<Record<string, string>>[] = [
  { authorization: 'Bearer a' },
  { authorization: 'Bearer A' },
  { authorization: 'Bearer b' },
  { authorization: 'a' },
  { authorization: '' },
  { 'x-api-key': 'a' },
  { 'x-api-key': 'Bearer a' },
  { authorization: 'Bearer a', 'x-api-key': 'k' },
  // What could be taken for two headers, or for one.
  { authorization: 'Bearer a","x-api-key","k' },
  { authorization: 'Bearer a"],["x-api-key","k' },
  { authorization: 'Bearer a,x-api-key,k' },
  { 'x-a-token': 'b', 'x-b-token': 'a' },
  { 'x-a-token': 'a', 'x-b-token': 'b' },
  { 'x-a-token': 'a, b' },
];

test('credentialsIn() is another text for anybody else', () => {
  const texts = users.map((headers) => credentialsIn(new Headers(headers)));
  expect(new Set(texts).size).toBe(users.length);
  expect(texts).not.toContain(undefined);
});

// Fingerprints

const digests: readonly (readonly [text: string, sha256: string])[] = [
  // The examples of FIPS 180-2.
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
];

test.for(digests)('Fingerprints.of() is the SHA-256 in hex, of "%s"', async ([text, sha256]) => {
  expect(await new Fingerprints().of(text)).toBe(sha256);
});

test('Fingerprints.of() is what the platform digests of the UTF-8, beyond ASCII as well', async () => {
  const text = 'Ärger 👋\u0000';
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const hex = [...digest].map((byte) => (byte + 256).toString(16).slice(1)).join('');
  expect(await new Fingerprints().of(text)).toBe(hex);
});

test('Fingerprints.of() is the same for the same text, in each of them', async () => {
  const [one, other] = [new Fingerprints(), new Fingerprints()];
  expect(await one.of('a')).toBe(await other.of('a'));
  expect(await one.of('a')).not.toBe(await one.of('b'));
});

/** A platform that counts what it digests. */
function countingCrypto() {
  const { subtle } = globalThis.crypto;
  const digest = vi.fn((algorithm: string, data: BufferSource) => subtle.digest(algorithm, data));
  vi.stubGlobal('crypto', { subtle: { digest } });
  return digest;
}

test('Fingerprints.of() digests a text once, while it is remembered: the last 64', async () => {
  const digest = countingCrypto();
  const fingerprints = new Fingerprints();
  const first = await fingerprints.of('text 0');
  for (let index = 1; index < 64; index += 1) await fingerprints.of(`text ${index}`);
  expect(await fingerprints.of('text 0')).toBe(first);
  expect(digest).toHaveBeenCalledTimes(64);
  // Used just now, so another one makes room.
  await fingerprints.of('text 64');
  await fingerprints.of('text 0');
  expect(digest).toHaveBeenCalledTimes(65);
  await fingerprints.of('text 1');
  expect(digest).toHaveBeenCalledTimes(66);
});

test.for([undefined, {}, { subtle: undefined }])(
  'Fingerprints.of() is undefined, when crypto is %j',
  async (crypto) => {
    vi.stubGlobal('crypto', crypto);
    expect(await new Fingerprints().of('a')).toBeUndefined();
  },
);

test('Fingerprints.of() keeps nothing of a text that could not be digested', async () => {
  const fingerprints = new Fingerprints();
  vi.stubGlobal('crypto', {});
  expect(await fingerprints.of('abc')).toBeUndefined();
  vi.unstubAllGlobals();
  expect(await fingerprints.of('abc')).toBe(digests[0]?.[1]);
});

test.for(['PHPSESSID', 'JSESSIONID', 'connect.sid', 'reset_code', 'device_code', 'code', 'pw', 'user-pin'])(
  'isSecret() knows what a query calls a secret: %s',
  (name) => {
    expect(isSecret(name.toLowerCase())).toBe(true);
  },
);

test.for(['page', 'country_code', 'zip', 'inside', 'spin', 'barcode'])(
  'isSecret() takes what is none for what it is: %s',
  (name) => {
    expect(isSecret(name)).toBe(false);
  },
);
