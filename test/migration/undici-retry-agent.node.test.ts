import {
  Agent,
  type Dispatcher,
  getGlobalDispatcher,
  interceptors,
  MockAgent,
  RetryAgent,
  RetryHandler,
  request,
  setGlobalDispatcher,
} from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';

import { createClient } from '../../src/index.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { cutServer } from './cut-server.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, snippets } from './guide.ts';

interface Guide {
  readonly agent: Agent;
  load(url: string): Promise<unknown>;
}

const soon = { minTimeout: 1 };

/** A RetryAgent until the test is over; there is no type that both fetch and undici call a dispatcher. */
function retryAgent(options: RetryHandler.RetryOptions = {}, agent: Agent = new Agent()): RetryAgent {
  onTestFinished(() => agent.destroy());
  return new RetryAgent(agent, { ...soon, ...options });
}

function through(dispatcher: Dispatcher): RequestInit {
  return { dispatcher } as RequestInit;
}

function quick(options: object = {}): ReturnType<typeof createClient> {
  return createClient({ ...options, retry: { initialDelayMs: 1 } });
}

test('RetryAgent: each option has a row, and defaults are as told', () => {
  const options = membersOf('undici/types/retry-handler.d.ts', 'RetryOptions');
  expect(options).toHaveLength(10);
  const noDispatch = { dispatch: () => true, handler: {} };
  const handler = new RetryHandler({ path: '/', method: 'GET' }, noDispatch);
  const theirs = {
    ...Object.fromEntries(options.map((key) => [key, undefined])),
    ...Reflect.get(handler, 'retryOpts'),
    retry: IN_WORDS,
    headersTimeout: 300_000,
    bodyTimeout: 300_000,
    connectTimeout: 10_000,
    connections: undefined,
  };
  expect(mistakesIn('undici-retry-agent', theirs)).toEqual([]);
  const source = readSource('undici/lib/dispatcher/client.js');
  expect(source).toContain('headersTimeout != null ? headersTimeout : 300e3');
  expect(source).toContain('bodyTimeout != null ? bodyTimeout : 300e3');
  expect(readSource('undici/lib/core/connect.js')).toContain('timeout == null ? 10e3 : timeout');
});

test('RetryAgent: both sides of the guide get over the same trouble, and give up after as many requests', async () => {
  const errors: unknown[] = [];
  const platform = getGlobalDispatcher();
  onTestFinished(() => setGlobalDispatcher(platform));
  for await (const { load, agent } of snippets<Guide>('undici-retry-agent')) {
    onTestFinished(() => agent.destroy());
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    errors.push(await errorOf(load(`${at}/teas`)));
    expect(requests).toHaveLength(6);
  }
  expect(errors).toMatchObject([{ name: 'TypeError' }, { name: 'HttpError' }]);
});

test('RetryAgent makes 6 attempts in 15.5 s by default, without jitter; the client 3, spread', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const startedAt = Date.now();
  const at: number[] = [];
  const mock = new MockAgent();
  mock.disableNetConnect();
  mock
    .get(origin)
    .intercept({ path: '/' })
    .reply(() => {
      at.push(Date.now() - startedAt);
      return { statusCode: 503 };
    })
    .persist();
  const theirs = watch(request(origin, { dispatcher: new RetryAgent(mock, { throwOnError: false }) }));
  for (let turns = 0; turns < 40; turns += 1) await vi.advanceTimersByTimeAsync(500);
  expect(theirs.state).toBe('resolved');
  expect(at).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500]);

  for (const { random, waits } of [
    { random: 0, waits: [0, 100, 300] },
    { random: 0.5, waits: [0, 50, 150] },
  ]) {
    const sent: number[] = [];
    const step = (): number => {
      sent.push(clock.now());
      return 503;
    };
    const { client, clock } = clientBench([step], { random: () => random });
    const call = client.fetch(url);
    await clock.advance(1_000);
    await call;
    expect(sent).toEqual(waits);
  }
});

test('a status that stays: RetryAgent rejects, the client gives the answer', async () => {
  const { url: at } = await upstream(() => new Response('busy', { status: 503 }));
  expect(await errorOf(request(at, { dispatcher: retryAgent() }))).toMatchObject({ name: 'RequestRetryError' });
  expect(await errorOf(fetch(at, through(retryAgent())))).toMatchObject({
    name: 'TypeError',
    cause: { name: 'RequestRetryError' },
  });
  expect(await (await quick().fetch(at)).text()).toBe('busy');
});

test('a POST: RetryAgent does not repeat it, and rejects all the same; the client gives the answer', async () => {
  const { url: at, requests } = await upstream(() => new Response('busy', { status: 503 }));
  const post = { method: 'POST', body: 'tea' } as const;
  expect(await errorOf(request(at, { ...post, dispatcher: retryAgent() }))).toMatchObject({
    name: 'RequestRetryError',
  });
  expect(requests).toHaveLength(1);
  expect(await (await quick().fetch(at, post)).text()).toBe('busy');
  expect(requests).toHaveLength(2);
});

test('a body that breaks off: RetryAgent asks for the rest, json() starts anew, and after fetch() the reader is told', async () => {
  const resumed = await cutServer('["tea"]');
  expect(await (await fetch(resumed.url, through(retryAgent()))).json()).toEqual(['tea']);
  expect(resumed.ranges).toEqual([undefined, 'bytes=3-6']);

  const anew = await cutServer('["tea"]');
  expect((await quick().json(anew.url)).value).toEqual(['tea']);
  expect(anew.ranges).toEqual([undefined, undefined]);

  const told = await cutServer('["tea"]');
  const response = await quick().fetch(told.url);
  await expect(response.json()).rejects.toThrow(TypeError);
  expect(told.ranges).toEqual([undefined]);
});

test('a request with a body: RetryAgent fails to send it again through fetch; the client sends what can be replayed', async () => {
  const put = { method: 'PUT', body: 'tea' };
  const theirs = await upstream(() => Response.json([]), 503);
  expect(await errorOf(fetch(theirs.url, { ...put, ...through(retryAgent()) }))).toMatchObject({
    cause: { name: 'RequestContentLengthMismatchError' },
  });
  const ours = await upstream(async (seen) => new Response(await seen.text()), 503);
  expect(await (await quick().fetch(ours.url, put)).text()).toBe('tea');
  const stream = await upstream(() => Response.json([]), 503);
  const once = { method: 'PUT', body: new Blob(['tea']).stream(), duplex: 'half' } as RequestInit;
  expect((await quick().fetch(stream.url, once)).status).toBe(503);
  expect(stream.requests).toHaveLength(1);
});

test('Retry-After: RetryAgent cuts it to maxTimeout; the client keeps to it, or does not ask again', async () => {
  const asked: number[] = [];
  const answer = (): Response => {
    asked.push(performance.now());
    return asked.length > 1
      ? Response.json([])
      : new Response(null, { status: 503, headers: { 'Retry-After': '3600' } });
  };
  const { url: at } = await upstream(answer);
  expect((await fetch(at, through(retryAgent({ maxTimeout: 10 })))).status).toBe(200);
  expect(asked).toHaveLength(2);

  const { client, upstream: ours } = clientBench([{ status: 503, headers: { 'Retry-After': '3600' } }]);
  expect((await client.fetch(url)).status).toBe(503);
  expect(ours.calls).toBe(1);
});

test('a hang: RetryAgent does not retry it; the client does, and it counts', async () => {
  const { url: at, requests } = await upstream(() => Response.json([]), 'hang');
  const slow = retryAgent({}, new Agent({ headersTimeout: 100 }));
  expect(await errorOf(request(at, { dispatcher: slow }))).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
  expect(requests).toHaveLength(1);

  const { client, clock, events, upstream: ours } = clientBench(['hang', 200]);
  const call = client.fetch(url);
  await clock.advance(10_100);
  expect((await call).status).toBe(200);
  expect(ours.calls).toBe(2);
  expect(events).toContainEqual(expect.objectContaining({ type: 'attempt', outcome: 'failure' }));
});

test('interceptors.retry() takes the same options', async () => {
  const { url: at, requests } = await upstream(() => new Response(null, { status: 503 }));
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const dispatcher = agent.compose(interceptors.retry({ ...soon, maxRetries: 1, throwOnError: false }));
  expect((await request(at, { dispatcher })).statusCode).toBe(503);
  expect(requests).toHaveLength(2);
});

test.for([408, 425])('a %i is retried by the client, and not by RetryAgent', async (status) => {
  const theirs = await upstream(() => Response.json([]), status);
  expect((await fetch(theirs.url, through(retryAgent()))).status).toBe(status);
  const ours = await upstream(() => Response.json([]), status);
  expect((await quick().fetch(ours.url)).status).toBe(200);
});

test('a dispatcher handed over with a call reaches the inner fetch', async () => {
  const { url: at } = await upstream(() => Response.json(['tea']), 503);
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const dispatch = vi.spyOn(agent, 'dispatch');
  expect((await quick().fetch(at, through(agent))).status).toBe(200);
  expect(dispatch).toHaveBeenCalledTimes(2);
});
