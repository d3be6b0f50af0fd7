import { degradation, SteadfetchError } from 'steadfetch';
import { percentile } from '../drill/statistics.ts';

/** What a caller got: a good answer; one that says that it is second best; a refusal without an attempt; a bad answer or an error. */
export type End = 'fresh' | 'degraded' | 'refused' | 'failed';

/** What has become of a call so far. */
export type Fate = End | 'waiting';

export const fates: readonly Fate[] = ['fresh', 'degraded', 'refused', 'failed', 'waiting'];

export type Counts = Readonly<Record<Fate, number>>;

interface Call {
  readonly at: number;
  fate: Fate;
  waitMs: number;
}

/** What became of the calls of a while: each of them once, by when it was made. */
export interface Summary {
  readonly calls: number;
  readonly counts: Counts;
  /** How long callers waited for an answer or an error, or have waited so far; `undefined` of nobody. */
  readonly medianMs: number | undefined;
  readonly longestMs: number | undefined;
  /** Requests that the server saw for a call. */
  readonly perCall: number | undefined;
}

/** How long calls are remembered. */
export const REMEMBERED_MS = 60_000;

/** What callers got, over the last minute. */
export class Tally {
  /** Calls that have no end yet. */
  waiting = 0;
  #calls: Call[] = [];
  #requests: number[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes that the server was sent a request. */
  request(): void {
    this.#requests.push(this.#now());
  }

  /** Notes a call, and what becomes of it. */
  async note(answer: Promise<Response>): Promise<void> {
    this.#forget();
    const call: Call = { at: this.#now(), fate: 'waiting', waitMs: 0 };
    this.#calls.push(call);
    this.waiting += 1;
    const end = await answer.then(endOf, endOfError);
    this.waiting -= 1;
    call.waitMs = this.#now() - call.at;
    if (end === undefined) this.#calls = this.#calls.filter((other) => other !== call);
    else call.fate = end;
  }

  /** The calls of the last `spanMs`. */
  summary(spanMs: number): Summary {
    const now = this.#now();
    const calls = this.#calls.filter(({ at }) => at > now - spanMs);
    const waitsMs = calls.map(({ at, fate, waitMs }) => (fate === 'waiting' ? now - at : waitMs));
    const requests = this.#requests.filter((at) => at > now - spanMs).length;
    return {
      calls: calls.length,
      counts: countsOf(calls),
      medianMs: percentile(waitsMs, 0.5),
      longestMs: percentile(waitsMs, 1),
      perCall: calls.length === 0 ? undefined : requests / calls.length,
    };
  }

  /** The calls of each second, the last of which is under way. */
  seconds(): readonly Counts[] {
    const last = Math.floor(this.#now() / 1_000);
    const seconds = Array.from({ length: REMEMBERED_MS / 1_000 }, (): Call[] => []);
    for (const call of this.#calls) seconds.at(Math.floor(call.at / 1_000) - last - 1)?.push(call);
    return seconds.map(countsOf);
  }

  #forget(): void {
    const since = this.#now() - REMEMBERED_MS;
    if ((this.#calls[0]?.at ?? since) < since) this.#calls = this.#calls.filter(({ at }) => at >= since);
    if ((this.#requests[0] ?? since) < since) this.#requests = this.#requests.filter((at) => at >= since);
  }
}

function countsOf(calls: readonly Call[]): Counts {
  const counts = { fresh: 0, degraded: 0, refused: 0, failed: 0, waiting: 0 };
  for (const { fate } of calls) counts[fate] += 1;
  return counts;
}

function endOf(response: Response): End {
  if (!response.ok) return 'failed';
  return degradation(response) === undefined ? 'fresh' : 'degraded';
}

/** Nothing for a call whose client was closed: its policy was exchanged, and it is nobody's fault. */
function endOfError(error: unknown): End | undefined {
  const code = error instanceof SteadfetchError ? error.code : undefined;
  if (code === 'CLOSED') return undefined;
  return code === 'CIRCUIT_OPEN' || code === 'BULKHEAD_FULL' || code === 'QUEUE_TIMEOUT' ? 'refused' : 'failed';
}
