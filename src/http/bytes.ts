/**
 * The body of a Response, for who does not want to read it; `undefined` if it must not be asked for. What stands before a
 * Response and passes for one (a Proxy, as SvelteKit's `load` is given) may take `body` for the wish to read, and nobody else
 * can then: the platform's own getter tells it, which takes a Response and nothing else.
 */
export function bodyOf(response: Response): ReadableStream | null | undefined {
  try {
    // In this order: to name Response makes Node load all of its fetch, and one is made while this library is imported.
    const isPlatforms = !Object.hasOwn(response, 'body') && response instanceof Response;
    return Reflect.get(isPlatforms ? Response.prototype : response, 'body', response) ?? null;
  } catch {
    return undefined;
  }
}

/** Whether there is nothing to be read: what passes for a Response may have no `body`, and be read all the same. */
export function isEmpty(response: Response): boolean {
  return bodyOf(response) === null && 'body' in response;
}

/** Frees the connection of an answer that nobody will read. */
export function cancelBody(response: Response): void {
  // A fetch of the user's may give anything.
  const body: Partial<ReadableStream> | null | undefined = bodyOf(response);
  // A body that somebody is reading is theirs.
  if (body === null || body === undefined || body.locked === true) return;
  // A broken one rejects, with nobody there to be told; one that is no stream of the platform's may throw.
  new Promise((resolve) => resolve(body.cancel?.())).catch(() => {});
}

/**
 * Whether a body that was read to its end had a longer way to go: WebKit takes a cut body for the whole one. Across
 * origins nothing can be said: CORS shows the length, but hides whether it is that of the compressed body.
 */
export function isCut(bytes: number, { headers, type }: Response): boolean {
  if (type === 'cors' || headers.has('content-encoding')) return false;
  return bytes < Number(headers.get('content-length'));
}

/** Whether a body is of a kind that goes on for as long as somebody listens. */
export function isEndless(headers: Headers): boolean {
  return /^(?:text\/event-stream|multipart\/x-mixed-replace|application\/(?:x-)?(?:ndjson|jsonl|json-seq|stream\+json))\b/i.test(
    headers.get('content-type') ?? '',
  );
}

/**
 * The body of a Response, if it has no more than `maxBytes`; else it is cancelled, and nothing of it is kept.
 *
 * @throws what the engine throws if the body breaks off, and TypeError if it ends before its length.
 */
export async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { body, headers } = response;
  if (body === null) return new Uint8Array();
  if (Number(headers.get('content-length')) > maxBytes) {
    cancelBody(response);
    return undefined;
  }
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    length += read.value.byteLength;
    if (length > maxBytes) {
      reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(read.value);
  }
  if (isCut(length, response)) throw new TypeError('Cannot read the body: it broke off');
  return joined(chunks, length);
}

export function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
