import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Window } from 'happy-dom';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';

import { type Client, createClient, degradation, type FetchInit } from '../../src/index.ts';
import { recipe, writeNamedFiles } from '../docs/snippets.ts';
import { upstream } from './upstream.ts';

interface Recipe {
  api(via: typeof fetch): Pick<Client, 'fetch' | 'json'>;
}

interface App {
  init(options: { env: Record<string, string> }): Promise<void>;
  respond(request: Request, options: { getClientAddress(): string }): Promise<Response>;
}

const app = resolve('test/recipes/sveltekit');
let server: App;

/** Builds the app as its users do, with the files as they stand in the page. */
beforeAll(async () => {
  const files = writeNamedFiles('docs/recipes/sveltekit.md', 'recipe-sveltekit-app');
  const env = { ...process.env, NODE_ENV: 'production', PAGE: files, LIBRARY: resolve('dist/index.js') };
  const vite = resolve('node_modules/vite/bin/vite.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [vite, 'build'], { cwd: app, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot build the app:\n${stdout}\n${stderr}`);
  ({ server } = (await import(pathToFileURL(`${app}/.svelte-kit/app.js`).href)) as { server: App });
  await server.init({ env: {} });
}, 120_000);

async function page(path: string, cookie?: string): Promise<{ readonly status: number; readonly html: string }> {
  const headers = cookie === undefined ? {} : { cookie };
  const request = new Request(`http://shop.test${path}`, { headers });
  const response = await server.respond(request, { getClientAddress: () => '127.0.0.1' });
  return { status: response.status, html: await response.text() };
}

const of = (url: string, rest = ''): string => `/?upstream=${encodeURIComponent(`${url}/products`)}${rest}`;

/** What load's fetch has put into the page for the browser. */
function inlined(html: string): readonly {
  readonly url: string | undefined;
  readonly attributes: string;
  readonly status: number;
  readonly body: string;
}[] {
  const scripts = html.matchAll(/<script ([^>]*data-sveltekit-fetched[^>]*)>(.*?)<\/script>/gs);
  return Array.from(scripts, ([, attributes = '', json = '']) => {
    const { status, body } = JSON.parse(json) as { status: number; body: string };
    const isBase64 = attributes.includes('data-b64');
    const url = /data-url="([^"]*)"/.exec(attributes)?.[1];
    return { url, attributes, status, body: isBase64 ? Buffer.from(body, 'base64').toString() : body };
  });
}

const open = { headers: { 'access-control-allow-origin': '*' } };

test('sveltekit: a read survives what passes, by the fetch of load, which puts the answer into the page', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea'], open), 503, 'reset');
  const { status, html } = await page(of(url));
  expect(status).toBe(200);
  expect(html).toContain('<li>tea</li>');
  expect(requests).toEqual(Array(3).fill('GET /products'));
  expect(inlined(html)).toMatchObject([{ url: `${url}/products`, status: 200, body: '["tea"]' }]);
});

test('sveltekit: json() reads through the fetch of load as well, within the attempt', async () => {
  const { url, requests } = await upstream(() => Response.json(['tea'], open), 'reset');
  const { html } = await page(of(url, '&by=json'));
  expect(html).toContain('<li>tea</li>');
  expect(requests).toHaveLength(2);
  expect(inlined(html)).toMatchObject([{ url: `${url}/products`, body: '["tea"]' }]);
});

test.for(['', '&by=json'])(
  'sveltekit: a relative URL is a route of the app, which needs no network (%s)',
  async (by) => {
    const { status, html } = await page(`/?${by}`);
    expect(status).toBe(200);
    expect(html).toContain('<li>tea</li>');
    expect(inlined(html)).toMatchObject([{ url: '/api/products', status: 200, body: '["tea"]' }]);
    // The browser looks it up by the request's headers, too: the client added none.
    expect(inlined(html)[0]?.attributes).not.toContain('data-hash');
  },
);

test('sveltekit: only the attempt that was read is in the page, also after one with a Retry-After', async () => {
  const headers = { ...open.headers, 'retry-after': '0' };
  const answer = (): Response =>
    requests.length % 2 === 0 ? Response.json(['tea'], open) : new Response('busy', { status: 503, headers });
  const { url, requests } = await upstream(answer);
  const { html } = await page(of(url));
  expect(requests).toHaveLength(2);
  expect(inlined(html)).toMatchObject([{ status: 200, body: '["tea"]' }]);

  // Where the app does not name the header, it may not be read.
  expect((await page(of(url, '&unnamed'))).html).toContain('Failed to get response header `retry-after`');
});

test('sveltekit: degradation() asks for two more headers, and a client with a store for many', async () => {
  const asked: string[] = [];
  const get = (name: string): string | null => {
    asked.push(name);
    return name === 'cache-status' ? 'steadfetch; hit; detail="degraded: network"' : null;
  };
  degradation({ headers: { get } as unknown as Headers });
  expect(new Set(asked)).toEqual(new Set(['cache-status', 'age']));
  const headers = { ...open.headers, 'cache-status': 'steadfetch; hit; detail="degraded: network"', age: '5' };
  const { url } = await upstream(() => Response.json(['tea'], { headers }));
  expect((await page(of(url, '&degraded'))).status).toBe(200);
  expect((await page(of(url, '&degraded&unnamed'))).html).toContain('Failed to get response header `cache-status`');
  // In a server load it may: that of /me does.
  expect((await page(`/stored${of(url).slice(1)}`)).html).toContain('Failed to get response header `date`');
});

test('sveltekit: the load of the page is one', async () => {
  const { status, html } = await page('/taken');
  expect(status).toBe(200);
  expect(html).toContain('<li>tea</li>');
});

test('sveltekit: the fetch of load adds the cookies of the visitor for its own domain and those below, and no other', async () => {
  const seen: string[] = [];
  const network = vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    seen.push(`${new URL(request.url).host} ${request.headers.get('cookie')}`);
    return Response.json(['tea'], open);
  });
  onTestFinished(() => network.mockRestore());
  for (const origin of ['http://api.shop.test', 'http://other.test']) await page(of(origin), 'user=ann');
  expect(seen).toEqual(['api.shop.test user=ann', 'other.test null']);
});

/** What load's fetch gives in a browser that was sent a page: from the page, or by a request. */
async function hydrated(html: string, url: string, init?: RequestInit): Promise<'page' | 'request'> {
  const window = new Window({ url: 'http://shop.test/' });
  window.document.write(html);
  const request = vi.fn(async () => Response.json(['coffee']));
  vi.stubGlobal('window', { fetch: request });
  vi.stubGlobal('document', window.document);
  onTestFinished(() => void vi.unstubAllGlobals());
  vi.resetModules();
  const fetcher = resolve(app, 'node_modules/@sveltejs/kit/src/runtime/client/fetcher.js');
  const { initial_fetch } = (await import(/* @vite-ignore */ pathToFileURL(fetcher).href)) as {
    initial_fetch(url: string, init?: RequestInit): Promise<Response>;
  };
  const answer = await (await initial_fetch(url, init)).json();
  await window.happyDOM.close();
  expect(answer).toEqual([request.mock.calls.length > 0 ? 'coffee' : 'tea']);
  return request.mock.calls.length > 0 ? 'request' : 'page';
}

test('sveltekit: the load of the browser takes the answer from the page, unless it tells another deadline', async () => {
  const told: string[] = [];
  const header = 'x-envoy-expected-rq-timeout-ms';
  const answer = ({ headers }: Request): Response => {
    told.push(headers.get(header) ?? '');
    return told.length === 2
      ? new Response(null, { status: 503, headers: open.headers })
      : Response.json(['tea'], open);
  };
  const { url } = await upstream(answer);
  const products = `${url}/products`;
  expect(await hydrated((await page(of(url))).html, products)).toBe('page');

  const { html } = await page(`/told${of(url).slice(1)}`);
  const [, first = '', second = ''] = told;
  expect(first).not.toBe(second);
  expect(await hydrated(html, products, { headers: { [header]: second } })).toBe('page');
  expect(await hydrated(html, products, { headers: { [header]: first } })).toBe('request');
});

test('sveltekit: where the trouble stays, a page costs three requests; all pages share a circuit, and see its code', async () => {
  const { url, requests } = await upstream(() => Response.json(['busy'], { status: 503, ...open }));
  for (let visit = 1; visit <= 5; visit += 1) {
    const { html } = await page(of(url));
    expect(html).toContain('<li>busy</li>');
    expect(requests).toHaveLength(3 * visit);
  }
  const { status, html } = await page(of(url));
  expect(status).toBe(500);
  expect(html).toContain('<h1>500</h1> <p>CIRCUIT_OPEN</p>');
  expect(requests).toHaveLength(15);
});

test('sveltekit: the fetch of load adds the cookies of the visitor, and only partitions keep stored answers apart', async () => {
  expect((await page('/me', 'user=ann')).html).toContain('<p>ann</p>');
  expect((await page('/me', 'user=bob')).html).toContain('<p>bob</p>');
  expect((await page('/me?down', 'user=ann')).html).toContain('<p>bob</p>');

  expect((await page('/me?apart', 'user=ann')).html).toContain('<p>ann</p>');
  expect((await page('/me?apart', 'user=bob')).html).toContain('<p>bob</p>');
  expect((await page('/me?apart&down', 'user=ann')).html).toContain('<p>ann</p>');
  expect((await page('/me?apart&down', 'user=eve')).status).toBe(500);
});

test('sveltekit: a write is made once, an abort passes through, and the inner fetch sees nothing of ours', async () => {
  const { api } = await recipe<Recipe>('sveltekit');
  const inits: (RequestInit | undefined)[] = [];
  const via: typeof fetch = (input, init) => {
    inits.push(init);
    return fetch(input, init);
  };
  const { url, requests } = await upstream(() => Response.json({}), 503, 'hang');
  const { status } = await api(via).fetch(`${url}/orders`, { method: 'POST', body: '{}' });
  expect(status).toBe(503);
  expect(requests).toEqual(['POST /orders']);
  expect(Object.keys(inits[0] ?? {}).sort()).toEqual(['body', 'method', 'signal']);

  const controller = new AbortController();
  const left = api(via).fetch(`${url}/products`, { signal: controller.signal });
  await expect.poll(() => requests).toHaveLength(2);
  const reason = new Error('left');
  controller.abort(reason);
  await expect(left).rejects.toBe(reason);
});

test('sveltekit: routes of the app are one dependency, and calls with a fetch of their own are not shared', async () => {
  type LoadInit = FetchInit & { via?: typeof fetch };
  const client = createClient({
    fallback: { coalesce: true },
    fetch: (input, { via = fetch, ...init }: LoadInit = {}) => via(input, init),
  });
  const asked: unknown[] = [];
  const via: typeof fetch = async (input) => Response.json(asked.push(input));
  const init: LoadInit = { via };
  await Promise.all(['/api/products', '/api/products', '/api/me'].map((path) => client.json(path, init)));
  expect(asked).toEqual(['/api/products', '/api/products', '/api/me']);
  expect(Object.keys(client.snapshot().dependencies)).toEqual(['relative']);
});
