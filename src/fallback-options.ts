import {
  checkChoice,
  checkFunction,
  checkKeys,
  checkMethods,
  checkNumber,
  DELAY_MS,
  SPAN_MS,
  show,
  unlessFalse,
} from './checks.ts';
import type { FreshnessLimits } from './model/freshness.ts';
import type { Partition, Store } from './stores/store.ts';

/** What of the fallback a single call may change. */
export interface CallFallbackOptions {
  /** Age in ms up to which a stored answer is given in place of the network's. Default 0: none is. */
  readonly maxAgeMs?: number;
  /** Milliseconds beyond `maxAgeMs` in which it is still given at once, and a new one fetched behind it. Default 0. */
  readonly staleWhileRevalidateMs?: number;
  /** Age in ms up to which it is given when the network fails. Default 86,400,000, a day; 0: never; `Infinity`: always. */
  readonly staleIfErrorMs?: number;
  /**
   * `"respect"` (default): what the server's `Cache-Control` and `Expires` say comes before these numbers, and before
   * whether anything is stored. `"ignore"`: the numbers alone count.
   */
  readonly cacheControl?: 'respect' | 'ignore';
  /**
   * Gives the answer of last resort, when the network fails and nothing usable is stored; `undefined` if it has none. `error`
   * is what the call would have rejected with; {@link HttpError} if it is an answer of 5xx. It may take as long as a call.
   */
  readonly respond?: (request: Request, error: unknown) => Response | undefined | PromiseLike<Response | undefined>;
}

/** The fallback layer's options. */
export interface FallbackOptions extends CallFallbackOptions {
  /** Where good answers are kept. Without one, there is only `respond`. */
  readonly store?: Store;
  /** What an answer is kept under, beside its method and partition. Default: the URL without its fragment. */
  readonly key?: (request: Request) => string;
  /** Whose data an answer is. Default: the store's word; else whoever the request's credentials are, or everybody. */
  readonly partition?: Partition;
  /** Larger bodies are handed through and not stored. Default 1,048,576 (1 MiB). */
  readonly maxBodyBytes?: number;
  /** How long the store is waited for, in ms; a slower one counts as empty. Default 1,000. `clear` has a minute, or longer. */
  readonly storeTimeoutMs?: number;
  /** Whether identical GETs that are waiting for their answer share one call. Default `false`. */
  readonly coalesce?: boolean;
}

/** How the answers of a call may be replaced: the client's rules, but for what the call changes. */
export interface FallbackRules {
  readonly limits: FreshnessLimits;
  /** Whether the server's word counts. */
  readonly respectsServer: boolean;
  readonly respond: CallFallbackOptions['respond'];
}

/** The fallback's options, checked and complete. */
export interface FallbackSettings {
  readonly store: Store | undefined;
  readonly rules: FallbackRules;
  readonly key: ((request: Request) => string) | undefined;
  readonly partition: Partition | undefined;
  readonly maxBodyBytes: number;
  readonly storeTimeoutMs: number;
  readonly coalesce: boolean;
}

const DEFAULT_RULES: FallbackRules = {
  limits: { maxAgeMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 86_400_000 },
  respectsServer: true,
  respond: undefined,
};

/** Those of a client without a fallback, whose calls may still be given an answer of their own. */
export const NO_FALLBACK: FallbackSettings = {
  store: undefined,
  rules: DEFAULT_RULES,
  key: undefined,
  partition: undefined,
  maxBodyBytes: 0,
  storeTimeoutMs: 0,
  coalesce: false,
};

const CALL_FALLBACK_KEYS = ['maxAgeMs', 'staleWhileRevalidateMs', 'staleIfErrorMs', 'cacheControl', 'respond'];
const OWN_KEYS = ['store', 'key', 'partition', 'maxBodyBytes', 'storeTimeoutMs', 'coalesce'];

/** @throws TypeError or RangeError naming the option and the value. */
export function resolveFallback(options: FallbackOptions): FallbackSettings {
  checkKeys('fallback', options, [...CALL_FALLBACK_KEYS, ...OWN_KEYS]);
  const { store, respond, coalesce = false } = options;
  if (store !== undefined) checkStore(store);
  if (typeof coalesce !== 'boolean')
    throw new TypeError(`fallback.coalesce must be true or false, got ${show(coalesce)}`);
  if (store === undefined && respond === undefined && !coalesce) {
    throw new TypeError(`fallback must have a store, respond() or coalesce, got ${show(options)} with none of them`);
  }
  return {
    store,
    rules: resolveRules('fallback', options, DEFAULT_RULES),
    key: checkFunction('fallback.key', options.key, undefined),
    partition: checkPartition(
      'fallback.partition',
      options.partition === undefined ? store?.partition : options.partition,
    ),
    maxBodyBytes: checkNumber('fallback.maxBodyBytes', options.maxBodyBytes, 1_048_576, { least: 0, integer: true }),
    storeTimeoutMs: checkNumber('fallback.storeTimeoutMs', options.storeTimeoutMs, 1_000, SPAN_MS),
    coalesce,
  };
}

/** The rules of one call. A client without a fallback has none to start from, but may be told a `respond`. */
export function resolveCallFallback(
  options: CallFallbackOptions | false | undefined,
  ofClient: FallbackRules | false,
): FallbackRules | false {
  if (options === undefined) return ofClient;
  return unlessFalse('init.fallback', options, (given) => {
    checkKeys('init.fallback', given, CALL_FALLBACK_KEYS);
    return resolveRules('init.fallback', given, ofClient === false ? DEFAULT_RULES : ofClient);
  });
}

function resolveRules(path: string, options: CallFallbackOptions, defaults: FallbackRules): FallbackRules {
  const { limits } = defaults;
  const { cacheControl } = options;
  const span = (name: keyof FreshnessLimits): number =>
    checkNumber(`${path}.${name}`, options[name], limits[name], { ...DELAY_MS, infinite: true });
  return {
    limits: {
      maxAgeMs: span('maxAgeMs'),
      staleWhileRevalidateMs: span('staleWhileRevalidateMs'),
      staleIfErrorMs: span('staleIfErrorMs'),
    },
    respectsServer:
      cacheControl === undefined
        ? defaults.respectsServer
        : checkChoice(`${path}.cacheControl`, cacheControl, ['respect', 'ignore']) === 'respect',
    respond: checkFunction(`${path}.respond`, options.respond, defaults.respond),
  };
}

/** @throws TypeError if it is neither `"public"` nor a function. */
export function checkPartition(path: string, partition: unknown): Partition | undefined {
  if (partition === undefined || partition === 'public' || typeof partition === 'function') {
    return partition as Partition | undefined;
  }
  throw new TypeError(`${path} must be a function or "public", got ${show(partition)}`);
}

/** For stores that outlive the page, or serve more than one user. @throws TypeError if there is none. */
export function requirePartition(path: string, partition: unknown): Partition {
  const checked = checkPartition(path, partition);
  if (checked !== undefined) return checked;
  throw new TypeError(`${path} must be a function or "public", got undefined`);
}

function checkStore(store: Store): void {
  checkMethods('fallback.store', 'a store, such as memoryStore() gives', store, ['get', 'set', 'delete', 'clear']);
}
