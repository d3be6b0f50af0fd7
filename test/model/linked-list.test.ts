import fc from 'fast-check';
import { expect, test } from 'vitest';

import { type Link, LinkedList } from '../../src/model/linked-list.ts';

test('LinkedList is an array in which each thing can leave from anywhere, once', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), value: fc.nat() }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new LinkedList<number>();
      const links: Link<number>[] = [];
      let naive: Link<number>[] = [];
      for (const each of steps) {
        if (each.kind === 'add') {
          const link = list.add(each.value);
          links.push(link);
          naive.push(link);
        } else {
          const link = links[each.which];
          if (link === undefined) continue;
          expect(list.remove(link)).toBe(naive.includes(link));
          naive = naive.filter((other) => other !== link);
        }
        expect(list.values()).toEqual(naive.map(({ value }) => value));
        expect([list.size, list.first]).toEqual([naive.length, naive[0]]);
      }
    }),
  );
});
