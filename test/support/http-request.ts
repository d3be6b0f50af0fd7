/** One HTTP/1.1 request: header names in lower case, the body whole. */
export interface HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Reads the request at the start of `bytes`; `undefined` while part of it is still on its way. */
export function parseRequest(bytes: Buffer): HttpRequest | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [requestLine = '', ...headerLines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const [method = '', target = ''] = requestLine.split(' ');
  const headers = Object.fromEntries(headerLines.map(parseHeader));
  const body = parseBody(headers, bytes.subarray(headEnd + 4));
  return body && { method, target, headers, body };
}

function parseHeader(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function parseBody(headers: Record<string, string>, bytes: Buffer): Buffer | undefined {
  if (headers['transfer-encoding'] === 'chunked') return parseChunks(bytes);
  const length = Number(headers['content-length'] ?? 0);
  return bytes.length < length ? undefined : bytes.subarray(0, length);
}

function parseChunks(bytes: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`Not a chunk size, at byte ${at} of the body`);
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return undefined;
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
