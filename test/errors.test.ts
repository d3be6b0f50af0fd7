import { expect, test } from 'vitest';

import {
  AttemptTimeoutError,
  Bulkhead,
  BulkheadFullError,
  CircuitBreaker,
  CircuitOpenError,
  ClosedError,
  DeadlineExceededError,
  HttpError,
  QueueTimeoutError,
  SteadfetchError,
  type SteadfetchErrorOptions,
} from '../src/index.ts';

interface Row {
  readonly name: string;
  readonly code: string;
  readonly type: abstract new (...args: never[]) => SteadfetchError;
  readonly make: (options?: SteadfetchErrorOptions) => SteadfetchError;
  /** Without a dependency, and with "users". */
  readonly messages: readonly [string, string];
}

const rows: readonly Row[] = [
  {
    name: 'CircuitOpenError',
    code: 'CIRCUIT_OPEN',
    type: CircuitOpenError,
    make: (options) => new CircuitOpenError(1_500, options),
    messages: [
      'Cannot send the request: the circuit stays open for 1500 ms (resetTimeoutMs)',
      'Cannot send the request to users: the circuit stays open for 1500 ms (resetTimeoutMs)',
    ],
  },
  {
    name: 'BulkheadFullError',
    code: 'BULKHEAD_FULL',
    type: BulkheadFullError,
    make: (options) => new BulkheadFullError(2, 3, options),
    messages: [
      'Cannot send the request: 2 calls are running (maxConcurrent) and 3 are waiting (maxQueued)',
      'Cannot send the request to users: 2 calls are running (maxConcurrent) and 3 are waiting (maxQueued)',
    ],
  },
  {
    name: 'QueueTimeoutError',
    code: 'QUEUE_TIMEOUT',
    type: QueueTimeoutError,
    make: (options) => new QueueTimeoutError(250, options),
    messages: [
      'Cannot send the request: no slot became free within 250 ms (queueTimeoutMs)',
      'Cannot send the request to users: no slot became free within 250 ms (queueTimeoutMs)',
    ],
  },
  {
    name: 'ClosedError',
    code: 'CLOSED',
    type: ClosedError,
    make: (options) => new ClosedError(options),
    messages: [
      'Cannot send the request: close() was called, which is final; create a new client or bulkhead to go on',
      'Cannot send the request to users: close() was called, which is final; create a new client or bulkhead to go on',
    ],
  },
  {
    name: 'TimeoutError',
    code: 'DEADLINE_EXCEEDED',
    type: DeadlineExceededError,
    make: (options) => new DeadlineExceededError(2_000, options),
    messages: [
      'Cannot finish the call: its deadline of 2000 ms is over (deadlineMs)',
      'Cannot finish the call to users: its deadline of 2000 ms is over (deadlineMs)',
    ],
  },
  {
    name: 'TimeoutError',
    code: 'ATTEMPT_TIMEOUT',
    type: AttemptTimeoutError,
    make: (options) => new AttemptTimeoutError(500, options),
    messages: [
      'Cannot finish the attempt: no answer within its timeout of 500 ms (attemptTimeoutMs)',
      'Cannot finish the attempt to users: no answer within its timeout of 500 ms (attemptTimeoutMs)',
    ],
  },
  {
    name: 'HttpError',
    code: 'HTTP',
    type: HttpError,
    make: (options) => new HttpError(new Response(null, { status: 404, statusText: 'Not Found' }), options),
    messages: [
      'Cannot use the answer: its status is 404 Not Found (fetch() gives it as it is)',
      'Cannot use the answer of users: its status is 404 Not Found (fetch() gives it as it is)',
    ],
  },
];

test.for(rows)('$code has a name and a class to be told by', ({ name, code, type, make }) => {
  const error = make();
  expect(error).toBeInstanceOf(type);
  expect(error).toBeInstanceOf(SteadfetchError);
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name, code });
  for (const other of rows) expect(error instanceof other.type).toBe(other.code === code);
});

test.for(rows)(
  '$code says what could not be done, to whom, and the value that stood in the way',
  ({ make, messages }) => {
    expect(make().message).toBe(messages[0]);
    expect(make({ dependency: 'users' }).message).toBe(messages[1]);
  },
);

test.for(rows)('$code keeps the dependency and the cause', ({ make }) => {
  const cause = new Error('why');
  const error = make({ dependency: 'users', cause });
  expect(error.dependency).toBe('users');
  expect(error.cause).toBe(cause);
});

test.for(rows)('$code has neither dependency nor cause, when none is known', ({ make }) => {
  for (const error of [make(), make({}), make({ dependency: undefined })]) {
    expect(error.dependency).toBeUndefined();
    expect('cause' in error).toBe(false);
  }
});

test.for(rows)('$code keeps a cause of undefined: it is what was thrown', ({ make }) => {
  expect('cause' in make({ cause: undefined })).toBe(true);
});

test.for(rows)('$code shows its name and message where errors are printed', ({ name, make, messages }) => {
  expect(String(make())).toBe(`${name}: ${messages[0]}`);
});

test.for([
  { retryAfterMs: 0, message: 'the circuit stays open for 0 ms (resetTimeoutMs)' },
  { retryAfterMs: 0.1, message: 'the circuit stays open for 1 ms (resetTimeoutMs)' },
  { retryAfterMs: 9_999.5, message: 'the circuit stays open for 10000 ms (resetTimeoutMs)' },
  { retryAfterMs: Infinity, message: 'the circuit is isolated until reset() is called' },
])(
  'CircuitOpenError has the exact wait, and rounds it up to be read, for $retryAfterMs',
  ({ retryAfterMs, message }) => {
    const error = new CircuitOpenError(retryAfterMs);
    expect(error.retryAfterMs).toBe(retryAfterMs);
    expect(error.message).toBe(`Cannot send the request: ${message}`);
  },
);

test.for([
  { deadlineMs: 1_999.5, message: '2000 ms' },
  { deadlineMs: 1_999.4, message: '1999 ms' },
  { deadlineMs: 0, message: '0 ms' },
])('DeadlineExceededError rounds the deadline to be read, for $deadlineMs', ({ deadlineMs, message }) => {
  expect(new DeadlineExceededError(deadlineMs).message).toBe(
    `Cannot finish the call: its deadline of ${message} is over (deadlineMs)`,
  );
});

test('HttpError has the response, unread, and does without a status text', async () => {
  const response = new Response('{"code":7}', { status: 503 });
  const error = new HttpError(response);
  expect(error.message).toBe('Cannot use the answer: its status is 503 (fetch() gives it as it is)');
  expect(error.response).toBe(response);
  expect(await error.response.json()).toEqual({ code: 7 });
});

test('The two timeouts are told apart by code, and not by the name that AbortSignal.timeout uses as well', () => {
  const platform = new DOMException('The operation timed out.', 'TimeoutError');
  expect(new DeadlineExceededError(1).name).toBe(platform.name);
  expect(new AttemptTimeoutError(1).name).toBe(platform.name);
  expect(new DeadlineExceededError(1).code).not.toBe(new AttemptTimeoutError(1).code);
});

test('Each refusal is an error of its own: what one caller does to it, another does not see', async () => {
  const breaker = new CircuitBreaker();
  breaker.isolate();
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueued: 0 });
  let finish = (): void => {};
  const running = bulkhead.execute(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  );
  for (const policy of [breaker, bulkhead]) {
    const refuse = (): Promise<unknown> => policy.execute(() => 'value').catch((error: unknown) => error);
    const [first, second] = [await refuse(), await refuse()];
    expect(first).toBeInstanceOf(SteadfetchError);
    expect(second).toEqual(first);
    expect(second).not.toBe(first);
  }
  finish();
  await running;
});
