import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { build } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import type * as tabs from '../src/fleet/tabs.ts';
import type * as steadfetch from '../src/index.ts';
import { launchChromium } from './support/chromium.ts';

// Three tabs of a real Chromium, each a process of its own. Where there is none, `npm test` says so.

/** What the page has. */
declare const steady: typeof steadfetch & typeof tabs;
declare const client: steadfetch.Client;
declare const events: steadfetch.SteadEvent[];

const patience = { timeout: 30_000, interval: 50 };
const LEASE_MS = 2_000;

const upstream = {
  status: 200,
  hangs: false,
  /** Which tab has asked, and when. */
  asked: [] as { tab: string; at: number }[],
  hanging: [] as ServerResponse[],
};

let server: Server;
let origin = '';
let browser: Browser;
let context: BrowserContext;
let made = 0;

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './src/index.ts'; export * from './src/fleet/tabs.ts';", resolveDir: '.' },
    bundle: true,
    format: 'esm',
    write: false,
  });
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', origin);
    const give = (type: string, text: string): unknown => response.setHeader('content-type', type).end(text);
    if (pathname === '/library.js') give('text/javascript', outputFiles[0]?.text ?? '');
    else if (pathname === '/worker.js') give('text/javascript', 'globalThis.steady = await import("/library.js")');
    else if (pathname === '/') {
      give('text/html', '<script type="module">globalThis.steady = await import("/library.js")</script>');
    } else if (pathname !== '/api') response.writeHead(404).end();
    else {
      upstream.asked.push({ tab: String(request.headers['x-tab']), at: performance.now() });
      if (upstream.hangs) upstream.hanging.push(response);
      else response.writeHead(upstream.status).end();
    }
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
  Object.assign(upstream, { status: 200, hangs: false, asked: [], hanging: [] });
  context = await browser.newContext();
});

afterEach(() => context.close(), 30_000);

interface Tab {
  readonly page: Page;
  readonly id: string;
  call(): Promise<unknown>;
  /** From within: a call each few milliseconds, for so long. */
  keepCalling(forMs: number): Promise<void>;
  state(): Promise<string | undefined>;
  /** Failures that it has seen itself, and how often it was alone. */
  seen(): Promise<{ failures: number; alone: unknown[] }>;
}

async function openTab(): Promise<Tab> {
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => 'steady' in globalThis);
  made += 1;
  const id = `tab-${made}`;
  await page.evaluate((resetTimeoutMs) => {
    const own = steady.createClient({
      retry: false,
      attemptTimeoutMs: false,
      deadlineMs: false,
      breaker: {
        failureThreshold: 3,
        successThreshold: 1,
        resetTimeoutMs,
        // Nobody goes for a probe of its own because it has waited for so long.
        maxResetTimeoutMs: 600_000,
        resetJitter: 0,
        fleet: steady.tabFleet(),
      },
    });
    const all: steadfetch.SteadEvent[] = [];
    own.subscribe((event) => all.push(event));
    Object.assign(globalThis, { client: own, events: all });
  }, LEASE_MS);
  return {
    page,
    id,
    call: () =>
      page.evaluate(
        (tab) =>
          // A URL of its own: Chromium lets one wait for another's answer, for 20 s, in case it can be cached.
          client.fetch(`/api?${tab}`, { headers: { 'x-tab': tab } }).then(
            ({ status }) => status,
            (error: { code?: string }) => error.code,
          ),
        id,
      ),
    keepCalling: (forMs) =>
      page.evaluate(
        async ([tab, lastsMs]) => {
          const endsAt = performance.now() + lastsMs;
          while (performance.now() < endsAt) {
            await client.fetch(`/api?${tab}`, { headers: { 'x-tab': tab } }).catch(() => {});
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
        },
        [id, forMs] as const,
      ),
    state: () => page.evaluate(() => Object.values(client.snapshot().dependencies)[0]?.breaker?.state),
    seen: () =>
      page.evaluate(() => ({
        failures: events.filter((event) => event.type === 'attempt' && event.outcome === 'failure').length,
        alone: events.filter((event) => event.type === 'fleet'),
      })),
  };
}

type Three = readonly [Tab, Tab, Tab];

async function threeTabs(): Promise<Three> {
  const all = await Promise.all([openTab(), openTab(), openTab()]);
  await callAll(all);
  return all as unknown as Three;
}

const callAll = (all: readonly Tab[]): Promise<unknown[]> => Promise.all(all.map((tab) => tab.call()));
const states = (all: readonly Tab[]): Promise<unknown[]> => Promise.all(all.map((tab) => tab.state()));

async function fail(tab: Tab): Promise<void> {
  upstream.status = 501;
  for (let failure = 1; failure <= 3; failure += 1) await tab.call();
}

async function untilOpen(all: readonly Tab[]): Promise<void> {
  await expect.poll(async () => (await states(all)).includes('closed'), patience).toBe(false);
}

async function untilClosed(all: readonly Tab[]): Promise<void> {
  await expect
    .poll(async () => {
      await callAll(all);
      return new Set(await states(all));
    }, patience)
    .toEqual(new Set(['closed']));
}

test('what one tab finds down, the others leave alone; one of them finds it back, for all', {
  timeout: 90_000,
}, async () => {
  const all = await threeTabs();
  upstream.asked = [];
  await fail(all[0]);
  await untilOpen(all);
  expect(upstream.asked.map(({ tab }) => tab)).toEqual([all[0].id, all[0].id, all[0].id]);
  // All of them at once, without a pause, while a probe falls due: it fails, which keeps it open for all, until the next is due.
  upstream.asked = [];
  await Promise.all(all.map((tab) => tab.keepCalling(LEASE_MS * 1.7)));
  const probes = upstream.asked;
  expect(probes.length).toBeGreaterThan(0);
  for (const [nth, { at }] of probes.entries()) {
    expect(at - (probes[nth - 1]?.at ?? -Infinity)).toBeGreaterThan(LEASE_MS);
  }
  upstream.asked = [];
  upstream.status = 200;
  await untilClosed(all);
  const seen = await Promise.all(all.map((tab) => tab.seen()));
  const probed = (tab: Tab): number => probes.filter((probe) => probe.tab === tab.id).length;
  expect(seen).toEqual(all.map((tab, nth) => ({ failures: (nth === 0 ? 3 : 0) + probed(tab), alone: [] })));
});

test('what a tab finds down, a worker of the origin leaves alone', { timeout: 90_000 }, async () => {
  const tab = await openTab();
  await tab.call();
  const [worker] = await Promise.all([
    tab.page.waitForEvent('worker'),
    tab.page.evaluate(() => void new Worker('/worker.js', { type: 'module' })),
  ]);
  await expect.poll(() => worker.evaluate(() => 'steady' in globalThis), patience).toBe(true);
  await worker.evaluate(async () => {
    const own = steady.createClient({ breaker: { fleet: steady.tabFleet() } });
    await own.fetch(`${location.origin}/api?worker`, { headers: { 'x-tab': 'worker' } });
    Object.assign(globalThis, { client: own });
  });
  await fail(tab);
  const state = (): Promise<unknown> =>
    worker.evaluate(() => Object.values(client.snapshot().dependencies)[0]?.breaker?.state);
  await expect.poll(state, patience).toBe('open');
  expect(upstream.asked.filter((asked) => asked.tab === 'worker')).toHaveLength(1);
});

test('a newcomer knows what the others know, and what whoever has found it out can no longer tell', {
  timeout: 90_000,
}, async () => {
  const [first, second] = await threeTabs();
  await fail(first);
  await untilOpen([second]);
  await crash(first);
  const late = await openTab();
  upstream.status = 200;
  await late.call();
  await untilOpen([late]);
  expect((await late.seen()).failures).toBe(0);
});

/** Ends the process of a tab. */
async function crash({ page }: Tab): Promise<void> {
  const crashed = page.waitForEvent('crash', { timeout: 30_000 });
  page.goto('chrome://crash').catch(() => {});
  await crashed;
}

/** Its main thread does nothing else for a minute. */
async function block({ page }: Tab): Promise<void> {
  page
    .evaluate(() => {
      const endsAt = performance.now() + 60_000;
      while (performance.now() < endsAt);
    })
    .catch(() => {});
}

async function freeze({ page }: Tab): Promise<void> {
  const session = await context.newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
}

test.for([
  { becomes: 'crashed', stop: crash },
  { becomes: 'blocked', stop: block },
  { becomes: 'frozen', stop: freeze },
])(
  'a tab that is $becomes during its probe holds up the others for as long as its lease',
  { timeout: 120_000 },
  async ({ stop }) => {
    const all = await threeTabs();
    const [leader, ...others] = all;
    await fail(leader);
    await untilOpen(all);
    upstream.hangs = true;
    upstream.asked = [];
    await expect
      .poll(async () => {
        leader.call().catch(() => {});
        return upstream.asked.length;
      }, patience)
      .toBeGreaterThan(0);
    await stop(leader);
    Object.assign(upstream, { hangs: false, status: 200 });
    await untilClosed(others);
    const [probe, ...later] = upstream.asked;
    expect(probe?.tab).toBe(leader.id);
    const takenOverMs = (later[0]?.at ?? 0) - (probe?.at ?? 0);
    expect(takenOverMs).toBeGreaterThan(LEASE_MS / 2);
    expect(takenOverMs).toBeLessThan(LEASE_MS * 5);
    const seen = await Promise.all(others.map((tab) => tab.seen()));
    expect(seen).toEqual([
      { failures: 0, alone: [] },
      { failures: 0, alone: [] },
    ]);
  },
);

test('a tab that stops between its claim on the lease and the lease is passed over, and changes nothing on waking', {
  timeout: 120_000,
}, async () => {
  const all = await threeTabs();
  const [leader, ...others] = all;
  await fail(leader);
  await untilOpen(all);
  await leader.page.evaluate(() => {
    const { locks } = navigator;
    const query = locks.query.bind(locks);
    locks.query = async () => {
      const found = await query();
      const { clientId } = (await new Promise<LockInfo | undefined>((resolve) => {
        void locks.request('me', async () => {
          resolve((await query()).held?.find(({ name }) => name === 'me'));
        });
      })) ?? { clientId: '' };
      if (found.held?.some((lock) => lock.clientId === clientId && lock.name?.startsWith('steadfetch:1:claims:'))) {
        Object.assign(globalThis, { stops: Number(Reflect.get(globalThis, 'stops') ?? 0) + 1 });
        const endsAt = performance.now() + 10_000;
        while (performance.now() < endsAt);
      }
      return found;
    };
  });
  upstream.asked = [];
  const watch = await others[0]?.page.evaluateHandle(() => navigator.locks);
  const isClaimed = async (): Promise<boolean> =>
    (await watch?.evaluate(async (locks) => {
      const { held = [] } = await locks.query();
      return held.some(({ name }) => name?.startsWith('steadfetch:1:claims:'));
    })) === true;
  await expect
    .poll(() => {
      leader.call().catch(() => {});
      return isClaimed();
    }, patience)
    .toBe(true);
  upstream.status = 200;
  await untilClosed(others);
  // The claim of the leader is still there.
  expect(await isClaimed()).toBe(true);
  expect(upstream.asked.filter(({ tab }) => tab === leader.id)).toEqual([]);
  expect((await Promise.all(others.map((tab) => tab.seen()))).flatMap(({ alone }) => alone)).toEqual([]);
  await expect.poll(isClaimed, patience).toBe(false);
  expect(await leader.page.evaluate(() => Reflect.get(globalThis, 'stops'))).toBe(1);
  await untilClosed(all);
});

test('garbage on the channel changes nothing', { timeout: 90_000 }, async () => {
  const all = await threeTabs();
  await all[0].page.evaluate((dependency) => {
    const channel = new BroadcastChannel('steadfetch:1');
    const now = Date.now();
    const record = { run: now, epoch: 5, state: 'open', retryAt: now + 60_000, votes: {} };
    const texts = [
      [dependency, 1, now + 3_600_000, record],
      [dependency, 1, now, { ...record, run: now + 3_600_000 }],
      [dependency, 1, now, { ...record, retryAt: 9e15 }],
      [dependency, 9e15, now, record],
      [dependency, 1, now, { ...record, state: 'ajar' }],
    ].map((parts) => JSON.stringify(parts));
    for (const message of ['garbage', null, {}, new Blob(['x']), ...texts]) channel.postMessage(message);
  }, origin);
  upstream.asked = [];
  await fail(all[0]);
  await untilOpen(all);
  expect(upstream.asked.length).toBe(3);
  upstream.status = 200;
  await untilClosed(all);
  expect((await Promise.all([all[1], all[2]].map((tab) => tab.seen()))).map(({ failures }) => failures)).toEqual([
    0, 0,
  ]);
});

test('a page is kept for the way back while its circuit is open, and knows on its return what has become of it', {
  timeout: 90_000,
}, async () => {
  const all = await threeTabs();
  const [first, ...others] = all;
  await first.page.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted }));
  });
  await fail(first);
  await untilOpen(all);
  await first.page.goto('about:blank');
  upstream.status = 200;
  await untilClosed(others);
  upstream.asked = [];
  await first.page.goBack({ waitUntil: 'commit' }); // out of the cache, nothing is loaded
  await first.page.waitForFunction(() => 'persisted' in globalThis);
  expect(await first.page.evaluate(() => Reflect.get(globalThis, 'persisted'))).toBe(true);
  await expect.poll(() => first.state(), patience).toBe('closed');
  expect(upstream.asked).toEqual([]);
});
