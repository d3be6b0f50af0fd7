import { expect, test } from 'vitest';

import type { ClientOptions, FetchInit } from '../../src/index.ts';
import { encounter } from '../support/encounter.ts';
import { engine } from '../support/engine.ts';
import type { SeenRequest } from '../support/scenario.ts';

const key = { 'Idempotency-Key': 'order-1' };

/** Which requests may be sent again (DESIGN.md, section 3). */
const requests: readonly { kind: string; init: FetchInit; options?: ClientOptions; sent: number }[] = [
  { kind: 'GET', init: {}, sent: 3 },
  { kind: 'HEAD', init: { method: 'HEAD' }, sent: 3 },
  { kind: 'OPTIONS', init: { method: 'OPTIONS' }, sent: 3 },
  { kind: 'PUT', init: { method: 'PUT' }, sent: 3 },
  { kind: 'DELETE', init: { method: 'DELETE' }, sent: 3 },
  { kind: 'QUERY', init: { method: 'QUERY', body: 'text' }, sent: 3 },
  { kind: 'POST', init: { method: 'POST' }, sent: 1 },
  { kind: 'PATCH', init: { method: 'PATCH' }, sent: 1 },
  { kind: 'POST with Idempotency-Key', init: { method: 'POST', headers: key }, sent: 3 },
  { kind: 'PATCH with Idempotency-Key', init: { method: 'PATCH', headers: new Headers(key) }, sent: 3 },
  { kind: 'POST, idempotent', init: { method: 'POST', idempotent: true }, sent: 3 },
  { kind: 'GET, not idempotent', init: { idempotent: false }, sent: 1 },
  {
    kind: 'POST, among the methods',
    init: { method: 'POST', retry: { methods: ['POST'], initialDelayMs: 0 } },
    sent: 3,
  },
  { kind: 'GET, not among the methods', init: { retry: { methods: ['POST'] } }, sent: 1 },
  { kind: 'GET, without retry', init: { retry: false }, sent: 1 },
];
const rows = requests.flatMap((request) => ['503', 'cut-body'].map((fault) => ({ fault, ...request })));

test.for(rows)('client.json sends $sent requests, for $kind and $fault', async ({ fault, init, sent }) => {
  const hasNoBody = init.method === 'HEAD' && fault === 'cut-body';
  const { seen, outcome } = await encounter(fault, { use: 'json', init });
  expect(seen).toHaveLength(hasNoBody ? 1 : sent);
  expect(outcome).toBe(hasNoBody ? 'success' : 'failure');
  expect(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
});

const form = new FormData();
form.set('field', 'grüße');
form.set('file', new Blob(['file text']), 'a.txt');

const bodies: readonly { kind: string; body: BodyInit; text: string | RegExp }[] = [
  { kind: 'a string', body: 'grüße', text: 'grüße' },
  { kind: 'bytes', body: new TextEncoder().encode('bytes'), text: 'bytes' },
  { kind: 'a buffer', body: new TextEncoder().encode('buffer').buffer, text: 'buffer' },
  { kind: 'a Blob', body: new Blob(['bl', 'ob']), text: 'blob' },
  { kind: 'URLSearchParams', body: new URLSearchParams({ q: 'a b' }), text: 'q=a+b' },
  { kind: 'FormData', body: form, text: /grüße.*a\.txt.*file text/s },
  { kind: 'a megabyte', body: 'm'.repeat(1e6), text: 'm'.repeat(4_096) },
];

test.for(bodies)('client.fetch sends the body whole each time, for $kind', async ({ body, text }) => {
  const { given, seen } = await encounter('503,cut-body,503', { use: 'json', init: { method: 'PUT', body } });
  expect(given).toEqual({ error: 'HTTP' });
  expect(seen).toHaveLength(3);
  for (const request of seen)
    expect(request.body.text).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  expect(new Set(seen.map(lengthWithoutBoundaries)).size).toBe(1);
});

/** The parts of a form are parted by a string that is new for each request, and not always equally long. */
function lengthWithoutBoundaries({ headers, body }: SeenRequest): number {
  const [, boundary] = headers['content-type']?.split('boundary=') ?? [];
  return boundary === undefined ? body.bytes : body.text.replaceAll(boundary, '').length;
}

// Chromium sends streams over HTTP/2 only, WebKit not at all, and Firefox sends the words "[object ReadableStream]".
const sendsStreams = !['chromium', 'firefox', 'webkit'].includes(engine);

test('client.fetch sends a stream at most once, for 503', async () => {
  const body = new Blob(['str', 'eam']).stream();
  const { given, attempts, seen } = await encounter('503', {
    init: { method: 'PUT', body, duplex: 'half' } as FetchInit,
  });
  expect(attempts).toBe(1);
  expect(seen.length).toBeLessThanOrEqual(1);
  if (!sendsStreams) return;
  expect(given).toMatchObject({ status: 503 });
  expect(seen).toMatchObject([{ body: { text: 'stream' } }]);
});
