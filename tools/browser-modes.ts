import { playwright } from '@vitest/browser-playwright';
import { webdriverio } from '@vitest/browser-webdriverio';
import type { BrowserConfigOptions } from 'vitest/node';

import type { Browser, BrowserName } from './browsers.ts';
import { webkitPort } from './webkit-driver.ts';

// A browser may take minutes to start on a machine that is busy with other things.
const page = { enabled: true, headless: true, screenshotFailures: false, ui: false, connectTimeout: 300_000 } as const;

/** How Vitest drives a browser that was found. A browser talks to loopback and to nobody else, where it can be told so. */
export function browserMode(name: BrowserName, browser: Browser): BrowserConfigOptions {
  if (browser.build === 'playwright') return { ...page, provider: playwright(), instances: [{ browser: name, name }] };
  return systemModes[name](browser.path);
}

const systemModes: Readonly<Record<BrowserName, (path: string) => BrowserConfigOptions>> = {
  chromium: (executablePath) => ({
    ...page,
    instances: [{ browser: 'chromium', name: 'chromium' }],
    provider: playwright({ launchOptions: { executablePath, args: chromiumArguments } }),
  }),

  // A Firefox as people have it, over WebDriver BiDi: no patched build is needed.
  firefox: (executablePath) => ({
    ...page,
    instances: [{ browser: 'firefox', name: 'firefox' }],
    provider: playwright({
      launchOptions: { channel: 'moz-firefox', executablePath, firefoxUserPrefs: firefoxPreferences },
    }),
  }),

  // WebKitGTK has no headless mode: the driver runs it on a virtual screen.
  webkit: (binary) => ({
    ...page,
    headless: false,
    instances: [{ browser: 'safari', name: 'webkit' }],
    provider: webdriverio({
      hostname: '127.0.0.1',
      port: webkitPort(),
      path: '/',
      logLevel: 'error',
      transformRequest: askForMiniBrowser,
      capabilities: {
        'wdio:enforceWebDriverClassic': true,
        'webkitgtk:browserOptions': { binary, args: ['--automation'] },
      } as WebdriverIO.Capabilities,
    }),
  }),
};

export const chromiumArguments = [
  '--no-sandbox', // in a container, root has no other way
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

export const firefoxPreferences = {
  'network.dns.forceResolve': '127.0.0.1',
  'services.settings.server': 'data:,#x/v1',
};

/** Vitest knows WebKit as "safari" only, and the driver knows its browser as "MiniBrowser" only. */
function askForMiniBrowser(request: RequestInit): RequestInit {
  if (typeof request.body === 'string' && request.body.includes('"browserName":"safari"')) {
    request.body = request.body.replaceAll('"browserName":"safari"', '"browserName":"MiniBrowser"');
    if (request.headers instanceof Headers) request.headers.delete('content-length');
  }
  return request;
}
