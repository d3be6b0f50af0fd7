import type { Context } from '../../src/index.ts';

/** What a call has come to so far: nothing, a value that may be undefined, or an error. */
export interface Seen {
  value?: unknown;
  error?: unknown;
}

export function watch(call: Promise<unknown>): Seen {
  const seen: Seen = {};
  call.then(
    (value) => {
      seen.value = value;
    },
    (error: unknown) => {
      seen.error = error;
    },
  );
  return seen;
}

/** An operation that settles when it is told to, and never looks at its signal. */
export function deaf() {
  const contexts: Context[] = [];
  const ends = { succeed: (_: unknown): void => {}, fail: (_: unknown): void => {} };
  const operation = (context: Context): Promise<unknown> => {
    contexts.push(context);
    return new Promise((resolve, reject) => {
      ends.succeed = resolve;
      ends.fail = reject;
    });
  };
  return { operation, contexts, ends };
}
