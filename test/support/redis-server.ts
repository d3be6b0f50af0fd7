import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import { createClient as connect } from 'redis';

import { freePort } from '../../tools/prometheus.ts';
import { findServer } from '../../tools/servers.ts';

export type Redis = ReturnType<typeof connect>;

/** A real Redis of its own, which keeps nothing on disk, and can be stopped, frozen and started again on its port. */
export class RedisServer {
  readonly port: number;
  #process: ChildProcess;
  readonly #clients: Redis[] = [];

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#process = child;
  }

  static async start(): Promise<RedisServer> {
    const port = await freePort();
    return new RedisServer(port, await launch(port));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** A client of it, connected; it ends with the server. */
  async client(): Promise<Redis> {
    const client = connect({ url: this.url, socket: { reconnectStrategy: 50 } });
    client.on('error', () => {});
    this.#clients.push(client as Redis);
    await client.connect();
    return client as Redis;
  }

  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** Anew, with nothing in its memory. */
  async restart(): Promise<void> {
    await this.kill();
    this.#process = await launch(this.port);
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.kill();
  }
}

async function launch(port: number): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn(findServer('redis-server') ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  for await (const chunk of child.stdout ?? []) {
    log += chunk;
    if (log.includes('Ready to accept connections')) {
      child.stdout?.resume();
      return child;
    }
  }
  throw new Error(`redis-server has ended:\n${log}`);
}
