import { afterEach, expect, test, vi } from 'vitest';

import { SteadfetchDevtools, type WatchedClient } from '../../src/devtools/index.ts';
import { MOST_ROWS } from '../../src/devtools/panel.ts';
import { type Client, type ClientSnapshot, createClient, type SteadEvent } from '../../src/index.ts';
import { FakeClock, type ScriptStep, scriptedFetch } from '../../src/testing/index.ts';
import { attempted, dependency } from './support/events.ts';
import { aWhile, eventually, find, findAll, mount, names, unmountAll } from './support/mount.ts';

afterEach(unmountAll);

interface Bench {
  readonly clock: FakeClock;
  readonly client: Client;
  send(url: string): Promise<void>;
}

function bench(script: readonly ScriptStep[], name?: string): Bench {
  const clock = new FakeClock({ epochNow: new Date(2026, 10, 14, 14, 3, 0).getTime() });
  const client = createClient({
    clock,
    fetch: scriptedFetch(script, { clock }),
    retry: false,
    breaker: { failureThreshold: 2, successThreshold: 1, resetTimeoutMs: 10_000, resetJitter: 0 },
    bulkhead: { maxConcurrent: 4, maxQueued: 2 },
    ...(name === undefined ? {} : { name }),
  });
  return {
    clock,
    client,
    async send(url) {
      const call = client.json(url).catch(() => undefined);
      await clock.advance(100);
      await call;
    },
  };
}

/** A client that only tells, as it is told. */
class Puppet implements WatchedClient {
  readonly listeners = new Set<(event: SteadEvent) => void>();
  dependencies: ClientSnapshot['dependencies'] = {};
  at: number = Date.UTC(2026, 0, 1);
  readonly subscribe = (listener: (event: SteadEvent) => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };
  readonly snapshot = (): ClientSnapshot => ({ name: null, at: this.at, dependencies: this.dependencies });
  tell(event: SteadEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

test('the panel says which dependency, since when, why, and what users got', async () => {
  const { client, clock, send } = bench([{ body: '[]' }, 503, 503], 'shop');
  const panel = mount(client);
  expect(find(panel, '.empty').textContent).toBe('No calls yet.');
  for (let call = 0; call < 3; call += 1) await send('https://api.test/products');
  await clock.advance(4_000);
  await eventually(() => expect(find(panel, '.since').textContent).toBe('for 4 s, since 14:03:00'));
  expect(find(panel, 'h2').textContent).toBe('steadfetch: shop');
  expect(find(panel, '.overall').textContent).toBe('1 open');
  expect(names(panel)).toEqual(['https://api.test']);
  expect(find(panel, '.state').textContent).toBe('open');
  expect(find(panel, '.why').textContent).toBe('503, 4 s ago; next probe in 6 s');
  expect(findAll(panel, '.parts li:not([hidden])').map(({ textContent }) => textContent)).toEqual([
    '1 from the network',
    '2 failed',
  ]);
  expect(find(panel, 'dl').textContent).toContain('2 × 503');
});

test('the panel shows what is running and waiting against the limits, though no event says so', async () => {
  const { client, clock } = bench(['hang']);
  const panel = mount(client);
  for (let call = 0; call < 5; call += 1) void client.json('https://api.test/').catch(() => undefined);
  await clock.advance(0);
  await eventually(() => expect(find(panel, 'dl').textContent).toContain('4 of 4 running1 of 2 waiting'));
  await eventually(() => {
    const [full, half] = findAll(panel, '.gauge .fill').map((fill) => {
      const inner = (fill.parentElement?.getBoundingClientRect().width ?? 0) - 2;
      return Math.round((fill.getBoundingClientRect().width / inner) * 100);
    });
    expect([full, half]).toEqual([100, 50]);
  });
  expect(findAll(panel, '.full')).toHaveLength(1);
  const closed = client.close({ drainMs: 0 });
  await clock.advance(0);
  await closed;
});

test('client refuses what is no client, and keeps the one it has', () => {
  const { client } = bench([200]);
  const panel = mount(client);
  const set = (value: unknown) => () => Reflect.set(panel, 'client', value);
  expect(set('shop')).toThrow(
    new TypeError('The client of <steadfetch-devtools> must be what createClient() returned, or null, got "shop"'),
  );
  expect(set({ subscribe: 1 })).toThrow(TypeError);
  expect(panel.client).toBe(client);
});

test('client and span that were set before the element was defined are taken up', () => {
  const { client } = bench([200]);
  const early = document.createElement('early-devtools');
  Object.assign(early, { client, span: 30 });
  document.body.append(early);
  customElements.define('early-devtools', class extends SteadfetchDevtools {});
  expect(early).toBeInstanceOf(SteadfetchDevtools);
  expect(Object.keys(early)).toEqual([]);
  expect(early).toMatchObject({ client, span: 30 });
});

test('the element is defined once, by whichever copy of the library was first', async () => {
  const again: unknown = await import(
    /* @vite-ignore */ `${new URL('../../src/devtools/index.ts', import.meta.url).href}?copy`
  );
  expect(again).toHaveProperty('SteadfetchDevtools');
  expect(customElements.get('steadfetch-devtools')).toBe(SteadfetchDevtools);
});

test('span is an attribute, a property and a selector; what makes no sense is warned of, or thrown', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const { client } = bench([200]);
  const panel = mount(client);
  const select = find<HTMLSelectElement>(panel, 'select');
  const said = (): unknown => [panel.span, select.value];
  expect(said()).toEqual([60, '60']);
  panel.setAttribute('span', '90');
  expect(said()).toEqual([90, '90']);
  panel.span = 120;
  expect([panel.getAttribute('span'), ...(said() as [])]).toEqual(['120', 120, '120']);
  select.value = '300';
  select.dispatchEvent(new Event('change'));
  expect(said()).toEqual([300, '300']);
  expect(warn).not.toHaveBeenCalled();
  for (const wrong of ['soon', '', '9', '601']) panel.setAttribute('span', wrong);
  expect(warn.mock.calls.flat()).toEqual(
    ['soon', '', '9', '601'].map(
      (wrong) =>
        `steadfetch: span of <steadfetch-devtools> must be a number of seconds from 10 to 600, got "${wrong}"; it shows 60`,
    ),
  );
  expect(said()).toEqual([60, '60']);
  expect(() => {
    panel.span = Number.NaN;
  }).toThrow(RangeError);
  warn.mockRestore();
});

test('the panel listens while it is in a document and has a client, and lets go of all of it', () => {
  const first = new Puppet();
  const second = new Puppet();
  const added = vi.spyOn(document, 'addEventListener');
  const panel = mount(first);
  const visibility = added.mock.calls.filter(([type]) => type === 'visibilitychange');
  expect(visibility).toHaveLength(1);
  const { signal } = (visibility[0]?.[2] ?? {}) as AddEventListenerOptions;
  const listening = (): number[] => [first.listeners.size, second.listeners.size];
  expect(listening()).toEqual([1, 0]);
  panel.client = second;
  expect(listening()).toEqual([0, 1]);
  expect(signal?.aborted).toBe(true);
  panel.client = null;
  expect(listening()).toEqual([0, 0]);
  expect(find(panel, '.empty').textContent).toMatch(/^No client/);
  panel.client = first;
  panel.remove();
  expect(listening()).toEqual([0, 0]);
  panel.client = second;
  expect(listening()).toEqual([0, 0]);
  document.body.append(panel);
  expect(listening()).toEqual([0, 1]);
  added.mockRestore();
});

test('the panel leaves nothing behind when it comes and goes a thousand times', async () => {
  const puppet = new Puppet();
  puppet.dependencies = { 'https://api.test': dependency() };
  const snapshot = vi.spyOn(puppet, 'snapshot');
  const panel = mount(puppet);
  for (let turn = 0; turn < 1_000; turn += 1) {
    panel.remove();
    document.body.append(panel);
  }
  expect(puppet.listeners.size).toBe(1);
  await eventually(() => expect(names(panel)).toHaveLength(1));
  expect(findAll(panel, 'section, .list > li')).toHaveLength(2);
  panel.remove();
  expect(puppet.listeners.size).toBe(0);
  const { length } = snapshot.mock.calls;
  await aWhile();
  expect(snapshot.mock.calls).toHaveLength(length);
});

test('the panel draws only while it can be seen', async () => {
  const puppet = new Puppet();
  const snapshot = vi.spyOn(puppet, 'snapshot');
  const panel = mount(puppet);
  const drawn = async (): Promise<number> => {
    const { length } = snapshot.mock.calls;
    await aWhile();
    return snapshot.mock.calls.length - length;
  };
  expect(await drawn()).toBeGreaterThan(0);
  Object.assign(panel.style, { position: 'absolute', top: '-5000px' });
  await aWhile();
  expect(await drawn()).toBe(0);
  panel.removeAttribute('style');
  await eventually(async () => expect(await drawn()).toBeGreaterThan(0));
});

test('Pause freezes the picture and goes on collecting, Resume shows what was missed', async () => {
  const { client, send } = bench([503]);
  const panel = mount(client);
  await send('https://api.test/');
  await eventually(() => expect(find(panel, '.overall').textContent).toBe('1 closed with failures'));
  const pause = findAll(panel, 'button').find(({ textContent }) => textContent === 'Pause');
  pause?.click();
  expect(pause?.textContent).toBe('Resume');
  await send('https://api.test/');
  await aWhile();
  find<HTMLSelectElement>(panel, 'select').dispatchEvent(new Event('change')); // draws, but not what came later
  expect(find(panel, '.overall').textContent).toBe('1 closed with failures');
  expect(find(panel, '.said').textContent).toBe('');
  pause?.click();
  expect(find(panel, '.overall').textContent).toBe('1 open');
  expect(find(panel, 'dl').textContent).toContain('2 × 503');
});

test('a panel that is not drawn for now takes no more room than there is', async () => {
  const { client, send } = bench([{ body: '[]' }]);
  await send('https://api.test/');
  const panel = mount(client);
  panel.style.width = '1000px';
  await eventually(() => expect(find(panel, '.chart svg').getBoundingClientRect().width).toBeGreaterThan(400));
  findAll(panel, 'button')
    .find(({ textContent }) => textContent === 'Pause')
    ?.click();
  panel.style.width = '300px';
  expect(find(panel, '.panel').getBoundingClientRect().width).toBe(300);
  expect(find(panel, '.panel').scrollWidth).toBeLessThanOrEqual(300);
});

test('the page may have the panel dark or light, whatever the system is', () => {
  const { client } = bench([200]);
  const panel = mount(client);
  const paper = (colorScheme: string): string => {
    panel.style.colorScheme = colorScheme;
    return getComputedStyle(find(panel, '.panel')).backgroundColor;
  };
  expect([paper('light'), paper('dark')]).toEqual(['rgb(255, 255, 255)', 'rgb(20, 28, 36)']);
});

test('the panel keeps its look in another document, and on the way back', () => {
  const { client } = bench([200]);
  const panel = mount(client);
  const home = panel.parentElement;
  const look = (): unknown[] => {
    const { display, borderRadius, fontFamily } = getComputedStyle(find(panel, '.panel'));
    return [display, borderRadius, fontFamily, panel.shadowRoot?.adoptedStyleSheets.length];
  };
  const before = look();
  const frame = document.createElement('iframe');
  document.body.append(frame);
  const other = frame.contentDocument;
  if (other === null) throw new Error('The frame has no document');
  const plain = other.createElement('section');
  other.body.append(plain);
  for (const _ of [1, 2]) {
    other.body.append(panel);
    expect(look()).toEqual(before);
    expect(getComputedStyle(plain).borderRadius).not.toBe(before[1]);
    home?.append(panel);
    expect(look()).toEqual(before);
  }
  // One that nobody looks at has no sheets to give.
  const unseen = document.implementation.createHTMLDocument();
  unseen.body.append(panel);
  expect(panel.shadowRoot?.adoptedStyleSheets).toHaveLength(0);
  home?.append(panel);
  expect(look()).toEqual(before);
});

test('a panel in another document is seen there, whether or not the page that made it is', async () => {
  const { client, send } = bench([200]);
  const panel = mount(client);
  const frame = document.createElement('iframe');
  document.body.prepend(frame);
  frame.contentDocument?.body.append(panel);
  Object.defineProperty(document, 'hidden', { configurable: true, value: true });
  try {
    document.dispatchEvent(new Event('visibilitychange'));
    await send('https://api.test/');
    await eventually(() => expect(names(panel)).toEqual(['https://api.test']));
  } finally {
    Reflect.deleteProperty(document, 'hidden');
    frame.remove();
  }
});

test('changes of a circuit are said once, politely, and nothing else is', async () => {
  const { client, send, clock } = bench([503]);
  const panel = mount(client);
  const said = find(panel, '.said');
  expect(said.getAttribute('role')).toBe('status');
  await send('https://api.test/');
  await send('https://api.test/');
  await eventually(() => expect(said.textContent).toBe('https://api.test: circuit open, 503'));
  const changes = vi.fn();
  const observer = new MutationObserver(changes);
  observer.observe(said, { childList: true, characterData: true, subtree: true });
  await clock.advance(3_000);
  await aWhile();
  expect(changes).not.toHaveBeenCalled();
  expect(panel.shadowRoot?.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log]')).toHaveLength(1);
  observer.disconnect();
});

test('a name is text, whatever is in it, and has no length of its own', async () => {
  const puppet = new Puppet();
  const names = ['<img src=x onerror="document.title=1">', '__proto__', 'toString', 'x'.repeat(5_000)];
  puppet.dependencies = Object.fromEntries(names.map((name) => [name, dependency()]));
  const panel = mount(puppet);
  for (const name of names) {
    puppet.tell({ ...attempted(puppet.at), dependency: name });
    puppet.tell({ type: 'transition', dependency: name, at: puppet.at, from: 'closed', to: 'open' });
  }
  puppet.tell({ ...attempted(puppet.at), dependency: 'constructor' });
  await eventually(() =>
    expect(findAll(panel, '.name').map(({ textContent }) => textContent)).toEqual([
      ...names.slice(0, 3),
      `${'x'.repeat(160)}…`,
      'constructor',
    ]),
  );
  expect(findAll(panel, 'img')).toEqual([]);
  expect(panel.scrollWidth).toBeLessThanOrEqual(720);
});

test('those in trouble come first, are opened, and stay open when they recover; what was closed by hand stays closed', async () => {
  const { client, clock, send } = bench([
    ({ url, number }) => (url.includes('bad') && number < 50 ? 503 : { body: '1' }),
  ]);
  const hosts = ['a', 'b', 'c', 'bad', 'worse-bad'].map((host) => `https://${host}.test`);
  for (const host of hosts) for (let call = 0; call < 2; call += 1) await send(host);
  const panel = mount(client);
  await eventually(() =>
    expect(names(panel).slice(0, 3)).toEqual(['https://bad.test', 'https://worse-bad.test', 'https://a.test']),
  );
  const open = (): string[] => findAll(panel, '[aria-expanded=true] .name').map(({ textContent }) => textContent);
  expect(open()).toEqual(['https://bad.test', 'https://worse-bad.test']);
  findAll(panel, '[aria-expanded=true]')[0]?.click();
  expect(open()).toEqual(['https://worse-bad.test']);
  for (let call = 0; call < 40; call += 1) await send('https://a.test');
  await clock.advance(70_000);
  for (const host of hosts) await send(host);
  await eventually(() => expect(names(panel)).toEqual(hosts));
  expect(open()).toEqual(['https://worse-bad.test']);
});

test('the row that has the focus keeps it when the order changes', async () => {
  const { client, send } = bench([({ url }) => (url.includes('bad') ? 503 : { body: '1' })]);
  const panel = mount(client);
  for (const host of ['a', 'b', 'bad', 'c']) await send(`https://${host}.test`);
  await eventually(() => expect(names(panel)[0]).toBe('https://bad.test'));
  const button = findAll(panel, 'h3 button')[2]; // b
  button?.focus();
  const lost = vi.fn();
  button?.addEventListener('blur', lost);
  await send('https://bad-too.test');
  await send('https://bad-too.test');
  await eventually(() =>
    expect(names(panel)).toEqual([
      'https://bad-too.test',
      'https://bad.test',
      'https://a.test',
      'https://b.test',
      'https://c.test',
    ]),
  );
  expect(panel.shadowRoot?.activeElement).toBe(button);
  expect(lost).not.toHaveBeenCalled();
});

test('a few are not filtered, many are, and of very many only the first are drawn', async () => {
  const puppet = new Puppet();
  const many = (count: number): ClientSnapshot['dependencies'] =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`https://host-${index}.test`, dependency()]));
  puppet.dependencies = many(5);
  const panel = mount(puppet);
  expect(find<HTMLLabelElement>(panel, '.tools label').hidden).toBe(true);
  puppet.dependencies = many(1_000);
  await eventually(() => expect(names(panel)).toHaveLength(MOST_ROWS));
  expect(find(panel, '.more').textContent).toMatch(/^and 950 more/);
  const filter = find<HTMLInputElement>(panel, 'input');
  expect(find<HTMLLabelElement>(panel, '.tools label').hidden).toBe(false);
  filter.value = ' HOST-99';
  filter.dispatchEvent(new Event('input'));
  expect(names(panel)).toHaveLength(11);
  filter.value = 'nobody';
  filter.dispatchEvent(new Event('input'));
  expect([names(panel), find(panel, '.empty').textContent, find(panel, '.more').hidden]).toEqual([
    [],
    'No dependency has that in its name.',
    true,
  ]);
});

test('the arrow keys go through what happened and say what it was, and only they', async () => {
  const { client, clock, send } = bench([
    { body: '1', delayMs: 40 },
    { status: 503, delayMs: 80 },
    new TypeError('gone'),
  ]);
  const panel = mount(client);
  for (let call = 0; call < 3; call += 1) await send('https://api.test/');
  await eventually(() => expect(find(panel, '.overall').textContent).toBe('1 open'));
  const slider = find(panel, '[role=slider]');
  const press = (key: string): [string, string] => {
    slider.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    return [slider.getAttribute('aria-valuetext') ?? '', find(panel, '.readout').textContent];
  };
  const first = '14:03:00.040, attempt 1, answered with 200 after 40 ms';
  const second = '14:03:00.180, attempt 1, failed with 503 after 80 ms';
  const third = '14:03:00.200, attempt 1, connection lost after 0 ms';
  expect(slider.tabIndex).toBe(0);
  expect(press('ArrowLeft')).toEqual([third, third]);
  expect(press('ArrowLeft')).toEqual([second, second]);
  expect(press('Home')).toEqual([first, first]);
  expect(press('ArrowLeft')).toEqual([first, first]);
  expect(press('ArrowRight')).toEqual([second, second]);
  expect(press('End')).toEqual([third, third]);
  expect(press('PageDown')).toEqual([first, first]);
  const said = vi.fn();
  const observer = new MutationObserver(said);
  observer.observe(slider, { attributeFilter: ['aria-valuetext', 'aria-valuenow', 'aria-label'] });
  await clock.advance(5_000);
  await aWhile();
  expect(said).not.toHaveBeenCalled();
  observer.disconnect();
  // What has left the picture can't be chosen any more.
  await clock.advance(60_000);
  await eventually(() => expect(find(panel, '.readout').textContent).toBe(''));
  expect(press('Escape')[0]).toMatch(/^Nothing chosen/);
});

test('the pointer finds the mark that it is near', async () => {
  const { client, send } = bench([{ status: 503, delayMs: 80 }]);
  const panel = mount(client);
  await send('https://api.test/');
  await eventually(() => expect(find(panel, '[role=slider] path.failed').getAttribute('d')).not.toBe(''));
  const { left, top, width, height } = find(panel, '[role=slider] path.failed').getBoundingClientRect();
  const move = (dx: number): void =>
    void find(panel, '[role=slider]').dispatchEvent(
      new PointerEvent('pointermove', { clientX: left + width / 2 + dx, clientY: top + height / 2 }),
    );
  move(-40);
  expect(find(panel, '.readout').textContent).toBe('');
  move(-6);
  expect(find(panel, '.readout').textContent).toContain('failed with 503 after 80 ms');
});

test('a thousand dependencies and a hundred thousand events stay within a frame, and few elements', async () => {
  const puppet = new Puppet();
  puppet.dependencies = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`https://host-${index}.test`, dependency()]),
  );
  const panel = mount(puppet);
  const begun = performance.now();
  for (let index = 0; index < 100_000; index += 1) {
    puppet.at += 1;
    puppet.tell({ ...attempted(puppet.at), call: index, dependency: `https://host-${index % 1_000}.test` });
  }
  const perEventMs = (performance.now() - begun) / 100_000;
  const drawing = performance.now();
  panel.span = 120; // draws
  const frameMs = performance.now() - drawing;
  // Generous: what is bounded is bounded by thousands.
  expect(perEventMs).toBeLessThan(0.1);
  expect(frameMs).toBeLessThan(500);
  await eventually(() => expect(names(panel)).toHaveLength(MOST_ROWS));
  expect(findAll(panel, '*').length).toBeLessThan(MOST_ROWS * 120);
});
