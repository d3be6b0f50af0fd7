import { readFileSync } from 'node:fs';

import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { createClient } from '../../src/index.ts';
import { launchChromium } from '../support/chromium.ts';
import { BASE, openSite, type Site } from './site.ts';

let site: Site;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the page has asked for that is not ours, and what it has complained of. */
let troubles: string[];

beforeAll(async () => {
  site = await openSite();
  browser = await launchChromium();
}, 360_000);

afterAll(async () => {
  await browser?.close();
  site?.close();
}, 20_000);

beforeEach(async () => {
  troubles = [];
  context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, colorScheme: 'light' });
  context.on('request', (request) => {
    if (!request.url().startsWith(site.address)) troubles.push(request.url());
  });
  context.on('console', (message) => {
    if (message.type() === 'error') troubles.push(message.text());
  });
  context.on('weberror', (error) => troubles.push(String(error.error())));
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
});

afterEach(async () => {
  await context.close();
  expect(troubles).toEqual([]);
});

const open = (path: string): Promise<unknown> => page.goto(site.address + path, { waitUntil: 'networkidle' });

test('what the pages link to is there: pages, headings, scripts, styles and pictures', () => {
  const anchors = new Map(site.pages.map((each) => [each, new Set(all(/\bid="([^"]+)"/g, site.read(each)))]));
  const lost = site.pages.flatMap((from) =>
    all(/\b(?:href|src)="([^"]+)"/g, site.read(from))
      .filter((href) => !/^(?:https:|data:)/.test(href))
      .filter((href) => {
        const { pathname, hash } = new URL(href, `http://127.0.0.1${BASE}${from}`);
        const to = pathname.slice(BASE.length).replace(/(^|\/)$/, '$1index');
        return !site.has(pathname) || (hash !== '' && !anchors.get(to)?.has(decodeURIComponent(hash.slice(1))));
      })
      .map((href) => `${from}: ${href}`),
  );
  expect(lost).toEqual([]);
});

test('nothing of the machine that has built it is told', () => {
  expect(site.pages.filter((each) => site.read(each).includes(process.cwd()))).toEqual([]);
});

test('the reference has each entry of the package under its name', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly exports: object };
  const entries = Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => `api/${path.replace('.', 'steadfetch')}/index`);
  expect(site.pages.filter((each) => /^api\/.+\/index$/.test(each)).sort()).toEqual(entries.sort());
});

test('createClient has a page with all of its options', async () => {
  await open('api/steadfetch/functions/createClient');
  const headings = await page.locator('.vp-doc h4').allInnerTexts();
  expect(headings.map((heading) => heading.replace(/\?.*/s, '').trim()).sort()).toEqual([...optionNames()].sort());
});

test('each page of the sidebar is there, and each but those of the reference opens without a complaint', {
  timeout: 240_000,
}, async () => {
  await open('');
  const links = page.locator('#VPSidebarNav a');
  const paths = await links.evaluateAll((all) => all.map((each) => new URL((each as HTMLAnchorElement).href).pathname));
  expect(paths).toEqual(
    expect.arrayContaining(['why', 'recipes/ky', 'api/steadfetch/otel/'].map((path) => BASE + path)),
  );
  for (const path of paths) {
    const address = new URL(path, site.address).href;
    expect((await fetch(address)).status, path).toBe(200);
    if (path.startsWith(`${BASE}api/`)) continue;
    await page.goto(address);
    await page.locator('.vp-doc h1').waitFor();
    // What is wider than the window scrolls in a box of its own.
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), path).toBeLessThanOrEqual(0);
  }
});

test('the search finds what circuit breakers are, and leads there', async () => {
  await open('');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('searchbox').fill('circuit breaker');
  const results = page.locator('.VPLocalSearchBox .result');
  await results.first().waitFor();
  const target = await results.first().getAttribute('href');
  await results.first().click();
  await page.waitForURL((url) => url.pathname + url.hash === target);
  await page.locator('.vp-doc h1').waitFor();
  expect(await page.locator('.vp-doc').textContent()).toMatch(/circuit breaker/i);
});

test('the site is dark for those who want it so, figures included, and stays so', async () => {
  await open('why');
  const figure = page.getByRole('img', { name: 'Requests per call' });
  const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = { background: await background(), figure: await figure.screenshot() };
  await page.getByRole('switch', { name: 'Switch to dark theme' }).first().click();
  await page.locator('html.dark').waitFor({ state: 'attached' });
  const dark = { background: await background(), figure: await figure.screenshot() };
  expect(dark.background).not.toBe(light.background);
  expect(dark.figure.equals(light.figure)).toBe(false);
  await page.reload();
  expect(await background()).toBe(dark.background);
});

test.for([
  ['', 'light'],
  ['', 'dark'],
  ['options', 'dark'],
  ['api/steadfetch/classes/CircuitBreaker', 'light'],
] as const)('/%s has nothing that axe finds serious, in the %s', async ([path, colorScheme]) => {
  await page.emulateMedia({ colorScheme });
  await open(path);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
});

function all(pattern: RegExp, text: string): string[] {
  return Array.from(text.matchAll(pattern), ([, found = '']) => found.replaceAll('&amp;', '&'));
}

/** As the error about one that there is not lists them. */
function optionNames(): readonly string[] {
  try {
    createClient({ nonsense: 1 } as object);
  } catch (error) {
    return /there are (.*)$/.exec(String(error))?.[1]?.split(', ') ?? [];
  }
  return [];
}
