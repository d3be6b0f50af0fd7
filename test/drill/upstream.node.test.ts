import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Conduct } from '../../drill/script.ts';
import { startUpstream, type Upstream } from '../../drill/upstream-process.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream();
});
afterEach(() => upstream.close());

const QUICK: Conduct = { kind: 'serve', serviceMs: 1 };

async function behave(conduct: Conduct, phase = 0, lastsMs = 60_000): Promise<void> {
  await upstream.enter(phase, { label: '', story: '', conduct, lastsMs, startsAt: 0, endsAt: lastsMs });
}

async function ask(phase = 0): Promise<number> {
  const response = await fetch(upstream.urlFor(phase));
  await response.text();
  return response.status;
}

test('the upstream serves JSON, and counts requests by the phase of their call', async () => {
  await behave(QUICK);
  expect(await (await fetch(upstream.urlFor(0))).json()).toMatchObject({ items: { length: 40 } });
  await behave(QUICK, 2);
  expect([await ask(2), await ask(0)]).toEqual([200, 200]);
  expect(await upstream.report()).toEqual({ total: 3, byPhase: [2, 0, 1] });
});

test('the upstream refuses with a Retry-After that lasts as long as the phase', async () => {
  await behave({ kind: 'refuse' }, 0, 3_500);
  const response = await fetch(upstream.urlFor(0));
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '4']);
});

test('the upstream cuts every third body', async () => {
  await behave({ ...QUICK, cutEvery: 3 });
  const results = [];
  for (let request = 0; request < 6; request += 1) results.push(await ask().catch(() => 'cut'));
  expect(results).toEqual([200, 200, 'cut', 200, 200, 'cut']);
  expect((await upstream.report()).total).toBe(6);
});

test('the upstream hangs without an answer, and lets go when the phase is over', async () => {
  await behave({ kind: 'hang' });
  const hanging = ask().catch(() => 'let go');
  while ((await upstream.report()).total === 0);
  await behave(QUICK, 1);
  expect(await hanging).toBe('let go');
  expect(await ask(1)).toBe(200);
});

test('the upstream is down, and comes back where it was', async () => {
  await behave(QUICK);
  await ask();
  await behave({ kind: 'down' }, 1);
  await expect(ask(1)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  await behave(QUICK, 2);
  expect(await ask(2)).toBe(200);
  expect(await upstream.report()).toEqual({ total: 2, byPhase: [1, 0, 1] });
});

test('the upstream works on for callers that have given up, and keeps others waiting', async () => {
  await behave({ kind: 'serve', serviceMs: 60_000 });
  const impatient = Array.from({ length: 4 }, () => {
    const caller = new AbortController();
    return { caller, asked: fetch(upstream.urlFor(0), { signal: caller.signal }).catch(() => 'gave up') };
  });
  while ((await upstream.report()).total < 4);
  for (const { caller } of impatient) caller.abort();
  expect(await Promise.all(impatient.map(({ asked }) => asked))).toEqual(Array(4).fill('gave up'));
  const patient = ask();
  while ((await upstream.report()).total < 5);
  await behave({ kind: 'refuse' }, 1);
  // Only those who wait are refused now: had a worker been free, it would be at work for this one.
  expect(await patient).toBe(503);
});

test('the upstream answers 503 at once to what waited, when it begins to refuse', async () => {
  await behave({ kind: 'serve', serviceMs: 5_000 });
  const asked = Array.from({ length: 6 }, () => ask().catch(() => 'dropped'));
  while ((await upstream.report()).total < 6);
  await behave({ kind: 'refuse' }, 1);
  expect(await Promise.any(asked)).toBe(503);
});

test('failed rejects with what the process said, when it ends by itself', async () => {
  const twin = await startUpstream();
  const failed = expect(twin.failed).rejects.toThrow(/An upstream process ended \(exit code 0\)/);
  twin.close();
  await failed;
});
