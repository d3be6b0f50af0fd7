import createFfetch from '@fetchkit/ffetch';
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleAll,
  type IPolicy,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import ky from 'ky';
import { createFetch } from 'ofetch';
import CircuitBreaker from 'opossum';
import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { createClient } from 'steadfetch';

import { byHand } from './by-hand.ts';
import type { Contenders } from './rounds.ts';

const DEADLINE_MS = 60_000;
const ATTEMPT_MS = 30_000;

const response = new Response(null, { status: 204 });
/** A fetch that answers at once: what is added to it is the library's own. */
const stub: typeof fetch = async () => response;

/** Where calls go: to a fetch that answers at once, if nothing else is said. */
export interface Upstream {
  readonly url: string;
  readonly fetch: typeof fetch;
}

const NOWHERE: Upstream = { url: 'https://users.test/u/1', fetch: stub };

/** All layers of cockatiel's. */
export function cockatiel(): IPolicy {
  return wrap(
    timeout(DEADLINE_MS, TimeoutStrategy.Aggressive),
    bulkhead(64, 1_000),
    circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) }),
    retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    timeout(ATTEMPT_MS, TimeoutStrategy.Aggressive),
  );
}

/** What a call is given beside its URL. */
export const NOTHING = (): RequestInit => ({});
/** The caller's signal, which lives on. */
export const A_SIGNAL = (): RequestInit => ({ signal: new AbortController().signal });
/** What most calls of an API have. */
export const HEADERS = (): RequestInit => ({
  headers: { accept: 'application/json', authorization: 'Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' },
});

/**
 * The same layers of each library, as far as it has them, around one fetch; what a call is given is made once for each, or all would
 * pay for the listeners that one leaves on a signal.
 */
export function pipelines(given: () => RequestInit, { url, fetch: inner }: Upstream = NOWHERE): Contenders<Response> {
  const [bare, ours, theirs, opossums, ffetchs, kys, ofetchs, ps, hands] = Array.from({ length: 9 }, given);

  const steady = createClient({ fetch: inner, deadlineMs: DEADLINE_MS, attemptTimeoutMs: ATTEMPT_MS });

  const policy = cockatiel();

  const opossum = new CircuitBreaker((to: string) => inner(to, opossums), { timeout: ATTEMPT_MS });
  const ffetch = createFfetch({
    fetchHandler: inner,
    timeout: ATTEMPT_MS,
    retries: 3,
    circuit: { threshold: 5, reset: 10_000 },
  });
  const kyFetch = ky.create({ fetch: inner, timeout: ATTEMPT_MS, retry: 3 });
  const ofetch = createFetch({ fetch: inner });
  const limit = pLimit(64);
  const least = byHand(inner);

  return {
    bare: () => inner(url, bare),
    steadfetch: () => steady.fetch(url, ours),
    'by hand': () => least(url, hands),
    cockatiel: () =>
      policy.execute((context) => inner(url, { ...theirs, signal: context.signal }), theirs?.signal ?? undefined),
    opossum: () => opossum.fire(url) as Promise<Response>,
    ffetch: () => ffetch(url, ffetchs),
    ky: () => kyFetch(url, kys),
    ofetch: () => ofetch.raw(url, { ...(ofetchs as object), timeout: ATTEMPT_MS, retry: 3 }),
    'p-limit + p-retry': () =>
      limit(() => {
        const attempt = (): Promise<Response> => inner(url, { ...ps, signal: AbortSignal.timeout(ATTEMPT_MS) });
        return pRetry(attempt, { retries: 3, signal: ps?.signal ?? undefined });
      }),
  };
}
