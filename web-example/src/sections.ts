// Lists of products, each of which tells by itself whether it is what the API says now.
import { degradation } from 'steadfetch';

import { api, type Product } from './api.ts';
import { ago, inASentence, reasonInWords, reasonOf } from './words.ts';

interface Section {
  readonly element: HTMLElement;
  readonly path: string;
  /** What it says when there is nothing to show: never an empty page. */
  readonly nothing: string;
}

const products: Section = {
  element: find('#products'),
  path: 'products',
  nothing: 'The products can’t be shown right now. We keep trying.',
};
const recommendations: Section = {
  element: find('#recommendations'),
  path: 'recommendations',
  nothing: 'No recommendations right now.',
};

/** What the notes say of an age, which grows without anything happening. */
const ages = new Map<HTMLElement, () => string>();

/** What each section shows, as text. */
const shown = new WeakMap<HTMLElement, string>();

/** Asks for both at once: one that fails takes the other with it in nothing. */
export async function showSections(): Promise<void> {
  await Promise.all([products, recommendations].map(show));
}

/** Says how old what is shown is by now. */
export function tellAges(): void {
  for (const [note, words] of ages) say(note, words());
}

async function show({ element, path, nothing }: Section): Promise<void> {
  const note = find('.note', element);
  try {
    const response = await api.get(path);
    const list = productsIn(await response.json());
    const why = degradation(response);
    element.classList.toggle('degraded', why !== undefined);
    ages.delete(note);
    if (list.length === 0) say(note, nothing);
    else if (why === undefined) say(note, '');
    else {
      const asOf = Date.now() - why.ageMs;
      ages.set(note, () => `Showing results from ${ago(Date.now() - asOf)}: ${reasonInWords(why.reason)}.`);
      tellAges();
    }
    // What has not changed stays: somebody may be reading, or choosing.
    const text = JSON.stringify(list);
    if (shown.get(element) === text) return;
    shown.set(element, text);
    find('.cards', element).replaceChildren(...list.map(card));
    if (path === 'products') offer(list);
  } catch (error) {
    // What is shown stays: it is older, and still better than nothing.
    ages.delete(note);
    const isEmpty = find('.cards', element).childElementCount === 0;
    say(note, `${isEmpty ? nothing : 'These may be out of date.'} ${inASentence(reasonOf(error))}`);
  }
}

/** What an API may answer is not what it should. @throws TypeError if it is no list of products. */
function productsIn(answer: unknown): readonly Product[] {
  const isProduct = ({ id, name, price }: Partial<Product>): boolean =>
    typeof id === 'string' && typeof name === 'string' && typeof price === 'number';
  if (Array.isArray(answer) && answer.every((each) => isProduct(Object(each)))) return answer;
  throw new TypeError('That is no list of products');
}

function card({ name, price }: Product): HTMLElement {
  const item = document.createElement('li');
  const picture = document.createElement('span');
  picture.className = 'icon';
  picture.setAttribute('aria-hidden', 'true');
  picture.textContent = name.slice(0, 1);
  const title = document.createElement('strong');
  title.textContent = name;
  item.append(picture, title, document.createElement('br'), `€ ${price}`);
  return item;
}

/** What can be ordered, in the form; the choice that was made stays. */
function offer(list: readonly Product[]): void {
  const select = find<HTMLSelectElement>('#order select');
  const { value } = select;
  select.replaceChildren(...list.map(({ id, name }) => new Option(name, id)));
  if (value === '' || list.some(({ id }) => id === value)) select.value = value || (list[0]?.id ?? '');
  // Never another in place of the one that was chosen.
  else select.prepend(new Option('Please choose again', '', true, true));
}

/** A live region that is written again is read out again: only what changes is written. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function find<E extends HTMLElement = HTMLElement>(selector: string, within: ParentNode = document): E {
  const found = within.querySelector<E>(selector);
  if (found === null) throw new Error(`The page has no ${selector}`);
  return found;
}
