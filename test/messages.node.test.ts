import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { cacheApiStore, durableFleet, kvStore } from '../src/adapters/cloudflare.ts';
import { extendKy } from '../src/adapters/ky.ts';
import { redisFleet, redisStore } from '../src/adapters/redis.ts';
import { SteadfetchDevtools } from '../src/devtools/index.ts';
import { tabFleet } from '../src/fleet/tabs.ts';
import { createHealth, dependsOn } from '../src/health/index.ts';
import * as library from '../src/index.ts';
import { instrument } from '../src/otel/index.ts';
import { createServerTiming } from '../src/server-timing.ts';
import { idbStore } from '../src/stores/idb.ts';
import { chaosFetch, FakeClock, scriptedFetch } from '../src/testing/index.ts';

const { createClient } = library;
const url = 'https://users.test/u/1';
const ok = async (): Promise<Response> => new Response('{}');
const client = createClient({ fetch: ok });
const store = library.memoryStore();

// JavaScript may call anything with anything.
// biome-ignore lint/suspicious/noExplicitAny: that is what this is about
type Anything = any;

/** Errors that imitate the platform's, on purpose: whoever sees them is to take them for its own. */
const IMITATIONS: readonly string[] = ['Failed to fetch', 'terminated', 'The operation timed out.'];

/** What else may begin a message, with the reason. */
const OTHERS: readonly RegExp[] = [
  // Reasons for aborting something of the user's, which say what has ended it.
  /^The check "\$\{name\}" took longer than \$\{timeoutMs\} ms$/,
  /^The deadline of the request was over when it came$/,
  /^Another request was answered first$/,
  /^client is instrumented already: stop that first$/,
  /^The client of <steadfetch-devtools> must be /,
];

test('Each error in the source says what can not be done, or what an option must be and what it was', () => {
  const messages: (readonly [path: string, message: string])[] = [];
  for (const path of globSync('src/**/*.ts')) {
    const source = readFileSync(path, 'utf8').replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
    const made = /\b(?:new (?:(?:Type|Range|Syntax)?Error|DOMException)|super)\(\s*(['`])((?:\\.|(?!\1).)*)\1/gs;
    const written = Array.from(source.matchAll(made), ([, , message = '']) => message);
    messages.push(...written.map((message) => [path, message] as const));
    // Whatever is handed to an error but a text would go unseen here.
    const all = source.match(/\bnew (?:(?:Type|Range|Syntax)?Error|DOMException)\(/g)?.length ?? 0;
    const constructed = written.length - (source.match(/\bsuper\(\s*['`]/g)?.length ?? 0);
    const elsewhere = source.match(/new RangeError\(spanError\(/g)?.length ?? 0;
    expect(constructed + elsewhere, path).toBe(all);
  }
  expect(messages.length).toBeGreaterThan(60);
  const lacking = messages.filter(
    ([, message]) =>
      !IMITATIONS.includes(message) &&
      !OTHERS.some((other) => other.test(message)) &&
      !/^Cannot \w+ .{3,}/.test(message) &&
      !/^\S+ must (?:be|have|return|not be) .{3,}(?:, got \S|: \S)/.test(message) &&
      !/^\S+ is not an option; there are /.test(message),
  );
  expect(lacking).toEqual([]);
});

test('No error in the source shows what may be secret', () => {
  for (const path of globSync('src/**/*.ts')) {
    const source = readFileSync(path, 'utf8');
    for (const [, , message = ''] of source.matchAll(/\bnew \w*Error\(\s*(['`])((?:\\.|(?!\1).)*)\1/gs)) {
      expect(message, path).not.toMatch(/\$\{[^}]*\b(?:url|href|body|headers?(?!\))\.|credentials|cookie|text)\b/);
    }
  }
});

/** What takes a value, by the name that its messages give that value; it may give a promise. */
const takers: Readonly<Record<string, (value: Anything) => unknown>> = {
  createClient: (value) => createClient(value),
  'createClient({ name })': (value) => createClient({ name: value }),
  'createClient({ deadlineMs })': (value) => createClient({ deadlineMs: value }),
  'createClient({ bulkhead })': (value) => createClient({ bulkhead: value }),
  'createClient({ breaker })': (value) => createClient({ breaker: value }),
  'createClient({ retry })': (value) => createClient({ retry: value }),
  'createClient({ hedge })': (value) => createClient({ hedge: value }),
  'createClient({ attemptTimeoutMs })': (value) => createClient({ attemptTimeoutMs: value }),
  'createClient({ fallback })': (value) => createClient({ fallback: value }),
  'createClient({ isolateBy })': (value) => createClient({ isolateBy: value }),
  'createClient({ maxDependencies })': (value) => createClient({ maxDependencies: value }),
  'createClient({ propagateDeadline })': (value) => createClient({ propagateDeadline: value }),
  'createClient({ fetch })': (value) => createClient({ fetch: value }),
  'createClient({ restore })': (value) => createClient({ restore: value }),
  'createClient({ clock })': (value) => createClient({ clock: value }),
  'createClient({ random })': (value) => createClient({ random: value }),
  'bulkhead.maxConcurrent': (value) => new library.Bulkhead({ maxConcurrent: value }),
  'bulkhead.maxQueued': (value) => new library.Bulkhead({ maxQueued: value }),
  'bulkhead.queueTimeoutMs': (value) => new library.Bulkhead({ queueTimeoutMs: value }),
  'bulkhead.slot': (value) => new library.Bulkhead({ slot: value }),
  'breaker.failureThreshold': (value) => new library.CircuitBreaker({ failureThreshold: value }),
  'breaker.resetTimeoutMs': (value) => new library.CircuitBreaker({ resetTimeoutMs: value }),
  'breaker.window': (value) => new library.CircuitBreaker({ window: value }),
  'breaker.counts': (value) => new library.CircuitBreaker({ counts: value }),
  'breaker.classify': (value) => new library.CircuitBreaker({ classify: value }),
  'breaker.fleet': (value) => createClient({ breaker: { fleet: value } }),
  'retry.maxAttempts': (value) => library.retry({ maxAttempts: value }),
  'retry.jitter': (value) => library.retry({ jitter: value }),
  'retry.budget': (value) => library.retry({ budget: value }),
  'retry.methods': (value) => createClient({ retry: { methods: value } }),
  'retry.statusCodes': (value) => createClient({ retry: { statusCodes: value } }),
  'retry.shouldRetry': (value) => createClient({ retry: { shouldRetry: value } }),
  'fallback.store': (value) => createClient({ fallback: { store: value, coalesce: true } }),
  'fallback.key': (value) => createClient({ fallback: { store, key: value } }),
  'fallback.partition': (value) => createClient({ fallback: { store, partition: value } }),
  'fallback.maxBodyBytes': (value) => createClient({ fallback: { store, maxBodyBytes: value } }),
  'fallback.coalesce': (value) => createClient({ fallback: { store, coalesce: value } }),
  'fallback.respond': (value) => createClient({ fallback: { store, respond: value } }),
  'client.fetch': (value) => client.fetch(value),
  'client.json': (value) => client.json(value),
  'init.deadlineMs': (value) => client.fetch(url, { deadlineMs: value }),
  'init.deadline': (value) => client.fetch(url, { deadline: value }),
  'init.retry': (value) => client.fetch(url, { retry: value }),
  'init.hedge': (value) => client.fetch(url, { hedge: value }),
  'init.idempotent': (value) => client.fetch(url, { idempotent: value }),
  'init.fallback': (value) => client.fetch(url, { fallback: value }),
  'init.waitUntil': (value) => client.fetch(url, { waitUntil: value }),
  'init.partition': (value) => client.fetch(url, { partition: value }),
  'a Response of fetch': (value) =>
    createClient({ fetch: async () => value, retry: false })
      .json(url)
      .catch(notHttp),
  'a name of isolateBy': (value) => createClient({ fetch: ok, isolateBy: () => value }).fetch(url),
  'a word of classify': (value) =>
    createClient({ fetch: ok, retry: false, breaker: { classify: () => value } }).fetch(url),
  'client.subscribe': (value) => client.subscribe(value),
  'client.clear': (value) => client.clear(value),
  'client.clear({ partition })': (value) => client.clear({ partition: value }),
  'client.close': (value) => createClient().close(value),
  'client.close({ drainMs })': (value) => createClient().close({ drainMs: value }),
  compose: (value) => library.compose(value),
  'compose().execute': (value) => library.compose().execute(value),
  'CircuitBreaker.execute': (value) => new library.CircuitBreaker().execute(value),
  'Bulkhead.execute': (value) => new library.Bulkhead().execute(value),
  'retry().execute': (value) => library.retry().execute(value),
  'withDeadline().execute': (value) => library.withDeadline(Infinity).execute(value),
  'withTimeout().execute': (value) => library.withTimeout(Infinity).execute(value),
  'withFallback().execute': (value) => library.withFallback(() => 1).execute(value),
  'withFallback().result': (value) => library.withFallback(() => 1).result(value),
  'execute({ signal })': (value) => new library.CircuitBreaker().execute(() => 1, { signal: value }),
  'result({ signal })': (value) => library.withFallback(() => 1).result(() => 1, { signal: value }),
  CircuitBreaker: (value) => new library.CircuitBreaker(value),
  'CircuitBreaker.subscribe': (value) => new library.CircuitBreaker().subscribe(value),
  'CircuitBreaker.restore': (value) => new library.CircuitBreaker().restore(value),
  Bulkhead: (value) => new library.Bulkhead(value),
  RetryBudget: (value) => new library.RetryBudget(value),
  'RetryBudget.restore': (value) => new library.RetryBudget().restore(value),
  retry: (value) => library.retry(value),
  withDeadline: (value) => library.withDeadline(value),
  'withDeadline, tools': (value) => library.withDeadline(1, value),
  withTimeout: (value) => library.withTimeout(value),
  'withTimeout, tools': (value) => library.withTimeout(1, value),
  withFallback: (value) => library.withFallback(value),
  'withFallback, options': (value) => library.withFallback(() => 1, value),
  incomingDeadline: (value) => library.incomingDeadline(value),
  'incomingDeadline, headers': (value) => library.incomingDeadline({ headers: value }),
  'incomingDeadline, options': (value) => library.incomingDeadline(new Request(url), value),
  degradation: (value) => library.degradation(value),
  degradationStore: (value) => library.degradationStore(value),
  'degradationStore().subscribe': (value) => library.degradationStore(client).subscribe(value)(),
  bulkheadSize: (value) => library.bulkheadSize(value),
  'bulkheadSize({ latencyMs })': (value) => library.bulkheadSize({ requestsPerSecond: 1, latencyMs: value }),
  memoryStore: (value) => library.memoryStore(value),
  'memoryStore({ maxBytes })': (value) => library.memoryStore({ maxBytes: value }),
  kvStore: (value) => kvStore(value),
  'kvStore({ namespace })': (value) => kvStore({ namespace: value, partition: 'public' }),
  'kvStore({ partition })': (value) => kvStore({ namespace: () => expect.unreachable(), partition: value }),
  'kvStore({ prefix })': (value) =>
    kvStore({ namespace: () => expect.unreachable(), partition: 'public', prefix: value }),
  cacheApiStore: (value) => cacheApiStore(value),
  'cacheApiStore({ cache })': (value) => cacheApiStore({ cache: value }),
  durableFleet: (value) => durableFleet(value),
  'durableFleet({ namespace })': (value) => durableFleet({ namespace: value, waitUntil() {} }),
  'durableFleet({ waitUntil })': (value) => durableFleet({ namespace: () => expect.unreachable(), waitUntil: value }),
  redisStore: (value) => redisStore(value),
  'redisStore({ client })': (value) => redisStore({ client: value, partition: 'public' }),
  redisFleet: (value) => redisFleet(value),
  'redisFleet({ client })': (value) => redisFleet({ client: value }),
  tabFleet: (value) => tabFleet(value).close(),
  'tabFleet({ name })': (value) => tabFleet({ name: value }).close(),
  'tabFleet({ quorum })': (value) => tabFleet({ quorum: value }).close(),
  idbStore: (value) => idbStore(value),
  'idbStore({ partition })': (value) => idbStore({ partition: value }),
  'idbStore({ name })': (value) => idbStore({ partition: 'public', name: value }),
  createHealth: (value) => createHealth(value),
  'createHealth({ liveness })': (value) => createHealth({ liveness: value }),
  'createHealth({ readiness: { db } })': (value) => createHealth({ readiness: { db: value } }),
  'createHealth({ startup: { db: { run } } })': (value) => createHealth({ startup: { db: { run: value } } }),
  dependsOn: (value) => dependsOn(value),
  'dependsOn, options': (value) => dependsOn(client, value),
  'dependsOn({ dependencies })': (value) => dependsOn(client, { dependencies: value }),
  instrument: (value) => instrument(value)(),
  'instrument, options': (value) => instrument(createClient(), value)(),
  'instrument({ meter })': (value) => instrument(createClient(), { meter: value })(),
  'instrument({ recordQuery })': (value) => instrument(createClient(), { recordQuery: value })(),
  'instrument({ propagateTo })': (value) => instrument(createClient(), { propagateTo: value })(),
  createServerTiming: (value) => createServerTiming(value),
  'createServerTiming, options': (value) => createServerTiming(client, value),
  'createServerTiming({ name })': (value) => createServerTiming(client, { name: value }),
  'extendKy, ky': (value) => extendKy(value, client),
  'extendKy, client': (value) => extendKy({ extend() {} } as Anything, value),
  chaosFetch: (value) => chaosFetch(value),
  'chaosFetch, options': (value) => chaosFetch(ok, value),
  'chaosFetch({ errorRate })': (value) => chaosFetch(ok, { errorRate: value }),
  'chaosFetch({ latencyMs })': (value) => chaosFetch(ok, { latencyMs: value }),
  'chaosFetch({ clock })': (value) => chaosFetch(ok, { clock: value }),
  FakeClock: (value) => new FakeClock(value),
  'FakeClock({ now })': (value) => new FakeClock({ now: value }),
  'FakeClock.advance': (value) => new FakeClock().advance(value),
  'FakeClock.jump': (value) => new FakeClock().jump(value),
  scriptedFetch: (value) => scriptedFetch(value),
  'scriptedFetch, a step': (value) => scriptedFetch([value]),
  'scriptedFetch, what a step gives': (value) => scriptedFetch([() => value])(url),
  'scriptedFetch, options': (value) => scriptedFetch([200], value),
};

/** What imitates a Response is taken for one, and its status for what it is. */
function notHttp(error: unknown): void {
  if (!(error instanceof library.HttpError)) throw error;
}

/** What a taker makes of a value: the error, or `undefined` if the value will do. */
async function refusalOf(take: (value: Anything) => unknown, value: unknown): Promise<unknown> {
  try {
    await take(value);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** One that names a value, says what it must be, and shows it. */
const SAYS_IT = /^\S+ must (?:be|have|return) .+, got (.+)$/;

// A number that no option takes, and what is of no use to anybody.
const useless = [null, Symbol('mine'), 12n] as const;

test.for(Object.keys(takers))(
  '%s refuses what is of no use: it says which value, and what it must be',
  async (name) => {
    const take = takers[name] ?? expect.unreachable();
    for (const value of useless) {
      const error = await refusalOf(take, value);
      expect(error).toBeInstanceOf(TypeError);
      const shown = SAYS_IT.exec((error as TypeError).message)?.[1];
      // Some ask for a part of it first.
      expect([String(value), '12n', 'undefined'], String(error)).toContain(shown);
    }
  },
);

const whatever = [
  { what: 'nothing', value: undefined },
  { what: 'a text', value: 'text' },
  { what: 'an empty text', value: '' },
  { what: 'zero', value: 0 },
  { what: 'a number below zero', value: -1 },
  { what: 'a half', value: 0.5 },
  { what: 'NaN', value: Number.NaN },
  { what: 'Infinity', value: Infinity },
  { what: 'yes', value: true },
  { what: 'no', value: false },
  { what: 'an empty array', value: [] },
  { what: 'an array of nothing', value: [undefined, null] },
  { what: 'an empty object', value: {} },
  { what: 'an object of names that nobody knows', value: { nobody: 1 } },
  { what: 'an object without a prototype', value: Object.create(null) },
  { what: 'a Map', value: new Map() },
  { what: 'a promise', value: Promise.resolve(1) },
  { what: 'a date', value: new Date(0) },
  { what: 'an error', value: new Error('secret') },
  { what: 'a URL with a password', value: 'redis://ann:secret@cache.test/?token=secret' },
];

test.for(whatever)('Nobody fails on $what: it will do, or is refused in words of ours', async ({ value }) => {
  for (const [name, take] of Object.entries(takers)) {
    // What is a URL is for the platform to say, in words of its own.
    if (/^client\.(?:fetch|json)$/.test(name) && (typeof value === 'object' || typeof value === 'string')) continue;
    const error = await refusalOf(take, value);
    // What a script gives to reject with is rejected with.
    if (error === undefined || error === value) continue;
    expect(error instanceof TypeError || error instanceof RangeError, `${name}: ${error}`).toBe(true);
    const { message } = error as Error;
    expect(message, name).toMatch(/^\S+ (?:must (?:be|have|return) .{3,}, got \S|is not an option; there are \S)/);
    expect(message).not.toContain('secret');
  }
});

function mocked(answer: unknown): library.Client {
  return createClient({ fetch: async () => answer as Response, retry: false });
}

const examples: readonly (readonly [wrong: () => unknown, error: Error])[] = [
  [() => createClient(null as Anything), new TypeError('options must be an object, got null')],
  [() => createClient('x' as Anything), new TypeError('options must be an object, got "x"')],
  [() => createClient({ retry: 3 as Anything }), new TypeError('retry must be an object or false, got 3')],
  // What the policies take in place of their options is what a client takes the options of.
  [
    () => createClient({ retry: { budget: new library.RetryBudget() as Anything } }),
    new TypeError('retry.budget must be plain options, got an object with withdraw()'),
  ],
  [
    () => createClient({ retry: library.retry() as Anything }),
    new TypeError('retry must be plain options, got an object with execute()'),
  ],
  [
    () => createClient({ bulkhead: new library.Bulkhead() }),
    new TypeError('bulkhead must be plain options, got an object with execute()'),
  ],
  [
    () => new library.CircuitBreaker(new library.CircuitBreaker() as Anything),
    new TypeError('breaker must be plain options, got an object with execute()'),
  ],
  [
    () => createClient({ deadlineMs: 0 }),
    new RangeError('deadlineMs must be a number above 0, Infinity or false, got 0'),
  ],
  // What a test of somebody's gives in place of a Response.
  [
    () => mocked({ ok: true, status: 200 }).fetch('http://a.test'),
    new TypeError('fetch must return a Response, got an object without arrayBuffer()'),
  ],
  [
    () => mocked({ ok: true, status: 200 }).json('http://a.test'),
    new TypeError('fetch must return a Response, got an object without arrayBuffer()'),
  ],
  [
    () => mocked({ ok: false, status: 503, arrayBuffer() {} }).fetch('http://a.test'),
    new TypeError('fetch must return a Response, got an object without headers.get()'),
  ],
  [
    () => mocked({ ok: true, status: 200, headers: {}, arrayBuffer() {} }).json('http://a.test'),
    new TypeError('fetch must return a Response, got an object without headers.get()'),
  ],
  [() => mocked(undefined).fetch('http://a.test'), new TypeError('fetch must return a Response, got undefined')],
  [() => client.fetch(undefined as Anything), new TypeError('input must be a URL or a Request, got undefined')],
  [() => client.json(123 as Anything), new TypeError('input must be a URL or a Request, got 123')],
  // What other clients take, and what forEach() hands over.
  [
    () => client.fetch({ url: 'http://a.test', method: 'POST' } as Anything),
    new TypeError('input must be a URL or a Request, got an object'),
  ],
  [
    () => mocked(new Response()).json({ url: 'http://a.test' } as Anything),
    new TypeError('input must be a URL or a Request, got an object'),
  ],
  [
    () => mocked(new Response()).fetch({} as Anything),
    new TypeError('input must be a URL or a Request, got an object'),
  ],
  [() => client.fetch('http://a.test', 'POST' as Anything), new TypeError('init must be an object, got "POST"')],
  [() => client.json('http://a.test', 0 as Anything), new TypeError('init must be an object, got 0')],
  [() => client.subscribe(undefined as Anything), new TypeError('listener must be a function, got undefined')],
  [() => client.close({ drainMs: -1 }), new RangeError('close.drainMs must be a number of at least 0, got -1')],
  [
    () => new library.CircuitBreaker({ failureThreshold: 0 }),
    new RangeError('breaker.failureThreshold must be an integer of at least 1, got 0'),
  ],
  [
    () => new library.CircuitBreaker({ fleet: { join() {}, close() {} } as Anything }),
    new TypeError('name must be a string where there is a breaker.fleet, got undefined'),
  ],
  [
    () => createClient({ breaker: { fleet: [] as Anything } }),
    new TypeError('breaker.fleet must be a fleet, such as redisFleet() gives, got an array without close'),
  ],
  [
    () => createClient({ fallback: { store: new WeakMap() as Anything } }),
    new TypeError('fallback.store must be a store, such as memoryStore() gives, got an object without clear'),
  ],
  [
    () => new library.Bulkhead().execute(undefined as Anything),
    new TypeError('operation must be a function, got undefined'),
  ],
  [
    () => library.withFallback(() => 1).execute(undefined as Anything),
    new TypeError('operation must be a function, got undefined'),
  ],
  [
    () => library.retry().execute(() => 1, { signal: null as Anything }),
    new TypeError('signal must be an AbortSignal, got null'),
  ],
  [
    () => library.retry().execute(() => 1, { signal: new AbortController() as Anything }),
    new TypeError('signal must be an AbortSignal, got an object'),
  ],
  [
    () => library.withDeadline(100, { clok: 1 } as Anything),
    new TypeError('withDeadline.clok is not an option; there are clock, random, name'),
  ],
  [() => library.withTimeout(100, null as Anything), new TypeError('withTimeout must be an object, got null')],
  [
    () => library.incomingDeadline(undefined as Anything),
    new TypeError('request.headers must be those of a Request, got undefined'),
  ],
  [
    () => library.incomingDeadline({ headers: { host: 'a.test' } } as Anything),
    new TypeError('request.headers must be those of a Request, got an object without get'),
  ],
  [
    () => library.degradation({ value: 1 } as Anything),
    new TypeError('response.headers must be those of a Response, got undefined'),
  ],
  [
    () => library.degradationStore(undefined as Anything),
    new TypeError('client must be a steadfetch client, got undefined'),
  ],
  [
    () => kvStore({ namespace: new Map() as Anything, partition: 'public' }),
    new TypeError('kvStore.namespace must be a KV namespace or a function, got an object without put and list'),
  ],
  [
    () => cacheApiStore({ cache: 'default' as Anything }),
    new TypeError('cacheApiStore.cache must be a Cache or a function, got "default"'),
  ],
  [
    () => durableFleet({ namespace: { get() {} }, waitUntil() {} } as Anything),
    new TypeError(
      'durableFleet.namespace must be a namespace of Durable Objects or a function, got an object without idFromName',
    ),
  ],
  [
    () => redisStore({ client: {} as Anything, partition: 'public' }),
    new TypeError(
      'redisStore.client must be a client of redis (node-redis), got an object without get, set, unlink and scan',
    ),
  ],
  [
    () => redisStore({ client: { get() {}, set() {}, nodeClient() {} } as Anything, partition: 'public' }),
    new TypeError('redisStore.client must be a client of redis (node-redis), got an object without unlink'),
  ],
  [
    () => redisFleet({ client: 'redis://ann:secret@cache.test' as Anything }),
    new TypeError('redisFleet.client must be a client of redis (node-redis), got a URL'),
  ],
  [
    () => tabFleet({ name: '-mine' }),
    new TypeError('tabFleet.name must be a string of 1 to 64 characters without a dash in front, got "-mine"'),
  ],
  [
    () => createHealth({ readiness: { db: { run: undefined } as Anything } }),
    new TypeError('createHealth.readiness.db.run must be a function, got undefined'),
  ],
  [() => createHealth().handler(undefined as Anything), new TypeError('request must be a Request, got undefined')],
  [
    () => dependsOn(client, { dependencies: ['a', 5] as Anything }),
    new TypeError('dependsOn.dependencies must be an array of strings, got 5'),
  ],
  [
    () => instrument(undefined as Anything),
    new TypeError('client must be what createClient() of this copy of steadfetch returned, got undefined'),
  ],
  [
    () => createServerTiming({ fetch: ok }),
    new TypeError('client must be what createClient() of this copy of steadfetch returned, got an object'),
  ],
  [() => extendKy(undefined as Anything, client), new TypeError('ky must be an instance of ky, got undefined')],
  [
    () => Object.assign(new SteadfetchDevtools(), { client: {} }),
    new TypeError('The client of <steadfetch-devtools> must be what createClient() returned, or null, got an object'),
  ],
  [
    () => Object.assign(new SteadfetchDevtools(), { span: 5 }),
    new RangeError('span of <steadfetch-devtools> must be a number of seconds from 10 to 600, got 5'),
  ],
  [() => new FakeClock({ now: Number.NaN }), new RangeError('FakeClock.now must be a number above -Infinity, got NaN')],
  [() => scriptedFetch(undefined as Anything), new TypeError('script must be an array of steps, got undefined')],
  [
    () => scriptedFetch([200, null as Anything]),
    new TypeError('script[1] must be a status, an answer, a Response, an Error, "hang" or a function, got null'),
  ],
];

test.for(examples)('$1', async ([wrong, error]) => {
  expect(await refusalOf(wrong, undefined)).toEqual(error);
});

test('compose() of nothing runs the operation as it is', async () => {
  expect(await library.compose().execute(({ attempt }) => attempt)).toBe(1);
  const error = new Error('mine');
  await expect(library.compose(false, undefined).execute(() => Promise.reject(error))).rejects.toBe(error);
});

test('An operation that is none is no failure of the dependency', async () => {
  const breaker = new library.CircuitBreaker({ failureThreshold: 1 });
  await expect(breaker.execute(undefined as Anything)).rejects.toThrow(TypeError);
  expect(breaker.state).toBe('closed');
});

test('Options that are refused name those that there are', () => {
  const refused: readonly (readonly [() => unknown, string])[] = [
    [() => createClient({ retries: 3 } as Anything), 'options.retries is not an option; there are name, deadlineMs,'],
    [
      () => createClient({ breaker: { treshold: 3 } as Anything }),
      'breaker.treshold is not an option; there are failureThreshold,',
    ],
    [() => createHealth({ livenes: {} } as Anything), 'createHealth.livenes is not an option; there are liveness,'],
    [() => new FakeClock({ epoch: 0 } as Anything), 'FakeClock.epoch is not an option; there are now, epochNow'],
    [() => scriptedFetch([200], { clok: 0 } as Anything), 'scriptedFetch.clok is not an option; there are clock'],
  ];
  for (const [wrong, message] of refused) expect(wrong).toThrow(message);
});
