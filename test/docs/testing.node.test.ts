import { format } from 'node:util';

import { expect, test, vi } from 'vitest';

import * as testing from '../../src/testing/index.ts';
import { clientBench, facts, url } from '../client/bench.ts';
import { load, snippetsOf } from './snippets.ts';

test('docs/testing.md: the snippet says what its comment says, and sleeps for nothing', async () => {
  const [snippet] = snippetsOf('docs/testing.md');
  const [, said] = /^console\.log\(.*\); \/\/ (.*)$/m.exec(snippet?.code ?? '') ?? [];
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const timer = vi.spyOn(globalThis, 'setTimeout');
  await load('testing', snippet);
  expect(log.mock.calls.map((args) => format(...args))).toEqual([said]);
  expect(timer).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

test('docs/testing.md: steadfetch/testing has a clock, a fetch that follows a script, and one that fails by chance', () => {
  expect(Object.keys(testing).sort()).toEqual(['FakeClock', 'chaosFetch', 'scriptedFetch']);
});

test('docs/testing.md: a random of 0 takes nothing off a wait', async () => {
  for (const [chance, delayMs] of [
    [0, 100],
    [0.25, 75],
  ] as const) {
    const { client, clock, events } = clientBench([503, 200], { random: () => chance });
    const call = client.fetch(url);
    await clock.advance(1_000);
    await call;
    expect(facts(events, 'retry')).toMatchObject([{ delayMs }]);
  }
});
