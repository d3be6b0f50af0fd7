/**
 * Stores and a fleet on what Cloudflare Workers have: KV, the Cache API, Durable Objects.
 * @module steadfetch/cloudflare
 */

export { CircuitObject, type CircuitObjectState } from '../fleet/circuit-object.ts';
export {
  type CircuitAnswer,
  type CircuitNamespace,
  type CircuitRequest,
  type CircuitStub,
  type DurableFleetOptions,
  durableFleet,
} from '../fleet/durable.ts';
export { type CacheApiStoreOptions, type CacheLike, cacheApiStore } from '../stores/cache-api.ts';
export { type KvList, type KvNamespace, type KvStoreOptions, kvStore } from '../stores/kv.ts';
