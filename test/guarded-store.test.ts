import { expect, test, vi } from 'vitest';

import { GuardedStore } from '../src/guarded-store.ts';
import { memoryStore } from '../src/stores/memory.ts';
import type { Store, StoreEntry } from '../src/stores/store.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';

const key = 'public GET https://api.example/';

function entryOf(own = key): StoreEntry {
  const body = new TextEncoder().encode('hello');
  return {
    key: own,
    variants: [
      {
        url: 'https://api.example/',
        redirected: false,
        type: 'basic',
        status: 200,
        statusText: 'OK',
        headers: [],
        body,
        bodyBytes: body.byteLength,
        receivedAt: 1_000,
        initialAgeMs: 0,
        variesBy: [],
      },
    ],
    expiresAt: 2_000,
  };
}

type Operation = 'get' | 'set' | 'delete' | 'clear';

const operations: readonly Operation[] = ['get', 'set', 'delete', 'clear'];
const quiet = ['get', 'set', 'delete'] as const;

/** A store that does the same whatever it is asked, behind its guard, which waits for a second. */
function bench(answer: (operation: Operation, ...given: readonly unknown[]) => unknown, timeoutMs = 1_000) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const events: unknown[][] = [];
  const ask =
    (operation: Operation) =>
    (...given: readonly unknown[]): never => {
      asked.push(operation);
      return answer(operation, ...given) as never;
    };
  const store: Store = { get: ask('get'), set: ask('set'), delete: ask('delete'), clear: ask('clear') };
  const guard = new GuardedStore(store, clock, timeoutMs);
  const onError = (...event: unknown[]): void => {
    events.push(event.slice(0, 2));
  };
  const run = {
    get: () => guard.get(key, onError),
    set: () => guard.set(key, entryOf(), onError, () => false),
    delete: () => guard.delete(key, onError),
    clear: () => guard.clear('a'),
  };
  return { clock, asked, events, guard, onError, run };
}

/** What an operation has come to so far: nothing, a value that may be undefined, or an error. */
function watch(work: unknown) {
  const seen: { value?: unknown; error?: unknown } = {};
  Promise.resolve(work).then(
    (value) => {
      seen.value = value;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
}

const silence = (): Promise<never> => new Promise(() => {});

/** Answers that come when they are told to. */
function later() {
  const ends: { resolve: (value: unknown) => void; reject: (error: unknown) => void }[] = [];
  const answer = (): Promise<unknown> => new Promise((resolve, reject) => ends.push({ resolve, reject }));
  return { answer, ends };
}

// When all is well

test('GuardedStore hands on what it is asked, and what comes of it', async () => {
  const calls: unknown[][] = [];
  const entry = entryOf();
  const { clock, events, guard, onError } = bench((...call) => {
    calls.push(call);
    return Promise.resolve(call[0] === 'get' ? entry : undefined);
  });
  expect(await guard.get(key, onError)).toBe(entry);
  expect(await guard.set(key, entry, onError, () => false)).toBeUndefined();
  expect(await guard.delete(key, onError)).toBeUndefined();
  expect(await guard.clear('a')).toBeUndefined();
  expect(await guard.clear(undefined)).toBeUndefined();
  expect(calls).toStrictEqual([
    ['get', key],
    ['set', key, entry],
    ['delete', key],
    ['clear', 'a', expect.any(Function)],
    ['clear', undefined, expect.any(Function)],
  ]);
  expect([events, clock.pending]).toStrictEqual([[], 0]);
});

test('GuardedStore calls the store as its own methods', async () => {
  class OwnStore implements Store {
    readonly kept = new Map<string, StoreEntry>();
    async get(own: string): Promise<StoreEntry | undefined> {
      return this.kept.get(own);
    }
    async set(own: string, entry: StoreEntry): Promise<void> {
      this.kept.set(own, entry);
    }
    async delete(own: string): Promise<void> {
      this.kept.delete(own);
    }
    async clear(): Promise<void> {
      this.kept.clear();
    }
  }
  const store = new OwnStore();
  const guard = new GuardedStore(store, new FakeClock(), 1_000);
  const onError = vi.fn();
  await guard.set(key, entryOf(), onError, () => false);
  expect(await guard.get(key, onError)).toStrictEqual(entryOf());
  await guard.delete(key, onError);
  expect(store.kept.size).toBe(0);
  await guard.set(key, entryOf(), onError, () => false);
  await guard.clear(undefined);
  expect(store.kept.size).toBe(0);
  expect(onError).not.toHaveBeenCalled();
});

test.for([
  [undefined, true],
  [true, true],
  [false, false],
] as const)('GuardedStore is shared as the store says, and if it does not, it is: %s is %s', ([shared, expected]) => {
  const { get, set, delete: forget, clear } = { get: silence, set: silence, delete: silence, clear: silence };
  const store: Store = { get, set, delete: forget, clear, ...(shared === undefined ? {} : { shared }) };
  expect(new GuardedStore(store, new FakeClock(), 1_000).shared).toBe(expected);
});

test.for([undefined, null])('GuardedStore.get() takes %s for no entry, and tells of nothing', async (nothing) => {
  const { events, asked, run } = bench(() => Promise.resolve(nothing));
  expect(await run.get()).toBeUndefined();
  expect([events, asked]).toStrictEqual([[], ['get']]);
});

// A store that fails

class OwnError extends Error {
  override readonly name = 'OwnError';
}

const failures: readonly (readonly [what: string, error: unknown, reason: string])[] = [
  ['an Error', new Error(`no ${key}`), 'Error'],
  ['a TypeError', new TypeError(`no ${key}`), 'TypeError'],
  ['an error of its own', new OwnError(`no ${key}`), 'OwnError'],
  ['a DOMException', new DOMException(`no ${key}`, 'QuotaExceededError'), 'QuotaExceededError'],
  ['a text', `no ${key}`, 'Error'],
  ['an object with a name', { name: key, message: key }, 'Error'],
  ['undefined', undefined, 'Error'],
  ['null', null, 'Error'],
  ['a number', 5, 'Error'],
  ['an error with a very long name', Object.assign(new Error(), { name: 'x'.repeat(1_000) }), 'x'.repeat(50)],
];

const manners = [
  ['rejects', (error: unknown): unknown => Promise.reject(error)],
  [
    'throws',
    (error: unknown): unknown => {
      throw error;
    },
  ],
  [
    'gives a thenable that throws',
    (error: unknown): unknown => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what it is about.
      then: (): never => {
        throw error;
      },
    }),
  ],
] as const;

const failing = manners.flatMap(([how, fail]) =>
  failures.map(([what, error, reason]) => ({ how, fail, what, error, reason })),
);

test.for(failing)(
  'GuardedStore takes it for no entry and tells the name, when the store $how with $what',
  async (row) => {
    for (const operation of quiet) {
      const { clock, events, run } = bench(() => row.fail(row.error));
      expect(await run[operation]()).toBeUndefined();
      expect(events).toStrictEqual([[operation, row.reason]]);
      expect(JSON.stringify(events)).not.toContain('api.example');
      expect(clock.pending).toBe(0);
    }
  },
);

test('GuardedStore asks a store that fails again, each time', async () => {
  const { asked, events, run } = bench(() => Promise.reject(new Error('no')));
  for (let time = 0; time < 20; time += 1) await run.get();
  expect([asked.length, events.length]).toStrictEqual([20, 20]);
});

test.for([
  ['undefined', undefined],
  ['a number', 5],
  ['an object', {}],
] as const)('GuardedStore answers and tells, when the name of the error is %s', async ([, name]) => {
  const { clock, events, run } = bench(() => {
    throw Object.defineProperty(new Error('no'), 'name', { value: name });
  });
  const seen = watch(run.get());
  await clock.advance(0);
  expect(seen).toStrictEqual({ value: undefined });
  expect(events).toStrictEqual([['get', 'Error']]);
});

// A store that gives what it should not

test.for([
  ['a text', 'hello'],
  ['a number', 0],
  ['false', false],
  ['an empty object', {}],
  ['a list', [entryOf()]],
  ['a Response', new Response('hello')],
  ['an entry of another key', entryOf('other GET https://api.example/')],
  ['an entry without variants', { ...entryOf(), variants: [] }],
  ['an entry that went through JSON', JSON.parse(JSON.stringify(entryOf())) as unknown],
])('GuardedStore.get() does not trust %s: it tells, and deletes it', async ([, garbage]) => {
  const { asked, clock, events, run } = bench((operation) =>
    Promise.resolve(operation === 'get' ? garbage : undefined),
  );
  expect(await run.get()).toBeUndefined();
  await clock.advance(0);
  expect(events).toStrictEqual([['get', 'invalid']]);
  expect(asked).toStrictEqual(['get', 'delete']);
  expect(clock.pending).toBe(0);
});

test('GuardedStore.get() does not wait for garbage to be deleted, and tells if it can not be', async () => {
  const { ends, answer } = later();
  const { clock, events, run } = bench((operation) => (operation === 'get' ? 'garbage' : answer()));
  expect(await run.get()).toBeUndefined();
  expect(events).toStrictEqual([['get', 'invalid']]);
  ends[0]?.reject(new TypeError('no'));
  await clock.advance(0);
  expect(events).toStrictEqual([
    ['get', 'invalid'],
    ['delete', 'TypeError'],
  ]);
});

test('GuardedStore takes an answer that is no promise', async () => {
  const entry = entryOf();
  const { events, run } = bench((operation) => (operation === 'get' ? entry : 'done'));
  expect(await run.get()).toBe(entry);
  expect(await run.set()).toBeUndefined();
  expect(await run.delete()).toBeUndefined();
  expect(await run.clear()).toBeUndefined();
  expect(events).toStrictEqual([]);
});

test('GuardedStore.get() answers, when what came out throws on being looked at', async () => {
  const trap = new Proxy(entryOf(), {
    get(_, name) {
      if (name === 'then') return undefined;
      throw new Error(`no ${key}`);
    },
  });
  const { events, run } = bench((operation) => (operation === 'get' ? Promise.resolve(trap) : undefined));
  expect(await run.get()).toBeUndefined();
  expect(events).toStrictEqual([['get', 'invalid']]);
});

// A store that hangs

test.for(quiet)(
  'GuardedStore gives up on a store that hangs after its time and no sooner, on %s',
  async (operation) => {
    const { clock, events, run } = bench(silence, 250);
    const seen = watch(run[operation]());
    await clock.advance(249);
    expect([seen, events]).toStrictEqual([{}, []]);
    await clock.advance(1);
    expect([seen, events]).toStrictEqual([{ value: undefined }, [[operation, 'timeout']]]);
    expect(clock.pending).toBe(0);
  },
);

test('GuardedStore leaves a store alone that has fallen silent, whatever it is asked, and tells once', async () => {
  const { asked, clock, events, run } = bench(silence);
  const first = watch(run.get());
  await clock.advance(1_000);
  expect(first).toStrictEqual({ value: undefined });
  for (const operation of quiet) expect(await run[operation]()).toBeUndefined();
  await clock.advance(9_999);
  expect(await run.get()).toBeUndefined();
  expect([asked, events, clock.pending]).toStrictEqual([['get'], [['get', 'timeout']], 0]);
});

test('GuardedStore tries again after ten seconds of rest, which begin anew if the store is still silent', async () => {
  const { asked, clock, events, run } = bench(silence);
  watch(run.get());
  await clock.advance(1_000);
  await clock.advance(10_000);
  const again = watch(run.set());
  expect(asked).toStrictEqual(['get', 'set']);
  await clock.advance(1_000);
  expect(again).toStrictEqual({ value: undefined });
  await clock.advance(9_999);
  await run.get();
  expect(asked).toHaveLength(2);
  await clock.advance(1);
  watch(run.get());
  expect(asked).toHaveLength(3);
  expect(events).toStrictEqual([
    ['get', 'timeout'],
    ['set', 'timeout'],
  ]);
});

test('GuardedStore waits out each of those that are under way, when the store falls silent', async () => {
  const { asked, clock, events, run } = bench(silence);
  const first = watch(run.get());
  await clock.advance(500);
  const second = watch(run.delete());
  await clock.advance(500);
  expect([first, second]).toStrictEqual([{ value: undefined }, {}]);
  await clock.advance(500);
  expect([second, asked.length]).toStrictEqual([{ value: undefined }, 2]);
  expect(events).toStrictEqual([
    ['get', 'timeout'],
    ['delete', 'timeout'],
  ]);
  // The rest is that of the last one.
  await clock.advance(9_500);
  await run.get();
  expect(asked).toHaveLength(2);
  await clock.advance(500);
  watch(run.get());
  expect(asked).toHaveLength(3);
});

const spoken = [
  ['resolves', (end: { resolve: (value: unknown) => void }) => end.resolve(entryOf())],
  ['rejects', (end: { reject: (error: unknown) => void }) => end.reject(new Error('late'))],
] as const;

test.for(spoken)(
  'GuardedStore trusts a store again at once, when it %s late: what it says is dropped',
  async ([, speak]) => {
    const { ends, answer } = later();
    const { asked, clock, events, run } = bench(answer);
    const late = watch(run.get());
    await clock.advance(1_000);
    const [end] = ends;
    if (end === undefined) throw new Error('the store was not asked');
    speak(end);
    await clock.advance(0);
    expect([late, events]).toStrictEqual([{ value: undefined }, [['get', 'timeout']]]);
    const next = watch(run.get());
    expect(asked).toHaveLength(2);
    ends[1]?.resolve(entryOf());
    await clock.advance(0);
    expect(next).toStrictEqual({ value: entryOf() });
    expect([events.length, clock.pending]).toStrictEqual([1, 0]);
  },
);

test('GuardedStore goes on resting, while another operation of the store is still silent', async () => {
  const { ends, answer } = later();
  const { asked, clock, run } = bench(answer);
  watch(run.get());
  watch(run.set());
  await clock.advance(1_000);
  ends[0]?.resolve(undefined);
  await clock.advance(0);
  await run.get();
  expect(asked).toHaveLength(2);
  ends[1]?.resolve(undefined);
  await clock.advance(0);
  watch(run.get());
  expect(asked).toHaveLength(3);
});

test('GuardedStore tries no more, once 16 operations are silent, until one of them speaks', async () => {
  const { ends, answer } = later();
  const { asked, clock, events, run } = bench(answer);
  for (let time = 0; time < 16; time += 1) {
    watch(run.set());
    await clock.advance(11_000);
  }
  expect([asked.length, events.length]).toStrictEqual([16, 16]);
  await clock.advance(86_400_000);
  for (const operation of quiet) expect(await run[operation]()).toBeUndefined();
  expect([asked.length, events.length, clock.pending]).toStrictEqual([16, 16, 0]);
  ends[7]?.reject(new Error('late'));
  await clock.advance(0);
  watch(run.get());
  expect(asked).toHaveLength(17);
});

test('GuardedStore does not count an answer in time against the store', async () => {
  const { ends, answer } = later();
  const { asked, clock, events, run } = bench(answer);
  for (let time = 0; time < 20; time += 1) {
    const seen = watch(run.set());
    await clock.advance(999);
    ends[time]?.resolve(undefined);
    await clock.advance(0);
    expect(seen).toStrictEqual({ value: undefined });
  }
  expect([asked.length, events, clock.pending]).toStrictEqual([20, [], 0]);
});

test('GuardedStore answers with the entry, when it comes just in time, and only then', async () => {
  const { ends, answer } = later();
  const { clock, run } = bench(answer);
  const seen = watch(run.get());
  await clock.advance(999);
  expect(seen).toStrictEqual({});
  ends[0]?.resolve(entryOf());
  await clock.advance(0);
  expect(seen).toStrictEqual({ value: entryOf() });
});

// clear(): who wants something forgotten has to know that it was not.

test.for(manners)('GuardedStore.clear() rejects with the own error of a store that %s', async ([, fail]) => {
  for (const error of [new Error('no'), new DOMException('no', 'InvalidStateError'), 'no', 5]) {
    const { clock, events, run } = bench(() => fail(error));
    await expect(run.clear()).rejects.toBe(error);
    expect([events, clock.pending]).toStrictEqual([[], 0]);
  }
});

test('GuardedStore.clear() rejects with an error, when the store rejects with none', async () => {
  for (const error of [undefined, null]) {
    await expect(bench(() => Promise.reject(error)).run.clear()).rejects.toBeInstanceOf(Error);
  }
});

test('GuardedStore.clear() takes as long as the store needs, while others are answered', async () => {
  const { ends, answer } = later();
  const { asked, clock, run } = bench((operation) => (operation === 'clear' ? answer() : Promise.resolve(entryOf())));
  const cleared = watch(run.clear());
  await clock.advance(59_999);
  expect(await run.get()).toStrictEqual(entryOf());
  expect([cleared, asked]).toStrictEqual([{}, ['clear', 'get']]);
  ends[0]?.resolve('whatever');
  await clock.advance(0);
  expect([cleared, clock.pending]).toStrictEqual([{ value: undefined }, 0]);
});

test('GuardedStore.clear() rejects after a minute without a sign, and takes the store from nobody', async () => {
  const { clock, events, run } = bench((operation) => (operation === 'clear' ? silence() : Promise.resolve(entryOf())));
  const first = watch(run.clear());
  await clock.advance(59_999);
  expect(first).toStrictEqual({});
  await clock.advance(1);
  expect(first.error).toStrictEqual(new Error('Cannot clear the store: it gives no sign for 60000 ms'));
  expect(await run.get()).toStrictEqual(entryOf());
  expect([events, clock.pending]).toStrictEqual([[], 0]);
});

test('GuardedStore.clear() has no less time than the store has for everything else', async () => {
  const { clock, run } = bench(silence, 90_000);
  const cleared = watch(run.clear());
  await clock.advance(89_999);
  expect(cleared).toStrictEqual({});
  await clock.advance(1);
  expect(cleared.error).toStrictEqual(new Error('Cannot clear the store: it gives no sign for 90000 ms'));
});

test.for([
  { what: 'goes on', ends: 'resolves', expected: { value: undefined } },
  {
    what: 'stops',
    ends: 'rejects',
    expected: { error: new Error('Cannot clear the store: it gives no sign for 60000 ms') },
  },
])('GuardedStore.clear() $ends, when the store says for an hour that it goes on, and then $what', async (story) => {
  const { ends, answer } = later();
  let goOn = (): void => {};
  const { clock, run } = bench((_operation, _partition, onProgress) => {
    goOn = onProgress as () => void;
    return answer();
  });
  const cleared = watch(run.clear());
  for (let minute = 0; minute < 60; minute += 1) {
    await clock.advance(59_999);
    goOn();
  }
  expect(cleared).toStrictEqual({});
  if (story.what === 'goes on') ends[0]?.resolve(undefined);
  await clock.advance(60_000);
  expect(cleared).toStrictEqual(story.expected);
  // What it says after that starts nothing.
  goOn();
  expect(clock.pending).toBe(0);
});

test('GuardedStore.clear() rejects at once while the store is left alone', async () => {
  const { asked, clock, run } = bench(silence);
  watch(run.get());
  await clock.advance(1_000);
  await expect(run.clear()).rejects.toThrow('Cannot clear the store: it has fallen silent');
  expect([asked, clock.pending]).toStrictEqual([['get'], 0]);
  await clock.advance(10_000);
  watch(run.clear());
  expect(asked).toStrictEqual(['get', 'clear']);
});

test('GuardedStore.clear() rejects at once while 16 others have not ended, until one of them does', async () => {
  const { ends, answer } = later();
  const { asked, clock, run } = bench(answer);
  for (let time = 0; time < 16; time += 1) watch(run.clear());
  await clock.advance(60_000);
  await expect(run.clear()).rejects.toThrow('Cannot clear the store: it has fallen silent');
  expect(asked).toHaveLength(16);
  ends[7]?.reject(new Error('late'));
  await clock.advance(0);
  watch(run.clear());
  expect(asked).toHaveLength(17);
});

test('GuardedStore leaves no timer, whatever the store does in time', async () => {
  for (const operation of operations) {
    for (const answer of [() => Promise.resolve(), () => Promise.reject(new Error('no')), () => undefined]) {
      const { clock, run } = bench(answer);
      watch(run[operation]());
      await clock.advance(0);
      expect(clock.pending).toBe(0);
    }
  }
});

// A store in memory

test('GuardedStore has what is in memory at once, without a timer', async () => {
  const clock = new FakeClock();
  const store = memoryStore();
  const guard = new GuardedStore(store, clock, 1_000);
  expect(guard.get(key, expect.unreachable)).toBeUndefined();
  const entry = entryOf();
  await store.set(key, entry);
  expect(guard.get(key, expect.unreachable)).toBe(entry);
  expect(guard.get(key, expect.unreachable)).not.toBeInstanceOf(Promise);
  expect(clock.pending).toBe(0);
});

test.for(['replaced', 'in a copy'])(
  'GuardedStore asks a get of the user in place of the one in memory, %s',
  async (how) => {
    const store = memoryStore();
    await store.set(key, entryOf());
    const get = vi.fn(async () => undefined);
    const given = how === 'in a copy' ? { ...store, get } : Object.assign(store, { get });
    expect(await new GuardedStore(given, new FakeClock(), 1_000).get(key, expect.unreachable)).toBeUndefined();
    expect(get).toHaveBeenCalledExactlyOnceWith(key);
  },
);

test('GuardedStore deletes what is in memory and is no entry of ours, and tells', async () => {
  const store = memoryStore();
  const seen: unknown[] = [];
  const guard = new GuardedStore(store, new FakeClock(), 1_000);
  await store.set(key, { ...entryOf(), key: 'another' });
  expect(guard.get(key, (...event) => seen.push(event))).toBeUndefined();
  expect(seen).toStrictEqual([['get', 'invalid']]);
  await new FakeClock().advance(0);
  expect(await store.get(key)).toBeUndefined();
});
