import { type Link, LinkedList } from './linked-list.ts';

/** Slots that calls run in, and the first-in-first-out queue for them. */
export interface Permits<W extends Link<W>> {
  running: number;
  readonly queue: LinkedList<W>;
}

export function noPermits<W extends Link<W>>(): Permits<W> {
  return { running: 0, queue: new LinkedList() };
}

/** Takes a slot, if one is free. Nobody overtakes: while anyone waits, none is. */
export function takeSlot<W extends Link<W>>(permits: Permits<W>, maxConcurrent: number): boolean {
  if (permits.running >= maxConcurrent) return false;
  permits.running += 1;
  return true;
}

/**
 * Gives a slot back: it goes to the next waiter, who is returned, without being free in between. Nobody gets it if there are too
 * many by now.
 */
export function passOn<W extends Link<W>>(permits: Permits<W>, maxConcurrent: number): W | undefined {
  const { first } = permits.queue;
  if (first === undefined || permits.running > maxConcurrent) {
    permits.running -= 1;
    return undefined;
  }
  permits.queue.remove(first);
  return first;
}

/** Gives the next waiter a slot of those that there are more of by now, and returns it. */
export function letIn<W extends Link<W>>(permits: Permits<W>, maxConcurrent: number): W | undefined {
  const { first } = permits.queue;
  if (first === undefined || !takeSlot(permits, maxConcurrent)) return undefined;
  permits.queue.remove(first);
  return first;
}
