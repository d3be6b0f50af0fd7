import { type RevalidatedEvent, reportThrown } from './events.ts';
import type { FallbackRules } from './fallback-options.ts';
import type { StoreErrorListener } from './guarded-store.ts';
import { type Answer, parseJson } from './http/answer.ts';
import { isEmpty, isEndless, readBytes } from './http/bytes.ts';
import { degradationIn } from './http/cache-status.ts';
import { type Call, callOf } from './http/call.ts';
import { confirmed, isStorable, toStored, validatorsOf } from './http/stored-response.ts';
import { isWebKit } from './http/webkit.ts';
import type { AsyncNext, CallContext } from './layer.ts';
import { outcomeOfStatus } from './model/outcome.ts';
import type { Kept, Received, StoredAnswers, Writing } from './stored-answers.ts';
import type { StoredResponse } from './stores/store.ts';

type VariesBy = StoredResponse['variesBy'];

/** What the network has to say of a stored answer. */
export interface Exchanged {
  /** Its answer; `undefined` if it is that the stored one still holds. */
  readonly answer: Answer | undefined;
  /** What is to be kept now, if the stored one still holds. */
  readonly renewed: StoredResponse | undefined;
  readonly result: RevalidatedEvent['result'];
  readonly status: number;
  /** What the answer depends on. */
  readonly variesBy: VariesBy;
}

/** One question to the network whose answer may be stored, asked on condition that what is kept does not hold any more. */
export class Exchange {
  readonly writing: Writing;
  readonly #answers: StoredAnswers;
  readonly #rules: FallbackRules;
  readonly #onStoreError: StoreErrorListener;

  constructor(writing: Writing, answers: StoredAnswers, rules: FallbackRules, onStoreError: StoreErrorListener) {
    this.writing = writing;
    this.#answers = answers;
    this.#rules = rules;
    this.#onStoreError = onStoreError;
  }

  /** Asks, and stores behind the answer what comes; see {@link Writing.done}. */
  async ask(next: AsyncNext<Answer>, context: CallContext, kept: Kept | undefined): Promise<Exchanged> {
    const call = callOf(context);
    if (kept !== undefined && isReadable(kept.stored, call)) {
      call.headers = validatorsOf(kept.stored);
      call.confirms = (response) => isConfirmed(kept.stored, response);
    }
    const answer = await next(context);
    const { response } = answer;
    const { status } = response;
    const reception = await this.#answers.receive(this.writing.place, response, call.sentAt, this.#rules);
    if (status === 304 && kept !== undefined && call.headers !== undefined) {
      const { variesBy } = kept.stored;
      const { receivedAt, initialAgeMs } = reception;
      const renewed = confirmed(kept.stored, response, { receivedAt, initialAgeMs, variesBy });
      this.#store(call, { ...reception, variesBy }, reception.mayBeKept && (async () => renewed));
      return { answer: undefined, renewed, result: 'confirmed', status, variesBy };
    }
    // What others keep of it (a hop that answers degraded), what is hidden from us, and "not now" say nothing of what holds.
    const isWord = degradationIn(response) === undefined && status > 0 && outcomeOfStatus(status) === 'success';
    const isKept =
      isWord && reception.mayBeKept && reception.isUseful && isStorable(response) && this.#hasRoomFor(answer, call);
    const make = async (): Promise<StoredResponse | undefined> => {
      const body = await this.#bodyOf(answer, call);
      return body === undefined ? undefined : toStored(response, body, reception);
    };
    if (isWord) this.#store(call, reception, isKept && make);
    const result = isKept ? 'replaced' : isWord ? 'dropped' : 'failed';
    return { answer, renewed: undefined, result, status, variesBy: reception.variesBy };
  }

  /** Lets go, if nothing is being stored. */
  close(): void {
    if (this.writing.done === undefined) this.#answers.close(this.writing);
  }

  /** Behind the caller's back: what is made comes in place of what is there, or nothing; a body that breaks off changes nothing. */
  #store(
    call: Call,
    { variesBy, serves }: Pick<Received, 'variesBy' | 'serves'>,
    make: false | (() => Promise<StoredResponse | undefined>),
  ): void {
    if (call.follows) return;
    const { writing } = this;
    writing.serves = make !== false && serves;
    const store = async (): Promise<void> => {
      try {
        const stored = make === false ? undefined : await make();
        if (stored === undefined) await this.#answers.drop(writing, variesBy, this.#onStoreError);
        else await this.#answers.keep(writing, stored, this.#rules, this.#onStoreError);
      } catch {
        // It broke off, or was given up.
      } finally {
        this.#answers.close(writing);
      }
    };
    writing.done = store();
    keepAlive(call, writing.done);
  }

  /** The whole body, of the caller's or as a copy of it; `null` if there is none, `undefined` if it is not to be stored. */
  async #bodyOf(
    { response, bytes }: Answer,
    { reads, request }: Call,
  ): Promise<Uint8Array<ArrayBuffer> | null | undefined> {
    const { maxBodyBytes: maxBytes } = this.#answers;
    if (bytes !== undefined) return bytes.byteLength <= maxBytes ? bytes : undefined;
    if (request.method === 'HEAD' || isEmpty(response) || response.status === 204) return null;
    if (reads !== 'none') return undefined;
    const copy = await readBytes(response.clone(), maxBytes);
    // A cut body passes for a whole one there; of JSON, at least, the difference can be told.
    if (copy !== undefined && isWebKit() && isJson(response.headers)) parseJson(copy);
    return copy;
  }

  /** Whether its body may be kept, by its headers: one that is known to be too long, or not to end, is not even copied. */
  #hasRoomFor({ response: { headers }, bytes }: Answer, { request }: Call): boolean {
    if (bytes !== undefined || request.method === 'HEAD') return true;
    return !(Number(headers.get('content-length')) > this.#answers.maxBodyBytes || isEndless(headers));
  }
}

/** Lets a Worker live until `work` is done. */
export function keepAlive({ storage }: Call, work: Promise<unknown>): void {
  try {
    storage.waitUntil?.(work);
  } catch (error) {
    reportThrown('waitUntil', error);
  }
}

/** Whether a 304 is about this answer (RFC 9111, section 4.3.4). */
function isConfirmed(stored: StoredResponse, { headers }: Response): boolean {
  const etag = headers.get('etag');
  return (
    etag === null || etag.startsWith('W/') || stored.headers.some(([name, value]) => name === 'etag' && value === etag)
  );
}

/** Whether what is kept can be given to this call: fetch() may have stored what is no JSON. */
function isReadable({ body }: StoredResponse, { reads }: Call): boolean {
  if (reads !== 'json' || body === null) return true;
  try {
    parseJson(body);
    return true;
  } catch {
    return false;
  }
}

function isJson(headers: Headers): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers.get('content-type') ?? '');
}
