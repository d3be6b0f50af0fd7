import type { Deadline } from 'steadfetch';

import type { VirtualClock } from './clock.ts';
import { Series } from './series.ts';

/** What a simulated service is like. */
export interface ServiceOptions {
  readonly clock: VirtualClock;
  /** Requests that it works on at once. */
  readonly workers: number;
  /** Requests that may wait for a worker: one more is answered with 503 at once. Default: none. */
  readonly backlog?: number;
  /** How long the work for one takes, in ms. */
  readonly workMs: () => number;
  /** How many times longer it takes with so many under way: caches, locks, garbage. Default: no longer. */
  readonly slowdown?: (busy: number) => number;
  /** Milliseconds from its caller to it. Default 0.5. */
  readonly networkMs?: number;
  /** Whether it gives up what nobody waits for any more, as one that heeds its connections does. Default no: most don't. */
  readonly heedsAbort?: boolean;
  /** The status of an answer. Default 200. */
  readonly status?: () => number;
  /** What it asks of others for a request, beside its own work: the status it answers with. Its worker waits for it. */
  readonly ask?: (request: ServiceRequest) => Promise<number>;
  /** By when a request is to be answered, as it comes in. Without time left when a worker is free, it gets 504, and no work. */
  readonly deadlineOf?: (request: ServiceRequest) => Deadline;
}

export interface ServiceRequest {
  readonly url: string;
  readonly headers: Headers;
  /** Aborts when its caller has gone, if the service heeds that. */
  readonly signal: AbortSignal;
  /** When a worker began with it. */
  readonly startedAt: number;
  /** What {@link ServiceOptions.deadlineOf} made of it. */
  readonly deadline: Deadline | undefined;
}

/** How it is: well; refusing connections, as a process that is gone; not answering; answering with that status. */
export type Condition = 'up' | 'refuses' | 'hangs' | number;

/** A request on its way. */
class Job implements ServiceRequest {
  readonly url: string;
  readonly answer: (status: number) => void;
  readonly drop: () => void;
  isGone = false;
  /** Whether a worker is at it. */
  isRunning = false;
  startedAt = 0;
  deadline: Deadline | undefined;
  readonly #init: RequestInit;
  #gone: AbortController | undefined;

  constructor(url: string, init: RequestInit, answer: (status: number) => void, drop: () => void) {
    this.url = url;
    this.#init = init;
    this.answer = answer;
    this.drop = drop;
  }

  get headers(): Headers {
    return new Headers(this.#init.headers);
  }

  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    return this.#gone.signal;
  }

  abort(): void {
    this.#gone?.abort();
  }
}

/** A service with so many workers and a queue, behind a fetch: it gets slow, fills up, breaks and comes back, as real ones do. */
export class Service {
  /** Requests that reached it. */
  readonly arrived = new Series(100);
  /** Those that it answered well, while somebody still waited for it. */
  readonly served = new Series(100);
  /** Milliseconds of work for those who had gone before it was done. */
  readonly wastedMs = new Series(100);
  readonly workedMs = new Series(100);
  condition: Condition = 'up';
  readonly #options: ServiceOptions;
  readonly #clock: VirtualClock;
  /** From `#first` on. */
  #queue: Job[] = [];
  #first = 0;
  #running = new Set<Job>();
  #stoppedUntil = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  get queued(): number {
    return this.#queue.length - this.#first;
  }

  /** Sends it a request: the fetch of its clients. */
  readonly fetch = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { signal } = init;
    return new Promise((resolve, reject) => {
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      const answer = (status: number): void => {
        settle();
        resolve(new Response(null, { status }));
      };
      const drop = (): void => {
        settle();
        reject(new TypeError('fetch failed'));
      };
      const job = new Job(String(input), init, answer, drop);
      const onAbort = (): void => {
        job.isGone = true;
        reject(signal?.reason);
        if (this.#options.heedsAbort === true) this.#leave(job);
      };
      if (signal?.aborted === true) {
        onAbort();
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#clock.schedule(this.#options.networkMs ?? 0.5, () => this.#arrive(job));
    });
  };

  /** Stops all work for so long, as a collection of all garbage does. */
  pause(ms: number): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.#clock.now() + ms);
  }

  /** Loses what it was at, and refuses connections until {@link restart}. */
  crash(): void {
    this.condition = 'refuses';
    const lost = [...this.#running, ...this.#queue.slice(this.#first)];
    this.#running = new Set();
    this.#queue = [];
    this.#first = 0;
    for (const job of lost) job.drop();
  }

  restart(): void {
    this.condition = 'up';
  }

  #arrive(job: Job): void {
    this.arrived.add(this.#clock.now());
    const { condition } = this;
    job.deadline = this.#options.deadlineOf?.(job);
    if (condition === 'hangs' || (job.isGone && this.#options.heedsAbort === true)) return;
    if (condition === 'refuses') job.drop();
    else if (condition !== 'up') job.answer(condition);
    else if (this.#running.size < this.#options.workers) this.#start(job);
    else if (this.queued < (this.#options.backlog ?? 0)) this.#queue.push(job);
    else job.answer(503);
  }

  #start(job: Job): void {
    if (job.deadline !== undefined && job.deadline.remainingMs() <= 0) {
      job.answer(504);
      return;
    }
    job.isRunning = true;
    job.startedAt = this.#clock.now();
    this.#running.add(job);
    const { workMs, slowdown, ask } = this.#options;
    const takes = workMs() * (slowdown?.(this.#running.size + this.queued) ?? 1);
    const startedAt = this.#clock.now();
    this.#clock.schedule(takes, () => {
      if (ask === undefined) this.#finish(job, startedAt, takes);
      else void ask(job).then((status) => this.#finish(job, startedAt, takes, status));
    });
  }

  #finish(job: Job, startedAt: number, took: number, status = this.#options.status?.() ?? 200): void {
    // Given up, or lost in a crash.
    if (!this.#running.has(job)) return;
    const now = this.#clock.now();
    if (now < this.#stoppedUntil) {
      this.#clock.schedule(this.#stoppedUntil - now, () => this.#finish(job, startedAt, took, status));
      return;
    }
    this.workedMs.add(now, now - startedAt);
    if (job.isGone) this.wastedMs.add(now, now - startedAt);
    else if (status < 400) this.served.add(now);
    this.#running.delete(job);
    job.answer(status);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running.size < this.#options.workers && this.queued > 0) {
      const next = this.#queue[this.#first] as Job;
      this.#first += 1;
      if (this.#first > 1_000 && this.#first * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#first);
        this.#first = 0;
      }
      if (!(next.isGone && this.#options.heedsAbort === true)) this.#start(next);
    }
  }

  /** Its caller has gone, and that is heeded. */
  #leave(job: Job): void {
    if (!job.isRunning) return;
    job.abort();
    if (this.#running.delete(job)) this.#startNext();
  }
}
