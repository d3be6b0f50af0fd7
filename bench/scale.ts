// Whether it is as fast with much as with little: in a process of its own, with --expose-gc, by main.ts.
import { parseArgs } from 'node:util';
import { Bulkhead, CircuitBreaker, createClient, memoryStore, type Store, type StoreEntry } from 'steadfetch';

import { inRounds, median, overRounds } from './rounds.ts';

type Row = Readonly<Record<string, number>>;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    calls: { type: 'string', default: '2000' },
    many: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '1000000' },
  },
});
const pace = { rounds: Number(values.rounds), calls: Number(values.calls) };
const many = Number(values.many);
const entries = Number(values.entries);
const few = 10;
const rounded = (value: number): number => Number(value.toFixed(2));

interface Queue {
  /** Waits, until it is served or the signal aborts. */
  join(signal: AbortSignal): Promise<unknown>;
  serve(): void;
}

/** One call runs, and the others wait for it. */
function bulkheadOf(length: number): Queue {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: length, queueTimeoutMs: Infinity });
  let release = (): void => {};
  void bulkhead.execute(() => new Promise<void>((resolve) => (release = resolve)));
  const work = async (): Promise<number> => 1;
  return { join: (signal) => bulkhead.execute(work, { signal }), serve: () => release() };
}

/** The least that a queue can be: what the platform takes for so many promises, and so many listeners. */
function byHand(): Queue {
  const waiting = new Set<() => void>();
  return {
    join: (signal) =>
      new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(served);
          reject(signal.reason);
        };
        const served = (): void => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        waiting.add(served);
        signal.addEventListener('abort', leave);
      }),
    serve: () => {
      for (const served of waiting) served();
    },
  };
}

/** A queue of so many: microseconds for each that joins, leaves from the middle, and is served. */
async function queueOf(length: number, { join, serve }: Queue): Promise<Row> {
  const controllers = Array.from({ length }, () => new AbortController());
  const each = async (count: number, act: () => unknown): Promise<number> => {
    const since = performance.now();
    await act();
    return ((performance.now() - since) * 1_000) / count;
  };
  let waiting: Promise<unknown>[] = [];
  const joins = await each(length, () => {
    waiting = controllers.map(({ signal }) => join(signal).catch(() => 0));
  });
  // From the middle outwards, half of them.
  const middle = controllers.slice(length / 4, (length * 3) / 4);
  const leaves = await each(middle.length, async () => {
    for (const controller of middle) controller.abort();
    await Promise.all(waiting.slice(length / 4, (length * 3) / 4));
  });
  const served = await each(length - middle.length, async () => {
    serve();
    await Promise.all(waiting);
  });
  return { joins, leaves, served };
}

/** The same number of waiters, in one long queue or in many short ones: how much longer it takes. */
async function queues(made: (length: number) => Queue): Promise<Row> {
  const ratios: Record<string, number[]> = { joins: [], leaves: [], served: [] };
  for (let round = -1; round < Math.min(7, pace.rounds); round += 1) {
    const short: Row[] = [];
    for (let done = 0; done < many; done += 1_000) short.push(await queueOf(1_000, made(1_000)));
    const long = await queueOf(many, made(many));
    if (round < 0) continue;
    for (const [name, all] of Object.entries(ratios))
      all.push((long[name] ?? Number.NaN) / median(short.map((row) => row[name] ?? Number.NaN)));
  }
  return Object.fromEntries(Object.entries(ratios).map(([name, all]) => [name, rounded(median(all))]));
}

/** How much longer a counted failure takes with 10,000 calls in the window than with 10. */
async function windows(): Promise<Row> {
  const fail = async (): Promise<never> => Promise.reject(DOWN);
  const breaker = (size: number): (() => Promise<unknown>) => {
    const own = new CircuitBreaker({ window: { size, minimumCalls: size, failureRate: 1 } });
    let calls = 0;
    return () => {
      calls += 1;
      // One of ten succeeds, or the circuit would open.
      return calls % few === 0 ? own.execute(async () => 1) : own.execute(fail).catch(() => {});
    };
  };
  const contenders = { small: breaker(few), large: breaker(10_000) };
  const rounds = await inRounds(contenders, pace);
  return { '10,000 calls': rounded(overRounds(rounds, (time) => time('large') / time('small'))) };
}
const DOWN = new Error('down');

/** How much longer a call takes with many dependencies than with ten, and what each of them takes. */
async function dependencies(): Promise<Row> {
  const client = (count: number): (() => Promise<unknown>) => {
    const response = new Response(null, { status: 204 });
    const own = createClient({ fetch: async () => response, maxDependencies: many });
    let call = 0;
    return () => {
      call = (call + 1) % count;
      return own.fetch(`https://host-${call}.test/u/1`);
    };
  };
  const heap = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const [ten, all] = [client(few), client(many)];
  const before = heap();
  for (let call = 0; call < many; call += 1) await all();
  const bytes = Math.round((heap() - before) / many);
  const rounds = await inRounds({ ten, all }, pace);
  return { lookup: rounded(overRounds(rounds, (time) => time('all') / time('ten'))), bytes };
}

/** A hit in memory beside building its Response, and a store of many entries beside one of a thousand. */
async function stores(): Promise<Row> {
  const hit = async (length: number): Promise<() => Promise<unknown>> => {
    const body = new Uint8Array(length);
    const own = createClient({
      fetch: async () => new Response(body),
      fallback: { store: memoryStore(), maxAgeMs: 3_600_000, cacheControl: 'ignore', partition: 'public' },
    });
    const call = (): Promise<Response> => own.fetch('https://users.test/u/1');
    await (await call()).arrayBuffer();
    return call;
  };
  const build = (length: number, init?: ResponseInit): (() => Promise<unknown>) => {
    const body = new Uint8Array(length);
    return async () => new Response(body, init);
  };
  const headers = { age: '1', 'cache-status': 'steadfetch; hit; ttl=3599', 'content-length': String(1_024) };
  const contenders = {
    'hit 1 kB': await hit(1_024),
    'build 1 kB': build(1_024),
    'build 1 kB with its headers': build(1_024, { headers }),
    'hit 100 kB': await hit(102_400),
    'build 100 kB': build(102_400),
  };
  const over = await inRounds(contenders, pace);
  const filled = async (count: number, { get, set }: Pick<Store, 'get' | 'set'>): Promise<() => Promise<unknown>> => {
    const key = (index: number): string => `public GET https://users.test/u/${index}`;
    const keys = Array.from({ length: count }, (_, index) => key(index));
    for (const each of keys) await set(each, { key: each, variants: [], expiresAt: Infinity });
    let next = 0;
    return () => {
      next = (next + 1) % 1_000;
      return get(keys[Math.floor((next * count) / 1_000)] ?? '');
    };
  };
  const inMemory = (count: number): Store => memoryStore({ maxEntries: count, maxBytes: 2 ** 40 });
  const inMap = (): Pick<Store, 'get' | 'set'> => {
    const map = new Map<string, StoreEntry>();
    return { get: async (key) => map.get(key), set: async (key, entry) => void map.set(key, entry) };
  };
  const sizes = await inRounds(
    {
      small: await filled(1_000, inMemory(1_000)),
      large: await filled(entries, inMemory(entries)),
      'small Map': await filled(1_000, inMap()),
      'large Map': await filled(entries, inMap()),
    },
    pace,
  );
  const ratio = (length: string): number =>
    rounded(overRounds(over, (time) => time(`hit ${length}`) / time(`build ${length}`)));
  return {
    'hit of 1 kB': ratio('1 kB'),
    'of that, its headers': rounded(
      overRounds(over, (time) => time('build 1 kB with its headers') / time('build 1 kB')),
    ),
    'hit of 100 kB': ratio('100 kB'),
    'get, of all entries': rounded(overRounds(sizes, (time) => time('large') / time('small'))),
    'get, of a Map alone': rounded(overRounds(sizes, (time) => time('large Map') / time('small Map'))),
  };
}

console.log(
  JSON.stringify({
    [`a queue of ${many}, of 1,000 = 1`]: await queues(bulkheadOf),
    'a Set of promises with a listener each': await queues(byHand),
    'a counted failure, 10 calls in the window = 1': await windows(),
    [`${many} dependencies, 10 = 1`]: await dependencies(),
    'memory store, building the Response = 1, or 1,000 entries': await stores(),
  }),
);
process.exit();
