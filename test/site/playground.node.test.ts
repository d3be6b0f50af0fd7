import { mkdirSync } from 'node:fs';

import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContext, Locator, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { launchChromium } from '../support/chromium.ts';
import { openSite, type Site } from './site.ts';

const pictures = 'reports/playground';

let site: Site;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the page has asked of anybody, and what it has complained of. */
let troubles: string[];

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  site = await openSite();
  browser = await launchChromium();
}, 360_000);

afterAll(async () => {
  await browser?.close();
  site?.close();
}, 20_000);

beforeEach(async () => {
  troubles = [];
  context = await browser.newContext({ viewport: { width: 1_440, height: 900 }, colorScheme: 'light' });
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text());
  });
  // The site itself loads scripts and styles, also of pages that may come next.
  context.on('request', (request) => {
    const isOurs = request.url().startsWith(site.address) && !['fetch', 'xhr'].includes(request.resourceType());
    if (!isOurs) troubles.push(request.url());
  });
  context.on('weberror', (error) => troubles.push(String(error.error())));
  page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(`${site.address}playground`, { waitUntil: 'networkidle' });
  await page.locator('steadfetch-devtools').waitFor();
});

afterEach(async () => {
  expect(troubles).toEqual([]);
  await context.close();
});

const choose = (name: string): Promise<void> => page.getByRole('radio', { name, exact: true }).check();
const press = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click();
const state = (): Locator => page.locator('.playground .state');
const editor = (): Locator => page.getByRole('textbox', { name: 'The policy' });
/** The two shares of the calls of the last ten seconds that ended so, in percent. */
const shares = async (fate: string): Promise<number[]> => {
  const cells = await page.locator(`[data-fate=${fate}] td`).allInnerTexts();
  return cells.map((text) => Number(/\d+/.exec(text)));
};
const eventually = (question: () => Promise<unknown>): ReturnType<typeof expect.poll> =>
  expect.poll(question, { timeout: 25_000, interval: 100 });

test('the server is broken and healed: the circuit opens, users get stored answers, and it closes again', {
  timeout: 120_000,
}, async () => {
  await choose('10×');
  await eventually(() => shares('fresh')).toEqual([99, 99].map(() => expect.closeTo(97, -0.5)));
  await page.getByText('circuit closed').first().waitFor();

  await press('Break the server');
  await state().filter({ hasText: 'It answers 503 to everything.' }).waitFor();
  await page.getByText(/^circuit open, a probe in \d+ s$/).waitFor();
  await page.locator('steadfetch-devtools').getByText('open', { exact: true }).waitFor();
  await eventually(() => shares('failed')).toEqual([0, 100]);
  const [degraded = 0, none] = await shares('degraded');
  const [refused = 0] = await shares('refused');
  expect(degraded).toBeGreaterThan(60);
  expect(degraded + refused).toBeGreaterThan(97);
  expect(none).toBe(0);
  const lines = page.getByRole('region', { name: 'What happened' }).getByRole('listitem');
  await lines.filter({ hasText: 'The circuit opens' }).first().waitFor();

  await press('Heal the server');
  await page.getByText('circuit closed').first().waitFor();
  await eventually(() => shares('fresh')).toEqual([99, 99].map(() => expect.closeTo(97, -0.5)));
  await lines.filter({ hasText: 'The probes succeeded' }).first().waitFor();
});

test('a policy that makes no sense is refused at once, in the words of the library, and the one before runs on', async () => {
  const problem = page.locator('#problem');
  await editor().fill('{ breaker: { failureThreshold: 0 } }');
  await problem.getByText('RangeError: breaker.failureThreshold must be an integer of at least 1, got 0').waitFor();
  await editor().press('Control+Enter');
  await press('Apply');
  expect(await page.getByText('You applied a policy').count()).toBe(0);
  await editor().fill('{ retry: }');
  await problem.getByText("SyntaxError: line 1, column 10: invalid character '}'").waitFor();
  await editor().fill("{ name: 'mine', breaker: false }");
  await problem.getByText('Changed; not applied yet.').waitFor();
  await editor().press('Control+Enter');
  await problem.getByText('This is what runs.').waitFor();
  await page.getByText('You applied a policy').waitFor();
  await page.getByText('no circuit breaker').waitFor();
  await page.locator('steadfetch-devtools').getByRole('heading', { name: 'steadfetch: mine' }).waitFor();
});

test.for([
  [
    'Hang',
    '{ hedge: { afterMs: 0.001, maxExtra: 100000 }, retry: { budget: false }, bulkhead: false }',
    '10,000 requests',
  ],
  [
    'Reset',
    `{ deadlineMs: false, bulkhead: false, breaker: false,
       retry: { maxAttempts: 1e9, initialDelayMs: 0, maxDelayMs: 0, budget: false } }`,
    '50,000 requests',
  ],
] as const)(
  'a policy that is too much for the page at a server in the state %s stops time, and another goes on',
  {
    timeout: 120_000,
  },
  async ([way, text, words]) => {
    const notice = page.locator('.playground .notice');
    expect(await notice.textContent()).toBe('');
    await choose('10×');
    await choose(way);
    await press('Break the server');
    await editor().fill(text);
    await press('Apply');
    await notice.getByText('time passes more slowly than it should').waitFor();
    await notice.getByText(`Time has stopped: ${words}`).waitFor({ timeout: 60_000 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
    await page.screenshot({ path: `${pictures}/stopped.png` });
    await press('README, with a store');
    await page.getByText(/^circuit open, a probe in \d+ s$/).waitFor();
    await expect.poll(() => notice.textContent(), { timeout: 25_000 }).toBe('');
  },
);

test.for([1_440, 1_280, 390])('the policy that the page begins with is seen to its end, %i wide', async (width) => {
  await page.setViewportSize({ width, height: 900 });
  const hidden = (area: Element): number => area.scrollHeight - area.clientHeight;
  await expect.poll(() => editor().evaluate(hidden)).toBeLessThanOrEqual(0);
});

test('a policy to begin with is applied as it is chosen', async () => {
  await choose('10×');
  await press('Retries alone');
  await expect.poll(() => editor().inputValue()).toContain('maxAttempts: 5');
  await press('Break the server');
  await eventually(() => page.locator('[data-row=per-call] td').allInnerTexts()).toEqual([
    expect.stringMatching(/^4\.[5-9]|^5\.0/),
    '1.00',
  ]);
});

test('each way of breaking it can be chosen, also while it is broken, and with the keyboard alone', async () => {
  const button = page.getByRole('button', { name: 'Break the server' });
  await button.focus();
  await page.keyboard.press('Enter');
  await state().filter({ hasText: 'It answers 503 to everything.' }).waitFor();
  await page.keyboard.press('Tab');
  const said = ['never answers', 'resets all', 'ten times', 'three in ten', 'than it can'];
  for (const words of said) {
    await page.keyboard.press('ArrowRight');
    await state().filter({ hasText: words }).waitFor();
  }
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Space');
  await state().filter({ hasText: 'It is well.' }).waitFor();
});

test('time stands still when it is told to, and goes on', async () => {
  await choose('Pause');
  const calls = (): Promise<string> => page.locator('.comparison figure path').first().getAttribute('d').then(String);
  await press('Break the server');
  const before = await calls();
  // Frames go by, and more than one redrawing.
  await page.evaluate(async () => {
    for (let frame = 0; frame < 40; frame += 1) await new Promise(requestAnimationFrame);
  });
  expect(await calls()).toBe(before);
  await choose('10×');
  await eventually(calls).not.toBe(before);
});

test('who wants less motion gets less of it', async () => {
  await choose('10×');
  /** How often it is drawn anew, in a hundred frames. */
  const drawings = (): Promise<number> =>
    page.evaluate(async () => {
      let count = 0;
      const observer = new MutationObserver(() => {
        count += 1;
      });
      observer.observe(document.querySelector('.comparison') ?? document, {
        attributes: true,
        characterData: true,
        subtree: true,
      });
      for (let frame = 0; frame < 100; frame += 1) await new Promise(requestAnimationFrame);
      observer.disconnect();
      return count;
    });
  const usual = await drawings();
  await page.emulateMedia({ reducedMotion: 'reduce' });
  expect(await drawings()).toBeLessThan(usual / 2);
});

test('the world ends with its page, and another begins when one comes back', async () => {
  await choose('10×');
  await press('Break the server');
  await page.getByText(/^circuit open/).waitFor();
  /** How many frames are asked for while thirty go by. */
  const frames = (): Promise<number> =>
    page.evaluate(async () => {
      const ask = globalThis.requestAnimationFrame;
      let count = 0;
      globalThis.requestAnimationFrame = (callback) => {
        count += 1;
        return ask(callback);
      };
      for (let frame = 0; frame < 30; frame += 1) await new Promise(ask);
      globalThis.requestAnimationFrame = ask;
      return count;
    });
  expect(await frames()).toBeGreaterThan(20);
  await page.getByRole('link', { name: 'A panel for the page' }).first().click();
  await page.getByRole('heading', { level: 1, name: 'A panel for the page' }).waitFor();
  expect(await page.locator('steadfetch-devtools').count()).toBe(0);
  await page.waitForLoadState('networkidle');
  await eventually(frames).toBe(0);
  await page.goBack();
  await page.getByText('circuit closed').first().waitFor();
  await state().filter({ hasText: 'It is well.' }).waitFor();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`it has nothing that axe finds serious, well and broken, in the ${colorScheme}, and fits on a phone`, {
    timeout: 120_000,
  }, async () => {
    const serious = async (): Promise<string[]> => {
      const { violations } = await new AxeBuilder({ page }).include('.vp-doc').analyze();
      const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n')}`);
    };
    await page.emulateMedia({ colorScheme });
    await choose('10×');
    await eventually(() => shares('fresh')).toEqual([99, 99].map(() => expect.closeTo(97, -0.5)));
    expect(await serious()).toEqual([]);
    await press('Break the server');
    await eventually(() => shares('failed')).toEqual([0, 100]);
    await editor().fill('{ deadlineMs: -1 }');
    await page.getByText('RangeError: deadlineMs').waitFor();
    expect(await serious()).toEqual([]);
    await page.screenshot({ path: `${pictures}/${colorScheme}.png` });
    for (const width of [820, 360]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
    }
    expect(await serious()).toEqual([]);
    await page.screenshot({ path: `${pictures}/phone-${colorScheme}.png` });
  });
}
