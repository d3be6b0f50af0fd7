import { element, say, set, shape } from './dom.ts';
import type { Mark } from './mark.ts';
import {
  CIRCUIT,
  FOOT_Y,
  GRID_MS,
  GUTTER,
  HEIGHT,
  INSTEAD_Y,
  latencyY,
  OUTLINE_NAMES,
  type Outlines,
  outlinesOf,
  type Picture,
  type PlacedMark,
  pictureOf,
  REFUSED_Y,
} from './picture.ts';
import type { Track } from './track.ts';
import { latencyInWords, markInWords } from './words.ts';

const NOTHING_CHOSEN = 'Nothing chosen: the arrow keys go through what happened.';
// How near the pointer has to be to a mark to mean it.
const REACH = 14;
const PAGE = 10;

/**
 * The timeline of one dependency. To the keyboard it is a slider through what happened: its value is read out as it
 * changes, and only then, however often the picture is drawn.
 */
export class Chart {
  readonly element: HTMLElement;
  readonly #slider: HTMLElement;
  readonly #svg: SVGSVGElement;
  readonly #outlines: Readonly<Record<string, SVGPathElement>>;
  readonly #states: SVGGElement = shape('g', { class: 'states' });
  readonly #times: SVGGElement = shape('g', { class: 'times' });
  readonly #lines: readonly SVGLineElement[];
  readonly #dropped: SVGRectElement = shape('rect', {
    class: 'dropped',
    x: GUTTER,
    y: CIRCUIT.top + CIRCUIT.height,
    height: FOOT_Y - CIRCUIT.top - CIRCUIT.height,
  });
  readonly #droppedText: SVGTextElement = shape('text', { x: GUTTER + 6, y: FOOT_Y - 6 }, 'attempts not kept');
  readonly #cursor: SVGPathElement = shape('path', { class: 'cursor' });
  readonly #readout: HTMLElement = element('p', { class: 'readout' });
  #picture: Picture = { bands: [], droppedUntil: undefined, marks: [], times: [] };
  #now = 0;
  #chosen: Mark | undefined;
  #timesShown = '';
  #statesShown = '';

  constructor(name: string) {
    this.#outlines = Object.fromEntries(
      OUTLINE_NAMES.map((kind) => [kind, shape('path', { class: kind })]),
    ) as Readonly<Record<keyof Outlines, SVGPathElement>>;
    const grid = GRID_MS.map((ms) => latencyY(ms));
    this.#lines = [...grid, REFUSED_Y, INSTEAD_Y].map((y) => shape('line', { x1: GUTTER, y1: y, y2: y }));
    const label = (text: string, y: number): SVGTextElement =>
      shape('text', { x: GUTTER - 8, y: y + 4, 'text-anchor': 'end' }, text);
    this.#svg = shape(
      'svg',
      { height: HEIGHT, 'aria-hidden': 'true' },
      shape('g', { class: 'grid' }, ...this.#lines),
      this.#dropped,
      this.#droppedText,
      label('circuit', CIRCUIT.top + CIRCUIT.height / 2),
      ...GRID_MS.map((ms) => label(latencyInWords(ms), latencyY(ms))),
      label('refused', REFUSED_Y),
      label('instead', INSTEAD_Y),
      this.#times,
      ...Object.values(this.#outlines),
      this.#states,
      this.#cursor,
    );
    this.#slider = element('div', {
      class: 'chart',
      role: 'slider',
      tabindex: '0',
      'aria-label': `What happened to ${name}`,
      'aria-valuemax': '0',
      'aria-valuenow': '0',
      'aria-valuetext': NOTHING_CHOSEN,
    });
    this.#slider.append(this.#svg);
    this.element = element('div', { class: 'timeline' }, this.#slider, this.#readout);
    this.#slider.addEventListener('keydown', (event) => this.#onKey(event));
    this.#slider.addEventListener('pointermove', (event) => this.#onPointer(event));
    this.#slider.addEventListener('pointerdown', (event) => this.#onPointer(event));
    this.#say();
  }

  /** How wide it is drawn: to be asked for all charts before one of them is drawn. */
  get width(): number {
    return this.#slider.clientWidth;
  }

  draw(track: Track | undefined, now: number, spanMs: number, width: number): void {
    const picture = pictureOf(track, now, spanMs, width);
    this.#picture = picture;
    this.#now = now;
    set(this.#slider, { 'aria-valuemin': -spanMs / 1_000 });
    set(this.#svg, { width });
    for (const line of this.#lines) set(line, { x2: width });
    for (const [name, d] of Object.entries(outlinesOf(picture))) {
      const outline = this.#outlines[name];
      if (outline !== undefined) set(outline, { d });
    }
    this.#drawStates(picture);
    this.#drawTimes(picture);
    const dropped = Math.max(0, (picture.droppedUntil ?? GUTTER) - GUTTER);
    set(this.#dropped, { width: dropped });
    set(this.#droppedText, { visibility: dropped > 110 ? 'visible' : 'hidden' });
    // What has left the picture can't be chosen any more.
    if (this.#chosen !== undefined && this.#placed(this.#chosen) === undefined) this.#choose(undefined);
    this.#drawCursor();
  }

  #drawStates({ bands }: Picture): void {
    // As much as there is room for: the height of the band says the same.
    const named = bands.filter(({ state, width }) => state === 'open' && width >= 40);
    const key = named.map(({ x }) => Math.round(x)).join();
    if (key === this.#statesShown) return;
    this.#statesShown = key;
    const y = CIRCUIT.top + CIRCUIT.height / 2 + 4;
    this.#states.replaceChildren(...named.map(({ x }) => shape('text', { x: x + 6, y }, 'open')));
  }

  #drawTimes({ times }: Picture): void {
    const key = times.map(({ x, text }) => `${Math.round(x)} ${text}`).join();
    if (key === this.#timesShown) return;
    this.#timesShown = key;
    this.#times.replaceChildren(
      ...times.flatMap(({ x, text }) => [
        shape('line', { x1: x, x2: x, y1: CIRCUIT.top, y2: FOOT_Y }),
        shape('text', { x, y: FOOT_Y + 14, 'text-anchor': text === 'now' ? 'end' : 'middle' }, text),
      ]),
    );
  }

  #drawCursor(): void {
    const placed = this.#chosen && this.#placed(this.#chosen);
    const d =
      placed === undefined
        ? ''
        : `M${placed.x} ${CIRCUIT.top}V${placed.y - 8}M${placed.x} ${placed.y + 8}V${FOOT_Y}M${placed.x - 8} ${placed.y - 8}h16v16h-16z`;
    set(this.#cursor, { d });
  }

  #placed(mark: Mark): PlacedMark | undefined {
    return this.#picture.marks.find((each) => each.mark === mark);
  }

  #choose(mark: Mark | undefined): void {
    if (mark === this.#chosen) return;
    this.#chosen = mark;
    this.#say();
    this.#drawCursor();
  }

  #say(): void {
    const text = this.#chosen && markInWords(this.#chosen);
    say(this.#readout, text ?? '');
    const valuenow = this.#chosen === undefined ? 0 : Math.round((this.#chosen.at - this.#now) / 100) / 10;
    set(this.#slider, { 'aria-valuetext': text ?? NOTHING_CHOSEN, 'aria-valuenow': valuenow });
  }

  #onKey(event: KeyboardEvent): void {
    const { marks } = this.#picture;
    const index = marks.findIndex(({ mark }) => mark === this.#chosen);
    const last = marks.length - 1;
    const from = index === -1 ? last + 1 : index;
    const targets: Readonly<Record<string, number>> = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - PAGE,
      PageUp: from + PAGE,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (event.key === 'Escape' && this.#chosen !== undefined) this.#choose(undefined);
    else if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    else this.#choose(marks[Math.max(0, Math.min(last, target))]?.mark);
    event.preventDefault();
    event.stopPropagation();
  }

  /** The mark that is nearest to the pointer, if it is near. */
  #onPointer({ clientX, clientY }: PointerEvent): void {
    const { left, top } = this.#svg.getBoundingClientRect();
    let best: PlacedMark | undefined;
    let least = REACH;
    for (const placed of this.#picture.marks) {
      const distance = Math.hypot(placed.x - (clientX - left), placed.y - (clientY - top));
      if (distance <= least) [best, least] = [placed, distance];
    }
    if (best !== undefined) this.#choose(best.mark);
  }
}
