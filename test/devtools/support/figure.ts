// `node test/devtools/support/figure.ts` makes the picture in docs/devtools.md again.
import { launchChromium } from '../../support/chromium.ts';
import { openPanel } from './panel-page.ts';

const browser = await launchChromium();
try {
  const panel = await openPanel(browser, { viewport: { width: 1_000, height: 1_150 } });
  await panel.play(58_000);
  const { page } = panel;
  await panel.freeze();
  await page.getByRole('button', { name: 'Resume' }).click();
  // The first attempt that failed, as somebody would find it with the arrow keys.
  const chart = page.locator('[role=slider]').first();
  await chart.focus();
  await page.keyboard.press('End');
  while (!/failed with 503/.test((await chart.getAttribute('aria-valuetext')) ?? '')) {
    await page.keyboard.press('ArrowLeft');
  }
  await page.screenshot({ path: 'docs/figures/devtools.png', fullPage: true, animations: 'disabled' });
} finally {
  await browser.close();
}
