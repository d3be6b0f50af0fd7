import { expect, test } from 'vitest';

import { type Client, type ClientOptions, createClient, memoryStore } from '../src/index.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { scriptedFetch } from '../src/testing/scripted-fetch.ts';

const origin = 'https://a.test';

/** A Worker request that ends takes its unfinished calls with it: no timer of theirs fires any more. */
class WorkersClock extends FakeClock {
  frozen = false;

  override schedule(delayMs: number, callback: () => void): () => void {
    return this.frozen ? () => {} : super.schedule(delayMs, callback);
  }
}

interface Bench {
  readonly clock: WorkersClock;
  readonly client: Client;
  /** Makes a call in a request that has ended, and returns what ends it after all. */
  readonly lose: () => (response: Response) => void;
  readonly running: () => number | undefined;
  /** How a call ends that is made now. */
  readonly call: () => Promise<unknown>;
}

function bench(options: ClientOptions = {}): Bench {
  const clock = new WorkersClock();
  const bulkhead = { maxConcurrent: 2, maxQueued: 1 };
  const answers: ((response: Response) => void)[] = [];
  const fetch = scriptedFetch([
    ({ url }) => (url.endsWith('/ok') ? 200 : new Promise<Response>((resolve) => answers.push(resolve))),
  ]);
  const client = createClient({ clock, fetch, deadlineMs: 5_000, bulkhead, attemptTimeoutMs: false, ...options });
  return {
    clock,
    client,
    lose() {
      const number = answers.length;
      clock.frozen = true;
      client.fetch(`${origin}/lost`).catch(() => {});
      clock.frozen = false;
      return (response) => answers[number]?.(response);
    },
    running: () => client.snapshot().dependencies[origin]?.running,
    call: () =>
      client.fetch(`${origin}/ok`).then(
        ({ status }) => status,
        ({ code }) => code,
      ),
  };
}

test('client.fetch gets the slot of a call that is a second past its deadline without having ended', async () => {
  const { clock, lose, call } = bench({ bulkhead: { maxConcurrent: 2, maxQueued: 0 } });
  lose();
  lose();
  await clock.advance(5_999);
  expect(await call()).toBe('BULKHEAD_FULL');
  await clock.advance(1);
  expect([await call(), await call()]).toEqual([200, 200]);
});

test('client.fetch hands a lost slot to those who wait first', async () => {
  const { clock, lose, call, client } = bench();
  lose();
  lose();
  await clock.advance(5_500);
  const waiting = call();
  await clock.advance(500);
  const newcomer = call();
  expect(await waiting).toBe(200);
  expect(await newcomer).toBe(200);
  await client.close();
});

test('client.fetch takes a slot back from a waiter that is lost itself', async () => {
  const { clock, lose, call, running } = bench({ bulkhead: { maxConcurrent: 1, maxQueued: 1 } });
  lose();
  await clock.advance(1_000);
  lose(); // waits
  await clock.advance(5_000);
  const waiting = call(); // finds the first lost: its slot goes to the second
  expect(await call()).toBe('BULKHEAD_FULL');
  await clock.advance(1_000);
  const newcomer = call(); // finds the second lost
  expect([await waiting, await newcomer]).toEqual([200, 200]);
  expect(running()).toBe(0);
});

test('client.fetch frees no second slot, when a call that was given up for lost ends after all', async () => {
  const { clock, lose, call, running } = bench({ bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const endLate = lose();
  await clock.advance(6_000);
  lose(); // takes the slot of the first
  expect(running()).toBe(1);
  endLate(new Response('late'));
  await clock.advance(0);
  expect(running()).toBe(1);
  expect(await call()).toBe('BULKHEAD_FULL');
});

test.for([1_000, Infinity])(
  'client.close() does not wait for a lost call, with a store that may take %d ms',
  async (ms) => {
    const store = memoryStore();
    const { clock, call, client } = bench({ fallback: { store, storeTimeoutMs: ms } });
    clock.frozen = true;
    client.fetch(`${origin}/lost`).catch(() => {});
    await clock.advance(0);
    clock.frozen = false;
    await clock.advance(600_000);
    expect(await call()).toBe(200); // who comes looks for those who are lost
    let isClosed = false;
    void client.close().then(() => {
      isClosed = true;
    });
    await clock.advance(0);
    expect(isClosed).toBe(true);
  },
);

test('client.fetch never gives up a call without a deadline', async () => {
  const { clock, lose, call } = bench({ deadlineMs: false, bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  lose();
  await clock.advance(1e9);
  expect(await call()).toBe('BULKHEAD_FULL');
});

test('client.snapshot does not count a lost call as running, once another call was made', async () => {
  const { clock, lose, call, running } = bench({ bulkhead: false });
  lose();
  await clock.advance(5_999);
  await call();
  expect(running()).toBe(1);
  await clock.advance(1);
  await call();
  expect(running()).toBe(0);
});
