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
  requireFunction,
  requireNumber,
  SPAN_MS,
  show,
} from './checks.ts';
import { type Clock, platformClock } from './clock.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { BackoffLimits, Jitter } from './model/backoff.ts';
import type { CircuitLimits, WindowLimits } from './model/circuit.ts';
import type { Outcome, Settled } from './model/outcome.ts';
import type { RetryBudgetLimits } from './model/retry-budget.ts';

/** What every layer takes beside its own options. */
export interface LayerTools {
  /** The clock; by default the platform's. */
  readonly clock?: Clock;
  /** A number in [0, 1), as `Math.random`, which is the default. */
  readonly random?: () => number;
  /** The dependency, as errors and events are to name it. */
  readonly name?: string;
}

export interface Tools {
  readonly clock: Clock;
  readonly random: () => number;
  readonly name: string | undefined;
}

/** The bulkhead's options. */
export interface BulkheadOptions {
  /**
   * Calls that may run at once. Default 64. `"adaptive"`: as many as the service can take, from 1 to 1,000, found out by how long
   * calls take and which of them time out or are turned away. It begins with 20.
   */
  readonly maxConcurrent?: number | 'adaptive';
  /** Calls that may wait for a slot; one more is refused at once. Default 64. */
  readonly maxQueued?: number;
  /** Longest a call may wait for a slot, in ms. Default `Infinity`: the deadline alone decides. */
  readonly queueTimeoutMs?: number;
  /**
   * When a fetch gives its slot back: when its headers are there (default), or when its body has been read, cancelled
   * or cut. With `"body"` the Response handed out is a copy whose body reports its end: read it or cancel it.
   */
  readonly slot?: 'headers' | 'body';
}

/** When a circuit opens by rate. Give `size` (the last calls) or `durationMs` (the calls of the last while). */
export interface WindowOptions {
  /** Number of calls looked back on. */
  readonly size?: number;
  /** Milliseconds looked back. */
  readonly durationMs?: number;
  /** Calls in the window before it is judged. Default 10, or `size` if that is smaller. */
  readonly minimumCalls?: number;
  /** Share of failed calls, in (0, 1], at which the circuit opens. Default 0.5. */
  readonly failureRate?: number;
  /** A call at least this long, in ms, is slow. Default `Infinity`: none is. */
  readonly slowCallMs?: number;
  /** Share of slow calls, in (0, 1], at which the circuit opens. Default 0.5. */
  readonly slowCallRate?: number;
}

/** The circuit breaker's options. `R` is what {@link BreakerOptions.classify} is asked about. */
export interface BreakerOptions<R = Settled<unknown>> {
  /** Failures in a row that open the circuit. Default 5. Has no effect with `window`. */
  readonly failureThreshold?: number;
  /** Probes in a row that must succeed to close it. Default 2. */
  readonly successThreshold?: number;
  /**
   * Milliseconds it stays open before a probe may go. Doubles with each failed probe. A probe that gets no answer for as long
   * makes room for another; from the second on, each time for twice as long. Default 10,000.
   */
  readonly resetTimeoutMs?: number;
  /** Most that may grow to, in ms. Default 120,000, or `resetTimeoutMs` if that is larger. */
  readonly maxResetTimeoutMs?: number;
  /** Each wait is lengthened by a random share of up to this, in [0, 1], so that a fleet does not probe in step. Default 0.2. */
  readonly resetJitter?: number;
  /** Opens by rate instead of by failures in a row. */
  readonly window?: WindowOptions;
  /** Whether calls are counted, with their retries (default), or each attempt as it ends. */
  readonly counts?: 'calls' | 'attempts';
  /** Replaces what counts as success, failure, or neither (`ignored`). */
  readonly classify?: (result: R) => Outcome;
  /**
   * Shares what circuits find out with other instances (`redisFleet` of `steadfetch/redis`): what one finds down the others
   * leave alone, and one at a time probes. Advice only: each circuit decides alone, and goes on alone when the fleet is gone.
   */
  readonly fleet?: Fleet;
}

/** The retry budget's options. */
export interface RetryBudgetOptions {
  /** Load that retries may add, as a share of the calls. Default 0.2. */
  readonly ratio?: number;
  /** Retries per second that are always allowed. Default 10. */
  readonly minPerSecond?: number;
}

/** When, and how often, to try again. */
export interface BackoffOptions {
  /** Attempts in all, the first included. Default 3. */
  readonly maxAttempts?: number;
  /** Wait before the second attempt, in ms, before jitter. Default 100. */
  readonly initialDelayMs?: number;
  /** What each further wait is multiplied by. Default 2. */
  readonly multiplier?: number;
  /** Longest wait of our own choosing, in ms. Default 5,000. */
  readonly maxDelayMs?: number;
  /** How waits are spread: `"full"` (default), `"decorrelated"`, or the random share in [0, 1]; numbers outside are clamped. */
  readonly jitter?: Jitter;
  /** A server that asks for a longer wait than this, in ms, is not asked again: its answer is handed out. Default 30,000. */
  readonly maxRetryAfterMs?: number;
}

/** When a read is sent once more, beside the request that has had no answer for a while. Give `afterMs` or `percentile`. */
export interface HedgeOptions {
  /** Milliseconds without an answer after which another request is sent. */
  readonly afterMs?: number;
  /**
   * The same as a share, in (0, 0.999], of the dependency's latencies of the last minute: with 0.95, about one read in twenty
   * is sent twice. Nothing is, while they are too few to tell.
   */
  readonly percentile?: number;
  /** Requests that may be sent beside the first, one after the other. Default 1. */
  readonly maxExtra?: number;
}

export interface HedgeLimits {
  readonly afterMs: number | undefined;
  readonly percentile: number | undefined;
  readonly maxExtra: number;
}

export interface BulkheadLimits {
  readonly maxConcurrent: number | 'adaptive';
  readonly maxQueued: number;
  readonly queueTimeoutMs: number;
  readonly slot: 'headers' | 'body';
}

export interface BreakerLimits<R = Settled<unknown>> extends CircuitLimits {
  readonly counts: 'calls' | 'attempts';
  readonly classify: ((result: R) => Outcome) | undefined;
  readonly fleet: Fleet | undefined;
}

export interface RetryLimits extends BackoffLimits {
  readonly maxAttempts: number;
  readonly maxRetryAfterMs: number;
}

/** The names of {@link LayerTools}. */
export const TOOL_KEYS: readonly string[] = ['clock', 'random', 'name'];

/** The names of {@link HedgeOptions}. */
export const HEDGE_KEYS: readonly string[] = ['afterMs', 'percentile', 'maxExtra'];

/** The names of {@link BackoffOptions}. */
export const BACKOFF_KEYS: readonly string[] = [
  'maxAttempts',
  'initialDelayMs',
  'multiplier',
  'maxDelayMs',
  'jitter',
  'maxRetryAfterMs',
];

/** @param options What is undefined is left out. */
export function resolveTools(
  options: { readonly [Name in keyof LayerTools]: LayerTools[Name] | undefined } = {},
): Tools {
  const { clock, random, name } = options;
  if (clock !== undefined) {
    if (Object(clock) !== clock) throw new TypeError(`clock must be an object, got ${show(clock)}`);
    for (const method of ['now', 'epochNow', 'schedule', 'timeoutSignal'] as const) {
      requireFunction(`clock.${method}`, clock[method]);
    }
  }
  if (name !== undefined && typeof name !== 'string') throw new TypeError(`name must be a string, got ${show(name)}`);
  return { clock: clock ?? platformClock, random: random === undefined ? Math.random : checkedRandom(random), name };
}

/** Without a number, a wait would be none, or without an end. */
function checkedRandom(random: () => number): () => number {
  requireFunction('random', random);
  return () => {
    const chance: unknown = random();
    if (typeof chance === 'number' && chance >= 0 && chance <= 1) return chance;
    throw new TypeError(`random must return a number in [0, 1), got ${show(chance)}`);
  };
}

/** The tools of a policy that has no other options. */
export function resolveOnlyTools(path: string, options: LayerTools = {}): Tools {
  checkKeys(path, options, TOOL_KEYS);
  return resolveTools(options);
}

/** The span of a deadline or timeout, which has no default. */
export function checkTimeLimit(path: string, value: unknown): number {
  return requireNumber(path, value, SPAN_MS);
}

/** @param tools Those that it may have for itself. */
export function resolveBulkhead(options: BulkheadOptions = {}, ...tools: readonly string[]): BulkheadLimits {
  checkKeys('bulkhead', options, ['maxConcurrent', 'maxQueued', 'queueTimeoutMs', 'slot', ...tools]);
  return {
    maxConcurrent: checkMaxConcurrent(options.maxConcurrent),
    maxQueued: checkNumber('bulkhead.maxQueued', options.maxQueued, 64, { ...BOUND, least: 0 }),
    queueTimeoutMs: checkNumber('bulkhead.queueTimeoutMs', options.queueTimeoutMs, Infinity, SPAN_MS),
    slot: checkChoice('bulkhead.slot', options.slot, ['headers', 'body']),
  };
}

function checkMaxConcurrent(value: unknown): number | 'adaptive' {
  if (typeof value !== 'string') return checkNumber('bulkhead.maxConcurrent', value, 64, BOUND);
  if (value === 'adaptive') return value;
  throw new TypeError(`bulkhead.maxConcurrent must be a number or "adaptive", got ${show(value)}`);
}

/** @param tools Those that it may have for itself. */
export function resolveBreaker<R>(options: BreakerOptions<R> = {}, ...tools: readonly string[]): BreakerLimits<R> {
  checkKeys('breaker', options, [
    'failureThreshold',
    'successThreshold',
    'resetTimeoutMs',
    'maxResetTimeoutMs',
    'resetJitter',
    'window',
    'counts',
    'classify',
    'fleet',
    ...tools,
  ]);
  const resetTimeoutMs = checkNumber('breaker.resetTimeoutMs', options.resetTimeoutMs, 10_000, { above: 0 });
  const longestMs = Math.max(120_000, resetTimeoutMs);
  return {
    failureThreshold: checkNumber('breaker.failureThreshold', options.failureThreshold, 5, COUNT),
    successThreshold: checkNumber('breaker.successThreshold', options.successThreshold, 2, COUNT),
    resetTimeoutMs,
    maxResetTimeoutMs: checkNumber('breaker.maxResetTimeoutMs', options.maxResetTimeoutMs, longestMs, {
      least: resetTimeoutMs,
    }),
    resetJitter: checkNumber('breaker.resetJitter', options.resetJitter, 0.2, { least: 0, most: 1 }),
    ...(options.window === undefined ? {} : { window: resolveWindow(options.window) }),
    counts: checkChoice('breaker.counts', options.counts, ['calls', 'attempts']),
    classify: checkFunction('breaker.classify', options.classify, undefined),
    fleet: checkFleet(options.fleet),
  };
}

function checkFleet(fleet: unknown): Fleet | undefined {
  if (fleet !== undefined)
    checkMethods('breaker.fleet', 'a fleet, such as redisFleet() gives', fleet, ['join', 'close']);
  return fleet as Fleet | undefined;
}

// A byte a call: a megabyte per dependency is more than any rate needs.
const LARGEST_WINDOW = 1_000_000;

function resolveWindow(options: WindowOptions): WindowLimits {
  checkKeys('breaker.window', options, [
    'size',
    'durationMs',
    'minimumCalls',
    'failureRate',
    'slowCallMs',
    'slowCallRate',
  ]);
  const { size, durationMs } = options;
  checkEither('breaker.window', { size, durationMs });
  const calls = checkNumber('breaker.window.size', size, Infinity, { ...COUNT, most: LARGEST_WINDOW });
  const span =
    durationMs === undefined
      ? { size: calls }
      : { durationMs: checkNumber('breaker.window.durationMs', durationMs, 0, { above: 0 }) };
  return {
    span,
    minimumCalls: checkNumber('breaker.window.minimumCalls', options.minimumCalls, Math.min(10, calls), {
      ...COUNT,
      most: calls,
    }),
    failureRate: checkNumber('breaker.window.failureRate', options.failureRate, 0.5, RATE),
    slowCallMs: checkNumber('breaker.window.slowCallMs', options.slowCallMs, Infinity, SPAN_MS),
    slowCallRate: checkNumber('breaker.window.slowCallRate', options.slowCallRate, 0.5, RATE),
  };
}

export function resolveRetry(options: BackoffOptions, path = 'retry'): RetryLimits {
  return {
    maxAttempts: checkNumber(`${path}.maxAttempts`, options.maxAttempts, 3, COUNT),
    initialDelayMs: checkNumber(`${path}.initialDelayMs`, options.initialDelayMs, 100, DELAY_MS),
    multiplier: checkNumber(`${path}.multiplier`, options.multiplier, 2, { least: 1 }),
    maxDelayMs: checkNumber(`${path}.maxDelayMs`, options.maxDelayMs, 5_000, DELAY_MS),
    jitter: checkJitter(`${path}.jitter`, options.jitter),
    maxRetryAfterMs: checkNumber(`${path}.maxRetryAfterMs`, options.maxRetryAfterMs, 30_000, {
      least: 0,
      infinite: true,
    }),
  };
}

// There are too few in a minute to tell more than that.
const PERCENTILE = { above: 0, most: 0.999 };

export function resolveHedge(options: HedgeOptions, path = 'hedge'): HedgeLimits {
  checkKeys(path, options, HEDGE_KEYS);
  const { afterMs, percentile } = options;
  checkEither(path, { afterMs, percentile });
  return {
    afterMs: afterMs === undefined ? undefined : checkNumber(`${path}.afterMs`, afterMs, 0, { above: 0 }),
    percentile: percentile === undefined ? undefined : checkNumber(`${path}.percentile`, percentile, 0, PERCENTILE),
    maxExtra: checkNumber(`${path}.maxExtra`, options.maxExtra, 1, COUNT),
  };
}

function checkJitter(path: string, jitter: unknown): Jitter {
  if (typeof jitter !== 'number') {
    if (jitter === undefined || jitter === 'full' || jitter === 'decorrelated') return jitter ?? 'full';
    throw new TypeError(`${path} must be "full", "decorrelated" or a number in [0, 1], got ${show(jitter)}`);
  }
  if (Number.isNaN(jitter)) throw new RangeError(`${path} must be a number in [0, 1], got NaN`);
  return Math.min(1, Math.max(0, jitter));
}

/** @param tools Those that it may have for itself. */
export function resolveRetryBudget(options: RetryBudgetOptions = {}, ...tools: readonly string[]): RetryBudgetLimits {
  checkKeys('retry.budget', options, ['ratio', 'minPerSecond', ...tools]);
  return {
    ratio: checkNumber('retry.budget.ratio', options.ratio, 0.2, { least: 0 }),
    minPerSecond: checkNumber('retry.budget.minPerSecond', options.minPerSecond, 10, { least: 0 }),
  };
}
