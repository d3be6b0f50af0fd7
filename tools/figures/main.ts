// `npm run figures`: makes the pictures of docs/telemetry.md anew: an outage, in Prometheus and as a trace.
import { chromium } from 'playwright';

import { chromiumArguments } from '../browser-modes.ts';
import { findBrowser } from '../browsers.ts';
import { drawFleet } from './fleet.ts';
import { photographMetrics } from './metrics.ts';
import { photographTrace } from './trace.ts';

const executablePath = findBrowser('chromium')?.path;
const browser = await chromium.launch({
  ...(executablePath === undefined ? {} : { executablePath }),
  args: chromiumArguments,
});
try {
  console.log('A fleet');
  await drawFleet('docs/figures/fleet.svg');
  console.log('A trace');
  await photographTrace(await browser.newPage({ viewport: { width: 1_000, height: 400 } }), 'docs/figures/trace.png');
  console.log('Metrics: an outage of half a minute, which takes its time');
  await photographMetrics(
    await browser.newPage({ viewport: { width: 1_000, height: 800 } }),
    'docs/figures/metrics.png',
  );
} finally {
  await browser.close();
}
