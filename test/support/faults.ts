import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import type { HttpRequest } from './http-request.ts';

/** One request on its own connection, and what the script says about the answer. */
export interface Exchange {
  readonly socket: Socket;
  readonly request: HttpRequest;
  /** `503;retry-after=2` → `{ 'retry-after': '2' }` */
  readonly parameters: Readonly<Record<string, string>>;
  /** Aborts when the connection is gone, whoever closed it. */
  readonly gone: AbortSignal;
}

/** Plays one fault. It has played it to its end when it returns; the client leaving earlier aborts `gone`. */
export type Fault = (exchange: Exchange) => void | Promise<void>;

const okBody = Buffer.from('{"ok":true}');

/**
 * Every fault that a script can name, besides a bare status: `503`, `429;retry-after=2`, `200;body=hi;etag="1"` answer with that
 * status, and each parameter but `body` is a header.
 */
export const faults: Readonly<Record<string, Fault>> = {
  ok: (exchange) => answer(exchange, 200),

  // The connection, before a byte of the answer.
  reset: ({ socket }) => reset(socket),
  empty: ({ socket }) => end(socket),
  hang: ({ gone }) => untilGone(gone),

  // The head.
  'slow-headers': async ({ socket, parameters, gone }) => {
    const bytes = Buffer.concat([soundHead(okBody.length), okBody]);
    await drip(socket, bytes, Number(parameters['everyMs'] ?? 1_000), gone);
    end(socket);
  },
  'not-http': ({ socket }) => end(socket, 'This is not the protocol you are looking for.\r\n\r\n'),
  'two-lengths': ({ socket }) => end(socket, head(200, { 'content-length': '11\r\ncontent-length: 12' }), okBody),
  'nul-header': ({ socket }) => end(socket, soundHead(okBody.length, { 'x-broken': 'a\0b' }), okBody),
  'long-header': ({ socket }) => end(socket, soundHead(okBody.length, { 'x-long': 'a'.repeat(2 ** 20) }), okBody),

  // The body: `body` is what it was going to be, and half of it is sent.
  'body-hang': async ({ socket, gone }) => {
    socket.write(soundHead(okBody.length));
    await untilGone(gone);
  },
  'body-stall': async ({ socket, parameters, gone }) => {
    const { length, half } = bodyOf(parameters);
    socket.write(soundHead(length));
    socket.write(half);
    await untilGone(gone);
  },
  'slow-body': async ({ socket, parameters, gone }) => {
    socket.write(soundHead(okBody.length));
    await drip(socket, okBody, Number(parameters['everyMs'] ?? 1_000), gone);
    end(socket);
  },
  'cut-body': ({ socket, parameters }) => {
    const { length, half } = bodyOf(parameters);
    end(socket, soundHead(length), half);
  },
  'cut-chunked': ({ socket, parameters }) => end(socket, chunkedHead(), chunk(bodyOf(parameters).half)),
  // All that was meant to be sent, but for the last chunk that says so.
  'unended-chunked': ({ socket }) => end(socket, chunkedHead(), chunk(okBody)),
  'reset-body': async ({ socket, parameters }) => {
    const { length, half } = bodyOf(parameters);
    await flush(socket, soundHead(length), half);
    reset(socket);
  },
  'reset-chunked': async ({ socket, parameters }) => {
    await flush(socket, chunkedHead(), chunk(bodyOf(parameters).half));
    reset(socket);
  },
  gzip: ({ socket }) => endGzip(socket, gzipSync(okBody)),
  'gzip-corrupt': ({ socket }) => {
    const bytes = gzipSync(okBody);
    bytes[10] = 0xff; // the first byte after gzip's own head: a block type that does not exist
    endGzip(socket, bytes);
  },
  'gzip-cut': ({ socket }) => endGzip(socket, gzipSync(okBody).subarray(0, 15)),
  huge: async ({ socket, parameters, gone }) => {
    const size = Number(parameters['bytes'] ?? 1e9);
    socket.write(head(Number(parameters['status'] ?? 200), { 'content-length': size }));
    await pour(socket, size, gone);
    end(socket);
  },

  // `redirect,ok` leads to the next step of the script; a script that ends on `redirect` is a loop.
  redirect: ({ socket, request, parameters }) =>
    end(socket, head(302, { location: parameters['location'] ?? request.target, 'content-length': 0 })),
};

/** Looks up `reset`, `503`, `slow-body;everyMs=5`; `undefined` when there is no such fault. */
export function parseFault(step: string): { play: Fault; parameters: Record<string, string> } | undefined {
  const [name = '', ...pairs] = step.split(';').map(decodeURIComponent);
  const parameters = Object.fromEntries(pairs.map(parsePair));
  if (/^[2-5]\d\d$/.test(name)) return { play: (exchange) => answer(exchange, Number(name)), parameters };
  const play = faults[name];
  return play && { play, parameters };
}

function parsePair(pair: string): [name: string, value: string] {
  const [name = '', ...value] = pair.split('=');
  return [name, value.join('=')];
}

/** A well-formed answer, on a connection that ends with it: one request is one connection, so a count is a count. */
export function answer(
  { socket, request, parameters }: Pick<Exchange, 'socket' | 'request' | 'parameters'>,
  status: number,
): void {
  const { body = status < 300 ? okBody.toString() : `{"status":${status}}`, ...headers } = parameters;
  if (status === 204 || status === 304) {
    end(socket, head(status, headers));
    return;
  }
  const bytes = Buffer.from(body);
  const contentHead = head(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers });
  end(socket, contentHead, request.method === 'HEAD' ? Buffer.alloc(0) : bytes);
}

/** The status line and headers; every answer may be read by any origin and stored by nobody. */
export function head(status: number, headers: Readonly<Record<string, string | number>>): Buffer {
  const all = {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': '*, retry-after, etag, content-length',
    'cache-control': 'no-store',
    connection: 'close',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} Scripted\r\n${lines.join('')}\r\n`, 'latin1');
}

function bodyOf({ body }: Exchange['parameters']): { length: number; half: Buffer } {
  const bytes = body === undefined ? okBody : Buffer.from(body);
  return { length: bytes.length, half: bytes.subarray(0, Math.ceil(bytes.length / 2)) };
}

/** With a type: without one, Firefox keeps the response back until it has seen enough of the body to guess by. */
function soundHead(length: number, headers: Readonly<Record<string, string>> = {}): Buffer {
  return head(200, { 'content-type': 'application/json', 'content-length': length, ...headers });
}

function chunkedHead(): Buffer {
  return head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

function endGzip(socket: Socket, bytes: Buffer): void {
  end(socket, soundHead(bytes.length, { 'content-encoding': 'gzip' }), bytes);
}

/** Sends a FIN after the last byte. */
function end(socket: Socket, ...parts: (Buffer | string)[]): void {
  for (const part of parts) socket.write(part);
  socket.end();
}

/** Sends a RST: what the kernel has not delivered yet is lost. */
function reset(socket: Socket): void {
  socket.resetAndDestroy();
}

/** Gives the client time to read the bytes, so that a reset after them comes in the middle of the body on every engine. */
async function flush(socket: Socket, ...parts: Buffer[]): Promise<void> {
  for (const part of parts) socket.write(part);
  await sleep(100);
}

/** Writes one byte at a time. */
async function drip(socket: Socket, bytes: Buffer, everyMs: number, gone: AbortSignal): Promise<void> {
  for (const byte of bytes) {
    await sleep(everyMs, undefined, { signal: gone });
    socket.write(Buffer.of(byte));
  }
}

/** Writes `size` bytes of JSON, mostly white space, no faster than the client takes them. */
async function pour(socket: Socket, size: number, gone: AbortSignal): Promise<void> {
  const spaces = Buffer.alloc(65_536, ' ');
  for (let left = size - 2; left > 0; left -= spaces.length) {
    if (!socket.write(spaces.subarray(0, left))) await once(socket, 'drain', { signal: gone });
  }
  socket.write('{}');
}

function untilGone(gone: AbortSignal): Promise<void> {
  return new Promise((_, reject) => gone.addEventListener('abort', () => reject(gone.reason), { once: true }));
}
