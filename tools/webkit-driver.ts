import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { virtualScreen, webkitDriver } from './browsers.ts';

const variable = 'STEADFETCH_WEBKIT_PORT';

/** The port that this run's WebKit driver is to listen on: Vitest asks for it before it starts the driver. */
export function webkitPort(): number {
  return Number(process.env[variable]);
}

/** Picks it, once. In the environment, because Vitest loads its configuration and the set-up below as copies of this module. */
export async function chooseWebkitPort(): Promise<void> {
  process.env[variable] ??= String(await freePort());
}

/** Vitest's global set-up of the WebKit project. */
export default async function setup(): Promise<void> {
  await start(webkitPort());
}

export interface WebkitDriver {
  readonly port: number;
  end(): Promise<void>;
}

/** A driver beside that of the project. */
export async function startWebkitDriver(): Promise<WebkitDriver> {
  const port = await freePort();
  const children = await start(port);
  return {
    port,
    end: async () => {
      for (const child of children) {
        child.ref();
        const closed = once(child, 'close');
        if (child.kill()) await closed;
      }
    },
  };
}

/** A virtual screen, and on it the driver. */
async function start(port: number): Promise<readonly ChildProcess[]> {
  const displayNumber = 3; // the file descriptor that Xvfb is told to write it to
  const screenSize = ['-screen', '0', '1280x1024x24'];
  const screen = endWithUs(
    spawn(virtualScreen, ['-displayfd', String(displayNumber), ...screenSize, '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    }),
  );
  const display = await firstLine(screen.stdio[displayNumber] as Readable);
  const driver = endWithUs(
    spawn(webkitDriver, [`--port=${port}`], {
      stdio: 'ignore',
      env: { ...process.env, DISPLAY: `:${display}` },
    }),
  );
  await answers(`http://127.0.0.1:${port}/status`);
  return [driver, screen];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Not with Vitest's tear-down: that comes before it closes the browser. */
function endWithUs(child: ChildProcess): ChildProcess {
  child.unref();
  process.once('exit', () => child.kill());
  return child;
}

/** The whole line: Xvfb writes it in two parts, and ends where nobody is there any more for the second. */
async function firstLine(stream: Readable): Promise<string> {
  let text = '';
  for await (const part of addAbortSignal(AbortSignal.timeout(10_000), stream.setEncoding('utf8'))) {
    text += part;
    if (text.includes('\n')) break;
  }
  return text.trim();
}

async function answers(url: string): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  while (!(await fetch(url, { signal: deadline }).catch(() => undefined))) {
    deadline.throwIfAborted();
    await sleep(50);
  }
}
