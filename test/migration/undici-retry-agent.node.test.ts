import { Writable } from 'node:stream';
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
  stream,
} from 'undici';
import { expect, onTestFinished, test, vi } from 'vitest';

import { createClient } from '../../src/index.ts';
import { clientBench, errorOf, origin, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { cutServer } from './cut-server.ts';
import { IN_WORDS, membersOf, mistakesIn, readSource, sentencesOf, snippets } from './guide.ts';
import { newLayers, waits } from './ours.ts';

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

const options = membersOf('undici/types/retry-handler.d.ts', 'RetryOptions');
const handler = new RetryHandler({ path: '/', method: 'GET' }, { dispatch: () => true, handler: {} });
const theirs = {
  ...Object.fromEntries(options.map((key) => [key, undefined])),
  ...Reflect.get(handler, 'retryOpts'),
  retry: IN_WORDS,
  headersTimeout: 300_000,
  bodyTimeout: 300_000,
  connectTimeout: 10_000,
  connections: undefined,
};
const page = sentencesOf('undici-retry-agent', theirs);

test('RetryAgent: each option has a row, and defaults are as told', () => {
  expect(options).toHaveLength(10);
  expect(mistakesIn('undici-retry-agent', theirs)).toEqual([]);
  const source = readSource('undici/lib/dispatcher/client.js');
  expect(source).toContain('headersTimeout != null ? headersTimeout : 300e3');
  expect(source).toContain('bodyTimeout != null ? bodyTimeout : 300e3');
  expect(readSource('undici/lib/core/connect.js')).toContain('timeout == null ? 10e3 : timeout');
});

test('RetryAgent: both sides of the guide get over the same trouble, and give up after as many requests', async () => {
  page.says(/`retry\.maxAttempts`, which counts the first one too: `maxRetries` \+ 1/);
  page.says(/The agent stays\./);
  const errors: unknown[] = [];
  const platform = getGlobalDispatcher();
  onTestFinished(() => setGlobalDispatcher(platform));
  for await (const { load, agent } of snippets<Guide>('undici-retry-agent')) {
    onTestFinished(() => agent.destroy());
    const dispatch = vi.spyOn(agent, 'dispatch');
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    errors.push(await errorOf(load(`${at}/teas`)));
    expect(requests).toHaveLength(6);
    expect(dispatch).toHaveBeenCalledTimes(6);
  }
  expect(errors).toMatchObject([{ name: 'TypeError' }, { name: 'HttpError' }]);
});

test('RetryAgent makes 6 attempts in 15.5 s by default, without jitter; the client 3, spread', async () => {
  page.says(/RetryAgent has none: clients that failed together come back together\./);
  page.says(/Ours spreads each wait over 0 to its length; `retry\.jitter: 0` is as before\./);
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

  expect([await waits({}), await waits({}, 0.5), await waits({}, 0.999_999)]).toEqual([
    [100, 200],
    [50, 100],
    [0, 0],
  ]);
  expect(await waits({ jitter: 0 }, 0.5)).toEqual([100, 200]);
});

test('a status that stays: RetryAgent rejects, the client gives the answer', async () => {
  page.says(
    /RetryAgent rejects with `RequestRetryError` when attempts run out \(a `TypeError` with it as the cause, from `fetch`\), and the answer is lost/,
  );
  page.says(/`client\.fetch` gives the Response\./);
  page.says(/none: `client\.fetch` gives the last Response, and `client\.json` rejects with `HttpError`/);
  const { url: at } = await upstream(() => new Response('busy', { status: 503 }));
  expect(await errorOf(request(at, { dispatcher: retryAgent() }))).toMatchObject({ name: 'RequestRetryError' });
  expect(await errorOf(fetch(at, through(retryAgent())))).toMatchObject({
    name: 'TypeError',
    cause: { name: 'RequestRetryError' },
  });
  expect(await (await quick().fetch(at)).text()).toBe('busy');
  expect(await errorOf(quick().json(at))).toMatchObject({ name: 'HttpError', response: { status: 503 } });
});

test('a POST: RetryAgent does not repeat it, and rejects all the same; the client gives the answer', async () => {
  page.says(/so it is with a status of `statusCodes` to a POST, which is not repeated\./);
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
  page.says(/RetryAgent goes on where it broke off, with a `Range` request\./);
  page.says(
    /`client\.json` reads inside the attempt and starts anew; after `client\.fetch` the reader gets the error\./,
  );
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
  page.says(/Through `fetch`, RetryAgent cannot send one again: it fails with `RequestContentLengthMismatchError`\./);
  page.says(/The client sends a string, a buffer or a form again; a stream, once\./);
  const put = { method: 'PUT', body: 'tea' };
  const theirs = await upstream(() => Response.json([]), 503);
  expect(await errorOf(fetch(theirs.url, { ...put, ...through(retryAgent()) }))).toMatchObject({
    cause: { name: 'RequestContentLengthMismatchError' },
  });
  const form = new FormData();
  form.set('pot', 'tea');
  const replayed = ['tea', new TextEncoder().encode('tea'), new TextEncoder().encode('tea').buffer, form];
  for (const body of [...replayed, new URLSearchParams({ pot: 'tea' })]) {
    const ours = await upstream(async (seen) => new Response(await seen.text()), 503);
    expect(await (await quick().fetch(ours.url, { ...put, body })).text()).toContain('tea');
    expect(ours.requests).toHaveLength(2);
  }
  const streamed = await upstream(() => Response.json([]), 503);
  const once = { method: 'PUT', body: new Blob(['tea']).stream(), duplex: 'half' } as RequestInit;
  expect((await quick().fetch(streamed.url, once)).status).toBe(503);
  expect(streamed.requests).toHaveLength(1);
});

test('Retry-After: RetryAgent cuts it to maxTimeout; the client keeps to it, or does not ask again', async () => {
  page.says(/RetryAgent cuts it to `maxTimeout`, and asks again too early\./);
  page.says(/The client does not ask again where it is longer than `retry\.maxRetryAfterMs`\./);
  page.says(/`retry\.maxRetryAfterMs`; it is always listened to/);
  const answers = [new Response(null, { status: 503, headers: { 'Retry-After': '3600' } })];
  const { url: at, requests } = await upstream(() => answers.pop() ?? Response.json([]));
  expect((await fetch(at, through(retryAgent({ maxTimeout: 10 })))).status).toBe(200);
  expect(requests).toHaveLength(2);

  const { client, upstream: ours } = clientBench([{ status: 503, headers: { 'Retry-After': '3600' } }]);
  expect((await client.fetch(url)).status).toBe(503);
  expect(ours.calls).toBe(1);
});

test('a hang: RetryAgent does not retry it; the client does, and it counts', async () => {
  page.says(/A hang ends after `headersTimeout`, and is not retried\./);
  page.says(
    /Ours ends after `attemptTimeoutMs`, is retried, and counts for the breaker; the deadline ends the call with all its attempts\./,
  );
  page.says(/none: part of `attemptTimeoutMs`/);
  page.says(/`deadlineMs`, which is for all of the call/);
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
  const hanging = clientBench(['hang'], { breaker: { failureThreshold: 1 } });
  const late = watch(hanging.client.fetch(url));
  await hanging.clock.advance(29_999);
  expect([late.state, hanging.upstream.calls]).toEqual(['pending', 3]);
  await hanging.clock.advance(1);
  expect(late.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(await errorOf(hanging.client.fetch(url))).toMatchObject({ code: 'CIRCUIT_OPEN' });
});

test('interceptors.retry() takes the same options', async () => {
  page.says(/`interceptors\.retry\(\)` takes the same options\./);
  const { url: at, requests } = await upstream(() => new Response(null, { status: 503 }));
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const dispatcher = agent.compose(interceptors.retry({ ...soon, maxRetries: 1, throwOnError: false }));
  expect((await request(at, { dispatcher })).statusCode).toBe(503);
  expect(requests).toHaveLength(2);
});

test.for([408, 425])('a %i is retried by the client, and not by RetryAgent', async (status) => {
  const statuses = page.says(/(\d+) and (\d+) are retried, too\./);
  expect(statuses).toContain(String(status));
  const theirs = await upstream(() => Response.json([]), status);
  expect((await fetch(theirs.url, through(retryAgent()))).status).toBe(status);
  const ours = await upstream(() => Response.json([]), status);
  expect((await quick().fetch(ours.url)).status).toBe(200);
});

test('a dispatcher handed over with a call reaches the inner fetch', async () => {
  page.says(
    /Where it is not the global one, hand it over per call: `client\.fetch\(url, \{ dispatcher: agent \}\)` in JavaScript reaches the inner fetch\./,
  );
  const { url: at } = await upstream(() => Response.json(['tea']), 503);
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const dispatch = vi.spyOn(agent, 'dispatch');
  expect((await quick().fetch(at, through(agent))).status).toBe(200);
  expect(dispatch).toHaveBeenCalledTimes(2);
});

test('what is retried: shouldRetry decides, not how long the client waits; and any network error is', async () => {
  page.says(/`retry\.shouldRetry`; by default any network error is retried/);
  page.says(/`retry\.shouldRetry` decides; the wait is the client's/);
  page.says(/^its own$/m);
  expect(Reflect.get(handler, 'retryOpts').retry).toBeTypeOf('function');
  const sent = async (step: Error, shouldRetry?: () => boolean): Promise<readonly number[]> => {
    const retry = shouldRetry === undefined ? {} : { shouldRetry };
    const { client, clock, upstream: ours, events } = clientBench([step], { retry });
    const call = watch(client.fetch(url));
    await clock.advance(1_000);
    expect(call.state).toBe('rejected');
    return [ours.calls, ...events.flatMap((event) => (event.type === 'retry' ? [event.delayMs] : []))];
  };
  const cause = Object.assign(new Error('of another kind'), { code: 'EPROTO' });
  expect(await sent(new TypeError('fetch failed', { cause }))).toEqual([3, 100, 200]);
  expect(await sent(new TypeError('fetch failed'), () => false)).toEqual([1]);
  expect(await sent(new TypeError('fetch failed'), () => true)).toEqual([3, 100, 200]);
});

test('RetryAgent serves request() and stream(), the client is a fetch', async () => {
  page.says(/RetryAgent serves `undici\.request` and `stream` too; the client is a `fetch`\./);
  const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503);
  expect((await request(at, { dispatcher: retryAgent() })).statusCode).toBe(200);
  trouble.push(503);
  const read: Buffer[] = [];
  await stream(
    at,
    { method: 'GET', dispatcher: retryAgent() },
    () =>
      new Writable({
        write(chunk, _encoding, done) {
          read.push(chunk);
          done();
        },
      }),
  );
  expect(String(Buffer.concat(read))).toBe('["tea"]');
  expect(requests).toHaveLength(4);
  const isFetch: typeof fetch = quick().fetch;
  expect(await (await isFetch(at)).json()).toEqual(['tea']);
});

test('new with the client: a breaker, a bulkhead and a budget, for each origin, which can be switched off', async () => {
  page.says(/\*\*New: a breaker, a bulkhead and a budget\*\*, per origin\./);
  page.says(/`false` switches each off: `breaker`, `bulkhead`, `retry\.budget`\./);
  page.says(/`bulkhead\.maxConcurrent`, which limits calls/);
  expect(await newLayers.breaker()).toEqual({ on: [6, 501], off: [100, 501] });
  expect(await newLayers.bulkhead(129)).toEqual({ on: [1, 0], off: [0, 0] });
  expect(await newLayers.budget(100)).toEqual({ on: [30, 1], off: [100, 1] });
});

test('RetryAgent: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
