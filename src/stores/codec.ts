import type { StoredResponse, StoreEntry } from './store.ts';

// How long the head is, in front of it: four bytes.
const LENGTH_BYTES = 4;

/** An entry as bytes, for stores that keep nothing else: its length, a head in JSON, and the bodies one after the other. */
export function encodeEntry(entry: StoreEntry): Uint8Array<ArrayBuffer> {
  const variants = entry.variants.map(({ body, ...rest }) => ({ ...rest, hasBody: body !== null }));
  const head = new TextEncoder().encode(JSON.stringify({ ...entry, variants }));
  const bodies = entry.variants.flatMap(({ body }) => (body === null ? [] : [body]));
  const length = bodies.reduce((sum, body) => sum + body.byteLength, LENGTH_BYTES + head.byteLength);
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, head.byteLength);
  let offset = LENGTH_BYTES;
  for (const part of [head, ...bodies]) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

/**
 * What {@link encodeEntry} has made bytes of, whatever has become of them since: the client checks what it is given.
 *
 * @throws an error of the platform's, if it makes no sense at all.
 */
export function decodeEntry(bytes: ArrayBuffer): unknown {
  const headBytes = new DataView(bytes).getUint32(0);
  const { variants, ...entry } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, LENGTH_BYTES, headBytes)));
  let offset = LENGTH_BYTES + headBytes;
  const restored = variants.map(
    ({ hasBody, ...rest }: Omit<StoredResponse, 'body'> & { readonly hasBody: boolean }) => {
      if (!hasBody) return { ...rest, body: null };
      // A copy of its own: a view would keep all of them alive. A body that was cut comes out too short.
      const body = new Uint8Array(bytes.slice(offset, offset + rest.bodyBytes));
      offset += rest.bodyBytes;
      return { ...rest, body };
    },
  );
  return { ...entry, variants: restored };
}
