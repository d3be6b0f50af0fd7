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
    return new Answer(response, JSON.parse(await response.text()));
  } catch (cause) {
    throw new TypeError('Cannot read the body as JSON: it broke off or is malformed', { cause });
  }
}
