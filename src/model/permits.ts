/** A place in the queue: the waiter, and its neighbours, so that it can leave from the middle in O(1). */
export interface Place<W> {
  readonly waiter: W;
  previous: Place<W> | undefined;
  next: Place<W> | undefined;
  waiting: boolean;
}

/** Slots that calls run in, and the first-in-first-out queue for them. */
export interface Permits<W> {
  running: number;
  queued: number;
  first: Place<W> | undefined;
  last: Place<W> | undefined;
}

export function noPermits<W>(): Permits<W> {
  return { running: 0, queued: 0, first: undefined, last: undefined };
}

/** Takes a slot, if one is free. Nobody overtakes: while anyone waits, none is. */
export function takeSlot<W>(permits: Permits<W>, maxConcurrent: number): boolean {
  if (permits.running >= maxConcurrent) return false;
  permits.running += 1;
  return true;
}

/** Joins the queue at its end; `undefined` if it is full. */
export function joinQueue<W>(permits: Permits<W>, waiter: W, maxQueued: number): Place<W> | undefined {
  if (permits.queued >= maxQueued) return undefined;
  const place: Place<W> = { waiter, previous: permits.last, next: undefined, waiting: true };
  if (permits.last === undefined) permits.first = place;
  else permits.last.next = place;
  permits.last = place;
  permits.queued += 1;
  return place;
}

/** Leaves the queue; `false` if the place was no longer waiting, for it has been given a slot or has left. */
export function leaveQueue<W>(permits: Permits<W>, place: Place<W>): boolean {
  if (!place.waiting) return false;
  place.waiting = false;
  if (place.previous === undefined) permits.first = place.next;
  else place.previous.next = place.next;
  if (place.next === undefined) permits.last = place.previous;
  else place.next.previous = place.previous;
  place.previous = place.next = undefined;
  permits.queued -= 1;
  return true;
}

/** Gives a slot back: it goes to the next waiter, who is returned, without being free in between. */
export function passOn<W>(permits: Permits<W>): W | undefined {
  const place = permits.first;
  if (place === undefined) {
    permits.running -= 1;
    return undefined;
  }
  leaveQueue(permits, place);
  return place.waiter;
}
