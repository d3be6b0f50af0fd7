import type { RedisClient, RedisSubscriber } from '../../src/adapters/redis.ts';

/** A question to the script, as a fleet asks it. */
export interface RedisQuestion {
  readonly key: string;
  /** As the script has them: what is asked first. */
  readonly args: readonly string[];
}

/** In place of a client of Redis: notes what it is asked, and says that nothing has happened. */
export interface NotingRedis extends RedisClient {
  readonly asked: readonly RedisQuestion[];
  readonly channels: readonly string[];
  /** The listeners of each connection for messages. */
  readonly connections: readonly Map<string, (error?: unknown) => void>[];
}

export function notingRedis(): NotingRedis {
  const asked: RedisQuestion[] = [];
  const channels: string[] = [];
  const connections: Map<string, (error?: unknown) => void>[] = [];
  const state = { run: 0, epoch: 1, state: 'closed', retryAfterMs: 0, trips: 0 };
  return {
    asked,
    channels,
    connections,
    async eval(_script, { keys, arguments: args }) {
      asked.push({ key: keys.join(), args });
      return JSON.stringify({ state, waitMs: 0, token: null, now: 0, isLate: false });
    },
    duplicate(): RedisSubscriber {
      const listeners = new Map<string, (error?: unknown) => void>();
      connections.push(listeners);
      return {
        connect: async () => {},
        on: (event, listener) => listeners.set(event, listener),
        subscribe: async (channel) => channels.push(channel),
        unsubscribe: async () => {},
        destroy() {},
      };
    },
    destroy() {},
  };
}
