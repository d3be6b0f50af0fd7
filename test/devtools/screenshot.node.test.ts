import { Buffer } from 'node:buffer';
import { mkdirSync } from 'node:fs';

import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Locator } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { findBrowser } from '../../tools/browsers.ts';
import { launchChromium } from '../support/chromium.ts';
import { API, API_FAILS_AT, IMAGES, SEARCH } from './support/outage.ts';
import { openPanel, type PanelPage } from './support/panel-page.ts';

// The panel as it is seen: its pictures are read, pixel by pixel, and kept in `reports/devtools`. Where there is no
// Chromium, `npm test` says so.
const pictures = 'reports/devtools';
const PLAYED_MS = 58_000;
const SPAN_MS = 60_000;
const GUTTER = 62;
const RIGHT = 10;

let browser: Browser;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await launchChromium();
}, 60_000);
afterAll(() => browser?.close(), 20_000);

const isMissing = findBrowser('chromium') === undefined;
const options = { timeout: 120_000, skip: isMissing };

type Rgb = readonly [red: number, green: number, blue: number];

/** A picture of an element, to be asked for the colour of its pixels. */
interface Shot {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): Rgb;
}

/** Decoded by the browser that took it: no library need be brought for it. */
async function shoot({ page }: PanelPage, target: Locator): Promise<Shot> {
  const png = await target.screenshot({ animations: 'disabled' });
  const decoder = await page.context().newPage();
  const { width, height, data } = await decoder.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    context?.drawImage(bitmap, 0, 0);
    const pixels = context?.getImageData(0, 0, bitmap.width, bitmap.height).data ?? new Uint8ClampedArray();
    let text = '';
    for (let index = 0; index < pixels.length; index += 8_192)
      text += String.fromCharCode(...pixels.subarray(index, index + 8_192));
    return { width: bitmap.width, height: bitmap.height, data: btoa(text) };
  }, png.toString('base64'));
  await decoder.close();
  const pixels = Buffer.from(data, 'base64');
  return {
    width,
    height,
    at(x, y) {
      const index = (Math.round(y) * width + Math.round(x)) * 4;
      return [pixels[index] ?? -1, pixels[index + 1] ?? -1, pixels[index + 2] ?? -1];
    },
  };
}

const isNear = (one: Rgb, other: Rgb): boolean =>
  one.every((value, index) => Math.abs(value - (other[index] ?? 0)) <= 3);

/** The ranges of x, in one line of pixels, that have a colour. */
function runs(shot: Shot, y: number, colour: Rgb): [from: number, to: number][] {
  const found: [number, number][] = [];
  for (let x = 0; x < shot.width; x += 1) {
    if (!isNear(shot.at(x, y), colour)) continue;
    const last = found.at(-1);
    if (last?.[1] === x - 1) last[1] = x;
    else found.push([x, x]);
  }
  return found;
}

const themes = [
  {
    colorScheme: 'light',
    failure: [0xb3, 0x26, 0x1e],
    success: [0x1d, 0x7a, 0x4c],
    accent: [0x0b, 0x5c, 0x7a],
    plot: [0xf5, 0xf6, 0xf8],
  },
  {
    colorScheme: 'dark',
    failure: [0xff, 0x8f, 0x86],
    success: [0x67, 0xcf, 0x9b],
    accent: [0x7c, 0xc7, 0xe4],
    plot: [0x0d, 0x14, 0x1a],
  },
] as const;

test.for(themes)(
  'in $colorScheme, the picture of an outage tells what happened, when',
  options,
  async ({ colorScheme, failure, success, accent, plot }) => {
    const panel = await openPanel(browser, { viewport: { width: 1_000, height: 1_400 }, colorScheme });
    await panel.play(PLAYED_MS);
    const row = (name: string): Locator =>
      panel.page.locator('li', { has: panel.page.getByText(name, { exact: true }) });
    await panel.freeze();
    await panel.page
      .locator('steadfetch-devtools')
      .screenshot({ path: `${pictures}/outage-${colorScheme}.png`, animations: 'disabled' });

    // The circuit's band: 16 pixels from 6 below the top (and its border). A line for closed; as high as it goes for open.
    const shot = await shoot(panel, row(API).locator('.chart > svg'));
    const x = (playedMs: number): number =>
      GUTTER + (1 - (PLAYED_MS - playedMs) / SPAN_MS) * (shot.width - GUTTER - RIGHT);
    const { transitions } = await panel.page.evaluate(() => globalThis.facts());
    const opened = transitions.find(({ dependency, to }) => dependency === 'https://api.harbour.test' && to === 'open');
    const openedAt = opened?.afterMs ?? Number.NaN;
    expect(openedAt).toBeGreaterThan(API_FAILS_AT);
    const top = runs(shot, 8, failure);
    const last = runs(shot, 8, failure).at(-1);
    expect(Math.abs((top[0]?.[0] ?? Number.NaN) - x(openedAt))).toBeLessThanOrEqual(2);
    expect(Math.abs((last?.[1] ?? Number.NaN) - (shot.width - RIGHT))).toBeLessThanOrEqual(3);
    const closed = runs(shot, 20, success);
    expect(closed[0]?.[0]).toBeLessThanOrEqual(GUTTER + 1);
    expect(Math.abs((closed.at(-1)?.[1] ?? Number.NaN) - x(openedAt))).toBeLessThanOrEqual(3);
    expect(isNear(shot.at(x(10_000) + 7, 9), plot)).toBe(true);

    // Attempts: green ones before the outage, red ones after, none of either on the wrong side.
    const [first, end] = [x(0), x(PLAYED_MS)];
    const columns = (from: number, to: number, colour: Rgb): number => {
      let count = 0;
      for (let column = Math.ceil(from); column < to; column += 1) {
        for (let y = 34; y < 158; y += 1) if (isNear(shot.at(column, y), colour)) count += 1;
      }
      return count;
    };
    expect(columns(first, x(API_FAILS_AT) - 8, success)).toBeGreaterThan(300);
    expect(columns(first, x(API_FAILS_AT) - 8, failure)).toBe(0);
    expect(columns(x(API_FAILS_AT) + 12, end, failure)).toBeGreaterThan(20);
    expect(columns(x(API_FAILS_AT) + 12, end, success)).toBe(0);

    // Search is back, slowly: its slots are full, and calls wait. The bars are as long as the numbers say.
    const [, waiting] = await row(SEARCH).locator('.gauge').all();
    const text = (await waiting?.textContent()) ?? '';
    const [, amount] = /^(\d+) of 20 waiting$/.exec(text) ?? [];
    expect(Number(amount)).toBeGreaterThan(0);
    const bar = await shoot(panel, row(SEARCH).locator('.gauge .bar').nth(1));
    const [[from, to] = [Number.NaN, Number.NaN]] = runs(bar, bar.height / 2, accent);
    expect(from).toBeLessThanOrEqual(2);
    expect(Math.abs((to - from + 1) / (bar.width - 2) - Number(amount) / 20)).toBeLessThan(0.02);

    // What users got: the parts of the bar are in proportion to the numbers beside it.
    const parts = await row(API).locator('.stacked > .part:not([hidden])').all();
    const numbers = (await row(API).locator('.parts > li:not([hidden])').allTextContents()).map((part) =>
      Number.parseInt(part.replace(',', ''), 10),
    );
    const widths = await Promise.all(parts.map(async (part) => (await part.boundingBox())?.width ?? 0));
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
    expect(numbers.length).toBeGreaterThanOrEqual(3);
    for (const [index, number] of numbers.entries()) {
      expect(Math.abs((widths[index] ?? 0) / sum(widths) - number / sum(numbers))).toBeLessThan(0.02);
    }
    expect(panel.complaints).toEqual([]);
    await panel.close();
  },
);

test('the panel alone answers which dependency, since when, why, and what users got', options, async () => {
  const panel = await openPanel(browser, { viewport: { width: 1_000, height: 1_400 } });
  await panel.play(PLAYED_MS);
  await panel.freeze();
  const [text = ''] = await panel.page.locator('.list > li').allInnerTexts();
  const facts = await panel.page.evaluate(() => globalThis.facts());
  expect(text).toContain(API);
  expect(text).toMatch(/open\s+for \d+ s, since 14:03:1\d/);
  expect(text).toMatch(/503, \d+ s ago; next probe in \d+ s/);
  expect(text).toMatch(/not well for \d+ s, since 14:02:5\d; 2 probes failed since/);
  const { network, degraded, failed } = facts.gotten[API] ?? {};
  expect(text.replaceAll(/\s+/g, ' ')).toContain(
    `${network} from the network ${degraded} degraded, from the store ${failed} failed`,
  );
  expect(await panel.page.locator('.name').allTextContents()).toEqual([API, SEARCH, IMAGES]);
  await panel.close();
});

const looks = [
  { name: 'narrow', viewport: { width: 360, height: 900 } },
  { name: 'wide', viewport: { width: 1_200, height: 900 } },
  { name: 'dark', viewport: { width: 800, height: 900 }, colorScheme: 'dark' },
  { name: 'forced-colors', viewport: { width: 800, height: 900 }, forcedColors: 'active', reducedMotion: 'reduce' },
] as const;

test.for(looks)('the panel can be read and used, and fits: $name', options, async ({ name, ...context }) => {
  const panel = await openPanel(browser, context);
  const { page } = panel;
  await panel.play(PLAYED_MS);
  await panel.freeze();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(context.viewport.width);
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
  expect(panel.complaints).toEqual([]);
  await panel.close();
});

test('the panel is used with the keyboard alone, and shows where it is', options, async () => {
  const panel = await openPanel(browser, { viewport: { width: 800, height: 900 } });
  const { page } = panel;
  await panel.play(PLAYED_MS);
  // Of this one: the panel draws while the outage is played, and may have drawn last when another circuit was open.
  const api = page.locator('li', { has: page.getByText(API, { exact: true }) });
  await api.locator('.state').getByText('open', { exact: true }).waitFor();
  const focused = (): Promise<string> =>
    page.evaluate(() => {
      const inside = document.activeElement?.shadowRoot?.activeElement;
      return `${inside?.tagName} ${inside?.getAttribute('aria-label') ?? inside?.textContent}`.slice(0, 60);
    });
  const ring = (): Promise<string> =>
    page.evaluate(() => {
      const inside = document.activeElement?.shadowRoot?.activeElement;
      return inside === null || inside === undefined ? '' : getComputedStyle(inside).outline;
    });
  const order: string[] = [];
  for (let step = 0; step < 5; step += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused());
    expect(await ring()).toMatch(/solid 3px|3px solid/);
  }
  expect(order.map((each) => each.split(' ')[0])).toEqual(['SELECT', 'BUTTON', 'BUTTON', 'DIV', 'BUTTON']);
  expect(order[3]).toContain(API);
  await page.keyboard.press('Shift+Tab');
  // The newest is there once the panel has drawn it.
  const newest = async (): Promise<string | null> => {
    await page.keyboard.press('End');
    return page.locator('[role=slider]').first().getAttribute('aria-valuetext');
  };
  await expect.poll(newest).toMatch(/^14:03:1\d\.\d{3}, /);
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  expect(await page.locator('h3 button').first().getAttribute('aria-expanded')).toBe('false');
  // Closed, it still says it all.
  expect(await page.locator('.summary').first().textContent()).toMatch(
    /503, .*answers in the last minute: .* degraded, from the store, \d+ failed/,
  );
  await page.keyboard.press('Space');
  expect(await page.locator('h3 button').first().getAttribute('aria-expanded')).toBe('true');
  await panel.close();
});
