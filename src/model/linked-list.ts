/** What can be in a list, one at a time: it is its own place there. */
export abstract class Link<L extends Link<L>> {
  previous: L | undefined;
  next: L | undefined;
  /** Where it is. */
  list: LinkedList<L> | undefined;
}

/**
 * Things in the order in which they came, each of which can leave from the middle in O(1). A Map has that order, too, but hashes
 * its keys, and makes a new table whenever it gets empty: three of them were a fifth of what a call costs.
 */
export class LinkedList<L extends Link<L>> {
  #first: L | undefined;
  #last: L | undefined;
  #size = 0;

  get first(): L | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  add(link: L): void {
    link.list = this;
    link.previous = this.#last;
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    this.#size += 1;
  }

  /** `false` if it is not there, or not any more. */
  remove(link: L): boolean {
    if (link.list !== this) return false;
    const { previous, next } = link;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    // One that has left holds on to nobody.
    link.previous = link.next = link.list = undefined;
    this.#size -= 1;
    return true;
  }

  /** All that is in it, from the first on. */
  values(): L[] {
    const all: L[] = [];
    for (let link = this.#first; link !== undefined; link = link.next) all.push(link);
    return all;
  }
}
