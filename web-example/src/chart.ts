// The last half minute, live: each attempt by its time and end, answers from the store, and when the circuit was open.
import type { SteadEvent } from 'steadfetch';

import { client } from './api.ts';
import { find } from './sections.ts';

const SPAN_MS = 30_000;
const WIDTH = 400;
const HEIGHT = 180;
const FOOT = 18;
const MOST_MS = 1_200;
const SVG = 'http://www.w3.org/2000/svg';

interface Mark {
  readonly at: number;
  readonly kind: 'success' | 'failure' | 'stored';
  readonly durationMs: number;
}

const marks: Mark[] = [];
const spans: { from: number; to: number | undefined }[] = [];
let retries = 0;

export function followClient(): void {
  client.subscribe(note);
  draw();
}

function note(event: SteadEvent): void {
  const { at } = event;
  if (event.type === 'retry') retries += 1;
  else if (event.type === 'attempt') {
    marks.push({ at, kind: event.outcome === 'failure' ? 'failure' : 'success', durationMs: event.durationMs });
  } else if (event.type === 'fallback') marks.push({ at, kind: 'stored', durationMs: 0 });
  else if (event.type === 'transition') {
    const last = spans.at(-1);
    if (event.to === 'open') spans.push({ from: at, to: undefined });
    else if (last !== undefined && last.to === undefined) last.to = at;
  }
}

function draw(): void {
  const now = Date.now();
  while ((marks[0]?.at ?? now) < now - SPAN_MS) marks.shift();
  while (spans[0]?.to !== undefined && spans[0].to < now - SPAN_MS) spans.shift();
  const x = (at: number): number => Math.max(0, WIDTH * (1 - (now - at) / SPAN_MS));
  const y = (ms: number): number => (HEIGHT - FOOT) * (1 - Math.min(ms, MOST_MS) / MOST_MS) + 4;
  const shapes = [
    ...spans.map(({ from, to }) =>
      shape('rect', { class: 'open', x: x(from), y: 0, width: x(to ?? now) - x(from), height: HEIGHT }),
    ),
    ...marks.map(({ at, kind, durationMs }) =>
      kind === 'stored'
        ? shape('rect', { class: kind, x: x(at) - 3, y: HEIGHT - FOOT, width: 6, height: 6 })
        : shape('circle', { class: kind, cx: x(at), cy: y(durationMs), r: 4 }),
    ),
    label('1.2 s', 4, 12),
    label('half a minute ago', 4, HEIGHT - 2),
    label('now', WIDTH - 26, HEIGHT - 2),
  ];
  const chart = document.querySelector('#chart');
  const title = chart?.querySelector('title');
  if (title !== null && title !== undefined) chart?.replaceChildren(title, ...shapes);
  showFacts();
  setTimeout(draw, 250);
}

function showFacts(): void {
  const state = Object.values(client.snapshot().dependencies)[0];
  const facts = {
    Circuit: state?.breaker?.state ?? 'closed',
    'Running, waiting': `${state?.running ?? 0} of 6, ${state?.queued ?? 0} of 20`,
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
