import {
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  retry as cockatielRetry,
  ExponentialBackoff,
  handleAll,
} from 'cockatiel';
import { Bulkhead, CircuitBreaker, retry } from 'steadfetch';

import type { Contenders } from './rounds.ts';

const work = async (): Promise<number> => 1;

/** One layer alone, of ours and of cockatiel's, around work that is done at once. */
export function layers(): Readonly<Record<'breaker' | 'retry' | 'bulkhead', Contenders>> {
  const ourBreaker = new CircuitBreaker();
  const theirBreaker = circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });
  const ourRetry = retry();
  const unbudgeted = retry({ budget: false });
  const theirRetry = cockatielRetry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() });
  const ourBulkhead = new Bulkhead({ maxConcurrent: 64, maxQueued: 1_000 });
  const theirBulkhead = bulkhead(64, 1_000);
  return {
    breaker: { bare: work, steadfetch: () => ourBreaker.execute(work), cockatiel: () => theirBreaker.execute(work) },
    retry: {
      bare: work,
      steadfetch: () => ourRetry.execute(work),
      'without a budget': () => unbudgeted.execute(work),
      cockatiel: () => theirRetry.execute(work),
    },
    bulkhead: { bare: work, steadfetch: () => ourBulkhead.execute(work), cockatiel: () => theirBulkhead.execute(work) },
  };
}
