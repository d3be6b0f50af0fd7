import { element, shape } from './dom.ts';

// The same outlines as in the charts, and in the same classes, so in the same colours.
const MARKS: readonly (readonly [kind: string, d: string, words: string])[] = [
  ['closed', 'M0 11h16v3h-16z', 'circuit closed'],
  ['half-open', 'M0 8h16v6h-16z', 'half-open: a probe decides'],
  ['open', 'M0 2h16v12h-16z', 'open: calls are refused'],
  ['answered', 'M5.3 8a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0z', 'attempt answered'],
  ['ignored', 'M5.3 8a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0z', '“not now”, or given up'],
  ['failed', 'M4.5 4.5l7 7m-7 0l7-7', 'attempt failed'],
  ['retried', 'M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0z', 'ringed: a retry'],
  ['refused', 'M8 3v10', 'call refused'],
  ['stored', 'M5 5h6v6h-6z', 'from the store'],
  ['degraded', 'M5 5h6v6h-6z', 'from the store, out of date'],
  ['default', 'M8 3.5l4.5 4.5l-4.5 4.5l-4.5-4.5z', 'the default'],
];

/** What the marks of the charts mean. */
export function legend(): HTMLElement {
  const items = MARKS.map(([kind, d, words]) =>
    element(
      'li',
      {},
      shape('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, shape('path', { class: kind, d })),
      words,
    ),
  );
  return element('ul', { class: 'legend', role: 'list', 'aria-label': 'What the marks mean' }, ...items);
}
