import { close, type Ending } from '../layer.ts';

/** What is to be closed when a body is gone. No array: one that grows has room for seventeen, for as long as the body lives. */
export class Lease {
  readonly #ending: Ending;
  #next: Lease | undefined;

  constructor(ending: Ending) {
    this.#ending = ending;
  }

  add(ending: Ending): void {
    if (this.#next === undefined) this.#next = new Lease(ending);
    else this.#next.add(ending);
  }

  end(): void {
    try {
      close(this.#ending);
    } catch {
      // workerd collects outside of any request, where a request's timer must not be touched: it ends with the request.
    }
    this.#next?.end();
  }
}
