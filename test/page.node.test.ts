import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { build } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import type * as steadfetch from '../src/index.ts';
import { launchChromium } from './support/chromium.ts';

// What happens to a page from outside: it is frozen, and a service worker stands in front of it. Where there is no
// Chromium, `npm test` says so.

/** What the page has of the library. */
declare const steady: typeof steadfetch;

/** A service worker that does with `/api/` what `answer` says, in terms of `event` and of the library. */
function serviceWorker(answer: string): string {
  return `
    import * as steady from '/steadfetch.js';
    const client = steady.createClient({
      fallback: { store: steady.memoryStore(), respond: () => new Response('default') },
      retry: false,
    });
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => {
      if (new URL(event.request.url).pathname.startsWith('/api/')) event.respondWith(${answer});
    });`;
}
const workers = {
  '/through.js': serviceWorker('fetch(event.request)'),
  '/own.js': serviceWorker(
    "caches.open('own').then((cache) => cache.match(event.request)).then((kept) => kept ?? fetch(event.request).then(async (answer) => { await (await caches.open('own')).put(event.request, answer.clone()); return answer; }))",
  ),
  '/steady.js': serviceWorker('client.fetch(event.request)'),
} as const;

let library = '';
let server: Server;
let origin = '';
let isDown = false;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  const { outputFiles } = await build({ entryPoints: ['src/index.ts'], bundle: true, format: 'esm', write: false });
  library = outputFiles[0]?.text ?? '';
  server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, origin);
    const give = (type: string, text: string): unknown => response.setHeader('content-type', type).end(text);
    if (pathname === '/steadfetch.js') give('text/javascript', library);
    else if (pathname in workers) give('text/javascript', workers[pathname as keyof typeof workers]);
    else if (pathname === '/') {
      give('text/html', '<script type="module">globalThis.steady = await import("/steadfetch.js")</script>');
    } else if (isDown) response.destroy();
    else if (pathname === '/api/busy') response.writeHead(503).end();
    else if (pathname === '/api/cut')
      response.writeHead(200, { 'content-length': '9' }).write('cut', () => response.destroy());
    else if (pathname !== '/api/hang') give('text/plain', `from ${pathname}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchChromium({
    // Playwright turns the back-forward cache off, which people have on.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}, 60_000);

afterAll(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
}, 20_000);

beforeEach(async () => {
  isDown = false;
  context = await browser.newContext();
  page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => 'steady' in globalThis);
});

afterEach(() => context.close());

/** Puts a service worker in front of the page. */
async function putInFront(script: keyof typeof workers): Promise<void> {
  await page.evaluate(async (path) => {
    const claimed = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    });
    await navigator.serviceWorker.register(path, { type: 'module' });
    await claimed;
  }, script);
}

test('createClient() counts timers for nothing that come late, because the page was frozen for the way back', {
  timeout: 60_000,
}, async () => {
  await page.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted }));
    const client = steady.createClient({ attemptTimeoutMs: 1_000, retry: false, breaker: { failureThreshold: 1 } });
    client.fetch('/api/hang').catch((error: unknown) => Object.assign(globalThis, { client, error }));
  });
  await page.goto('about:blank');
  await sleep(3_000); // the page's own time, which nobody can set
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => 'error' in globalThis);
  const seen = await page.evaluate(() => {
    const { client, error, persisted } = globalThis as unknown as Record<string, unknown>;
    const { name, lateMs } = error as steadfetch.AttemptTimeoutError;
    const [{ breaker, counters } = {}] = Object.values((client as steadfetch.Client).snapshot().dependencies);
    return { persisted, name, isLate: lateMs > 1_000, state: breaker?.state, failures: counters?.failure };
  });
  expect(seen).toEqual({ persisted: true, name: 'TimeoutError', isLate: true, state: 'closed', failures: 0 });
});

test('createClient() is the same behind a service worker that hands everything on', { timeout: 60_000 }, async () => {
  await putInFront('/through.js');
  const seen = await page.evaluate(async () => {
    const client = steady.createClient({ retry: { maxAttempts: 2, initialDelayMs: 1 } });
    const controller = new AbortController();
    const aborted = client.fetch('/api/hang', { signal: controller.signal }).catch((error: unknown) => String(error));
    controller.abort('left');
    const nameOf = (error: Error): string => error.name;
    return {
      good: await client.fetch('/api/one').then((response) => response.text()),
      busy: (await client.fetch('/api/busy')).status,
      // Of these alone we know that no answer is on its way, however busy the machine is.
      hang: await client.fetch('/api/hang', { attemptTimeoutMs: 300 }).catch(nameOf),
      cut: await client.json('/api/cut').catch(nameOf),
      aborted: await aborted,
      attempts: Object.values(client.snapshot().dependencies)[0]?.counters.attempts,
    };
  });
  const expected = { good: 'from /api/one', busy: 503, hang: 'TimeoutError', cut: 'TypeError', aborted: 'left' };
  // Two of each that is worth a second, and the one that was left.
  expect(seen).toEqual({ ...expected, attempts: 8 });
});

test('createClient() takes what a service worker has kept for an answer', { timeout: 60_000 }, async () => {
  await putInFront('/own.js');
  const ask = (): Promise<unknown> =>
    page.evaluate(async () => {
      const client = steady.createClient();
      const response = await client.fetch('/api/one');
      return [await response.text(), steady.degradation(response) ?? 'not degraded'];
    });
  expect(await ask()).toEqual(['from /api/one', 'not degraded']);
  isDown = true;
  expect(await ask()).toEqual(['from /api/one', 'not degraded']);
});

test('createClient() in a service worker tells the page that its answer is degraded', { timeout: 60_000 }, async () => {
  await putInFront('/steady.js');
  const ask = (path: string): Promise<unknown> =>
    page.evaluate(async (at) => {
      const response = await steady.createClient().fetch(at);
      const { source, reason } = steady.degradation(response) ?? {};
      return [await response.text(), source, reason];
    }, path);
  expect(await ask('/api/one')).toEqual(['from /api/one', undefined, undefined]);
  isDown = true;
  expect(await ask('/api/one')).toEqual(['from /api/one', 'cache', 'network']);
  expect(await ask('/api/two')).toEqual(['default', 'default', 'network']);
});
