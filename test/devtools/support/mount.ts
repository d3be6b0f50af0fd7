import { vi } from 'vitest';

import { SteadfetchDevtools, type WatchedClient } from '../../../src/devtools/index.ts';

/** A panel in the page, `width` wide. */
export function mount(client: WatchedClient | null, width = 720): SteadfetchDevtools {
  const place = document.createElement('div');
  place.style.width = `${width}px`;
  const panel = document.createElement('steadfetch-devtools');
  if (!(panel instanceof SteadfetchDevtools)) throw new Error('The element is not defined');
  panel.client = client;
  place.append(panel);
  document.body.append(place);
  return panel;
}

export function unmountAll(): void {
  document.body.replaceChildren();
}

export function find<E extends Element = HTMLElement>(panel: SteadfetchDevtools, selector: string): E {
  const found = panel.shadowRoot?.querySelector<E>(selector);
  if (found === null || found === undefined) throw new Error(`The panel has no ${selector}`);
  return found;
}

export function findAll<E extends Element = HTMLElement>(panel: SteadfetchDevtools, selector: string): E[] {
  return [...(panel.shadowRoot?.querySelectorAll<E>(selector) ?? [])];
}

/** Names of the dependencies, as listed. */
export function names(panel: SteadfetchDevtools): string[] {
  return findAll(panel, '.name').map(({ textContent }) => textContent);
}

/** Waits for the panel to draw by itself: four times a second. */
export function eventually<T>(check: () => T): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000, interval: 20 });
}

/** Lets a few turns of the panel pass: for what is not to happen. */
export function aWhile(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 700));
}
