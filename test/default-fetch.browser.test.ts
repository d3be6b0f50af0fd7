import { expect, test } from 'vitest';

import { createClient } from '../src/index.ts';
import { scenario } from './support/scenario.ts';

const bare = { deadlineMs: false, bulkhead: false, breaker: false, retry: false, attemptTimeoutMs: false } as const;

test('client.fetch works without a fetch of its user, as a method', async () => {
  const response = await createClient().fetch(scenario('200;body=hello').url);
  expect(await response.text()).toBe('hello');
});

test('client.fetch and client.json work without a fetch of their user, unbound', async () => {
  const { fetch, json } = createClient();
  const response = await fetch(scenario('200;body=hello').url);
  expect(await response.text()).toBe('hello');
  expect((await json(scenario('ok').url)).value).toEqual({ ok: true });
});

test('client.fetch resolves a relative URL against the page', async () => {
  const client = createClient();
  const response = await client.fetch('/relative?to=page');
  await response.body?.cancel();
  expect(response.url).toBe(new URL('/relative?to=page', document.baseURI).href);
  expect(Object.keys(client.snapshot().dependencies)).toEqual([location.origin]);
});

test('client.fetch counts a relative and an absolute URL of the page as one dependency', async () => {
  const client = createClient();
  for (const url of ['/', new URL('/', location.href)]) await (await client.fetch(url)).body?.cancel();
  expect(client.snapshot().dependencies).toMatchObject({ [location.origin]: { counters: { calls: 2 } } });
});

test('client.fetch refuses a relative URL that makes no sense, as the platform does', async () => {
  const client = createClient();
  await expect(client.fetch('http://')).rejects.toBeInstanceOf(TypeError);
  expect(client.snapshot().dependencies).toEqual({});
});

const requests: readonly { what: string; init: RequestInit }[] = [
  { what: 'a GET', init: {} },
  { what: 'a POST', init: { method: 'POST', body: 'text' } },
];

test.for(requests)('client.fetch adds no header to $what', async ({ init }) => {
  const [plain, defended, off] = [scenario('ok'), scenario('ok'), scenario('ok')];
  await (await fetch(plain.url, init)).text();
  await (await createClient().fetch(defended.url, init)).text();
  await (await createClient(bare).fetch(off.url, init)).text();
  const [sent] = await plain.seen();
  expect(sent?.headers).toBeDefined();
  expect((await defended.seen()).map(({ headers }) => headers)).toEqual([sent?.headers]);
  expect((await off.seen()).map(({ headers }) => headers)).toEqual([sent?.headers]);
});
