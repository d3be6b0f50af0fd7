import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test, vi } from 'vitest';

import { chanceFor } from '../../lab/chance.ts';
import { readPlan } from '../../lab/plan.ts';
import {
  bulkheadSize,
  CircuitBreaker,
  type ClientOptions,
  createClient,
  memoryStore,
  type SteadEvent,
  type Store,
} from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type ScriptStep, scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { figuresIn, msOf, numberOf } from './figures.ts';
import { snippetsOf, writeSnippets } from './snippets.ts';
import { tableOf } from './tables.ts';

const PAGE = 'docs/numbers.md';
const text = readFileSync(PAGE, 'utf8');
const url = 'https://users.test/u/1';

const table = (section: string, first?: string) => tableOf(PAGE, section, first);
/** What stands before a unit: `1,300 ms` is 1300. */
const amount = (cell = ''): number => Number(cell.replaceAll(',', '').replace(/[^\d.].*$/, ''));
/** What the page has in the place of the groups. */
const says = (words: RegExp): string[] => figuresIn('numbers', words);
const said = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 3 });

/** A client among a script, on a clock of its own. A `random` of 0 makes waits as long as they can be, without jitter beyond. */
function bench(script: readonly ScriptStep[], options: ClientOptions, random: () => number = () => 0) {
  const clock = new FakeClock();
  const upstream = scriptedFetch(script, { clock });
  const client = createClient({ ...options, clock, random, fetch: upstream });
  const events: SteadEvent[] = [];
  client.subscribe((event) => events.push(event));
  /** One call, and when it ended. */
  const timed = async (): Promise<{ tookMs: number; ended: unknown }> => {
    const startedAt = clock.now();
    const ended: unknown = await client.fetch(url).catch((error: unknown) => error);
    return { tookMs: clock.now() - startedAt, ended };
  };
  const opened = (): number | undefined =>
    events.find((event) => event.type === 'transition' && event.to === 'open')?.at;
  return { clock, upstream, client, events, timed, opened };
}

describe('Timeouts', () => {
  test('each headroom cuts the share of good answers that the page says', () => {
    const { rows } = table('Timeouts', 'Headroom');
    expect(rows).toHaveLength(4);
    for (const [headroom = '', ...cells] of rows) {
      const shares = [2, 5, 10].map((tail) => {
        const spread = Math.log(tail) / Z99;
        return 100 * upperTail(Math.log(Number(headroom) * tail) / spread);
      });
      expect(cells, `headroom ${headroom}`).toEqual(shares.map(percent));
    }
  });

  test('twice the p99 cuts of a dependency that gets slower what the page says', () => {
    const [headroom = '', p99, limit, slower = '', ...cells] = says(
      /\n(Twice) the p99 is a good start: for a p99 of (\d+) ms, `attemptTimeoutMs: (\d+)`\..* gets (five) times slower without being broken is cut off, too: (\S+ %), (\S+ %) and (\S+ %) of its answers/,
    );
    expect(headroom).toBe('Twice');
    expect(amount(limit)).toBe(2 * amount(p99));
    const shares = [2, 5, 10].map((tail) => {
      const spread = Math.log(tail) / Z99;
      return 100 * upperTail(Math.log((2 * tail) / numberOf(slower)) / spread);
    });
    expect(cells).toEqual(shares.map(percent));
  });

  test('an attempt timeout cuts a good answer that is slower, and sends it again', async () => {
    const slow = { status: 200, delayMs: 501 };
    const { clock, upstream, timed } = bench([slow, 200], { attemptTimeoutMs: 500 });
    const call = timed();
    await clock.advance(600);
    expect(await call).toMatchObject({ tookMs: 600, ended: { status: 200 } });
    expect(upstream.calls).toBe(2);
  });

  test.for<[string, Partial<Store>, number]>([
    // The one silence is waited for before the attempt; the store is then left alone.
    ['a store that is silent', { get: () => new Promise(() => {}) }, 200 + 700],
    ['a respond that hangs', {}, 700 + 1_000],
  ])('%s comes on top of the call', async ([what, own, expectedMs]) => {
    const respond = what.startsWith('a respond')
      ? () => new Promise<Response>(() => {})
      : () => new Response('default');
    const fallback = { store: { ...memoryStore(), ...own }, storeTimeoutMs: 200, respond };
    const { clock, timed } = bench(['hang'], { deadlineMs: 1_000, attemptTimeoutMs: 700, retry: false, fallback });
    // A default that hangs is the user's error, and told as one.
    vi.stubGlobal('reportError', () => {});
    const call = timed();
    await clock.advance(10_000);
    expect((await call).tookMs).toBe(expectedMs);
    vi.unstubAllGlobals();
  });

  test.for([
    [1_900, 'open'],
    [2_000, 'closed'],
  ] as const)(
    'with an attempt timeout of %i ms and a deadline of 2,000, hangs leave the circuit %s',
    async ([attemptTimeoutMs, state]) => {
      const { clock, timed, client } = bench(['hang'], { deadlineMs: 2_000, attemptTimeoutMs });
      for (let call = 0; call < 5; call += 1) {
        const hanging = timed();
        await clock.advance(2_000);
        await hanging;
      }
      expect(client.snapshot().dependencies['https://users.test']?.breaker?.state).toBe(state);
    },
  );
});

describe('Retries: how many fit', () => {
  const { rows } = table('Retries: how many fit');
  const defaults = { initialDelayMs: 100, multiplier: 2, maxDelayMs: 5_000 };

  test('waits and longest calls are the sums that the page says', () => {
    expect(rows).toHaveLength(5);
    for (const [attempts = '', full, decorrelated, longest] of rows) {
      const waits = Array.from({ length: Number(attempts) - 1 }, (_, index) =>
        Math.min(defaults.maxDelayMs, defaults.initialDelayMs * defaults.multiplier ** index),
      );
      const tripled = waits.reduce<number[]>(
        (sofar) => [...sofar, Math.min(defaults.maxDelayMs, 3 * (sofar.at(-1) ?? defaults.initialDelayMs))],
        [],
      );
      expect(full).toBe(range(0, sum(waits)));
      expect(decorrelated).toBe(range(defaults.initialDelayMs * waits.length, sum(tripled)));
      expect(longest).toBe(`${said(Number(attempts) * 500 + sum(waits))} ms`);
    }
  });

  test.for(rows)(
    'a call of %s attempts that all hang takes as long as the page says',
    async ([attempts, , , longest]) => {
      const retry = { maxAttempts: Number(attempts) };
      const { clock, upstream, timed } = bench(['hang'], { attemptTimeoutMs: 500, retry });
      const call = timed();
      await clock.advance(10_000);
      expect(await call).toMatchObject({ tookMs: amount(longest), ended: { code: 'ATTEMPT_TIMEOUT' } });
      expect(upstream.calls).toBe(Number(attempts));
    },
  );

  test.for(
    rows.flatMap(([attempts = '', full = '', decorrelated = '']) =>
      (['full', 'decorrelated'] as const).flatMap((jitter) => {
        const [least = '0', most = least] = (jitter === 'full' ? full : decorrelated).split(' to ');
        return [
          { attempts, jitter, waits: amount(least), chance: jitter === 'full' ? 1 : 0 },
          { attempts, jitter, waits: amount(most), chance: jitter === 'full' ? 0 : 1 },
        ];
      }),
    ),
  )('$attempts attempts wait $waits ms in all, $jitter, with a chance of $chance', async (row) => {
    const retry = { maxAttempts: Number(row.attempts), jitter: row.jitter };
    const { clock, timed } = bench([503], { retry }, () => row.chance);
    const call = timed();
    await clock.advance(20_000);
    expect((await call).tookMs).toBe(row.waits);
  });

  test('as many attempts fit into a deadline as the page says', () => {
    const [most, deadline] = says(/Take the most attempts that fit into the deadline: (\d) for (\S+) ms\./);
    const fitting = rows.filter(([, , , longest]) => amount(longest) <= amount(deadline));
    expect(fitting.at(-1)?.[0]).toBe(most);
    expect(fitting.length).toBeLessThan(rows.length);
  });

  test('the defaults do not fit, by 300 ms: the deadline cuts the third attempt', async () => {
    const { clock, upstream, timed, client } = bench(['hang'], {});
    const call = timed();
    await clock.advance(60_000);
    expect(await call).toMatchObject({ tookMs: 30_000, ended: { code: 'DEADLINE_EXCEEDED' } });
    expect(upstream.calls).toBe(3);
    expect(text).toContain('The defaults do not fit, by 300 ms');
    expect(3 * 10_000 + 300 - 30_000).toBe(300);
    // It is a failure all the same: its first two attempts were.
    expect(client.snapshot().dependencies['https://users.test']?.counters.failure).toBe(1);
  });

  test.for<[string, ScriptStep, number, number]>([
    ['a wait would last beyond the deadline', 503, 2_000, 0],
    ['the server asks for more than maxRetryAfterMs', { status: 503, headers: { 'retry-after': '31' } }, 60_000, 0],
    ['the server asks for less', { status: 503, headers: { 'retry-after': '1' } }, 60_000, 1_000],
  ])('the answer is handed out when %s', async ([, step, deadlineMs, tookMs]) => {
    const options = { deadlineMs, retry: { initialDelayMs: tookMs === 0 ? 2_000 : 100, maxAttempts: 2 } };
    const { clock, timed } = bench([step], options);
    const call = timed();
    await clock.advance(60_000);
    expect(await call).toMatchObject({ tookMs, ended: { status: 503 } });
  });

  test.for<[RequestInit & { idempotent?: boolean }, number]>([
    [{ method: 'POST' }, 1],
    [{ method: 'PATCH' }, 1],
    [{ method: 'POST', headers: { 'idempotency-key': 'a' } }, 3],
    [{ method: 'PATCH', idempotent: true }, 3],
  ])('%o is sent %i times', async ([init, times]) => {
    const { clock, upstream, client } = bench([503], {});
    const call = client.fetch(url, init);
    await clock.advance(1_000);
    await call;
    expect(upstream.calls).toBe(times);
  });
});

describe('Retries: what they add', () => {
  const { rows } = table('Retries: what they add', 'Calls per second, one instance');
  const budgets = [{ minPerSecond: 10 }, { minPerSecond: 0.2 }, false] as const;

  test('each budget adds what the page says', () => {
    expect(rows).toHaveLength(5);
    for (const [perSecond, ...cells] of rows) {
      const factors = budgets.map((budget) =>
        budget === false ? 3 : 1 + Math.min(2, 0.2 + budget.minPerSecond / amount(perSecond)),
      );
      expect(cells).toEqual(factors.map(said));
    }
  });

  test.for(rows.flatMap(([perSecond = '', ...cells]) => cells.map((cell, column) => ({ perSecond, column, cell }))))(
    'an instance with $perSecond calls a second makes $cell requests of each, by budget $column',
    { timeout: 60_000 },
    async ({ perSecond, column, cell }) => {
      const budget = budgets[column] ?? false;
      const { clock, upstream, client } = bench([503], { breaker: false, bulkhead: false, retry: { budget } });
      const everyMs = 1_000 / Number(perSecond);
      const callFor = async (ms: number): Promise<void> => {
        for (let at = 0; at < ms; at += everyMs) {
          void client.fetch(url);
          await clock.advance(everyMs);
        }
      };
      // What has been saved up is spent, and all slices of the budget's ten seconds are of the outage.
      await callFor(30_000);
      const before = upstream.calls;
      await callFor(50_000);
      const perCall = (upstream.calls - before) / (50 * Number(perSecond));
      // A budget grants whole retries: one more or less at either end.
      expect(Math.abs(perCall - Number(cell))).toBeLessThanOrEqual(1.01 / (50 * Number(perSecond)));
    },
  );

  test('as much has been saved up as the page says: of the calls of a while, and of a second', async () => {
    const [span = '', one = ''] = says(
      /`ratio` of the calls of the last (\w+ seconds), and (one) second's worth of `minPerSecond`/,
    );
    const budget = { ratio: 0.2, minPerSecond: 10 };
    const { clock, client } = bench([200], { retry: { budget } });
    const available = () => client.snapshot().dependencies['https://users.test']?.retriesAvailable;
    for (let call = 0; call < 100; call += 1) await client.fetch(url);
    expect(available()).toBe(0.2 * 100 + numberOf(one) * 10);
    // In slices of a tenth of it.
    await clock.advance(0.9 * msOf(span) - 1);
    expect(available()).toBe(30);
    await clock.advance(0.1 * msOf(span) + 1);
    expect(available()).toBe(10);
  });

  test('a fleet has what the page says', () => {
    expect(text).toContain('50 × 10 is 500 retries a second, and there are 250 calls');
    expect([50 * 10, 50 * 5, 10 / 50, 1 / 0.2]).toEqual([500, 250, 0.2, 5]);
  });

  test('hops multiply', () => {
    const { rows: hops } = table('Retries: what they add', 'Hops that retry');
    expect(hops).toHaveLength(4);
    for (const [hop, naive, budgeted] of hops) {
      expect(naive).toBe(String(3 ** Number(hop)));
      expect(budgeted).toBe(String(Number((1.2 ** Number(hop)).toFixed(2))));
    }
  });
});

describe('Breaker: failures in a row', () => {
  const { rows } = table('Breaker: failures in a row');
  const thresholds = [3, 5, 10];

  test('calls until so many failures in a row are as many as the page says', () => {
    expect(rows).toHaveLength(6);
    for (const [share, ...cells] of rows) {
      expect(cells).toEqual(thresholds.map((k) => threeDigits(callsUntil(k, amount(share) / 100))));
    }
    expect(threeDigits(callsUntil(5, 0.1) / 100 / 60)).toBe('19');
    expect(threeDigits(callsUntil(5, 0.05) / 100 / 3_600)).toBe('9');
    expect(text).toContain('every 19 minutes, and one in twenty every 9 hours');
  });

  test.for([
    [3, 0.5],
    [5, 0.5],
    [3, 0.3],
  ])(
    'a circuit that opens at %i opens after as many calls, with a share of %f',
    async ([failureThreshold = 0, p = 0]) => {
      const chance = chanceFor(1, 'failures');
      const clock = new FakeClock();
      const breaker = new CircuitBreaker({ failureThreshold, clock });
      const rounds = 2_000;
      let calls = 0;
      for (let round = 0; round < rounds; round += 1) {
        for (; breaker.state === 'closed'; calls += 1) {
          const failed = chance() < p;
          await breaker
            .execute(() => {
              if (failed) throw new Error('by chance');
            })
            .catch(() => {});
        }
        breaker.reset();
      }
      // Four times the deviation that a mean of so many rounds has, each of which deviates by less than its mean.
      const expected = callsUntil(failureThreshold, p);
      expect(Math.abs(calls / rounds - expected)).toBeLessThan((4 * expected) / Math.sqrt(rounds));
    },
  );

  test('calls are counted after their retries: one attempt in ten is one call in a thousand', async () => {
    expect((1 / 10) ** 3).toBeCloseTo(1 / 1_000, 12);
    const { clock, client } = bench([503, 503, 200], {});
    const calls = Array.from({ length: 4 }, async () => (await client.fetch(url)).status);
    await clock.advance(2_000);
    await Promise.all(calls);
    expect(client.snapshot().dependencies['https://users.test']).toMatchObject({
      breaker: { state: 'closed' },
      counters: { failure: 0, success: 4 },
    });
  });
});

describe('Breaker: by rate', () => {
  const { rows, header } = table('Breaker: by rate');

  test('windows reach half as often as the page says', () => {
    expect(rows).toHaveLength(4);
    const sizes = header.slice(1).map((cell) => amount(cell));
    expect(sizes).toEqual([10, 20, 50, 100]);
    for (const [share, ...cells] of rows) {
      expect(cells).toEqual(sizes.map((n) => percent(100 * atLeast(n / 2, n, amount(share) / 100))));
    }
  });

  test('a window opens where successes come between, and not with fewer calls than it wants', async () => {
    const window = { durationMs: 10_000, minimumCalls: 20 };
    for (const [everyMs, opens] of [
      [500, true],
      [600, false],
    ] as const) {
      const halves = ({ number }: { readonly number: number }): ScriptStep => (number % 2 === 0 ? 200 : 501);
      const { clock, client, opened } = bench([halves], { breaker: { window } });
      for (let at = 0; at < 60_000; at += everyMs) {
        await client.fetch(url).catch(() => {});
        await clock.advance(everyMs);
      }
      expect(opened() !== undefined, `a call each ${everyMs} ms`).toBe(opens);
    }
  });
});

describe('Breaker: how long it takes, and how long it waits', () => {
  const section = 'Breaker: how long it takes, and how long it waits';
  const opening = table(section, 'Calls per second').rows;
  const troubles: readonly { step: ScriptStep; options: ClientOptions; failsAfterMs: number }[] = [
    { step: 503, options: {}, failsAfterMs: 300 },
    { step: 'hang', options: { attemptTimeoutMs: 500 }, failsAfterMs: 1_800 },
    { step: 'hang', options: {}, failsAfterMs: 30_000 },
  ];

  test.for(opening.flatMap(([perSecond = '', ...cells]) => cells.map((cell, column) => ({ perSecond, column, cell }))))(
    'a circuit with $perSecond calls a second is open after $cell, in trouble $column',
    async ({ perSecond, column, cell }) => {
      const { step, options, failsAfterMs } = troubles[column] ?? { step: 503, options: {}, failsAfterMs: 0 };
      const formula = (5 - 1) / Number(perSecond) + failsAfterMs / 1_000;
      // Who has spent its budget does not wait for retries.
      if (Number(perSecond) < 100) expect(cell).toBe(`${said(formula)} s`);
      else expect(amount(cell)).toBeLessThan(formula);
      const { clock, client, opened } = bench([step], options);
      const startedAt = clock.epochNow();
      const everyMs = 1_000 / Number(perSecond);
      while (opened() === undefined && clock.epochNow() - startedAt < 60_000) {
        void client.fetch(url).catch(() => {});
        await clock.advance(everyMs);
      }
      expect((opened() ?? Infinity) - startedAt).toBe(Math.round(amount(cell) * 1_000));
    },
  );

  const outages = table(section, 'Outage').rows;
  const waits = [
    { resetTimeoutMs: 10_000, maxResetTimeoutMs: 120_000 },
    { resetTimeoutMs: 1_000, maxResetTimeoutMs: 10_000 },
    { resetTimeoutMs: 1_000, maxResetTimeoutMs: 2_000 },
  ];

  test.for(
    outages.flatMap(([outage = '', ...cells]) =>
      waits.map((wait, column) => ({ outage, wait, probes: cells[2 * column], back: cells[2 * column + 1] })),
    ),
  )('an outage of $outage gets $probes probes, and is over $back later, with $wait', async (row) => {
    const outageMs = amount(row.outage) * 1_000;
    const clock = new FakeClock();
    const answer = (): ScriptStep => (clock.now() < outageMs ? 503 : 200);
    const upstream = scriptedFetch([answer], { clock });
    const breaker = { ...row.wait, failureThreshold: 1, resetJitter: 0 };
    const client = createClient({ clock, fetch: upstream, breaker, retry: { maxAttempts: 3 }, random: () => 0 });
    // It opens at 0: retries would come later, and belong to no probe.
    await client.fetch(url, { retry: false });
    const before = upstream.calls;
    let answeredAt: number | undefined;
    while (answeredAt === undefined) {
      await clock.advance(500);
      const ok = await client.fetch(url).then(
        ({ status }) => status === 200,
        () => false,
      );
      if (ok) answeredAt = clock.now();
    }
    // The last of them was answered.
    expect(`${upstream.calls - before - 1}`).toBe(row.probes);
    expect(`${(answeredAt - outageMs) / 1_000} s`).toBe(row.back);
    expect((await client.fetch(url)).status).toBe(200);
    expect(client.snapshot().dependencies['https://users.test']?.breaker?.state).toBe('closed');
  });

  test('the longest wait of the defaults is 144 s', async () => {
    const { clock, client } = bench([503], { breaker: { failureThreshold: 1 }, retry: false }, () => 1);
    const waits = new Set<number>();
    for (let probe = 0; probe < 8; probe += 1) {
      await client.fetch(url);
      const wait = client.snapshot().dependencies['https://users.test']?.breaker?.retryAfterMs ?? 0;
      waits.add(wait);
      await clock.advance(wait);
    }
    expect(Math.max(...waits)).toBe(144_000);
    expect(text).toContain('144 s by default');
  });

  test('a wait is what a share of the load makes it', () => {
    const { rows } = table(section, 'Calls per second, one instance');
    expect(rows).toHaveLength(4);
    for (const [perSecond, ...cells] of rows) {
      expect(cells).toEqual([0.05, 0.01].map((share) => `${said(1_000 / (share * amount(perSecond)))} ms`));
    }
  });
});

describe('Bulkhead', () => {
  test('bulkheadSize() says what the page says', () => {
    const { rows } = table('Bulkhead', '`requestsPerSecond`');
    expect(rows).toHaveLength(5);
    for (const [perSecond, latency, replicas, headroom, slots] of rows) {
      const size = bulkheadSize({
        requestsPerSecond: Number(perSecond),
        latencyMs: Number(latency),
        replicas: Number(replicas),
        headroom: Number(headroom),
      });
      expect(String(size)).toBe(slots);
    }
  });

  test.for(table('Bulkhead', '`maxConcurrent`').rows)(
    'of %s slots and %s places, with calls of %s, the last waits %s',
    async ([maxConcurrent = '', maxQueued = '', latency, waits]) => {
      const calls = Number(maxConcurrent) + Number(maxQueued);
      const bulkhead = { maxConcurrent: Number(maxConcurrent), maxQueued: Number(maxQueued) };
      const { clock, client, events } = bench([{ status: 200, delayMs: amount(latency) }], { bulkhead });
      const all = Array.from({ length: calls }, async () => (await client.fetch(url)).status);
      await expect(client.fetch(url)).rejects.toMatchObject({ code: 'BULKHEAD_FULL' });
      await clock.advance(20_000);
      expect(new Set(await Promise.all(all))).toEqual(new Set([200]));
      const waited = events.map((event) => (event.type === 'completed' ? event.queuedMs : 0));
      expect(`${said(Math.max(...waited))} ms`).toBe(waits);
      expect(amount(waits)).toBe((Number(maxQueued) * amount(latency)) / Number(maxConcurrent));
    },
  );

  test('in the last row, 80 of 100 wait for nothing', async () => {
    const bulkhead = { maxConcurrent: 10, maxQueued: 100 };
    const { clock, client } = bench([{ status: 200, delayMs: 500 }], { bulkhead, deadlineMs: 2_000 });
    const all = Array.from({ length: 110 }, () =>
      client.fetch(url).then(
        () => true,
        () => false,
      ),
    );
    await clock.advance(20_000);
    const answered = await Promise.all(all);
    // The third turn would be answered in the very moment of the deadline.
    expect(answered.filter((each) => each)).toHaveLength(30);
    expect(answered.slice(0, 10)).not.toContain(false);
    expect(text).toContain('80 of the 100 wait for nothing');
  });

  test('a slot is held with retries and waits, and who finds none is refused at once', async () => {
    const options = { attemptTimeoutMs: 300, retry: { maxAttempts: 2 }, bulkhead: { maxConcurrent: 6, maxQueued: 0 } };
    const { clock, client } = bench(['hang'], { ...options, breaker: false });
    const running: number[] = [];
    for (let call = 0; call < 14; call += 1) {
      void client.fetch(url).catch(() => {});
      running.push(client.snapshot().dependencies['https://users.test']?.running ?? 0);
      await clock.advance(50);
    }
    expect(Math.max(...running)).toBe(6);
    expect((20 * 700) / 1_000).toBe(14);
  });
});

describe('Fallback and hedges', () => {
  test('hedges add what the page says, and need as many reads', async () => {
    const [every = '', percent = '', least = ''] = says(
      /`hedge: \{ percentile: 0\.95 \}` sends one read in (\S+) twice, so it adds (\d+) % of requests at most\..* needs (\d+) reads in a minute to know when/,
    );
    expect([1 - 1 / numberOf(every), 1 - numberOf(percent) / 100]).toEqual([0.95, 0.95]);
    const { clock, client } = bench([{ status: 200, delayMs: 10 }], { hedge: { percentile: 0.95 } });
    const known: boolean[] = [];
    for (let read = 1; read <= numberOf(least); read += 1) {
      const call = client.fetch(url);
      await clock.advance(10);
      await call;
      known.push(client.snapshot().dependencies['https://users.test']?.hedgeAfterMs !== null);
    }
    expect(known.indexOf(true)).toBe(numberOf(least) - 1);
  });
});

describe('Profiles', () => {
  interface Profiles {
    readonly page: ClientOptions;
    readonly service: ClientOptions;
    readonly batch: ClientOptions;
    readonly edge: (store: Store) => ClientOptions;
  }
  let profiles: Profiles;
  beforeAll(async () => {
    const paths = writeSnippets('numbers', snippetsOf(PAGE));
    const modules = await Promise.all(paths.map((path) => import(/* @vite-ignore */ pathToFileURL(path).href)));
    profiles = Object.assign({}, ...modules) as Profiles;
  });
  const optionsOf = (name: string): ClientOptions => {
    const { page, service, batch, edge } = profiles;
    const found = { page, service, batch, edge: edge(memoryStore()) }[name];
    if (found === undefined) throw new Error(`No profile ${name}`);
    return found;
  };
  const { rows } = table('Profiles');

  test('there is a row for each snippet', () => {
    expect(rows.map(([name]) => name)).toEqual(Object.keys(profiles));
  });

  test.for(rows)('%s: a call that hangs makes so many requests, takes so long, and opens the circuit', async (row) => {
    const [name = '', deadline, requests, longest, calls, probe] = row;
    const options = optionsOf(name);
    expect(options.deadlineMs).toBe(amount(deadline));
    expect(amount(longest)).toBeLessThanOrEqual(amount(deadline));

    const { clock, upstream, timed, client } = bench(['hang'], options);
    const one = timed();
    await clock.advance(amount(deadline));
    expect(await one).toMatchObject({ tookMs: amount(longest), ended: { code: 'ATTEMPT_TIMEOUT' } });
    expect(upstream.calls).toBe(Number(requests));
    // One attempt more would not fit.
    const { initialDelayMs = 100, maxDelayMs = 5_000 } = options.retry === false ? {} : (options.retry ?? {});
    const nextWaitMs = Math.min(maxDelayMs, initialDelayMs * 2 ** (Number(requests) - 1));
    expect(amount(longest) + nextWaitMs + Number(options.attemptTimeoutMs)).toBeGreaterThan(amount(deadline));

    let failed = 1;
    while (client.snapshot().dependencies['https://users.test']?.breaker?.state === 'closed') {
      const next = timed();
      await clock.advance(amount(deadline));
      await next;
      failed += 1;
    }
    expect(failed).toBe(Number(calls));
    const { resetTimeoutMs = 10_000 } = options.breaker === false ? {} : (options.breaker ?? {});
    expect(amount(probe)).toBe(resetTimeoutMs * 1.2);
    await clock.advance(amount(probe));
    const before = upstream.calls;
    void client.fetch(url).catch(() => {});
    await clock.advance(0);
    expect(upstream.calls).toBe(before + 1);
  });

  test('what is said of each is what its numbers are made of', () => {
    const p99 = (name: string, said: RegExp): number => {
      const [ms = ''] = says(said);
      expect(optionsOf(name).attemptTimeoutMs, name).toBe(2 * amount(ms));
      return amount(ms);
    };
    p99('page', /\*\*A page that calls its API\.\*\* p99 (\d+) ms; a reader waits two seconds\./);
    expect(optionsOf('page').deadlineMs).toBe(2_000);
    p99('edge', /\*\*A Worker at the edge\.\*\* p99 (\d+) ms; two seconds for the whole answer\./);
    expect(optionsOf('edge').deadlineMs).toBeLessThan(2_000);

    const [perSecond, instances, latencyMs] = says(
      /(\d+) calls a second over (\d+) instances; p99 (\d+) ms; the caller's attempt timeout is a second\./,
    ).map(Number);
    expect(optionsOf('service').attemptTimeoutMs).toBe(2 * Number(latencyMs));
    expect(optionsOf('service').deadlineMs).toBeLessThan(1_000);
    const load = { requestsPerSecond: Number(perSecond), replicas: Number(instances), latencyMs: Number(latencyMs) };
    expect(optionsOf('service').bulkhead).toMatchObject({ maxConcurrent: bulkheadSize({ ...load, headroom: 1 }) });

    const [seconds = '', workers = ''] = says(
      /\*\*A batch job\.\*\* p99 (\d) s; nobody waits, but the night ends\. (\w+) workers, so that nothing queues/,
    );
    expect(optionsOf('batch').attemptTimeoutMs).toBeGreaterThan(2_000 * Number(seconds));
    expect(optionsOf('batch').bulkhead).toEqual({ maxConcurrent: numberOf(workers.toLowerCase()), maxQueued: 0 });
  });

  test('page and edge answer from what they have stored, when the dependency hangs', async () => {
    for (const name of ['page', 'edge']) {
      const { clock, client } = bench([200, 'hang'], optionsOf(name));
      const storing: Promise<unknown>[] = [];
      await client.fetch(url, { waitUntil: (work) => storing.push(work) });
      await Promise.all(storing);
      await clock.advance(3_600_000);
      const call = client.fetch(url);
      await clock.advance(10_000);
      expect((await call).status, name).toBe(200);
    }
  });

  test('batch: a call that is refused says when to go on, with the same item', async () => {
    const { clock, client, upstream } = bench([503, 503, 503, 503, 503, 200], {
      ...optionsOf('batch'),
      retry: false,
    });
    let done = false;
    void (async () => {
      while (!done) {
        try {
          done = (await client.fetch(url, { method: 'POST', headers: { 'idempotency-key': '1' } })).ok;
        } catch (error) {
          const { retryAfterMs = 0 } = error as { retryAfterMs?: number };
          await new Promise<void>((resolve) => clock.schedule(retryAfterMs, resolve));
        }
      }
    })();
    await clock.advance(12_000);
    expect(done).toBe(true);
    expect(upstream.calls).toBe(6);
  });

  test('service: its slots are those of Little’s law, and half of a second’s retries are its own', () => {
    expect(optionsOf('service').bulkhead).toEqual({ maxConcurrent: 6, maxQueued: 6 });
    expect(10 / 20).toBe(0.5);
    expect(text).toContain('"minPerSecond": 0.5');
  });
});

describe('Prove it', () => {
  const [, json = ''] = /```json\n(.*?)```/s.exec(text) ?? [];
  const path = join(mkdtempSync(join(tmpdir(), 'steadfetch-numbers-')), 'service.json');
  writeFileSync(path, json);

  test('the file is the profile of the service, as far as JSON holds it', async () => {
    const [, service = ''] = writeSnippets('numbers-service', snippetsOf(PAGE));
    const module = (await import(/* @vite-ignore */ pathToFileURL(service).href)) as { service: ClientOptions };
    const { propagateDeadline, ...policy } = module.service;
    expect(propagateDeadline).toBe(true);
    expect(readPlan(path).policy).toEqual(policy);
  });

  test('the dependency can take twice its calls, and the defaults answer more of them later, as the page says', () => {
    const [, , ...last] = table('Prove it').rows.slice(1);
    expect(text).toContain('against a dependency that can take twice its calls');
    const { capacityPerSecond, callsPerSecond } = readPlan(path);
    expect(capacityPerSecond).toBe(2 * callsPerSecond);
    expect(text).toContain(
      'In the last two rows the defaults answer more calls, one in a hundred of them after two seconds and more',
    );
    expect(last).toHaveLength(2);
    for (const [, answered, byDefault, , waited] of last) {
      expect(amount(byDefault)).toBeGreaterThan(amount(answered));
      expect(amount(waited)).toBeGreaterThan(2_000);
    }
  });

  test('the lab finds what the page says', async () => {
    const { rows } = table('Prove it');
    expect(rows).toHaveLength(5);
    const found = await labOn(path);
    const facts = ['calls answered', '99 of 100 callers had an answer or an error after', 'well again after'];
    for (const [title = '', ...cells] of rows) {
      const both = facts.flatMap((fact) =>
        ['your policy', 'the defaults'].map((policy) => found.get(`${title}/${policy}/${fact}`)),
      );
      expect(cells, title).toEqual(both);
    }
  }, 120_000);
});

/** What the lab says of each scenario and policy. */
async function labOn(policy: string): Promise<ReadonlyMap<string, string>> {
  const stdout = await new Promise<string>((resolve, reject) => {
    const page = join(mkdtempSync(join(tmpdir(), 'steadfetch-numbers-')), 'page.html');
    const args = ['lab/main.ts', '--policy', policy, '--no-open', '--page', page];
    execFile(process.execPath, args, (error, out) => (error === null ? resolve(out) : reject(error)));
  });
  const found = new Map<string, string>();
  let title = '';
  for (const line of stdout.split('\n')) {
    const [, of, claim, value] = /^ {2,}(.*?): (.*): (.*)$/.exec(line) ?? [];
    if (value !== undefined) found.set(`${title}/${of}/${claim}`, value.trim());
    else if (/^[A-Z]/.test(line) && !line.endsWith('.')) title = line;
  }
  return found;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function range(from: number, to: number): string {
  return to === 0 ? '0 ms' : `${said(from)} to ${said(to)} ms`;
}

/** Calls until there are k failures in a row, on average, if each fails with probability p. */
function callsUntil(k: number, p: number): number {
  return (p ** -k - 1) / (1 - p);
}

function threeDigits(value: number): string {
  return Number(value.toPrecision(value < 100 ? 2 : 3)).toLocaleString('en', { maximumFractionDigits: 0 });
}

/** The probability of `least` failures or more among `calls`, if each fails with probability p. */
function atLeast(least: number, calls: number, p: number): number {
  let term = (1 - p) ** calls;
  let below = 0;
  let from = 0;
  for (let failures = 0; failures <= calls; failures += 1) {
    if (failures < least) below += term;
    else from += term;
    term *= ((calls - failures) / (failures + 1)) * (p / (1 - p));
  }
  expect(below + from).toBeCloseTo(1, 9);
  return from;
}

function percent(value: number): string {
  if (value < 0.0001) return '< 0.0001 %';
  const digits = value < 0.001 ? 1 : 2;
  return `${Number(value.toPrecision(digits)).toLocaleString('en', { maximumSignificantDigits: digits })} %`;
}

const Z99 = 2.326347874040841;

/** What of a normal distribution is above z: Simpson's rule, in steps that leave no error that would be seen. */
function upperTail(z: number): number {
  const steps = 20_000;
  const width = 20 / steps;
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let total = density(z) + density(z + 20);
  for (let step = 1; step < steps; step += 1) total += density(z + step * width) * (step % 2 === 0 ? 2 : 4);
  return (total * width) / 3;
}
