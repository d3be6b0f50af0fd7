/** What came of a call, for counting. */
export interface CallResult {
  /** A status, or why there was none. */
  readonly result: string;
  /** Whether the caller got a whole answer that is no error. */
  readonly answered: boolean;
}

/** Makes a call and reads its body to the end. */
export async function callResult(call: () => Promise<Response>): Promise<CallResult> {
  let response: Response;
  try {
    response = await call();
  } catch (error) {
    return { result: failureName(error), answered: false };
  }
  try {
    // Read, but not kept: the body may be large.
    await response.body?.pipeTo(new WritableStream());
  } catch (error) {
    return { result: `${response.status}, then ${failureName(error)}`, answered: false };
  }
  return { result: `${response.status}`, answered: response.ok };
}

const NAMES: Readonly<Record<string, string>> = {
  CIRCUIT_OPEN: 'refused: circuit open',
  BULKHEAD_FULL: 'refused: bulkhead full',
  ATTEMPT_TIMEOUT: 'attempt timed out',
  DEADLINE_EXCEEDED: 'deadline exceeded',
};

/** Names an error by its code; a network error of Node's fetch has its code one level down. */
export function failureName(error: unknown): string {
  const own = codeOf(error);
  const name = own === undefined ? undefined : NAMES[own];
  if (name !== undefined) return name;
  const { cause } = (error ?? {}) as { cause?: unknown };
  const reason = codeOf(cause) ?? own ?? (cause instanceof Error ? cause.message : '');
  return reason === '' ? 'network error' : `network error: ${reason}`;
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
