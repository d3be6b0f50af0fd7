import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createClient as connect } from 'redis';

import { freePort } from '../../tools/prometheus.ts';
import { findServer } from '../../tools/servers.ts';

export type Redis = ReturnType<typeof connect>;

/** A real Redis of its own, which keeps none of its data on disk, and can be stopped, frozen and started again on its port. */
export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  readonly #folder: string;
  #process: ChildProcess;
  readonly #clients: Redis[] = [];

  private constructor(port: number, args: readonly string[], folder: string, child: ChildProcess) {
    this.port = port;
    this.#args = args;
    this.#folder = folder;
    this.#process = child;
  }

  /** With options of its command line, if given. */
  static async start(...options: readonly string[]): Promise<RedisServer> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'steadfetch-redis-'));
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
    const args = [...own, '--save', '', '--appendonly', 'no', ...options];
    return new RedisServer(port, args, folder, await launch(args));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** A client of it, connected; it ends with the server. */
  async client(user: { readonly username?: string; readonly password?: string } = {}): Promise<Redis> {
    const client = connect({ ...user, url: this.url, socket: { reconnectStrategy: 50 } });
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
    this.#process = await launch(this.#args);
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function launch(args: readonly string[]): Promise<ChildProcess> {
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
