import { bodyOf, isCut } from './bytes.ts';
import type { Lease } from './lease.ts';

/** What a pipeline resolves to: the Response, and what was read of its body inside the attempt. */
export class Answer {
  /** See {@link Scope.kept}. */
  static readonly kept: Answer = /* @__PURE__ */ new Answer({ status: 200, body: null } as Response);

  readonly response: Response;
  /** The parsed body of a 2xx answer; `undefined` if it has none, or was not to be read. */
  readonly value: unknown;
  /** The body as it came, if it was read. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  /** Read once, as the body: a getter of the platform's costs as much as a layer, and four layers ask. */
  readonly status: number;
  /** See {@link bodyOf}. */
  readonly body: ReadableStream | null | undefined;
  /** What is to be closed when the body is gone: see BodyLeases. */
  lease: Lease | undefined;
  /** Resolves when its body has ended; `undefined` unless somebody watches it. */
  declare streamed?: Promise<void>;

  constructor(response: Response, value?: unknown, bytes?: Uint8Array<ArrayBuffer>) {
    this.response = response;
    this.status = response.status;
    this.body = bodyOf(response);
    this.value = value;
    this.bytes = bytes;
  }
}

// Statuses that have no body (Fetch standard, "null body status").
const NO_BODY: readonly number[] = [204, 205];

/**
 * Reads a 2xx answer's body as JSON; any other answer is left unread.
 *
 * @throws TypeError if the body breaks off or is not JSON. Engines disagree on what a cut body is (a TypeError, an
 * AbortError, a plain Error, or none at all and a text that ends too early), so it is the same error in each case, with
 * what the engine said as its cause.
 */
export async function readJson(response: Response, method: string): Promise<Answer> {
  if (!response.ok || method === 'HEAD' || NO_BODY.includes(response.status)) return new Answer(response);
  try {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const value = parseJson(bytes);
    // A cut object, array, string or literal is no JSON any more, but half a number is a number.
    if (typeof value === 'number' && isCut(bytes.byteLength, response))
      throw new TypeError('Cannot read the number: it was cut off');
    return new Answer(response, value, bytes);
  } catch (cause) {
    throw new TypeError(
      'Cannot read the body as JSON: it broke off, is empty or is malformed (fetch() gives it as it is)',
      { cause },
    );
  }
}

/** As `Response.json` does: UTF-8, whatever the headers say, and without a byte order mark. */
export function parseJson(bytes: Uint8Array<ArrayBuffer>): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
