/** What an operation is told about the try it is running in. */
export interface Context {
  /** Aborts when the work should stop: by the caller, by a deadline, by a timeout. Always there. */
  readonly signal: AbortSignal;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
}

/** Any asynchronous work. It should stop when `signal` aborts; if it does not, its caller is answered all the same. */
export type Operation<T> = (context: Context) => PromiseLike<T> | T;

/** The options of {@link Policy.execute}. */
export interface ExecuteOptions {
  /** Ends the call when it aborts; the call then rejects with `signal.reason`, untouched. */
  readonly signal?: AbortSignal | undefined;
}

/** One layer of defence, or several composed. */
export interface Policy {
  /**
   * Runs `operation` under this policy. Rejects with what the operation threw, or with the policy's own refusal; with a
   * TypeError if it is no function, or `signal` no signal.
   */
  execute<T>(operation: Operation<T>, options?: ExecuteOptions): Promise<T>;
}
