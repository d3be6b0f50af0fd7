import { setTimeout as sleep } from 'node:timers/promises';

import { chromium, firefox } from 'playwright';
import { remote } from 'webdriverio';

import { chromiumArguments, firefoxPreferences } from '../../tools/browser-modes.ts';
import { type BrowserName, findBrowser } from '../../tools/browsers.ts';
import { startWebkitDriver } from '../../tools/webkit-driver.ts';

/** Somebody with a browser, in a profile that is new. Chromium, Firefox and WebKit have no better language in common. */
export interface Visitor {
  open(address: string): Promise<void>;
  reload(): Promise<void>;
  /** Runs a function in the page, as it is written: it can't see what is around it here. */
  run<R>(work: (argument: string) => R, argument?: string): Promise<R>;
  photograph(path: string): Promise<void>;
  leave(): Promise<void>;
}

const PATIENCE_MS = 30_000;
const WEBKIT_STARTS_MS = 120_000;

/** Waits until something is so in the page. */
export async function until(
  visitor: Visitor,
  work: (argument: string) => boolean,
  argument: string,
  what = argument,
): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!(await visitor.run(work, argument))) {
    if (performance.now() > giveUpAt) {
      const seen = await visitor.run(() => document.body.textContent);
      throw new Error(`It did not come to it: ${what}. The page says:\n${seen}`);
    }
    await sleep(50);
  }
}

export async function visit(engine: BrowserName): Promise<Visitor> {
  const found = findBrowser(engine);
  if (found === undefined) throw new Error(`There is no ${engine} here`);
  const executablePath = found.build === 'system' ? { executablePath: found.path } : {};
  if (engine === 'webkit') return visitWithWebkit(found.path);
  const browser =
    engine === 'chromium'
      ? await chromium.launch({ ...executablePath, args: chromiumArguments })
      : await firefox.launch({
          ...(found.build === 'system' ? { channel: 'moz-firefox' } : {}),
          ...executablePath,
          firefoxUserPrefs: firefoxPreferences,
        });
  const page = await browser.newPage({ viewport: { width: 1_200, height: 900 } });
  return {
    open: async (address) => void (await page.goto(address)),
    reload: async () => void (await page.reload()),
    run: (work, argument = '') => page.evaluate(work as (argument: string) => never, argument),
    photograph: async (path) => void (await page.screenshot({ path })),
    leave: () => browser.close(),
  };
}

async function visitWithWebkit(binary: string): Promise<Visitor> {
  const driver = await startWebkitDriver();
  const session = remote({
    hostname: '127.0.0.1',
    port: driver.port,
    path: '/',
    logLevel: 'silent',
    connectionRetryCount: 0,
    connectionRetryTimeout: WEBKIT_STARTS_MS,
    capabilities: {
      browserName: 'MiniBrowser',
      'wdio:enforceWebDriverClassic': true,
      'webkitgtk:browserOptions': { binary, args: ['--automation'] },
    } as WebdriverIO.Capabilities,
  });
  const browser = await session.catch(async (error: unknown) => {
    await driver.end();
    throw error;
  });
  return {
    open: async (address) => void (await browser.url(address)),
    reload: async () => void (await browser.refresh()),
    run: (work, argument = '') => browser.execute(work, argument) as ReturnType<Visitor['run']> as never,
    photograph: async (path) => void (await browser.saveScreenshot(path)),
    async leave() {
      await browser.deleteSession();
      await driver.end();
    },
  };
}
