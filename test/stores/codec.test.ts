import fc from 'fast-check';
import { expect, test } from 'vitest';

import { decodeEntry, encodeEntry } from '../../src/stores/codec.ts';
import { RUNS } from '../properties/bench.ts';
import { entryOf, storedOf } from '../support/entries.ts';

test('decodeEntry() gives back what encodeEntry() took, bodies and none', () => {
  const variants = [storedOf('äöü'), storedOf(''), storedOf(null, { status: 204 }), storedOf('x'.repeat(100_000))];
  const entry = entryOf('public GET https://api.test/ä', null, { variants });
  expect(decodeEntry(encodeEntry(entry).buffer)).toEqual(entry);
});

test('decodeEntry() gives bodies that share no memory', () => {
  const entry = entryOf('k', null, { variants: [storedOf('one'), storedOf('two')] });
  const decoded = decodeEntry(encodeEntry(entry).buffer) as typeof entry;
  const [one, two] = decoded.variants;
  expect(one?.body?.buffer.byteLength).toBe(3);
  expect(one?.body?.buffer).not.toBe(two?.body?.buffer);
});

test('decodeEntry() throws, or gives a body that is too short, for what was cut', () => {
  const { buffer } = encodeEntry(entryOf('k', 'a body'));
  for (let length = 0; length < buffer.byteLength; length += 1) {
    let bodyBytes: number | undefined;
    try {
      const { variants } = decodeEntry(buffer.slice(0, length)) as ReturnType<typeof entryOf>;
      bodyBytes = variants[0]?.body?.byteLength;
    } catch {
      continue;
    }
    expect(bodyBytes).toBeLessThan(6);
  }
});

test('decodeEntry() ends for any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeEntry(new Uint8Array(bytes).buffer);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    RUNS,
  );
});
