import { readFileSync } from 'node:fs';
import * as fake from 'fake-indexeddb';
import { afterEach, expect, test, vi } from 'vitest';

import { DRAIN_MS } from '../../drill/drill.ts';
import { parseWish } from '../../drill/options.ts';
import { lengthMs, OUTAGE } from '../../drill/script.ts';
import { Scope } from '../../src/abort.ts';
import {
  type CircuitNamespace,
  CircuitObject,
  durableFleet,
  type KvNamespace,
  kvStore,
} from '../../src/adapters/cloudflare.ts';
import { redisFleet, redisStore } from '../../src/adapters/redis.ts';
import { resolveClient } from '../../src/client-options.ts';
import { platformClock } from '../../src/clock.ts';
import { EngineFleet } from '../../src/fleet/engine-fleet.ts';
import type { FleetEngine } from '../../src/fleet/fleet.ts';
import { FLEET_SCRIPT } from '../../src/fleet/redis-script.ts';
import { LONGEST_DEPENDENCY, parseTabRecord, textOf } from '../../src/fleet/tab-record.ts';
import { tabFleet } from '../../src/fleet/tabs.ts';
import { createHealth } from '../../src/health/index.ts';
import { isCredential, isSecret } from '../../src/http/credentials.ts';
import { isStorable, MAX_VARIANTS } from '../../src/http/stored-response.ts';
import { Bulkhead, CircuitBreaker, type Fleet, memoryStore } from '../../src/index.ts';
import { ConcurrencyLimit, type Sign } from '../../src/model/concurrency-limit.ts';
import { EMPTY_RECORD } from '../../src/model/fleet.ts';
import { newPace, noteRead, percentileMs, spendHedge } from '../../src/model/hedge-pace.ts';
import { Unanswered, UnansweredCalls } from '../../src/model/unanswered.ts';
import { createServerTiming } from '../../src/server-timing.ts';
import { idbStore } from '../../src/stores/idb.ts';
import { bytesOf, type Store } from '../../src/stores/store.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { SharedTimeouts } from '../../src/timeouts.ts';
import { clientBench, fetchAndStore, url, watch } from '../client/bench.ts';
import { fallbackBench, good, shown } from '../client/fallback-bench.ts';
import { RUNS } from '../properties/bench.ts';
import { entryOf } from '../stores/idb-bench.ts';
import { notingRedis } from '../support/noting-redis.ts';
import { figuresIn, msOf, numberOf, shareOf } from './figures.ts';

/** Figures of a page, by the words around them, and what has to be true of them. */
interface Figures {
  readonly page: string;
  readonly says: RegExp;
  readonly holds: (...figures: string[]) => void | Promise<void>;
}

const MIB = 1_048_576;

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

/** Whether a store keeps so many entries, and so many bytes, and no more. */
async function keepsAtMost(storeOf: () => Store, entries: number, bytes: number): Promise<void> {
  const many = storeOf();
  for (let index = 0; index < entries; index += 1) await many.set(`${index}`, entryOf(`${index}`));
  expect(await many.get('0')).toBeDefined();
  await many.set('more', entryOf('more'));
  // Which of the two counts as unused the longest is the store's to say.
  const left = await Promise.all(['0', '1'].map((key) => many.get(key)));
  expect(left.filter((entry) => entry === undefined)).toHaveLength(1);

  const around = bytesOf(entryOf('one', 0));
  const one = storeOf();
  await one.set('one', entryOf('one', bytes - around));
  expect(await one.get('one')).toBeDefined();
  await one.set('one', entryOf('one', bytes - around + 1));
  expect(await one.get('one')).toBeUndefined();
}

/** Whether what one partition holds is passed over after a write of another, for so many written URLs and no more. */
async function remembersWrites(remembered: string): Promise<void> {
  const others = numberOf(remembered) - 1;
  for (const [writes, given] of [
    [others, '200 new'],
    [others + 1, '200 old'],
  ] as const) {
    let body = 'old';
    const bench = fallbackBench([() => good(body)], { maxAgeMs: 60_000, partition: () => 'ann' });
    await fetchAndStore(bench.client, url);
    await bench.clock.advance(1);
    body = 'new';
    const write = (at: string) => bench.client.fetch(at, { method: 'POST', partition: 'bob' });
    await write(url);
    for (let other = 0; other < writes; other += 1) await write(`${url}/${other}`);
    expect(await shown(bench.client.fetch(url))).toBe(given);
  }
}

const WRITES_REMEMBERED = /as long as it is among the last (\S+) URLs written/;

/** It takes a second to find out, so that is done for one page. */
function asManyWritesAsToldIn(page: string): Figures['holds'] {
  const [told] = figuresIn(page, WRITES_REMEMBERED);
  return (remembered) => expect(remembered).toBe(told);
}

/** Where the limit gets to, and the lowest and highest on the way. */
function limitAfter(sign: Sign, calls: number, msPerCall: number): { last: number; least: number; most: number } {
  const limit = new ConcurrencyLimit();
  let [least, most] = [limit.value, limit.value];
  for (let call = 0; call < calls; call += 1) {
    const now = call * msPerCall;
    limit.note({ sign, latencyMs: 50, running: limit.value, now, epochNow: now });
    least = Math.min(least, limit.value);
    most = Math.max(most, limit.value);
  }
  return { last: limit.value, least, most };
}

/** A limit as high as it gets, of a dependency whose calls take so long. */
function highLimit(usualMs = 100) {
  const limit = new ConcurrencyLimit();
  let now = 0;
  /** What it is, after a call that ends so much later. */
  const note = (afterMs: number, latencyMs = usualMs, sign: Sign = 'served'): number => {
    now += afterMs;
    limit.note({ sign, latencyMs, running: limit.value, now, epochNow: now });
    return limit.value;
  };
  while (limit.value < 1_000) note(10);
  return {
    note,
    now: () => now,
    /** What it comes to, change by change, while all calls end like that. */
    changes(count: number, latencyMs?: number, sign?: Sign): number[] {
      const values: number[] = [];
      for (let before = limit.value, calls = 0; values.length < count; before = limit.value, calls += 1) {
        if (calls > 10_000) throw new Error('It stays what it is');
        if (note(10, latencyMs, sign) !== before) values.push(limit.value);
      }
      return values;
    },
    /** Whether it falls for calls that take so long, or are dropped. */
    falls(latencyMs: number, isDropped = (_: number): boolean => false): boolean {
      const calls = Array.from({ length: 200 }, (_, call) =>
        note(20, latencyMs, isDropped(call) ? 'dropped' : 'served'),
      );
      return Math.min(...calls) < 1_000;
    },
  };
}

/** How many of so many reads may be hedged after that percentile. */
function hedgesOf(reads: number, share: number): number {
  const pace = newPace(0);
  for (let read = 0; read < reads; read += 1) noteRead(pace, 10, share, 0);
  let hedges = 0;
  while (spendHedge(pace)) hedges += 1;
  return hedges;
}

/** How many reads it takes until that percentile is known. */
function readsUntilKnown(share: number): number {
  const pace = newPace(0);
  let reads = 0;
  for (; percentileMs(pace, share, 0) === undefined; reads += 1) noteRead(pace, 10, share, 0);
  return reads;
}

/** A circuit that joins a fleet whose engine fails, or never answers; and when the engine was asked. */
function joined({ random = 0, hangs = false, reach = { isReachable: true } }) {
  const clock = new FakeClock();
  const asked: number[] = [];
  const statuses: number[] = [];
  const engine: FleetEngine = {
    get isReachable() {
      return reach.isReachable;
    },
    async read() {
      asked.push(clock.now());
      if (hangs) await new Promise(() => {});
      throw new Error('down');
    },
    lease: async () => undefined,
    report: async () => undefined,
    subscribe: () => () => {},
    close: async () => {},
  };
  new EngineFleet(engine).join({
    dependency: 'users',
    clock,
    random: () => random,
    leaseMs: 1_000,
    patienceMs: 1_000,
    onState() {},
    onStatus: () => statuses.push(clock.now()),
  });
  return { clock, asked, statuses };
}

/** How long an engine that says nothing is waited for. */
async function patienceOf(random: number): Promise<number | undefined> {
  const { clock, statuses } = joined({ random, hangs: true });
  await clock.advance(60_000);
  return statuses[0];
}

/** How long an engine that fails is left alone at first, and at most, in s. */
async function waitsOf(random: number): Promise<{ first: number; longest: number }> {
  const { clock, asked } = joined({ random });
  await clock.advance(600_000);
  const waits = asked.slice(1).map((at, index) => (at - (asked[index] ?? 0)) / 1_000);
  return { first: waits[0] ?? 0, longest: Math.max(...waits) };
}

async function expectWaits(...told: string[]): Promise<void> {
  const [least, most] = [await waitsOf(0), await waitsOf(1)];
  expect([least.first, most.first, least.longest, most.longest]).toEqual(told.map(Number));
}

/** A client in a fleet over what notes what it is asked. */
function redisJoined(random = () => 0) {
  const redis = notingRedis();
  const { client, clock } = clientBench([200], { random, breaker: { fleet: redisFleet({ client: redis }) } });
  const call = async (): Promise<void> => {
    await client.fetch(url);
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
  };
  return { redis, clock, call };
}

function durableJoined() {
  const questions: unknown[] = [];
  const answer = { run: 0, epoch: 1, state: 'closed', retryAfterMs: 0, trips: 0 };
  const namespace: CircuitNamespace = {
    idFromName: (name) => name,
    get: () => ({
      async fetch(_at, { body }) {
        questions.push(JSON.parse(body));
        return Response.json(answer);
      },
    }),
  };
  const fleet = durableFleet({ namespace, waitUntil() {} });
  const { client, clock } = clientBench([200], { breaker: { fleet } });
  const call = async (): Promise<void> => {
    await client.fetch(url);
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
  };
  return { questions, clock, call };
}

/** An object of a fleet, and what it writes. */
function circuitObject() {
  const kept = new Map<string, unknown>();
  const alarms: number[] = [];
  let puts = 0;
  const storage = {
    get: async (key: string) => kept.get(key),
    async put(key: string, value: unknown) {
      puts += 1;
      kept.set(key, value);
    },
    deleteAll: async () => kept.clear(),
    setAlarm: async (at: number) => void alarms.push(at),
  };
  const object = new CircuitObject({ storage });
  const ask = async (question: object): Promise<void> => {
    const body = JSON.stringify({ by: 'a', quorum: 1, ...question });
    expect((await object.fetch(new Request('https://fleet/', { method: 'POST', body }))).status).toBe(200);
  };
  return { alarms, ask, written: () => puts + alarms.length };
}

/** A tab, in this process, that finds a dependency down; and what it holds then. */
async function tabThatOpens(): Promise<{ held: readonly string[]; fleet: Fleet }> {
  const fleet = tabFleet();
  const seat = fleet.join({
    dependency: 'users',
    clock: platformClock,
    random: () => 0,
    leaseMs: 1_000,
    patienceMs: 1_000,
    onState() {},
    onStatus() {},
  });
  seat.opened(60_000, false);
  let held: readonly string[] = [];
  await expect
    .poll(async () => {
      held = ((await navigator.locks.query()).held ?? []).map(({ name = '' }) => name);
      return held.filter((name) => name.includes(':knows:')).length;
    })
    .toBe(1);
  return { held: held.filter((name) => name.includes(':knows:')), fleet };
}

/** The size that an entry is held to. */
function limitOf(name: string): string | undefined {
  const limits: { name: string; limit: string }[] = manifest['size-limit'];
  return limits.find((each) => each.name === name)?.limit;
}

class Call extends Unanswered<Call> {}

/** The names in code of a text. */
const coded = (text: string): string[] => Array.from(text.matchAll(/`([^`]+)`/g), ([, name = '']) => name);

const figures: readonly Figures[] = [
  {
    page: 'README',
    says: /against an upstream that fails; (\d+) s$/m,
    holds: (seconds) => expect((lengthMs(OUTAGE) + DRAIN_MS) / 1_000).toBe(numberOf(seconds)),
  },
  {
    page: 'README',
    says: /with the same client, (\w+) times a second for (\d+) s,/,
    holds(perSecond, seconds) {
      const plan = { ratePerSecond: numberOf(perSecond), lastsMs: numberOf(seconds) * 1_000 };
      expect(parseWish(['--url', 'https://x.test/'])).toMatchObject({ plan });
    },
  },
  { page: 'README', says: /the tests, in (\w+) engines and (\w+) runtimes/, holds: testedIn },
  {
    page: 'README',
    says: /^\| Node (\d+) or later, browsers with a bundler/m,
    holds: (major) => expect(manifest.engines.node).toBe(`>=${major}`),
  },
  {
    page: 'README',
    says: /^\| Deno \| `deno add npm:(\w+)`, or `jsr:(@[\w/]+)` \|/m,
    holds(npm, jsr) {
      expect([manifest.name, JSON.parse(readFileSync('jsr.json', 'utf8')).name]).toEqual([npm, jsr]);
    },
  },
  {
    page: 'README',
    says: /an import map that points `steadfetch` to the package's `([^`]+)`/,
    holds: (path) => expect(manifest.exports['.'].default).toBe(`./${path}`),
  },
  {
    page: 'README',
    says: /With TypeScript: (\S+) or later/,
    holds(least) {
      // Those that compile what projects write: test/consumers.
      const { devDependencies } = JSON.parse(readFileSync('test/consumers/package.json', 'utf8'));
      expect(Object.keys(devDependencies).filter((name) => name.startsWith('typescript-'))[0]).toBe(
        `typescript-${least}`,
      );
    },
  },
  {
    page: 'README',
    says: /running ones get `drainMs`\s+\(default (\S+)\) and are then aborted/,
    async holds(drainMs) {
      const { client, clock } = clientBench(['hang'], { attemptTimeoutMs: false });
      const call = watch(client.fetch(url));
      void client.close();
      await clock.advance(numberOf(drainMs) - 1);
      expect(call.state).toBe('pending');
      await clock.advance(1);
      expect(call.error).toMatchObject({ code: 'CLOSED' });
    },
  },
  {
    page: 'README',
    says: /Each call may override, in `init` beside the standard fields: (.*?)\.\n/s,
    holds(list) {
      const [, options = ''] =
        /export interface CallOptions \{(.*?)\n\}/s.exec(readFileSync('src/client-options.ts', 'utf8')) ?? [];
      const names = Array.from(options.matchAll(/readonly (\w+)\?:/g), ([, name]) => name);
      expect(coded(list).sort()).toEqual(names.sort());
    },
  },
  {
    page: 'README',
    says: /`CircuitBreaker` has (.*?); `Bulkhead` has (.*?), their limits and `(close)\(\)`/s,
    holds(breaker, bulkhead, close) {
      const has = (object: object, names: readonly string[]): boolean[] =>
        names.map((name) => name.replace('()', '') in object);
      expect(coded(breaker).length).toBeGreaterThan(4);
      expect(has(new CircuitBreaker(), coded(breaker))).not.toContain(false);
      expect(has(new Bulkhead(), [...coded(bulkhead), 'maxConcurrent', 'maxQueued', close])).not.toContain(false);
    },
  },
  { page: 'CONTRIBUTING', says: /everything: (\w+) environments, .*tarball in (\w+) runtimes/, holds: testedIn },
  {
    page: 'CONTRIBUTING',
    says: /mutation testing of `(\S+)` and `(\S+)`/,
    holds(...folders) {
      const { mutate } = JSON.parse(readFileSync('stryker.config.json', 'utf8'));
      expect(mutate).toEqual(folders.map((folder) => `${folder}/**/*.ts`));
    },
  },
  {
    page: 'CONTRIBUTING',
    says: /It stays set for (\w+) turns of the microtask queue when nobody needs it/,
    async holds(turns) {
      const clock = new FakeClock();
      new SharedTimeouts(1_000, clock).start(0, new Scope(), { reason: () => 'over' }).stop();
      for (let turn = 1; turn < numberOf(turns); turn += 1) await null;
      expect(clock.pending).toBe(1);
      await null;
      expect(clock.pending).toBe(0);
    },
  },
  {
    page: 'CONTRIBUTING',
    says: /Properties look far in Node \((\S+) runs\), and see in the other engines whether it is so there, too \((\d+)\)/,
    holds(inNode, elsewhere) {
      expect(RUNS.numRuns).toBe(numberOf(inNode));
      expect(readFileSync('test/properties/bench.ts', 'utf8')).toContain(`engine === 'node' ? 1_000 : ${elsewhere}`);
    },
  },
  {
    page: 'CONTRIBUTING',
    says: /(A second) past its deadline its slot is taken\n\s*back/,
    holds(span) {
      const calls = new UnansweredCalls<Call>();
      calls.add(new Call({ deadlineAt: 0 }));
      expect(calls.nextLostAt).toBe(msOf(span.toLowerCase()));
    },
  },
  {
    page: 'CONTRIBUTING',
    says: /`createClient` is (\S+ kB) minified and compressed/,
    holds: (size) => expect(limitOf('createClient')).toBe(size),
  },
  {
    page: 'CONTRIBUTING',
    says: /`memoryStore\(\)` keeps (\S+) entries/,
    holds: (entries) => keepsAtMost(() => memoryStore(), numberOf(entries), 32 * MIB),
  },
  {
    page: 'CONTRIBUTING',
    says: /it remembers its last (\S+) writes/,
    holds: asManyWritesAsToldIn('fallback'),
  },
  {
    page: 'fallback',
    says: /^\| `memoryStore\(.*\| (\S+) entries, (\d+) MiB; /m,
    holds: (entries, mib) => keepsAtMost(() => memoryStore(), numberOf(entries), numberOf(mib) * MIB),
  },
  {
    page: 'fallback',
    says: /^\| `idbStore\(.*\| (\S+) entries, (\d+) MiB, the same way; /m,
    async holds(entries, mib) {
      vi.stubGlobal('IDBKeyRange', fake.IDBKeyRange);
      const storeOf = (): Store => {
        vi.stubGlobal('indexedDB', new fake.IDBFactory());
        return idbStore({ partition: 'public' });
      };
      await keepsAtMost(storeOf, numberOf(entries), numberOf(mib) * MIB);
    },
  },
  {
    page: 'fallback',
    says: /Answers are kept per variant \(`Vary`, up to (\d+)\)/,
    holds: (variants) => expect(numberOf(variants)).toBe(MAX_VARIANTS),
  },
  {
    page: 'fallback',
    says: /^- Answers of (\d+), (\d+) and (\d+) to GET and HEAD/m,
    holds(...statuses) {
      const all = Array.from({ length: 400 }, (_, index) => 200 + index);
      const bodiless = (status: number): Response => new Response(null, { status });
      expect(all.filter((status) => isStorable(bodiless(status)))).toEqual(statuses.map(numberOf));
    },
  },
  {
    page: 'fallback',
    says: WRITES_REMEMBERED,
    holds: remembersWrites,
  },
  {
    page: 'fallback',
    says: /one that has not ended after (\w+ seconds)/,
    async holds(span) {
      const { client, clock } = clientBench([{ body: 'data', after: 'hang' }], { fallback: { coalesce: true } });
      const [first] = [1, 2].map(() => watch(client.fetch(url)));
      await clock.advance(0);
      await clock.advance(msOf(span) - 1);
      expect(first?.state).toBe('pending');
      await clock.advance(1);
      expect(first?.state).toBe('resolved');
    },
  },
  {
    page: 'fallback',
    says: /^Harmless are (.*?)\. Any other header/ms,
    holds(list) {
      const names = Array.from(list.matchAll(/`([\w*-]+)`/g), ([, name = '']) => name.toLowerCase());
      expect(names.length).toBeGreaterThan(25);
      expect(names.filter((name) => isCredential(name.replace('*', '')))).toEqual([]);
      const families = names.filter((name) => name.endsWith('*')).map((name) => name.replace('*', '-anything'));
      expect(families.filter(isCredential)).toEqual([]);
      for (const hint of ['device-memory', 'dpr', 'ect', 'rtt', 'sec-ch-ua', 'viewport-width'])
        expect(isCredential(hint)).toBe(false);
    },
  },
  {
    page: 'fallback',
    says: /A secret in the query \((.*?) and the like\)/,
    holds(list) {
      const names = Array.from(list.matchAll(/`(\w+)`/g), ([, name = '']) => name);
      expect(names.length).toBeGreaterThan(3);
      expect(names.filter((name) => !isSecret(name))).toEqual([]);
    },
  },
  {
    page: 'fleet',
    says: /When the engine is slow \((\d+) s\)/,
    holds: async (seconds) => expect(await patienceOf(0)).toBe(numberOf(seconds) * 1_000),
  },
  {
    page: 'fleet',
    says: /growing waits \((\S+) to (\S+) s at first, (\d+) to (\d+) s in the end, by chance;/,
    holds: expectWaits,
  },
  {
    page: 'fleet',
    says: /at least every (second) while the client has no connection/,
    async holds(span) {
      const reach = { isReachable: false };
      const { clock, asked } = joined({ reach, random: 1 });
      await clock.advance(10_000);
      const before = asked.length;
      reach.isReachable = true;
      await clock.advance(msOf(`a ${span}`) - 1);
      expect(asked).toHaveLength(before);
      await clock.advance(1);
      expect(asked).toHaveLength(before + 1);
    },
  },
  {
    page: 'fleet',
    says: /open for (\d+) such times \((an hour) and more, by default\)/,
    holds(times, span) {
      const { breaker } = resolveClient();
      expect(numberOf(times) * (breaker === false ? 0 : breaker.maxResetTimeoutMs)).toBe(msOf(span));
    },
  },
  {
    page: 'fleet',
    says: /^\| `prefix` \| `"([^"]+)"` \|.*\n\| `quorum` \| (\d+) \|.*\n\| `pollMs` \| (\S+) \|/m,
    async holds(prefix, quorum, pollMs) {
      const { clock, redis, call } = redisJoined();
      await call();
      await clock.advance(numberOf(pollMs) - 1);
      await call();
      expect(redis.asked).toHaveLength(1);
      await clock.advance(1);
      await call();
      expect(redis.asked).toHaveLength(2);
      expect(redis.asked[0]?.key.startsWith(prefix)).toBe(true);
      expect(redis.asked[0]?.args[2]).toBe(quorum);
    },
  },
  {
    page: 'fleet',
    says: /`npm install redis` \(node-redis (\d+)\)/,
    holds: (major) => expect(manifest.peerDependencies.redis).toMatch(new RegExp(`^\\^${major}\\.`)),
  },
  {
    page: 'fleet',
    says: /gone (a day) after it last changed/,
    async holds(span) {
      const { redis, call } = redisJoined();
      await call();
      expect(Number(redis.asked[0]?.args[6])).toBe(msOf(span));
    },
  },
  {
    page: 'fleet',
    says: /A question is a script of (\S+) kB/,
    holds: (size) => expect(Math.round(FLEET_SCRIPT.length / 100) / 10).toBe(Number(size)),
  },
  {
    page: 'fleet',
    says: /the instances ask within (\w+ seconds), each at a time of its own/,
    async holds(span) {
      const { clock, redis, call } = redisJoined(() => 1);
      await call();
      for (let time = 1; time <= 2; time += 1) redis.connections[0]?.get('ready')?.();
      await clock.advance(msOf(span) - 1);
      expect(redis.asked).toHaveLength(1);
      await clock.advance(1);
      expect(redis.asked).toHaveLength(2);
    },
  },
  {
    page: 'fleet',
    says: /for those of its `prefix` \(default `"([^"]+)"`\)/,
    async holds(prefix) {
      const keys: string[] = [];
      const client = { get: async (key: string) => keys.push(key), set: async () => {}, unlink: async () => {} };
      const scan = async () => ({ cursor: '0', keys: [] });
      await redisStore({ client: { ...client, scan }, partition: 'public' })
        .get('public GET https://a.test/')
        .catch(() => {});
      expect(keys.map((key) => key.startsWith(prefix))).toEqual([true]);
    },
  },
  {
    page: 'fleet-tabs',
    says: /^\| `name` \| `"(\w+)"` \|.*\n\| `quorum` \| (\d+) \| .* at most (\d+)\./m,
    async holds(name, quorum, most) {
      expect(() => tabFleet({ quorum: numberOf(most) + 1 })).toThrow(`at most ${most}`);
      const { held, fleet } = await tabThatOpens();
      // By as many votes as open it.
      expect(quorum).toBe('1');
      expect(held).toEqual([expect.stringMatching(new RegExp(`^${name}:.*"state":"open"`))]);
      await fleet.close();
    },
  },
  {
    page: 'fleet-tabs',
    says: /A claim is respected for (\d+) ms/,
    async holds(ms) {
      const timeout = vi.spyOn(AbortSignal, 'timeout');
      const { fleet } = await tabThatOpens();
      expect(timeout.mock.calls).toEqual([[numberOf(ms)]]);
      timeout.mockRestore();
      await fleet.close();
    },
  },
  {
    page: 'fleet-tabs',
    says: /put back\*\* by more than (\d+) s/,
    holds(seconds) {
      const at = 1_800_000_000_000;
      const text = textOf({ dependency: 'a', version: 1, at, record: { ...EMPTY_RECORD, run: at, epoch: 2 } });
      const slackMs = numberOf(seconds) * 1_000;
      expect(parseTabRecord(text, at - slackMs)).toBeDefined();
      expect(parseTabRecord(text, at - slackMs - 1)).toBeUndefined();
    },
  },
  {
    page: 'fleet-tabs',
    says: /^At most (\S+ kB), minified/m,
    holds: (size) => expect(limitOf('steadfetch/tabs')).toBe(size),
  },
  {
    page: 'fleet-tabs',
    says: /one attempt in (\d+) to (\d+) s/,
    async holds(least, most) {
      expect([await waitsOf(0), await waitsOf(1)].map(({ longest }) => longest)).toEqual([least, most].map(numberOf));
    },
  },
  {
    page: 'fleet-tabs',
    says: /more than\nabout (\d+) characters/,
    holds: (most) => expect(LONGEST_DEPENDENCY).toBe(numberOf(most)),
  },
  {
    page: 'fleet-durable',
    says: /at most every `pollMs` \(default (\S+)\)/,
    async holds(pollMs) {
      const { clock, questions, call } = durableJoined();
      await call();
      await clock.advance(numberOf(pollMs) - 1);
      await call();
      expect(questions).toHaveLength(1);
      await clock.advance(1);
      await call();
      expect(questions).toHaveLength(2);
    },
  },
  {
    page: 'fleet-durable',
    says: /`quorum` \(default (\d+)\)/,
    async holds(quorum) {
      const { questions, call } = durableJoined();
      await call();
      expect(questions[0]).toMatchObject({ quorum: numberOf(quorum) });
    },
  },
  {
    page: 'fleet-durable',
    says: /When the object is slow \((\d+) s\)/,
    holds: async (seconds) => expect(await patienceOf(0)).toBe(numberOf(seconds) * 1_000),
  },
  {
    page: 'fleet-durable',
    says: /growing waits \((\S+) to (\S+) s at first, (\d+) to (\d+) s in the end, by chance\)/,
    holds: expectWaits,
  },
  {
    page: 'fleet-durable',
    says: /a record that has not changed for (\w+ days)/,
    async holds(span) {
      const { alarms, ask } = circuitObject();
      const now = Date.now();
      await ask({ ask: 'report', report: { kind: 'down', retryAfterMs: 0 } });
      expect(alarms.map((at) => Math.round((at - now) / 60_000))).toEqual([msOf(span) / 60_000]);
    },
  },
  {
    page: 'fleet-durable',
    says: /asks (\S+) times a day per dependency at (\d+) s, (.* million) times a month\./,
    holds(perDay, seconds, perMonth) {
      expect(msOf('a day') / (numberOf(seconds) * 1_000)).toBe(numberOf(perDay));
      expect(perMonth).toBe('half a million');
      expect((numberOf(perDay) * 30) / 1_000_000).toBeCloseTo(0.5, 1);
    },
  },
  {
    page: 'fleet-durable',
    says: /At \$(\S+) per million requests \(.*, the first million included\), (\d+) such isolates cost about \$(\S+) in (\d+) days for one dependency, and with `pollMs: (\S+)` about \$(\d+\.\d+)/,
    holds(perMillion, isolates, cost, days, pollMs, less) {
      const costAt = (everyMs: number): number => {
        const requests = (numberOf(isolates) * numberOf(days) * msOf('a day')) / everyMs;
        return ((requests - 1_000_000) / 1_000_000) * Number(perMillion);
      };
      expect(Math.round(costAt(5_000) * 10) / 10).toBe(Number(cost));
      expect(Math.round(costAt(Number(pollMs.replaceAll('_', ''))) * 100) / 100).toBe(Number(less));
    },
  },
  {
    page: 'fleet-durable',
    says: /^.*\b(\w+) rows are written \(record and alarm\) with each vote, opening, lease and closing, and none/im,
    async holds(rows) {
      const { written, ask } = circuitObject();
      const down = (by: string, retryAfterMs: number) => {
        return { ask: 'report', by, quorum: 2, report: { kind: 'down', retryAfterMs } };
      };
      const lease = { ask: 'lease', leaseMs: 60_000 };
      const back = { ask: 'report', report: { kind: 'recovered', token: 1 } };
      const counts: number[] = [];
      for (const question of [
        { ask: 'read' },
        { ask: 'lease', leaseMs: 1 },
        down('a', 60_000),
        down('b', 0),
        lease,
        back,
      ]) {
        const before = written();
        await ask(question);
        counts.push(written() - before);
      }
      const each = numberOf(rows.toLowerCase());
      expect(counts).toEqual([0, 0, each, each, each, each]);
    },
  },
  {
    page: 'workers',
    says: /a value (\d+) MiB, an expiry no less than (a minute); keys above (\d+) bytes go by their SHA-256/,
    async holds(mib, minute, keyBytes) {
      const clock = new FakeClock();
      const puts: { name: string; seconds: number }[] = [];
      const namespace: KvNamespace = {
        get: async () => null,
        put: async (name, _value, { expiration }) =>
          void puts.push({ name, seconds: expiration - clock.epochNow() / 1_000 }),
        delete: async () => {},
        list: async () => ({ keys: [], list_complete: true }),
      };
      const store = kvStore({ namespace, partition: 'public', clock });
      await store.set('public a', entryOf('public a', numberOf(mib) * MIB));
      expect(puts).toEqual([]);
      await store.set('public b', entryOf('public b', numberOf(mib) * MIB - 1_000));
      expect(puts[0]?.seconds).toBeGreaterThanOrEqual(msOf(minute) / 1_000);
      expect(puts[0]?.seconds).toBeLessThan((1.2 * msOf(minute)) / 1_000);
      const prefix = puts[0]?.name.length ?? 0;
      for (const longer of [0, 1]) {
        const key = `public ${'z'.repeat(numberOf(keyBytes) - prefix + 1 + longer)}`;
        await store.set(key, entryOf(key));
      }
      expect(puts.map(({ name }) => name.length)).toEqual([prefix, numberOf(keyBytes), expect.any(Number)]);
      expect(puts[2]?.name).toMatch(/[\da-f]{64}$/);
    },
  },
  {
    page: 'operations',
    says: /After `storeTimeoutMs` \((\d+) s\) of silence it is left alone for (\w+ seconds)/,
    async holds(seconds, rest) {
      let asked = 0;
      const get = (): Promise<undefined> => {
        asked += 1;
        return new Promise(() => {});
      };
      const { client, clock } = clientBench([200], { fallback: { store: { ...memoryStore(), get } } });
      const call = watch(client.fetch(url));
      await clock.advance(numberOf(seconds) * 1_000 - 1);
      expect(call.state).toBe('pending');
      await clock.advance(1);
      expect(call.state).toBe('resolved');
      await clock.advance(msOf(rest) - 1);
      await client.fetch(url);
      expect(asked).toBe(1);
      await clock.advance(1);
      const again = client.fetch(url);
      await clock.advance(numberOf(seconds) * 1_000);
      await again;
      expect(asked).toBe(2);
    },
  },
  {
    page: 'operations',
    says: /tries again by itself, within (half a second) at first and then with waits of up to (\d+) s/,
    async holds(first, longest) {
      expect(first).toBe('half a second');
      expect(await waitsOf(1)).toEqual({ first: 0.5, longest: numberOf(longest) });
    },
  },
  {
    page: 'operations',
    says: /^\| dependencies \| (\S+), of .*\n\| calls running and waiting, for each \| (\d+) and (\d+), each for up to (\d+) s \|/m,
    holds(dependencies, running, waiting, seconds) {
      const { maxDependencies, bulkhead, limits } = resolveClient();
      expect(maxDependencies).toBe(numberOf(dependencies));
      expect(bulkhead).toMatchObject({ maxConcurrent: numberOf(running), maxQueued: numberOf(waiting) });
      expect(limits.deadlineMs).toBe(numberOf(seconds) * 1_000);
    },
  },
  {
    page: 'operations',
    says: /^\| bodies that are being stored, or shared \| (\d+) MiB for each call under way \| `fallback\.maxBodyBytes` \|/m,
    async holds(mib) {
      const least = new Uint8Array(numberOf(mib) * MIB);
      for (const [body, stored] of [
        [least, true],
        [new Uint8Array(least.length + 1), false],
      ] as const) {
        const store = memoryStore();
        const { client } = clientBench([1], { fetch: async () => new Response(body), fallback: { store } });
        await fetchAndStore(client, url);
        expect((await store.get(`public GET ${url}`)) !== undefined).toBe(stored);
      }
    },
  },
  {
    page: 'operations',
    says: /^\| `memoryStore\(\)` \| (\S+) answers, (\d+) MiB \|/m,
    holds: (entries, mib) => keepsAtMost(() => memoryStore(), numberOf(entries), numberOf(mib) * MIB),
  },
  {
    page: 'operations',
    says: /^\| writes it remembers, to pass over what is older \| (\S+) URLs \|/m,
    holds: asManyWritesAsToldIn('fallback'),
  },
  {
    page: 'health',
    says: /answer (\d+) or (\d+) as `application\/health\+json`/,
    async holds(...statuses) {
      for (const [draining, status] of [
        [false, statuses[0]],
        [true, statuses[1]],
      ] as const) {
        const health = createHealth();
        health.draining = draining;
        const answer = await health.handler(new Request('https://x.test/readyz'));
        expect(String(answer?.status)).toBe(status);
      }
    },
  },
  {
    page: 'health',
    says: /at most once in\n`cacheMs` \((\S+)\)/,
    async holds(span) {
      const clock = new FakeClock();
      const run = vi.fn();
      const health = createHealth({ readiness: { run }, clock });
      const probe = () => health.handler(new Request('https://x.test/readyz'));
      await probe();
      await clock.advance(numberOf(span) - 1);
      await probe();
      expect(run).toHaveBeenCalledTimes(1);
      await clock.advance(1);
      await probe();
      expect(run).toHaveBeenCalledTimes(2);
    },
  },
  {
    page: 'health',
    says: /takes longer than it may \(`timeoutMs`, (\S+)\)/,
    async holds(span) {
      const clock = new FakeClock();
      const health = createHealth({ readiness: { hangs: () => new Promise(() => {}) }, clock });
      const probe = watch(Promise.resolve(health.handler(new Request('https://x.test/readyz'))));
      await clock.advance(numberOf(span) - 1);
      expect(probe.state).toBe('pending');
      await clock.advance(1);
      expect(probe.value?.status).toBe(503);
    },
  },
  {
    page: 'health',
    says: /in this order \(\[(\d+) lines that run\]\((examples\/shutdown\.mjs)\)\)/,
    holds(lines, path) {
      expect(readFileSync(`docs/${path}`, 'utf8').trimEnd().split('\n')).toHaveLength(numberOf(lines));
    },
  },
  {
    page: 'hedging',
    says: /^\| `hedge\.percentile` \| share, at most (\S+) \|/m,
    holds(share) {
      const most = Number(share);
      expect(resolveClient({ hedge: { percentile: most } }).limits.hedge).toMatchObject({ percentile: most });
      expect(() => resolveClient({ hedge: { percentile: most + 0.000_1 } })).toThrow(RangeError);
    },
  },
  {
    page: 'hedging',
    says: /^\| `hedge\.maxExtra` \| requests, (\d+) \|/m,
    holds(requests) {
      const { hedge } = resolveClient({ hedge: { afterMs: 1 } }).limits;
      expect(hedge).toMatchObject({ maxExtra: numberOf(requests) });
    },
  },
  {
    page: 'hedging',
    says: /no more than (\w+) are sent twice with 0\.95, with (\w+) saved up at most/,
    holds(twice, saved) {
      expect(hedgesOf(100, 0.95)).toBe(numberOf(twice));
      expect(hedgesOf(10_000, 0.95)).toBe(numberOf(saved));
    },
  },
  {
    page: 'hedging',
    says: /Until there have been (\d+) reads in a minute \((\d+) for 0\.99\)/,
    holds(least, leastFor99) {
      expect(readsUntilKnown(0.95)).toBe(numberOf(least));
      expect(readsUntilKnown(0.99)).toBe(numberOf(leastFor99));
    },
  },
  {
    page: 'hedging',
    says: /A page that asks for (\d+) things waits for the slowest of them, so every (fourth) page is slow/,
    holds(things, every) {
      expect(Math.round(1 / (1 - 0.99 ** numberOf(things)))).toBe(
        ['third', 'fourth', 'fifth'].indexOf(every ?? '') + 3,
      );
    },
  },
  {
    page: 'hedging',
    says: /not more than (an eleventh) above the true percentile/,
    holds(share) {
      const excesses = Array.from({ length: 1_000 }, (_, index) => {
        const [tookMs, pace] = [100 + index, newPace(0)];
        for (let read = 0; read < 20; read += 1) noteRead(pace, tookMs, 0.95, 0);
        return (percentileMs(pace, 0.95, 0) ?? 0) / tookMs - 1;
      });
      expect(Math.min(...excesses)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...excesses)).toBeLessThan(shareOf(share));
      expect(Math.max(...excesses)).toBeGreaterThan(0.98 * shareOf(share));
    },
  },
  {
    page: 'adaptive-limit',
    says: /It\nbegins with (\d+), and is from (\d+) to (\S+)\. /,
    holds(start, least, most) {
      expect(new ConcurrencyLimit().value).toBe(numberOf(start));
      expect(limitAfter('dropped', 10_000, 10).least).toBe(numberOf(least));
      expect(limitAfter('served', 100_000, 1).most).toBe(numberOf(most));
    },
  },
  {
    page: 'adaptive-limit',
    says: /to (\d+) at most before it is known how long calls take/,
    holds: (most) => expect(limitAfter('served', 1_000, 0).last).toBe(numberOf(most)),
  },
  {
    page: 'adaptive-limit',
    says: /^\| stays \| less than (half) of it is in use: /m,
    holds(share) {
      const after = (running: number): number => {
        const limit = new ConcurrencyLimit();
        for (let now = 0; now < 1_000; now += 10) {
          limit.note({ sign: 'served', latencyMs: 50, running, now, epochNow: now });
        }
        return limit.value;
      };
      const start = new ConcurrencyLimit().value;
      expect(after(start * shareOf(share) - 1)).toBe(start);
      expect(after(start * shareOf(share))).toBe(start + 1);
    },
  },
  {
    page: 'adaptive-limit',
    says: /grows by (half) of its root, for as long as a call takes \|/,
    holds(share) {
      const usualMs = 395;
      const { changes, now } = highLimit(usualMs);
      const [fallen = 0] = changes(1, 4 * usualMs);
      // A call each ten milliseconds, from the first one that is judged.
      const begunAt = now() + 10;
      const [grown = 0] = changes(1);
      expect(grown - fallen).toBeCloseTo(Math.sqrt(fallen) * shareOf(share), -0.4);
      expect(now() - begunAt).toBe(400);
    },
  },
  {
    page: 'adaptive-limit',
    says: /^\| falls, by (a fifth) at most \| calls take more than (\S+) times as long/m,
    holds(most, times) {
      const slower = 100 * Number(times);
      expect([highLimit().falls(slower - 1), highLimit().falls(slower + 1)]).toEqual([false, true]);
      const [first = 0, second] = highLimit().changes(2, 400);
      expect(second).toBeCloseTo(first * (1 - shareOf(most)), -0.4);
    },
  },
  {
    page: 'adaptive-limit',
    says: /^\| falls, by (half) at most \| (\d+) % more than usual are dropped/m,
    holds(most, percent) {
      // Judged twenty at a time.
      const dropped = (percentOf: number) => (call: number) => (call * percentOf) % 100 < percentOf;
      const few = highLimit().falls(100, dropped(numberOf(percent)));
      expect([few, highLimit().falls(100, dropped(numberOf(percent) + 5))]).toEqual([false, true]);
      const [first = 0, second] = highLimit().changes(2, 100, 'dropped');
      expect(second).toBeCloseTo(first * shareOf(most), -0.4);
    },
  },
  {
    page: 'adaptive-limit',
    says: /^\| goes back to where it was \| it has fallen to (a third), and that has helped nothing/m,
    holds(share) {
      const values = highLimit().changes(10, 400);
      const back = values.indexOf(1_000);
      expect(back).toBeGreaterThan(3);
      expect(values[back - 1]).toBeLessThanOrEqual(1_000 * shareOf(share));
      expect(values[back - 2]).toBeGreaterThan(1_000 * shareOf(share));
    },
  },
  {
    page: 'adaptive-limit',
    says: /^\| dips to (\S+), for a moment \| calls have been held back/m,
    holds(share) {
      const { changes, note, now } = highLimit();
      const [fallen = 0] = changes(1, 400);
      expect(note(10_000 - (now() % 10_000))).toBeCloseTo(fallen * Number(share), -0.4);
      expect(note(1_000)).toBeGreaterThanOrEqual(fallen);
    },
  },
  {
    page: 'adaptive-limit',
    says: /some at a time \((\d+) and more, or (\w+) once (a second) has passed, and for at least as long as a call takes\)/,
    holds(many, few, span) {
      const judged = (afterMs: number): number => {
        const { changes, note } = highLimit();
        // What is judged begins anew with each change.
        const [limit] = changes(1, 100, 'dropped');
        let calls = 1;
        while (note(afterMs, 100, 'dropped') === limit) calls += 1;
        return calls;
      };
      expect(judged(15)).toBe(numberOf(many));
      const everyMs = msOf(span) / (numberOf(few) - 1);
      expect([judged(everyMs), judged(everyMs - 1)]).toEqual([numberOf(few), numberOf(few) + 1]);
    },
  },
  {
    page: 'adaptive-limit',
    says: /whole multiples of (ten seconds) by the wall clock, .* long: of (\d+) where calls take (two)\./,
    holds(usual, longer, calls) {
      for (const [everyMs, takeMs] of [
        [msOf(usual), 100],
        [numberOf(longer) * 1_000, numberOf(calls) * 1_000],
      ] as const) {
        const { changes, note, now } = highLimit(takeMs);
        const [fallen = 0] = changes(1, 4 * takeMs);
        const until: number[] = [];
        while (now() % everyMs !== everyMs - 10) until.push(note(10));
        expect(Math.min(...until)).toBeGreaterThanOrEqual(fallen);
        expect(note(10)).toBeLessThan((until.at(-1) ?? 0) / 2);
      }
    },
  },
  {
    page: 'telemetry',
    says: /^Server-Timing: (.*)$/m,
    async holds(header) {
      const script = [40, 20, 30].map((delayMs, index) => ({ status: index === 1 ? 503 : 200, delayMs }));
      const { client, clock } = clientBench(script, { bulkhead: { maxConcurrent: 1 } });
      const timing = createServerTiming(client);
      const calls = [client.fetch(url), client.fetch(url)];
      await clock.advance(1_000);
      expect(timing((await Promise.all(calls))[1])).toBe(header);
    },
  },
  {
    page: 'telemetry',
    says: /The last (\d+) attempts are told of \(`maxAttempts`\)/,
    async holds(attempts) {
      const retry = { maxAttempts: numberOf(attempts) + 2, initialDelayMs: 0 };
      const { client } = clientBench([503], { retry, breaker: false });
      const timing = createServerTiming(client);
      const told = timing(await client.fetch(url));
      expect(told.match(/upstream-attempt-\d+;/g)).toHaveLength(numberOf(attempts));
    },
  },
  {
    page: 'telemetry',
    says: /`npm install @opentelemetry\/api` beside it \((\S+) or later\)/,
    holds: (version) => expect(manifest.peerDependencies['@opentelemetry/api']).toBe(`^${version}.0`),
  },
];

/** Whether the tests run in so many engines, and the packed library in so many runtimes. */
function testedIn(engines: string, runtimes: string): void {
  const namesIn = (path: string, pattern: RegExp): string[] =>
    Array.from(readFileSync(path, 'utf8').matchAll(pattern), ([, name = '']) => name);
  // Those of Node alone are `nodeOnly`.
  const projects = namesIn('vitest.config.ts', /\b(?:project|browser)\('([\w-]+)'/g);
  expect(projects.sort()).toEqual(['chromium', 'firefox', 'happy-dom', 'node', 'webkit', 'workerd']);
  expect(projects).toHaveLength(numberOf(engines));
  const packed = namesIn('tools/runtimes.ts', /\bname: '([\w ]+)'/g);
  expect(packed.sort()).toEqual(['Bun', 'Deno', 'Node 22', 'Node 24', 'Node 26']);
  expect(packed).toHaveLength(numberOf(runtimes));
}

afterEach(() => void vi.unstubAllGlobals());

test.for(figures)('$page: $says', async ({ page, says, holds }) => {
  await holds(...figuresIn(page, says));
});
