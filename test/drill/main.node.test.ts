import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../drill/main.ts', import.meta.url));
const BUILT = new URL('../../dist/index.js', import.meta.url);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the drill as `npm start` does, with its output in a pipe. `interruptOn`: what it has to say for a Ctrl-C. */
function run(args: readonly string[], interruptOn?: string): Promise<Ended> {
  // The drill drives what is published.
  expect(existsSync(BUILT), 'dist is missing: run npm run build').toBe(true);
  return new Promise((resolve) => {
    // A process group of its own, so that a Ctrl-C reaches all of it, as on a terminal.
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    onTestFinished(() => void child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    let interrupted = interruptOn === undefined;
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (interrupted || !stdout.includes(interruptOn ?? '')) return;
      interrupted = true;
      process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function startEndpoint(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

// Everything but tabs and line ends below U+0020, and DEL.
const CONTROL_CODES = /(?![\t\n])[\p{Cc}]/u;

test('the drill, squeezed and piped, tells its story in plain text and ends with its tables', {
  timeout: 60_000,
}, async () => {
  const { code, stdout, stderr } = await run(['--seconds', '4']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).not.toMatch(CONTROL_CODES);

  const lines = stdout.split('\n');
  const told = lines.flatMap((line) => /^ *\d+\.\d s {2}(\w+): the upstream /.exec(line)?.[1] ?? []);
  expect(told).toEqual(['ok', 'slow', '503', 'cut', 'hang', 'down', 'recover', 'healed']);
  expect(stdout).toMatch(/\n +\d\.\d s {4}answered, upstream load: bare fetch .*; circuit (closed|open|half-open)\n/);
  expect(stdout).toContain('The outage drill: 120 calls from each of three callers, 30 a second.');
  expect(stdout).toContain('Shortened: the outage took 4.00 s instead of 32.50 s');

  const span = String.raw`(\d+\.\d\d s|\d+(\.\d)? ms|–)`;
  const figures = new RegExp(String.raw`^ +\d+\.\d %( +${span}){4} +\d\.\d\d +(${span}|never)$`);
  for (const name of ['bare fetch', 'naive retry', 'steadfetch']) {
    const rows = lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length));
    expect(rows.filter((row) => figures.test(row))).toHaveLength(1);
    expect(rows.filter((row) => /^( +(\d+ %|–)){8}$/.test(row))).toHaveLength(1);
    expect(rows.filter((row) => /^( +(\d\.\d\d|–)){8}$/.test(row))).toHaveLength(1);
  }
  const perCall = (name: string): number =>
    Number(
      lines
        .find((line) => line.startsWith(name) && figures.test(line.slice(name.length)))
        ?.match(/ (\d\.\d\d) +\S+( s| ms)?$/)?.[1],
    );
  expect(perCall('bare fetch')).toBeGreaterThan(0.5);
  expect(perCall('naive retry')).toBeGreaterThan(perCall('bare fetch'));
  expect(stdout).toMatch(/ got the most answers: \d+\.\d % of its calls/);
});

test('the drill stops with 130 on Ctrl-C, and takes its upstreams with it', { timeout: 30_000 }, async () => {
  // Its upstreams hold its stdout: that it is closed, which run() waits for, tells that they have ended.
  const { code, stderr } = await run([], 'ok: the upstream');
  expect({ code, stderr }).toEqual({ code: 130, stderr: 'Stopped before the end: there is nothing to report yet.\n' });
});

test('--url drives the endpoint with GET and reports what came back', { timeout: 30_000 }, async () => {
  const methods: (string | undefined)[] = [];
  const url = await startEndpoint((request, response) => {
    methods.push(request.method);
    response.writeHead(methods.length % 4 === 0 ? 404 : 200).end('body');
  });
  const { code, stdout, stderr } = await run(['--url', url, '--rate', '20', '--seconds', '1']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(methods).toEqual(Array(20).fill('GET'));
  expect(stdout).not.toMatch(CONTROL_CODES);
  expect(stdout).toMatch(/^200 +15 +75\.0 %$/m);
  expect(stdout).toMatch(/^404 +5 +25\.0 %$/m);
  expect(stdout).toMatch(/^2xx, body read +15( +\d+(\.\d)? ms){4}$/m);
  expect(stdout).toContain('requests  20 sent, 0 of them retries; 0 calls refused without one');
  expect(stdout).toContain('circuit   closed throughout');
});

test('--url opens the circuit before an endpoint that is failing, and says so', { timeout: 30_000 }, async () => {
  let requests = 0;
  const url = await startEndpoint((_, response) => {
    requests += 1;
    response.writeHead(500).end();
  });
  const { code, stdout } = await run(['--url', url, '--rate', '20', '--seconds', '1']);
  expect(code).toBe(0);
  expect(requests).toBeLessThan(20);
  expect(stdout).toMatch(/^refused: circuit open +\d+ +\d+\.\d %$/m);
  expect(stdout).toMatch(/^requests {2}\d+ sent, [1-9]\d* of them retries; [1-9]\d* calls refused without one$/m);
  expect(stdout).toMatch(/^circuit {3}open at 0\.\d s/m);
});

test('--url counts every request in its chart, as in its report', { timeout: 30_000 }, async () => {
  const url = await startEndpoint((_, response) => response.end('ok'));
  const { stdout } = await run(['--url', url, '--rate', '20', '--seconds', '1']);
  expect(stdout).toContain('requests  20 sent, 0 of them retries');
  expect(stdout).toContain('load 1.00/call');
});

test('--url ends early on Ctrl-C, with the report', { timeout: 30_000 }, async () => {
  const url = await startEndpoint((_, response) => response.end('ok'));
  const { code, stdout } = await run(['--url', url, '--rate', '20', '--seconds', '600'], '2.0 s');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^200 +\d+ +100\.0 %$/m);
});

test('an option that makes no sense ends with 2, its name, its value, and the help', async () => {
  const { code, stdout, stderr } = await run(['--url', 'nowhere']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('--url must be an http or https address, got "nowhere"');
  expect(stderr).toContain('--seconds N');
});

test('--help explains the options', async () => {
  const { code, stdout, stderr } = await run(['--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('npm start -- --url URL');
});
