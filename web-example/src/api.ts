// The page's way to its API: ky on a steadfetch client, whose answers outlive a reload.
import ky from 'ky';
import { createClient, degradationStore } from 'steadfetch';
import { idbStore } from 'steadfetch/idb';
import { extendKy } from 'steadfetch/ky';

export interface Product {
  readonly id: string;
  readonly name: string;
  readonly price: number;
}

const address = new URLSearchParams(location.search).get('api') ?? 'http://127.0.0.1:8790';

export const client = createClient({
  name: 'shop',
  deadlineMs: 4_000,
  attemptTimeoutMs: 1_000,
  bulkhead: { maxConcurrent: 6, maxQueued: 20 },
  breaker: { failureThreshold: 4, successThreshold: 1, resetTimeoutMs: 2_000, maxResetTimeoutMs: 6_000 },
  retry: { maxAttempts: 2, initialDelayMs: 100 },
  // The catalogue is everybody's. What is a user's own would say whose it is.
  fallback: { store: idbStore({ name: 'harbour-supplies', partition: 'public' }) },
});

export const api: ReturnType<typeof extendKy> = extendKy(ky, client).extend({ prefix: address });
export const degraded = degradationStore(client);

/** The switch of the API, which only this example has: it works while the API does not. Answers how it is set. */
export async function control(
  settings: Readonly<Record<string, string>> = {},
): Promise<Record<string, string | number>> {
  const response = await fetch(`${address}/control?${new URLSearchParams(settings)}`);
  return response.json();
}
