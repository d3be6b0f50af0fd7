import { BrokenCircuitError, bulkhead, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { Bulkhead, CircuitBreaker } from 'steadfetch';

import type { Contenders } from './rounds.ts';

const forever = (): Promise<never> => new Promise(() => {});
const fail = async (): Promise<never> => {
  throw new Error('down');
};
const refused = async (call: () => Promise<unknown>): Promise<void> => {
  await call().catch(() => {});
};

/** Calls that are refused, each with an error that has a stack, beside one that is rejected and nothing else. */
export async function refusals(): Promise<Contenders> {
  const ourBreaker = new CircuitBreaker({ name: 'users', failureThreshold: 1, resetTimeoutMs: 600_000 });
  const theirBreaker = circuitBreaker(handleAll, { halfOpenAfter: 600_000, breaker: new ConsecutiveBreaker(1) });
  const ourBulkhead = new Bulkhead({ name: 'users', maxConcurrent: 1, maxQueued: 0 });
  const theirBulkhead = bulkhead(1, 0);
  for (const policy of [ourBreaker, theirBreaker]) await policy.execute(fail).catch(() => {});
  for (const policy of [ourBulkhead, theirBulkhead]) void policy.execute(forever);
  const opened = await theirBreaker.execute(fail).catch((error: unknown) => error);
  if (!(opened instanceof BrokenCircuitError)) throw new Error('The circuit should be open');
  return {
    bare: () => refused(async () => Promise.reject(new Error('Refused'))),
    'steadfetch, circuit open': () => refused(() => ourBreaker.execute(forever)),
    'cockatiel, circuit open': () => refused(() => theirBreaker.execute(forever)),
    'steadfetch, bulkhead full': () => refused(() => ourBulkhead.execute(forever)),
    'cockatiel, bulkhead full': () => refused(() => theirBulkhead.execute(forever)),
  };
}
