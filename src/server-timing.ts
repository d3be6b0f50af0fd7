/**
 * What a call spent where, as a `Server-Timing` header.
 * @module steadfetch/server-timing
 */

import { COUNT, checkKeys, checkNumber, show } from './checks.ts';
import type { CompletedEvent, FallbackEvent, SteadEvent } from './events.ts';
import { degradationIn } from './http/cache-status.ts';
import type { Settled } from './model/outcome.ts';
import { type CallEnd, type CallObserver, observe } from './telemetry.ts';

/** The options of {@link createServerTiming}. */
export interface ServerTimingOptions {
  /**
   * What the browser is to see as the name: `upstream` by default. Names of servers behind this one are nobody's business,
   * and are never told.
   */
  readonly name?: string;
  /** Attempts told of, at most; the last ones are. Default 5. */
  readonly maxAttempts?: number;
}

/**
 * What a call spent where, as the value of a `Server-Timing` header (W3C Server Timing); an empty text if it is not known.
 * It is known by what the call gave: the Response, the result of `json`, or the error.
 */
export type ServerTiming = (outcome: unknown) => string;

/**
 * Has a Worker or a server tell the browser what its calls spent where: in the queue, in each attempt, in waits between
 * them; and whether the answer is degraded. The browser shows it in its developer tools, and gives it to the page in
 * `PerformanceResourceTiming.serverTiming`; to another origin's page only with `Timing-Allow-Origin`.
 *
 * @throws TypeError or RangeError naming the option and the value.
 */
export function createServerTiming(client: object, options: ServerTimingOptions = {}): ServerTiming {
  checkKeys('serverTiming', options, ['name', 'maxAttempts']);
  const { name = 'upstream' } = options;
  // A token (RFC 9110, section 5.6.2): anything else would have to be quoted, and can't be here.
  if (typeof name !== 'string' || !/^[\w!#$%&'*+.^`|~-]{1,64}$/.test(name)) {
    throw new TypeError(`serverTiming.name must be a token of at most 64 characters, got ${show(name)}`);
  }
  const maxAttempts = checkNumber('serverTiming.maxAttempts', options.maxAttempts, 5, COUNT);
  // Asked for anew at each request, it must not see each call once more.
  const known = made.get(client) ?? new Map<string, ServerTiming>();
  const key = `${name} ${maxAttempts}`;
  const timing = known.get(key) ?? timingOf(client, name, maxAttempts);
  made.set(client, known.set(key, timing));
  return timing;
}

const made = new WeakMap<object, Map<string, ServerTiming>>();

function timingOf(client: object, name: string, maxAttempts: number): ServerTiming {
  const timings = new WeakMap<object, string>();
  observe(client, () => new TimedCall(name, maxAttempts, timings));
  return (outcome) => {
    const response: unknown = Reflect.get(Object(outcome), 'response');
    return timings.get(Object(outcome)) ?? timings.get(Object(response)) ?? '';
  };
}

class TimedCall implements CallObserver {
  readonly #name: string;
  readonly #maxAttempts: number;
  readonly #timings: WeakMap<object, string>;
  readonly #attempts: string[] = [];
  /** How long it is to wait for the next attempt, which may never come. */
  #delayMs = 0;
  #waitedMs = 0;
  #completed: CompletedEvent | undefined;
  #fallback: FallbackEvent | undefined;

  constructor(name: string, maxAttempts: number, timings: WeakMap<object, string>) {
    this.#name = name;
    this.#maxAttempts = maxAttempts;
    this.#timings = timings;
  }

  onAttempt(): undefined {
    this.#waitedMs += this.#delayMs;
    this.#delayMs = 0;
  }

  onEvent(event: SteadEvent): void {
    if (event.type === 'attempt') {
      const { attempt, durationMs, status, failure } = event;
      this.#attempts.push(this.#metric(`-attempt-${attempt}`, durationMs, String(status ?? failure)));
      if (this.#attempts.length > this.#maxAttempts) this.#attempts.shift();
    } else if (event.type === 'retry') this.#delayMs = event.delayMs;
    else if (event.type === 'completed') this.#completed = event;
    else if (event.type === 'fallback') this.#fallback = event;
  }

  onEnd({ result, durationMs }: CallEnd): void {
    const outcome = 'value' in result ? result.value : result.error;
    // A reason for an abort may be any value. Calls that share fail with one error: it is of the one that asked for all.
    if (Object(outcome) !== outcome || this.#timings.has(outcome as object)) return;
    const { queuedMs = 0 } = this.#completed ?? {};
    const metrics = [
      this.#metric('', durationMs, this.#answerIn(result)),
      ...(queuedMs > 0 ? [this.#metric('-queue', queuedMs)] : []),
      ...this.#attempts,
      ...(this.#waitedMs > 0 ? [this.#metric('-backoff', this.#waitedMs)] : []),
    ];
    this.#timings.set(outcome as object, metrics.join(', '));
  }

  /** Where the answer is from, in a word. */
  #answerIn(result: Settled<Response | undefined>): string {
    if ('error' in result || result.value === undefined) return 'error';
    const network = this.#completed?.joined === undefined ? 'network' : 'network shared';
    const source = this.#fallback?.source ?? network;
    return degradationIn(result.value) === undefined ? source : `${source} degraded`;
  }

  #metric(suffix: string, durationMs: number, description?: string): string {
    const dur = `${this.#name}${suffix};dur=${Math.round(durationMs * 10) / 10}`;
    return description === undefined ? dur : `${dur};desc="${description}"`;
  }
}
