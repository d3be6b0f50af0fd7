import { chanceFor, exponential, logNormal } from '../lab/chance.ts';
import type { VirtualClock } from '../lab/clock.ts';
import { Service } from '../lab/service.ts';
import type { Breakage } from './breakage.ts';

// About 90 requests a second, of 80 ms: more than its users ask for, and less than the crowd does that overloads it.
const WORKERS = 8;
const BACKLOG = 200;
const MEDIAN_MS = 80;
const SPREAD = 0.5;
const CROWD_PER_SECOND = 120;
const NETWORK_MS = 5;
/** How long the network in between keeps a connection on which nothing comes: what proxies commonly do. */
export const GATEWAY_MS = 60_000;

/** A server in the page, that can be broken and healed. Two of the same seed are alike. */
export class Server {
  /** Told of each request that is sent to it by who has its {@link fetch}. */
  onRequest: () => void = () => {};
  readonly #clock: VirtualClock;
  readonly #service: Service;
  readonly #crowdGapMs: () => number;
  #breakage: Breakage | undefined;
  #disperse = (): void => {};

  constructor(clock: VirtualClock, seed: number) {
    this.#clock = clock;
    this.#crowdGapMs = exponential(chanceFor(seed, 'crowd'), 1_000 / CROWD_PER_SECOND);
    const workMs = logNormal(chanceFor(seed, 'work'), MEDIAN_MS, SPREAD);
    const luck = chanceFor(seed, 'luck');
    this.#service = new Service({
      clock,
      workers: WORKERS,
      backlog: BACKLOG,
      networkMs: NETWORK_MS,
      workMs: () => workMs() * (this.#breakage === 'slow' ? 10 : 1),
      status: () => (this.#breakage === 'flaky' && luck() < 0.3 ? 503 : 200),
    });
  }

  /** Breaks it in this way, and no other; `undefined` heals it. */
  set breakage(breakage: Breakage | undefined) {
    this.#breakage = breakage;
    this.#disperse();
    const service = this.#service;
    if (breakage === 'resets') service.crash();
    else if (breakage === 'hangs') service.condition = 'hangs';
    else service.condition = breakage === 'errors' ? 503 : 'up';
    if (breakage === 'overloaded') this.#crowd();
  }

  /** The way to it: a fetch without any resilience, as the platform's. */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    this.onRequest();
    const gateway = new AbortController();
    const signal = init.signal ? AbortSignal.any([init.signal, gateway.signal]) : gateway.signal;
    const cancel = this.#clock.schedule(GATEWAY_MS, () => gateway.abort());
    try {
      return await this.#service.fetch(input, { ...init, signal });
    } catch (error) {
      if (!gateway.signal.aborted) throw error;
      return new Response(null, { status: 504 });
    } finally {
      cancel();
    }
  };

  /** Others, who ask it for more than it can do. */
  #crowd(): void {
    const dispersed = this.#clock.schedule(this.#crowdGapMs(), () => {
      this.#service.fetch('https://others.test/').catch(() => {});
      this.#crowd();
    });
    this.#disperse = dispersed;
  }
}
