import type { Source } from './answers.ts';
import { Chart } from './chart.ts';
import { element, say, set, shape, show } from './dom.ts';
import { type Gauge, type Subject, type View, viewOf } from './view.ts';
import { inShort } from './words.ts';

let rows = 0;

/** One dependency in the list: a line that says how it is, and below it, if it is opened, the rest. */
export class Row {
  readonly element: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly chart: Chart;
  /** Whether somebody sees it: only then is its chart drawn. */
  isOnScreen = true;
  readonly #icon: SVGPathElement = shape('path');
  readonly #state: HTMLElement = element('strong', { class: 'state' });
  readonly #since: HTMLElement = element('span', { class: 'since' });
  readonly #why: HTMLElement = element('span', { class: 'why' });
  readonly #trouble: HTMLElement = element('p', { class: 'trouble' });
  readonly #gotten: HTMLElement = element('span', { class: 'gotten' });
  readonly #details: HTMLElement;
  readonly #answers = new AnswersBar();
  readonly #running = new GaugeBar();
  readonly #queued = new GaugeBar();
  readonly #retries: HTMLElement = element('dd');
  readonly #latency: HTMLElement = element('dd');
  readonly #failures: HTMLElement = element('dd');

  constructor(name: string, onToggle: (isOpen: boolean) => void) {
    rows += 1;
    const id = `details-${rows}`;
    const shown = inShort(name);
    this.chart = new Chart(shown);
    this.#details = element(
      'div',
      { class: 'details', id },
      this.chart.element,
      element(
        'dl',
        {},
        element('dt', {}, 'Answers'),
        this.#answers.element,
        element('dt', {}, 'Slots'),
        element('dd', {}, this.#running.element, this.#queued.element),
        element('dt', {}, 'Failures'),
        this.#failures,
        element('dt', {}, 'Latency'),
        this.#latency,
        element('dt', {}, 'Retries'),
        this.#retries,
      ),
    );
    const icon = shape('svg', { class: 'icon', viewBox: '0 0 14 14', 'aria-hidden': 'true' }, this.#icon);
    this.button = element(
      'button',
      { type: 'button', 'aria-controls': id },
      shape(
        'svg',
        { class: 'arrow', viewBox: '0 0 10 10', 'aria-hidden': 'true' },
        shape('path', { d: 'M3 1l4 4l-4 4' }),
      ),
      // A name in another script's direction must not turn the line around it.
      element('bdi', { class: 'name' }, shown),
      ' ',
      element('span', { class: 'status' }, icon, this.#state),
    );
    this.button.addEventListener('click', () => {
      this.open = !this.open;
      onToggle(this.open);
    });
    this.element = element(
      'li',
      {},
      element('h3', {}, this.button),
      element('p', { class: 'summary' }, this.#since, this.#why, this.#gotten),
      this.#trouble,
      this.#details,
    );
    this.open = false;
  }

  get open(): boolean {
    return !this.#details.hidden;
  }

  set open(isOpen: boolean) {
    show(this.#details, isOpen);
    set(this.button, { 'aria-expanded': String(isOpen) });
  }

  draw(subject: Subject, now: number, spanMs: number, chartWidth: number): void {
    const view = viewOf(subject, now, spanMs);
    set(this.element, { 'data-state': view.state });
    set(this.#icon, { d: ICONS[view.state] });
    say(this.#state, view.state === 'none' ? 'no breaker' : view.state);
    say(this.#since, view.since);
    say(this.#why, view.why);
    say(this.#trouble, view.trouble);
    show(this.#trouble, view.trouble !== '');
    // Once it is opened, its details say it better.
    say(this.#gotten, this.open ? '' : answersInShort(view));
    if (!this.open) return;
    this.#answers.draw(view);
    this.#running.draw(view.running);
    this.#queued.draw(view.queued);
    say(this.#retries, view.retries);
    say(this.#latency, view.latency);
    say(this.#failures, view.failures);
    if (this.isOnScreen && chartWidth > 0) this.chart.draw(subject.track, now, spanMs, chartWidth);
  }
}

// A gate: shut, half of it, and none; a ring where nothing is known.
const ICONS: Readonly<Record<View['state'], string>> = {
  open: 'M1 1h12v12h-12z',
  'half-open': 'M1 7h12v6h-12z',
  closed: 'M2 7.5l3.5 3.5l6.5-8',
  none: 'M3 7h8',
};

/** What users got, without what they did not get. */
function answersInShort({ gotten, sources }: View): string {
  const some = sources.filter(({ count }) => count > 0);
  return some.length === 0 ? gotten : `${gotten}: ${some.map(({ text }) => text).join(', ')}`;
}

/** Where answers came from: the parts of a bar, and the same in numbers. */
class AnswersBar {
  readonly element: HTMLElement;
  readonly #total: HTMLElement = element('span');
  readonly #parts = new Map<
    Source,
    { readonly bar: HTMLElement; readonly item: HTMLElement; readonly text: HTMLElement }
  >();
  readonly #bar: HTMLElement = element('span', { class: 'bar stacked', 'aria-hidden': 'true' });
  readonly #list: HTMLElement = element('ul', { class: 'parts', role: 'list' });

  constructor() {
    this.element = element('dd', {}, this.#total, this.#bar, this.#list);
  }

  draw({ gotten, sources }: View): void {
    say(this.#total, gotten);
    for (const { source, count, text } of sources) {
      const part = this.#partOf(source);
      const grow = String(count);
      // Through the object model: a page may forbid styles in markup.
      if (part.bar.style.flexGrow !== grow) part.bar.style.flexGrow = grow;
      show(part.bar, count > 0);
      show(part.item, count > 0);
      say(part.text, text);
    }
  }

  #partOf(source: Source): { readonly bar: HTMLElement; readonly item: HTMLElement; readonly text: HTMLElement } {
    const known = this.#parts.get(source);
    if (known !== undefined) return known;
    const bar = element('span', { class: `part ${source}` });
    const text = element('span');
    const item = element('li', {}, element('span', { class: `swatch ${source}`, 'aria-hidden': 'true' }), text);
    this.#bar.append(bar);
    this.#list.append(item);
    const part = { bar, item, text };
    this.#parts.set(source, part);
    return part;
  }
}

/** An amount against its limit, in words and as a bar. */
class GaugeBar {
  readonly element: HTMLElement;
  readonly #text: HTMLElement = element('span');
  readonly #bar: HTMLElement = element('span', { class: 'bar', 'aria-hidden': 'true' });
  readonly #fill: HTMLElement = element('span', { class: 'fill' });

  constructor() {
    this.#bar.append(this.#fill);
    this.element = element('span', { class: 'gauge' }, this.#text, this.#bar);
  }

  draw({ amount, limit, text }: Gauge): void {
    say(this.#text, text);
    // Without a limit there is nothing to be full of.
    show(this.#bar, limit !== null);
    if (limit === null) return;
    const isFull = amount >= limit && limit > 0;
    this.#bar.classList.toggle('full', isFull);
    const width = `${limit === 0 ? 0 : Math.min(100, Math.round((amount / limit) * 1_000) / 10)}%`;
    if (this.#fill.style.width !== width) this.#fill.style.width = width;
  }
}
