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
      // What is Node's alone: servers, processes, the heap. Each file has a process of its own, one after the other: side by side
      // they wait for each other longer than they have patience.
      {
        extends: true,
        test: {
          name: 'node-only',
          include: ['test/**/*.node.test.ts'],
          exclude: [...testsWithoutServer()],
          setupFiles: './tools/strict-process.ts',
          testTimeout: 30_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
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
