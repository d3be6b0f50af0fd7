import { setTimeout as sleep } from 'node:timers/promises';

import { createCluster } from 'redis';

import { freePort } from '../../tools/prometheus.ts';
import { RedisServer } from './redis-server.ts';

export type Cluster = ReturnType<typeof createCluster>;

const SLOTS = 16_384;
const MASTERS = 3;

/** Three real masters, which have the slots between them. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];
  readonly #clients: Cluster[] = [];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start(): Promise<RedisCluster> {
    const busPorts = await Promise.all(Array.from({ length: MASTERS }, freePort));
    const servers = await Promise.all(
      busPorts.map((bus) => RedisServer.start('--cluster-enabled', 'yes', '--cluster-port', String(bus))),
    );
    const clients = await Promise.all(servers.map((server) => server.client()));
    const share = Math.ceil(SLOTS / MASTERS);
    for (const [index, client] of clients.entries()) {
      const slots = [index * share, Math.min(SLOTS, (index + 1) * share) - 1].map(String);
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', ...slots]);
      await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1)]);
    }
    for (const [index, { port }] of servers.entries()) {
      if (index > 0) {
        await clients[0]?.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPorts[index])]);
      }
    }
    for (const client of clients) {
      while (!String(await client.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) await sleep(20);
    }
    return new RedisCluster(servers);
  }

  /** A client of it, connected; it ends with the cluster. */
  async client(): Promise<Cluster> {
    const client = createCluster({ rootNodes: this.servers.map(({ url }) => ({ url })) });
    client.on('error', () => {});
    this.#clients.push(client as Cluster);
    await client.connect();
    return client as Cluster;
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await Promise.all(this.servers.map((server) => server.end()));
  }
}
