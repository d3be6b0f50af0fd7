import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import axiosRetry, { DEFAULT_OPTIONS, type IAxiosRetryConfig } from 'axios-retry';
import { expect, onTestFinished, test, vi } from 'vitest';

import { type ClientOptions, createClient, type SteadEvent } from '../../src/index.ts';
import { clientBench, errorOf, url, watch } from '../client/bench.ts';
import { upstream } from '../recipes/upstream.ts';
import { cutServer } from './cut-server.ts';
import { IN_WORDS, membersOf, mistakesIn, snippets } from './guide.ts';

interface Guide {
  load(url: string): Promise<unknown>;
}

function retrying(options: IAxiosRetryConfig = {}, config: AxiosRequestConfig = {}): AxiosInstance {
  const api = axios.create(config);
  axiosRetry(api, options);
  return api;
}

function quick(options: ClientOptions = {}): ReturnType<typeof createClient> {
  return createClient({ retry: { initialDelayMs: 1 }, ...options });
}

/** axios above a client, as the guide has it. */
function above(options: ClientOptions = {}, config: AxiosRequestConfig = {}): AxiosInstance {
  return axios.create({ adapter: 'fetch', env: { fetch: quick(options).fetch, Request: null as never }, ...config });
}

test('axios-retry: each option has a row, and defaults are as told', () => {
  const types = 'axios-retry/dist/esm/index.d.ts';
  const options = [...membersOf(types, 'IAxiosRetryConfig'), ...membersOf(types, 'IAxiosRetryConfigExtended')];
  expect(options).toHaveLength(9);
  expect(DEFAULT_OPTIONS.retryCondition.name).toBe('isNetworkOrIdempotentRequestError');
  const helpers = Object.keys(axiosRetry);
  expect(helpers).toHaveLength(7);
  const theirs = {
    ...Object.fromEntries([...options, ...helpers].map((key) => [key, undefined])),
    ...DEFAULT_OPTIONS,
    retryDelay: IN_WORDS,
    retryCondition: IN_WORDS,
    timeout: axios.defaults.timeout,
  };
  expect(mistakesIn('axios-retry', theirs)).toEqual([]);
});

test('axios-retry: all sides of the guide get over the same trouble, and give up after as many requests', async () => {
  let sides = 0;
  for await (const { load } of snippets<Guide>('axios-retry')) {
    const { url: at, requests, trouble } = await upstream(() => Response.json(['tea']), 503, 'reset');
    expect(await load(`${at}/teas`)).toEqual(['tea']);
    expect(requests).toHaveLength(3);
    trouble.push(503, 503, 503);
    await expect(load(`${at}/teas`)).rejects.toThrow('503');
    expect(requests).toHaveLength(6);
    sides += 1;
  }
  expect(sides).toBe(3);
});

test('a POST whose connection breaks: axios-retry repeats it, the client does not, unless it is told that it may', async () => {
  const theirs = await upstream(() => Response.json([]), 'reset', 'reset');
  await retrying().post(theirs.url, { tea: 1 });
  expect(theirs.requests).toHaveLength(3);
  const ours = await upstream(() => Response.json([]), 'reset');
  await expect(above().post(ours.url, { tea: 1 })).rejects.toMatchObject({ name: 'AxiosError', code: 'ERR_NETWORK' });
  expect(ours.requests).toHaveLength(1);
  ours.trouble.push('reset');
  await above().post(ours.url, { tea: 1 }, { fetchOptions: { idempotent: true } });
  ours.trouble.push('reset');
  await above().post(ours.url, { tea: 1 }, { headers: { 'Idempotency-Key': '1' } });
  expect(ours.requests).toHaveLength(5);
});

test('a PUT is retried below axios, with its body, where axios makes no Request of it', async () => {
  const { url: at, requests, trouble } = await upstream(async (seen) => Response.json(await seen.json()), 503);
  expect((await above().put(at, { tea: 1 })).data).toEqual({ tea: 1 });
  expect(requests).toHaveLength(2);
  trouble.push(503);
  const withRequest = axios.create({ adapter: 'fetch', env: { fetch: quick().fetch } });
  await expect(withRequest.put(at, { tea: 1 })).rejects.toMatchObject({ status: 503 });
  expect(requests).toHaveLength(3);
});

test('axios-retry does not wait by default, and exponentialDelay begins with 200 ms and adds up to a fifth', () => {
  expect(DEFAULT_OPTIONS.retryDelay(1, new axios.AxiosError())).toBe(0);
  const random = vi.spyOn(Math, 'random').mockReturnValue(0);
  onTestFinished(() => void random.mockRestore());
  expect([1, 2, 3].map((count) => axiosRetry.exponentialDelay(count))).toEqual([200, 400, 800]);
  random.mockReturnValue(1);
  expect(axiosRetry.exponentialDelay(1)).toBe(240);
  expect([1, 2, 3].map((count) => axiosRetry.linearDelay()(count, undefined))).toEqual([100, 200, 300]);
});

test('multiplier: 1 is a constant wait', async () => {
  const { client, clock, upstream: ours } = clientBench([503, 503, 200], { retry: { multiplier: 1 } });
  const call = client.fetch(url);
  await clock.advance(100);
  expect(ours.calls).toBe(2);
  await clock.advance(100);
  expect((await call).status).toBe(200);
});

test('Retry-After: axios-retry waits for an hour; the client hands out the answer', async () => {
  const late = new Response(null, { status: 503, headers: { 'Retry-After': '3600' } });
  const answers = [late, Response.json(['tea'])];
  const { url: at, requests } = await upstream(() => answers.shift() ?? Response.json([]));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const call = retrying().get(at);
  while (vi.getTimerCount() === 0) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(3_599_999);
  expect(requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect((await call).data).toEqual(['tea']);

  const { client, upstream: ours } = clientBench([{ status: 503, headers: { 'Retry-After': '3600' } }]);
  expect((await client.fetch(url)).status).toBe(503);
  expect(ours.calls).toBe(1);
});

test("timeouts: axios' is not retried, and is for all attempts; the client retries that of an attempt", async () => {
  const hanging = await upstream(() => Response.json([]), 'hang');
  await expect(retrying({}, { timeout: 50 }).get(hanging.url)).rejects.toMatchObject({ code: 'ECONNABORTED' });
  expect(hanging.requests).toHaveLength(1);
  const failing = await upstream(() => Response.json([]), 503);
  // The second attempt has what the first, and the wait, have left.
  const { config } = await retrying({ retryDelay: () => 50 }, { timeout: 30_000 }).get(failing.url);
  expect(config.timeout).toBeLessThanOrEqual(29_950);

  const { client, clock, upstream: ours } = clientBench(['hang', 200], { attemptTimeoutMs: 50 });
  const call = client.fetch(url);
  await clock.advance(150);
  expect((await call).status).toBe(200);
  expect(ours.calls).toBe(2);
  const { client: brief, clock: time } = clientBench(['hang'], { deadlineMs: 100 });
  const late = watch(brief.fetch(url));
  await time.advance(100);
  expect(late.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test.for([
  { status: 501, theirs: 2, ours: 1 },
  { status: 505, theirs: 2, ours: 1 },
  { status: 429, theirs: 2, ours: 2 },
  { status: 408, theirs: 1, ours: 2 },
  { status: 425, theirs: 1, ours: 2 },
])('a $status is sent $theirs times by axios-retry, and $ours by the client', async ({ status, theirs, ours }) => {
  const before = await upstream(() => Response.json([]), status);
  await retrying()
    .get(before.url)
    .catch(() => {});
  expect(before.requests).toHaveLength(theirs);
  const after = await upstream(() => Response.json([]), status);
  await above()
    .get(after.url)
    .catch(() => {});
  expect(after.requests).toHaveLength(ours);
});

test('a body that breaks off: json() asks again, axios-retry after a reset; below axios it is too late', async () => {
  const closed = await cutServer('["tea"]');
  await expect(retrying().get(closed.url)).rejects.toMatchObject({ code: 'ERR_BAD_RESPONSE' });
  expect(closed.ranges).toHaveLength(1);
  const reset = await cutServer('["tea"]', 'reset');
  expect((await retrying().get(reset.url)).data).toEqual(['tea']);
  expect(reset.ranges).toHaveLength(2);
  const ours = await cutServer('["tea"]');
  expect((await quick().json(ours.url)).value).toEqual(['tea']);
  expect(ours.ranges).toHaveLength(2);
  const below = await cutServer('["tea"]');
  await expect(above().get(below.url)).rejects.toMatchObject({ isAxiosError: true });
  expect(below.ranges).toHaveLength(1);
});

test('errors: those of axios stay, and ours are AxiosErrors with our code, and ourselves as the cause', async () => {
  const { url: at } = await upstream(() => Response.json({ why: 'busy' }, { status: 503 }));
  const api = above({ retry: false, breaker: { failureThreshold: 1 } });
  expect(await errorOf(api.get(at))).toMatchObject({
    isAxiosError: true,
    response: { status: 503, data: { why: 'busy' } },
  });
  expect(await errorOf(api.get(at))).toMatchObject({
    isAxiosError: true,
    code: 'CIRCUIT_OPEN',
    cause: { name: 'CircuitOpenError' },
  });
  const { url: hanging } = await upstream(() => Response.json([]), 'hang');
  expect(await errorOf(above({ deadlineMs: 20 }).get(hanging))).toMatchObject({
    isAxiosError: true,
    code: 'DEADLINE_EXCEEDED',
    cause: { code: 'DEADLINE_EXCEEDED' },
  });
  expect(await errorOf(quick().json(at))).toMatchObject({ name: 'HttpError', response: { status: 503 } });
});

test('interceptors see each attempt with axios-retry, and a call once with the client below', async () => {
  const seenBy = async (api: AxiosInstance): Promise<readonly number[]> => {
    const { url: at, requests } = await upstream(() => Response.json(['tea']), 503);
    let seen = 0;
    api.interceptors.request.use((config) => {
      seen += 1;
      return config;
    });
    expect((await api.get(at)).data).toEqual(['tea']);
    return [seen, requests.length];
  };
  expect(await seenBy(retrying())).toEqual([2, 2]);
  expect(await seenBy(above())).toEqual([1, 2]);
});

test("what only axios' http adapter knows has no effect with its fetch adapter", async () => {
  const { url: at } = await upstream(() => Response.json(['tea']));
  const proxy = { host: '127.0.0.1', port: 1 };
  await expect(axios.get(at, { proxy })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect((await above({}, { proxy, httpAgent: {}, maxRate: 1 }).get(at)).data).toEqual(['tea']);
});

test('shouldRetry sees good answers, too, and events tell of attempts, retries and the end', async () => {
  const { client, events } = clientBench([200, 503, 503], {
    retry: { initialDelayMs: 0, shouldRetry: ({ attempt, response }) => attempt < 3 && response !== undefined },
  });
  expect((await client.fetch(url)).status).toBe(503);
  const told = (type: SteadEvent['type']): readonly SteadEvent[] => events.filter((event) => event.type === type);
  expect(told('attempt')).toMatchObject([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
  expect(told('retry')).toHaveLength(2);
  expect(told('completed')).toMatchObject([{ attempts: 3, outcome: 'failure' }]);
});
