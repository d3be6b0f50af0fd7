import { expect, test } from 'vitest';

import {
  BOUND,
  COUNT,
  checkChoice,
  checkEither,
  checkFunction,
  checkKeys,
  checkMethods,
  checkNumber,
  DELAY_MS,
  RATE,
  requireChoice,
  requireFunction,
  requireNumber,
  SPAN_MS,
  show,
} from '../src/checks.ts';

const tiny = Number.MIN_VALUE;
const huge = Number.MAX_VALUE;

const rules = [
  {
    what: 'a share',
    rule: RATE,
    description: 'a number above 0 and at most 1',
    fits: [tiny, 0.5, 1],
    misfits: [0, -0, -0.1, 1 + Number.EPSILON, Infinity, -Infinity, Number.NaN],
  },
  {
    what: 'a span of time',
    rule: SPAN_MS,
    description: 'a number above 0 or Infinity',
    fits: [tiny, 0.5, 1, 2 ** 31, huge, Infinity],
    misfits: [0, -0, -1, -Infinity, Number.NaN],
  },
  {
    what: 'a delay',
    rule: DELAY_MS,
    description: 'a number of at least 0',
    fits: [0, -0, tiny, 1.5, huge],
    misfits: [-tiny, -1, Infinity, -Infinity, Number.NaN],
  },
  {
    what: 'a count',
    rule: COUNT,
    description: 'an integer of at least 1',
    fits: [1, 2, Number.MAX_SAFE_INTEGER],
    misfits: [0, -1, 0.5, 1.5, Infinity, -Infinity, Number.NaN],
  },
  {
    what: 'a bound',
    rule: BOUND,
    description: 'an integer of at least 1 or Infinity',
    fits: [1, 2, Number.MAX_SAFE_INTEGER, Infinity],
    misfits: [0, -1, 0.5, 1.5, -Infinity, Number.NaN],
  },
  {
    what: 'an integer between two others',
    rule: { least: 200, most: 599, integer: true },
    description: 'an integer of at least 200 and at most 599',
    fits: [200, 201, 599],
    misfits: [199, 600, 200.5, 599.5],
  },
  {
    what: 'a count with a limit that is none',
    rule: { ...COUNT, most: Infinity },
    description: 'an integer of at least 1',
    fits: [1],
    misfits: [0, Infinity],
  },
] as const;

const fitting = rules.flatMap(({ what, rule, fits }) => fits.map((value) => ({ what, rule, value })));

test.for(fitting)('checkNumber() gives the value, for $what of $value', ({ rule, value }) => {
  expect(checkNumber('a.b', value, 7, rule)).toBe(value);
});

const misfitting = rules.flatMap(({ misfits, ...row }) => misfits.map((value) => ({ ...row, value })));

test.for(misfitting)('checkNumber() throws RangeError that says it all, for $what of $value', (row) => {
  expect(() => checkNumber('a.b', row.value, 7, row.rule)).toThrow(
    new RangeError(`a.b must be ${row.description}, got ${row.value}`),
  );
});

test.for(rules)('checkNumber() throws TypeError for what is no number, instead of $what', ({ rule, description }) => {
  for (const [value, shown] of [
    ['1', '"1"'],
    [null, 'null'],
    [true, 'true'],
    [1n, '1n'],
    [[1], 'an array'],
    [{ valueOf: () => 1 }, 'an object'],
    [() => 1, 'a function'],
  ] as const) {
    expect(() => checkNumber('a.b', value, 7, rule)).toThrow(new TypeError(`a.b must be ${description}, got ${shown}`));
  }
});

test('checkNumber() gives the default for undefined alone, whatever the rule says about it', () => {
  expect(checkNumber('a.b', undefined, 7, RATE)).toBe(7);
  expect(checkNumber('a.b', undefined, Number.NaN, RATE)).toBeNaN();
});

test('checkFunction() gives the function, or the default for undefined', () => {
  const given = (): void => {};
  class Callable {}
  expect(checkFunction('a.b', given, undefined)).toBe(given);
  expect(checkFunction('a.b', Callable, undefined)).toBe(Callable);
  expect(checkFunction('a.b', undefined, given)).toBe(given);
  expect(checkFunction('a.b', undefined, undefined)).toBeUndefined();
});

test.for([
  [null, 'null'],
  ['f', '"f"'],
  [0, '0'],
  [{}, 'an object'],
  [[], 'an array'],
] as const)('checkFunction() throws TypeError, for %j', ([value, shown]) => {
  expect(() => checkFunction<unknown, undefined>('a.b', value, undefined)).toThrow(
    new TypeError(`a.b must be a function, got ${shown}`),
  );
});

test('checkMethods() takes what has the methods, own or not', () => {
  checkMethods('a.b', 'a map', new Map(), ['get', 'set']);
  checkMethods('a.b', 'a text', 'text', ['trim']);
  checkMethods('a.b', 'a function', () => {}, ['call']);
});

test.for([
  [undefined, 'undefined'],
  [null, 'null'],
  ['text', '"text"'],
  [{}, 'an object without get, set and delete'],
  [{ get() {}, set: 'set' }, 'an object without set and delete'],
  [new WeakMap(), 'an object without clear'],
  [() => {}, 'a function without get, set and delete'],
] as const)('checkMethods() throws TypeError that says what is missing, for %j', ([value, shown]) => {
  const methods = value instanceof WeakMap ? ['get', 'clear'] : ['get', 'set', 'delete'];
  expect(() => checkMethods('a.b', 'a map', value, methods)).toThrow(new TypeError(`a.b must be a map, got ${shown}`));
});

test('What has no default is refused for undefined, too', () => {
  expect(() => requireNumber('a.b', undefined, COUNT)).toThrow(
    new TypeError('a.b must be an integer of at least 1, got undefined'),
  );
  expect(() => requireFunction('a.b', undefined)).toThrow(new TypeError('a.b must be a function, got undefined'));
  expect(() => requireChoice('a.b', undefined, ['left', 'right'])).toThrow(
    new TypeError('a.b must be "left" or "right", got undefined'),
  );
});

test('checkChoice() gives the choice, or the first for undefined', () => {
  expect(checkChoice('a.b', 'left', ['left', 'right'])).toBe('left');
  expect(checkChoice('a.b', 'right', ['left', 'right'])).toBe('right');
  expect(checkChoice('a.b', undefined, ['left', 'right'])).toBe('left');
});

test.for([
  ['Left', '"Left"'],
  ['', '""'],
  [null, 'null'],
  [0, '0'],
  [['left'], 'an array'],
  [{ toString: () => 'left' }, 'an object'],
] as const)('checkChoice() throws TypeError that names the choices, for %j', ([value, shown]) => {
  expect(() => checkChoice('a.b', value, ['left', 'right', 'up'])).toThrow(
    new TypeError(`a.b must be "left", "right" or "up", got ${shown}`),
  );
});

test('checkKeys() takes objects whose keys are known, all, some or none of them', () => {
  checkKeys('a', { b: 1, c: undefined }, ['b', 'c']);
  checkKeys('a', { c: 1 }, ['b', 'c']);
  checkKeys('a', {}, ['b']);
  checkKeys('a', Object.create(null), []);
});

test('checkKeys() looks at own keys alone, and not at symbols', () => {
  checkKeys('a', Object.create({ inherited: 1 }), ['b']);
  checkKeys('a', { [Symbol('private')]: 1 }, ['b']);
});

test.for(['d', 'B', '', 'toString', '__proto__'])(
  'checkKeys() throws TypeError that names the options there are, for the unknown "%s"',
  (key) => {
    const options = Object.fromEntries([
      ['b', 1],
      [key, undefined],
    ]);
    expect(() => checkKeys('a', options, ['b', 'c'])).toThrow(
      new TypeError(`a.${key} is not an option; there are b, c`),
    );
  },
);

test.for([
  [undefined, 'undefined'],
  [null, 'null'],
  [false, 'false'],
  [true, 'true'],
  [5, '5'],
  ['b', '"b"'],
  [[], 'an array'],
  [() => ({}), 'a function'],
  [Symbol('b'), 'Symbol(b)'],
] as const)('checkKeys() throws TypeError for what is no object: %s', ([value, shown]) => {
  expect(() => checkKeys('a', value, ['b'])).toThrow(new TypeError(`a must be an object, got ${shown}`));
});

const hostile = {
  toString() {
    throw new Error('toString was called');
  },
  valueOf() {
    throw new Error('valueOf was called');
  },
  toJSON() {
    throw new Error('toJSON was called');
  },
  get [Symbol.toStringTag](): string {
    throw new Error('toStringTag was read');
  },
};

const shown: readonly { what: string; value: unknown; text: string }[] = [
  { what: 'undefined', value: undefined, text: 'undefined' },
  { what: 'null', value: null, text: 'null' },
  { what: 'a boolean', value: false, text: 'false' },
  { what: 'a number', value: -1.5, text: '-1.5' },
  { what: 'NaN', value: Number.NaN, text: 'NaN' },
  { what: 'Infinity', value: -Infinity, text: '-Infinity' },
  { what: 'a bigint', value: 12n, text: '12n' },
  { what: 'a string', value: 'a "b"\n', text: '"a \\"b\\"\\n"' },
  { what: 'an empty string', value: '', text: '""' },
  { what: 'a string of 50', value: 'x'.repeat(50), text: `"${'x'.repeat(50)}"` },
  { what: 'a string of 51', value: 'x'.repeat(51), text: `"${'x'.repeat(50)}…"` },
  { what: 'a very long string', value: 'x'.repeat(1e6), text: `"${'x'.repeat(50)}…"` },
  { what: 'an address, which may have a password in it', value: 'default:secret@cache:6379', text: 'a URL' },
  { what: 'a URL, which may have a password in it', value: 'redis://ann:secret@cache.test', text: 'a URL' },
  { what: 'a symbol', value: Symbol('s'), text: 'Symbol(s)' },
  { what: 'a symbol without a name', value: Symbol(), text: 'Symbol()' },
  { what: 'a function', value: () => 'secret', text: 'a function' },
  { what: 'a class', value: class Secret {}, text: 'a function' },
  { what: 'an object', value: { secret: 1 }, text: 'an object' },
  { what: 'an object without a prototype', value: Object.create(null), text: 'an object' },
  { what: 'an object that throws when shown', value: hostile, text: 'an object' },
  { what: 'an error', value: new Error('secret'), text: 'an object' },
  { what: 'a date that is none', value: new Date(Number.NaN), text: 'an object' },
  { what: 'an array', value: [hostile], text: 'an array' },
  {
    what: 'a function that throws when shown',
    value: Object.defineProperties(() => {}, Object.getOwnPropertyDescriptors(hostile)),
    text: 'a function',
  },
];

test.for(shown)('show() is short and does not throw, for $what', ({ value, text }) => {
  expect(show(value)).toBe(text);
});

test.for([
  { what: 'a symbol with a long name', value: Symbol('x'.repeat(1e4)) },
  { what: 'a bigint of many digits', value: 10n ** 1_000n },
])('show() is short, for $what', ({ value }) => {
  expect(show(value).length).toBeLessThan(100);
});

test('checkEither() takes one of two options', () => {
  expect(() => checkEither('a', { b: 1, c: undefined })).not.toThrow();
  expect(() => checkEither('a', { b: undefined, c: null })).not.toThrow();
});

test('checkEither() throws TypeError for both, and for neither, and shows them', () => {
  expect(() => checkEither('a', { b: 1, c: '2' })).toThrow(
    new TypeError('a must have either b or c, got b 1 and c "2"'),
  );
  expect(() => checkEither('a', { b: undefined, c: undefined })).toThrow(
    new TypeError('a must have either b or c, got b undefined and c undefined'),
  );
});
