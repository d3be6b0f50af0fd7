import { existsSync, globSync } from 'node:fs';
import { chromium, firefox, webkit } from 'playwright';

export const webkitDriver = '/usr/bin/WebKitWebDriver';
export const virtualScreen = '/usr/bin/Xvfb';

export type BrowserName = 'chromium' | 'firefox' | 'webkit';

export interface Browser {
  readonly path: string;
  /** Playwright drives its own builds in its own way; the ones people use speak standard protocols. */
  readonly build: 'system' | 'playwright';
}

interface Search {
  /** Names one binary to use and nothing else: a path that does not exist means "as if it were not installed". */
  readonly variable: string;
  readonly places: readonly string[];
  readonly own: () => string;
  readonly aptPackages: readonly string[];
}

const searches: Readonly<Record<BrowserName, Search>> = {
  chromium: {
    variable: 'STEADFETCH_CHROMIUM',
    places: [
      '/usr/bin/chromium',
      '/usr/bin/chromium-browser',
      '/usr/bin/google-chrome',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      'C:/Program Files/Google/Chrome/Application/chrome.exe',
      'C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe',
    ],
    own: () => chromium.executablePath(),
    aptPackages: ['chromium'],
  },
  firefox: {
    variable: 'STEADFETCH_FIREFOX',
    places: [
      '/usr/bin/firefox-esr',
      '/usr/bin/firefox',
      '/Applications/Firefox.app/Contents/MacOS/firefox',
      'C:/Program Files/Mozilla Firefox/firefox.exe',
    ],
    own: () => firefox.executablePath(),
    aptPackages: ['firefox-esr'],
  },
  webkit: {
    variable: 'STEADFETCH_WEBKIT',
    places: webkitGtk(),
    own: () => webkit.executablePath(),
    aptPackages: ['webkit2gtk-driver', 'xvfb'],
  },
};

export const browserNames = Object.keys(searches) as readonly BrowserName[];

/** Looks where browsers usually are; `undefined` when this one is not installed. */
export function findBrowser(name: BrowserName): Browser | undefined {
  const { variable, places, own } = searches[name];
  const chosen = process.env[variable];
  const system = (chosen ? [chosen] : places).find((place) => existsSync(place));
  if (system) return { path: system, build: 'system' };
  if (!chosen && existsSync(own())) return { path: own(), build: 'playwright' };
  return undefined;
}

/** The command, without the rights that it may need, that installs a browser on this machine. */
export function installCommand(name: BrowserName): readonly [command: string, ...args: string[]] {
  return existsSync('/usr/bin/apt-get')
    ? ['apt-get', 'install', '--yes', '--no-install-recommends', ...searches[name].aptPackages]
    : ['npx', 'playwright', 'install', name];
}

/** WebKitGTK's browser is of use here only with its driver, and without a screen only with a virtual one. */
function webkitGtk(): string[] {
  if (![webkitDriver, virtualScreen].every((path) => existsSync(path))) return [];
  return globSync('/usr/{lib,libexec}/{,*/}webkit2gtk-*/MiniBrowser');
}
