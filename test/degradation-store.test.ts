import { expect, test, vi } from 'vitest';

import { degradationStore } from '../src/index.ts';
import { clientBench, url } from './client/bench.ts';
import { down, fallbackBench, good, shown, stored } from './client/fallback-bench.ts';

const other = 'https://prices.test/';
const start = Date.UTC(2026, 0, 1);

/** A client whose dependencies answer, fail and answer again, with a store that follows it. */
function bench(...script: Parameters<typeof fallbackBench>[0]) {
  const made = fallbackBench(script, {
    respond: (request) => (request.url === other ? new Response('none') : undefined),
  });
  const store = degradationStore(made.client);
  return { ...made, degraded: store };
}

test('degradationStore() tells what is degraded, why, since when and as of when, until its next success', async () => {
  const made = bench(good('one'), 503, down, good('two'));
  const { client, clock, degraded } = made;
  const heard = vi.fn();
  degraded.subscribe(heard);
  await shown(client.fetch(url));
  await stored(made, url);
  expect(degraded.getSnapshot()).toEqual({ degraded: false, dependencies: [] });
  await clock.advance(60_000);
  await shown(client.fetch(url));
  const since = start + 60_000;
  const dependency = { dependency: 'https://users.test', source: 'cache', since, asOf: start };
  expect(degraded.getSnapshot()).toEqual({ degraded: true, dependencies: [{ ...dependency, reason: 'status-503' }] });
  await clock.advance(60_000);
  await shown(client.fetch(url));
  expect(degraded.getSnapshot()).toEqual({ degraded: true, dependencies: [{ ...dependency, reason: 'network' }] });
  await shown(client.fetch(url));
  expect(degraded.getSnapshot()).toEqual({ degraded: false, dependencies: [] });
  expect(heard).toHaveBeenCalledTimes(3);
});

test('degradationStore() gives the same snapshot, and tells nobody, while nothing changes', async () => {
  const { client, clock, degraded } = bench(good('one'), 503);
  const heard = vi.fn();
  degraded.subscribe(heard);
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  const snapshot = degraded.getSnapshot();
  for (let call = 0; call < 3; call += 1) {
    await clock.advance(1_000);
    await shown(client.fetch(url));
  }
  expect(degraded.getSnapshot()).toBe(snapshot);
  expect(heard).toHaveBeenCalledTimes(1);
});

test('degradationStore() keeps dependencies apart, and their order', async () => {
  const { client, degraded } = bench(good('one'), 503, down, 503, good('two'));
  degraded.subscribe(() => {});
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  await shown(client.fetch(other));
  await shown(client.fetch(url));
  const names = (): string[] => degraded.getSnapshot().dependencies.map(({ dependency }) => dependency);
  expect(names()).toEqual(['https://users.test', 'https://prices.test']);
  expect(degraded.getSnapshot().dependencies[1]).toMatchObject({ source: 'default', asOf: undefined });
  await shown(client.fetch(url));
  expect(names()).toEqual(['https://prices.test']);
  expect(degraded.getSnapshot().degraded).toBe(true);
});

test('degradationStore() heals by a refresh that nobody waits for', async () => {
  const made = fallbackBench([good('one'), 503, good('two')], { staleWhileRevalidateMs: 3_600_000 });
  const degraded = degradationStore(made.client);
  degraded.subscribe(() => {});
  for (let call = 0; call < 3; call += 1) {
    await shown(made.client.fetch(url));
    await made.clock.advance(1);
  }
  expect(degraded.getSnapshot().degraded).toBe(false);
  await made.clock.advance(1);
  expect(await shown(made.client.fetch(url))).toBe('200 two');
});

test('degradationStore() listens to its client only while somebody listens to it', async () => {
  const { client } = clientBench([200]);
  const unsubscribed = vi.fn();
  const subscribe = vi.fn(() => unsubscribed);
  const store = degradationStore({ ...client, subscribe });
  expect(store.getSnapshot()).toEqual({ degraded: false, dependencies: [] });
  expect(subscribe).not.toHaveBeenCalled();
  const listener = (): void => {};
  const [first, second] = [store.subscribe(listener), store.subscribe(listener)];
  expect(subscribe).toHaveBeenCalledTimes(1);
  first();
  first();
  expect(unsubscribed).not.toHaveBeenCalled();
  second();
  expect(unsubscribed).toHaveBeenCalledTimes(1);
  store.subscribe(listener);
  expect(subscribe).toHaveBeenCalledTimes(2);
});

test('degradationStore() forgets what it saw, when nobody listens any more: it may have changed', async () => {
  const { client, degraded } = bench(good('one'), 503);
  const stop = degraded.subscribe(() => {});
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  expect(degraded.getSnapshot().degraded).toBe(true);
  stop();
  expect(degraded.getSnapshot().degraded).toBe(false);
});

test('degradationStore() works unbound, with listeners that come and go while they are told', async () => {
  const { client, degraded } = bench(good('one'), 503, good('two'));
  const { subscribe, getSnapshot } = degraded;
  const heard: string[] = [];
  const stop = subscribe(() => {
    heard.push(`first ${getSnapshot().degraded}`);
    stop();
    subscribe(() => void heard.push(`late ${getSnapshot().degraded}`));
  });
  subscribe(() => void heard.push(`second ${getSnapshot().degraded}`));
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  await shown(client.fetch(url));
  expect(heard).toEqual(['first true', 'second true', 'second false', 'late false']);
});

test('degradationStore() stays degraded while one URL of several is, though the others succeed', async () => {
  const { client, clock } = clientBench([good('p'), 503, good('p'), 503, good('p'), good('r'), good('p')], {
    retry: false,
    fallback: { respond: () => new Response('none') },
  });
  const degraded = degradationStore(client);
  const heard = vi.fn();
  degraded.subscribe(heard);
  const ask = async (path: string): Promise<boolean> => {
    await clock.advance(1_000);
    await shown(client.fetch(`https://users.test/${path}`));
    return degraded.getSnapshot().degraded;
  };
  expect([await ask('p'), await ask('r'), await ask('p'), await ask('r'), await ask('p')]).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
  expect(degraded.getSnapshot().dependencies[0]?.since).toBe(start + 2_000);
  expect(heard).toHaveBeenCalledTimes(1);
  expect(await ask('r')).toBe(false);
  expect(await ask('p')).toBe(false);
});

test('degradationStore() forgets a URL that nobody asks for in a minute, when its dependency answers otherwise', async () => {
  const { client, clock } = clientBench([503, good('p')], {
    retry: false,
    fallback: { respond: () => new Response('none') },
  });
  const degraded = degradationStore(client);
  degraded.subscribe(() => {});
  await shown(client.fetch(url));
  await clock.advance(60_000);
  await shown(client.fetch(`${url}/other`));
  expect(degraded.getSnapshot().degraded).toBe(true);
  await clock.advance(1);
  await shown(client.fetch(`${url}/other`));
  expect(degraded.getSnapshot().degraded).toBe(false);
});

test('degradationStore() remembers no more than a thousand URLs of a dependency', async () => {
  const { client, clock } = clientBench([() => new Response(null, { status: clock.now() === 0 ? 503 : 200 })], {
    retry: false,
    breaker: false,
    fallback: { respond: () => new Response('none') },
  });
  const degraded = degradationStore(client);
  degraded.subscribe(() => {});
  for (let number = 0; number < 1_001; number += 1) await client.fetch(`${url}?${number}`);
  await clock.advance(1);
  for (let number = 1; number < 1_001; number += 1) {
    expect(degraded.getSnapshot().degraded).toBe(true);
    await client.fetch(`${url}?${number}`);
  }
  expect(degraded.getSnapshot().degraded).toBe(false);
});

test('degradationStore() tells everybody, though one throws, and nobody who has just left', async () => {
  const report = vi.fn();
  vi.stubGlobal('reportError', report);
  const { client } = clientBench([503], { retry: false, fallback: { respond: () => new Response('none') } });
  const degraded = degradationStore(client);
  const heard = vi.fn();
  const left = vi.fn();
  let leave = (): void => {};
  degraded.subscribe(() => {
    leave();
    throw new Error('mine');
  });
  leave = degraded.subscribe(left);
  degraded.subscribe(heard);
  await shown(client.fetch(url));
  vi.unstubAllGlobals();
  expect(heard).toHaveBeenCalledTimes(1);
  expect(left).not.toHaveBeenCalled();
  expect(report).toHaveBeenCalledWith(new Error('mine'));
});

test('degradationStore() forgets a URL that nobody asks for, though the clock has been put back', async () => {
  const { client, clock } = clientBench([503, good('p')], {
    retry: false,
    fallback: { respond: () => new Response('none') },
  });
  const degraded = degradationStore(client);
  degraded.subscribe(() => {});
  await shown(client.fetch(url));
  clock.jump(-3_600_000);
  await clock.advance(120_000);
  await shown(client.fetch(`${url}/other`));
  expect(degraded.getSnapshot().degraded).toBe(false);
});

test('degradationStore() remembers no more than a thousand dependencies', async () => {
  const { client } = clientBench([503], { retry: false, fallback: { respond: () => new Response('none') } });
  const degraded = degradationStore(client);
  degraded.subscribe(() => {});
  for (let number = 0; number < 1_001; number += 1) await client.fetch(`https://host-${number}.test/`);
  const { dependencies } = degraded.getSnapshot();
  expect(dependencies).toHaveLength(1_000);
  expect(dependencies.at(-1)?.dependency).toBe('https://host-1000.test');
});
