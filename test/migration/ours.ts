// What several guides say of this library: each says it beside what another library does.
import { expect, onTestFinished, vi } from 'vitest';

import {
  type BreakerOptions,
  type ClientOptions,
  createClient,
  type HttpResult,
  type HttpRetryOptions,
} from '../../src/index.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, url, watch } from '../client/bench.ts';

/** Of so many calls at once, how many go out: as soon as the circuit may, when that has succeeded, and when the next has. */
export async function sentAfterReset(calls: number): Promise<readonly number[]> {
  const { client, clock } = clientBench([503, 200], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  await clock.advance(10_000);
  const sent: number[] = [];
  for (const _round of [1, 2, 3]) {
    const round = Array.from({ length: calls }, () => watch(client.fetch(url)));
    await clock.advance(0);
    const refused = round.filter(({ state }) => state === 'rejected');
    for (const { error } of refused) expect(error).toMatchObject({ name: 'CircuitOpenError' });
    sent.push(calls - refused.length);
  }
  return sent;
}

/** How many requests there have been when a call is made each second, and each fails. */
export async function requestsEachSecond(
  seconds: number,
  breaker: BreakerOptions<HttpResult> = {},
): Promise<readonly number[]> {
  const { client, clock, upstream } = clientBench([503], {
    retry: false,
    breaker: { failureThreshold: 1, resetTimeoutMs: 1_000, ...breaker },
  });
  const sent: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    await client.fetch(url).catch(() => {});
    sent.push(upstream.calls);
    await clock.advance(1_000);
  }
  return sent;
}

/** The longest that chance makes of a wait of a second. */
export async function longestWaitOfASecond(): Promise<number> {
  const breaker = { failureThreshold: 1, resetTimeoutMs: 1_000 };
  const { client } = clientBench([503], { retry: false, random: () => 1, breaker });
  await client.fetch(url);
  return Number(Reflect.get(Object(await errorOf(client.fetch(url))), 'retryAfterMs'));
}

/** How many requests a hundred calls make that all fail, and may be retried once. */
export async function requestsOfAHundred(retry: HttpRetryOptions = {}): Promise<number> {
  const { client, upstream } = clientBench([503], {
    breaker: false,
    retry: { initialDelayMs: 0, maxAttempts: 2, ...retry },
  });
  for (let call = 0; call < 100; call += 1) await client.fetch(url);
  return upstream.calls;
}

/** The waits between the attempts of a call that fails, in ms. */
export async function waits(retry: HttpRetryOptions, random = 0): Promise<readonly number[]> {
  const { client, clock, events } = clientBench([503], { random: () => random, deadlineMs: false, retry });
  const call = client.fetch(url);
  await clock.advance(3_600_000);
  await call;
  return events.flatMap((event) => (event.type === 'retry' ? [Math.round(event.delayMs)] : []));
}

/** Whether the timer of a wait for a retry keeps the process alive. */
export async function waitKeepsAlive(): Promise<boolean> {
  const set = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => void set.mockRestore());
  const retry = { initialDelayMs: 5_000 };
  const client = createClient({ retry, random: () => 0, fetch: scriptedFetch([503]) });
  const caller = new AbortController();
  const call = watch(client.fetch(url, { signal: caller.signal }));
  await new Promise(setImmediate);
  const waiting = set.mock.results.filter((_, index) => set.mock.calls[index]?.[1] === 5_000);
  expect(waiting).toHaveLength(1);
  caller.abort();
  await new Promise(setImmediate);
  expect(call.state).toBe('rejected');
  return waiting.every(({ value }) => (value as NodeJS.Timeout).hasRef());
}

/** Whether a circuit that was open is so in a client that is made with what the other one knew. */
export async function restoredIsOpen(): Promise<boolean> {
  const { client } = clientBench([503], { retry: false, breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  const restored = clientBench([200], { restore: JSON.parse(JSON.stringify(client.snapshot())) });
  return Reflect.get(Object(await errorOf(restored.client.fetch(url))), 'code') === 'CIRCUIT_OPEN';
}

/** What a client rejects with that refuses, of each kind: an open circuit, a bulkhead that is full, and one that is closed. */
export async function refusals(): Promise<readonly unknown[]> {
  const { client, clock } = clientBench([503, 'hang'], {
    retry: false,
    breaker: { failureThreshold: 1 },
    bulkhead: { maxConcurrent: 1, maxQueued: 0 },
  });
  await client.fetch(url);
  const open = await errorOf(client.fetch(url));
  await clock.advance(10_000);
  const [, full] = [watch(client.fetch(url)), watch(client.fetch(url))];
  await clock.advance(0);
  void client.close({ drainMs: 0 });
  await clock.advance(1);
  return [open, full.error, await errorOf(client.fetch(url))];
}

/** When two calls that share one have ended, by the deadline, and how many requests there have been, before a third and with it. */
export async function sharedCalls() {
  const { client, clock, upstream, events } = clientBench(['hang', { delayMs: 5 }], {
    deadlineMs: 1_000,
    retry: false,
    fallback: { coalesce: true },
  });
  const hanging = [1, 2].map(() => watch(client.fetch(url)));
  await clock.advance(999);
  const before = hanging.map(({ state }) => state);
  await clock.advance(1);
  const after = hanging.map(({ state }) => state);
  const sent = [upstream.calls];
  for (const calls of [2, 1]) {
    const round = Array.from({ length: calls }, () => client.fetch(url));
    await clock.advance(5);
    await Promise.all(round);
    sent.push(upstream.calls);
  }
  return {
    before,
    after,
    sent,
    shared: events.filter((event) => event.type === 'completed' && event.joined !== undefined),
  };
}

const [here, there] = ['https://here.test/', 'https://there.test/'];

/** What each layer that is new to many does at one origin when it has had enough, at another, and where it is switched off. */
export const newLayers = {
  /** The first call that is refused. */
  async breaker() {
    const until = async (options: ClientOptions): Promise<readonly [first: number, elsewhere: unknown]> => {
      const { client } = clientBench([501], options);
      let call = 1;
      while (call < 100 && (await client.fetch(here).catch(() => undefined)) !== undefined) call += 1;
      return [call, (await client.fetch(there)).status];
    };
    return { on: await until({}), off: await until({ breaker: false }) };
  },
  /** How many of so many calls at once are refused. */
  async bulkhead(calls: number) {
    const refused = async (options: ClientOptions): Promise<readonly [here: number, elsewhere: number]> => {
      const { client, clock } = clientBench(['hang'], options);
      const all = Array.from({ length: calls }, () => watch(client.fetch(here)));
      const other = watch(client.fetch(there));
      await clock.advance(0);
      const counts = [all, [other]].map((some) => some.filter(({ state }) => state === 'rejected').length);
      void client.close({ drainMs: 0 });
      await clock.advance(1);
      return counts as [number, number];
    };
    return { on: await refused({}), off: await refused({ bulkhead: false }) };
  },
  /** How many retries there are of so many calls, and of one more. */
  async budget(calls: number) {
    const retries = async (budget?: false): Promise<readonly [here: number, elsewhere: number]> => {
      const retry = { initialDelayMs: 0, maxAttempts: 2, ...(budget === false && { budget }) };
      const { client, upstream } = clientBench([503], { breaker: false, retry });
      for (let call = 0; call < calls; call += 1) await client.fetch(here);
      const atOne = upstream.calls - calls;
      await client.fetch(there);
      return [atOne, upstream.calls - calls - atOne - 1];
    };
    return { on: await retries(), off: await retries(false) };
  },
};
