import { expect, test } from 'vitest';

import { type ClientOptions, resolveCall, resolveClient } from '../src/client-options.ts';
import { platformClock } from '../src/clock.ts';
import type { CallOptions } from '../src/index.ts';
import {
  checkTimeLimit,
  resolveBreaker,
  resolveBulkhead,
  resolveHedge,
  resolveRetry,
  resolveRetryBudget,
  resolveTools,
} from '../src/options.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';

type Options = Record<string, unknown>;

/** The numbers that an option may be at the least and at the most, and those next to them which it may not. */
interface Bounds {
  readonly option: string;
  readonly fits: readonly number[];
  readonly misfits: readonly number[];
  /** Other options that the bounds depend on. */
  readonly beside?: Options;
}

const tiny = Number.MIN_VALUE;
const never = [-Infinity, Number.NaN];
const count = { fits: [1, 2, 1e9], misfits: [0, -1, 1.5, Infinity, ...never] };
const bound = { fits: [1, 2, Infinity], misfits: [0, -1, 1.5, ...never] };
const delay = { fits: [0, 0.5, 2 ** 31], misfits: [-tiny, -1, Infinity, ...never] };
const span = { fits: [tiny, 2 ** 31, Infinity], misfits: [0, -1, ...never] };
const rate = { fits: [tiny, 0.5, 1], misfits: [0, -0.1, 1.1, Infinity, ...never] };
const share = { fits: [0, 0.5, 1], misfits: [-tiny, 1.1, Infinity, ...never] };
const amount = { fits: [0, 0.5, 1e9], misfits: [-tiny, Infinity, ...never] };

/** One row per option and number. */
function numbers<K extends 'fits' | 'misfits'>(table: readonly Bounds[], kind: K) {
  return table.flatMap(({ option, beside = {}, [kind]: values }) =>
    values.map((value) => ({ option, value, options: { ...beside, [option]: value } as Options })),
  );
}

/** One row per option: a number is no string. */
function strings(table: readonly Bounds[]) {
  return table.map(({ option, beside = {} }) => ({ option, options: { ...beside, [option]: '1' } as Options }));
}

// resolveTools

test('resolveTools() has the platform clock and Math.random, and no name', () => {
  for (const tools of [resolveTools(), resolveTools({})]) {
    expect(tools).toEqual({ clock: platformClock, random: Math.random, name: undefined });
    expect(tools.clock).toBe(platformClock);
    expect(tools.random).toBe(Math.random);
  }
});

test('resolveTools() takes a clock, a random and a name', () => {
  const clock = new FakeClock();
  const random = (): number => 0;
  const tools = resolveTools({ clock, random, name: 'users' });
  expect(tools.clock).toBe(clock);
  expect(tools.random()).toBe(0);
  expect(tools.name).toBe('users');
  expect(resolveTools({ name: '' }).name).toBe('');
});

test.for(['now', 'epochNow', 'schedule', 'timeoutSignal'])(
  'resolveTools() throws TypeError, for a clock without %s',
  (method) => {
    const whole = { now: () => 0, epochNow: () => 0, schedule: () => () => {}, timeoutSignal: AbortSignal.timeout };
    expect(resolveTools({ clock: whole }).clock).toBe(whole);
    for (const [wrong, shown] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [5, '5'],
    ]) {
      const clock = { ...whole, [method]: wrong } as unknown as FakeClock;
      expect(() => resolveTools({ clock })).toThrow(new TypeError(`clock.${method} must be a function, got ${shown}`));
    }
  },
);

test.for([
  [{ clock: null }, 'clock must be an object, got null'],
  [{ clock: 'fake' }, 'clock must be an object, got "fake"'],
  [{ random: 0.5 }, 'random must be a function, got 0.5'],
  [{ random: null }, 'random must be a function, got null'],
  [{ name: 5 }, 'name must be a string, got 5'],
  [{ name: null }, 'name must be a string, got null'],
] as const)('resolveTools() throws TypeError, for %j', ([options, message]) => {
  expect(() => resolveTools(options as unknown as { name: string })).toThrow(new TypeError(message));
});

test.for([undefined, null, '0.5', Number.NaN, -0.1, 1.1, Infinity])(
  'resolveTools() refuses a chance of %j',
  (chance) => {
    const { random } = resolveTools({ random: () => chance as number });
    expect(random).toThrow(TypeError);
    expect(random).toThrow('random must return a number in [0, 1), got ');
  },
);

test.for([0, 0.5, 1])('resolveTools() takes a chance of %d', (chance) => {
  expect(resolveTools({ random: () => chance }).random()).toBe(chance);
});

// checkTimeLimit

test.for(span.fits)('checkTimeLimit() gives the span, for %d', (value) => {
  expect(checkTimeLimit('deadlineMs', value)).toBe(value);
});

test.for(span.misfits)('checkTimeLimit() throws RangeError, for %d', (value) => {
  expect(() => checkTimeLimit('deadlineMs', value)).toThrow(
    new RangeError(`deadlineMs must be a number above 0 or Infinity, got ${value}`),
  );
});

test.for([undefined, null, '5', false])('checkTimeLimit() throws TypeError for %j: there is no default', (value) => {
  expect(() => checkTimeLimit('deadlineMs', value)).toThrow(TypeError);
  expect(() => checkTimeLimit('deadlineMs', value)).toThrow('deadlineMs must be a number above 0 or Infinity');
});

// resolveBulkhead

test('resolveBulkhead() has its defaults', () => {
  const defaults = { maxConcurrent: 64, maxQueued: 64, queueTimeoutMs: Infinity, slot: 'headers' };
  expect(resolveBulkhead()).toEqual(defaults);
  expect(resolveBulkhead({})).toEqual(defaults);
});

const bulkheadBounds: readonly Bounds[] = [
  { option: 'maxConcurrent', ...bound },
  { option: 'maxQueued', fits: [0, 1, Infinity], misfits: [-1, 0.5, ...never] },
  { option: 'queueTimeoutMs', ...span },
];

test.for(numbers(bulkheadBounds, 'fits'))('resolveBulkhead() takes $option of $value', ({ option, value, options }) => {
  expect(resolveBulkhead(options)).toMatchObject({ [option]: value });
});

test.for(numbers(bulkheadBounds, 'misfits'))('resolveBulkhead() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveBulkhead(row.options)).toThrow(RangeError);
  expect(() => resolveBulkhead(row.options)).toThrow(`bulkhead.${row.option} must be`);
});

test.for(strings(bulkheadBounds))('resolveBulkhead() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveBulkhead(options)).toThrow(TypeError);
  expect(() => resolveBulkhead(options)).toThrow(`bulkhead.${option} must be`);
});

test('resolveBulkhead() takes "adaptive" for maxConcurrent, and no other word', () => {
  expect(resolveBulkhead({ maxConcurrent: 'adaptive' }).maxConcurrent).toBe('adaptive');
  expect(() => resolveBulkhead({ maxConcurrent: 'adaptiv' } as Options)).toThrow(
    new TypeError('bulkhead.maxConcurrent must be a number or "adaptive", got "adaptiv"'),
  );
  expect(() => resolveBulkhead({ maxQueued: 'adaptive' } as Options)).toThrow('bulkhead.maxQueued must be an integer');
});

test('resolveBulkhead() knows two ways to hold a slot', () => {
  expect(resolveBulkhead({ slot: 'headers' }).slot).toBe('headers');
  expect(resolveBulkhead({ slot: 'body' }).slot).toBe('body');
  expect(() => resolveBulkhead({ slot: 'socket' } as Options)).toThrow(
    new TypeError('bulkhead.slot must be "headers" or "body", got "socket"'),
  );
});

// resolveBreaker

test('resolveBreaker() has its defaults', () => {
  const defaults = {
    failureThreshold: 5,
    successThreshold: 2,
    resetTimeoutMs: 10_000,
    maxResetTimeoutMs: 120_000,
    resetJitter: 0.2,
    counts: 'calls',
    classify: undefined,
  };
  expect(resolveBreaker()).toEqual(defaults);
  expect(resolveBreaker({})).toEqual(defaults);
  expect(resolveBreaker()).not.toHaveProperty('window');
});

const breakerBounds: readonly Bounds[] = [
  { option: 'failureThreshold', ...count },
  { option: 'successThreshold', ...count },
  { option: 'resetTimeoutMs', fits: [tiny, 2 ** 31], misfits: [0, -1, Infinity, ...never] },
  {
    option: 'maxResetTimeoutMs',
    beside: { resetTimeoutMs: 500 },
    fits: [500, 501, 2 ** 31],
    misfits: [499, 0, -1, Infinity, ...never],
  },
  { option: 'maxResetTimeoutMs', fits: [10_000], misfits: [9_999] },
  { option: 'resetJitter', ...share },
];

test.for(numbers(breakerBounds, 'fits'))('resolveBreaker() takes $option of $value', ({ option, value, options }) => {
  expect(resolveBreaker(options)).toMatchObject({ [option]: value });
});

test.for(numbers(breakerBounds, 'misfits'))('resolveBreaker() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveBreaker(row.options)).toThrow(RangeError);
  expect(() => resolveBreaker(row.options)).toThrow(`breaker.${row.option} must be`);
});

test.for(strings(breakerBounds))('resolveBreaker() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveBreaker(options)).toThrow(TypeError);
  expect(() => resolveBreaker(options)).toThrow(`breaker.${option} must be`);
});

test.for([
  [119_999, 120_000],
  [120_000, 120_000],
  [120_001, 120_001],
  [600_000, 600_000],
] as const)('resolveBreaker() has room for a reset timeout of %d ms: at most %d', ([resetTimeoutMs, most]) => {
  expect(resolveBreaker({ resetTimeoutMs })).toMatchObject({ resetTimeoutMs, maxResetTimeoutMs: most });
});

test('resolveBreaker() knows two things to count', () => {
  expect(resolveBreaker({ counts: 'calls' }).counts).toBe('calls');
  expect(resolveBreaker({ counts: 'attempts' }).counts).toBe('attempts');
  expect(() => resolveBreaker({ counts: 'responses' } as Options)).toThrow(
    new TypeError('breaker.counts must be "calls" or "attempts", got "responses"'),
  );
});

test('resolveBreaker() takes a function to classify, and nothing else', () => {
  const classify = (): 'success' => 'success';
  expect(resolveBreaker({ classify }).classify).toBe(classify);
  expect(() => resolveBreaker({ classify: 'success' } as Options)).toThrow(
    new TypeError('breaker.classify must be a function, got "success"'),
  );
});

// resolveBreaker: the window

const windowDefaults = { minimumCalls: 10, failureRate: 0.5, slowCallMs: Infinity, slowCallRate: 0.5 };

test('resolveBreaker() has defaults for a window by count and by time', () => {
  expect(resolveBreaker({ window: { size: 20 } }).window).toEqual({ ...windowDefaults, span: { size: 20 } });
  expect(resolveBreaker({ window: { durationMs: 5_000 } }).window).toEqual({
    ...windowDefaults,
    span: { durationMs: 5_000 },
  });
});

test.for([
  [1, 1],
  [9, 9],
  [10, 10],
  [11, 10],
] as const)('resolveBreaker() judges a window of %d after %d calls, by default', ([size, minimumCalls]) => {
  expect(resolveBreaker({ window: { size } }).window?.minimumCalls).toBe(minimumCalls);
});

const windowBounds: readonly Bounds[] = [
  { option: 'minimumCalls', beside: { size: 20 }, fits: [1, 19, 20], misfits: [0, -1, 1.5, 21, Infinity, ...never] },
  { option: 'minimumCalls', beside: { durationMs: 1_000 }, fits: [1, 1e9], misfits: [0, 1.5, Infinity, ...never] },
  { option: 'failureRate', beside: { size: 20 }, ...rate },
  { option: 'slowCallRate', beside: { size: 20 }, ...rate },
  { option: 'slowCallMs', beside: { size: 20 }, ...span },
];

test.for(numbers(windowBounds, 'fits'))(
  'resolveBreaker() takes window.$option of $value',
  ({ option, value, options }) => {
    expect(resolveBreaker({ window: options }).window).toMatchObject({ [option]: value });
  },
);

const spanBounds: readonly Bounds[] = [
  { option: 'size', fits: [1, 999_999, 1_000_000], misfits: [0, -1, 1.5, 1_000_001, Infinity, ...never] },
  { option: 'durationMs', fits: [tiny, 2 ** 31], misfits: [0, -1, Infinity, ...never] },
];

test.for(numbers(spanBounds, 'fits'))(
  'resolveBreaker() takes window.$option of $value',
  ({ option, value, options }) => {
    expect(resolveBreaker({ window: options }).window?.span).toEqual({ [option]: value });
  },
);

test.for(numbers([...windowBounds, ...spanBounds], 'misfits'))(
  'resolveBreaker() throws RangeError, for window.$option of $value',
  ({ option, options }) => {
    expect(() => resolveBreaker({ window: options })).toThrow(RangeError);
    expect(() => resolveBreaker({ window: options })).toThrow(`breaker.window.${option} must be`);
  },
);

test.for(strings([...windowBounds, ...spanBounds]))(
  'resolveBreaker() throws TypeError, for window.$option of "1"',
  ({ option, options }) => {
    expect(() => resolveBreaker({ window: options })).toThrow(TypeError);
    expect(() => resolveBreaker({ window: options })).toThrow(`breaker.window.${option} must be`);
  },
);

test.for([
  [{}, 'undefined', 'undefined'],
  [{ size: 20, durationMs: 5_000 }, '20', '5000'],
  [{ failureRate: 0.5 }, 'undefined', 'undefined'],
] as const)(
  'resolveBreaker() throws TypeError for a window that is not one by count or by time: %j',
  ([window, size, durationMs]) => {
    expect(() => resolveBreaker({ window })).toThrow(
      new TypeError(
        `breaker.window must have either size or durationMs, got size ${size} and durationMs ${durationMs}`,
      ),
    );
  },
);

// resolveRetry

test('resolveRetry() has its defaults', () => {
  expect(resolveRetry({})).toEqual({
    maxAttempts: 3,
    initialDelayMs: 100,
    multiplier: 2,
    maxDelayMs: 5_000,
    jitter: 'full',
    maxRetryAfterMs: 30_000,
  });
});

const retryBounds: readonly Bounds[] = [
  { option: 'maxAttempts', ...count },
  { option: 'initialDelayMs', ...delay },
  { option: 'multiplier', fits: [1, 1.5, 1e9], misfits: [1 - Number.EPSILON, 0, -2, Infinity, ...never] },
  { option: 'maxDelayMs', ...delay },
  { option: 'maxRetryAfterMs', fits: [0, 2 ** 31, Infinity], misfits: [-tiny, -1, ...never] },
];

test.for(numbers(retryBounds, 'fits'))('resolveRetry() takes $option of $value', ({ option, value, options }) => {
  expect(resolveRetry(options)).toMatchObject({ [option]: value });
});

test.for(numbers(retryBounds, 'misfits'))('resolveRetry() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveRetry(row.options)).toThrow(RangeError);
  expect(() => resolveRetry(row.options)).toThrow(`retry.${row.option} must be`);
});

test.for(strings(retryBounds))('resolveRetry() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveRetry(options)).toThrow(TypeError);
  expect(() => resolveRetry(options)).toThrow(`retry.${option} must be`);
});

test.for([
  [undefined, 'full'],
  ['full', 'full'],
  ['decorrelated', 'decorrelated'],
  [0, 0],
  [0.3, 0.3],
  [1, 1],
  [5, 1],
  [Infinity, 1],
  [-1, 0],
  [-Infinity, 0],
] as const)('resolveRetry() makes of jitter %s: %s', ([given, jitter]) => {
  expect(resolveRetry(given === undefined ? {} : { jitter: given }).jitter).toBe(jitter);
});

test('resolveRetry() throws RangeError, for a jitter of NaN', () => {
  expect(() => resolveRetry({ jitter: Number.NaN })).toThrow(
    new RangeError('retry.jitter must be a number in [0, 1], got NaN'),
  );
});

test.for([
  ['none', '"none"'],
  ['0.5', '"0.5"'],
  [null, 'null'],
  [true, 'true'],
] as const)('resolveRetry() throws TypeError, for a jitter of %j', ([jitter, shown]) => {
  expect(() => resolveRetry({ jitter } as Options)).toThrow(
    new TypeError(`retry.jitter must be "full", "decorrelated" or a number in [0, 1], got ${shown}`),
  );
});

// resolveHedge

test('resolveHedge() has one request beside the first by default, after a time or by a percentile', () => {
  expect(resolveHedge({ afterMs: 50 })).toEqual({ afterMs: 50, percentile: undefined, maxExtra: 1 });
  expect(resolveHedge({ percentile: 0.95 })).toEqual({ afterMs: undefined, percentile: 0.95, maxExtra: 1 });
});

const hedgeBounds: readonly Bounds[] = [
  { option: 'afterMs', fits: [tiny, 0.5, 2 ** 31], misfits: [0, -1, Infinity, ...never] },
  { option: 'percentile', fits: [tiny, 0.5, 0.999], misfits: [0, 1, 95, -0.5, ...never] },
  { option: 'maxExtra', ...count, beside: { afterMs: 50 } },
];

test.for(numbers(hedgeBounds, 'fits'))('resolveHedge() takes $option of $value', ({ option, value, options }) => {
  expect(resolveHedge(options)).toMatchObject({ [option]: value });
});

test.for(numbers(hedgeBounds, 'misfits'))('resolveHedge() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveHedge(row.options)).toThrow(RangeError);
  expect(() => resolveHedge(row.options, 'init.hedge')).toThrow(`init.hedge.${row.option} must be`);
});

test.for(strings(hedgeBounds))('resolveHedge() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveHedge(options)).toThrow(TypeError);
  expect(() => resolveHedge(options)).toThrow(`hedge.${option} must be`);
});

// resolveRetryBudget

test('resolveRetryBudget() has its defaults', () => {
  expect(resolveRetryBudget()).toEqual({ ratio: 0.2, minPerSecond: 10 });
  expect(resolveRetryBudget({})).toEqual({ ratio: 0.2, minPerSecond: 10 });
});

const budgetBounds: readonly Bounds[] = [
  { option: 'ratio', ...amount },
  { option: 'minPerSecond', ...amount },
];

test.for(numbers(budgetBounds, 'fits'))(
  'resolveRetryBudget() takes $option of $value',
  ({ option, value, options }) => {
    expect(resolveRetryBudget(options)).toMatchObject({ [option]: value });
  },
);

test.for(numbers(budgetBounds, 'misfits'))('resolveRetryBudget() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveRetryBudget(row.options)).toThrow(RangeError);
  expect(() => resolveRetryBudget(row.options)).toThrow(`retry.budget.${row.option} must be`);
});

test.for(strings(budgetBounds))('resolveRetryBudget() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveRetryBudget(options)).toThrow(TypeError);
  expect(() => resolveRetryBudget(options)).toThrow(`retry.budget.${option} must be`);
});

// What all of them refuse.

const resolvers = [
  { path: 'bulkhead', resolve: (options: unknown) => resolveBulkhead(options as Options) },
  { path: 'breaker', resolve: (options: unknown) => resolveBreaker(options as Options) },
  { path: 'breaker.window', resolve: (window: unknown) => resolveBreaker({ window } as Options) },
  { path: 'retry.budget', resolve: (options: unknown) => resolveRetryBudget(options as Options) },
  { path: 'options', resolve: (options: unknown) => resolveClient(options as ClientOptions) },
  { path: 'bulkhead', off: true, resolve: (bulkhead: unknown) => resolveClient({ bulkhead } as ClientOptions) },
  { path: 'breaker', off: true, resolve: (breaker: unknown) => resolveClient({ breaker } as ClientOptions) },
  { path: 'retry', off: true, resolve: (retry: unknown) => resolveClient({ retry } as ClientOptions) },
  {
    path: 'retry.budget',
    off: true,
    resolve: (budget: unknown) => resolveClient({ retry: { budget } } as ClientOptions),
  },
  { path: 'restore', resolve: (restore: unknown) => resolveClient({ restore } as ClientOptions) },
];

test.for(resolvers)('resolving throws TypeError for $path that are no object', ({ path, resolve, off }) => {
  // What `false` switches off says so.
  const kind = off === true ? 'an object or false' : 'an object';
  for (const [wrong, shown] of [
    [null, 'null'],
    [5, '5'],
    [[], 'an array'],
    ['on', '"on"'],
    [true, 'true'],
  ] as const) {
    expect(() => resolve(wrong)).toThrow(new TypeError(`${path} must be ${kind}, got ${shown}`));
  }
});

test.for(resolvers)('resolving throws TypeError for a misspelt option of $path', ({ path, resolve }) => {
  expect(() => resolve({ misspelt: 1 })).toThrow(TypeError);
  expect(() => resolve({ misspelt: 1 })).toThrow(`${path}.misspelt is not an option; there are `);
});

test('resolving lets the tools stand beside the options of a layer only where it has its own', () => {
  const tools: Options = { clock: new FakeClock(), random: () => 0, name: 'users' };
  for (const resolve of [resolveBulkhead, resolveBreaker, resolveRetryBudget]) {
    expect(resolve(tools, ...Object.keys(tools))).toEqual(resolve());
    expect(() => resolve(tools)).toThrow(/clock is not an option/);
  }
});

// resolveClient

test('resolveClient() has its defaults', () => {
  for (const settings of [resolveClient(), resolveClient({})]) {
    expect(settings).toEqual({
      tools: resolveTools(),
      limits: {
        deadlineMs: 30_000,
        attemptTimeoutMs: 10_000,
        retry: {
          ...resolveRetry({}),
          methods: new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']),
          statusCodes: new Set([408, 425, 429, 500, 502, 503, 504]),
          shouldRetry: undefined,
        },
        hedge: false,
        fallback: false,
      },
      bulkhead: resolveBulkhead(),
      breaker: resolveBreaker(),
      budget: resolveRetryBudget(),
      fallback: false,
      propagateDeadline: false,
      isolateBy: undefined,
      maxDependencies: 1_000,
      fetch: undefined,
      restore: undefined,
    });
  }
});

test('resolveClient() switches each layer off', () => {
  const off = { deadlineMs: false, bulkhead: false, breaker: false, retry: false, attemptTimeoutMs: false } as const;
  expect(resolveClient({ ...off, fallback: false })).toMatchObject({
    limits: { deadlineMs: Infinity, attemptTimeoutMs: Infinity, retry: false },
    bulkhead: false,
    breaker: false,
  });
});

test('resolveClient() takes what it is given', () => {
  const given = {
    name: 'users',
    clock: new FakeClock(),
    random: () => 0,
    isolateBy: () => 'one',
    fetch: async () => new Response(),
  };
  const settings = resolveClient({ ...given, bulkhead: { maxQueued: 0 }, breaker: { counts: 'attempts' } });
  const { name, clock, isolateBy, fetch } = given;
  expect(settings).toMatchObject({ bulkhead: { maxQueued: 0 }, breaker: { counts: 'attempts' } });
  expect(settings.tools).toEqual({ name, clock, random: expect.any(Function) });
  expect(settings.tools.random()).toBe(0);
  expect(settings.isolateBy).toBe(isolateBy);
  expect(settings.fetch).toBe(fetch);
});

const clientBounds: readonly Bounds[] = [
  { option: 'deadlineMs', ...span },
  { option: 'attemptTimeoutMs', ...span },
  { option: 'maxDependencies', ...count },
];

test.for(numbers(clientBounds, 'fits'))('resolveClient() takes $option of $value', ({ option, value, options }) => {
  const settings = resolveClient(options);
  expect({ ...settings, ...settings.limits }).toMatchObject({ [option]: value });
});

test.for(numbers(clientBounds, 'misfits'))('resolveClient() throws RangeError, for $option of $value', (row) => {
  expect(() => resolveClient(row.options)).toThrow(RangeError);
  expect(() => resolveClient(row.options)).toThrow(`${row.option} must be`);
});

test.for(strings(clientBounds))('resolveClient() throws TypeError, for $option of "1"', ({ option, options }) => {
  expect(() => resolveClient(options)).toThrow(TypeError);
  expect(() => resolveClient(options)).toThrow(`${option} must be`);
});

test('resolveClient() knows methods in any case, and takes an empty list for none', () => {
  const retryOf = (options: Options) => resolveClient({ retry: options }).limits.retry;
  expect(retryOf({ methods: ['get', 'Purge', 'POST'] })).toMatchObject({ methods: new Set(['GET', 'PURGE', 'POST']) });
  expect(retryOf({ methods: [], statusCodes: [] })).toMatchObject({ methods: new Set(), statusCodes: new Set() });
  expect(retryOf({ statusCodes: [418, 503] })).toMatchObject({ statusCodes: new Set([418, 503]) });
});

test('resolveClient() takes a function as retry.shouldRetry, and a budget or none', () => {
  const shouldRetry = (): boolean => true;
  const { limits, budget } = resolveClient({ retry: { shouldRetry, budget: false } });
  expect(limits.retry).toMatchObject({ shouldRetry });
  expect(budget).toBe(false);
  expect(resolveClient({ retry: { budget: { ratio: 1 } } }).budget).toEqual(resolveRetryBudget({ ratio: 1 }));
  // Calls may ask for retries where the client makes none.
  expect(resolveClient({ retry: false }).budget).toEqual(resolveRetryBudget());
});

test('resolveClient() has its own copy: what becomes of the options later changes nothing', () => {
  const methods = ['GET'];
  const window = { size: 20 };
  const budget = { ratio: 1 };
  const options = { breaker: { failureThreshold: 3, window }, bulkhead: { maxQueued: 1 }, retry: { methods, budget } };
  const settings = resolveClient(options);
  const before = structuredClone({ ...settings, tools: undefined });
  methods.push('POST');
  window.size = 5;
  budget.ratio = 0;
  Object.assign(options, { breaker: false, bulkhead: false, retry: false });
  expect({ ...settings, tools: undefined }).toEqual(before);
  expect(resolveCall(settings, { retry: { maxAttempts: 2 } }).retry).toMatchObject({ methods: new Set(['GET']) });
});

const wrong = [
  [{ name: 5 }, 'name must be a string, got 5'],
  [{ clock: {} }, 'clock.now must be a function, got undefined'],
  [{ random: 5 }, 'random must be a function, got 5'],
  [{ fetch: 'fetch' }, 'fetch must be a function, got "fetch"'],
  [{ fetch: null }, 'fetch must be a function, got null'],
  [{ isolateBy: 'origin' }, 'isolateBy must be a function, got "origin"'],
  [{ deadlineMs: true }, 'deadlineMs must be a number above 0, Infinity or false, got true'],
  [{ attemptTimeoutMs: null }, 'attemptTimeoutMs must be a number above 0, Infinity or false, got null'],
  [{ retry: { methods: 'GET' } }, 'retry.methods must be an array of strings, got "GET"'],
  [{ retry: { methods: ['GET', 5] } }, 'retry.methods must be an array of strings, got 5'],
  [{ retry: { methods: null } }, 'retry.methods must be an array of strings, got null'],
  [{ retry: { statusCodes: 503 } }, 'retry.statusCodes must be an array of numbers, got 503'],
  [{ retry: { statusCodes: [503, '504'] } }, 'retry.statusCodes must be an array of numbers, got "504"'],
  [{ retry: { statusCodes: new Set([503]) } }, 'retry.statusCodes must be an array of numbers, got an object'],
  [{ retry: { methods: [undefined] } }, 'retry.methods must be an array of strings, got undefined'],
  [{ retry: { statusCodes: [503, undefined] } }, 'retry.statusCodes must be an array of numbers, got undefined'],
  [{ retry: { shouldRetry: true } }, 'retry.shouldRetry must be a function, got true'],
  [{ fallback: true }, 'fallback must be an object or false, got true'],
  [{ fallback: {} }, 'fallback must have a store, respond() or coalesce, got an object with none of them'],
] as const;

test.for(wrong)('resolveClient() throws TypeError, for %j', ([options, message]) => {
  expect(() => resolveClient(options as unknown as ClientOptions)).toThrow(new TypeError(message));
});

test.for([
  [{ bulkhead: { maxQueued: -1 } }, 'bulkhead.maxQueued must be'],
  [{ breaker: { window: { size: 0 } } }, 'breaker.window.size must be'],
  [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts must be'],
  [{ retry: { budget: { ratio: -1 } } }, 'retry.budget.ratio must be'],
  [{ restore: { name: null, at: -1, dependencies: {} } }, 'restore.at must be'],
] as const)('resolveClient() throws RangeError at once for what a layer will need later: %j', ([options, message]) => {
  expect(() => resolveClient(options)).toThrow(RangeError);
  expect(() => resolveClient(options)).toThrow(message);
});

// resolveCall

test('resolveCall() changes of the hedge what a call asks for: either of the two takes the place of the other', () => {
  const settings = resolveClient({ hedge: { percentile: 0.95, maxExtra: 2 } });
  const hedgeOf = (hedge: CallOptions['hedge']) => resolveCall(settings, hedge === undefined ? {} : { hedge }).hedge;
  expect(hedgeOf({ afterMs: 50 })).toEqual({ afterMs: 50, percentile: undefined, maxExtra: 2 });
  expect(hedgeOf({ percentile: 0.5, maxExtra: 1 })).toEqual({ afterMs: undefined, percentile: 0.5, maxExtra: 1 });
  expect(hedgeOf({ maxExtra: 3 })).toEqual({ afterMs: undefined, percentile: 0.95, maxExtra: 3 });
  expect(hedgeOf({})).toEqual(settings.limits.hedge);
  expect(hedgeOf(false)).toBe(false);
  expect(() => hedgeOf({ afterMs: 50, percentile: 0.5 })).toThrow(
    new TypeError('init.hedge must have either afterMs or percentile, got afterMs 50 and percentile 0.5'),
  );
  expect(() => hedgeOf({ every: 5 } as CallOptions['hedge'])).toThrow(/^init\.hedge\.every is not an option/);
  expect(() => hedgeOf(5 as unknown as false)).toThrow(new TypeError('init.hedge must be an object or false, got 5'));
});

test('resolveCall() has the limits of the client, as they are, for a call that asks for none', () => {
  const settings = resolveClient();
  expect(resolveCall(settings, {})).toBe(settings.limits);
  const rest: CallOptions = { idempotent: true, fallback: false, waitUntil: () => {}, partition: 'mine' };
  expect(resolveCall(settings, rest)).toBe(settings.limits);
});

test('resolveCall() changes what a call asks for, and nothing else', () => {
  const settings = resolveClient({ retry: { maxAttempts: 5, initialDelayMs: 7 } });
  const { limits } = settings;
  expect(resolveCall(settings, { deadlineMs: 5 })).toEqual({ ...limits, deadlineMs: 5 });
  expect(resolveCall(settings, { attemptTimeoutMs: 5 })).toEqual({ ...limits, attemptTimeoutMs: 5 });
  expect(resolveCall(settings, { retry: { maxAttempts: 2 } })).toEqual({
    ...limits,
    retry: { ...(limits.retry === false ? {} : limits.retry), maxAttempts: 2 },
  });
  expect(settings).toEqual(resolveClient({ retry: { maxAttempts: 5, initialDelayMs: 7 } }));
});

test('resolveCall() switches off what a call does not want', () => {
  const off = { deadlineMs: false, attemptTimeoutMs: false, retry: false } as const;
  expect(resolveCall(resolveClient(), off)).toEqual({
    deadlineMs: Infinity,
    attemptTimeoutMs: Infinity,
    retry: false,
    hedge: false,
    fallback: false,
  });
});

test('resolveCall() switches on what the client does not have', () => {
  const settings = resolveClient({ deadlineMs: false, attemptTimeoutMs: false, retry: false });
  expect(resolveCall(settings, { deadlineMs: 5 })).toEqual({
    deadlineMs: 5,
    attemptTimeoutMs: Infinity,
    retry: false,
    hedge: false,
    fallback: false,
  });
  expect(resolveCall(settings, { retry: { maxAttempts: 2 } }).retry).toMatchObject({
    maxAttempts: 2,
    initialDelayMs: 100,
  });
});

test('resolveCall() retries with the budget of the client', () => {
  const settings = resolveClient({ retry: { budget: { ratio: 1 } } });
  expect(resolveCall(settings, { retry: { maxAttempts: 2 } }).retry).toMatchObject({ maxAttempts: 2 });
});

test.for(['deadlineMs', 'attemptTimeoutMs'])('resolveCall() throws for init.%s as for the client', (option) => {
  const resolve = (value: unknown) => () => resolveCall(resolveClient(), { [option]: value } as CallOptions);
  for (const value of span.misfits) expect(resolve(value)).toThrow(RangeError);
  for (const value of ['1', null, true]) expect(resolve(value)).toThrow(TypeError);
  expect(resolve(0)).toThrow(`init.${option} must be a number above 0, Infinity or false, got 0`);
});

test.for([
  [{ fallback: true }, 'init.fallback must be an object or false, got true'],
  [{ partition: 5 }, 'init.partition must be a string, got 5'],
  [{ waitUntil: true }, 'init.waitUntil must be a function, got true'],
  [{ idempotent: 'yes' }, 'init.idempotent must be true or false, got "yes"'],
  [{ idempotent: null }, 'init.idempotent must be true or false, got null'],
  [{ retry: true }, 'init.retry must be an object or false, got true'],
  [{ retry: null }, 'init.retry must be an object or false, got null'],
  [{ deadline: null }, 'init.deadline must have a signal and remainingMs(), got null'],
  [{ deadline: 5 }, 'init.deadline must have a signal and remainingMs(), got 5'],
  [{ deadline: { remainingMs: (): number => 1 } }, 'init.deadline must have a signal and remainingMs(), got an object'],
  [
    { deadline: { signal: {}, remainingMs: (): number => 1 } },
    'init.deadline must have a signal and remainingMs(), got an object',
  ],
  [
    { deadline: { signal: AbortSignal.abort(), remainingMs: 1 } },
    'init.deadline must have a signal and remainingMs(), got an object',
  ],
] as const)('resolveCall() throws TypeError, for %j', ([options, message]) => {
  expect(() => resolveCall(resolveClient(), options as unknown as CallOptions)).toThrow(new TypeError(message));
});

test('resolveCall() throws for a misspelt option, and for a budget: that is the dependency’s', () => {
  const resolve = (retry: Options) => () => resolveCall(resolveClient(), { retry });
  expect(resolve({ attempts: 2 })).toThrow('init.retry.attempts is not an option');
  expect(resolve({ budget: false })).toThrow('init.retry.budget is not an option');
  expect(resolve({ attempts: 2 })).toThrow(TypeError);
});

test.for([
  [{ maxAttempts: 0 }, RangeError, 'retry.maxAttempts must be'],
  [{ methods: 'GET' }, TypeError, 'retry.methods must be'],
  [{ jitter: Number.NaN }, RangeError, 'retry.jitter must be'],
] as const)('resolveCall() says that it is the call’s own option which is wrong, for %j', ([retry, type, message]) => {
  const resolve = (): unknown => resolveCall(resolveClient(), { retry } as unknown as CallOptions);
  expect(resolve).toThrow(type);
  expect(resolve).toThrow(`init.${message}`);
});

test('resolveCall() takes a deadline that came from elsewhere', () => {
  const settings = resolveClient();
  const deadline = { signal: new AbortController().signal, remainingMs: () => 5 };
  expect(resolveCall(settings, { deadline })).toBe(settings.limits);
});
