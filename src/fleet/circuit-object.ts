import { platformClock } from '../clock.ts';
import { EMPTY_RECORD, type FleetRecord, leased, reported, stateOf } from '../model/fleet.ts';
import { type DurableQuestion, MOST_QUESTION_BYTES, MOST_QUORUM, parseQuestion } from './durable-question.ts';
import { LONGEST_MS, parseRecord } from './record.ts';

/** What of the state of a Durable Object is used. */
export interface CircuitObjectState {
  /** Where the record is kept. */
  readonly storage: {
    /** The value of a key; `undefined` if there is none. */
    get(key: string): Promise<unknown>;
    /** Keeps a value under a key. */
    put(key: string, value: unknown): Promise<void>;
    /** Forgets everything. */
    deleteAll(): Promise<void>;
    /** Has `alarm` called at this time, in milliseconds since the Unix epoch. */
    setAlarm(at: number): Promise<void>;
  };
}

const RECORD = 'record';

/**
 * A Durable Object: the memory of a fleet, one object per dependency. Export it from the Worker that owns the namespace:
 *
 * ```ts
 * export { CircuitObject } from 'steadfetch/cloudflare';
 * ```
 *
 * For {@link durableFleet}, which asks it. It keeps its record in its storage, so that a restart loses nothing, writes when
 * the record changes, and lets go of one that has not changed in two days. It holds no socket and no timer: between
 * questions it costs nothing but its storage. What makes no sense it answers with a status of 400 and more.
 */
export class CircuitObject {
  readonly #storage: CircuitObjectState['storage'];
  #record: FleetRecord | undefined;

  constructor(state: CircuitObjectState, _env?: unknown) {
    this.#storage = state.storage;
  }

  /** Answers one question of a fleet. Nobody else has to call it. */
  async fetch(request: Request): Promise<Response> {
    if (request.method !== 'POST') return refusal(405, 'POST a question');
    const text = await textWithin(request.body, MOST_QUESTION_BYTES);
    if (text === undefined) return refusal(413, `A question has at most ${MOST_QUESTION_BYTES} bytes`);
    const question = parseQuestion(text);
    if (question === undefined) return refusal(400, 'The question makes no sense');
    await this.#load();
    const { record, answer } = answered(this.#record, question, platformClock.epochNow());
    if (record !== (this.#record ?? EMPTY_RECORD)) await this.#keep(record);
    return Response.json(answer);
  }

  /** Nothing has changed for long: the next question begins anew. */
  async alarm(): Promise<void> {
    this.#record = undefined;
    await this.#storage.deleteAll();
  }

  async #load(): Promise<void> {
    if (this.#record !== undefined) return;
    const stored = parseRecord(await this.#storage.get(RECORD), platformClock.epochNow(), MOST_QUORUM);
    // Another question may have come in between.
    this.#record ??= stored;
  }

  async #keep(record: FleetRecord): Promise<void> {
    const before = this.#record;
    this.#record = record;
    const forgetAt = platformClock.epochNow() + 2 * LONGEST_MS;
    try {
      await Promise.all([this.#storage.put(RECORD, record), this.#storage.setAlarm(forgetAt)]);
    } catch (error) {
      // Or the same, told again, would be no change, and never be written.
      if (this.#record === record) this.#record = before;
      throw error;
    }
  }
}

function answered(
  known: FleetRecord | undefined,
  question: DurableQuestion,
  now: number,
): { readonly record: FleetRecord; readonly answer: unknown } {
  const before = known ?? EMPTY_RECORD;
  if (question.ask === 'lease') return leased(before, question.by, question.leaseMs, now);
  const record =
    question.ask === 'read' ? before : reported(before, question.by, question.report, question.quorum, now);
  return { record, answer: stateOf(record, now) };
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

async function textWithin(body: ReadableStream<Uint8Array> | null, mostBytes: number): Promise<string | undefined> {
  if (body === null) return '';
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    bytes += value?.byteLength ?? 0;
    if (bytes > mostBytes) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text;
}
