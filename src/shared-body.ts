import type { Clock } from './clock.ts';
import { Answer } from './http/answer.ts';
import { relayed } from './http/body.ts';
import { isEndless, whole } from './http/bytes.ts';
import { callOf } from './http/call.ts';
import { type CallContext, Layer, type Next, untilAborted } from './layer.ts';

// Longer bodies are taken for streams that somebody is to watch, not for something to be shared.
const LONGEST_MS = 5_000;

/**
 * Reads what several callers are going to share: around the attempt, so that a body that breaks off fails it, and outside
 * of its timeout, which says nothing of bodies. What is too long, or does not end in time, is handed on with nothing lost.
 */
export class SharedBody extends Layer {
  readonly #maxBytes: number;
  readonly #clock: Clock;

  constructor(maxBytes: number, clock: Clock) {
    super();
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  async around<T>(next: Next<T>, context: CallContext): Promise<T> {
    const answer = (await next(context)) as unknown as Answer;
    const { response } = answer;
    // What is retried or refused is read by nobody.
    const isShared = response.ok && callOf(context).callers() > 1;
    const given = isShared ? untilAborted(context.scope, readAhead(answer, this.#maxBytes, this.#clock)) : answer;
    return (await given) as unknown as T;
  }
}

/** The answer with its bytes, if they are no more than `maxBytes` and come soon; else as it was, its body to be read. */
export function readAhead(answer: Answer, maxBytes: number, clock: Clock): Promise<Answer> {
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
    const readOn = (): void => {
      const reading = reader.read();
      ahead.push(reading);
      reading
        .then((read) => {
          // What comes late is for whom the body was handed on to.
          if (ended) return;
          if (read.done) {
            end();
            resolve(new Answer(response, value, whole(chunks, length, response)));
            return;
          }
          length += read.value.byteLength;
          chunks.push(read.value);
          if (length > maxBytes) handOn();
          else readOn();
        })
        .catch(fail);
    };
    const cancel = clock.schedule(LONGEST_MS, handOn);
    readOn();
  });
}
