/** Why steadfetch refused or ended a call: switch on it, it survives bundlers and duplicate copies of the library. */
export type SteadfetchErrorCode =
  | 'CIRCUIT_OPEN'
  | 'BULKHEAD_FULL'
  | 'QUEUE_TIMEOUT'
  | 'CLOSED'
  | 'DEADLINE_EXCEEDED'
  | 'ATTEMPT_TIMEOUT'
  | 'HTTP';

/** The options of all errors of this library. */
export interface SteadfetchErrorOptions extends ErrorOptions {
  /** The dependency the call was for: the URL's origin, unless `isolateBy` says otherwise. */
  readonly dependency?: string | undefined;
}

/** What all errors of this library have in common. A network error is not one of them: it stays what the platform threw. */
export abstract class SteadfetchError extends Error {
  /** What to switch on: a class does not survive a second copy of the library. */
  abstract readonly code: SteadfetchErrorCode;
  /** The dependency the call was for, where one is known. */
  readonly dependency: string | undefined;

  constructor(message: string, options?: SteadfetchErrorOptions) {
    super(message, options);
    this.dependency = options?.dependency;
  }
}

/**
 * Thrown without touching the network while the circuit is open, or half-open with its probe under way.
 * @see docs/errors.md#circuit-open
 */
export class CircuitOpenError extends SteadfetchError {
  override readonly name = 'CircuitOpenError';
  readonly code = 'CIRCUIT_OPEN';
  /** Milliseconds until a call may be admitted again; `Infinity` while the circuit is isolated by hand. */
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number, options?: SteadfetchErrorOptions) {
    super(
      retryAfterMs === Infinity
        ? `Cannot send the request${to(options)}: the circuit is isolated until reset() is called`
        : `Cannot send the request${to(options)}: the circuit stays open for ${Math.ceil(retryAfterMs)} ms (resetTimeoutMs)`,
      options,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Thrown at once when all slots are taken and the queue is full.
 * @see docs/errors.md#bulkhead-full
 */
export class BulkheadFullError extends SteadfetchError {
  override readonly name = 'BulkheadFullError';
  readonly code = 'BULKHEAD_FULL';

  constructor(running: number, queued: number, options?: SteadfetchErrorOptions) {
    super(
      `Cannot send the request${to(options)}: ${running} calls are running (maxConcurrent) and ${queued} are waiting (maxQueued)`,
      options,
    );
  }
}

/**
 * Thrown when a call waited for a slot longer than `queueTimeoutMs`.
 * @see docs/errors.md#queue-timeout
 */
export class QueueTimeoutError extends SteadfetchError {
  override readonly name = 'QueueTimeoutError';
  readonly code = 'QUEUE_TIMEOUT';

  constructor(queueTimeoutMs: number, options?: SteadfetchErrorOptions) {
    super(
      `Cannot send the request${to(options)}: no slot became free within ${queueTimeoutMs} ms (queueTimeoutMs)`,
      options,
    );
  }
}

/**
 * Thrown to calls that come, wait, or still run after the grace period, once `close()` was called.
 * @see docs/errors.md#closed
 */
export class ClosedError extends SteadfetchError {
  override readonly name = 'ClosedError';
  readonly code = 'CLOSED';

  constructor(options?: SteadfetchErrorOptions) {
    super(
      `Cannot send the request${to(options)}: close() was called, which is final; create a new client or bulkhead to go on`,
      options,
    );
  }
}

/**
 * Thrown when the whole call, waiting and retries included, took longer than its deadline. `name` is `TimeoutError`, as for `AbortSignal.timeout`.
 * @see docs/errors.md#deadline-exceeded
 */
export class DeadlineExceededError extends SteadfetchError {
  override readonly name = 'TimeoutError';
  readonly code = 'DEADLINE_EXCEEDED';

  constructor(deadlineMs: number, options?: SteadfetchErrorOptions) {
    // One that came with the call has a cause: deadlineMs would not make it longer.
    const option = options !== undefined && 'cause' in options ? 'init.deadline' : 'deadlineMs';
    super(
      `Cannot finish the call${to(options)}: its deadline of ${Math.round(deadlineMs)} ms is over (${option})`,
      options,
    );
  }
}

/**
 * Thrown when one attempt took longer than the attempt timeout. `name` is `TimeoutError`, as for `AbortSignal.timeout`.
 * @see docs/errors.md#attempt-timeout
 */
export class AttemptTimeoutError extends SteadfetchError {
  override readonly name = 'TimeoutError';
  readonly code = 'ATTEMPT_TIMEOUT';
  /** Milliseconds that the timer was late: much in a tab that was frozen, or a process that was stopped or busy. */
  readonly lateMs: number;

  constructor(timeoutMs: number, options?: SteadfetchErrorOptions & { readonly lateMs?: number }) {
    super(
      `Cannot finish the attempt${to(options)}: no answer within its timeout of ${timeoutMs} ms (attemptTimeoutMs)`,
      options,
    );
    this.lateMs = options?.lateMs ?? 0;
  }
}

/**
 * Thrown by `client.json` when the final answer is not 2xx. The body of `response` is unread.
 * @see docs/errors.md#http
 */
export class HttpError extends SteadfetchError {
  override readonly name = 'HttpError';
  readonly code = 'HTTP';
  /** The answer, its body unread. */
  readonly response: Response;

  constructor(response: Response, options?: SteadfetchErrorOptions) {
    super(
      `Cannot use the answer${from(options)}: its status is ${`${response.status} ${response.statusText}`.trim()} (fetch() gives it as it is)`,
      options,
    );
    this.response = response;
  }
}

function to(options: SteadfetchErrorOptions | undefined): string {
  return options?.dependency === undefined ? '' : ` to ${options.dependency}`;
}

function from(options: SteadfetchErrorOptions | undefined): string {
  return options?.dependency === undefined ? '' : ` of ${options.dependency}`;
}
