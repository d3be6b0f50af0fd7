import fc from 'fast-check';
import { expect, test } from 'vitest';

import { memoryStore } from '../../src/index.ts';
import { bytesOf, type StoredResponse, type StoreEntry } from '../../src/stores/store.ts';
import { RUNS } from '../properties/bench.ts';

function entryOf(key: string, size = 0, changes: Partial<StoredResponse> = {}): StoreEntry {
  const variant: StoredResponse = {
    url: 'https://api.example/',
    redirected: false,
    type: 'basic',
    status: 200,
    statusText: '',
    headers: [['content-type', 'text/plain']],
    body: new Uint8Array(size),
    bodyBytes: size,
    receivedAt: 1_000,
    initialAgeMs: 0,
    variesBy: [],
    ...changes,
  };
  return { key, variants: [variant], expiresAt: 2_000 };
}

/** Which of the keys are kept. Asking is use. */
async function keptOf(store: ReturnType<typeof memoryStore>, keys: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(keys.map((key) => store.get(key)));
  return keys.filter((_, index) => found[index] !== undefined);
}

// bytesOf()

test('bytesOf() counts bodies, texts at two bytes a character, and something for the rest', () => {
  const empty = bytesOf({ key: '', variants: [], expiresAt: 0 });
  expect(empty).toBeGreaterThan(0);
  expect(bytesOf({ key: 'four', variants: [], expiresAt: 0 })).toBe(empty + 8);
  const bare = bytesOf(entryOf('k'));
  expect(bytesOf(entryOf('k', 1_000))).toBe(bare + 1_000);
  expect(bytesOf(entryOf('k', 0, { body: null }))).toBe(bare);
  expect(bytesOf(entryOf('k', 0, { url: 'https://api.example/1234' }))).toBe(bare + 8);
  expect(bytesOf(entryOf('k', 0, { statusText: 'Fine' }))).toBe(bare + 8);
  expect(bytesOf(entryOf('k', 0, { variesBy: [['ab', 'cd']] }))).toBe(bare + 8);
  expect(
    bytesOf(
      entryOf('k', 0, {
        headers: [
          ['content-type', 'text/plain'],
          ['ab', 'cd'],
        ],
      }),
    ),
  ).toBe(bare + 8);
});

test('bytesOf() counts every variant', () => {
  const entry = entryOf('k', 500);
  const none = bytesOf({ ...entry, variants: [] });
  const one = bytesOf(entry) - none;
  expect(bytesOf({ ...entry, variants: [...entry.variants, ...entry.variants, ...entry.variants] })).toBe(
    none + 3 * one,
  );
});

// memoryStore()

test('memoryStore() gives what was stored, and undefined for what was not or is deleted', async () => {
  const store = memoryStore();
  const entry = entryOf('a', 5);
  expect(await store.get('a')).toBeUndefined();
  expect(await store.set('a', entry)).toBeUndefined();
  expect(await store.get('a')).toEqual(entry);
  expect(await store.get('b')).toBeUndefined();
  await store.delete('b');
  expect(await store.get('a')).toEqual(entry);
  expect(await store.delete('a')).toBeUndefined();
  expect(await store.get('a')).toBeUndefined();
});

test('memoryStore() replaces what is under a key', async () => {
  const store = memoryStore();
  await store.set('a', entryOf('a', 5));
  await store.set('a', entryOf('a', 6));
  expect((await store.get('a'))?.variants[0]?.bodyBytes).toBe(6);
});

test('memoryStore() is shared, unless it is told that it is not, and has no partition of its own', () => {
  expect([memoryStore().shared, memoryStore({}).shared, memoryStore({ shared: true }).shared]).toEqual([
    true,
    true,
    true,
  ]);
  expect(memoryStore({ shared: false }).shared).toBe(false);
  expect(memoryStore().partition).toBeUndefined();
});

test('memoryStore() keeps apart what two of them hold', async () => {
  const [one, other] = [memoryStore(), memoryStore()];
  await one.set('a', entryOf('a'));
  expect(await other.get('a')).toBeUndefined();
});

test('memoryStore() forgets what was unused the longest, beyond maxEntries: get() and set() are use', async () => {
  const store = memoryStore({ maxEntries: 3 });
  for (const key of ['a', 'b', 'c']) await store.set(key, entryOf(key));
  await store.get('a');
  await store.set('b', entryOf('b'));
  await store.set('d', entryOf('d'));
  expect(await keptOf(store, ['a', 'b', 'c', 'd'])).toEqual(['a', 'b', 'd']);
});

test('memoryStore() forgets what was unused the longest, beyond maxBytes, and no more than it has to', async () => {
  const each = bytesOf(entryOf('a', 1_000));
  const store = memoryStore({ maxBytes: 3 * each });
  for (const key of ['a', 'b', 'c']) await store.set(key, entryOf(key, 1_000));
  await store.get('a');
  await store.set('d', entryOf('d', 1_000));
  expect(await keptOf(store, ['a', 'b', 'c', 'd'])).toEqual(['a', 'c', 'd']);
});

test('memoryStore() keeps an entry of exactly maxBytes, and none that is one byte larger', async () => {
  const maxBytes = bytesOf(entryOf('a', 1_000));
  const store = memoryStore({ maxBytes });
  await store.set('a', entryOf('a', 1_000));
  expect(await keptOf(store, ['a'])).toEqual(['a']);
  await store.set('b', entryOf('b', 1_001));
  expect(await keptOf(store, ['a', 'b'])).toEqual(['a']);
});

test('memoryStore() does not go on giving the predecessor of what was too large to be kept', async () => {
  const store = memoryStore({ maxBytes: bytesOf(entryOf('a', 1_000)) });
  await store.set('a', entryOf('a', 10));
  await store.set('a', entryOf('a', 1_001));
  expect(await store.get('a')).toBeUndefined();
});

test('memoryStore() keeps 10,000 entries by default, and of 1 MiB each as many as 32 MiB hold', async () => {
  const many = memoryStore();
  for (let index = 0; index <= 10_000; index += 1) await many.set(`k${index}`, entryOf(`k${index}`));
  expect(await keptOf(many, ['k0', 'k1', 'k10000'])).toEqual(['k1', 'k10000']);
  const large = memoryStore();
  for (let index = 0; index <= 31; index += 1) await large.set(`k${index}`, entryOf(`k${index}`, 2 ** 20));
  // 32 bodies fill it, so that one has to go for what there is beside the bodies.
  expect(await keptOf(large, ['k0', 'k1', 'k31'])).toEqual(['k1', 'k31']);
});

test('memoryStore() has no bound where that is Infinity', async () => {
  const store = memoryStore({ maxEntries: Infinity, maxBytes: Infinity });
  for (let index = 0; index < 1_500; index += 1) await store.set(`k${index}`, entryOf(`k${index}`, 30_000));
  expect(await keptOf(store, ['k0', 'k1499'])).toEqual(['k0', 'k1499']);
});

// clear()

const keys = [
  'a GET https://api.example/',
  'a HEAD https://api.example/',
  'ab GET https://api.example/',
  'b GET https://api.example/a GET ',
  'A GET https://api.example/',
  'a%20b GET https://api.example/',
  '@0a GET https://api.example/',
  ' GET https://api.example/',
  'a',
];

const clearings: readonly (readonly [partition: string, gone: readonly number[]])[] = [
  ['a', [0, 1]],
  ['ab', [2]],
  ['b', [3]],
  ['A', [4]],
  ['a%20b', [5]],
  ['@0a', [6]],
  ['', [7]],
  ['c', []],
  ['*', []],
  ['.', []],
  ['__proto__', []],
];

test.for(clearings)(
  'memoryStore() forgets the keys of one partition and of no other, for "%s"',
  async ([partition, gone]) => {
    const store = memoryStore();
    for (const key of keys) await store.set(key, entryOf(key));
    expect(await store.clear(partition)).toBeUndefined();
    expect(await keptOf(store, keys)).toEqual(keys.filter((_, index) => !gone.includes(index)));
  },
);

test('memoryStore() forgets everything on clear(), and goes on with its bounds', async () => {
  const store = memoryStore({ maxEntries: 2 });
  for (const key of keys) await store.set(key, entryOf(key));
  await store.clear();
  expect(await keptOf(store, keys)).toEqual([]);
  await store.clear();
  for (const key of ['x', 'y', 'z']) await store.set(key, entryOf(key));
  expect(await keptOf(store, ['x', 'y', 'z'])).toEqual(['y', 'z']);
});

// Properties

const key = fc.constantFrom('a 1', 'a 2', 'ab 1', 'b 1', 'b 2', 'b 3');
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('set' as const), key, size: fc.constantFrom(0, 100, 300, 5_000) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('clear' as const), key: fc.constantFrom('a', 'ab', 'b', undefined) }),
  },
);
const bounds = fc.record({
  maxEntries: fc.integer({ min: 1, max: 4 }),
  maxBytes: fc.constantFrom(600, 1_500, 4_000, Infinity),
});

test('memoryStore() does as a plain list would, and stays within its bounds, whatever the sequence', async () => {
  await fc.assert(
    fc.asyncProperty(bounds, fc.array(command, { maxLength: 40, size: 'max' }), async (limits, commands) => {
      const store = memoryStore(limits);
      let list: StoreEntry[] = [];
      const total = (): number => list.reduce((sum, entry) => sum + bytesOf(entry), 0);
      for (const each of commands) {
        if (each.type === 'clear') {
          await store.clear(each.key);
          list = list.filter((entry) => each.key !== undefined && entry.key.split(' ')[0] !== each.key);
        } else if (each.type === 'get') {
          const entry = list.find((one) => one.key === each.key);
          if (entry !== undefined) list = [...list.filter((one) => one !== entry), entry];
          expect(await store.get(each.key)).toBe(entry);
        } else {
          list = list.filter((one) => one.key !== each.key);
          if (each.type === 'delete') await store.delete(each.key);
          else {
            const entry = entryOf(each.key, each.size);
            await store.set(each.key, entry);
            if (bytesOf(entry) <= limits.maxBytes) list.push(entry);
            while (list.length > limits.maxEntries || total() > limits.maxBytes) list.shift();
          }
        }
        expect(list.length).toBeLessThanOrEqual(limits.maxEntries);
      }
      // Asked in the order of use, which it then still is.
      for (const entry of list) expect(await store.get(entry.key)).toBe(entry);
      expect(await keptOf(store, ['a 1', 'a 2', 'ab 1', 'b 1', 'b 2', 'b 3'])).toHaveLength(list.length);
    }),
    RUNS,
  );
});

// Options

const refused: readonly (readonly [options: Readonly<Record<string, unknown>>, RegExp])[] = [
  [{ maxEntries: 0 }, /^memoryStore\.maxEntries must be an integer of at least 1 or Infinity, got 0$/],
  [{ maxEntries: -1 }, /^memoryStore\.maxEntries .* got -1$/],
  [{ maxEntries: 1.5 }, /^memoryStore\.maxEntries .* got 1\.5$/],
  [{ maxEntries: Number.NaN }, /^memoryStore\.maxEntries .* got NaN$/],
  [{ maxBytes: 0 }, /^memoryStore\.maxBytes must be an integer of at least 1 or Infinity, got 0$/],
  [{ maxBytes: -Infinity }, /^memoryStore\.maxBytes .* got -Infinity$/],
];

test.for(refused)('memoryStore() refuses a number that makes no sense with a RangeError: %j', ([options, message]) => {
  expect(() => memoryStore(options)).toThrow(RangeError);
  expect(() => memoryStore(options)).toThrow(message);
});

const mistaken: readonly (readonly [options: unknown, RegExp])[] = [
  [{ maxEntries: '5' }, /^memoryStore\.maxEntries must be an integer .* got "5"$/],
  [{ maxBytes: null }, /^memoryStore\.maxBytes must be an integer .* got null$/],
  [{ maxBytes: 5n }, /^memoryStore\.maxBytes must be an integer .* got 5n$/],
  [{ shared: 'no' }, /^memoryStore\.shared must be true or false, got "no"$/],
  [{ shared: null }, /^memoryStore\.shared must be true or false, got null$/],
  [{ maxEntires: 5 }, /^memoryStore\.maxEntires is not an option; there are maxEntries, maxBytes, shared$/],
  [{ partition: 'public' }, /^memoryStore\.partition is not an option/],
  [null, /^memoryStore must be an object, got null$/],
  [5, /^memoryStore must be an object, got 5$/],
  [[], /^memoryStore must be an object, got an array$/],
];

test.for(mistaken)('memoryStore() refuses wrong options with a TypeError that names them: %o', ([options, message]) => {
  expect(() => memoryStore(options as object)).toThrow(TypeError);
  expect(() => memoryStore(options as object)).toThrow(message);
});
