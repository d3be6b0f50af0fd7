/**
 * A store and a fleet in Redis or Valkey.
 * @module steadfetch/redis
 */

export {
  type RedisClient,
  type RedisFleetOptions,
  type RedisListener,
  type RedisSubscriber,
  redisFleet,
} from '../fleet/redis.ts';
export { type RedisServer, type RedisStoreClient, type RedisStoreOptions, redisStore } from '../stores/redis.ts';
