import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIUserAbortError, InternalServerError } from 'openai';
import { createClient } from 'steadfetch';
import { FakeClock } from 'steadfetch/testing';
import { expect, test, vi } from 'vitest';

import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  createApi(baseURL: string, apiKey: string): OpenAI;
}

const { createApi } = await recipe<Recipe>('openai');

const batch = { completion_window: '24h', endpoint: '/v1/embeddings', input_file_id: 'file' } as const;
const question = { model: 'gpt', messages: [{ role: 'user' as const, content: 'Tea?' }] };
const answered = () => Response.json({ choices: [{ message: { content: 'Yes.' }, finish_reason: 'stop' }] });

function event(content: string): Uint8Array {
  return new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
}

/** Server-sent events: the first at once, and then what `next` does, once the first is on its way. */
function streamed(next: (body: ReadableStreamDefaultController<Uint8Array>) => Promise<void>): Response {
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(event('one')), pull: next });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

const never = () => new Promise<never>(() => {});

/** What a caller reads of a stream; `onRead` after each piece. */
async function read(
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
  onRead: () => void = () => {},
): Promise<readonly string[]> {
  const pieces: string[] = [];
  for await (const { choices } of stream) {
    pieces.push(choices[0]?.delta.content ?? '');
    onRead();
  }
  return pieces;
}

test('openai: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await upstream(() => Response.json({ data: [{ id: 'gpt' }] }), 503, 'reset');
  const { data } = await createApi(url, 'key').models.list();
  expect(data).toEqual([{ id: 'gpt' }]);
  expect(requests).toEqual(['GET /models', 'GET /models', 'GET /models']);
});

test('openai: a completion survives what passes, too, and so does one that is streamed', async () => {
  const { url, requests, trouble } = await upstream(answered, 503, 'reset');
  const api = createApi(url, 'key');
  const { choices } = await api.chat.completions.create(question);
  expect(choices[0]?.message.content).toBe('Yes.');
  expect(requests).toHaveLength(3);

  trouble.push(503, 'reset');
  await read(await api.chat.completions.create({ ...question, stream: true }));
  expect(requests).toHaveLength(6);
});

test('openai: where the trouble stays, there are as many requests as the client makes, and the SDK tells of it as ever', async () => {
  const { url, requests } = await upstream(() => Response.json({ error: { message: 'busy' } }, { status: 503 }));
  const call = createApi(url, 'key').chat.completions.create(question);
  await expect(call).rejects.toBeInstanceOf(InternalServerError);
  await expect(call).rejects.toMatchObject({ status: 503 });
  expect(requests).toHaveLength(3);
});

test('openai: with the SDK’s own retries it would be nine', async () => {
  const { url, requests } = await upstream(
    () => new Response(null, { status: 503, headers: { 'retry-after-ms': '1' } }),
  );
  const { fetch } = createClient({ breaker: false });
  const api = new OpenAI({ baseURL: url, apiKey: 'key', fetch });
  await expect(api.models.list()).rejects.toMatchObject({ status: 503 });
  expect(requests).toHaveLength(9);
  await expect(api.batches.create(batch)).rejects.toMatchObject({ status: 503 });
  expect(requests.slice(9)).toEqual(Array(3).fill('POST /batches'));
});

test('openai: what may be sent twice is repeated, and what is kept is not', async () => {
  const { url, requests, trouble } = await upstream(() => Response.json({ data: [] }));
  const api = createApi(url, 'key');
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['/embeddings', () => api.embeddings.create({ model: 'gpt', input: 'tea', encoding_format: 'float' })],
    ['/moderations', () => api.moderations.create({ input: 'tea' })],
    ['/responses', () => api.responses.create({ model: 'gpt', input: 'tea' })],
    ['/files', () => api.files.create({ file: new File(['tea'], 'tea.txt'), purpose: 'batch' })],
  ];
  for (const [, call] of calls) {
    trouble.push(503);
    await call().catch(() => {});
    trouble.length = 0;
  }
  expect(requests).toEqual(
    ['/embeddings', '/embeddings', '/moderations', '/moderations', '/responses', '/files'].map(
      (path) => `POST ${path}`,
    ),
  );
});

test('openai: another write is made once, also with the SDK’s key, and again with a key in its headers', async () => {
  const keys: (string | null)[] = [];
  const { url, requests, trouble } = await upstream((request) => {
    keys.push(request.headers.get('idempotency-key'));
    return Response.json({ id: 'batch' });
  }, 503);
  const batches = createApi(url, 'key').batches;
  await expect(batches.create(batch)).rejects.toMatchObject({ status: 503 });
  expect(requests).toEqual(['POST /batches']);

  await batches.create(batch, { idempotencyKey: 'one' });
  expect(keys).toEqual([null]);

  trouble.push(503);
  await batches.create(batch, { headers: { 'Idempotency-Key': 'two' } });
  expect(requests).toHaveLength(4);
  expect(keys).toEqual([null, 'two']);
});

test('openai: an open circuit is the cause of a connection error', async () => {
  const { url, requests } = await upstream(() => Response.json({}, { status: 500 }));
  const api = createApi(url, 'key');
  for (let call = 0; call < 5; call += 1) await api.batches.create(batch).catch(() => {});
  const refused = api.models.list();
  await expect(refused).rejects.toBeInstanceOf(APIConnectionError);
  await expect(refused).rejects.toMatchObject({ code: undefined, cause: { code: 'CIRCUIT_OPEN' } });
  expect(requests).toHaveLength(5);
});

test('openai: a network error is the cause of a connection error', async () => {
  const { url } = await upstream(answered, 'reset', 'reset', 'reset');
  const lost = createApi(url, 'key').models.list();
  await expect(lost).rejects.toBeInstanceOf(APIConnectionError);
  await expect(lost).rejects.toMatchObject({ cause: { name: 'TypeError' } });
});

test('openai: a deadline, and an attempt timeout, are the cause of a connection timeout', async () => {
  const { url } = await upstream(answered, 'hang', 'hang');
  const api = createApi(url, 'key');
  const late = api.models.list({ fetchOptions: { deadlineMs: 50 } as object });
  await expect(late).rejects.toBeInstanceOf(APIConnectionTimeoutError);
  await expect(late).rejects.toMatchObject({ cause: { code: 'DEADLINE_EXCEEDED' } });
  const slow = api.models.list({ fetchOptions: { attemptTimeoutMs: 50, retry: false } as object });
  await expect(slow).rejects.toBeInstanceOf(APIConnectionTimeoutError);
  await expect(slow).rejects.toMatchObject({ cause: { code: 'ATTEMPT_TIMEOUT' } });
});

test('openai: the SDK’s own timeout, ten minutes by default, is that of the whole call, and counts against nobody', async () => {
  expect(new OpenAI({ apiKey: 'key' })).toMatchObject({ timeout: 600_000, maxRetries: 2 });
  const { url } = await upstream(answered, 'hang');
  const { fetch } = createClient({ breaker: { failureThreshold: 1 } });
  const api = new OpenAI({ baseURL: url, apiKey: 'key', fetch, maxRetries: 0 });
  await expect(api.models.list({ timeout: 50 })).rejects.toBeInstanceOf(APIConnectionTimeoutError);
  await expect(api.models.list()).resolves.toBeDefined();
});

test('openai: the caller’s abort ends the request, and its reason is the cause', async () => {
  const { url, requests } = await upstream(answered, 'hang');
  const caller = new AbortController();
  const call = createApi(url, 'key').chat.completions.create(question, { signal: caller.signal });
  await vi.waitFor(() => expect(requests).toHaveLength(1));
  const reason = new Error('the user left');
  caller.abort(reason);
  await expect(call).rejects.toBeInstanceOf(APIUserAbortError);
  await expect(call).rejects.toMatchObject({ cause: reason });
});

test('openai: a body that breaks off is not asked for again', async () => {
  const { url, requests } = await upstream(answered, 'cut');
  await expect(createApi(url, 'key').models.list()).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(1);
});

test('openai: a deadline while the body is read is thrown as it is', async () => {
  const { url } = await upstream(() => new Response(new ReadableStream({ start: (body) => body.enqueue('{') })));
  const clock = new FakeClock();
  const client = createClient({ clock });
  const headers = Promise.withResolvers<void>();
  client.subscribe(({ type }) => type === 'completed' && headers.resolve());
  const api = new OpenAI({ baseURL: url, apiKey: 'key', fetch: client.fetch, maxRetries: 0 });
  const late = expect(api.models.retrieve('gpt')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await headers.promise;
  await clock.advance(30_000);
  await late;
});

test('openai: the pieces of a stream arrive as they are sent', async () => {
  const first = Promise.withResolvers<void>();
  const { url } = await upstream(() =>
    streamed(async (body) => {
      // Nothing more is sent before the first piece has been read: else this would wait for ever.
      await first.promise;
      body.enqueue(event('two'));
      body.close();
    }),
  );
  const stream = await createApi(url, 'key').chat.completions.create({ ...question, stream: true });
  expect(await read(stream, () => first.resolve())).toEqual(['one', 'two']);
});

test('openai: a stream that breaks off is an error, and is not asked for again', async () => {
  const first = Promise.withResolvers<void>();
  const { url, requests } = await upstream(() =>
    streamed(async (body) => {
      await first.promise;
      body.error(new Error('cut'));
    }),
  );
  const stream = await createApi(url, 'key').chat.completions.create({ ...question, stream: true });
  await expect(read(stream, () => first.resolve())).rejects.toBeInstanceOf(TypeError);
  expect(requests).toHaveLength(1);
});

test('openai: the deadline covers the stream to its end, and its default is 30 s', async () => {
  const { url } = await upstream(() => streamed(never));
  const clock = new FakeClock();
  const api = new OpenAI({ baseURL: url, apiKey: 'key', fetch: createClient({ clock }).fetch, maxRetries: 0 });
  const stream = await api.chat.completions.create({ ...question, stream: true });
  const first = Promise.withResolvers<void>();
  const cut = expect(read(stream, () => first.resolve())).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await first.promise;
  await clock.advance(30_000);
  await cut;
});

test('openai: the options of a call reach the client, for a stream as well', async () => {
  const { url } = await upstream(() => streamed(never));
  const end = new AbortController();
  const deadline = { signal: end.signal, remainingMs: () => 60_000 };
  const stream = await createApi(url, 'key').chat.completions.create(
    { ...question, stream: true },
    { fetchOptions: { deadline } as object },
  );
  await expect(read(stream, () => end.abort())).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test('openai: who leaves a stream ends its request, and who aborts one sees its loop end', async () => {
  const ended = vi.fn();
  const { url } = await upstream(({ signal }) => {
    signal.addEventListener('abort', ended);
    return streamed(never);
  });
  const api = createApi(url, 'key');
  const left = await api.chat.completions.create({ ...question, stream: true });
  for await (const _ of left) break;
  await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(1));

  const caller = new AbortController();
  const aborted = await api.chat.completions.create({ ...question, stream: true }, { signal: caller.signal });
  expect(await read(aborted, () => caller.abort())).toEqual(['one']);
  await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(2));
});

test('openai: a stream that ends early in good order, or with an AbortError, is no error to the SDK', async () => {
  const { url } = await upstream(() => streamed(async (body) => body.close()));
  const early = await createApi(url, 'key').chat.completions.create({ ...question, stream: true });
  expect(await read(early)).toEqual(['one']);

  const abort = new DOMException('The operation was aborted.', 'AbortError');
  const fetch = async () => streamed(async (body) => body.error(abort));
  const api = new OpenAI({ apiKey: 'key', fetch: createClient({ fetch }).fetch, maxRetries: 0 });
  expect(await read(await api.chat.completions.create({ ...question, stream: true }))).toEqual(['one']);
});
