// Thousands of steps of the clock each: in other engines, where a step takes a task, they take minutes. The decisions themselves
// (model/concurrency-limit.ts) are tested in all.
import { expect, test, vi } from 'vitest';

import {
  type BulkheadOptions,
  CircuitBreaker,
  ClosedError,
  compose,
  retry,
  withDeadline,
  withTimeout,
} from '../../src/index.ts';
import type { BulkheadHooks } from '../../src/policies/bulkhead.ts';
import { bulkheadBench, load } from '../support/bulkhead-bench.ts';
import { watch } from '../support/watch.ts';

/** As many callers as may run, and some who wait, for so long: each call takes so many ms, and ends as told. */
function adaptiveBench(options: BulkheadOptions = {}, hooks: BulkheadHooks = {}) {
  const bench = bulkheadBench({ maxConcurrent: 'adaptive', maxQueued: 2_000, ...options }, hooks);
  const { clock, bulkhead } = bench;
  let isOver = false;
  let most = 0;
  const work = async (takesMs: () => number, end: () => void): Promise<void> => {
    most = Math.max(most, bulkhead.running);
    await new Promise<void>((resolve) => clock.schedule(takesMs(), resolve));
    end();
  };
  const user = async (takesMs: () => number, end: () => void): Promise<void> => {
    while (!isOver) await bulkhead.execute(() => work(takesMs, end)).catch(() => {});
  };
  /** The limit after each tenth of a second. */
  const use = async (forMs: number, users: number, takesMs: () => number, end = () => {}): Promise<number[]> => {
    isOver = false;
    const limits: number[] = [];
    const all = Array.from({ length: users }, () => user(takesMs, end));
    for (let at = 0; at < forMs; at += 100) {
      await clock.advance(100);
      limits.push(bulkhead.maxConcurrent);
    }
    isOver = true;
    await clock.advance(200_000);
    await Promise.all(all);
    return limits;
  };
  return { ...bench, use, most: () => most };
}

const timeout = (): never => {
  throw Object.assign(new Error('too long'), { name: 'TimeoutError' });
};
const down = (): never => {
  throw new Error('down');
};

test('Bulkhead with "adaptive" begins with 20, and each has a limit of its own', async () => {
  const first = adaptiveBench();
  expect(first.bulkhead.maxConcurrent).toBe(20);
  await first.use(1_000, 100, () => 10);
  expect(first.bulkhead.maxConcurrent).toBeGreaterThan(20);
  expect(adaptiveBench().bulkhead.maxConcurrent).toBe(20);
});

test('Bulkhead with "adaptive" lets waiters in at once as the limit grows, in order, and no more than may', async () => {
  const { clock, bulkhead, started, call } = adaptiveBench();
  const calls = Array.from({ length: 60 }, (_, nth) => call(String(nth)));
  await clock.advance(50);
  expect(load(bulkhead)).toEqual([20, 40]);
  for (let nth = 0; nth < 20; nth += 1) {
    calls[nth]?.end();
    await clock.advance(0);
    const { maxConcurrent, running } = bulkhead;
    // One has ended, whose slot is handed on, and there is one more.
    expect([maxConcurrent, running]).toEqual([21 + nth, Math.min(21 + nth, 59 - nth)]);
    expect(started).toEqual(Array.from({ length: Math.min(60, 22 + 2 * nth) }, (_, index) => String(index)));
  }
  expect(load(bulkhead)).toEqual([40, 0]);
});

test('Bulkhead with "adaptive" falls when calls get slow, lets who runs go on, and hands on no slot until there are fewer', async () => {
  const { clock, bulkhead, started, call, use } = adaptiveBench();
  await use(2_000, 40, () => 10);
  started.length = 0;
  const calls = Array.from({ length: 400 }, (_, nth) => call(String(nth)));
  const { running: most } = bulkhead;
  let falls = 0;
  for (const each of calls) {
    await clock.advance(20);
    const { maxConcurrent, running } = bulkhead;
    each.end();
    await clock.advance(0);
    if (bulkhead.maxConcurrent < maxConcurrent) falls += 1;
    // Either it is among those that may run, or there are fewer than before.
    if (bulkhead.running > bulkhead.maxConcurrent) expect(bulkhead.running).toBe(running - 1);
    if (bulkhead.queued > 0) expect(bulkhead.running).toBeGreaterThanOrEqual(bulkhead.maxConcurrent);
  }
  expect(falls).toBeGreaterThan(2);
  expect(bulkhead.maxConcurrent).toBeLessThan(most);
  expect(started).toEqual(calls.map((_, nth) => String(nth)));
  expect(calls.map(({ seen }) => seen.value)).toEqual(started);
  expect(load(bulkhead)).toEqual([0, 0]);
});

test('Bulkhead with "adaptive" takes the waits between attempts for latency, unless it is inside of retry()', async () => {
  for (const isInside of [true, false]) {
    const { clock, bulkhead } = adaptiveBench();
    const again = retry({ clock, maxAttempts: 2, initialDelayMs: 2_000, jitter: 0, budget: false });
    const policy = isInside ? compose(again, bulkhead) : compose(bulkhead, again);
    let flaky = false;
    const call = async (): Promise<void> => {
      let attempts = 0;
      await policy.execute(async () => {
        attempts += 1;
        await new Promise<void>((resolve) => clock.schedule(100, resolve));
        if (flaky && attempts === 1) down();
      });
    };
    const burst = async (): Promise<void> => {
      const calls = Array.from({ length: flaky ? 300 : 60 }, call);
      await clock.advance(20_000);
      await Promise.all(calls);
    };
    const limits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      flaky = round > 2;
      await burst();
      limits.push(bulkhead.maxConcurrent);
    }
    const [before = 0, after = 0] = limits.slice(-3);
    if (isInside) expect(after).toBeGreaterThan(before);
    else expect(after).toBeLessThan(before);
  }
});

test('Bulkhead with "adaptive" falls for errors that are timeouts, and for no others', async () => {
  for (const [end, falls] of [
    [timeout, true],
    [down, false],
  ] as const) {
    const { bulkhead, use } = adaptiveBench();
    await use(5_000, 30, () => 100, end);
    if (falls) expect(bulkhead.maxConcurrent).toBeLessThan(5);
    else expect(bulkhead.maxConcurrent).toBe(20);
  }
});

test('Bulkhead with "adaptive" falls for the attempt timeout inside it, and for the deadline around it', async () => {
  for (const around of ['timeout inside', 'deadline around']) {
    const { clock, bulkhead } = adaptiveBench();
    const policy =
      around === 'timeout inside'
        ? compose(bulkhead, withTimeout(500, { clock }))
        : compose(withDeadline(500, { clock }), bulkhead);
    for (let round = 0; round < 10; round += 1) {
      const polite = { signal: new AbortController().signal };
      const fast = Array.from({ length: 20 }, () => policy.execute(() => clock.now() >= 0, polite));
      await Promise.all(fast);
      const calls = Array.from({ length: 20 }, () => policy.execute(hang).catch(() => {}));
      await clock.advance(20 * 500);
      await Promise.all(calls);
    }
    expect(bulkhead.maxConcurrent).toBeLessThan(20);
  }
});

/** Ends with its signal. */
const hang = ({ signal }: { signal: AbortSignal }): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

test('Bulkhead with "adaptive" learns nothing from callers who leave, nor from what is refused inside', async () => {
  const { clock, bulkhead } = adaptiveBench();
  const controllers: AbortController[] = [];
  const leave = async (): Promise<void> => {
    const caller = new AbortController();
    controllers.push(caller);
    const call = bulkhead.execute(hang, { signal: caller.signal }).catch(() => {});
    await clock.advance(50);
    caller.abort('gone');
    await call;
  };
  for (let round = 0; round < 30; round += 1) await Promise.all(Array.from({ length: 20 }, leave));
  expect(bulkhead.maxConcurrent).toBe(20);
  const breaker = new CircuitBreaker({ clock });
  breaker.isolate();
  for (let call = 0; call < 200; call += 1) {
    await clock.advance(5);
    await Promise.all(
      Array.from({ length: 20 }, () =>
        compose(bulkhead, breaker)
          .execute(down)
          .catch(() => {}),
      ),
    );
  }
  expect(bulkhead.maxConcurrent).toBe(20);
});

test('Bulkhead with "adaptive" asks the hook what a call says, and takes no sign for none', async () => {
  const signOf = vi.fn((result: object) => ('value' in result ? undefined : ('dropped' as const)));
  const { bulkhead, use } = adaptiveBench({}, { signOf });
  await use(2_000, 40, () => 50);
  expect(signOf).toHaveBeenCalled();
  expect(bulkhead.maxConcurrent).toBe(20);
  await use(2_000, 40, () => 50, down);
  expect(bulkhead.maxConcurrent).toBeLessThan(10);
});

test('Bulkhead with "adaptive" gives the slot back, though the clock throws when the call ends', async () => {
  const { clock, bulkhead } = adaptiveBench();
  const thrown = new Error('no time');
  const call = bulkhead.execute(() => {
    vi.spyOn(clock, 'now').mockImplementationOnce(() => {
      throw thrown;
    });
    return 'fine';
  });
  await expect(call).rejects.toBe(thrown);
  expect(load(bulkhead)).toEqual([0, 0]);
  expect(await bulkhead.execute(() => 'fine')).toBe('fine');
});

test('Bulkhead with "adaptive" refuses who waits when it is closed, and resolves when who ran has ended', async () => {
  const { clock, bulkhead, call } = adaptiveBench();
  const calls = Array.from({ length: 25 }, (_, nth) => call(String(nth)));
  const closed = watch(bulkhead.close());
  await clock.advance(10);
  expect(load(bulkhead)).toEqual([20, 0]);
  expect(calls.slice(20).every(({ seen }) => seen.error instanceof ClosedError)).toBe(true);
  for (const each of calls.slice(0, 20)) each.end();
  await clock.advance(0);
  expect(load(bulkhead)).toEqual([0, 0]);
  expect('value' in closed).toBe(true);
});

test('Bulkhead with "adaptive" takes out who aborts at once, also while the limit moves', async () => {
  const { clock, bulkhead, started, call } = adaptiveBench();
  const controller = new AbortController();
  const running = Array.from({ length: 20 }, (_, nth) => call(String(nth)));
  const leaving = call('leaving', controller.signal);
  call('next');
  running[0]?.end();
  controller.abort('left');
  await clock.advance(0);
  expect(leaving.seen).toEqual({ error: 'left' });
  expect(started.slice(20)).toEqual(['next']);
  expect(load(bulkhead)).toEqual([20, 0]);
});
