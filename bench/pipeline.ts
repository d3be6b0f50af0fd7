import createFfetch from '@fetchkit/ffetch';
import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleAll,
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

import type { Contenders } from './rounds.ts';

const url = 'https://users.test/u/1';
const DEADLINE_MS = 60_000;
const ATTEMPT_MS = 30_000;

const response = new Response(null, { status: 204 });
/** A fetch that answers at once: what is added to it is the library's own. */
const stub: typeof fetch = async () => response;

/**
 * The same layers of each library, as far as it has them, around a fetch that answers at once; under a caller's signal that lives on,
 * if asked for: one for each, or all would pay for the listeners that one leaves there.
 */
export function pipelines(underSignal: boolean): Contenders {
  const init = (): { signal?: AbortSignal } => (underSignal ? { signal: new AbortController().signal } : {});
  const [bare, ours, theirs, opossums, ffetchs, kys, ofetchs, ps] = [1, 2, 3, 4, 5, 6, 7, 8].map(init);

  const steady = createClient({ fetch: stub, deadlineMs: DEADLINE_MS, attemptTimeoutMs: ATTEMPT_MS });

  const policy = wrap(
    timeout(DEADLINE_MS, TimeoutStrategy.Aggressive),
    bulkhead(64, 1_000),
    circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) }),
    retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    timeout(ATTEMPT_MS, TimeoutStrategy.Aggressive),
  );

  const opossum = new CircuitBreaker((given: string) => stub(given, opossums), { timeout: ATTEMPT_MS });
  const ffetch = createFfetch({
    fetchHandler: stub,
    timeout: ATTEMPT_MS,
    retries: 3,
    circuit: { threshold: 5, reset: 10_000 },
  });
  const kyFetch = ky.create({ fetch: stub, timeout: ATTEMPT_MS, retry: 3 });
  const ofetch = createFetch({ fetch: stub });
  const limit = pLimit(64);

  return {
    bare: () => stub(url, bare),
    steadfetch: () => steady.fetch(url, ours),
    cockatiel: () => policy.execute((context) => stub(url, { signal: context.signal }), theirs?.signal),
    opossum: () => opossum.fire(url),
    ffetch: () => ffetch(url, ffetchs),
    ky: () => kyFetch(url, kys),
    ofetch: () => ofetch.raw(url, { ...ofetchs, timeout: ATTEMPT_MS, retry: 3 }),
    'p-limit + p-retry': () =>
      limit(() => pRetry(() => stub(url, { signal: AbortSignal.timeout(ATTEMPT_MS) }), { retries: 3, ...ps })),
  };
}
