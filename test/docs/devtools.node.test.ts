import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { build } from 'esbuild';
import { compile } from 'svelte/compiler';
import { afterAll, afterEach, expect, test, vi } from 'vitest';

import { SLICE_MS } from '../../src/devtools/answers.ts';
import { History, LONGEST_SPAN_MS, MOST_MARKS_IN_ALL } from '../../src/devtools/history.ts';
import { outlinesOf, pictureOf } from '../../src/devtools/picture.ts';
import { markInWords } from '../../src/devtools/words.ts';
import { type ClientSnapshot, createClient, type Listener, type SteadEvent } from '../../src/index.ts';
import { FakeClock, scriptedFetch } from '../../src/testing/index.ts';
import environment from '../../tools/native-fetch-dom.ts';
import { AT, attempted, circuit, completed, dependency, NAME } from '../devtools/support/events.ts';
import { figuresIn, msOf, numberOf } from './figures.ts';
import { snippetsOf } from './snippets.ts';

// The panel in a page that is only simulated: what it looks like, and does in browsers, is for test/devtools.
const page = await environment.setup(globalThis, {});
const { find, findAll, mount, names, unmountAll } = await import('../devtools/support/mount.ts');
const { SteadfetchDevtools } = await import('../../src/devtools/index.ts');
afterAll(() => page.teardown(globalThis));
afterEach(() => {
  unmountAll();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A client that knows so many dependencies, and tells what it is told. */
function clientOf(dependencies: ClientSnapshot['dependencies'] = {}) {
  const listeners: Listener<SteadEvent>[] = [];
  return {
    subscribe: (listener: Listener<SteadEvent>) => {
      listeners.push(listener);
      return () => {};
    },
    snapshot: vi.fn((): ClientSnapshot => ({ name: null, at: AT, dependencies })),
    tell: (event: SteadEvent): void => {
      for (const listener of listeners) listener(event);
    },
  };
}

function hosts(count: number, state: 'closed' | 'open' | 'half-open' = 'closed'): ClientSnapshot['dependencies'] {
  const each = dependency({ breaker: circuit(state) });
  return Object.fromEntries(Array.from({ length: count }, (_, host) => [`https://${state}-${host}.test`, each]));
}

test('docs/devtools.md says how many seconds are shown', () => {
  const [least = 0, most = 0, usual] = figuresIn(
    'devtools',
    /The attribute `span` is how\nmany seconds are shown: (\d+) to (\d+), (\d+) if it is left out\./,
  ).map(Number);
  const panel = mount(clientOf());
  expect(panel.span).toBe(usual);
  for (const seconds of [least, most]) {
    panel.setAttribute('span', String(seconds));
    expect(panel.span).toBe(seconds);
  }
  for (const seconds of [least - 1, most + 1]) expect(() => Reflect.set(panel, 'span', seconds)).toThrow(RangeError);
});

test('docs/devtools.md says which dependencies are shown in full, unasked', () => {
  const [most] = figuresIn(
    'devtools',
    /Open and half-open ones are\nshown in full, at most (\w+) unasked, and so are all where there are no more than that\./,
  );
  const opened = (dependencies: ClientSnapshot['dependencies']): string[] => {
    const panel = mount(clientOf(dependencies));
    return findAll(panel, '[aria-expanded=true] .name').map(({ textContent }) => textContent);
  };
  const count = numberOf(most ?? '');
  expect(opened(hosts(count))).toHaveLength(count);
  expect(opened(hosts(count + 1))).toEqual([]);
  const lately = dependency({ lastFailure: { at: AT, failure: 'status', status: 503 } });
  expect(opened({ ...hosts(count), lately })).toEqual([]);
  expect(opened({ ...hosts(count), ...hosts(1, 'half-open') })).toEqual(['https://half-open-0.test']);
  expect(opened({ ...hosts(count), ...hosts(1, 'half-open'), ...hosts(count + 1, 'open') })).toEqual(
    Object.keys(hosts(count, 'open')),
  );
});

test('docs/devtools.md says how many dependencies are drawn, and from how many on they are filtered', () => {
  const [drawn = '', filtered = ''] = figuresIn(
    'devtools',
    /Of more than (\d+) the first are drawn, and the panel says how many more there are; from (\w+) on there is a filter\./,
  );
  const isFiltered = (count: number): boolean =>
    !find<HTMLLabelElement>(mount(clientOf(hosts(count))), '.tools label').hidden;
  expect([numberOf(filtered) - 1, numberOf(filtered)].map(isFiltered)).toEqual([false, true]);
  const panel = mount(clientOf(hosts(numberOf(drawn) + 1)));
  expect(names(panel)).toHaveLength(numberOf(drawn));
  expect(find(panel, '.more').textContent).toMatch(/^and 1 more/);
});

test('docs/devtools.md says which attempts say nothing of the dependency', async () => {
  const [statuses = ''] = figuresIn(
    'devtools',
    /\| hollow dot \| an attempt that says nothing of the dependency: “not now” \((.*?)\), or its caller gave up \|/,
  );
  const history = new History();
  const clock = new FakeClock({ epochNow: AT });
  const all = Array.from({ length: 400 }, (_, index) => 200 + index).filter((status) => status !== 204);
  const script = all.map((status) => new Response(null, { status }));
  const fetch = scriptedFetch([...script, 'hang'], { clock });
  const client = createClient({ clock, fetch, retry: false, breaker: false });
  const hollow: string[] = [];
  client.subscribe((event) => {
    if (event.type === 'attempt' && event.outcome === 'ignored') hollow.push(String(event.status));
    history.note(event);
  });
  for (const _ of all) await client.fetch(NAME);
  const controller = new AbortController();
  const left = client.fetch(NAME, { signal: controller.signal }).catch(() => {});
  controller.abort();
  await left;
  expect(hollow).toEqual([...statuses.split(', '), 'undefined']);
  const { ignored } = outlinesOf(pictureOf(history.tracks.get(NAME), AT, 60_000, 600));
  expect(ignored).not.toBe('');
});

test('docs/devtools.md says in which slices answers are counted', () => {
  const [slice, more] = figuresIn(
    'devtools',
    /counted in slices of (\w+ seconds), so they may include up to (\w+ seconds) more than the span/,
  );
  expect([slice, more].map((span) => msOf(span ?? ''))).toEqual([SLICE_MS, SLICE_MS]);
});

test('docs/devtools.md says from how many events in a second on a mark stands for several', () => {
  const [apart = ''] = figuresIn(
    'devtools',
    /In a second with more than (\d+) events of a dependency, one mark\nstands for/,
  );
  const marks = (count: number): number => {
    const history = new History();
    for (let event = 0; event < count; event += 1) history.note(attempted(AT));
    return history.tracks.get(NAME)?.marks.length ?? 0;
  };
  const count = numberOf(apart);
  expect([marks(count), marks(count + 1), marks(count + 50)]).toEqual([count, count + 1, count + 1]);
});

test('docs/devtools.md says where the keys go, and what is read out', () => {
  const [pages = '', words = ''] = figuresIn(
    'devtools',
    /Page Up and Page Down (\w+) at a time, Home and End to the\nfirst and last, and Escape lets go; what is chosen is read out: “(.*?)”/,
  );
  const at = new Date(2026, 10, 14, 14, 3, 22, 120).getTime();
  const mark = attempted(at, { attempt: 2, outcome: 'failure', durationMs: 120, status: 503, failure: 'status' });
  expect(markInWords({ kind: 'attempt', count: 1, failure: undefined, status: undefined, ...mark })).toBe(words);

  let listener: ((event: ReturnType<typeof attempted>) => void) | undefined;
  const client = clientOf({ [NAME]: dependency() });
  const panel = mount({
    ...client,
    subscribe(given) {
      listener = given;
      return () => {};
    },
  });
  for (let event = 0; event < 40; event += 1)
    listener?.(attempted(AT - 40_000 + event * 1_000, { attempt: event + 1 }));
  const slider = find(panel, '[role=slider]');
  // Nothing is laid out here, and where there is no room nothing is drawn.
  Object.defineProperty(slider, 'clientWidth', { value: 600 });
  panel.span = 120; // draws
  const chosen = (key: string): number => {
    slider.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    return Number(/attempt (\d+)/.exec(slider.getAttribute('aria-valuetext') ?? '')?.[1]);
  };
  const many = numberOf(pages);
  expect(['End', 'PageDown', 'PageDown', 'PageUp', 'ArrowLeft', 'ArrowRight', 'Home'].map(chosen)).toEqual([
    ...[40, 40 - many, 40 - 2 * many, 40 - many, 39 - many, 40 - many, 1],
  ]);
  expect(chosen('Escape')).toBeNaN();
});

test('docs/devtools.md says how often it draws, and that nothing is drawn for an event', async () => {
  const [times = '', most] = figuresIn(
    'devtools',
    /^\| Drawing \| (\w+) times a second, (\d+) dependencies at most; none while the panel is hidden, out of sight or paused \|/m,
  );
  vi.useFakeTimers();
  const client = clientOf(hosts(100));
  const panel = mount(client);
  const drawings = async (ms: number): Promise<number> => {
    client.snapshot.mockClear();
    await vi.advanceTimersByTimeAsync(ms);
    return client.snapshot.mock.calls.length;
  };
  expect(await drawings(2_000)).toBe(2 * numberOf(times));
  expect(names(panel)).toHaveLength(Number(most));
  client.snapshot.mockClear();
  for (let event = 0; event < 1_000; event += 1) client.tell(attempted(AT));
  expect(client.snapshot).not.toHaveBeenCalled();
  const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  document.dispatchEvent(new Event('visibilitychange'));
  expect(await drawings(10_000)).toBe(0);
  hidden.mockRestore();
  document.dispatchEvent(new Event('visibilitychange'));
  expect(await drawings(1_000)).toBe(numberOf(times));
  findAll(panel, 'button')
    .find(({ textContent }) => textContent === 'Pause')
    ?.click();
  expect(await drawings(10_000)).toBe(0);
});

test('docs/devtools.md says how large it is, as the build is held to it', () => {
  const [size] = figuresIn('devtools', /^\| Imported \| at most (.* kB) minified and compressed \|/m);
  const limits: readonly { name: string; limit: string }[] = JSON.parse(readFileSync('package.json', 'utf8'))[
    'size-limit'
  ];
  expect(limits.find(({ name }) => name === 'steadfetch/devtools')?.limit).toBe(size);
});

test('docs/devtools.md says how much is kept, and how much room that takes', () => {
  const [minutes = '', marks = '', megabytes = ''] = figuresIn(
    'devtools',
    /^\| Memory \| at most (\w+) minutes and (\S+) marks of all dependencies together: less than (\d+) MB with a thousand dependencies/m,
  );
  expect(numberOf(minutes) * 60_000).toBe(LONGEST_SPAN_MS);
  expect(numberOf(marks)).toBe(MOST_MARKS_IN_ALL);
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  const history = new History();
  const used = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  // Each is asked every second, for ten minutes and some more.
  for (let call = 0; call < 30_000; call += 1) {
    const [at, name] = [AT + call * 20.3, `https://host-${call % 1_000}.test`];
    history.note({ ...attempted(at), call, dependency: name });
    history.note({ ...completed(call, at), dependency: name });
  }
  const mb = (used() - before) / 1_048_576;
  expect(history.size).toBeGreaterThan(MOST_MARKS_IN_ALL / 2);
  expect(mb).toBeLessThan(numberOf(megabytes));
  expect(mb).toBeGreaterThan(1);
});

/** What the panel in the page was given. */
function given(): [unknown, number | undefined] {
  const panel = document.querySelector('steadfetch-devtools');
  return panel instanceof SteadfetchDevtools ? [panel.client, panel.span] : [undefined, undefined];
}

test('docs/devtools.md: Vue gives the panel its client, and its span', async () => {
  // It looks for a document as it is imported, and for developer tools of its own some seconds more.
  vi.useFakeTimers();
  const { createApp, markRaw } = await import('vue');
  const [{ code = '' } = {}] = snippetsOf('docs/devtools.md', 'vue');
  const client = clientOf();
  const app = createApp({ template: code, data: () => ({ client: markRaw(client) }) });
  app.config.compilerOptions.isCustomElement = (tag) => tag === 'steadfetch-devtools';
  app.mount(document.body.appendChild(document.createElement('div')));
  expect(given()).toEqual([client, 120]);
});

test('docs/devtools.md: Svelte gives the panel its client, and its span', async () => {
  const [{ code = '' } = {}] = snippetsOf('docs/devtools.md', 'svelte');
  const { js } = compile(`<script>let { client } = $props();</script>${code}`, { generate: 'client' });
  const { outputFiles } = await build({
    stdin: { contents: `${js.code}\nexport { mount } from 'svelte';`, resolveDir: '.' },
    bundle: true,
    conditions: ['browser'],
    format: 'esm',
    write: false,
  });
  const path = join(mkdtempSync(join(tmpdir(), 'steadfetch-devtools-')), 'panel.mjs');
  writeFileSync(path, outputFiles[0]?.text ?? '');
  const { default: Panel, mount: mountIn } = await import(/* @vite-ignore */ pathToFileURL(path).href);
  const client = clientOf();
  mountIn(Panel, { target: document.body, props: { client } });
  expect(given()).toEqual([client, 120]);
});
