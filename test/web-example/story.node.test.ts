import { mkdirSync } from 'node:fs';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { type BrowserName, browserNames, findBrowser } from '../../tools/browsers.ts';
import { openShop, type Shop } from './shop.ts';
import { until, type Visitor, visit } from './visitors.ts';

// The page as its visitors see it, in each engine, with the API that they can't see. Where one is missing, `npm test` says so.
const pictures = 'reports/web-example';

let shop: Shop;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  shop = await openShop();
}, 60_000);
afterAll(() => shop.close(), 20_000);
beforeEach(() => shop.set({ mode: 'ok', latencyMs: '20', errorShare: '0' }));

const engines: readonly BrowserName[] = browserNames.filter((name) => findBrowser(name) !== undefined);

describe.for(engines)('in %s', { timeout: 240_000 }, (engine) => {
  let visitor: Visitor;
  // As in the other suites of these engines: what a driver does now and then is not the page's doing.
  const options = { retry: engine === 'chromium' ? 0 : 2 };

  beforeAll(async () => {
    visitor = await visit(engine);
  }, 300_000);
  afterAll(() => visitor.leave(), 60_000);

  beforeEach(() => arrive(), 60_000);

  /** For the first time: nothing is left of the last visit. */
  const arrive = async (): Promise<void> => {
    await visitor.open(new URL('/src/style.css', shop.address).href);
    await visitor.run(() => void indexedDB.deleteDatabase('harbour-supplies'));
    await visitor.open(shop.address);
  };

  const shows = (selector: string): Promise<void> =>
    until(visitor, (wanted) => document.querySelector(wanted) !== null, selector);
  const says = (words: string): Promise<void> => {
    const isSaid = (wanted: string): boolean => new RegExp(wanted).test(document.body.textContent);
    return until(visitor, isSaid, words);
  };
  /** In the panel of the client, which has a tree of its own. */
  const isSaidBackstage = (words: string): Promise<void> =>
    until(
      visitor,
      (wanted) => new RegExp(wanted).test(document.querySelector('steadfetch-devtools')?.shadowRoot?.textContent ?? ''),
      words,
    );
  const counts = (): Promise<[products: number, recommendations: number]> =>
    visitor.run(() => [
      document.querySelectorAll('#products .cards li').length,
      document.querySelectorAll('#recommendations .cards li').length,
    ]);
  const isBannerHidden = (): Promise<boolean> =>
    visitor.run(() => document.querySelector('#banner:not([hidden])') === null);
  /** As by hand, in the panel. */
  const turn = (name: string, value: string): Promise<void> =>
    visitor.run(
      (change) => {
        const [field, to] = JSON.parse(change) as [string, string];
        const input = document.querySelector<HTMLInputElement>(`#control [name=${field}]`);
        if (input === null) throw new Error(`There is no ${field}`);
        input.value = to;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      },
      JSON.stringify([name, value]),
    );
  const order = (): Promise<void> =>
    visitor.run(() => document.querySelector<HTMLFormElement>('#order')?.requestSubmit());

  test('the page tells the truth: healthy, slow, down, reloaded while down, recovered', options, async () => {
    await shows('#products .cards li');
    await shows('#recommendations .cards li');
    expect(await isBannerHidden()).toBe(true);
    expect(await counts()).toEqual([4, 2]);
    await isSaidBackstage('[4-9] from the network');
    await visitor.photograph(`${pictures}/healthy-${engine}.png`);

    // Slower than an attempt may be: nobody waits for it, and what was there stays.
    await turn('latencyMs', '2000');
    await says('the shop does not answer');
    expect(await counts()).toEqual([4, 2]);

    await turn('latencyMs', '20');
    await turn('mode', 'down');
    await says('from .* ago: the shop is down');
    await isSaidBackstage('open.*for \\d+ s, since .*503, \\d+ s ago; .*degraded, from the store');
    await visitor.photograph(`${pictures}/degraded-${engine}.png`);

    await visitor.reload();
    await says('We are having trouble: .* Showing results from .* ago');
    await shows('#products .cards li');
    await shows('#recommendations .cards li');
    expect(await counts()).toEqual([4, 2]);
    expect(await visitor.run(() => document.querySelector<HTMLSelectElement>('#control [name=mode]')?.value)).toBe(
      'down',
    );

    await turn('mode', 'ok');
    await shows('#banner[hidden]');
    await shows('#products:not(.degraded)');
    expect(await visitor.run(() => document.querySelector('#products .note')?.textContent)).toBe('');
  });

  test('what a section shows grows old, also while nothing answers', options, async () => {
    await shows('#products .cards li');
    await shop.set({ mode: 'down' });
    await shows('#products.degraded');
    const age = (): Promise<number> =>
      visitor.run(() => Number(/\d+/.exec(document.querySelector('#products .note')?.textContent ?? '')?.[0] ?? 0));
    // A page that thinks it is not seen asks for nothing: what is under way is the last that there is.
    await visitor.run(() => void Object.defineProperty(document, 'hidden', { value: true, configurable: true }));
    const before = await age();
    await expect.poll(age, { timeout: 20_000, interval: 500 }).toBeGreaterThanOrEqual(before + 7);
  });

  test('the page is whole without recommendations, and says where it is not', options, async () => {
    await shop.set({ mode: 'no-recommendations' });
    await arrive();
    await shows('#products .cards li');
    await says('No recommendations right now\\.');
    expect(await counts()).toEqual([4, 0]);
  });

  test('the page takes an order, and never pretends to', options, async () => {
    await shows('#products .cards li');
    await visitor.run(() => {
      const name = document.querySelector<HTMLInputElement>('#order [name=name]');
      if (name !== null) name.value = 'Ann';
    });
    await order();
    await says('Thank you, Ann: your order has the number \\d+');
    await shop.set({ mode: 'down' });
    await order();
    await says('We’re having trouble taking orders right now. Nothing was ordered');
    await shop.set({ mode: 'drop' });
    await order();
    await says('can’t tell whether your order has arrived. Please try again: it will not be ordered twice');
  });
});
