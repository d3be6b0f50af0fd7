import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Lru, type LruLimits } from '../../src/model/lru.ts';
import { RUNS } from '../properties/bench.ts';
import { engine } from '../support/engine.ts';

test('Lru gives what it was given, and undefined for what it was not', () => {
  const lru = new Lru<number>({ maxEntries: 3 });
  lru.set('a', 1);
  lru.set('b', 2);
  expect([lru.get('a'), lru.get('b'), lru.get('c')]).toEqual([1, 2, undefined]);
  expect([lru.entries, lru.size, [...lru.keys()]]).toEqual([2, 2, ['a', 'b']]);
});

test('Lru forgets what was given first, when nothing was used since', () => {
  const lru = new Lru<number>({ maxEntries: 2 });
  for (const [value, key] of ['a', 'b', 'c'].entries()) lru.set(key, value);
  expect([lru.get('a'), lru.get('b'), lru.get('c'), lru.entries]).toEqual([undefined, 1, 2, 2]);
});

test('Lru forgets what was unused the longest: get() and set() are use, keys() is none', () => {
  const lru = new Lru<number>({ maxEntries: 3 });
  for (const [value, key] of ['a', 'b', 'c'].entries()) lru.set(key, value);
  lru.get('a');
  lru.set('b', 9);
  lru.get('missing');
  expect([...lru.keys()].sort()).toEqual(['a', 'b', 'c']);
  lru.set('d', 3);
  expect([...lru.keys()].sort()).toEqual(['a', 'b', 'd']);
  lru.set('e', 4);
  expect([...lru.keys()].sort()).toEqual(['b', 'd', 'e']);
});

test('Lru.set() replaces the value and the size of a key', () => {
  const lru = new Lru<string>({ maxEntries: 3, maxSize: 10 });
  lru.set('a', 'old', 7);
  lru.set('a', 'new', 4);
  expect([lru.get('a'), lru.entries, lru.size]).toEqual(['new', 1, 4]);
});

test('Lru makes room for a large value, by as many as it takes and no more', () => {
  const lru = new Lru<number>({ maxEntries: 10, maxSize: 10 });
  for (const [value, key] of ['a', 'b', 'c', 'd'].entries()) lru.set(key, value, 2);
  lru.set('large', 9, 6);
  expect([[...lru.keys()], lru.size]).toEqual([['c', 'd', 'large'], 10]);
});

test('Lru keeps a value as large as the bound, alone', () => {
  const lru = new Lru<number>({ maxEntries: 10, maxSize: 10 });
  lru.set('a', 1, 1);
  lru.set('all', 2, 10);
  expect([[...lru.keys()], lru.size]).toEqual([['all'], 10]);
});

test('Lru does not keep a value larger than the bound: nothing makes room for it, and its predecessor is gone', () => {
  const lru = new Lru<number>({ maxEntries: 10, maxSize: 10 });
  lru.set('a', 1, 4);
  lru.set('b', 2, 4);
  lru.set('b', 3, 11);
  expect([[...lru.keys()], lru.size, lru.get('b')]).toEqual([['a'], 4, undefined]);
});

test('Lru keeps values without a size, however many', () => {
  const lru = new Lru<number>({ maxEntries: 3, maxSize: 0 });
  for (const [value, key] of ['a', 'b', 'c', 'd'].entries()) lru.set(key, value, 0);
  expect([[...lru.keys()], lru.size]).toEqual([['b', 'c', 'd'], 0]);
});

test.for(['a', 'b', 'c'])('Lru.delete() forgets one of three, and keeps the order of the others, for "%s"', (key) => {
  const lru = new Lru<string>({ maxEntries: 3 });
  for (const each of ['a', 'b', 'c']) lru.set(each, each);
  lru.delete(key);
  lru.delete(key);
  lru.delete('missing');
  const others = ['a', 'b', 'c'].filter((each) => each !== key);
  expect([[...lru.keys()], lru.size]).toEqual([others, 2]);
  lru.set('d', 'd');
  lru.set('e', 'e');
  expect([...lru.keys()]).toEqual([others[1], 'd', 'e']);
});

test('Lru goes on after everything was deleted', () => {
  const lru = new Lru<number>({ maxEntries: 2 });
  lru.set('a', 1);
  lru.delete('a');
  expect([lru.entries, lru.size, [...lru.keys()]]).toEqual([0, 0, []]);
  lru.set('b', 2);
  lru.set('c', 3);
  lru.set('d', 4);
  expect([...lru.keys()]).toEqual(['c', 'd']);
});

test('Lru takes any string for a key, those of an object included', () => {
  const lru = new Lru<number>({ maxEntries: 10 });
  for (const [value, key] of ['', '__proto__', 'constructor', 'toString'].entries()) {
    expect(lru.get(key)).toBeUndefined();
    lru.set(key, value);
    expect(lru.get(key)).toBe(value);
  }
});

test('Lru keeps undefined as a value, which is told from none by the count alone', () => {
  const lru = new Lru<undefined>({ maxEntries: 2 });
  lru.set('a', undefined);
  expect([lru.get('a'), lru.entries]).toEqual([undefined, 1]);
});

/** The same, said as plainly as can be: a list, the one unused the longest first. */
class NaiveLru {
  #kept: { readonly key: string; readonly value: number; readonly size: number }[] = [];
  readonly #limits: Required<LruLimits>;

  constructor(limits: Required<LruLimits>) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#kept.reduce((sum, { size }) => sum + size, 0);
  }

  get keys(): readonly string[] {
    return this.#kept.map(({ key }) => key);
  }

  get(key: string): number | undefined {
    const found = this.#kept.find((each) => each.key === key);
    if (found !== undefined) this.#kept = [...this.#kept.filter((each) => each !== found), found];
    return found?.value;
  }

  set(key: string, value: number, size: number): void {
    this.delete(key);
    if (size > this.#limits.maxSize) return;
    this.#kept.push({ key, value, size });
    while (this.#kept.length > this.#limits.maxEntries || this.size > this.#limits.maxSize) this.#kept.shift();
  }

  delete(key: string): void {
    this.#kept = this.#kept.filter((each) => each.key !== key);
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const command = fc.oneof(
  fc.record({ type: fc.constant('get' as const), key }),
  fc.record({ type: fc.constant('set' as const), key, size: fc.nat(7) }),
  fc.record({ type: fc.constant('delete' as const), key }),
);
const limits = fc.record({ maxEntries: fc.integer({ min: 1, max: 5 }), maxSize: fc.constantFrom(1, 5, 12, Infinity) });

test('Lru does as a naive model does, whatever the sequence and the bounds', () => {
  fc.assert(
    fc.property(limits, fc.array(command, { maxLength: 60, size: 'max' }), (bounds, commands) => {
      const lru = new Lru<number>(bounds);
      const naive = new NaiveLru(bounds);
      for (const [step, each] of commands.entries()) {
        if (each.type === 'get') expect(lru.get(each.key)).toBe(naive.get(each.key));
        else if (each.type === 'delete') for (const one of [lru, naive]) one.delete(each.key);
        else for (const one of [lru, naive]) one.set(each.key, step, each.size);
        expect([...lru.keys()].sort()).toEqual([...naive.keys].sort());
        expect([lru.entries, lru.size]).toEqual([naive.keys.length, naive.size]);
      }
    }),
    RUNS,
  );
});

// One engine is enough for the order of growth: the others run the same lines, with a clock that they round.
if (engine === 'node') {
  /** Milliseconds for 50,000 operations of each kind among so many entries, at best. */
  const costMs = (entries: number): number => {
    const lru = new Lru<number>({ maxEntries: entries });
    for (let index = 0; index < entries; index += 1) lru.set(`k${index}`, index);
    let next = entries;
    const costs = Array.from({ length: 3 }, () => {
      const start = performance.now();
      for (let step = 0; step < 50_000; step += 1) {
        // Two come and one is taken out, so one has to make room.
        lru.set(`k${next}`, next);
        lru.set(`k${next + 1}`, next);
        lru.get(`k${next - 5_000}`);
        lru.delete(`k${next - 1_001}`);
        next += 2;
      }
      return performance.now() - start;
    });
    return Math.min(...costs);
  };

  test('Lru takes the same time with a million entries as with ten thousand, but for the caches of the processor', {
    timeout: 60_000,
  }, () => {
    // A walk over a hundred times as many entries, or their holes, takes a hundred times as long.
    expect(costMs(1_000_000)).toBeLessThan(15 * costMs(10_000));
  });
}
