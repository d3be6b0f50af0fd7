import { afterEach, expect, test, vi } from 'vitest';

import { resolveClient } from '../../src/client-options.ts';
import { platformClock } from '../../src/clock.ts';
import { DEADLINE_HEADERS } from '../../src/http/deadline-header.ts';
import { createClient, type FetchInit, memoryStore, type Store } from '../../src/index.ts';
import { resolveRetry } from '../../src/options.ts';
import { clientBench, origin, url } from '../client/bench.ts';
import { fallbackBench, good, shown } from '../client/fallback-bench.ts';
import { bytes, count, figuresIn, span } from './figures.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/options.md';
const { rows } = tableOf(PAGE, 'Options', 'Option');

afterEach(() => void vi.unstubAllGlobals());

const settings = resolveClient();
const bulkhead = orThrow(settings.bulkhead);
const breaker = orThrow(settings.breaker);
const retry = orThrow(settings.limits.retry);
const budget = orThrow(settings.budget);
const fallback = orThrow(resolveClient({ fallback: { store: memoryStore() } }).fallback);
const { limits: ages } = fallback.rules;
const windowOver = (size: number) => orThrow(resolveClient({ breaker: { window: { size } } }).breaker).window;
const window = orThrow(windowOver(1_000));
const hedge = orThrow(resolveClient({ hedge: { afterMs: 1 } }).limits.hedge);

const code = (value: unknown): string => `\`${typeof value === 'string' ? JSON.stringify(value) : value}\``;
const ms = (value: number): string => `ms, ${value === Infinity ? code(value) : span(value)}`;
const none = (value: unknown): string => (value === undefined || value === '' ? '–' : code(value));

/** What the table has to say of each option in "Unit, default". */
const told: Readonly<Record<string, () => string | Promise<string>>> = {
  name: () => none(settings.tools.name),
  deadlineMs: () => ms(settings.limits.deadlineMs),
  attemptTimeoutMs: () => ms(settings.limits.attemptTimeoutMs),
  'bulkhead.maxConcurrent': () => `calls, ${bulkhead.maxConcurrent}`,
  'bulkhead.maxQueued': () => `calls, ${count(bulkhead.maxQueued)}`,
  'bulkhead.queueTimeoutMs': () => ms(bulkhead.queueTimeoutMs),
  'bulkhead.slot': () => code(bulkhead.slot),
  'breaker.failureThreshold': () => `calls, ${count(breaker.failureThreshold)}`,
  'breaker.successThreshold': () => `calls, ${count(breaker.successThreshold)}`,
  'breaker.resetTimeoutMs': () => ms(breaker.resetTimeoutMs),
  'breaker.maxResetTimeoutMs': () => ms(breaker.maxResetTimeoutMs),
  'breaker.resetJitter': () => `share, ${breaker.resetJitter}`,
  'breaker.window': () => (breaker.window === undefined ? 'off' : 'on'),
  'breaker.window.minimumCalls': () => {
    const [large, small] = [window.minimumCalls, windowOver(3)?.minimumCalls];
    return `calls, ${large} or ${small === 3 ? '`size`' : small}`;
  },
  'breaker.window.failureRate': () => `share, ${window.failureRate}`,
  'breaker.window.slowCallMs': () => ms(window.slowCallMs),
  'breaker.window.slowCallRate': () => `share, ${window.slowCallRate}`,
  'breaker.counts': () => code(breaker.counts),
  'breaker.classify': () =>
    settings.classify === undefined ? '[the table](layers.md#what-counts-as-what)' : 'another',
  'breaker.fleet': () => none(breaker.fleet),
  'retry.maxAttempts': () => `attempts, ${count(retry.maxAttempts)}`,
  'retry.initialDelayMs': () => ms(retry.initialDelayMs),
  'retry.multiplier': () => String(retry.multiplier),
  'retry.maxDelayMs': () => ms(retry.maxDelayMs),
  'retry.jitter': () => code(retry.jitter),
  'retry.maxRetryAfterMs': () => ms(retry.maxRetryAfterMs),
  'retry.methods': () => [...retry.methods].join(', '),
  'retry.statusCodes': () => [...retry.statusCodes].join(', '),
  'retry.shouldRetry': () => none(retry.shouldRetry),
  'retry.budget': () => `${budget.ratio} and ${budget.minPerSecond}`,
  hedge: () => code(settings.limits.hedge),
  'fallback.store': () => none(settings.fallback === false ? undefined : settings.fallback.store),
  'fallback.maxAgeMs': () => ms(ages.maxAgeMs),
  'fallback.staleWhileRevalidateMs': () => ms(ages.staleWhileRevalidateMs),
  'fallback.staleIfErrorMs': () => ms(ages.staleIfErrorMs),
  'fallback.cacheControl': () => code(fallback.rules.respectsServer ? 'respect' : 'ignore'),
  'fallback.respond': () => none(fallback.rules.respond),
  'fallback.partition': async () => {
    const [ann, bob] = [await keyFor({ authorization: 'ann' }), await keyFor({ authorization: 'bob' })];
    return ann.split(' ')[0] === bob.split(' ')[0] ? 'one for all' : 'by credentials';
  },
  'fallback.key': async () => ((await keyFor({})).endsWith(` GET ${url}`) ? 'the URL' : 'another'),
  'fallback.maxBodyBytes': () => `bytes, ${bytes(fallback.maxBodyBytes)}`,
  'fallback.storeTimeoutMs': () => ms(fallback.storeTimeoutMs),
  'fallback.coalesce': () => code(fallback.coalesce),
  isolateBy: async () => {
    const { client } = clientBench([200]);
    await client.fetch(url);
    return Object.keys(client.snapshot().dependencies).join() === origin ? 'URL’s origin' : 'another';
  },
  maxDependencies: () => count(settings.maxDependencies),
  propagateDeadline: () => code(settings.propagateDeadline),
  fetch: async () => {
    const client = createClient();
    const global = vi.fn(async () => new Response('global'));
    vi.stubGlobal('fetch', global);
    await client.fetch(url);
    return global.mock.calls.length === 1 ? '`globalThis.fetch`' : 'another';
  },
  restore: () => none(settings.restore),
  'clock, random': () => {
    const { clock, random } = settings.tools;
    return clock === platformClock && random === Math.random ? 'the platform’s' : 'others';
  },
};

/** What an answer to a request with such headers is kept under. */
async function keyFor(headers: Record<string, string>): Promise<string> {
  const keys: string[] = [];
  const storing: Promise<unknown>[] = [];
  const store: Store = { ...memoryStore(), set: async (key) => void keys.push(key) };
  const { client } = fallbackBench([200], { store });
  await client.fetch(url, { headers, waitUntil: (work) => storing.push(work) });
  await Promise.all(storing);
  return String(keys[0]);
}

function orThrow<T>(limits: T | false | undefined): T {
  if (limits === false || limits === undefined) throw new Error('It is on by default');
  return limits;
}

const nameOf = (cell = ''): string => cell.replaceAll('`', '');

test('each option of the table has its default looked up, and nothing else', () => {
  expect(rows.map(([option]) => nameOf(option))).toEqual(Object.keys(told));
});

test.for(rows)('docs/options.md says what %s is by default', async ([option, unit]) => {
  expect(unit?.replaceAll("'", '’')).toBe(await told[nameOf(option)]?.());
});

test.for([
  ['hedge', `\`maxExtra\` (${hedge.maxExtra})`],
  [
    'propagateDeadline',
    `\`"ms"\` or \`"grpc"\`; \`${DEADLINE_HEADERS.ms}\` or \`${DEADLINE_HEADERS.grpc}\`; \`(url) => boolean\``,
  ],
] as const)('docs/options.md says what is inside of %s by default', ([option, text]) => {
  expect(rows.find(([name]) => nameOf(name) === option)?.[2]).toContain(text);
});

/** What a call has of its own: the compiler knows no other. */
type Own = Readonly<Record<Exclude<keyof FetchInit, keyof RequestInit>, true>>;
const own: Own = {
  deadlineMs: true,
  attemptTimeoutMs: true,
  retry: true,
  hedge: true,
  fallback: true,
  idempotent: true,
  deadline: true,
  partition: true,
  waitUntil: true,
};

test('docs/options.md tells all that a single call may override', () => {
  const [overrides = ''] = figuresIn('options', /none of these reaches the inner fetch:\n(.*?)\.\n\n/s);
  // What is in brackets is about the name before it.
  const told = Array.from(
    overrides.replaceAll(/\([^()]*(?:\(\)[^()]*)?\)/g, '').matchAll(/`(\w+)`/g),
    ([, name]) => name,
  );
  expect(told).toEqual(Object.keys(own));
});

test('docs/options.md: a partition that is undefined is as if not given', async () => {
  const { client } = fallbackBench([good('of ann'), good('of bob')], { maxAgeMs: 60_000 });
  const storing: Promise<unknown>[] = [];
  // Not as the types have it, but as JavaScript may.
  const init = (authorization: string) =>
    ({ headers: { authorization }, partition: undefined }) as unknown as FetchInit;
  await client.fetch(url, { ...init('ann'), waitUntil: (work) => storing.push(work) });
  await Promise.all(storing);
  expect(await shown(client.fetch(url, init('bob')))).toBe('200 of bob');
  expect(await shown(client.fetch(url, { headers: { authorization: 'ann' } }))).toBe('200 of ann');
});

test('docs/options.md says what a jitter out of range is taken as', () => {
  const [, low, high] =
    /a number below or above is taken as (\d) or (\d)$/.exec(
      rows.find(([name]) => nameOf(name) === 'retry.jitter')?.[2] ?? '',
    ) ?? [];
  expect([-1, 5].map((jitter) => resolveRetry({ jitter }).jitter)).toEqual([Number(low), Number(high)]);
});
