import { expect, test } from 'vitest';

import { type FetchInit, memoryStore } from '../../src/index.ts';
import type { ScriptStep } from '../../src/testing/scripted-fetch.ts';
import { type Bench, clientBench, errorOf, facts, unfinished, url, watch } from './bench.ts';
import { down, shown } from './fallback-bench.ts';

function sharing(script: readonly ScriptStep[], options: Parameters<typeof clientBench>[1] = {}): Bench {
  return clientBench(script, { retry: false, fallback: { coalesce: true }, ...options });
}

const slow = (body: string, more: object = {}): ScriptStep => ({ body, delayMs: 100, ...more });

test('coalesce gives all who ask for the same one call, and each a body of its own', async () => {
  const { client, clock, upstream, events } = sharing([slow('one', { headers: { 'x-a': '1' } })]);
  const calls = [1, 2, 3].map(() => client.fetch(url));
  await clock.advance(100);
  const responses = await Promise.all(calls);
  expect(new Set(responses).size).toBe(3);
  for (const response of responses) {
    expect(response.headers.get('x-a')).toBe('1');
    expect(await shown(response)).toBe('200 one');
  }
  expect(upstream.calls).toBe(1);
  expect(facts(events, 'attempt')).toHaveLength(1);
  expect(facts(events, 'completed').map(({ outcome, attempts, status }) => [outcome, attempts, status])).toEqual([
    ['success', 1, 200],
    ['ignored', 0, 200],
    ['ignored', 0, 200],
  ]);
});

test('coalesce gives a caller who is alone the very Response of the inner fetch', async () => {
  const response = new Response('one');
  const { client } = sharing([1], { fetch: async () => response });
  expect(await client.fetch(url)).toBe(response);
  expect(response.bodyUsed).toBe(false);
});

test('coalesce shares with nobody who comes once the answer is there', async () => {
  const { client, upstream } = sharing([{ body: 'one' }, { body: 'two' }]);
  expect(await shown(client.fetch(url))).toBe('200 one');
  expect(await shown(client.fetch(url))).toBe('200 two');
  expect(upstream.calls).toBe(2);
});

test.for([
  [false, undefined],
  [undefined, false],
])('coalesce shares no call between those who let it be sent twice and those who do not: %s, %s', async (order) => {
  const script = [slow('', { status: 503 }), slow('', { status: 503 }), slow('one')];
  const { client, clock, upstream } = sharing(script, { retry: { initialDelayMs: 0 } });
  const calls = order.map((idempotent) => client.fetch(url, idempotent === undefined ? {} : { idempotent }));
  await clock.advance(300);
  const statuses = await Promise.all(calls.map(async (call) => (await call).status));
  expect(statuses).toEqual(order.map((idempotent) => (idempotent === false ? 503 : 200)));
  expect(upstream.calls).toBe(3);
});

test('coalesce: who asks again with others, and then alone, is told so, and has its answer stored', async () => {
  const headers = { 'set-cookie': 'a=1' };
  // A browser shows a cookie to nobody: there, the first answer is for both.
  const areAlone = new Response(null, { headers }).headers.has('set-cookie');
  const answers = areAlone ? ['two', 'three'] : ['two'];
  const last = answers.at(-1);
  const script: ScriptStep[] = [
    { body: 'one', headers: { etag: '"a"' } },
    { status: 304, headers: { etag: '"b"' }, delayMs: 100 },
    ...answers.map((body) => slow(body, { headers })),
    down,
  ];
  const { client, clock, events } = sharing(script, { fallback: { coalesce: true, store: memoryStore() } });
  await shown(client.fetch(url));
  await clock.advance(0);
  const calls = [1, 2].map(() => client.fetch(url).then(shown));
  await clock.advance(300);
  expect(await Promise.all(calls)).toEqual(['200 two', `200 ${last}`]);
  const [, , second] = facts(events, 'completed');
  expect([second?.attempts, second?.joined]).toEqual(areAlone ? [1, undefined] : [0, 2]);
  await clock.advance(0);
  expect(await shown(client.fetch(url))).toBe(`200 ${last}`);
});

test('coalesce shares Requests whose engine keeps what is in them under symbols, as Deno and Node 22 do', async () => {
  const { client, clock, upstream } = sharing([slow('one')]);
  const calls = [1, 2].map(() => client.fetch(Object.defineProperty(new Request(url), Symbol('state'), { value: {} })));
  await clock.advance(100);
  expect(await Promise.all(calls.map(shown))).toEqual(['200 one', '200 one']);
  expect(upstream.calls).toBe(1);
});

test('coalesce shares no Request that may say more than a platform’s does', async () => {
  class Asked extends Request {
    readonly user: string;
    constructor(user: string) {
      super(url);
      this.user = user;
    }
  }
  const fetch = async (input: unknown): Promise<Response> => new Response((input as { user?: string }).user);
  const { client } = sharing([1], { fetch });
  const own = Object.assign(new Request(url), { user: 'cyd' });
  const calls = [new Asked('ann'), new Asked('bob'), own].map((request) => shown(client.fetch(request)));
  expect(await Promise.all(calls)).toEqual(['200 ann', '200 bob', '200 cyd']);
});

test('coalesce lets each of them leave alone, the first one too', async () => {
  const { client, clock, upstream } = sharing([slow('one')]);
  const controllers = [0, 1, 2].map(() => new AbortController());
  const calls = controllers.map(({ signal }) => watch(client.fetch(url, { signal })));
  await clock.advance(50);
  controllers[0]?.abort('first');
  controllers[1]?.abort('second');
  await clock.advance(0);
  expect(calls.map(({ state, error }) => [state, error])).toEqual([
    ['rejected', 'first'],
    ['rejected', 'second'],
    ['pending', undefined],
  ]);
  expect(upstream.requests[0]?.signal?.aborted).toBe(false);
  await clock.advance(50);
  const last = calls[2]?.value;
  expect(last && (await shown(last))).toBe('200 one');
  expect(upstream.calls).toBe(1);
});

test('coalesce ends the call when the last of them has left, and begins anew for the next', async () => {
  const { client, clock, upstream } = sharing(['hang', { body: 'two' }]);
  const controllers = [0, 1].map(() => new AbortController());
  const calls = controllers.map(({ signal }) => errorOf(client.fetch(url, { signal })));
  await clock.advance(1);
  for (const controller of controllers) controller.abort('gone');
  expect(await Promise.all(calls)).toEqual(['gone', 'gone']);
  expect(upstream.requests[0]?.signal?.aborted).toBe(true);
  expect(await shown(client.fetch(url))).toBe('200 two');
});

test('coalesce gives a body’s reader who is alone its own abort', async () => {
  const { client } = sharing([unfinished('o', 'hang')]);
  const controller = new AbortController();
  const response = await client.fetch(url, { signal: controller.signal });
  const text = errorOf(response.text());
  controller.abort(new Error('gone'));
  expect(await text).toBeInstanceOf(Error);
});

test('coalesce keeps each of them under its own deadline', async () => {
  const { client, clock, upstream, events } = sharing(['hang'], { deadlineMs: 1_000, attemptTimeoutMs: false });
  const early = watch(client.fetch(url));
  await clock.advance(600);
  const late = watch(client.fetch(url));
  await clock.advance(400);
  expect(early.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(late.state).toBe('pending');
  expect(upstream.requests[0]?.signal?.aborted).toBe(false);
  await clock.advance(600);
  expect(late.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(upstream.requests[0]?.signal?.aborted).toBe(true);
  expect(upstream.calls).toBe(1);
  // With no attempt timeout, a deadline counts: nothing else would notice the hang.
  expect(facts(events, 'attempt').map(({ outcome }) => outcome)).toEqual(['failure']);
  expect(clock.pending).toBe(0);
});

test('coalesce gives all of them the same failure, counted once', async () => {
  const { client, clock, events } = sharing([{ status: 503, body: 'busy', delayMs: 100 }, slow(''), down]);
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(100);
  for (const call of calls) expect(await shown(call)).toBe('503 busy');
  expect(facts(events, 'attempt').map(({ outcome }) => outcome)).toEqual(['failure']);
  const good = [1, 2].map(() => client.fetch(url));
  await clock.advance(100);
  await Promise.all(good);
  const broken = [1, 2].map(() => errorOf(client.fetch(url)));
  for (const error of await Promise.all(broken)) expect(error).toMatchObject({ message: 'Failed to fetch' });
  expect(client.snapshot().dependencies['https://users.test']?.counters).toMatchObject({
    calls: 6,
    attempts: 3,
    failure: 2,
  });
});

test('coalesce reads one JSON for all, and parses it for each', async () => {
  const { client, clock, upstream } = sharing([slow('{"a":[]}')]);
  const calls = [1, 2].map(() => client.json<{ a: number[] }>(url));
  await clock.advance(100);
  const [one, two] = await Promise.all(calls);
  one?.value.a.push(1);
  expect(two?.value).toEqual({ a: [] });
  expect(upstream.calls).toBe(1);
});

test('coalesce gives each of them an HttpError whose body it can read', async () => {
  const { client, clock } = sharing([slow('no', { status: 404 })]);
  const calls = [1, 2].map(() => errorOf(client.json(url)));
  await clock.advance(100);
  for (const error of await Promise.all(calls)) {
    expect(await (error as { response: Response }).response.text()).toBe('no');
  }
});

test.for([
  { what: 'too long to be kept', headers: {} },
  { what: 'said to be too long', headers: { 'content-length': '5' } },
])('coalesce gives a body $what to one of them, and lets the others ask for themselves', async ({ headers }) => {
  const options = { fallback: { coalesce: true, maxBodyBytes: 4 } };
  const { client, clock, upstream, events } = sharing([slow('12345', { headers })], options);
  const calls = [1, 2, 3].map(() => client.fetch(url));
  await clock.advance(200);
  for (const call of calls) expect(await shown(call)).toBe('200 12345');
  expect(upstream.calls).toBe(3);
  expect(facts(events, 'completed').map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
    ['success', 1],
    ['success', 1],
    ['success', 1],
  ]);
});

test.for<{ readonly what: string; readonly headers: Record<string, string>; readonly afterMs: number }>([
  { what: 'is a stream of events', headers: { 'content-type': 'text/event-stream' }, afterMs: 0 },
  { what: 'is NDJSON', headers: { 'content-type': 'application/x-ndjson' }, afterMs: 0 },
  { what: 'does not end', headers: { 'content-type': 'text/plain' }, afterMs: 5_000 },
])('coalesce gives each of them a stream of its own, when the body $what', async ({ headers, afterMs }) => {
  const { client, clock, upstream, events } = sharing([{ body: 'data: 1', headers, after: 'hang' }]);
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(0);
  await clock.advance(afterMs);
  for (const response of await Promise.all(calls)) {
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1');
    await reader?.cancel();
  }
  expect(upstream.calls).toBe(2);
  expect(facts(events, 'attempt').map(({ outcome }) => outcome)).toEqual(['success', 'success']);
});

test('coalesce gives each of them an error whose body does not end', async () => {
  const { client, clock, upstream } = sharing([{ status: 503, body: 'busy', after: 'hang' }], { bulkhead: false });
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(0);
  await clock.advance(5_000);
  for (const response of await Promise.all(calls)) {
    expect(response.status).toBe(503);
    await response.body?.cancel();
  }
  expect(upstream.calls).toBe(2);
});

test('coalesce retries at once what is to be retried, whatever its body does', async () => {
  const script: ScriptStep[] = [{ status: 503, body: 'busy', after: 'hang' }, slow('one')];
  const { client, clock } = sharing(script, { retry: { initialDelayMs: 10 } });
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(200);
  for (const call of calls) expect(await shown(call)).toBe('200 one');
});

test('coalesce retries a shared body that breaks off, and counts it as the failure that it is', async () => {
  const script = [slow('o', { after: 'break' }), slow('one')];
  const { client, clock, upstream, events } = sharing(script, { retry: { initialDelayMs: 10 } });
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(300);
  for (const call of calls) expect(await shown(call)).toBe('200 one');
  expect(upstream.calls).toBe(2);
  expect(facts(events, 'attempt').map(({ outcome, failure }) => [outcome, failure])).toEqual([
    ['failure', 'body'],
    ['success', undefined],
  ]);
});

test('coalesce fails those who share a body that breaks off for good', async () => {
  const { client, clock, events } = sharing([slow('o', { after: 'break' })]);
  const calls = [1, 2].map((_, index) => watch(client.fetch(url).then(() => index)));
  await clock.advance(200);
  for (const { error } of calls) expect(error).toBeInstanceOf(TypeError);
  expect(facts(events, 'completed').map(({ outcome }) => outcome)).toEqual(['failure', 'ignored']);
});

test('coalesce gives nobody what was asked for before client.clear()', async () => {
  const { client, clock } = sharing([slow('of a'), slow('of b')]);
  const before = client.fetch(url);
  await clock.advance(50);
  await client.clear();
  const after = client.fetch(url);
  await clock.advance(100);
  expect(await shown(before)).toBe('200 of a');
  expect(await shown(after)).toBe('200 of b');
});

test.for([
  { what: 'succeeded', answer: 204, fallback: { coalesce: true } },
  { what: 'succeeded, with a store', answer: 204, fallback: { coalesce: true, store: memoryStore() } },
  { what: 'may have succeeded', answer: down, fallback: { coalesce: true } },
  { what: 'was refused', answer: 409, fallback: { coalesce: true } },
] as const)('coalesce gives nobody what was asked for before a write that $what', async ({ answer, fallback }) => {
  const { client, clock, upstream } = sharing([slow('old'), answer, slow('new'), slow('other')], { fallback });
  const before = client.fetch(url);
  await clock.advance(10);
  await client.fetch(`${url}#part`, { method: 'POST', body: 'new', deadlineMs: 5_000 }).catch(() => undefined);
  const after = [1, 2].map(() => client.fetch(url));
  await clock.advance(200);
  expect(await shown(before)).toBe('200 old');
  for (const call of after) expect(await shown(call)).toBe('200 new');
  expect(upstream.calls).toBe(3);
});

test('coalesce goes on sharing what a write elsewhere did not change', async () => {
  const { client, clock, upstream } = sharing([slow('one'), 204]);
  const before = client.fetch(url);
  await clock.advance(10);
  await client.fetch(`${url}/2`, { method: 'POST' });
  const after = client.fetch(url);
  await clock.advance(100);
  for (const call of [before, after]) expect(await shown(call)).toBe('200 one');
  expect(upstream.calls).toBe(2);
});

test('coalesce lets one of them leave while the shared body is being read', async () => {
  const { client, clock } = sharing([unfinished('o', 'hang')], { deadlineMs: 1_000 });
  const controller = new AbortController();
  const leaver = errorOf(client.fetch(url, { signal: controller.signal }));
  const other = errorOf(client.fetch(url));
  await clock.advance(10);
  controller.abort('gone');
  expect(await leaver).toBe('gone');
  await clock.advance(990);
  expect(await other).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(clock.pending).toBe(0);
});

test.for<{ readonly what: string; readonly some: FetchInit; readonly others: FetchInit; readonly at?: string }>([
  { what: 'other headers', some: { headers: { a: '1' } }, others: { headers: { a: '2' } } },
  { what: 'other credentials', some: { headers: { authorization: 'a' } }, others: { headers: { authorization: 'b' } } },
  { what: 'another partition', some: { partition: 'a' }, others: { partition: 'b' } },
  { what: 'another mode', some: { redirect: 'follow' }, others: { redirect: 'manual' } },
  { what: 'another URL', some: {}, others: {}, at: `${url}?2` },
  { what: 'limits of their own', some: {}, others: { deadlineMs: 500 } },
  { what: 'another method', some: { method: 'HEAD' }, others: { method: 'HEAD' } },
  { what: 'a body', some: { method: 'POST', body: 'a' }, others: { method: 'POST', body: 'a' } },
])('coalesce does not share between calls with $what', async ({ some, others, at }) => {
  const { client, clock, upstream } = sharing([{ delayMs: 100, body: null }]);
  const calls = [client.fetch(url, some), client.fetch(at ?? url, others)];
  await clock.advance(100);
  await Promise.all(calls);
  expect(upstream.calls).toBe(2);
});

test('coalesce shares between Requests, and waits for slots and circuits once', async () => {
  const { client, clock, upstream } = sharing([slow('one')], { bulkhead: { maxConcurrent: 1, maxQueued: 0 } });
  const calls = [1, 2, 3].map(() => client.fetch(new Request(url, { headers: { a: '1' } })));
  await clock.advance(100);
  for (const call of calls) expect(await shown(call)).toBe('200 one');
  expect(upstream.calls).toBe(1);
});

test('coalesce retries once for all of them', async () => {
  const { client, clock, upstream } = sharing([503, slow('one')], { retry: { initialDelayMs: 10 } });
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(110);
  for (const call of calls) expect(await shown(call)).toBe('200 one');
  expect(upstream.calls).toBe(2);
});

test('coalesce stores a shared answer once, also when the first of them has left', async () => {
  const store = memoryStore();
  let sets = 0;
  const counting = {
    ...store,
    set: (...args: Parameters<typeof store.set>) => {
      sets += 1;
      return store.set(...args);
    },
  };
  const { client, clock } = sharing([slow('one'), down], { fallback: { coalesce: true, store: counting } });
  const controller = new AbortController();
  const leaver = errorOf(client.fetch(url, { signal: controller.signal }));
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(50);
  controller.abort('gone');
  await clock.advance(50);
  await leaver;
  for (const call of calls) await shown(call);
  await clock.advance(0);
  expect(sets).toBe(1);
  expect(await shown(client.fetch(url))).toBe('200 one');
});

test('coalesce leaves nothing behind, after a thousand calls in all manners', async () => {
  const { client, clock } = sharing([slow('one')], {
    fallback: { coalesce: true },
    deadlineMs: 1_000,
    bulkhead: false,
  });
  const all: Promise<unknown>[] = [];
  for (let number = 0; number < 1_000; number += 1) {
    const controller = new AbortController();
    all.push(client.json(`${url}?${number % 50}`, { signal: controller.signal }).catch(() => undefined));
    if (number % 3 === 0) controller.abort('gone');
  }
  await clock.advance(100);
  await Promise.all(all);
  expect(clock.pending).toBe(0);
  expect(client.snapshot().dependencies['https://users.test']).toMatchObject({ running: 0, queued: 0 });
});

// What a hostile reviewer found.

test.for([
  { what: 'of the client', fallback: {} },
  { what: 'of the store', fallback: { store: memoryStore() } },
])('coalesce keeps users apart by the partition function $what', async ({ fallback }) => {
  let user: string | undefined = 'ann';
  const { client, clock, upstream } = sharing([slow('1'), slow('2'), slow('3'), slow('4')], {
    fallback: { ...fallback, coalesce: true, partition: () => user },
  });
  const ann = client.fetch(url);
  user = 'bob';
  const bob = client.fetch(url);
  user = undefined;
  const nobodies = [client.fetch(url), client.fetch(url)];
  await clock.advance(100);
  await clock.advance(100);
  const answers = await Promise.all([ann, bob, ...nobodies].map((call) => shown(call)));
  expect(new Set(answers).size).toBe(4);
  expect(upstream.calls).toBe(4);
});

test.for([0, 1])(
  'coalesce gives the one who stays its body, when caller %d leaves while it is being read',
  async (leaver) => {
    const { client, clock, upstream } = sharing([
      () => {
        const body = new ReadableStream<Uint8Array>({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode('one'));
            await new Promise<void>((resolve) => void clock.schedule(300, resolve));
            controller.enqueue(new TextEncoder().encode('two'));
            controller.close();
          },
        });
        return new Response(body);
      },
    ]);
    const controllers = [0, 1].map(() => new AbortController());
    const calls = controllers.map(({ signal }) => watch(client.fetch(url, { signal })));
    await clock.advance(150);
    controllers[leaver]?.abort('left');
    await clock.advance(150);
    const rest = calls[1 - leaver]?.value;
    expect(rest && (await shown(rest))).toBe('200 onetwo');
    expect(upstream.calls).toBe(1);
  },
);

test('coalesce does not share between client.fetch and client.json', async () => {
  const { client, clock, upstream } = sharing([slow('1')]);
  const calls = [client.fetch(url), client.json(url)];
  await clock.advance(100);
  await Promise.all(calls);
  expect(upstream.calls).toBe(2);
});

test('coalesce shares a JSON that is longer than maxBodyBytes, which has to be read', async () => {
  const { client, clock, upstream } = sharing([slow('12345')], { fallback: { coalesce: true, maxBodyBytes: 4 } });
  const calls = [1, 2].map(() => client.json(url));
  await clock.advance(100);
  expect((await Promise.all(calls)).map(({ value }) => value)).toEqual([12_345, 12_345]);
  expect(upstream.calls).toBe(1);
});

test.for(['private', 'no-store'])(
  'coalesce shares what is %s among identical requests of one partition',
  async (says) => {
    const store = memoryStore();
    const bench = sharing([slow('one', { headers: { 'cache-control': says } })], {
      fallback: { coalesce: true, store },
    });
    const { client, clock, upstream } = bench;
    const calls = ['ann', 'ann', 'bob'].map((partition) => client.fetch(url, { partition }));
    await clock.advance(100);
    for (const call of calls) expect(await shown(call)).toBe('200 one');
    expect(upstream.calls).toBe(2);
  },
);

test('coalesce gives a session to one of them only', async () => {
  let sessions = 0;
  const session = (): ScriptStep => {
    sessions += 1;
    return { body: '1', delayMs: 10, headers: { 'set-cookie': `sid=${sessions}` } };
  };
  const { client, clock, upstream } = sharing([session]);
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(100);
  const cookies = (await Promise.all(calls)).map(({ headers }) => headers.get('set-cookie'));
  // A browser shows it to nobody, and keeps it itself.
  expect(cookies.every((cookie) => cookie === null) || new Set(cookies).size === 2).toBe(true);
  expect(upstream.calls).toBe(cookies[0] === null ? 1 : 2);
});

test('coalesce goes on for who joined late: it keeps its slot, and is retried, until the last of them runs out of time', async () => {
  const options = {
    attemptTimeoutMs: false,
    breaker: false,
    deadlineMs: 10_000,
    bulkhead: { maxConcurrent: 1 },
  } as const;
  const { client, clock } = sharing(['hang'], options);
  const running = (): number | undefined => client.snapshot().dependencies['https://users.test']?.running;
  const early = errorOf(client.fetch(url));
  await clock.advance(9_000);
  const late = errorOf(client.fetch(url));
  await clock.advance(2_500);
  const other = errorOf(client.fetch(`${url}/other`));
  await clock.advance(0);
  expect(running()).toBe(1);
  await clock.advance(60_000);
  expect(running()).toBe(0);
  for (const call of [early, late, other]) expect(await call).toMatchObject({ name: expect.stringMatching(/Error$/) });
});

test('coalesce retries for who joined late, though the first has no time for it', async () => {
  const { client, clock, upstream } = sharing([{ status: 503, delayMs: 960 }, { body: 'one' }], {
    deadlineMs: 1_000,
    attemptTimeoutMs: false,
    retry: { initialDelayMs: 100, jitter: 0 },
  });
  const early = errorOf(client.fetch(url));
  await clock.advance(900);
  const late = client.fetch(url);
  await clock.advance(300);
  expect(await early).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(await shown(late)).toBe('200 one');
  expect(upstream.calls).toBe(2);
});

test('coalesce does not tell the next hop the deadline of another caller', async () => {
  const { client, clock, upstream } = sharing([slow('one')], { propagateDeadline: true });
  const deadline = { signal: new AbortController().signal, remainingMs: () => 500 };
  const calls = [client.fetch(url, { deadline }), client.fetch(url), client.fetch(url)];
  await clock.advance(100);
  await Promise.all(calls);
  const told = upstream.requests.map(({ headers }) => headers.get('x-envoy-expected-rq-timeout-ms'));
  expect(told).toEqual(['500', '30000']);
});

test('coalesce gives all of them the status of an error whose body breaks off', async () => {
  const { client, clock, upstream } = sharing([{ status: 404, body: 'no', after: 'break', delayMs: 10 }]);
  const calls = [1, 2].map(() => errorOf(client.json(url)));
  await clock.advance(100);
  for (const error of await Promise.all(calls))
    expect(error).toMatchObject({ code: 'HTTP', response: { status: 404 } });
  expect(upstream.calls).toBe(2);
});

test('coalesce shares answers that nobody can make', async () => {
  const odd = Object.defineProperties(new Response('hi'), {
    status: { value: 999 },
    statusText: { value: 'D’accord' },
    ok: { value: false },
    clone: { value: () => odd },
  });
  const { client, clock } = sharing([1], {
    fetch: async () => {
      await new Promise<void>((resolve) => void clock.schedule(10, resolve));
      return odd;
    },
  });
  const calls = [1, 2].map(() => client.fetch(url));
  await clock.advance(10);
  for (const call of calls) {
    const { status, statusText, ok } = await call;
    expect([status, statusText, ok]).toEqual([999, 'D’accord', false]);
    expect(await (await call).text()).toBe('hi');
  }
});

test('coalesce refreshes the answers of two partitions apart, and stores both', async () => {
  const answers = [{ body: 'ann 1' }, { body: 'bob 1' }, slow('ann 2'), slow('bob 2')];
  const { client, clock, upstream } = sharing(answers, {
    fallback: { coalesce: true, store: memoryStore(), staleWhileRevalidateMs: 60_000 },
  });
  const both = () => Promise.all(['ann', 'bob'].map((partition) => shown(client.fetch(url, { partition }))));
  await both();
  await clock.advance(1);
  expect(await both()).toEqual(['200 ann 1', '200 bob 1']);
  await clock.advance(200);
  await clock.advance(1);
  expect(await both()).toEqual(['200 ann 2', '200 bob 2']);
  expect(upstream.calls).toBeGreaterThanOrEqual(4);
});

test('coalesce gives each of them headers of its own', async () => {
  const { client, clock } = sharing([slow('{}')]);
  const calls = [client.fetch(url), client.fetch(url)];
  const values = [client.json(url), client.json(url)];
  await clock.advance(100);
  await clock.advance(100);
  const responses = [...(await Promise.all(calls)), ...(await Promise.all(values)).map(({ response }) => response)];
  expect(new Set(responses.map(({ headers }) => headers)).size).toBe(4);
});

test.for<{ readonly what: string; readonly init: (who: string) => object }>([
  { what: 'a function', init: (who) => ({ token: () => who }) },
  { what: 'an object', init: () => ({ next: { revalidate: 60 } }) },
  { what: 'a bigint', init: () => ({ number: 1n }) },
])('coalesce does not share between calls with $what in their init', async ({ init }) => {
  let calls = 0;
  const { client, clock } = sharing([1], {
    fetch: async () => {
      calls += 1;
      await new Promise<void>((resolve) => void clock.schedule(10, resolve));
      return new Response('one');
    },
  });
  const both = ['ann', 'bob'].map((who) => client.fetch(url, init(who)));
  await clock.advance(10);
  for (const call of both) expect(await shown(call)).toBe('200 one');
  expect(calls).toBe(2);
});

test('coalesce cancels a body that all have left, also of a fetch that ignores its signal', async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if ((controller.desiredSize ?? 0) > 0) controller.enqueue(new TextEncoder().encode('o'));
      return new Promise(() => {});
    },
    cancel() {
      cancelled = true;
    },
  });
  const { client, clock } = sharing([1], { fetch: async () => new Response(body) });
  const controllers = [0, 1].map(() => new AbortController());
  const calls = controllers.map(({ signal }) => errorOf(client.fetch(url, { signal })));
  await clock.advance(10);
  for (const controller of controllers) controller.abort('left');
  expect(await Promise.all(calls)).toEqual(['left', 'left']);
  await clock.advance(0);
  expect(cancelled).toBe(true);
});

test('coalesce takes an answer whose length was that of its encoding for what it is', async () => {
  const { client, clock } = sharing([slow('hi', { headers: { 'content-length': '5', 'content-encoding': 'br' } })]);
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(100);
  for (const call of calls) expect(await shown(call)).toBe('200 hi');
});

test('coalesce shares nothing of a call that began before client.clear(), but only asks after it', async () => {
  const memory = memoryStore();
  let wait = async (): Promise<void> => {};
  const late = {
    ...memory,
    async get(key: string) {
      await wait();
      return memory.get(key);
    },
  };
  const { client, clock, upstream } = sharing([slow('of a'), slow('of b')], {
    fallback: { coalesce: true, store: late },
  });
  wait = () => new Promise((resolve) => void clock.schedule(50, resolve));
  const before = client.fetch(url);
  await client.clear();
  const after = client.fetch(url);
  await clock.advance(50);
  await clock.advance(300);
  expect([await shown(before), await shown(after)]).toEqual(['200 of a', '200 of b']);
  expect(upstream.calls).toBe(2);
});
