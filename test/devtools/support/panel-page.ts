import { build } from 'esbuild';
import type { Browser, BrowserContextOptions, Page } from 'playwright';

/** As strict as a page can be, and still run a script: no style in markup, nothing from elsewhere. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'";
const ORIGIN = 'http://devtools.test';
const STYLE =
  'h1 { font-size: 0; margin: 0; } body { margin: 0; padding: 16px; } @media (prefers-color-scheme: dark) { body { background: #0b1117; } }';

/** The panel in a page that has nothing else, and what the page complained about. */
export interface PanelPage {
  readonly page: Page;
  readonly complaints: readonly string[];
  play(ms: number): Promise<void>;
  /** Draws what there is, and then no more: a picture that moves can't be measured. */
  freeze(): Promise<void>;
  close(): Promise<void>;
}

export async function openPanel(browser: Browser, options: BrowserContextOptions = {}): Promise<PanelPage> {
  const { outputFiles } = await build({
    entryPoints: ['test/devtools/support/page.ts'],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const script = outputFiles[0]?.text ?? '';
  const context = await browser.newContext({ timezoneId: 'UTC', locale: 'en-GB', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  const html = `<!doctype html><html lang="en"><title>Panel</title><link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,"><body><main><h1>A page</h1></main><script type="module" src="/page.js"></script></body></html>`;
  await page.route(`${ORIGIN}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === '/page.js') return route.fulfill({ contentType: 'text/javascript', body: script });
    if (pathname === '/page.css') return route.fulfill({ contentType: 'text/css', body: STYLE });
    const headers = { 'content-security-policy': `${POLICY}; img-src data:` };
    return route.fulfill({ contentType: 'text/html', headers, body: html });
  });
  await page.goto(ORIGIN);
  await page.locator('steadfetch-devtools').waitFor();
  return {
    page,
    complaints,
    play: (ms) => page.evaluate((span) => globalThis.play(span), ms),
    async freeze() {
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: 'Resume' }).click();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.mouse.move(0, 0);
    },
    close: () => context.close(),
  };
}
