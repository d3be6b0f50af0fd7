import { expect, test } from 'vitest';

import { formatDeadline, parseDeadline } from '../src/http/deadline-header.ts';
import { type ClientOptions, type IncomingDeadlineOptions, incomingDeadline } from '../src/index.ts';
import { FakeClock } from '../src/testing/fake-clock.ts';
import { clientBench, errorOf, facts, pageOrigin, url, watch } from './client/bench.ts';

const name = 'x-envoy-expected-rq-timeout-ms';

// The header.

test.for<[string | null, number | undefined]>([
  [null, undefined],
  ['', undefined],
  ['250', 250],
  [' 250 ', 250],
  ['0', 0],
  ['000250', 250],
  ['-5', undefined],
  ['+5', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['abc', undefined],
  ['250ms', undefined],
  ['٢', undefined],
  ['999999999999999', 999_999_999_999_999],
  ['1'.repeat(16), undefined],
  ['1'.repeat(100_000), undefined],
  ['500, 200', 200],
  ['abc, 200', 200],
  [',', undefined],
])('parseDeadline() of %j is %j', ([header, ms]) => {
  expect(parseDeadline(header, 'ms')).toBe(ms);
});

test.for<[string | null, number | undefined]>([
  [null, undefined],
  ['250m', 250],
  ['2S', 2_000],
  ['3M', 180_000],
  ['1H', 3_600_000],
  ['500u', 0.5],
  ['1000000n', 1],
  ['0S', 0],
  ['99999999H', 359_999_996_400_000],
  ['100000000m', undefined],
  ['250', undefined],
  ['m', undefined],
  ['-1S', undefined],
  ['1.5S', undefined],
  ['1s', undefined],
  ['1 S', undefined],
  ['1Sx', undefined],
  ['2S, 500m', 500],
])('parseDeadline() of %j, as gRPC has it, is %j', ([header, ms]) => {
  expect(parseDeadline(header, 'grpc')).toBe(ms);
});

test.for<[number, string]>([
  [1_500, '1500m'],
  [1_500.9, '1500m'],
  [0, '0m'],
  [-5, '0m'],
  [99_999_999, '99999999m'],
  [100_000_000, '100000S'],
  [100_000_999, '100000S'],
  [100_000_000_000, '1666666M'],
  [10_000_000_000_000, '2777777H'],
  [Number.MAX_SAFE_INTEGER, '99999999H'],
])('formatDeadline() of %d ms, as gRPC has it, is %s', ([ms, text]) => {
  expect(formatDeadline(ms, 'grpc')).toBe(text);
});

// In.

test('incomingDeadline() of what is past due is over at once', () => {
  const { deadline } = incoming('0');
  expect(deadline.signal.aborted).toBe(true);
  expect(deadline.signal.reason).toMatchObject({ name: 'TimeoutError' });
  expect(deadline.remainingMs()).toBe(0);
});

test('incomingDeadline() keeps no timer for a deadline that is none', () => {
  const { clock, deadline } = incoming('999999999999999');
  expect(clock.pending).toBe(0);
  expect(deadline.remainingMs()).toBe(999_999_999_999_999);
});

test('formatDeadline() writes no more than parseDeadline() reads', () => {
  for (const ms of [1e15, 1e21, Number.MAX_VALUE]) {
    expect(parseDeadline(formatDeadline(ms, 'ms'), 'ms')).toBe(999_999_999_999_999);
  }
});

test('incomingDeadline() and propagateDeadline speak the language of gRPC, if told so', async () => {
  const clock = new FakeClock();
  const request = new Request('https://edge.test/', { headers: { 'grpc-timeout': '2S', [name]: '10' } });
  const deadline = incomingDeadline(request, { clock, format: 'grpc' });
  expect(deadline.remainingMs()).toBe(2_000);
  const { client, upstream } = clientBench([200], { clock, propagateDeadline: { format: 'grpc' } });
  await clock.advance(500);
  await client.fetch(url, { deadline });
  expect(upstream.requests[0]?.headers.get('grpc-timeout')).toBe('1500m');
  expect(upstream.requests[0]?.headers.has(name)).toBe(false);
  const named = incomingDeadline(request, { clock, format: 'grpc', header: name });
  expect(named.remainingMs()).toBe(Infinity);
  expect(() => incomingDeadline(request, { format: 's' as 'ms' })).toThrow(
    'incomingDeadline.format must be "ms" or "grpc", got "s"',
  );
});

function incoming(header: string | undefined, options: IncomingDeadlineOptions = {}) {
  const clock = new FakeClock({ now: 5_000 });
  const request = new Request('https://edge.test/', header === undefined ? {} : { headers: { [name]: header } });
  return { clock, deadline: incomingDeadline(request, { clock, ...options }) };
}

test('incomingDeadline() counts down from what the header says, and aborts then', async () => {
  const { clock, deadline } = incoming('200');
  expect(deadline.remainingMs()).toBe(200);
  await clock.advance(150);
  expect(deadline.remainingMs()).toBe(50);
  expect(deadline.signal.aborted).toBe(false);
  await clock.advance(50);
  expect(deadline.signal.reason).toMatchObject({ name: 'TimeoutError' });
  await clock.advance(50);
  expect(deadline.remainingMs()).toBe(-50);
});

test.for<[string | undefined, number | undefined, number]>([
  ['200', 1_000, 200],
  ['2000', 1_000, 1_000],
  ['garbage', 1_000, 1_000],
  [undefined, 1_000, 1_000],
  ['200', undefined, 200],
  [undefined, undefined, Infinity],
  ['-1', undefined, Infinity],
  ['0', 1_000, 0],
])('incomingDeadline() of %j with maxMs %j is %j', ([header, maxMs, remainingMs]) => {
  const { deadline } = incoming(header, maxMs === undefined ? {} : { maxMs });
  expect(deadline.remainingMs()).toBe(remainingMs);
  expect(deadline.signal.aborted).toBe(remainingMs === 0);
});

test('incomingDeadline() reads another header, if told so', () => {
  const request = new Request('https://edge.test/', { headers: { 'x-left': '70' } });
  expect(incomingDeadline(request, { header: 'x-left', clock: new FakeClock() }).remainingMs()).toBe(70);
});

test.for<[object, string]>([
  [{ maxMs: 0 }, 'incomingDeadline.maxMs must be a number above 0 or Infinity, got 0'],
  [{ maxMs: '5' }, 'incomingDeadline.maxMs must be a number above 0 or Infinity, got "5"'],
  [{ header: 5 }, 'incomingDeadline.header must be the name of a header, got 5'],
  [{ header: '' }, 'incomingDeadline.header must be the name of a header, got ""'],
  [{ header: 'a b' }, 'incomingDeadline.header must be the name of a header, got "a b"'],
  [{ max: 5 }, 'incomingDeadline.max is not an option; there are maxMs, format, header, clock'],
])('incomingDeadline() throws for %j', ([options, message]) => {
  expect(() => incomingDeadline(new Request('https://edge.test/'), options)).toThrow(message);
});

// Out.

test('propagateDeadline tells what is left at each attempt, of the deadline that ends first', async () => {
  const options = { deadlineMs: 2_000, propagateDeadline: true, attemptTimeoutMs: 300 };
  const { client, clock, upstream } = clientBench(['hang', { delayMs: 1, status: 503 }, 200], options);
  const call = client.fetch(url, { headers: { a: '1' } });
  await clock.advance(601);
  await call;
  const told = upstream.requests.map(({ headers }) => headers.get(name));
  expect(told).toEqual(['2000', '1600', '1399']);
  expect(upstream.requests.every(({ headers }) => headers.get('a') === '1')).toBe(true);

  const { deadline, clock: other } = incoming('700');
  const inner = clientBench([200], { clock: other, propagateDeadline: true });
  await other.advance(100.5);
  await inner.client.fetch(url, { deadline });
  expect(inner.upstream.requests[0]?.headers.get(name)).toBe('599');
});

test.for<[ClientOptions, string | null]>([
  [{}, null],
  [{ propagateDeadline: false }, null],
  [{ propagateDeadline: true, deadlineMs: false }, null],
  [{ propagateDeadline: {} }, '30000'],
  [{ propagateDeadline: { to: () => false } }, null],
  [{ propagateDeadline: { to: ({ hostname }) => hostname === 'users.test' } }, '30000'],
])('propagateDeadline of %j tells %j', async ([options, told]) => {
  const { client, upstream } = clientBench([200], options);
  await client.fetch(url);
  expect(upstream.requests[0]?.headers.get(name)).toBe(told);
});

test('propagateDeadline takes another header, and asks nobody about a relative URL that only the fetch can resolve', async () => {
  const { client, upstream } = clientBench([200], { propagateDeadline: { header: 'x-left', to: () => true } });
  await client.fetch(url);
  await client.fetch('/relative');
  const left = pageOrigin() === undefined ? null : '30000';
  expect(upstream.requests.map(({ headers }) => headers.get('x-left'))).toEqual(['30000', left]);
});

test('propagateDeadline keeps the headers of a Request, and replaces what the caller has set itself', async () => {
  const { client, upstream } = clientBench([200], { propagateDeadline: true });
  await client.fetch(new Request(url, { headers: { a: '1', [name]: '5' } }));
  expect([...(upstream.requests[0]?.headers ?? [])]).toEqual([
    ['a', '1'],
    [name, '30000'],
  ]);
});

test.for<[unknown, string]>([
  ['yes', 'propagateDeadline must be an object, got "yes"'],
  [{ header: '' }, 'propagateDeadline.header must be the name of a header, got ""'],
  [{ header: 'a b' }, 'propagateDeadline.header must be the name of a header, got "a b"'],
  [{ to: 'https://a.test' }, 'propagateDeadline.to must be a function, got a URL'],
  [{ format: 'grpc-timeout' }, 'propagateDeadline.format must be "ms" or "grpc", got "grpc-timeout"'],
  [{ from: true }, 'propagateDeadline.from is not an option; there are header, to, format'],
])('createClient() throws for propagateDeadline of %j', ([propagateDeadline, message]) => {
  const options = { propagateDeadline } as unknown as ClientOptions;
  expect(() => clientBench([200], options)).toThrow(new TypeError(message));
});

test('client.fetch makes no call when what came is past due, and ends with it when it is not', async () => {
  const past = incoming('0');
  const { client, upstream, events } = clientBench(['hang'], { clock: past.clock });
  expect(await errorOf(client.fetch(url, { deadline: past.deadline }))).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(upstream.calls).toBe(0);
  const { clock, deadline } = incoming('300');
  const late = clientBench(['hang'], { clock });
  const call = watch(late.client.fetch(url, { deadline }));
  await clock.advance(299);
  expect(call.state).toBe('pending');
  await clock.advance(1);
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(late.upstream.requests[0]?.signal?.aborted).toBe(true);
  expect(facts(events, 'completed').map(({ outcome }) => outcome)).toEqual(['ignored']);
});
