// The last half minute, live: each attempt by its time and end, answers from the store, and when the circuit was open.
import type { SteadEvent } from 'steadfetch';

import { client } from './api.ts';
import { find } from './sections.ts';

const SPAN_MS = 30_000;
const TICK_MS = 250;
const WIDTH = 400;
const HEIGHT = 200;
const LANE = 22;
const FOOT = 18;
const LEAST_MS = 5;
const MOST_MS = 4_000;
const SLOTS = 6;
const SVG = 'http://www.w3.org/2000/svg';

interface Mark {
  readonly at: number;
  readonly kind: 'success' | 'failure' | 'stored';
  readonly durationMs: number;
  readonly isRetry: boolean;
}

interface Span {
  readonly state: 'open' | 'half-open';
  readonly from: number;
  to: number | undefined;
}

const marks: Mark[] = [];
const spans: Span[] = [];
const slots: { readonly at: number; readonly running: number }[] = [];
let retries = 0;

export function followClient(): void {
  client.subscribe(note);
  draw();
}

function note(event: SteadEvent): void {
  const { at } = event;
  if (event.type === 'retry') retries += 1;
  else if (event.type === 'attempt') {
    const { durationMs, outcome, attempt } = event;
    marks.push({ at, kind: outcome === 'failure' ? 'failure' : 'success', durationMs, isRetry: attempt > 1 });
  } else if (event.type === 'fallback') marks.push({ at, kind: 'stored', durationMs: 0, isRetry: false });
  else if (event.type === 'transition') {
    const last = spans.at(-1);
    if (last !== undefined) last.to ??= at;
    if (event.to === 'open' || event.to === 'half-open') spans.push({ state: event.to, from: at, to: undefined });
  }
}

function draw(): void {
  const now = Date.now();
  slots.push({ at: now, running: Object.values(client.snapshot().dependencies)[0]?.running ?? 0 });
  while ((marks[0]?.at ?? now) < now - SPAN_MS) marks.shift();
  while ((slots[0]?.at ?? now) < now - SPAN_MS) slots.shift();
  while (spans[0]?.to !== undefined && spans[0].to < now - SPAN_MS) spans.shift();
  const x = (at: number): number => Math.max(0, WIDTH * (1 - (now - at) / SPAN_MS));
  const floor = HEIGHT - FOOT - 12;
  // By orders of magnitude: what takes 5 ms and what takes 2 s are both to be seen.
  const y = (ms: number): number => {
    const share = Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(MOST_MS / LEAST_MS);
    return floor - Math.min(1, share) * (floor - LANE - 6);
  };
  const line = slots.map(({ at, running }) => `${x(at)},${floor - (running / SLOTS) * (floor - LANE - 6)}`).join(' ');
  const lines = [10, 100, 1_000].flatMap((ms) => [
    shape('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y(ms), y2: y(ms) }),
    label(ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`, 4, y(ms) - 2),
  ]);
  const shapes = [
    ...lines,
    ...spans.map(({ state, from, to }) =>
      shape('rect', { class: state, x: x(from), y: 0, width: Math.max(1, x(to ?? now) - x(from)), height: LANE - 6 }),
    ),
    label('circuit', 4, 12),
    shape('polyline', { class: 'slots', points: line }),
    ...marks.map(({ at, kind, durationMs, isRetry }) =>
      kind === 'stored'
        ? shape('rect', { class: kind, x: x(at) - 3, y: HEIGHT - FOOT - 6, width: 6, height: 6 })
        : mark(kind, x(at), y(durationMs), isRetry),
    ),
    label('half a minute ago', 4, HEIGHT - 2),
    label('now', WIDTH - 26, HEIGHT - 2),
  ];
  const chart = document.querySelector('#chart');
  const title = chart?.querySelector('title');
  if (title !== null && title !== undefined) chart?.replaceChildren(title, ...shapes);
  showFacts();
  setTimeout(draw, TICK_MS);
}

/** A dot for an answer, a cross for a failure; with a ring if it was a retry. */
function mark(kind: 'success' | 'failure', x: number, y: number, isRetry: boolean): SVGElement {
  const group = shape('g', { class: kind, transform: `translate(${x} ${y})` });
  group.append(
    kind === 'success' ? shape('circle', { r: 3.5 }) : shape('path', { d: 'M-4-4 4 4M-4 4 4-4' }),
    ...(isRetry ? [shape('circle', { class: 'retry', r: 7 })] : []),
  );
  return group;
}

function showFacts(): void {
  const state = Object.values(client.snapshot().dependencies)[0];
  const facts = {
    Circuit: state?.breaker?.state ?? 'closed',
    'Running, waiting': `${state?.running ?? 0} of ${SLOTS}, ${state?.queued ?? 0} of 20`,
    'Calls, attempts': `${state?.counters.calls ?? 0}, ${state?.counters.attempts ?? 0}`,
    Retries: String(retries),
  };
  const list = find('#facts');
  const text = Object.entries(facts).flatMap(([name, value]) => [element('dt', name), element('dd', value)]);
  list.replaceChildren(...text);
}

function element(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function label(text: string, x: number, y: number): SVGElement {
  const made = shape('text', { x, y });
  made.textContent = text;
  return made;
}

function shape(tag: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
