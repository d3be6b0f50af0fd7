/** What a pipeline resolves to: the Response, and for `client.json` what its body says. */
export class Answer {
  readonly response: Response;
  /** The parsed body of a 2xx answer; `undefined` if it has none, or was not to be read. */
  readonly value: unknown;

  constructor(response: Response, value?: unknown) {
    this.response = response;
    this.value = value;
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
    const text = await response.text();
    const value: unknown = JSON.parse(text);
    if (typeof value === 'number' && isCut(text, response)) throw new TypeError('The number was cut off');
    return new Answer(response, value);
  } catch (cause) {
    throw new TypeError('Cannot read the body as JSON: it broke off or is malformed', { cause });
  }
}

/**
 * Whether ASCII text ended before its length. WebKit takes a cut body for the whole one; a cut object, array, string or
 * literal is no JSON any more, but half a number is a number. Across origins nothing can be said: CORS shows the length,
 * but hides whether it is that of the compressed body.
 */
function isCut(text: string, { headers, type }: Response): boolean {
  if (type === 'cors' || headers.has('content-encoding')) return false;
  return text.length < Number(headers.get('content-length'));
}
