import fc from 'fast-check';
import { expect, test } from 'vitest';

import { withFacts } from '../../src/http/body.ts';
import {
  ageOf,
  confirmed,
  isStorable,
  MAX_VARIANTS,
  parseEntry,
  type Reception,
  toResponse,
  toStored,
  validatorsOf,
  variesBy,
} from '../../src/http/stored-response.ts';
import type { StoredResponse, StoreEntry } from '../../src/stores/store.ts';
import { RUNS } from '../properties/bench.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const key = 'public GET https://api.example/users';
const status = 'steadfetch; hit; ttl=5';

/** As it came out of a fetch: a constructed Response could not have such headers in every engine. */
function received(headers: readonly (readonly [string, string])[], facts: { type?: Response['type'] } = {}): Response {
  return withFacts(new Response(null), { headers: new Headers(headers as [string, string][]), ...facts });
}

function storedWith(changes: Partial<StoredResponse> = {}): StoredResponse {
  const body = changes.body === undefined ? bytes('hello') : changes.body;
  return {
    url: 'https://api.example/users',
    redirected: false,
    type: 'basic',
    status: 200,
    statusText: 'OK',
    headers: [
      ['cache-control', 'max-age=60'],
      ['content-type', 'text/plain'],
      ['etag', '"1"'],
    ],
    bodyBytes: body?.byteLength ?? 0,
    receivedAt: 1_000,
    initialAgeMs: 0,
    variesBy: [],
    ...changes,
    body,
  };
}

// isStorable()

const statuses = [
  [200, true],
  [203, true],
  [204, true],
  [201, false],
  [202, false],
  [205, false],
  [206, false],
  [301, false],
  [304, false],
  [400, false],
  [404, false],
  [410, false],
  [429, false],
  [500, false],
  [503, false],
] as const;

test.for(statuses)('isStorable() of a status of %d is %s', ([code, storable]) => {
  expect(isStorable(new Response(null, { status: code }))).toBe(storable);
});

test.for(['basic', 'cors', 'default'] as const)('isStorable() is true for a 200 of type "%s"', (type) => {
  expect(isStorable(withFacts(new Response('text'), { type }))).toBe(true);
});

test.for(['opaque', 'error'] as const)('isStorable() is false for a 200 of type "%s"', (type) => {
  expect(isStorable(withFacts(new Response('text'), { type }))).toBe(false);
});

test('isStorable() is false for an answer without a status', () => {
  expect(isStorable(Response.error())).toBe(false);
});

// variesBy()

const varies: readonly (readonly [vary: string, names: readonly string[] | undefined])[] = [
  ['accept', ['accept']],
  ['Accept-Language, Accept', ['accept', 'accept-language']],
  ['accept, ACCEPT,accept', ['accept']],
  [' , accept , ', ['accept']],
  ['', []],
  ['*', undefined],
  ['accept, *', undefined],
  [' * ,accept', undefined],
  ['cookie, authorization', ['authorization', 'cookie']],
];

test.for(varies)('variesBy() of Vary %j is %j', ([vary, names]) => {
  expect(variesBy(received([['vary', vary]]))).toEqual(names);
});

test('variesBy() reads several Vary headers as one', () => {
  const vary = [
    ['vary', 'origin'],
    ['vary', 'Accept'],
  ] as const;
  expect(variesBy(received(vary))).toEqual(['accept', 'origin']);
});

test('variesBy() without Vary is nothing, but what is negotiated without asking, where CORS may have hidden it', () => {
  expect(variesBy(received([], { type: 'basic' }))).toEqual([]);
  expect(variesBy(received([], { type: 'default' }))).toEqual([]);
  expect(variesBy(received([], { type: 'cors' }))).toEqual(['accept', 'accept-language']);
  expect(variesBy(received([['vary', 'origin']], { type: 'cors' }))).toEqual(['origin']);
});

// toStored()

const reception: Reception = { receivedAt: 5_000, initialAgeMs: 250, variesBy: [['accept', 'text/plain']] };

test('toStored() keeps what the answer was, its body and how it was received', () => {
  const response = withFacts(new Response('ignored', { status: 203, statusText: 'Fine', headers: { etag: '"1"' } }), {
    url: 'https://api.example/moved',
    redirected: true,
    type: 'basic',
    headers: new Headers({ etag: '"1"', 'X-Other': 'a' }),
  });
  expect(toStored(response, bytes('hello'), reception)).toEqual({
    url: 'https://api.example/moved',
    redirected: true,
    type: 'basic',
    status: 203,
    statusText: 'Fine',
    headers: [
      ['etag', '"1"'],
      ['x-other', 'a'],
    ],
    body: bytes('hello'),
    bodyBytes: 5,
    receivedAt: 5_000,
    initialAgeMs: 250,
    variesBy: [['accept', 'text/plain']],
  });
});

test('toStored() keeps an answer without a body as one', () => {
  expect(toStored(new Response(null, { status: 204 }), null, reception)).toMatchObject({ body: null, bodyBytes: 0 });
});

test('toStored() makes plain data, which a structured clone takes as it is', () => {
  const stored = toStored(received([['etag', '"1"']]), bytes('hello'), reception);
  expect(structuredClone(stored)).toEqual(stored);
});

const dropped = [
  'Set-Cookie',
  'Set-Cookie2',
  'Connection',
  'Keep-Alive',
  'Proxy-Authenticate',
  'Proxy-Authentication-Info',
  'Proxy-Authorization',
  'Proxy-Connection',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
  'Age',
];

test.for(dropped)('toStored() does not keep %s, beside others', (name) => {
  const given = [
    [name, '5'],
    ['content-type', 'text/plain'],
  ] as const;
  expect(toStored(received(given), null, reception).headers).toEqual([['content-type', 'text/plain']]);
});

test('toStored() does not keep the length and the encoding of a body, which fetch has decoded; of one that is not there, it does', () => {
  const given = [
    ['content-encoding', 'gzip'],
    ['content-length', '5'],
  ] as const;
  expect(toStored(received(given), new Uint8Array(9), reception).headers).toEqual([]);
  const head = toStored(received(given), null, reception);
  expect(head.headers).toEqual(given);
  expect(toResponse(head, 0, 'steadfetch; hit').headers.get('content-length')).toBe('5');
});

const keptNames = [
  'cache-control',
  'cache-status',
  'content-language',
  'date',
  'etag',
  'expires',
  'vary',
  'via',
  'warning',
];

test.for(keptNames)('toStored() keeps %s', (name) => {
  expect(toStored(received([[name, 'x']]), null, reception).headers).toEqual([[name, 'x']]);
});

test('toStored() does not keep what Connection names, in any case', () => {
  const given = [
    ['Connection', 'close, X-Hop ,x-other-hop'],
    ['X-Hop', '1'],
    ['X-Other-Hop', '2'],
    ['X-Stays', '3'],
    ['Close', '4'],
  ] as const;
  expect(toStored(received(given), null, reception).headers).toEqual([['x-stays', '3']]);
});

test('toStored() keeps none of several cookies', () => {
  const given = [
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['etag', '"1"'],
  ] as const;
  expect(toStored(received(given), null, reception).headers).toEqual([['etag', '"1"']]);
});

// confirmed()

function renewedBy(headers: readonly (readonly [string, string])[], stored = storedWith()): StoredResponse {
  return confirmed(stored, received(headers), { receivedAt: 9_000, initialAgeMs: 30, variesBy: [['accept', 'x']] });
}

test('confirmed() is the stored answer, as young as the 304', () => {
  const stored = storedWith({ url: 'https://api.example/moved', redirected: true, initialAgeMs: 77 });
  expect(renewedBy([], stored)).toEqual({
    ...stored,
    receivedAt: 9_000,
    initialAgeMs: 30,
    variesBy: [['accept', 'x']],
  });
});

test('confirmed() takes the headers of the 304 in place of those with the same name, and keeps the others', () => {
  const { headers } = renewedBy([
    ['Cache-Control', 'max-age=5'],
    ['X-New', 'a'],
  ]);
  expect(new Map(headers)).toEqual(
    new Map([
      ['cache-control', 'max-age=5'],
      ['content-type', 'text/plain'],
      ['etag', '"1"'],
      ['x-new', 'a'],
    ]),
  );
  expect(headers).toHaveLength(4);
});

test('confirmed() takes one header in place of several with its name', () => {
  const stored = storedWith({
    headers: [
      ['x-many', '1'],
      ['x-many', '2'],
    ],
  });
  expect(renewedBy([['x-many', '3']], stored).headers).toEqual([['x-many', '3']]);
});

const ofTheBody = [
  ['Content-Type', 'text/html'],
  ['Content-Encoding', 'gzip'],
  ['Content-Length', '0'],
  ['Content-Range', 'bytes 0-1/2'],
  ['Set-Cookie', 'a=1'],
  ['Connection', 'close'],
  ['Age', '7'],
] as const;

test.for(ofTheBody)('confirmed() takes no %s from the 304', ([name, value]) => {
  expect(renewedBy([[name, value]]).headers).toEqual(storedWith().headers);
});

test('confirmed() leaves the stored answer as it was', () => {
  const stored = storedWith();
  const before = structuredClone(stored);
  renewedBy([['etag', '"2"']], stored);
  expect(stored).toEqual(before);
});

// toResponse()

test('toResponse() is a Response as the first one was: with its status, headers, URL and type', async () => {
  const stored = storedWith({
    status: 203,
    statusText: 'Fine',
    url: 'https://api.example/moved',
    redirected: true,
    type: 'cors',
  });
  const response = toResponse(stored, 0, status);
  expect(response).toBeInstanceOf(Response);
  const { status: code, statusText, url, redirected, type, ok, bodyUsed } = response;
  expect({ code, statusText, url, redirected, type, ok, bodyUsed }).toEqual({
    code: 203,
    statusText: 'Fine',
    url: 'https://api.example/moved',
    redirected: true,
    type: 'cors',
    ok: true,
    bodyUsed: false,
  });
  expect(Object.fromEntries(response.headers)).toEqual({
    age: '0',
    'cache-control': 'max-age=60',
    'cache-status': status,
    'content-length': '5',
    'content-type': 'text/plain',
    etag: '"1"',
  });
  expect(await response.text()).toBe('hello');
});

const agesShown = [
  [0, '0'],
  [999, '0'],
  [1_000, '1'],
  [59_999.9, '59'],
  [86_400_000, '86400'],
  [-1, '0'],
  [-86_400_000, '0'],
] as const;

test.for(agesShown)('toResponse() says an age of %d ms in whole seconds: %s', ([ageMs, age]) => {
  expect(toResponse(storedWith(), ageMs, status).headers.get('age')).toBe(age);
});

test('toResponse() says its own age and length, whatever else got into the store', () => {
  const headers = [
    ['age', '999'],
    ['content-length', '999'],
  ] as const;
  const response = toResponse(storedWith({ headers }), 5_000, status);
  expect([response.headers.get('age'), response.headers.get('content-length')]).toEqual(['5', '5']);
});

test('toResponse() adds its Cache-Status after what others have said, and at each hit anew', () => {
  const stored = storedWith({ headers: [['cache-status', 'OriginCache; hit']] });
  expect(toResponse(stored, 0, status).headers.get('cache-status')).toBe(`OriginCache; hit, ${status}`);
  expect(toResponse(stored, 0, 'steadfetch; hit; ttl=1').headers.get('cache-status')).toBe(
    'OriginCache; hit, steadfetch; hit; ttl=1',
  );
});

test('toResponse() hands out no cookie, whatever else got into the store', () => {
  const headers = [
    ['Set-Cookie', 'session=1'],
    ['etag', '"1"'],
  ] as const;
  const response = toResponse(storedWith({ headers }), 0, status);
  expect(response.headers.has('set-cookie')).toBe(false);
  expect(response.headers.getSetCookie()).toEqual([]);
  expect(response.headers.get('etag')).toBe('"1"');
});

test('toResponse() hands out nothing of another connection or encoding, whatever else got into the store', () => {
  const headers = [
    ['Content-Encoding', 'gzip'],
    ['Transfer-Encoding', 'chunked'],
    ['x-stays', '1'],
  ] as const;
  const shown = toResponse(storedWith({ headers }), 0, status).headers;
  expect([shown.has('content-encoding'), shown.has('transfer-encoding'), shown.get('x-stays')]).toEqual([
    false,
    false,
    '1',
  ]);
});

test('toResponse() keeps several headers of one name', () => {
  const headers = [
    ['link', '<a>'],
    ['link', '<b>'],
  ] as const;
  expect(toResponse(storedWith({ headers }), 0, status).headers.get('link')).toBe('<a>, <b>');
});

test('toResponse() of a 204 has no body and no length', async () => {
  for (const body of [null, bytes('')]) {
    const response = toResponse(storedWith({ status: 204, body }), 0, status);
    expect([response.status, response.body ?? null, response.headers.has('content-length')]).toEqual([
      204,
      null,
      false,
    ]);
    expect(await response.text()).toBe('');
  }
});

test('toResponse() of an answer to HEAD has no body, and no length, which nobody knows any more', async () => {
  const response = toResponse(storedWith({ body: null }), 0, status);
  expect([response.status, response.headers.has('content-length'), await response.text()]).toEqual([200, false, '']);
});

test('toResponse() of an empty body is an empty body', async () => {
  const response = toResponse(storedWith({ body: bytes('') }), 0, status);
  expect([response.headers.get('content-length'), await response.text()]).toEqual(['0', '']);
});

test('toResponse() gives only its part of a buffer that others share', async () => {
  const body = bytes('a secret, hello, another').subarray(10, 15);
  const response = toResponse(storedWith({ body }), 0, status);
  expect([response.headers.get('content-length'), await response.text()]).toEqual(['5', 'hello']);
});

test('toResponse() gives each reader a body of its own, as long as it is stored', async () => {
  const stored = storedWith();
  const responses = Array.from({ length: 3 }, () => toResponse(stored, 0, status));
  expect(await Promise.all(responses.map((each) => each.text()))).toEqual(['hello', 'hello', 'hello']);
  expect(await toResponse(stored, 0, status).text()).toBe('hello');
});

test('toResponse() lets nothing back into the store: neither what is done to the body nor to the headers', async () => {
  const stored = storedWith();
  const before = structuredClone(stored);
  const response = toResponse(stored, 0, status);
  response.headers.set('etag', '"poison"');
  const copy = new Uint8Array(await response.arrayBuffer());
  copy.fill(0);
  const streamed = await toResponse(stored, 0, status).body?.getReader().read();
  if (streamed?.value !== undefined) streamed.value.fill(0);
  expect(stored).toEqual(before);
  expect(await toResponse(stored, 0, status).text()).toBe('hello');
});

test('toStored() of what toResponse() gives is the same again', () => {
  const stored = storedWith({ statusText: 'Fine', redirected: true });
  const { receivedAt, initialAgeMs } = stored;
  const again = toStored(toResponse(stored, 5_000, status), stored.body, { receivedAt, initialAgeMs, variesBy: [] });
  expect(again).toEqual({
    ...stored,
    headers: [
      ['cache-control', 'max-age=60'],
      ['cache-status', status],
      ['content-type', 'text/plain'],
      ['etag', '"1"'],
    ],
  });
});

// validatorsOf()

const validators: readonly (readonly [StoredResponse['headers'], Record<string, string> | undefined])[] = [
  [[], undefined],
  [[['x-etag', '"1"']], undefined],
  [[['etag', '"1"']], { 'if-none-match': '"1"' }],
  [[['etag', 'W/"1"']], { 'if-none-match': 'W/"1"' }],
  [[['last-modified', 'then']], { 'if-modified-since': 'then' }],
  [
    [
      ['last-modified', 'then'],
      ['etag', '"1"'],
    ],
    { 'if-none-match': '"1"' },
  ],
];

test.for(validators)('validatorsOf() an answer with %j are %j', ([headers, expected]) => {
  expect(validatorsOf(storedWith({ headers }))).toEqual(expected);
  expect(validatorsOf(storedWith({ headers, type: 'default' }))).toEqual(expected);
});

test('validatorsOf() an answer across origins are none: they would cause a preflight', () => {
  expect(validatorsOf(storedWith({ type: 'cors' }))).toBeUndefined();
});

// ageOf()

const moments: readonly (readonly [initialAgeMs: number, now: number, ageMs: number])[] = [
  [0, 1_000, 0],
  [0, 1_001, 1],
  [250, 1_000, 250],
  [250, 61_000, 60_250],
  // The wall clock was set back: nobody knows.
  [250, 999, -1],
  [0, 0, -1],
  [86_400_000, 999, -1],
];

test.for(moments)(
  'ageOf() an answer that was %d ms old when it came at 1,000, at %d, is %d',
  ([initialAgeMs, now, ageMs]) => {
    expect(ageOf(storedWith({ initialAgeMs, receivedAt: 1_000 }), now)).toBe(ageMs);
  },
);

// parseEntry()

function entryWith(changes: Partial<StoredResponse> = {}): StoreEntry {
  return { key, variants: [storedWith(changes)], expiresAt: 61_000 };
}

const good: readonly (readonly [what: string, StoreEntry])[] = [
  ['as it was stored', entryWith()],
  ['after a structured clone', structuredClone(entryWith())],
  ['of eight variants', { ...entryWith(), variants: Array.from({ length: MAX_VARIANTS }, () => storedWith()) }],
  ['without a body', entryWith({ body: null })],
  ['with an empty body', entryWith({ body: bytes('') })],
  ['of a 204', entryWith({ status: 204, body: null })],
  ['without headers', entryWith({ headers: [], statusText: '', url: '' })],
  ['that varies', entryWith({ variesBy: [['accept', 'text/plain']] })],
  ['from a time before 1970', entryWith({ receivedAt: -1 })],
];

test.for(good)('parseEntry() gives an entry %s', ([, entry]) => {
  expect(parseEntry(entry, key)).toBe(entry);
});

test.for([undefined, null, '', 'text', 0, 1, true, Symbol('s'), [], {}, () => {}, new Map(), new Date(0)])(
  'parseEntry() refuses what is no entry: %s',
  (value) => {
    expect(parseEntry(value, key)).toBeUndefined();
  },
);

test('parseEntry() refuses an entry under another key, though it is a good one', () => {
  expect(parseEntry(entryWith(), key.replace('public', 'other'))).toBeUndefined();
  expect(parseEntry(entryWith(), `${key}#`)).toBeUndefined();
  expect(parseEntry({ ...entryWith(), key: [key] }, key)).toBeUndefined();
});

test('parseEntry() refuses an entry of no variants, of too many, and of one that is none among good ones', () => {
  expect(parseEntry({ ...entryWith(), variants: [] }, key)).toBeUndefined();
  const many = Array.from({ length: MAX_VARIANTS + 1 }, () => storedWith());
  expect(parseEntry({ ...entryWith(), variants: many }, key)).toBeUndefined();
  expect(parseEntry({ ...entryWith(), variants: [storedWith(), null] }, key)).toBeUndefined();
  expect(parseEntry({ ...entryWith(), variants: { 0: storedWith(), length: 1 } }, key)).toBeUndefined();
});

const truncated: readonly (readonly [what: string, changes: Readonly<Record<string, unknown>>])[] = [
  ['a shorter body', { body: bytes('hell') }],
  ['a longer body', { body: bytes('hello!') }],
  ['no body, where there was one', { body: null }],
  ['a body, where there was none', { body: bytes('hello'), bodyBytes: 0 }],
  ['a text for a body', { body: 'hello' }],
  ['a list for a body', { body: [104, 101, 108, 108, 111] }],
  ['a body that went through JSON', { body: JSON.parse(JSON.stringify(bytes('hello'))) as unknown }],
  ['a length that is a text', { bodyBytes: '5' }],
  ['a buffer for a body', { body: bytes('hello').buffer }],
  ['a status that is not stored', { status: 404 }],
  ['a status that is a text', { status: '200' }],
  ['a time that is none', { receivedAt: Number.NaN }],
  ['a time that never comes', { receivedAt: Infinity }],
  ['a time that is a text', { receivedAt: '1000' }],
  ['a Date for a time', { receivedAt: new Date(1_000) }],
  ['an age below 0', { initialAgeMs: -1 }],
  ['an age that is none', { initialAgeMs: Number.NaN }],
  ['an endless age', { initialAgeMs: Infinity }],
  ['a header without a value', { headers: [['etag']] }],
  ['a header with two values', { headers: [['etag', '1', '2']] }],
  ['a header that is a text', { headers: ['ab'] }],
  ['a header whose value is a number', { headers: [['etag', 1]] }],
  ['headers that are an object', { headers: { etag: '"1"' } }],
  ['no headers', { headers: undefined }],
  ['a variation without a value', { variesBy: [['accept']] }],
  ['a variation that is a name', { variesBy: ['accept'] }],
  ['no variation', { variesBy: null }],
  ['a URL that is an object', { url: new URL('https://api.example/') }],
  ['redirected as a number', { redirected: 0 }],
  ['a type that is none', { type: undefined }],
  ['a status text that is none', { statusText: null }],
];

test.for(truncated)('parseEntry() refuses an entry with %s', ([, changes]) => {
  const { variants, ...rest } = entryWith();
  expect(parseEntry({ ...rest, variants: [{ ...variants[0], ...changes }] }, key)).toBeUndefined();
});

test('parseEntry() refuses holes in the lists, which a structured clone keeps', () => {
  expect(parseEntry({ ...entryWith(), variants: structuredClone(new Array(1)) }, key)).toBeUndefined();
  const { variants, ...rest } = entryWith();
  for (const name of ['headers', 'variesBy']) {
    const holed = { ...rest, variants: [{ ...variants[0], [name]: new Array(1) }] };
    expect(parseEntry(holed, key)).toBeUndefined();
  }
});

test.for(['a\nb', '\u0000', '👋'])('parseEntry() refuses a status text that no Response can have: %j', (statusText) => {
  expect(parseEntry(entryWith({ statusText }), key)).toBeUndefined();
});

test.for(['bad name', '', 'a\n'])('parseEntry() refuses a variation by what is no name of a header: %j', (name) => {
  // Whoever asks a Headers for it is thrown at.
  expect(parseEntry(entryWith({ variesBy: [[name, '']] }), key)).toBeUndefined();
});

test('parseEntry() never throws and takes no JSON for an entry with a body', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(parseEntry(value, key)).toBeUndefined();
    }),
    RUNS,
  );
});

test('parseEntry() never throws and takes nothing for an entry that is none, with the right key or without', () => {
  fc.assert(
    fc.property(fc.anything(), fc.array(fc.anything(), { maxLength: 3 }), (value, variants) => {
      expect(parseEntry(value, key)).toBeUndefined();
      expect(parseEntry({ key, variants, expiresAt: 0 }, key)).toBeUndefined();
    }),
    RUNS,
  );
});

/** What a field of a stored answer must be, said once more. */
const rules: { readonly [Name in keyof StoredResponse]: (value: unknown, stored: StoredResponse) => boolean } = {
  url: (value) => typeof value === 'string',
  redirected: (value) => value === true || value === false,
  type: (value) => typeof value === 'string',
  status: (value) => value === 200 || value === 203 || value === 204,
  statusText: (value) => typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(value),
  headers: isPairs,
  body: (value, { bodyBytes }) => (value === null ? 0 : value instanceof Uint8Array ? value.length : -1) === bodyBytes,
  bodyBytes: (value, { body }) => value === (body?.length ?? 0),
  receivedAt: (value) => typeof value === 'number' && value - value === 0,
  initialAgeMs: (value) => typeof value === 'number' && value - value === 0 && value >= 0,
  variesBy: isPairs,
};

function isPairs(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return value.every((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) return false;
    return typeof pair[0] === 'string' && typeof pair[1] === 'string';
  });
}

const names = Object.keys(rules) as (keyof StoredResponse)[];

const anyValue = fc.oneof(
  fc.anything(),
  fc.jsonValue(),
  fc.constantFrom<unknown>(undefined, null, '', 0, -1, 200, 203, 204, 5, Number.NaN, Infinity, true, [], {}),
  fc.constantFrom<unknown>([['a', 'b']], [['a']], [['a', 'b', 'c']], ['ab'], bytes('hello'), bytes('hell'), bytes('')),
);

test('parseEntry() takes an entry with any one field changed for what it is: another good one, or none', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), anyValue, fc.constantFrom(null, bytes('hello')), (name, value, body) => {
      const variant = { ...storedWith({ body }), [name]: value } as StoredResponse;
      const entry = { ...entryWith(), variants: [storedWith(), variant] };
      expect(parseEntry(entry, key)).toBe(rules[name](value, variant) ? entry : undefined);
    }),
    { ...RUNS, numRuns: 5_000 },
  );
});

test.for(names)('parseEntry() refuses an entry that lost its field %s', (name) => {
  const variant: Partial<Record<string, unknown>> = { ...storedWith() };
  delete variant[name];
  expect(parseEntry({ ...entryWith(), variants: [variant] }, key)).toBeUndefined();
});
