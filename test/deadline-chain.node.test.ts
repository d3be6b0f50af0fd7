import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { createClient } from '../src/index.ts';
import { figuresIn } from './docs/figures.ts';

// A → B → C, three processes, as docs/deadlines.md draws them. C hangs; the edge has less time than each service would take.
const [edgeS, toldMs, ownS] = figuresIn(
  'deadlines',
  /^edge, (\d) s ── (\d+) ms ──▶ A, own (\d) s .* B, own \3 s .* C hangs\n +at \1 s: C's signal aborts, B, A and the edge end$/m,
).map(Number);
const [edgeMs, ownMs] = [1_000 * Number(edgeS), 1_000 * Number(ownS)];

interface Work {
  readonly told: string | null;
  readonly ended: string;
  readonly workedMs: number;
}

const script = fileURLToPath(new URL('support/chain-service.ts', import.meta.url));
const services: ChildProcess[] = [];
let edge = '';

beforeAll(async () => {
  for (const _name of ['C', 'B', 'A']) {
    const service = fork(script, [String(ownMs), ...(edge === '' ? [] : [edge])], { execArgv: [] });
    services.unshift(service);
    const [{ url }] = (await once(service, 'message')) as [{ url: string }];
    edge = url;
  }
}, 60_000);

afterAll(async () => {
  for (const service of services) {
    const exited = once(service, 'exit');
    service.disconnect();
    await exited;
  }
}, 20_000);

test('a deadline crosses three services: when the last one hangs, nobody works past it', {
  timeout: 60_000,
}, async () => {
  const work = services.map(async (service) => ((await once(service, 'message')) as [Work])[0]);
  const client = createClient({ deadlineMs: edgeMs, attemptTimeoutMs: false, retry: false, propagateDeadline: true });
  const startedAt = performance.now();
  const outcome = await client.fetch(edge).then(
    ({ status }) => status,
    (error: Error) => error.name,
  );
  const waitedMs = performance.now() - startedAt;
  // Either the caller's time is up first, or the answer of who ran out of it comes just before.
  expect(['TimeoutError', 504]).toContain(outcome);
  const [a, b, c] = (await Promise.all(work)) as [Work, Work, Work];
  const told = [a, b, c].map((each) => Number(each.told));
  expect(toldMs).toBe(edgeMs);
  expect(told[0]).toBeLessThanOrEqual(edgeMs);
  expect(told[1]).toBeLessThanOrEqual(told[0] ?? 0);
  expect(told[2]).toBeLessThanOrEqual(told[1] ?? 0);
  expect(told[2]).toBeGreaterThan(1_000);
  expect([a, b, c].map(({ ended }) => ended)).toEqual(['TimeoutError', 'TimeoutError', 'TimeoutError']);
  for (const ms of [waitedMs, a.workedMs, b.workedMs, c.workedMs]) {
    expect(ms).toBeGreaterThan(1_000);
    expect(ms).toBeLessThan(edgeMs + 500);
  }
});
