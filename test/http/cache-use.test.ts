import { expect, test } from 'vitest';

import { cacheUseOf, isRead, isWrite } from '../../src/http/cache-use.ts';
import { PreparedRequest, prepareRequest } from '../../src/http/request.ts';
import { engine } from '../support/engine.ts';

const url = 'https://api.example/users';

/** As prepareRequest() makes it, without asking this engine's Request, which may not know every cache mode. */
function asked(init: RequestInit = {}, method = 'GET', input: string | Request = url): PreparedRequest {
  const request = typeof input === 'string' ? undefined : input;
  return new PreparedRequest(
    input,
    { init: { method, ...init }, signal: null, idempotent: undefined },
    request,
    new URL(url),
  );
}

const methods: readonly (readonly [method: string, read: boolean, write: boolean])[] = [
  ['GET', true, false],
  ['HEAD', true, false],
  ['OPTIONS', false, false],
  ['TRACE', false, false],
  ['QUERY', false, false],
  ['POST', false, true],
  ['PUT', false, true],
  ['PATCH', false, true],
  ['DELETE', false, true],
  // What nobody knows may change anything.
  ['PROPFIND', false, true],
  ['', false, true],
];

test.for(methods)('isRead() of %j is %s, and isWrite() is %s', ([method, read, write]) => {
  expect(isRead(asked({}, method))).toBe(read);
  expect(isWrite(asked({}, method))).toBe(write);
});

test.for(methods)('cacheUseOf() of %j wants stored answers used if it is a read: %s', ([method, read]) => {
  expect(cacheUseOf(asked({}, method))).toEqual(read ? usual : undefined);
});

test('cacheUseOf() takes a method as it was prepared, in any case', () => {
  expect(cacheUseOf(prepareRequest(url, { method: 'head' }, false))).toEqual(usual);
  expect(cacheUseOf(prepareRequest(url, { method: 'post' }, false))).toBeUndefined();
});

const usual = { maxAgeMs: Infinity, mayBeConfirmed: true, follows: true };

const modes: readonly (readonly [mode: RequestCache, maxAgeMs: number | undefined])[] = [
  ['default', Infinity],
  ['force-cache', Infinity],
  ['only-if-cached', Infinity],
  ['no-cache', -1],
  ['reload', -1],
  ['no-store', undefined],
];

test('cacheUseOf() lets what is stored be confirmed, unless it is to be loaded anew', () => {
  const may = (init: RequestInit): boolean | undefined => cacheUseOf(asked(init))?.mayBeConfirmed;
  expect([may({}), may({ cache: 'no-cache' }), may({ headers: { 'cache-control': 'no-cache' } })]).toEqual([
    true,
    true,
    true,
  ]);
  expect(may({ cache: 'reload' })).toBe(false);
});

test.for(modes)('cacheUseOf() with cache mode "%s" takes a stored answer up to %d ms', ([cache, maxAgeMs]) => {
  expect(cacheUseOf(asked({ cache }))?.maxAgeMs).toBe(maxAgeMs);
});

test('cacheUseOf() reads the mode of a Request, unless the init has another', () => {
  const request = Object.defineProperty(new Request(url), 'cache', { value: 'no-store' });
  expect(cacheUseOf(asked({}, 'GET', request))).toBeUndefined();
  expect(cacheUseOf(asked({ cache: 'default' }, 'GET', request))).toEqual(usual);
  expect(cacheUseOf(asked({ cache: 'reload' }, 'GET', request))).toEqual({
    ...usual,
    maxAgeMs: -1,
    mayBeConfirmed: false,
  });
});

const controls: readonly (readonly [cacheControl: string, maxAgeMs: number | undefined])[] = [
  ['', Infinity],
  ['no-transform', Infinity],
  ['max-age=60', 60_000],
  ['MAX-AGE="60"', 60_000],
  ['max-age=0', 0],
  ['max-age=oops', 0],
  ['no-cache', -1],
  ['no-cache, max-age=60', -1],
  ['max-age=60, no-cache', -1],
  ['no-store', undefined],
  ['max-age=60, no-store', undefined],
  ['no-cache, no-store', undefined],
  // Said of answers, not of requests.
  ['s-maxage=60, must-revalidate, private', Infinity],
];

test.for(controls)(
  'cacheUseOf() with Cache-Control "%s" takes a stored answer up to %d ms',
  ([cacheControl, maxAgeMs]) => {
    expect(cacheUseOf(asked({ headers: { 'Cache-Control': cacheControl } }))?.maxAgeMs).toBe(maxAgeMs);
    const request = new Request(url, { headers: { 'cache-control': cacheControl } });
    expect(cacheUseOf(asked({}, 'GET', request))?.maxAgeMs).toBe(maxAgeMs);
  },
);

test('cacheUseOf() does not look at the headers of a Request, where the init has others: they take their place', () => {
  const request = new Request(url, { headers: { 'cache-control': 'no-store' } });
  expect(cacheUseOf(asked({ headers: { accept: 'text/plain' } }, 'GET', request))).toEqual({
    ...usual,
    follows: true,
  });
});

test('cacheUseOf() lets neither the mode nor the header allow what the other forbids', () => {
  const headers = { 'cache-control': 'max-age=60' };
  expect(cacheUseOf(asked({ cache: 'reload', headers }))).toEqual({ ...usual, maxAgeMs: -1, mayBeConfirmed: false });
  expect(cacheUseOf(asked({ cache: 'no-store', headers }))).toBeUndefined();
  expect(cacheUseOf(asked({ cache: 'force-cache', headers: { 'cache-control': 'no-store' } }))).toBeUndefined();
});

const conditions = [
  ['If-None-Match', '"a"'],
  ['If-Modified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['If-Match', '"a"'],
  ['If-Unmodified-Since', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['If-Range', '"a"'],
  ['Range', 'bytes=0-99'],
] as const;

test.for(conditions)('cacheUseOf() wants nothing stored used for a request with %s', ([name, value]) => {
  expect(cacheUseOf(asked({ headers: { [name]: value } }))).toBeUndefined();
  expect(cacheUseOf(asked({ headers: [[name.toLowerCase(), value]] }, 'HEAD'))).toBeUndefined();
});

test('cacheUseOf() wants nothing stored used under an integrity check, which the platform makes on its own answers', () => {
  expect(cacheUseOf(asked({ integrity: 'sha256-abc' }))).toBeUndefined();
  expect(cacheUseOf(asked({ integrity: '' }))).toEqual(usual);
  const request = Object.defineProperty(new Request(url), 'integrity', { value: 'sha256-abc' });
  expect(cacheUseOf(asked({}, 'GET', request))).toBeUndefined();
  expect(cacheUseOf(asked({ integrity: '' }, 'GET', request))).toEqual(usual);
});

test.for<{ readonly redirect?: RequestRedirect; readonly follows: boolean }>([
  { follows: true },
  { redirect: 'follow', follows: true },
  { redirect: 'manual', follows: false },
  // workerd knows no such mode.
  ...(engine === 'workerd' ? [] : [{ redirect: 'error' as const, follows: false }]),
])('cacheUseOf() follows redirects: $follows, if the mode is $redirect', ({ redirect, follows }) => {
  const init = redirect === undefined ? {} : { redirect };
  expect(cacheUseOf(asked(init))?.follows).toBe(follows);
  expect(cacheUseOf(asked({}, 'GET', new Request(url, init)))?.follows).toBe(follows);
});
