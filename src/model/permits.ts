import { type Link, LinkedList } from './linked-list.ts';

/** Slots that calls run in, and the first-in-first-out queue for them. */
export interface Permits<W extends Link<W>> {
  running: number;
  /** Made for the first that waits: there are permits for each dependency, and mostly nobody does. */
  queue: LinkedList<W> | undefined;
}

export function noPermits<W extends Link<W>>(): Permits<W> {
  return { running: 0, queue: undefined };
}

/** Puts a waiter behind the others. */
export function joinQueue<W extends Link<W>>(permits: Permits<W>, waiter: W): void {
  permits.queue ??= new LinkedList();
  permits.queue.add(waiter);
}

/** How many wait. */
export function queuedIn<W extends Link<W>>({ queue }: Permits<W>): number {
  return queue === undefined ? 0 : queue.size;
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
  const first = permits.queue?.first;
  if (first === undefined || permits.running > maxConcurrent) {
    permits.running -= 1;
    return undefined;
  }
  permits.queue?.remove(first);
  return first;
}

/** Gives the next waiter a slot of those that there are more of by now, and returns it. */
export function letIn<W extends Link<W>>(permits: Permits<W>, maxConcurrent: number): W | undefined {
  const first = permits.queue?.first;
  if (first === undefined || !takeSlot(permits, maxConcurrent)) return undefined;
  permits.queue?.remove(first);
  return first;
}
