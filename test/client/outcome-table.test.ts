import { expect, test, vi } from 'vitest';

import type { ClientOptions, FailureKind, FetchInit, HttpResult, Outcome } from '../../src/index.ts';
import type { FakeClock } from '../../src/testing/fake-clock.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, cancellable, clientBench, errorOf, facts, origin, unfinished, url } from './bench.ts';

/** How each attempt of a call ends, and what the call comes to. */
interface Ending {
  readonly ending: string;
  readonly step: ScriptStep;
  readonly use?: 'fetch' | 'json';
  readonly options?: ClientOptions;
  readonly init?: (clock: FakeClock) => FetchInit;
  readonly outcome: Outcome;
  readonly attempts: number;
  readonly failure?: FailureKind;
  /** What the caller is given. */
  readonly gives: unknown;
}

const reason = { why: 'the user left' };
const refused = new TypeError('Failed to fetch');
const namedLikeAnAbort = new DOMException('The connection was reset', 'AbortError');
const namedLikeATimeout = new DOMException('The host is unreachable', 'TimeoutError');

/** Calls `abort` with the reason after 500 ms. */
function abortAfter(clock: FakeClock): AbortSignal {
  const controller = new AbortController();
  clock.schedule(500, () => controller.abort(reason));
  return controller.signal;
}

function deadlineAfter(clock: FakeClock): FetchInit['deadline'] & object {
  return { signal: clock.timeoutSignal(500), remainingMs: () => 500 - clock.now() };
}

const status = (code: number, outcome: Outcome, attempts: number): Ending => ({
  ending: String(code),
  step: code,
  outcome,
  attempts,
  ...(outcome === 'success' ? {} : { failure: 'status' }),
  gives: code,
});
const networkError = { step: refused, outcome: 'failure', attempts: 3, failure: 'network', gives: refused } as const;
const brokenBody = { use: 'json', outcome: 'failure', attempts: 3, failure: 'body', gives: 'TypeError' } as const;
const hang = { step: 'hang', attempts: 1 } as const;

const endings: readonly Ending[] = [
  status(200, 'success', 1),
  status(404, 'success', 1),
  status(499, 'success', 1),
  status(408, 'ignored', 3),
  status(425, 'ignored', 3),
  status(429, 'ignored', 3),
  status(500, 'failure', 3),
  status(502, 'failure', 3),
  status(503, 'failure', 3),
  status(504, 'failure', 3),
  status(501, 'failure', 1),
  status(505, 'failure', 1),
  status(599, 'failure', 1),
  { ending: 'a network error', ...networkError },
  { ending: 'a network error before json', ...networkError, use: 'json' },
  // The verdict is not drawn from the name of an error: engines disagree on it.
  { ending: 'a network error named AbortError', ...networkError, step: namedLikeAnAbort, gives: namedLikeAnAbort },
  { ending: 'a network error named TimeoutError', ...networkError, step: namedLikeATimeout, gives: namedLikeATimeout },
  { ending: 'a body that breaks', ...brokenBody, step: unfinished('{"a":', 'break') },
  { ending: 'a body that is not JSON', ...brokenBody, step: { body: '<html>' } },
  {
    ending: 'an attempt timeout',
    ...hang,
    options: { attemptTimeoutMs: 500 },
    outcome: 'failure',
    attempts: 3,
    failure: 'attempt-timeout',
    gives: 'ATTEMPT_TIMEOUT',
  },
  {
    ending: 'an attempt timeout in the body',
    step: unfinished('{"a":', 'hang'),
    use: 'json',
    options: { attemptTimeoutMs: 500 },
    outcome: 'failure',
    attempts: 3,
    failure: 'attempt-timeout',
    gives: 'ATTEMPT_TIMEOUT',
  },
  {
    ending: "the caller's abort",
    ...hang,
    init: (clock) => ({ signal: abortAfter(clock) }),
    outcome: 'ignored',
    failure: 'aborted',
    gives: reason,
  },
  {
    ending: "the caller's abort in the body",
    step: unfinished('{"a":', 'hang'),
    attempts: 1,
    use: 'json',
    init: (clock) => ({ signal: abortAfter(clock) }),
    outcome: 'ignored',
    failure: 'aborted',
    gives: reason,
  },
  {
    ending: 'our deadline, attempt timeout set',
    ...hang,
    options: { deadlineMs: 500, attemptTimeoutMs: 501 },
    outcome: 'ignored',
    failure: 'deadline',
    gives: 'DEADLINE_EXCEEDED',
  },
  {
    ending: 'our deadline, attempt timeout off',
    ...hang,
    options: { deadlineMs: 500, attemptTimeoutMs: false },
    outcome: 'failure',
    failure: 'deadline',
    gives: 'DEADLINE_EXCEEDED',
  },
  {
    ending: 'our deadline, attempt timeout off for this call',
    ...hang,
    init: () => ({ deadlineMs: 500, attemptTimeoutMs: false }),
    outcome: 'failure',
    failure: 'deadline',
    gives: 'DEADLINE_EXCEEDED',
  },
  {
    ending: 'an inherited deadline, attempt timeout set',
    ...hang,
    init: (clock) => ({ deadline: deadlineAfter(clock) }),
    outcome: 'ignored',
    failure: 'deadline',
    gives: 'DEADLINE_EXCEEDED',
  },
  {
    ending: 'an inherited deadline, attempt timeout off',
    ...hang,
    options: { attemptTimeoutMs: false },
    init: (clock) => ({ deadline: deadlineAfter(clock) }),
    outcome: 'ignored',
    failure: 'deadline',
    gives: 'DEADLINE_EXCEEDED',
  },
];

/** A client whose circuit opens at the second failure in a row, over a fetch that does what it is told next. */
function tableBench(options: ClientOptions = {}): Bench & { next: (step: ScriptStep) => void } {
  let current: ScriptStep = 501;
  const bench = clientBench([() => current], {
    breaker: { failureThreshold: 2 },
    retry: { initialDelayMs: 0 },
    ...options,
  });
  const next = (step: ScriptStep): void => {
    current = step;
  };
  return { ...bench, next };
}

const isOpen = ({ client }: Bench): boolean => client.snapshot().dependencies[origin]?.breaker?.state === 'open';

/** What the breaker made of a call that came after one failure: it opens at two in a row. */
async function verdictOf(bench: ReturnType<typeof tableBench>): Promise<Outcome> {
  if (isOpen(bench)) return 'failure';
  bench.next(501);
  await bench.client.fetch(url);
  return isOpen(bench) ? 'ignored' : 'success';
}

function given(result: { value?: unknown; error?: unknown }, gives: unknown): unknown {
  const { value, error } = result;
  if (value instanceof Response) return value.status;
  if (gives === 'TypeError' && error instanceof TypeError) return 'TypeError';
  return typeof gives === 'string' ? (error as { code?: unknown }).code : error;
}

test.for(endings)('client makes $attempts attempts of a GET, $outcome, for $ending', async (row) => {
  const bench = tableBench(row.options);
  const { clock, client, upstream, events } = bench;
  await client.fetch(url);

  bench.next(row.step);
  const call = client[row.use ?? 'fetch'](url, row.init?.(clock)).then(
    (value: unknown) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await clock.advance(1_500);

  expect(given(await call, row.gives)).toBe(row.gives);
  expect(upstream.calls).toBe(1 + row.attempts);
  const told = { outcome: row.outcome, ...(row.failure === undefined ? {} : { failure: row.failure }) };
  const attempts = Array.from({ length: row.attempts }, (_, index) => ({ attempt: index + 1, ...told }));
  expect(facts(events, 'attempt').slice(1)).toMatchObject(attempts);
  expect(facts(events, 'completed').slice(1)).toMatchObject([{ attempts: row.attempts, ...told }]);
  expect(await verdictOf(bench)).toBe(row.outcome);
});

const retried = endings.filter(({ attempts }) => attempts > 1);

test.for(retried)('client makes 1 attempt of a POST, $outcome, for $ending', async (row) => {
  const bench = tableBench(row.options);
  const { clock, client, upstream, events } = bench;
  bench.next(row.step);
  const call = client[row.use ?? 'fetch'](url, { method: 'POST', body: 'text' }).catch(() => {});
  await clock.advance(500);
  await call;
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'completed')).toMatchObject([{ outcome: row.outcome, attempts: 1 }]);
});

test("client.fetch gives the caller's reason, when the inner fetch rejects with an error of its own on abort", async () => {
  const { client } = clientBench([1], {
    fetch: (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(new TypeError('The connection was closed')));
      }),
  });
  const controller = new AbortController();
  const call = client.fetch(url, { signal: controller.signal });
  controller.abort(reason);
  expect(await errorOf(call)).toBe(reason);
});

test('client closes nothing and opens nothing, for 50 aborts in a row', async () => {
  const bench = tableBench();
  const { client, clock } = bench;
  await client.fetch(url);
  bench.next('hang');
  for (let call = 1; call <= 50; call += 1) {
    const controller = new AbortController();
    const aborted = errorOf(client.fetch(url, { signal: controller.signal }));
    await clock.advance(0);
    controller.abort(call);
    expect(await aborted).toBe(call);
  }
  const { breaker, counters } = client.snapshot().dependencies[origin] ?? {};
  expect(breaker).toMatchObject({ state: 'closed', consecutiveFailures: 1 });
  expect(counters).toMatchObject({ calls: 51, failure: 1, ignored: 50, success: 0 });
});

// Instead of the table.

test('classify() replaces the table for the breaker, not for the retries', async () => {
  const asked: HttpResult[] = [];
  const bench = tableBench({
    breaker: {
      failureThreshold: 2,
      classify(result) {
        asked.push(result);
        if (result.response === undefined) return 'ignored';
        return result.response.status === 404 ? 'failure' : 'success';
      },
    },
  });
  const { client, upstream, events } = bench;
  for (const step of [503, refused, 404, 404]) {
    bench.next(step);
    await client.fetch(url).catch(() => {});
  }
  expect(facts(events, 'completed')).toMatchObject([
    { outcome: 'success', attempts: 3, status: 503 },
    { outcome: 'ignored', attempts: 3, failure: 'network' },
    { outcome: 'failure', attempts: 1, status: 404, failure: 'status' },
    { outcome: 'failure', attempts: 1, status: 404, failure: 'status' },
  ]);
  expect(upstream.calls).toBe(8);
  expect(isOpen(bench)).toBe(true);
  expect(asked).toContainEqual({ error: refused });
  expect(asked.filter(({ error }) => error === refused).length).toBeGreaterThanOrEqual(3);
});

test('classify() is given the response that the caller gets', async () => {
  const asked: unknown[] = [];
  const bench = tableBench({
    breaker: {
      classify(result) {
        asked.push(result.response);
        return 'success';
      },
    },
  });
  const response = await bench.client.fetch(url);
  expect(new Set(asked)).toEqual(new Set([response]));
});

test("classify() is not asked about the caller's abort", async () => {
  const classify = vi.fn(() => 'failure' as const);
  const bench = tableBench({ breaker: { failureThreshold: 1, classify } });
  bench.next('hang');
  const call = errorOf(bench.client.fetch(url, { signal: abortAfter(bench.clock) }));
  await bench.clock.advance(500);
  expect(await call).toBe(reason);
  expect(classify).not.toHaveBeenCalled();
  expect(isOpen(bench)).toBe(false);
});

test('classify() decides about our deadline too', async () => {
  const bench = tableBench({ deadlineMs: 500, breaker: { failureThreshold: 1, classify: () => 'failure' } });
  bench.next('hang');
  const call = errorOf(bench.client.fetch(url));
  await bench.clock.advance(500);
  expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(isOpen(bench)).toBe(true);
});

const bug = new Error('classify has a bug');
const wrongClassify: readonly { kind: string; classify: (result: HttpResult) => Outcome; error: unknown }[] = [
  {
    kind: 'throws',
    classify: () => {
      throw bug;
    },
    error: bug,
  },
  ...[undefined, null, 'ok', true, 200].map((answer) => ({
    kind: `returns ${answer}`,
    classify: () => answer as unknown as Outcome,
    error: expect.objectContaining({
      name: 'TypeError',
      message: expect.stringMatching(`^breaker\\.classify must return .*, got "?${answer}"?$`),
    }),
  })),
];

test.for(wrongClassify)(
  'client.fetch rejects and counts nothing, when classify() $kind',
  async ({ classify, error }) => {
    const bench = tableBench({ retry: false, breaker: { failureThreshold: 1, classify } });
    bench.next(503);
    expect(await errorOf(bench.client.fetch(url))).toEqual(error);
    expect(bench.client.snapshot().dependencies[origin]).toMatchObject({
      breaker: { state: 'closed', consecutiveFailures: 0 },
      running: 0,
      counters: { calls: 1, attempts: 1, success: 0, failure: 0, ignored: 1 },
      lastFailure: null,
    });
  },
);

test.for([
  { kind: 'without retries', retry: false },
  { kind: 'with retries', retry: { initialDelayMs: 0 } },
] as const)(
  'client.fetch cancels the body of each response it was given, when classify() throws, $kind',
  async (row) => {
    const given: ReturnType<typeof cancellable>[] = [];
    const { client } = clientBench([1], {
      fetch: async () => {
        const answer = cancellable();
        given.push(answer);
        return answer.response;
      },
      retry: row.retry,
      breaker: {
        classify() {
          throw bug;
        },
      },
    });
    expect(await errorOf(client.fetch(url))).toBe(bug);
    expect(given.length).toBeGreaterThan(0);
    expect(given.every(({ cancelled }) => cancelled())).toBe(true);
  },
);

test('client.fetch gives the place of the probe back, when classify() throws', async () => {
  let broken = false;
  const bench = tableBench({
    retry: false,
    breaker: {
      failureThreshold: 1,
      successThreshold: 1,
      classify({ response }) {
        if (broken) throw bug;
        return response?.ok === true ? 'success' : 'failure';
      },
    },
  });
  const { client, clock } = bench;
  await client.fetch(url);
  await clock.advance(10_000);
  broken = true;
  expect(await errorOf(client.fetch(url))).toBe(bug);
  broken = false;
  bench.next(200);
  await client.fetch(url);
  expect(client.snapshot().dependencies[origin]?.breaker?.state).toBe('closed');
});

test('retry.statusCodes replaces the statuses that are retried, and nothing else', async () => {
  const bench = tableBench({ breaker: false, retry: { initialDelayMs: 0, statusCodes: [404] } });
  const { client, upstream, events } = bench;
  for (const step of [404, 503, 429, refused]) {
    bench.next(step);
    await client.fetch(url).catch(() => {});
  }
  expect(facts(events, 'completed')).toMatchObject([
    { attempts: 3, status: 404, outcome: 'success' },
    { attempts: 1, status: 503, outcome: 'failure' },
    { attempts: 1, status: 429, outcome: 'ignored' },
    { attempts: 3, failure: 'network', outcome: 'failure' },
  ]);
  expect(upstream.calls).toBe(8);
});

test('retry.shouldRetry decides in place of the statuses, told the response or the error, and the attempt', async () => {
  const questions: unknown[] = [];
  const steps: readonly ScriptStep[] = [refused, 418, 200, 503];
  const { client, upstream } = clientBench(steps, {
    retry: {
      initialDelayMs: 0,
      maxAttempts: 5,
      statusCodes: [503],
      shouldRetry({ response, ...question }) {
        questions.push({ ...question, ...(response === undefined ? {} : { status: response.status }) });
        return response?.ok !== true;
      },
    },
  });
  expect((await client.fetch(url)).status).toBe(200);
  expect(upstream.calls).toBe(3);
  expect(questions).toEqual([
    { error: refused, attempt: 1 },
    { status: 418, attempt: 2 },
    { status: 200, attempt: 3 },
  ]);
});

test('retry.shouldRetry keeps a status of the table from being retried', async () => {
  const { client, upstream } = clientBench([503], { retry: { initialDelayMs: 0, shouldRetry: () => false } });
  expect((await client.fetch(url)).status).toBe(503);
  expect(upstream.calls).toBe(1);
});

test('retry.shouldRetry is not asked about the last attempt', async () => {
  const shouldRetry = vi.fn(() => true);
  const { client, upstream } = clientBench([503], { retry: { initialDelayMs: 0, maxAttempts: 2, shouldRetry } });
  await client.fetch(url);
  expect(upstream.calls).toBe(2);
  expect(shouldRetry).toHaveBeenCalledTimes(1);
});

test.for([
  { end: "the caller's abort", init: (clock: FakeClock): FetchInit => ({ signal: abortAfter(clock) }) },
  { end: 'our deadline', init: (): FetchInit => ({ deadlineMs: 500 }) },
  { end: 'an inherited deadline', init: (clock: FakeClock): FetchInit => ({ deadline: deadlineAfter(clock) }) },
])('retry.shouldRetry is not asked after $end', async ({ init }) => {
  const shouldRetry = vi.fn(() => true);
  const { client, clock, upstream } = clientBench(['hang'], { retry: { initialDelayMs: 0, shouldRetry } });
  const call = errorOf(client.fetch(url, init(clock)));
  await clock.advance(500);
  await call;
  expect(upstream.calls).toBe(1);
  expect(shouldRetry).not.toHaveBeenCalled();
});

test.for([
  { kind: 'a POST', init: { method: 'POST' } },
  { kind: 'a GET that is not idempotent', init: { idempotent: false } },
])('retry.shouldRetry is not asked about $kind', async ({ init }) => {
  const shouldRetry = vi.fn(() => true);
  const { client, upstream } = clientBench([503], { retry: { initialDelayMs: 0, shouldRetry } });
  expect((await client.fetch(url, init)).status).toBe(503);
  expect(upstream.calls).toBe(1);
  expect(shouldRetry).not.toHaveBeenCalled();
});

test('client.fetch rejects with what shouldRetry() threw, and cancels the body of the response', async () => {
  const { response, cancelled } = cancellable({ status: 503 });
  const { client, clock } = clientBench([1], {
    fetch: async () => response,
    retry: {
      shouldRetry() {
        throw bug;
      },
    },
  });
  expect(await errorOf(client.fetch(url))).toBe(bug);
  expect(cancelled()).toBe(true);
  expect(client.snapshot().dependencies[origin]).toMatchObject({ running: 0 });
  expect(clock.pending).toBe(0);
});

// Invalid arguments.

type Arguments = readonly [input: RequestInfo | URL, init?: FetchInit];

async function usedRequest(): Promise<Request> {
  const request = new Request(url, { method: 'PUT', body: 'text' });
  await request.text();
  return request;
}

function lockedRequest(): Request {
  const request = new Request(url, { method: 'PUT', body: 'text' });
  request.body?.getReader();
  return request;
}

const stream = (): ReadableStream => new Blob(['text']).stream();

function lockedStream(): ReadableStream {
  const body = stream();
  body.getReader();
  return body;
}

const wrongArguments: readonly { kind: string; make: () => Arguments | Promise<Arguments> }[] = [
  { kind: 'a URL without a host', make: () => ['https://'] },
  { kind: 'a URL with a space in its host', make: () => ['https://a b/'] },
  { kind: 'a URL with a bad port', make: () => ['https://users.test:99999/'] },
  { kind: 'credentials in the URL', make: () => ['https://user:secret@users.test/'] },
  { kind: 'a user in the URL', make: () => [new URL('https://user@users.test/')] },
  { kind: 'a password in the URL', make: () => ['https://:secret@users.test/'] },
  { kind: 'GET with a body', make: () => [url, { body: 'text' }] },
  { kind: 'HEAD with a body', make: () => [url, { method: 'HEAD', body: 'text' }] },
  { kind: 'a GET Request and a body', make: () => [new Request(url), { body: 'text' }] },
  {
    kind: 'a PUT Request that becomes a GET',
    make: () => [new Request(url, { method: 'PUT', body: 'text' }), { method: 'GET' }],
  },
  { kind: 'a bad header name', make: () => [url, { headers: { 'bad name': 'value' } }] },
  { kind: 'a bad header value', make: () => [url, { headers: { name: 'a\nb' } }] },
  { kind: 'a bad method', make: () => [url, { method: 'BAD METHOD' }] },
  { kind: 'a forbidden method', make: () => [url, { method: 'CONNECT' }] },
  { kind: 'a bad redirect mode', make: () => [url, { redirect: 'sometimes' as RequestRedirect }] },
  { kind: 'a bad mode', make: () => [url, { mode: 'navigate' }] },
  { kind: 'a Request whose body is used', make: async () => [await usedRequest()] },
  { kind: 'a Request whose body is being read', make: () => [lockedRequest()] },
  { kind: 'a stream without duplex', make: () => [url, { method: 'PUT', body: stream() }] },
  {
    kind: 'a stream that is being read',
    make: () => [url, { method: 'PUT', body: lockedStream(), duplex: 'half' } as FetchInit],
  },
];

/** Whether the platform's own fetch would refuse them: not every engine refuses all. */
function refuses([input, init]: Arguments): boolean {
  try {
    new Request(input, init);
    return false;
  } catch (error) {
    return error instanceof TypeError;
  }
}

test.for(wrongArguments)('client.fetch rejects with a TypeError before any layer, for $kind', async ({ make }) => {
  const { client, clock, upstream, events } = clientBench([200]);
  if (!refuses(await make())) {
    expect((await client.fetch(...(await make()))).status).toBe(200);
    return;
  }
  expect(await errorOf(client.fetch(...(await make())))).toBeInstanceOf(TypeError);
  expect(upstream.calls).toBe(0);
  expect(events).toEqual([]);
  expect(client.snapshot().dependencies).toEqual({});
  expect(clock.pending).toBe(0);
});

// WebKit itself would send this one.
test('client.fetch rejects with a TypeError before any layer, for a signal that is none', async () => {
  const { client, upstream } = clientBench([200]);
  expect(await errorOf(client.fetch(url, { signal: {} as AbortSignal }))).toBeInstanceOf(TypeError);
  expect(upstream.calls).toBe(0);
  expect(client.snapshot().dependencies).toEqual({});
});

test('client.fetch does not ask isolateBy, for invalid arguments', async () => {
  const isolateBy = vi.fn(() => 'dependency');
  const { client } = clientBench([200], { isolateBy });
  expect(await errorOf(client.fetch(url, { body: 'text' }))).toBeInstanceOf(TypeError);
  expect(isolateBy).not.toHaveBeenCalled();
});

const refusedEverywhere = [
  'a URL without a host',
  'GET with a body',
  'a bad header name',
  'a Request whose body is used',
];

test('client.fetch leaves the counters as they are and the circuit closed, for invalid arguments', async () => {
  const { client, upstream } = clientBench([200], { breaker: { failureThreshold: 1 } });
  await client.fetch(url);
  const before = client.snapshot();
  const rows = wrongArguments.filter(({ kind }) => refusedEverywhere.includes(kind));
  expect(rows).toHaveLength(refusedEverywhere.length);
  for (const { make } of rows) {
    for (const send of [client.fetch, client.json]) {
      expect(await errorOf(send(...(await make())))).toBeInstanceOf(TypeError);
    }
  }
  expect(client.snapshot()).toEqual(before);
  expect(upstream.calls).toBe(1);
});
