import { expect, test } from 'vitest';

import { Load, MOST_IN_A_MINUTE, MOST_UNDER_WAY } from '../../playground/load.ts';

function times(count: number, action: () => void): void {
  for (let nth = 0; nth < count; nth += 1) action();
}

test.for([
  ['request', '10,000 requests are under way at once'],
  ['call', '10,000 callers wait at once'],
] as const)('Load.excess tells of too many that are no further than a %s', async ([kind, words]) => {
  const load = new Load(() => 0);
  const { promise, resolve } = Promise.withResolvers<Response>();
  const { promise: lost, reject } = Promise.withResolvers<Response>();
  const never = new Promise<Response>(() => {});
  load[kind](promise);
  load[kind](lost);
  times(MOST_UNDER_WAY - 1, () => load[kind](never));
  expect(load.excess).toBe(words);
  resolve(new Response(null));
  await Promise.resolve();
  expect(load.excess).toBe(words);
  reject(new TypeError('fetch failed'));
  await Promise.resolve();
  expect(load.excess).toBe(undefined);
});

test('Load.excess tells of too many requests within a minute', async () => {
  let now = 0;
  const load = new Load(() => now);
  const send = async (requests: number): Promise<void> => {
    const answer = Promise.resolve(new Response(null));
    for (let sent = 0; sent < requests; sent += 1) {
      load.request(answer);
      if (sent % 1_000 === 0) await null;
    }
    await null;
  };
  await send(MOST_IN_A_MINUTE - 1);
  expect(load.excess).toBe(undefined);
  now = 60_000;
  await send(MOST_IN_A_MINUTE - 1);
  expect(load.excess).toBe(undefined);
  now = 119_999;
  await send(1);
  expect(load.excess).toBe('50,000 requests were sent within a minute');
});
