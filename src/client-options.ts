import {
  COUNT,
  checkChoice,
  checkFunction,
  checkKeys,
  checkList,
  checkNumber,
  requireNumber,
  SPAN_MS,
  show,
  unlessFalse,
} from './checks.ts';
import type { Clock } from './clock.ts';
import {
  type CallFallbackOptions,
  type FallbackOptions,
  type FallbackRules,
  type FallbackSettings,
  resolveCallFallback,
  resolveFallback,
} from './fallback-options.ts';
import { DEADLINE_HEADERS, type DeadlineFormat } from './http/deadline-header.ts';
import { isToken } from './http/token.ts';
import { type Outcome, RETRYABLE_STATUS } from './model/outcome.ts';
import type { RetryBudgetLimits } from './model/retry-budget.ts';
import {
  BACKOFF_KEYS,
  type BackoffOptions,
  type BreakerLimits,
  type BreakerOptions,
  type BulkheadLimits,
  type BulkheadOptions,
  HEDGE_KEYS,
  type HedgeLimits,
  type HedgeOptions,
  type RetryBudgetOptions,
  type RetryLimits,
  resolveBreaker,
  resolveBulkhead,
  resolveHedge,
  resolveRetry,
  resolveRetryBudget,
  resolveTools,
  type Tools,
} from './options.ts';
import { type ClientSnapshot, parseSnapshot } from './snapshot.ts';

/** How an HTTP call or attempt ended: with an answer, whatever its status, or with an error. */
export interface HttpResult {
  /** The answer, if there was one. */
  readonly response?: Response;
  /** What it rejected with, if there was no answer. */
  readonly error?: unknown;
}

/** The retry layer's options for HTTP, which a single call may override. */
export interface CallRetryOptions extends BackoffOptions {
  /** Methods that may be sent twice. Default GET, HEAD, OPTIONS, TRACE, PUT, DELETE, QUERY (RFC 9110, section 9.2.2). */
  readonly methods?: readonly string[];
  /** Statuses worth another try. Default 408, 425, 429, 500, 502, 503, 504. */
  readonly statusCodes?: readonly number[];
  /** Decides in place of `statusCodes`. Only asked about requests that may be sent twice, and never after an abort. */
  readonly shouldRetry?: (question: HttpResult & { readonly attempt: number }) => boolean;
}

/** The retry layer's options for HTTP. */
export interface HttpRetryOptions extends CallRetryOptions {
  /** Limits the load that retries add, per dependency. `false`: no limit. */
  readonly budget?: RetryBudgetOptions | false;
}

/** A deadline that came with an incoming request, to be kept by the calls made for it. */
export interface Deadline {
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** Milliseconds left; 0 or less when past due. */
  remainingMs(): number;
}

/** What a single call may ask for beside the standard `fetch` options. None of it reaches the inner fetch. */
export interface CallOptions {
  /** Longest this call may take, in ms: queueing, retries, backoff and body. `false`: no limit. */
  readonly deadlineMs?: number | false;
  /** A deadline that came from elsewhere; whichever ends first wins. */
  readonly deadline?: Deadline;
  /** Longest each attempt of this call may take, in ms. `false`: no limit. */
  readonly attemptTimeoutMs?: number | false;
  /** Changes the client's retry options for this call; `false`: one attempt. */
  readonly retry?: CallRetryOptions | false;
  /** Changes the client's hedge options for this call; `false`: none. */
  readonly hedge?: HedgeOptions | false;
  /** `true`: this request may be sent twice whatever its method; `false`: it may not. */
  readonly idempotent?: boolean;
  /** Changes the client's fallback options for this call; `false`: nothing stored answers it, and nothing is stored. */
  readonly fallback?: CallFallbackOptions | false;
  /** Told of the work that goes on behind the answer (storing, refreshing), so that a Worker lives until it is done. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
  /** Whose data it is, before what the client's `fallback.partition` says. */
  readonly partition?: string;
}

/** `RequestInit` with {@link CallOptions}. */
export interface FetchInit extends RequestInit, CallOptions {}

/** Options of {@link createClient}. Each layer takes `false` to be switched off; left out, it has its defaults. */
export interface ClientOptions {
  /** Name of the client, for people: it is part of the snapshot. */
  readonly name?: string;
  /** Longest a call may take, in ms: queueing, retries, backoff and body. Default 30,000. */
  readonly deadlineMs?: number | false;
  /** Limits how many calls to a dependency run and wait. Default 64 and 64. */
  readonly bulkhead?: BulkheadOptions | false;
  /** Stops calling a dependency that fails. */
  readonly breaker?: BreakerOptions<HttpResult> | false;
  /** Tries again. */
  readonly retry?: HttpRetryOptions | false;
  /**
   * Sends a GET or HEAD once more when it has had no answer for a while, and takes the answer that comes first: for reads
   * whose slowest answers are much slower than the others. The budget of `retry` pays for it. Off by default.
   */
  readonly hedge?: HedgeOptions | false;
  /** Longest an attempt may take until its headers arrive (in `json`, until its body is read), in ms. Default 10,000. */
  readonly attemptTimeoutMs?: number | false;
  /** Answers when the network can't, or need not: from a store, or with a default. Off by default. */
  readonly fallback?: FallbackOptions | false;
  /** Which dependency a request goes to. State is kept per dependency. Default: the URL's origin. */
  readonly isolateBy?: (request: Request) => string;
  /** Dependencies whose state is kept; idle ones with a closed circuit make room for new ones. Default 1,000. */
  readonly maxDependencies?: number;
  /**
   * Tells the next hop how much of the budget is left, with each attempt: `true` for all, or to those that `to` names, in
   * `header` (default `x-envoy-expected-rq-timeout-ms`). Off by default: across origins it causes a CORS preflight. A fetch
   * that follows a redirect takes it along.
   */
  readonly propagateDeadline?: boolean | PropagateDeadlineOptions;
  /** The fetch to wrap. Default: `globalThis.fetch`, looked up at each call. */
  readonly fetch?: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  /** Where a {@link Client.snapshot} of an earlier process left off. */
  readonly restore?: ClientSnapshot;
  /** The door to time, for tests. Default: the platform's. */
  readonly clock?: Clock;
  /** The door to chance, for tests: a number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** To whom, and how, what is left of the budget is told. */
export interface PropagateDeadlineOptions {
  /** How it is told: `"ms"` (default), whole milliseconds, or `"grpc"`, as gRPC does (`1500m`, `2S`). */
  readonly format?: DeadlineFormat;
  /** The header's name. Default `x-envoy-expected-rq-timeout-ms`; with `"grpc"`, `grpc-timeout`. */
  readonly header?: string;
  /** Whether it is sent there. Default: everywhere. A relative URL, which only the given fetch can resolve, is not asked about. */
  readonly to?: (url: URL) => boolean;
}

/** The same, checked and complete. */
export interface Propagation {
  readonly header: string;
  readonly format: DeadlineFormat;
  readonly to: PropagateDeadlineOptions['to'];
}

/** What of the layers can differ from call to call. */
export interface CallLimits {
  readonly deadlineMs: number;
  readonly attemptTimeoutMs: number;
  readonly retry: HttpRetryLimits | false;
  readonly hedge: HedgeLimits | false;
  readonly fallback: FallbackRules | false;
}

export interface HttpRetryLimits extends RetryLimits {
  readonly methods: ReadonlySet<string>;
  readonly statusCodes: ReadonlySet<number>;
  readonly shouldRetry: CallRetryOptions['shouldRetry'];
}

/** The client's options, checked and complete. */
export interface ClientSettings {
  readonly tools: Tools;
  readonly limits: CallLimits;
  readonly bulkhead: BulkheadLimits | false;
  readonly breaker: BreakerLimits | false;
  /** What replaces the table of what counts as what. */
  readonly classify: ((result: HttpResult) => Outcome) | undefined;
  readonly budget: RetryBudgetLimits | false;
  readonly fallback: FallbackSettings | false;
  readonly propagateDeadline: Propagation | false;
  readonly isolateBy: ((request: Request) => string) | undefined;
  readonly maxDependencies: number;
  readonly fetch: ClientOptions['fetch'];
  readonly restore: ClientSnapshot | undefined;
}

// A safe method changes nothing; an idempotent one, sent twice, changes nothing more (RFC 9110, section 9.2.2).
const IDEMPOTENT_METHODS = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY'];
// Three digits, whatever they mean (RFC 9110, section 15).
const STATUS = { least: 100, most: 999, integer: true };
const CALL_RETRY_KEYS = [...BACKOFF_KEYS, 'methods', 'statusCodes', 'shouldRetry'];
const CLIENT_KEYS = [
  'name',
  'deadlineMs',
  'bulkhead',
  'breaker',
  'retry',
  'hedge',
  'attemptTimeoutMs',
  'fallback',
  'isolateBy',
  'maxDependencies',
  'propagateDeadline',
  'fetch',
  'restore',
  'clock',
  'random',
];

/**
 * Checks the options of a client and fills in the defaults.
 * @throws TypeError or RangeError naming the option and the value.
 */
export function resolveClient(options: ClientOptions = {}): ClientSettings {
  checkKeys('options', options, CLIENT_KEYS);
  const { name, clock, random, bulkhead = {}, breaker = {}, retry = {}, hedge = false, restore } = options;
  const circuit = unlessFalse('breaker', breaker, resolveBreaker<HttpResult>);
  const resends = unlessFalse('retry', retry, resolveHttpRetry);
  const { budget = {} } = retry === false ? {} : retry;
  const { fallback: wanted = false } = options;
  const fallback = unlessFalse('fallback', wanted, resolveFallback);
  return {
    tools: resolveTools({ name, clock, random }),
    limits: {
      deadlineMs: checkLimit('deadlineMs', options.deadlineMs, 30_000),
      attemptTimeoutMs: checkLimit('attemptTimeoutMs', options.attemptTimeoutMs, 10_000),
      retry: resends,
      hedge: unlessFalse('hedge', hedge, resolveHedge),
      fallback: fallback === false ? false : fallback.rules,
    },
    bulkhead: unlessFalse('bulkhead', bulkhead, resolveBulkhead),
    breaker: circuit !== false && { ...circuit, classify: undefined },
    classify: circuit === false ? undefined : circuit.classify,
    budget: unlessFalse('retry.budget', budget, resolveRetryBudget),
    fallback,
    isolateBy: checkFunction('isolateBy', options.isolateBy, undefined),
    maxDependencies: checkNumber('maxDependencies', options.maxDependencies, 1_000, COUNT),
    propagateDeadline: resolvePropagation(options.propagateDeadline),
    fetch: checkFunction('fetch', options.fetch, undefined),
    restore: restore === undefined ? undefined : parseSnapshot(restore),
  };
}

/**
 * The limits of one call: the client's, but for what its init asks for.
 * @throws TypeError or RangeError naming the option and the value.
 */
export function resolveCall({ limits }: ClientSettings, init: CallOptions): CallLimits {
  checkFunction('init.waitUntil', init.waitUntil, undefined);
  if (init.idempotent !== undefined && typeof init.idempotent !== 'boolean') {
    throw new TypeError(`init.idempotent must be true or false, got ${show(init.idempotent)}`);
  }
  if (init.partition !== undefined && typeof init.partition !== 'string') {
    throw new TypeError(`init.partition must be a string, got ${show(init.partition)}`);
  }
  checkDeadline(init.deadline);
  const { deadlineMs, attemptTimeoutMs } = init;
  const fallback = resolveCallFallback(init.fallback, limits.fallback);
  const { retry, hedge } = init;
  const hasLimits = deadlineMs !== undefined || attemptTimeoutMs !== undefined;
  const asksForMore = hasLimits || retry !== undefined || hedge !== undefined;
  if (!asksForMore && fallback === limits.fallback) return limits;
  return {
    deadlineMs: checkLimit('init.deadlineMs', deadlineMs, limits.deadlineMs),
    attemptTimeoutMs: checkLimit('init.attemptTimeoutMs', attemptTimeoutMs, limits.attemptTimeoutMs),
    retry: resolveCallRetry(retry, limits.retry),
    hedge: resolveCallHedge(hedge, limits.hedge),
    fallback,
  };
}

function resolveCallRetry(
  wanted: CallRetryOptions | false | undefined,
  ofClient: HttpRetryLimits | false,
): HttpRetryLimits | false {
  return wanted === undefined ? ofClient : unlessFalse('init.retry', wanted, (given) => changedRetry(given, ofClient));
}

function changedRetry(wanted: CallRetryOptions, ofClient: HttpRetryLimits | false): HttpRetryLimits {
  // The budget is the dependency's: a call can't have its own.
  checkKeys('init.retry', wanted, CALL_RETRY_KEYS);
  // An option that is there but undefined is left out, as everywhere.
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
  if (ofClient === false) return resolveHttpRetry(given, 'init.retry');
  const { methods, statusCodes, shouldRetry, ...rest } = ofClient;
  const lists = { methods: [...methods], statusCodes: [...statusCodes] };
  const decided = shouldRetry === undefined ? {} : { shouldRetry };
  return resolveHttpRetry({ ...rest, ...lists, ...decided, ...given }, 'init.retry');
}

function resolveCallHedge(
  wanted: HedgeOptions | false | undefined,
  ofClient: HedgeLimits | false,
): HedgeLimits | false {
  return wanted === undefined ? ofClient : unlessFalse('init.hedge', wanted, (given) => changedHedge(given, ofClient));
}

function changedHedge(wanted: HedgeOptions, ofClient: HedgeLimits | false): HedgeLimits {
  checkKeys('init.hedge', wanted, HEDGE_KEYS);
  if (ofClient === false) return resolveHedge(wanted, 'init.hedge');
  // One of the two takes the place of the other.
  const { afterMs, percentile } = wanted.afterMs === undefined && wanted.percentile === undefined ? ofClient : wanted;
  const { maxExtra = ofClient.maxExtra } = wanted;
  return resolveHedge({ ...wanted, afterMs, percentile, maxExtra } as HedgeOptions, 'init.hedge');
}

function resolveHttpRetry(options: HttpRetryOptions, path = 'retry'): HttpRetryLimits {
  checkKeys(path, options, [...CALL_RETRY_KEYS, 'budget']);
  const methods = checkList(`${path}.methods`, options.methods, IDEMPOTENT_METHODS, 'string');
  const statusCodes = checkList(`${path}.statusCodes`, options.statusCodes, RETRYABLE_STATUS, 'number');
  for (const each of statusCodes) requireNumber(`${path}.statusCodes`, each, STATUS);
  return {
    ...resolveRetry(options, path),
    methods: new Set(methods.map((method) => method.toUpperCase())),
    statusCodes: new Set(statusCodes),
    shouldRetry: checkFunction(`${path}.shouldRetry`, options.shouldRetry, undefined),
  };
}

function resolvePropagation(options: boolean | PropagateDeadlineOptions = false): Propagation | false {
  if (options === false) return false;
  if (options === true) return resolvePropagation({});
  checkKeys('propagateDeadline', options, ['header', 'to', 'format']);
  const format = checkChoice('propagateDeadline.format', options.format, ['ms', 'grpc']);
  const { header = DEADLINE_HEADERS[format] } = options;
  if (typeof header !== 'string' || !isToken(header)) {
    throw new TypeError(`propagateDeadline.header must be the name of a header, got ${show(header)}`);
  }
  const to = checkFunction('propagateDeadline.to', options.to, undefined);
  return { header, format, to };
}

/** `false`, like `Infinity`, sets no limit. */
function checkLimit(path: string, value: number | false | undefined, fallback: number): number {
  return value === false ? Infinity : checkNumber(path, value, fallback, { ...SPAN_MS, orFalse: true });
}

function checkDeadline(deadline: Deadline | undefined): void {
  if (deadline === undefined) return;
  if (typeof deadline?.signal?.addEventListener !== 'function' || typeof deadline.remainingMs !== 'function') {
    throw new TypeError(`init.deadline must have a signal and remainingMs(), got ${show(deadline)}`);
  }
}
