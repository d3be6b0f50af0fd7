import { expect, test } from 'vitest';

import { ConcurrencyLimit, type Sign } from '../../src/model/concurrency-limit.ts';

interface Window {
  readonly latencyMs: number;
  /** Calls that run; by default as many as may. */
  readonly running?: number;
  readonly calls?: number;
  /** How many of them are dropped. */
  readonly dropped?: number;
  readonly sign?: Sign;
}

/** A limit, and calls that end evenly over so many milliseconds: by default, so many as are judged at once. */
function limitBench({ epochAt = 0 }: { epochAt?: number } = {}) {
  const limit = new ConcurrencyLimit();
  let now = 0;
  const note = (sign: Sign, latencyMs: number, running = limit.value): void =>
    limit.note({ sign, latencyMs, running, now, epochNow: epochAt + now });
  const window = ({ latencyMs, running, calls = 40, dropped = 0, sign = 'served' }: Window): number => {
    const spanMs = Math.max(250, latencyMs * 1.1);
    for (let call = 0; call < calls; call += 1) {
      now += spanMs / calls;
      note(call < dropped ? 'dropped' : sign, latencyMs, running);
    }
    return limit.value;
  };
  /** Windows, one after the other, and the limit after each. */
  const windows = (times: number, what: Window): number[] => Array.from({ length: times }, () => window(what));
  return {
    limit,
    window,
    windows,
    /** A service that works on so many calls at once, asked for as much as the limit lets through: the limit after each call. */
    service: (forMs: number, workers: number, workMs: number): number[] => {
      const limits: number[] = [];
      for (const until = now + forMs; now < until; ) {
        now += workMs / Math.min(limit.value, workers);
        note('served', workMs * Math.max(1, limit.value / workers));
        limits.push(limit.value);
      }
      return limits;
    },
    now: () => now,
  };
}

test('ConcurrencyLimit begins with 20', () => {
  expect(new ConcurrencyLimit().value).toBe(20);
});

test('ConcurrencyLimit grows by one for each call while it is used and never was too much, up to 1,000', () => {
  const { windows } = limitBench();
  const limits = windows(60, { latencyMs: 100 });
  expect(limits.slice(0, 3)).toEqual([60, 60, 86]);
  expect(Math.max(...limits)).toBe(1_000);
});

test('ConcurrencyLimit is 60 at most before it is known how long calls take, though it makes them slower', () => {
  const { service } = limitBench();
  const limits = service(3_000, 5, 100);
  expect(Math.max(...limits)).toBe(60);
});

test('ConcurrencyLimit stays while less than half of it is used, whatever calls take, and whether they are dropped', () => {
  const { limit, windows } = limitBench();
  windows(5, { latencyMs: 100, running: 9 });
  windows(5, { latencyMs: 5_000, running: 9 });
  windows(5, { latencyMs: 1, running: 9, dropped: 40 });
  expect(limit.value).toBe(20);
});

test('ConcurrencyLimit falls when calls take much longer than when nobody waits, and settles a little above what the service can do', () => {
  const { limit, windows, service } = limitBench();
  windows(3, { latencyMs: 100, running: 5 });
  expect(Math.max(...service(9_000, 50, 100))).toBeGreaterThan(85);
  expect(limit.value).toBeLessThanOrEqual(100);
  const settled = service(60_000, 50, 100);
  expect(Math.max(...settled)).toBeLessThanOrEqual(125);
  // Below that only in a dip.
  expect(settled.filter((each) => each < 50).length / settled.length).toBeLessThan(0.1);
});

test('ConcurrencyLimit is not moved by one call in twenty that takes a hundred times as long', () => {
  const { limit, windows } = limitBench();
  windows(3, { latencyMs: 100 });
  const before = limit.value;
  let now = 10_000;
  for (let call = 0; call < 400; call += 1) {
    now += 10;
    const latencyMs = call % 20 === 0 ? 10_000 : 100;
    limit.note({ sign: 'served', latencyMs, running: limit.value, now, epochNow: now });
  }
  expect(limit.value).toBeGreaterThanOrEqual(before);
});

test('ConcurrencyLimit grows less and less once it was too much', () => {
  const { limit, windows, window } = limitBench();
  windows(3, { latencyMs: 100 });
  windows(2, { latencyMs: 400 });
  window({ latencyMs: 100 });
  const before = limit.value;
  const after = window({ latencyMs: 100 });
  expect(after).toBeGreaterThan(before);
  expect(after).toBeLessThan(before + Math.sqrt(before));
});

test('ConcurrencyLimit falls when calls are dropped, by as much as half, and not for one in ten', () => {
  const { limit, windows, window } = limitBench();
  windows(3, { latencyMs: 100 });
  const before = limit.value;
  expect(window({ latencyMs: 100, dropped: 4 })).toBeGreaterThan(before);
  const grown = limit.value;
  // The drops come first in each window, so they may be split over two of them.
  const halved = window({ latencyMs: 100, dropped: 40 });
  expect(halved).toBeLessThan(grown * 0.7);
  expect(halved).toBeGreaterThanOrEqual(Math.floor(grown * 0.25));
});

test('ConcurrencyLimit never falls below 1, and grows again from there', () => {
  const { limit, windows } = limitBench();
  windows(3, { latencyMs: 100, running: 5 });
  windows(60, { latencyMs: 100, dropped: 40 });
  expect(limit.value).toBe(1);
  windows(60, { latencyMs: 100 });
  expect(limit.value).toBeGreaterThan(20);
});

test('ConcurrencyLimit takes no notice of how long calls took that were dropped', () => {
  const { limit, windows } = limitBench();
  windows(3, { latencyMs: 100, running: 5 });
  const before = limit.value;
  // Refused at once: were it a latency, what is usual would be much too low afterwards.
  windows(40, { latencyMs: 1, dropped: 40, running: 5 });
  windows(3, { latencyMs: 130 });
  expect(limit.value).toBeGreaterThan(before);
});

test('ConcurrencyLimit takes no notice of a call cut off before it could be slow, and takes one that was slow for dropped', () => {
  const [short, long] = [limitBench(), limitBench()];
  for (const { windows } of [short, long]) windows(3, { latencyMs: 100, running: 10 });
  const before = short.limit.value;
  short.windows(3, { latencyMs: 10, sign: 'cut' });
  long.windows(3, { latencyMs: 1_000, sign: 'cut' });
  expect(short.limit.value).toBe(before);
  expect(long.limit.value).toBeLessThan(before);
});

test('ConcurrencyLimit goes back to where it was, when a service has got slow and is no faster for less', () => {
  const { limit, windows } = limitBench();
  windows(4, { latencyMs: 100 });
  const before = limit.value;
  const limits = windows(60, { latencyMs: 400 });
  expect(Math.min(...limits)).toBeLessThan(before / 2);
  expect(limit.value).toBeGreaterThan(before);
});

test('ConcurrencyLimit goes back to where it was, when a share is dropped whatever it does', () => {
  const { limit, windows } = limitBench();
  windows(4, { latencyMs: 100 });
  const before = limit.value;
  const limits: number[] = [];
  // One in four, evenly.
  let now = 20_000;
  for (let call = 0; call < 4_000; call += 1) {
    now += 10;
    const sign = call % 4 === 0 ? 'dropped' : 'served';
    limit.note({ sign, latencyMs: 100, running: limit.value, now, epochNow: now });
    limits.push(limit.value);
  }
  expect(Math.min(...limits)).toBeLessThan(before / 2);
  expect(Math.max(...limits.slice(3_000))).toBeGreaterThan(before / 2);
});

test.for([0, 3_000, 7_500])(
  'ConcurrencyLimit dips while it holds calls back, by the clock that all share, and comes back: %s ms off',
  (offMs) => {
    const { limit, windows, service, now } = limitBench({ epochAt: offMs });
    windows(3, { latencyMs: 10, running: 10 });
    const dips: number[] = [];
    let before = limit.value;
    for (let step = 0; step < 40_000; step += 1) {
      service(1, 20, 10);
      if (limit.value < before * 0.6) dips.push((now() + offMs) % 10_000);
      before = limit.value;
    }
    expect(dips.length).toBeGreaterThanOrEqual(2);
    for (const at of dips) expect(at).toBeLessThan(20);
    expect(limit.value).toBeGreaterThanOrEqual(20);
  },
);

test('ConcurrencyLimit learns in dips what calls take when nobody waits, though somebody always did', () => {
  const { limit, service } = limitBench();
  const limits = service(5_000, 5, 10);
  expect(Math.max(...limits)).toBeGreaterThan(20);
  service(400_000, 5, 10);
  expect(limit.value).toBeLessThanOrEqual(15);
});

test('ConcurrencyLimit plans no dip where nothing is too much', () => {
  const { windows } = limitBench();
  const limits = windows(200, { latencyMs: 100, running: 15 });
  expect(limits.every((each, index) => each >= (limits[index - 1] ?? 0))).toBe(true);
});

test('ConcurrencyLimit judges a few slow calls after a while, and never one alone', () => {
  const limit = new ConcurrencyLimit();
  const note = (latencyMs: number, now: number): void => {
    limit.note({ sign: 'served', latencyMs, running: limit.value, now, epochNow: now });
  };
  for (let call = 0; call < 60; call += 1) note(100, call * 10);
  const before = limit.value;
  for (let call = 1; call <= 4; call += 1) note(60_000, 10_000 + call * 1_000);
  expect(limit.value).toBeGreaterThanOrEqual(before);
});

test('ConcurrencyLimit of another instance knows nothing of it', () => {
  const { windows } = limitBench();
  windows(10, { latencyMs: 100 });
  expect(new ConcurrencyLimit().value).toBe(20);
});
