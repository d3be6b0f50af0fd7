import { expect, test } from 'vitest';

import { createClient, type FetchInit } from '../../src/index.ts';
import { scriptedFetch } from '../../src/testing/scripted-fetch.ts';

// fetch takes its copy of the arguments when it is called: what becomes of the caller's objects later changes nothing.

const url = 'https://a.test/';

/** What is sent of a call that waits for its slot, and then for its second attempt, while `change` is at work. */
async function sentWhile(change: () => void, input: string | URL, init?: FetchInit) {
  let answer: (response: Response) => void = () => {};
  const first = new Promise<Response>((resolve) => {
    answer = resolve;
  });
  const fetch = scriptedFetch([
    () => first,
    () => {
      change();
      return 503;
    },
    200,
  ]);
  const client = createClient({
    fetch,
    isolateBy: () => 'a',
    bulkhead: { maxConcurrent: 1 },
    retry: { initialDelayMs: 0 },
  });
  const running = client.fetch(url);
  const waiting = client.fetch(input, init);
  change();
  answer(new Response());
  await Promise.all([running, waiting]);
  const sent = fetch.requests.slice(1);
  expect(sent).toHaveLength(2);
  return sent;
}

test('client.fetch sends a queued and retried call to the URL it was made for', async () => {
  const input = new URL(`${url}?page=1`);
  let page = 1;
  const change = (): void => {
    page += 1;
    input.searchParams.set('page', String(page));
  };
  expect((await sentWhile(change, input)).map((sent) => sent.url)).toEqual([`${url}?page=1`, `${url}?page=1`]);
});

const shared = { a: '1' };
const kinds: readonly { kind: string; headers: NonNullable<RequestInit['headers']>; change: () => void }[] = [
  { kind: 'an object', headers: shared, change: () => Object.assign(shared, { a: '2' }) },
  (() => {
    const headers = new Headers({ a: '1' });
    return { kind: 'Headers', headers, change: () => headers.set('a', '2') };
  })(),
  (() => {
    const headers: [string, string][] = [['a', '1']];
    return { kind: 'an array', headers, change: () => headers.splice(0, 1, ['a', '2']) };
  })(),
];

test.for(kinds)(
  'client.fetch sends a queued and retried call with the headers it was made with, for $kind',
  async (row) => {
    const sent = await sentWhile(row.change, url, { headers: row.headers });
    expect(sent.map(({ headers }) => headers.get('a'))).toEqual(['1', '1']);
  },
);

test('client.fetch sends a queued and retried call with the form it was made with', async () => {
  const body = new URLSearchParams({ a: '1' });
  const sent = await sentWhile(() => body.set('a', '2'), url, { method: 'PUT', body });
  expect(sent.map((request) => String(request.body))).toEqual(['a=1', 'a=1']);
});

test('client.fetch sends a queued and retried call with the fields and files it was made with', async () => {
  const body = new FormData();
  body.append('a', '1');
  body.append('a', '2');
  body.append('file', new File(['text'], 'a.txt', { type: 'text/plain' }));
  const change = (): void => {
    body.set('a', '3');
    body.delete('file');
  };
  for (const { body: sent } of await sentWhile(change, url, { method: 'PUT', body })) {
    expect(sent).toBeInstanceOf(FormData);
    const form = sent as FormData;
    expect(form.getAll('a')).toEqual(['1', '2']);
    expect(form.get('file')).toMatchObject({ name: 'a.txt', type: 'text/plain', size: 4 });
  }
});

test('client.fetch asks an object that stands for a URL once what it is', async () => {
  let asked = 0;
  const input = {
    toString() {
      asked += 1;
      return `https://host-${asked}.test/`;
    },
  };
  const fetch = scriptedFetch([200]);
  const client = createClient({ fetch });
  await client.fetch(input as unknown as URL);
  expect(fetch.requests[0]?.url).toBe('https://host-1.test/');
  expect(Object.keys(client.snapshot().dependencies)).toEqual(['https://host-1.test']);
});

const readOnce: readonly { kind: string; headers: () => unknown }[] = [
  { kind: 'the entries of Headers', headers: () => new Headers({ authorization: 'token' }).entries() },
  { kind: 'the entries of a Map', headers: () => new Map([['authorization', 'token']]).entries() },
  {
    kind: 'a generator',
    *headers() {
      yield ['authorization', 'token'];
    },
  },
];

test.for(readOnce)(
  'client.fetch sends headers that can be read only once with each attempt, for $kind',
  async ({ headers }) => {
    const fetch = scriptedFetch([503, 200]);
    const client = createClient({ fetch, retry: { initialDelayMs: 0 } });
    await client.fetch(url, { headers: headers() as NonNullable<RequestInit['headers']> });
    expect(fetch.requests.map((sent) => sent.headers.get('authorization'))).toEqual(['token', 'token']);
  },
);

class Init {
  get method(): string {
    return 'DELETE';
  }
}

test.for([
  { kind: 'from a prototype', init: Object.create({ method: 'DELETE', idempotent: false }) as FetchInit },
  { kind: 'from a getter of a class', init: Object.assign(new Init(), { idempotent: false }) as FetchInit },
])('client.fetch reads the fields of an init that come $kind', async ({ init }) => {
  const fetch = scriptedFetch([503, 200]);
  const response = await createClient({ fetch }).fetch(url, init);
  expect(response.status).toBe(503);
  expect(fetch.requests.map(({ method }) => method)).toEqual(['DELETE']);
});
