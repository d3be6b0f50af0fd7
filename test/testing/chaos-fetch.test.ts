import { expect, test } from 'vitest';

import { type ChaosOptions, chaosFetch, FakeClock, scriptedFetch } from '../../src/testing/index.ts';

const url = 'https://a.test/';

/** A fetch that always answers, behind chaos. */
function chaos(options: ChaosOptions, body: BodyInit | null = 'a whole body') {
  const clock = new FakeClock();
  const inner = scriptedFetch([{ status: 200, headers: { a: '1' }, body }], { clock });
  return { clock, inner, fetch: chaosFetch(inner, { clock, ...options }) };
}

/** Chance as a list: the numbers in turn, and after them 0.999, by which nothing goes wrong. */
function chances(...numbers: readonly number[]): () => number {
  const left = [...numbers];
  return () => left.shift() ?? 0.999;
}

/** Numbers in [0, 1) that look like chance and are the same for each seed (Lehmer 1951). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

async function kindOf(call: Promise<Response>): Promise<string> {
  try {
    const response = await call;
    return await response.text().then(
      () => String(response.status),
      () => `${response.status} cut`,
    );
  } catch (error) {
    return error instanceof TypeError ? 'error' : String(error);
  }
}

function watch<T>(work: Promise<T>) {
  const state: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  work.then(
    (value) => Object.assign(state, { value, settled: true }),
    (error: unknown) => Object.assign(state, { error, settled: true }),
  );
  return state;
}

// All or nothing.

test.for([
  undefined,
  {},
  { hangRate: 0, errorRate: 0, statusRate: 0, cutRate: 0, latencyMs: [0, 0] as const, random: () => 0 },
])('chaosFetch() hands out what the inner fetch gives, for %j', async (options) => {
  const response = new Response('text');
  const asked: unknown[] = [];
  const fetch = chaosFetch(async (...args) => {
    asked.push(args);
    return response;
  }, options);
  const init = { method: 'PUT', body: 'text' };
  expect(await fetch(url, init)).toBe(response);
  expect(asked).toEqual([[url, init]]);
  expect(response.bodyUsed).toBe(false);
});

test('chaosFetch() rejects with what the inner fetch rejects with', async () => {
  const error = new Error('inner');
  await expect(chaosFetch(scriptedFetch([error]))(url)).rejects.toBe(error);
});

test('chaosFetch() fails without an answer and sends nothing, for an errorRate of 1', async () => {
  const { fetch, inner } = chaos({ errorRate: 1, random: chances(0, 0.999, 0.999) });
  await expect(fetch(url)).rejects.toThrow(new TypeError('Failed to fetch'));
  expect(inner.calls).toBe(0);
});

test.for([
  { options: {}, status: 503 },
  { options: { status: 429 }, status: 429 },
  { options: { status: 204 }, status: 204 },
  { options: { status: 200 }, status: 200 },
  { options: { status: 599 }, status: 599 },
])(
  'chaosFetch() answers $status and sends nothing, for a statusRate of 1 and $options',
  async ({ options, status }) => {
    const { fetch, inner } = chaos({ statusRate: 1, random: () => 0.999, ...options });
    const response = await fetch(url);
    expect(response.status).toBe(status);
    expect(response.body).toBeNull();
    expect(inner.calls).toBe(0);
  },
);

test('chaosFetch() never answers and sends nothing, for a hangRate of 1, until the signal aborts', async () => {
  const { fetch, inner, clock } = chaos({ hangRate: 1, random: () => 0.999 });
  const controller = new AbortController();
  const [signalled, other] = [watch(fetch(url, { signal: controller.signal })), watch(fetch(url))];
  await clock.advance(1e12);
  expect([signalled.settled, other.settled]).toEqual([false, false]);
  controller.abort('the user left');
  await clock.advance(0);
  expect(signalled).toEqual({ settled: true, error: 'the user left' });
  expect(other.settled).toBe(false);
  expect(inner.calls).toBe(0);
  expect(clock.pending).toBe(0);
});

test('chaosFetch() breaks the body off in the middle, for a cutRate of 1', async () => {
  const { fetch, inner } = chaos({ cutRate: 1, random: () => 0.999 }, '0123456789');
  const response = await fetch(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('a')).toBe('1');
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('01234');
  await expect(reader?.read()).rejects.toThrow(new TypeError('terminated'));
  expect(inner.calls).toBe(1);
});

test.for(['', '1'])('chaosFetch() breaks the body off at once, for a cutRate of 1 and a body of "%s"', async (body) => {
  const { fetch } = chaos({ cutRate: 1 }, body);
  await expect((await fetch(url)).text()).rejects.toThrow();
});

test('chaosFetch() hands out an answer without a body, for a cutRate of 1', async () => {
  const response = new Response(null, { status: 204 });
  expect(await chaosFetch(async () => response, { cutRate: 1 })(url)).toBe(response);
});

test('chaosFetch() cancels the inner body, when a cut one is cancelled and when it has been cut', async () => {
  const cancels: unknown[] = [];
  const endless = (): Response =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(4)),
        cancel: (reason) => {
          cancels.push(reason);
        },
      }),
    );
  const fetch = chaosFetch(async () => endless(), { cutRate: 1 });
  await (await fetch(url)).body?.cancel('enough');
  expect(cancels).toEqual(['enough']);
  await expect((await fetch(url)).text()).rejects.toThrow();
  expect(cancels).toHaveLength(2);
});

// Chance.

test.for([
  { name: 'hangRate', before: [0], kind: 'hang' },
  { name: 'errorRate', before: [0, 0.999], kind: 'error' },
  { name: 'statusRate', before: [0, 0.999, 0.999], kind: '503' },
  { name: 'cutRate', before: [0, 0.999, 0.999, 0.999], kind: '200 cut' },
])('chaosFetch() lets chance below the $name go wrong, and not chance at it', async ({ name, before, kind }) => {
  const through = chaos({ [name]: 0.25, random: chances(...before, 0.25) });
  expect(await kindOf(through.fetch(url))).toBe('200');
  const { fetch, clock } = chaos({ [name]: 0.25, random: chances(...before, 0.2499) });
  const controller = new AbortController();
  const call = kindOf(fetch(url, { signal: controller.signal }));
  await clock.advance(1);
  if (kind === 'hang') controller.abort('hang');
  expect(await call).toBe(kind);
});

test('chaosFetch() tries the shares in order: hang, error, status', async () => {
  const { fetch, clock } = chaos({ hangRate: 1, errorRate: 1, statusRate: 1 });
  const hanging = watch(fetch(url));
  await clock.advance(1);
  expect(hanging.settled).toBe(false);
  expect(await kindOf(chaos({ errorRate: 1, statusRate: 1 }).fetch(url))).toBe('error');
  expect(await kindOf(chaos({ statusRate: 1, cutRate: 1 }).fetch(url))).toBe('503');
});

test('chaosFetch() repeats a run with a seeded random, and has another with another seed', async () => {
  const run = async (seed: number): Promise<string> => {
    const { fetch } = chaos({ errorRate: 0.3, statusRate: 0.3, cutRate: 0.3, random: seeded(seed) });
    const kinds: string[] = [];
    for (let request = 0; request < 40; request += 1) kinds.push(await kindOf(fetch(url)));
    return kinds.join();
  };
  const first = await run(7);
  expect(await run(7)).toBe(first);
  expect(await run(8)).not.toBe(first);
  expect(new Set(first.split(','))).toEqual(new Set(['200', '503', 'error', '200 cut']));
});

test('chaosFetch() asks Math.random, when it is given no random', async () => {
  const { fetch } = chaos({ errorRate: 0.5 });
  const kinds = await Promise.all(Array.from({ length: 200 }, () => kindOf(fetch(url))));
  expect(new Set(kinds)).toEqual(new Set(['200', 'error']));
});

// Latency.

test.for([
  { latencyMs: [100, 300], chance: 0, waitMs: 100 },
  { latencyMs: [100, 300], chance: 0.5, waitMs: 200 },
  { latencyMs: [100, 100], chance: 0.9, waitMs: 100 },
  { latencyMs: [0, 200], chance: 0.5, waitMs: 100 },
] as const)(
  'chaosFetch() sends after $waitMs ms, for $latencyMs and chance $chance',
  async ({ latencyMs, chance, waitMs }) => {
    const { fetch, inner, clock } = chaos({ latencyMs, random: chances(chance) });
    const answer = watch(fetch(url));
    await clock.advance(waitMs - 1);
    expect(inner.calls).toBe(0);
    await clock.advance(1);
    expect(inner.calls).toBe(1);
    expect(answer.value?.status).toBe(200);
    expect(clock.pending).toBe(0);
  },
);

test('chaosFetch() adds latency before it fails as well', async () => {
  const { fetch, clock } = chaos({ latencyMs: [100, 100], errorRate: 1 });
  const answer = watch(fetch(url));
  await clock.advance(99);
  expect(answer.settled).toBe(false);
  await clock.advance(1);
  expect(answer.error).toBeInstanceOf(TypeError);
});

test('chaosFetch() uses no timer without latency', async () => {
  const { fetch, clock } = chaos({ latencyMs: [0, 0] });
  const answer = fetch(url);
  expect(clock.pending).toBe(0);
  expect((await answer).status).toBe(200);
});

// Aborts.

test('chaosFetch() rejects with the reason on abort, during latency', async () => {
  const { fetch, inner, clock } = chaos({ latencyMs: [100, 100] });
  const controller = new AbortController();
  const answer = watch(fetch(url, { signal: controller.signal }));
  await clock.advance(50);
  controller.abort('the user left');
  await clock.advance(0);
  expect(answer).toEqual({ settled: true, error: 'the user left' });
  expect(inner.calls).toBe(0);
  expect(clock.pending).toBe(0);
});

test('chaosFetch() rejects with the reason and sends nothing, for a signal that has aborted before', async () => {
  const { fetch, inner } = chaos({});
  await expect(fetch(url, { signal: AbortSignal.abort('the user left') })).rejects.toBe('the user left');
  await expect(fetch(new Request(url, { signal: AbortSignal.abort('the user left') }))).rejects.toBeDefined();
  expect(inner.calls).toBe(0);
});

test('chaosFetch() follows the signal of a Request', async () => {
  const { fetch, clock } = chaos({ hangRate: 1 });
  const controller = new AbortController();
  const answer = watch(fetch(new Request(url, { signal: controller.signal })));
  await clock.advance(0);
  controller.abort(new Error('the user left'));
  await clock.advance(0);
  expect(answer.settled).toBe(true);
});

// What it refuses.

const share = 'must be a number of at least 0 and at most 1';
const wrong: readonly { options: object; error: Error }[] = [
  ...['hangRate', 'errorRate', 'statusRate', 'cutRate'].flatMap((name) => [
    { options: { [name]: -0.1 }, error: new RangeError(`chaos.${name} ${share}, got -0.1`) },
    { options: { [name]: 1.1 }, error: new RangeError(`chaos.${name} ${share}, got 1.1`) },
    { options: { [name]: Number.NaN }, error: new RangeError(`chaos.${name} ${share}, got NaN`) },
    { options: { [name]: '1' }, error: new TypeError(`chaos.${name} ${share}, got "1"`) },
  ]),
  ...[199, 600, 200.5].map((status) => ({
    options: { status },
    error: new RangeError(`chaos.status must be an integer of at least 200 and at most 599, got ${status}`),
  })),
  {
    options: { latencyMs: [-1, 5] },
    error: new RangeError('chaos.latencyMs[0] must be a number of at least 0, got -1'),
  },
  { options: { latencyMs: [5, 4] }, error: new RangeError('chaos.latencyMs[1] must be a number of at least 5, got 4') },
  {
    options: { latencyMs: [5, Infinity] },
    error: new RangeError('chaos.latencyMs[1] must be a number of at least 5, got Infinity'),
  },
  { options: { random: 0.5 }, error: new TypeError('chaos.random must be a function, got 0.5') },
  {
    options: { errorrate: 1 },
    error: new TypeError(
      'chaos.errorrate is not an option; there are hangRate, errorRate, statusRate, status, cutRate, latencyMs, random, clock',
    ),
  },
];

test.for(wrong)('chaosFetch() throws, naming the option and the value: $error', ({ options, error }) => {
  expect(() => chaosFetch(scriptedFetch([200]), options)).toThrow(error);
});

test.for([[100], ['100'], [null]])(
  'chaosFetch() throws TypeError, for latencyMs that is no pair: %j',
  ([latencyMs]) => {
    const options = { latencyMs } as unknown as ChaosOptions;
    expect(() => chaosFetch(scriptedFetch([200]), options)).toThrow(TypeError);
    expect(() => chaosFetch(scriptedFetch([200]), options)).toThrow('chaos.latencyMs');
  },
);

test.for([undefined, null, 'fetch', {}])('chaosFetch() throws TypeError, for %j in place of a fetch', (inner) => {
  const notFetch = inner as unknown as typeof fetch;
  expect(() => chaosFetch(notFetch)).toThrow(TypeError);
  expect(() => chaosFetch(notFetch)).toThrow('must be a function');
});

test('chaosFetch() goes by the signal of init, also where that is null', async () => {
  const { fetch } = chaos({});
  const request = new Request(url, { signal: AbortSignal.abort() });
  expect(await kindOf(fetch(request, { signal: null }))).toBe('200');
});

test('chaosFetch() breaks the body off, for a cutRate of 1, though what it is of can not be cancelled', async () => {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('0123456789')),
    cancel: () => new Promise(() => {}),
  });
  const response = await chaosFetch(async () => new Response(body), { cutRate: 1 })(url);
  await expect(response.text()).rejects.toThrow();
});
