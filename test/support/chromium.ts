import { type Browser, chromium, type LaunchOptions } from 'playwright';

import { chromiumArguments } from '../../tools/browser-modes.ts';
import { findBrowser } from '../../tools/browsers.ts';

const executablePath = findBrowser('chromium')?.path;

/** The machine's Chromium, or else Playwright's, which talks to loopback and to nobody else. */
export const chromiumOptions: LaunchOptions = {
  ...(executablePath === undefined ? {} : { executablePath }),
  args: chromiumArguments,
};

export function launchChromium(options: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({ ...chromiumOptions, ...options });
}
