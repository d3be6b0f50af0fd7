import type { Scope } from './abort.ts';
import type { Clock } from './clock.ts';
import { Answer } from './http/answer.ts';
import { copyOf, relayed } from './http/body.ts';
import { isCut, isEndless, joined } from './http/bytes.ts';
import { callOf } from './http/call.ts';
import { isWebKit } from './http/webkit.ts';
import { AsyncLayer, type AsyncNext, type CallContext } from './layer.ts';

// Longer bodies are taken for streams that somebody is to watch, not for something to be shared.
const LONGEST_MS = 5_000;

/** How a body is read for several. */
export interface ReadAhead {
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Whether to reject if it breaks off; else that is for its reader to see. */
  readonly mayFail: boolean;
}

/**
 * Reads what several callers are going to share: around the attempt, so that a body that breaks off fails it, and outside
 * of its timeout, which says nothing of bodies. What is too long, or does not end in time, is handed on with nothing lost.
 */
export class SharedBody extends AsyncLayer {
  readonly #how: ReadAhead;

  constructor(maxBytes: number, clock: Clock) {
    super();
    this.#how = { maxBytes, clock, mayFail: true };
  }

  async enclose<T>(next: AsyncNext<T>, context: CallContext): Promise<T> {
    const answer = (await next(context)) as unknown as Answer;
    // What is no success is retried, or refused, before anybody reads it.
    const isShared = answer.response.ok && callOf(context).callers() > 1;
    return (isShared ? await readAhead(answer, context.scope, this.#how) : answer) as unknown as T;
  }
}

/** The answer with its bytes, if they are no more than `maxBytes` and come soon; else as it was, its body to be read. */
export function readAhead(answer: Answer, scope: Scope, { maxBytes, clock, mayFail }: ReadAhead): Promise<Answer> {
  const { response, value, bytes } = answer;
  const { body, headers } = response;
  const isTooLong = Number(headers.get('content-length')) > maxBytes || isEndless(headers);
  if (bytes !== undefined || body === null || response.bodyUsed || isTooLong) return Promise.resolve(answer);
  const reader = body.getReader();
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    const ahead: ReturnType<typeof reader.read>[] = [];
    let length = 0;
    let ended = false;
    const end = (): void => {
      cancel();
      scope.offAbort(onAbort);
      ended = true;
    };
    const handOn = (): void => {
      end();
      resolve(new Answer(relayed(response, reader, ahead), value));
    };
    const fail = (error: unknown): void => {
      end();
      reject(error);
    };
    const onAbort = (): void => {
      fail(scope.reason);
      // Nobody waits for it any more, and a fetch that ignores its signal goes on.
      reader.cancel().catch(() => {});
    };
    const readOn = (): void => {
      const reading = reader.read();
      ahead.push(reading);
      reading.then(
        (read) => {
          // What comes late is for whom the body was handed on to.
          if (ended) return;
          if (read.done) {
            // Only there does a body that was cut pass for a whole one.
            if (isWebKit() && isCut(length, response)) fail(new TypeError('Cannot read the body: it broke off'));
            else {
              end();
              const whole = joined(chunks, length);
              resolve(new Answer(copyOf(response, whole), value, whole));
            }
            return;
          }
          length += read.value.byteLength;
          chunks.push(read.value);
          if (length > maxBytes) handOn();
          else readOn();
        },
        (error: unknown) => {
          if (ended) return;
          if (mayFail) fail(error);
          else handOn();
        },
      );
    };
    const cancel = clock.schedule(LONGEST_MS, handOn);
    if (scope.aborted) onAbort();
    else {
      scope.onAbort(onAbort);
      readOn();
    }
  });
}
