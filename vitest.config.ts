import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

import { browserMode } from './tools/browser-modes.ts';
import { type BrowserName, findBrowser } from './tools/browsers.ts';
import { testsWithoutServer } from './tools/servers.ts';
import { chooseWebkitPort } from './tools/webkit-driver.ts';

// Without these, wrangler asks Cloudflare for a sample of `request.cf` and sends usage data.
process.env['CLOUDFLARE_CF_FETCH_ENABLED'] ??= 'false';
process.env['WRANGLER_SEND_METRICS'] ??= 'false';

await chooseWebkitPort();

const inFolders = (...names: readonly string[]): readonly string[] => names.map((name) => `${name}/**`);
const built = inFolders('bench', 'drill', 'site', 'web-example');
// These wait for the processor more than for anything else.
const sideBySide = inFolders('consumers', 'docs', 'lab', 'migration', 'package', 'playground', 'recipes');

export default defineConfig({
  test: {
    globalSetup: './test/support/global-setup.ts',
    reporters: ['default', './tools/counts.ts'],
    coverage: {
      include: ['src/**'],
      reporter: [['text', { skipFull: true }]],
      thresholds: { statements: 95, branches: 95 },
    },
    projects: [
      project('node', undefined, { setupFiles: './tools/strict-process.ts' }),
      // What is Node's alone: servers, processes, the heap. Beside all that comes before, they would wait for the processor longer
      // than they have patience.
      nodeOnly('node-only', ['**'], { exclude: [...built, ...sideBySide], maxWorkers: 2, sequence: { groupOrder: 1 } }),
      // What takes the library as it is built, and so has no part in its coverage, which would slow it down to a third.
      nodeOnly('built', built, { maxWorkers: 1, sequence: { groupOrder: 2 } }),
      nodeOnly('side-by-side', sideBySide, { maxWorkers: 2, sequence: { groupOrder: 3 } }),
      project('happy-dom', undefined, {
        environment: './tools/native-fetch-dom.ts',
        setupFiles: './tools/strict-process.ts',
      }),
      {
        ...project('workerd', 'workerd'),
        plugins: [
          cloudflareTest({
            miniflare: {
              compatibilityDate: '2026-11-01',
              compatibilityFlags: ['nodejs_compat'],
              kvNamespaces: ['ANSWERS'],
            },
          }),
        ],
      },
      ...browser('chromium'),
      ...browser('firefox'),
      ...browser('webkit', { globalSetup: './tools/webkit-driver.ts' }),
    ],
  },
});

/**
 * `x.test.ts` runs in every environment, unchanged; `x.node.test.ts`, `x.workerd.test.ts` and `x.browser.test.ts` run where
 * they say. `own` is the word that a project answers to.
 */
function project(
  name: string,
  own: 'workerd' | 'browser' | undefined,
  test: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration {
  const others = ['node', 'workerd', 'browser'].filter((word) => word !== own);
  return {
    extends: true,
    test: {
      name,
      include: ['test/**/*.test.ts'],
      // One process, window, isolate or page for all files: a new one for each takes longer than their tests.
      isolate: false,
      // A slow machine is slow, and not wrong.
      testTimeout: 30_000,
      exclude: [...others.map((word) => `test/**/*.${word}.test.ts`), ...testsWithoutServer()],
      ...test,
    },
  };
}

/** `x.node.test.ts` of some folders, each file in a process of its own. */
function nodeOnly(
  name: string,
  folders: readonly string[],
  { exclude = [], ...test }: TestProjectInlineConfiguration['test'] & {},
): TestProjectInlineConfiguration {
  const testsIn = (folder: string): string => `test/${folder}/*.node.test.ts`;
  return {
    extends: true,
    test: {
      name,
      include: folders.map(testsIn),
      exclude: [...exclude.map(testsIn), ...testsWithoutServer()],
      setupFiles: './tools/strict-process.ts',
      testTimeout: 30_000,
      ...test,
    },
  };
}

/** A browser that is not installed is left out here; `npm test` is loud about it. */
function browser(
  name: BrowserName,
  test: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration[] {
  const found = findBrowser(name);
  // These read bodies on threads of their own, which the fake clock can give turns to, but not wait for.
  const retry = name === 'chromium' ? 0 : 2;
  return found ? [project(name, 'browser', { ...test, retry, browser: browserMode(name, found) })] : [];
}
