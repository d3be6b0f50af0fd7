import { readFileSync } from 'node:fs';
import {
  getGlobalDispatcher,
  interceptors,
  MockAgent,
  RetryAgent,
  setGlobalDispatcher,
  fetch as undiciFetch,
} from 'undici';
import { expect, onTestFinished, test } from 'vitest';

import { type Client, createClient, type FetchInit } from '../../src/index.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { recipe } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  createMocked(): { readonly client: Client; readonly network: MockAgent };
}

const { createMocked } = await recipe<Recipe>('undici-mock-agent');

const shop = 'https://shop.test';
const products = { path: '/products', method: 'GET' };

/** An agent that answers nothing yet, until the test is over. */
function agent(): MockAgent {
  const network = new MockAgent({ enableCallHistory: true });
  network.disableNetConnect();
  onTestFinished(() => network.close());
  return network;
}

/** An outage that passes with the third request. */
function passing(network: MockAgent): MockAgent {
  const pool = network.get(shop);
  pool.intercept(products).reply(503, '');
  pool.intercept(products).replyWithError(new Error('reset'));
  pool.intercept(products).reply(200, ['tea']);
  return network;
}

test('undici-mock-agent: a read survives what passes, and each attempt takes an answer', async () => {
  const { client, network } = createMocked();
  passing(network);
  expect((await client.json(`${shop}/products`)).value).toEqual(['tea']);
  network.assertNoPendingInterceptors();
  expect(client.snapshot().dependencies[shop]?.counters).toMatchObject({ calls: 1, attempts: 3, success: 1 });
});

test('undici-mock-agent: where the trouble stays, there are three requests to a read, until the circuit opens', async () => {
  const network = agent();
  network.get(shop).intercept(products).reply(503, '').persist();
  const client = createClient({ retry: { initialDelayMs: 0 } });
  const dispatched = { dispatcher: network } as FetchInit;
  for (let call = 1; call <= 5; call += 1) {
    expect((await client.fetch(`${shop}/products`, dispatched)).status).toBe(503);
    expect(network.getCallHistory()?.calls()).toHaveLength(3 * call);
  }
  await expect(client.fetch(`${shop}/products`, dispatched)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  expect(network.getCallHistory()?.calls()).toHaveLength(15);
});

test('undici-mock-agent: a write is made once', async () => {
  const { client, network } = createMocked();
  network.get(shop).intercept({ path: '/orders', method: 'POST' }).reply(503, '').times(2);
  expect((await client.fetch(`${shop}/orders`, { method: 'POST', body: '{}' })).status).toBe(503);
  expect(network.pendingInterceptors()).toMatchObject([{ path: '/orders', timesInvoked: 1 }]);
});

test.for<[string, (network: MockAgent) => Promise<unknown>]>([
  [
    'a dispatcher in the init of a call',
    (network) => createClient().json(`${shop}/products`, { dispatcher: network } as FetchInit),
  ],
  [
    'the global dispatcher, for a client that is older',
    (network) => {
      const client = createClient();
      const before = getGlobalDispatcher();
      onTestFinished(() => setGlobalDispatcher(before));
      setGlobalDispatcher(network);
      return client.json(`${shop}/products`);
    },
  ],
  [
    'the fetch of undici',
    (network) => {
      const through = (input: unknown, init?: object): Promise<unknown> =>
        undiciFetch(input as string, { ...init, dispatcher: network });
      return createClient({ fetch: through as typeof fetch }).json(`${shop}/products`);
    },
  ],
])('undici-mock-agent: %s does as well', async ([, read]) => {
  const network = passing(agent());
  expect(await read(network)).toMatchObject({ value: ['tea'] });
  network.assertNoPendingInterceptors();
});

test('undici-mock-agent: Node and undici are those that the page names', () => {
  const { version } = JSON.parse(readFileSync('node_modules/undici/package.json', 'utf8')) as { version: string };
  const named = `in Node ${process.versions.node.split('.')[0]} with undici ${version.split('.')[0]}.`;
  expect(readFileSync('docs/recipes/undici-mock-agent.md', 'utf8')).toContain(named);
});

test('undici-mock-agent: a Response of undici’s own fetch is none of the platform’s', async () => {
  const network = agent();
  network.get(shop).intercept(products).reply(200, ['tea']);
  const response = await undiciFetch(`${shop}/products`, { dispatcher: network });
  expect(response).not.toBeInstanceOf(Response);
  expect(await response.json()).toEqual(['tea']);
});

test('undici-mock-agent: what is not mocked is a network error, and is tried three times', async () => {
  const { client, network } = createMocked();
  network.get(shop).intercept(products).reply(200, ['tea']);
  const error = await client.fetch(`${shop}/other`).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ cause: { name: 'MockNotMatchedError' } });
  expect(client.snapshot().dependencies[shop]?.counters).toMatchObject({ attempts: 3, failure: 1 });
});

test('undici-mock-agent: a real upstream can be let through', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea']), 503, 'reset');
  const { client, network } = createMocked();
  network.enableNetConnect(new URL(url).host);
  expect((await client.json(`${url}/products`)).value).toEqual(['tea']);
  expect(requests).toHaveLength(3);
  await network.close();
});

test('undici-mock-agent: a RetryAgent below the client repeats by itself', async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const network = new MockAgent();
  const repeating = new RetryAgent(network, { minTimeout: 0, timeoutFactor: 1 });
  onTestFinished(() => network.close());
  const client = createClient({ retry: { initialDelayMs: 0 } });
  await client.fetch(url, { dispatcher: repeating } as FetchInit).catch(() => {});
  expect(requests).toHaveLength(18);
});

test("undici-mock-agent: undici's retry interceptor below the client repeats by itself", async () => {
  const { url, requests } = await upstream(() => new Response(null, { status: 503 }));
  const network = new MockAgent();
  const repeating = network.compose(interceptors.retry({ minTimeout: 0, timeoutFactor: 1 }));
  onTestFinished(() => network.close());
  const client = createClient({ retry: { initialDelayMs: 0 } });
  await client.fetch(url, { dispatcher: repeating } as FetchInit).catch(() => {});
  expect(requests).toHaveLength(18);
});

test('undici-mock-agent: a timeout costs no real time, and an abort passes through', async () => {
  const network = agent();
  const pool = network.get(shop);
  pool.intercept(products).reply(200, ['tea']).delay(2_147_483_647).times(2);
  const clock = new FakeClock();
  const client = createClient({ clock, attemptTimeoutMs: 500, retry: false });
  const dispatched = { dispatcher: network } as FetchInit;
  const late = client.fetch(`${shop}/products`, dispatched).catch((error: unknown) => error);
  await expect.poll(() => network.getCallHistory()?.calls()).toHaveLength(1);
  await clock.advance(500);
  expect(await late).toMatchObject({ code: 'ATTEMPT_TIMEOUT' });

  const controller = new AbortController();
  const left = client.fetch(`${shop}/products`, { ...dispatched, signal: controller.signal });
  await expect.poll(() => network.getCallHistory()?.calls()).toHaveLength(2);
  const reason = new Error('left');
  controller.abort(reason);
  await expect(left).rejects.toBe(reason);
});
