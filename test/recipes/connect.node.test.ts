import { create, createFileRegistry } from '@bufbuild/protobuf';
import type { GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';
import {
  Code,
  ConnectError,
  createClient as createRpcClient,
  type Client as RpcClient,
  type Transport,
} from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createConnectTransport } from '@connectrpc/connect-web';
import { expect, test } from 'vitest';

import { type ClientOptions, createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { recipe } from '../docs/snippets.ts';
import { ownOf, serve, type Trouble } from './upstream.ts';

interface Recipe {
  createTransport(baseUrl: string): Transport;
}

const { createTransport } = await recipe<Recipe>('connect');

type Text = typeof StringValueSchema;
type Unary = { methodKind: 'unary'; input: Text; output: Text };
type ShopService = GenService<{
  read: Unary;
  order: Unary;
  watch: { methodKind: 'server_streaming'; input: Text; output: Text };
}>;

/** What a compiler would make of a `.proto` of three methods, of which the first is declared to have no side effects. */
function describeShop(): ShopService {
  const wrappers = file_google_protobuf_wrappers;
  const text = '.google.protobuf.StringValue';
  const method = (name: string, rest = {}): object => ({ name, inputType: text, outputType: text, ...rest });
  const file = create(FileDescriptorProtoSchema, {
    name: 'shop.proto',
    package: 'shop',
    syntax: 'proto3',
    dependency: [wrappers.proto.name],
    service: [
      {
        name: 'Shop',
        method: [
          method('Read', { options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS } }),
          method('Order'),
          method('Watch', { serverStreaming: true }),
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, (name) => (name === wrappers.proto.name ? wrappers : undefined));
  const service = registry.getService('shop.Shop');
  if (service === undefined) throw new Error('There is no shop.Shop');
  return service as ShopService;
}

const Shop = describeShop();

interface Server {
  readonly url: string;
  readonly requests: string[];
  /** What the server was told to be left, in ms. */
  readonly told: number[];
  /** Lets a stream send its next message. */
  readonly next: () => void;
}

/** A real Connect server: trouble first, then echoes. A value that names a code is answered with it. */
async function shop(...trouble: Trouble[]): Promise<Server> {
  const requests: string[] = [];
  const told: number[] = [];
  let next = (): void => {};
  const turns = new ReadableStream<void>({
    start(controller) {
      next = () => controller.enqueue();
    },
  }).getReader();
  const echo = ({ value }: { value: string }): { value: string } => {
    const code = Object.entries(Code).find(([name]) => name === value)?.[1];
    if (typeof code === 'number') throw new ConnectError('as asked', code);
    return { value };
  };
  const handler = connectNodeAdapter({
    routes(router) {
      router.service(Shop, {
        read: echo,
        order: echo,
        async *watch(request) {
          for (let count = 1; count <= 3; count += 1) {
            yield { value: `${request.value} ${count}` };
            await turns.read();
          }
          echo(request);
        },
      });
    },
  });
  const { url } = await serve(handler, trouble, (request) => {
    requests.push(`${request.method} ${request.url?.replace(/\?.*/, '')}`);
    told.push(Number(request.headers['connect-timeout-ms'] ?? Number.NaN));
  });
  return { url, requests, told, next };
}

const apiOf = (url: string): RpcClient<ShopService> => createRpcClient(Shop, createTransport(url));

/** The error that a call rejects with. */
async function errorOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('It did not reject');
}

test('connect: a read survives what passes, and the client alone repeats it', async () => {
  const { url, requests } = await shop(503, 'reset');
  expect((await apiOf(url).read({ value: 'tea' })).value).toBe('tea');
  expect(requests).toEqual(Array(3).fill('GET /shop.Shop/Read'));
});

test('connect: a method that may have side effects is a POST, and made once', async () => {
  const { url, requests } = await shop(503, 'reset');
  expect(await errorOf(apiOf(url).order({ value: 'tea' }))).toMatchObject({ code: Code.Unavailable });
  expect(await errorOf(apiOf(url).order({ value: 'tea' }))).toMatchObject({
    code: Code.Unknown,
    cause: expect.any(TypeError),
  });
  expect(requests).toEqual(Array(2).fill('POST /shop.Shop/Order'));
});

test.for([
  { name: 'Unavailable', status: 503, count: 3 },
  { name: 'ResourceExhausted', status: 429, count: 3 },
  { name: 'Internal', status: 500, count: 3 },
  { name: 'Unknown', status: 500, count: 3 },
  { name: 'NotFound', status: 404, count: 1 },
] as const)(
  'connect: a read that the server answers with $name, a $status, makes $count requests, and its code is handed on',
  async ({ name, status, count }) => {
    const { url, requests } = await shop();
    expect(await errorOf(apiOf(url).read({ value: name }))).toMatchObject({ code: Code[name], rawMessage: 'as asked' });
    expect(requests).toHaveLength(count);
    const statuses: number[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, init);
      statuses.push(response.status);
      return response;
    };
    await errorOf(createRpcClient(Shop, createConnectTransport({ baseUrl: url, fetch })).read({ value: name }));
    expect(statuses).toEqual([status]);
  },
);

test('connect: where the trouble stays, the circuit opens, and says so as the cause', async () => {
  const { url, requests } = await shop();
  const api = apiOf(url);
  for (let call = 1; call <= 5; call += 1) {
    await errorOf(api.read({ value: 'Unavailable' }));
    expect(requests).toHaveLength(3 * call);
  }
  expect(await errorOf(api.read({ value: 'tea' }))).toMatchObject({
    code: Code.Unknown,
    cause: { code: 'CIRCUIT_OPEN' },
  });
  expect(requests).toHaveLength(15);
});

test('connect: the server is told what is left of the deadline, and a timeout is Connect’s to the caller', async () => {
  const { url, told } = await shop('hang');
  const error = await errorOf(apiOf(url).order({ value: 'tea' }));
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: Code.DeadlineExceeded, cause: { code: 'ATTEMPT_TIMEOUT' } });
  expect(told).toHaveLength(1);
  for (const leftMs of told) expect(leftMs).toBeLessThanOrEqual(2_000);
});

test('connect: the server is told anew with each attempt', async () => {
  const { url, told } = await shop(503, 503);
  const clock = new FakeClock();
  const [client, api] = apart(url, {
    clock,
    random: () => 0.5,
    propagateDeadline: { header: 'connect-timeout-ms' },
    retry: { initialDelayMs: 200 },
  });
  const waits: number[] = [];
  client.subscribe((event) => void (event.type === 'retry' && waits.push(event.delayMs)));
  const fetched = api.order({ value: 'tea' }, { headers: { 'idempotency-key': '1' } });
  await expect.poll(() => waits).toEqual([100]);
  await clock.advance(100);
  await expect.poll(() => waits).toEqual([100, 200]);
  await clock.advance(200);
  expect((await fetched).value).toBe('tea');
  expect(told).toEqual([2_000, 1_900, 1_700]);
});

test('connect: the caller’s abort is a canceled call', async () => {
  const { url, requests } = await shop('hang');
  const controller = new AbortController();
  const error = errorOf(apiOf(url).read({ value: 'tea' }, { signal: controller.signal }));
  await expect.poll(() => requests).toHaveLength(1);
  controller.abort();
  expect(await error).toMatchObject({ code: Code.Canceled });
  expect(requests).toHaveLength(1);
});

test('connect: the messages of a stream come one by one', async () => {
  const { url, next } = await shop();
  const values: string[] = [];
  for await (const { value } of apiOf(url).watch({ value: 'tea' })) {
    values.push(value);
    next();
  }
  expect(values).toEqual(['tea 1', 'tea 2', 'tea 3']);
});

test('connect: a stream is a POST and made once, unless the transport says that it may be repeated', async () => {
  const { url, requests } = await shop(503, 'reset', 503);
  const first = (stream: AsyncIterable<unknown>): Promise<unknown> => stream[Symbol.asyncIterator]().next();
  expect(await errorOf(first(apiOf(url).watch({ value: 'tea' })))).toMatchObject({ code: Code.Unavailable });
  expect(requests).toHaveLength(1);

  const client = createClient();
  const fetch: typeof globalThis.fetch = (input, init) => client.fetch(input, { ...init, idempotent: true });
  const api = createRpcClient(Shop, createConnectTransport({ baseUrl: url, fetch }));
  expect(await first(api.watch({ value: 'tea' }))).toMatchObject({ value: { value: 'tea 1' } });
  expect(requests).toEqual(Array(4).fill('POST /shop.Shop/Watch'));
});

/** A client of its own, whose states can be asked, and its RPC. */
function apart(url: string, options: ClientOptions = {}): [ReturnType<typeof createClient>, RpcClient<ShopService>] {
  const client = createClient({ deadlineMs: 2_000, ...options });
  return [client, createRpcClient(Shop, createConnectTransport({ baseUrl: url, fetch: client.fetch }))];
}

test('connect: a stream that fails at its end has been a success', async () => {
  const { url, next, requests } = await shop();
  const [client, api] = apart(url);
  const all = async (): Promise<void> => {
    for await (const _ of api.watch({ value: 'Unavailable' })) next();
  };
  expect(await errorOf(all())).toMatchObject({ code: Code.Unavailable });
  expect(requests).toHaveLength(1);
  expect(client.snapshot().dependencies[url]?.counters).toMatchObject({ success: 1, failure: 0 });
});

test('connect: the deadline cuts a stream that goes on for longer, and Connect takes it for an abort', async () => {
  const { url } = await shop();
  const clock = new FakeClock();
  const [, api] = apart(url, { clock });
  const stream = api.watch({ value: 'tea' })[Symbol.asyncIterator]();
  await stream.next();
  const cut = errorOf(stream.next());
  await clock.advance(2_000);
  expect(await cut).toMatchObject({ code: Code.Canceled, cause: undefined });
});

test('connect: without the catch of the recipe, a timeout before the headers would be an abort, and lost', async () => {
  const { url, requests } = await shop('hang');
  const clock = new FakeClock();
  const [, api] = apart(url, { clock });
  const error = errorOf(api.read({ value: 'tea' }));
  await expect.poll(() => requests).toHaveLength(1);
  await clock.advance(2_000);
  expect(await error).toMatchObject({ code: Code.Canceled, cause: undefined });
});

test('connect: it has no timeouts and repeats nothing, unless told so', async () => {
  const read =
    (options: object) =>
    (baseUrl: string, signal: AbortSignal): Promise<unknown> =>
      createRpcClient(Shop, createConnectTransport({ baseUrl, ...options })).read({ value: 'tea' }, { signal });
  expect(await ownOf(read({}))).toEqual({ requests: 1, timers: 0 });
  expect((await ownOf(read({ defaultTimeoutMs: 1_000 }))).timers).toBeGreaterThan(0);
});
