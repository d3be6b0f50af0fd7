import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { chromiumOptions } from '../support/chromium.ts';
import { openShop, type Shop } from './shop.ts';

// What only Chromium can be made to do: to lose its network, to keep a page for the way back.
const launch = {
  ...chromiumOptions,
  // Playwright turns this off, which people have on.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
};
const pictures = 'reports/web-example';

let shop: Shop;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  shop = await openShop();
  browser = await chromium.launch(launch);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await shop.close();
}, 20_000);

beforeEach(async () => {
  await shop.set({ mode: 'ok', latencyMs: '20', errorShare: '0' });
  context = await browser.newContext({ viewport: { width: 1_200, height: 900 } });
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(shop.address);
  await page.locator('#recommendations .cards li').first().waitFor();
});

afterEach(() => context.close());

const banner = (): ReturnType<Page['locator']> => page.locator('#banner');
const cards = (section: string): Promise<number> => page.locator(`#${section} .cards li`).count();

test('the page burns no retries while it is offline, shows what it has, and is back at once', {
  timeout: 120_000,
}, async () => {
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().startsWith(`${shop.api}/products`)) asked += 1;
  });
  await context.setOffline(true);
  await banner().getByText('you are offline').waitFor();
  const before = asked;
  await page.waitForFunction(() => performance.now() > 0);
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);
  await page.reload({ waitUntil: 'commit' }).catch(() => undefined); // the page itself needs its server
  expect(asked - before).toBeLessThanOrEqual(1);
  await context.setOffline(false);
  await page.goto(shop.address);
  await banner().waitFor({ state: 'hidden' });
});

test('the page can be told in its panel that it is offline, until it is told otherwise', {
  timeout: 120_000,
}, async () => {
  await page.locator('#control [name=mode]').selectOption('offline');
  await banner().getByText('you are offline').waitFor();
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().startsWith(`${shop.api}/products`)) asked += 1;
  });
  // The age is counted on, round after round, with nobody asked.
  const note = page.locator('#products .note');
  const before = await note.textContent();
  await page.waitForFunction((text) => document.querySelector('#products .note')?.textContent !== text, before);
  expect(asked).toBe(0);
  await page.locator('#control [name=mode]').selectOption('ok');
  await banner().waitFor({ state: 'hidden' });
  expect(asked).toBeGreaterThan(0);
});

test('the page takes one order for one order: twice clicked, or sent again after an answer was lost', {
  timeout: 120_000,
}, async () => {
  const orders: (string | undefined)[] = [];
  let loses = false;
  await page.route(`${shop.api}/orders`, async (route) => {
    orders.push(route.request().headers()['idempotency-key']);
    const response = await route.fetch();
    if (loses) await route.abort('connectionreset');
    else await route.fulfill({ response });
  });
  const note = page.locator('#order .note');
  const button = page.getByRole('button', { name: 'Order' });
  await page.getByLabel('Your name').fill('Ann');
  await shop.set({ latencyMs: '300' });
  await button.dblclick();
  await note.getByText('your order has the number').waitFor();
  const [number] = /\d+/.exec((await note.textContent()) ?? '') ?? [];
  expect(orders).toHaveLength(1);

  loses = true;
  await button.click();
  await note.getByText('can’t tell whether your order has arrived').waitFor();
  loses = false;
  await button.click();
  await note.getByText(`your order has the number ${Number(number) + 1}`).waitFor();
  expect(new Set(orders.slice(1)).size).toBe(1);
});

test('the page shows what it had when the API answers with something else, and never orders another product', {
  timeout: 120_000,
}, async () => {
  await page.locator('#order select').selectOption({ label: 'Brass compass' });
  const note = page.locator('#products .note');
  for (const body of ['<html>Please log in</html>', '{}', '[{"name":5}]', 'null']) {
    await page.route(`${shop.api}/products`, (route) => route.fulfill({ body }));
    await note.getByText('These may be out of date').waitFor();
    expect(await cards('products')).toBe(4);
    await page.unroute(`${shop.api}/products`);
    await page.waitForFunction(() => document.querySelector('#products .note')?.textContent === '');
  }
  const name = '<img src=x onerror="document.title=1">'.repeat(20);
  const json = [{ id: '9', name, price: 1 }];
  await page.setViewportSize({ width: 380, height: 800 });
  await page.route(`${shop.api}/products`, (route) => route.fulfill({ json }));
  await page.getByText(name).first().waitFor();
  expect(await page.title()).toBe('Harbour Supplies');
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  expect(await page.locator('#order select').inputValue()).toBe('');
});

test('the page is left quietly, whatever is under way', { timeout: 120_000 }, async () => {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await shop.set({ mode: 'hang' });
  await page.waitForRequest((request) => request.url().startsWith(`${shop.api}/products`));
  await page.goto('about:blank');
  await page.goBack({ waitUntil: 'commit' }); // out of the cache, nothing is loaded
  await page.locator('#products .cards li').first().waitFor();
  expect(errors).toEqual([]);
});

test('the page comes back from the back-forward cache as it was, and goes on', { timeout: 120_000 }, async () => {
  await page.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted }));
  });
  await page.goto('about:blank');
  await shop.set({ mode: 'down' });
  await page.goBack({ waitUntil: 'commit' }); // out of the cache, nothing is loaded
  expect(await page.evaluate(() => Reflect.get(globalThis, 'persisted'))).toBe(true);
  expect([await cards('products'), await cards('recommendations')]).toEqual([4, 2]);
  await banner().waitFor();
  await shop.set({ mode: 'ok' });
  await banner().waitFor({ state: 'hidden' });
});

test('the page shows what it had when the browser was closed, and its API is down when it is opened again', {
  timeout: 120_000,
}, async () => {
  const profile = mkdtempSync(join(tmpdir(), 'steadfetch-profile-'));
  try {
    const yesterday = await chromium.launchPersistentContext(profile, launch);
    const before = await yesterday.newPage();
    await before.goto(shop.address);
    await before.locator('#recommendations .cards li').first().waitFor();
    await before.locator('#products .cards li').first().waitFor();
    await yesterday.close();
    await shop.set({ mode: 'drop' });
    const today = await chromium.launchPersistentContext(profile, launch);
    const after = await today.newPage();
    await after.goto(shop.address);
    await after.locator('#banner').getByText('Showing results from').waitFor();
    await after.locator('#products .cards li').first().waitFor();
    await after.locator('#recommendations .cards li').first().waitFor();
    expect(await after.locator('#products .cards li').count()).toBe(4);
    await today.close();
  } finally {
    rmSync(profile, { recursive: true, force: true });
  }
});

test('the page forgets with its private window', { timeout: 120_000 }, async () => {
  // A context of Playwright's is one: it has no profile on disk.
  await shop.set({ mode: 'down' });
  await page.reload();
  await page.locator('#products.degraded .cards li').first().waitFor();
  const another = await browser.newContext();
  try {
    const stranger = await another.newPage();
    await stranger.goto(shop.address);
    await stranger.locator('#products .note').getByText('can’t be shown right now').waitFor();
    expect(await stranger.locator('#products .cards li').count()).toBe(0);
  } finally {
    await another.close();
  }
});

test('the page serves two tabs from one store', { timeout: 120_000 }, async () => {
  await shop.set({ mode: 'down' });
  const second = await context.newPage();
  second.setDefaultTimeout(30_000);
  await second.goto(shop.address);
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
    await shop.set({ mode: 'down' });
    await page.locator('#products.degraded').waitFor();
    await banner().waitFor();
    expect(await violations()).toEqual([]);
    await page.setViewportSize({ width: 380, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    await page.screenshot({ path: `${pictures}/narrow-${colorScheme}.png` });
  },
);
