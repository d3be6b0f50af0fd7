// @vitest-environment happy-dom
import { act, createElement, type FunctionComponent } from 'react';
import { createRoot } from 'react-dom/client';
import type { Client, DegradationSnapshot, DegradationStore } from 'steadfetch';
import type { Readable } from 'svelte/store';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { effectScope, type ShallowRef } from 'vue';

import { snippetsOf, writeNamedFiles } from './snippets.ts';

interface Api {
  readonly api: Client;
  readonly degraded: DegradationStore;
}

const directory = writeNamedFiles('docs/frameworks.md', 'frameworks');
const load = <Exports>(name: string) => import(/* @vite-ignore */ `${directory}/${name}`) as Promise<Exports>;
const { api, degraded } = await load<Api>('api.ts');

const url = 'https://api.test/products';
let isDown = false;

beforeEach(() => {
  isDown = false;
  vi.stubGlobal('fetch', async () => {
    if (isDown) throw new TypeError('Failed to fetch');
    return Response.json([]);
  });
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true);
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterAll(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function ask(down: boolean): Promise<void> {
  isDown = down;
  await api.json(url, { retry: false });
}

test("docs/frameworks.md: React's banner says what is shown instead, and goes when it is over", async () => {
  const { Banner } = await load<{ Banner: FunctionComponent }>('Banner.tsx');
  const page = document.createElement('main');
  const root = createRoot(page);
  await act(() => root.render(createElement(Banner)));
  await act(() => ask(false));
  expect(page.innerHTML).toBe('');
  const log = vi.mocked(console.log).mockClear();
  await act(() => ask(true));
  expect(page.innerHTML).toBe('<p role="status">Showing earlier results (network)</p>');
  expect(log.mock.calls).toEqual([['https://api.test: network', expect.stringMatching(/^showing results of \d/)]]);
  await act(() => ask(false));
  expect(page.innerHTML).toBe('');
  await act(() => root.unmount());
});

test("docs/frameworks.md: Vue's ref follows, until its scope ends", async () => {
  const { useDegradation } = await load<{ useDegradation(): ShallowRef<DegradationSnapshot> }>('use-degradation.js');
  const scope = effectScope();
  const snapshot = scope.run(useDegradation);
  await ask(false);
  await ask(true);
  await vi.waitFor(() => expect(snapshot?.value.degraded).toBe(true));
  scope.stop();
  await ask(false);
  expect(snapshot?.value.degraded).toBe(true);
});

test("docs/frameworks.md: Svelte's store follows while somebody subscribes", async () => {
  const { degradation } = await load<{ degradation: Readable<DegradationSnapshot> }>('degradation.js');
  const seen: boolean[] = [];
  const stop = degradation.subscribe((snapshot) => seen.push(snapshot.degraded));
  await ask(false);
  await ask(true);
  await vi.waitFor(() => expect(seen.at(-1)).toBe(true));
  stop();
  expect(degraded.getSnapshot().dependencies.map(({ reason }) => reason)).toEqual(['network']);
});

test('docs/getting-started.md: none of the banners takes more than five lines', () => {
  const banners = snippetsOf('docs/frameworks.md', 'tsx|js').map(({ code }) => code.slice(code.indexOf('export ')));
  expect(banners).toHaveLength(3);
  expect(banners.filter((code) => code.trimEnd().split('\n').length > 5)).toEqual([]);
});
