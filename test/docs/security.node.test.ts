import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fake from 'fake-indexeddb';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';

import { redisFleet, redisStore } from '../../src/adapters/redis.ts';
import { CircuitObject } from '../../src/fleet/circuit-object.ts';
import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import { createHealth, dependsOn } from '../../src/health/index.ts';
import {
  CircuitBreaker,
  type Client,
  type ClientOptions,
  type ClientSnapshot,
  createClient,
  degradation,
  type FallbackOptions,
  type FetchInit,
  HttpError,
  incomingDeadline,
  memoryStore,
  type SteadEvent,
  type Store,
  type StoreEntry,
} from '../../src/index.ts';
import { createServerTiming } from '../../src/server-timing.ts';
import { idbStore } from '../../src/stores/idb.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { ScriptedRequest, ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { down, fallbackBench, good, idle, shown } from '../client/fallback-bench.ts';
import { otelBench } from '../otel/bench.ts';
import { entryOf } from '../support/entries.ts';
import { EngineMemory, memoryEngine } from '../support/memory-engine.ts';
import { notingRedis } from '../support/noting-redis.ts';
import { msOf, numberOf, numbersIn, word } from './figures.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/security.md';
const page = readFileSync(PAGE, 'utf8');

/** The figures of the page, by the words around them: tests go by what stands there. */
const FIGURES = {
  kept: /as long as they are of any use, (\w+ years) at most/,
  credentials: /\| the last (\w+) credentials with their fingerprints/,
  redis: /since the last change, (a day) in Redis/,
  told: / and (\w+ days) in a Durable Object;/,
  served: /have an answer used for (\w+ years) at most/,
  garbage: /garbage counts as (\d+)/,
  reason: /with a reason of (\w+) characters at most/,
  variants: /have (\w+) variants kept under one key/,
  ready: /\| learn (\d+) or \d+ \|/,
  unready: /\| learn \d+ or (\d+) \|/,
  propagated: /and leaves our (\w+) headers on/,
  alike: /or a metric, (\w+) such names may be one/,
} as const;

/** @throws Error if the page says it in other words. */
function figure(name: keyof typeof FIGURES): string {
  const [, text] = FIGURES[name].exec(page) ?? [];
  if (text === undefined) throw new Error(`${PAGE} has nothing like ${FIGURES[name]}`);
  return text;
}

afterEach(() => void vi.unstubAllGlobals());

/** A store that shows what is in it. */
function openStore(): Store & { readonly entries: Map<string, StoreEntry> } {
  const entries = new Map<string, StoreEntry>();
  return {
    entries,
    get: async (key) => entries.get(key),
    set: async (key, entry) => void entries.set(key, entry),
    delete: async (key) => void entries.delete(key),
    clear: async (partition) => {
      for (const key of [...entries.keys()])
        if (partition === undefined || key.startsWith(`${partition} `)) entries.delete(key);
    },
  };
}

function storeBench(script: readonly ScriptStep[], fallback: FallbackOptions = {}, options: ClientOptions = {}) {
  const store = openStore();
  const bench = fallbackBench(script, { ...fallback, store }, options);
  return { ...bench, store };
}

/** One call, whose answer is stored when it resolves: digests take turns that no fake clock knows of. */
async function call(bench: Bench, init: FetchInit = {}, at = url): Promise<string> {
  const storing: Promise<unknown>[] = [];
  const text = await shown(bench.client.fetch(at, { ...init, waitUntil: (work) => storing.push(work) }));
  await Promise.all(storing);
  await idle(bench);
  return text;
}

const stateOf = (client: Client, name = origin) => client.snapshot().dependencies[name]?.breaker;
/** An entry as text, its bodies too. */
const written = (entry: StoreEntry): string =>
  JSON.stringify(entry) +
  entry.variants.map(({ body }) => (body === null ? '' : new TextDecoder().decode(body))).join();

const SECRET = 's3cret';
const secretUrl = `https://users.test/u/1?token=${SECRET}`;
const secretInit = {
  headers: { authorization: `Bearer ${SECRET}`, cookie: `sid=${SECRET}`, 'x-api-key': SECRET, 'accept-language': 'de' },
} as const;
const secretAnswer = {
  body: `{"is":"${SECRET}"}`,
  headers: {
    'set-cookie': `sid=${SECRET}`,
    'x-mine': SECRET,
    vary: 'authorization, x-api-key, accept-language',
    'cache-control': 'max-age=0',
  },
} as const;

/** A client that is told secrets in all places there are, by its callers and by its server, on good days and bad ones. */
async function tellingSecrets() {
  const script: readonly ScriptStep[] = [
    secretAnswer,
    { status: 503, body: SECRET, headers: { 'x-mine': SECRET } },
    () => new TypeError(SECRET),
    new Response(SECRET, { status: 418, statusText: SECRET }),
    'hang',
  ];
  const store = openStore();
  const bench = otelBench(
    script,
    { fallback: { store }, retry: { maxAttempts: 2 }, breaker: { failureThreshold: 2 }, name: 'shop' },
    { recordQuery: true },
  );
  const { client, clock } = bench;
  const timing = createServerTiming(client);
  const timings: string[] = [];
  const errors: unknown[] = [];
  const one = async (init: FetchInit): Promise<void> => {
    const storing: Promise<unknown>[] = [];
    let isOver = false;
    void client
      .json(secretUrl, { ...secretInit, ...init, waitUntil: (work) => storing.push(work) })
      .then(
        (given) => timings.push(timing(given)),
        (error: unknown) => {
          errors.push(error);
          timings.push(timing(error));
        },
      )
      .then(() => Promise.all(storing))
      .then(() => {
        isOver = true;
      });
    while (!isOver) await clock.advance(10);
  };
  await one({});
  await one({});
  await one({ method: 'POST', body: SECRET });
  const controller = new AbortController();
  clock.schedule(20, () => controller.abort(new Error(SECRET)));
  await one({ signal: controller.signal, fallback: false });
  store.get = async () => Promise.reject(new Error(SECRET));
  await one({ deadlineMs: 500 });
  for (let fails = 0; fails < 3; fails += 1) await one({ attemptTimeoutMs: 100, fallback: false });
  return { ...bench, store, timings, errors };
}

type Drive = () => Promise<void> | void;

/** The points of the page, by the words in bold that they begin with, and what proves them. */
const points: Readonly<Record<string, Drive>> = {
  'Events, snapshots, metrics, `Server-Timing` and health reports': async () => {
    const { client, events, series, metrics, timings, stop } = await tellingSecrets();
    const types = new Set(events.map(({ type }) => type));
    for (const type of ['attempt', 'retry', 'transition', 'rejected', 'completed', 'fallback', 'store-error'] as const)
      expect(types).toContain(type);
    const health = createHealth({
      readiness: {
        users: dependsOn(client),
        own: () => {
          throw new Error(SECRET);
        },
      },
    });
    const report = await (await health.handler(new Request('https://x.test/readyz?verbose')))?.text();
    expect(report).toContain(origin);
    const names = Object.keys(await metrics());
    const all = await Promise.all(names.map(async (name) => ({ name, series: await series(name) })));
    expect(all.length).toBeGreaterThanOrEqual(10);
    expect(timings.filter((timing) => timing !== '').length).toBeGreaterThanOrEqual(5);
    const told = JSON.stringify([events, client.snapshot(), all, timings, report]);
    expect(told).not.toContain(SECRET);
    expect(told).not.toContain('/u/1');
    expect(told).toContain(`"dependency":"${origin}"`);
    stop();
  },

  Spans: async () => {
    const { spans, stop } = await tellingSecrets();
    expect(spans().length).toBeGreaterThanOrEqual(10);
    const told = JSON.stringify(
      spans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    expect(told).not.toContain(SECRET);
    expect(told).toContain('https://users.test/u/1?token=REDACTED');
    stop();
  },

  'Keys of stores': async () => {
    const { store, stop } = await tellingSecrets();
    expect([...store.entries.keys()]).toEqual([
      expect.stringMatching(/^@[0-9a-f]{64} GET https:\/\/users\.test\/u\/1\?#[0-9a-f]{64}$/),
    ]);
    stop();
  },

  'Entries of stores': async () => {
    const { store, stop } = await tellingSecrets();
    const [variant] = [...store.entries.values()].flatMap(({ variants }) => variants);
    expect(variant?.headers.map(([name]) => name).sort()).toEqual(['cache-control', 'content-type', 'vary', 'x-mine']);
    const fingerprint = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(variant?.variesBy).toEqual([
      ['accept-language', 'de'],
      ['authorization', fingerprint],
      ['x-api-key', fingerprint],
    ]);
    stop();
  },

  'Messages of our errors': async () => {
    const { errors, stop } = await tellingSecrets();
    const ours = errors.filter((error): error is Error => error instanceof Error && 'code' in error);
    expect(ours.map((error) => Reflect.get(error, 'code'))).toEqual(
      expect.arrayContaining(['HTTP', 'ATTEMPT_TIMEOUT', 'CIRCUIT_OPEN']),
    );
    const others = ours.filter((error) => !(error instanceof HttpError));
    expect(others.map(({ message }) => message).join()).not.toContain(SECRET);
    const http = ours.find((error): error is HttpError => error instanceof HttpError);
    expect(http?.message).toBe(
      `Cannot use the answer of ${origin}: its status is 418 ${SECRET} (fetch() gives it as it is)`,
    );
    stop();
  },

  'Credentials keep apart': async () => {
    const whose = (request: ScriptedRequest) => good(JSON.stringify([...request.headers]));
    for (const name of ['authorization', 'cookie', 'x-api-key', 'x-anything']) {
      const bench = storeBench([whose], { maxAgeMs: 60_000 });
      const [ann, bob] = [{ headers: { [name]: 'ann' } }, { headers: { [name]: 'bob' } }];
      const first = await call(bench, ann);
      expect(await call(bench, bob), name).not.toBe(first);
      expect(await call(bench), name).not.toBe(first);
      expect(await call(bench, ann), name).toBe(first);
      expect(bench.upstream.calls, name).toBe(3);
    }
  },

  'A partition that is named keeps apart': async () => {
    const names = ['', ' ', 'a', 'a b', 'a%20b', '@', 'public ', '__proto__'];
    const bench = storeBench([(request) => good(`${request.number}`)], { maxAgeMs: 60_000 });
    for (const [index, partition] of names.entries()) expect(await call(bench, { partition })).toBe(`200 ${index + 1}`);
    for (const [index, partition] of names.entries()) expect(await call(bench, { partition })).toBe(`200 ${index + 1}`);
    const kept = bench.store.entries.size;
    await call(bench, { partition: '\ud800' });
    expect(bench.store.entries.size).toBe(kept);
  },

  'Without HTTPS nothing is stored for who has credentials': async () => {
    vi.stubGlobal('crypto', {});
    const bench = storeBench([good('mine'), good('everybody’s')]);
    await call(bench, secretInit);
    expect(bench.store.entries.size).toBe(0);
    await call(bench);
    expect(bench.store.entries.size).toBe(1);
  },

  'A shared store keeps nothing that is `private` or `no-store`': async () => {
    for (const [says, shared, kept] of [
      ['private', true, 0],
      ['private', false, 1],
      ['no-store', true, 0],
      ['no-store', false, 0],
    ] as const) {
      const store = { ...openStore(), shared };
      const bench = fallbackBench([good('mine', { 'cache-control': says })], { store });
      await call(bench);
      expect(store.entries.size, `${says}, shared: ${shared}`).toBe(kept);
    }
    expect(memoryStore().shared).toBe(true);
    const ignoring = storeBench([good('mine', { 'cache-control': 'private' })], { cacheControl: 'ignore' });
    await call(ignoring);
    expect(ignoring.store.entries.size).toBe(1);
  },

  'On logout': async () => {
    const bench = storeBench([good('ann'), good('bob'), { body: 'late', delayMs: 100 }]);
    await call(bench, { partition: 'ann' });
    await call(bench, { partition: 'bob' });
    const late = bench.client.fetch(url, { partition: 'ann' });
    await bench.client.clear({ partition: 'ann' });
    await bench.clock.advance(100);
    await late;
    await idle(bench);
    expect([...bench.store.entries.keys()]).toEqual([`bob GET ${url}`]);
    bench.store.clear = async () => Promise.reject(new Error('down'));
    const broken = createClient({ fallback: { store: bench.store } });
    await expect(broken.clear()).rejects.toThrow('down');
  },

  'Cookies that the browser adds are not seen': async () => {
    for (const [partition, given] of [
      [undefined, '200 ann'],
      [() => session, '200 bob'],
    ] as const) {
      session = 'ann';
      const answer = () => good(session);
      const bench = storeBench([answer], { maxAgeMs: 60_000, ...(partition === undefined ? {} : { partition }) });
      await call(bench);
      session = 'bob';
      expect(await call(bench)).toBe(given);
    }
  },

  'The deadline header': async () => {
    const told = async (options: ClientOptions, at = url): Promise<string | null | undefined> => {
      const { client, upstream } = clientBench([200], options);
      await client.fetch(at);
      return upstream.requests[0]?.headers.get('x-envoy-expected-rq-timeout-ms');
    };
    expect(await told({})).toBeNull();
    expect(await told({ propagateDeadline: true })).toBe('30000');
    const to = ({ hostname }: URL): boolean => hostname.endsWith('.internal');
    expect(await told({ propagateDeadline: { to } })).toBeNull();
    expect(await told({ propagateDeadline: { to } }, 'https://users.internal/')).toBe('30000');
  },

  '`traceparent`': async () => {
    const sent = async (at: string, options = {}): Promise<boolean | undefined> => {
      const { client, upstream, stop } = otelBench([200], {}, options);
      await client.fetch(at);
      stop();
      return upstream.requests[0]?.headers.has('traceparent');
    };
    expect(await sent('https://elsewhere.test/')).toBe(true);
    expect(await sent('https://elsewhere.test/', { propagateTo: () => false })).toBe(false);
    vi.stubGlobal('location', { origin: 'https://here.test' });
    expect(await sent('https://elsewhere.test/')).toBe(false);
    expect(await sent('https://here.test/')).toBe(true);
  },

  Redirects: async () => {
    const asked: Record<string, unknown>[] = [];
    const target = createServer((request, response) => {
      asked.push(request.headers);
      response.end('ok');
    });
    const first = createServer((_request, response) => {
      const { port } = target.address() as AddressInfo;
      response.writeHead(302, { location: `http://127.0.0.1:${port}/there` }).end();
    });
    try {
      for (const server of [target, first])
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = first.address() as AddressInfo;
      const client = createClient({ propagateDeadline: true });
      const ours = ['x-envoy-expected-rq-timeout-ms', 'traceparent'];
      expect(word(ours.length)).toBe(figure('propagated'));
      const headers = {
        authorization: 'Bearer a',
        cookie: 'a=b',
        traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
      };
      await (await client.fetch(`http://127.0.0.1:${port}/`, { headers })).text();
      expect(asked).toHaveLength(1);
      expect(asked[0]).not.toHaveProperty('authorization');
      expect(asked[0]).not.toHaveProperty('cookie');
      for (const header of ours) expect(asked[0]).toHaveProperty(header);
      expect(Object.keys(client.snapshot().dependencies)).toEqual([`http://127.0.0.1:${port}`]);
    } finally {
      for (const server of [first, target]) {
        server.closeAllConnections();
        server.close();
      }
    }
  },

  Validators: async () => {
    const bench = storeBench([good('one', { etag: '"1"', 'cache-control': 'no-cache' }), { status: 304 }]);
    await call(bench);
    await call(bench);
    await call(bench, {}, 'https://others.test/');
    const sent = bench.upstream.requests.map(({ headers }) => headers.get('if-none-match'));
    expect(sent).toEqual([null, '"1"', null]);
    // Across origins, an answer says that it is of CORS.
    const cors = good('one', { etag: '"1"', 'cache-control': 'no-cache' });
    const across = storeBench([cors]);
    await call(across);
    const [entry] = across.store.entries.values();
    const [variant] = entry?.variants ?? [];
    if (entry !== undefined && variant !== undefined)
      across.store.entries.set(entry.key, { ...entry, variants: [{ ...variant, type: 'cors' }] });
    await call(across);
    expect(across.upstream.requests.map(({ headers }) => headers.get('if-none-match'))).toEqual([null, null]);
  },

  '`isolateBy` by tenant': async () => {
    const tenantOf = (request: Request): string => request.headers.get('x-tenant') ?? 'nobody';
    const script = (request: ScriptedRequest): ScriptStep => (request.headers.get('x-tenant') === 'a' ? 501 : 200);
    const { client } = clientBench([script], { isolateBy: tenantOf });
    const ask = (tenant: string) => client.fetch(url, { headers: { 'x-tenant': tenant } });
    for (let failed = 0; failed < 5; failed += 1) await ask('a');
    expect(await errorOf(ask('a'))).toMatchObject({ code: 'CIRCUIT_OPEN', dependency: 'a' });
    expect((await ask('b')).status).toBe(200);
    // Data are another matter.
    const bench = storeBench(
      [(request) => good(`${request.number}`)],
      { maxAgeMs: 60_000 },
      { isolateBy: () => tenant },
    );
    let tenant = 'a';
    await call(bench);
    tenant = 'b';
    expect(await call(bench)).toBe('200 1');
  },

  'Names that users choose': async () => {
    const bench = otelBench([200], { isolateBy: ({ url: at }) => new URL(at).pathname, maxDependencies: 10 });
    for (let user = 0; user < 50; user += 1) await bench.client.fetch(`https://users.test/${user}`);
    expect(Object.keys(bench.client.snapshot().dependencies)).toHaveLength(10);
    const series = await bench.series('steadfetch.call.duration');
    expect(new Set(series.map(({ attributes }) => attributes['steadfetch.dependency'])).size).toBe(50);
    bench.stop();
  },

  '`/readyz`, `/livez`, `/startupz`': async () => {
    const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
    await client.fetch('https://db.internal/');
    const health = createHealth({ readiness: { users: dependsOn(client) } });
    const ask = async (path: string) => (await health.handler(new Request(`https://x.test${path}`)))?.text();
    expect(await ask('/readyz')).toBe('{"status":"fail"}');
    expect(await ask('/livez')).toBe('{"status":"pass"}');
    expect(await ask('/startupz')).toBe('{"status":"pass"}');
    expect(await ask('/readyz?verbose')).toContain('db.internal');
  },

  '`Server-Timing`': async () => {
    const { client, clock } = clientBench([503, 200]);
    const timing = createServerTiming(client);
    const answer = client.fetch(`${url}?q=1`);
    await clock.advance(1_000);
    expect(timing(await answer)).toBe(
      'upstream;dur=100;desc="network", upstream-attempt-1;dur=0;desc="503", upstream-attempt-2;dur=0;desc="200", upstream-backoff;dur=100',
    );
  },

  '`<steadfetch-devtools>`': () => {
    // What it draws is what events and snapshots say, and those have been looked at: no other door of the client is used.
    const panel = readFileSync('src/devtools/panel.ts', 'utf8') + readFileSync('src/devtools/history.ts', 'utf8');
    const used = new Set(Array.from(panel.matchAll(/\bclient\??\.(\w+)/gi), ([, name]) => name));
    expect([...used].filter((name) => !['snapshot', 'subscribe', 'fetch'].includes(String(name)))).toEqual([]);
    expect(panel).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML/);
    expect(readFileSync('docs/devtools.md', 'utf8')).toContain('## In production');
  },

  'No dependencies.': () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(Object.keys(manifest.peerDependencies).sort()).toEqual(['@opentelemetry/api', 'idb-keyval', 'ky', 'redis']);
    for (const peer of Object.keys(manifest.peerDependencies))
      expect(manifest.peerDependenciesMeta[peer]).toEqual({ optional: true });
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      const code = readFileSync(path, 'utf8');
      for (const [, from = ''] of code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g)) {
        expect(from, path).toMatch(/^\.\.?\//);
        visit(new URL(from, `file:///${path}`).pathname.slice(1));
      }
    };
    visit('dist/index.js');
    expect(seen.size).toBeGreaterThan(1);
  },

  'No install scripts': () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(Object.keys(scripts).filter((name) => hooks.includes(name))).toEqual([]);
    expect(readFileSync('dist/index.js', 'utf8')).not.toMatch(/\beval\(|new Function\(/);
  },

  'Provenance.': () => {
    const workflow = readFileSync('.github/workflows/release.yml', 'utf8');
    expect(workflow).toMatch(/npm publish --provenance\b/);
    expect(workflow).toMatch(/id-token: write/);
    expect(workflow).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
    expect(JSON.parse(readFileSync('package.json', 'utf8')).publishConfig).toMatchObject({ provenance: true });
    const releasing = readFileSync('CONTRIBUTING.md', 'utf8').split('\n## Releasing\n')[1]?.split('\n## ')[0];
    expect(releasing).toMatch(/first version, 0\.1\.0, by hand .*`npm publish --provenance=false`/);
    expect(releasing?.match(/npm publish/g)).toHaveLength(1);
    // By hand only once: what comes first is the one that both pages name.
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    if (version === '0.0.0')
      expect(readFileSync('.changeset/first-release.md', 'utf8')).toMatch(/^'steadfetch': minor$/m);
    else expect(readFileSync('CHANGELOG.md', 'utf8')).toMatch(/^## 0\.1\.0$/m);
  },

  'A stored entry holds the URL it came from': async () => {
    const answer = Object.defineProperty(new Response('one'), 'url', { value: secretUrl });
    const store = openStore();
    const clock = new FakeClock();
    const client = createClient({ clock, fetch: async () => answer, fallback: { store } });
    await client.fetch(secretUrl);
    await clock.advance(0);
    const [[key = '', entry] = []] = store.entries;
    expect(key).not.toContain(SECRET);
    expect(entry?.variants[0]?.url).toBe(secretUrl);
    store.entries.clear();
    await client.fetch(secretUrl, { fallback: false });
    await clock.advance(0);
    expect(store.entries.size).toBe(0);
  },

  'Secrets in a path': async () => {
    const bench = storeBench([good('one')]);
    await call(bench, {}, 'https://users.test/reset/abc');
    expect([...bench.store.entries.keys()]).toEqual(['public GET https://users.test/reset/abc']);
    const keyed = storeBench([good('one')], { key: () => 'mine' });
    await call(keyed, {}, 'https://users.test/reset/abc');
    expect([...keyed.store.entries.keys()]).toEqual(['public GET mine']);
  },

  'A fingerprint is a SHA-256 without salt.': async () => {
    const bench = storeBench([good('one')]);
    await call(bench, { headers: { 'x-user-id': '7' } });
    const guess = new TextEncoder().encode(JSON.stringify([['x-user-id', '7']]));
    const hex = Buffer.from(await crypto.subtle.digest('SHA-256', guess)).toString('hex');
    expect([...bench.store.entries.keys()]).toEqual([`@${hex} GET ${url}`]);
  },

  'A header of your own design': async () => {
    const bench = storeBench([good('one', { 'x-session': SECRET })]);
    await call(bench);
    expect(written([...bench.store.entries.values()][0] as StoreEntry)).toContain(SECRET);
    const marked = storeBench([good('one', { 'x-session': SECRET, 'cache-control': 'no-store' })]);
    await call(marked);
    expect(marked.store.entries.size).toBe(0);
  },

  '`redisStore` and its `prefix`': async () => {
    const server = new Map<string, string>();
    const redis = {
      get: async (key: string) => server.get(key) ?? null,
      set: async (key: string, value: string) => void server.set(key, value),
      unlink: async (key: string) => void server.delete(key),
      scan: async () => ({ cursor: '0', keys: [...server.keys()] }),
    };
    const clock = new FakeClock();
    const serviceWith = (prefix: string, body: string): Bench => {
      const store = redisStore({ client: redis, partition: 'public', prefix, clock });
      return fallbackBench([good(body)], { store, maxAgeMs: 60_000 }, { clock });
    };
    const [one, other, apart] = [serviceWith('a', 'one'), serviceWith('a', 'other'), serviceWith('b', 'apart')];
    for (let turns = 0; turns < 3; turns += 1) await call(one);
    await clock.advance(10);
    expect(await call(other)).toBe('200 one');
    expect(await call(apart)).toBe('200 apart');
    const inText = [...server.values()].map((value) => Buffer.from(value, 'base64').toString());
    expect(inText).toEqual([expect.stringContaining('one'), expect.stringContaining('apart')]);
  },

  'Half of a surrogate pair in a dependency': async () => {
    const { client } = clientBench([200], { isolateBy: ({ url: at }) => (at.endsWith('1') ? '\ud800' : '\ud801') });
    await client.fetch('https://a.test/1');
    await client.fetch('https://a.test/2');
    const names = Object.keys(client.snapshot().dependencies);
    expect(names).toEqual(['\ud800', '\ud801']);
    expect(word(names.length)).toBe(figure('alike'));
    expect(new Set(names.map((name) => Buffer.from(name).toString('hex'))).size).toBe(1);
  },
};

let session = 'ann';

/** What the table says of each who sends something, in its order. */
const senders: Readonly<Record<string, Drive>> = {
  'a `Retry-After` of any length': async () => {
    for (const asks of ['99999', '9'.repeat(400), 'Fri, 31 Dec 9999 23:59:59 GMT']) {
      const answer = { status: 503, headers: { 'retry-after': asks } };
      const { client, clock, upstream } = clientBench([answer], { breaker: { failureThreshold: 1 } });
      const first = watch(client.fetch(url));
      await clock.advance(0);
      expect(first.state).toBe('resolved');
      expect(upstream.calls).toBe(1);
      expect(stateOf(client)?.retryAfterMs).toBe(120_000);
    }
    const patient = clientBench([{ status: 503, headers: { 'retry-after': '30' } }], { deadlineMs: 60_000 });
    const waiting = watch(patient.client.fetch(url, { retry: { maxAttempts: 2 } }));
    await patient.clock.advance(29_999);
    expect(waiting.state).toBe('pending');
    await patient.clock.advance(1);
    expect(waiting.state).toBe('resolved');
  },

  'any `Cache-Control`, `Expires`, `Age`': async () => {
    // To the second it is 2 ** 31 of them, some days more than the years of the page.
    const servedMs = msOf(figure('served'));
    expect(Math.floor((2 ** 31 * 1_000) / msOf('one year'))).toBe(servedMs / msOf('one year'));
    const bench = storeBench([good('one', { 'cache-control': `max-age=${'9'.repeat(300)}` }), good('two')]);
    await call(bench);
    bench.clock.jump(servedMs);
    expect(await call(bench)).toBe('200 one');
    bench.clock.jump(2 ** 31 * 1_000 - servedMs + 1_000);
    expect(await call(bench)).toBe('200 two');
    for (const [name, value] of [
      ['cache-control', 'max-age=-1'],
      ['cache-control', 'max-age="soon'],
      ['cache-control', '=,;"\\'],
      ['expires', 'tomorrow'],
      ['age', '-5, x'],
      ['cache-control', `max-age=${figure('garbage')}`],
    ] as const) {
      const garbage = storeBench([good('one', { [name]: value }), good('two')]);
      expect(await call(garbage)).toBe('200 one');
      expect(await call(garbage), `${name}: ${value}`).toBe('200 two');
    }
    // As long as servers can make them, and longer; a time that grew with the square of it would be minutes.
    for (const unit of ['a=', 'a="', 'a="\\', 'a   ', '"', ',', 'max-age=']) {
      const header = unit.repeat(200_000 / unit.length);
      const startedAt = performance.now();
      const long = storeBench([good('one', { 'cache-control': header, 'cache-status': header })]);
      await call(long);
      expect(performance.now() - startedAt, unit).toBeLessThan(2_000);
    }
  },

  'a `Cache-Status` that says `degraded`': async () => {
    const says = (reason: string): Response =>
      new Response('', { headers: { 'cache-status': `steadfetch; hit; detail="degraded: ${reason}"` } });
    expect(degradation(says('<script>'))).toMatchObject({ reason: '<script>' });
    const longest = numberOf(figure('reason'));
    expect(degradation(says('x'.repeat(longest)))?.reason).toHaveLength(longest);
    expect(degradation(says('x'.repeat(longest + 1)))).toBeUndefined();
    expect(degradation(says('a\\"b'))).toBeUndefined();
    const bench = otelBench([says('<script>')]);
    await bench.client.fetch(url);
    const attributes = bench.spans().map((span) => span.attributes);
    expect(attributes).toContainEqual(expect.objectContaining({ 'steadfetch.degraded.reason': 'other' }));
    expect(JSON.stringify(attributes)).not.toContain('<script>');
    bench.stop();
  },

  'an endless or giant body': async () => {
    let pulled = 0;
    const endless = (): Response =>
      new Response(
        new ReadableStream({
          pull(controller) {
            pulled += 1;
            controller.enqueue(new Uint8Array(65_536));
          },
        }),
      );
    const store = openStore();
    const clock = new FakeClock();
    const client = createClient({ clock, fetch: async () => endless(), fallback: { store, maxBodyBytes: 262_144 } });
    const { body } = await client.fetch(url);
    const reader = body?.getReader();
    for (let chunk = 0; chunk < 100; chunk += 1) await reader?.read();
    // No further ahead of its reader than what may be stored.
    expect(pulled).toBeLessThan(110);
    await reader?.cancel();
    await clock.advance(0);
    expect(store.entries.size).toBe(0);
    // json reads until its time is up.
    const bench = clientBench(['hang'], { retry: false });
    const slow = createClient({
      clock: bench.clock,
      retry: false,
      fetch: async () => new Response(new ReadableStream()),
    });
    const reading = watch(slow.json(url));
    await bench.clock.advance(10_000);
    expect(reading).toMatchObject({ state: 'rejected', error: { code: 'ATTEMPT_TIMEOUT' } });
    const big = clientBench([{ body: JSON.stringify('x'.repeat(2_000_000)) }], { fallback: { store } });
    expect((await big.client.json<string>(url)).value).toHaveLength(2_000_000);
    expect(store.entries.size).toBe(0);
  },

  'a `Vary` with many names, or many values': async () => {
    const bench = storeBench([good('one', { vary: 'accept-language' })]);
    for (let index = 0; index < 20; index += 1) await call(bench, { headers: { 'accept-language': `x-${index}` } });
    expect([...bench.store.entries.values()].map(({ variants }) => variants.length)).toEqual([
      numberOf(figure('variants')),
    ]);
  },

  'URLs with many hosts, where users choose URLs': async () => {
    const { client, upstream } = clientBench([501], { maxDependencies: 20, breaker: { failureThreshold: 1 } });
    for (let host = 0; host < 100; host += 1) await client.fetch(`https://h${host}.test/`);
    expect(Object.keys(client.snapshot().dependencies)).toHaveLength(20);
    // Those that are known are defended, and those that are not have all layers, too.
    expect(await errorOf(client.fetch('https://h0.test/'))).toMatchObject({ code: 'CIRCUIT_OPEN' });
    expect(upstream.calls).toBe(100);
  },

  'names such as `__proto__`': async () => {
    const { client } = clientBench([501], { isolateBy: () => '__proto__', breaker: { failureThreshold: 1 } });
    await client.fetch(url);
    const snapshot = client.snapshot();
    expect(Object.keys(snapshot.dependencies)).toEqual(['__proto__']);
    createClient({ restore: JSON.parse(JSON.stringify(snapshot)) }).snapshot();
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Reflect.get({}, 'breaker')).toBeUndefined();
  },

  'an incoming deadline header': async () => {
    const clock = new FakeClock();
    const of = (header: string) =>
      incomingDeadline(new Request(url, { headers: { 'x-envoy-expected-rq-timeout-ms': header } }), {
        maxMs: 5_000,
        clock,
      });
    for (const header of ['', 'soon', '-1', '1e9', '9'.repeat(400), '0x10', 'NaN'])
      expect(of(header).remainingMs(), header).toBe(5_000);
    expect(of('100').remainingMs()).toBe(100);
    const { client, upstream } = clientBench([200]);
    expect(await errorOf(client.fetch(url, { deadline: of('0') }))).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(upstream.calls).toBe(0);
    expect(stateOf(client)?.consecutiveFailures).toBe(0);
  },

  'a probe of `/readyz`, as often as it likes': async () => {
    let runs = 0;
    let isWell = true;
    const clock = new FakeClock();
    const health = createHealth({
      readiness: {
        own() {
          runs += 1;
          return isWell;
        },
      },
      clock,
    });
    const probed = async () => (await health.handler(new Request('https://x.test/readyz')))?.status;
    for (let probe = 0; probe < 100; probe += 1) expect(await probed()).toBe(numberOf(figure('ready')));
    expect(runs).toBe(1);
    await clock.advance(1_000);
    isWell = false;
    expect(await probed()).toBe(numberOf(figure('unready')));
    expect(runs).toBe(2);
  },

  'a snapshot for `restore`': async () => {
    const { client } = clientBench([501], { breaker: { failureThreshold: 1 } });
    await client.fetch(url);
    const restored = (change: object) => {
      const snapshot = JSON.parse(JSON.stringify(client.snapshot()));
      Object.assign(snapshot.dependencies[origin].breaker, change);
      return clientBench([200], { restore: snapshot as ClientSnapshot });
    };
    expect(stateOf(restored({ retryAfterMs: 1e15 }).client)?.retryAfterMs).toBe(144_000);
    const held = restored({ retryAfterMs: null });
    await held.clock.advance(86_400_000);
    expect(await errorOf(held.client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: Infinity });
    const isolated = new CircuitBreaker();
    isolated.isolate();
    expect(isolated.snapshot()).toMatchObject({ state: 'open', retryAfterMs: null });
    for (const change of [{ retryAfterMs: -1 }, { retryAfterMs: 'x' }, { state: 'x' }, { failedProbes: NaN }])
      expect(() => restored(change)).toThrow(/^restore\.dependencies/);
  },

  'messages in the fleet’s channel, records in its engine': async () => {
    const clock = new FakeClock();
    const memory = new EngineMemory(clock);
    const events: SteadEvent[] = [];
    const client = createClient({
      clock,
      random: () => 0,
      fetch: async () => new Response('ok'),
      breaker: { fleet: new EngineFleet(memoryEngine(memory)) },
    });
    client.subscribe((event) => events.push(event));
    await client.fetch(url);
    await clock.advance(10);
    const open = { run: 1, epoch: 2, state: 'open', retryAfterMs: 1_000, trips: 0 };
    for (const garbage of [
      null,
      7,
      'x',
      {},
      [],
      { ...open, state: 'x' },
      { ...open, retryAfterMs: -1 },
      { ...open, epoch: 'x' },
    ])
      memory.publish(origin, garbage);
    await clock.advance(10);
    expect(stateOf(client)?.state).toBe('closed');
    expect((await client.fetch(url)).status).toBe(200);
    memory.keep(origin, { ...memory.record(origin), run: clock.epochNow(), epoch: 2, state: 'open', retryAt: 1e15 });
    await clock.advance(10);
    const held = stateOf(client);
    expect(held?.state).toBe('open');
    expect(held?.retryAfterMs).toBeGreaterThan(120_000);
    expect(held?.retryAfterMs).toBeLessThanOrEqual(144_000);
  },

  'entries in the store': async () => {
    const key = `public GET ${url}`;
    const [stored] = entryOf(key, 'forged').variants;
    if (stored === undefined) throw new Error('An entry has a variant');
    const own = {
      key,
      variants: [
        {
          ...stored,
          headers: [
            ['set-cookie', 'sid=forged'],
            ['x-a', 'b'],
          ],
        },
      ],
      expiresAt: 9e15,
    };
    for (const [kept, given] of [
      [own, '200 forged'],
      [{ ...own, key: 'public GET https://others.test/' }, '200 one'],
      [{ ...own, variants: [{ ...stored, status: 500 }] }, '200 one'],
      [{ ...own, variants: [{ ...stored, bodyBytes: 1 }] }, '200 one'],
      [{ ...own, variants: [] }, '200 one'],
      ['garbage', '200 one'],
    ] as const) {
      const bench = storeBench([good('one')], { maxAgeMs: Infinity });
      bench.store.entries.set(key, kept as unknown as StoreEntry);
      const response = await bench.client.fetch(url);
      expect(`${response.status} ${await response.text()}`).toBe(given);
      expect(response.headers.has('set-cookie')).toBe(false);
    }
  },
};

const led = Array.from(page.matchAll(/^- \*\*(.+?)\*\*/gm), ([, words = '']) => words);

test('each point of the page is driven, and nothing else', () => {
  // What follows an apostrophe is said in other words.
  expect(led.map((words) => words.replace(/’s.*|'s.*/, ''))).toEqual(Object.keys(points));
  const rows = tableOf(PAGE, 'What others can send').rows.map(([who = '']) => who.replaceAll("'", '’'));
  expect(rows).toEqual(Object.keys(senders));
});

describe('it is so, as the page says', () => {
  test.for(Object.entries(points))('%s', async ([, drive]) => drive());
});

describe('others can do no more than the page says', () => {
  test.for(Object.entries(senders))('%s', async ([, drive]) => drive());
});

describe('what is kept, and where', () => {
  test('nothing is kept of answers without a store', async () => {
    const { client } = clientBench([200, down], { fallback: { respond: () => undefined }, retry: false });
    await client.fetch(url);
    expect(await errorOf(client.fetch(url))).toBeInstanceOf(TypeError);
  });

  test('an answer is kept for as many years as the page says', async () => {
    const bench = storeBench([good('one')], { staleIfErrorMs: Infinity });
    await call(bench);
    const [entry] = bench.store.entries.values();
    expect((entry?.expiresAt ?? 0) - bench.clock.epochNow()).toBe(msOf(figure('kept')));
  });

  test('stores that look at no clock, as the page names them, keep what is of no use any more', async () => {
    const [, names = ''] = /; in ([^;|]*), which look at no clock, until others need the room or/.exec(page) ?? [];
    vi.stubGlobal('indexedDB', new fake.IDBFactory());
    vi.stubGlobal('IDBKeyRange', fake.IDBKeyRange);
    for (const store of [memoryStore(), idbStore({ partition: 'public' })]) {
      const entry = entryOf('public GET https://users.test/', 'body', { expiresAt: 0 });
      await store.set(entry.key, entry);
      expect(await store.get(entry.key)).toBeDefined();
      await store.clear();
      expect(await store.get(entry.key)).toBeUndefined();
    }
    expect(names).toBe('`memoryStore()` and `idbStore()`');
  });

  test('as many credentials are remembered as the page says, and no more', async () => {
    const most = numberOf(figure('credentials'));
    const digest = vi.spyOn(crypto.subtle, 'digest');
    const bench = storeBench([good('one')]);
    const as = (user: number) => call(bench, { headers: { authorization: `user ${user}` } });
    for (let user = 0; user < most; user += 1) await as(user);
    await as(0);
    expect(digest).toHaveBeenCalledTimes(most);
    await as(most);
    await as(1);
    expect(digest).toHaveBeenCalledTimes(most + 2);
    digest.mockRestore();
  });

  test('what a fleet tells is kept by Redis as long as the page says', async () => {
    const redis = notingRedis();
    const fleet = redisFleet({ client: redis });
    const { client, clock } = clientBench([200], { breaker: { fleet } });
    await client.fetch(url);
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
    // What the script makes of it: test/redis/rules.node.test.ts.
    expect(redis.asked.map(({ args }) => Number(args[6]))).toEqual([msOf(figure('redis'))]);
  });

  test('what a fleet tells is kept by a Durable Object as long as the page says', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const alarms: number[] = [];
    const storage = {
      get: async () => undefined,
      put: async () => {},
      deleteAll: async () => {},
      setAlarm: async (at: number) => void alarms.push(at),
    };
    const object = new CircuitObject({ storage }, {});
    const report = { kind: 'down', retryAfterMs: 1_000 };
    const body = JSON.stringify({ ask: 'report', by: 'a', quorum: 1, report });
    await object.fetch(new Request('https://object.test/', { method: 'POST', body }));
    expect(alarms.map((at) => at - Date.now())).toEqual([msOf(figure('told'))]);
  });
});

test('SECURITY.md names the page, and the page names it', () => {
  expect(readFileSync('SECURITY.md', 'utf8')).toContain('docs/security.md#known-limits');
  expect(page).toContain('](../SECURITY.md)');
});

test('no figure stands on the page that no test goes by', () => {
  const held = Object.values(FIGURES).flatMap((pattern) => numbersIn(pattern.exec(page)?.[1] ?? ''));
  expect(numbersIn(page).sort()).toEqual(held.sort());
});
