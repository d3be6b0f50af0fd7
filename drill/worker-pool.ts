/** Jobs in one line before a fixed number of workers: first come, first served, until the line is full. */
export class WorkerPool<J> {
  readonly #workers: number;
  readonly #maxQueued: number;
  readonly #begin: (job: J) => void;
  #queue: J[] = [];
  #busy = 0;

  constructor(workers: number, maxQueued: number, begin: (job: J) => void) {
    this.#workers = workers;
    this.#maxQueued = maxQueued;
    this.#begin = begin;
  }

  /** Takes the job on, or answers `false` if the line is full. */
  offer(job: J): boolean {
    if (this.#busy < this.#workers) this.#start(job);
    else if (this.#queue.length < this.#maxQueued) this.#queue.push(job);
    else return false;
    return true;
  }

  /** A worker is done with its job, and takes the next one. */
  finished(): void {
    this.#busy -= 1;
    const next = this.#queue.shift();
    if (next !== undefined) this.#start(next);
  }

  /** Takes out all that wait. */
  dismiss(): readonly J[] {
    const waiting = this.#queue;
    this.#queue = [];
    return waiting;
  }

  #start(job: J): void {
    this.#busy += 1;
    this.#begin(job);
  }
}
