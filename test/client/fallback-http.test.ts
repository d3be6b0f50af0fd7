import { expect, test } from 'vitest';

import { degradation, memoryStore, type Store } from '../../src/index.ts';
import type { ScriptedRequest, ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { engine } from '../support/engine.ts';
import { errorOf, facts, origin, pageOrigin, url, watch } from './bench.ts';
import { down, fallbackBench, good, idle, shown, stored } from './fallback-bench.ts';

const hour = 3_600_000;
const swr = { staleWhileRevalidateMs: hour };

// The server's word comes before the caller's numbers (RFC 9111, RFC 5861).

const words = [
  { says: 'max-age=60', fresh: 60_000, usable: 24 * hour },
  { says: 'max-age=60, stale-if-error=30', fresh: 60_000, usable: 90_000 },
  { says: 'max-age=60, stale-if-error=0', fresh: 60_000, usable: 60_000 },
  { says: 'max-age=60, must-revalidate', fresh: 60_000, usable: 60_000 },
  { says: 'public, max-age=60', fresh: 60_000, usable: 24 * hour },
  { says: 's-maxage=5, max-age=60', fresh: 5_000, usable: 5_000 },
  { says: 's-maxage=5, stale-if-error=30', fresh: 5_000, usable: 35_000 },
];

test.for(words)('client.fetch takes the server’s word for it: $says', async ({ says, fresh, usable }) => {
  const bench = fallbackBench([good('one', { 'cache-control': says }), down], { maxAgeMs: 1 });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await stored(bench, url);
  await clock.advance(fresh);
  expect(degradation(await client.fetch(url))).toBeUndefined();
  expect(upstream.calls).toBe(1);
  await clock.advance(usable - fresh);
  const last = await client.fetch(url);
  expect(degradation(last) !== undefined).toBe(usable > fresh);
  await clock.advance(1);
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch refreshes for as long as the server says', async () => {
  const headers = { 'cache-control': 'max-age=1, stale-while-revalidate=2' };
  const bench = fallbackBench([good('one', headers), good('two', headers), down]);
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(3_000);
  expect(await shown(client.fetch(url))).toBe('200 one');
  await idle(bench);
  expect(upstream.calls).toBe(2);
  expect(await shown(client.fetch(url))).toBe('200 two');
  await clock.advance(3_001);
  expect(degradation(await client.fetch(url))).toMatchObject({ reason: 'network', ageMs: 3_000 });
});

test('client.fetch takes Expires for max-age, measured by the server’s clock', async () => {
  const headers = { date: 'Thu, 01 Jan 2026 00:00:00 GMT', expires: 'Thu, 01 Jan 2026 00:01:00 GMT' };
  const bench = fallbackBench([good('one', headers)]);
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await stored(bench, url);
  await clock.advance(60_000);
  await client.fetch(url);
  expect(upstream.calls).toBe(1);
  await clock.advance(1);
  await client.fetch(url);
  expect(upstream.calls).toBe(2);
});

test('client.fetch counts the age that an answer had on arrival', async () => {
  const headers = { age: '50', 'cache-control': 'max-age=60' };
  const { client, clock, upstream } = fallbackBench([good('one', headers), down]);
  await shown(client.fetch(url));
  await clock.advance(10_000);
  expect((await client.fetch(url)).headers.get('age')).toBe('60');
  expect(upstream.calls).toBe(1);
  await clock.advance(1_000);
  expect(degradation(await client.fetch(url))).toEqual({ source: 'cache', reason: 'network', ageMs: 61_000 });
});

test.for([
  { says: 'no-store', stored: false },
  { says: 'private', stored: false },
  { says: 'private, max-age=60', stored: false },
  { says: 'no-cache', stored: false }, // of no use without a validator
  { says: 'max-age=0', stored: true },
  { says: 'public', stored: true },
])('client.fetch stores in a shared store: $stored, for $says', async ({ says, stored }) => {
  const bench = fallbackBench([good('one', { 'cache-control': says })]);
  await shown(bench.client.fetch(url));
  await idle(bench);
  expect((await bench.store.get(`public GET ${url}`)) !== undefined).toBe(stored);
});

test('client.fetch stores what is private in a store of one user', async () => {
  const fallback = { store: memoryStore({ shared: false }) };
  const { client } = fallbackBench([good('one', { 'cache-control': 'private, s-maxage=1' }), down], fallback);
  await shown(client.fetch(url));
  expect(await shown(client.fetch(url))).toBe('200 one');
});

test('client.fetch goes by the caller’s numbers alone, with cacheControl "ignore"', async () => {
  const headers = { 'cache-control': 'no-store, private, max-age=0, must-revalidate', expires: '0' };
  const { client, clock, upstream } = fallbackBench([good('one', headers), down], {
    cacheControl: 'ignore',
    maxAgeMs: 1_000,
  });
  await shown(client.fetch(url));
  await clock.advance(1_000);
  expect(await shown(client.fetch(url))).toBe('200 one');
  expect(upstream.calls).toBe(1);
  await clock.advance(1);
  expect(degradation(await client.fetch(url))?.reason).toBe('network');
});

test('client.fetch drops what it has, when its server does not want it kept any more', async () => {
  const script = [good('one'), good('two', { 'cache-control': 'no-store' }), down];
  const bench = fallbackBench(script);
  const { client, events } = bench;
  await shown(client.fetch(url));
  await stored(bench, url);
  await shown(client.fetch(url));
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  expect(facts(events, 'revalidated')).toEqual([{ background: false, result: 'dropped', status: 200 }]);
});

test.for([401, 403, 404, 410])('client.fetch drops what it has, after a %i', async (status) => {
  const { client } = fallbackBench([good('one'), status, down]);
  await shown(client.fetch(url));
  await client.fetch(url);
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test.for([408, 425, 429])('client.fetch keeps what it has, after a %i', async (status) => {
  const { client } = fallbackBench([good('one'), status, down]);
  await shown(client.fetch(url));
  await client.fetch(url);
  expect(await shown(client.fetch(url))).toBe('200 one');
});

// What is never stored.

test.for([201, 202, 206, 300, 304, 400, 404, 500])('client.fetch stores no %i', async (status) => {
  const { client } = fallbackBench([{ status, headers: { 'cache-control': 'max-age=60' } }, down]);
  await (await client.fetch(url)).body?.cancel();
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch stores no cookies, and nothing that is about a connection', async () => {
  const headers = { 'set-cookie': 'id=secret', connection: 'close, x-hop', 'x-hop': '1', 'x-kept': '2' };
  const bench = fallbackBench([good('one', headers), down]);
  await shown(bench.client.fetch(url));
  await idle(bench);
  const entry = await bench.store.get(`public GET ${url}`);
  expect(JSON.stringify(entry)).not.toContain('secret');
  const stored = await bench.client.fetch(url);
  expect(stored.headers.get('x-kept')).toBe('2');
  for (const name of ['set-cookie', 'connection', 'x-hop']) expect(stored.headers.has(name)).toBe(false);
});

test.for(['break', 'hang'] as const)('client.fetch stores no body that ends in a %s', async (after) => {
  const { client, clock } = fallbackBench([{ body: 'o', after }, down], {}, { deadlineMs: 100 });
  const response = await client.fetch(url);
  const text = response.text().catch(() => 'broken');
  await clock.advance(100);
  expect(await text).toBe('broken');
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch hands through what is longer than maxBodyBytes, and stores what is not', async () => {
  const script = [good('12345'), good('1234'), down];
  const { client } = fallbackBench(script, { maxBodyBytes: 4 });
  expect(await shown(client.fetch(`${url}/5`))).toBe('200 12345');
  expect(await shown(client.fetch(`${url}/4`))).toBe('200 1234');
  expect(await errorOf(client.fetch(`${url}/5`))).toMatchObject({ message: 'Failed to fetch' });
  expect(await shown(client.fetch(`${url}/4`))).toBe('200 1234');
});

test.for([
  { what: 'that says how long it is', headers: { 'content-length': '9' } },
  { what: 'of events', headers: { 'content-type': 'text/event-stream; charset=utf-8' } },
  { what: 'of NDJSON', headers: { 'content-type': 'application/x-ndjson' } },
])('client.fetch does not read a body $what, when it is too long or has no end', async ({ headers }) => {
  let pulled = 0;
  const body = new ReadableStream(
    {
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(1));
      },
    },
    { highWaterMark: 0 },
  );
  const bench = fallbackBench([1], { maxBodyBytes: 8 }, { fetch: async () => new Response(body, { headers }) });
  const response = await bench.client.fetch(url);
  await idle(bench);
  expect(pulled).toBe(0);
  await response.body?.cancel();
});

// Of a body that is read twice, workerd resolves each cancel() by itself; elsewhere the first waits for the second.
const resolvesAtOnce = engine === 'workerd';

test.for([
  { until: 'it ends', more: 'ends', endsAtMs: 300 },
  { until: 'it is longer than maxBodyBytes', more: 'is long', endsAtMs: 300 },
  { until: 'the deadline', more: 'hangs', endsAtMs: 1_000 },
  { until: 'its call is aborted', more: 'hangs', endsAtMs: 500 },
])(
  'client.fetch goes on storing a body that its reader has cancelled, until $until',
  async ({ until, more, endsAtMs }) => {
    let isOver = false;
    const body = (signal: AbortSignal | null | undefined, after: (ms: number, run: () => void) => void) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new Uint8Array(1));
          signal?.addEventListener('abort', () => {
            isOver = true;
            controller.error(signal.reason);
          });
          after(300, () => {
            if (more === 'is long') controller.enqueue(new Uint8Array(8));
            if (more !== 'ends') return;
            isOver = true;
            controller.close();
          });
        },
        cancel() {
          isOver = true;
        },
      });
    const bench = fallbackBench(
      [1],
      { maxBodyBytes: 4 },
      {
        deadlineMs: 1_000,
        fetch: async (_, init) => new Response(body(init?.signal, (ms, run) => void clock.schedule(ms, run))),
      },
    );
    const { client, clock } = bench;
    const controller = new AbortController();
    const response = await client.fetch(url, { signal: controller.signal });
    if (until === 'its call is aborted') clock.schedule(500, () => controller.abort(new Error('enough')));
    const cancelled = watch((response.body as ReadableStream).cancel());
    await clock.advance(endsAtMs - 1);
    expect([cancelled.state, isOver]).toEqual([resolvesAtOnce ? 'resolved' : 'pending', false]);
    await clock.advance(1);
    await idle(bench);
    expect([cancelled.state === 'pending', isOver]).toEqual([false, true]);
  },
);

// What a request says.

const cacheModes = [
  { cache: 'no-store', answer: 'two', stores: false },
  { cache: 'no-cache', answer: 'two', stores: true },
  { cache: 'reload', answer: 'two', stores: true },
  { cache: 'default', answer: 'one', stores: true },
] as const;
// workerd knows the first two, and refuses a request with any other.
const knownCacheModes = engine === 'workerd' ? cacheModes.slice(0, 2) : cacheModes;

test.for(knownCacheModes)(
  'client.fetch answers "$answer" under the cache mode $cache',
  async ({ cache, answer, stores }) => {
    const { client } = fallbackBench([good('one'), good('two'), good('three')], { maxAgeMs: hour });
    await shown(client.fetch(url));
    const init = { cache } as RequestInit;
    expect(await shown(client.fetch(url, init))).toBe(`200 ${answer}`);
    expect(await shown(client.fetch(url))).toBe(`200 ${stores ? answer : 'one'}`);
  },
);

test.for([
  { header: 'no-cache', answer: 'two' },
  { header: 'no-store', answer: 'two' },
  { header: 'max-age=0', answer: 'two' },
  { header: 'max-age=9', answer: 'two' },
  { header: 'max-age=10', answer: 'one' },
])('client.fetch answers "$answer" to a request with Cache-Control: $header', async ({ header, answer }) => {
  const { client, clock } = fallbackBench([good('one'), good('two')], { maxAgeMs: hour });
  await shown(client.fetch(url));
  await clock.advance(10_000);
  expect(await shown(client.fetch(url, { headers: { 'cache-control': header } }))).toBe(`200 ${answer}`);
});

test.for([
  { name: 'range', value: 'bytes=0-1' },
  { name: 'if-none-match', value: '"a"' },
  { name: 'if-modified-since', value: 'Thu, 01 Jan 2026 00:00:00 GMT' },
])('client.fetch keeps out of a request with $name', async ({ name, value }) => {
  const { client } = fallbackBench([good('one'), good('two'), down], { maxAgeMs: hour });
  await shown(client.fetch(url));
  expect(await shown(client.fetch(url, { headers: { [name]: value } }))).toBe('200 two');
  expect(await errorOf(client.fetch(url, { headers: { [name]: value } }))).toMatchObject({
    message: 'Failed to fetch',
  });
  expect(await shown(client.fetch(url))).toBe('200 one');
});

// Vary.

test('client.fetch keeps one answer per variant', async () => {
  const byLanguage = (request: ScriptedRequest) =>
    good(request.headers.get('accept-language') ?? 'none', { vary: 'Accept-Language' });
  const script = [byLanguage, byLanguage, byLanguage, down];
  const { client } = fallbackBench(script);
  const inLanguage = (language: string) => client.fetch(url, { headers: { 'accept-language': language } });
  await shown(inLanguage('en'));
  await shown(inLanguage('de'));
  await shown(client.fetch(url));
  expect(await shown(inLanguage('en'))).toBe('200 en');
  expect(await shown(inLanguage('de'))).toBe('200 de');
  expect(await shown(client.fetch(url))).toBe('200 none');
  expect(await errorOf(inLanguage('fr'))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch keeps no more than eight variants, whoever makes them up', async () => {
  const echo = (request: ScriptedRequest) =>
    good(request.headers.get('accept-version') ?? '', { vary: 'accept-version' });
  const bench = fallbackBench([echo]);
  for (let number = 0; number < 20; number += 1) {
    await shown(bench.client.fetch(url, { headers: { 'accept-version': String(number) } }));
  }
  await idle(bench);
  const entry = await bench.store.get(`public GET ${url}`);
  expect(entry?.variants.map(({ variesBy }) => variesBy[0]?.[1])).toEqual([
    '19',
    '18',
    '17',
    '16',
    '15',
    '14',
    '13',
    '12',
  ]);
});

test('client.fetch does not store what varies by everything', async () => {
  const { client } = fallbackBench([good('one', { vary: 'accept, *' }), down]);
  await shown(client.fetch(url));
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch keeps variants that are stored at the same time', async () => {
  const slowly = (request: ScriptedRequest) => ({
    body: request.headers.get('accept-version') ?? '',
    headers: { vary: 'accept-version' },
    delayMs: 10,
  });
  const { client, clock } = fallbackBench([slowly, slowly, down]);
  const calls = ['1', '2'].map((value) => client.fetch(url, { headers: { 'accept-version': value } }));
  await clock.advance(10);
  for (const call of calls) await shown(call);
  for (const value of ['1', '2']) {
    expect(await shown(client.fetch(url, { headers: { 'accept-version': value } }))).toBe(`200 ${value}`);
  }
});

// Revalidation.

const notModified = { status: 304, headers: { 'x-new': '1', 'cache-control': 'max-age=60' } };

test.for([
  { gives: { etag: '"a"' }, asks: { 'if-none-match': '"a"' } },
  { gives: { etag: 'W/"a"' }, asks: { 'if-none-match': 'W/"a"' } },
  {
    gives: { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' },
    asks: { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' },
  },
])('client.fetch asks with $asks whether a stored answer still holds', async ({ gives, asks }) => {
  const bench = fallbackBench([good('one', { ...gives, 'x-old': '1' }), notModified, down]);
  const { client, clock, upstream, events } = bench;
  await shown(client.fetch(url, { headers: { accept: 'text/plain' } }));
  await clock.advance(5_000);
  const response = await client.fetch(url, { headers: { accept: 'text/plain' } });
  expect(Object.fromEntries(upstream.requests[1]?.headers ?? [])).toEqual({ accept: 'text/plain', ...asks });
  expect(degradation(response)).toBeUndefined();
  expect(response.headers.get('age')).toBe('0');
  expect(response.headers.get('x-new')).toBe('1');
  expect(response.headers.get('x-old')).toBe('1');
  expect(await shown(response)).toBe('200 one');
  expect(facts(events, 'revalidated')).toEqual([{ background: false, result: 'confirmed', status: 304 }]);
  await clock.advance(60_000); // fresh, by the word of the 304
  await shown(client.fetch(url));
  expect(upstream.calls).toBe(2);
});

test('client.fetch asks with the validators of the answer that is not to be used unasked', async () => {
  const headers = { 'cache-control': 'no-cache', etag: '"a"' };
  const bench = fallbackBench([good('one', headers), { status: 304, headers }, down]);
  const { client, upstream } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 one');
  expect(upstream.calls).toBe(2);
  expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
});

test('client.fetch asks again, unconditionally, when a 304 is about another answer', async () => {
  const script = [
    good('one', { etag: '"a"' }),
    { status: 304, headers: { etag: '"b"' } },
    good('two', { etag: '"b"' }),
  ];
  const bench = fallbackBench(script);
  const { client, upstream } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(upstream.requests[2]?.headers.has('if-none-match')).toBe(false);
});

test('client.json asks without conditions where what is kept is no JSON', async () => {
  const bench = fallbackBench([good('<p>', { etag: '"a"' }), good('1', { etag: '"b"' })]);
  const { client, upstream } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect((await client.json(url)).value).toBe(1);
  expect(upstream.requests.map(({ headers }) => headers.has('if-none-match'))).toEqual([false, false]);
});

test('client.fetch asks again within the same call, under one deadline, when a 304 is about another answer', async () => {
  const script = [
    good('one', { etag: '"a"' }),
    { status: 304, headers: { etag: '"b"' }, delayMs: 600 },
    { body: 'two', delayMs: 600 },
  ];
  const bench = fallbackBench(script, { staleIfErrorMs: 0 }, { deadlineMs: 1_000 });
  const { client, clock, events } = bench;
  await shown(client.fetch(url));
  await clock.advance(5_000);
  const call = watch(client.fetch(url));
  await clock.advance(999);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call).toMatchObject({ state: 'rejected', error: { code: 'DEADLINE_EXCEEDED' } });
  expect(facts(events, 'completed').map(({ attempts, durationMs }) => ({ attempts, durationMs }))).toEqual([
    { attempts: 1, durationMs: 0 },
    { attempts: 2, durationMs: 1_000 },
  ]);
  expect(client.snapshot().dependencies[origin]?.counters.calls).toBe(2);
});

// workerd takes no other.
const asksAnew: readonly RequestCache[] = engine === 'workerd' ? ['no-cache'] : ['no-cache', 'reload'];

test.for(asksAnew)(
  'client.fetch with cache mode "%s" asks, on condition or without, and keeps what comes',
  async (cache) => {
    const bench = fallbackBench([good('one', { etag: '"a"' }), good('two', { etag: '"a"' })], { maxAgeMs: hour });
    const { client, upstream } = bench;
    await shown(client.fetch(url));
    await idle(bench);
    expect(await shown(client.fetch(url, { cache }))).toBe('200 two');
    await idle(bench);
    expect(upstream.requests[1]?.headers.has('if-none-match')).toBe(cache === 'no-cache');
    expect(await shown(client.fetch(url))).toBe('200 two');
    expect(upstream.calls).toBe(2);
  },
);

const unkept: readonly { readonly what: string; readonly newer: ScriptStep; readonly result: string }[] = [
  { what: 'no-cache', newer: good('new', { 'cache-control': 'no-cache' }), result: 'dropped' },
  { what: 'must-revalidate', newer: good('new', { 'cache-control': 'max-age=0, must-revalidate' }), result: 'dropped' },
  { what: 'a length above maxBodyBytes', newer: good('new', { 'content-length': '9000' }), result: 'dropped' },
  { what: 'a body above maxBodyBytes', newer: good(`new${'x'.repeat(9_000)}`), result: 'replaced' },
];

test.for(unkept)(
  'client.fetch does not go back to what it had, when the newer answer can’t be kept: $what',
  async (row) => {
    const script = [good('old'), row.newer, row.newer, row.newer, down];
    const bench = fallbackBench(script, { ...swr, maxBodyBytes: 1_000 });
    const { client, clock, events } = bench;
    const text = async (): Promise<string> => (await shown(client.fetch(url))).slice(0, 7);
    await text();
    await idle(bench);
    await clock.advance(1_000);
    expect(await text()).toBe('200 old'); // at once, and refreshed behind it
    await idle(bench);
    expect(facts(events, 'revalidated')).toMatchObject([{ background: true, result: row.result, status: 200 }]);
    expect(await text()).toBe('200 new');
    await idle(bench);
    expect(await text()).toBe('200 new');
    await idle(bench);
    expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  },
);

test.for([
  { what: 'that does not end', type: 'text/event-stream', body: 'data: 1' },
  { what: 'that is too long', type: 'text/csv', body: 'x'.repeat(2_000) },
])('client.fetch keeps what others are given, when one variant gives an answer $what', async ({ type, body }) => {
  let isDown = false;
  const answer: ScriptStep = ({ headers }) => {
    if (isDown) return 503;
    const isOther = headers.get('accept') === type;
    const own = isOther ? { body, headers: { 'content-type': type } } : { body: '{}', headers: {} };
    return { ...own, headers: { ...own.headers, vary: 'accept' } };
  };
  const bench = fallbackBench([answer], { maxBodyBytes: 1_000 });
  const get = async (accept: string): Promise<string> => {
    const text = await shown(bench.client.fetch(url, { headers: { accept } }));
    await idle(bench);
    return text;
  };
  await get('application/json');
  await get(type);
  isDown = true;
  expect(await get('application/json')).toBe('200 {}');
  expect(await get(type)).toBe('503 ');
});

test('client.fetch takes out of the store what the variant of one request may not be any more, and no other', async () => {
  const varied = (body: string, control = ''): ScriptStep => good(body, { vary: 'accept', 'cache-control': control });
  const bench = fallbackBench([varied('a'), varied('b'), varied('a2', 'no-store'), down]);
  const get = async (accept: string): Promise<unknown> => {
    const text = await shown(bench.client.fetch(url, { headers: { accept } })).catch(() => 'failed');
    await idle(bench);
    return text;
  };
  expect([await get('a'), await get('b'), await get('a')]).toEqual(['200 a', '200 b', '200 a2']);
  expect([await get('a'), await get('b')]).toEqual(['failed', '200 b']);
});

test('client.fetch leaves the store alone, when it is only this call that wants nothing old', async () => {
  const bench = fallbackBench([good('one'), good('two'), down]);
  const { client } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  await shown(client.fetch(url, { fallback: { staleIfErrorMs: 0 } }));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
});

test.for(['application/x-ndjson', 'application/stream+json'])(
  'client.json stores what it has read, whatever else the type is for: %s',
  async (type) => {
    const bench = fallbackBench([good('{"a":1}', { 'content-type': type }), down]);
    await bench.client.json(url);
    await idle(bench);
    expect((await bench.client.json(url)).value).toEqual({ a: 1 });
  },
);

test.for([
  { queueTimeoutMs: 300, code: 'QUEUE_TIMEOUT', failure: 'refused', rejected: 1 },
  { queueTimeoutMs: 5_000, code: 'DEADLINE_EXCEEDED', failure: 'deadline', rejected: 0 },
])(
  'client.fetch says how a call ended that could not ask again: $code',
  async ({ queueTimeoutMs, code, failure, rejected }) => {
    const script = [
      good('one', { etag: '"a"' }),
      { status: 304, headers: { etag: '"b"' }, delayMs: 50 },
      { delayMs: 5_000 },
    ];
    const bulkhead = { maxConcurrent: 1, queueTimeoutMs };
    const bench = fallbackBench(
      script,
      { staleIfErrorMs: 0 },
      { bulkhead, deadlineMs: 1_000, attemptTimeoutMs: false },
    );
    const { client, clock, events } = bench;
    await shown(client.fetch(url));
    await idle(bench);
    const call = watch(client.fetch(url));
    await clock.advance(1);
    const other = client.fetch(`${url}/other`, { deadlineMs: 20_000 }); // has the slot in between
    await clock.advance(2_000);
    expect(call).toMatchObject({ state: 'rejected', error: { code } });
    expect(facts(events, 'completed')[1]).toMatchObject({ outcome: 'ignored', attempts: 1, failure });
    expect(client.snapshot().dependencies[origin]?.counters).toMatchObject({ success: 1, ignored: 1, rejected });
    await clock.advance(5_000);
    await other;
  },
);

test('client.fetch numbers the attempts of a call that asks again', async () => {
  const script = [good('one', { etag: '"a"' }), { status: 304, headers: { etag: '"b"' } }, 503, good('two')];
  const bench = fallbackBench(script, {}, { retry: { initialDelayMs: 0 } });
  const { client, events } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(facts(events, 'attempt').map(({ attempt, status }) => [attempt, status])).toEqual([
    [1, 200],
    [1, 304],
    [2, 503],
    [3, 200],
  ]);
  expect(facts(events, 'retry')).toMatchObject([{ attempt: 3 }]);
});

test('client.fetch numbers the attempts of a call that asks again, when one was sent beside another', async () => {
  const script = [
    good('one', { etag: '"a"' }),
    'hang',
    { status: 304, headers: { etag: '"b"' } },
    503,
    good('two'),
  ] as const;
  const bench = fallbackBench(script, {}, { hedge: { afterMs: 50 }, retry: { initialDelayMs: 0 } });
  const { client, clock, events } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  const call = shown(client.fetch(url));
  await clock.advance(50);
  expect(await call).toBe('200 two');
  const numbers = facts(events, 'attempt').map(({ attempt }) => attempt);
  expect(numbers.slice(1).sort()).toEqual([1, 2, 3, 4]);
  expect(facts(events, 'retry')).toMatchObject([{ attempt: 4 }]);
  expect(facts(events, 'completed')[1]).toMatchObject({ attempts: 4 });
});

test('client.fetch holds it against nobody, when a call that asks again had failed before it was answered', async () => {
  const script = [good('one', { etag: '"a"' }), 503, { status: 304, headers: { etag: '"b"' } }, 'hang'] as const;
  const options = { deadlineMs: 1_000, retry: { initialDelayMs: 0 }, breaker: { failureThreshold: 1 } };
  const bench = fallbackBench(script, {}, options);
  const { client, clock, events } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  const call = watch(client.fetch(url));
  await clock.advance(1_000);
  expect(call.state).toBe('resolved');
  expect(facts(events, 'completed')[1]).toMatchObject({ outcome: 'ignored', failure: 'deadline' });
  expect(client.snapshot().dependencies[origin]?.breaker?.state).toBe('closed');
});

test('client.fetch tells all that a call has waited for a slot, also before it asks again', async () => {
  const script = [
    good('one', { etag: '"a"' }),
    { delayMs: 100 },
    { status: 304, headers: { etag: '"b"' } },
    { delayMs: 50 },
    good('two'),
  ];
  const bench = fallbackBench(script, {}, { bulkhead: { maxConcurrent: 1 } });
  const { client, clock, events } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  const calls: Promise<unknown>[] = [];
  for (const at of [`${url}/a`, url, `${url}/b`]) {
    calls.push(shown(client.fetch(at)));
    await clock.advance(0);
  }
  await clock.advance(150);
  await Promise.all(calls);
  const waits = facts(events, 'completed').map(({ queuedMs }) => queuedMs);
  expect(waits).toEqual([0, 0, 100, 150]);
});

test('client.fetch stores the answers to all who ask at once, each in a way of their own', async () => {
  let isDown = false;
  const answer: ScriptStep = ({ headers }) => {
    if (isDown) return new TypeError('Failed to fetch');
    const accept = headers.get('accept') ?? '';
    return { body: accept, headers: { vary: 'accept' }, delayMs: accept === 'a' ? 20 : 10 };
  };
  const bench = fallbackBench([answer]);
  const { client, clock } = bench;
  const get = (accept: string): Promise<string> => shown(client.fetch(url, { headers: { accept } }));
  const calls = [get('a'), get('b')];
  await clock.advance(20);
  await Promise.all(calls);
  await idle(bench);
  isDown = true;
  expect(await get('b')).toBe('200 b');
  expect(await get('a')).toBe('200 a');
});

test('client.fetch keeps the answers to others for as long as they are of use, whatever comes beside them', async () => {
  const varied = (text: string, age: number): ScriptStep => good(text, { vary: 'accept', age: String(age) });
  const memory = memoryStore();
  const lives: number[] = [];
  const set: Store['set'] = (key, entry) => {
    lives.push(entry.expiresAt - clock.epochNow());
    return memory.set(key, entry);
  };
  const bench = fallbackBench([varied('a', 0), varied('b', 50), varied('a', 70)], {
    store: { ...memory, set },
    staleIfErrorMs: 60_000,
  });
  const { client, clock } = bench;
  for (const accept of ['a', 'b', 'a']) {
    await shown(client.fetch(url, { headers: { accept } }));
    await idle(bench);
  }
  expect(lives).toEqual([60_000, 60_000, 60_000]);
});

test('client.fetch keeps the newer of two answers to the same request, beside those to others', async () => {
  const varied = (body: string, delayMs = 0): ScriptStep => ({ body, delayMs, headers: { vary: 'accept' } });
  const bench = fallbackBench([varied('b'), varied('older', 20), varied('newer', 10), down]);
  const { client, clock } = bench;
  const get = (accept: string): Promise<string> => shown(client.fetch(url, { headers: { accept } }));
  await get('b');
  await idle(bench);
  const calls = [get('a'), get('a')];
  await clock.advance(20);
  await Promise.all(calls);
  await idle(bench);
  expect(await get('a')).toBe('200 newer');
});

test.for(['Accept-Encoding User-Agent', 'accept, ?', '"accept"'])(
  'client.fetch hands out an answer that varies by what is no header, and does not keep it: %s',
  async (vary) => {
    const bench = fallbackBench([good('one', { vary }), down]);
    const { client } = bench;
    expect(await shown(client.fetch(url, { headers: { accept: 'text/plain' } }))).toBe('200 one');
    await idle(bench);
    expect(await errorOf(client.fetch(url))).toMatchObject({ message: 'Failed to fetch' });
  },
);

test('client.fetch keeps the length that a HEAD was told', async () => {
  const { client } = fallbackBench([{ headers: { 'content-length': '12345' } }], { maxAgeMs: hour });
  const length = async (): Promise<string | null> =>
    (await client.fetch(url, { method: 'HEAD' })).headers.get('content-length');
  expect([await length(), await length()]).toEqual(['12345', '12345']);
});

test('client.json gives the stored value after a 304', async () => {
  const { client } = fallbackBench([good('{"a":1}', { etag: '"a"' }), { status: 304 }]);
  await client.json(url);
  expect(await client.json(url)).toMatchObject({ value: { a: 1 }, degraded: false });
});

test('client.fetch sends no validators across origins, where they would cause a preflight', async () => {
  const seen: (RequestInit | undefined)[] = [];
  const fetch = async (_input: unknown, init?: RequestInit): Promise<Response> => {
    seen.push(init);
    const response = new Response('one', { headers: { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' } });
    return Object.defineProperty(response, 'type', { value: 'cors' });
  };
  const { client } = fallbackBench([1], {}, { fetch });
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  expect(seen.map((init) => init?.headers)).toEqual([undefined, undefined]);
});

// Refreshing behind the caller.

test('client.fetch does not hold it against an answer that an earlier one could not be refreshed', async () => {
  const bench = fallbackBench([good('one'), down, 204, good('two'), good('three')], { ...swr, maxAgeMs: 1_000 });
  const { client, clock } = bench;
  const later = async (): Promise<void> => {
    await idle(bench);
    await clock.advance(2_000);
  };
  await shown(client.fetch(url));
  await later();
  await shown(client.fetch(url)); // stale, and its refresh fails
  await idle(bench);
  await client.fetch(url, { method: 'POST' });
  await idle(bench);
  await shown(client.fetch(url));
  await later();
  const response = await client.fetch(url);
  expect(degradation(response)).toBeUndefined();
  expect(await shown(response)).toBe('200 two');
});

test('client.fetch refreshes once for ten stale hits, and answers all at once', async () => {
  const { client, clock, upstream, events } = fallbackBench([good('one'), { body: 'two', delayMs: 100 }], swr);
  await shown(client.fetch(url));
  await clock.advance(1_000);
  const answers = await Promise.all(Array.from({ length: 10 }, () => shown(client.fetch(url))));
  expect(answers).toEqual(Array.from({ length: 10 }, () => '200 one'));
  await clock.advance(100);
  expect(upstream.calls).toBe(2);
  expect(facts(events, 'revalidated')).toEqual([{ background: true, result: 'replaced', status: 200 }]);
  expect(await shown(client.fetch(url))).toBe('200 two');
});

test.for([
  { step: 503, reason: 'status-503' },
  { step: down, reason: 'network' },
])(
  'client.fetch says degraded ($reason) once the refresh has failed, and not any more once one succeeds',
  async ({ step, reason }) => {
    const bench = fallbackBench([good('one'), step, good('two')], swr);
    const { client, clock, upstream, events } = bench;
    await shown(client.fetch(url));
    await clock.advance(1_000);
    expect(degradation(await client.fetch(url))).toBeUndefined();
    await idle(bench);
    expect(degradation(await client.fetch(url))).toEqual({ source: 'cache', reason, ageMs: 1_000 });
    await idle(bench);
    const healed = await client.fetch(url);
    expect(degradation(healed)).toBeUndefined();
    expect(await shown(healed)).toBe('200 two');
    expect(upstream.calls).toBeGreaterThanOrEqual(3);
    const [failed, ...others] = facts(events, 'revalidated');
    expect(failed).toMatchObject({ background: true, result: 'failed' });
    expect(others.map(({ result }) => result)).not.toContain('failed');
  },
);

test('client.fetch refreshes through the breaker, and is not slowed down while it is open', async () => {
  const bench = fallbackBench([good('one'), 503], swr, { breaker: { failureThreshold: 1 } });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_000);
  await shown(client.fetch(url));
  await idle(bench);
  for (let call = 0; call < 5; call += 1) {
    expect(await shown(client.fetch(url))).toBe('200 one');
    await idle(bench);
  }
  expect(upstream.calls).toBe(2);
  expect(degradation(await client.fetch(url))?.reason).toBe('circuit-open');
});

test('client.fetch refreshes through the bulkhead, and gives out what it has while that is full', async () => {
  const bench = fallbackBench([good('one'), 'hang'], swr, { bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const { client, clock, upstream, events } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_000);
  client.fetch(`${url}/other`).catch(() => {});
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 one');
  await idle(bench);
  expect(upstream.calls).toBe(2);
  expect(facts(events, 'rejected')).toEqual([{ code: 'BULKHEAD_FULL' }]);
  expect(degradation(await client.fetch(url))?.reason).toBe('bulkhead-full');
});

test('client.fetch refreshes with a conditional request, without the caller’s signal', async () => {
  const bench = fallbackBench([good('one', { etag: '"a"' }), { status: 304, delayMs: 100 }], { ...swr, maxAgeMs: 1 });
  const { client, clock, upstream } = bench;
  const controller = new AbortController();
  await shown(client.fetch(url));
  await clock.advance(1_000);
  await shown(client.fetch(url, { signal: controller.signal, headers: { accept: 'text/plain' } }));
  controller.abort();
  await clock.advance(100);
  expect(upstream.requests[1]?.headers.get('if-none-match')).toBe('"a"');
  expect(upstream.requests[1]?.headers.get('accept')).toBe('text/plain');
  expect(upstream.requests[1]?.signal?.aborted).toBe(false);
  expect((await client.fetch(url)).headers.get('age')).toBe('0');
});

test('client.fetch drops what it has, when the refresh learns that it is gone', async () => {
  const bench = fallbackBench([good('one'), 404, { status: 404, body: 'gone' }], swr);
  const { client } = bench;
  await shown(client.fetch(url));
  await bench.clock.advance(1);
  await shown(client.fetch(url));
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('404 gone');
  expect(facts(bench.events, 'revalidated')).toEqual([{ background: true, result: 'dropped', status: 404 }]);
});

test('client.fetch refreshes with the retries, and ends a refresh that hangs at the deadline', async () => {
  const bench = fallbackBench([good('one'), 'hang', good('two')], swr, { deadlineMs: 500, attemptTimeoutMs: false });
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(1_000);
  await shown(client.fetch(url));
  await clock.advance(499);
  await shown(client.fetch(url));
  expect(upstream.calls).toBe(2);
  await clock.advance(1);
  expect(degradation(await client.fetch(url))?.reason).toBe('deadline-exceeded');
  await idle(bench);
  expect(await shown(client.fetch(url))).toBe('200 two');
});

test('client.fetch does not store a refreshed body that breaks off, and keeps what it has', async () => {
  const bench = fallbackBench([good('one'), { body: 't', after: 'break' }, down], swr);
  const { client } = bench;
  await shown(client.fetch(url));
  await bench.clock.advance(1);
  await shown(client.fetch(url));
  await idle(bench);
  const response = await client.fetch(url);
  expect(degradation(response)?.reason).toBe('network');
  expect(await shown(response)).toBe('200 one');
});

test('client.close waits for a refresh, and ends it when its time is up', async () => {
  const bench = fallbackBench([good('one'), 'hang'], swr);
  const { client, clock, upstream } = bench;
  await shown(client.fetch(url));
  await clock.advance(1);
  await shown(client.fetch(url));
  let closed = false;
  const closing = client.close({ drainMs: 1_000 }).then(() => {
    closed = true;
  });
  await clock.advance(999);
  expect(closed).toBe(false);
  await clock.advance(1);
  await closing;
  expect(upstream.requests[1]?.signal?.aborted).toBe(true);
});

// Keys.

test('client.fetch keeps answers under the URL, without its fragment, or under the caller’s key', async () => {
  const bench = fallbackBench([good('one'), down]);
  await shown(bench.client.fetch(`${url}?a=1#top`));
  expect(await shown(bench.client.fetch(`${url}?a=1#bottom`))).toBe('200 one');
  expect(await errorOf(bench.client.fetch(`${url}?a=2`))).toMatchObject({ message: 'Failed to fetch' });
  const own = fallbackBench([good('one'), down], { key: (request) => new URL(request.url).pathname });
  await shown(own.client.fetch(`${url}?session=1`));
  expect(await shown(own.client.fetch(`${url}?session=2`))).toBe('200 one');
  const wrong = fallbackBench([good('one')], { key: () => 5 as unknown as string });
  expect(await errorOf(wrong.client.fetch(url))).toEqual(new TypeError('fallback.key must return a string, got 5'));
});

test('client.fetch keeps answers to relative URLs, which only the given fetch can resolve', async () => {
  const { client } = fallbackBench([good('one'), down]);
  await shown(client.fetch('/u/1'));
  expect(await shown(client.fetch('/u/1'))).toBe('200 one');
  expect(origin).toMatch(/^https/);
});

test('client.fetch keeps nothing of what is relative to a path that it does not know', async () => {
  const bench = fallbackBench([good('one'), good('two')], { maxAgeMs: hour });
  const { client, upstream } = bench;
  await shown(client.fetch('u/1'));
  await idle(bench);
  const isKnown = pageOrigin() !== undefined;
  expect(await shown(client.fetch('u/1'))).toBe(isKnown ? '200 one' : '200 two');
  expect(upstream.calls).toBe(isKnown ? 1 : 2);
});

test('client.fetch puts no credential of a relative URL into a key', async () => {
  const keys: string[] = [];
  const store = memoryStore();
  const set: typeof store.set = (key, entry) => {
    keys.push(key);
    return store.set(key, entry);
  };
  const bench = fallbackBench([good('one')], { store: { ...store, set } });
  await shown(bench.client.fetch('/report?token=s3cret'));
  await idle(bench);
  expect(keys).toEqual([expect.stringMatching(/report\?#[0-9a-f]{64}$/)]);
});

test('client.fetch gives nobody what its server has no more, as another call was told while they asked', async () => {
  const late: ScriptStep = () =>
    new Promise((resolve) => clock.schedule(20, () => resolve(new TypeError('Failed to fetch'))));
  const bench = fallbackBench([good('one'), { status: 404, delayMs: 10 }, late]);
  const { client, clock } = bench;
  await shown(client.fetch(url));
  await idle(bench);
  const calls = [shown(client.fetch(url)), errorOf(client.fetch(url))];
  await clock.advance(20);
  expect(await Promise.all(calls)).toMatchObject(['404 ', { message: 'Failed to fetch' }]);
});
