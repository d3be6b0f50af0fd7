import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';

import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { findBrowser } from '../tools/browsers.ts';

// The page as its visitors see it, in Chromium, with the API that they can't see. Where there is no Chromium, `npm test` says so.
const executablePath = findBrowser('chromium')?.path;
const pictures = 'reports/web-example';

let example: ChildProcess;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let address = '';
let api = '';

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  const args = ['web-example/start.ts', '--port', '0', '--api-port', '0'];
  example = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk;
      if (output.includes('Ctrl-C ends it')) resolve();
    };
    example.stdout?.on('data', onData);
    example.stderr?.on('data', onData);
    example.once('exit', (code) => reject(new Error(`The example ended with code ${code}:\n${output}`)));
  });
  address = /page is at\s+(\S+)/.exec(output)?.[1] ?? '';
  api = /API is at\s+(\S+)/.exec(output)?.[1] ?? '';
  browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ['--no-sandbox', '--disable-gpu'],
  });
}, 60_000);

afterAll(async () => {
  await browser?.close();
  if (example.exitCode !== null) return;
  example.kill('SIGTERM');
  await once(example, 'exit');
}, 20_000);

beforeEach(async () => {
  await set({ mode: 'ok', latencyMs: '20', errorShare: '0' });
  context = await browser.newContext({ viewport: { width: 1_200, height: 900 } });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(address);
  await page.locator('#recommendations .cards li').first().waitFor();
});

afterEach(() => context.close());

async function set(settings: Readonly<Record<string, string>>): Promise<void> {
  await fetch(`${api}/control?${new URLSearchParams(settings)}`);
}

const banner = (): ReturnType<Page['locator']> => page.locator('#banner');
const cards = (section: string): Promise<number> => page.locator(`#${section} .cards li`).count();

test('the page tells the truth: healthy, slow, down, reloaded while down, recovered', {
  timeout: 120_000,
}, async () => {
  expect(await banner().isHidden()).toBe(true);
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);
  await page.screenshot({ path: `${pictures}/healthy.png` });

  // Slower than an attempt may be: nobody waits for it, and what was there stays.
  await page.locator('#control [name=latencyMs]').fill('2000');
  await banner().getByText('the shop does not answer').waitFor();
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);

  await page.locator('#control [name=latencyMs]').fill('20');
  await page.locator('#control [name=mode]').selectOption('down');
  await page
    .locator('#products .note')
    .getByText(/from .* ago: the shop is down/)
    .waitFor();
  await page.screenshot({ path: `${pictures}/degraded.png` });

  await page.reload();
  await banner()
    .getByText(/We are having trouble: .* Showing results from .* ago/)
    .waitFor();
  await page.locator('#recommendations .cards li').first().waitFor();
  await page.locator('#products .cards li').first().waitFor();
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);
  expect(await page.locator('#control [name=mode]').inputValue()).toBe('down');

  await page.locator('#control [name=mode]').selectOption('ok');
  await banner().waitFor({ state: 'hidden' });
  await page.locator('#products:not(.degraded)').waitFor();
  expect(await page.locator('#products .note').textContent()).toBe('');
});

test('the page is whole without recommendations, and says where it is not', { timeout: 120_000 }, async () => {
  const stranger = await browser.newContext();
  try {
    await set({ mode: 'no-recommendations' });
    const other = await stranger.newPage();
    other.setDefaultTimeout(30_000);
    await other.goto(address);
    await other.locator('#products .cards li').first().waitFor();
    await other.locator('#recommendations .note').getByText('No recommendations right now.').waitFor();
    expect(await other.locator('#products .cards li').count()).toBe(4);
  } finally {
    await stranger.close();
  }
});

test('the page takes an order, and never pretends to', { timeout: 120_000 }, async () => {
  const note = page.locator('#order .note');
  await page.getByLabel('Your name').fill('Ann');
  await page.getByRole('button', { name: 'Order' }).click();
  await note.getByText(/Thank you, Ann: your order has the number \d+/).waitFor();
  await set({ mode: 'drop' });
  await page.getByRole('button', { name: 'Order' }).click();
  await note.getByText('We’re having trouble taking orders right now. Nothing was ordered').waitFor();
});

test('the page burns no retries while it is offline, shows what it has, and is back at once', {
  timeout: 120_000,
}, async () => {
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().startsWith(`${api}/products`)) asked += 1;
  });
  await context.setOffline(true);
  await banner().getByText('you are offline').waitFor();
  const before = asked;
  await page.waitForFunction(() => performance.now() > 0);
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);
  await page.reload({ waitUntil: 'commit' }).catch(() => undefined); // the page itself needs its server
  expect(asked - before).toBeLessThanOrEqual(1);
  await context.setOffline(false);
  await page.goto(address);
  await banner().waitFor({ state: 'hidden' });
});

test('the page is left quietly, whatever is under way', { timeout: 120_000 }, async () => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await set({ mode: 'hang' });
  await page.waitForRequest((request) => request.url().startsWith(`${api}/products`));
  await page.goto('about:blank');
  await page.goBack();
  await page.locator('#products .cards li').first().waitFor();
  expect(errors).toEqual([]);
});

test('the page serves two tabs from one store', { timeout: 120_000 }, async () => {
  await set({ mode: 'down' });
  const second = await context.newPage();
  second.setDefaultTimeout(30_000);
  await second.goto(address);
  await second.locator('#banner').getByText('Showing results from').waitFor();
  await second.locator('#products .cards li').first().waitFor();
  expect(await second.locator('#products .cards li').count()).toBe(4);
});

test.for(['light', 'dark'] as const)(
  'the page has no accessibility violation, healthy or degraded, in %s',
  { timeout: 120_000 },
  async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    const violations = async (): Promise<string[]> => {
      const { violations: found } = await new AxeBuilder({ page }).analyze();
      return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    };
    expect(await violations()).toEqual([]);
    await set({ mode: 'down' });
    await page.locator('#products.degraded').waitFor();
    await banner().waitFor();
    expect(await violations()).toEqual([]);
    await page.setViewportSize({ width: 380, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await page.screenshot({ path: `${pictures}/narrow-${colorScheme}.png` });
  },
);
