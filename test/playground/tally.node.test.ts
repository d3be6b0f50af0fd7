import { BulkheadFullError, CircuitOpenError, ClosedError } from 'steadfetch';
import { expect, test } from 'vitest';

import { Tally } from '../../playground/tally.ts';

function tallyBench() {
  const time = { now: 100_000 };
  const tally = new Tally(() => time.now);
  /** A call that ends after so many ms. */
  const call = async (end: Response | Error, afterMs = 0): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const noted = tally.note(promise);
    time.now += afterMs;
    if (end instanceof Error) reject(end);
    else resolve(end);
    await noted;
  };
  return { time, tally, call };
}

const degraded = (): Response =>
  new Response('', { headers: { 'cache-status': 'steadfetch; hit; detail="degraded: circuit-open"' } });

test('Tally counts each call once, by what its caller got', async () => {
  const { tally, call } = tallyBench();
  await call(new Response(null));
  await call(degraded());
  await call(new CircuitOpenError(1_000));
  await call(new BulkheadFullError(1, 1));
  await call(new Response(null, { status: 503 }));
  await call(new TypeError('fetch failed'));
  void tally.note(new Promise(() => {}));
  expect(tally.summary(10_000)).toMatchObject({
    calls: 7,
    counts: { fresh: 1, degraded: 1, refused: 2, failed: 2, waiting: 1 },
  });
  expect(tally.waiting).toBe(1);
});

test('Tally leaves out calls of a client that was closed', async () => {
  const { tally, call } = tallyBench();
  await call(new ClosedError());
  expect(tally.summary(10_000)).toMatchObject({ calls: 0, perCall: undefined, medianMs: undefined });
  expect(tally.waiting).toBe(0);
});

test('Tally.summary() tells how long callers waited, or have waited so far', async () => {
  const { time, tally, call } = tallyBench();
  await call(new Response(null), 20);
  await call(new TypeError('fetch failed'), 300);
  void tally.note(new Promise(() => {}));
  time.now += 1_000;
  expect(tally.summary(10_000)).toMatchObject({ medianMs: 300, longestMs: 1_000 });
  time.now += 1_000;
  expect(tally.summary(10_000)).toMatchObject({ longestMs: 2_000 });
});

test('Tally.summary() is of the calls, and requests, of a span', async () => {
  const { time, tally, call } = tallyBench();
  tally.request();
  await call(new TypeError('fetch failed'));
  time.now += 10_000;
  for (let nth = 0; nth < 3; nth += 1) tally.request();
  await call(new Response(null));
  await call(new Response(null));
  expect(tally.summary(10_000)).toMatchObject({ calls: 2, counts: { fresh: 2, failed: 0 }, perCall: 1.5 });
  expect(tally.summary(60_000)).toMatchObject({ calls: 3, perCall: 4 / 3 });
});

test('Tally.seconds() are those of the last minute, by when a call was made', async () => {
  const { time, tally, call } = tallyBench();
  await call(new Response(null), 1_500);
  time.now += 58_499; // 159,999
  await call(degraded());
  const seconds = tally.seconds();
  expect(seconds).toHaveLength(60);
  expect(seconds.at(0)).toMatchObject({ fresh: 1, degraded: 0 });
  expect(seconds.at(-1)).toMatchObject({ fresh: 0, degraded: 1 });
  time.now += 1; // the next second
  expect(tally.seconds().at(0)).toMatchObject({ fresh: 0 });
  expect(tally.seconds().at(-2)).toMatchObject({ degraded: 1 });
});
