import { expect, test } from 'vitest';

import { readPolicy } from '../../playground/policy.ts';
import { presets } from '../../playground/presets.ts';

test('readPolicy() reads an object as it is written in code', () => {
  const text = `{
    // a comment, and a 1_000 in it
    name: 'a_1_2, 3_4', 'deadlineMs': 2_000, /* 5_000 */
    bulkhead: { queueTimeoutMs: Infinity },
    retry: { statusCodes: [503,], },
  }`;
  expect(readPolicy(text)).toEqual({
    name: 'a_1_2, 3_4',
    deadlineMs: 2_000,
    bulkhead: { queueTimeoutMs: Infinity },
    retry: { statusCodes: [503] },
  });
});

test.for(['\n', '\r\n'])('readPolicy() leaves a string alone that goes on after a line break, %j', (lineBreak) => {
  expect(readPolicy(`{ name: "multi\\${lineBreak}line 1_0" }`)).toEqual({ name: 'multiline 1_0' });
  expect(readPolicy(`{ name: 'it\\'s\\${lineBreak} 2_0' }`)).toEqual({ name: "it's 2_0" });
});

test('readPolicy() takes "memory" for a store in memory', () => {
  const { fallback } = readPolicy(`{ fallback: { store: 'memory', maxAgeMs: 5 } }`);
  expect(fallback).toMatchObject({ maxAgeMs: 5, store: { shared: false, get: expect.any(Function) } });
});

test.for([
  ['{ retry: { maxAttempts: 0 } }', RangeError, 'retry.maxAttempts must be'],
  ['{ breaker: { failureTreshold: 5 } }', TypeError, 'failureTreshold'],
  [`{ deadlineMs: '2 s' }`, TypeError, 'deadlineMs must be'],
  [
    `{ fallback: { store: 'disk' } }`,
    TypeError,
    'fallback.store must be a store, such as memoryStore() gives, got "disk"',
  ],
  [`{ fetch: 'mine' }`, TypeError, 'fetch must be a function, got "mine"'],
  ['5', TypeError, 'got 5'],
  ['null', TypeError, 'got null'],
  ['[]', TypeError, 'options must be an object, got an array'],
] as const)('readPolicy() refuses %s in the words of the library', ([text, type, words]) => {
  expect(() => readPolicy(text)).toThrow(type);
  expect(() => readPolicy(text)).toThrow(words);
});

test.for([
  ['{\n  deadlineMs: 2_000, retry: oops\n}', "line 2, column 29: invalid character 'o'"],
  ['{ a: 1', 'line 1, column 7: invalid end of input'],
  ['', 'line 1, column 1: invalid end of input'],
  ['{ classify: () => 1 }', "line 1, column 13: invalid character '('"],
] as const)('readPolicy() says where %j can’t be read', ([text, words]) => {
  expect(() => readPolicy(text)).toThrow(new SyntaxError(words));
});

test.for(presets)('the preset $name is a policy', ({ text }) => {
  readPolicy(text);
});
