import { show as shown } from '../checks.ts';
import { platformClock } from '../clock.ts';
import type { Listener, SteadEvent } from '../events.ts';
import type { CircuitState } from '../model/circuit.ts';
import type { ClientSnapshot } from '../snapshot.ts';
import { element, say, show } from './dom.ts';
import { History, LONGEST_SPAN_MS } from './history.ts';
import { legend } from './legend.ts';
import { Row } from './row.ts';
import { panelStyle } from './style.ts';
import { byUrgency, type Subject, urgency } from './view.ts';
import { failureInWords, grouped, inShort, spanInWords } from './words.ts';

/** What the panel needs of a client: `createClient()` gives it. */
export interface WatchedClient {
  /** Has a listener told of events, and returns the function that stops it. */
  readonly subscribe: (listener: Listener<SteadEvent>) => () => void;
  /** The state of all dependencies. */
  readonly snapshot: () => ClientSnapshot;
}

const DEFAULT_SPAN_S = 60;
const LEAST_SPAN_S = 10;
const MOST_SPAN_S = LONGEST_SPAN_MS / 1_000;
const SPANS_S: readonly number[] = [30, 60, 120, 300, 600];
// Quick enough to look alive, slow enough to cost nothing.
const REDRAW_MS = 250;
/** Dependencies that are drawn. */
export const MOST_ROWS = 50;
// So many are opened unasked; and from so many on they can be filtered.
const OPENED = 3;
const FILTERED = 6;
// Changes that are read out one by one; more would only be noise.
const MOST_SAID = 3;

// Where there are no elements (Node, Workers, a server that renders pages) importing this must do no harm.
const Element: typeof HTMLElement =
  typeof HTMLElement === 'undefined' ? (class {} as unknown as typeof HTMLElement) : HTMLElement;

/**
 * `<steadfetch-devtools>`: what a client's dependencies are doing, live. Which of them is in trouble, since when, why, and
 * what users got instead. Give it the client as its `client`; the attribute `span` is how many seconds it shows (10 to 600,
 * default 60).
 *
 * It listens while it is in a document and has a client, draws four times a second while it can be seen, and keeps at most
 * ten minutes of history, within a few megabytes. Taken out of the document, it lets go of all of it.
 */
export class SteadfetchDevtools extends Element {
  /** The attributes that the platform tells of. */
  static readonly observedAttributes: readonly string[] = ['span'];

  #client: WatchedClient | null = null;
  #spanS = DEFAULT_SPAN_S;
  #parts: Parts | undefined;
  #session: Session | undefined;

  /**
   * The client that is watched; `null` for none.
   * @throws TypeError if it is neither a client nor `null`.
   */
  get client(): WatchedClient | null {
    return this.#client;
  }

  set client(client: WatchedClient | null | undefined) {
    if (client !== null && client !== undefined && !isClient(client)) {
      throw new TypeError(
        `The client of <steadfetch-devtools> must be what createClient() returned, or null, got ${shown(client)}`,
      );
    }
    if (this.#client === (client ?? null)) return;
    this.#client = client ?? null;
    this.#restart();
  }

  /**
   * How many seconds are shown: the attribute of that name.
   * @throws RangeError if it is not a number from 10 to 600.
   */
  get span(): number {
    return this.#spanS;
  }

  set span(seconds: number) {
    if (!isSpan(seconds)) throw new RangeError(spanError(shown(seconds)));
    this.setAttribute('span', String(seconds));
  }

  /** Called by the platform. */
  connectedCallback(): void {
    this.#upgrade('client');
    this.#upgrade('span');
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    this.#parts ??= new Parts(root);
    // Each time: the platform takes its sheets from what is moved to another document, an iframe's or a window's.
    const style = panelStyle(this.ownerDocument);
    if (style !== undefined && !root.adoptedStyleSheets.includes(style)) root.adoptedStyleSheets = [style];
    this.#restart();
  }

  /** Called by the platform. */
  disconnectedCallback(): void {
    this.#restart();
  }

  /** Called by the platform. */
  attributeChangedCallback(_name: string, _before: string | null, after: string | null): void {
    const seconds = after === null ? DEFAULT_SPAN_S : Number(after);
    const fits = after === null || (after.trim() !== '' && isSpan(seconds));
    if (!fits) console.warn(`steadfetch: ${spanError(JSON.stringify(after))}; it shows ${DEFAULT_SPAN_S}`);
    this.#spanS = fits ? seconds : DEFAULT_SPAN_S;
    this.#session?.look(this.#spanS);
  }

  /** A property that was set before the element was defined hides ours: a framework may be quicker than an import. */
  #upgrade(name: 'client' | 'span'): void {
    if (!Object.hasOwn(this, name)) return;
    const value: unknown = Reflect.get(this, name);
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }

  #restart(): void {
    this.#session?.end();
    this.#session = undefined;
    if (this.#parts === undefined) return;
    if (this.isConnected && this.#client !== null) {
      this.#session = new Session(this, this.#client, this.#parts, this.#spanS);
    } else this.#parts.clear();
  }
}

function isClient(value: unknown): value is WatchedClient {
  const { subscribe, snapshot } = Object(value) as Partial<WatchedClient>;
  return typeof subscribe === 'function' && typeof snapshot === 'function';
}

function isSpan(seconds: unknown): boolean {
  return typeof seconds === 'number' && seconds >= LEAST_SPAN_S && seconds <= MOST_SPAN_S;
}

function spanError(got: string): string {
  return `span of <steadfetch-devtools> must be a number of seconds from ${LEAST_SPAN_S} to ${MOST_SPAN_S}, got ${got}`;
}

/** What stays, whichever client is watched. */
class Parts {
  readonly title: HTMLElement = element('h2', { id: 'title' }, 'steadfetch');
  readonly overall: HTMLElement = element('p', { class: 'overall' });
  readonly filter: HTMLInputElement = element('input', { type: 'search', autocomplete: 'off', spellcheck: 'false' });
  readonly filterLabel: HTMLElement = element('label', {}, 'Filter', this.filter);
  readonly span: HTMLSelectElement = element('select');
  readonly pause: HTMLButtonElement = element('button', { type: 'button' }, 'Pause');
  readonly list: HTMLElement = element('ul', { class: 'list', role: 'list', 'aria-labelledby': 'title' });
  readonly empty: HTMLElement = element('p', { class: 'empty' });
  readonly more: HTMLElement = element('p', { class: 'more' });
  readonly said: HTMLElement = element('p', { class: 'said', role: 'status' });

  constructor(root: ShadowRoot) {
    const tools = element(
      'div',
      { class: 'tools', role: 'group', 'aria-label': 'What is shown' },
      this.filterLabel,
      element('label', {}, 'Span', this.span),
      this.pause,
    );
    const header = element('header', {}, element('div', { class: 'title' }, this.title, this.overall), tools);
    const panel = element('section', { class: 'panel', 'aria-labelledby': 'title' });
    panel.append(header, this.list, this.empty, this.more, legend(), this.said);
    root.replaceChildren(panel);
    this.clear();
  }

  clear(): void {
    this.list.replaceChildren();
    say(this.title, 'steadfetch');
    say(this.overall, '');
    say(this.empty, 'No client: give this element one, as its property “client”.');
    say(this.said, '');
    show(this.empty, true);
    show(this.more, false);
    show(this.filterLabel, false);
  }
}

/** One client, watched: from when the element has it and is in a document, until one of both is over. */
class Session {
  readonly #host: SteadfetchDevtools;
  readonly #client: WatchedClient;
  readonly #parts: Parts;
  readonly #history = new History();
  readonly #rows = new Map<string, Row>();
  /** What was opened, and closed, by hand. */
  readonly #chosen = new Map<string, boolean>();
  /** Circuits that have changed since it was last said which, and what they are now. */
  readonly #changed = new Map<string, CircuitState>();
  readonly #ends = new AbortController();
  /** `undefined` where nothing tells what can be seen, as in a page that is only simulated: then all of it can. */
  readonly #sight: IntersectionObserver | undefined;
  readonly #unsubscribe: () => void;
  #spanMs: number;
  #snapshot: ClientSnapshot;
  #isPaused = false;
  #isOnScreen = true;
  #cancel: (() => void) | undefined;

  constructor(host: SteadfetchDevtools, client: WatchedClient, parts: Parts, spanS: number) {
    this.#host = host;
    this.#client = client;
    this.#parts = parts;
    this.#spanMs = spanS * 1_000;
    this.#snapshot = client.snapshot();
    this.#history.observe(this.#snapshot);
    this.#unsubscribe = client.subscribe((event) => this.#onEvent(event));
    if (typeof IntersectionObserver !== 'undefined') {
      this.#sight = new IntersectionObserver((entries) => this.#onSight(entries));
      this.#sight.observe(host);
    }
    const { signal } = this.#ends;
    host.ownerDocument.addEventListener('visibilitychange', () => this.#turn(), { signal });
    parts.filter.addEventListener('input', () => this.#draw(), { signal });
    parts.pause.addEventListener('click', () => this.#pause(!this.#isPaused), { signal });
    parts.span.addEventListener('change', () => this.#host.setAttribute('span', parts.span.value), { signal });
    this.#pause(false);
    this.look(spanS);
  }

  /** Shows the last `spanS` seconds from now on. */
  look(spanS: number): void {
    this.#spanMs = spanS * 1_000;
    const { span } = this.#parts;
    const spans = SPANS_S.includes(spanS) ? SPANS_S : [...SPANS_S, spanS].sort((one, other) => one - other);
    span.replaceChildren(...spans.map((each) => element('option', { value: String(each) }, spanInWords(each * 1_000))));
    span.value = String(spanS);
    this.#draw();
  }

  end(): void {
    this.#unsubscribe();
    this.#cancel?.();
    this.#sight?.disconnect();
    this.#ends.abort();
    this.#parts.clear();
  }

  #onEvent(event: SteadEvent): void {
    this.#history.note(event);
    if (event.type === 'transition' && !this.#isPaused && this.#isSeen) this.#changed.set(event.dependency, event.to);
  }

  get #isSeen(): boolean {
    return this.#isOnScreen && !this.#host.ownerDocument.hidden;
  }

  #onSight(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      if (target === this.#host) this.#isOnScreen = isIntersecting;
      for (const row of this.#rows.values()) if (row.element === target) row.isOnScreen = isIntersecting;
    }
    this.#turn();
  }

  #pause(isPaused: boolean): void {
    const { pause } = this.#parts;
    this.#isPaused = isPaused;
    pause.classList.toggle('pressed', isPaused);
    say(pause, isPaused ? 'Resume' : 'Pause');
    this.#turn();
  }

  /** Draws now, and again and again while there is somebody to see it. */
  #turn(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#isPaused || !this.#isSeen) return;
    this.#snapshot = this.#client.snapshot();
    this.#history.observe(this.#snapshot);
    this.#draw();
    this.#announce();
    this.#cancel = platformClock.schedule(REDRAW_MS, () => this.#turn());
  }

  #draw(): void {
    const { at: now } = this.#snapshot;
    const subjects = byUrgency(this.#subjects(), now, this.#spanMs);
    const { filter, filterLabel, empty, more, title } = this.#parts;
    const wanted = filter.value.trim().toLowerCase();
    const found = subjects.filter(({ name }) => name.toLowerCase().includes(wanted));
    const drawn = found.slice(0, MOST_ROWS);
    say(title, this.#snapshot.name === null ? 'steadfetch' : `steadfetch: ${this.#snapshot.name}`);
    this.#sayOverall(subjects, now);
    show(filterLabel, subjects.length >= FILTERED || wanted !== '');
    this.#arrange(drawn);
    this.#open(drawn, now);
    // All are measured before one is drawn: or each would have the page laid out again.
    const widths = drawn.map(({ name }) => this.#rows.get(name)?.chart.width ?? 0);
    for (const [index, subject] of drawn.entries()) {
      this.#rows.get(subject.name)?.draw(subject, now, this.#spanMs, widths[index] ?? 0);
    }
    show(empty, found.length === 0);
    say(empty, subjects.length === 0 ? 'No calls yet.' : 'No dependency has that in its name.');
    show(more, found.length > drawn.length);
    say(more, `and ${grouped(found.length - drawn.length)} more, none of them worse off`);
  }

  /** Those that the client remembers, and those that only we do. */
  #subjects(): Subject[] {
    const { dependencies } = this.#snapshot;
    const { tracks } = this.#history;
    const known = Object.entries(dependencies).map(([name, dependency]) => ({
      name,
      dependency,
      track: tracks.get(name),
    }));
    const others = [...tracks].flatMap(([name, track]) =>
      Object.hasOwn(dependencies, name) || track.marks.length === 0 ? [] : [{ name, dependency: undefined, track }],
    );
    return [...known, ...others];
  }

  #sayOverall(subjects: readonly Subject[], now: number): void {
    const counts = [0, 0, 0, 0];
    for (const subject of subjects) {
      const rank = urgency(subject, now, this.#spanMs);
      counts[rank] = (counts[rank] ?? 0) + 1;
    }
    const [open = 0, halfOpen = 0, failing = 0, well = 0] = counts;
    const parts = [
      [open, 'open'],
      [halfOpen, 'half-open'],
      [failing, 'closed with failures'],
      [well, 'well'],
    ] as const;
    const text = parts.flatMap(([count, words]) => (count === 0 ? [] : [`${grouped(count)} ${words}`])).join(' · ');
    say(this.#parts.overall, text);
  }

  /** Makes the list show these, in this order. The row that has the focus stays where it is, and the others move. */
  #arrange(subjects: readonly Subject[]): void {
    const { list } = this.#parts;
    const names = new Set(subjects.map(({ name }) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      this.#sight?.unobserve(row.element);
      row.element.remove();
      this.#rows.delete(name);
    }
    const focused = this.#host.shadowRoot?.activeElement?.closest('li') ?? null;
    let place = list.firstChild;
    for (const { name } of subjects) {
      const row = this.#rowOf(name).element;
      while (row === focused && place !== null && place !== row) {
        const next = place.nextSibling;
        list.append(place);
        place = next;
      }
      if (place === row) place = place.nextSibling;
      else list.insertBefore(row, place);
    }
  }

  #rowOf(name: string): Row {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const row = new Row(name, (isOpen) => {
      this.#chosen.set(name, isOpen);
      this.#draw();
    });
    row.open = this.#chosen.get(name) ?? false;
    this.#rows.set(name, row);
    this.#sight?.observe(row.element);
    return row;
  }

  /** Opens the first few of those in trouble, or of all if there are only a few. What is open stays so: nothing jumps. */
  #open(subjects: readonly Subject[], now: number): void {
    let open = 0;
    for (const [index, subject] of subjects.entries()) {
      const row = this.#rows.get(subject.name);
      if (row === undefined) continue;
      const isWanted = urgency(subject, now, this.#spanMs) <= 1 || (index < OPENED && subjects.length <= OPENED);
      if (!row.open && isWanted && open < OPENED && !this.#chosen.has(subject.name)) row.open = true;
      if (row.open) open += 1;
    }
  }

  /** Says which circuits have changed: in one go, since nobody can listen to more. */
  #announce(): void {
    const { size } = this.#changed;
    if (size === 0) return;
    const changes = [...this.#changed].slice(0, MOST_SAID).map(([name, state]) => {
      const { lastFailure } = ownOf(this.#snapshot, name) ?? { lastFailure: null };
      const isWell = state === 'closed' || lastFailure === null;
      const why = isWell ? '' : `, ${failureInWords(lastFailure.failure, lastFailure.status)}`;
      return `${inShort(name)}: circuit ${state}${why}`;
    });
    say(this.#parts.said, [...changes, ...(size > MOST_SAID ? [`And ${size - MOST_SAID} more`] : [])].join('. '));
    this.#changed.clear();
  }
}

/** A dependency may be called anything, `toString` too. */
function ownOf({ dependencies }: ClientSnapshot, name: string): ClientSnapshot['dependencies'][string] | undefined {
  return Object.hasOwn(dependencies, name) ? dependencies[name] : undefined;
}
