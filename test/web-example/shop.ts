import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** The example as `npm run web-example` starts it, on ports of its own. */
export interface Shop {
  readonly address: string;
  readonly api: string;
  /** Turns the switch of its API. */
  set(settings: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

export async function openShop(): Promise<Shop> {
  const args = ['web-example/start.ts', '--port', '0', '--api-port', '0'];
  const example = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = await untilReady(example);
  const api = /API is at\s+(\S+)/.exec(output)?.[1] ?? '';
  return {
    address: /page is at\s+(\S+)/.exec(output)?.[1] ?? '',
    api,
    async set(settings) {
      await fetch(`${api}/control?${new URLSearchParams(settings)}`);
    },
    async close() {
      if (example.exitCode !== null) return;
      example.kill('SIGTERM');
      await once(example, 'exit');
    },
  };
}

function untilReady(example: ChildProcess): Promise<string> {
  let output = '';
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk;
      if (output.includes('Ctrl-C ends it')) resolve(output);
    };
    example.stdout?.on('data', onData);
    example.stderr?.on('data', onData);
    example.once('exit', (code) => reject(new Error(`The example ended with code ${code}:\n${output}`)));
  });
}
