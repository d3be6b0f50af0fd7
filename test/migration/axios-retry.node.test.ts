import { Agent } from 'node:http';
import axios, { type AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios';
import axiosRetry, { DEFAULT_OPTIONS, type IAxiosRetryConfig } from 'axios-retry';
import { expect, onTestFinished, test, vi } from 'vitest';

import { CircuitOpenError, type ClientOptions, createClient, type SteadEvent } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { clientBench, errorOf, url, watch } from '../client/bench.ts';
import { numberOf, shareOf } from '../docs/figures.ts';
import { serve, upstream } from '../recipes/upstream.ts';
import { cutServer } from './cut-server.ts';
import { IN_WORDS, membersOf, mistakesIn, sentencesOf, snippets } from './guide.ts';
import { newLayers, waits } from './ours.ts';

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

const types = 'axios-retry/dist/esm/index.d.ts';
const options = [...membersOf(types, 'IAxiosRetryConfig'), ...membersOf(types, 'IAxiosRetryConfigExtended')];
const helpers = Object.keys(axiosRetry);
const theirs = {
  ...Object.fromEntries([...options, ...helpers].map((key) => [key, undefined])),
  ...DEFAULT_OPTIONS,
  retryDelay: IN_WORDS,
  retryCondition: DEFAULT_OPTIONS.retryCondition.name,
  timeout: axios.defaults.timeout,
};
const page = sentencesOf('axios-retry', theirs);

test('axios-retry: each option has a row, and defaults are as told', () => {
  expect(options).toHaveLength(9);
  expect(helpers).toHaveLength(7);
  expect(mistakesIn('axios-retry', theirs)).toEqual([]);
});

test('axios-retry: all sides of the guide get over the same trouble, and give up after as many requests', async () => {
  page.says(/`retry\.maxAttempts`, which counts the first one too: `retries` \+ 1/);
  page.says(/After, where axios goes:/);
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
  page.says(
    /axios-retry repeats any request whose connection is reset, a POST too, also where the server had read it\./,
  );
  page.says(/The client repeats a POST or a PATCH only with an `Idempotency-Key` header or `idempotent: true`\./);
  page.says(
    /With axios above, options of a call go in its `fetchOptions`: `api\.post\(url, order, \{ fetchOptions: \{ idempotent: true \} \}\)`\./,
  );
  for (const method of ['post', 'patch', 'put'] as const) {
    const read: string[] = [];
    const { url: at } = await serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      read.push(body);
      if (read.length < 3) request.socket.resetAndDestroy();
      else response.end('[]');
    }, []);
    await retrying()[method](at, { tea: 1 });
    expect(read).toEqual(new Array(3).fill('{"tea":1}'));
  }
  const ours = await upstream(() => Response.json([]), 'reset');
  await expect(above().post(ours.url, { tea: 1 })).rejects.toMatchObject({ name: 'AxiosError', code: 'ERR_NETWORK' });
  expect(ours.requests).toHaveLength(1);
  ours.trouble.push('reset');
  await above().post(ours.url, { tea: 1 }, { fetchOptions: { idempotent: true } });
  ours.trouble.push('reset');
  await above().patch(ours.url, { tea: 1 }, { headers: { 'Idempotency-Key': '1' } });
  expect(ours.requests).toHaveLength(5);
  ours.trouble.push('reset');
  await expect(above().patch(ours.url, { tea: 1 })).rejects.toMatchObject({ code: 'ERR_NETWORK' });
  expect(ours.requests).toHaveLength(6);
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
  page.says(/^no wait$/m);
  const [share = ''] = page.says(
    /axios-retry does not wait by default, and its `exponentialDelay` adds up to (a fifth)\./,
  );
  const [first = ''] = page.says(/`retry\.multiplier`; `exponentialDelay` begins with (\d+) ms/);
  expect(DEFAULT_OPTIONS.retryDelay(1, new axios.AxiosError())).toBe(0);
  const random = vi.spyOn(Math, 'random').mockReturnValue(0);
  onTestFinished(() => void random.mockRestore());
  expect([1, 2, 3].map((count) => axiosRetry.exponentialDelay(count))).toEqual(
    [1, 2, 4].map((times) => times * numberOf(first)),
  );
  random.mockReturnValue(1);
  expect(axiosRetry.exponentialDelay(1)).toBe(numberOf(first) * (1 + shareOf(share)));
  expect([1, 2, 3].map((count) => axiosRetry.linearDelay()(count, undefined))).toEqual([100, 200, 300]);
});

test('the client waits, with full jitter, and with multiplier: 1 as long each time', async () => {
  page.says(/The client waits, with full jitter\./);
  page.says(/none: `retry\.multiplier: 1` is a constant wait/);
  expect([await waits({}), await waits({}, 0.5), await waits({}, 0.999_999)]).toEqual([
    [100, 200],
    [50, 100],
    [0, 0],
  ]);
  expect(await waits({ multiplier: 1 })).toEqual([100, 100]);
});

test('Retry-After: axios-retry waits for an hour; the client hands out the answer', async () => {
  page.says(/axios-retry's delays wait as long as it says, an hour if need be\./);
  page.says(/Where it is longer than `retry\.maxRetryAfterMs`, the client hands out the answer at once\./);
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
  const error = { response: { headers: { 'retry-after': '3600' } } } as unknown as AxiosError;
  for (const delay of [axiosRetry.exponentialDelay, axiosRetry.linearDelay()]) {
    expect(delay(1, error)).toBeGreaterThanOrEqual(3_600_000);
  }

  const { client, upstream: ours } = clientBench([{ status: 503, headers: { 'Retry-After': '3600' } }]);
  expect((await client.fetch(url)).status).toBe(503);
  expect(ours.calls).toBe(1);
});

test("timeouts: axios' is not retried, and is for all attempts; the client retries that of an attempt", async () => {
  page.says(/axios' `timeout` ends the call with all its attempts, and is not retried\./);
  page.says(/`deadlineMs` does the same; `attemptTimeoutMs` ends one attempt, which is retried\./);
  page.says(/none: `attemptTimeoutMs` is for each attempt, `deadlineMs` for all/);
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
  // In the third attempt.
  const limits = { deadlineMs: 170, attemptTimeoutMs: 50, retry: { initialDelayMs: 10 } };
  const { client: brief, clock: time } = clientBench(['hang'], limits);
  const late = watch(brief.fetch(url));
  await time.advance(169);
  expect(late.state).toBe('pending');
  await time.advance(1);
  expect(late.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
});

test.for([
  { status: 500, theirs: 2, ours: 2 },
  { status: 599, theirs: 2, ours: 1 },
  { status: 404, theirs: 1, ours: 1 },
  { status: 501, theirs: 2, ours: 1 },
  { status: 505, theirs: 2, ours: 1 },
  { status: 429, theirs: 2, ours: 2 },
  { status: 408, theirs: 1, ours: 2 },
  { status: 425, theirs: 1, ours: 2 },
])('a $status is sent $theirs times by axios-retry, and $ours by the client', async ({ status, theirs, ours }) => {
  page.says(/axios-retry retries 429 and every 5xx, 501 and 505 too\./);
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

test('the client retries seven statuses, or those it is told, and any network error; shouldRetry is asked after the method', async () => {
  const [count = ''] = page.says(/The client retries the (\w+) in the table, which `retry\.statusCodes` changes\./);
  page.says(/`retry\.statusCodes`; a network error always counts/);
  page.says(/`retry\.shouldRetry`, asked after `retry\.methods`/);
  const sent = async (step: ScriptStep, retry = {}, method = 'GET'): Promise<number> => {
    const { client, upstream: ours } = clientBench([step], { breaker: false, retry: { initialDelayMs: 0, ...retry } });
    await client.fetch(url, { method }).catch(() => {});
    return ours.calls;
  };
  const retried: number[] = [];
  for (let status = 200; status < 600; status += 1) if ((await sent(status)) > 1) retried.push(status);
  expect(retried).toHaveLength(numberOf(count));
  expect([await sent(418, { statusCodes: [418] }), await sent(503, { statusCodes: [418] })]).toEqual([3, 1]);
  expect(await sent(new TypeError('of any kind'), { statusCodes: [] })).toBe(3);
  const shouldRetry = vi.fn(() => true);
  expect(await sent(503, { shouldRetry }, 'POST')).toBe(1);
  expect(shouldRetry).not.toHaveBeenCalled();
});

test('a body that breaks off: json() asks again, axios-retry after a reset; below axios it is too late', async () => {
  page.says(/axios-retry repeats the request where the connection was reset, and not where it was closed\./);
  page.says(/`client\.json` repeats it\./);
  page.says(/Below axios it is not repeated: the client has handed out its Response before axios reads the body\./);
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
  page.says(/Where axios stays, a status rejects with `AxiosError` and its `response`, as ever\./);
  page.says(
    /What the client refuses or ends is an `AxiosError`, too, with our `code` \(`CIRCUIT_OPEN`, `DEADLINE_EXCEEDED`\) and our error as its `cause`\./,
  );
  page.says(/`client\.json` rejects with `HttpError` and our errors themselves\./);
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
  const alone = quick({ retry: false, breaker: { failureThreshold: 1 } });
  expect(await errorOf(alone.json(at))).toMatchObject({ name: 'HttpError', response: { status: 503 } });
  expect(await errorOf(alone.json(at))).toBeInstanceOf(CircuitOpenError);
});

test('interceptors see each attempt with axios-retry, and a call once with the client below', async () => {
  page.says(/see each attempt with axios-retry, and a call once with the client below\./);
  page.says(/After, where axios stays, with its interceptors and its errors, and the client is below it:/);
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
  page.says(
    /What only axios' `http` adapter knows \(`proxy`, `httpAgent`, `maxRate`\) has no effect with `adapter: 'fetch'`\./,
  );
  const { url: at } = await upstream(() => Response.json(['tea']));
  const proxy = { host: '127.0.0.1', port: 1 };
  await expect(axios.get(at, { proxy })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const httpAgent = new Agent();
  onTestFinished(() => httpAgent.destroy());
  const asked = vi.spyOn(httpAgent, 'createConnection');
  const options = { httpAgent, maxRate: 1_000_000, proxy: false } as const;
  expect((await axios.get(at, options)).data).toEqual(['tea']);
  expect(asked).toHaveBeenCalledTimes(1);
  expect((await above({}, { ...options, proxy, maxRate: 1 }).get(at)).data).toEqual(['tea']);
  expect(asked).toHaveBeenCalledTimes(1);
});

test('shouldRetry sees good answers, too, and events tell of attempts, retries and the end', async () => {
  page.says(/`retry\.shouldRetry`, which sees good answers, too/);
  page.says(/the event `completed` has the outcome, and the number of attempts/);
  page.says(/the event `attempt` has its number/);
  const { client, events } = clientBench([200, 503, 503], {
    retry: { initialDelayMs: 0, shouldRetry: ({ attempt, response }) => attempt < 3 && response !== undefined },
  });
  expect((await client.fetch(url)).status).toBe(503);
  const told = (type: SteadEvent['type']): readonly SteadEvent[] => events.filter((event) => event.type === type);
  expect(told('attempt')).toMatchObject([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
  expect(told('retry')).toHaveLength(2);
  expect(told('completed')).toMatchObject([{ attempts: 3, outcome: 'failure' }]);
});

test('new with the client: a breaker, a bulkhead and a budget, for each origin, which can be switched off', async () => {
  page.says(/\*\*New: a breaker, a bulkhead and a budget\*\*, per origin\./);
  page.says(/`false` switches each off: `breaker`, `bulkhead`, `retry\.budget`\./);
  expect(await newLayers.breaker()).toEqual({ on: [6, 501], off: [100, 501] });
  expect(await newLayers.bulkhead(129)).toEqual({ on: [1, 0], off: [0, 0] });
  expect(await newLayers.budget(100)).toEqual({ on: [30, 1], off: [100, 1] });
});

test('axios-retry: each sentence of the guide has its test', () => {
  expect(page.left()).toEqual([]);
});
