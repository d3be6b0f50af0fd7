import fc from 'fast-check';
import { expect, test } from 'vitest';

import { newPace, noteRead, percentileMs, spendHedge } from '../../src/model/hedge-pace.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { clientBench, facts, origin, url, watch } from '../client/bench.ts';
import { RUNS } from './bench.ts';

// What is known of latencies.

const reads = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 1, maxLength: 300 });
const share = fc.constantFrom(0.5, 0.9, 0.95, 0.99);

test('percentileMs() is what sorting all reads gives, or up to an eleventh more', () => {
  fc.assert(
    fc.property(reads, share, (tooksMs, part) => {
      const pace = newPace(0);
      for (const tookMs of tooksMs) noteRead(pace, tookMs, part, 0);
      const found = percentileMs(pace, part, 0);
      const mayExceed = Math.floor(tooksMs.length * (1 - part) + 1e-9);
      if (tooksMs.length < 20 || mayExceed < 1) {
        expect(found).toBeUndefined();
        return;
      }
      const sorted = tooksMs.toSorted((a, b) => b - a);
      const exact = Math.min(131_072, Math.max(1, sorted[mayExceed] ?? 0));
      expect(found).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(found).toBeLessThanOrEqual(exact * 2 ** (1 / 8) * (1 + 1e-9));
    }),
    RUNS,
  );
});

test('spendHedge() grants, of any reads, no more than the share they leave', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 500 }), share, (asks, part) => {
      const pace = newPace(0);
      let granted = 0;
      for (const [nth, ask] of asks.entries()) {
        noteRead(pace, 10, part, 0);
        if (ask && spendHedge(pace)) granted += 1;
        expect(granted).toBeLessThanOrEqual((nth + 1) * (1 - part) + 1e-6);
      }
    }),
    RUNS,
  );
});

// Who wins a race.

interface Runner {
  readonly tookMs: number;
  readonly status: number | 'network';
}

interface Outcome {
  readonly atMs: number;
  /** Which of them, from 0. */
  readonly winner: number;
  readonly sent: number;
  /** Those that were aborted. */
  readonly aborted: readonly number[];
}

/** The rules, one after the other: slowly, and without promises. */
function naiveRace(
  runners: readonly Runner[],
  afterMs: number,
  maxExtra: number,
  waitsFor: (it: Runner) => boolean,
): Outcome {
  const endAt = (nth: number): number => nth * afterMs + (runners[nth]?.tookMs ?? Infinity);
  let sent = 1;
  // Another is sent for as long as none has ended.
  while (sent <= maxExtra && Array.from({ length: sent }, (_, nth) => endAt(nth)).every((at) => at > sent * afterMs))
    sent += 1;
  const byEnd = Array.from({ length: sent }, (_, nth) => nth).toSorted((a, b) => endAt(a) - endAt(b));
  const good = byEnd.find((nth) => !waitsFor(runners[nth] as Runner));
  const last = byEnd.at(-1) as number;
  const winner = good ?? byEnd.findLast((nth) => runners[nth]?.status !== 'network') ?? last;
  const atMs = endAt(good ?? last);
  const aborted = byEnd.filter((nth) => endAt(nth) > atMs).toSorted();
  return { atMs, winner, sent, aborted };
}

const runner = fc.record<Runner>({
  // Never when another is sent, nor at once: who comes first would be chance. All of them end at different times.
  tookMs: fc.nat({ max: 60 }).map((n) => n * 10 + 1),
  status: fc.constantFrom(200, 200, 404, 501, 503, 429, 'network' as const),
});

test('hedge gives the first good answer, or the last one, or the last error, whatever comes when', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(runner, { minLength: 4, maxLength: 4 }),
      fc.constantFrom(20, 50, 100, 300),
      fc.integer({ min: 1, max: 3 }),
      async (given, afterMs, maxExtra) => {
        const runners = given.map((each, nth) => ({ ...each, tookMs: each.tookMs + nth }));
        const expected = naiveRace(runners, afterMs, maxExtra, ({ status }) => [503, 429, 'network'].includes(status));
        const steps = runners.map(
          ({ tookMs, status }, nth): ScriptStep =>
            status === 'network'
              ? () => new Promise((resolve) => void clock.schedule(tookMs, () => resolve(new TypeError(`${nth}`))))
              : { status, delayMs: tookMs, body: null, headers: { 'x-runner': String(nth) } },
        );
        const bench = clientBench(steps, {
          hedge: { afterMs, maxExtra },
          retry: { maxAttempts: 1 },
        });
        const { client, clock, upstream, events } = bench;
        const call = watch(client.fetch(url));
        await clock.advance(expected.atMs - 1);
        expect(call.state).toBe('pending');
        await clock.advance(1);
        const winner = call.value?.headers.get('x-runner') ?? (call.error as Error).message;
        expect(Number(winner)).toBe(expected.winner);
        expect(upstream.calls).toBe(expected.sent);
        const aborted = upstream.requests.flatMap(({ signal }, nth) => (signal?.aborted === true ? [nth] : []));
        expect(aborted).toEqual(expected.aborted);
        const attempts = facts(events, 'attempt');
        expect(attempts.map(({ attempt }) => attempt).toSorted()).toEqual(
          Array.from({ length: expected.sent }, (_, nth) => nth + 1),
        );
        expect(
          attempts
            .filter(({ failure }) => failure === 'outrun')
            .map(({ attempt }) => attempt - 1)
            .toSorted(),
        ).toEqual(expected.aborted);
        expect(facts(events, 'completed')).toMatchObject([{ attempts: expected.sent, durationMs: expected.atMs }]);
        expect(events.at(-1)?.type).toBe('completed');
        expect(client.snapshot().dependencies[origin]).toMatchObject({
          running: 0,
          counters: { attempts: expected.sent, hedges: expected.sent - 1, retries: 0 },
        });
        await clock.advance(100_000);
        expect(upstream.calls).toBe(expected.sent);
        expect(clock.pending).toBe(0);
      },
    ),
    { ...RUNS, numRuns: RUNS.numRuns / 5 },
  );
});
