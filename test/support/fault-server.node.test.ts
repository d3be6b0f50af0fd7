import { connect } from 'node:net';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { type FaultServer, startFaultServer } from './fault-server.ts';
import { type Scenario, scenarioOn } from './scenario.ts';

let server: FaultServer;
beforeAll(async () => {
  server = await startFaultServer();
});
afterAll(() => server.close());

const scenario = (script: string): Scenario => scenarioOn(server.url, script);

async function failureOf(url: string): Promise<Error & { cause?: { code?: string } }> {
  return fetch(url).then(
    () => expect.unreachable(),
    (error) => error,
  );
}

const brokenHeads = ['reset', 'empty', 'not-http', 'two-lengths', 'nul-header', 'long-header', 'redirect'];

test.for(brokenHeads)('startFaultServer() gives fetch a network error, for %s', async (fault) => {
  expect(await failureOf(scenario(fault).url)).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
});

test('startFaultServer() sends a RST for reset and a FIN for empty', async () => {
  expect((await failureOf(scenario('reset').url)).cause).toMatchObject({ code: 'ECONNRESET' });
  expect((await failureOf(scenario('empty').url)).cause).toMatchObject({ code: 'UND_ERR_SOCKET' });
});

const brokenBodies = ['cut-body', 'cut-chunked', 'unended-chunked', 'reset-body', 'reset-chunked', 'gzip-corrupt'];

test.for(brokenBodies)('startFaultServer() gives a head and a body that breaks, for %s', async (fault) => {
  const response = await fetch(scenario(fault).url);
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow(TypeError);
});

const wholeBodies = ['ok', 'gzip', 'slow-body;everyMs=1', 'slow-headers;everyMs=0'];

test.for(wholeBodies)('startFaultServer() gives the whole body, for %s', async (fault) => {
  const response = await fetch(scenario(fault).url);
  expect(await response.json()).toEqual({ ok: true });
});

const hangs = [
  { fault: 'hang', read: false },
  { fault: 'body-hang', read: true },
  { fault: 'body-stall', read: true },
  { fault: 'slow-headers;everyMs=60000', read: false },
  { fault: 'slow-body;everyMs=60000', read: true },
];

test.for(hangs)(
  'startFaultServer() keeps the connection until the client leaves, for $fault',
  async ({ fault, read }) => {
    const { url, arrived, closed } = scenario(fault);
    const leave = new AbortController();
    const sent = fetch(url, { signal: leave.signal });
    const pending = read ? (await sent).text() : sent;
    expect(await arrived(1)).toMatchObject([{ connection: 'open' }]);
    leave.abort();
    await expect(pending).rejects.toThrow('aborted');
    expect(await closed()).toMatchObject([{ connection: 'left by the client' }]);
  },
);

test('startFaultServer() answers any status with the given body and headers', async () => {
  const date = 'Wed, 21 Oct 2026 07:28:00 GMT';
  const response = await fetch(scenario(`429;retry-after=${encodeURIComponent(date)};body=slow down;etag="1"`).url);
  expect(response.status).toBe(429);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'retry-after': date,
    etag: '"1"',
    'cache-control': 'no-store',
    'access-control-allow-origin': '*',
  });
  expect(await response.text()).toBe('slow down');
});

test.for(['204', '304'])('startFaultServer() sends no body, for %s', async (status) => {
  const response = await fetch(scenario(status).url);
  expect(response.status).toBe(Number(status));
  expect(await response.text()).toBe('');
});

test('startFaultServer() sends the length and no body, for HEAD', async () => {
  const response = await fetch(scenario('ok').url, { method: 'HEAD' });
  expect(response.headers.get('content-length')).toBe('11');
  expect(await response.text()).toBe('');
});

test('startFaultServer() plays the script one step per request and repeats the last', async () => {
  const { url, seen } = scenario('503,redirect,200,404');
  const statuses = [await fetch(url), await fetch(url), await fetch(url), await fetch(url)].map(({ status }) => status);
  expect(statuses).toEqual([503, 200, 404, 404]);
  expect((await seen()).map(({ fault }) => fault)).toEqual(['503', 'redirect', '200', '404', '404']);
});

test('startFaultServer() counts each scenario apart', async () => {
  const [a, b] = [scenario('503,ok'), scenario('503,ok')];
  await fetch(a.url);
  expect((await fetch(b.url)).status).toBe(503);
  expect(await a.seen()).toHaveLength(1);
});

const bodies = [
  { kind: 'a string', body: () => 'grüße', text: 'grüße' },
  { kind: 'bytes', body: () => new TextEncoder().encode('bytes'), text: 'bytes' },
  { kind: 'a stream, in chunks', body: () => new Blob(['str', 'eam']).stream(), text: 'stream' },
];

test.for(bodies)('startFaultServer() tells the body it received, sent as $kind', async ({ body, text }) => {
  const { url, seen } = scenario('ok');
  await fetch(url, {
    method: 'POST',
    body: body(),
    headers: { 'Idempotency-Key': 'k1' },
    duplex: 'half',
  } as RequestInit);
  const [request] = await seen();
  expect(request).toMatchObject({ method: 'POST', headers: { 'idempotency-key': 'k1' }, body: { text } });
  expect(request?.body.bytes).toBe(new TextEncoder().encode(text).length);
});

test('startFaultServer() stops pouring and says how much was taken, when the client leaves a huge body', async () => {
  const { url, closed } = scenario('huge;status=503;bytes=1e9');
  const response = await fetch(url);
  expect(response.status).toBe(503);
  await response.body?.cancel();
  const [request] = await closed();
  expect(request?.connection).toBe('left by the client');
  expect(request?.sentBytes).toBeLessThan(1e8);
});

test('startFaultServer() sends a huge body whole, to a client that reads on', async () => {
  const response = await fetch(scenario('huge;bytes=5000000').url);
  expect((await response.arrayBuffer()).byteLength).toBe(5_000_000);
});

test('startFaultServer() tells a URL that refuses connections', async () => {
  const refused = await fetch(`${server.url}/refused`);
  expect((await failureOf((await refused.json()) as string)).cause).toMatchObject({ code: 'ECONNREFUSED' });
});

test('startFaultServer() answers a preflight without counting it', async () => {
  const { url, seen } = scenario('reset');
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'http://page.test', 'access-control-request-method': 'PUT' },
  };
  const response = await fetch(url, preflight);
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-methods')).toContain('PUT');
  expect(await seen()).toEqual([]);
});

test('startFaultServer() answers 400 to a script with an unknown fault', async () => {
  const response = await fetch(scenario('resett').url);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain('resett');
});

test('startFaultServer() understands a request that arrives byte by byte', async () => {
  const { url, arrived } = scenario('ok');
  const { port, pathname } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').setNoDelay();
  const request = `POST ${pathname} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n`;
  for (const byte of request) await new Promise((sent) => socket.write(byte, sent));
  expect(await arrived(1)).toMatchObject([{ method: 'POST', body: { text: 'onetwo' } }]);
  socket.destroy();
});
