import { readFileSync } from 'node:fs';
import * as fake from 'fake-indexeddb';
import { afterEach, expect, test, vi } from 'vitest';

import { resolveClient } from '../../src/client-options.ts';
import { createHealth } from '../../src/health/index.ts';
import { isStorable, MAX_VARIANTS } from '../../src/http/stored-response.ts';
import { memoryStore } from '../../src/index.ts';
import { ConcurrencyLimit, type Sign } from '../../src/model/concurrency-limit.ts';
import { newPace, noteRead, percentileMs, spendHedge } from '../../src/model/hedge-pace.ts';
import { createServerTiming } from '../../src/server-timing.ts';
import { idbStore } from '../../src/stores/idb.ts';
import { bytesOf, type Store } from '../../src/stores/store.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { clientBench, fetchAndStore, url, watch } from '../client/bench.ts';
import { fallbackBench, good, shown } from '../client/fallback-bench.ts';
import { entryOf } from '../stores/idb-bench.ts';
import { figuresIn, msOf, numberOf, shareOf } from './figures.ts';

/** Figures of a page, by the words around them, and what has to be true of them. */
interface Figures {
  readonly page: string;
  readonly says: RegExp;
  readonly holds: (...figures: string[]) => void | Promise<void>;
}

const MIB = 1_048_576;

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

const figures: readonly Figures[] = [
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
    says: /as long as it is among the last (\S+) URLs written/,
    async holds(remembered) {
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
    },
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
    holds(version) {
      const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
      expect(peerDependencies['@opentelemetry/api']).toBe(`^${version}.0`);
    },
  },
];

afterEach(() => void vi.unstubAllGlobals());

test.for(figures)('$page: $says', async ({ page, says, holds }) => {
  await holds(...figuresIn(page, says));
});
