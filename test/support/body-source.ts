import { vi } from 'vitest';

/** A body that gives its chunks as they are asked for, and tells what is done to it. */
export function source(...chunks: readonly string[]) {
  const rest = [...chunks];
  const pulled = vi.fn();
  const cancelled = vi.fn();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(own) {
        controller = own;
      },
      pull(own) {
        pulled();
        const chunk = rest.shift();
        if (chunk === undefined) own.close();
        else own.enqueue(new TextEncoder().encode(chunk));
      },
      cancel: cancelled,
    },
    { highWaterMark: 0 },
  );
  return { stream, pulled, cancelled, fail: (error: unknown): void => controller?.error(error) };
}
