import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { expect, test as plainTest } from 'vitest';

import { scenario } from './support/scenario.ts';

const [bundle] = buildSync({
  entryPoints: [fileURLToPath(new URL('support/fallback-worker.ts', import.meta.url))],
  bundle: true,
  write: false,
  format: 'esm',
  target: 'es2022',
}).outputFiles;

interface Shown {
  readonly text: string;
  readonly degraded: string | null;
}

/** A Worker in a fresh isolate. */
interface Worker {
  ask(url: string, options?: { readonly wait?: boolean }): Promise<Shown>;
  /** Asks as somebody who leaves when told to. */
  askAndLeave(url: string): () => void;
}

const test = plainTest.extend<{ worker: Worker }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the names out of the pattern
  worker: async ({}, use) => {
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        cf: false,
        host: '127.0.0.1',
        modules: true,
        script: bundle?.text ?? '',
        compatibilityDate: '2026-11-01',
        // Straight to the Worker: a proxy in front would keep its requests alive.
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      }),
    );
    await miniflare.ready;
    const base = await miniflare.unsafeGetDirectURL();
    const ask = async (url: string, { wait = false } = {}): Promise<Shown> => {
      const query = new URLSearchParams({ url, ...(wait ? { wait: '' } : {}) });
      const response = await fetch(new URL(`/?${query}`, base), { signal: AbortSignal.timeout(8_000) });
      return (await response.json()) as Shown;
    };
    const askAndLeave = (url: string): (() => void) => {
      const socket = connect(Number(base.port), base.hostname);
      socket.write(`GET /?${new URLSearchParams({ url })} HTTP/1.1\r\nhost: worker\r\n\r\n`);
      return () => void socket.resetAndDestroy();
    };
    await use({ ask, askAndLeave });
    await miniflare.dispose();
  },
});

// A refresh that takes longer than the request that starts it: eleven bytes, one by one.
const slowly = 'slow-body;everyMs=30';

test('a refresh behind an answer is finished on a Worker, with waitUntil', async ({ worker: { ask } }) => {
  const { url, arrived } = scenario(`200;body=one,${slowly},503`);
  expect(await ask(url, { wait: true })).toEqual({ text: 'one', degraded: null });
  expect(await ask(url, { wait: true })).toEqual({ text: 'one', degraded: null });
  await arrived(2);
  await expect
    .poll(() => ask(url, { wait: true }), { interval: 50, timeout: 5_000 })
    .toMatchObject({ text: '{"ok":true}' });
  await expect
    .poll(() => ask(url, { wait: true }), { interval: 50, timeout: 5_000 })
    .toEqual({
      text: '{"ok":true}',
      degraded: 'status-503',
    });
});

test('a refresh that is frozen with its request does not keep later ones from being started', {
  timeout: 20_000,
}, async ({ worker: { ask } }) => {
  const { url, arrived } = scenario(`200;body=one,hang,200;body=two`);
  expect(await ask(url, { wait: true })).toMatchObject({ text: 'one' });
  expect(await ask(url)).toMatchObject({ text: 'one' }); // starts the refresh that hangs, and leaves it behind
  await arrived(2);
  await expect
    .poll(() => ask(url, { wait: true }), { interval: 100, timeout: 8_000 })
    .toEqual({ text: 'two', degraded: null });
});

test('a stored answer serves the requests of all users of an isolate, side by side', async ({ worker: { ask } }) => {
  const { url, arrived } = scenario(`200;body=one,reset`);
  await ask(url, { wait: true });
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(url, { wait: true })));
  expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, () => 'one'));
  expect((await arrived(2)).length).toBeGreaterThan(1);
});

test('calls of several requests that share one call are all answered', async ({ worker: { ask } }) => {
  const { url, closed } = scenario(slowly);
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(url, { wait: true })));
  for (const { text } of answers) expect(text).toBe('{"ok":true}');
  expect((await closed()).length).toBeLessThanOrEqual(5);
});

test('a shared call that is frozen with its request holds up nobody for good', { timeout: 20_000 }, async ({
  worker: { ask, askAndLeave },
}) => {
  const { url, arrived } = scenario('hang,200;body=two');
  const leave = askAndLeave(url);
  await arrived(1);
  leave();
  await expect
    .poll(() => ask(url).catch(() => 'not answered'), { interval: 100, timeout: 8_000 })
    .toEqual({ text: 'two', degraded: null });
});
