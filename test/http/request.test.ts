import fc from 'fast-check';
import { expect, test } from 'vitest';

import { resolveClient } from '../../src/client-options.ts';
import {
  attemptInit,
  describeRequest,
  headersOf,
  mayRepeat,
  type PreparedRequest,
  prepareRequest,
} from '../../src/http/request.ts';
import type { FetchInit } from '../../src/index.ts';
import { RUNS } from '../properties/bench.ts';

const url = 'https://a.test/users?id=1';

function prepare(input: RequestInfo | URL, init?: FetchInit): PreparedRequest {
  return prepareRequest(input, init, false);
}

function errorOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

const idempotent = ((): ReadonlySet<string> => {
  const { retry } = resolveClient().limits;
  return retry === false ? new Set() : retry.methods;
})();

// prepareRequest: what is asked for.

test.for([
  { kind: 'a string', input: url },
  { kind: 'a Request', input: new Request(url) },
])('prepareRequest() keeps the input as it is, and knows its URL, for $kind', ({ input }) => {
  const prepared = prepare(input);
  expect(prepared.input).toBe(input);
  expect(prepared.url?.href).toBe(url);
  expect(prepared.method).toBe('GET');
  const { headers, ...init } = prepared.init;
  expect([init, [...new Headers(headers)]]).toEqual([{}, []]);
  expect(prepared.idempotent).toBeUndefined();
});

test('prepareRequest() takes the headers that a Request has now: it may be used again for somebody else', () => {
  const request = new Request(url, { headers: { a: '1' } });
  const prepared = prepare(request, { method: 'PUT' });
  request.headers.set('a', '2');
  request.headers.set('b', '2');
  const sent = new Request(prepared.input, attemptInit(prepared, new AbortController().signal));
  expect([sent.method, [...sent.headers], [...(headersOf(prepared) ?? [])]]).toEqual([
    'PUT',
    [['a', '1']],
    [['a', '1']],
  ]);
});

test('prepareRequest() takes what is ours out of the init, and leaves the rest in it', () => {
  const body = new Blob(['text']);
  const headers = { a: '1' };
  const init: FetchInit = {
    method: 'POST',
    body,
    headers,
    redirect: 'follow',
    signal: new AbortController().signal,
    deadlineMs: 1,
    deadline: { signal: new AbortController().signal, remainingMs: () => 1 },
    attemptTimeoutMs: 1,
    retry: false,
    fallback: false,
    idempotent: true,
    waitUntil: () => {},
    partition: 'mine',
  };
  const given = { ...init };
  const prepared = prepare(url, init);
  expect(prepared.init).toEqual({ method: 'POST', body, headers, redirect: 'follow' });
  expect(prepared.init.body).toBe(body);
  expect(prepared.idempotent).toBe(true);
  expect(init).toEqual(given);
});

test('prepareRequest() knows what the caller says about sending it twice', () => {
  expect(prepare(url, { idempotent: true }).idempotent).toBe(true);
  expect(prepare(url, { idempotent: false }).idempotent).toBe(false);
  expect(prepare(url, {}).idempotent).toBeUndefined();
});

test.for([
  { what: 'nothing said', input: url, init: undefined, method: 'GET' },
  { what: 'an init', input: url, init: { method: 'PUT' }, method: 'PUT' },
  { what: 'small letters', input: url, init: { method: 'delete' }, method: 'DELETE' },
  { what: 'small letters that fetch does not change', input: url, init: { method: 'purge' }, method: 'PURGE' },
  { what: 'a Request', input: new Request(url, { method: 'PUT' }), init: undefined, method: 'PUT' },
  {
    what: 'a Request and an init',
    input: new Request(url, { method: 'PUT' }),
    init: { method: 'POST' },
    method: 'POST',
  },
  { what: 'a Request and an init without it', input: new Request(url, { method: 'PUT' }), init: {}, method: 'PUT' },
])('prepareRequest() knows the method, for $what', ({ input, init, method }) => {
  expect(prepare(input, init).method).toBe(method);
});

test('prepareRequest() leaves the method in the init as the caller wrote it: fetch tells purge from PURGE', () => {
  expect(prepare(url, { method: 'purge' }).init.method).toBe('purge');
});

// prepareRequest: the caller's signal.

test('prepareRequest() has no signal, where there is none', () => {
  expect(prepare(url).signal).toBeUndefined();
  expect(prepare(url, { signal: null }).signal).toBeUndefined();
});

test('prepareRequest() has the signal of the init, before that of the Request', () => {
  const { signal } = new AbortController();
  const request = new Request(url, { signal: new AbortController().signal });
  expect(prepare(url, { signal }).signal).toBe(signal);
  expect(prepare(request, { signal }).signal).toBe(signal);
});

test('prepareRequest() has the signal of the Request, where the init says nothing', () => {
  const controller = new AbortController();
  const { signal } = prepare(new Request(url, { signal: controller.signal }), { method: 'PUT' });
  expect(signal?.aborted).toBe(false);
  controller.abort();
  expect(signal?.aborted).toBe(true);
});

test('prepareRequest() has no signal, when the init takes that of the Request away', () => {
  const request = new Request(url, { signal: new AbortController().signal });
  expect(prepare(request, { signal: null }).signal).toBeUndefined();
});

// prepareRequest: a Request in place of an init, whose fields are on its prototype.

test('prepareRequest() merges a Request that is given as the init, as fetch does', async () => {
  const { signal } = new AbortController();
  const init = (): Request =>
    new Request('https://b.test/', { method: 'POST', body: 'text', headers: { a: '1' }, signal });
  const prepared = prepare(url, init() as FetchInit);
  expect(prepared).toMatchObject({ method: 'POST', init: {} });
  expect(prepared.url?.href).toBe(url);
  const merged = new Request(prepared.input);
  expect(merged.url).toBe(url);
  expect(merged.headers.get('a')).toBe('1');
  // Where the engine does not show a Request's body, it is lost here.
  expect(await merged.text()).toBe(await new Request(url, init()).text());
});

test('prepareRequest() has the signal of a Request that is given as the init', () => {
  const controller = new AbortController();
  const { signal } = prepare(url, new Request(url, { signal: controller.signal }) as FetchInit);
  expect(signal?.aborted).toBe(false);
  controller.abort();
  expect(signal?.aborted).toBe(true);
});

// prepareRequest: relative URLs.

/** What the platform makes of it, in a page; elsewhere only a fetch of the user's own knows. */
function resolved(relative: string): string | undefined {
  try {
    return new Request(relative).url;
  } catch {
    return undefined;
  }
}

test('prepareRequest() hands a relative URL to the given fetch, and knows it where there is a page', () => {
  const prepared = prepareRequest('/users', { method: 'PUT' }, true);
  expect(prepared).toMatchObject({ input: '/users', method: 'PUT', init: { method: 'PUT' } });
  expect(prepared.url?.href).toBe(resolved('/users'));
});

test('prepareRequest() knows the host of a URL that lacks the scheme alone, whoever fetches', () => {
  expect(prepareRequest('//b.test/x', undefined, true).url?.href).toBe(resolved('//b.test/x') ?? 'https://b.test/x');
});

test.for(['/users', 'users', '', '//b.test/x', 'http://a.test', 'data:1,a'])(
  'prepareRequest() has the given fetch get what was given, where the page is what it was: "%s"',
  (given) => {
    expect(prepareRequest(given, undefined, true).target).toBe(given);
  },
);

test('prepareRequest() knows the URL of an absolute one, whoever fetches', () => {
  expect(prepareRequest(url, undefined, true).url?.href).toBe(url);
});

test.for(['/users', '', 'users?id=1', '//b.test/'])(
  'prepareRequest() makes of a relative URL what the platform makes of it: "%s"',
  (relative) => {
    const platform = errorOf(() => new Request(relative));
    const ours = errorOf(() => prepare(relative));
    if (platform === undefined) expect(prepare(relative).url?.href).toBe(new Request(relative).url);
    else expect(ours).toBeInstanceOf(TypeError);
  },
);

test.for(['localhost:3000', 'localhost:3000/users?token=secret', 'a-1.test:80#x', '127.0.0.1:8080/'])(
  'prepareRequest() says that the scheme is missing, of "%s": as a network error, it would be tried again, and counted',
  (href) => {
    const host = /^[^/#]+/.exec(href)?.[0];
    const error = new TypeError(`input must be a URL with a scheme, such as http://, got "${host}"`);
    expect(() => prepare(href)).toThrow(error);
    // Another fetch may know what it stands for.
    expect(errorOf(() => prepareRequest(href, undefined, true))).toBeUndefined();
  },
);

test.for(['data:1,a', 'data:text/plain,1', 'blob:http://a.test:80/1', 'http://localhost:3000/'])(
  'prepareRequest() takes a URL with a scheme: "%s"',
  (href) => expect(prepare(href).url?.href).toBe(href),
);

// prepareRequest: what the platform refuses says nothing about the dependency, and must not reach the layers.

const stream = (): ReadableStream => new ReadableStream({ pull: (controller) => controller.close() });

function lockedStream(): ReadableStream {
  const locked = stream();
  locked.getReader();
  return locked;
}

interface Refusal {
  readonly what: string;
  readonly input?: () => RequestInfo | URL;
  readonly init?: () => FetchInit;
}

const refusals: readonly Refusal[] = [
  { what: 'no URL', input: () => 'http://' },
  { what: 'a port that is none', input: () => 'http://a.test:port/' },
  { what: 'credentials in the URL', input: () => 'https://user:secret@a.test/' },
  { what: 'a user in the URL', input: () => 'https://user@a.test/' },
  { what: 'a password in the URL', input: () => 'https://:secret@a.test/' },
  { what: 'credentials in a URL object', input: () => new URL('https://user:secret@a.test/') },
  { what: 'a GET with a body', init: () => ({ body: 'text' }) },
  { what: 'a GET with an empty body', init: () => ({ body: '' }) },
  { what: 'a HEAD with a body', init: () => ({ method: 'HEAD', body: 'text' }) },
  { what: 'a head in small letters with a body', init: () => ({ method: 'head', body: 'text' }) },
  { what: 'a GET as Request with a body', input: () => new Request(url), init: () => ({ body: 'text' }) },
  { what: 'a method that is no token', init: () => ({ method: 'G E T' }) },
  { what: 'an empty method', init: () => ({ method: '' }) },
  { what: 'the method CONNECT', init: () => ({ method: 'CONNECT' }) },
  { what: 'a header name that is no token', init: () => ({ headers: { 'a b': '1' } }) },
  { what: 'a header value with a line break', init: () => ({ headers: { a: '1\r\n2' } }) },
  { what: 'a header above U+00FF', init: () => ({ headers: { a: '✓' } }) },
  { what: 'a header by a symbol', init: () => ({ headers: { a: '1', [Symbol.toStringTag]: 'b' } }) },
  { what: 'a redirect mode that is none', init: () => ({ redirect: 'sometimes' as RequestRedirect }) },
  {
    what: 'a body that is locked',
    init: () => ({ method: 'POST', body: lockedStream(), duplex: 'half' }) as FetchInit,
  },
  { what: 'a stream without duplex', init: () => ({ method: 'POST', body: stream() }) },
];

test.for(refusals)('prepareRequest() throws the TypeError of the platform, where it throws one, for $what', (row) => {
  const input = row.input ?? (() => url);
  const platform = errorOf(() => new Request(input(), row.init?.()));
  const ours = errorOf(() => prepare(input(), row.init?.()));
  expect(ours instanceof TypeError).toBe(platform instanceof TypeError);
  expect(ours === undefined).toBe(platform === undefined);
});

// What is plainly in order is not asked of the platform: the two must not differ in anything.
const anyHeaders = fc.oneof(
  fc.dictionary(
    fc.oneof(
      fc.constantFrom('a', 'Content-Type', 'x-1', 'a b', '', 'é', 'a:', "!#$%&'*+.^`|~_-"),
      fc.string({ maxLength: 3 }),
    ),
    fc.oneof(fc.constantFrom('', 'b', ' b ', 'a\tb', 'a\nb', '\0', 1, null, undefined), fc.string({ maxLength: 3 })),
  ),
  fc.constantFrom(null, undefined, 'a', 1, [], [['a', 'b']], [['a']], new Headers({ a: 'b' }), new Map([['a', 'b\n']])),
);
const anyInit = fc.record(
  {
    method: fc.constantFrom(
      'GET',
      'get',
      'HEAD',
      'POST',
      'post',
      'PUT',
      'PATCH',

      'DELETE',
      'TRACE',
      'a b',
      '',
      null,
      1,
    ),
    headers: anyHeaders,
    body: fc.constantFrom(
      '',
      'text',
      null,
      undefined,
      new URLSearchParams('a=1'),
      new Uint8Array(2),
      new Blob(['a']),
      {},
      1,
    ),
    redirect: fc.constantFrom('follow', 'manual', 'sometimes', undefined),
    keepalive: fc.boolean(),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<FetchInit>;

test.for([
  { what: 'a URL', input: (): string => url },
  { what: 'a Request', input: (): Request => new Request(url, { method: 'PUT' }) },
])('prepareRequest() takes what the platform takes, and nothing else, beside $what', ({ input }) => {
  fc.assert(
    fc.property(anyInit, (init) => {
      const platform = errorOf(() => new Request(input(), init));
      const ours = errorOf(() => prepare(input(), init));
      expect(ours instanceof TypeError).toBe(platform instanceof TypeError);
      expect(ours === undefined).toBe(platform === undefined);
    }),
    RUNS,
  );
});

// WebKit would take them, and never notice an abort.
test.for([
  { what: 'an object', signal: {}, shown: 'an object' },
  { what: 'an EventTarget', signal: new EventTarget(), shown: 'an object' },
  { what: 'a string', signal: 'signal', shown: '"signal"' },
])('prepareRequest() throws TypeError for a signal that is none, but $what', ({ signal, shown }) => {
  const init = { signal: signal as unknown as AbortSignal };
  expect(() => prepare(url, init)).toThrow(new TypeError(`init.signal must be an AbortSignal, got ${shown}`));
});

test('prepareRequest() throws TypeError for a Request with a body, made GET or HEAD', async () => {
  const request = new Request(url, { method: 'POST', body: 'text' });
  expect(() => prepare(request, { method: 'GET' })).toThrow(TypeError);
  expect(() => prepare(request, { method: 'HEAD', headers: { a: '1' } })).toThrow(TypeError);
  expect(request.bodyUsed).toBe(false);
  expect(await request.text()).toBe('text');
});

test('prepareRequest() throws TypeError for a Request whose body was read, unless another takes its place', async () => {
  const request = new Request(url, { method: 'POST', body: 'text' });
  await request.text();
  expect(() => prepare(request)).toThrow(TypeError);
  expect(() => prepare(request, { headers: { a: '1' } })).toThrow(TypeError);
  expect(() => prepare(request, { body: null })).toThrow(TypeError);
  expect(prepare(request, { body: 'another' }).init.body).toBe('another');
});

test('prepareRequest() has nothing against a signal that does not come from this realm', () => {
  const { signal } = new AbortController();
  expect(prepare(url, { signal }).signal).toBe(signal);
  expect(prepare(url, { signal: AbortSignal.abort() }).signal?.aborted).toBe(true);
});

// prepareRequest: the body stays the caller's.

test('prepareRequest() does not touch the body of a Request', async () => {
  const request = new Request(url, { method: 'POST', body: 'text', headers: { a: '1' } });
  const prepared = prepare(request, { headers: { b: '2' }, keepalive: false });
  expect(request.bodyUsed).toBe(false);
  describeRequest(prepared);
  expect(request.bodyUsed).toBe(false);
  expect(await request.text()).toBe('text');
});

test('prepareRequest() does not touch a stream', async () => {
  let pulled = 0;
  const body = new ReadableStream(
    {
      pull() {
        pulled += 1;
      },
    },
    { highWaterMark: 0 },
  );
  const prepared = prepare(url, { method: 'POST', body, duplex: 'half' } as FetchInit);
  describeRequest(prepared);
  await null;
  expect(prepared.init.body).toBe(body);
  expect(body.locked).toBe(false);
  expect(pulled).toBe(0);
});

// mayRepeat

test.for([
  ['GET', true],
  ['HEAD', true],
  ['OPTIONS', true],
  ['PUT', true],
  ['DELETE', true],
  ['QUERY', true],
  ['put', true],
  ['POST', false],
  ['post', false],
  ['PATCH', false],
  ['PURGE', false],
] as const)('mayRepeat() goes by the method: %s, %s', ([method, expected]) => {
  expect(mayRepeat(prepare(url, { method }), idempotent)).toBe(expected);
});

test('mayRepeat() goes by the methods it is given', () => {
  const methods = new Set(['PURGE']);
  expect(mayRepeat(prepare(url, { method: 'PURGE' }), methods)).toBe(true);
  expect(mayRepeat(prepare(url), methods)).toBe(false);
});

test.for([
  { what: 'true, for a POST', method: 'POST', idempotent: true },
  { what: 'false, for a GET', method: 'GET', idempotent: false },
  { what: 'false, for a POST with a key', method: 'POST', headers: { 'idempotency-key': 'k' }, idempotent: false },
])('mayRepeat() goes by the word of the caller before all else: $what', ({ what: _, ...init }) => {
  expect(mayRepeat(prepare(url, init), idempotent)).toBe(init.idempotent);
});

test.for<{ how: string; headers: HeadersInit }>([
  { how: 'an object', headers: { 'Idempotency-Key': 'k' } },
  { how: 'small letters', headers: { 'idempotency-key': 'k' } },
  { how: 'Headers', headers: new Headers({ 'IDEMPOTENCY-KEY': 'k' }) },
  { how: 'pairs', headers: [['Idempotency-Key', 'k']] },
])('mayRepeat() is true for a POST with an Idempotency-Key, given in $how', ({ headers }) => {
  expect(mayRepeat(prepare(url, { method: 'POST', body: 'text', headers }), idempotent)).toBe(true);
});

test('mayRepeat() finds the Idempotency-Key of a Request, unless the headers of the init replace it', () => {
  const request = (): Request => new Request(url, { method: 'POST', headers: { 'Idempotency-Key': 'k' } });
  // Another body takes the place of the Request's, which some engines do not show.
  expect(mayRepeat(prepare(request(), { body: 'text' }), idempotent)).toBe(true);
  expect(mayRepeat(prepare(request(), { body: 'text', headers: { a: '1' } }), idempotent)).toBe(false);
});

test('mayRepeat() is false for a POST with other headers', () => {
  expect(mayRepeat(prepare(url, { method: 'POST', headers: { a: '1' } }), idempotent)).toBe(false);
});

const form = new FormData();
form.append('a', '1');

const bodies: readonly { kind: string; body: BodyInit | null | undefined; expected: boolean }[] = [
  { kind: 'no body', body: undefined, expected: true },
  { kind: 'null', body: null, expected: true },
  { kind: 'a string', body: 'text', expected: true },
  { kind: 'an empty string', body: '', expected: true },
  { kind: 'an ArrayBuffer', body: new ArrayBuffer(2), expected: true },
  { kind: 'a Uint8Array', body: new Uint8Array(2), expected: true },
  { kind: 'a DataView', body: new DataView(new ArrayBuffer(2)), expected: true },
  { kind: 'a Blob', body: new Blob(['text']), expected: true },
  { kind: 'a File', body: new File(['text'], 'name'), expected: true },
  { kind: 'URLSearchParams', body: new URLSearchParams({ a: '1' }), expected: true },
  { kind: 'FormData', body: form, expected: true },
  { kind: 'a stream', body: new ReadableStream(), expected: false },
];

test.for(bodies)('mayRepeat() of a PUT with $kind is $expected', ({ body, expected }) => {
  const init = { method: 'PUT', duplex: 'half', ...(body === undefined ? {} : { body }) } as FetchInit;
  expect(mayRepeat(prepare(url, init), idempotent)).toBe(expected);
});

test('mayRepeat() is false for what some engines take for a stream and others for text', () => {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(2);
  }
  const init = { method: 'PUT', duplex: 'half', body: chunks() } as unknown as FetchInit;
  expect(mayRepeat(prepare(url, init), idempotent)).toBe(false);
});

test('mayRepeat() is false for a Request with a body, whatever its caller says: it goes out once', () => {
  const request = (): Request => new Request(url, { method: 'PUT', body: 'text' });
  expect(mayRepeat(prepare(request()), idempotent)).toBe(false);
  expect(mayRepeat(prepare(request(), { idempotent: true }), idempotent)).toBe(false);
  expect(mayRepeat(prepare(request(), { headers: { 'Idempotency-Key': 'k' } }), idempotent)).toBe(false);
});

test('mayRepeat() is true for a Request whose body is replaced by one that can be sent again', () => {
  const request = new Request(url, { method: 'PUT', body: 'text' });
  expect(mayRepeat(prepare(request, { body: 'another' }), idempotent)).toBe(true);
});

test('mayRepeat() is true for a Request without a body, where the engine shows that there is none', () => {
  const shows = new Request(url, { method: 'PUT' }).body === null;
  expect(mayRepeat(prepare(new Request(url, { method: 'PUT' })), idempotent)).toBe(shows);
  for (const method of ['GET', 'HEAD']) {
    expect(mayRepeat(prepare(new Request(url, { method })), idempotent)).toBe(true);
  }
});

// describeRequest: for the functions that are to judge by a Request.

test('describeRequest() shows URL, method and headers, but not the body', () => {
  const described = describeRequest(prepare(url, { method: 'POST', body: 'text', headers: { a: '1' } }));
  expect(described).toMatchObject({ url, method: 'POST' });
  expect(described.headers.get('a')).toBe('1');
  expect(described.body ?? null).toBeNull();
});

test('describeRequest() shows what a Request says, unless the init says otherwise', () => {
  const request = new Request(url, { method: 'PUT', headers: { a: '1' } });
  const same = describeRequest(prepare(request));
  expect(same).toMatchObject({ url, method: 'PUT' });
  expect(same.headers.get('a')).toBe('1');
  const other = describeRequest(prepare(request, { method: 'DELETE', headers: { b: '2' } }));
  expect(other.method).toBe('DELETE');
  expect([other.headers.get('a'), other.headers.get('b')]).toEqual([null, '2']);
});

test('describeRequest() shows a GET without headers, for a URL alone', () => {
  const described = describeRequest(prepare(new URL(url)));
  expect(described).toMatchObject({ url, method: 'GET' });
  expect([...described.headers]).toEqual([]);
});

test('describeRequest() puts a relative URL on a host that is nobody’s, when only the given fetch knows it', () => {
  const { url, method } = describeRequest(prepareRequest('/users', { method: 'PUT' }, true));
  expect({ url, method }).toEqual({ url: resolved('/users') ?? 'https://relative.invalid/users', method: 'PUT' });
});

// attemptInit: what the inner fetch is given.

test('attemptInit() is the init with the signal of the attempt, for a URL', () => {
  const { signal } = new AbortController();
  const caller = new AbortController().signal;
  const prepared = prepare(url, { method: 'PUT', body: 'text', signal: caller, deadlineMs: 5, idempotent: true });
  expect(attemptInit(prepared, signal)).toEqual({ method: 'PUT', body: 'text', signal });
  expect(attemptInit(prepared, signal).signal).toBe(signal);
  expect(attemptInit(prepare(url), signal)).toEqual({ signal });
});

test('attemptInit() gives each attempt an init of its own', () => {
  const prepared = prepare(url, { method: 'PUT' });
  const [first, second] = [new AbortController().signal, new AbortController().signal];
  const init = attemptInit(prepared, first);
  expect(attemptInit(prepared, second).signal).toBe(second);
  expect(init.signal).toBe(first);
});

test('attemptInit() says again what a Request says of its referrer, which an init beside it would reset', () => {
  const { signal } = new AbortController();
  const request = new Request(url, { referrerPolicy: 'no-referrer', referrer: '' });
  const { referrer, referrerPolicy } = request;
  const known = Object.entries({ referrer, referrerPolicy }).filter(([, value]) => value !== undefined);
  const { headers, ...init } = attemptInit(prepare(request), signal);
  expect(init).toEqual({ ...Object.fromEntries(known), signal });
  expect([...new Headers(headers)]).toEqual([]);
  // What the engine makes of it in the end.
  const sent = new Request(request, attemptInit(prepare(request), signal));
  expect([sent.referrer, sent.referrerPolicy]).toEqual([referrer, referrerPolicy]);
});

test('attemptInit() lets the init have the last word on the referrer', () => {
  const { signal } = new AbortController();
  const request = new Request(url, { referrerPolicy: 'no-referrer', referrer: '' });
  const init = { referrer: 'about:client', referrerPolicy: 'origin' } as const;
  expect(attemptInit(prepare(request, init), signal)).toEqual({ ...init, headers: new Headers(), signal });
});

test('attemptInit() works beside a Request that is fetched with it, body included', async () => {
  const { signal } = new AbortController();
  const request = new Request(url, { method: 'POST', body: 'text', headers: { a: '1' } });
  const prepared = prepare(request, { headers: { b: '2' } });
  const sent = new Request(prepared.input, attemptInit(prepared, signal));
  expect(sent.method).toBe('POST');
  expect(sent.headers.get('b')).toBe('2');
  expect(await sent.text()).toBe('text');
});
