export { type CacheApiStoreOptions, type CacheLike, cacheApiStore } from '../stores/cache-api.ts';
export { type KvList, type KvNamespace, type KvStoreOptions, kvStore } from '../stores/kv.ts';
