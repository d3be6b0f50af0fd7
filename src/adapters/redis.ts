export { type RedisClient, type RedisFleetOptions, type RedisSubscriber, redisFleet } from '../fleet/redis.ts';
export { type RedisStoreClient, type RedisStoreOptions, redisStore } from '../stores/redis.ts';
