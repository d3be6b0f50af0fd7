import { close, type Ending } from '../layer.ts';

/** What is to be closed when a body is gone. No array: one that grows has room for seventeen, for as long as the body lives. */
export class Lease {
  readonly ending: Ending;
  next: Lease | undefined;

  constructor(ending: Ending, next?: Lease) {
    this.ending = ending;
    this.next = next;
  }
}

export function endLease(first: Lease): void {
  for (let lease: Lease | undefined = first; lease !== undefined; lease = lease.next) {
    try {
      close(lease.ending);
    } catch {
      // workerd collects outside of any request, where a request's timer must not be touched: it ends with the request.
    }
  }
}
