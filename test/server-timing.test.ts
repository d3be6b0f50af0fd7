import { expect, test } from 'vitest';

import { memoryStore } from '../src/index.ts';
import { createServerTiming } from '../src/server-timing.ts';
import { clientBench, errorOf, fetchAndStore, origin, url } from './client/bench.ts';

test('createServerTiming() tells what a call spent where: in all, in the queue, in attempts and between them', async () => {
  const { client, clock } = clientBench(
    [
      { status: 204, delayMs: 40 },
      { status: 503, delayMs: 20 },
      { status: 200, delayMs: 30 },
    ],
    { bulkhead: { maxConcurrent: 1 } },
  );
  const serverTiming = createServerTiming(client);
  const first = client.fetch(url);
  const second = client.fetch(url);
  await clock.advance(1_000);
  expect(serverTiming(await first)).toBe('upstream;dur=40;desc="network", upstream-attempt-1;dur=40;desc="204"');
  expect(serverTiming(await second)).toBe(
    'upstream;dur=190;desc="network", upstream-queue;dur=40, upstream-attempt-1;dur=20;desc="503", ' +
      'upstream-attempt-2;dur=30;desc="200", upstream-backoff;dur=100',
  );
});

test('createServerTiming() knows a call by its result, and by its error', async () => {
  const { client } = clientBench([{ body: '{}' }, 404, new TypeError('secret')], { retry: false });
  const serverTiming = createServerTiming(client, { name: 'users' });
  expect(serverTiming(await client.json(url))).toBe('users;dur=0;desc="network", users-attempt-1;dur=0;desc="200"');
  expect(serverTiming(await errorOf(client.json(url)))).toBe(
    'users;dur=0;desc="error", users-attempt-1;dur=0;desc="404"',
  );
  expect(serverTiming(await errorOf(client.fetch(url)))).toBe(
    'users;dur=0;desc="error", users-attempt-1;dur=0;desc="network"',
  );
});

test('createServerTiming() says where an answer is from that is not from the network, and whether it is degraded', async () => {
  const { client, clock } = clientBench([200, 501], {
    fallback: { store: memoryStore(), maxAgeMs: 1_000, respond: () => new Response('none') },
  });
  const serverTiming = createServerTiming(client);
  await fetchAndStore(client, url);
  expect(serverTiming(await client.fetch(url))).toBe('upstream;dur=0;desc="cache"');
  await clock.advance(2_000);
  expect(serverTiming(await client.fetch(url))).toContain('upstream;dur=0;desc="cache degraded"');
  expect(serverTiming(await client.fetch(`${origin}/other`))).toContain('desc="default degraded"');
});

test('createServerTiming() tells of the last attempts, when there are many', async () => {
  const { client, clock } = clientBench([503], { retry: { maxAttempts: 50, initialDelayMs: 0 } });
  const serverTiming = createServerTiming(client, { maxAttempts: 2 });
  const call = client.fetch(url);
  await clock.advance(1_000);
  const names = serverTiming(await call)
    .split(', ')
    .map((metric) => metric.split(';')[0]);
  expect(names[0]).toBe('upstream');
  expect(names.filter((name) => name?.includes('attempt'))).toHaveLength(2);
  expect(names.at(-1)).toBe(`upstream-attempt-${client.snapshot().dependencies[origin]?.counters.attempts}`);
});

test('createServerTiming() tells of a wait that was waited, not of one that was meant to be', async () => {
  const { client, clock } = clientBench([503]);
  const serverTiming = createServerTiming(client);
  const controller = new AbortController();
  const call = errorOf(client.fetch(url, { signal: controller.signal, retry: { initialDelayMs: 5_000 } }));
  await clock.advance(30);
  controller.abort();
  expect(serverTiming(await call)).toBe('upstream;dur=30;desc="error", upstream-attempt-1;dur=0;desc="503"');
});

test('createServerTiming() says of a call that shares the attempts of another that it does', async () => {
  const { client, clock } = clientBench([{ delayMs: 20 }, 501], { fallback: { coalesce: true } });
  const serverTiming = createServerTiming(client);
  const calls = [client.fetch(url), client.fetch(url)];
  await clock.advance(20);
  const [first, second] = await Promise.all(calls);
  expect(serverTiming(first)).toBe('upstream;dur=20;desc="network", upstream-attempt-1;dur=20;desc="200"');
  expect(serverTiming(second)).toBe('upstream;dur=20;desc="network shared"');
});

test('createServerTiming() sees each call once, however often it is asked for', async () => {
  const { client } = clientBench([204]);
  const first = createServerTiming(client);
  expect(createServerTiming(client, { name: 'upstream' })).toBe(first);
  expect(createServerTiming(client, { name: 'users' })).not.toBe(first);
});

test('createServerTiming() gives an empty text for what is of no call, or of one made before', async () => {
  const { client } = clientBench([204]);
  const before = await client.fetch(url);
  const serverTiming = createServerTiming(client);
  const unknown = [before, new Response(), undefined, null, 5, 'text', new Error('none')];
  expect(unknown.map(serverTiming)).toEqual(unknown.map(() => ''));
});

test('createServerTiming() takes any reason for an abort', async () => {
  const { client, clock } = clientBench(['hang']);
  const serverTiming = createServerTiming(client);
  for (const reason of ['text', 5, Symbol('why'), null, new Error('why')]) {
    const controller = new AbortController();
    const call = errorOf(client.fetch(url, { signal: controller.signal }));
    await clock.advance(1);
    controller.abort(reason);
    expect(serverTiming(await call)).toBe(
      reason instanceof Error ? 'upstream;dur=1;desc="error", upstream-attempt-1;dur=1;desc="aborted"' : '',
    );
  }
});

test('createServerTiming() tells nothing of where a call went, and what is a header wherever it is set', async () => {
  const { client } = clientBench([200], { name: 'secret', isolateBy: () => 'secret' });
  const value = createServerTiming(client)(await client.fetch('https://secret.test/secret?secret#secret'));
  expect(value).not.toContain('secret');
  expect(new Headers({ 'server-timing': value }).get('server-timing')).toBe(value);
});

const wrong = [
  { options: { name: '' }, error: TypeError },
  { options: { name: 'my users' }, error: TypeError },
  { options: { name: 'a\r\nset-cookie: b' }, error: TypeError },
  { options: { name: 'x'.repeat(65) }, error: TypeError },
  { options: { name: 5 }, error: TypeError },
  { options: { maxAttempts: 0 }, error: RangeError },
  { options: { maxAttempts: '5' }, error: TypeError },
  { options: { names: 'x' }, error: TypeError },
];

test.for(wrong)('createServerTiming() throws $error.name that names the option, for $options', ({ options, error }) => {
  const { client } = clientBench([204]);
  const [option = ''] = Object.keys(options);
  const name = new RegExp(`^serverTiming\\.${option} `);
  expect(() => createServerTiming(client, options as object)).toThrow(error);
  expect(() => createServerTiming(client, options as object)).toThrow(name);
});

test('createServerTiming() throws a TypeError for what is no client', () => {
  expect(() => createServerTiming({ fetch() {} })).toThrow(TypeError);
});

test('createServerTiming() tells of requests side by side, the one that was outrun too', async () => {
  const { client, clock } = clientBench(['hang', { delayMs: 10 }], { hedge: { afterMs: 50 } });
  const serverTiming = createServerTiming(client);
  const call = client.fetch(url);
  await clock.advance(60);
  expect(serverTiming(await call)).toBe(
    'upstream;dur=60;desc="network", upstream-attempt-2;dur=10;desc="200", upstream-attempt-1;dur=60;desc="outrun"',
  );
});
