import type { Caller, Ending } from '../layer.ts';
import { Answer } from './answer.ts';
import { cancelBody } from './bytes.ts';
import { Lease } from './lease.ts';
import { isWebKit } from './webkit.ts';

/**
 * Keeps what a streaming body depends on (the deadline's timer, the link to the caller's signal) until the body is
 * gone. We hand out the platform's own Response and so cannot see its body end; but when the stream has been collected,
 * nobody can be reading it. Until then the timers hold on to the signals, never to the stream.
 */
export class BodyLeases {
  #collected: FinalizationRegistry<Lease> | undefined;

  /** Takes over what is to be closed, if `value` has a body still to come. */
  readonly hold = (value: unknown, ending: Ending): boolean => {
    const answer = value as Answer | undefined;
    if (answer === undefined || answer.body === null || answer.response.bodyUsed) return false;
    const { lease } = answer;
    if (lease !== undefined) lease.add(ending);
    else {
      const first = new Lease(ending);
      // A mock's body may be no object, and can't be watched.
      this.#watch(watchedOf(answer), first);
      answer.lease = first;
    }
    return true;
  };

  #watch(body: object, lease: Lease): void {
    // Made on first use: a runtime without it keeps the lease until the deadline.
    // WebKit collects the wrapper of a stream that is being read: a lease lasts until the deadline there, too.
    if (this.#collected === undefined && typeof FinalizationRegistry === 'function' && !isWebKit())
      this.#collected = new FinalizationRegistry((lease) => lease.end());
    // The token gives it a hash: without one, Chromium may make anew the wrapper of a stream that text() reads, and collect this one.
    this.#collected?.register(body, lease, body);
  }

  /** Cancels the body of a value that is not handed out, and ends its lease. */
  discard(value: unknown): void {
    const answer = value as Answer;
    cancelBody(answer.response);
    const { lease } = answer;
    if (lease === undefined) return;
    answer.lease = undefined;
    lease.end();
    // A mock may give the same body for ever.
    this.#collected?.unregister(watchedOf(answer));
  }
}

/** The stream, or what stands before its Response. */
function watchedOf({ body, response }: Answer): object {
  return body ?? response;
}

/**
 * Calls `onEnd` when the body of a pipeline's value has been read, cancelled or cut. If there is one to come, the value
 * returned has in its place a copy of the Response, which tells. With a `lease`, one that is dropped unread ends too.
 */
export function withBodyEnd<T>(value: T, onEnd: () => void, lease?: Caller['lease']): T {
  const { response } = value as Answer;
  const body = (value as Answer).body === null ? null : response.body;
  if (body === null || response.bodyUsed || body.locked) {
    onEnd();
    return value;
  }
  const reader = body.getReader();
  let ended = false;
  const end = (): void => {
    if (!ended) onEnd();
    ended = true;
  };
  const answer = new Answer(relayed(response, reader), (value as Answer).value);
  // Settles when the last byte was read, on a cancel, and on a cut or an abort, also while nobody is reading.
  answer.streamed = reader.closed.then(end, end);
  lease?.(answer, () => {
    // Not left to the reader to tell: on Workers its request, and with it the stream, may be gone.
    end();
    reader.cancel().catch(() => {});
  });
  return answer as T;
}

type BodyReader = ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;

/** The Response with the body that `reader` reads, after what was read `ahead` of it. */
export function relayed(
  response: Response,
  reader: BodyReader,
  ahead: readonly ReturnType<BodyReader['read']>[] = [],
): Response {
  const first = ahead.values();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await (first.next().value ?? reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing more is read ahead: the copy buffers nothing.
    { highWaterMark: 0 },
  );
  return copyOf(response, body);
}

/** A Response like it, with another body. */
export function copyOf(
  response: Response,
  body: ReadableStream | Uint8Array<ArrayBuffer> | null,
  headers: Headers = response.headers,
): Response {
  const { status, statusText, url, redirected, type, ok } = response;
  // What a constructed Response lacks is carried over; the headers too, for it may not take Set-Cookie.
  const facts = { headers, url, redirected, type };
  try {
    return withFacts(new Response(body, { status, statusText, headers }), facts);
  } catch {
    // Some answer 999, or with words that are no Latin-1: fetch hands that out, and takes it back from nobody.
    return withFacts(new Response(body), { ...facts, status, statusText, ok });
  }
}

/** Tells of a Response what only fetch can set. A clone of it tells no more than the platform knows. */
export function withFacts(
  response: Response,
  facts: Partial<Pick<Response, 'headers' | 'url' | 'redirected' | 'type' | 'status' | 'statusText' | 'ok'>>,
): Response {
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(response, name, { value });
  return response;
}
