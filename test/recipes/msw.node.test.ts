import { Socket } from 'node:net';
import { delay, HttpResponse, http, passthrough, type RequestHandler } from 'msw';
import { type SetupServer, setupServer } from 'msw/node';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';

import { type Client, createClient } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  readonly client: Client;
  createNetwork(baseUrl: string): SetupServer;
}

/** What Node tells nobody officially. */
interface Internals {
  _getActiveHandles(): readonly (Socket & { readonly _handle?: { close(): void } | null })[];
}

// MSW 3.0.5 destroys the socket of each answer, but leaves its handle behind.
afterAll(() => {
  const handles = (process as unknown as Internals)._getActiveHandles();
  for (const socket of handles) if (socket instanceof Socket && socket.destroyed) socket._handle?.close();
});

const shop = 'http://shop.test';

type Listening = Parameters<SetupServer['listen']>[0];

/** Lets it answer until the test is over; `GET /path` of each request that it is asked. */
function listen(network: SetupServer, options: Listening = {}): readonly string[] {
  const asked: string[] = [];
  network.events.on('request:start', ({ request }) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
  });
  network.listen({ onUnhandledFrame: 'bypass', ...options });
  onTestFinished(() => network.close());
  return asked;
}

const mocked = (...handlers: RequestHandler[]): readonly string[] => listen(setupServer(...handlers));

/** What MSW says on the console of a handler or a request that is wrong. */
function silenced(): ReturnType<typeof vi.spyOn> {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => told.mockRestore());
  return told;
}

test('msw: a client that is older than listen() survives what passes, and each attempt is a request', async () => {
  const { client, createNetwork } = await recipe<Recipe>('msw');
  const asked = listen(createNetwork(shop));
  expect((await client.json(`${shop}/products`)).value).toEqual(['tea']);
  expect(asked).toEqual(Array(3).fill('GET /products'));
  expect(client.snapshot().dependencies[shop]?.counters).toMatchObject({ calls: 1, attempts: 3, success: 1 });
});

test('msw: a fetch that the client was given before goes past it, and one that looks it up does not', async () => {
  const { url } = await upstream(() => Response.json('real'));
  const captured = createClient({ fetch: globalThis.fetch });
  const lookedUp = createClient({ fetch: (input, init) => fetch(input, init) });
  mocked(http.get(`${url}/products`, () => HttpResponse.json('mocked')));
  expect((await lookedUp.json(`${url}/products`)).value).toBe('mocked');
  expect((await captured.json(`${url}/products`)).value).toBe('real');
});

test('msw: where the trouble stays, there are three requests to a read, until the circuit opens; resetHandlers() does not close it', async () => {
  const network = setupServer(http.get(`${shop}/products`, () => HttpResponse.error()));
  const asked = listen(network);
  const client = createClient({ retry: { initialDelayMs: 0 } });
  for (let call = 1; call <= 5; call += 1) {
    await expect(client.fetch(`${shop}/products`)).rejects.toThrow(TypeError);
    expect(asked).toHaveLength(3 * call);
  }
  network.resetHandlers(http.get(`${shop}/products`, () => HttpResponse.json(['tea'])));
  await expect(client.fetch(`${shop}/products`)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(asked).toHaveLength(15);
});

test('msw: a write is made once', async () => {
  const asked = mocked(http.post(`${shop}/orders`, () => new HttpResponse(null, { status: 503 })));
  const { status } = await createClient().fetch(`${shop}/orders`, { method: 'POST', body: '{}' });
  expect(status).toBe(503);
  expect(asked).toEqual(['POST /orders']);
});

test('msw: a handler that throws is a 500, and is asked again', async () => {
  const told = silenced();
  const asked = mocked(
    http.get(`${shop}/products`, () => {
      throw new Error('a bug');
    }),
  );
  expect((await createClient({ retry: { initialDelayMs: 0 } }).fetch(`${shop}/products`)).status).toBe(500);
  expect(asked).toHaveLength(3);
  expect(told).toHaveBeenCalled();
});

test('msw: a request that no handler knows is a network error where MSW is told so, once for each attempt', async () => {
  const told = silenced();
  const asked = listen(setupServer(), { onUnhandledFrame: 'error' });
  await expect(createClient({ retry: { initialDelayMs: 0 } }).fetch(`${shop}/other`)).rejects.toThrow(TypeError);
  expect(asked).toHaveLength(3);
  expect(told).toHaveBeenCalledTimes(3);
});

test('msw: what is not mocked goes to the network through the client', async () => {
  const { url, requests, trouble } = await upstream(() => Response.json('real'), 503, 'reset');
  mocked(http.get(`${url}/products`, () => passthrough()));
  const client = createClient({ retry: { initialDelayMs: 0 } });
  expect((await client.json(`${url}/products`)).value).toBe('real');
  trouble.push(503);
  expect((await client.json(`${url}/other`)).value).toBe('real');
  expect(requests).toEqual([...Array(3).fill('GET /products'), ...Array(2).fill('GET /other')]);
});

test('msw: an upstream that hangs costs no real time, and an abort passes through', async () => {
  const asked = mocked(http.get(`${shop}/products`, () => delay('infinite')));
  const clock = new FakeClock();
  const client = createClient({ clock, attemptTimeoutMs: 500, retry: false });
  const late = client.fetch(`${shop}/products`).catch((error: unknown) => error);
  await expect.poll(() => asked).toHaveLength(1);
  await clock.advance(500);
  expect(await late).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });
  expect(client.snapshot().dependencies[shop]?.counters).toMatchObject({ failure: 1 });

  const controller = new AbortController();
  const left = client.fetch(`${shop}/products`, { signal: controller.signal });
  await expect.poll(() => asked).toHaveLength(2);
  const reason = new Error('left');
  controller.abort(reason);
  await expect(left).rejects.toBe(reason);
});
