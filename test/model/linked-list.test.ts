import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Link, LinkedList } from '../../src/model/linked-list.ts';

class Numbered extends Link<Numbered> {
  readonly number: number;

  constructor(number: number) {
    super();
    this.number = number;
  }
}

/** From first to last, read in both directions: a broken link shows. */
function numbersIn(list: LinkedList<Numbered>): readonly number[] {
  const forward = list.values();
  const backward: Numbered[] = [];
  for (let link = forward.at(-1); link !== undefined; link = link.previous) backward.push(link);
  expect(backward.reverse()).toEqual(forward);
  expect([list.size, list.first]).toEqual([forward.length, forward[0]]);
  return forward.map(({ number }) => number);
}

test('LinkedList is an array in which each thing can leave from anywhere, once', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), value: fc.nat() }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new LinkedList<Numbered>();
      const links: Numbered[] = [];
      let naive: Numbered[] = [];
      for (const each of steps) {
        if (each.kind === 'add') {
          const link = new Numbered(each.value);
          list.add(link);
          links.push(link);
          naive.push(link);
        } else {
          const link = links[each.which];
          if (link === undefined) continue;
          expect(list.remove(link)).toBe(naive.includes(link));
          naive = naive.filter((other) => other !== link);
        }
        expect(numbersIn(list)).toEqual(naive.map(({ number }) => number));
      }
    }),
  );
});

test('LinkedList.remove() holds on to nobody: a long list would be kept alive by one that has left', () => {
  const list = new LinkedList<Numbered>();
  const links = [1, 2, 3].map((number) => new Numbered(number));
  for (const link of links) list.add(link);
  expect(list.remove(links[1] as Numbered)).toBe(true);
  expect(links[1]).toMatchObject({ previous: undefined, next: undefined, list: undefined });
});

test('LinkedList.remove() answers false and changes nothing, for what is in another list', () => {
  const [list, other] = [new LinkedList<Numbered>(), new LinkedList<Numbered>()];
  const link = new Numbered(1);
  other.add(link);
  expect(list.remove(link)).toBe(false);
  expect([numbersIn(list), numbersIn(other)]).toEqual([[], [1]]);
});

test('LinkedList.remove() empties a list of 100,000 from the middle out', () => {
  const list = new LinkedList<Numbered>();
  const links = Array.from({ length: 100_000 }, (_, number) => new Numbered(number));
  for (const link of links) list.add(link);
  const outwards = [...links].sort((a, b) => Math.abs(a.number - 50_000) - Math.abs(b.number - 50_000));
  for (const link of outwards) list.remove(link);
  expect(numbersIn(list)).toEqual([]);
});
